//! Receiving a file: it is on disk and known to the database before the sender is told so. Small files are loaded in the same call; others
//! become a job.

use super::load::{self, KeptHeader, Load};
use super::{Records, feed};
use crate::decode::{self, Encoding, Inspected, Row};
use crate::header::{Headers, Target};
use crate::model::{
    BATCH_BUSY, BATCH_NOT_OPEN, Batch, Counts, FILE_TOO_LARGE, MIXED_BATCHES, RowVerdict, TOO_MANY_BATCHES, Verdict, WHOLE_BY_LIMITED_KEY,
    WHOLE_OF_REGISTRATION, WHOLE_OF_RETURNED_ROWS,
};
use crate::spool::{self, Upload};
use crate::store::{self, NewBatch, NewFile};
use chrono::Duration;
use credence_audit::{Change, record};
use credence_catalog::configuration::VersionedItem;
use credence_core::problem::{Kind, Problem, Result};
use credence_core::{Actor, Permission};
use credence_jobs::{Lease, NewJob, enqueue, enqueue_leased, finish_in_call};
use credence_web::idempotency::{self, Key};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Kind of the job that loads a file.
pub const LOAD_JOB: &str = "records.load";
/// Files up to this size are counted in the call to see whether they are small.
const COUNT_IN_CALL_BYTES: u64 = 8 << 20;
/// Row verdicts that an answer holds at most; the rest is read from the batch.
const VERDICTS_IN_ANSWER: usize = 1000;

/// What the sender says about a file.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Catalogue item.
    pub item: String,
    /// Form, where the item has several.
    pub feed: Option<String>,
    /// Encoding, where the sender knows it.
    pub encoding: Option<Encoding>,
    /// Columns to leave out.
    pub ignore: Vec<String>,
    /// Name of the file.
    pub file_name: String,
    /// Verdicts only.
    pub dry_run: bool,
    /// The file is the whole list: what it lacks is ended.
    pub whole: bool,
}

/// The answer to an upload.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Received {
    /// The batch, with its files and counts; none after a dry run.
    pub batch: Option<Batch>,
    /// The very same file had been received before: this is its batch, and nothing was done.
    pub same_file: bool,
    /// Verdicts by row, when the file was small enough to load in the call, or for a dry run: the first of them, refused rows first.
    pub rows: Vec<RowVerdict>,
    /// Counts of a dry run.
    pub counts: Option<Counts>,
    /// After a dry run of a whole list in which every row has its record: how many records it lacks, and would end.
    #[serde(default)]
    pub would_end: Option<i64>,
}

/// A file being received: counted, hashed and sealed as it comes.
pub struct Receiving {
    writer: spool::Writer,
    hash: Sha256,
    size: u64,
    max: u64,
}

impl Receiving {
    /// Opens a place in the spool.
    pub async fn create(records: &Records) -> Result<Self> {
        let writer = records.spool.create().await?;
        Ok(Self { writer, hash: Sha256::new(), size: 0, max: records.ingest.body_bytes_max })
    }

    /// Takes the next piece.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.size += bytes.len() as u64;
        if self.size > self.max {
            return Err(Problem::new(&FILE_TOO_LARGE).with("limit_bytes", self.max));
        }
        self.hash.update(bytes);
        self.writer.write(bytes).await
    }

    /// Removes what was received.
    pub async fn discard(self) {
        self.writer.discard().await;
    }
}

/// A file that has arrived whole and is on disk.
struct Spooled {
    upload: Upload,
    size: u64,
    sha256: [u8; 32],
}

/// Checks that the actor may push the item at all, before its file is read.
pub async fn authorise(records: &Records, actor: &Actor, submission: &Submission) -> Result<Arc<VersionedItem>> {
    actor.require(Permission::SubmitRecords)?;
    let configuration = records.configuration.fresh(&records.db).await?;
    let item = records.item(&configuration, &submission.item, records.clock.today())?;
    let directory = records.directory.get(&records.db, records.clock.now()).await?;
    records.check_provider(actor, &item, &directory)?;
    feed(&item, submission.feed.as_deref())?;
    if submission.whole {
        // A key limited to items that covers this one sees all of it; one limited to regions sees a part.
        if actor.regions.is_some() {
            return Err(Problem::new(&WHOLE_BY_LIMITED_KEY));
        }
        if item.item.registers_subject {
            return Err(Problem::new(&WHOLE_OF_REGISTRATION).with("item", item.item.code.clone()));
        }
    }
    Ok(item)
}

/// Takes over a file that has arrived.
pub async fn accept(
    records: &Records,
    actor: &Actor,
    submission: Submission,
    item: Arc<VersionedItem>,
    receiving: Receiving,
    request: &actix_web::HttpRequest,
) -> Result<Received> {
    let sha256: [u8; 32] = receiving.hash.finalize().into();
    let spooled = Spooled { size: receiving.size, sha256, upload: receiving.writer.finish().await? };
    match place(records, actor, &submission, item, &spooled, request).await {
        // From the commit on the file belongs to its batch, whatever becomes of the answer.
        Ok(Placing::Placed(placed)) => answer(records, placed).await,
        Ok(Placing::Answered(received)) => {
            spooled.upload.discard().await;
            Ok(*received)
        }
        Err(problem) => {
            // When the database failed, the commit may have reached it and only the word of it be lost: then the upload belongs to a file. If it does
            // not, it goes with the orphans.
            if !matches!(problem.of.kind, Kind::Internal | Kind::Unavailable) {
                spooled.upload.discard().await;
            }
            Err(problem)
        }
    }
}

/// Holds a file of returned rows together: one batch, every row with its number, no number twice.
#[derive(Default)]
pub(super) struct Returned {
    batch: Option<Option<Uuid>>,
    rows: HashSet<i64>,
}

impl Returned {
    /// Looks at a row; the batch it belongs to, `None` for a file that is no returned one.
    pub(super) fn row(&mut self, row: &Row<'_>) -> Result<Option<Uuid>> {
        let text = |target: &Target| {
            let at = row.header.targets.iter().position(|t| t == target);
            at.and_then(|at| row.cells.get(at)).map(|cell| cell.text().into_owned()).filter(|t| !t.is_empty())
        };
        let bad = || Problem::new(&MIXED_BATCHES).with("row", row.number);
        let batch = text(&Target::Batch).map(|t| Uuid::parse_str(&t).map_err(|_| bad())).transpose()?;
        if *self.batch.get_or_insert(batch) != batch {
            return Err(bad());
        }
        if batch.is_some() {
            let number = text(&Target::Row).and_then(|t| t.parse::<i64>().ok()).filter(|n| *n > 0).ok_or_else(bad)?;
            if !self.rows.insert(number) {
                return Err(bad());
            }
        }
        Ok(batch)
    }
}

/// What looking into a file showed before anything was stored.
struct Looked {
    inspected: Inspected,
    /// Rows, of files small enough to count in the call.
    rows: Option<u64>,
    /// Batch named in the first row, of files of corrected rows.
    returned_to: Option<Uuid>,
}

async fn look(records: &Records, submission: &Submission, item: &Arc<VersionedItem>, spooled: &Spooled) -> Result<Looked> {
    let (item, limits, upload, size) = (Arc::clone(item), records.ingest.clone(), spooled.upload.clone(), spooled.size);
    let submission = submission.clone();
    tokio::task::spawn_blocking(move || {
        let feed = feed(&item, submission.feed.as_deref())?;
        let headers = Headers::of(&item.item, feed, &submission.ignore);
        let inspected = decode::inspect(&upload, submission.encoding, &headers, &limits)?;
        let mut returned_to = None;
        let mut returned = Returned::default();
        let mut rows = None;
        let is_json = inspected.header.targets.is_empty();
        let is_returned = inspected.header.targets.contains(&Target::Batch);
        if size <= COUNT_IN_CALL_BYTES || is_returned || submission.dry_run {
            rows = Some(decode::decode(&upload, &inspected.shape, &inspected.header, &headers, &limits, &mut |row| {
                if is_returned || is_json {
                    returned_to = returned.row(&row)?.or(returned_to);
                }
                Ok(())
            })?);
        }
        Ok(Looked { inspected, rows, returned_to })
    })
    .await
    .map_err(Problem::internal)?
}

/// A batch and file that exist in the database now.
struct Placed {
    batch_id: Uuid,
    file_id: Uuid,
    /// Job and lease, when the file is small enough to be loaded in the call.
    in_call: Option<(Uuid, Uuid)>,
    key: Option<Key>,
}

enum Placing {
    Placed(Placed),
    /// Nothing new: a dry run, a request or a file seen before.
    Answered(Box<Received>),
}

async fn place(
    records: &Records,
    actor: &Actor,
    submission: &Submission,
    item: Arc<VersionedItem>,
    spooled: &Spooled,
    request: &actix_web::HttpRequest,
) -> Result<Placing> {
    let sha256 = spooled.sha256;
    let agency = actor.agency()?.0;
    let form = feed(&item, submission.feed.as_deref())?.version.clone();
    let looked = look(records, submission, &item, spooled).await?;
    let kept = KeptHeader {
        header: looked.inspected.header.clone(),
        ignore: submission.ignore.clone(),
        gzip: looked.inspected.shape.gzip,
        regions: actor.regions.clone(),
    };
    let kept = serde_json::to_value(kept).map_err(Problem::internal)?;
    if submission.dry_run {
        let received = dry_run(records, actor, item, spooled, (&form, submission.whole), looked, kept).await?;
        return Ok(Placing::Answered(Box::new(received)));
    }

    let encoding = looked.inspected.shape.encoding.map(Encoding::code);
    let key = Key::of(request, actor, &sha256)?;
    let now = records.clock.now();
    let small = looked.rows.is_some_and(|n| n <= records.ingest.sync_rows_max);
    records
        .db
        .write(async |tx| {
            if let Some(received) = idempotency::replay::<Received>(tx, key.as_ref(), now).await? {
                return Ok(Placing::Answered(Box::new(received)));
            }
            let limit = records.ingest.open_batches_per_agency_max;
            let open = store::open_files(tx, agency).await?;
            let same = store::Same { agency, item: &item.item.code, feed: &form, sha256: &sha256, encoding, header: &kept, whole: submission.whole };
            if let Some(batch) = store::same_file(tx, &same).await? {
                tx.mark_recorded();
                let batch = store::batch(tx.conn(), batch, now).await?;
                let received = Received { batch, same_file: true, rows: Vec::new(), counts: None, would_end: None };
                return Ok(Placing::Answered(Box::new(received)));
            }
            if open >= limit {
                return Err(Problem::new(&TOO_MANY_BATCHES).with("limit", limit));
            }
            let (batch_id, round) = match looked.returned_to {
                Some(batch) => {
                    let locked = store::lock_batch(tx, batch).await?.filter(|b| b.agency_id == agency && b.item == item.item.code && b.feed == form);
                    let locked = locked.ok_or_else(|| Problem::new(&MIXED_BATCHES))?;
                    if locked.state != "open" {
                        return Err(Problem::new(&BATCH_NOT_OPEN));
                    }
                    // Corrected rows of a whole list belong to it, whether the sender says so again or not.
                    if submission.whole && !locked.whole {
                        return Err(Problem::new(&WHOLE_OF_RETURNED_ROWS));
                    }
                    if locked.busy {
                        return Err(Problem::new(&BATCH_BUSY));
                    }
                    (batch, locked.rounds + 1)
                }
                None => {
                    let id = Uuid::now_v7();
                    let new = NewBatch {
                        id,
                        agency_id: agency,
                        item: &item.item.code,
                        item_version: item.version,
                        feed: &form,
                        submitted_by: &actor.label,
                        whole: submission.whole,
                    };
                    store::insert_batch(tx, &new, now).await?;
                    (id, 1)
                }
            };
            // The upload lies in the spool under the id of its file.
            let file_id = spooled.upload.id();
            let file = NewFile {
                id: file_id,
                batch_id,
                round,
                file_name: &submission.file_name,
                format: looked.inspected.shape.format.code(),
                encoding,
                sha256: &sha256,
                size_bytes: i64::try_from(spooled.size).unwrap_or(i64::MAX),
                header: kept.clone(),
            };
            store::insert_file(tx, &file, now).await?;
            let job = NewJob { kind: LOAD_JOB, payload: json!({ "file_id": file_id }), dedup_key: Some(file_id.to_string()), run_at: now };
            let in_call = if small {
                let lease = Uuid::now_v7();
                let job = enqueue_leased(tx, job, now, lease, Duration::seconds(records.lease_seconds)).await?;
                Some((job, lease))
            } else {
                enqueue(tx, job, now).await?;
                None
            };
            let detail = json!({ "item": item.item.code, "feed": form, "round": round, "size_bytes": spooled.size, "file_name": submission.file_name });
            record(tx, actor, Change::new("batch.receive", "batch", batch_id).with(detail), now).await?;
            // Under a key, another request is refused from now on, and the same one waits until this one is answered. What is answered again
            // to a large file, or should this process die, is the receipt: how far the load has come is asked of the batch.
            if key.is_some() {
                let batch = store::batch(tx.conn(), batch_id, now).await?;
                let receipt = Received { batch, same_file: false, rows: Vec::new(), counts: None, would_end: None };
                let pending_until = small.then(|| now + Duration::seconds(records.lease_seconds));
                idempotency::keep(tx, key.as_ref(), &receipt, pending_until, now).await?;
            }
            Ok(Placing::Placed(Placed { batch_id, file_id, in_call, key: key.clone() }))
        })
        .await
}

/// Loads a small file and answers with its verdicts, or points to the batch to follow.
async fn answer(records: &Records, placed: Placed) -> Result<Received> {
    let Placed { batch_id, file_id, in_call, key } = placed;
    let mut rows = Vec::new();
    match in_call {
        None => records.wake.notify_one(),
        Some((job, lease_id)) => {
            let lease = Lease::in_call(lease_id);
            let mut report = |row, verdict, issues| collect(&mut rows, row, verdict, issues);
            match load::run_reporting(records, file_id, &lease, &mut report).await {
                Ok(_) => finish_in_call(&records.db, job, lease_id, records.clock.now()).await?,
                // The file is received; a worker takes the job over when the lease has run out, and the sender follows the batch.
                Err(problem) => {
                    tracing::error!(batch.id = %batch_id, code = problem.code(), cause = problem.internal.as_deref(), "load in the call failed");
                    rows.clear();
                }
            }
        }
    }
    let now = records.clock.now();
    let batch = store::batch(&mut *records.db.read().await?, batch_id, now).await?;
    let received = Received { batch, same_file: false, rows, counts: None, would_end: None };
    if in_call.is_some() {
        idempotency::complete(&records.db, key.as_ref(), &received).await?;
    }
    Ok(received)
}

fn collect(rows: &mut Vec<RowVerdict>, row: i64, verdict: Verdict, issues: Vec<crate::model::Issue>) {
    if rows.len() < VERDICTS_IN_ANSWER {
        rows.push(RowVerdict { row: u64::try_from(row).unwrap_or(0), verdict, issues });
    } else if verdict == Verdict::Refused
        && let Some(slot) = rows.iter_mut().rev().find(|r| r.verdict != Verdict::Refused)
    {
        // The answer is full: a refused row is worth more in it than an accepted one.
        *slot = RowVerdict { row: u64::try_from(row).unwrap_or(0), verdict, issues };
    }
}

async fn dry_run(
    records: &Records,
    actor: &Actor,
    item: Arc<VersionedItem>,
    spooled: &Spooled,
    (form, whole): (&str, bool),
    looked: Looked,
    kept: serde_json::Value,
) -> Result<Received> {
    let now = records.clock.now();
    let batch_id = Uuid::now_v7();
    let file = store::FileToLoad {
        id: spooled.upload.id(),
        batch_id,
        round: if looked.returned_to.is_some() { 2 } else { 1 },
        state: "loading".to_owned(),
        format: looked.inspected.shape.format.code().to_owned(),
        encoding: looked.inspected.shape.encoding.map(|e| e.code().to_owned()),
        header: kept,
        rows_done: 0,
        received_at: now,
        agency_id: actor.agency()?.0,
        item: item.item.code.clone(),
        feed: form.to_owned(),
        submitted_by: actor.label.clone(),
        // A file of corrected rows is a part of its list, and ends nothing by itself.
        noted_in: (whole && looked.returned_to.is_none()).then_some(batch_id),
    };
    let mut load = Load::new(records, file, item.version)?;
    load.returned_to = looked.returned_to.unwrap_or(batch_id);
    let configuration = records.configuration.get();
    let today = records.clock.today();
    let directory = records.directory.get(&records.db, now).await?;
    let basis = records.basis(&directory, configuration, item, form, today, (load.file.agency_id, load.regions.clone()));
    let mut rows = Vec::new();
    let (counts, would_end) =
        load::dry_run(records, load, basis, looked.rows.unwrap_or(0), &mut |row, verdict, issues| collect(&mut rows, row, verdict, issues))
            .await?;
    Ok(Received { batch: None, same_file: false, rows, counts: Some(counts), would_end })
}

/// Uploads that belong to no file after so long were cut off before they were placed.
const ORPHAN_HOURS: i64 = 24;

/// Removes uploads that are not needed any more: those whose files ended long ago, and those that no file ever knew. How many went.
pub async fn clean_spool(records: &Records) -> Result<usize> {
    let now = records.clock.now();
    let old: Vec<Uuid> = records
        .spool
        .ids()
        .await?
        .into_iter()
        .filter(|(_, since)| *since < now - Duration::hours(ORPHAN_HOURS))
        .map(|(id, _)| id)
        .collect();
    let ended_after = now - Duration::days(records.ingest.spool_keep_days);
    let needed = store::files_still_needed(&mut *records.db.read().await?, &old, ended_after).await?;
    let mut removed = 0;
    for id in old.into_iter().filter(|id| !needed.contains(id)) {
        removed += usize::from(records.spool.remove(id).await);
    }
    Ok(removed)
}
