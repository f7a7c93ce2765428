//! Notices on their way. What they say, and to whom they go, is sealed.

use chrono::{DateTime, Duration, Utc};
use credence_core::problem::Result;
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Double, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// The case as far as whoever writes to its applicant has to know it.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Applicant {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = Text)]
    pub case_no: String,
    #[diesel(sql_type = Binary)]
    pub applicant_sealed: Vec<u8>,
}

pub(crate) async fn applicant(conn: &mut AsyncPgConnection, case: Uuid) -> Result<Option<Applicant>> {
    diesel::sql_query("SELECT subject_id, case_no, applicant_sealed FROM redress_cases WHERE id = $1")
        .bind::<SqlUuid, _>(case)
        .get_result(conn)
        .await
        .optional()
        .db()
}

/// A notice to be.
pub(crate) struct NewNotice<'a> {
    pub id: Uuid,
    pub case_id: Uuid,
    pub subject_id: Uuid,
    pub template: &'a str,
    /// `portal` is shown from now on; `email` waits until it is sent.
    pub channel: &'a str,
    pub sealed: &'a [u8],
}

pub(crate) async fn insert(tx: &mut Tx<'_>, new: &NewNotice<'_>, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO case_notices (id, case_id, subject_id, template, channel, sealed, state, next_at, created_at, settled_at)
         VALUES ($1, $2, $3, $4, $5, $6, CASE $5 WHEN 'portal' THEN 'shown' ELSE 'waiting' END, $7, $7, CASE $5 WHEN 'portal' THEN $7 END)",
    )
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(new.case_id)
    .bind::<SqlUuid, _>(new.subject_id)
    .bind::<Text, _>(new.template)
    .bind::<Text, _>(new.channel)
    .bind::<Binary, _>(new.sealed)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// A notice as stored.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Stored {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub template: String,
    #[diesel(sql_type = Text)]
    pub channel: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Binary)]
    pub sealed: Vec<u8>,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// Notices of a case, oldest first.
pub(crate) async fn of_case(conn: &mut AsyncPgConnection, case: Uuid) -> Result<Vec<Stored>> {
    diesel::sql_query("SELECT id, template, channel, state, sealed, created_at FROM case_notices WHERE case_id = $1 ORDER BY id")
        .bind::<SqlUuid, _>(case)
        .load(conn)
        .await
        .db()
}

/// A mail taken to be sent.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Taken {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub case_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = Text)]
    pub template: String,
    #[diesel(sql_type = Binary)]
    pub sealed: Vec<u8>,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// Takes the mail that has waited longest, for a worker that may send it until its lease runs out. A lease is about this machine and lasts by the clock
/// of the database, whatever day the program thinks it is.
pub(crate) async fn take(conn: &mut AsyncPgConnection, lease: Uuid, lease_for: Duration, now: DateTime<Utc>) -> Result<Option<Taken>> {
    diesel::sql_query(
        "UPDATE case_notices n SET lease = $1, lease_until = clock_timestamp() + make_interval(secs => $2)
           FROM (SELECT id FROM case_notices
                  WHERE state = 'waiting' AND next_at <= $3 AND (lease_until IS NULL OR lease_until < clock_timestamp())
                  ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) due
          WHERE n.id = due.id
      RETURNING n.id, n.case_id, n.subject_id, n.template, n.sealed, n.attempts, n.created_at",
    )
    .bind::<SqlUuid, _>(lease)
    .bind::<Double, _>(lease_for.as_seconds_f64())
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()
    .db()
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub state: &'static str,
    pub attempts: i32,
    pub next_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
    pub error: Option<String>,
}

/// Writes down what became of it and gives the lease back; false when the lease is another's by now.
pub(crate) async fn settle(tx: &mut Tx<'_>, id: Uuid, lease: Uuid, settled: &Settled) -> Result<bool> {
    let rows = diesel::sql_query(
        "UPDATE case_notices SET state = $3, attempts = $4, next_at = $5, settled_at = $6, error = $7, lease = NULL, lease_until = NULL
          WHERE id = $1 AND lease = $2 AND state = 'waiting'",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(lease)
    .bind::<Text, _>(settled.state)
    .bind::<Integer, _>(settled.attempts)
    .bind::<Timestamptz, _>(settled.next_at)
    .bind::<Nullable<Timestamptz>, _>(settled.settled_at)
    .bind::<Nullable<Text>, _>(settled.error.as_deref())
    .execute(tx.conn())
    .await
    .db()?;
    Ok(rows > 0)
}
