//! Whole lists: what each holds, and the ending of the records it lacks.
//!
//! Whether a list may be settled changes when a file ends, when a person decides about an unmatched row, and when a batch is undone. All of these
//! take [`lock`] before they change anything and ask [`due`] at the end, and so does each step that ends records: so of two that meet, the later
//! sees what the earlier did, and none is forgotten. A load whose rows are noted takes the lock when it starts: from then on no step ends what
//! this load may find unchanged.

use crate::model::{Absences, AbsencesState};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::{Bulk, BulkTx, DbResult, Tx, from_postgres};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::StreamExt;
use std::pin::Pin;
use tokio_postgres::RowStream;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

const LOCK: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended(agency_id::text || '/' || item, 2)) FROM submission_batches WHERE id = $1";

/// A row that the credit office found to belong to nobody is refused at every push, and no record of anybody depends on it: it keeps no list from
/// being complete.
const STANDING: &str = r#"
    SELECT b.id, b.agency_id, b.item, b.created_at, b.state, b.absences_at, b.absent_ended,
           EXISTS (SELECT 1 FROM batch_files f WHERE f.batch_id = b.id AND f.round = 1 AND f.state = 'refused') AS file_refused,
           EXISTS (SELECT 1 FROM batch_files f WHERE f.batch_id = b.id AND f.round = 1 AND f.state = 'completed')
               AND NOT EXISTS (SELECT 1 FROM batch_files f WHERE f.batch_id = b.id AND f.state IN ('queued', 'loading')) AS loaded,
           EXISTS (SELECT 1 FROM batch_files f JOIN submission_batches o ON o.id = f.batch_id
                    WHERE f.state = 'loading' AND o.agency_id = b.agency_id AND o.item = b.item AND o.id <> b.id) AS loading_beside,
           (SELECT count(*) FROM quarantined_rows q
             WHERE q.batch_id = b.id AND q.resolved_at IS NULL AND NOT q.issues @> '[{"rule": "row_rejected_before"}]') AS refused,
           (SELECT count(*) FROM unmatched_rows u WHERE u.batch_id = b.id AND u.state = 'waiting') AS unmatched,
           EXISTS (SELECT 1 FROM submission_batches n JOIN batch_files f ON f.batch_id = n.id AND f.round = 1 AND f.state = 'completed'
                    WHERE n.agency_id = b.agency_id AND n.item = b.item AND n.whole AND n.state = 'open'
                      AND (n.created_at, n.id) > (b.created_at, b.id)) AS superseded,
           b.notes_dropped_at IS NULL AND EXISTS (SELECT 1 FROM snapshot_records s WHERE s.batch_id = b.id) AS noted
      FROM submission_batches b WHERE b.id = $1 AND b.whole"#;

/// Records that the list `$1` of agency `$2` and item `$3`, received at `$4`, lacks. Only what was said before the list came can be ended by it: not
/// what a newer batch brought, nor what its provider corrected since. No index serves it, as every load would have to keep one for the sake of few
/// lists: it is one scan for a list. A planner that takes versions for few, because they have only just come, looks at them anew for every batch,
/// which takes minutes; so it is asked with nested loops off.
const ABSENT: &str = "
    FROM submission_batches b JOIN record_versions v ON v.batch_id = b.id
   WHERE b.agency_id = $2 AND b.item = $3 AND (b.created_at, b.id) < ($4, $1)
     AND v.agency_id = $2 AND v.item = $3 AND v.known_to IS NULL AND v.state IN ('active', 'disputed')
     AND (v.change <> 'corrected' OR v.known_from <= $4)
     AND NOT EXISTS (SELECT 1 FROM snapshot_records s WHERE s.batch_id = $1 AND s.subject_id = v.subject_id AND s.record_id = v.record_id)";

/// How a whole list stands.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Standing {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Text)]
    pub item: String,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub absences_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    pub absent_ended: i64,
    /// Its file was refused as a whole.
    #[diesel(sql_type = Bool)]
    pub file_refused: bool,
    /// Every row of every file has a verdict.
    #[diesel(sql_type = Bool)]
    pub loaded: bool,
    /// Another file of the same agency and item is being loaded.
    #[diesel(sql_type = Bool)]
    pub loading_beside: bool,
    /// Refused rows that wait to be corrected.
    #[diesel(sql_type = BigInt)]
    pub refused: i64,
    /// Rows that wait for a person to say whose they are.
    #[diesel(sql_type = BigInt)]
    pub unmatched: i64,
    /// A newer whole list has been loaded.
    #[diesel(sql_type = Bool)]
    pub superseded: bool,
    /// What it holds is still known.
    #[diesel(sql_type = Bool)]
    pub noted: bool,
}

impl Standing {
    /// Whether every row of the list has its record.
    pub fn is_complete(&self) -> bool {
        self.refused == 0 && self.unmatched == 0
    }

    /// Whether what it lacks may be ended now.
    pub fn may_settle(&self) -> bool {
        self.state == "open" && self.loaded && !self.loading_beside && self.is_complete() && !self.superseded
    }

    /// As its batch shows it.
    pub fn view(&self) -> Absences {
        let state = match self {
            s if s.absences_at.is_some() => AbsencesState::Settled,
            s if s.state != "open" || s.file_refused => AbsencesState::Dropped,
            s if s.superseded => AbsencesState::Superseded,
            s if s.loaded && !s.is_complete() => AbsencesState::Incomplete,
            _ => AbsencesState::Pending,
        };
        Absences { state, ended: self.absent_ended, settled_at: self.absences_at, refused: self.refused, unmatched: self.unmatched }
    }
}

/// Keeps others from settling lists of the same agency and item, or from making one due, until the transaction ends. Taken before any row is.
pub(crate) async fn lock(tx: &mut Tx<'_>, batch: Uuid) -> Result<()> {
    diesel::sql_query(LOCK).bind::<SqlUuid, _>(batch).execute(tx.conn()).await.db()?;
    Ok(())
}

/// How a batch's whole list stands; none for a batch that is no whole list.
pub(crate) async fn standing(conn: &mut AsyncPgConnection, batch: Uuid) -> Result<Option<Standing>> {
    diesel::sql_query(STANDING).bind::<SqlUuid, _>(batch).get_result(conn).await.optional().db()
}

/// The same in a transaction that only pretends.
pub(crate) async fn standing_within(tx: &BulkTx<'_>, batch: Uuid) -> Result<Option<Standing>> {
    let row = tx.raw().query_opt(STANDING, &[&batch]).await.map_err(from_postgres)?;
    Ok(row.map(|r| Standing {
        id: r.get("id"),
        agency_id: r.get("agency_id"),
        item: r.get("item"),
        created_at: r.get("created_at"),
        state: r.get("state"),
        absences_at: r.get("absences_at"),
        absent_ended: r.get("absent_ended"),
        file_refused: r.get("file_refused"),
        loaded: r.get("loaded"),
        loading_beside: r.get("loading_beside"),
        refused: r.get("refused"),
        unmatched: r.get("unmatched"),
        superseded: r.get("superseded"),
        noted: r.get("noted"),
    }))
}

/// Begins a step: takes the lock and the batch, so that no undo begins meanwhile, and tells how the list stands.
pub(crate) async fn begin(tx: &BulkTx<'_>, batch: Uuid) -> Result<Option<Standing>> {
    tx.raw().query(LOCK, &[&batch]).await.map_err(from_postgres)?;
    tx.raw().query("SELECT 1 FROM submission_batches WHERE id = $1 FOR NO KEY UPDATE", &[&batch]).await.map_err(from_postgres)?;
    standing_within(tx, batch).await
}

/// The list that a change of `batch` lets be settled: the newest that is loaded, of the same agency and item. One that is settled is looked at
/// again after a change of an older batch, which may have brought what the list lacks.
pub(crate) async fn due(conn: &mut AsyncPgConnection, batch: Uuid) -> Result<Option<Uuid>> {
    #[derive(QueryableByName)]
    struct Newest {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let newest: Option<Newest> = diesel::sql_query(
        "SELECT w.id FROM submission_batches b CROSS JOIN LATERAL (
                SELECT n.id, n.created_at, n.absences_at FROM submission_batches n
                 WHERE n.agency_id = b.agency_id AND n.item = b.item AND n.whole AND n.state = 'open'
                   AND EXISTS (SELECT 1 FROM batch_files f WHERE f.batch_id = n.id AND f.round = 1 AND f.state = 'completed')
                 ORDER BY n.created_at DESC, n.id DESC LIMIT 1) w
          WHERE b.id = $1 AND (w.absences_at IS NULL OR (b.created_at, b.id) < (w.created_at, w.id))",
    )
    .bind::<SqlUuid, _>(batch)
    .get_result(conn)
    .await
    .optional()
    .db()?;
    let Some(newest) = newest else { return Ok(None) };
    Ok(standing(conn, newest.id).await?.filter(Standing::may_settle).map(|list| list.id))
}

/// The whole list in which the rows of a batch are noted: its own, or the newest that came before it, because what is pushed again after a list
/// is not absent whatever the list says.
pub(crate) async fn noted_in(conn: &mut AsyncPgConnection, batch: Uuid) -> Result<Option<Uuid>> {
    #[derive(QueryableByName)]
    struct List {
        #[diesel(sql_type = Nullable<SqlUuid>)]
        id: Option<Uuid>,
    }
    let list: Option<List> = diesel::sql_query(
        "SELECT CASE WHEN b.whole THEN b.id ELSE (
                SELECT CASE WHEN n.notes_dropped_at IS NULL THEN n.id END FROM submission_batches n
                 WHERE n.agency_id = b.agency_id AND n.item = b.item AND n.whole AND n.state = 'open'
                   AND (n.created_at, n.id) < (b.created_at, b.id)
                 ORDER BY n.created_at DESC, n.id DESC LIMIT 1) END AS id
           FROM submission_batches b WHERE b.id = $1",
    )
    .bind::<SqlUuid, _>(batch)
    .get_result(conn)
    .await
    .optional()
    .db()?;
    Ok(list.and_then(|l| l.id))
}

/// A whole list that was settled.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(crate) struct Settled {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// The newest settled list that came after a batch, when it lacks a record (subject, record) of that batch; none when the record is in it or in a newer
/// one, its provider corrected the record since, or nobody can say what the list held.
pub(crate) async fn settled_without(conn: &mut AsyncPgConnection, batch: Uuid, (subject, record): (Uuid, Uuid)) -> Result<Option<Settled>> {
    diesel::sql_query(
        "SELECT w.id, w.created_at FROM submission_batches b CROSS JOIN LATERAL (
                SELECT n.id, n.created_at, n.notes_dropped_at FROM submission_batches n
                 WHERE n.agency_id = b.agency_id AND n.item = b.item AND n.whole AND n.state = 'open' AND n.absences_at IS NOT NULL
                   AND (n.created_at, n.id) > (b.created_at, b.id)
                 ORDER BY n.created_at DESC, n.id DESC LIMIT 1) w
          WHERE b.id = $1 AND w.notes_dropped_at IS NULL AND EXISTS (SELECT 1 FROM snapshot_records s WHERE s.batch_id = w.id)
            AND NOT EXISTS (SELECT 1 FROM snapshot_records s WHERE s.batch_id = w.id AND s.subject_id = $2 AND s.record_id = $3)
            AND NOT EXISTS (SELECT 1 FROM snapshot_records s JOIN submission_batches m ON m.id = s.batch_id
                             WHERE s.subject_id = $2 AND s.record_id = $3 AND m.agency_id = b.agency_id AND m.item = b.item AND m.state = 'open'
                               AND (m.created_at, m.id) > (w.created_at, w.id))
            AND NOT EXISTS (SELECT 1 FROM record_versions c
                             WHERE c.subject_id = $2 AND c.record_id = $3 AND c.change = 'corrected' AND c.known_from > w.created_at)",
    )
    .bind::<SqlUuid, _>(batch)
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(record)
    .get_result(conn)
    .await
    .optional()
    .db()
}

/// Notes one record in a list.
pub(crate) async fn note(tx: &mut Tx<'_>, list: Uuid, subject: Uuid, record: Uuid) -> Result<()> {
    diesel::sql_query("INSERT INTO snapshot_records (batch_id, subject_id, record_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind::<SqlUuid, _>(list)
        .bind::<SqlUuid, _>(subject)
        .bind::<SqlUuid, _>(record)
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// How many records a list lacks.
pub(crate) async fn count(tx: &BulkTx<'_>, list: &Standing) -> Result<i64> {
    let statement = format!("SELECT count(*) {ABSENT}");
    tx.raw().batch_execute("SET LOCAL enable_nestloop = off").await.map_err(from_postgres)?;
    let row =
        tx.raw().query_one(statement.as_str(), &[&list.id, &list.agency_id, &list.item, &list.created_at]).await.map_err(from_postgres)?;
    tx.raw().batch_execute("SET LOCAL enable_nestloop = DEFAULT").await.map_err(from_postgres)?;
    Ok(row.get(0))
}

/// The records a list lacks, as they are found: however many there are, few are in memory.
pub(crate) struct Absent {
    rows: Pin<Box<RowStream>>,
}

impl Absent {
    /// Begins to look for them, on a connection that does nothing else.
    pub async fn look(connection: &Bulk, list: &Standing) -> Result<Self> {
        let statement = format!("SELECT v.subject_id, v.id {ABSENT}");
        connection.client().batch_execute("SET enable_nestloop = off").await.map_err(from_postgres)?;
        let parameters: [&(dyn ToSql + Sync); 4] = [&list.id, &list.agency_id, &list.item, &list.created_at];
        let rows = connection.client().query_raw(statement.as_str(), parameters).await.map_err(from_postgres)?;
        Ok(Self { rows: Box::pin(rows) })
    }

    /// Subjects and present versions of the next ones, as many as `most`, fewer only when there are no more.
    pub async fn next(&mut self, most: usize) -> Result<(Vec<Uuid>, Vec<Uuid>)> {
        let (mut subjects, mut versions) = (Vec::new(), Vec::new());
        while versions.len() < most
            && let Some(row) = self.rows.next().await
        {
            let row = row.map_err(from_postgres)?;
            subjects.push(row.get(0));
            versions.push(row.get(1));
        }
        Ok((subjects, versions))
    }
}

/// Which records a step ends, and how.
pub(crate) struct Ending<'e> {
    pub list: &'e Standing,
    pub subjects: &'e [Uuid],
    pub versions: &'e [Uuid],
    pub reason: &'e str,
    /// Last day the records hold, unless they have an earlier one.
    pub last_day: NaiveDate,
    pub now: DateTime<Utc>,
}

/// Ends records that the list was found to lack, those left alone that changed, or came to be noted, since they were found. How many it ended. An
/// ended record has a hash of its own, so that the row that comes back is never taken for unchanged.
pub(crate) async fn end(tx: &BulkTx<'_>, ending: &Ending<'_>) -> Result<i64> {
    let &Ending { list, subjects, versions, reason, last_day, now } = ending;
    if versions.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = versions.iter().map(|_| Uuid::now_v7()).collect();
    // Nothing but looks at keys: see `bulk::close`.
    tx.raw().batch_execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off").await.map_err(from_postgres)?;
    let row = tx
        .raw()
        .query_one(
            "WITH closed AS (
                 UPDATE record_versions v SET known_to = greatest($5::timestamptz, v.known_from)
                   FROM unnest($2::uuid[], $3::uuid[]) AS k (subject_id, id)
                  WHERE v.subject_id = k.subject_id AND v.id = k.id AND v.known_to IS NULL AND NOT EXISTS (
                        SELECT 1 FROM snapshot_records s WHERE s.batch_id = $1 AND s.subject_id = v.subject_id AND s.record_id = v.record_id)
              RETURNING v.*),
             written AS (
                 INSERT INTO record_versions (subject_id, id, record_id, item, item_version, business_key, content_hash, data, sealed, state, change,
                        reason, decided_on, valid_from, valid_to, public_until, late, late_rule, warnings, agency_id, batch_id, row_no, known_from)
                 SELECT c.subject_id, ($4::uuid[])[(row_number() OVER ())::integer], c.record_id, c.item, c.item_version, c.business_key,
                        gen_random_uuid(), c.data, c.sealed, 'ended', 'absent', $6::text, c.decided_on, c.valid_from,
                        least(c.valid_to, $7::date), c.public_until, c.late, c.late_rule, c.warnings, c.agency_id, $1, 0, c.known_to
                   FROM closed c
              RETURNING 1),
             counted AS (SELECT count(*) AS ended FROM written),
             added AS (
                 UPDATE submission_batches b SET absent_ended = b.absent_ended + n.ended FROM counted n WHERE b.id = $1 AND n.ended > 0)
             SELECT ended FROM counted",
            &[&list.id, &subjects, &versions, &ids, &now, &reason, &last_day],
        )
        .await
        .map_err(from_postgres)?;
    tx.raw().batch_execute("SET LOCAL enable_hashjoin = DEFAULT; SET LOCAL enable_mergejoin = DEFAULT").await.map_err(from_postgres)?;
    Ok(row.get(0))
}

/// The list is settled. What older lists held is not asked for any more; what this one holds is, should an older batch bring something late.
pub(crate) async fn settle(tx: &BulkTx<'_>, list: &Standing, now: DateTime<Utc>) -> Result<()> {
    tx.raw()
        .execute("UPDATE submission_batches SET absences_at = coalesce(absences_at, $2) WHERE id = $1", &[&list.id, &now])
        .await
        .map_err(from_postgres)?;
    tx.raw()
        .execute(
            "WITH older AS (
                 UPDATE submission_batches b SET notes_dropped_at = $5
                  WHERE b.agency_id = $2 AND b.item = $3 AND b.whole AND b.notes_dropped_at IS NULL AND (b.created_at, b.id) < ($4, $1)
              RETURNING b.id)
             DELETE FROM snapshot_records s USING older WHERE s.batch_id = older.id",
            &[&list.id, &list.agency_id, &list.item, &list.created_at, &now],
        )
        .await
        .map_err(from_postgres)?;
    Ok(())
}
