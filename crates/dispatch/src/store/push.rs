//! SQL of messages on their way to endpoints. Messages about one subject keep their order at an endpoint: one that waits, or was set aside, holds back
//! those after it, and so does one that was cancelled while it was on its way, until its request has come to its end. A release is held back by less:
//! by what is open about the directive that it lifts, and by what is on its way. What keeps another matter back, a ground that is looked at or a
//! receiver that refuses, is no reason to keep a sanction up. A message of no directive (`directive_id` is empty) is on its own: it is held back by
//! what is on its way and by nothing else, and one that waits or was set aside holds nothing back.
//!
//! [`take`] asks for the order itself. So that it does not look in vain at what is held back, that is not due before the message ahead of it is: never,
//! as long as that one is set aside ([`HELD_BACK`]). Whoever takes the message ahead out of the way makes the next one due ([`wake_next`]). Neither
//! waits for a row that somebody else is changing, so that nobody can wait in a circle; what slips through by that is looked at in vain, or found by
//! [`wake_forgotten`].

use super::GROUND_STANDS;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::schema::{push_attempts, push_messages, webhook_endpoints, webhook_secrets};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Double, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// When a message is due that is held back by one that was set aside: not by itself.
pub(crate) const HELD_BACK: &str = "timestamptz '9999-12-31 00:00:00+00'";

/// When a message of a directive about `subject` at the place `place` is due at an endpoint `w`, of what is open ahead of it; nothing when nothing is.
fn ahead(subject: &str, place: &str) -> String {
    format!(
        "(SELECT max(CASE WHEN b.state = 'dead' THEN {HELD_BACK} ELSE b.next_at END) FROM push_messages b
           WHERE b.subject_id = {subject} AND b.endpoint_id = w.id AND b.state IN ('waiting', 'dead') AND b.directive_id IS NOT NULL
             AND b.issued_order < {place})"
    )
}

/// Holds the open endpoints of the agencies that have directives of these entries against their closing, until the transaction ends. Whoever changes an
/// endpoint and its messages locks the endpoint first: so has everybody who cancels messages and puts others on their way.
pub(crate) async fn keep_endpoints(tx: &mut Tx<'_>, subjects: &[Uuid], entries: &[Uuid]) -> Result<()> {
    // Where nobody has an endpoint the directives are not even looked at.
    diesel::sql_query(
        "SELECT w.id FROM webhook_endpoints w
          WHERE w.state <> 'closed' AND w.agency_id IN (
                SELECT d.agency_id FROM unnest($1::uuid[], $2::uuid[]) AS e (subject_id, entry_id)
                  JOIN directives d ON d.subject_id = e.subject_id AND d.entry_id = e.entry_id
                 WHERE EXISTS (SELECT 1 FROM webhook_endpoints o WHERE o.state <> 'closed'))
          ORDER BY w.id FOR SHARE",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(entries)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Puts the messages of issued directives on their way, where their agency has an endpoint that is not closed. One that was cancelled while its
/// directive was held waits again, at its directive's new place in the order. A release is due at once, the rest not before what is open ahead of it.
pub async fn enqueue_for(tx: &mut Tx<'_>, directive_ids: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    // The endpoints are held against their closing, which would not see these messages. What is cancelled was not prepared, or its directive would have
    // been delivered and would not come here: a lease on it counts for nothing any more.
    let query = format!(
        "WITH open AS (
             SELECT w.id, w.agency_id FROM webhook_endpoints w
              WHERE w.state <> 'closed' AND w.agency_id IN (SELECT d.agency_id FROM directives d WHERE d.id = ANY ($1)) ORDER BY w.id FOR SHARE)
         INSERT INTO push_messages AS m (subject_id, endpoint_id, id, topic, directive_id, lifts, issued_order, state, attempts, next_at, created_at)
         SELECT d.subject_id, w.id, d.id, 'directive.' || d.kind, d.id, d.releases, d.issued_order, 'waiting', 0,
                CASE WHEN d.kind = 'release' THEN $2 ELSE greatest($2, {}) END, $2
           FROM directives d JOIN open w ON w.agency_id = d.agency_id
          WHERE d.id = ANY ($1) AND d.state = 'issued'
         ON CONFLICT (subject_id, endpoint_id, id) DO UPDATE
            SET state = 'waiting', issued_order = excluded.issued_order, attempts = 0, next_at = excluded.next_at, lease = NULL, lease_until = NULL,
                created_at = excluded.created_at, settled_at = NULL
          WHERE m.state = 'cancelled'",
        ahead("d.subject_id", "d.issued_order")
    );
    diesel::sql_query(query).bind::<Array<SqlUuid>, _>(directive_ids).bind::<Timestamptz, _>(now).execute(tx.conn()).await.db()?;
    Ok(())
}

/// Puts reminders and updates on their way that were made in this transaction, where their agency has an endpoint that is not closed.
pub async fn enqueue_reminders(tx: &mut Tx<'_>, reminder_ids: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    // Reminders are found as the inbox finds them, by agency and transaction.
    let query = format!(
        "WITH open AS (
             SELECT w.id, w.agency_id FROM webhook_endpoints w
              WHERE w.state <> 'closed' AND EXISTS (
                    SELECT 1 FROM directive_reminders r
                     WHERE r.agency_id = w.agency_id AND r.issued_xid = pg_current_xact_id() AND r.id = ANY ($1)) ORDER BY w.id FOR SHARE)
         INSERT INTO push_messages (subject_id, endpoint_id, id, topic, directive_id, issued_order, state, attempts, next_at, created_at)
         SELECT r.subject_id, w.id, r.id, CASE r.kind WHEN 'updated' THEN 'directive.update' ELSE 'directive.reminder' END, r.directive_id,
                r.issued_order, 'waiting', 0, greatest($2, {}), $2
           FROM open w JOIN directive_reminders r ON r.agency_id = w.agency_id AND r.issued_xid = pg_current_xact_id()
          WHERE r.id = ANY ($1)
         ON CONFLICT (subject_id, endpoint_id, id) DO NOTHING",
        ahead("r.subject_id", "r.issued_order")
    );
    diesel::sql_query(query).bind::<Array<SqlUuid>, _>(reminder_ids).bind::<Timestamptz, _>(now).execute(tx.conn()).await.db()?;
    Ok(())
}

/// Puts messages of no directive on their way, where their agency has an endpoint that is not closed. Each is due at once.
pub(crate) async fn enqueue_messages(tx: &mut Tx<'_>, keys: &[(Uuid, Uuid)], now: DateTime<Utc>) -> Result<()> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = keys.iter().copied().unzip();
    diesel::sql_query(
        "WITH told AS MATERIALIZED (
             SELECT a.subject_id, a.id, a.agency_id, a.topic, a.issued_order
               FROM unnest($1::uuid[], $2::uuid[]) AS k (subject_id, id) JOIN agency_messages a ON a.subject_id = k.subject_id AND a.id = k.id),
         open AS (
             SELECT w.id, w.agency_id FROM webhook_endpoints w
              WHERE w.state <> 'closed' AND w.agency_id IN (SELECT agency_id FROM told) ORDER BY w.id FOR SHARE)
         INSERT INTO push_messages (subject_id, endpoint_id, id, topic, issued_order, state, attempts, next_at, created_at)
         SELECT a.subject_id, w.id, a.id, a.topic, a.issued_order, 'waiting', 0, $3, $3 FROM told a JOIN open w ON w.agency_id = a.agency_id
         ON CONFLICT (subject_id, endpoint_id, id) DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Cancels messages of no directive that wait or were set aside. They held nothing back, so nothing is woken.
pub(crate) async fn cancel_messages(tx: &mut Tx<'_>, keys: &[(Uuid, Uuid)], now: DateTime<Utc>) -> Result<()> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = keys.iter().copied().unzip();
    diesel::sql_query(
        "UPDATE push_messages m SET state = 'cancelled', settled_at = $3,
                lease = CASE WHEN m.lease_until > clock_timestamp() THEN m.lease END,
                lease_until = CASE WHEN m.lease_until > clock_timestamp() THEN m.lease_until END
           FROM unnest($1::uuid[], $2::uuid[]) AS k (subject_id, id)
          WHERE m.subject_id = k.subject_id AND m.id = k.id AND m.directive_id IS NULL AND m.state IN ('waiting', 'dead')",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// A place in the order of an endpoint's messages about a subject.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(crate) struct Place {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub endpoint_id: Uuid,
    #[diesel(sql_type = BigInt)]
    pub issued_order: i64,
}

/// Cancels the messages about directives, reminders of them included, that wait or were set aside. One that is being sent at this moment may still
/// arrive; nothing is made of its answer, but it keeps its lease, and what comes after it waits until the request has come to its end.
pub async fn cancel(tx: &mut Tx<'_>, directive_ids: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    let places: Vec<Place> = diesel::sql_query(
        "WITH gone AS (
             UPDATE push_messages m SET state = 'cancelled', settled_at = $2,
                    lease = CASE WHEN m.lease_until > clock_timestamp() THEN m.lease END,
                    lease_until = CASE WHEN m.lease_until > clock_timestamp() THEN m.lease_until END
               FROM directives d
              WHERE d.id = ANY ($1) AND m.subject_id = d.subject_id AND m.directive_id = d.id AND m.state IN ('waiting', 'dead')
          RETURNING m.subject_id, m.endpoint_id, m.issued_order)
         SELECT subject_id, endpoint_id, min(issued_order) AS issued_order FROM gone GROUP BY subject_id, endpoint_id",
    )
    .bind::<Array<SqlUuid>, _>(directive_ids)
    .bind::<Timestamptz, _>(now)
    .load(tx.conn())
    .await
    .db()?;
    wake_next(tx, &places, now).await
}

/// Makes the next message of a directive due after each of these places, where what stood there is out of the way and nothing open stands before the
/// next. A release waited for none of them.
pub(crate) async fn wake_next(tx: &mut Tx<'_>, places: &[Place], now: DateTime<Utc>) -> Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    // MATERIALIZED: the first is looked up once a place, not once for everything that waits there.
    diesel::sql_query(
        "WITH first AS MATERIALIZED (
             SELECT f.subject_id, f.endpoint_id, o.id
               FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS f (subject_id, endpoint_id, issued_order)
              CROSS JOIN LATERAL (
                    SELECT b.id, b.issued_order FROM push_messages b
                     WHERE b.subject_id = f.subject_id AND b.endpoint_id = f.endpoint_id AND b.state IN ('waiting', 'dead')
                       AND b.directive_id IS NOT NULL
                     ORDER BY b.issued_order LIMIT 1) o
              WHERE o.issued_order > f.issued_order)
         UPDATE push_messages p SET next_at = $4
           FROM (SELECT q.subject_id, q.endpoint_id, q.id
                   FROM first JOIN push_messages q ON q.subject_id = first.subject_id AND q.endpoint_id = first.endpoint_id AND q.id = first.id
                  WHERE q.state = 'waiting' AND q.lifts IS NULL AND q.next_at > $4
                    FOR UPDATE OF q SKIP LOCKED) next
          WHERE p.subject_id = next.subject_id AND p.endpoint_id = next.endpoint_id AND p.id = next.id",
    )
    .bind::<Array<SqlUuid>, _>(places.iter().map(|p| p.subject_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(places.iter().map(|p| p.endpoint_id).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(places.iter().map(|p| p.issued_order).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Makes due what is held back by nothing any more: it came, or was to be woken, at the very moment at which somebody else changed what was ahead of it.
/// There is hardly ever any; the next look finds the rest. Returns how many.
pub(crate) async fn wake_forgotten(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> Result<usize> {
    let query = format!(
        "UPDATE push_messages p SET next_at = $1
           FROM (SELECT q.subject_id, q.endpoint_id, q.id
                   FROM webhook_endpoints w JOIN push_messages q ON q.endpoint_id = w.id
                  WHERE w.state = 'active' AND q.state = 'waiting' AND q.next_at >= {HELD_BACK}
                    AND NOT EXISTS (
                        SELECT 1 FROM push_messages b
                         WHERE b.subject_id = q.subject_id AND b.endpoint_id = q.endpoint_id AND b.state IN ('waiting', 'dead')
                           AND b.directive_id IS NOT NULL AND b.issued_order < q.issued_order OFFSET 0)
                  LIMIT 1000 FOR UPDATE OF q SKIP LOCKED) forgotten
          WHERE p.subject_id = forgotten.subject_id AND p.endpoint_id = forgotten.endpoint_id AND p.id = forgotten.id"
    );
    diesel::sql_query(query).bind::<Timestamptz, _>(now).execute(conn).await.db()
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
    /// Nothing of an agency message.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub directive_id: Option<Uuid>,
    #[diesel(sql_type = BigInt)]
    pub issued_order: i64,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

impl Taken {
    /// Its place in the order.
    pub(crate) fn place(&self) -> Place {
        Place { subject_id: self.subject_id, endpoint_id: self.endpoint_id, issued_order: self.issued_order }
    }
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
///
/// A message waits for everything open of directives before it about its subject; a release only for what is about the directive that it lifts, and a
/// message of no directive for none of it. All wait for what is on its way, even when that was cancelled meanwhile.
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
                                        WHERE b.subject_id = p.subject_id AND b.endpoint_id = p.endpoint_id AND b.issued_order < p.issued_order
                                          AND (b.state IN ('waiting', 'dead') OR b.lease_until IS NOT NULL)
                                          AND (b.lease_until > clock_timestamp()
                                               OR b.state IN ('waiting', 'dead') AND p.directive_id IS NOT NULL AND b.directive_id IS NOT NULL
                                                  AND (p.lifts IS NULL OR b.directive_id = p.lifts))
                                       OFFSET 0)
                                 ORDER BY p.next_at LIMIT $5) due
                          WHERE w.state = 'active'
                          ORDER BY turn, due.next_at LIMIT 4 * $4) c
                   JOIN push_messages q ON q.subject_id = c.subject_id AND q.endpoint_id = c.endpoint_id AND q.id = c.id
                  WHERE c.turn <= $5 AND q.state = 'waiting' AND (q.lease_until IS NULL OR q.lease_until < clock_timestamp())
                  ORDER BY c.turn, c.next_at LIMIT $4 FOR UPDATE OF q SKIP LOCKED) taken
          WHERE m.subject_id = taken.subject_id AND m.endpoint_id = taken.endpoint_id AND m.id = taken.id
      RETURNING m.subject_id, m.endpoint_id, m.id, m.topic, m.directive_id, m.issued_order, m.attempts, m.created_at",
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
    /// Of a reminder: whether the directive still asks for what it reminds of.
    #[diesel(sql_type = Bool)]
    pub owed: bool,
}

/// Locks the directive of a message until the transaction ends, and says how it stands and whether its ground does. `None` while somebody else is
/// changing it: who sends waits for nobody, so that nobody's exit can wait in a circle with it.
pub(crate) async fn lock_directive(tx: &mut Tx<'_>, message: &Taken, directive: Uuid, today: NaiveDate) -> Result<Option<Standing>> {
    let query = format!(
        "SELECT d.kind, d.state, ({}) AS stands,
                coalesce(d.due_on = (SELECT r.due_on FROM directive_reminders r WHERE r.subject_id = d.subject_id AND r.id = $4), false) AS owed
           FROM directives d JOIN list_entries e ON e.subject_id = d.subject_id AND e.id = d.entry_id
          WHERE d.subject_id = $2 AND d.id = $3 FOR UPDATE OF d SKIP LOCKED",
        GROUND_STANDS.replace("$today", "$1")
    );
    diesel::sql_query(query)
        .bind::<Date, _>(today)
        .bind::<SqlUuid, _>(message.subject_id)
        .bind::<SqlUuid, _>(directive)
        .bind::<SqlUuid, _>(message.id)
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

/// Writes what became of a message; `false` when the lease no longer held it, or it was cancelled meanwhile: then only its lease ends.
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
    if rows == 0 {
        let_go(tx, message, lease).await?;
    }
    Ok(rows == 1)
}

/// Ends the lease of a message that was cancelled while it was held: it is not, or no longer, on its way, and what comes after it need not wait.
pub(crate) async fn let_go(tx: &mut Tx<'_>, message: &Taken, lease: Uuid) -> Result<()> {
    let cancelled = push_messages::table
        .find((message.subject_id, message.endpoint_id, message.id))
        .filter(push_messages::lease.eq(lease))
        .filter(push_messages::state.eq("cancelled"));
    diesel::update(cancelled)
        .set((push_messages::lease.eq(None::<Uuid>), push_messages::lease_until.eq(None::<DateTime<Utc>>)))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// Lets the later messages of directives about the subject, releases excepted, wait as long as this one, which they have to wait for anyway; without a
/// time until they are woken. So they are not looked at in vain.
pub(crate) async fn wait_behind(tx: &mut Tx<'_>, message: &Taken, until: Option<DateTime<Utc>>) -> Result<()> {
    let query = format!(
        "UPDATE push_messages p SET next_at = later.until
           FROM (SELECT q.id, u.until
                   FROM (SELECT coalesce($4, {HELD_BACK}) AS until) u CROSS JOIN push_messages q
                  WHERE q.subject_id = $1 AND q.endpoint_id = $2 AND q.state = 'waiting' AND q.issued_order > $3
                    AND q.directive_id IS NOT NULL AND q.lifts IS NULL AND q.next_at < u.until
                    FOR UPDATE OF q SKIP LOCKED) later
          WHERE p.subject_id = $1 AND p.endpoint_id = $2 AND p.id = later.id"
    );
    diesel::sql_query(query)
        .bind::<SqlUuid, _>(message.subject_id)
        .bind::<SqlUuid, _>(message.endpoint_id)
        .bind::<BigInt, _>(message.issued_order)
        .bind::<Nullable<Timestamptz>, _>(until)
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
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
