//! SQL of endpoints, their keys, and what people see and do about their messages.

use super::push::HELD_BACK;
use chrono::{DateTime, Utc};
use credence_core::problem::{Problem, Result};
use credence_db::schema::{push_attempts, push_messages, webhook_endpoints, webhook_secrets};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// An endpoint.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = webhook_endpoints)]
pub(crate) struct EndpointRow {
    pub id: Uuid,
    pub agency_id: Uuid,
    pub url: String,
    pub state: String,
    pub description: String,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
}

/// Enters an endpoint; `taken` is the problem when its agency has one that is not closed.
pub(crate) async fn insert(tx: &mut Tx<'_>, row: &EndpointRow, taken: impl FnOnce() -> Problem) -> Result<()> {
    let made = diesel::insert_into(webhook_endpoints::table).values(row).execute(tx.conn()).await;
    made.on_constraint("webhook_endpoints_one_open", taken)?;
    Ok(())
}

/// Enters a key, sealed.
pub(crate) async fn insert_key(tx: &mut Tx<'_>, endpoint: Uuid, key: Uuid, scheme: &str, sealed: &[u8], now: DateTime<Utc>) -> Result<()> {
    diesel::insert_into(webhook_secrets::table)
        .values((
            webhook_secrets::id.eq(key),
            webhook_secrets::endpoint_id.eq(endpoint),
            webhook_secrets::scheme.eq(scheme),
            webhook_secrets::sealed.eq(sealed),
            webhook_secrets::created_at.eq(now),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// Sets when the newest key of an endpoint stops signing.
pub(crate) async fn retire_newest(tx: &mut Tx<'_>, endpoint: Uuid, at: DateTime<Utc>) -> Result<()> {
    diesel::update(webhook_secrets::table.filter(webhook_secrets::endpoint_id.eq(endpoint)).filter(webhook_secrets::retires_at.is_null()))
        .set(webhook_secrets::retires_at.eq(at))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// A key without what is sealed: endpoint, id, scheme, since when, until when.
pub(crate) type KeyRow = (Uuid, Uuid, String, DateTime<Utc>, Option<DateTime<Utc>>);

/// The keys of endpoints that sign at an instant, newest first.
pub(crate) async fn keys(conn: &mut AsyncPgConnection, endpoints: &[Uuid], now: DateTime<Utc>) -> Result<Vec<KeyRow>> {
    webhook_secrets::table
        .filter(webhook_secrets::endpoint_id.eq_any(endpoints.to_vec()))
        .filter(webhook_secrets::retires_at.is_null().or(webhook_secrets::retires_at.gt(now)))
        .order((webhook_secrets::created_at.desc(), webhook_secrets::id.desc()))
        .select((
            webhook_secrets::endpoint_id,
            webhook_secrets::id,
            webhook_secrets::scheme,
            webhook_secrets::created_at,
            webhook_secrets::retires_at,
        ))
        .load(conn)
        .await
        .db()
}

/// The endpoint with an id.
pub(crate) async fn find(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<EndpointRow>> {
    webhook_endpoints::table.find(id).select(EndpointRow::as_select()).first(conn).await.optional().db()
}

/// The same, locked until the transaction ends.
pub(crate) async fn locked(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<EndpointRow>> {
    // What refers to it may go on being written; only other changes of it wait.
    webhook_endpoints::table.find(id).for_no_key_update().select(EndpointRow::as_select()).first(tx.conn()).await.optional().db()
}

/// Endpoints, newest first, before `before`, at most `limit`.
pub(crate) async fn list(conn: &mut AsyncPgConnection, before: Option<Uuid>, limit: i64) -> Result<Vec<EndpointRow>> {
    let mut query = webhook_endpoints::table.select(EndpointRow::as_select()).order(webhook_endpoints::id.desc()).limit(limit).into_boxed();
    if let Some(before) = before {
        query = query.filter(webhook_endpoints::id.lt(before));
    }
    query.load(conn).await.db()
}

/// How many messages of endpoints wait or were set aside: endpoint, state, number.
pub(crate) async fn open_messages(conn: &mut AsyncPgConnection, endpoints: &[Uuid]) -> Result<Vec<(Uuid, String, i64)>> {
    push_messages::table
        .filter(push_messages::endpoint_id.eq_any(endpoints.to_vec()))
        .filter(push_messages::state.eq_any(["waiting", "dead"]))
        .group_by((push_messages::endpoint_id, push_messages::state))
        .select((push_messages::endpoint_id, push_messages::state, diesel::dsl::count_star()))
        .load(conn)
        .await
        .db()
}

/// Moves an endpoint between active and paused.
pub(crate) async fn set_state(tx: &mut Tx<'_>, id: Uuid, state: &str) -> Result<()> {
    diesel::update(webhook_endpoints::table.find(id)).set(webhook_endpoints::state.eq(state)).execute(tx.conn()).await.db()?;
    Ok(())
}

/// Pauses an endpoint that is active; `false` when it is not.
pub(crate) async fn pause_active(tx: &mut Tx<'_>, id: Uuid) -> Result<bool> {
    let rows = diesel::update(webhook_endpoints::table.find(id).filter(webhook_endpoints::state.eq("active")))
        .set(webhook_endpoints::state.eq("paused"))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(rows == 1)
}

/// Closes an endpoint for good and cancels what it did not deliver; returns how many messages.
pub(crate) async fn close(tx: &mut Tx<'_>, id: Uuid, now: DateTime<Utc>) -> Result<usize> {
    // First the endpoint: who puts messages on their way to it at this moment is waited for, and its messages are seen below.
    diesel::update(webhook_endpoints::table.find(id))
        .set((webhook_endpoints::state.eq("closed"), webhook_endpoints::closed_at.eq(now)))
        .execute(tx.conn())
        .await
        .db()?;
    diesel::update(push_messages::table)
        .filter(push_messages::endpoint_id.eq(id))
        .filter(push_messages::state.eq_any(["waiting", "dead"]))
        .set((
            push_messages::state.eq("cancelled"),
            push_messages::settled_at.eq(now),
            push_messages::lease.eq(None::<Uuid>),
            push_messages::lease_until.eq(None::<DateTime<Utc>>),
        ))
        .execute(tx.conn())
        .await
        .db()
}

/// Gives a new endpoint what its agency has not been sent: the messages that the closing of its last endpoint cancelled, and the directives and agency
/// messages that wait in its inbox and were handed out in no way yet. Returns how many messages.
pub(crate) async fn take_over(tx: &mut Tx<'_>, endpoint: Uuid, agency: Uuid, now: DateTime<Utc>) -> Result<usize> {
    // A message cancelled by the closing bears its very instant.
    let left = diesel::sql_query(
        "INSERT INTO push_messages (subject_id, endpoint_id, id, topic, directive_id, lifts, issued_order, state, attempts, next_at, created_at)
         SELECT m.subject_id, $1, m.id, m.topic, m.directive_id, m.lifts, m.issued_order, 'waiting', 0, $3, m.created_at
           FROM (SELECT w.id, w.closed_at FROM webhook_endpoints w WHERE w.agency_id = $2 AND w.state = 'closed' ORDER BY w.closed_at DESC LIMIT 1) last
           JOIN push_messages m ON m.endpoint_id = last.id AND m.state = 'cancelled' AND m.settled_at = last.closed_at",
    )
    .bind::<SqlUuid, _>(endpoint)
    .bind::<SqlUuid, _>(agency)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    let issued = diesel::sql_query(
        "INSERT INTO push_messages (subject_id, endpoint_id, id, topic, directive_id, lifts, issued_order, state, attempts, next_at, created_at)
         SELECT d.subject_id, $1, d.id, 'directive.' || d.kind, d.id, d.releases, d.issued_order, 'waiting', 0, $3, d.issued_at
           FROM directives d WHERE d.agency_id = $2 AND d.issued_xid IS NOT NULL AND d.state = 'issued'
         ON CONFLICT (subject_id, endpoint_id, id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(endpoint)
    .bind::<SqlUuid, _>(agency)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    let told = diesel::sql_query(
        "INSERT INTO push_messages (subject_id, endpoint_id, id, topic, issued_order, state, attempts, next_at, created_at)
         SELECT a.subject_id, $1, a.id, a.topic, a.issued_order, 'waiting', 0, $3, a.created_at
           FROM agency_messages a WHERE a.agency_id = $2 AND a.delivered_at IS NULL AND a.withdrawn_at IS NULL
         ON CONFLICT (subject_id, endpoint_id, id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(endpoint)
    .bind::<SqlUuid, _>(agency)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(left + issued + told)
}

/// Makes what waits at an endpoint due at once: it is said to answer again. What is held back by a message that was set aside goes on waiting for that.
pub(crate) async fn make_due(tx: &mut Tx<'_>, endpoint: Uuid, now: DateTime<Utc>) -> Result<()> {
    let query = format!(
        "UPDATE push_messages SET next_at = $2 WHERE endpoint_id = $1 AND state = 'waiting' AND next_at > $2 AND next_at < {HELD_BACK}"
    );
    diesel::sql_query(query).bind::<SqlUuid, _>(endpoint).bind::<Timestamptz, _>(now).execute(tx.conn()).await.db()?;
    Ok(())
}

/// State of a message at an endpoint.
pub(crate) async fn message_state(tx: &mut Tx<'_>, endpoint: Uuid, message: Uuid) -> Result<Option<String>> {
    push_messages::table
        .filter(push_messages::endpoint_id.eq(endpoint))
        .filter(push_messages::id.eq(message))
        .select(push_messages::state)
        .first(tx.conn())
        .await
        .optional()
        .db()
}

/// Lets what was set aside wait again, with all its attempts before it: one message, or all. What it holds back is woken when it has been delivered.
/// Returns how many.
pub(crate) async fn replay(tx: &mut Tx<'_>, endpoint: Uuid, message: Option<Uuid>, now: DateTime<Utc>) -> Result<usize> {
    let again = (
        push_messages::state.eq("waiting"),
        push_messages::attempts.eq(0),
        push_messages::next_at.eq(now),
        push_messages::settled_at.eq(None::<DateTime<Utc>>),
    );
    let dead = push_messages::table.filter(push_messages::endpoint_id.eq(endpoint)).filter(push_messages::state.eq("dead"));
    match message {
        None => diesel::update(dead).set(again).execute(tx.conn()).await.db(),
        Some(message) => diesel::update(dead.filter(push_messages::id.eq(message))).set(again).execute(tx.conn()).await.db(),
    }
}

/// A message as people see it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = push_messages)]
pub(crate) struct MessageRow {
    pub subject_id: Uuid,
    pub id: Uuid,
    pub topic: String,
    pub directive_id: Option<Uuid>,
    pub state: String,
    pub attempts: i32,
    pub next_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
}

/// Messages of an endpoint in a state, those last due first, after a position (when, id), at most `limit`.
pub(crate) async fn messages(
    conn: &mut AsyncPgConnection,
    endpoint: Uuid,
    state: &str,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<MessageRow>> {
    let mut query = push_messages::table
        .select(MessageRow::as_select())
        .filter(push_messages::endpoint_id.eq(endpoint))
        .filter(push_messages::state.eq(state))
        .order((push_messages::next_at.desc(), push_messages::id.desc()))
        .limit(limit)
        .into_boxed();
    if let Some((at, id)) = after {
        query = query.filter(push_messages::next_at.lt(at).or(push_messages::next_at.eq(at).and(push_messages::id.lt(id))));
    }
    query.load(conn).await.db()
}

/// An attempt: message, when, status, error, milliseconds.
pub(crate) type AttemptRow = (Uuid, DateTime<Utc>, Option<i32>, Option<String>, i32);

/// Every attempt to deliver these messages of an endpoint, oldest first.
pub(crate) async fn attempts(conn: &mut AsyncPgConnection, endpoint: Uuid, of: &[MessageRow]) -> Result<Vec<AttemptRow>> {
    let subjects: Vec<Uuid> = of.iter().map(|m| m.subject_id).collect();
    let messages: Vec<Uuid> = of.iter().map(|m| m.id).collect();
    push_attempts::table
        .filter(push_attempts::subject_id.eq_any(subjects))
        .filter(push_attempts::endpoint_id.eq(endpoint))
        .filter(push_attempts::message_id.eq_any(messages))
        .order((push_attempts::message_id, push_attempts::id))
        .select((push_attempts::message_id, push_attempts::at, push_attempts::status, push_attempts::error, push_attempts::took_ms))
        .load(conn)
        .await
        .db()
}
