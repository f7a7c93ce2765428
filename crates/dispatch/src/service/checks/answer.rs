//! Working out an answer: who is meant, what it stands on, what of that brings measures here, and the signature under it all.

use super::applicable::{Case, Ground, applicable};
use crate::model::actions::working_days;
use crate::model::checks::{
    ANSWER_TYPE, AskedSubject, CHECK_SUBJECT_INCOMPLETE, CheckAnswer, CheckColour, CheckResult, CheckedEntry, CheckedKind, CheckedMeasure,
    CheckedSubject, DISCLAIMER_EN, DISCLAIMER_ZH,
};
use crate::service::Dispatch;
use crate::store::checks::{self as store, EntryRow, Handle, NewCheck, SubjectRow};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use credence_audit::access::Statement;
use credence_catalog::Configuration;
use credence_catalog::disclosure::{About, Door, Sight, Viewer};
use credence_catalog::lists::{ListDefinition, ListKind};
use credence_catalog::measures::{Measure, Memorandum};
use credence_core::Actor;
use credence_core::actor::Credential;
use credence_core::problem::{FORBIDDEN, Problem, Result};
use credence_db::Tx;
use credence_identity::Agency;
use credence_identity::directory::Snapshot;
use credence_subjects::service::parse_uscc;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// Who asks, for what, and by what is judged.
pub(crate) struct Inquiry {
    actor: Actor,
    agency: Agency,
    viewer: Viewer,
    matter: String,
    pub(crate) case_no: String,
    purpose: String,
    configuration: Arc<Configuration>,
    directory: Arc<Snapshot>,
    now: DateTime<Utc>,
    today: NaiveDate,
}

impl Inquiry {
    /// An inquiry by an actor; matter, case number and purpose have been looked at before.
    pub(crate) fn new(
        dispatch: &Dispatch,
        actor: &Actor,
        configuration: Arc<Configuration>,
        directory: Arc<Snapshot>,
        matter: String,
        (case_no, purpose): (String, String),
    ) -> Result<Self> {
        let agency = directory.agency(actor.agency()?.0).cloned().ok_or_else(|| Problem::new(&FORBIDDEN))?;
        let within = actor.regions.as_ref().map(|regions| {
            let inside = directory.agencies().filter(|a| regions.contains(&a.region));
            inside.map(|a| a.id).collect()
        });
        let viewer = Viewer::of(actor, directory.lineage(&agency.region), false, Some(&purpose), None).within(within);
        let (now, today) = (dispatch.clock.now(), dispatch.clock.today());
        Ok(Self { actor: actor.clone(), agency, viewer, matter, case_no, purpose, configuration, directory, now, today })
    }

    /// What the access log says about it.
    pub(crate) fn statement(&self) -> Statement<'_> {
        Statement { action: "subject.check", subject_id: None, purpose: Some(&self.purpose), authorisation: None }
    }
}

/// An answer, worked out and signed.
pub(crate) struct Assessed {
    /// The subject that was found; of a person also when nothing is said about it.
    pub subject_id: Option<Uuid>,
    pub answer: CheckAnswer,
    /// The answer as it is signed and kept.
    pub document: Value,
    pub signed: String,
}

impl Assessed {
    /// The row that keeps it.
    pub(crate) fn row<'a>(&'a self, inquiry: &'a Inquiry, batch: Option<(Uuid, i32)>) -> NewCheck<'a> {
        let hit = self.answer.hit();
        let (actor_kind, actor_id) = match inquiry.actor.credential {
            Credential::Account(id) => ("account", Some(id.0)),
            Credential::ApiKey(id) => ("api_key", Some(id)),
            Credential::System => ("system", None),
        };
        NewCheck {
            id: self.answer.check_id,
            at: self.answer.at,
            agency_id: inquiry.agency.id,
            actor_kind,
            actor_id,
            actor_label: &inquiry.actor.label,
            subject_id: self.subject_id,
            matter: &self.answer.matter,
            case_no: &self.answer.case_no,
            purpose: &self.answer.purpose,
            hit,
            result: &self.document,
            signed: &self.signed,
            batch_id: batch.map(|(id, _)| id),
            row_no: batch.map(|(_, row)| row),
            feedback_by: self.answer.feedback_by,
            feedback_state: if hit { "owed" } else { "none" },
        }
    }
}

/// A subject that was found, with all that is read through the same one.
struct Known {
    /// The subject that has the number.
    found: Uuid,
    /// The one it is read through.
    root: Uuid,
    about: About,
    name: Option<String>,
    uscc: Option<String>,
    /// Normal forms of every name on file.
    normals: Vec<String>,
    family: Vec<Uuid>,
}

/// Works out the answer about a subject.
///
/// # Errors
/// When the subject cannot be told from what was given, or the database fails. A subject that the platform does not know is no error.
pub(crate) async fn assess(dispatch: &Dispatch, tx: &mut Tx<'_>, inquiry: &Inquiry, asked: &AskedSubject) -> Result<Assessed> {
    let code = match asked.kind {
        CheckedKind::Organisation => Some(organisation_code(inquiry, asked)?),
        CheckedKind::NaturalPerson => None,
    };
    let known = match &code {
        Some(code) => find_known(tx, Handle::Code(code), inquiry.now).await?,
        None => {
            let (scheme, index) = person_index(dispatch, inquiry, asked)?;
            find_known(tx, Handle::Document(scheme, &index), inquiry.now).await?
        }
    };
    let stated = asked.name.as_deref().map(credence_names::normalise).filter(|name| !name.is_empty());
    let mismatch = |of: &Known| stated.as_ref().is_some_and(|name| !of.normals.contains(name));
    let (known, name_mismatch) = match known {
        // Whoever has a person's name wrong is told nothing about the person, not even that there is one.
        Some(person) if person.about == About::Person && mismatch(&person) => (None, false),
        Some(known) => {
            let mismatch = mismatch(&known);
            (Some(known), mismatch)
        }
        None => (None, false),
    };
    let rows = match &known {
        Some(known) => store::entries(tx.conn(), &known.family, inquiry.today, inquiry.agency.id).await?,
        None => Vec::new(),
    };
    let answer = compose(inquiry, asked.kind, known.as_ref(), code, name_mismatch, &rows)?;
    let document = serde_json::to_value(&answer).map_err(Problem::internal)?;
    let signed = dispatch.signing.sign_document(ANSWER_TYPE, &document)?;
    Ok(Assessed { subject_id: known.map(|k| k.found), answer, document, signed })
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|t| !t.is_empty())
}

fn organisation_code(inquiry: &Inquiry, asked: &AskedSubject) -> Result<String> {
    if asked.document_kind.is_some() || asked.document_number.is_some() {
        return Err(Problem::new(&CHECK_SUBJECT_INCOMPLETE));
    }
    let code = given(asked.uscc.as_deref()).ok_or_else(|| Problem::new(&CHECK_SUBJECT_INCOMPLETE))?;
    Ok(parse_uscc(code, &inquiry.configuration.uscc_rules(inquiry.today))?.as_str().to_owned())
}

fn person_index(dispatch: &Dispatch, inquiry: &Inquiry, asked: &AskedSubject) -> Result<(&'static str, [u8; 32])> {
    let (Some(kind), Some(number), None) = (given(asked.document_kind.as_deref()), given(asked.document_number.as_deref()), &asked.uscc)
    else {
        return Err(Problem::new(&CHECK_SUBJECT_INCOMPLETE));
    };
    let document = inquiry.configuration.person_document(kind, number, inquiry.today)?;
    // One person's number has one index under whatever name it is asked for.
    let scheme = document.kind().code();
    Ok((scheme, dispatch.keys.index(scheme, document.reveal())))
}

async fn find_known(tx: &mut Tx<'_>, by: Handle<'_>, now: DateTime<Utc>) -> Result<Option<Known>> {
    let Some(found) = store::subject(tx.conn(), by).await? else { return Ok(None) };
    let about = if found.kind == "natural_person" { About::Person } else { About::Organisation };
    if !found.merged {
        let names = names_of(&found)?;
        return Ok(Some(Known {
            found: found.id,
            root: found.id,
            about,
            name: names.first().map(|(name, _)| name.clone()),
            uscc: found.uscc,
            normals: names.into_iter().map(|(_, normal)| normal).collect(),
            family: vec![found.id],
        }));
    }
    let family = credence_subjects::store::family(tx.conn(), found.id, now).await?;
    let root = family.first().copied().unwrap_or(found.id);
    let mut known = Known { found: found.id, root, about, name: None, uscc: None, normals: Vec::new(), family };
    for member in store::members(tx.conn(), &known.family).await? {
        let names = names_of(&member)?;
        if member.id == root {
            known.name = names.first().map(|(name, _)| name.clone());
            known.uscc = member.uscc;
        }
        known.normals.extend(names.into_iter().map(|(_, normal)| normal));
    }
    Ok(Some(known))
}

fn names_of(row: &SubjectRow) -> Result<Vec<(String, String)>> {
    serde_json::from_value(row.names.clone()).map_err(Problem::internal)
}

/// Puts the answer together from what was found.
fn compose(
    inquiry: &Inquiry,
    kind: CheckedKind,
    known: Option<&Known>,
    code: Option<String>,
    name_mismatch: bool,
    rows: &[EntryRow],
) -> Result<CheckAnswer> {
    let door = Door::open(&inquiry.configuration.disclosure, &inquiry.viewer, inquiry.today);
    let about = known.map_or(About::Organisation, |k| k.about);
    let mut shown: Vec<(CheckedEntry, Sight)> = Vec::new();
    for row in rows {
        let list = &inquiry.configuration.lists.get(&row.list).ok_or_else(|| Problem::internal("list vanished"))?.body;
        let kind = ListKind::from_code(&row.kind).ok_or_else(|| Problem::internal(format!("unknown kind {}", row.kind)))?;
        if shown.last().is_none_or(|(entry, _)| entry.entry_id != row.id) {
            let Some(sight) = door.entry(list, about, row.agency_id) else { continue };
            shown.push((entry(inquiry, &door, &sight, list, kind, row), sight));
        }
        if let Some((entry, _)) = shown.last_mut() {
            entry.measures.extend(measures(inquiry, kind, row));
        }
    }
    // Of a person only what a measure rests on is told.
    if about == About::Person {
        shown.retain(|(entry, _)| !entry.measures.is_empty());
    }
    let subject = subject(&door, kind, known, code, name_mismatch, shown.first().map(|(_, sight)| sight));
    let lists: Vec<CheckedEntry> = shown.into_iter().map(|(entry, _)| entry).collect();
    let mut answer = CheckAnswer {
        check_id: Uuid::now_v7(),
        at: inquiry.now,
        agency: inquiry.agency.code.clone(),
        agency_name: inquiry.agency.name.clone(),
        matter: inquiry.matter.clone(),
        case_no: inquiry.case_no.clone(),
        purpose: inquiry.purpose.clone(),
        subject,
        result: CheckResult::of(lists.iter().map(|entry| entry.colour)),
        lists,
        feedback_required: false,
        feedback_by: None,
        feedback_rule: None,
        disclaimer_zh: DISCLAIMER_ZH.to_owned(),
        disclaimer_en: DISCLAIMER_EN.to_owned(),
    };
    if answer.hit() {
        let (day, rule) = working_days(&inquiry.configuration, "joint.check_feedback_wd", inquiry.today)?;
        answer.feedback_required = true;
        answer.feedback_by = Some(day);
        answer.feedback_rule = Some(rule);
    }
    Ok(answer)
}

/// Whom the answer is about, as the caller may see it. A person of whom nothing is told is nobody to the caller.
fn subject(
    door: &Door<'_>,
    kind: CheckedKind,
    known: Option<&Known>,
    code: Option<String>,
    name_mismatch: bool,
    sight: Option<&Sight>,
) -> CheckedSubject {
    let unknown = |uscc| CheckedSubject { id: None, kind, name: None, uscc, name_mismatch: false };
    let Some(known) = known else { return unknown(code) };
    match (known.about, sight) {
        (About::Organisation, _) => CheckedSubject {
            id: Some(known.root),
            kind,
            name: known.name.clone(),
            uscc: known.uscc.clone().filter(|_| door.identifier(About::Organisation, "uscc")),
            name_mismatch,
        },
        (About::Person, Some(sight)) => CheckedSubject {
            id: Some(known.root),
            kind,
            name: known.name.as_deref().and_then(|name| door.name(sight, name)),
            uscc: None,
            name_mismatch,
        },
        (About::Person, None) => unknown(None),
    }
}

/// An entry as the caller may see it, with no measures yet.
fn entry(inquiry: &Inquiry, door: &Door<'_>, sight: &Sight, list: &ListDefinition, kind: ListKind, row: &EntryRow) -> CheckedEntry {
    CheckedEntry {
        list: row.list.clone(),
        name: list.name.clone(),
        kind: row.kind.clone(),
        colour: CheckColour::of(kind),
        entry_id: row.id,
        authority: inquiry.directory.agency(row.agency_id).map(|a| a.name.clone()).unwrap_or_default(),
        legal_basis: row.legal_basis.clone(),
        facts: door.text(sight, &row.facts),
        ground_document: row.ground_document.as_deref().and_then(|number| door.text(sight, number)),
        listed_on: row.listed_on,
        expires_on: row.expires_on,
        under_review: !row.stands,
        disputed: row.disputed,
        stale: stale(inquiry, list, row),
        measures: Vec::new(),
    }
}

/// Whether the source of a mirrored list has been silent for longer than its rule says; nothing for others.
fn stale(inquiry: &Inquiry, list: &ListDefinition, row: &EntryRow) -> Option<bool> {
    let mirror = list.mirror.as_ref().filter(|_| row.keeping == "mirror")?;
    let (hours, _) = inquiry.configuration.rulebook.number(&mirror.stale_rule, inquiry.today)?;
    Some(row.fed_at.is_none_or(|at| inquiry.now - at > Duration::hours(hours)))
}

/// Measures that apply under the joint action of a row.
fn measures(inquiry: &Inquiry, kind: ListKind, row: &EntryRow) -> Vec<CheckedMeasure> {
    let (configuration, today) = (&inquiry.configuration, inquiry.today);
    if configuration.list(&row.list, today).is_none() {
        return Vec::new();
    }
    let started = row.memorandum.as_ref().and_then(|code| configuration.memoranda_of(&row.list, today).find(|m| m.body.code == *code));
    let Some(memorandum) = started else { return Vec::new() };
    let of = &inquiry.agency.region;
    let ground = Ground {
        kind,
        native: row.keeping == "native",
        measures: &row.measures,
        stands: row.stands,
        near: inquiry.directory.is_within(&row.region, of) || inquiry.directory.is_within(of, &row.region),
    };
    let case = Case { agency_kind: &inquiry.agency.kind, matter: &inquiry.matter };
    let applying = applicable(&ground, &case, &memorandum.body, |code| configuration.measure(code, today).map(|m| &m.body));
    applying.into_iter().map(|measure| view(row, &memorandum.body, measure)).collect()
}

fn view(row: &EntryRow, memorandum: &Memorandum, measure: &Measure) -> CheckedMeasure {
    let directive = row.directives.get(&measure.code).and_then(Value::as_str);
    CheckedMeasure {
        code: measure.code.clone(),
        name: measure.name.clone(),
        content: measure.content.clone(),
        class: measure.class,
        direction: measure.direction.code().to_owned(),
        mandatory: measure.mandatory,
        legal_basis: measure.legal_basis.clone(),
        memorandum: memorandum.code.clone(),
        memorandum_name: memorandum.name.clone(),
        expires_on: row.expires_on,
        directive_id: directive.and_then(|id| Uuid::parse_str(id).ok()),
    }
}
