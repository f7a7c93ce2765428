//! Undoing a whole batch: every record says again what it said before, in a new version; nothing is deleted.

use super::absences::enqueue_due;
use super::{Records, registration};
use crate::model::{BATCH_BUSY, BATCH_NOT_OPEN, REASON_MISSING};
use crate::store::{self, absences, versions};
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
            if !store::covered(tx.conn(), actor, batch).await? {
                return Err(Problem::new(&NOT_FOUND));
            }
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

/// Undoes the rest of a batch, step by step; then what rested on it follows; then it counts as undone.
pub async fn run(records: &Records, batch: Uuid, reason: &str, lease: &Lease) -> Result<Outcome> {
    let actor = Actor::system("undo");
    let mut connection = records.db.bulk().await?;
    loop {
        if !lease.may_go_on() {
            return Ok(Outcome::Interrupted);
        }
        let now = records.clock.now();
        let mut tx = connection.begin().await?;
        let Some((from, rows)) = versions::undo_progress(&tx, batch).await? else {
            drop(tx);
            return wake_lists(records, batch).await;
        };
        if from >= rows {
            break;
        }
        let to = from + STEP_ROWS;
        let (undone, left_alone) = versions::undo_rows(&tx, batch, from, to, reason, now).await?;
        versions::undo_step(&tx, batch, to).await?;
        let detail = json!({ "first_row": from, "last_row": to, "undone": undone, "changed_since": left_alone });
        record_bulk(&mut tx, &actor, Change::new("records.undone", "batch", batch).with(detail), now).await?;
        tx.commit().await?;
    }
    if follow(records, &actor, batch, lease).await? == Outcome::Interrupted {
        return Ok(Outcome::Interrupted);
    }
    let now = records.clock.now();
    let mut tx = connection.begin().await?;
    if versions::finish_undo(&tx, batch, &actor.label, now).await? {
        record_bulk(&mut tx, &actor, Change::new("batch.undone", "batch", batch), now).await?;
        tx.commit().await?;
    }
    wake_lists(records, batch).await
}

/// An older whole list may count again now, or a newer one end what this undo brought back. Done again after a death, it comes to the same.
async fn wake_lists(records: &Records, batch: Uuid) -> Result<Outcome> {
    let now = records.clock.now();
    let due = records
        .db
        .write(async |tx| {
            absences::lock(tx, batch).await?;
            // A job is no change of what the platform holds.
            tx.mark_recorded();
            enqueue_due(tx, batch, now).await
        })
        .await?;
    if due {
        records.wake.notify_one();
    }
    Ok(Outcome::Done)
}

/// Subjects brought up to date in one transaction.
const FOLLOW_SUBJECTS: i64 = 100;

/// What rested on registration data of the batch follows it. Done again after a death, it comes to the same.
async fn follow(records: &Records, actor: &Actor, batch: Uuid, lease: &Lease) -> Result<Outcome> {
    let undone = store::batch(&mut *records.db.read().await?, batch, records.clock.now()).await?;
    let registers = |item: &str| records.configuration.get().items.get(item).is_some_and(|v| v.item.registers_subject);
    let Some(item) = undone.map(|b| b.item).filter(|item| registers(item)) else { return Ok(Outcome::Done) };
    let mut after = Uuid::nil();
    loop {
        if !lease.may_go_on() {
            return Ok(Outcome::Interrupted);
        }
        let subjects = versions::subjects_of_batch(&mut *records.db.read().await?, batch, after, FOLLOW_SUBJECTS).await?;
        let Some(last) = subjects.last().copied() else { return Ok(Outcome::Done) };
        records
            .db
            .write(async |tx| {
                for subject in &subjects {
                    registration::follow(records, tx, actor, *subject, &item, records.clock.now()).await?;
                }
                Ok(())
            })
            .await?;
        after = last;
    }
}
