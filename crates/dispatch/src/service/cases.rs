//! Telling what joint action did. An agency proposes a case of its own feedback; the credit office publishes, refuses or withdraws it; whoever
//! proposed never reviews. Names and numbers are covered when a case is proposed, so what is reviewed is what is published.

use super::Dispatch;
use crate::model::cases::{
    CASE_EXISTS, CASE_FEEDBACK_NOT_FOUND, CASE_FILTER_UNKNOWN, CASE_GROUND_CORRECTED, CASE_NAMES_SOMEBODY, CASE_NOT_FOUND,
    CASE_OF_ONES_OWN, CaseView, KINDS, Known, PublicCase, STATES, Step, cover, names_somebody, sound_text,
};
use crate::store::cases::{self as store, CaseRow, FeedbackRow, NewCase, Review};
use chrono::{DateTime, Datelike, Utc};
use credence_audit::{Change, record};
use credence_catalog::Configuration;
use credence_catalog::measures::Direction;
use credence_catalog::model::Role;
use credence_core::Actor;
use credence_core::actor::Credential;
use credence_core::paging::BAD_CURSOR;
use credence_core::problem::{Problem, Result, UNAUTHENTICATED};
use credence_db::Tx;
use credence_identity::directory::Snapshot;
use credence_web::idempotency::{self, Key};
use serde_json::json;
use uuid::Uuid;

/// The account or key behind an actor. The program itself neither proposes nor reviews.
fn behind(actor: &Actor) -> Result<Uuid> {
    match actor.credential {
        Credential::Account(id) => Ok(id.0),
        Credential::ApiKey(id) => Ok(id),
        Credential::System => Err(Problem::new(&UNAUTHENTICATED)),
    }
}

/// What an agency wants to tell.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The feedback it is about.
    pub feedback_id: Uuid,
    /// Title.
    pub title: String,
    /// Text.
    pub body: String,
}

/// Proposes a case of the own agency's feedback. The answer holds title and text as they are kept and would be published.
pub async fn propose(dispatch: &Dispatch, actor: &Actor, proposal: Proposal, key: Option<Key>) -> Result<CaseView> {
    let (agency, by_id) = (actor.agency()?.0, behind(actor)?);
    let title = sound_text("title", &proposal.title, false, dispatch.settings.text_chars_max)?;
    let body = sound_text("body", &proposal.body, true, dispatch.settings.text_chars_max)?;
    let now = dispatch.clock.now();
    let configuration = dispatch.configuration.fresh(&dispatch.db).await?;
    let directory = dispatch.directory.get(&dispatch.db, now).await?;
    dispatch
        .db
        .write(async |tx| {
            if let Some(done) = idempotency::replay(tx, key.as_ref(), now).await? {
                return Ok(done);
            }
            let feedback = store::feedback(tx.conn(), proposal.feedback_id).await?.filter(|f| f.agency_id == agency);
            let feedback = feedback.ok_or_else(|| Problem::new(&CASE_FEEDBACK_NOT_FOUND))?;
            if feedback.corrected {
                return Err(Problem::new(&CASE_GROUND_CORRECTED));
            }
            if store::has_case(tx, feedback.subject_id, proposal.feedback_id).await? {
                return Err(Problem::new(&CASE_EXISTS));
            }
            let known = known(dispatch, tx, &configuration, &feedback, now).await?;
            let (title, body) = (covered("title", &title, &known)?, covered("body", &body, &known)?);
            let kind = kind(&configuration, &feedback);
            let case = NewCase {
                id: Uuid::now_v7(),
                subject_id: feedback.subject_id,
                feedback_id: proposal.feedback_id,
                agency_id: agency,
                kind,
                title: &title,
                body: &body,
                state: "proposed",
                proposed_by: &actor.label,
                proposed_by_id: by_id,
                proposed_at: now,
            };
            store::insert(tx, &case).await?;
            let detail = json!({ "feedback_id": proposal.feedback_id, "kind": kind });
            let change = Change::new("typical_case.propose", "typical_case", case.id).about(feedback.subject_id).with(detail);
            record(tx, actor, change, now).await?;
            let done = view(found(tx, case.id).await?, &configuration, &directory);
            idempotency::keep(tx, key.as_ref(), &done, None, now).await?;
            Ok(done)
        })
        .await
}

/// Whether a case is of reward or of punishment, as its measure says; of a measure that the configuration no longer has, as its list says.
fn kind(configuration: &Configuration, feedback: &FeedbackRow) -> &'static str {
    let incentive = match configuration.measures.get(&feedback.measure) {
        Some(measure) => matches!(measure.body.direction, Direction::Incentive),
        None => feedback.entry_kind == "commendation",
    };
    if incentive { "incentive" } else { "sanction" }
}

/// What identifies the subject and the persons about it: every name and number it has or had, whoever is noted as responsible with the entry,
/// and whom records name as legal representative.
async fn known(
    dispatch: &Dispatch,
    tx: &mut Tx<'_>,
    configuration: &Configuration,
    feedback: &FeedbackRow,
    now: DateTime<Utc>,
) -> Result<Known> {
    let family = credence_subjects::store::family(tx.conn(), feedback.subject_id, now).await?;
    let mut known = Known::default();
    for (kind, name) in store::names(tx.conn(), &family).await? {
        if kind == "natural_person" { known.persons.push(name) } else { known.organisations.push(name) }
    }
    for (scheme, clear, sealed) in store::numbers(tx.conn(), &family).await? {
        known.codes.extend(clear);
        if let Some(sealed) = sealed {
            let number = dispatch.keys.open(scheme.as_bytes(), &sealed).map_err(Problem::internal)?;
            known.documents.push(String::from_utf8(number).map_err(|_| Problem::internal("a sealed number is no text"))?);
        }
    }
    let responsible = feedback.responsible.as_array().into_iter().flatten();
    known.persons.extend(responsible.filter_map(|person| person.get("name")?.as_str().map(str::to_owned)));
    let representatives: Vec<(String, String)> = configuration
        .items
        .values()
        .flat_map(|v| {
            v.item.fields.iter().filter(|f| f.role == Some(Role::LegalRepresentative)).map(move |f| (v.item.code.clone(), f.code.clone()))
        })
        .collect();
    known.persons.extend(store::said_in(tx.conn(), &family, &representatives).await?);
    Ok(known)
}

fn covered(field: &str, text: &str, known: &Known) -> Result<String> {
    let covered = cover(text, known);
    if names_somebody(&covered, known) {
        return Err(Problem::new(&CASE_NAMES_SOMEBODY).with("field", field));
    }
    Ok(covered)
}

async fn found(tx: &mut Tx<'_>, id: Uuid) -> Result<CaseRow> {
    store::find(tx.conn(), id).await?.ok_or_else(|| Problem::new(&CASE_NOT_FOUND))
}

/// Publishes, refuses or withdraws a case. The step is one guarded update: of two at once exactly one takes it.
pub async fn review(dispatch: &Dispatch, actor: &Actor, id: Uuid, step: Step, reason: Option<&str>) -> Result<CaseView> {
    let by_id = behind(actor)?;
    // A reason may stay away where none is asked for; what is said is kept with numbers covered.
    let said = reason.filter(|text| step != Step::Publish || !text.trim().is_empty());
    let reason = match said {
        Some(text) => Some(cover(&sound_text("reason", text, true, dispatch.settings.text_chars_max)?, &Known::default())),
        None => None,
    };
    let now = dispatch.clock.now();
    let configuration = dispatch.configuration.get();
    let directory = dispatch.directory.get(&dispatch.db, now).await?;
    dispatch
        .db
        .write(async |tx| {
            let case = found(tx, id).await?;
            if case.proposed_by_id == by_id {
                return Err(Problem::new(&CASE_OF_ONES_OWN));
            }
            if step == Step::Publish && case.state == step.needs() && case.corrected {
                return Err(Problem::new(&CASE_GROUND_CORRECTED));
            }
            let review = Review { step, by: &actor.label, by_id, reason: reason.as_deref() };
            let taken = store::take(tx, id, &review, now).await?;
            let case = found(tx, id).await?;
            if !taken {
                return Err(Problem::new(step.missed()).with("state", case.state));
            }
            let detail = json!({ "feedback_id": case.feedback_id, "reason": reason });
            record(tx, actor, Change::new(step.action(), "typical_case", id).about(case.subject_id).with(detail), now).await?;
            Ok(view(case, &configuration, &directory))
        })
        .await
}

fn filtered(filter: &str, value: &str, allowed: &[&str]) -> Result<()> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(Problem::new(&CASE_FILTER_UNKNOWN).with("filter", filter).with("known", allowed.to_vec()))
}

/// Cases in a state, for those who review: oldest first.
pub async fn in_state(dispatch: &Dispatch, state: &str, after: Option<Uuid>, limit: i64) -> Result<Vec<CaseView>> {
    filtered("state", state, &STATES)?;
    let configuration = dispatch.configuration.get();
    let directory = dispatch.directory.get(&dispatch.db, dispatch.clock.now()).await?;
    let rows = store::in_state(&mut *dispatch.db.read().await?, state, after, limit).await?;
    Ok(rows.into_iter().map(|row| view(row, &configuration, &directory)).collect())
}

/// Where a page of published cases ends: time of publication and id.
pub type Place = (DateTime<Utc>, Uuid);

/// Published cases, newest first, and where the page ends when it is full. A case whose entry was made wrongly is no longer among them: effects
/// follow causes. One whose entry ended otherwise stays: it names nobody, and what was done was done rightly.
pub async fn published(
    dispatch: &Dispatch,
    kind: Option<&str>,
    before: Option<Place>,
    limit: i64,
) -> Result<(Vec<PublicCase>, Option<Place>)> {
    if let Some(kind) = kind {
        filtered("kind", kind, &KINDS)?;
    }
    // Beyond these years the database knows no instant, and nobody published anything.
    if before.is_some_and(|(at, _)| !(1900..=9999).contains(&at.year())) {
        return Err(Problem::new(&BAD_CURSOR));
    }
    let configuration = dispatch.configuration.get();
    let directory = dispatch.directory.get(&dispatch.db, dispatch.clock.now()).await?;
    let rows = store::published(&mut *dispatch.db.read().await?, kind, before, limit).await?;
    let full = i64::try_from(rows.len()).unwrap_or(0) == limit;
    let last = rows.last().filter(|_| full).and_then(|row| Some((row.published_at?, row.id)));
    let cases = rows.into_iter().filter_map(|row| {
        let published_at = row.published_at?;
        let view = view(row, &configuration, &directory);
        Some(PublicCase { title: view.title, body: view.body, kind: view.kind, agency: view.agency, measure: view.measure, published_at })
    });
    Ok((cases.collect(), last))
}

fn view(row: CaseRow, configuration: &Configuration, directory: &Snapshot) -> CaseView {
    CaseView {
        case_id: row.id,
        state: row.state,
        kind: row.kind,
        title: row.title,
        body: row.body,
        agency: directory.agency(row.agency_id).map(|a| a.name.clone()),
        measure: configuration.measures.get(&row.measure).map(|m| m.body.name.clone()),
        feedback_id: row.feedback_id,
        directive_id: row.directive_id,
        ground_corrected: row.corrected,
        proposed_by: row.proposed_by,
        proposed_at: row.proposed_at,
        reviewed_by: row.reviewed_by,
        reviewed_at: row.reviewed_at,
        review_reason: row.review_reason,
        published_at: row.published_at,
        withdrawn_at: row.withdrawn_at,
    }
}
