//! Dry run of changed rules: whose record or entry would be public for longer or shorter, repaired earlier or later, and which open deadline would move.
//! Reads only.

use super::Redress;
use super::eligibility::{EntryTerms, NEVER, never};
use crate::model::decisions::{Pause, last_day};
use crate::model::lines::LineState;
use crate::store::rules_diff::{self as store, After, Listed, OpenLine, Present};
use chrono::NaiveDate;
use credence_catalog::configuration::Configuration;
use credence_catalog::model::{DisclosureClass, Nature};
use credence_catalog::{Item, publicity};
use credence_core::clock::china_date;
use credence_core::problem::{Problem, Result};
use credence_db::Db;
use credence_identity::directory::Snapshot;
use credence_rulebook::diff::{RuleChange, changes};
use credence_rulebook::{CalendarYear, Rule, Rulebook, Window};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;
use uuid::Uuid;

/// Rows read at a time.
const PAGE: i64 = 1000;
/// What samples and changes are about.
const RECORD: &str = "record";
const ENTRY: &str = "entry";

/// Rules that are thought of.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulesDiffRequest {
    /// Rules as a file under `config/rules` states them: `id`, `version`, `effective_from`, `value`, `unit`, `legal_basis`, `verified`, `note`. Each
    /// replaces the version of its number, or comes beside the others.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub rules: Vec<Rule>,
    /// Calendar years as a file `config/rules/calendar-YYYY.toml` states them: `year`, `published_on`, `legal_basis`, `verified`, `off`, `work`. Each
    /// replaces its year.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub years: Vec<CalendarYear>,
    /// The day on which records are looked at; today when absent.
    pub on: Option<NaiveDate>,
}

/// How a day compares with what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shift {
    /// Before it.
    Earlier,
    /// The same day.
    Same,
    /// After it, or without end.
    Later,
}

impl Shift {
    fn between(from: Option<NaiveDate>, to: Option<NaiveDate>) -> Self {
        // No day is no end.
        let rank = |day: Option<NaiveDate>| (day.is_none(), day);
        match rank(to).cmp(&rank(from)) {
            std::cmp::Ordering::Less => Self::Earlier,
            std::cmp::Ordering::Equal => Self::Same,
            std::cmp::Ordering::Greater => Self::Later,
        }
    }
}

/// Records of one item, or entries of one list, that change in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RulesDiffChange)]
pub struct Changed {
    /// `record` or `entry`.
    pub target: String,
    /// Catalogue item or list.
    pub item: String,
    /// Class before; absent when no rule held.
    pub class_from: Option<String>,
    /// Class after.
    pub class_to: Option<String>,
    /// How the last public day moves; of an entry the last day on its list.
    pub last_public_day: Shift,
    /// How the first day of repair moves. What cannot be repaired is later than any day.
    pub earliest_repair_day: Shift,
    /// How many.
    pub count: i64,
}

/// A window as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WindowView {
    /// Regime; absent where none holds for it.
    pub regime: Option<String>,
    /// Class.
    pub class: Option<String>,
    /// Whether it is published at all.
    pub published: bool,
    /// Last day on which it is public by the rules; a day that was sent with it may be earlier. Of an entry the last day on its list, as it would be reckoned
    /// when it is listed. Absent where there is no end.
    pub last_public_day: Option<NaiveDate>,
    /// Whether it can be repaired.
    pub repairable: bool,
    /// First day on which repair can be asked for; absent where no minimum period holds.
    pub earliest_repair_day: Option<NaiveDate>,
    /// Kinds of papers an application needs.
    pub papers: Vec<String>,
    /// Rules, `id@version` each.
    pub rules: Vec<String>,
}

impl From<Window> for WindowView {
    fn from(window: Window) -> Self {
        let Window { regime, class, published, last_public_day, repairable, earliest_repair_day, papers, rules, .. } = window;
        Self {
            regime: Some(regime),
            class: Some(class),
            published,
            last_public_day: Some(last_public_day),
            repairable,
            earliest_repair_day: Some(earliest_repair_day),
            papers,
            rules,
        }
    }
}

/// One record or entry that would be affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sample {
    /// Whom it is about.
    pub subject_id: Uuid,
    /// `record` or `entry`.
    pub target: String,
    /// The record or entry.
    pub id: Uuid,
    /// Its item or list.
    pub item: String,
    /// Day of the decision.
    pub decided_on: Option<NaiveDate>,
    /// As it is.
    pub from: Option<WindowView>,
    /// As it would be.
    pub to: Option<WindowView>,
}

/// A clock of an open line that would end on another day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MovedDeadline {
    /// The case.
    pub case_no: String,
    /// Its line.
    pub line_id: Uuid,
    /// `step` for what is owed now, `total` for the whole.
    pub clock: String,
    /// Rule it is counted by.
    pub rule: String,
    /// Last day as it stands.
    pub due_on_from: NaiveDate,
    /// Last day by the new rules.
    pub due_on_to: NaiveDate,
}

/// What changed rules would do. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RulesDiff {
    /// Rules and calendar years that differ.
    #[schema(value_type = Vec<Object>)]
    pub rules: Vec<RuleChange>,
    /// The day on which records were looked at.
    pub on: NaiveDate,
    /// Present records of items with publicity, and of those that only one of the rule books never lets be repaired.
    pub records_looked_at: i64,
    /// Those among them whose period, class, papers or repair would be other ones.
    pub affected: i64,
    /// Entries that stand on lists which are kept here.
    pub entries_looked_at: i64,
    /// Those among them whose period or repair would be other ones.
    pub entries_affected: i64,
    /// Both by item or list, class and direction.
    pub by_change: Vec<Changed>,
    /// Some of them, of records and of entries at most so many each.
    pub samples: Vec<Sample>,
    /// Public on the day by the rules as they are, and not by the new ones.
    pub no_longer_public: i64,
    /// The reverse.
    pub public_again: i64,
    /// Deadlines of open cases that would move.
    pub open_cases: Vec<MovedDeadline>,
}

/// Two rule books and what is needed to compare them over the stored records.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// Items in force.
    pub configuration: &'a Configuration,
    /// Agencies.
    pub directory: &'a Snapshot,
    /// Rules as they are.
    pub old: &'a Rulebook,
    /// Rules as they would be.
    pub new: &'a Rulebook,
    /// The day on which records are looked at.
    pub on: NaiveDate,
    /// Samples that are told of records, and of entries.
    pub samples_max: usize,
}

impl Comparison<'_> {
    /// Runs over every present record, listed entry and open line.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn run(&self, db: &Db) -> Result<RulesDiff> {
        // What one of the books never lets be repaired, and the other does.
        let ruled_out: [BTreeSet<&str>; 2] = [self.old, self.new].map(|book| book.texts(NEVER, self.on).into_iter().collect());
        let differs = |code: &str| ruled_out.iter().filter(|codes| codes.contains(code)).count() == 1;
        let all = self.configuration.items.values().map(|v| &v.item);
        let concerned = all.filter(|item| item.publicity.is_some() || (item.nature == Nature::Adverse && differs(&item.code)));
        let items: Vec<String> = concerned.map(|item| item.code.clone()).collect();
        let lists = self.configuration.lists.values().filter(|list| list.body.native.is_some());
        let lists: Vec<String> = lists.map(|list| list.body.code.clone()).collect();
        let mut found = Found::new(self.on);
        let mut conn = db.read().await?;
        let mut after: After = Default::default();
        loop {
            let page = store::present(&mut conn, &items, after, PAGE).await?;
            for record in &page {
                self.look_at(record, &mut found);
            }
            match page.last() {
                Some(last) => after = (last.subject_id, last.id),
                None => break,
            }
        }
        let mut after: After = Default::default();
        loop {
            let page = store::listed(&mut conn, &lists, self.on, after, PAGE).await?;
            for entry in &page {
                self.look_at_entry(entry, &mut found);
            }
            match page.last() {
                Some(last) => after = (last.subject_id, last.id),
                None => break,
            }
        }
        let mut after: After = Default::default();
        loop {
            let page = store::open_lines(&mut conn, after, PAGE).await?;
            found.diff.open_cases.extend(page.iter().flat_map(|line| self.moved(line)));
            match page.last() {
                Some(last) => after = (last.subject_id, last.id),
                None => break,
            }
        }
        Ok(found.told(changes(self.old, self.new)))
    }

    fn look_at(&self, record: &Present, found: &mut Found) {
        let Some(versioned) = self.configuration.items.get(&record.item) else { return };
        let item = &versioned.item;
        let kind = self.directory.agency(record.agency_id).map_or("", |agency| agency.kind.as_str());
        found.diff.records_looked_at += 1;
        let public = |book: &Rulebook| {
            let until = publicity::public_until(book, item, &record.data, record.decided_on, record.public_until, kind, self.on);
            is_ever_public(item) && until.is_none_or(|last| self.on <= last)
        };
        match (public(self.old), public(self.new)) {
            (true, false) => found.diff.no_longer_public += 1,
            (false, true) => found.diff.public_again += 1,
            _ => {}
        }
        let view = |book: &Rulebook| self.record_view(book, item, kind, record);
        let about = (RECORD, record.item.as_str(), record.public_until);
        let differs = found.compared(about, self.samples_max, (view(self.old), view(self.new)), |from, to| Sample {
            subject_id: record.subject_id,
            target: RECORD.to_owned(),
            id: record.record_id,
            item: record.item.clone(),
            decided_on: record.decided_on,
            from,
            to,
        });
        found.diff.affected += i64::from(differs);
    }

    /// What the rules say of a record. What is never repaired is not, whatever its class says.
    fn record_view(&self, book: &Rulebook, item: &Item, agency_kind: &str, record: &Present) -> Option<WindowView> {
        let window = publicity::window(book, item, &record.data, record.decided_on, agency_kind, self.on).map(WindowView::from);
        let Some(rule) = never(book, &record.item, self.on) else { return window };
        // Without a window it is public until the day that was sent with it.
        let mut view = window.unwrap_or_else(|| WindowView {
            regime: None,
            class: None,
            published: is_ever_public(item),
            last_public_day: record.public_until,
            repairable: true,
            earliest_repair_day: None,
            papers: Vec::new(),
            rules: Vec::new(),
        });
        view.repairable = false;
        view.rules.push(rule);
        Some(view)
    }

    fn look_at_entry(&self, entry: &Listed, found: &mut Found) {
        found.diff.entries_looked_at += 1;
        let views = (self.entry_view(self.old, entry), self.entry_view(self.new, entry));
        let differs = found.compared((ENTRY, entry.list.as_str(), None), self.samples_max, views, |from, to| Sample {
            subject_id: entry.subject_id,
            target: ENTRY.to_owned(),
            id: entry.id,
            item: entry.list.clone(),
            decided_on: entry.decided_on,
            from,
            to,
        });
        found.diff.entries_affected += i64::from(differs);
    }

    /// What the rules say of an entry: how long it stands, counted as when it was listed, and its repair as asked for on the day. A commendation has nothing
    /// to repair.
    fn entry_view(&self, book: &Rulebook, entry: &Listed) -> Option<WindowView> {
        let list = &self.configuration.lists.get(&entry.list)?.body;
        let native = list.native.as_ref()?;
        let kind = self.directory.agency(entry.agency_id).map_or("", |agency| agency.kind.as_str());
        let period = native.period_rule.as_ref().zip(entry.listed_on).and_then(|(id, listed_on)| book.number(id, listed_on));
        let last = period.zip(entry.decided_on).and_then(|((months, _), decided_on)| {
            // The period counts from the decision, by the rule of the day on which it is listed.
            credence_lists::model::last_day(decided_on, u32::try_from(months).ok()?)
        });
        let mut view = WindowView {
            regime: None,
            class: None,
            published: list.disclosure == DisclosureClass::Public,
            last_public_day: last,
            repairable: false,
            earliest_repair_day: None,
            papers: Vec::new(),
            rules: period.map(|(_, rule)| format!("{}@{}", rule.id, rule.version)).into_iter().collect(),
        };
        if !list.kind.is_commendation() {
            let terms = EntryTerms::of(book, Some(list), (entry.list.as_str(), entry.listed_on, kind), self.on);
            view.regime = terms.regime;
            view.class = terms.class.map(|(code, _)| code);
            view.repairable = terms.repairable;
            view.earliest_repair_day = terms.from;
            view.papers = terms.papers;
            view.rules.extend(terms.rules);
        }
        Some(view)
    }

    /// The clocks of a line that would end on another day. One that stands still is counted when it goes on, by the rules of then; a review has no whole.
    fn moved(&self, line: &OpenLine) -> Vec<MovedDeadline> {
        let step = self.moved_clock(line, "step", line.due_on, line.due_rule.as_deref());
        let in_review = line.state == LineState::Review.code();
        let whole = line.total_due_on.filter(|_| line.due_on.is_some() && !in_review);
        let total = self.moved_clock(line, "total", whole, line.total_rule.as_deref());
        step.into_iter().chain(total).collect()
    }

    fn moved_clock(&self, line: &OpenLine, clock: &str, due_on: Option<NaiveDate>, rule: Option<&str>) -> Option<MovedDeadline> {
        let (due_on_from, rule) = (due_on?, rule?);
        let id = rule.split([' ', '@']).next()?;
        let step = match id {
            "dispute.provider_wd" => line.checked_at,
            "repair.decide_wd" => line.accepted_at,
            "dispute.review_wd" => line.review_asked_at,
            _ => None,
        };
        let begun = china_date(step.unwrap_or(line.filed_at));
        // The stops that lie in this clock; those before a review, say, were of another.
        let stops = line.stops_began.iter().copied().zip(line.stops_ended.iter().copied());
        let pauses: Vec<Pause> = stops.filter(|(began_on, _)| *began_on >= begun).collect();
        let last = |book: &Rulebook| {
            let days = u32::try_from(book.rule_or_first(id, begun)?.value.as_i64()?).ok()?;
            last_day(&book.calendar, begun, days, &pauses)
        };
        let (from, to) = (last(self.old)?, last(self.new)?);
        (from != to).then(|| MovedDeadline {
            case_no: line.case_no.clone(),
            line_id: line.id,
            clock: clock.to_owned(),
            rule: rule.to_owned(),
            due_on_from,
            due_on_to: to,
        })
    }
}

/// Whether records of an item are public to begin with.
fn is_ever_public(item: &Item) -> bool {
    item.disclosure == DisclosureClass::Public
}

/// Whether two windows say the same; by which regime and rule they say it is no difference to anybody.
fn same(from: Option<&WindowView>, to: Option<&WindowView>) -> bool {
    let said = |w: &WindowView| (w.class.clone(), w.published, w.last_public_day, w.repairable, w.earliest_repair_day, w.papers.clone());
    from.map(said) == to.map(said)
}

/// The first day of repair, to be compared: any day where no minimum period holds, none where it is never repaired.
fn first_day(view: Option<&WindowView>) -> Option<NaiveDate> {
    let Some(view) = view else { return Some(NaiveDate::MIN) };
    view.repairable.then(|| view.earliest_repair_day.unwrap_or(NaiveDate::MIN))
}

/// `record` or `entry`, item or list, class before and after, how the last public day and the first day of repair move.
type Kind = (&'static str, String, Option<String>, Option<String>, (Shift, Shift));

struct Found {
    diff: RulesDiff,
    by_change: BTreeMap<Kind, i64>,
    /// Samples there are of records, and of entries.
    sampled: BTreeMap<&'static str, usize>,
}

impl Found {
    fn new(on: NaiveDate) -> Self {
        let diff = RulesDiff {
            rules: Vec::new(),
            on,
            records_looked_at: 0,
            affected: 0,
            entries_looked_at: 0,
            entries_affected: 0,
            by_change: Vec::new(),
            samples: Vec::new(),
            no_longer_public: 0,
            public_again: 0,
            open_cases: Vec::new(),
        };
        Self { diff, by_change: BTreeMap::new(), sampled: BTreeMap::new() }
    }

    /// Whether what two rule books say of something differs; it is counted, and kept as a sample while there are few. Where nothing is said of it, it is public
    /// to the day that was `sent`.
    fn compared(
        &mut self,
        (target, item, sent): (&'static str, &str, Option<NaiveDate>),
        samples_max: usize,
        (from, to): (Option<WindowView>, Option<WindowView>),
        sample: impl FnOnce(Option<WindowView>, Option<WindowView>) -> Sample,
    ) -> bool {
        if same(from.as_ref(), to.as_ref()) {
            return false;
        }
        let last = |view: &Option<WindowView>| view.as_ref().map_or(sent, |w| w.last_public_day);
        let class = |view: &Option<WindowView>| view.as_ref().and_then(|w| w.class.clone());
        let repair = Shift::between(first_day(from.as_ref()), first_day(to.as_ref()));
        let shifts = (Shift::between(last(&from), last(&to)), repair);
        *self.by_change.entry((target, item.to_owned(), class(&from), class(&to), shifts)).or_default() += 1;
        let sampled = self.sampled.entry(target).or_default();
        if *sampled < samples_max {
            *sampled += 1;
            self.diff.samples.push(sample(from, to));
        }
        true
    }

    fn told(self, rules: Vec<RuleChange>) -> RulesDiff {
        let changed = |((target, item, class_from, class_to, (last_public_day, earliest_repair_day)), count): (Kind, i64)| Changed {
            target: target.to_owned(),
            item,
            class_from,
            class_to,
            last_public_day,
            earliest_repair_day,
            count,
        };
        RulesDiff { rules, by_change: self.by_change.into_iter().map(changed).collect(), ..self.diff }
    }
}

impl Redress {
    /// What these rules and calendar years would change, laid over those in force.
    ///
    /// # Errors
    /// `malformed_request` without any, `bad_config` with every fault when one could not come into force.
    pub async fn rules_diff(&self, asked: RulesDiffRequest) -> Result<RulesDiff> {
        let RulesDiffRequest { rules, years, on } = asked;
        if rules.is_empty() && years.is_empty() {
            let zh = "rules 与 years 均为空；请给出至少一条规则或者一个年度的日历";
            return Err(Problem::malformed(zh, "`rules` and `years` are empty; give at least one rule or year"));
        }
        credence_catalog::check_rules(&self.db, &rules, &years).await?;
        let ready = self.ready().await?;
        let new = ready.configuration.rulebook.overlaid(rules, years);
        let comparison = Comparison {
            configuration: &ready.configuration,
            directory: &ready.directory,
            old: &ready.configuration.rulebook,
            new: &new,
            on: on.unwrap_or(ready.today),
            samples_max: self.settings.diff_samples_max,
        };
        comparison.run(&self.db).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn rule(id: &str, version: u32, from: &str, value: i64) -> Rule {
        Rule {
            id: id.into(),
            version,
            effective_from: day(from),
            value: value.into(),
            unit: None,
            legal_basis: "x".into(),
            verified: true,
            note: None,
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// A line of a dispute that was filed on Monday 2 November 2026 and forwarded on the day after.
    fn line() -> OpenLine {
        OpenLine {
            subject_id: Uuid::nil(),
            id: Uuid::nil(),
            case_no: "YY".into(),
            state: "forwarded".into(),
            due_on: Some(day("2026-11-10")),
            due_rule: Some("dispute.provider_wd@1".into()),
            total_due_on: Some(day("2026-11-11")),
            total_rule: Some("dispute.total_wd@1".into()),
            filed_at: at("2026-11-02T02:00:00Z"),
            checked_at: Some(at("2026-11-03T02:00:00Z")),
            accepted_at: None,
            review_asked_at: None,
            stops_began: Vec::new(),
            stops_ended: Vec::new(),
        }
    }

    fn moved(line: &OpenLine, new: &[Rule]) -> Vec<(String, String, String)> {
        let held = [("dispute.provider_wd", 5), ("dispute.total_wd", 7), ("dispute.review_wd", 5)];
        let old = Rulebook::new(held.map(|(id, days)| rule(id, 1, "2019-01-01", days)), []);
        let new = old.overlaid(new.to_vec(), []);
        let (configuration, directory) = (Configuration::default(), Snapshot::default());
        let on = day("2026-11-04");
        let comparison = Comparison { configuration: &configuration, directory: &directory, old: &old, new: &new, on, samples_max: 0 };
        comparison.moved(line).into_iter().map(|m| (m.clock, m.due_on_from.to_string(), m.due_on_to.to_string())).collect()
    }

    fn told(clock: &str, from: &str, to: &str) -> (String, String, String) {
        (clock.into(), from.into(), to.into())
    }

    #[test]
    fn a_deadline_is_counted_again_from_the_day_of_its_step() {
        assert!(moved(&line(), &[]).is_empty());
        let shorter = rule("dispute.provider_wd", 2, "2026-11-01", 3);
        assert_eq!(moved(&line(), &[shorter]), [told("step", "2026-11-10", "2026-11-06")]);
        // A rule that begins after the step was taken changes nothing of it.
        assert!(moved(&line(), &[rule("dispute.provider_wd", 2, "2026-11-04", 3)]).is_empty());
        let longer = rule("dispute.total_wd", 1, "2019-01-01", 9);
        assert_eq!(moved(&line(), &[longer]), [told("total", "2026-11-11", "2026-11-13")]);
    }

    #[test]
    fn stops_are_taken_out_one_by_one_and_a_clock_that_stands_does_not_move() {
        // Forwarded on Tuesday with five days. Stopped on Thursday with three left, until Monday; again on Tuesday with two left, until Friday.
        let stopped = OpenLine {
            state: "accepted".into(),
            due_on: Some(day("2026-11-17")),
            total_due_on: Some(day("2026-11-18")),
            stops_began: vec![day("2026-11-05"), day("2026-11-10")],
            stops_ended: vec![day("2026-11-09"), day("2026-11-13")],
            ..line()
        };
        let provider = |days| rule("dispute.provider_wd", 1, "2019-01-01", days);
        assert!(moved(&stopped, &[provider(5)]).is_empty());
        assert_eq!(moved(&stopped, &[provider(7)]), [told("step", "2026-11-17", "2026-11-19")], "two working days more");
        // With three days one was left at the first stop, and none at the second, on its last day.
        assert_eq!(moved(&stopped, &[provider(3)]), [told("step", "2026-11-17", "2026-11-13")]);
        assert_eq!(moved(&stopped, &[provider(1)]), [told("step", "2026-11-17", "2026-11-04")], "over before any stop");
        let standing = OpenLine { due_on: None, due_rule: None, ..stopped };
        let both = [provider(7), rule("dispute.total_wd", 1, "2019-01-01", 9)];
        assert!(moved(&standing, &both).is_empty(), "neither of its clocks is counted");
    }

    #[test]
    fn a_review_has_a_clock_of_its_own_and_no_whole() {
        let review = OpenLine {
            state: "review".into(),
            due_on: Some(day("2026-11-25")),
            due_rule: Some("dispute.review_wd@1".into()),
            review_asked_at: Some(at("2026-11-18T02:00:00Z")),
            stops_began: vec![day("2026-11-05")],
            stops_ended: vec![day("2026-11-09")],
            ..line()
        };
        let of = |days| rule("dispute.review_wd", 2, "2019-01-02", days);
        assert_eq!(moved(&review, &[of(3)]), [told("step", "2026-11-25", "2026-11-23")], "the stop before it takes no part");
        assert!(moved(&review, &[rule("dispute.total_wd", 1, "2019-01-01", 9)]).is_empty());
    }

    #[test]
    fn a_changed_calendar_moves_what_runs_through_it() {
        let old = Rulebook::new([rule("dispute.provider_wd", 1, "2019-01-01", 5), rule("dispute.total_wd", 1, "2019-01-01", 7)], []);
        let off = vec![day("2026-11-05"), day("2026-11-06")];
        let year = CalendarYear { year: 2026, published_on: None, legal_basis: "x".into(), verified: false, off, work: Vec::new() };
        let new = old.overlaid([], [year]);
        let (configuration, directory) = (Configuration::default(), Snapshot::default());
        let on = day("2026-11-04");
        let comparison = Comparison { configuration: &configuration, directory: &directory, old: &old, new: &new, on, samples_max: 0 };
        let found: Vec<String> = comparison.moved(&line()).into_iter().map(|m| m.due_on_to.to_string()).collect();
        assert_eq!(found, ["2026-11-12", "2026-11-13"]);
    }

    #[test]
    fn no_end_is_later_than_any_day() {
        let (a, b) = (Some(day("2026-01-01")), Some(day("2026-01-02")));
        assert_eq!((Shift::between(a, b), Shift::between(b, a), Shift::between(a, a)), (Shift::Later, Shift::Earlier, Shift::Same));
        assert_eq!((Shift::between(a, None), Shift::between(None, b)), (Shift::Later, Shift::Earlier));
        assert_eq!(first_day(None), Some(NaiveDate::MIN), "where nothing is said, any day");
    }
}
