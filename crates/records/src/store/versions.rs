//! Versions of single records, and the undoing of batches.

use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::schema::{record_versions as v, submission_batches as b};
use credence_db::{BulkTx, DbResult, Tx, from_postgres};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// One version, whole.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = v)]
pub(crate) struct Version {
    pub subject_id: Uuid,
    pub id: Uuid,
    pub record_id: Uuid,
    pub item: String,
    pub item_version: i32,
    pub business_key: Uuid,
    pub content_hash: Uuid,
    pub data: Value,
    pub sealed: Option<Vec<u8>>,
    pub state: String,
    pub change: String,
    pub reason: Option<String>,
    pub decided_on: Option<NaiveDate>,
    pub valid_from: Option<NaiveDate>,
    pub valid_to: Option<NaiveDate>,
    pub public_until: Option<NaiveDate>,
    pub late: bool,
    pub late_rule: Option<String>,
    pub warnings: Option<Value>,
    pub agency_id: Uuid,
    pub batch_id: Uuid,
    pub row_no: i64,
    pub known_from: DateTime<Utc>,
    pub known_to: Option<DateTime<Utc>>,
}

/// Times a present version is looked for again after it was replaced between being found and being locked.
const LOOKS_MAX: usize = 20;

/// The present version of a record, locked until the transaction ends.
pub(crate) async fn lock_present(tx: &mut Tx<'_>, subject: Uuid, record: Uuid) -> Result<Option<Version>> {
    for _ in 0..LOOKS_MAX {
        let present = v::table.filter(v::subject_id.eq(subject)).filter(v::record_id.eq(record)).filter(v::known_to.is_null());
        let found = present.for_update().select(Version::as_select()).first(tx.conn()).await.optional().db()?;
        // Whoever waited for the lock and finds the version replaced sees none; a fresh look sees the one that took its place.
        let any = v::table.filter(v::subject_id.eq(subject)).filter(v::record_id.eq(record));
        if found.is_some() || !diesel::select(diesel::dsl::exists(any)).get_result(tx.conn()).await.db()? {
            return Ok(found);
        }
    }
    Err(super::bulk::conflict())
}

/// The batch of the present version of a record.
pub(crate) async fn batch_of(conn: &mut AsyncPgConnection, subject: Uuid, record: Uuid) -> Result<Option<Uuid>> {
    v::table
        .filter(v::subject_id.eq(subject))
        .filter(v::record_id.eq(record))
        .filter(v::known_to.is_null())
        .select(v::batch_id)
        .first(conn)
        .await
        .optional()
        .db()
}

/// The present version with a business key, locked.
pub(crate) async fn lock_by_key(tx: &mut Tx<'_>, subject: Uuid, key: Uuid) -> Result<Option<Version>> {
    for _ in 0..LOOKS_MAX {
        let present = v::table.filter(v::subject_id.eq(subject)).filter(v::business_key.eq(key)).filter(v::known_to.is_null());
        let found = present.for_update().select(Version::as_select()).first(tx.conn()).await.optional().db()?;
        let any = v::table.filter(v::subject_id.eq(subject)).filter(v::business_key.eq(key));
        if found.is_some() || !diesel::select(diesel::dsl::exists(any)).get_result(tx.conn()).await.db()? {
            return Ok(found);
        }
    }
    Err(super::bulk::conflict())
}

/// Every version of a record, oldest first.
pub(crate) async fn history(conn: &mut AsyncPgConnection, subject: Uuid, record: Uuid) -> Result<Vec<Version>> {
    v::table
        .filter(v::subject_id.eq(subject))
        .filter(v::record_id.eq(record))
        .order((v::known_from, v::id))
        .select(Version::as_select())
        .load(conn)
        .await
        .db()
}

/// Every version about a subject under an item, oldest first, each with whether its batch was undone.
pub(crate) async fn of_item(conn: &mut AsyncPgConnection, subject: Uuid, item: &str) -> Result<Vec<(Version, bool)>> {
    let rows: Vec<(Version, String)> = v::table
        .inner_join(b::table.on(b::id.eq(v::batch_id)))
        .filter(v::subject_id.eq(subject))
        .filter(v::item.eq(item))
        .order((v::known_from, v::id))
        .select((Version::as_select(), b::state))
        .load(conn)
        .await
        .db()?;
    Ok(rows.into_iter().map(|(version, state)| (version, state != "open")).collect())
}

/// The newest present version about a subject under any other item.
pub(crate) async fn newest_of_others(conn: &mut AsyncPgConnection, subject: Uuid, item: &str) -> Result<Option<Version>> {
    v::table
        .filter(v::subject_id.eq(subject))
        .filter(v::item.ne(item))
        .filter(v::known_to.is_null())
        .filter(v::state.ne("withdrawn"))
        .order((v::known_from.desc(), v::id.desc()))
        .select(Version::as_select())
        .first(conn)
        .await
        .optional()
        .db()
}

/// The state a record had before it was withdrawn.
pub(crate) async fn state_before_withdrawal(conn: &mut AsyncPgConnection, subject: Uuid, record: Uuid) -> Result<Option<String>> {
    v::table
        .filter(v::subject_id.eq(subject))
        .filter(v::record_id.eq(record))
        .filter(v::state.ne("withdrawn"))
        .order((v::known_from.desc(), v::id.desc()))
        .select(v::state)
        .first(conn)
        .await
        .optional()
        .db()
}

/// Subjects that a batch said something about.
pub(crate) async fn subjects_of_batch(conn: &mut AsyncPgConnection, batch: Uuid, after: Uuid, limit: i64) -> Result<Vec<Uuid>> {
    v::table
        .filter(v::batch_id.eq(batch))
        .filter(v::subject_id.gt(after))
        .distinct()
        .order(v::subject_id)
        .limit(limit)
        .select(v::subject_id)
        .load(conn)
        .await
        .db()
}

/// Closes the old version and writes the new one.
pub(crate) async fn replace(tx: &mut Tx<'_>, old: Option<&Version>, new: &Version) -> Result<()> {
    if let Some(old) = old {
        let closed = diesel::update(v::table.find((old.subject_id, old.id)).filter(v::known_to.is_null()))
            .set(v::known_to.eq(new.known_from.max(old.known_from)))
            .execute(tx.conn())
            .await
            .db()?;
        if closed != 1 {
            return Err(super::bulk::conflict());
        }
    }
    diesel::insert_into(v::table).values(new).execute(tx.conn()).await.db()?;
    Ok(())
}

/// How far an undo has come: the batch's state, the next row and the highest row number.
pub(crate) async fn undo_progress(tx: &BulkTx<'_>, batch: Uuid) -> Result<Option<(i64, i64)>> {
    let row = tx
        .raw()
        .query_opt(
            "SELECT undo_next_row, coalesce((SELECT max(rows_total) FROM batch_files WHERE batch_id = $1), 0)
               FROM submission_batches WHERE id = $1 AND state = 'undoing' FOR UPDATE",
            &[&batch],
        )
        .await
        .map_err(from_postgres)?;
    Ok(row.map(|r| (r.get(0), r.get(1))))
}

/// Undoes a range of rows: each record whose present version came with the batch gets a version that says what the newest batch that is not undone
/// said before, or, when none did, one that is withdrawn. What the batch ended because its whole list lacked it has row 0 and goes with the first
/// range. Records that another batch or their provider changed since are left alone. What was decided, before the batch came or about what it said, goes
/// on: that a record is repaired or shielded, or its publicity stopped. Where a shield has ended since, the record is in the state it had beneath it.
/// Returns (undone, left alone).
pub(crate) async fn undo_rows(tx: &BulkTx<'_>, batch: Uuid, from: i64, to: i64, reason: &str, now: DateTime<Utc>) -> Result<(i64, i64)> {
    let row = tx
        .raw()
        .query_one(
            "WITH touched AS (
                 SELECT DISTINCT subject_id, record_id FROM record_versions
                  WHERE batch_id = $1 AND (row_no > $2 OR $2 = 0) AND row_no <= $3
                    AND change IN ('loaded', 'linked', 'absent', 'repaired', 'shielded', 'unshielded', 'stopped')),
             present AS (
                 SELECT v.* FROM record_versions v JOIN touched t USING (subject_id, record_id) WHERE v.known_to IS NULL),
             closed AS (
                 UPDATE record_versions v SET known_to = greatest($5, v.known_from) FROM present p
                  WHERE v.subject_id = p.subject_id AND v.id = p.id AND p.batch_id = $1 AND v.known_to IS NULL
                    AND (p.change IN ('loaded', 'linked', 'absent', 'repaired', 'shielded', 'unshielded', 'stopped')
                         OR (p.change = 'undone' AND p.state <> 'withdrawn'))
              RETURNING v.subject_id, v.record_id, v.state, v.public_until, v.warnings,
                        coalesce(v.warnings @> '[{\"rule\": \"publicity_stopped\"}]', false) AS stopped),
             written AS (
                 INSERT INTO record_versions (subject_id, id, record_id, item, item_version, business_key, content_hash, data, sealed, state, change,
                        reason, decided_on, valid_from, valid_to, public_until, late, late_rule, warnings, agency_id, batch_id, row_no, known_from)
                 SELECT s.subject_id, gen_random_uuid(), s.record_id, s.item, s.item_version, s.business_key,
                        CASE WHEN s.earlier THEN s.content_hash ELSE gen_random_uuid() END,
                        s.data, s.sealed,
                        CASE WHEN c.state IN ('repaired', 'shielded') THEN c.state WHEN NOT s.earlier THEN 'withdrawn'
                             WHEN s.state = 'shielded' THEN coalesce(s.beneath, 'active') ELSE s.state END, 'undone',
                        $4, s.decided_on, s.valid_from, s.valid_to, CASE WHEN c.stopped THEN least(s.public_until, c.public_until) ELSE s.public_until END,
                        s.late, s.late_rule,
                        CASE WHEN c.stopped THEN c.warnings
                             WHEN s.state = 'shielded' AND c.state <> 'shielded' THEN (
                                  SELECT jsonb_agg(w.issue) FROM jsonb_array_elements(s.warnings) AS w (issue)
                                   WHERE w.issue ->> 'rule' IS DISTINCT FROM 'record_shielded')
                             ELSE s.warnings END, s.agency_id,
                        CASE WHEN s.earlier THEN s.batch_id ELSE $1 END, s.row_no, greatest($5, s.floor)
                   FROM closed c CROSS JOIN LATERAL (
                        SELECT o.*, o.batch_id <> $1 AND b.state = 'open' AS earlier,
                               coalesce((SELECT w.issue ->> 'value' FROM jsonb_array_elements(o.warnings) AS w (issue)
                                          WHERE w.issue ->> 'rule' = 'record_shielded' LIMIT 1),
                                        (SELECT x.state FROM record_versions x
                                          WHERE x.subject_id = o.subject_id AND x.record_id = o.record_id AND x.batch_id = o.batch_id
                                            AND x.state NOT IN ('repaired', 'shielded') AND x.known_from <= o.known_from
                                          ORDER BY x.known_from DESC, x.id DESC LIMIT 1)) AS beneath,
                               (SELECT max(x.known_from) FROM record_versions x WHERE x.subject_id = c.subject_id AND x.record_id = c.record_id) AS floor
                          FROM record_versions o JOIN submission_batches b ON b.id = o.batch_id
                         WHERE o.subject_id = c.subject_id AND o.record_id = c.record_id
                         ORDER BY (o.batch_id <> $1 AND b.state = 'open') DESC, o.known_from DESC, o.id DESC LIMIT 1) s
              RETURNING 1)
             SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM present) - (SELECT count(*) FROM written)",
            &[&batch, &from, &to, &reason, &now],
        )
        .await
        .map_err(from_postgres)?;
    Ok((row.get(0), row.get(1)))
}

/// Moves an undo's progress.
pub(crate) async fn undo_step(tx: &BulkTx<'_>, batch: Uuid, next: i64) -> Result<()> {
    tx.raw().execute("UPDATE submission_batches SET undo_next_row = $2 WHERE id = $1", &[&batch, &next]).await.map_err(from_postgres)?;
    Ok(())
}

/// The batch is undone: its unmatched and quarantined rows are closed. False when it was so already.
pub(crate) async fn finish_undo(tx: &BulkTx<'_>, batch: Uuid, by: &str, now: DateTime<Utc>) -> Result<bool> {
    let raw = tx.raw();
    let finished = raw
        .execute("UPDATE submission_batches SET state = 'undone', undone_at = $2 WHERE id = $1 AND state = 'undoing'", &[&batch, &now])
        .await
        .map_err(from_postgres)?;
    raw.execute(
        "UPDATE unmatched_rows SET state = 'undone', decided_at = $2, decided_by = $3, reason = 'batch undone' WHERE batch_id = $1 AND state = 'waiting'",
        &[&batch, &now, &by],
    )
    .await
    .map_err(from_postgres)?;
    raw.execute(
        "UPDATE quarantined_rows SET resolved_at = $2, resolved_round = round WHERE batch_id = $1 AND resolved_at IS NULL",
        &[&batch, &now],
    )
    .await
    .map_err(from_postgres)?;
    raw.execute(
        "WITH dropped AS (
             UPDATE submission_batches SET notes_dropped_at = $2 WHERE id = $1 AND whole AND notes_dropped_at IS NULL RETURNING id)
         DELETE FROM snapshot_records s USING dropped WHERE s.batch_id = dropped.id",
        &[&batch, &now],
    )
    .await
    .map_err(from_postgres)?;
    Ok(finished == 1)
}
