//! SQL of agency messages. Their rows are locked in the order of (subject, id), or without waiting, so that nobody waits in a circle; whoever changes a
//! message and what is on its way of it changes the message first.

use crate::model::directives::Turn;
use crate::model::messages::{NewMessage, Sent};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::schema::agency_messages;
use credence_db::{DbResult, Tx};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

#[derive(QueryableByName)]
struct SentRow {
    #[diesel(sql_type = SqlUuid)]
    subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    agency_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    about_id: Uuid,
}

/// Stores messages that were not sent before, in the order given; returns those.
pub(crate) async fn insert(tx: &mut Tx<'_>, messages: &[NewMessage], now: DateTime<Utc>) -> Result<Vec<Sent>> {
    let ids = |pick: fn(&NewMessage) -> Uuid| messages.iter().map(pick).collect::<Vec<_>>();
    let rows: Vec<SentRow> = diesel::sql_query(
        "INSERT INTO agency_messages (subject_id, id, agency_id, topic, about_kind, about_id, message_key, body, due_on, receipt, created_at)
         SELECT m.subject_id, uuid_v7($10), m.agency_id, m.topic, m.about_kind, m.about_id, m.message_key, m.body::jsonb, m.due_on, m.receipt, $11
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::date[], $9::bool[]) WITH ORDINALITY
                AS m (subject_id, agency_id, topic, about_kind, about_id, message_key, body, due_on, receipt, place)
          ORDER BY m.place
         ON CONFLICT (subject_id, agency_id, topic, message_key) WHERE withdrawn_at IS NULL DO NOTHING
         RETURNING subject_id, agency_id, id, about_id",
    )
    .bind::<Array<SqlUuid>, _>(ids(|m| m.subject_id))
    .bind::<Array<SqlUuid>, _>(ids(|m| m.agency_id))
    .bind::<Array<Text>, _>(messages.iter().map(|m| m.topic).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(messages.iter().map(|m| m.about_kind).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(ids(|m| m.about_id))
    .bind::<Array<Text>, _>(messages.iter().map(|m| m.key.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(messages.iter().map(|m| m.body.to_string()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Date>>, _>(messages.iter().map(|m| m.due_on).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(messages.iter().map(|m| m.receipt).collect::<Vec<_>>())
    .bind::<BigInt, _>(now.timestamp_millis())
    .bind::<Timestamptz, _>(now)
    .load(tx.conn())
    .await
    .db()?;
    let sent = |r: SentRow| Sent { subject_id: r.subject_id, agency_id: r.agency_id, id: r.id, about_id: r.about_id };
    Ok(rows.into_iter().map(sent).collect())
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = SqlUuid)]
    subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Withdraws messages about these things, of one topic or of any, that nobody has; returns their keys (subject, id).
pub(crate) async fn withdraw(tx: &mut Tx<'_>, topic: Option<&str>, about_ids: &[Uuid], now: DateTime<Utc>) -> Result<Vec<(Uuid, Uuid)>> {
    let unseen = "a.about_id = ANY ($1) AND ($2::text IS NULL OR a.topic = $2) AND a.delivered_at IS NULL AND a.acknowledged_at IS NULL
                  AND a.withdrawn_at IS NULL";
    // The endpoints first, as everybody does who cancels messages and may put others on their way.
    diesel::sql_query(format!(
        "SELECT w.id FROM webhook_endpoints w
          WHERE w.state <> 'closed' AND w.agency_id IN (SELECT a.agency_id FROM agency_messages a WHERE {unseen}) ORDER BY w.id FOR SHARE"
    ))
    .bind::<Array<SqlUuid>, _>(about_ids)
    .bind::<Nullable<Text>, _>(topic)
    .execute(tx.conn())
    .await
    .db()?;
    // Whoever hands one out at the same time holds its row: then it stays.
    let withdrawn: Vec<KeyRow> = diesel::sql_query(format!(
        "WITH locked AS MATERIALIZED (
             SELECT a.subject_id, a.id FROM agency_messages a WHERE {unseen} ORDER BY a.subject_id, a.id FOR UPDATE)
         UPDATE agency_messages a SET withdrawn_at = $3 FROM locked WHERE a.subject_id = locked.subject_id AND a.id = locked.id
         RETURNING a.subject_id, a.id"
    ))
    .bind::<Array<SqlUuid>, _>(about_ids)
    .bind::<Nullable<Text>, _>(topic)
    .bind::<Timestamptz, _>(now)
    .load(tx.conn())
    .await
    .db()?;
    Ok(withdrawn.into_iter().map(|row| (row.subject_id, row.id)).collect())
}

/// A message that was locked to be handed out.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Locked {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Bool)]
    had: bool,
    #[diesel(sql_type = Bool)]
    pub acknowledged: bool,
    #[diesel(sql_type = Bool)]
    withdrawn: bool,
}

impl Locked {
    /// What becomes of it now that nobody else can change it.
    pub(crate) fn turn(&self) -> Turn {
        match (self.withdrawn, self.had) {
            (true, _) => Turn::Pass,
            (false, true) => Turn::Show,
            (false, false) => Turn::Hand,
        }
    }
}

async fn locked(tx: &mut Tx<'_>, keys: &[(Uuid, Uuid)], how: &str) -> Result<Vec<Locked>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = keys.iter().copied().unzip();
    diesel::sql_query(format!(
        "SELECT a.subject_id, a.id, a.delivered_at IS NOT NULL AS had, a.acknowledged_at IS NOT NULL AS acknowledged,
                a.withdrawn_at IS NOT NULL AS withdrawn
           FROM unnest($1::uuid[], $2::uuid[]) AS k (subject_id, id)
           JOIN agency_messages a ON a.subject_id = k.subject_id AND a.id = k.id
          ORDER BY a.subject_id, a.id FOR UPDATE OF a {how}"
    ))
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(tx.conn())
    .await
    .db()
}

/// Locks messages until the transaction ends, and says how each stands under the lock.
pub(crate) async fn lock(tx: &mut Tx<'_>, keys: &[(Uuid, Uuid)]) -> Result<Vec<Locked>> {
    locked(tx, keys, "").await
}

/// The same without waiting: what somebody else is changing at this moment is left out.
pub(crate) async fn lock_free(tx: &mut Tx<'_>, keys: &[(Uuid, Uuid)]) -> Result<Vec<Locked>> {
    locked(tx, keys, "SKIP LOCKED").await
}

/// Marks locked messages as delivered that nobody had.
pub(crate) async fn mark_delivered(tx: &mut Tx<'_>, keys: &[(Uuid, Uuid)], now: DateTime<Utc>) -> Result<()> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = keys.iter().copied().unzip();
    diesel::sql_query(
        "UPDATE agency_messages a SET delivered_at = $3 FROM unnest($1::uuid[], $2::uuid[]) AS k (subject_id, id)
          WHERE a.subject_id = k.subject_id AND a.id = k.id AND a.delivered_at IS NULL AND a.withdrawn_at IS NULL",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Locks the message of an agency that was not withdrawn until the transaction ends; `false` when it has none with this id.
pub(crate) async fn lock_one(tx: &mut Tx<'_>, agency: Uuid, id: Uuid) -> Result<bool> {
    let found: Option<Uuid> = agency_messages::table
        .filter(agency_messages::id.eq(id))
        .filter(agency_messages::agency_id.eq(agency))
        .filter(agency_messages::withdrawn_at.is_null())
        .for_update()
        .select(agency_messages::id)
        .first(tx.conn())
        .await
        .optional()
        .db()?;
    Ok(found.is_some())
}

/// Writes a receipt under a locked message. Whoever acknowledges a message has it.
pub(crate) async fn acknowledge(tx: &mut Tx<'_>, row: &MessageRow, by: &str, text: &str, now: DateTime<Utc>) -> Result<()> {
    diesel::update(agency_messages::table.find((row.subject_id, row.id)))
        .set((
            agency_messages::delivered_at.eq(row.delivered_at.unwrap_or(now)),
            agency_messages::acknowledged_at.eq(now),
            agency_messages::acknowledged_by.eq(by),
            agency_messages::acknowledgement.eq(text),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// A message with whom it is about. What of it is shown, the door decides.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct MessageRow {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Text)]
    pub topic: String,
    #[diesel(sql_type = Text)]
    pub about_kind: String,
    #[diesel(sql_type = SqlUuid)]
    pub about_id: Uuid,
    #[diesel(sql_type = Jsonb)]
    pub body: Value,
    #[diesel(sql_type = Nullable<Date>)]
    pub due_on: Option<NaiveDate>,
    #[diesel(sql_type = Bool)]
    pub receipt: bool,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub delivered_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub acknowledged_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub acknowledged_by: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub acknowledgement: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub withdrawn_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub subject_kind: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub subject_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub uscc: Option<String>,
}

/// The question behind every [`MessageRow`]; `source` is a parenthesised query over messages, `order` follows at the end.
fn select(source: &str, order: &str) -> String {
    format!(
        "SELECT a.subject_id, a.id, a.agency_id, a.topic, a.about_kind, a.about_id, a.body, a.due_on, a.receipt, a.created_at, a.delivered_at,
                a.acknowledged_at, a.acknowledged_by, a.acknowledgement, a.withdrawn_at,
                s.kind AS subject_kind, n.name AS subject_name, u.value AS uscc
           FROM {source} a
           LEFT JOIN LATERAL (SELECT kind FROM subjects WHERE id = a.subject_id OFFSET 0) s ON true
           LEFT JOIN LATERAL (SELECT name FROM subject_names WHERE subject_id = a.subject_id AND known_to IS NULL AND valid_to IS NULL
                               ORDER BY confirmed DESC, known_from DESC, id DESC LIMIT 1) n ON true
           LEFT JOIN LATERAL (SELECT value FROM subject_identifiers WHERE subject_id = a.subject_id AND scheme = 'uscc' AND known_to IS NULL
                               ORDER BY status = 'current' DESC, known_from DESC, id DESC LIMIT 1) u ON true
          {order}"
    )
}

/// The messages with these keys (subject, id).
pub(crate) async fn rows(conn: &mut AsyncPgConnection, keys: &[(Uuid, Uuid)]) -> Result<Vec<MessageRow>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = keys.iter().copied().unzip();
    let source = "(SELECT x.* FROM unnest($1::uuid[], $2::uuid[]) AS k (subject_id, id)
                     JOIN agency_messages x ON x.subject_id = k.subject_id AND x.id = k.id)";
    diesel::sql_query(select(source, "")).bind::<Array<SqlUuid>, _>(subjects).bind::<Array<SqlUuid>, _>(ids).load(conn).await.db()
}

/// The message with an id.
pub(crate) async fn find(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<MessageRow>> {
    let source = "(SELECT * FROM agency_messages WHERE id = $1)";
    diesel::sql_query(select(source, "")).bind::<SqlUuid, _>(id).get_result(conn).await.optional().db()
}

/// Which messages are asked for; what is absent does not narrow.
#[derive(Debug, Clone, Default)]
pub(crate) struct MessagesAsked<'a> {
    pub agency: Option<Uuid>,
    /// Those that were withdrawn too.
    pub withdrawn: bool,
    pub topic: Option<&'a str>,
    /// Has to be acknowledged and was not.
    pub open: Option<bool>,
    pub before: Option<Uuid>,
}

/// Messages, newest first, at most `limit`.
pub(crate) async fn list(conn: &mut AsyncPgConnection, asked: &MessagesAsked<'_>, limit: i64) -> Result<Vec<MessageRow>> {
    let mut conditions = String::new();
    let mut bound = 1;
    let mut narrow = |condition: &str, is: bool| {
        if is {
            bound += 1;
            conditions.push_str(" AND ");
            conditions.push_str(&condition.replace("$n", &format!("${bound}")));
        }
    };
    narrow("agency_id = $n", asked.agency.is_some());
    narrow("topic = $n", asked.topic.is_some());
    narrow("id < $n", asked.before.is_some());
    if !asked.withdrawn {
        conditions.push_str(" AND withdrawn_at IS NULL");
    }
    if let Some(open) = asked.open {
        conditions.push_str(if open { " AND " } else { " AND NOT " });
        conditions.push_str("(receipt AND acknowledged_at IS NULL AND withdrawn_at IS NULL)");
    }
    let source = format!("(SELECT * FROM agency_messages WHERE true{conditions} ORDER BY id DESC LIMIT $1)");
    let mut query = diesel::sql_query(select(&source, "ORDER BY a.id DESC")).into_boxed::<Pg>().bind::<BigInt, _>(limit);
    if let Some(agency) = asked.agency {
        query = query.bind::<SqlUuid, _>(agency);
    }
    if let Some(topic) = asked.topic {
        query = query.bind::<Text, _>(topic.to_owned());
    }
    if let Some(before) = asked.before {
        query = query.bind::<SqlUuid, _>(before);
    }
    query.load(conn).await.db()
}
