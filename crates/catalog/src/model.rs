//! Catalogue items as their files state them, and what makes an item acceptable.

use chrono::NaiveDate;
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
}

impl RecordState {
    const ALL: [Self; 5] = [Self::Active, Self::Ended, Self::Disputed, Self::Withdrawn, Self::Unclear];

    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ended => "ended",
            Self::Disputed => "disputed",
            Self::Withdrawn => "withdrawn",
            Self::Unclear => "unclear",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
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
    /// One column that holds a USCC, an organisation code, a registration number or a resident ID, as the party's type says.
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
    pub feeds: Vec<Feed>,
    pub fields: Vec<Field>,
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
            let texts = self.fields.iter().map(|f| (f.code.as_str(), f.name.as_str())).chain([(self.code.as_str(), self.name.as_str())]);
            for (code, name) in texts {
                if let Some(term) = prohibited.iter().find(|term| name.contains(*term)) {
                    fault(format!("{code} ({name}): {term} may never be collected about natural persons"));
                }
                if let Some(term) = consent.iter().find(|term| name.contains(*term) && !self.written_consent) {
                    fault(format!(
                        "{code} ({name}): {term} needs the person's written consent; set written_consent = true only where it is obtained"
                    ));
                }
            }
            if self.disclosure == DisclosureClass::Public && self.person_public_basis.is_none() {
                fault("an item about natural persons is public only with a person_public_basis".into());
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
            if field.required_if.as_ref().is_some_and(|r| self.field(&r.field).is_none()) {
                fault(format!("field {code}: required_if names an unknown field"));
            }
            if (field.role == Some(Role::RecordState)) != field.state_map.is_some() {
                fault(format!("field {code}: state_map and the role record_state go together"));
            }
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
}
