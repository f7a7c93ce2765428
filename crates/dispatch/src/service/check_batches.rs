//! Batch checks 信用审查: many subjects in one request, answered by a job, row by row as single checks are, and given back as a file. Each row's answer,
//! its entry in the access log and the progress commit together: a worker may die anywhere, and no row is answered twice or left out.

mod result;

pub use result::{csv, xlsx};

use super::Dispatch;
use super::checks::answer::{Assessed, Inquiry, assess};
use super::checks::{is_of, known_matter, refuse_unfit_name, stated};
use crate::model::check_batches::{
    CHECK_BATCH_EMPTY, CHECK_BATCH_NOT_COMPLETED, CHECK_BATCH_TOO_MANY, CheckBatchRequest, CheckBatchSubject, CheckBatchView,
};
use crate::model::checks::CheckedKind;
use crate::store::check_batches::{self as store, BatchRow, NewBatch, Settled};
use crate::store::checks;
use credence_audit::access::logged_in;
use credence_audit::{Change, record};
use credence_core::Role;
use credence_core::actor::{Actor, Credential};
use credence_core::identifiers;
use credence_core::identifiers::person::find_in_text;
use credence_core::ids::{AccountId, AgencyId};
use credence_core::problem::{Kind, NOT_FOUND, Problem, Result};
use credence_identity::directory::Snapshot;
use credence_jobs::{Lease, NewJob, Outcome, enqueue};
use credence_web::idempotency::{self, Key};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// Kind of the job that answers a batch.
pub const CHECK_BATCH_JOB: &str = "dispatch.check_batch";
/// Subjects answered in one transaction.
const STEP_ROWS: i64 = 100;

/// What the job is told.
#[derive(Serialize, Deserialize)]
pub struct CheckBatchJob {
    batch_id: Uuid,
    /// Limits of the key that submitted it: its answers are those the key itself would get.
    items: Option<Vec<String>>,
    regions: Option<Vec<String>>,
}

/// What is kept under an `Idempotency-Key`: how far the batch has come is asked of the batch.
#[derive(Serialize, Deserialize)]
struct Kept {
    check_batch_id: Uuid,
}

/// A subject as it waits, sealed, and as it is kept once it has its answer.
#[derive(Serialize, Deserialize)]
struct Waiting {
    subject: CheckBatchSubject,
    case_no: String,
}

/// Place of a sealed subject: it opens only within its batch.
fn place(batch: Uuid) -> [u8; 16] {
    *batch.as_bytes()
}

fn seal(dispatch: &Dispatch, batch: Uuid, waiting: &Waiting) -> Result<Vec<u8>> {
    let plain = serde_json::to_vec(waiting).map_err(Problem::internal)?;
    dispatch.keys.seal(&place(batch), &plain).map_err(Problem::internal)
}

/// What the result gives back of a subject, and no more: the number of a document has done its work once the row has its answer, wherever the
/// sender wrote it.
fn without_numbers(subject: CheckBatchSubject) -> CheckBatchSubject {
    let of_nobody = |code: &String| find_in_text(&identifiers::normalise(code)).is_empty();
    CheckBatchSubject {
        kind: subject.kind,
        uscc: subject.uscc.filter(of_nobody),
        name: subject.name.filter(|_| subject.kind == CheckedKind::Organisation),
        document_kind: None,
        document_number: None,
        reference: subject.reference,
    }
}

fn open(dispatch: &Dispatch, batch: Uuid, sealed: &[u8]) -> Result<Waiting> {
    let plain = dispatch.keys.open(&place(batch), sealed).map_err(Problem::internal)?;
    serde_json::from_slice(&plain).map_err(Problem::internal)
}

impl Dispatch {
    /// Takes a batch; a job answers it. Subjects are looked at one by one there: one that cannot be read does not hold up the others.
    ///
    /// # Errors
    /// When it is empty, too large, or its texts or matter are refused.
    pub async fn submit_check_batch(&self, actor: &Actor, asked: CheckBatchRequest, key: Option<Key>) -> Result<CheckBatchView> {
        let configuration = self.configuration.fresh(&self.db).await?;
        let (limit, rows_max) = (self.settings.text_chars_max, self.settings.check_batch_rows_max);
        let matter = known_matter(&configuration, &asked.matter)?;
        let (name, purpose) = (stated("name", &asked.name, limit)?, stated("purpose", &asked.purpose, limit)?);
        let case_no = asked.case_no.as_deref().map(|text| stated("case_no", text, limit)).transpose()?.unwrap_or_else(|| name.clone());
        if asked.subjects.is_empty() {
            return Err(Problem::new(&CHECK_BATCH_EMPTY));
        }
        if asked.subjects.len() > rows_max {
            return Err(Problem::new(&CHECK_BATCH_TOO_MANY).with("limit", rows_max).with("rows", asked.subjects.len()));
        }
        let id = Uuid::now_v7();
        let mut sealed = Vec::with_capacity(asked.subjects.len());
        for (row, subject) in (1_i32..).zip(asked.subjects) {
            sealed.push(self.seal_subject(id, subject, &case_no, limit).map_err(|problem: Problem| problem.with("row", row))?);
        }
        let agency = actor.agency()?.0;
        let (actor_kind, actor_id) = match actor.credential {
            Credential::Account(id) => ("account", Some(id.0)),
            Credential::ApiKey(id) => ("api_key", Some(id)),
            Credential::System => ("system", None),
        };
        let rows_total = i32::try_from(sealed.len()).map_err(Problem::internal)?;
        let job = CheckBatchJob { batch_id: id, items: actor.items.clone(), regions: actor.regions.clone() };
        let payload = serde_json::to_value(&job).map_err(Problem::internal)?;
        let now = self.clock.now();
        let batch = self
            .db
            .write(async |tx| {
                if let Some(kept) = idempotency::replay::<Kept>(tx, key.as_ref(), now).await? {
                    return store::find(tx.conn(), kept.check_batch_id).await;
                }
                let new = NewBatch {
                    id,
                    agency_id: agency,
                    name: &name,
                    matter: &matter,
                    purpose: &purpose,
                    state: "queued",
                    rows_total,
                    submitted_by: &actor.label,
                    actor_kind,
                    actor_id,
                    created_at: now,
                };
                store::insert(tx, new, &sealed).await?;
                let job = NewJob { kind: CHECK_BATCH_JOB, payload: payload.clone(), dedup_key: Some(id.to_string()), run_at: now };
                enqueue(tx, job, now).await?;
                idempotency::keep(tx, key.as_ref(), &Kept { check_batch_id: id }, None, now).await?;
                let detail = json!({ "matter": matter, "rows": rows_total });
                record(tx, actor, Change::new("check_batch.submit", "check_batch", id).with(detail), now).await?;
                store::find(tx.conn(), id).await
            })
            .await?;
        self.wake.notify_one();
        batch.map(view).ok_or_else(|| Problem::internal("check batch vanished"))
    }

    fn seal_subject(&self, batch: Uuid, subject: CheckBatchSubject, case_no: &str, limit: usize) -> Result<Vec<u8>> {
        refuse_unfit_name(&subject.asked(), limit)?;
        if let Some(reference) = subject.reference.as_deref().filter(|text| !text.trim().is_empty()) {
            stated("ref", reference, limit)?;
        }
        seal(self, batch, &Waiting { subject, case_no: case_no.to_owned() })
    }

    /// A batch of the own agency.
    ///
    /// # Errors
    /// When there is none of the own agency.
    pub async fn check_batch(&self, actor: &Actor, id: Uuid) -> Result<CheckBatchView> {
        Ok(view(own(self, actor, id).await?))
    }
}

/// The batch, of the actor's own agency and within the limits of its key.
async fn own(dispatch: &Dispatch, actor: &Actor, id: Uuid) -> Result<BatchRow> {
    let found = store::find(&mut *dispatch.db.read().await?, id).await?;
    found.filter(|batch| is_of(actor, batch.agency_id, batch.actor_id)).ok_or_else(|| Problem::new(&NOT_FOUND))
}

/// The same, when it is completed.
async fn completed(dispatch: &Dispatch, actor: &Actor, id: Uuid) -> Result<BatchRow> {
    let batch = own(dispatch, actor, id).await?;
    if batch.state != "completed" {
        let problem = Problem::new(&CHECK_BATCH_NOT_COMPLETED);
        return Err(problem.with("rows_done", batch.rows_done).with("rows_total", batch.rows_total));
    }
    Ok(batch)
}

fn view(batch: BatchRow) -> CheckBatchView {
    CheckBatchView {
        id: batch.id,
        name: batch.name,
        matter: batch.matter,
        purpose: batch.purpose,
        state: batch.state,
        rows_total: batch.rows_total,
        rows_done: batch.rows_done,
        hits: batch.hits,
        problems: batch.problems,
        submitted_by: batch.submitted_by,
        created_at: batch.created_at,
        finished_at: batch.finished_at,
    }
}

/// Answers the rest of a batch, a hundred subjects a transaction. Done twice, it does nothing the second time.
pub async fn run(dispatch: &Dispatch, job: &CheckBatchJob, lease: &Lease) -> Result<Outcome> {
    loop {
        if !lease.may_go_on() {
            return Ok(Outcome::Interrupted);
        }
        if !step(dispatch, job).await? {
            return Ok(Outcome::Done);
        }
    }
}

/// Whoever submitted the batch, for the answers and the logs.
fn submitter(batch: &BatchRow, job: &CheckBatchJob, directory: &Snapshot) -> Actor {
    let credential = match (batch.actor_kind.as_str(), batch.actor_id) {
        ("account", Some(id)) => Credential::Account(AccountId(id)),
        ("api_key", Some(id)) => Credential::ApiKey(id),
        _ => Credential::System,
    };
    Actor {
        credential,
        agency: Some(AgencyId(batch.agency_id)),
        region: directory.agency(batch.agency_id).map(|a| a.region.clone()).unwrap_or_default(),
        roles: vec![Role::Consumer],
        items: job.items.clone(),
        regions: job.regions.clone(),
        ..Actor::system(&batch.submitted_by)
    }
}

/// Answers the next rows; `false` when there were none left.
async fn step(dispatch: &Dispatch, job: &CheckBatchJob) -> Result<bool> {
    let now = dispatch.clock.now();
    let configuration = dispatch.configuration.fresh(&dispatch.db).await?;
    let directory = dispatch.directory.get(&dispatch.db, now).await?;
    dispatch
        .db
        .write(async |tx| {
            let Some(batch) = store::lock_open(tx, job.batch_id).await? else {
                // Nothing is written, and that is as it should be.
                tx.mark_recorded();
                return Ok(false);
            };
            let actor = submitter(&batch, job, &directory);
            let texts = (String::new(), batch.purpose.clone());
            let mut inquiry =
                Inquiry::new(dispatch, &actor, Arc::clone(&configuration), Arc::clone(&directory), batch.matter.clone(), texts)?;
            let mut assessed: Vec<(i32, Assessed)> = Vec::new();
            let mut settled: Vec<Settled> = Vec::new();
            for (row_no, sealed) in store::rows(tx.conn(), batch.id, batch.rows_done, STEP_ROWS).await? {
                let waiting = open(dispatch, batch.id, &sealed)?;
                inquiry.case_no = waiting.case_no;
                let assessment = assess(dispatch, tx, &inquiry, &waiting.subject.asked()).await;
                let sealed = seal(dispatch, batch.id, &Waiting { subject: without_numbers(waiting.subject), case_no: String::new() })?;
                match assessment {
                    Ok(answer) => {
                        settled.push(Settled { row_no, sealed, check: Some(answer.answer.check_id), problem: None });
                        assessed.push((row_no, answer));
                    }
                    // What cannot be read is found before the database is asked, so the transaction goes on.
                    Err(problem) if !matches!(problem.of.kind, Kind::Internal | Kind::Unavailable) => {
                        settled.push(Settled { row_no, sealed, check: None, problem: Some(problem.code()) });
                    }
                    Err(problem) => return Err(problem),
                }
            }
            if settled.is_empty() {
                return Err(Problem::internal("a check batch has fewer rows than it says"));
            }
            let kept = assessed.iter().map(|(row_no, answer)| answer.row(&inquiry, Some((batch.id, *row_no)))).collect();
            checks::insert_all(tx, kept).await?;
            for (_, answer) in &assessed {
                if let Some(subject) = answer.subject_id {
                    logged_in(tx, &actor, inquiry.statement(), now, subject).await?;
                }
            }
            store::settle(tx, &batch, &settled, now).await?;
            let hits = assessed.iter().filter(|(_, answer)| answer.answer.hit()).count();
            let detail = json!({ "first_row": batch.rows_done + 1, "rows": settled.len(), "hits": hits });
            record(tx, &actor, Change::new("check_batch.answer", "check_batch", batch.id).with(detail), now).await?;
            Ok(true)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_subject_holds_no_number_or_name_of_a_person() {
        let of = |row: serde_json::Value| serde_json::to_value(without_numbers(serde_json::from_value(row).unwrap())).unwrap();
        let person = of(json!({
            "kind": "natural_person", "name": "李试验", "document_kind": "身份证", "document_number": "11010519491231002X", "ref": "A-1"
        }));
        assert_eq!(
            person,
            json!({ "kind": "natural_person", "uscc": null, "name": null, "document_kind": null, "document_number": null, "ref": "A-1" })
        );
        let organisation =
            of(json!({ "kind": "organisation", "uscc": "91110000710925462X", "name": "某公司", "document_number": "E12345678" }));
        assert_eq!((&organisation["uscc"], &organisation["name"]), (&json!("91110000710925462X"), &json!("某公司")));
        assert!(organisation["document_number"].is_null());
        // In the wrong place, as people write it.
        assert!(of(json!({ "kind": "organisation", "uscc": "110105 19491231 002x" }))["uscc"].is_null());
    }
}
