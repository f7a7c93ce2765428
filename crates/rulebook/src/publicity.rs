//! How long an adverse statement is public and from when it may be repaired (公示期, 最短公示期): dated regimes in rule `publicity.regime`, one of
//! which is chosen by rule `publicity.transition`. Pure functions of facts and days; what is stored with a record never decides it.

use crate::{Rule, Rulebook};
use chrono::{Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// Rule of the regimes.
pub const REGIME: &str = "publicity.regime";
/// Rule that says which regime holds for a record that was decided under an earlier one.
pub const TRANSITION: &str = "publicity.transition";
/// What [`TRANSITION`] may say.
pub const TRANSITIONS: [&str; 3] = ["regime_at_application", "regime_at_decision", "more_favourable"];
/// Codes of classes: 轻微, 一般, 严重, 特定严重.
const CLASSES: [&str; 4] = ["minor", "general", "serious", "special_serious"];
/// Longest period that is believed of a regime, in months.
const MONTHS_MAX: u32 = 1200;

/// Who decides on repair under a regime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decides {
    /// The credit platform.
    Platform,
    /// 失信信息认定单位: the unit that made the finding.
    RecognisingUnit,
}

/// One class of a regime: what belongs to it, and its periods. It holds for a record when every condition that it states does; one that states none holds
/// for what no other class of the regime takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// `minor`, `general`, `serious` or `special_serious`.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// Kinds of penalty, any of them; values of the code set, compared exactly.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Kinds of agencies, any of them.
    #[serde(default)]
    pub sectors: Vec<String>,
    /// Catalogue items, any of them.
    #[serde(default)]
    pub items: Vec<String>,
    /// Amount in 分 from which it holds.
    #[serde(default)]
    pub amount_at_least_fen: Option<i64>,
    /// Whether it is published at all.
    pub published: bool,
    /// Months that have to be over before repair can be asked for.
    pub min_months: u32,
    /// Months after which publicity ends by itself.
    pub max_months: u32,
    /// Whether it can be repaired.
    pub repairable: bool,
}

impl Class {
    fn is_otherwise(&self) -> bool {
        self.kinds.is_empty() && self.sectors.is_empty() && self.items.is_empty() && self.amount_at_least_fen.is_none()
    }

    /// Whether it holds for one kind of penalty of a record, or for a record without any.
    fn holds_for(&self, facts: &PublicityFacts, kind: Option<&String>) -> bool {
        let free_or = |stated: &[String], holds: &dyn Fn(&String) -> bool| stated.is_empty() || stated.iter().any(holds);
        free_or(&self.kinds, &|stated| kind == Some(stated))
            && free_or(&self.sectors, &|sector| *sector == facts.sector)
            && free_or(&self.items, &|item| *item == facts.item)
            && self.amount_at_least_fen.is_none_or(|least| facts.amount_fen.is_some_and(|amount| amount >= least))
    }

    fn is_serious(&self) -> bool {
        self.code == "serious" || self.code == "special_serious"
    }
}

/// A regime, the value of one version of rule `publicity.regime`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regime {
    /// Short name, `R3`.
    pub code: String,
    /// Its classes, the most severe first.
    pub classes: Vec<Class>,
    /// Who decides on repair.
    pub decides: Decides,
    /// Kinds of papers every application needs.
    pub papers: Vec<String>,
    /// Further ones for serious classes.
    #[serde(default)]
    pub serious_papers: Vec<String>,
    /// Conditions of repair, in words.
    pub conditions: String,
}

impl Regime {
    /// Reads the value of a rule.
    ///
    /// # Errors
    /// What is wrong with it; such a value must not come into force.
    pub fn read(rule: &Rule) -> Result<Self, String> {
        let regime = Self::deserialize(&rule.value).map_err(|e| e.to_string())?;
        if regime.code.trim().is_empty() || regime.conditions.trim().is_empty() {
            return Err("code and conditions must not be empty".to_owned());
        }
        if regime.classes.iter().filter(|class| class.is_otherwise()).count() != 1 {
            return Err("exactly one class has to be without conditions: it takes what no other does".to_owned());
        }
        for class in &regime.classes {
            let Class { code, name, min_months, max_months, published, .. } = class;
            if !CLASSES.contains(&code.as_str()) {
                return Err(format!("class {code}: a class is one of {}", CLASSES.join(", ")));
            }
            if name.trim().is_empty() {
                return Err(format!("class {code}: name is empty"));
            }
            if min_months > max_months || *max_months > MONTHS_MAX || (*published && *max_months == 0) {
                return Err(format!("class {code}: min_months {min_months} and max_months {max_months} are no period"));
            }
            if class.amount_at_least_fen.is_some_and(|least| least <= 0) {
                return Err(format!("class {code}: amount_at_least_fen is not more than zero"));
            }
        }
        Ok(regime)
    }

    /// The class of a record. Each kind of penalty in it is classed as if it were alone; of these classes, and of several that hold for one kind, the one
    /// with the longest publicity, and then the longest minimum (several kinds of penalty in one decision: the longest applies); of equals the more severe.
    fn class_of(&self, facts: &PublicityFacts) -> Option<&Class> {
        let longest = |(place, class): &(usize, &Class)| (class.published, class.max_months, class.min_months, Reverse(*place));
        let otherwise = || self.classes.iter().enumerate().find(|(_, class)| class.is_otherwise());
        let alone = |kind: Option<&String>| {
            let holding = self.classes.iter().enumerate().filter(|(_, class)| !class.is_otherwise() && class.holds_for(facts, kind));
            holding.max_by_key(longest).or_else(otherwise)
        };
        let kinds = facts.kinds.iter().map(Some).chain(facts.kinds.is_empty().then_some(None));
        kinds.filter_map(alone).max_by_key(longest).map(|(_, class)| class)
    }
}

/// What of a record its publicity depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicityFacts {
    /// Catalogue item.
    pub item: String,
    /// Kinds of penalty, as the code set has them; empty where the item has none.
    pub kinds: Vec<String>,
    /// The fine, in 分.
    pub amount_fen: Option<i64>,
    /// Kind of the agency that decided.
    pub sector: String,
    /// Day of the decision: periods are counted from it.
    pub decided_on: NaiveDate,
}

/// How long a record is public and from when it may be repaired, and the rules that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Short name of the regime.
    pub regime: String,
    /// Code of the class.
    pub class: String,
    /// Its Chinese name.
    pub class_name: String,
    /// Whether it is published at all.
    pub published: bool,
    /// Last day on which it is public, to its end; of what is not published the day before the decision.
    pub last_public_day: NaiveDate,
    /// Whether it can be repaired.
    pub repairable: bool,
    /// First day on which repair can be asked for: the minimum period has to be over.
    pub earliest_repair_day: NaiveDate,
    /// Kinds of papers an application needs.
    pub papers: Vec<String>,
    /// Rules it follows from, `id@version` each.
    pub rules: Vec<String>,
    /// Whether all of them were read in the official text.
    pub verified: bool,
}

impl Window {
    /// Whether it is published and its period holds on a day.
    pub fn is_public(&self, on: NaiveDate) -> bool {
        self.published && on <= self.last_public_day
    }
}

impl Rulebook {
    /// The window of a record, asked for on a day: by the regime of that day, by the one at the decision, or by whichever of the two ends publicity
    /// earlier, as rule `publicity.transition` says. `None` when no rule is known, or the days leave the calendar of dates.
    pub fn publicity_window(&self, facts: &PublicityFacts, on: NaiveDate) -> Option<Window> {
        let transition = self.rule_or_first(TRANSITION, on)?;
        let at = |day: NaiveDate| self.window_of_regime(facts, day);
        let mut window = match transition.value.as_str()? {
            "regime_at_application" => at(on),
            "regime_at_decision" => at(facts.decided_on),
            "more_favourable" => {
                let both = at(facts.decided_on).into_iter().chain(at(on));
                both.min_by_key(|w| (w.published, w.last_public_day, w.earliest_repair_day))
            }
            _ => None,
        }?;
        window.rules.push(name_of(transition));
        window.verified &= transition.verified;
        Some(window)
    }

    /// The regime that holds on a day, or the first.
    pub fn regime(&self, on: NaiveDate) -> Option<&Regime> {
        self.regimes.get(&self.rule_or_first(REGIME, on)?.version)
    }

    fn window_of_regime(&self, facts: &PublicityFacts, on: NaiveDate) -> Option<Window> {
        let rule = self.rule_or_first(REGIME, on)?;
        let regime = self.regimes.get(&rule.version)?;
        let class = regime.class_of(facts)?;
        let after = |months: u32| facts.decided_on.checked_add_months(Months::new(months));
        let serious: &[String] = if class.is_serious() { &regime.serious_papers } else { &[] };
        Some(Window {
            regime: regime.code.clone(),
            class: class.code.clone(),
            class_name: class.name.clone(),
            published: class.published,
            last_public_day: if class.published { after(class.max_months)? } else { facts.decided_on.pred_opt()? },
            repairable: class.repairable,
            earliest_repair_day: after(class.min_months)?.checked_add_days(Days::new(1))?,
            papers: regime.papers.iter().chain(serious).cloned().collect(),
            rules: vec![name_of(rule)],
            verified: rule.verified,
        })
    }
}

fn name_of(rule: &Rule) -> String {
    format!("{}@{}", rule.id, rule.version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn shipped_rules() -> Vec<Rule> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/rules/publicity.toml");
        let document = crate::toml_json::document(&std::fs::read_to_string(path).unwrap()).unwrap();
        serde_json::from_value(document["rules"].clone()).unwrap()
    }

    /// The shipped regimes with a transition of one's choice.
    fn book(transition: &str) -> Rulebook {
        let mut rules = shipped_rules();
        for rule in rules.iter_mut().filter(|r| r.id == TRANSITION) {
            rule.value = transition.into();
        }
        Rulebook::new(rules, [])
    }

    fn facts(kinds: &[&str], sector: &str, decided_on: &str) -> PublicityFacts {
        PublicityFacts {
            item: "administrative_penalty_organisation".into(),
            kinds: kinds.iter().map(|k| (*k).to_owned()).collect(),
            amount_fen: None,
            sector: sector.into(),
            decided_on: day(decided_on),
        }
    }

    /// Regime, class, last public day (`-` when not published), earliest repair day.
    fn told(book: &Rulebook, facts: &PublicityFacts, on: &str) -> (String, String, String, String) {
        let w = book.publicity_window(facts, day(on)).unwrap();
        let last = if w.published { w.last_public_day.to_string() } else { "-".into() };
        (w.regime, w.class, last, w.earliest_repair_day.to_string())
    }

    fn text(told: (&str, &str, &str, &str)) -> (String, String, String, String) {
        (told.0.into(), told.1.into(), told.2.into(), told.3.into())
    }

    #[test]
    fn every_shipped_regime_can_be_read() {
        let rules = shipped_rules();
        let regimes: Vec<Regime> = rules.iter().filter(|r| r.id == REGIME).map(|r| Regime::read(r).unwrap()).collect();
        assert_eq!(regimes.iter().map(|r| r.code.as_str()).collect::<Vec<_>>(), ["R0", "R1", "R2", "R3"]);
        assert_eq!(book("regime_at_decision").regime(day("2026-03-31")).unwrap().code, "R2");
        assert_eq!(book("regime_at_decision").regime(day("2026-04-01")).unwrap().code, "R3");
    }

    #[test]
    fn the_regime_of_the_decision_decides_when_it_is_to() {
        let book = book("regime_at_decision");
        for (kinds, sector, decided, expected) in [
            (&["罚款"] as &[&str], "market_regulation", "2018-05-04", ("R0", "general", "2019-05-04", "2018-08-05")),
            (&["罚款"], "market_regulation", "2019-06-30", ("R0", "general", "2020-06-30", "2019-10-01")),
            (&["罚款"], "market_regulation", "2019-07-01", ("R1", "general", "2020-07-01", "2019-10-02")),
            (&["责令停产停业"], "market_regulation", "2020-01-15", ("R1", "serious", "2023-01-15", "2020-07-16")),
            (&["责令停产停业"], "emergency", "2020-01-15", ("R1", "special_serious", "2023-01-15", "2023-01-16")),
            (&["罚款"], "market_regulation", "2025-11-11", ("R2", "general", "2028-11-11", "2026-02-12")),
            (&["罚款"], "emergency", "2025-11-11", ("R2", "general", "2028-11-11", "2026-11-12")),
            (&["警告"], "emergency", "2025-11-11", ("R2", "minor", "-", "2025-11-12")),
            (&["警告", "罚款"], "market_regulation", "2025-11-11", ("R2", "general", "2028-11-11", "2026-02-12")),
            (&["警告"], "market_regulation", "2026-04-01", ("R3", "minor", "-", "2026-04-02")),
            (&["罚款"], "market_regulation", "2026-04-15", ("R3", "general", "2027-04-15", "2026-07-16")),
            (&["警告", "罚款"], "market_regulation", "2026-04-15", ("R3", "general", "2027-04-15", "2026-07-16")),
            (&["罚款", "吊销许可证件"], "market_regulation", "2026-04-15", ("R3", "serious", "2029-04-15", "2027-04-16")),
            (&[], "market_regulation", "2026-04-15", ("R3", "general", "2027-04-15", "2026-07-16")),
            (&["行政拘留"], "public_security", "2026-04-15", ("R3", "general", "2027-04-15", "2026-07-16")),
            // A kind that no class names is not hidden by one that is not published, in whatever order they stand.
            (&["警告", "行政拘留"], "public_security", "2026-04-15", ("R3", "general", "2027-04-15", "2026-07-16")),
            (&["其他", "警告"], "market_regulation", "2025-11-11", ("R2", "general", "2028-11-11", "2026-02-12")),
            (&["其他", "吊销许可证件"], "market_regulation", "2026-04-15", ("R3", "serious", "2029-04-15", "2027-04-16")),
            (&["警告", "通报批评"], "market_regulation", "2026-04-15", ("R3", "minor", "-", "2026-04-16")),
        ] {
            assert_eq!(told(&book, &facts(kinds, sector, decided), "2026-11-23"), text(expected), "{kinds:?} {sector} {decided}");
        }
    }

    #[test]
    fn a_specially_serious_one_is_never_repaired_and_serious_ones_need_more_papers() {
        let book = book("regime_at_decision");
        let window = |kinds: &[&str], sector: &str| book.publicity_window(&facts(kinds, sector, "2020-01-15"), day("2020-02-01")).unwrap();
        assert!(!window(&["责令停产停业"], "emergency").repairable);
        let serious = window(&["责令停产停业"], "market_regulation");
        assert!(serious.repairable);
        assert_eq!(serious.papers, ["proof_of_performance", "commitment", "training_certificate", "credit_report"]);
        assert_eq!(window(&["罚款"], "market_regulation").papers, ["proof_of_performance", "commitment"]);
    }

    #[test]
    fn the_transition_chooses_the_regime_and_the_answer_names_the_rules() {
        let fine = facts(&["罚款"], "market_regulation", "2025-11-11");
        let (before, after) = ("2026-03-31", "2026-04-01");
        let application = book("regime_at_application");
        assert_eq!(told(&application, &fine, before), text(("R2", "general", "2028-11-11", "2026-02-12")));
        assert_eq!(told(&application, &fine, after), text(("R3", "general", "2026-11-11", "2026-02-12")));
        let favourable = book("more_favourable");
        assert_eq!(told(&favourable, &fine, before).0, "R2");
        assert_eq!(told(&favourable, &fine, after).0, "R3", "the shorter of the two");
        // Under R1 a fine was public for a year, under R2 for three: the decision's own regime is the more favourable one.
        let older = facts(&["罚款"], "market_regulation", "2023-04-30");
        assert_eq!(told(&favourable, &older, before), text(("R1", "general", "2024-04-30", "2023-07-31")));
        // What is not published at all under one of them is not published.
        let warning = facts(&["警告"], "market_regulation", "2020-01-15");
        assert_eq!(told(&favourable, &warning, after).2, "-");
        let window = favourable.publicity_window(&fine, day(after)).unwrap();
        assert_eq!(window.rules, ["publicity.regime@4", "publicity.transition@1"]);
        assert_eq!(book("by the dice").publicity_window(&fine, day(after)), None, "a choice that is not known chooses nothing");
        assert_eq!(Rulebook::default().publicity_window(&fine, day(after)), None);
    }

    #[test]
    fn months_end_where_the_month_does_and_the_last_day_is_public_to_its_end() {
        let book = book("regime_at_decision");
        for (decided, last, earliest) in [
            // 31 August and three months: 30 November, and repair from the day after.
            ("2026-08-31", "2027-08-31", "2026-12-01"),
            ("2026-11-30", "2027-11-30", "2027-03-01"),
            ("2027-11-29", "2028-11-29", "2028-03-01"),
            ("2027-11-30", "2028-11-30", "2028-03-01"),
            ("2028-02-29", "2029-02-28", "2028-05-30"),
        ] {
            assert_eq!(told(&book, &facts(&["罚款"], "x", decided), "2030-01-01"), text(("R3", "general", last, earliest)), "{decided}");
        }
        let window = book.publicity_window(&facts(&["罚款"], "x", "2026-08-31"), day("2026-08-31")).unwrap();
        assert!(window.is_public(day("2027-08-31")) && !window.is_public(day("2027-09-01")));
        let hidden = book.publicity_window(&facts(&["警告"], "x", "2026-08-31"), day("2026-08-31")).unwrap();
        assert!(!hidden.is_public(day("2026-08-31")), "not even on its first day");
        assert!(hidden.last_public_day < hidden.earliest_repair_day);
        assert_eq!(book.publicity_window(&facts(&["罚款"], "x", "+262142-12-01"), day("2026-01-01")), None);
    }

    fn regime(change: impl FnOnce(&mut Value)) -> Rule {
        let class = |code: &str, kinds: Value, (least, min, max): (Option<i64>, u32, u32)| {
            let mut class = json!({ "code": code, "name": "某", "kinds": kinds, "published": true, "repairable": true,
                "min_months": min, "max_months": max });
            if let Some(least) = least {
                class["amount_at_least_fen"] = least.into();
            }
            class
        };
        let classes = [
            class("serious", json!(["罚款"]), (Some(10_000_000), 12, 36)),
            class("general", json!(["罚款"]), (Some(1_000_000), 3, 12)),
            class("minor", json!(["罚款"]), (None, 0, 3)),
            class("general", json!([]), (None, 3, 12)),
        ];
        let mut value = json!({ "code": "T", "classes": classes, "decides": "recognising_unit", "papers": [], "conditions": "某" });
        change(&mut value);
        Rule {
            id: REGIME.into(),
            version: 1,
            effective_from: day("2000-01-01"),
            value,
            unit: None,
            legal_basis: "x".into(),
            verified: true,
            note: None,
        }
    }

    fn transition() -> Rule {
        Rule { id: TRANSITION.into(), value: "regime_at_application".into(), verified: false, ..regime(|_| {}) }
    }

    #[test]
    fn amounts_tell_classes_apart_from_the_threshold_on() {
        let book = Rulebook::new([regime(|_| {}), transition()], []);
        let class = |amount: Option<i64>| {
            let facts = PublicityFacts { amount_fen: amount, ..facts(&["罚款"], "x", "2026-01-31") };
            let window = book.publicity_window(&facts, day("2026-01-31")).unwrap();
            assert!(!window.verified, "one rule that was not read is enough");
            (window.class, window.last_public_day.to_string())
        };
        for (amount, code, last) in [
            (None, "minor", "2026-04-30"),
            (Some(0), "minor", "2026-04-30"),
            (Some(999_999), "minor", "2026-04-30"),
            (Some(1_000_000), "general", "2027-01-31"),
            (Some(9_999_999), "general", "2027-01-31"),
            (Some(10_000_000), "serious", "2029-01-31"),
            (Some(i64::MAX), "serious", "2029-01-31"),
        ] {
            assert_eq!(class(amount), (code.to_owned(), last.to_owned()), "{amount:?}");
        }
    }

    #[test]
    fn a_regime_that_makes_no_sense_is_not_read() {
        assert!(Regime::read(&regime(|_| {})).is_ok());
        type Spoil = fn(&mut Value);
        let changes: [(&str, Spoil); 12] = [
            ("min_months", |v| v["classes"][1]["min_months"] = 13.into()),
            ("max_months", |v| v["classes"][3]["max_months"] = 0.into()),
            ("max_months", |v| v["classes"][3]["max_months"] = 1201.into()),
            ("u32", |v| v["classes"][1]["min_months"] = (-1).into()),
            ("class heavy", |v| v["classes"][0]["code"] = "heavy".into()),
            ("name", |v| v["classes"][0]["name"] = " ".into()),
            ("without conditions", |v| v["classes"][3]["kinds"] = json!(["其他"])),
            ("without conditions", |v| {
                v["classes"][2]["kinds"] = json!([]);
            }),
            ("amount_at_least_fen", |v| v["classes"][0]["amount_at_least_fen"] = 0.into()),
            ("unknown field", |v| v["classes"][0]["month"] = 1.into()),
            ("unknown variant", |v| v["decides"] = "court".into()),
            ("conditions", |v| v["conditions"] = "".into()),
        ];
        for (words, change) in changes {
            let error = Regime::read(&regime(change)).unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
        }
        // And what is not read is no regime: nobody's publicity is reckoned by it.
        let broken = Rulebook::new([regime(|v| v["decides"] = 1.into()), transition()], []);
        assert_eq!(broken.publicity_window(&facts(&["罚款"], "x", "2026-01-31"), day("2026-01-31")), None);
    }

    const KINDS: [&str; 6] = ["警告", "罚款", "没收违法所得", "吊销许可证件", "责令停产停业", "其他"];

    proptest! {
        /// One more kind of penalty never makes the record public for a shorter time, nor one that is public not public.
        #[test]
        fn a_further_kind_never_shortens(
            kinds in proptest::collection::vec(0usize..6, 1..4), more in 0usize..6, offset in 0u64..4000, apart in 0u64..3000,
        ) {
            let book = book("regime_at_application");
            let decided = day("2018-01-01") + Days::new(offset);
            let on = decided + Days::new(apart);
            let of = |kinds: &[usize]| {
                let kinds: Vec<&str> = kinds.iter().map(|k| KINDS[*k]).collect();
                book.publicity_window(&facts(&kinds, "market_regulation", &decided.to_string()), on).unwrap()
            };
            let fewer = of(&kinds);
            let mut all = kinds.clone();
            all.push(more);
            let further = of(&all);
            prop_assert!((further.published, further.last_public_day) >= (fewer.published, fewer.last_public_day));
        }

        /// The more favourable regime is one of the two, and never worse than either.
        #[test]
        fn the_more_favourable_is_never_worse(kind in 0usize..6, offset in 0u64..4000, apart in 0u64..3000) {
            let decided = day("2018-01-01") + Days::new(offset);
            let on = decided + Days::new(apart);
            let facts = facts(&[KINDS[kind]], "emergency", &decided.to_string());
            let under = |transition: &str| book(transition).publicity_window(&facts, on).unwrap();
            let (chosen, first, second) = (under("more_favourable"), under("regime_at_decision"), under("regime_at_application"));
            for other in [&first, &second] {
                prop_assert!((chosen.published, chosen.last_public_day) <= (other.published, other.last_public_day));
            }
            prop_assert!(chosen.regime == first.regime || chosen.regime == second.regime);
        }

        /// Against another way of counting months: the day of the month stays, or is the month's last.
        #[test]
        fn periods_are_whole_months(offset in 0u64..4000) {
            let decided = day("2026-04-01") + Days::new(offset);
            let window = book("regime_at_decision").publicity_window(&facts(&["罚款"], "x", &decided.to_string()), decided).unwrap();
            let over = window.earliest_repair_day.pred_opt().unwrap();
            let (year, month, of_month): (i32, i32, u32) = {
                let text = decided.to_string();
                let mut parts = text.split('-').map(|p| p.parse::<i32>().unwrap());
                (parts.next().unwrap(), parts.next().unwrap(), u32::try_from(parts.next().unwrap()).unwrap())
            };
            let months = year * 12 + (month - 1) + 3;
            let (year, month) = (months.div_euclid(12), u32::try_from(months.rem_euclid(12)).unwrap() + 1);
            let expected = (28..=of_month.max(28)).rev().find_map(|d| NaiveDate::from_ymd_opt(year, month, d.min(of_month))).unwrap();
            prop_assert_eq!(over, expected);
        }
    }
}
