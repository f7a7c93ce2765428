//! What differs between two rule books: the rules and calendar years behind a dry run.

use crate::{CalendarYear, Rule, Rulebook};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How a version of a rule, or a year of the calendar, differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// Only the new rule book has it.
    Added,
    /// Both have it, with another value, unit or first day.
    Changed,
    /// Only the old one has it.
    Removed,
}

/// A version of a rule, or a year of the calendar, that two rule books do not share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleChange {
    /// `id@version`, or `calendar.YEAR`.
    pub rule: String,
    /// How it differs.
    pub change: Difference,
    /// First day of the new version, of the old one where it was removed; of a calendar the first of January.
    pub effective_from: Option<NaiveDate>,
    /// What the old rule book states.
    pub from: Option<Value>,
    /// What the new one states.
    pub to: Option<Value>,
}

/// The differences in order of their names. Notes, legal bases and confidence marks change no decision and are not compared.
pub fn changes(old: &Rulebook, new: &Rulebook) -> Vec<RuleChange> {
    let rules = |book: &Rulebook| -> BTreeMap<(String, u32), (NaiveDate, Value)> {
        book.all().map(|rule| ((rule.id.clone(), rule.version), (rule.effective_from, stated(rule)))).collect()
    };
    let years = |book: &Rulebook| -> BTreeMap<i32, (NaiveDate, Value)> {
        book.calendar.years().filter_map(|year| Some((year.year, (NaiveDate::from_ymd_opt(year.year, 1, 1)?, days_of(year))))).collect()
    };
    let mut found = compared(&rules(old), &rules(new), |(id, version)| format!("{id}@{version}"));
    found.extend(compared(&years(old), &years(new), |year| format!("calendar.{year}")));
    found
}

fn compared<K: Ord>(
    old: &BTreeMap<K, (NaiveDate, Value)>,
    new: &BTreeMap<K, (NaiveDate, Value)>,
    name: impl Fn(&K) -> String,
) -> Vec<RuleChange> {
    let keys: BTreeSet<&K> = old.keys().chain(new.keys()).collect();
    let change = |key: &K| {
        let (from, to) = (old.get(key), new.get(key));
        let change = match (from, to) {
            (None, Some(_)) => Difference::Added,
            (Some(_), None) => Difference::Removed,
            (Some((_, from)), Some((_, to))) if from != to => Difference::Changed,
            _ => return None,
        };
        let text = |side: Option<&(NaiveDate, Value)>| side.map(|(_, value)| value.clone());
        Some(RuleChange { rule: name(key), change, effective_from: to.or(from).map(|(day, _)| *day), from: text(from), to: text(to) })
    };
    keys.into_iter().filter_map(change).collect()
}

fn stated(rule: &Rule) -> Value {
    json!({ "effective_from": rule.effective_from, "value": rule.value, "unit": rule.unit })
}

fn days_of(year: &CalendarYear) -> Value {
    let sorted = |days: &[NaiveDate]| days.iter().copied().collect::<BTreeSet<_>>();
    json!({ "off": sorted(&year.off), "work": sorted(&year.work) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, version: u32, from: &str, value: i64) -> Rule {
        Rule {
            id: id.into(),
            version,
            effective_from: from.parse().unwrap(),
            value: value.into(),
            unit: None,
            legal_basis: "x".into(),
            verified: true,
            note: None,
        }
    }

    fn year(year: i32, off: &[&str]) -> CalendarYear {
        let off = off.iter().map(|d| d.parse().unwrap()).collect();
        CalendarYear { year, published_on: None, legal_basis: "x".into(), verified: true, off, work: Vec::new() }
    }

    fn told(old: &Rulebook, new: &Rulebook) -> Vec<(String, Difference)> {
        changes(old, new).into_iter().map(|c| (c.rule, c.change)).collect()
    }

    #[test]
    fn what_was_added_changed_and_removed_is_told_and_nothing_else() {
        let rules = [rule("a", 1, "2020-01-01", 1), rule("b", 1, "2020-01-01", 1)];
        let old = Rulebook::new(rules, [year(2026, &["2026-01-01", "2026-10-01"])]);
        assert!(changes(&old, &old.clone()).is_empty());
        // Words change no decision, nor does the order of days.
        let reworded = Rule { legal_basis: "y".into(), verified: false, note: Some("z".into()), ..rule("a", 1, "2020-01-01", 1) };
        assert!(changes(&old, &old.overlaid([reworded], [year(2026, &["2026-10-01", "2026-01-01"])])).is_empty());

        let new = old.overlaid(
            [rule("a", 1, "2020-01-01", 2), rule("a", 2, "2026-05-01", 3), rule("b", 1, "2020-01-02", 1)],
            [year(2026, &["2026-01-01"]), year(2027, &[])],
        );
        let name = |text: &str, change| (text.to_owned(), change);
        let (added, changed, removed) = (Difference::Added, Difference::Changed, Difference::Removed);
        assert_eq!(
            told(&old, &new),
            [name("a@1", changed), name("a@2", added), name("b@1", changed), name("calendar.2026", changed), name("calendar.2027", added)]
        );
        assert_eq!(told(&new, &old).iter().map(|(_, c)| *c).collect::<Vec<_>>(), [changed, removed, changed, changed, removed]);
        let first = &changes(&old, &new)[0];
        assert_eq!((first.from.as_ref().unwrap()["value"].clone(), first.to.as_ref().unwrap()["value"].clone()), (json!(1), json!(2)));
        assert_eq!(first.effective_from, Some("2020-01-01".parse().unwrap()));
    }

    #[test]
    fn what_is_laid_over_replaces_its_own_version_and_keeps_the_others() {
        let old = Rulebook::new([rule("a", 1, "2020-01-01", 1), rule("b", 1, "2020-01-01", 5)], [year(2026, &["2026-01-01"])]);
        let new = old.overlaid([rule("a", 1, "2020-01-01", 9), rule("a", 2, "2027-01-01", 2)], []);
        let on = |book: &Rulebook, id: &str, day: &str| book.number(id, day.parse().unwrap()).map(|(n, _)| n);
        assert_eq!((on(&new, "a", "2026-01-01"), on(&new, "a", "2027-01-01"), on(&new, "b", "2026-01-01")), (Some(9), Some(2), Some(5)));
        assert_eq!(on(&old, "a", "2026-01-01"), Some(1), "the old book is as it was");
        assert_eq!(new.all().count(), 3);
        assert!(!new.calendar.is_working_day("2026-01-01".parse().unwrap()));
    }
}
