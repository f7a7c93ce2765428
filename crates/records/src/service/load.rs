//! Loading a file: one thread decodes and checks, the task writes chunk after chunk, each in a transaction with its progress. Killed at any
//! moment, the next worker finds how far the file came and goes on after it; a row's effect and its verdict are there together or not at all.

use super::Records;
use super::absences::enqueue_due;
use super::ahead::{Ahead, Recent, scout};
use super::chunk::{Chunk, Loading, Raw, Ready, Written, write_chunk};
use super::receive::Returned;
use crate::check::{Checked, Checker};
use crate::decode::{self, Encoding, Format, Shape};
use crate::header::{Header, Headers, Target};
use crate::model::{Counts, DRY_RUN_TOO_LARGE, Issue, MIXED_BATCHES, Severity, TOO_MANY_DRY_RUNS, Verdict, storable_json};
use crate::spool::Upload;
use crate::store;
use crate::store::FileToLoad;
use crate::store::{absences, bulk};
use chrono::NaiveDate;
use credence_audit::{Change, record};
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::{Kind, Problem, Result};
use credence_jobs::{Lease, Outcome};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Times a chunk is taken again after a conflict with a parallel load.
const CONFLICTS_MAX: usize = 20;
/// Chunks that may wait for the look at the database, and as many after it for being written.
const CHUNKS_AHEAD: usize = 1;

/// What a load tells its caller about rows, in order of the file.
pub(crate) type RowReport<'r> = &'r mut (dyn FnMut(i64, Verdict, Vec<Issue>) + Send);

/// Everything one load needs.
pub(crate) struct Load {
    pub file: FileToLoad,
    pub item_version: i32,
    pub today: NaiveDate,
    pub upload: Upload,
    pub shape: Shape,
    pub header: Header,
    pub ignore: Vec<String>,
    pub regions: Option<Vec<String>>,
    /// The batch that the column 退回批次 has to name; a dry run has a batch of its own beside it.
    pub returned_to: Uuid,
}

/// How a file's header and options are kept with it.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct KeptHeader {
    pub header: Header,
    pub ignore: Vec<String>,
    pub gzip: bool,
    pub regions: Option<Vec<String>>,
}

impl Load {
    pub(crate) fn new(records: &Records, file: FileToLoad, item_version: i32) -> Result<Self> {
        let kept: KeptHeader = serde_json::from_value(file.header.clone()).map_err(Problem::internal)?;
        let format = Format::from_code(&file.format).ok_or_else(|| Problem::internal(format!("unknown format {}", file.format)))?;
        let encoding = file.encoding.as_deref().map(Encoding::parse).transpose()?;
        Ok(Self {
            item_version,
            today: china_date(file.received_at),
            upload: records.spool.upload(file.id),
            shape: Shape { format, gzip: kept.gzip, encoding },
            header: kept.header,
            ignore: kept.ignore,
            regions: kept.regions,
            returned_to: file.batch_id,
            file,
        })
    }
}

/// Loads a file, from where it stands to its end. Done twice, it does nothing the second time.
pub async fn run(records: &Records, file_id: Uuid, lease: &Lease) -> Result<Outcome> {
    run_reporting(records, file_id, lease, &mut |_, _, _| {}).await
}

/// The same, telling about every row.
pub(crate) async fn run_reporting(records: &Records, file_id: Uuid, lease: &Lease, report: RowReport<'_>) -> Result<Outcome> {
    let configuration = records.configuration.fresh(&records.db).await?;
    let file = store::file_to_load(&mut *records.db.read().await?, file_id).await?;
    let Some(file) = file.filter(|f| f.state == "queued" || f.state == "loading") else { return Ok(Outcome::Done) };
    let actor = Actor::system(&format!("load for {}", file.submitted_by));
    let today = china_date(file.received_at);
    let item = match records.item(&configuration, &file.item, today) {
        Ok(item) => item,
        Err(problem) => return refuse(records, &actor, &file, problem).await,
    };
    let item_version = item.version;
    let load = Load::new(records, file.clone(), item_version)?;
    let directory = records.directory.get(&records.db, records.clock.now()).await?;
    let basis = records.basis(&directory, configuration, item, &file.feed, today, (file.agency_id, load.regions.clone()));

    let mut one_chunk = false;
    if file.state == "queued" {
        // Read it through once, so that a fault of the file as a whole shows before anything of it is stored, and its size is known.
        let counted = count_rows(&load, &basis).await;
        let rows = match counted {
            Ok(rows) => rows,
            Err(problem) if matches!(problem.of.kind, Kind::Internal | Kind::Unavailable) => return Err(problem),
            Err(problem) => return refuse(records, &actor, &file, problem).await,
        };
        one_chunk = usize::try_from(rows).is_ok_and(|rows| rows <= records.ingest.chunk_rows);
        let now = records.clock.now();
        records
            .db
            .write(async |tx| {
                if file.noted_in.is_some() {
                    absences::lock(tx, file.batch_id).await?;
                }
                if !store::start_file(tx, file.id, rows, now).await? {
                    tx.mark_recorded();
                    return Ok(());
                }
                let change = Change::new("batch.start", "batch", file.batch_id).with(json!({ "round": file.round, "rows": rows }));
                record(tx, &actor, change, now).await
            })
            .await?;
    }

    let checker = Checker::new(basis, load.header.clone())?;
    let (send, receive) = mpsc::channel(CHUNKS_AHEAD);
    let (rows_done, chunk_rows) = (file.rows_done, records.ingest.chunk_rows);
    let plan = load;
    let decoder = tokio::task::spawn_blocking(move || {
        let result = decode_chunks(&plan, checker, rows_done, chunk_rows, &mut |chunk| send.blocking_send(chunk).is_ok());
        (result, plan)
    });
    let committed = Arc::new(AtomicU64::new(0));
    let (hand_on, mut ready) = mpsc::channel(CHUNKS_AHEAD);
    let auto_min_rule = records.configuration.get().auto_min_rule(today);
    // A file of one chunk has nothing to look ahead to.
    let ahead = if one_chunk { None } else { Some(records.db.bulk().await?) };
    let scout = tokio::spawn(scout(ahead, auto_min_rule, Arc::clone(&committed), receive, hand_on));
    let mut connection = records.db.bulk().await?;
    let mut recent = Recent::default();
    let loading = Loading { records, file: &file, item_version, actor: &actor, today };
    while let Some((chunk, mut ahead)) = ready.recv().await {
        if !lease.may_go_on() {
            drop(ready);
            let _ = decoder.await;
            return Ok(Outcome::Interrupted);
        }
        recent.refresh(&mut ahead);
        let mut attempt = 0;
        loop {
            let mut tx = connection.begin().await?;
            if !bulk::claim(&tx, file.id, chunk.first_row).await? {
                // Another worker took over; what it commits is not ours to do again.
                return Ok(Outcome::Interrupted);
            }
            match write_chunk(&loading, &mut tx, &chunk, std::mem::take(&mut ahead)).await {
                Ok(Written { verdicts, touched }) => {
                    tx.commit().await?;
                    recent.note(committed.fetch_add(1, Ordering::AcqRel), touched);
                    for (row, verdict, issues) in verdicts {
                        report(row, verdict, issues);
                    }
                    break;
                }
                Err(problem) if bulk::is_conflict(&problem) && attempt < CONFLICTS_MAX => attempt += 1,
                Err(problem) => return Err(problem),
            }
        }
    }
    scout.await.map_err(Problem::internal)??;
    let (decoded, _) = decoder.await.map_err(Problem::internal)?;
    if let Err(problem) = decoded {
        return match problem.of.kind {
            Kind::Internal | Kind::Unavailable => Err(problem),
            _ => refuse(records, &actor, &file, problem).await,
        };
    }
    let now = records.clock.now();
    let list_due = records
        .db
        .write(async |tx| {
            absences::lock(tx, file.batch_id).await?;
            if !store::complete_file(tx, file.id, now).await? {
                tx.mark_recorded();
                return Ok(false);
            }
            record(tx, &actor, Change::new("batch.complete", "batch", file.batch_id).with(json!({ "round": file.round })), now).await?;
            enqueue_due(tx, file.batch_id, now).await
        })
        .await?;
    if list_due {
        records.wake.notify_one();
    }
    if records.ingest.spool_keep_days == 0 {
        // What is loaded is in the database; the upload is not needed any more.
        records.spool.remove(file.id).await;
    }
    Ok(Outcome::Done)
}

async fn refuse(records: &Records, actor: &Actor, file: &FileToLoad, problem: Problem) -> Result<Outcome> {
    let now = records.clock.now();
    let body = problem_json(&problem);
    let list_due = records
        .db
        .write(async |tx| {
            absences::lock(tx, file.batch_id).await?;
            store::refuse_file(tx, file.id, body, now).await?;
            let detail = json!({ "round": file.round, "code": problem.code() });
            record(tx, actor, Change::new("batch.refuse", "batch", file.batch_id).with(detail), now).await?;
            enqueue_due(tx, file.batch_id, now).await
        })
        .await?;
    if list_due {
        records.wake.notify_one();
    }
    if records.ingest.spool_keep_days == 0 {
        records.spool.remove(file.id).await;
    }
    Ok(Outcome::Done)
}

/// A problem as a job's result shows it.
fn problem_json(problem: &Problem) -> Value {
    let mut body = json!({ "code": problem.code(), "messages": { "zh": problem.of.zh, "en": problem.of.en } });
    if let Some(map) = body.as_object_mut() {
        map.extend(problem.details.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    storable_json(&mut body);
    body
}

async fn count_rows(load: &Load, basis: &crate::check::Basis) -> Result<i64> {
    let (upload, shape, header, ignore) = (load.upload.clone(), load.shape.clone(), load.header.clone(), load.ignore.clone());
    let (item, feed, limits, round) = (std::sync::Arc::clone(&basis.item), basis.feed.clone(), basis.settings.clone(), load.file.round);
    tokio::task::spawn_blocking(move || {
        let feed = item.item.feed(&feed).ok_or_else(|| Problem::internal("feed vanished"))?;
        let headers = Headers::of(&item.item, feed, &ignore);
        let mut returned = Returned::default();
        let mut hold = |row: decode::Row<'_>| if round > 1 { returned.row(&row).map(drop) } else { Ok(()) };
        decode::decode(&upload, &shape, &header, &headers, &limits, &mut hold).and_then(|n| i64::try_from(n).map_err(Problem::internal))
    })
    .await
    .map_err(Problem::internal)?
}

/// Decodes and checks from `rows_done` on. `send` returns false when nobody wants more.
fn decode_chunks(load: &Load, mut checker: Checker, rows_done: i64, chunk_rows: usize, send: &mut dyn FnMut(Chunk) -> bool) -> Result<()> {
    let item = std::sync::Arc::clone(&checker.basis().item);
    let limits = checker.basis().settings.clone();
    let feed = item.item.feed(&checker.basis().feed).ok_or_else(|| Problem::internal("feed vanished"))?;
    let headers = Headers::of(&item.item, feed, &load.ignore);
    let mut chunk = Chunk { first_row: rows_done, rows: Vec::with_capacity(chunk_rows) };
    let mut names: Arc<[String]> = checker.header().names.clone().into();
    let mut wanted = true;
    let decoded = decode::decode(&load.upload, &load.shape, &load.header, &headers, &limits, &mut |row| {
        let position = i64::try_from(row.number).unwrap_or(i64::MAX) - 1;
        if position < rows_done {
            return Ok(());
        }
        if checker.header() != row.header {
            checker.set_header(row.header.clone());
            names = row.header.names.clone().into();
        }
        let at = |target: &Target| row.header.targets.iter().position(|t| t == target).and_then(|at| row.cells.get(at));
        let returned = at(&Target::Row).and_then(|cell| cell.text().parse::<i64>().ok());
        let row_no = returned.unwrap_or(position + 1);
        let mut checked = checker.check(u64::try_from(row_no).unwrap_or(0), row.cells, row.unknown);
        let of_other_batch = at(&Target::Batch).is_some_and(|cell| Uuid::parse_str(&cell.text()).ok() != Some(load.returned_to));
        if of_other_batch || (load.file.round > 1 && returned.is_none()) {
            checked = Checked::Refused(vec![whole_issue(&MIXED_BATCHES, Severity::Error)]);
        }
        chunk.rows.push(Ready { row_no, raw: Raw::of(&names, row.cells, row.unknown), checked });
        if chunk.rows.len() >= chunk_rows {
            let next = Chunk { first_row: position + 1, rows: Vec::with_capacity(chunk_rows) };
            wanted = send(std::mem::replace(&mut chunk, next));
        }
        if wanted { Ok(()) } else { Err(Problem::internal("stopped")) }
    });
    if !wanted {
        return Ok(());
    }
    decoded?;
    if !chunk.rows.is_empty() {
        send(chunk);
    }
    Ok(())
}

fn whole_issue(problem: &'static credence_core::ProblemType, severity: Severity) -> Issue {
    Issue {
        field: String::new(),
        field_name: String::new(),
        rule: problem.code.to_owned(),
        severity,
        value: String::new(),
        message_zh: problem.zh.to_owned(),
        message_en: problem.en.to_owned(),
    }
}

/// The verdicts a file would get, with nothing stored: the same code in one transaction that is never committed. For a whole list in which every row
/// has its record, also how many records it would end.
pub(crate) async fn dry_run(
    records: &Records,
    load: Load,
    basis: crate::check::Basis,
    rows: u64,
    report: RowReport<'_>,
) -> Result<(Counts, Option<i64>)> {
    // It holds one transaction open, which others may have to wait for: so only few at a time, and none that is long.
    let _place = records.dry_runs.try_acquire().map_err(|_| Problem::new(&TOO_MANY_DRY_RUNS))?;
    if rows > records.ingest.dry_run_rows_max {
        return Err(Problem::new(&DRY_RUN_TOO_LARGE).with("rows", rows).with("limit", records.ingest.dry_run_rows_max));
    }
    let checker = Checker::new(basis, load.header.clone())?;
    let (send, mut receive) = mpsc::channel::<Chunk>(CHUNKS_AHEAD);
    let (file, item_version, today) = (load.file.clone(), load.item_version, load.today);
    let chunk_rows = records.ingest.chunk_rows;
    let decoder =
        tokio::task::spawn_blocking(move || decode_chunks(&load, checker, 0, chunk_rows, &mut |chunk| send.blocking_send(chunk).is_ok()));
    let mut connection = records.db.bulk().await?;
    let mut tx = connection.begin().await?;
    // The file and its batch exist only inside this transaction.
    store::bulk::pretend(&tx, &file, item_version, records.clock.now()).await?;
    let actor = Actor::system("dry run");
    let loading = Loading { records, file: &file, item_version, actor: &actor, today };
    let mut counts = Counts::default();
    while let Some(chunk) = receive.recv().await {
        let mut attempt = 0;
        let verdicts = loop {
            bulk::savepoint(&tx, "SAVEPOINT chunk").await?;
            // Only this transaction knows what it wrote, so nothing is seen ahead of it.
            match write_chunk(&loading, &mut tx, &chunk, Ahead::default()).await {
                Ok(written) => break written.verdicts,
                Err(problem) if bulk::is_conflict(&problem) && attempt < CONFLICTS_MAX => {
                    attempt += 1;
                    bulk::savepoint(&tx, "ROLLBACK TO SAVEPOINT chunk").await?;
                }
                Err(problem) => return Err(problem),
            }
        };
        for (row, verdict, issues) in verdicts {
            counts.add(verdict);
            report(row, verdict, issues);
        }
    }
    decoder.await.map_err(Problem::internal)??;
    let list = if file.noted_in.is_some() { absences::standing_within(&tx, file.batch_id).await? } else { None };
    let would_end = match list.filter(|list| list.is_complete() && list.noted) {
        Some(list) => Some(absences::count(&tx, &list).await?),
        None => None,
    };
    Ok((counts, would_end))
}
