//! The dated rules: parameters with a legal basis and a first day, and the calendar of working days. Pure: a [`Rulebook`] is built from
//! documents that `credence config apply` stored, and answers questions about dates. Nothing in the program holds a period as a constant.

mod calendar;
pub mod clocks;
pub mod diff;
pub mod publicity;
pub mod toml_json;

pub use calendar::{Calendar, CalendarYear, Counted};
pub use clocks::Clock;
pub use publicity::{PublicityFacts, Regime, Window};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One version of one rule, as a file under `config/rules` states it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Stable id, e.g. `feed.sgs.deadline_wd`.
    pub id: String,
    /// Grows with every change.
    pub version: u32,
    /// First day it holds.
    pub effective_from: NaiveDate,
    /// Number, text, flag or list, as the rule needs.
    pub value: Value,
    /// `working_day`, `month`, … where the value is a period.
    #[serde(default)]
    pub unit: Option<String>,
    /// Law and article, or "design default".
    pub legal_basis: String,
    /// Whether the official text was read; what is false, an operator still has to verify.
    pub verified: bool,
    /// Why it is so, or what is doubtful.
    #[serde(default)]
    pub note: Option<String>,
}

/// Every rule known, by id, each with its versions in order of their first day.
#[derive(Debug, Clone, Default)]
pub struct Rulebook {
    rules: BTreeMap<String, Vec<Rule>>,
    /// Regimes of publicity by the version of their rule. One that cannot be read was refused by `config check`, and is none.
    regimes: BTreeMap<u32, Regime>,
    /// The calendar of working days.
    pub calendar: Calendar,
}

impl Rulebook {
    /// Puts rules and calendar years together. Two versions of a rule with the same first day: the higher version holds.
    pub fn new(rules: impl IntoIterator<Item = Rule>, years: impl IntoIterator<Item = CalendarYear>) -> Self {
        let mut by_id: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
        for rule in rules {
            by_id.entry(rule.id.clone()).or_default().push(rule);
        }
        for versions in by_id.values_mut() {
            versions.sort_by_key(|rule| (rule.effective_from, rule.version));
        }
        let regimes = by_id.get(publicity::REGIME).into_iter().flatten();
        let regimes = regimes.filter_map(|rule| Some((rule.version, Regime::read(rule).ok()?))).collect();
        Self { rules: by_id, regimes, calendar: Calendar::new(years) }
    }

    /// These rules and years laid over this book, as `config apply` would: each replaces its own version or year, the others stay.
    pub fn overlaid(&self, rules: impl IntoIterator<Item = Rule>, years: impl IntoIterator<Item = CalendarYear>) -> Self {
        let over: Vec<Rule> = rules.into_iter().collect();
        let replaced = |rule: &Rule| over.iter().any(|other| other.id == rule.id && other.version == rule.version);
        let mut all: Vec<Rule> = self.all().filter(|rule| !replaced(rule)).cloned().collect();
        all.extend(over);
        Self::new(all, self.calendar.years().cloned().chain(years))
    }

    /// The version of a rule that holds on a day.
    pub fn rule(&self, id: &str, on: NaiveDate) -> Option<&Rule> {
        self.rules.get(id)?.iter().rev().find(|rule| rule.effective_from <= on)
    }

    /// The version of a rule that holds on a day, or its first where none holds yet: for periods that have to be reckoned whatever the day, so that
    /// a rule whose day has not come stops nothing.
    pub fn rule_or_first(&self, id: &str, on: NaiveDate) -> Option<&Rule> {
        self.rule(id, on).or_else(|| self.rules.get(id)?.first())
    }

    /// The whole number a rule states for a day.
    pub fn number(&self, id: &str, on: NaiveDate) -> Option<(i64, &Rule)> {
        let rule = self.rule(id, on)?;
        Some((rule.value.as_i64()?, rule))
    }

    /// The texts a rule lists for a day; empty when there is no such rule.
    pub fn texts(&self, id: &str, on: NaiveDate) -> Vec<&str> {
        self.rule(id, on)
            .and_then(|rule| rule.value.as_array())
            .map(|list| list.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }

    /// The texts that any version of a rule lists, whatever its day, in order and each once: for prohibitions, of which the strictest
    /// reading holds. `config check` reads them so too.
    pub fn texts_of_any_version(&self, id: &str) -> BTreeSet<&str> {
        let versions = self.rules.get(id).into_iter().flatten();
        versions.filter_map(|rule| rule.value.as_array()).flatten().filter_map(Value::as_str).collect()
    }

    /// Every version of every rule.
    pub fn all(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(version: u32, from: &str, value: i64) -> Rule {
        Rule {
            id: "r".into(),
            version,
            effective_from: from.parse().unwrap(),
            value: value.into(),
            unit: None,
            legal_basis: "x".into(),
            verified: true,
            note: None,
        }
    }

    #[test]
    fn the_version_of_the_day_answers() {
        let book = Rulebook::new([rule(2, "2023-05-01", 20), rule(1, "2019-07-01", 10), rule(3, "2023-05-01", 30)], []);
        let on = |day: &str| book.number("r", day.parse().unwrap()).map(|(n, r)| (n, r.version));
        assert_eq!(on("2019-06-30"), None);
        assert_eq!(on("2019-07-01"), Some((10, 1)));
        assert_eq!(on("2023-04-30"), Some((10, 1)));
        assert_eq!(on("2023-05-01"), Some((30, 3)));
        assert_eq!(book.number("other", "2024-01-01".parse().unwrap()), None);
    }

    #[test]
    fn what_any_version_prohibits_is_listed_once() {
        let of = |version: u32, from: &str, texts: &[&str]| Rule { value: texts.into(), ..rule(version, from, 0) };
        let book = Rulebook::new([of(1, "2019-07-01", &["b", "a"]), of(2, "2030-01-01", &["c", "a"])], []);
        assert_eq!(book.texts_of_any_version("r").into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(book.texts("r", "2026-01-01".parse().unwrap()), ["b", "a"], "the day still tells the version in force");
        assert!(book.texts_of_any_version("other").is_empty());
    }
}
