//! Every SQL statement about batches, quarantine and record versions: [`bulk`] for chunks, [`versions`] for single records, [`absences`] for what
//! whole lists lack, [`marks`] for what stands beside records, the rest here.

pub(crate) mod absences;
pub(crate) mod bulk;
pub(crate) mod marks;
pub(crate) mod versions;

use crate::model::{Batch, BatchFile, Counts, Issue};
use chrono::{DateTime, Utc};
use credence_core::Actor;
use credence_core::problem::{Problem, Result};
use credence_db::schema::{batch_chunks, batch_files, quarantined_rows, submission_batches, unmatched_rows};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// A batch to be.
pub(crate) struct NewBatch<'a> {
    pub id: Uuid,
    pub agency_id: Uuid,
    pub item: &'a str,
    pub item_version: i32,
    pub feed: &'a str,
    pub submitted_by: &'a str,
    /// Its first file is the whole list.
    pub whole: bool,
}

/// A file to be.
pub(crate) struct NewFile<'a> {
    pub id: Uuid,
    pub batch_id: Uuid,
    pub round: i32,
    pub file_name: &'a str,
    pub format: &'a str,
    pub encoding: Option<&'a str>,
    pub sha256: &'a [u8],
    pub size_bytes: i64,
    pub header: Value,
}

pub(crate) async fn insert_batch(tx: &mut Tx<'_>, new: &NewBatch<'_>, now: DateTime<Utc>) -> Result<()> {
    diesel::insert_into(submission_batches::table)
        .values((
            submission_batches::id.eq(new.id),
            submission_batches::agency_id.eq(new.agency_id),
            submission_batches::item.eq(new.item),
            submission_batches::item_version.eq(new.item_version),
            submission_batches::feed.eq(new.feed),
            submission_batches::state.eq("open"),
            submission_batches::submitted_by.eq(new.submitted_by),
            submission_batches::created_at.eq(now),
            submission_batches::whole.eq(new.whole),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

pub(crate) async fn insert_file(tx: &mut Tx<'_>, new: &NewFile<'_>, now: DateTime<Utc>) -> Result<()> {
    diesel::insert_into(batch_files::table)
        .values((
            batch_files::id.eq(new.id),
            batch_files::batch_id.eq(new.batch_id),
            batch_files::round.eq(new.round),
            batch_files::state.eq("queued"),
            batch_files::file_name.eq(new.file_name),
            batch_files::format.eq(new.format),
            batch_files::encoding.eq(new.encoding),
            batch_files::body_sha256.eq(new.sha256),
            batch_files::size_bytes.eq(new.size_bytes),
            batch_files::header.eq(&new.header),
            batch_files::received_at.eq(now),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// Files of an agency that wait or load, counted under a lock so that two uploads at once cannot both take the last place.
pub(crate) async fn open_files(tx: &mut Tx<'_>, agency: Uuid) -> Result<i64> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))")
        .bind::<diesel::sql_types::Text, _>(agency.to_string())
        .execute(tx.conn())
        .await
        .db()?;
    batch_files::table
        .inner_join(submission_batches::table.on(submission_batches::id.eq(batch_files::batch_id)))
        .filter(submission_batches::agency_id.eq(agency))
        .filter(batch_files::state.eq_any(["queued", "loading"]))
        .count()
        .get_result(tx.conn())
        .await
        .db()
}

/// What makes a file the same as one before.
pub(crate) struct Same<'a> {
    pub agency: Uuid,
    pub item: &'a str,
    pub feed: &'a str,
    pub sha256: &'a [u8],
    pub encoding: Option<&'a str>,
    /// Its recognised header, what the sender wants left out, and the regions of the sender's key.
    pub header: &'a Value,
    pub whole: bool,
}

/// The batch of the very same file, read in the very same way, when it is the last that this agency pushed under the item and form, and was
/// neither refused nor undone. After another file the old one may say something new again. A whole list that is settled and comes again is a
/// statement of another moment: it shows that the list is still the same.
pub(crate) async fn same_file(tx: &mut Tx<'_>, same: &Same<'_>) -> Result<Option<Uuid>> {
    type Last = ((Uuid, Vec<u8>, Option<String>, Value, String), (String, bool, Option<DateTime<Utc>>));
    let last: Option<Last> = batch_files::table
        .inner_join(submission_batches::table.on(submission_batches::id.eq(batch_files::batch_id)))
        .filter(submission_batches::agency_id.eq(same.agency))
        .filter(submission_batches::item.eq(same.item))
        .filter(submission_batches::feed.eq(same.feed))
        .order(batch_files::id.desc())
        .select((
            (submission_batches::id, batch_files::body_sha256, batch_files::encoding, batch_files::header, batch_files::state),
            (submission_batches::state, submission_batches::whole, submission_batches::absences_at),
        ))
        .first(tx.conn())
        .await
        .optional()
        .db()?;
    Ok(last
        .filter(|((_, hash, encoding, header, file), (batch, whole, settled))| {
            let as_whole = *whole == same.whole && settled.is_none();
            let read_alike = hash == same.sha256 && encoding.as_deref() == same.encoding && header == same.header;
            as_whole && read_alike && file != "refused" && batch == "open"
        })
        .map(|((id, ..), _)| id))
}

/// Locks a batch: its agency, item, form, state, whether it is a whole list, and highest round.
pub(crate) struct LockedBatch {
    pub agency_id: Uuid,
    pub item: String,
    pub feed: String,
    pub state: String,
    pub whole: bool,
    pub rounds: i32,
    pub busy: bool,
}

pub(crate) async fn lock_batch(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<LockedBatch>> {
    type Row = (Uuid, String, String, String, bool);
    let row: Option<Row> = submission_batches::table
        .find(id)
        .for_update()
        .select((
            submission_batches::agency_id,
            submission_batches::item,
            submission_batches::feed,
            submission_batches::state,
            submission_batches::whole,
        ))
        .first(tx.conn())
        .await
        .optional()
        .db()?;
    let Some((agency_id, item, feed, state, whole)) = row else { return Ok(None) };
    let files: Vec<(i32, String)> = batch_files::table
        .filter(batch_files::batch_id.eq(id))
        .select((batch_files::round, batch_files::state))
        .load(tx.conn())
        .await
        .db()?;
    let rounds = files.iter().map(|(round, _)| *round).max().unwrap_or(0);
    let busy = files.iter().any(|(_, state)| state == "queued" || state == "loading");
    Ok(Some(LockedBatch { agency_id, item, feed, state, whole, rounds, busy }))
}

/// A file with what loading needs to know of its batch.
#[derive(Debug, Clone)]
pub(crate) struct FileToLoad {
    pub id: Uuid,
    pub batch_id: Uuid,
    pub round: i32,
    pub state: String,
    pub format: String,
    pub encoding: Option<String>,
    pub header: Value,
    pub rows_done: i64,
    pub received_at: DateTime<Utc>,
    pub agency_id: Uuid,
    pub item: String,
    pub feed: String,
    pub submitted_by: String,
    /// The whole list in which its rows are noted.
    pub noted_in: Option<Uuid>,
}

pub(crate) async fn file_to_load(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<FileToLoad>> {
    type File = (Uuid, i32, String, String, Option<String>, Value, i64, DateTime<Utc>);
    type Of = (Uuid, String, String, String);
    let row: Option<(File, Of)> = batch_files::table
        .inner_join(submission_batches::table.on(submission_batches::id.eq(batch_files::batch_id)))
        .filter(batch_files::id.eq(id))
        .select((
            (
                batch_files::batch_id,
                batch_files::round,
                batch_files::state,
                batch_files::format,
                batch_files::encoding,
                batch_files::header,
                batch_files::rows_done,
                batch_files::received_at,
            ),
            (submission_batches::agency_id, submission_batches::item, submission_batches::feed, submission_batches::submitted_by),
        ))
        .first(conn)
        .await
        .optional()
        .db()?;
    let Some(((batch_id, round, state, format, encoding, header, rows_done, received_at), of)) = row else { return Ok(None) };
    let (agency_id, item, feed, submitted_by) = of;
    let noted_in = absences::noted_in(conn, batch_id).await?;
    Ok(Some(FileToLoad {
        id,
        batch_id,
        round,
        state,
        format,
        encoding,
        header,
        rows_done,
        received_at,
        agency_id,
        item,
        feed,
        submitted_by,
        noted_in,
    }))
}

/// `queued` becomes `loading` and gets its number of rows; a file that loads already stays as it is.
pub(crate) async fn start_file(tx: &mut Tx<'_>, id: Uuid, rows_total: i64, now: DateTime<Utc>) -> Result<bool> {
    let rows = diesel::update(batch_files::table.find(id).filter(batch_files::state.eq("queued")))
        .set((batch_files::state.eq("loading"), batch_files::rows_total.eq(rows_total), batch_files::started_at.eq(now)))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(rows == 1)
}

pub(crate) async fn complete_file(tx: &mut Tx<'_>, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let rows = diesel::update(
        batch_files::table
            .find(id)
            .filter(batch_files::state.eq("loading"))
            .filter(batch_files::rows_total.eq(batch_files::rows_done.nullable())),
    )
    .set((batch_files::state.eq("completed"), batch_files::finished_at.eq(now)))
    .execute(tx.conn())
    .await
    .db()?;
    Ok(rows == 1)
}

pub(crate) async fn refuse_file(tx: &mut Tx<'_>, id: Uuid, problem: Value, now: DateTime<Utc>) -> Result<bool> {
    let rows = diesel::update(batch_files::table.find(id).filter(batch_files::state.eq_any(["queued", "loading"])))
        .set((batch_files::state.eq("refused"), batch_files::problem.eq(problem), batch_files::finished_at.eq(now)))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(rows == 1)
}

type FileRow = (
    (i32, String, String, String, Option<String>, Vec<u8>, i64, Option<i64>, i64),
    (i64, i64, i64, i64, i64, i64, i64),
    (Option<Value>, DateTime<Utc>, Option<DateTime<Utc>>, Option<DateTime<Utc>>),
);

#[expect(clippy::cast_precision_loss, reason = "speeds are for people")]
fn batch_file(row: FileRow, now: DateTime<Utc>) -> BatchFile {
    let ((round, state, file_name, format, encoding, sha256, size_bytes, rows_total, rows_done), counts, times) = row;
    let (accepted, accepted_with_warnings, unchanged, new_version, refused, unmatched, late) = counts;
    let (problem, received_at, started_at, finished_at) = times;
    let seconds = started_at.map(|from| (finished_at.unwrap_or(now) - from).num_milliseconds() as f64 / 1000.0).filter(|s| *s > 0.0);
    let rows_per_second = seconds.map(|s| (rows_done as f64 / s).round());
    let left = rows_total.filter(|_| state == "loading").map(|total| (total - rows_done) as f64);
    let eta_seconds = left.zip(rows_per_second.filter(|s| *s > 0.0)).map(|(left, speed)| (left / speed).ceil());
    BatchFile {
        round,
        state,
        file_name,
        format,
        encoding,
        sha256: hex::encode(sha256),
        size_bytes,
        rows_total,
        rows_done,
        counts: Counts { accepted, accepted_with_warnings, unchanged, new_version, refused, unmatched, late },
        rows_per_second,
        eta_seconds,
        problem,
        received_at,
        finished_at,
    }
}

/// A batch with its files.
pub(crate) async fn batch(conn: &mut AsyncPgConnection, id: Uuid, now: DateTime<Utc>) -> Result<Option<Batch>> {
    type Row = (Uuid, String, i32, String, String, DateTime<Utc>, Option<String>, bool);
    let row: Option<Row> = submission_batches::table
        .find(id)
        .select((
            submission_batches::agency_id,
            submission_batches::item,
            submission_batches::item_version,
            submission_batches::feed,
            submission_batches::state,
            submission_batches::created_at,
            submission_batches::undo_reason,
            submission_batches::whole,
        ))
        .first(conn)
        .await
        .optional()
        .db()?;
    let Some((agency_id, item, item_version, feed, state, created_at, undo_reason, whole)) = row else { return Ok(None) };
    let files: Vec<FileRow> = batch_files::table
        .filter(batch_files::batch_id.eq(id))
        .order(batch_files::round)
        .select((
            (
                batch_files::round,
                batch_files::state,
                batch_files::file_name,
                batch_files::format,
                batch_files::encoding,
                batch_files::body_sha256,
                batch_files::size_bytes,
                batch_files::rows_total,
                batch_files::rows_done,
            ),
            (
                batch_files::accepted,
                batch_files::warned,
                batch_files::unchanged,
                batch_files::versioned,
                batch_files::refused,
                batch_files::unmatched,
                batch_files::late,
            ),
            (batch_files::problem, batch_files::received_at, batch_files::started_at, batch_files::finished_at),
        ))
        .load(conn)
        .await
        .db()?;
    let files: Vec<BatchFile> = files.into_iter().map(|row| batch_file(row, now)).collect();
    let in_quarantine: i64 = quarantined_rows::table
        .filter(quarantined_rows::batch_id.eq(id))
        .filter(quarantined_rows::resolved_at.is_null())
        .count()
        .get_result(conn)
        .await
        .db()?;
    let absences = if whole { absences::standing(conn, id).await?.map(|list| list.view()) } else { None };
    let mut counts = Counts::default();
    for file in &files {
        counts.accepted += file.counts.accepted;
        counts.accepted_with_warnings += file.counts.accepted_with_warnings;
        counts.unchanged += file.counts.unchanged;
        counts.new_version += file.counts.new_version;
        counts.unmatched += file.counts.unmatched;
        counts.late += file.counts.late;
    }
    // A row refused and brought back counts where it ended.
    counts.refused = in_quarantine;
    Ok(Some(Batch {
        id,
        agency_id,
        item,
        item_version,
        feed,
        state,
        whole,
        absences,
        created_at,
        counts,
        in_quarantine,
        files,
        undo_reason,
    }))
}

/// Ids of batches, newest first; of one agency or of all.
pub(crate) async fn batch_ids(conn: &mut AsyncPgConnection, agency: Option<Uuid>, before: Option<Uuid>, limit: i64) -> Result<Vec<Uuid>> {
    let mut query = submission_batches::table.select(submission_batches::id).order(submission_batches::id.desc()).limit(limit).into_boxed();
    if let Some(agency) = agency {
        query = query.filter(submission_batches::agency_id.eq(agency));
    }
    if let Some(before) = before {
        query = query.filter(submission_batches::id.lt(before));
    }
    query.load(conn).await.db()
}

/// Verdict letters of a batch's first file (or another round), from a row on.
pub(crate) async fn verdicts(conn: &mut AsyncPgConnection, batch: Uuid, round: i32, from: i64) -> Result<Vec<(i64, u8)>> {
    let chunks: Vec<(i64, Vec<u8>)> = batch_chunks::table
        .inner_join(batch_files::table.on(batch_files::id.eq(batch_chunks::file_id)))
        .filter(batch_files::batch_id.eq(batch))
        .filter(batch_files::round.eq(round))
        .order(batch_chunks::first_row)
        .select((batch_chunks::first_row, batch_chunks::verdicts))
        .load(conn)
        .await
        .db()?;
    Ok(chunks
        .into_iter()
        .flat_map(|(first, letters)| {
            letters.into_iter().enumerate().map(move |(at, letter)| (first + i64::try_from(at).unwrap_or(0) + 1, letter))
        })
        .skip_while(|(row, _)| *row <= from)
        .collect())
}

/// A refused row as stored.
pub(crate) struct QuarantinedRow {
    pub row_no: i64,
    pub round: i32,
    pub issues: Vec<Issue>,
    pub sealed_row: Vec<u8>,
}

/// Rows that wait in quarantine, in order.
pub(crate) async fn quarantined(conn: &mut AsyncPgConnection, batch: Uuid, after: i64, limit: i64) -> Result<Vec<QuarantinedRow>> {
    let rows: Vec<(i64, i32, Value, Vec<u8>)> = quarantined_rows::table
        .filter(quarantined_rows::batch_id.eq(batch))
        .filter(quarantined_rows::resolved_at.is_null())
        .filter(quarantined_rows::row_no.gt(after))
        .order(quarantined_rows::row_no)
        .limit(limit)
        .select((quarantined_rows::row_no, quarantined_rows::round, quarantined_rows::issues, quarantined_rows::sealed_row))
        .load(conn)
        .await
        .db()?;
    rows.into_iter()
        .map(|(row_no, round, issues, sealed_row)| {
            let issues = serde_json::from_value(issues).map_err(Problem::internal)?;
            Ok(QuarantinedRow { row_no, round, issues, sealed_row })
        })
        .collect()
}

/// Warnings kept with the records of a batch's rows.
pub(crate) async fn row_warnings(conn: &mut AsyncPgConnection, batch: Uuid, from: i64, to: i64) -> Result<Vec<(i64, Value)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        row_no: i64,
        #[diesel(sql_type = diesel::sql_types::Jsonb)]
        warnings: Value,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "SELECT row_no, warnings FROM record_versions WHERE batch_id = $1 AND row_no > $2 AND row_no <= $3 AND warnings IS NOT NULL AND change = 'loaded'",
    )
    .bind::<diesel::sql_types::Uuid, _>(batch)
    .bind::<diesel::sql_types::BigInt, _>(from)
    .bind::<diesel::sql_types::BigInt, _>(to)
    .load(conn)
    .await
    .db()?;
    Ok(rows.into_iter().map(|r| (r.row_no, r.warnings)).collect())
}

/// Whether a batch lies within the regions of the actor's key. A key without regions covers all; one with regions covers what was pushed under
/// those regions or fewer.
pub(crate) async fn covered(conn: &mut AsyncPgConnection, actor: &Actor, batch: Uuid) -> Result<bool> {
    let Some(regions) = &actor.regions else { return Ok(true) };
    let headers: Vec<Value> =
        batch_files::table.filter(batch_files::batch_id.eq(batch)).select(batch_files::header).load(conn).await.db()?;
    let within = |header: &Value| {
        let pushed_under = header.get("regions").and_then(Value::as_array);
        pushed_under.is_some_and(|list| list.iter().all(|r| r.as_str().is_some_and(|r| regions.iter().any(|own| own == r))))
    };
    Ok(headers.iter().all(within))
}

pub(crate) async fn begin_undo(tx: &mut Tx<'_>, batch: Uuid, reason: &str) -> Result<bool> {
    let rows = diesel::update(submission_batches::table.find(batch).filter(submission_batches::state.eq("open")))
        .set((submission_batches::state.eq("undoing"), submission_batches::undo_reason.eq(reason)))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(rows == 1)
}

/// An unmatched row as stored.
pub(crate) struct UnmatchedRow {
    pub id: Uuid,
    pub batch_id: Uuid,
    pub row_no: i64,
    pub agency_id: Uuid,
    pub item: String,
    pub subject_name: String,
    pub hints: Value,
    pub sealed_row: Vec<u8>,
    pub state: String,
    pub created_at: DateTime<Utc>,
}

type UnmatchedColumns = (Uuid, Uuid, i64, Uuid, String, String, Value, Vec<u8>, String, DateTime<Utc>);

fn unmatched_row(row: UnmatchedColumns) -> UnmatchedRow {
    let (id, batch_id, row_no, agency_id, item, subject_name, hints, sealed_row, state, created_at) = row;
    UnmatchedRow { id, batch_id, row_no, agency_id, item, subject_name, hints, sealed_row, state, created_at }
}

macro_rules! unmatched_columns {
    () => {
        (
            unmatched_rows::id,
            unmatched_rows::batch_id,
            unmatched_rows::row_no,
            unmatched_rows::agency_id,
            unmatched_rows::item,
            unmatched_rows::subject_name,
            unmatched_rows::hints,
            unmatched_rows::sealed_row,
            unmatched_rows::state,
            unmatched_rows::created_at,
        )
    };
}

pub(crate) async fn waiting_unmatched(conn: &mut AsyncPgConnection, after: Option<Uuid>, limit: i64) -> Result<Vec<UnmatchedRow>> {
    let mut query = unmatched_rows::table
        .filter(unmatched_rows::state.eq("waiting"))
        .order(unmatched_rows::id)
        .limit(limit)
        .select(unmatched_columns!())
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(unmatched_rows::id.gt(after));
    }
    let rows: Vec<UnmatchedColumns> = query.load(conn).await.db()?;
    Ok(rows.into_iter().map(unmatched_row).collect())
}

/// The batch an unmatched row came with.
pub(crate) async fn batch_of_unmatched(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<Uuid>> {
    unmatched_rows::table.find(id).select(unmatched_rows::batch_id).first(tx.conn()).await.optional().db()
}

pub(crate) async fn lock_unmatched(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<UnmatchedRow>> {
    let row: Option<UnmatchedColumns> =
        unmatched_rows::table.find(id).for_update().select(unmatched_columns!()).first(tx.conn()).await.optional().db()?;
    Ok(row.map(unmatched_row))
}

pub(crate) async fn decide_unmatched(
    tx: &mut Tx<'_>,
    id: Uuid,
    state: &str,
    subject: Option<Uuid>,
    reason: &str,
    by: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    diesel::update(unmatched_rows::table.find(id).filter(unmatched_rows::state.eq("waiting")))
        .set((
            unmatched_rows::state.eq(state),
            unmatched_rows::subject_id.eq(subject),
            unmatched_rows::reason.eq(reason),
            unmatched_rows::decided_by.eq(by),
            unmatched_rows::decided_at.eq(now),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// Of these files those that are not ended, or ended after an instant.
pub(crate) async fn files_still_needed(conn: &mut AsyncPgConnection, ids: &[Uuid], ended_after: DateTime<Utc>) -> Result<Vec<Uuid>> {
    batch_files::table
        .filter(batch_files::id.eq_any(ids.to_vec()))
        .filter(batch_files::finished_at.is_null().or(batch_files::finished_at.ge(ended_after)))
        .select(batch_files::id)
        .load(conn)
        .await
        .db()
}
