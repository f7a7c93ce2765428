//! Lists 红黑名单 as their files state them: who keeps them, on what law, how a subject comes onto one and off it. What a list brings is said
//! by the memoranda of [`crate::measures`].

use crate::model::{DisclosureClass, FieldType, Item, SubjectKind};
use chrono::NaiveDate;
use credence_rulebook::Rule;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What standing on a list means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListKind {
    /// 守信激励名单, the users' 红名单.
    Commendation,
    /// 严重失信主体名单, the users' 黑名单.
    SeriousDishonesty,
    /// 失信被执行人: the courts decide.
    JudgmentDefault,
    /// 经营异常名录.
    AbnormalOperation,
    /// 重点关注名单: watched, never punished.
    Watch,
}

impl ListKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Commendation, Self::SeriousDishonesty, Self::JudgmentDefault, Self::AbnormalOperation, Self::Watch];

    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Commendation => "commendation",
            Self::SeriousDishonesty => "serious_dishonesty",
            Self::JudgmentDefault => "judgment_default",
            Self::AbnormalOperation => "abnormal_operation",
            Self::Watch => "watch",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether it commends.
    pub fn is_commendation(self) -> bool {
        self == Self::Commendation
    }

    /// Whether standing on it is a matter of dishonesty, which blocks a commendation.
    pub fn is_dishonesty(self) -> bool {
        matches!(self, Self::SeriousDishonesty | Self::JudgmentDefault | Self::AbnormalOperation)
    }
}

/// Where the procedure of a list is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeping {
    /// Here: proposal, notice, objection, decision.
    Native,
    /// Elsewhere: the list follows the records of a catalogue item.
    Mirror,
}

impl Keeping {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Mirror => "mirror",
        }
    }
}

/// State of a list, a measure or a memorandum. Only what is active is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// In force within its dates.
    Active,
    /// A placeholder: somebody still has to read what it rests on.
    Unverified,
    /// No longer in force.
    Retired,
}

impl Standing {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Unverified => "unverified",
            Self::Retired => "retired",
        }
    }
}

/// Stands for a legal basis in a placeholder; no basis of anything else.
const TO_BE_VERIFIED: &str = "待核实";

/// What a list, a measure and a memorandum state alike.
pub(crate) struct Head<'a> {
    pub code: &'a str,
    pub name: &'a str,
    pub legal_basis: &'a [String],
    pub state: Standing,
    pub verified: bool,
    pub effective_from: NaiveDate,
    pub effective_to: Option<NaiveDate>,
}

impl Head<'_> {
    /// Whether it is in force on a day.
    pub(crate) fn in_force(&self, on: NaiveDate) -> bool {
        self.state == Standing::Active && self.effective_from <= on && self.effective_to.is_none_or(|last| on <= last)
    }

    /// Whether a law is named. A blank line names none.
    pub(crate) fn names_law(&self) -> bool {
        self.legal_basis.iter().map(|basis| basis.trim()).any(|basis| !basis.is_empty() && basis != TO_BE_VERIFIED)
    }

    /// Whether it has a basis. A placeholder may say that its law is still to be found.
    pub(crate) fn has_basis(&self) -> bool {
        let awaits = self.state == Standing::Unverified && self.legal_basis.iter().any(|basis| basis.trim() == TO_BE_VERIFIED);
        awaits || self.names_law()
    }

    /// What is wrong with it, the missing law aside.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.code.is_empty() || !self.code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            faults.push(format!("code `{}` is not snake_case", self.code));
        }
        if self.name.trim().is_empty() {
            faults.push("name is empty".into());
        }
        if self.effective_to.is_some_and(|last| last < self.effective_from) {
            faults.push("effective_to lies before effective_from".into());
        }
        if self.state == Standing::Unverified && self.verified {
            faults.push("state = \"unverified\" and verified = true contradict each other".into());
        }
        faults
    }
}

/// What is wrong with a list of kinds of agencies.
pub(crate) fn kinds_faults(attribute: &str, kinds: &[String]) -> Option<String> {
    let unnamed = |kind: &String| kind.trim().is_empty() || kind == "*";
    (kinds.is_empty() || kinds.iter().any(unnamed)).then(|| format!("{attribute} has to name kinds of agencies, one by one"))
}

/// A list whose procedure is run here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NativeList {
    /// Catalogue items whose record may be the legal document under an entry.
    #[serde(default)]
    pub ground_items: Vec<String>,
    /// Rule, in working days: how long the subject may object after the notice, or anybody after an announcement.
    pub objection_rule: String,
    /// Rule, in months: how long an entry lasts. None: until it is taken off.
    #[serde(default)]
    pub period_rule: Option<String>,
    /// Rule, in months: how long an entry has to have lasted before its repair may be applied for. None: what the regime of publicity says.
    #[serde(default)]
    pub repair_rule: Option<String>,
    /// Rule, in working days: how long the authority has to decide about a ground that came into question.
    pub review_rule: String,
    /// On what conditions an entry is left 退出条件.
    pub exit_conditions: String,
    /// How it is left 退出程序.
    pub exit_procedure: String,
    /// What the subject can do against it 救济途径.
    pub remedies: String,
    /// Rule, in days: how long a notice about an entry that is gone stays public.
    #[serde(default)]
    pub notice_days_rule: Option<String>,
}

/// A list that follows the records of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorList {
    /// The catalogue item.
    pub item: String,
    /// Rule, in hours: after how long without news the list is shown as stale.
    pub stale_rule: String,
    /// Rule, in working days: how long a row that left its source may stay. When the list has not followed its source for longer, it is shown as stale.
    pub leave_rule: String,
    /// Field whose text is shown as the reason.
    #[serde(default)]
    pub facts_field: Option<String>,
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListDefinition {
    /// Stable code.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// What standing on it means.
    pub kind: ListKind,
    /// Where its procedure is run.
    pub keeping: Keeping,
    /// Whether it is in force.
    pub state: Standing,
    /// First day.
    pub effective_from: NaiveDate,
    /// Last day.
    #[serde(default)]
    pub effective_to: Option<NaiveDate>,
    /// Whom it may hold.
    pub subject_kinds: Vec<SubjectKind>,
    /// Kinds of agencies that are competent 认定单位.
    pub authority_kinds: Vec<String>,
    /// Laws and articles.
    #[serde(default)]
    pub legal_basis: Vec<String>,
    /// Whether the official texts were read.
    pub verified: bool,
    /// Who may see its entries.
    pub disclosure: DisclosureClass,
    /// The law that makes entries of natural persons public. Without it they are not, whatever `disclosure` says.
    #[serde(default)]
    pub person_public_basis: Option<String>,
    /// The procedure, when it is run here.
    #[serde(default)]
    pub native: Option<NativeList>,
    /// What it follows, when it is not.
    #[serde(default)]
    pub mirror: Option<MirrorList>,
    /// Why it is so, or what is doubtful.
    #[serde(default)]
    pub note: Option<String>,
}

impl ListDefinition {
    fn head(&self) -> Head<'_> {
        let Self { code, name, legal_basis, state, verified, effective_from, effective_to, .. } = self;
        Head { code, name, legal_basis, state: *state, verified: *verified, effective_from: *effective_from, effective_to: *effective_to }
    }

    /// Whether subjects may be put on it, and its entries count, on a day.
    pub fn in_force(&self, on: NaiveDate) -> bool {
        self.head().in_force(on)
    }

    /// Everything that is wrong with the list; empty when it may come into force. `items` and `rules` are all there are.
    pub fn faults(&self, items: &BTreeMap<String, Item>, rules: &[&Rule]) -> Vec<String> {
        let head = self.head();
        let mut faults = head.faults();
        if !head.has_basis() {
            faults.push("legal_basis is empty: a list without a legal basis may not be kept".into());
        }
        faults.extend(kinds_faults("authority_kinds", &self.authority_kinds));
        if self.subject_kinds.is_empty() {
            faults.push("subject_kinds is empty".into());
        }
        if self.disclosure == DisclosureClass::Sealed {
            faults.push("disclosure of a list is public, gov_shared or authorised".into());
        }
        if self.person_public_basis.as_ref().is_some_and(|basis| basis.trim().is_empty()) {
            faults.push("person_public_basis is empty; leave it out where there is no such law".into());
        }
        match (self.keeping, &self.native, &self.mirror) {
            (Keeping::Native, Some(native), None) => faults.extend(self.native_faults(native, items, rules)),
            (Keeping::Mirror, None, Some(mirror)) => faults.extend(self.mirror_faults(mirror, items, rules)),
            (Keeping::Native, ..) => faults.push("keeping = \"native\" goes with the table [native] and no other".into()),
            (Keeping::Mirror, ..) => faults.push("keeping = \"mirror\" goes with the table [mirror] and no other".into()),
        }
        faults
    }

    fn native_faults(&self, native: &NativeList, items: &BTreeMap<String, Item>, rules: &[&Rule]) -> Vec<String> {
        let mut faults = Vec::new();
        if self.kind == ListKind::JudgmentDefault {
            faults.push("judgment defaulters are listed by the courts: such a list can only mirror theirs".into());
        }
        faults.extend(rule_faults("objection_rule", &native.objection_rule, "working_day", rules));
        faults.extend(rule_faults("review_rule", &native.review_rule, "working_day", rules));
        faults.extend(native.period_rule.iter().flat_map(|id| rule_faults("period_rule", id, "month", rules)));
        faults.extend(native.repair_rule.iter().flat_map(|id| rule_faults("repair_rule", id, "month", rules)));
        faults.extend(native.notice_days_rule.iter().flat_map(|id| rule_faults("notice_days_rule", id, "day", rules)));
        let texts =
            [("exit_conditions", &native.exit_conditions), ("exit_procedure", &native.exit_procedure), ("remedies", &native.remedies)];
        let untold = texts.into_iter().filter(|(_, text)| text.trim().is_empty());
        faults.extend(untold.map(|(attribute, _)| format!("{attribute} is empty: the subject has to be told")));
        for code in native.ground_items.iter().filter(|code| !items.contains_key(*code)) {
            faults.push(format!("ground_items: there is no catalogue item {code}"));
        }
        // An entry of serious dishonesty rests on a document of record: whoever may be listed must be able to have one.
        if self.kind == ListKind::SeriousDishonesty {
            let grounds: Vec<&Item> = native.ground_items.iter().filter_map(|code| items.get(code)).collect();
            for kind in self.subject_kinds.iter().filter(|kind| !grounds.iter().any(|item| item.subject_kinds.contains(kind))) {
                faults
                    .push(format!("ground_items: no item is about {}, so nothing could be the legal document under an entry", kind.code()));
            }
        }
        faults
    }

    fn mirror_faults(&self, mirror: &MirrorList, items: &BTreeMap<String, Item>, rules: &[&Rule]) -> Vec<String> {
        let mut faults = rule_faults("stale_rule", &mirror.stale_rule, "hour", rules);
        faults.extend(rule_faults("leave_rule", &mirror.leave_rule, "working_day", rules));
        let Some(item) = items.get(&mirror.item) else {
            faults.push(format!("mirror: there is no catalogue item {}", mirror.item));
            return faults;
        };
        let missing = self.subject_kinds.iter().filter(|kind| !item.subject_kinds.contains(kind));
        faults.extend(missing.map(|kind| format!("mirror: the item {} is not about {}", item.code, kind.code())));
        // A mirror must not be a way around the class of what it mirrors.
        if self.disclosure < item.disclosure {
            faults.push(format!("disclosure is more open than that of the item {}", item.code));
        }
        if let Some(code) = &mirror.facts_field {
            match item.field(code) {
                None => faults.push(format!("facts_field: the item {} has no field {code}", item.code)),
                Some(field) if !matches!(field.of_type, FieldType::Text | FieldType::Code) => {
                    faults.push(format!("facts_field: {code} is neither text nor code"));
                }
                Some(field) if item.class_of(field) > self.disclosure => {
                    faults.push(format!("facts_field: {code} may be seen by fewer than the list"));
                }
                Some(_) => {}
            }
        }
        faults
    }
}

/// What is wrong with the rule that an attribute names: that there is none, or that a version of it is no number of the unit.
fn rule_faults(attribute: &str, id: &str, unit: &str, rules: &[&Rule]) -> Vec<String> {
    let versions: Vec<&Rule> = rules.iter().filter(|rule| rule.id == id).copied().collect();
    if versions.is_empty() {
        return vec![format!("{attribute}: there is no rule {id}")];
    }
    let fits = |rule: &Rule| rule.unit.as_deref() == Some(unit) && rule.value.as_u64().is_some();
    let odd: BTreeSet<u32> = versions.into_iter().filter(|rule| !fits(rule)).map(|rule| rule.version).collect();
    odd.into_iter().map(|version| format!("{attribute}: {id}@{version} is no whole number with the unit {unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(code: &str, kinds: &str, disclosure: &str) -> Item {
        let toml = format!(
            "code = \"{code}\"\nname = \"x\"\nname_en = \"x\"\nheading = \"x\"\nsection = \"other\"\nnature = \"adverse\"\n\
             subject_kinds = [{kinds}]\nprovider_kinds = [\"court\"]\ndisclosure = \"{disclosure}\"\ncoverage = \"x\"\nupdate_cycle = \"x\"\n\
             behaviour = \"x\"\nchannel = \"x\"\nlegal_basis = [\"x\"]\nstate = \"published\"\neffective_from = 2019-01-01\n\
             [[feeds]]\nversion = \"v1\"\n\
             [[fields]]\ncode = \"WHY\"\nname = \"x\"\nname_en = \"x\"\ntype = \"text\"\nexamples = [\"\", \"\"]\n\
             [[fields]]\ncode = \"INNER\"\nname = \"x\"\nname_en = \"x\"\ntype = \"text\"\ndisclosure = \"authorised\"\nexamples = [\"\", \"\"]\n\
             [[fields]]\ncode = \"YEAR\"\nname = \"x\"\nname_en = \"x\"\ntype = \"integer\"\nexamples = [\"\", \"\"]\n"
        );
        serde_json::from_value(credence_rulebook::toml_json::document(&toml).unwrap()).unwrap()
    }

    fn items() -> BTreeMap<String, Item> {
        let organisations = "\"legal_entity\", \"other_organisation\"";
        [item("penalty", organisations, "public"), item("court", "\"legal_entity\", \"natural_person\"", "gov_shared")]
            .into_iter()
            .map(|item| (item.code.clone(), item))
            .collect()
    }

    fn rule(id: &str, value: serde_json::Value, unit: &str) -> Rule {
        Rule {
            id: id.into(),
            version: 1,
            effective_from: "2019-01-01".parse().unwrap(),
            value,
            unit: Some(unit.into()),
            legal_basis: "x".into(),
            verified: false,
            note: None,
        }
    }

    const NATIVE: &str = r#"
code = "black"
name = "严重失信主体名单"
name_en = "Black"
kind = "serious_dishonesty"
keeping = "native"
state = "active"
effective_from = 2021-09-01
subject_kinds = ["legal_entity"]
authority_kinds = ["market_regulation"]
legal_basis = ["国办发〔2020〕49号"]
verified = false
disclosure = "public"
[native]
ground_items = ["penalty"]
objection_rule = "wd"
period_rule = "months"
review_rule = "wd"
exit_conditions = "x"
exit_procedure = "x"
remedies = "x"
notice_days_rule = "days"
"#;

    const MIRROR: &str = r#"
code = "defaulters"
name = "失信被执行人"
name_en = "Defaulters"
kind = "judgment_default"
keeping = "mirror"
state = "active"
effective_from = 2019-01-01
subject_kinds = ["legal_entity", "natural_person"]
authority_kinds = ["court"]
legal_basis = ["法释〔2017〕7号"]
verified = true
disclosure = "gov_shared"
[mirror]
item = "court"
stale_rule = "hours"
leave_rule = "wd"
facts_field = "WHY"
"#;

    fn list(toml: &str) -> ListDefinition {
        serde_json::from_value(credence_rulebook::toml_json::document(toml).unwrap()).unwrap()
    }

    fn faults(toml: &str) -> Vec<String> {
        let rules = [
            rule("wd", 5.into(), "working_day"),
            rule("months", 36.into(), "month"),
            rule("hours", 24.into(), "hour"),
            rule("days", 30.into(), "day"),
            rule("words", "five".into(), "working_day"),
        ];
        list(toml).faults(&items(), &rules.iter().collect::<Vec<_>>())
    }

    fn one_fault(from: &str, to: &str, of: &str, says: &str) {
        assert!(of.contains(from), "{from}");
        let found = faults(&of.replace(from, to));
        assert!(found.len() == 1 && found[0].contains(says), "{to}: {found:?}");
    }

    #[test]
    fn sound_lists_have_no_fault() {
        assert_eq!(faults(NATIVE), Vec::<String>::new());
        assert_eq!(faults(MIRROR), Vec::<String>::new());
        // Persons on a public list are no fault: without a law that makes them public they are not shown.
        let persons = NATIVE.replace("[\"legal_entity\"]", "[\"natural_person\"]").replace("\"penalty\"", "\"court\"");
        assert_eq!(faults(&persons), Vec::<String>::new());
    }

    #[test]
    fn a_list_rests_on_a_law() {
        let basis = "legal_basis = [\"国办发〔2020〕49号\"]";
        for none in ["", "legal_basis = []", "legal_basis = [\" \"]", "legal_basis = [\"待核实\"]"] {
            one_fault(basis, none, NATIVE, "a list without a legal basis may not be kept");
        }
        let placeholder = NATIVE.replace("\"active\"", "\"unverified\"");
        assert_eq!(faults(&placeholder.replace(basis, "legal_basis = [\"待核实\"]")), Vec::<String>::new());
        assert_eq!(faults(&placeholder.replace(basis, "legal_basis = [\"\"]")).len(), 1);
        one_fault("verified = false", "verified = true", &placeholder, "contradict");
    }

    #[test]
    fn keeping_and_its_table_go_together() {
        one_fault("keeping = \"native\"", "keeping = \"mirror\"", NATIVE, "goes with the table [mirror]");
        one_fault("keeping = \"mirror\"", "keeping = \"native\"", MIRROR, "goes with the table [native]");
        let both = format!("{NATIVE}{}", &MIRROR[MIRROR.find("[mirror]").unwrap()..]);
        assert!(faults(&both)[0].contains("no other"), "{:?}", faults(&both));
        one_fault("serious_dishonesty", "judgment_default", NATIVE, "listed by the courts");
        assert_eq!(faults(&NATIVE.replace("serious_dishonesty", "abnormal_operation")), Vec::<String>::new());
    }

    #[test]
    fn what_a_list_names_has_to_exist_and_fit() {
        one_fault("objection_rule = \"wd\"", "objection_rule = \"none\"", NATIVE, "there is no rule none");
        one_fault(
            "objection_rule = \"wd\"",
            "objection_rule = \"months\"",
            NATIVE,
            "months@1 is no whole number with the unit working_day",
        );
        one_fault("review_rule = \"wd\"", "review_rule = \"words\"", NATIVE, "words@1");
        one_fault("period_rule = \"months\"", "period_rule = \"days\"", NATIVE, "unit month");
        one_fault("notice_days_rule = \"days\"", "notice_days_rule = \"none\"", NATIVE, "notice_days_rule");
        one_fault("[\"legal_entity\"]", "[\"legal_entity\", \"natural_person\"]", NATIVE, "no item is about natural_person");
        let unknown = faults(&NATIVE.replace("\"penalty\"", "\"none\""));
        assert!(unknown[0].contains("there is no catalogue item none") && unknown.len() == 2, "{unknown:?}");
        one_fault("remedies = \"x\"", "remedies = \"\"", NATIVE, "remedies is empty");
        one_fault("[\"market_regulation\"]", "[\"*\"]", NATIVE, "authority_kinds");
        one_fault("code = \"black\"", "code = \"Black\"", NATIVE, "snake_case");
        one_fault("state = \"active\"", "state = \"active\"\neffective_to = 2021-08-31", NATIVE, "before effective_from");
        one_fault("item = \"court\"", "item = \"none\"", MIRROR, "there is no catalogue item none");
        one_fault("\"natural_person\"", "\"other_organisation\"", MIRROR, "is not about other_organisation");
        one_fault("stale_rule = \"hours\"", "stale_rule = \"wd\"", MIRROR, "unit hour");
        one_fault("leave_rule = \"wd\"", "leave_rule = \"hours\"", MIRROR, "unit working_day");
        one_fault("\"WHY\"", "\"HOW\"", MIRROR, "has no field HOW");
        one_fault("\"WHY\"", "\"YEAR\"", MIRROR, "neither text nor code");
        one_fault("\"WHY\"", "\"INNER\"", MIRROR, "seen by fewer");
    }

    #[test]
    fn a_mirror_is_not_more_open_than_what_it_mirrors() {
        let found = faults(&MIRROR.replace("disclosure = \"gov_shared\"", "disclosure = \"public\""));
        assert!(found.iter().any(|f| f.contains("more open than that of the item court")), "{found:?}");
    }

    #[test]
    fn only_what_is_active_is_in_force_and_within_its_days() {
        let on = |toml: &str, day: &str| list(toml).in_force(day.parse().unwrap());
        let ended = NATIVE.replace("state = \"active\"", "state = \"active\"\neffective_to = 2022-08-31");
        assert!(!on(&ended, "2021-08-31") && on(&ended, "2021-09-01") && on(&ended, "2022-08-31") && !on(&ended, "2022-09-01"));
        for state in ["unverified", "retired"] {
            assert!(!on(&NATIVE.replace("\"active\"", &format!("\"{state}\"")), "2022-01-01"), "{state}");
        }
        for kind in ListKind::ALL {
            assert_eq!(ListKind::from_code(kind.code()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.code());
            assert!(!(kind.is_commendation() && kind.is_dishonesty()));
        }
    }
}
