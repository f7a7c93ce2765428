//! Measures of joint action and the memoranda that bind them to lists, as their files state them. A subject on a list is met with the measures
//! of the memoranda of that list, and with nothing else.

use crate::lists::{Head, ListDefinition, ListKind, Standing, kinds_faults};
use crate::model::CodeSet;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Code set of the administrative matters 办件事项.
pub const MATTERS: &str = "matter";

/// Whether a measure rewards or punishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// 守信激励.
    Incentive,
    /// 失信惩戒.
    Sanction,
}

impl Direction {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Incentive => "incentive",
            Self::Sanction => "sanction",
        }
    }

    /// What a list of a kind may bring; nothing for a list that only watches.
    pub fn of(kind: ListKind) -> Option<Self> {
        match kind {
            ListKind::Commendation => Some(Self::Incentive),
            ListKind::SeriousDishonesty | ListKind::JudgmentDefault | ListKind::AbnormalOperation => Some(Self::Sanction),
            ListKind::Watch => None,
        }
    }
}

/// Which agencies of the implementing kinds act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Those whose region is the entry's or above it.
    Lineage,
    /// All of them.
    Everywhere,
}

impl Reach {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Lineage => "lineage",
            Self::Everywhere => "everywhere",
        }
    }
}

/// A measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Stable code.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Heading of the national list it belongs to 惩戒措施, or the local one of an incentive.
    pub heading: String,
    /// 1: takes rights or adds duties; 2: management within a department's duty; 3: what others do on their own.
    pub class: u8,
    /// Whether it rewards or punishes.
    pub direction: Direction,
    /// What is done 惩戒内容.
    pub content: String,
    /// Laws and articles.
    #[serde(default)]
    pub legal_basis: Vec<String>,
    /// Kinds of agencies that carry it out 实施主体.
    pub department_kinds: Vec<String>,
    /// Administrative matters it touches: values of the code set `matter`.
    #[serde(default)]
    pub matters: Vec<String>,
    /// Whether it has to be applied; else the agency weighs.
    pub mandatory: bool,
    /// Whether it is reported on again and again while it lasts.
    pub continuing: bool,
    /// Whether it is in force.
    pub state: Standing,
    /// Whether the official texts were read.
    pub verified: bool,
    /// First day.
    pub effective_from: NaiveDate,
    /// Last day.
    #[serde(default)]
    pub effective_to: Option<NaiveDate>,
    /// Why it is so, or what is doubtful.
    #[serde(default)]
    pub note: Option<String>,
}

impl Measure {
    fn head(&self) -> Head<'_> {
        let Self { code, name, legal_basis, state, verified, effective_from, effective_to, .. } = self;
        Head { code, name, legal_basis, state: *state, verified: *verified, effective_from: *effective_from, effective_to: *effective_to }
    }

    /// Whether it may be applied on a day.
    pub fn in_force(&self, on: NaiveDate) -> bool {
        self.head().in_force(on)
    }

    /// Everything that is wrong with the measure; empty when it may come into force. `matters` is the code set of that name, where there is
    /// one.
    pub fn faults(&self, matters: Option<&CodeSet>) -> Vec<String> {
        let head = self.head();
        let mut faults = head.faults();
        // Not even as a placeholder may a measure stand here that takes rights by no law.
        if self.class == 1 && !head.names_law() {
            faults.push(
                "legal_basis is empty: a class-1 measure takes rights or adds duties, and is refused without the law that allows it".into(),
            );
        } else if !head.has_basis() {
            faults.push("legal_basis is empty: a measure without a basis may not be applied".into());
        }
        if !(1..=3).contains(&self.class) {
            faults.push(format!("class {} is not 1, 2 or 3", self.class));
        }
        if self.direction == Direction::Incentive && self.class == 1 {
            faults.push("an incentive takes no rights: its class is 2 or 3".into());
        }
        if self.heading.trim().is_empty() || self.content.trim().is_empty() {
            faults.push("heading and content have to say what is done".into());
        }
        faults.extend(kinds_faults("department_kinds", &self.department_kinds));
        for said in &self.matters {
            if matters.and_then(|set| set.find(said)).is_none() {
                faults.push(format!("matters: {said} is not in the code set {MATTERS}"));
            }
        }
        faults
    }
}

/// A measure as a memorandum takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemorandumMeasure {
    /// Code of the measure.
    pub measure: String,
    /// Kinds of agencies that carry it out under this memorandum, some of the measure's. None: all of them.
    #[serde(default)]
    pub department_kinds: Option<Vec<String>>,
}

impl MemorandumMeasure {
    /// Kinds of agencies that carry the measure out under this memorandum.
    pub fn kinds<'a>(&'a self, measure: &'a Measure) -> &'a [String] {
        self.department_kinds.as_deref().unwrap_or(&measure.department_kinds)
    }
}

/// A memorandum 备忘录: whoever stands on these lists is met with these measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memorandum {
    /// Stable code.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Number of the document 文号.
    #[serde(default)]
    pub document_no: Option<String>,
    /// Kinds of the departments that lead 牵头单位.
    #[serde(default)]
    pub lead_kinds: Vec<String>,
    /// Codes of the lists.
    #[serde(default)]
    pub lists: Vec<String>,
    /// Whom it is about 联合奖惩对象.
    pub objects: String,
    /// Whether joint action starts by itself 自动启动; else the credit office confirms.
    pub automatic: bool,
    /// Which agencies act.
    pub reach: Reach,
    /// The measures.
    #[serde(default)]
    pub measures: Vec<MemorandumMeasure>,
    /// Laws, articles and documents.
    #[serde(default)]
    pub legal_basis: Vec<String>,
    /// Whether it is in force.
    pub state: Standing,
    /// Whether the official text was read.
    pub verified: bool,
    /// First day.
    pub effective_from: NaiveDate,
    /// Last day.
    #[serde(default)]
    pub effective_to: Option<NaiveDate>,
    /// Why it is so, or what is doubtful.
    #[serde(default)]
    pub note: Option<String>,
}

impl Memorandum {
    fn head(&self) -> Head<'_> {
        let Self { code, name, legal_basis, state, verified, effective_from, effective_to, .. } = self;
        Head { code, name, legal_basis, state: *state, verified: *verified, effective_from: *effective_from, effective_to: *effective_to }
    }

    /// Whether joint action may start under it on a day.
    pub fn in_force(&self, on: NaiveDate) -> bool {
        self.head().in_force(on)
    }

    /// Everything that is wrong with the memorandum; empty when it may come into force. `lists` and `measures` are all there are. A
    /// placeholder may be empty; what it does say has to be right.
    pub fn faults(&self, lists: &BTreeMap<String, ListDefinition>, measures: &BTreeMap<String, Measure>) -> Vec<String> {
        let head = self.head();
        let mut faults = head.faults();
        if !head.has_basis() {
            faults.push("legal_basis is empty: a memorandum without a basis starts no joint action".into());
        }
        if self.document_no.as_ref().is_some_and(|number| number.trim().is_empty()) {
            faults.push("document_no is empty; leave it out where there is none".into());
        }
        if self.state != Standing::Unverified {
            let empty = [
                ("lists", self.lists.is_empty()),
                ("measures", self.measures.is_empty()),
                ("lead_kinds", self.lead_kinds.is_empty()),
                ("objects", self.objects.trim().is_empty()),
            ];
            faults.extend(empty.into_iter().filter(|(_, empty)| *empty).map(|(attribute, _)| format!("{attribute} is empty")));
        }
        let mut named = BTreeSet::new();
        let mut directions = BTreeSet::new();
        for code in &self.lists {
            if !named.insert(code) {
                faults.push(format!("lists: {code} occurs twice"));
            }
            match lists.get(code).map(|list| Direction::of(list.kind)) {
                None => faults.push(format!("lists: there is no list {code}")),
                Some(None) => faults.push(format!("lists: {code} is a watch list, for monitoring only: it brings no measures")),
                Some(Some(direction)) => {
                    directions.insert(direction);
                }
            }
        }
        if directions.len() > 1 {
            faults.push("lists: some commend and some are of dishonesty; write one memorandum for each".into());
        }
        faults.extend(self.faults_of_measures(&directions, measures));
        faults
    }

    fn faults_of_measures(&self, directions: &BTreeSet<Direction>, measures: &BTreeMap<String, Measure>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut named = BTreeSet::new();
        for taken in &self.measures {
            let code = &taken.measure;
            if !named.insert(code) {
                faults.push(format!("measures: {code} occurs twice"));
            }
            let Some(measure) = measures.get(code) else {
                faults.push(format!("measures: there is no measure {code}"));
                continue;
            };
            if self.state == Standing::Active && measure.state != Standing::Active {
                faults.push(format!("measures: {code} is {}, so no memorandum in force may bring it", measure.state.code()));
            }
            if directions.len() == 1 && !directions.contains(&measure.direction) {
                faults.push(format!("measures: {code} is of the direction {}, which its lists do not bring", measure.direction.code()));
            }
            let Some(kinds) = &taken.department_kinds else { continue };
            faults.extend(kinds_faults(&format!("measures: department_kinds of {code}"), kinds));
            for kind in kinds.iter().filter(|kind| !measure.department_kinds.contains(kind)) {
                faults.push(format!("measures: {kind} does not carry {code} out; add it to the measure first"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CodeValue;
    use serde::de::DeserializeOwned;

    fn parse<T: DeserializeOwned>(toml: &str) -> T {
        serde_json::from_value(credence_rulebook::toml_json::document(toml).unwrap()).unwrap()
    }

    const MEASURE: &str = r#"
code = "no_tender"
name = "限制投标"
name_en = "No tender"
heading = "限制市场或行业准入"
class = 1
direction = "sanction"
content = "x"
legal_basis = ["《企业信息公示暂行条例》第十八条"]
department_kinds = ["housing", "transport"]
matters = ["工程招投标", "TENDERING"]
mandatory = true
continuing = true
state = "active"
verified = false
effective_from = 2019-01-01
"#;

    const MEMORANDUM: &str = r#"
code = "memo"
name = "备忘录"
name_en = "Memorandum"
document_no = "发改财金〔2015〕1号"
lead_kinds = ["market_regulation"]
lists = ["black"]
objects = "x"
automatic = false
reach = "lineage"
legal_basis = ["国办发〔2020〕49号"]
state = "active"
verified = false
effective_from = 2019-01-01
[[measures]]
measure = "no_tender"
department_kinds = ["housing"]
"#;

    fn matters() -> CodeSet {
        let tendering = CodeValue {
            value: "工程招投标".into(),
            name_en: "Tendering".into(),
            aliases: vec!["TENDERING".into()],
            valid_from: None,
            valid_to: None,
            takes_text: false,
        };
        CodeSet { code: MATTERS.into(), name: "办件事项".into(), separators: String::new(), values: vec![tendering] }
    }

    fn faults_of_measure(toml: &str) -> Vec<String> {
        parse::<Measure>(toml).faults(Some(&matters()))
    }

    fn list(code: &str, kind: &str) -> ListDefinition {
        parse(&format!(
            "code = \"{code}\"\nname = \"x\"\nname_en = \"x\"\nkind = \"{kind}\"\nkeeping = \"native\"\nstate = \"active\"\n\
             effective_from = 2019-01-01\nsubject_kinds = [\"legal_entity\"]\nauthority_kinds = [\"tax\"]\nlegal_basis = [\"x\"]\n\
             verified = false\ndisclosure = \"public\"\n"
        ))
    }

    fn faults_of_memorandum(toml: &str) -> Vec<String> {
        let kinds = [("black", "serious_dishonesty"), ("abnormal", "abnormal_operation"), ("red", "commendation"), ("watched", "watch")];
        let lists: BTreeMap<String, ListDefinition> = kinds.into_iter().map(|(code, kind)| (code.to_owned(), list(code, kind))).collect();
        let measures = [
            MEASURE.to_owned(),
            MEASURE.replace("no_tender", "asleep").replace("\"active\"", "\"unverified\""),
            MEASURE.replace("no_tender", "bonus").replace("\"sanction\"", "\"incentive\"").replace("class = 1", "class = 2"),
        ];
        let measures = measures.iter().map(|toml| parse::<Measure>(toml));
        let measures: BTreeMap<String, Measure> = measures.map(|measure| (measure.code.clone(), measure)).collect();
        parse::<Memorandum>(toml).faults(&lists, &measures)
    }

    fn one(found: &[String], says: &str) {
        assert!(found.len() == 1 && found[0].contains(says), "{says}: {found:?}");
    }

    #[test]
    fn a_measure_states_its_basis_and_a_class_1_measure_its_law() {
        assert_eq!(faults_of_measure(MEASURE), Vec::<String>::new());
        let basis = "legal_basis = [\"《企业信息公示暂行条例》第十八条\"]";
        for none in ["", "legal_basis = []", "legal_basis = [\"\", \"  \"]", "legal_basis = [\"待核实\"]"] {
            one(&faults_of_measure(&MEASURE.replace(basis, none)), "a class-1 measure takes rights");
            let second = MEASURE.replace(basis, none).replace("class = 1", "class = 2");
            one(&faults_of_measure(&second), "a measure without a basis");
        }
        let placeholder = MEASURE.replace("\"active\"", "\"unverified\"").replace(basis, "legal_basis = [\"待核实\"]");
        one(&faults_of_measure(&placeholder), "a class-1 measure takes rights");
        assert_eq!(faults_of_measure(&placeholder.replace("class = 1", "class = 2")), Vec::<String>::new());
    }

    #[test]
    fn what_a_measure_says_has_to_fit() {
        let with = |from: &str, to: &str| {
            assert!(MEASURE.contains(from), "{from}");
            faults_of_measure(&MEASURE.replace(from, to))
        };
        one(&with("class = 1", "class = 0"), "not 1, 2 or 3");
        one(&with("class = 1", "class = 4"), "not 1, 2 or 3");
        one(&with("\"sanction\"", "\"incentive\""), "its class is 2 or 3");
        one(&with("[\"housing\", \"transport\"]", "[]"), "department_kinds");
        one(&with("[\"housing\", \"transport\"]", "[\"*\"]"), "department_kinds");
        one(&with("\"TENDERING\"", "\"LOTTERY\""), "LOTTERY is not in the code set matter");
        one(&with("content = \"x\"", "content = \" \""), "what is done");
        one(&with("verified = false", "verified = false\neffective_to = 2018-12-31"), "before effective_from");
        assert_eq!(parse::<Measure>(MEASURE).faults(None).len(), 2, "no code set, no matters");
    }

    #[test]
    fn a_memorandum_names_what_there_is_and_what_is_active() {
        assert_eq!(faults_of_memorandum(MEMORANDUM), Vec::<String>::new());
        let with = |from: &str, to: &str| {
            assert!(MEMORANDUM.contains(from), "{from}");
            faults_of_memorandum(&MEMORANDUM.replace(from, to))
        };
        one(&with("[\"black\"]", "[\"none\"]"), "there is no list none");
        one(&with("[\"black\"]", "[]"), "lists is empty");
        one(&with("[\"black\"]", "[\"black\", \"black\"]"), "occurs twice");
        one(&with("measure = \"no_tender\"", "measure = \"none\""), "there is no measure none");
        one(&with("measure = \"no_tender\"", "measure = \"asleep\""), "asleep is unverified");
        one(&with("department_kinds = [\"housing\"]", "department_kinds = [\"tax\"]"), "tax does not carry no_tender out");
        one(&with("department_kinds = [\"housing\"]", "department_kinds = []"), "department_kinds of no_tender");
        one(&with("legal_basis = [\"国办发〔2020〕49号\"]", "legal_basis = [\"待核实\"]"), "a memorandum without a basis");
        one(&with("document_no = \"发改财金〔2015〕1号\"", "document_no = \"\""), "document_no");
    }

    #[test]
    fn a_memorandum_brings_what_its_lists_may_bring() {
        let with = |lists: &str, measure: &str| {
            faults_of_memorandum(&MEMORANDUM.replace("[\"black\"]", lists).replace("\"no_tender\"", &format!("\"{measure}\"")))
        };
        assert_eq!(with("[\"black\", \"abnormal\"]", "no_tender"), Vec::<String>::new());
        assert_eq!(with("[\"red\"]", "bonus"), Vec::<String>::new());
        one(&with("[\"red\"]", "no_tender"), "of the direction sanction");
        one(&with("[\"black\"]", "bonus"), "of the direction incentive");
        one(&with("[\"watched\"]", "no_tender"), "for monitoring only");
        one(&with("[\"red\", \"black\"]", "bonus"), "one memorandum for each");
    }

    #[test]
    fn a_placeholder_may_be_empty() {
        let empty = "code = \"later\"\nname = \"占位\"\nname_en = \"Later\"\nobjects = \"\"\nautomatic = false\nreach = \"lineage\"\n\
                     legal_basis = [\"待核实\"]\nstate = \"unverified\"\nverified = false\neffective_from = 2019-01-01\n";
        assert_eq!(faults_of_memorandum(empty), Vec::<String>::new());
        assert!(!parse::<Memorandum>(empty).in_force("2026-01-01".parse().unwrap()));
        assert_eq!(faults_of_memorandum(&empty.replace("unverified", "active")).len(), 5);
        one(&faults_of_memorandum(&empty.replace("automatic", "lists = [\"none\"]\nautomatic")), "there is no list none");
        let sleeping = MEMORANDUM.replace("\"active\"", "\"unverified\"").replace("\"no_tender\"", "\"asleep\"");
        assert_eq!(faults_of_memorandum(&sleeping), Vec::<String>::new());
    }

    #[test]
    fn a_memorandum_may_narrow_who_acts() {
        let memorandum: Memorandum = parse(MEMORANDUM);
        let measure: Measure = parse(MEASURE);
        assert_eq!(memorandum.measures[0].kinds(&measure), ["housing"]);
        let whole = MemorandumMeasure { measure: measure.code.clone(), department_kinds: None };
        assert_eq!(whole.kinds(&measure), ["housing", "transport"]);
    }
}
