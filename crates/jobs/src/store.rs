//! The jobs table.

use chrono::{DateTime, Duration, Utc};
use credence_core::problem::Result;
use credence_db::schema::jobs;
use credence_db::{Db, DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// A job to be.
#[derive(Debug, Clone)]
pub struct NewJob<'a> {
    /// Which handler runs it.
    pub kind: &'a str,
    /// Ids it works on, never contents.
    pub payload: Value,
    /// At most one waiting job of the kind with this key.
    pub dedup_key: Option<String>,
    /// Not before.
    pub run_at: DateTime<Utc>,
}

/// Puts a job in the queue; with a dedup key that waits already, nothing happens.
pub async fn enqueue(tx: &mut Tx<'_>, job: NewJob<'_>, now: DateTime<Utc>) -> Result<Uuid> {
    insert(tx.conn(), job, now).await
}

/// Puts a job in the queue that the caller itself is about to run under `lease`; should the caller die, a worker takes it over once the
/// lease has run out.
pub async fn enqueue_leased(tx: &mut Tx<'_>, job: NewJob<'_>, now: DateTime<Utc>, lease: Uuid, lease_for: Duration) -> Result<Uuid> {
    let id = insert(tx.conn(), job, now).await?;
    diesel::sql_query(
        "UPDATE jobs SET lease_id = $2, leased_until = clock_timestamp() + make_interval(secs => $3), attempts = 1 WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(lease)
    .bind::<diesel::sql_types::Double, _>(seconds(lease_for))
    .execute(tx.conn())
    .await
    .db()?;
    Ok(id)
}

/// Ends a job that the caller ran itself.
pub async fn finish_in_call(db: &Db, job: Uuid, lease: Uuid, now: DateTime<Utc>) -> Result<()> {
    finish(&mut *db.read().await?, job, lease, "done", None, now).await
}

async fn insert(conn: &mut AsyncPgConnection, job: NewJob<'_>, now: DateTime<Utc>) -> Result<Uuid> {
    let id = Uuid::now_v7();
    diesel::insert_into(jobs::table)
        .values((
            jobs::id.eq(id),
            jobs::kind.eq(job.kind),
            jobs::payload.eq(job.payload),
            jobs::dedup_key.eq(job.dedup_key),
            jobs::run_at.eq(job.run_at),
            jobs::created_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await
        .db()?;
    diesel::sql_query("NOTIFY credence_jobs").execute(conn).await.db()?;
    Ok(id)
}

/// A job that was taken.
#[derive(Debug, QueryableByName)]
pub(crate) struct Taken {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Jsonb)]
    pub payload: Value,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
}

/// Takes the job due longest among `kinds`, if there is one. The machine's clock of the database decides about leases, so that workers
/// on different machines agree; `now` decides what is due.
pub(crate) async fn take(
    conn: &mut AsyncPgConnection,
    kinds: &[&str],
    lease: Uuid,
    now: DateTime<Utc>,
    lease_for: Duration,
) -> Result<Option<Taken>> {
    diesel::sql_query(
        "UPDATE jobs SET lease_id = $1, leased_until = clock_timestamp() + make_interval(secs => $2), attempts = attempts + 1
          WHERE id = (SELECT id FROM jobs WHERE state = 'waiting' AND run_at <= $3 AND kind = ANY ($4)
                        AND (leased_until IS NULL OR leased_until < clock_timestamp())
                      ORDER BY run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id, kind, payload, attempts",
    )
    .bind::<SqlUuid, _>(lease)
    .bind::<diesel::sql_types::Double, _>(seconds(lease_for))
    .bind::<Timestamptz, _>(now)
    .bind::<diesel::sql_types::Array<Text>, _>(kinds)
    .get_result(conn)
    .await
    .optional()
    .db()
}

#[expect(clippy::cast_precision_loss, reason = "a lease is far shorter than 2^52 milliseconds")]
fn seconds(of: Duration) -> f64 {
    of.num_milliseconds() as f64 / 1000.0
}

/// Prolongs a lease; `false` when it was lost.
pub(crate) async fn renew(conn: &mut AsyncPgConnection, job: Uuid, lease: Uuid, lease_for: Duration) -> Result<bool> {
    let rows = diesel::sql_query(
        "UPDATE jobs SET leased_until = clock_timestamp() + make_interval(secs => $3) WHERE id = $1 AND lease_id = $2 AND state = 'waiting'",
    )
    .bind::<SqlUuid, _>(job)
    .bind::<SqlUuid, _>(lease)
    .bind::<diesel::sql_types::Double, _>(seconds(lease_for))
    .execute(conn)
    .await
    .db()?;
    Ok(rows == 1)
}

/// Ends a job that the lease still holds.
pub(crate) async fn finish(
    conn: &mut AsyncPgConnection,
    job: Uuid,
    lease: Uuid,
    state: &str,
    error: Option<&str>,
    now: DateTime<Utc>,
) -> Result<()> {
    diesel::update(jobs::table.find(job).filter(jobs::lease_id.eq(lease)).filter(jobs::state.eq("waiting")))
        .set((
            jobs::state.eq(state),
            jobs::last_error.eq(error),
            jobs::finished_at.eq(now),
            jobs::lease_id.eq(None::<Uuid>),
            jobs::leased_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
        .db()?;
    Ok(())
}

/// Gives a job back, to be tried again at `run_at`.
pub(crate) async fn give_back(conn: &mut AsyncPgConnection, job: Uuid, lease: Uuid, error: &str, run_at: DateTime<Utc>) -> Result<()> {
    diesel::update(jobs::table.find(job).filter(jobs::lease_id.eq(lease)).filter(jobs::state.eq("waiting")))
        .set((
            jobs::last_error.eq(error),
            jobs::run_at.eq(run_at),
            jobs::lease_id.eq(None::<Uuid>),
            jobs::leased_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await
        .db()?;
    Ok(())
}

/// How many jobs of a kind wait, leased or not.
pub async fn waiting(db: &Db, kind: &str) -> Result<i64> {
    let mut conn = db.read().await?;
    jobs::table.filter(jobs::kind.eq(kind)).filter(jobs::state.eq("waiting")).count().get_result(&mut conn).await.db()
}
