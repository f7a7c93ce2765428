//! SQL of batch checks.

use super::GROUND_STANDS;
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::schema::{check_batch_rows, check_batches};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Date, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// Rows written in one statement.
const INSERT_ROWS: usize = 1000;

/// A batch to be.
#[derive(Insertable)]
#[diesel(table_name = check_batches)]
pub(crate) struct NewBatch<'a> {
    pub id: Uuid,
    pub agency_id: Uuid,
    pub name: &'a str,
    pub matter: &'a str,
    pub purpose: &'a str,
    pub state: &'a str,
    pub rows_total: i32,
    pub submitted_by: &'a str,
    pub actor_kind: &'a str,
    pub actor_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
}

/// Writes a batch with its sealed subjects, in their order.
pub(crate) async fn insert(tx: &mut Tx<'_>, batch: NewBatch<'_>, sealed: &[Vec<u8>]) -> Result<()> {
    let id = batch.id;
    diesel::insert_into(check_batches::table).values(batch).execute(tx.conn()).await.db()?;
    let mut next: i32 = 1;
    for chunk in sealed.chunks(INSERT_ROWS) {
        let mut rows = Vec::with_capacity(chunk.len());
        for row in chunk {
            rows.push((check_batch_rows::batch_id.eq(id), check_batch_rows::row_no.eq(next), check_batch_rows::sealed.eq(row.as_slice())));
            next += 1;
        }
        diesel::insert_into(check_batch_rows::table).values(rows).execute(tx.conn()).await.db()?;
    }
    Ok(())
}

/// A batch.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct BatchRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub matter: String,
    #[diesel(sql_type = Text)]
    pub purpose: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Integer)]
    pub rows_total: i32,
    #[diesel(sql_type = Integer)]
    pub rows_done: i32,
    #[diesel(sql_type = Text)]
    pub submitted_by: String,
    #[diesel(sql_type = Text)]
    pub actor_kind: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub actor_id: Option<Uuid>,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub finished_at: Option<DateTime<Utc>>,
    /// Checks of it with a measure to apply.
    #[diesel(sql_type = BigInt)]
    pub hits: i64,
    /// Rows that could not be checked.
    #[diesel(sql_type = BigInt)]
    pub problems: i64,
}

/// A batch with its counts.
pub(crate) async fn find(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<BatchRow>> {
    diesel::sql_query(
        "SELECT b.*, (SELECT count(*) FROM checks c WHERE c.batch_id = b.id AND c.hit) AS hits,
                (SELECT count(*) FROM check_batch_rows r WHERE r.batch_id = b.id AND r.problem IS NOT NULL) AS problems
           FROM check_batches b WHERE b.id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()
    .db()
}

/// A batch that is not completed, locked until the transaction ends, so that two workers never take the same rows. Its counts are not counted.
pub(crate) async fn lock_open(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<BatchRow>> {
    diesel::sql_query(
        "SELECT b.*, 0::bigint AS hits, 0::bigint AS problems FROM check_batches b WHERE b.id = $1 AND b.state <> 'completed' FOR UPDATE",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(tx.conn())
    .await
    .optional()
    .db()
}

/// Subjects after a row, in order: number and sealed subject.
pub(crate) async fn rows(conn: &mut AsyncPgConnection, batch: Uuid, after: i32, limit: i64) -> Result<Vec<(i32, Vec<u8>)>> {
    check_batch_rows::table
        .filter(check_batch_rows::batch_id.eq(batch))
        .filter(check_batch_rows::row_no.gt(after))
        .order(check_batch_rows::row_no)
        .limit(limit)
        .select((check_batch_rows::row_no, check_batch_rows::sealed))
        .load(conn)
        .await
        .db()
}

/// What became of a row.
pub(crate) struct Settled {
    pub row_no: i32,
    /// What is kept of its subject.
    pub sealed: Vec<u8>,
    /// Its check.
    pub check: Option<Uuid>,
    /// Code of the problem that prevented one.
    pub problem: Option<&'static str>,
}

/// Notes what became of rows of a locked batch, and how far it has come.
pub(crate) async fn settle(tx: &mut Tx<'_>, batch: &BatchRow, settled: &[Settled], now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "UPDATE check_batch_rows r SET check_id = s.check_id, problem = s.problem, sealed = s.sealed
           FROM unnest($2::integer[], $3::uuid[], $4::text[], $5::bytea[]) AS s (row_no, check_id, problem, sealed)
          WHERE r.batch_id = $1 AND r.row_no = s.row_no",
    )
    .bind::<SqlUuid, _>(batch.id)
    .bind::<Array<Integer>, _>(settled.iter().map(|s| s.row_no).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(settled.iter().map(|s| s.check).collect::<Vec<_>>())
    .bind::<Array<Nullable<Text>>, _>(settled.iter().map(|s| s.problem).collect::<Vec<_>>())
    .bind::<Array<Binary>, _>(settled.iter().map(|s| s.sealed.as_slice()).collect::<Vec<_>>())
    .execute(tx.conn())
    .await
    .db()?;
    let done = settled.last().map_or(batch.rows_done, |s| s.row_no);
    let completed = done >= batch.rows_total;
    diesel::update(check_batches::table.find(batch.id))
        .set((
            check_batches::rows_done.eq(done),
            check_batches::state.eq(if completed { "completed" } else { "running" }),
            check_batches::finished_at.eq(completed.then_some(now)),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// A row with its answer.
#[derive(Debug, QueryableByName)]
pub(crate) struct ResultRow {
    #[diesel(sql_type = Integer)]
    pub row_no: i32,
    #[diesel(sql_type = Binary)]
    pub sealed: Vec<u8>,
    #[diesel(sql_type = Nullable<Text>)]
    pub problem: Option<String>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub result: Option<Value>,
}

/// Rows with their answers after a row, in order.
pub(crate) async fn results(conn: &mut AsyncPgConnection, batch: Uuid, after: i32, limit: i64) -> Result<Vec<ResultRow>> {
    diesel::sql_query(
        "SELECT r.row_no, r.sealed, r.problem, c.result FROM check_batch_rows r LEFT JOIN checks c ON c.id = r.check_id
          WHERE r.batch_id = $1 AND r.row_no > $2 ORDER BY r.row_no LIMIT $3",
    )
    .bind::<SqlUuid, _>(batch)
    .bind::<Integer, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()
}

#[derive(QueryableByName)]
struct Changed {
    #[diesel(sql_type = Integer)]
    row_no: i32,
}

/// The entries `e` that the answer of a check `c` names, each as it `said`. OFFSET 0 is one look at the index for each.
pub(super) const NAMED: &str = "CROSS JOIN LATERAL jsonb_array_elements(c.result -> 'lists') AS l (said)
    LEFT JOIN LATERAL (SELECT * FROM list_entries WHERE id = (l.said ->> 'entry_id')::uuid OFFSET 0) e ON true";

/// That such an entry is not on the day `$today` what the answer says: a ground of measures that does not stand, or an entry that is listed no longer.
pub(super) fn not_so(today: &str) -> String {
    let stands = GROUND_STANDS.replace("$today", today);
    format!(
        "(CASE WHEN jsonb_array_length(l.said -> 'measures') > 0 THEN {stands}
               ELSE e.state = 'listed' AND (e.expires_on IS NULL OR e.expires_on >= {today}) END) IS NOT TRUE"
    )
}

/// Rows of a batch whose answer names an entry that is not what it says any more: a ground of measures that does not stand on this day, or an entry
/// that is listed no longer.
pub(crate) async fn changed(conn: &mut AsyncPgConnection, batch: Uuid, today: NaiveDate) -> Result<Vec<i32>> {
    let not_so = not_so("$2");
    let query = format!("SELECT DISTINCT c.row_no FROM checks c {NAMED} WHERE c.batch_id = $1 AND c.row_no IS NOT NULL AND {not_so}");
    let rows: Vec<Changed> = diesel::sql_query(query).bind::<SqlUuid, _>(batch).bind::<Date, _>(today).load(conn).await.db()?;
    Ok(rows.into_iter().map(|row| row.row_no).collect())
}
