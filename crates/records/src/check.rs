//! From cells to a sound statement or a list of what is wrong: normalisation, types, code sets, required fields, identifiers, dates that
//! must fit each other, timeliness. Pure: everything it needs was loaded before; the same row gives the same verdict in a dry run.

use crate::cell::{self, Cell, DecimalFault};
use crate::header::{Header, Headers, Target};
use crate::model::{Issue, Severity};
use chrono::NaiveDate;
use credence_catalog::configuration::{Configuration, VersionedItem};
use credence_catalog::model::{CodeSet, DisclosureClass, Field, FieldType, RecordState, Role};
use credence_catalog::{Feed, Item, SubjectKind};
use credence_core::crypto::{KeyRing, sha256};
use credence_core::identifiers::uscc::{Uscc, UsccError, UsccRules};
use credence_core::identifiers::{OrganisationCode, PersonDocument, PersonDocumentKind, RegistrationNumber, person};
use credence_core::problem::{Problem, Result};
use credence_core::settings::Ingest;
use credence_names::normalise;
use credence_subjects::matching::{Identified, SubjectRef};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// An agency as rows name it.
#[derive(Debug, Clone)]
pub struct KnownAgency {
    /// Its USCC.
    pub uscc: String,
    /// Its region.
    pub region: String,
}

/// What the checks of one file rest on.
pub struct Basis {
    /// The item and its version.
    pub item: Arc<VersionedItem>,
    /// Version of the form.
    pub feed: String,
    /// Everything in force.
    pub configuration: Arc<Configuration>,
    /// Day of receipt, by which timeliness and "not in the future" are judged.
    pub received_on: NaiveDate,
    /// Agencies by normalised name and by USCC.
    pub agencies: Arc<HashMap<String, KnownAgency>>,
    /// Region codes an API key is limited to.
    pub regions: Option<Vec<String>>,
    /// Keys for the numbers of persons.
    pub keys: KeyRing,
    /// Limits and options.
    pub settings: Ingest,
}

/// A statement that passed, without its subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Statement {
    /// Number of the data row in the batch, from 1.
    pub row_no: u64,
    /// JSON object of field codes and values that may rest in the clear.
    pub data: String,
    /// JSON object of what is encrypted at rest.
    pub sealed: Option<String>,
    /// State.
    pub state: RecordState,
    /// Day of the decision.
    pub decided_on: Option<NaiveDate>,
    /// First day it holds.
    pub valid_from: Option<NaiveDate>,
    /// Last day it holds.
    pub valid_to: Option<NaiveDate>,
    /// Last public day the provider sent.
    pub public_until: Option<NaiveDate>,
    /// Same statement, same key (within a subject).
    pub business_key: Uuid,
    /// Same content, same hash.
    pub content_hash: Uuid,
    /// Received after its deadline.
    pub late: bool,
    /// Rule and version that set the deadline.
    pub late_rule: Option<String>,
    /// What is odd.
    pub warnings: Vec<Issue>,
}

/// What a row of registration data says beside its statement.
#[derive(Debug, Clone, Default)]
pub struct RegistrationFacts {
    /// First day of the name.
    pub since: Option<NaiveDate>,
    /// Kind its registered type tells.
    pub kind: Option<SubjectKind>,
    /// 登记状态.
    pub standing: Option<String>,
    /// Division.
    pub area: Option<String>,
}

/// A row that passed.
#[derive(Debug, Clone)]
pub struct SoundRow {
    /// The statement.
    pub statement: Statement,
    /// Whom it is about.
    pub subject: SubjectRef,
    /// For items that register subjects.
    pub registration: Option<RegistrationFacts>,
}

/// A checked row.
#[derive(Debug)]
pub enum Checked {
    /// It passed, perhaps with warnings.
    Sound(Box<SoundRow>),
    /// It is refused; warnings are among the issues.
    Refused(Vec<Issue>),
}

/// A field's value after its own check.
#[derive(Debug, Clone)]
enum Value<'c> {
    Text(std::borrow::Cow<'c, str>),
    Day(NaiveDate),
    List(Vec<&'c str>),
    Code(Uscc),
}

impl Value<'_> {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone().into_owned(),
            Self::Day(day) => day.to_string(),
            Self::List(list) => list.join(";"),
            Self::Code(code) => code.to_string(),
        }
    }
}

/// Checks the rows of one file.
pub struct Checker {
    basis: Basis,
    header: Header,
    /// For each field, the columns that feed it.
    columns: Vec<Vec<usize>>,
    uscc_rules: UsccRules,
    sealed: Vec<bool>,
    required: Vec<bool>,
    /// Fields that this form does not have, so not asked for under a condition either.
    exempt: Vec<bool>,
    deadline: Option<(u32, String)>,
    deadlines: HashMap<NaiveDate, NaiveDate>,
}

const VALUE_CHARS_SHOWN: usize = 60;
/// A fine of more than 100 million yuan is more likely yuan in a field of 万元.
const SUSPICIOUS_WAN_YUAN_DIGITS: usize = 5;

impl Checker {
    /// Prepares the checks of a file with this header.
    pub fn new(basis: Basis, header: Header) -> Result<Self> {
        let item = &basis.item.item;
        let feed = item.feed(&basis.feed).ok_or_else(|| Problem::internal("feed vanished"))?;
        let headers = Headers::of(item, feed, &[]);
        let columns = columns_of(item, &header);
        let required = item.fields.iter().map(|f| headers.required(f)).collect();
        let exempt = item.fields.iter().map(|f| feed.not_required.contains(&f.code)).collect();
        let sealed = item.fields.iter().map(|f| item.class_of(f) == DisclosureClass::Sealed).collect();
        let uscc_rules = basis.configuration.uscc_rules(basis.received_on, basis.settings.uscc_warnings_quarantine);
        let deadline = item.deadline_rule.as_deref().and_then(|id| {
            let (days, rule) = basis.configuration.rulebook.number(id, basis.received_on)?;
            Some((u32::try_from(days).ok()?, format!("{}@{}", rule.id, rule.version)))
        });
        Ok(Self { columns, uscc_rules, sealed, required, exempt, deadline, deadlines: HashMap::new(), header, basis })
    }

    /// The item.
    pub fn item(&self) -> &Item {
        &self.basis.item.item
    }

    /// What the checks rest on.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Takes in a header that grew (JSON rows name their columns one by one).
    pub fn set_header(&mut self, header: Header) {
        self.columns = columns_of(&self.basis.item.item, &header);
        self.header = header;
    }

    /// Checks one row.
    pub fn check(&mut self, row_no: u64, cells: &[Cell], unknown: &[String]) -> Checked {
        let basis = &self.basis;
        let item = &basis.item.item;
        let mut run = Run { item, configuration: &basis.configuration, issues: Vec::new(), sealed: &self.sealed, rules: &self.uscc_rules };
        for name in unknown {
            run.whole(
                "unknown_field",
                Severity::Error,
                name,
                format!("「{name}」不是该条目的数据项；请删除或改为模板中的代码"),
                format!("`{name}` is not a field of the item; remove it or use the template's code"),
            );
        }
        let joined: Vec<Option<Cell>> = self.columns.iter().map(|columns| join(columns, cells)).collect();
        let input = |at: usize| -> &Cell {
            match self.columns.get(at).map(Vec::as_slice) {
                Some([only]) => cells.get(*only).unwrap_or(&Cell::Empty),
                _ => joined.get(at).and_then(Option::as_ref).unwrap_or(&Cell::Empty),
            }
        };
        if is_example(item, &input) {
            run.whole(
                "example_row",
                Severity::Error,
                "",
                "这是模板中的示例行；请删除".into(),
                "this is the template's example row; delete it".into(),
            );
            return Checked::Refused(run.issues);
        }

        let mut values: Vec<Option<Value<'_>>> = Vec::with_capacity(item.fields.len());
        for (at, field) in item.fields.iter().enumerate() {
            values.push(run.read(at, field, input(at), basis));
        }
        let get = |role: Role| item.fields.iter().position(|f| f.role == Some(role)).and_then(|at| values.get(at).and_then(Option::as_ref));
        let day = |role: Role| get(role).and_then(|v| if let Value::Day(day) = v { Some(*day) } else { None });

        run.required(&self.required, &self.exempt, &values);
        let (decided_on, valid_from) = (day(Role::DecisionDate), day(Role::ValidFrom));
        let open_ended = |day: &NaiveDate| *day >= NaiveDate::from_ymd_opt(2099, 12, 31).unwrap_or(NaiveDate::MAX);
        let valid_to = day(Role::ValidTo).filter(|d| !open_ended(d));
        let public_until = day(Role::PublicUntil).filter(|d| !open_ended(d));
        run.periods(decided_on, valid_from, valid_to, public_until);
        let state = run.state(&values, &self.header, cells, item.feed(&basis.feed));
        let subject = run.subject(&values, basis, decided_on.or(valid_from));
        if let Some(regions) = &basis.regions {
            run.region(regions, &basis.agencies, get(Role::AuthorityUscc), get(Role::AuthorityName));
        }

        let (Some(state), Some(subject)) = (state, subject) else { return Checked::Refused(run.issues) };
        if run.issues.iter().any(|i| i.severity == Severity::Error) {
            return Checked::Refused(run.issues);
        }

        let (data, sealed) = run.write(&values, &self.header, cells);
        let business_key = business_key(item, &values, &self.sealed, basis);
        let content_hash = content_hash(&data, sealed.as_deref(), state, &basis.keys);
        let mut late = false;
        let late_rule = self.deadline.as_ref().zip(decided_on).map(|((days, rule), decided)| {
            let calendar = &basis.configuration.rulebook.calendar;
            let due =
                *self.deadlines.entry(decided).or_insert_with(|| calendar.add_working_days(decided, *days).map_or(decided, |c| c.date));
            late = basis.received_on > due;
            rule.clone()
        });
        let registration = item.registers_subject.then(|| RegistrationFacts {
            since: valid_from,
            kind: get(Role::EntityType).and_then(|v| basis.configuration.kind_by_entity_type(&v.text(), basis.received_on)),
            standing: get(Role::Standing).map(Value::text),
            area: get(Role::Area).map(Value::text),
        });
        let warnings = run.issues;
        Checked::Sound(Box::new(SoundRow {
            statement: Statement {
                row_no,
                data,
                sealed,
                state,
                decided_on,
                valid_from: valid_from.or(decided_on),
                valid_to,
                public_until,
                business_key,
                content_hash,
                late,
                late_rule,
                warnings,
            },
            subject,
            registration,
        }))
    }
}

fn columns_of(item: &Item, header: &Header) -> Vec<Vec<usize>> {
    (0..item.fields.len())
        .map(|field| header.targets.iter().enumerate().filter(|(_, t)| **t == Target::Field(field)).map(|(column, _)| column).collect())
        .collect()
}

/// Several columns of one field become one cell, joined by `;`.
fn join(columns: &[usize], cells: &[Cell]) -> Option<Cell> {
    if columns.len() < 2 {
        return None;
    }
    let parts: Vec<String> =
        columns.iter().filter_map(|at| cells.get(*at)).map(|c| c.text().into_owned()).filter(|t| !t.is_empty()).collect();
    Some(Cell::Text(parts.join(";")))
}

/// Whether every field that the example fills holds the example's text.
fn is_example<'a>(item: &Item, input: &impl Fn(usize) -> &'a Cell) -> bool {
    (0..2).any(|example| {
        let mut filled = item
            .fields
            .iter()
            .enumerate()
            .filter_map(|(at, f)| f.examples.get(example).filter(|e| !e.is_empty()).map(|e| (at, e)))
            .peekable();
        filled.peek().is_some() && filled.all(|(at, text)| *input(at).text() == **text)
    })
}

fn business_key(item: &Item, values: &[Option<Value<'_>>], sealed: &[bool], basis: &Basis) -> Uuid {
    let mut key = String::with_capacity(128);
    key.push_str(&item.code);
    for ((field, value), sealed) in item.fields.iter().zip(values).zip(sealed).filter(|((f, _), _)| f.key) {
        key.push('\u{1f}');
        let text = match (value, field.role) {
            (None, Some(Role::AuthorityUscc)) => authority_by_name(item, values, basis),
            (None, _) => String::new(),
            (Some(value), _) => normalise(&value.text()),
        };
        if *sealed && !text.is_empty() {
            key.extend(basis.keys.index("business_key", &text).iter().map(|b| format!("{b:02x}")));
        } else {
            key.push_str(&text);
        }
    }
    first_half(&sha256(key.as_bytes()))
}

/// An older form has no code of the authority: then the directory's code for its name stands in, else the name.
fn authority_by_name(item: &Item, values: &[Option<Value<'_>>], basis: &Basis) -> String {
    let at = item.fields.iter().position(|f| f.role == Some(Role::AuthorityName));
    let name = at.and_then(|at| values.get(at)).and_then(Option::as_ref).map(|v| normalise(&v.text())).unwrap_or_default();
    basis.agencies.get(&name).map_or(name, |agency| agency.uscc.clone())
}

/// Hash of a content. The sealed part goes in under a key: a bare hash of a guessable number would give the number away.
pub fn content_hash(data: &str, sealed: Option<&str>, state: RecordState, keys: &KeyRing) -> Uuid {
    let mut text = Vec::with_capacity(data.len() + 64);
    text.extend_from_slice(data.as_bytes());
    text.push(0);
    if let Some(sealed) = sealed {
        text.extend_from_slice(&keys.index("content", sealed));
    }
    text.push(0);
    text.extend_from_slice(state.code().as_bytes());
    first_half(&sha256(&text))
}

fn first_half(hash: &[u8; 32]) -> Uuid {
    let (half, _) = hash.split_at(16);
    Uuid::from_slice(half).unwrap_or_default()
}

/// The checks of one row under way.
struct Run<'r> {
    item: &'r Item,
    configuration: &'r Configuration,
    issues: Vec<Issue>,
    sealed: &'r [bool],
    rules: &'r UsccRules,
}

impl<'r> Run<'r> {
    fn whole(&mut self, rule: &str, severity: Severity, value: &str, zh: String, en: String) {
        self.issues.push(Issue {
            field: String::new(),
            field_name: String::new(),
            rule: rule.to_owned(),
            severity,
            value: value.chars().take(VALUE_CHARS_SHOWN).collect(),
            message_zh: zh,
            message_en: en,
        });
    }

    fn issue(&mut self, at: usize, rule: &str, severity: Severity, value: &str, zh: impl Into<String>, en: impl Into<String>) {
        let Some(field) = self.item.fields.get(at) else { return };
        let hide =
            self.sealed.get(at).copied().unwrap_or(true) || matches!(field.of_type, FieldType::PersonDocument | FieldType::AnySubjectCode);
        let shown: String = value.chars().take(VALUE_CHARS_SHOWN).collect();
        let value = if hide { person::mask(&shown) } else { cover_numbers(&shown) };
        self.issues.push(Issue {
            field: field.code.clone(),
            field_name: field.name.clone(),
            rule: rule.to_owned(),
            severity,
            value,
            message_zh: zh.into(),
            message_en: en.into(),
        });
    }

    fn error(&mut self, at: usize, rule: &str, value: &str, zh: impl Into<String>, en: impl Into<String>) {
        self.issue(at, rule, Severity::Error, value, zh, en);
    }

    fn warn(&mut self, at: usize, rule: &str, value: &str, zh: impl Into<String>, en: impl Into<String>) {
        self.issue(at, rule, Severity::Warning, value, zh, en);
    }

    fn read<'c>(&mut self, at: usize, field: &'r Field, cell: &'c Cell, basis: &'r Basis) -> Option<Value<'c>>
    where
        'r: 'c,
    {
        let text = cell.text();
        if text.is_empty() {
            return None;
        }
        match field.of_type {
            FieldType::Text => {
                let length = text.chars().count();
                if length > field.max_chars {
                    let (max, over) = (field.max_chars, length - field.max_chars);
                    self.error(
                        at,
                        "text_too_long",
                        &text,
                        format!("超过{max}个字（多{over}个字）；请缩短"),
                        format!("longer than {max} characters by {over}; shorten it"),
                    );
                    return None;
                }
                if let Some(bad) = text.chars().find(|c| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || *c == '\u{fffd}') {
                    let code = u32::from(bad);
                    self.error(
                        at,
                        "text_control_char",
                        &text,
                        format!("含有不可见的控制字符 U+{code:04X}；请删除"),
                        format!("holds the control character U+{code:04X}; remove it"),
                    );
                    return None;
                }
                Some(Value::Text(text))
            }
            FieldType::Date => self.date(at, field, cell, &text, basis.received_on),
            FieldType::Decimal => self.decimal(at, field, &text),
            FieldType::Integer => {
                let compact = cell::compact(&text);
                let whole = compact.strip_suffix(".0").unwrap_or(&compact);
                if whole.is_empty() || whole.len() > 18 || !whole.bytes().all(|b| b.is_ascii_digit()) {
                    self.error(at, "integer_format", &text, "应为非负整数；请改为数字", "a whole number of zero or more is expected");
                    return None;
                }
                Some(Value::Text(whole.to_owned().into()))
            }
            FieldType::Code => self.code(at, field, &text),
            FieldType::Codes => self.codes(at, field, &text),
            FieldType::Uscc => self.uscc(at, field, &text).map(Value::Code),
            FieldType::OrganisationCode => match OrganisationCode::parse(&text) {
                Ok(code) => Some(Value::Text(code.as_str().to_owned().into())),
                Err(_) => {
                    self.error(
                        at,
                        "organisation_code",
                        &text,
                        "组织机构代码应为9位且校验位正确；请核对",
                        "an organisation code has nine characters with a correct check character",
                    );
                    None
                }
            },
            FieldType::RegistrationNumber => match RegistrationNumber::parse(&text) {
                Ok(number) => Some(Value::Text(number.as_str().to_owned().into())),
                Err(_) => {
                    self.error(
                        at,
                        "registration_number",
                        &text,
                        "工商注册号格式或校验位不符；请按营业执照核对",
                        "the registration number's form or check digit is wrong; compare it with the licence",
                    );
                    None
                }
            },
            FieldType::PersonDocumentKind => {
                if PersonDocumentKind::from_feed(&cell::compact(&text)).is_none() {
                    self.error(
                        at,
                        "person_document_kind",
                        &text,
                        "证件类型不在允许的范围内；请按填报说明选择",
                        "this kind of document is not known; choose one from the instructions",
                    );
                    return None;
                }
                Some(Value::Text(text))
            }
            // Which document it is is told by another field, so its check waits for `subject`; here only the shape.
            FieldType::PersonDocument | FieldType::AnySubjectCode => {
                if text.chars().count() > 50 {
                    self.error(at, "text_too_long", &text, "证件号码过长；请核对", "the number is too long; check it");
                    return None;
                }
                Some(Value::Text(text))
            }
        }
    }

    fn date<'c>(&mut self, at: usize, field: &Field, cell: &Cell, text: &str, today: NaiveDate) -> Option<Value<'c>> {
        let Some(day) = cell::date(cell) else {
            self.error(
                at,
                "date_format",
                text,
                "不是有效日期；请写作 2026-01-31、2026/1/31、20260131 或 2026年1月31日",
                "not a date; write 2026-01-31, 2026/1/31, 20260131 or 2026年1月31日",
            );
            return None;
        };
        if field.not_after_today && day > today {
            self.error(
                at,
                "date_in_future",
                text,
                format!("日期晚于今天（{today}）；请核对"),
                format!("the date lies after today ({today}); check it"),
            );
            return None;
        }
        Some(Value::Day(day))
    }

    fn decimal<'c>(&mut self, at: usize, field: &Field, text: &str) -> Option<Value<'c>> {
        let unit = field.unit.as_deref();
        let digits = field.digits.unwrap_or([18, 6]);
        match cell::decimal(text, digits, unit) {
            Ok(number) => {
                if unit == Some("万元") && number.split('.').next().is_some_and(|whole| whole.len() >= SUSPICIOUS_WAN_YUAN_DIGITS) {
                    self.warn(
                        at,
                        "amount_unit_suspect",
                        text,
                        "金额超过1亿元，请核对单位是否为万元（2000元应填0.2）",
                        "more than 100 million yuan; check that the unit is 万元 (2,000 yuan is 0.2)",
                    );
                }
                Some(Value::Text(number.into()))
            }
            Err(fault) => {
                let unit = unit.unwrap_or("无");
                let (rule, zh, en) = match fault {
                    DecimalFault::Format => {
                        ("decimal_format", "不是数字；请只填数字".to_owned(), "not a number; give digits only".to_owned())
                    }
                    DecimalFault::WrongUnit => (
                        "decimal_unit",
                        format!("单位应为{unit}；请换算后填写，2000元填0.2"),
                        format!("the unit is {unit}; convert it, 2,000 yuan is 0.2"),
                    ),
                    DecimalFault::Negative => {
                        ("decimal_negative", "不能为负数；请核对".to_owned(), "cannot be negative; check it".to_owned())
                    }
                    DecimalFault::Digits => {
                        let [all, after] = digits;
                        (
                            "decimal_digits",
                            format!("位数过多：整数部分不超过{}位，小数不超过{after}位", all.saturating_sub(after)),
                            format!("too many digits: at most {} before and {after} after the point", all.saturating_sub(after)),
                        )
                    }
                };
                self.error(at, rule, text, zh, en);
                None
            }
        }
    }

    fn set(&self, field: &Field) -> Option<&'r CodeSet> {
        field.code_set.as_ref().and_then(|set| self.configuration.code_sets.get(set))
    }

    fn code<'c>(&mut self, at: usize, field: &Field, text: &str) -> Option<Value<'c>>
    where
        'r: 'c,
    {
        let set = self.set(field)?;
        let compact = cell::compact(text);
        let found = set.find(text).or_else(|| set.find(&compact)).or_else(|| set.find(compact.strip_suffix(".0").unwrap_or(&compact)));
        match found {
            Some(value) if field.allowed.as_ref().is_none_or(|allowed| allowed.contains(&value.value)) => {
                Some(Value::List(vec![value.value.as_str()]))
            }
            _ => {
                self.not_in_set(at, field, set, text);
                None
            }
        }
    }

    fn codes<'c>(&mut self, at: usize, field: &Field, text: &str) -> Option<Value<'c>>
    where
        'r: 'c,
    {
        let set = self.set(field)?;
        match set.split(text).or_else(|_| set.split(&cell::compact(text))) {
            Ok(values) => Some(Value::List(values.into_iter().map(|v| v.value.as_str()).collect())),
            Err(part) => {
                self.not_in_set(at, field, set, &part);
                None
            }
        }
    }

    fn not_in_set(&mut self, at: usize, field: &Field, set: &CodeSet, text: &str) {
        let allowed = field.allowed.clone().unwrap_or_else(|| set.values.iter().map(|v| v.value.clone()).collect()).join("、");
        self.error(
            at,
            "code_unknown",
            text,
            format!("「{text}」不在代码集「{}」中；可用：{allowed}", set.name),
            format!("`{text}` is not in the code set {}; allowed: {allowed}", set.code),
        );
    }

    fn uscc(&mut self, at: usize, field: &Field, text: &str) -> Option<Uscc> {
        let rules = self.rules;
        match Uscc::parse(text, rules) {
            Ok((code, warnings)) => {
                let quarantine = rules.quarantine_if_warnings > 0
                    && warnings.len() >= rules.quarantine_if_warnings
                    && field.role == Some(Role::SubjectUscc);
                for warning in &warnings {
                    self.warn(at, warning.code(), text, warning.zh(), warning.en());
                }
                if quarantine {
                    let n = warnings.len();
                    self.error(
                        at,
                        "uscc_doubtful",
                        text,
                        format!("该代码有{n}处疑点，疑为编造或误写；请对照证照核对"),
                        format!("{n} things about this code are odd, so it looks made up or mistyped; compare it with the licence"),
                    );
                    return None;
                }
                Some(code)
            }
            Err(UsccError::Length { found: 15 }) if RegistrationNumber::parse(text).is_ok_and(|n| n.as_str().len() == 15) => {
                self.error(at, "uscc_legacy_number", text, "这是15位注册号，不是统一社会信用代码；请填18位代码，旧号填入工商注册号一列", "this is a 15-digit registration number, not a unified social credit code; give the 18-character code and put the old number into its own column");
                None
            }
            Err(error) => {
                self.error(at, error.code(), text, error.zh(), error.en());
                None
            }
        }
    }

    fn required(&mut self, required: &[bool], exempt: &[bool], values: &[Option<Value<'_>>]) {
        for (at, field) in self.item.fields.iter().enumerate() {
            let given = values.get(at).is_some_and(Option::is_some);
            if given || self.issues.iter().any(|i| i.field == field.code) {
                continue;
            }
            if required.get(at).copied().unwrap_or(false) {
                self.error(
                    at,
                    "required",
                    "",
                    "必填项为空；请补充（「无」「/」等占位文字视为空）",
                    "a required field is empty; fill it (texts such as 无 or / count as empty)",
                );
                continue;
            }
            let Some(condition) = &field.required_if else { continue };
            if exempt.get(at).copied().unwrap_or(false) {
                continue;
            }
            let other = self.item.fields.iter().position(|f| f.code == condition.field);
            let text = other.and_then(|o| values.get(o)).and_then(Option::as_ref).map(Value::text);
            let triggered = text.is_some_and(|t| condition.contains.iter().any(|c| c == "*" || t.contains(c.as_str())));
            if triggered {
                let name = other.and_then(|o| self.item.fields.get(o)).map(|f| f.name.clone()).unwrap_or_default();
                let what = condition.contains.join("、");
                self.error(
                    at,
                    "required_if",
                    "",
                    format!("「{name}」含「{what}」时此项必填；请补充"),
                    format!("required because {} contains one of {what}", condition.field),
                );
            }
        }
    }

    fn at(&self, role: Role) -> usize {
        self.item.fields.iter().position(|f| f.role == Some(role)).unwrap_or(usize::MAX)
    }

    fn periods(&mut self, decided: Option<NaiveDate>, from: Option<NaiveDate>, to: Option<NaiveDate>, public_until: Option<NaiveDate>) {
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            let at = self.at(Role::ValidTo);
            self.error(
                at,
                "period_reversed",
                &to.to_string(),
                format!("有效期至早于有效期自（{from}）；请核对"),
                format!("the last day lies before the first ({from}); check both"),
            );
        }
        if let (Some(decided), Some(to)) = (decided, to)
            && to < decided
            && from.is_none()
        {
            let at = self.at(Role::ValidTo);
            self.warn(
                at,
                "period_before_decision",
                &to.to_string(),
                format!("有效期至早于决定日期（{decided}）；请核对"),
                format!("the last day lies before the decision ({decided}); check both"),
            );
        }
        if let (Some(decided), Some(until)) = (decided, public_until)
            && until < decided
        {
            let at = self.at(Role::PublicUntil);
            self.error(
                at,
                "publicity_before_decision",
                &until.to_string(),
                format!("公示截止期早于决定日期（{decided}）；请核对"),
                format!("the last public day lies before the decision ({decided}); check both"),
            );
        }
    }

    fn state(&mut self, values: &[Option<Value<'_>>], header: &Header, cells: &[Cell], feed: Option<&Feed>) -> Option<RecordState> {
        for (column, target) in header.targets.iter().enumerate() {
            let Target::State(at) = target else { continue };
            let map = feed.and_then(|f| f.columns.get(*at)).and_then(|c| c.state_map.as_ref())?;
            let text = cells.get(column).map(|c| cell::compact(&c.text())).unwrap_or_default();
            if text.is_empty() {
                return Some(RecordState::Active);
            }
            let text = text.strip_suffix(".0").unwrap_or(&text);
            return match map.get(text) {
                Some(state) => {
                    if *state == RecordState::Unclear {
                        self.whole("state_unclear", Severity::Warning, text, format!("状态「{text}」含义不明，记录保存但不公示；请用新表式重报"), format!("the meaning of status {text} is not defined; the record is kept but not shown. Push it again in the newer form"));
                    }
                    Some(*state)
                }
                None => {
                    let known = map.keys().cloned().collect::<Vec<_>>().join("、");
                    self.whole(
                        "state_unknown",
                        Severity::Error,
                        text,
                        format!("当前状态「{text}」不在该表式的代码中；可用：{known}"),
                        format!("status `{text}` is not known in this form; known: {known}"),
                    );
                    None
                }
            };
        }
        let at = self.at(Role::RecordState);
        let field = self.item.fields.get(at);
        match (field.and_then(|f| f.state_map.as_ref()), values.get(at).and_then(Option::as_ref)) {
            (Some(map), Some(value)) => {
                let text = value.text();
                if let Some(state) = map.get(&text) {
                    return Some(*state);
                }
                self.error(
                    at,
                    "state_unknown",
                    &text,
                    "当前状态不在代码中；请按填报说明填写",
                    "this status is not known; see the instructions",
                );
                None
            }
            _ => Some(RecordState::Active),
        }
    }

    /// Whom the row is about. `None` when it does not say so soundly; then there is an error among the issues.
    fn subject(&mut self, values: &[Option<Value<'_>>], basis: &Basis, on: Option<NaiveDate>) -> Option<SubjectRef> {
        let value =
            |role: Role| self.item.fields.iter().position(|f| f.role == Some(role)).and_then(|at| values.get(at)).and_then(Option::as_ref);
        let text = |role: Role| value(role).map(Value::text);
        let name = text(Role::SubjectName)?;
        let name_normal = normalise(&name);
        let mut others: Vec<(&'static str, String)> = Vec::new();
        let mut kind = None;
        let mut identifier = None;
        if let Some(Value::Code(code)) = value(Role::SubjectUscc) {
            kind = Some(self.configuration.kind_of(code, basis.received_on));
            identifier = Some(Identified::Uscc(code.to_string()));
        }
        if let Some(code) = text(Role::SubjectOrgCode) {
            others.push(("org_code", code));
        }
        if let Some(number) = text(Role::SubjectRegistrationNo) {
            others.push(("registration_no", number));
        }
        let person_doc = value(Role::PersonDocNo).map(|v| (self.at(Role::PersonDocNo), v.text(), text(Role::PersonDocKind)));
        let any_code = value(Role::SubjectCode).map(|v| (self.at(Role::SubjectCode), v.text(), text(Role::PartyType)));
        if let Some((at, number, doc_kind)) = person_doc {
            identifier = Some(self.person(at, &number, doc_kind.as_deref(), basis)?);
            kind = Some(SubjectKind::NaturalPerson);
        }
        if let Some((at, number, party)) = any_code {
            if party.as_deref() == Some("自然人") {
                identifier = Some(self.person(at, &number, None, basis)?);
                kind = Some(SubjectKind::NaturalPerson);
            } else {
                (identifier, kind) = self.any_code(at, &number, basis, &mut others)?;
            }
        }
        if identifier.is_none() && others.is_empty() {
            let has_error = self.issues.iter().any(|i| i.severity == Severity::Error);
            if !has_error {
                self.whole(
                    "subject_unidentified",
                    Severity::Error,
                    "",
                    "没有任何主体代码；请至少填写统一社会信用代码".into(),
                    "no code of the subject is given; give at least the unified social credit code".into(),
                );
            }
            return None;
        }
        let kind = kind.unwrap_or(SubjectKind::LegalEntity);
        let persons_wanted = self.item.subject_kinds.contains(&SubjectKind::NaturalPerson);
        let organisations_wanted = self.item.subject_kinds.iter().any(|k| !k.is_person());
        if (kind.is_person() && !persons_wanted) || (!kind.is_person() && !organisations_wanted) {
            self.whole(
                "subject_kind",
                Severity::Error,
                "",
                "主体类别不属于该条目；请使用对应的自然人或法人条目".into(),
                "the item is not about this kind of subject; use the item for persons or for organisations".into(),
            );
            return None;
        }
        Some(SubjectRef { identifier: identifier.unwrap_or(Identified::Weak), others, name, name_normal, on, kind })
    }

    fn person(&mut self, at: usize, number: &str, doc_kind: Option<&str>, basis: &Basis) -> Option<Identified> {
        let kind = doc_kind.map_or(Some(PersonDocumentKind::ResidentId), |text| PersonDocumentKind::from_feed(&cell::compact(text)))?;
        match PersonDocument::parse(kind, number, basis.received_on, basis.settings.person_age_max) {
            Ok(document) => {
                let scheme = kind.code();
                let index = basis.keys.index(scheme, document.reveal());
                let sealed = basis.keys.seal(scheme.as_bytes(), document.reveal().as_bytes()).ok()?;
                Some(Identified::Person { scheme, index, sealed })
            }
            Err(error) => {
                self.error(at, error.code(), number, error.zh(), error.en());
                None
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "the two halves of what a column of mixed codes tells")]
    fn any_code(
        &mut self,
        at: usize,
        number: &str,
        basis: &Basis,
        others: &mut Vec<(&'static str, String)>,
    ) -> Option<(Option<Identified>, Option<SubjectKind>)> {
        let as_uscc = Uscc::parse(number, self.rules);
        if let Ok((code, warnings)) = as_uscc {
            for warning in warnings {
                self.warn(at, warning.code(), number, warning.zh(), warning.en());
            }
            return Some((Some(Identified::Uscc(code.to_string())), Some(self.configuration.kind_of(&code, basis.received_on))));
        }
        if let Ok(code) = OrganisationCode::parse(number) {
            others.push(("org_code", code.as_str().to_owned()));
            return Some((None, None));
        }
        let compact = cell::compact(number);
        let legacy = compact.len() == 13 || compact.len() == 15;
        if let Some(number) = RegistrationNumber::parse(number).ok().filter(|_| legacy) {
            others.push(("registration_no", number.as_str().to_owned()));
            return Some((None, None));
        }
        match as_uscc {
            Err(error) if compact.len() == 18 => self.error(at, error.code(), number, error.zh(), error.en()),
            _ => self.error(
                at,
                "subject_code",
                number,
                "不是统一社会信用代码、组织机构代码或注册号；请核对",
                "neither a unified social credit code nor an organisation code nor a registration number",
            ),
        }
        None
    }

    fn region(&mut self, regions: &[String], agencies: &HashMap<String, KnownAgency>, uscc: Option<&Value<'_>>, name: Option<&Value<'_>>) {
        let by = |v: Option<&Value<'_>>| v.and_then(|v| agencies.get(&normalise(&v.text())));
        let known = by(uscc).or_else(|| by(name));
        if !known.is_some_and(|agency| regions.contains(&agency.region)) {
            self.whole(
                "out_of_region",
                Severity::Error,
                "",
                "作出决定的机关不在该接口密钥的地区范围内；请使用相应密钥".into(),
                "the deciding organ lies outside the regions of this API key; use the right key".into(),
            );
        }
    }

    /// Writes both halves of the record: what may rest in the clear, and what is sealed.
    fn write(&mut self, values: &[Option<Value<'_>>], header: &Header, cells: &[Cell]) -> (String, Option<String>) {
        let mut data = String::with_capacity(1024);
        let mut sealed = String::new();
        data.push('{');
        for at in 0..self.item.fields.len() {
            let (Some(field), Some(Some(value))) = (self.item.fields.get(at), values.get(at)) else { continue };
            if self.sealed.get(at).copied().unwrap_or(true) {
                member(&mut sealed, &field.code, value);
                continue;
            }
            if let Value::Text(text) = value
                && (field.free_text || field.max_chars > 200)
                && !person::find_in_text(text).is_empty()
            {
                member(&mut sealed, &field.code, value);
                member(&mut data, &field.code, &Value::Text(cover_numbers(text).into()));
                self.warn(
                    at,
                    "personal_number_in_text",
                    "",
                    "文字中含有身份证号码，已加密保存并遮盖；今后请勿在正文中填写",
                    "the text holds a resident ID number; it is stored encrypted and covered. Please leave such numbers out of texts",
                );
                continue;
            }
            member(&mut data, &field.code, value);
        }
        data.push('}');
        for (column, target) in header.targets.iter().enumerate() {
            if let (Target::Extra(code), Some(cell)) = (target, cells.get(column)) {
                let text = cell.text();
                if !text.is_empty() {
                    member(&mut sealed, code, &Value::Text(text));
                }
            }
        }
        let sealed = (!sealed.is_empty()).then(|| format!("{{{sealed}}}"));
        (data, sealed)
    }
}

fn member(out: &mut String, code: &str, value: &Value<'_>) {
    if !out.is_empty() && !out.ends_with('{') {
        out.push(',');
    }
    push_text(out, code);
    out.push(':');
    match value {
        Value::Text(text) => push_text(out, text),
        Value::Day(day) => push_text(out, &day.to_string()),
        Value::Code(code) => push_text(out, code.as_str()),
        Value::List(list) if list.len() == 1 => push_text(out, list.first().copied().unwrap_or_default()),
        Value::List(list) => {
            out.push('[');
            for (at, text) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_text(out, text);
            }
            out.push(']');
        }
    }
}

/// A JSON string. NUL, which PostgreSQL's JSON cannot hold, never gets here: control characters are refused before.
fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn cover_numbers(text: &str) -> String {
    let mut covered = text.to_owned();
    for range in person::find_in_text(text) {
        if let Some(number) = text.get(range.clone()) {
            covered.replace_range(range, &person::mask(number));
        }
    }
    covered
}

/// The codes of fields whose issues are errors, for tests and summaries.
pub fn error_rules(issues: &[Issue]) -> BTreeSet<&str> {
    issues.iter().filter(|i| i.severity == Severity::Error).map(|i| i.rule.as_str()).collect()
}
