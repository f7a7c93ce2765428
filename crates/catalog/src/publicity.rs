//! Publicity of records of an item: which of its fields the regimes of rule `publicity.regime` look at, and from these how long a record is public. It is
//! reckoned whenever a record is read, by the rules of that day; no job and no stored flag ends it.

use crate::configuration::Configuration;
use crate::model::{CodeSet, Field, FieldType, Item, Nature, Role};
use chrono::NaiveDate;
use credence_rulebook::publicity::{REGIME, TRANSITIONS};
use credence_rulebook::{PublicityFacts, Regime, Rule, Rulebook, Window};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Longest period of working days that is believed: ten years.
const WORKING_DAYS_MAX: u64 = 3_660;
/// The code set that kinds of penalty are from.
const KINDS: &str = "penalty_kind";
/// Rules that state a whole number of days or months. Every one that the program reads is named.
const NUMBERS: [&str; 19] = [
    "repair.total_wd",
    "repair.accept_wd",
    "repair.decide_wd",
    "repair.extend_wd",
    "repair.execute_wd",
    "repair.complete_wd",
    "repair.fraud_ban_months",
    "repair.commitment_public_months",
    "dispute.mark_wd",
    "dispute.self_wd",
    "dispute.forward_wd",
    "dispute.provider_wd",
    "dispute.total_wd",
    "dispute.extend_total_wd",
    "dispute.review_wd",
    "dispute.review_ask_wd",
    "revocation.report_wd",
    "revocation.apply_wd",
    "kpi.low_rank_months",
];
/// Rules of an extension, and of what they extend.
const EXTENSIONS: [(&str, &str); 2] = [("repair.extend_wd", "repair.total_wd"), ("dispute.extend_total_wd", "dispute.total_wd")];

/// What an item says about its publicity; without it a record is public until the day that was sent with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicityTerms {
    /// Field with the kinds of penalty.
    #[serde(default)]
    pub kinds_field: Option<String>,
    /// Fields with amounts in 万元 or 元, which are added up.
    #[serde(default)]
    pub amount_fields: Vec<String>,
    /// Field with the day on which the standing ended; while it is empty, publicity does not end by itself.
    #[serde(default)]
    pub ended_field: Option<String>,
    /// Whether records can be repaired at all.
    pub repairable: bool,
}

impl PublicityTerms {
    /// What is wrong with the terms of an item.
    pub(crate) fn faults(&self, item: &Item) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |code: &String, what: &str, fits: &dyn Fn(&Field) -> bool| match item.field(code) {
            None => faults.push(format!("publicity: there is no field {code}")),
            Some(field) if !fits(field) => faults.push(format!("publicity: field {code} is not {what}")),
            Some(_) => {}
        };
        if let Some(code) = &self.kinds_field {
            let of_kinds = |f: &Field| matches!(f.of_type, FieldType::Code | FieldType::Codes) && f.code_set.as_deref() == Some(KINDS);
            check(code, "a code or codes of the code set penalty_kind", &of_kinds);
        }
        for code in &self.amount_fields {
            let of_money = |f: &Field| f.of_type == FieldType::Decimal && places(f.unit.as_deref()).is_some();
            check(code, "a decimal in 万元 or 元", &of_money);
        }
        if let Some(code) = &self.ended_field {
            check(code, "a date", &|f| f.of_type == FieldType::Date);
        }
        if item.with_role(Role::DecisionDate).is_none() {
            faults.push("publicity: periods are counted from the day of the decision, and no field has the role decision_date".to_owned());
        }
        if item.nature != Nature::Adverse {
            faults.push("publicity: only adverse information has a period of publicity".to_owned());
        }
        faults
    }
}

/// Decimals of a unit of money down to 分.
fn places(unit: Option<&str>) -> Option<usize> {
    match unit? {
        "万元" => Some(6),
        "元" => Some(2),
        _ => None,
    }
}

/// An amount in 分. What lies below one 分 is left off.
fn fen(value: &Value, unit: Option<&str>) -> Option<i64> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let places = places(unit)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text.as_str(), ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(places).collect();
    format!("{whole}{fraction}").parse().ok()
}

/// The texts of a field of one or several codes.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// What of a record its publicity depends on; `None` for items without terms, and without the day of the decision.
pub fn facts(item: &Item, data: &Value, decided_on: Option<NaiveDate>, agency_kind: &str) -> Option<PublicityFacts> {
    let terms = item.publicity.as_ref()?;
    let amount = |code: &String| fen(data.get(code)?, item.field(code)?.unit.as_deref());
    Some(PublicityFacts {
        item: item.code.clone(),
        kinds: terms.kinds_field.as_ref().map(|code| texts(data.get(code))).unwrap_or_default(),
        amount_fen: terms.amount_fields.iter().filter_map(amount).reduce(i64::saturating_add),
        sector: agency_kind.to_owned(),
        decided_on: decided_on?,
    })
}

/// How long a record is public and from when it may be repaired, by the rules of a rule book, asked for on a day.
pub fn window(
    book: &Rulebook,
    item: &Item,
    data: &Value,
    decided_on: Option<NaiveDate>,
    agency_kind: &str,
    on: NaiveDate,
) -> Option<Window> {
    let mut window = book.publicity_window(&facts(item, data, decided_on, agency_kind)?, on)?;
    window.repairable &= item.publicity.as_ref().is_some_and(|terms| terms.repairable);
    Some(window)
}

/// The last day on which a record is public by the rules of a rule book; `None` is no end. The day that was `sent` with it counts when it is earlier
/// (`publicity.sent_value`), and alone for items without terms. What is not published at all gets a day before `on`.
pub fn public_until(
    book: &Rulebook,
    item: &Item,
    data: &Value,
    decided_on: Option<NaiveDate>,
    sent: Option<NaiveDate>,
    agency_kind: &str,
    on: NaiveDate,
) -> Option<NaiveDate> {
    let Some(window) = window(book, item, data, decided_on, agency_kind, on) else { return sent };
    if !window.published {
        return Some(on.pred_opt().unwrap_or(NaiveDate::MIN));
    }
    let ended = item.publicity.as_ref().and_then(|terms| terms.ended_field.as_ref());
    let goes_on = ended.is_some_and(|code| data.get(code).and_then(Value::as_str).is_none_or(|day| day.trim().is_empty()));
    let last = (!goes_on).then_some(window.last_public_day);
    last.into_iter().chain(sent).min()
}

impl Configuration {
    /// How long a record of an item is public and from when it may be repaired, asked for on a day. `None` for items without terms of publicity and for
    /// records without a day of decision.
    pub fn publicity_window(
        &self,
        item: &Item,
        data: &Value,
        decided_on: Option<NaiveDate>,
        agency_kind: &str,
        on: NaiveDate,
    ) -> Option<Window> {
        window(&self.rulebook, item, data, decided_on, agency_kind, on)
    }

    /// The last day on which a record is public, as [`public_until`] reckons it by the rules in force.
    pub fn public_until(
        &self,
        item: &Item,
        data: &Value,
        decided_on: Option<NaiveDate>,
        sent: Option<NaiveDate>,
        agency_kind: &str,
        on: NaiveDate,
    ) -> Option<NaiveDate> {
        public_until(&self.rulebook, item, data, decided_on, sent, agency_kind, on)
    }
}

/// Whether the value of a rule is checked here: rules of publicity, repair, disputes, revoked decisions and indicators.
pub(crate) fn governs(id: &str) -> bool {
    ["publicity.", "repair.", "dispute.", "revocation.", "kpi."].iter().any(|prefix| id.starts_with(prefix))
}

fn is_paper(line: &str) -> bool {
    line.split_once('=').is_some_and(|(code, name)| !code.trim().is_empty() && !name.trim().is_empty())
}

/// What is wrong with the value of such a rule. A choice that the program does not know would be followed by nobody, so it is refused.
pub(crate) fn fault_of_value(rule: &Rule) -> Option<String> {
    let one_of = |choices: &[&str]| {
        let known = rule.value.as_str().is_some_and(|text| choices.contains(&text));
        (!known).then(|| format!("the value is not one of {}", choices.join(", ")))
    };
    let texts = |fits: fn(&str) -> bool, what: &str| {
        let holds = rule.value.as_array().is_some_and(|list| list.iter().all(|v| v.as_str().is_some_and(fits)));
        (!holds).then(|| format!("the value is not a list of {what}"))
    };
    let number = |most: u64| {
        let holds = rule.value.as_u64().is_some_and(|n| n <= most);
        (!holds).then(|| format!("the value is not a whole number from 0 to {most}"))
    };
    match rule.id.as_str() {
        REGIME => Regime::read(rule).err(),
        "publicity.transition" => one_of(&TRANSITIONS),
        "publicity.max_reached_uncorrected" => one_of(&["stop_public_keep_shared"]),
        "publicity.sent_value" => one_of(&["earlier"]),
        "repair.papers" => texts(is_paper, "`code=name`"),
        "repair.never_items" | "dispute.clock_stop" => texts(|text| !text.trim().is_empty(), "texts"),
        "dispute.hide_while_open" | "dispute.pause_measures" => {
            let only = || "only false is supported: a disputed record is shown with its mark, and measures go on".to_owned();
            (rule.value != Value::Bool(false)).then(only)
        }
        "repair.appeal" => {
            let says = rule.value.as_str().is_some_and(|text| !text.trim().is_empty());
            (!says).then(|| "the value is not a text".to_owned())
        }
        "kpi.repair_training_share" => number(100),
        id if NUMBERS.contains(&id) => number(WORKING_DAYS_MAX),
        // A period under a name that nobody reads would be followed by nobody.
        _ => Some("there is no such rule".to_owned()),
    }
}

/// What is wrong between a rule and its other half: an extension that gives no more time than there was, on any day from which either holds.
pub(crate) fn fault_of_extension(rule: &Rule, rules: &[&Rule]) -> Option<String> {
    let (longer, total) = EXTENSIONS.into_iter().find(|(longer, total)| rule.id == *longer || rule.id == *total)?;
    let both: Vec<Rule> = rules.iter().filter(|r| r.id == longer || r.id == total).map(|r| (*r).clone()).collect();
    let days: Vec<NaiveDate> = both.iter().map(|r| r.effective_from).filter(|day| *day >= rule.effective_from).collect();
    let book = Rulebook::new(both, []);
    days.into_iter().find_map(|day| {
        let ((extended, by), (whole, of)) = (book.number(longer, day)?, book.number(total, day)?);
        let told = || format!("{longer}@{} ({extended}) gives no more time than {total}@{} ({whole})", by.version, of.version);
        // Only what this rule brings about is its fault.
        (extended <= whole && (by == rule || of == rule)).then(told)
    })
}

/// What a regime names that there is not: kinds of penalty, catalogue items or lists, kinds of papers (rule `repair.papers`, any version).
pub(crate) fn faults_of_regime(
    rule: &Rule,
    items: &BTreeMap<String, Item>,
    lists: &BTreeSet<&str>,
    code_sets: &BTreeMap<String, CodeSet>,
    rules: &[&Rule],
) -> Vec<String> {
    if rule.id != REGIME {
        return Vec::new();
    }
    let Ok(regime) = Regime::read(rule) else { return Vec::new() };
    let mut faults = Vec::new();
    let kinds = code_sets.get(KINDS);
    for class in &regime.classes {
        for kind in &class.kinds {
            if !kinds.is_some_and(|set| set.values.iter().any(|v| v.value == *kind)) {
                faults.push(format!("class {}: {kind} is not in the code set {KINDS}", class.code));
            }
        }
        for item in class.items.iter().filter(|code| !items.contains_key(*code) && !lists.contains(code.as_str())) {
            faults.push(format!("class {}: there is no catalogue item and no list {item}", class.code));
        }
    }
    let lines = rules.iter().filter(|r| r.id == "repair.papers").filter_map(|r| r.value.as_array()).flatten();
    let known: Vec<&str> = lines.filter_map(|line| line.as_str()?.split_once('=')).map(|(code, _)| code).collect();
    for paper in regime.papers.iter().chain(&regime.serious_papers).filter(|paper| !known.contains(&paper.as_str())) {
        faults.push(format!("rule repair.papers has no kind of paper {paper}"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_rulebook::toml_json;
    use serde_json::json;

    fn file(path: &str) -> Value {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(path);
        toml_json::document(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn item(code: &str) -> Item {
        serde_json::from_value(file(&format!("catalog/{code}.toml"))).unwrap()
    }

    fn book() -> Rulebook {
        let rules: Vec<Rule> = serde_json::from_value(file("rules/publicity.toml")["rules"].clone()).unwrap();
        Rulebook::new(rules, [])
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_are_exact_to_the_fen() {
        let wan = |value: Value| fen(&value, Some("万元"));
        for (value, amount) in [
            (json!("0.2"), Some(200_000)),
            (json!("0.000001"), Some(1)),
            (json!("5"), Some(5_000_000)),
            (json!("123456789012.345678"), Some(123_456_789_012_345_678)),
            (json!(0.2), Some(200_000)),
            (json!(3), Some(3_000_000)),
            (json!(""), None),
            (json!("."), None),
            (json!("-1"), None),
            (json!("1e3"), None),
            (json!("9999999999999999999"), None),
            (json!(null), None),
        ] {
            assert_eq!(wan(value.clone()), amount, "{value}");
        }
        assert_eq!(fen(&json!("12.345"), Some("元")), Some(1_234), "less than a fen is left off");
        assert_eq!(fen(&json!("1"), None), None);
    }

    #[test]
    fn facts_come_from_the_fields_that_the_item_names() {
        let penalty = item("administrative_penalty_organisation");
        let data = json!({ "CF_CFLB": ["警告", "罚款"], "CF_NR_FK": "0.2", "CF_NR_WFFF": "0.05" });
        let found = facts(&penalty, &data, Some(day("2026-11-18")), "tax").unwrap();
        assert_eq!(found.kinds, ["警告", "罚款"]);
        assert_eq!(found.sector, "tax");
        assert_eq!(found.amount_fen, Some(200_000), "a threshold is one of the fine, and not of what was confiscated");
        let mut both = penalty.clone();
        both.publicity.as_mut().unwrap().amount_fields = vec!["CF_NR_FK".into(), "CF_NR_WFFF".into()];
        assert_eq!(facts(&both, &data, Some(day("2026-11-18")), "tax").unwrap().amount_fen, Some(250_000), "several fields are added up");
        assert_eq!(facts(&penalty, &json!({}), Some(day("2026-11-18")), "").unwrap().amount_fen, None);
        assert_eq!(facts(&penalty, &data, None, "tax"), None);
        assert_eq!(facts(&item("registration"), &data, Some(day("2026-11-18")), "tax"), None);
    }

    #[test]
    fn the_earlier_of_the_rules_day_and_the_sent_day_counts() {
        let (book, penalty, on) = (book(), item("administrative_penalty_organisation"), day("2026-11-23"));
        let fine = json!({ "CF_CFLB": ["罚款"] });
        let decided = Some(day("2026-11-18"));
        let until = |data: &Value, sent: Option<&str>| public_until(&book, &penalty, data, decided, sent.map(day), "tax", on);
        assert_eq!(until(&fine, None), Some(day("2027-11-18")));
        assert_eq!(until(&fine, Some("2099-12-31")), Some(day("2027-11-18")), "a provider cannot make it longer");
        assert_eq!(until(&fine, Some("2026-12-31")), Some(day("2026-12-31")));
        assert_eq!(until(&fine, Some("2026-11-22")), Some(day("2026-11-22")), "a stop takes effect at once");
        // A warning is not published, whatever was sent.
        let warning = json!({ "CF_CFLB": ["警告"] });
        assert_eq!(until(&warning, Some("2099-12-31")), Some(day("2026-11-22")));
        // Without a day of decision or without terms, what was sent is all there is.
        assert_eq!(public_until(&book, &penalty, &fine, None, Some(day("2030-01-01")), "tax", on), Some(day("2030-01-01")));
        let licence = item("administrative_licence_organisation");
        assert_eq!(public_until(&book, &licence, &fine, Some(on), None, "tax", on), None);
        assert_eq!(public_until(&Rulebook::default(), &penalty, &fine, Some(on), None, "tax", on), None);
    }

    #[test]
    fn an_abnormal_operation_is_public_for_as_long_as_it_lasts() {
        let (book, listed, on) = (book(), item("abnormal_operation"), day("2026-11-23"));
        let until = |data: &Value, sent: Option<&str>| {
            public_until(&book, &listed, data, Some(day("2022-07-08")), sent.map(day), "market_regulation", on)
        };
        assert_eq!(until(&json!({}), None), None);
        assert_eq!(until(&json!({ "REMOVED_ON": null }), None), None);
        assert_eq!(until(&json!({}), Some("2026-11-22")), Some(day("2026-11-22")), "it can be stopped");
        assert_eq!(
            until(&json!({ "REMOVED_ON": "2026-11-01" }), None),
            Some(day("2023-07-08")),
            "taken off after its period: over at once"
        );
        let window = window(&book, &listed, &json!({}), Some(day("2026-11-20")), "market_regulation", on).unwrap();
        assert_eq!((window.class.as_str(), window.earliest_repair_day), ("general", day("2026-11-21")));
        assert!(window.repairable);
    }

    #[test]
    fn an_item_decides_whether_it_can_be_repaired_at_all() {
        let mut penalty = item("administrative_penalty_organisation");
        let data = json!({ "CF_CFLB": ["罚款"] });
        let (decided, on) = (Some(day("2026-11-18")), day("2026-11-23"));
        let repairable = |item: &Item| window(&book(), item, &data, decided, "tax", on).unwrap().repairable;
        assert!(repairable(&penalty));
        penalty.publicity.as_mut().unwrap().repairable = false;
        assert!(!repairable(&penalty));
    }

    #[test]
    fn terms_name_fields_that_fit() {
        let sound = item("administrative_penalty_organisation");
        assert_eq!(sound.publicity.as_ref().unwrap().faults(&sound), Vec::<String>::new());
        assert_eq!(item("abnormal_operation").publicity.unwrap().faults(&item("abnormal_operation")), Vec::<String>::new());
        let with = |terms: PublicityTerms| terms.faults(&sound);
        let none = PublicityTerms { kinds_field: None, amount_fields: Vec::new(), ended_field: None, repairable: true };
        assert_eq!(with(none.clone()), Vec::<String>::new());
        for terms in [
            PublicityTerms { kinds_field: Some("NONE".into()), ..none.clone() },
            PublicityTerms { kinds_field: Some("CF_XDR_LB".into()), ..none.clone() },
            PublicityTerms { amount_fields: vec!["CF_WSH".into()], ..none.clone() },
            PublicityTerms { ended_field: Some("CF_WSH".into()), ..none.clone() },
        ] {
            assert_eq!(with(terms.clone()).len(), 1, "{terms:?}");
        }
        let licence = item("administrative_licence_organisation");
        assert!(none.faults(&licence).iter().any(|f| f.contains("only adverse")));
    }

    #[test]
    fn a_regime_names_what_there_is() {
        let rules: Vec<Rule> = serde_json::from_value(file("rules/publicity.toml")["rules"].clone()).unwrap();
        let papers: Vec<Rule> = serde_json::from_value(file("rules/redress.toml")["rules"].clone()).unwrap();
        let set: CodeSet = serde_json::from_value(file("code-sets/penalty_kind.toml")).unwrap();
        let code_sets = BTreeMap::from([(set.code.clone(), set)]);
        let items = BTreeMap::from([("abnormal_operation".to_owned(), item("abnormal_operation"))]);
        let all: Vec<&Rule> = rules.iter().chain(&papers).collect();
        let lists = BTreeSet::from(["serious_illegality"]);
        let mut regime = rules.iter().rfind(|r| r.id == REGIME).unwrap().clone();
        assert_eq!(faults_of_regime(&regime, &items, &lists, &code_sets, &all), Vec::<String>::new());
        // A class may name a list: a minimum period of its entries.
        let mut of_list = regime.clone();
        of_list.value["classes"][2]["items"] = json!(["abnormal_operation", "serious_illegality"]);
        assert_eq!(faults_of_regime(&of_list, &items, &lists, &code_sets, &all), Vec::<String>::new());
        assert_eq!(faults_of_regime(&of_list, &items, &BTreeSet::new(), &code_sets, &all).len(), 1);
        regime.value["classes"][1]["kinds"] = json!(["罚款", "打板子"]);
        regime.value["classes"][2]["items"] = json!(["none"]);
        regime.value["papers"] = json!(["letter"]);
        let faults = faults_of_regime(&regime, &items, &lists, &code_sets, &all);
        assert_eq!(faults.len(), 3, "{faults:?}");
        for (fault, word) in faults.iter().zip(["打板子", "none", "letter"]) {
            assert!(fault.contains(word), "{faults:?}");
        }
        assert!(!faults_of_regime(&regime, &items, &lists, &BTreeMap::new(), &all).is_empty());
    }

    #[test]
    fn the_days_for_repair_are_those_of_the_order_of_the_time_and_what_was_not_read_says_so() {
        let rules: Vec<Rule> = serde_json::from_value(file("rules/redress.toml")["rules"].clone()).unwrap();
        let book = Rulebook::new(rules.clone(), []);
        for (on, days, version, verified) in [
            ("2019-07-01", 10, 1, false),
            ("2023-04-30", 10, 1, false),
            ("2023-05-01", 7, 2, false),
            ("2026-03-31", 7, 2, false),
            ("2026-04-01", 10, 3, true),
        ] {
            let (found, rule) = book.number("repair.total_wd", day(on)).unwrap();
            assert_eq!((found, rule.version, rule.verified), (days, version, verified), "{on}");
        }
        for rule in &rules {
            // An order of 2025 is no basis for what was done before it, and what other provinces say is not what this one says.
            let later = rule.legal_basis.contains("2025") && rule.effective_from < day("2025-01-01");
            assert!(!later, "{}@{}: {}", rule.id, rule.version, rule.legal_basis);
            let elsewhere = rule.id.starts_with("dispute.") || rule.id.starts_with("revocation.") || rule.id == "repair.execute_wd";
            assert!(!(elsewhere && rule.verified), "{}@{}", rule.id, rule.version);
        }
    }

    #[test]
    fn an_extension_gives_more_time_than_there_was() {
        let shipped: Vec<Rule> = serde_json::from_value(file("rules/redress.toml")["rules"].clone()).unwrap();
        let faults = |changed: &Rule| {
            let others = shipped.iter().filter(|r| (&r.id, r.version) != (&changed.id, changed.version));
            fault_of_extension(changed, &others.chain([changed]).collect::<Vec<_>>())
        };
        assert!(shipped.iter().all(|rule| faults(rule).is_none()));
        let next = |id: &str, value: u64, from: &str| {
            let last = shipped.iter().rfind(|r| r.id == id).unwrap();
            Rule { version: last.version + 1, effective_from: day(from), value: value.into(), ..last.clone() }
        };
        for (id, value, sound) in [
            ("repair.extend_wd", 11, true),
            ("repair.extend_wd", 10, false),
            ("repair.total_wd", 19, true),
            ("repair.total_wd", 20, false),
            ("dispute.extend_total_wd", 7, false),
            ("dispute.total_wd", 21, false),
        ] {
            assert_eq!(faults(&next(id, value, "2027-01-01")).is_none(), sound, "{id} = {value}");
        }
        // Nine days are more than the seven of 2025, and less than the ten that hold afterwards.
        assert!(faults(&next("repair.extend_wd", 9, "2025-01-01")).unwrap().contains("repair.total_wd@3"));
    }
}
