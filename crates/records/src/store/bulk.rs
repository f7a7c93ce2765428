//! Chunks of rows over the raw driver. New versions go straight into the indexed table by COPY: which rows are new, unchanged or a new
//! version is decided before, from one set-wise look at the present versions. (ADR 0002 has the measurements against a staging table.)

use crate::model::Counts;
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Problem, Result};
use credence_db::{BulkTx, from_postgres};
use serde_json::Value;
use std::collections::HashMap;
use std::pin::pin;
use tokio_postgres::GenericClient;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// The present version of a statement, as far as loading needs it.
#[derive(Debug, Clone)]
pub(crate) struct Present {
    pub version_id: Uuid,
    pub record_id: Uuid,
    pub content_hash: Uuid,
    pub state: String,
    pub change: String,
    pub agency_id: Uuid,
    pub late: bool,
    pub late_rule: Option<String>,
    /// Last public day, where a decision set it.
    pub stopped: Option<NaiveDate>,
}

/// A version to be written.
pub(crate) struct NewVersion {
    pub subject_id: Uuid,
    pub id: Uuid,
    pub record_id: Uuid,
    pub business_key: Uuid,
    pub content_hash: Uuid,
    pub data: String,
    pub sealed: Option<Vec<u8>>,
    pub state: &'static str,
    pub decided_on: Option<NaiveDate>,
    pub valid_from: Option<NaiveDate>,
    pub valid_to: Option<NaiveDate>,
    pub public_until: Option<NaiveDate>,
    pub late: bool,
    pub late_rule: Option<String>,
    pub warnings: Option<String>,
    pub row_no: i64,
    /// Set when a later row of the same chunk replaces it at once.
    pub known_to: Option<DateTime<Utc>>,
}

/// What all versions of a chunk share.
pub(crate) struct Shared<'a> {
    pub item: &'a str,
    pub item_version: i32,
    pub agency_id: Uuid,
    pub batch_id: Uuid,
    pub known_from: DateTime<Utc>,
}

/// Takes the file's row and checks that this loader stands where the file stands: a worker that lost its lease finds another number.
pub(crate) async fn claim(tx: &BulkTx<'_>, file: Uuid, expected_rows_done: i64) -> Result<bool> {
    let row = tx
        .raw()
        .query_opt("SELECT rows_done FROM batch_files WHERE id = $1 AND state = 'loading' FOR UPDATE", &[&file])
        .await
        .map_err(from_postgres)?;
    Ok(row.is_some_and(|row| row.get::<_, i64>(0) == expected_rows_done))
}

/// Present versions of the statements with these keys.
pub(crate) async fn present(client: &(impl GenericClient + Sync), keys: &[(Uuid, Uuid)]) -> Result<HashMap<(Uuid, Uuid), Present>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let subjects: Vec<Uuid> = keys.iter().map(|(subject, _)| *subject).collect();
    let business: Vec<Uuid> = keys.iter().map(|(_, key)| *key).collect();
    // One look at the index for each key, whatever the planner believes of a table that grows while it is asked: LATERAL with OFFSET 0
    // leaves it no other way. Left free, it sorted the whole table for every chunk.
    let statement = client
        .prepare(
            "SELECT v.*
               FROM unnest($1::uuid[], $2::uuid[]) AS k (subject_id, business_key) CROSS JOIN LATERAL (
                    SELECT subject_id, business_key, id, record_id, content_hash, state, change, agency_id, late, late_rule,
                           CASE WHEN warnings @> '[{\"rule\": \"publicity_stopped\"}]' THEN public_until END AS stopped FROM record_versions
                     WHERE subject_id = k.subject_id AND business_key = k.business_key AND known_to IS NULL OFFSET 0) AS v",
        )
        .await
        .map_err(from_postgres)?;
    let rows = client.query(&statement, &[&subjects, &business]).await.map_err(from_postgres)?;
    Ok(rows
        .into_iter()
        .map(|r| {
            let present = Present {
                version_id: r.get(2),
                record_id: r.get(3),
                content_hash: r.get(4),
                state: r.get(5),
                change: r.get(6),
                agency_id: r.get(7),
                late: r.get(8),
                late_rule: r.get(9),
                stopped: r.get(10),
            };
            ((r.get(0), r.get(1)), present)
        })
        .collect())
}

/// Closes versions that are replaced.
pub(crate) async fn close(tx: &BulkTx<'_>, versions: &[(Uuid, Uuid)], now: DateTime<Utc>) -> Result<()> {
    if versions.is_empty() {
        return Ok(());
    }
    let subjects: Vec<Uuid> = versions.iter().map(|(subject, _)| *subject).collect();
    let ids: Vec<Uuid> = versions.iter().map(|(_, id)| *id).collect();
    // Nothing but a look at the primary key for each: see `present`.
    tx.raw().batch_execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off").await.map_err(from_postgres)?;
    let closed = tx
        .raw()
        .execute(
            "UPDATE record_versions v SET known_to = greatest($3, v.known_from)
               FROM unnest($1::uuid[], $2::uuid[]) AS k (subject_id, id)
              WHERE v.subject_id = k.subject_id AND v.id = k.id AND v.known_to IS NULL",
            &[&subjects, &ids, &now],
        )
        .await
        .map_err(from_postgres)?;
    tx.raw().batch_execute("SET LOCAL enable_hashjoin = DEFAULT; SET LOCAL enable_mergejoin = DEFAULT").await.map_err(from_postgres)?;
    // Somebody else closed one in the meantime: look again.
    if closed == ids.len() as u64 { Ok(()) } else { Err(conflict()) }
}

/// A conflict with another load, solved by taking the chunk again.
pub(crate) fn conflict() -> Problem {
    Problem::internal(CONFLICT)
}

const CONFLICT: &str = "40001: present versions changed under way";

/// Whether the chunk may simply be taken again: a unique key taken by a parallel load, a deadlock, a serialisation failure.
pub(crate) fn is_conflict(problem: &Problem) -> bool {
    problem.internal.as_deref().is_some_and(|cause| ["23505", "40P01", "40001"].iter().any(|code| cause.starts_with(code)))
}

/// Sets or goes back to a savepoint; a dry run takes a chunk again without losing those before.
pub(crate) async fn savepoint(tx: &BulkTx<'_>, statement: &str) -> Result<()> {
    tx.raw().batch_execute(statement).await.map_err(from_postgres)
}

const COLUMNS: &str = "subject_id, id, record_id, item, item_version, business_key, content_hash, data, sealed, state, change, decided_on, valid_from, \
     valid_to, public_until, late, late_rule, warnings, agency_id, batch_id, row_no, known_from, known_to";

/// A JSON text as PostgreSQL's binary jsonb wants it: a version byte before the text, without parsing it here first.
#[derive(Debug)]
struct JsonText<'a>(&'a str);

impl ToSql for JsonText<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut bytes::BytesMut,
    ) -> std::result::Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&[1]);
        out.extend_from_slice(self.0.as_bytes());
        Ok(tokio_postgres::types::IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }

    tokio_postgres::types::to_sql_checked!();
}

/// Writes new versions by binary COPY.
pub(crate) async fn insert(tx: &BulkTx<'_>, shared: &Shared<'_>, versions: &[NewVersion]) -> Result<()> {
    if versions.is_empty() {
        return Ok(());
    }
    let sink = tx.raw().copy_in(&format!("COPY record_versions ({COLUMNS}) FROM STDIN (FORMAT binary)")).await.map_err(from_postgres)?;
    let types = [
        Type::UUID,
        Type::UUID,
        Type::UUID,
        Type::TEXT,
        Type::INT4,
        Type::UUID,
        Type::UUID,
        Type::JSONB,
        Type::BYTEA,
        Type::TEXT,
        Type::TEXT,
        Type::DATE,
        Type::DATE,
        Type::DATE,
        Type::DATE,
        Type::BOOL,
        Type::TEXT,
        Type::JSONB,
        Type::UUID,
        Type::UUID,
        Type::INT8,
        Type::TIMESTAMPTZ,
        Type::TIMESTAMPTZ,
    ];
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for v in versions {
        let warnings = v.warnings.as_deref().map(JsonText);
        let row: [&(dyn ToSql + Sync); 23] = [
            &v.subject_id,
            &v.id,
            &v.record_id,
            &shared.item,
            &shared.item_version,
            &v.business_key,
            &v.content_hash,
            &JsonText(&v.data),
            &v.sealed,
            &v.state,
            &"loaded",
            &v.decided_on,
            &v.valid_from,
            &v.valid_to,
            &v.public_until,
            &v.late,
            &v.late_rule,
            &warnings,
            &shared.agency_id,
            &shared.batch_id,
            &v.row_no,
            &shared.known_from,
            &v.known_to,
        ];
        writer.as_mut().write(&row).await.map_err(from_postgres)?;
    }
    writer.as_mut().finish().await.map_err(from_postgres)?;
    Ok(())
}

/// A refused row.
pub(crate) struct Quarantined {
    pub row_no: i64,
    pub issues: Value,
    pub sealed_row: Vec<u8>,
}

/// Puts refused rows into quarantine.
pub(crate) async fn quarantine(tx: &BulkTx<'_>, batch: Uuid, round: i32, rows: &[Quarantined], now: DateTime<Utc>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = rows.iter().map(|r| r.row_no).collect();
    let issues: Vec<&Value> = rows.iter().map(|r| &r.issues).collect();
    let sealed: Vec<&[u8]> = rows.iter().map(|r| r.sealed_row.as_slice()).collect();
    tx.raw()
        .execute(
            "INSERT INTO quarantined_rows (batch_id, row_no, round, issues, sealed_row, created_at)
             SELECT $1, row_no, $2, issues, sealed_row, $6 FROM unnest($3::bigint[], $4::jsonb[], $5::bytea[]) AS n (row_no, issues, sealed_row)",
            &[&batch, &round, &numbers, &issues, &sealed, &now],
        )
        .await
        .map_err(from_postgres)?;
    Ok(())
}

/// Marks earlier refusals of these rows as replaced by this round's rows, refused again or not: the newest refusal is the one that waits.
pub(crate) async fn resolve_quarantine(tx: &BulkTx<'_>, batch: Uuid, round: i32, rows: &[i64], now: DateTime<Utc>) -> Result<()> {
    if rows.is_empty() || round == 1 {
        return Ok(());
    }
    tx.raw()
        .execute(
            "UPDATE quarantined_rows SET resolved_round = $2, resolved_at = $4
              WHERE batch_id = $1 AND row_no = ANY ($3) AND round < $2 AND resolved_at IS NULL",
            &[&batch, &round, &rows, &now],
        )
        .await
        .map_err(from_postgres)?;
    Ok(())
}

/// What a person decided about a row of which it was not certain whose it is.
pub(crate) struct Decided {
    /// Whose it is; none when the row was rejected.
    pub subject_id: Option<Uuid>,
    pub reason: String,
}

/// Decisions that stand about rows of an agency with these match keys, the newest of each.
pub(crate) async fn decided(tx: &BulkTx<'_>, agency: Uuid, keys: &[Uuid]) -> Result<HashMap<Uuid, Decided>> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = tx
        .raw()
        .query(
            "SELECT DISTINCT ON (match_key) match_key, subject_id, coalesce(reason, '') FROM unmatched_rows
              WHERE match_key = ANY ($1) AND agency_id = $2 AND state IN ('linked', 'rejected') ORDER BY match_key, decided_at DESC",
            &[&keys, &agency],
        )
        .await
        .map_err(from_postgres)?;
    Ok(rows.into_iter().map(|r| (r.get(0), Decided { subject_id: r.get(1), reason: r.get(2) })).collect())
}

/// A row of which it is not certain whose it is.
pub(crate) struct Unmatched {
    pub id: Uuid,
    pub match_key: Uuid,
    pub row_no: i64,
    pub subject_name: String,
    pub hints: Value,
    pub sealed_row: Vec<u8>,
}

/// Puts rows into the queue of the unmatched; a corrected row takes the place of the one that waits there.
pub(crate) async fn unmatched(tx: &BulkTx<'_>, shared: &Shared<'_>, rows: &[Unmatched]) -> Result<()> {
    for row in rows {
        tx.raw()
            .execute(
                "INSERT INTO unmatched_rows (id, batch_id, row_no, agency_id, item, subject_name, hints, sealed_row, state, created_at, match_key)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', $9, $10)
                 ON CONFLICT ON CONSTRAINT unmatched_rows_one_per_row DO UPDATE
                    SET subject_name = excluded.subject_name, hints = excluded.hints, sealed_row = excluded.sealed_row,
                        match_key = excluded.match_key WHERE unmatched_rows.state = 'waiting'",
                &[
                    &row.id,
                    &shared.batch_id,
                    &row.row_no,
                    &shared.agency_id,
                    &shared.item,
                    &row.subject_name,
                    &row.hints,
                    &row.sealed_row,
                    &shared.known_from,
                    &row.match_key,
                ],
            )
            .await
            .map_err(from_postgres)?;
    }
    Ok(())
}

/// Notes the records of a chunk's rows in a whole list. In one order, so that two loads that note the same records cannot block each other.
pub(crate) async fn note(tx: &BulkTx<'_>, list: Uuid, mut records: Vec<(Uuid, Uuid)>) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    records.sort_unstable();
    records.dedup();
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = records.into_iter().unzip();
    tx.raw()
        .execute(
            "INSERT INTO snapshot_records (batch_id, subject_id, record_id)
             SELECT $1, subject_id, record_id FROM unnest($2::uuid[], $3::uuid[]) AS n (subject_id, record_id) ON CONFLICT DO NOTHING",
            &[&list, &subjects, &ids],
        )
        .await
        .map_err(from_postgres)?;
    Ok(())
}

/// Writes the chunk's verdicts and moves the file's progress; `done` ends the file.
pub(crate) async fn progress(
    tx: &BulkTx<'_>,
    file: Uuid,
    first_row: i64,
    verdicts: &[u8],
    counts: &Counts,
    now: DateTime<Utc>,
) -> Result<()> {
    tx.raw()
        .execute(
            "INSERT INTO batch_chunks (file_id, first_row, verdicts, committed_at) VALUES ($1, $2, $3, $4)",
            &[&file, &first_row, &verdicts, &now],
        )
        .await
        .map_err(from_postgres)?;
    tx.raw()
        .execute(
            "UPDATE batch_files SET rows_done = rows_done + $2, accepted = accepted + $3, warned = warned + $4, unchanged = unchanged + $5,
                    versioned = versioned + $6, refused = refused + $7, unmatched = unmatched + $8, late = late + $9 WHERE id = $1",
            &[
                &file,
                &(verdicts.len() as i64),
                &counts.accepted,
                &counts.accepted_with_warnings,
                &counts.unchanged,
                &counts.new_version,
                &counts.refused,
                &counts.unmatched,
                &counts.late,
            ],
        )
        .await
        .map_err(from_postgres)?;
    Ok(())
}

/// Puts a batch and a file in place for a dry run; the transaction is never committed.
pub(crate) async fn pretend(tx: &BulkTx<'_>, file: &super::FileToLoad, item_version: i32, now: DateTime<Utc>) -> Result<()> {
    tx.raw()
        .execute(
            "WITH batch AS (INSERT INTO submission_batches (id, agency_id, item, item_version, feed, state, submitted_by, created_at, whole)
                            VALUES ($1, $2, $3, $4, $5, 'open', 'dry run', $6, $10) RETURNING id)
             INSERT INTO batch_files (id, batch_id, round, state, file_name, format, body_sha256, size_bytes, header, received_at, rows_total)
             SELECT $7, id, $8, 'loading', '', $9, '', 0, '{}', $6, 0 FROM batch",
            &[
                &file.batch_id,
                &file.agency_id,
                &file.item,
                &item_version,
                &file.feed,
                &now,
                &file.id,
                &file.round,
                &file.format,
                &file.noted_in.is_some(),
            ],
        )
        .await
        .map_err(from_postgres)?;
    Ok(())
}
