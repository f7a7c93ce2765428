//! Catalogue items as their files state them, and what makes an item acceptable.

use crate::publicity::PublicityTerms;
use chrono::NaiveDate;
use credence_core::identifiers;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The three databases of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// 法人.
    LegalEntity,
    /// 非法人组织、个体工商户 (其他社会组织).
    OtherOrganisation,
    /// 自然人.
    NaturalPerson,
}

impl SubjectKind {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::LegalEntity => "legal_entity",
            Self::OtherOrganisation => "other_organisation",
            Self::NaturalPerson => "natural_person",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::LegalEntity, Self::OtherOrganisation, Self::NaturalPerson].into_iter().find(|kind| kind.code() == code)
    }

    /// Whether it is a person.
    pub fn is_person(self) -> bool {
        self == Self::NaturalPerson
    }
}

/// 信息性质.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nature {
    /// 基础信息.
    Basic,
    /// 守信信息.
    Commendable,
    /// 失信信息.
    Adverse,
}

/// Who may see a value, in the words of the regional regulations (河南条例 art. 18, 山东条例 art. 20), plus `Sealed`: encrypted at rest,
/// for document numbers of persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisclosureClass {
    /// 公开公示.
    Public,
    /// 政务共享.
    GovShared,
    /// 授权查询.
    Authorised,
    /// Never shown in full, encrypted at rest.
    Sealed,
}

/// 目录条目状态.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    /// Being written.
    Draft,
    /// Out for consultation.
    Consulted,
    /// In force within its dates.
    Published,
    /// No longer in force.
    Retired,
}

/// State of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Holds.
    Active,
    /// No longer in effect (a licence given back, say), but true.
    Ended,
    /// Under dispute; shown with that mark.
    Disputed,
    /// Taken back by its provider; shown to nobody but those who answer for it.
    Withdrawn,
    /// The source's state has no stated meaning; kept, not shown.
    Unclear,
    /// 修复: neither public nor shared nor used any more; shown to the auditor only.
    Repaired,
    /// 屏蔽: not shown while a plan of reorganisation is carried out.
    Shielded,
}

impl RecordState {
    const ALL: [Self; 7] = [Self::Active, Self::Ended, Self::Disputed, Self::Withdrawn, Self::Unclear, Self::Repaired, Self::Shielded];

    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended => "ended",
            Self::Disputed => "disputed",
            Self::Withdrawn => "withdrawn",
            Self::Unclear => "unclear",
            Self::Repaired => "repaired",
            Self::Shielded => "shielded",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// Whether a decision of redress hides the record: nothing that its provider sends brings it back.
    pub fn is_hidden(self) -> bool {
        matches!(self, Self::Repaired | Self::Shielded)
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text of at most `max_chars`.
    Text,
    /// A calendar day.
    Date,
    /// A decimal number of `digits`.
    Decimal,
    /// A whole number.
    Integer,
    /// One value of a code set.
    Code,
    /// Several values of a code set.
    Codes,
    /// Unified social credit code.
    Uscc,
    /// Organisation code.
    OrganisationCode,
    /// Business registration number.
    RegistrationNumber,
    /// Kind of a person's document.
    PersonDocumentKind,
    /// Number of a person's document.
    PersonDocument,
    /// One column that holds a USCC, an organisation code, a registration number or the number of a person's document, as the party's type
    /// says.
    AnySubjectCode,
}

/// What a field means to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the roles by name; docs/GLOSSARY.md has the Chinese")]
pub enum Role {
    SubjectName,
    SubjectUscc,
    SubjectOrgCode,
    SubjectRegistrationNo,
    SubjectTaxNo,
    SubjectOtherNo,
    SubjectCode,
    PartyType,
    SubjectCategory,
    PersonDocKind,
    PersonDocNo,
    AuthorityName,
    AuthorityUscc,
    DecisionNo,
    DecisionDate,
    ValidFrom,
    ValidTo,
    PublicUntil,
    SourceName,
    SourceUscc,
    RecordState,
    EntityType,
    RegisteredOn,
    Standing,
    Area,
    LegalRepresentative,
    Address,
    Remark,
}

/// A field is required when another holds one of these texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredIf {
    /// Code of the other field.
    pub field: String,
    /// Texts, any of which makes it required; `*` is "given at all".
    pub contains: Vec<String>,
}

fn default_max_chars() -> usize {
    200
}

/// One data element of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Code, as in the national templates.
    pub code: String,
    /// Chinese name, the usual header.
    pub name: String,
    /// English name.
    pub name_en: String,
    /// Further accepted headers.
    #[serde(default)]
    pub headers: Vec<String>,
    /// What it holds.
    #[serde(rename = "type")]
    pub of_type: FieldType,
    /// Longest text, in characters.
    #[serde(default = "default_max_chars")]
    pub max_chars: usize,
    /// Digits in all and after the point.
    #[serde(default)]
    pub digits: Option<[u8; 2]>,
    /// Unit of a number.
    #[serde(default)]
    pub unit: Option<String>,
    /// Code set of its values.
    #[serde(default)]
    pub code_set: Option<String>,
    /// The values of the set that this item takes.
    #[serde(default)]
    pub allowed: Option<Vec<String>>,
    /// Must be given.
    #[serde(default)]
    pub required: bool,
    /// Must be given under a condition.
    #[serde(default)]
    pub required_if: Option<RequiredIf>,
    /// Part of the business key.
    #[serde(default)]
    pub key: bool,
    /// What it means to the program.
    #[serde(default)]
    pub role: Option<Role>,
    /// Who may see it; the item's class when absent.
    #[serde(default)]
    pub disclosure: Option<DisclosureClass>,
    /// A date that cannot lie in the future.
    #[serde(default)]
    pub not_after_today: bool,
    /// Long free text that may hold personal numbers.
    #[serde(default)]
    pub free_text: bool,
    /// Holds the reference of the person's written consent (《征信业管理条例》第十四条第二款), for items with `written_consent`.
    #[serde(default)]
    pub consent: bool,
    /// Source state to record state, for the role `record_state`.
    #[serde(default)]
    pub state_map: Option<BTreeMap<String, RecordState>>,
    /// Two values as a department would type them.
    pub examples: [String; 2],
}

/// A column of an older form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedColumn {
    /// Code in that form.
    pub code: String,
    /// Chinese name in that form.
    pub name: String,
    /// Further accepted headers.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Field it feeds; several columns of one field are joined with `;`.
    #[serde(default)]
    pub to: Option<String>,
    /// The record's state comes from here.
    #[serde(default)]
    pub state_map: Option<BTreeMap<String, RecordState>>,
    /// Kept with the record under its own code, never public.
    #[serde(default)]
    pub extra: bool,
}

/// A form in which an item arrives. The first of an item is its own: its columns are the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// Version, which every upload states.
    pub version: String,
    /// Fields this form does not have, so not demanded of its rows.
    #[serde(default)]
    pub not_required: Vec<String>,
    /// Columns, for older forms.
    #[serde(default)]
    pub columns: Vec<FeedColumn>,
}

/// A catalogue item with the attributes the regulations ask for (河南 art. 11, 山东 art. 10, 深圳 art. 34).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "docs/adding-a-catalogue-item.md describes every attribute for the people who write them")]
pub struct Item {
    pub code: String,
    pub name: String,
    pub name_en: String,
    pub heading: String,
    pub section: String,
    pub nature: Nature,
    pub subject_kinds: BTreeSet<SubjectKind>,
    pub provider_kinds: Vec<String>,
    pub disclosure: DisclosureClass,
    pub coverage: String,
    pub update_cycle: String,
    pub behaviour: String,
    pub channel: String,
    #[serde(default)]
    pub retention_years: Option<u32>,
    pub legal_basis: Vec<String>,
    pub state: ItemState,
    pub effective_from: NaiveDate,
    #[serde(default)]
    pub effective_to: Option<NaiveDate>,
    #[serde(default)]
    pub registers_subject: bool,
    #[serde(default)]
    pub written_consent: bool,
    #[serde(default)]
    pub deadline_rule: Option<String>,
    #[serde(default)]
    pub person_public_basis: Option<String>,
    #[serde(default)]
    pub publicity: Option<PublicityTerms>,
    pub feeds: Vec<Feed>,
    pub fields: Vec<Field>,
    /// Terms that no further column of an upload may carry (`prohibit.terms`). Rules, and no part of the item's document: filled in when
    /// the configuration is loaded.
    #[serde(skip)]
    pub prohibited: Vec<String>,
}

/// One value of a code set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeValue {
    /// What is stored.
    pub value: String,
    /// English.
    pub name_en: String,
    /// Other texts for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// First day it was in use.
    #[serde(default)]
    pub valid_from: Option<NaiveDate>,
    /// Last day it was in use.
    #[serde(default)]
    pub valid_to: Option<NaiveDate>,
    /// May be followed by a text of the sender's own, as in `其他（备案）`; in fields of type `code`.
    #[serde(default)]
    pub takes_text: bool,
}

impl CodeValue {
    /// Whether it was in use on a day.
    pub fn in_use(&self, on: NaiveDate) -> bool {
        self.valid_from.is_none_or(|first| first <= on) && self.valid_to.is_none_or(|last| on <= last)
    }

    /// The value with a text of the sender's own, in the one writing in which it is stored.
    pub fn with_text(&self, text: &str) -> String {
        format!("{}（{text}）", self.value)
    }
}

/// A code set 代码集.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeSet {
    /// Code of the set.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// Characters that part several values in one cell.
    #[serde(default)]
    pub separators: String,
    /// The values.
    pub values: Vec<CodeValue>,
}

impl CodeSet {
    /// The value that a text stands for, itself or an alias.
    pub fn find(&self, text: &str) -> Option<&CodeValue> {
        self.values.iter().find(|v| v.value == text || v.aliases.iter().any(|a| a == text))
    }

    /// A value that takes a text, and the text: `其他（备案）`, `其他(备案)`, `其他:备案`. `None` when the value takes none, or there is
    /// none.
    pub fn find_with_text<'s, 't>(&'s self, cell: &'t str) -> Option<(&'s CodeValue, &'t str)> {
        let written = |v: &'s CodeValue| std::iter::once(v.value.as_str()).chain(v.aliases.iter().map(String::as_str)).map(move |w| (v, w));
        let mut writings = self.values.iter().filter(|v| v.takes_text).flat_map(written);
        writings.find_map(|(v, writing)| Some((v, text_of_its_own(cell.trim().strip_prefix(writing)?)?)))
    }

    /// The value of a stored text, which may have a text of its own.
    pub fn of_stored(&self, text: &str) -> Option<&CodeValue> {
        self.find(text).or_else(|| self.find_with_text(text).map(|(value, _)| value))
    }

    /// Splits a cell into values. Known texts are taken first, longest first, because some contain a separator themselves
    /// (没收违法所得、没收非法财物). `Err` is the part that is no value.
    pub fn split<'a>(&'a self, cell: &str) -> Result<Vec<&'a CodeValue>, String> {
        let is_separator = |c: char| self.separators.contains(c) || c.is_whitespace();
        let mut found: Vec<&CodeValue> = Vec::new();
        let mut rest = cell.trim_matches(is_separator);
        while !rest.is_empty() {
            let longest = self
                .values
                .iter()
                .flat_map(|v| std::iter::once(v.value.as_str()).chain(v.aliases.iter().map(String::as_str)).map(move |text| (v, text)))
                .filter(|(_, text)| {
                    // A value ends where the cell ends or a separator follows, so that 「其他」 does not eat the front of a longer word.
                    rest.strip_prefix(text).is_some_and(|after| after.is_empty() || after.starts_with(is_separator))
                })
                .max_by_key(|(_, text)| text.len());
            let Some((value, text)) = longest else {
                return Err(rest.split(is_separator).next().unwrap_or(rest).to_owned());
            };
            if !found.iter().any(|v| v.value == value.value) {
                found.push(value);
            }
            rest = rest.get(text.len()..).unwrap_or_default().trim_start_matches(is_separator);
        }
        Ok(found)
    }
}

/// What stands in the bracket or after the colon that follows a value.
fn text_of_its_own(after: &str) -> Option<&str> {
    let after = after.trim_start();
    let in_bracket = after.strip_prefix(['（', '(']).and_then(|rest| rest.strip_suffix(['）', ')']));
    in_bracket.or_else(|| after.strip_prefix(['：', ':'])).map(str::trim).filter(|text| !text.is_empty())
}

/// The first of the terms that a name of an item, field or column holds. Chinese terms are found whatever the width and spaces between
/// their characters; Latin ones are found at the beginning of words, in any case, so that `BLOOD_TYPE` holds `blood type`.
pub fn term_in<'t>(name: &str, terms: &'t [impl AsRef<str>]) -> Option<&'t str> {
    let (characters, words) = (identifiers::normalise(name), words(name));
    terms.iter().map(AsRef::as_ref).find(|term| {
        let (within, wanted) = if term.is_ascii() { (&words, self::words(term)) } else { (&characters, identifiers::normalise(term)) };
        !wanted.is_empty() && within.contains(&wanted)
    })
}

/// Latin words in small letters, a space before each.
fn words(text: &str) -> String {
    let mut words = String::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        words.push(' ');
        words.push_str(&word.to_ascii_lowercase());
    }
    words
}

impl Item {
    /// Whether rows may be stored under it on a day (invariant 1).
    pub fn in_force(&self, on: NaiveDate) -> bool {
        self.state == ItemState::Published && self.effective_from <= on && self.effective_to.is_none_or(|last| on <= last)
    }

    /// The field with a code.
    pub fn field(&self, code: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.code == code)
    }

    /// The field with a role.
    pub fn with_role(&self, role: Role) -> Option<&Field> {
        self.fields.iter().find(|f| f.role == Some(role))
    }

    /// The form with a version.
    pub fn feed(&self, version: &str) -> Option<&Feed> {
        self.feeds.iter().find(|f| f.version == version)
    }

    /// Who may see a field.
    pub fn class_of(&self, field: &Field) -> DisclosureClass {
        field.disclosure.unwrap_or(self.disclosure).max(self.disclosure)
    }

    /// Whether an agency of this kind may provide it.
    pub fn provided_by(&self, kind: &str) -> bool {
        self.provider_kinds.iter().any(|k| k == "*" || k == kind)
    }

    /// Everything by which the item, its fields and the columns of its forms are called, each with the code of what it calls. Headers are
    /// among them: a column is what its header says. Texts of laws are not: they name what they forbid.
    fn names(&self) -> Vec<(&str, &str)> {
        let item = [&self.code, &self.name, &self.name_en].map(|text| (self.code.as_str(), text.as_str()));
        let mut names: Vec<(&str, &str)> = item.to_vec();
        for field in &self.fields {
            let texts = [&field.code, &field.name, &field.name_en].into_iter().chain(&field.headers);
            names.extend(texts.map(|text| (field.code.as_str(), text.as_str())));
        }
        for column in self.feeds.iter().flat_map(|feed| &feed.columns) {
            let texts = [&column.code, &column.name].into_iter().chain(&column.headers);
            names.extend(texts.map(|text| (column.code.as_str(), text.as_str())));
        }
        names
    }

    /// The forms that let rows through without the reference of the person's written consent.
    fn forms_without_consent(&self) -> impl Iterator<Item = &Feed> {
        let asks = |feed: &Feed| self.fields.iter().any(|f| f.consent && f.required && !feed.not_required.contains(&f.code));
        self.feeds.iter().filter(move |feed| !asks(feed))
    }

    /// Everything that is wrong with the item; empty when it may be published. `prohibited` are the terms of information that may
    /// never be collected about natural persons, `consent` those that need the person's written consent.
    pub fn faults(&self, code_sets: &BTreeMap<String, CodeSet>, prohibited: &[&str], consent: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |text: String| faults.push(text);
        if self.legal_basis.iter().all(|basis| basis.trim().is_empty()) {
            fault("legal_basis is empty: an item without a legal basis may not be collected".into());
        }
        if self.code.is_empty() || !self.code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            fault(format!("code `{}` is not snake_case", self.code));
        }
        if self.subject_kinds.is_empty() {
            fault("subject_kinds is empty".into());
        }
        if self.feeds.is_empty() {
            fault("feeds is empty".into());
        }
        let about_persons = self.subject_kinds.contains(&SubjectKind::NaturalPerson);
        if about_persons {
            for (code, name) in self.names() {
                if let Some(term) = term_in(name, prohibited) {
                    fault(format!("{code} ({name}): {term} may never be collected about natural persons"));
                }
                if let Some(term) = term_in(name, consent).filter(|_| !self.written_consent) {
                    fault(format!(
                        "{code} ({name}): {term} needs the person's written consent; set written_consent = true only where it is obtained"
                    ));
                }
            }
            if self.disclosure == DisclosureClass::Public && self.person_public_basis.is_none() {
                fault("an item about natural persons is public only with a person_public_basis".into());
            }
        }
        if self.written_consent {
            for feed in self.forms_without_consent() {
                fault(format!(
                    "feed {}: written_consent needs a required field for the reference of the consent (consent = true)",
                    feed.version
                ));
            }
        }
        let mut codes = BTreeSet::new();
        let mut roles = BTreeSet::new();
        for field in &self.fields {
            let code = &field.code;
            if !codes.insert(code.as_str()) {
                fault(format!("field {code} occurs twice"));
            }
            if field.role.is_some_and(|role| role != Role::SubjectOtherNo && !roles.insert(role)) {
                fault(format!("field {code}: another field has the same role"));
            }
            let is_code = matches!(field.of_type, FieldType::Code | FieldType::Codes);
            match (&field.code_set, is_code) {
                (None, true) => fault(format!("field {code}: code_set is missing")),
                (Some(_), false) => fault(format!("field {code}: only code and codes have a code_set")),
                (Some(set), true) => match code_sets.get(set) {
                    None => fault(format!("field {code}: there is no code set {set}")),
                    Some(set) => {
                        for value in field.allowed.iter().flatten() {
                            if !set.values.iter().any(|v| v.value == *value) {
                                fault(format!("field {code}: {value} is not in the code set {}", set.code));
                            }
                        }
                    }
                },
                (None, false) => {}
            }
            if field.of_type == FieldType::PersonDocument && field.disclosure != Some(DisclosureClass::Sealed) {
                fault(format!("field {code}: a person's document number is sealed"));
            }
            if field.of_type == FieldType::AnySubjectCode && about_persons && field.disclosure != Some(DisclosureClass::Sealed) {
                fault(format!("field {code}: a column that may hold a person's document number is sealed"));
            }
            if field.consent && field.of_type != FieldType::Text {
                fault(format!("field {code}: the reference of a consent is a text"));
            }
            if field.required_if.as_ref().is_some_and(|r| self.field(&r.field).is_none()) {
                fault(format!("field {code}: required_if names an unknown field"));
            }
            if (field.role == Some(Role::RecordState)) != field.state_map.is_some() {
                fault(format!("field {code}: state_map and the role record_state go together"));
            }
            // What a decision in a case hides, no sender hides.
            if field.state_map.iter().flat_map(BTreeMap::values).any(|state| state.is_hidden()) {
                fault(format!("field {code}: state_map leads to a state that only a decision brings about"));
            }
        }
        if let Some(terms) = &self.publicity {
            terms.faults(self).into_iter().for_each(&mut fault);
        }
        let identified = [Role::SubjectUscc, Role::SubjectCode, Role::PersonDocNo].iter().any(|role| self.with_role(*role).is_some());
        if !identified || self.with_role(Role::SubjectName).is_none() {
            fault(
                "no field says whom a row is about: roles subject_name and one of subject_uscc, subject_code, person_doc_no are needed"
                    .into(),
            );
        }
        for feed in &self.feeds {
            for code in feed.not_required.iter().chain(feed.columns.iter().filter_map(|c| c.to.as_ref())) {
                if self.field(code).is_none() {
                    fault(format!("feed {}: there is no field {code}", feed.version));
                }
            }
            for column in &feed.columns {
                if u8::from(column.to.is_some()) + u8::from(column.state_map.is_some()) + u8::from(column.extra) != 1 {
                    fault(format!("feed {}, column {}: exactly one of to, state_map and extra", feed.version, column.code));
                }
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds() -> CodeSet {
        let value = |value: &str, aliases: &[&str]| CodeValue {
            value: value.into(),
            name_en: String::new(),
            aliases: aliases.iter().map(|a| (*a).to_owned()).collect(),
            valid_from: None,
            valid_to: None,
            takes_text: value == "其他",
        };
        CodeSet {
            code: "k".into(),
            name: "k".into(),
            separators: ";；、,，".into(),
            values: vec![
                value("罚款", &["02"]),
                value("没收违法所得、没收非法财物", &["没收违法所得"]),
                value("其他", &[]),
                value("警告", &[]),
            ],
        }
    }

    #[test]
    fn several_values_in_a_cell_are_told_apart() {
        let set = kinds();
        let split = |cell: &str| set.split(cell).map(|v| v.iter().map(|v| v.value.as_str()).collect::<Vec<_>>());
        assert_eq!(split("罚款;没收违法所得、没收非法财物").unwrap(), ["罚款", "没收违法所得、没收非法财物"]);
        assert_eq!(split("没收违法所得、罚款；警告").unwrap(), ["没收违法所得、没收非法财物", "罚款", "警告"]);
        assert_eq!(split("02，罚款").unwrap(), ["罚款"]);
        assert_eq!(split(" ；").unwrap(), Vec::<&str>::new());
        assert_eq!(split("罚款、拘留").unwrap_err(), "拘留");
        assert_eq!(split("其他处罚").unwrap_err(), "其他处罚");
    }

    #[test]
    fn a_value_may_be_followed_by_a_text_where_it_is_marked_to() {
        let set = kinds();
        let read = |cell: &'static str| set.find_with_text(cell).map(|(value, text)| (value.value.as_str(), text));
        for cell in ["其他（备案）", "其他(备案)", "其他（备案)", "其他:备案", "其他：备案", " 其他 （ 备案 ） "]
        {
            assert_eq!(read(cell), Some(("其他", "备案")), "{cell}");
        }
        assert_eq!(read("其他（备案（二类））"), Some(("其他", "备案（二类）")));
        for cell in ["其他", "其他（）", "其他（ ）", "其他:", "其他备案", "其他（备案", "警告（口头）", "备案", ""]
        {
            assert_eq!(read(cell), None, "{cell}");
        }
        let stored = set.find_with_text("其他:备案").map(|(value, text)| value.with_text(text)).unwrap();
        assert_eq!(stored, "其他（备案）");
        assert_eq!(set.of_stored(&stored).map(|v| v.value.as_str()), Some("其他"));
        assert_eq!(set.of_stored("02").map(|v| v.value.as_str()), Some("罚款"));
        assert_eq!(set.of_stored("拘留"), None);
    }

    #[test]
    fn a_value_is_in_use_within_its_days() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let mut value = kinds().values.remove(0);
        assert!(value.in_use(day("1996-10-01")));
        value.valid_from = Some(day("2021-07-15"));
        assert!(!value.in_use(day("2021-07-14")) && value.in_use(day("2021-07-15")));
        value.valid_from = None;
        value.valid_to = Some(day("2021-07-14"));
        assert!(value.in_use(day("2021-07-14")) && !value.in_use(day("2021-07-15")));
    }

    #[test]
    fn terms_are_found_in_any_writing_of_a_name() {
        let terms = ["宗教信仰", "blood type", "gene", ""];
        for (name, term) in [
            ("本人宗教信仰情况", Some("宗教信仰")),
            ("宗教　信仰", Some("宗教信仰")),
            ("BLOOD_TYPE", Some("blood type")),
            ("Blood type of the person", Some("blood type")),
            ("Genes", Some("gene")),
            ("hygiene", None),
            ("bloodtype", None),
            ("宗教活动场所", None),
            ("", None),
        ] {
            assert_eq!(term_in(name, &terms), term, "{name}");
        }
        assert_eq!(term_in("宗教信仰", &[] as &[&str]), None);
        assert_eq!(term_in("宗教信仰", &["宗教信仰".to_owned()]), Some("宗教信仰"));
    }

    const PERSON: &str = r#"
code = "income"
name = "自愿填报信息"
name_en = "Voluntary information"
heading = "自愿提供的信用信息"
section = "other"
nature = "basic"
subject_kinds = ["natural_person"]
provider_kinds = ["*"]
disclosure = "authorised"
coverage = "x"
update_cycle = "x"
behaviour = "x"
channel = "x"
legal_basis = ["《征信业管理条例》第十四条"]
state = "published"
effective_from = 2026-01-01
[[feeds]]
version = "v2"
[[feeds]]
version = "v1"
[[feeds.columns]]
code = "XM"
name = "姓名"
to = "NAME"
[[fields]]
code = "NAME"
name = "姓名"
name_en = "Name"
type = "text"
role = "subject_name"
examples = ["", ""]
[[fields]]
code = "NUMBER"
name = "证件号码"
name_en = "Number"
type = "person_document"
role = "person_doc_no"
disclosure = "sealed"
examples = ["", ""]
"#;

    fn faults_of(toml: &str) -> Vec<String> {
        let item: Item = serde_json::from_value(credence_rulebook::toml_json::document(toml).unwrap()).unwrap();
        item.faults(&BTreeMap::new(), &["宗教信仰", "blood type"], &["收入"])
    }

    #[test]
    fn a_prohibited_term_is_found_wherever_something_is_named() {
        assert_eq!(faults_of(PERSON), Vec::<String>::new());
        let column = |headers: &str| format!("to = \"NAME\"\nheaders = [\"{headers}\"]");
        for changed in [
            PERSON.replace("自愿填报信息", "宗教信仰情况"),
            PERSON.replace("Voluntary information", "Blood type"),
            PERSON.replace("code = \"income\"", "code = \"blood_type\""),
            PERSON.replace("name = \"证件号码\"", "name = \"宗教 信仰\""),
            PERSON.replace("name_en = \"Number\"", "name_en = \"Blood types\""),
            PERSON.replace("code = \"NUMBER\"", "code = \"BLOOD_TYPE\""),
            PERSON.replace("type = \"text\"", "type = \"text\"\nheaders = [\"宗教信仰\"]"),
            PERSON.replace("code = \"XM\"\nname = \"姓名\"", "code = \"XM\"\nname = \"宗教信仰\""),
            PERSON.replace("code = \"XM\"", "code = \"BLOOD-TYPE\""),
            PERSON.replace("to = \"NAME\"", &column("宗教信仰")),
        ] {
            let faults = faults_of(&changed);
            assert!(faults.len() == 1 && faults[0].contains("may never be collected"), "{faults:?} in {changed}");
        }
        // A law that forbids names what it forbids.
        assert_eq!(faults_of(&PERSON.replace("第十四条", "第十四条（宗教信仰）")), Vec::<String>::new());
        // Organisations have no religion; what their officers believe stands in a column nobody may add to an upload.
        let about_organisations = PERSON.replace("natural_person", "legal_entity").replace("姓名", "宗教信仰用品店");
        assert_eq!(faults_of(&about_organisations), Vec::<String>::new());
    }

    #[test]
    fn what_needs_consent_needs_the_consents_reference_in_every_form() {
        let income = PERSON.replace("name = \"自愿填报信息\"", "name = \"收入\"");
        assert!(faults_of(&income)[0].contains("written consent"), "{:?}", faults_of(&income));
        let without_reference = income.replace("state = ", "written_consent = true\nstate = ");
        let faults = faults_of(&without_reference);
        assert!(faults.len() == 2 && faults.iter().all(|f| f.contains("consent = true")), "both forms: {faults:?}");
        let reference = |required: bool| {
            format!(
                "{without_reference}[[fields]]\ncode = \"CONSENT\"\nname = \"授权书编号\"\nname_en = \"Consent\"\ntype = \"text\"\n\
                 required = {required}\nconsent = true\nexamples = [\"\", \"\"]\n"
            )
        };
        assert_eq!(faults_of(&reference(true)), Vec::<String>::new());
        assert_eq!(faults_of(&reference(false)).len(), 2, "a reference that may be left out is none");
        let older = reference(true).replace("version = \"v1\"", "version = \"v1\"\nnot_required = [\"CONSENT\"]");
        assert!(faults_of(&older)[0].starts_with("feed v1"), "{:?}", faults_of(&older));
        let of_a_kind = reference(true).replace("type = \"text\"\nrequired", "type = \"integer\"\nrequired");
        assert!(faults_of(&of_a_kind)[0].contains("CONSENT"), "{:?}", faults_of(&of_a_kind));
    }
}
