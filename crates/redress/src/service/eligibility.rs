//! What a case can be about, and what stands in the way of repair: asked before anything is filed, and by filing itself, of the same functions.

use super::completion::lacking;
use super::{Ready, Redress};
use crate::model::cases::{Eligibility, EligibilityView, PAPERS};
use crate::model::problems::{CASE_ALREADY_OPEN, REPAIR_BARRED, REPAIR_NEVER, REPAIR_NOT_NEEDED, REPAIR_TOO_EARLY};
use crate::store::{cases, lines};
use chrono::{Months, NaiveDate};
use credence_catalog::configuration::Configuration;
use credence_catalog::disclosure::{About, Door, Facts, Viewer};
use credence_catalog::lists::{ListDefinition, ListKind};
use credence_catalog::model::{Nature, RecordState, SubjectKind};
use credence_core::actor::Role;
use credence_core::problem::{Problem, Result};
use credence_core::{Actor, SubjectId};
use credence_lists::service::redress::{EntryTarget, entry_target, entry_targets};
use credence_records::service::redress::{Target, target, targets};
use credence_rulebook::publicity::{PublicityFacts, REGIME, TRANSITION};
use credence_rulebook::{Rulebook, Window};
use credence_subjects::model::SUBJECT_NOT_FOUND;
use credence_subjects::store as subjects;
use diesel_async::AsyncPgConnection;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Rule that names items and lists that are never repaired.
pub(super) const NEVER: &str = "repair.never_items";

/// A subject with all that it is read through and that are read through it.
pub(crate) struct Family {
    /// Whose case it is.
    pub subject: Uuid,
    /// It and the others.
    pub members: Vec<Uuid>,
    /// Person or organisation.
    pub about: About,
}

impl Family {
    /// The family of a subject, as it stands now.
    pub(crate) async fn of(conn: &mut AsyncPgConnection, ready: &Ready, subject: Uuid) -> Result<Self> {
        let found = subjects::find(conn, subject).await?.ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))?;
        let members = subjects::family(conn, subject, ready.now).await?;
        Ok(Self { subject, members, about: about(&found.kind) })
    }
}

/// About whom something is, as far as disclosure cares.
pub(crate) fn about(subject_kind: &str) -> About {
    if SubjectKind::from_code(subject_kind).is_some_and(SubjectKind::is_person) { About::Person } else { About::Organisation }
}

/// The subject itself as a viewer, whoever acts for it.
pub(crate) fn own_viewer(subject: Uuid) -> Viewer {
    let actor = Actor { roles: vec![Role::Subject], subjects: vec![SubjectId(subject)], ..Actor::system("own") };
    Viewer::of(&actor, Vec::new(), true, Some("本人查询"), None)
}

/// Something a case can be about.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Whose it is: of the subject's family.
    pub subject_id: Uuid,
    /// `record` or `entry`.
    pub target: &'static str,
    /// The record or entry.
    pub id: Uuid,
    /// Catalogue item or list.
    pub source: String,
    /// Present version of a record.
    pub version_id: Option<Uuid>,
    /// Who decides about it.
    pub agency_id: Uuid,
    /// Day of the decision, or of the listing.
    pub decided_on: Option<NaiveDate>,
    /// Whether the subject is shown it, or knows that it was repaired.
    pub visible: bool,
    /// Whether it was repaired or is shielded.
    pub over: bool,
    /// Whether there is anything to repair: adverse, and neither repaired nor shielded.
    pub to_repair: bool,
    /// Whether it can be repaired at all.
    pub repairable: bool,
    /// First day on which repair can be asked for; none when any day is.
    pub from: Option<NaiveDate>,
    /// Name of its class.
    pub class: Option<String>,
    /// Kinds of papers that are needed.
    pub papers: Vec<String>,
    /// Rules all of this follows from, `id@version` each.
    pub rules: Vec<String>,
}

/// What stands in the way of an application for repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    /// Nothing adverse, or repaired or shielded already.
    NotNeeded,
    /// Never repaired.
    Never,
    /// False papers, up to and with this day.
    Barred(NaiveDate),
    /// The minimum period is not over before this day.
    TooEarly(NaiveDate),
    /// A case about it is open.
    Open(String),
}

impl Block {
    /// As a refusal of a line, which are counted from 1.
    pub(crate) fn problem(&self, line: usize, candidate: &Candidate) -> Problem {
        match self {
            Self::NotNeeded => Problem::new(&REPAIR_NOT_NEEDED).with("line", line),
            Self::Never => Problem::new(&REPAIR_NEVER).with("line", line).with("rules", candidate.rules.clone()),
            Self::Barred(until) => Problem::new(&REPAIR_BARRED).with("until", until.to_string()),
            Self::TooEarly(from) => Problem::new(&REPAIR_TOO_EARLY)
                .with("line", line)
                .with("earliest_on", from.to_string())
                .with("rules", candidate.rules.clone()),
            Self::Open(case_no) => Problem::new(&CASE_ALREADY_OPEN).with("line", line).with("case_no", case_no.clone()),
        }
    }
}

impl Candidate {
    /// What stands in the way of repairing it on a day.
    pub(crate) fn block(&self, today: NaiveDate, barred: Option<NaiveDate>, open: Option<String>) -> Option<Block> {
        if !self.to_repair {
            return Some(Block::NotNeeded);
        }
        if !self.repairable {
            return Some(Block::Never);
        }
        if let Some(until) = barred.filter(|until| today <= *until) {
            return Some(Block::Barred(until));
        }
        if let Some(from) = self.from.filter(|from| today < *from) {
            return Some(Block::TooEarly(from));
        }
        open.map(Block::Open)
    }

    /// It as somebody asks who need not wait: neither a minimum period nor the class of its record stands in the way.
    pub(crate) fn whenever(&self) -> Self {
        Self { repairable: true, from: None, ..self.clone() }
    }

    /// A record of the family, as it can be applied for on a day or, where it cannot yet, on the first day on which it can.
    fn of_record(ready: &Ready, family: &Family, owner: Uuid, found: Target, asked_on: NaiveDate) -> Self {
        let configuration = &ready.configuration;
        let state = RecordState::from_code(&found.state);
        let item = configuration.items.get(&found.item).map(|v| &v.item);
        let book = &configuration.rulebook;
        let earliest = |on: NaiveDate| {
            if never(book, &found.item, on).is_some() {
                return None;
            }
            record_window(ready, &found, on).map_or(Some(NaiveDate::MIN), |w| w.repairable.then_some(w.earliest_repair_day))
        };
        let opening = opening(&turns(book, &[REGIME, TRANSITION, NEVER], asked_on), earliest);
        let of_day = opening.map_or(asked_on, |(of_day, _)| of_day);
        let window = record_window(ready, &found, of_day);
        let facts = state.map(|state| Facts {
            about: family.about,
            agency: found.agency_id,
            state,
            public_until: found.public_until,
            current: true,
        });
        let viewer = own_viewer(family.subject);
        let door = Door::open(&configuration.disclosure, &viewer, ready.today);
        let visible = item.zip(facts).is_some_and(|(item, facts)| door.sight(item, &facts).is_some());
        let over = matches!(state, Some(RecordState::Repaired | RecordState::Shielded));
        let adverse = item.is_some_and(|item| item.nature == Nature::Adverse);
        let mut rules = window.as_ref().map(|w| w.rules.clone()).unwrap_or_default();
        rules.extend(never(book, &found.item, of_day));
        Self {
            subject_id: owner,
            target: "record",
            id: found.record_id,
            version_id: Some(found.version_id),
            agency_id: found.agency_id,
            decided_on: found.decided_on,
            // What was repaired is shown to nobody, and yet the subject knows that it was.
            visible: visible || over,
            over,
            to_repair: adverse && !over,
            repairable: opening.is_some(),
            from: opening.map(|(_, first)| first).filter(|first| *first != NaiveDate::MIN),
            class: window.as_ref().map(|w| w.class_name.clone()),
            papers: window.map_or_else(|| papers_of_the_day(book, of_day, false), |w| w.papers),
            rules,
            source: found.item,
        }
    }

    /// An entry of the family, in whatever state, as it can be applied for on a day or on the first day on which it can. Only one that is listed on a list
    /// that is kept here is shown: a mirror follows its source, whose record is what a case is about.
    fn of_entry(ready: &Ready, found: EntryTarget, asked_on: NaiveDate) -> Self {
        let list = ready.configuration.lists.get(&found.list).map(|v| &v.body);
        let current = found.state == "listed" && found.expires_on.is_none_or(|last| ready.today <= last);
        let kind = ready.directory.agency(found.agency_id).map(|agency| agency.kind.as_str()).unwrap_or_default();
        let book = &ready.configuration.rulebook;
        let terms_on = |on: NaiveDate| EntryTerms::of(book, list, (&found.list, found.listed_on, kind), on);
        let own = list.and_then(|list| list.native.as_ref()).and_then(|native| native.repair_rule.as_deref());
        let ids: Vec<&str> = [REGIME, TRANSITION, NEVER].into_iter().chain(own).collect();
        let opening = opening(&turns(book, &ids, asked_on), |on| {
            let terms = terms_on(on);
            terms.repairable.then(|| terms.from.unwrap_or(NaiveDate::MIN))
        });
        let terms = terms_on(opening.map_or(asked_on, |(of_day, _)| of_day));
        Self {
            subject_id: found.subject_id,
            target: "entry",
            id: found.id,
            version_id: None,
            agency_id: found.agency_id,
            decided_on: found.listed_on,
            visible: current && found.keeping == "native",
            over: false,
            to_repair: list.is_some_and(|list| !list.kind.is_commendation()),
            repairable: opening.is_some(),
            from: opening.map(|(_, first)| first).filter(|first| *first != NaiveDate::MIN),
            class: terms.class.map(|(_, name)| name),
            papers: terms.papers,
            rules: terms.rules,
            source: found.list,
        }
    }

    /// The record with an id, if it is one of the family's.
    pub(crate) async fn record(conn: &mut AsyncPgConnection, ready: &Ready, family: &Family, id: Uuid) -> Result<Option<Self>> {
        for member in &family.members {
            if let Some(found) = target(conn, *member, id).await? {
                return Ok(Some(Self::of_record(ready, family, *member, found, ready.today)).filter(|candidate| candidate.visible));
            }
        }
        Ok(None)
    }

    /// The entry with an id, if it is one of the family's.
    pub(crate) async fn entry(conn: &mut AsyncPgConnection, ready: &Ready, family: &Family, id: Uuid) -> Result<Option<Self>> {
        let found = entry_target(conn, id).await?.filter(|entry| family.members.contains(&entry.subject_id));
        Ok(found.map(|entry| Self::of_entry(ready, entry, ready.today)).filter(|candidate| candidate.visible))
    }
}

/// What the rules say of the repair of an entry.
pub(super) struct EntryTerms {
    /// Regime whose class names the list, where one does.
    pub regime: Option<String>,
    /// That class, and its name.
    pub class: Option<(String, String)>,
    /// Whether it can be repaired at all.
    pub repairable: bool,
    /// First day on which repair can be asked for; none when any day is.
    pub from: Option<NaiveDate>,
    /// Kinds of papers that are needed.
    pub papers: Vec<String>,
    /// Rules all of this follows from, `id@version` each.
    pub rules: Vec<String>,
}

impl EntryTerms {
    /// By a rule book, of an entry given by its list, the day it was listed and the kind of the agency that listed it, as asked for on a day. A minimum
    /// period holds where the list states one, or a class of the regime names the list; the later day counts.
    pub(super) fn of(
        book: &Rulebook,
        list: Option<&ListDefinition>,
        (code, listed_on, agency_kind): (&str, Option<NaiveDate>, &str),
        on: NaiveDate,
    ) -> Self {
        let named = book.regime(on).is_some_and(|regime| regime.classes.iter().any(|class| class.items.iter().any(|item| item == code)));
        let facts = listed_on.filter(|_| named).map(|decided_on| PublicityFacts {
            item: code.to_owned(),
            kinds: Vec::new(),
            amount_fen: None,
            sector: agency_kind.to_owned(),
            decided_on,
        });
        let window = facts.and_then(|facts| book.publicity_window(&facts, on));
        let own = list.and_then(|list| list.native.as_ref()).and_then(|native| native.repair_rule.as_ref());
        let own = own.and_then(|id| book.number(id, on)).zip(listed_on).and_then(|((months, rule), listed_on)| {
            let over = listed_on.checked_add_months(Months::new(u32::try_from(months).ok()?))?;
            Some((over.succ_opt()?, format!("{}@{}", rule.id, rule.version)))
        });
        let never = never(book, code, on);
        let serious = list.is_some_and(|list| list.kind == ListKind::SeriousDishonesty);
        let repairable = never.is_none() && window.as_ref().is_none_or(|w| w.repairable);
        let (own_day, own_rule) = own.unzip();
        let mut rules = window.as_ref().map(|w| w.rules.clone()).unwrap_or_default();
        rules.extend(own_rule);
        rules.extend(never);
        Self {
            regime: window.as_ref().map(|w| w.regime.clone()),
            class: window.as_ref().map(|w| (w.class.clone(), w.class_name.clone())),
            repairable,
            from: window.as_ref().map(|w| w.earliest_repair_day).into_iter().chain(own_day).max(),
            papers: window.map_or_else(|| papers_of_the_day(book, on, serious), |w| w.papers),
            rules,
        }
    }
}

/// How long a record is public and from when it may be repaired, asked for on a day.
pub(super) fn record_window(ready: &Ready, found: &Target, on: NaiveDate) -> Option<Window> {
    let item = &ready.configuration.items.get(&found.item)?.item;
    let kind = ready.directory.agency(found.agency_id).map(|agency| agency.kind.as_str()).unwrap_or_default();
    ready.configuration.publicity_window(item, &found.data, found.decided_on, kind, on)
}

/// A day, and the later ones on which a version of these rules begins.
fn turns(book: &Rulebook, rules: &[&str], asked_on: NaiveDate) -> Vec<NaiveDate> {
    let ours = book.all().filter(|rule| rules.contains(&rule.id.as_str()));
    let days: BTreeSet<NaiveDate> = ours.map(|rule| rule.effective_from).filter(|day| *day > asked_on).chain([asked_on]).collect();
    days.into_iter().collect()
}

/// When repair can be asked for, by the rules of the day on which it is asked and not by those of today: the day whose rules say so, and the first day, which
/// may lie before the first of `turns`. `earliest` says of a day the first day by its rules, or that there is none. What changes, changes on `turns`.
fn opening(turns: &[NaiveDate], earliest: impl Fn(NaiveDate) -> Option<NaiveDate>) -> Option<(NaiveDate, NaiveDate)> {
    let ends = turns.iter().skip(1).copied().map(Some).chain([None]);
    turns.iter().copied().zip(ends).enumerate().find_map(|(nth, (start, end))| {
        let first = earliest(start)?;
        // Rules open nothing before the day on which they begin.
        let first = if nth == 0 { first } else { first.max(start) };
        end.is_none_or(|end| first < end).then_some((start, first))
    })
}

/// The rule by which an item or list is never repaired, where there is one.
pub(super) fn never(book: &Rulebook, source: &str, on: NaiveDate) -> Option<String> {
    let named = book.texts(NEVER, on).contains(&source);
    book.rule(NEVER, on).filter(|_| named).map(|rule| format!("{}@{}", rule.id, rule.version))
}

/// Papers that the regime of the day asks for, of what no window of its own is reckoned for.
fn papers_of_the_day(book: &Rulebook, on: NaiveDate, serious: bool) -> Vec<String> {
    let Some(regime) = book.regime(on) else { return Vec::new() };
    let further: &[String] = if serious { &regime.serious_papers } else { &[] };
    regime.papers.iter().chain(further).cloned().collect()
}

/// Kinds of papers with their names: as rule `repair.papers` names them, and those the program asks for itself.
pub(crate) fn paper_names(configuration: &Configuration, on: NaiveDate) -> Vec<(String, String)> {
    let stated = configuration.rulebook.texts("repair.papers", on);
    let mut names: Vec<(String, String)> = stated
        .into_iter()
        .filter_map(|line| line.split_once('='))
        .map(|(kind, name)| (kind.trim().to_owned(), name.trim().to_owned()))
        .collect();
    for (kind, name) in PAPERS {
        if !names.iter().any(|(known, _)| known == kind) {
            names.push((kind.to_owned(), name.to_owned()));
        }
    }
    names
}

/// Names of some kinds of papers.
pub(crate) fn named(names: &[(String, String)], kinds: &[String]) -> Vec<String> {
    let name = |kind: &String| names.iter().find(|(known, _)| known == kind).map_or_else(|| kind.clone(), |(_, name)| name.clone());
    kinds.iter().map(name).collect()
}

/// Name of a catalogue item or list.
pub(crate) fn source_name(configuration: &Configuration, target: &str, source: &str) -> String {
    let name = if target == "entry" {
        configuration.lists.get(source).map(|list| list.body.name.clone())
    } else {
        configuration.items.get(source).map(|v| v.item.name.clone())
    };
    name.unwrap_or_else(|| source.to_owned())
}

/// Why something may or may not be repaired, in words for the subject.
fn because(candidate: &Candidate, block: Option<&Block>, missing: &[String]) -> String {
    let rules = if candidate.rules.is_empty() { String::new() } else { format!("（规则 {}）", candidate.rules.join("、")) };
    let class = candidate.class.as_deref().map(|class| format!("属于{class}，")).unwrap_or_default();
    let lacking = if missing.is_empty() { String::new() } else { format!("；还缺：{}", missing.join("、")) };
    match block {
        Some(Block::NotNeeded) => "该信息无需修复".to_owned(),
        Some(Block::Never) => format!("依规定不予修复{rules}；如认为信息有误，可提出异议"),
        Some(Block::Barred(until)) => format!("因提供虚假材料或违背承诺，至{until}（含）不得申请修复"),
        Some(Block::TooEarly(from)) => format!("自{from}起可以申请：{class}此前最短公示期未满{rules}{lacking}"),
        Some(Block::Open(case_no)) => format!("已有办理中的办件{case_no}，办结前不能重复申请"),
        None => {
            let over = if candidate.from.is_some() { "最短公示期已满" } else { "未规定最短公示期" };
            format!("现在可以申请：{class}{over}{rules}{lacking}")
        }
    }
}

impl Redress {
    /// What a subject could ask to be repaired: every adverse record it is shown and every entry of a list it stands on, with the day from which it may
    /// apply, why, and what it needs.
    ///
    /// # Errors
    /// When there is no such subject.
    pub async fn eligibility(&self, subject: Uuid) -> Result<EligibilityView> {
        let ready = self.ready().await?;
        let mut conn = self.db.read().await?;
        let conn: &mut AsyncPgConnection = &mut conn;
        let family = Family::of(conn, &ready, subject).await?;
        let barred = cases::barred_until(conn, &family.members, ready.today, None).await?;
        // Who is barred may apply after that at the earliest, by the rules of that day.
        let asked_on = barred.and_then(|until| until.succ_opt()).unwrap_or(ready.today);
        let mut candidates = Vec::new();
        for member in &family.members {
            let records = targets(conn, *member).await?;
            candidates.extend(records.into_iter().map(|found| Candidate::of_record(&ready, &family, *member, found, asked_on)));
            let entries = entry_targets(conn, *member).await?;
            candidates.extend(entries.into_iter().map(|found| Candidate::of_entry(&ready, found, asked_on)));
        }
        candidates.retain(|candidate| candidate.visible && candidate.to_repair);
        let names = paper_names(&ready.configuration, ready.today);
        let total_days = ready.configuration.rulebook.number("repair.total_wd", ready.today).map(|(days, _)| days);
        let mut views = Vec::new();
        for candidate in candidates {
            let open = lines::open_on(conn, candidate.subject_id, candidate.id).await?;
            let block = candidate.block(ready.today, barred, open.clone());
            let missing = lacking(conn, &family.members, &candidate.papers, Vec::new(), false, candidate.decided_on).await?;
            let never = matches!(block, Some(Block::Never));
            let from = candidate.from.max(barred.map(|_| asked_on)).unwrap_or(ready.today);
            views.push(Eligibility {
                target: candidate.target.to_owned(),
                id: candidate.id,
                source_name: source_name(&ready.configuration, candidate.target, &candidate.source),
                decided_on: candidate.decided_on,
                may_apply: block.is_none(),
                from: (!never).then_some(from),
                because: because(&candidate, block.as_ref(), &named(&names, &missing)),
                required: candidate.papers.clone(),
                missing,
                barred_until: barred,
                open_case: open,
                decides: ready.directory.agency(candidate.agency_id).map(|agency| agency.name.clone()).unwrap_or_default(),
                total_days,
                class: candidate.class,
                rules: candidate.rules,
                source: candidate.source,
            });
        }
        Ok(EligibilityView { subject_id: subject, targets: views })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn candidate() -> Candidate {
        Candidate {
            subject_id: Uuid::nil(),
            target: "record",
            id: Uuid::nil(),
            source: "administrative_penalty_organisation".to_owned(),
            version_id: None,
            agency_id: Uuid::nil(),
            decided_on: Some(day("2026-04-15")),
            visible: true,
            over: false,
            to_repair: true,
            repairable: true,
            from: Some(day("2026-07-16")),
            class: Some("一般失信".to_owned()),
            papers: Vec::new(),
            rules: vec!["publicity.regime@4".to_owned()],
        }
    }

    #[test]
    fn an_entry_of_every_shipped_list_of_serious_dishonesty_waits_for_its_minimum_period() {
        let read = |path: &str| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(path);
            credence_rulebook::toml_json::document(&std::fs::read_to_string(path).unwrap()).unwrap()
        };
        let rules = ["rules/lists.toml", "rules/publicity.toml", "rules/redress.toml"]
            .into_iter()
            .flat_map(|path| serde_json::from_value::<Vec<credence_rulebook::Rule>>(read(path)["rules"].clone()).unwrap());
        let book = Rulebook::new(rules, []);
        for (code, rule) in [
            ("major_tax_violation", "list.major_tax.min_months@1"),
            ("work_safety_dishonesty", "list.work_safety.min_months@1"),
            ("serious_illegality", "list.scjg_serious.min_months@1"),
        ] {
            let list: ListDefinition = serde_json::from_value(read(&format!("lists/{code}.toml"))).unwrap();
            let terms = |on: &str| EntryTerms::of(&book, Some(&list), (code, Some(day("2026-02-28")), ""), day(on));
            assert_eq!((terms("2026-11-23").from, terms("2026-11-23").rules), (Some(day("2027-03-01")), vec![rule.to_owned()]), "{code}");
            assert!(terms("2026-11-23").repairable);
        }
        // Before the order that asks for it, two of them had none.
        let list: ListDefinition = serde_json::from_value(read("lists/major_tax_violation.toml")).unwrap();
        let before = EntryTerms::of(&book, Some(&list), ("major_tax_violation", Some(day("2026-02-28")), "tax"), day("2026-03-31"));
        assert_eq!((before.from, before.rules), (None, Vec::new()));
    }

    #[test]
    fn one_day_early_is_too_early_and_the_day_itself_is_not() {
        let it = candidate();
        assert_eq!(it.block(day("2026-07-15"), None, None), Some(Block::TooEarly(day("2026-07-16"))));
        assert_eq!(it.block(day("2026-07-16"), None, None), None);
    }

    #[test]
    fn a_day_to_come_is_reckoned_by_the_rules_of_that_day() {
        let (today, r3) = (day("2026-03-02"), day("2026-04-01"));
        // By the rules of today on the first day, by those of the first of April on the second.
        let asked = |now: Option<&str>, then: Option<&str>| opening(&[today, r3], |on| if on < r3 { now.map(day) } else { then.map(day) });
        assert_eq!(asked(Some("2026-02-21"), Some("2026-11-21")), Some((today, day("2026-02-21"))), "open since long");
        assert_eq!(asked(Some("2026-03-31"), Some("2026-12-31")), Some((today, day("2026-03-31"))), "the last day of the old rules");
        assert_eq!(asked(Some("2026-04-01"), Some("2027-01-01")), Some((r3, day("2027-01-01"))), "not on a day that the new ones close");
        assert_eq!(asked(Some("2026-11-12"), Some("2026-02-12")), Some((r3, r3)), "as soon as the new ones open it");
        assert_eq!(asked(None, Some("2026-06-01")), Some((r3, day("2026-06-01"))), "what is never repaired today");
        assert_eq!((asked(Some("2026-05-01"), None), asked(None, None)), (None, None));
        assert_eq!(opening(&[today], |_| Some(NaiveDate::MIN)), Some((today, NaiveDate::MIN)));
    }

    #[test]
    fn a_bar_holds_to_the_end_of_its_last_day() {
        let (it, until) = (candidate(), Some(day("2026-08-01")));
        assert_eq!(it.block(day("2026-08-01"), until, None), Some(Block::Barred(day("2026-08-01"))));
        assert_eq!(it.block(day("2026-08-02"), until, None), None);
    }

    #[test]
    fn what_can_never_be_is_said_before_what_cannot_be_yet() {
        let never = Candidate { repairable: false, ..candidate() };
        assert_eq!(never.block(day("2026-01-01"), Some(day("2026-08-01")), Some("XF1".into())), Some(Block::Never));
        let done = Candidate { to_repair: false, ..never };
        assert_eq!(done.block(day("2026-01-01"), None, None), Some(Block::NotNeeded));
        assert_eq!(candidate().block(day("2027-01-01"), None, Some("XF1".into())), Some(Block::Open("XF1".into())));
    }

    #[test]
    fn the_reason_names_the_day_the_rule_and_what_is_missing() {
        let it = candidate();
        let text = because(&it, Some(&Block::TooEarly(day("2026-07-16"))), &["履行义务证明".to_owned()]);
        for part in ["自2026-07-16起可以申请", "publicity.regime@4", "还缺：履行义务证明"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(because(&it, None, &[]).starts_with("现在可以申请") && !because(&it, None, &[]).contains("还缺"));
    }
}
