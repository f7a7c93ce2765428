//! Whole lists (全量报送): once every row of a file that states the whole list has its record, the records of that agency and item that the file
//! lacks are ended, each in a version of its own. A list with refused or unmatched rows ends nothing, because what looks absent may be among
//! them; nor does one that a newer list overtook.

use super::Records;
use crate::store::absences::{self, Absent, Ending, Standing};
use chrono::{DateTime, Utc};
use credence_audit::{Change, record_bulk};
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::Result;
use credence_db::Tx;
use credence_jobs::{Lease, NewJob, Outcome, enqueue};
use serde_json::json;
use uuid::Uuid;

/// Kind of the job that ends what a whole list lacks.
pub const ABSENCES_JOB: &str = "records.absences";
/// Records ended in one transaction.
const STEP_RECORDS: usize = 10_000;

/// Enqueues the job for the list that a change of `batch` lets be settled; whether there is one. Called at the end of a transaction that began
/// with [`absences::lock`].
pub(super) async fn enqueue_due(tx: &mut Tx<'_>, batch: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let Some(list) = absences::due(tx.conn(), batch).await? else { return Ok(false) };
    // A job of its own for every cause: one that runs already may be past what this one is for. Done twice, it does nothing the second time.
    enqueue(tx, NewJob { kind: ABSENCES_JOB, payload: json!({ "batch_id": list }), dedup_key: None, run_at: now }, now).await?;
    Ok(true)
}

/// Ends what the whole list of a batch lacks, step by step, then settles the list. Does nothing when the list may not be settled: whatever kept it
/// from that enqueues the job again when it ends.
pub async fn run(records: &Records, batch: Uuid, lease: &Lease) -> Result<Outcome> {
    let actor = Actor::system("absences");
    let reason = format!("not in the whole list of batch {batch}");
    let list = absences::standing(&mut *records.db.read().await?, batch).await?;
    let Some(list) = list.filter(Standing::may_settle) else { return Ok(Outcome::Done) };
    let (reader, mut connection) = (records.db.bulk().await?, records.db.bulk().await?);
    // A list of which nothing could be kept, or of which is no longer known what it held, would end everything: it ends nothing. What comes to be
    // absent after this look, because an older batch brings it, has a job of its own.
    let mut absent = if list.noted { Some(Absent::look(&reader, &list).await?) } else { None };
    loop {
        if !lease.may_go_on() {
            return Ok(Outcome::Interrupted);
        }
        let (subjects, versions) = match &mut absent {
            Some(absent) => absent.next(STEP_RECORDS).await?,
            None => Default::default(),
        };
        let now = records.clock.now();
        let mut tx = connection.begin().await?;
        let Some(list) = absences::begin(&tx, batch).await?.filter(Standing::may_settle) else { return Ok(Outcome::Done) };
        let last_day = china_date(list.created_at);
        let step = Ending { list: &list, subjects: &subjects, versions: &versions, reason: &reason, last_day, now };
        let ended = absences::end(&tx, &step).await?;
        let last = versions.len() < STEP_RECORDS;
        let settles = last && list.absences_at.is_none();
        if ended > 0 {
            let detail = json!({ "item": list.item, "ended": ended });
            record_bulk(&mut tx, &actor, Change::new("records.absent", "batch", batch).with(detail), now).await?;
        }
        if settles {
            absences::settle(&tx, &list, now).await?;
            let detail = json!({ "item": list.item, "ended": list.absent_ended + ended });
            record_bulk(&mut tx, &actor, Change::new("batch.absences", "batch", batch).with(detail), now).await?;
        }
        if ended > 0 || settles {
            tx.commit().await?;
        }
        if last {
            return Ok(Outcome::Done);
        }
    }
}
