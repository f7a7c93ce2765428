//! Undoing a whole batch: every record says again what it said before, in a new version; nothing is deleted.

use super::Records;
use crate::model::{BATCH_BUSY, BATCH_NOT_OPEN, REASON_MISSING};
use crate::store::{self, versions};
use credence_audit::{Change, record, record_bulk};
use credence_core::Actor;
use credence_core::problem::{NOT_FOUND, Problem, Result};
use credence_jobs::{Lease, NewJob, Outcome, enqueue};
use serde_json::json;
use uuid::Uuid;

/// Kind of the job that undoes a batch.
pub const UNDO_JOB: &str = "records.undo";
/// Rows undone in one transaction. Large, because each step looks the batch's rows up by its block range.
const STEP_ROWS: i64 = 50_000;

/// Begins to undo a batch of the actor's own agency.
pub async fn begin(records: &Records, actor: &Actor, batch: Uuid, reason: &str) -> Result<()> {
    let agency = actor.agency()?.0;
    if reason.trim().is_empty() {
        return Err(Problem::new(&REASON_MISSING));
    }
    let now = records.clock.now();
    records
        .db
        .write(async |tx| {
            let locked = store::lock_batch(tx, batch).await?.filter(|b| b.agency_id == agency).ok_or_else(|| Problem::new(&NOT_FOUND))?;
            if locked.busy {
                return Err(Problem::new(&BATCH_BUSY));
            }
            if !store::begin_undo(tx, batch, reason.trim()).await? {
                return Err(Problem::new(&BATCH_NOT_OPEN));
            }
            let payload = json!({ "batch_id": batch, "reason": reason.trim() });
            enqueue(tx, NewJob { kind: UNDO_JOB, payload, dedup_key: Some(batch.to_string()), run_at: now }, now).await?;
            record(tx, actor, Change::new("batch.undo", "batch", batch).with(json!({ "reason": reason.trim() })), now).await
        })
        .await?;
    records.wake.notify_one();
    Ok(())
}

/// Undoes the rest of a batch, step by step.
pub async fn run(records: &Records, batch: Uuid, reason: &str, lease: &Lease) -> Result<Outcome> {
    let actor = Actor::system("undo");
    let mut connection = records.db.bulk().await?;
    loop {
        if !lease.may_go_on() {
            return Ok(Outcome::Interrupted);
        }
        let now = records.clock.now();
        let mut tx = connection.begin().await?;
        let Some((from, rows)) = versions::undo_progress(&tx, batch).await? else { return Ok(Outcome::Done) };
        let to = from + STEP_ROWS;
        let (undone, left_alone) = versions::undo_rows(&tx, batch, from, to, reason, now).await?;
        let done = to >= rows;
        versions::undo_step(&tx, batch, to, done, &actor.label, now).await?;
        let detail = json!({ "first_row": from, "undone": undone, "changed_since": left_alone, "done": done });
        record_bulk(&mut tx, &actor, Change::new("records.undone", "batch", batch).with(detail), now).await?;
        tx.commit().await?;
        if done {
            return Ok(Outcome::Done);
        }
    }
}
