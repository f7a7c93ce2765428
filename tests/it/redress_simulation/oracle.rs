//! What the simulation knows by itself about records: the regimes of publicity written down a second time, and what was done with each
//! record. It never asks the program.

use super::calendar::{after, day, months_later};
use super::random::Random;
use super::world::AGENCIES;
use chrono::{DateTime, Days, NaiveDate, Utc};
use std::collections::BTreeMap;
use uuid::Uuid;

/// First day of the regime of the order No. 36.
pub const R3: &str = "2026-04-01";
/// Months for which false papers bar a subject from repair.
pub const BAN: u32 = 36;

/// Kinds of penalty that occur together in the simulation.
pub const KINDS: [&[&str]; 10] = [
    &["罚款"],
    &["罚款", "没收违法所得"],
    &["警告", "罚款"],
    &["没收非法财物"],
    &["责令停产停业", "罚款"],
    &["吊销许可证件"],
    &["限制从业"],
    &["暂扣许可证件", "警告"],
    &["警告"],
    &["通报批评"],
];

/// How long a record is public and from when it may be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Whether it is published at all.
    pub published: bool,
    /// Months before it can be repaired.
    pub least: u32,
    /// Months after which it is public no more.
    pub most: u32,
}

/// The terms in force on a day for kinds of penalty of a sector.
pub fn terms(on: NaiveDate, kinds: &[&str], sector: &str) -> Terms {
    let public = |least, most| Terms { published: true, least, most };
    let only_words = kinds.iter().all(|kind| matches!(*kind, "警告" | "通报批评"));
    if only_words {
        return Terms { published: false, least: 0, most: 3 };
    }
    if on < day(R3) {
        // Order No. 58: three months to three years; work safety and fire at least one year.
        return public(if sector == "emergency" { 12 } else { 3 }, 36);
    }
    // Order No. 36: what takes away the right to do business is serious.
    let serious = kinds.iter().any(|kind| {
        matches!(
            *kind,
            "吊销许可证件" | "限制开展生产经营活动" | "责令停产停业" | "责令关闭" | "限制从业" | "暂扣许可证件" | "降低资质等级"
        )
    });
    if serious { public(12, 36) } else { public(3, 12) }
}

/// What was decided about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Nothing that hides it.
    Shown,
    /// Deleted in a dispute.
    Withdrawn,
    /// Repaired.
    Repaired,
    /// Shielded while a plan of reorganisation is carried out.
    Shielded,
}

/// Something that has to become true everywhere.
#[derive(Debug, Clone, Copy)]
pub struct Effect {
    /// What was done with the record.
    pub kind: &'static str,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether the platform decided, about an error of its own, and not the agency.
    pub by_platform: bool,
}

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
    /// Place of its subject.
    pub subject: usize,
    /// Place of its agency.
    pub agency: usize,
    /// Place of its kinds of penalty.
    pub kinds: usize,
    /// Number of the decision.
    pub number: String,
    /// Day of the decision.
    pub decided: NaiveDate,
    /// Last public day that the agency sent.
    pub sent: NaiveDate,
    /// When it was loaded.
    pub loaded: DateTime<Utc>,
    /// Its id in the program.
    pub id: Uuid,
    /// What was decided about it.
    pub life: Life,
    /// Last public day that a decision set.
    pub stopped: Option<NaiveDate>,
    /// How often its content was corrected.
    pub corrected: u32,
    /// Whether a dispute about it is open: it is shown with the mark.
    pub disputed: bool,
    /// What its subject stated where nothing could be ascertained.
    pub objection: Option<String>,
    /// The open line about it.
    pub open: Option<usize>,
    /// What has to follow from what was done with it.
    pub effects: Vec<Effect>,
}

impl Record {
    /// What it says the penalty was.
    pub fn content(&self) -> String {
        format!("处罚内容第{}稿", self.corrected)
    }

    fn terms(&self, on: NaiveDate) -> Terms {
        terms(on, KINDS[self.kinds], AGENCIES[self.agency].sector)
    }

    /// Last day on which everybody may see it, by the terms of a day and as long as nothing is decided about it; none when it is not
    /// published.
    pub fn last_public_day(&self, on: NaiveDate) -> Option<NaiveDate> {
        let terms = self.terms(on);
        terms.published.then(|| months_later(self.decided, terms.most).min(self.sent))
    }

    /// Whether everybody may see it on a day.
    pub fn public(&self, on: NaiveDate) -> bool {
        self.life == Life::Shown && self.last_public_day(on).is_some_and(|last| on <= last) && self.stopped.is_none_or(|last| on <= last)
    }

    /// Whether agencies may see it: to the end of its publicity and beyond, as long as nothing hides it.
    pub fn shared(&self) -> bool {
        self.life == Life::Shown
    }

    /// First day on which repair may be asked for, as told on a day.
    pub fn repairable_from(&self, on: NaiveDate) -> NaiveDate {
        after(months_later(self.decided, self.terms(on).least))
    }
}

/// One organisation.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// Its code.
    pub uscc: String,
    /// Its id in the program.
    pub id: Uuid,
    /// Places of its records.
    pub records: Vec<usize>,
    /// What bars it from repair: places of the lines whose papers were false, with the last day of each bar.
    pub bars: Vec<(usize, NaiveDate)>,
    /// Agencies that read its file, and when.
    pub readers: Vec<(usize, DateTime<Utc>)>,
}

impl Subject {
    /// Whether it may not apply for repair on a day; what bars it for one line does not stand in the way of deciding that line anew.
    pub fn barred(&self, on: NaiveDate, except: Option<usize>) -> bool {
        self.bars.iter().any(|(line, until)| Some(*line) != except && on <= *until)
    }
}

/// What is counted, so that a simulation in which nothing happens does not pass for one in which all went well.
#[derive(Debug, Default)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// One more.
    pub fn add(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Whether each of these happened as often as it has to; those that did not, with how often they did.
    pub fn lacking(&self, wanted: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
        let of = |what: &str| self.0.get(what).copied().unwrap_or_default();
        wanted.iter().filter(|(what, least)| of(what) < *least).map(|(what, _)| (*what, of(what))).collect()
    }
}

/// A record as it is drawn, before it is loaded.
pub fn draw(random: &mut Random, subject: usize, number: usize, decided: NaiveDate) -> Record {
    let kinds = if random.chance(80) { random.below(4) } else { 4 + random.below(6) };
    // Agencies send what their own forms say: the longest period mostly, a year often, and what somebody typed.
    let sent = match random.below(10) {
        0..=5 => months_later(decided, 36),
        6..=8 => months_later(decided, 12),
        _ => decided + Days::new(u64::try_from(random.between(0, 1000)).unwrap()),
    };
    Record {
        subject,
        agency: random.below(AGENCIES.len()),
        kinds,
        number: format!("廊模罚字{number}号"),
        decided,
        sent,
        loaded: DateTime::UNIX_EPOCH,
        id: Uuid::nil(),
        life: Life::Shown,
        stopped: None,
        corrected: 0,
        disputed: false,
        objection: None,
        open: None,
        effects: Vec::new(),
    }
}

#[test]
fn the_simulations_regimes_are_those_of_the_orders() {
    let window = |on: &str, kinds: &[&str], sector: &str| {
        let Terms { published, least, most } = terms(day(on), kinds, sector);
        (published, least, most)
    };
    assert_eq!(window("2026-03-31", &["罚款"], "market_regulation"), (true, 3, 36));
    assert_eq!(window("2026-03-31", &["罚款"], "emergency"), (true, 12, 36));
    assert_eq!(window("2026-03-31", &["警告"], "emergency"), (false, 0, 3));
    assert_eq!(window("2026-04-01", &["罚款"], "emergency"), (true, 3, 12));
    assert_eq!(window("2026-04-01", &["警告", "罚款"], "market_regulation"), (true, 3, 12));
    assert_eq!(window("2026-04-01", &["罚款", "责令停产停业"], "market_regulation"), (true, 12, 36));
}
