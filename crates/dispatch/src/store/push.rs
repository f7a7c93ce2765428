//! SQL of messages on their way to endpoints. Messages about one subject keep their order at an endpoint; a message that waits, or was set aside,
//! holds back those after it.

use super::GROUND_STANDS;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::schema::{push_attempts, push_messages, webhook_endpoints, webhook_secrets};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Double, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// Puts the messages of issued directives on their way, where their agency has an endpoint that is not closed. One that was cancelled while its
/// directive was held waits again, at its directive's new place in the order.
pub async fn enqueue_for(tx: &mut Tx<'_>, directive_ids: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    // The endpoints are held against their closing, which would not see these messages.
    diesel::sql_query(
        "WITH open AS (
             SELECT w.id, w.agency_id FROM webhook_endpoints w
              WHERE w.state <> 'closed' AND w.agency_id IN (SELECT d.agency_id FROM directives d WHERE d.id = ANY ($1)) FOR SHARE)
         INSERT INTO push_messages AS m (subject_id, endpoint_id, id, topic, directive_id, issued_order, state, attempts, next_at, created_at)
         SELECT d.subject_id, w.id, d.id, 'directive.' || d.kind, d.id, d.issued_order, 'waiting', 0, $2, $2
           FROM directives d JOIN open w ON w.agency_id = d.agency_id
          WHERE d.id = ANY ($1) AND d.state = 'issued'
         ON CONFLICT (subject_id, endpoint_id, id) DO UPDATE
            SET state = 'waiting', issued_order = excluded.issued_order, attempts = 0, next_at = excluded.next_at, lease = NULL, lease_until = NULL,
                created_at = excluded.created_at, settled_at = NULL
          WHERE m.state = 'cancelled'",
    )
    .bind::<Array<SqlUuid>, _>(directive_ids)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Puts reminders on their way that were made in this transaction, where their agency has an endpoint that is not closed.
pub async fn enqueue_reminders(tx: &mut Tx<'_>, reminder_ids: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    // Reminders are found as the inbox finds them, by agency and transaction.
    diesel::sql_query(
        "WITH open AS (
             SELECT w.id, w.agency_id FROM webhook_endpoints w
              WHERE w.state <> 'closed' AND EXISTS (
                    SELECT 1 FROM directive_reminders r
                     WHERE r.agency_id = w.agency_id AND r.issued_xid = pg_current_xact_id() AND r.id = ANY ($1)) FOR SHARE)
         INSERT INTO push_messages (subject_id, endpoint_id, id, topic, directive_id, issued_order, state, attempts, next_at, created_at)
         SELECT r.subject_id, w.id, r.id, 'directive.reminder', r.directive_id, r.issued_order, 'waiting', 0, $2, $2
           FROM open w JOIN directive_reminders r ON r.agency_id = w.agency_id AND r.issued_xid = pg_current_xact_id()
          WHERE r.id = ANY ($1)
         ON CONFLICT (subject_id, endpoint_id, id) DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(reminder_ids)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Cancels the messages about directives, reminders of them included, that wait or were set aside. One that is being sent at this moment may still
/// arrive; nothing is made of its answer.
pub async fn cancel(tx: &mut Tx<'_>, directive_ids: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "UPDATE push_messages m SET state = 'cancelled', settled_at = $2, lease = NULL, lease_until = NULL
           FROM directives d
          WHERE d.id = ANY ($1) AND m.subject_id = d.subject_id AND m.directive_id = d.id AND m.state IN ('waiting', 'dead')",
    )
    .bind::<Array<SqlUuid>, _>(directive_ids)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// A message that was taken.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Taken {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub endpoint_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub topic: String,
    #[diesel(sql_type = SqlUuid)]
    pub directive_id: Uuid,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// How many messages are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share<'a> {
    /// At most.
    pub limit: i64,
    /// Of one endpoint at most, those that are in flight included.
    pub each: i64,
    /// Endpoints of the messages in flight, one entry a message.
    pub in_flight: &'a [Uuid],
}

/// Takes messages that are due by `now`, under a lease by the database's clock. Endpoints take turns, those with the fewest in flight first, so that
/// none that answers slowly keeps the others waiting. More are looked at than are taken: another process may take the same at this moment.
pub(crate) async fn take(
    conn: &mut AsyncPgConnection,
    lease: Uuid,
    lease_for: Duration,
    now: DateTime<Utc>,
    share: Share<'_>,
) -> Result<Vec<Taken>> {
    diesel::sql_query(
        "UPDATE push_messages m SET lease = $1, lease_until = clock_timestamp() + make_interval(secs => $2)
           FROM (SELECT q.subject_id, q.endpoint_id, q.id
                   FROM (SELECT due.*, busy.n + row_number() OVER (PARTITION BY w.id ORDER BY due.next_at, due.issued_order) AS turn
                           FROM webhook_endpoints w
                          CROSS JOIN LATERAL (SELECT count(*) AS n FROM unnest($6::uuid[]) AS f (id) WHERE f.id = w.id) busy
                          CROSS JOIN LATERAL (
                                SELECT p.subject_id, p.endpoint_id, p.id, p.next_at, p.issued_order
                                  FROM push_messages p
                                 WHERE p.endpoint_id = w.id AND p.state = 'waiting' AND p.next_at <= $3
                                   AND (p.lease_until IS NULL OR p.lease_until < clock_timestamp())
                                   AND NOT EXISTS (
                                       SELECT 1 FROM push_messages b
                                        WHERE b.subject_id = p.subject_id AND b.endpoint_id = p.endpoint_id AND b.state IN ('waiting', 'dead')
                                          AND b.issued_order < p.issued_order)
                                 ORDER BY p.next_at LIMIT $5) due
                          WHERE w.state = 'active'
                          ORDER BY turn, due.next_at LIMIT 4 * $4) c
                   JOIN push_messages q ON q.subject_id = c.subject_id AND q.endpoint_id = c.endpoint_id AND q.id = c.id
                  WHERE c.turn <= $5 AND q.state = 'waiting' AND (q.lease_until IS NULL OR q.lease_until < clock_timestamp())
                  ORDER BY c.turn, c.next_at LIMIT $4 FOR UPDATE OF q SKIP LOCKED) taken
          WHERE m.subject_id = taken.subject_id AND m.endpoint_id = taken.endpoint_id AND m.id = taken.id
      RETURNING m.subject_id, m.endpoint_id, m.id, m.topic, m.directive_id, m.attempts, m.created_at",
    )
    .bind::<SqlUuid, _>(lease)
    .bind::<Double, _>(seconds(lease_for))
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(share.limit)
    .bind::<BigInt, _>(share.each)
    .bind::<Array<SqlUuid>, _>(share.in_flight)
    .load(conn)
    .await
    .db()
}

#[expect(clippy::cast_precision_loss, reason = "a lease is far shorter than 2^52 milliseconds")]
fn seconds(of: Duration) -> f64 {
    of.num_milliseconds() as f64 / 1000.0
}

/// How the directive of a message stands.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Standing {
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Bool)]
    pub stands: bool,
}

/// Locks the directive of a message until the transaction ends, and says how it stands and whether its ground does. `None` while somebody else is
/// changing it: who sends waits for nobody, so that nobody's exit can wait in a circle with it.
pub(crate) async fn lock_directive(tx: &mut Tx<'_>, message: &Taken, today: NaiveDate) -> Result<Option<Standing>> {
    let query = format!(
        "SELECT d.kind, d.state, ({}) AS stands
           FROM directives d JOIN list_entries e ON e.subject_id = d.subject_id AND e.id = d.entry_id
          WHERE d.subject_id = $2 AND d.id = $3 FOR UPDATE OF d SKIP LOCKED",
        GROUND_STANDS.replace("$today", "$1")
    );
    diesel::sql_query(query)
        .bind::<Date, _>(today)
        .bind::<SqlUuid, _>(message.subject_id)
        .bind::<SqlUuid, _>(message.directive_id)
        .get_result(tx.conn())
        .await
        .optional()
        .db()
}

/// Locks a message until the transaction ends; `false` when the lease no longer holds it.
pub(crate) async fn lock(tx: &mut Tx<'_>, message: &Taken, lease: Uuid) -> Result<bool> {
    let found: Option<Uuid> = push_messages::table
        .find((message.subject_id, message.endpoint_id, message.id))
        .filter(push_messages::lease.eq(lease))
        .filter(push_messages::state.eq("waiting"))
        .for_update()
        .select(push_messages::id)
        .first(tx.conn())
        .await
        .optional()
        .db()?;
    Ok(found.is_some())
}

/// The address of an endpoint that is active.
pub(crate) async fn active_url(tx: &mut Tx<'_>, endpoint: Uuid) -> Result<Option<String>> {
    webhook_endpoints::table
        .find(endpoint)
        .filter(webhook_endpoints::state.eq("active"))
        .select(webhook_endpoints::url)
        .first(tx.conn())
        .await
        .optional()
        .db()
}

/// A key as stored: id, scheme, sealed.
pub(crate) type SealedKey = (Uuid, String, Vec<u8>);

/// The keys of an endpoint that sign at an instant, newest first.
pub(crate) async fn signing_keys(tx: &mut Tx<'_>, endpoint: Uuid, now: DateTime<Utc>) -> Result<Vec<SealedKey>> {
    webhook_secrets::table
        .filter(webhook_secrets::endpoint_id.eq(endpoint))
        .filter(webhook_secrets::retires_at.is_null().or(webhook_secrets::retires_at.gt(now)))
        .order((webhook_secrets::created_at.desc(), webhook_secrets::id.desc()))
        .select((webhook_secrets::id, webhook_secrets::scheme, webhook_secrets::sealed))
        .load(tx.conn())
        .await
        .db()
}

/// Gives a message back unsent, to be looked at again at an instant.
pub(crate) async fn put_off(tx: &mut Tx<'_>, message: &Taken, lease: Uuid, next_at: DateTime<Utc>) -> Result<()> {
    diesel::update(push_messages::table.find((message.subject_id, message.endpoint_id, message.id)).filter(push_messages::lease.eq(lease)))
        .set((
            push_messages::next_at.eq(next_at),
            push_messages::lease.eq(None::<Uuid>),
            push_messages::lease_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// What became of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled<'a> {
    pub state: &'a str,
    pub attempts: i32,
    /// When it is tried again; of what is settled, when it last was.
    pub next_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
}

/// Writes what became of a message; `false` when the lease no longer held it and nothing was written.
pub(crate) async fn settle(tx: &mut Tx<'_>, message: &Taken, lease: Uuid, settled: Settled<'_>) -> Result<bool> {
    let held = push_messages::table
        .find((message.subject_id, message.endpoint_id, message.id))
        .filter(push_messages::lease.eq(lease))
        .filter(push_messages::state.eq("waiting"));
    let rows = diesel::update(held)
        .set((
            push_messages::state.eq(settled.state),
            push_messages::attempts.eq(settled.attempts),
            push_messages::next_at.eq(settled.next_at),
            push_messages::settled_at.eq(settled.settled_at),
            push_messages::lease.eq(None::<Uuid>),
            push_messages::lease_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(rows == 1)
}

/// An attempt to be written down.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub at: DateTime<Utc>,
    pub status: Option<i32>,
    pub error: Option<&'a str>,
    pub took_ms: i32,
}

/// Writes down an attempt.
pub(crate) async fn record_attempt(tx: &mut Tx<'_>, message: &Taken, attempt: Attempt<'_>) -> Result<()> {
    diesel::insert_into(push_attempts::table)
        .values((
            push_attempts::subject_id.eq(message.subject_id),
            push_attempts::endpoint_id.eq(message.endpoint_id),
            push_attempts::message_id.eq(message.id),
            push_attempts::id.eq(Uuid::now_v7()),
            push_attempts::at.eq(attempt.at),
            push_attempts::status.eq(attempt.status),
            push_attempts::error.eq(attempt.error),
            push_attempts::took_ms.eq(attempt.took_ms),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}
