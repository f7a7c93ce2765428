//! From cells to a sound statement or a list of what is wrong: normalisation, types, code sets, required fields, identifiers, dates that
//! must fit each other, timeliness. Pure: everything it needs was loaded before; the same row gives the same verdict in a dry run.
//! [`read`] reads one field, [`row`] looks at the row as a whole, [`write`] writes what passed.

mod read;
mod row;
mod write;

use self::read::Run;
use crate::cell::Cell;
use crate::header::{Header, Headers, Target};
use crate::model::{Issue, Severity};
use chrono::NaiveDate;
use credence_catalog::configuration::{Configuration, VersionedItem};
use credence_catalog::model::{DisclosureClass, RecordState, Role};
use credence_catalog::{Item, SubjectKind};
use credence_core::crypto::{KeyRing, sha256};
use credence_core::identifiers::uscc::{Uscc, UsccRules};
use credence_core::problem::{Problem, Result};
use credence_core::settings::Ingest;
use credence_names::normalise;
use credence_subjects::matching::SubjectRef;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
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
    /// Region of the agency that pushes.
    pub provider_region: String,
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
    uscc_rules: Arc<UsccRules>,
    sealed: Vec<bool>,
    required: Vec<bool>,
    /// Fields that this form does not have, so not asked for under a condition either.
    exempt: Vec<bool>,
    deadline: Option<(u32, String)>,
    deadlines: HashMap<NaiveDate, NaiveDate>,
}

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
        let uscc_rules = basis.configuration.uscc_rules(basis.received_on);
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
    pub fn check(&mut self, row_no: u64, cells: &[Cell], unknown: &[(String, String)]) -> Checked {
        let basis = &self.basis;
        let item = &basis.item.item;
        let mut run = Run { item, configuration: &basis.configuration, issues: Vec::new(), sealed: &self.sealed, rules: &self.uscc_rules };
        for (name, _) in unknown {
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
            run.region(regions, &basis.agencies, &basis.provider_region, get(Role::AuthorityUscc), get(Role::AuthorityName));
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

/// A hash as a UUID: its first 128 bits.
pub(crate) fn first_half(hash: &[u8; 32]) -> Uuid {
    let (half, _) = hash.split_at(16);
    Uuid::from_slice(half).unwrap_or_default()
}
