//! Effects and their follow-ups, whom they concern, and the look at the data that proves them.
//!
//! Whoever closes a follow-up holds the effects of its case first ([`hold`]), so that of two who close the last two one sees that it was the last.

mod verification;

pub(crate) use verification::{Gone, gone, unfollowed, waiting};

use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::effects::Effect;
use credence_core::problem::Result;
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// Where an effect comes from.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Origin {
    /// Catalogue item, or list.
    #[diesel(sql_type = Text)]
    pub source: String,
    /// Who answers for it.
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    /// The entry of a mirror: it follows its record, which has an effect of its own.
    #[diesel(sql_type = Bool)]
    pub mirrored: bool,
    /// Since when somebody could receive it.
    #[diesel(sql_type = Timestamptz)]
    pub since: DateTime<Utc>,
    /// When it was decided.
    #[diesel(sql_type = Timestamptz)]
    pub happened_at: DateTime<Utc>,
}

/// A record that an entry of the feed is about.
pub(crate) async fn record_origin(tx: &mut Tx<'_>, subject: Uuid, record: Uuid, feed_id: i64) -> Result<Option<Origin>> {
    diesel::sql_query(
        "SELECT v.item AS source, v.agency_id, false AS mirrored, f.at AS happened_at,
                (SELECT min(o.known_from) FROM record_versions o WHERE o.subject_id = $1 AND o.record_id = $2) AS since
           FROM record_versions v CROSS JOIN change_feed f
          WHERE v.subject_id = $1 AND v.record_id = $2 AND f.id = $3 ORDER BY v.known_from DESC, v.id DESC LIMIT 1",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(record)
    .bind::<BigInt, _>(feed_id)
    .get_result(tx.conn())
    .await
    .optional()
    .db()
}

/// An entry of a list that an entry of the feed is about.
pub(crate) async fn entry_origin(tx: &mut Tx<'_>, subject: Uuid, entry: Uuid, feed_id: i64) -> Result<Option<Origin>> {
    diesel::sql_query(
        "SELECT e.list AS source, e.agency_id, e.keeping = 'mirror' AS mirrored, f.at AS happened_at, coalesce(e.listed_at, e.proposed_at) AS since
           FROM list_entries e CROSS JOIN change_feed f WHERE e.subject_id = $1 AND e.id = $2 AND f.id = $3",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(entry)
    .bind::<BigInt, _>(feed_id)
    .get_result(tx.conn())
    .await
    .optional()
    .db()
}

/// The line of a case that led to something.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(crate) struct FromLine {
    #[diesel(sql_type = SqlUuid)]
    pub case_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub line_id: Uuid,
    /// Who decided.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub decider: Option<Uuid>,
}

/// A line by its id.
pub(crate) async fn line(tx: &mut Tx<'_>, subject: Uuid, line: Uuid) -> Result<Option<FromLine>> {
    diesel::sql_query("SELECT case_id, id AS line_id, decided_agency AS decider FROM redress_lines WHERE subject_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(subject)
        .bind::<SqlUuid, _>(line)
        .get_result(tx.conn())
        .await
        .optional()
        .db()
}

/// The line by which an entry left its list; none when its authority took it off without a case. An entry leaves once.
pub(crate) async fn line_of_exit(tx: &mut Tx<'_>, subject: Uuid, entry: Uuid) -> Result<Option<FromLine>> {
    diesel::sql_query(
        "SELECT case_id, id AS line_id, decided_agency AS decider FROM redress_lines
          WHERE subject_id = $1 AND target = 'entry' AND target_id = $2 AND outcome IN ('granted', 'delisted')
          ORDER BY coalesce(reviewed_at, decided_at) DESC, id DESC LIMIT 1",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(entry)
    .get_result(tx.conn())
    .await
    .optional()
    .db()
}

/// An effect that is new.
pub(crate) struct NewEffect<'a> {
    pub subject_id: Uuid,
    pub id: Uuid,
    pub feed: (i64, i64),
    pub kind: &'a str,
    pub target: &'a str,
    pub target_id: Uuid,
    pub origin: &'a Origin,
    pub line: Option<FromLine>,
    pub due_on: NaiveDate,
    pub rule: &'a str,
}

/// Keeps an effect; `false` when this entry of the feed has led to one before.
pub(crate) async fn insert(tx: &mut Tx<'_>, new: &NewEffect<'_>) -> Result<bool> {
    let rows = diesel::sql_query(
        "INSERT INTO effects (subject_id, id, feed_xid, feed_id, kind, target, target_id, source, agency_id, case_id, line_id, happened_at, due_on, rule)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (subject_id, feed_xid, feed_id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(new.subject_id)
    .bind::<SqlUuid, _>(new.id)
    .bind::<BigInt, _>(new.feed.0)
    .bind::<BigInt, _>(new.feed.1)
    .bind::<Text, _>(new.kind)
    .bind::<Text, _>(new.target)
    .bind::<SqlUuid, _>(new.target_id)
    .bind::<Text, _>(&new.origin.source)
    .bind::<SqlUuid, _>(new.origin.agency_id)
    .bind::<Nullable<SqlUuid>, _>(new.line.map(|line| line.case_id))
    .bind::<Nullable<SqlUuid>, _>(new.line.map(|line| line.line_id))
    .bind::<Timestamptz, _>(new.origin.happened_at)
    .bind::<Date, _>(new.due_on)
    .bind::<Text, _>(new.rule)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(rows == 1)
}

/// An agency that received something.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Received {
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    /// One that was closed answers nothing any more.
    #[diesel(sql_type = Bool)]
    pub active: bool,
}

/// Every agency but `decider` that has received a record or entry: that looked at the subject's file before this moment, or that found it by a check; and
/// who answers for it, when another decided. A look that began and whose end is not known may have shown it. Looks by which a case was dealt with are none
/// of these, and what a check told is asked of its answer. Whoever has it by a directive alone, or by the check that the directive asked for, hears of it
/// from joint action, by its release or its update; who looked at the file has the record itself, and is told whatever directives it has.
pub(crate) async fn recipients(
    tx: &mut Tx<'_>,
    new: &NewEffect<'_>,
    family: &[Uuid],
    decider: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<Received>> {
    diesel::sql_query(
        "WITH on_it AS MATERIALIZED (
             SELECT id FROM list_entries WHERE subject_id = ANY ($1) AND (id = $2 OR ground_record_id = $2)),
         received AS (
             SELECT agency_id FROM access_log
              WHERE subject_id = ANY ($1) AND at BETWEEN $4 AND $5 AND outcome IN ('granted', 'started') AND agency_id IS NOT NULL AND action <> 'subject.check'
                AND NOT action LIKE ANY (ARRAY['case%', 'repair%', 'check%', 'directive%', 'effect%'])
             UNION
             SELECT c.agency_id FROM checks c
              WHERE c.subject_id = ANY ($1) AND EXISTS (
                  SELECT 1 FROM jsonb_array_elements(c.result -> 'lists') AS l (entry) WHERE l.entry ->> 'entry_id' IN (SELECT id::text FROM on_it))
                AND NOT EXISTS (
                  SELECT 1 FROM directives d
                   WHERE d.subject_id = ANY ($1) AND d.entry_id IN (SELECT id FROM on_it) AND d.agency_id = c.agency_id AND d.kind = 'execute'
                     AND d.delivered_at IS NOT NULL AND (d.state <> 'released' OR d.ended_at >= $7))
             UNION
             SELECT $6::uuid)
         SELECT a.id AS agency_id, a.state = 'active' AS active FROM received r JOIN agencies a ON a.id = r.agency_id
          WHERE a.id <> $3
          ORDER BY a.id",
    )
    .bind::<Array<SqlUuid>, _>(family)
    .bind::<SqlUuid, _>(new.target_id)
    .bind::<SqlUuid, _>(decider)
    .bind::<Timestamptz, _>(new.origin.since)
    .bind::<Timestamptz, _>(now)
    .bind::<SqlUuid, _>(new.origin.agency_id)
    .bind::<Timestamptz, _>(new.origin.happened_at)
    .load(tx.conn())
    .await
    .db()
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Accounts that are bound to subjects.
pub(crate) async fn accounts(tx: &mut Tx<'_>, family: &[Uuid]) -> Result<Vec<Uuid>> {
    let rows: Vec<Id> = diesel::sql_query(
        "SELECT DISTINCT account_id AS id FROM account_subjects WHERE subject_id = ANY ($1) AND ended_at IS NULL ORDER BY 1",
    )
    .bind::<Array<SqlUuid>, _>(family)
    .load(tx.conn())
    .await
    .db()?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Somebody or something that has to follow.
pub(crate) struct NewFollowUp {
    /// `projection`, `agency` or `account`.
    pub kind: &'static str,
    pub recipient: String,
    /// Of an agency.
    pub message_id: Option<Uuid>,
}

/// Adds follow-ups to an effect. Those of accounts are done with it: what happened is shown to them at `channel`. Those of agencies rest until their
/// message is acknowledged ([`wake_acknowledged`]).
pub(crate) async fn add(tx: &mut Tx<'_>, new: &NewEffect<'_>, all: &[NewFollowUp], channel: &str, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO effect_followups (subject_id, effect_id, recipient_kind, recipient, message_id, state, due_on, next_at, receipt, done_at)
         SELECT $1, $2, r.kind, r.recipient, r.message_id, CASE WHEN r.kind = 'account' THEN 'done' ELSE 'open' END, $6,
                CASE WHEN r.kind = 'agency' THEN 'infinity' ELSE $7 END,
                CASE WHEN r.kind = 'account' THEN jsonb_build_object('channel', $8::text) ELSE '{}' END, CASE WHEN r.kind = 'account' THEN $7 END
           FROM unnest($3::text[], $4::text[], $5::uuid[]) AS r (kind, recipient, message_id)",
    )
    .bind::<SqlUuid, _>(new.subject_id)
    .bind::<SqlUuid, _>(new.id)
    .bind::<Array<Text>, _>(all.iter().map(|f| f.kind).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(all.iter().map(|f| f.recipient.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(all.iter().map(|f| f.message_id).collect::<Vec<_>>())
    .bind::<Date, _>(new.due_on)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(channel)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Lets projections be asked again at once about subjects of whom something changed. Taken after the place in the feed was moved, one at a time.
pub(crate) async fn wake(tx: &mut Tx<'_>, subjects: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "UPDATE effect_followups SET next_at = $2 WHERE subject_id = ANY ($1) AND state = 'open' AND recipient_kind = 'projection' AND next_at > $2",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Lets follow-ups of agencies be closed whose messages were acknowledged.
pub(crate) async fn wake_acknowledged(tx: &mut Tx<'_>, messages: &[Uuid], now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query("UPDATE effect_followups SET next_at = $2 WHERE message_id = ANY ($1) AND state = 'open'")
        .bind::<Array<SqlUuid>, _>(messages)
        .bind::<Timestamptz, _>(now)
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// A follow-up that is not done, with its effect.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Due {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub effect_id: Uuid,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub target: String,
    #[diesel(sql_type = SqlUuid)]
    pub target_id: Uuid,
    #[diesel(sql_type = Text)]
    pub source: String,
    #[diesel(sql_type = Timestamptz)]
    pub happened_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub case_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub line_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    pub recipient_kind: String,
    #[diesel(sql_type = Text)]
    pub recipient: String,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    /// Of an agency that acknowledged its message.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub delivered_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub acknowledged_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub acknowledgement: Option<String>,
}

impl Due {
    /// Its effect, as projections know it.
    pub(crate) fn effect(&self) -> Effect {
        Effect {
            id: self.effect_id,
            subject_id: self.subject_id,
            kind: self.kind.clone(),
            target: self.target.clone(),
            target_id: self.target_id,
            source: self.source.clone(),
            happened_at: self.happened_at,
        }
    }
}

const DUE: &str =
    "e.subject_id, e.id AS effect_id, e.kind, e.target, e.target_id, e.source, e.happened_at, e.case_id, e.line_id, f.recipient_kind,
    f.recipient, f.attempts";

/// Projections that have to be asked now, at most `limit`: about one effect in the order in which they were registered, since what one lets follow another
/// may rest on.
pub(crate) async fn due(conn: &mut AsyncPgConnection, codes: &[&str], now: DateTime<Utc>, limit: i64) -> Result<Vec<Due>> {
    diesel::sql_query(format!(
        "SELECT {DUE}, NULL::timestamptz AS delivered_at, NULL::timestamptz AS acknowledged_at, NULL::text AS acknowledgement
           FROM effect_followups f JOIN effects e ON e.subject_id = f.subject_id AND e.id = f.effect_id
          WHERE f.state = 'open' AND f.recipient_kind = 'projection' AND f.next_at <= $1
          ORDER BY f.next_at, f.effect_id, array_position($3::text[], f.recipient) LIMIT $2"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(limit)
    .bind::<Array<Text>, _>(codes)
    .load(conn)
    .await
    .db()
}

/// Agencies that have acknowledged and whose follow-up is open, at most `limit`.
pub(crate) async fn acknowledged(conn: &mut AsyncPgConnection, now: DateTime<Utc>, limit: i64) -> Result<Vec<Due>> {
    diesel::sql_query(format!(
        "SELECT {DUE}, m.delivered_at, m.acknowledged_at, m.acknowledgement
           FROM effect_followups f JOIN effects e ON e.subject_id = f.subject_id AND e.id = f.effect_id
           JOIN agency_messages m ON m.subject_id = f.subject_id AND m.id = f.message_id
          WHERE f.state = 'open' AND f.next_at <= $1 AND f.recipient_kind = 'agency' AND m.acknowledged_at IS NOT NULL
          ORDER BY m.acknowledged_at, f.effect_id, f.recipient LIMIT $2"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()
}

/// Agencies that were closed since they were told, and whose follow-up is open, at most `limit`. As long as none was closed, nothing else is looked at.
pub(crate) async fn closed(conn: &mut AsyncPgConnection, limit: i64) -> Result<Vec<Due>> {
    let agencies: Vec<Id> = diesel::sql_query("SELECT id FROM agencies WHERE state <> 'active'").load(&mut *conn).await.db()?;
    if agencies.is_empty() {
        return Ok(Vec::new());
    }
    diesel::sql_query(format!(
        "SELECT {DUE}, NULL::timestamptz AS delivered_at, NULL::timestamptz AS acknowledged_at, NULL::text AS acknowledgement
           FROM effect_followups f JOIN effects e ON e.subject_id = f.subject_id AND e.id = f.effect_id
          WHERE f.state = 'open' AND f.recipient_kind = 'agency' AND f.recipient = ANY ($1) ORDER BY f.effect_id, f.recipient LIMIT $2"
    ))
    .bind::<Array<Text>, _>(agencies.iter().map(|row| row.id.to_string()).collect::<Vec<_>>())
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()
}

/// Notes a look that found it not done yet.
pub(crate) async fn looked(tx: &mut Tx<'_>, due: &Due, receipt: &Value, next_at: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "UPDATE effect_followups SET attempts = attempts + 1, receipt = $5, next_at = $6
          WHERE subject_id = $1 AND effect_id = $2 AND recipient_kind = $3 AND recipient = $4 AND state = 'open'",
    )
    .bind::<SqlUuid, _>(due.subject_id)
    .bind::<SqlUuid, _>(due.effect_id)
    .bind::<Text, _>(&due.recipient_kind)
    .bind::<Text, _>(&due.recipient)
    .bind::<Jsonb, _>(receipt)
    .bind::<Timestamptz, _>(next_at)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Holds the effects of a case, or the one effect that has none, until the transaction ends.
pub(crate) async fn hold(tx: &mut Tx<'_>, due: &Due) -> Result<()> {
    let query = match due.case_id {
        Some(_) => "SELECT id FROM effects WHERE case_id = $3 OR subject_id = $1 AND id = $2 ORDER BY id FOR UPDATE",
        None => "SELECT id FROM effects WHERE $3::uuid IS NULL AND subject_id = $1 AND id = $2 FOR UPDATE",
    };
    diesel::sql_query(query)
        .bind::<SqlUuid, _>(due.subject_id)
        .bind::<SqlUuid, _>(due.effect_id)
        .bind::<Nullable<SqlUuid>, _>(due.case_id)
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// Closes a follow-up with its receipt; `false` when another was faster.
pub(crate) async fn close(tx: &mut Tx<'_>, due: &Due, receipt: &Value, now: DateTime<Utc>) -> Result<bool> {
    let rows = diesel::sql_query(
        "UPDATE effect_followups SET state = 'done', attempts = attempts + 1, receipt = $5, done_at = $6
          WHERE subject_id = $1 AND effect_id = $2 AND recipient_kind = $3 AND recipient = $4 AND state = 'open'",
    )
    .bind::<SqlUuid, _>(due.subject_id)
    .bind::<SqlUuid, _>(due.effect_id)
    .bind::<Text, _>(&due.recipient_kind)
    .bind::<Text, _>(&due.recipient)
    .bind::<Jsonb, _>(receipt)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(rows == 1)
}

/// Settles an effect that nothing is open of any more; whether it was that.
pub(crate) async fn settle(tx: &mut Tx<'_>, subject: Uuid, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let rows = diesel::sql_query(
        "UPDATE effects SET settled_at = $3 WHERE subject_id = $1 AND id = $2 AND settled_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM effect_followups f WHERE f.subject_id = $1 AND f.effect_id = $2 AND f.state = 'open')",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(id)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(rows == 1)
}

/// Writes down, once for a line, that everything that it led to is settled; whether that is so for the first time.
pub(crate) async fn carried_out(tx: &mut Tx<'_>, line: Uuid, due: &Due, by: &str, now: DateTime<Utc>) -> Result<bool> {
    let rows = diesel::sql_query(
        "INSERT INTO redress_steps (subject_id, id, case_id, line_id, step, from_state, to_state, at, actor_label, detail)
         SELECT l.subject_id, uuid_v7($4), l.case_id, l.id, 'carried_out', l.state, l.state, $5, $6, jsonb_build_object('effect_id', $3::uuid)
           FROM redress_lines l
          WHERE l.subject_id = $1 AND l.id = $2
            AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.case_id = l.case_id AND e.line_id = l.id AND e.settled_at IS NULL)
            AND NOT EXISTS (SELECT 1 FROM redress_steps s WHERE s.case_id = l.case_id AND s.line_id = l.id AND s.step = 'carried_out')",
    )
    .bind::<SqlUuid, _>(due.subject_id)
    .bind::<SqlUuid, _>(line)
    .bind::<SqlUuid, _>(due.effect_id)
    .bind::<BigInt, _>(now.timestamp_millis())
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(by)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(rows == 1)
}

/// Whether an effect that is not settled lacks a follow-up of a projection that was registered after it happened.
pub(crate) async fn any_lacks(conn: &mut AsyncPgConnection, codes: &[&str]) -> Result<bool> {
    let counted: Counted = diesel::sql_query(
        "SELECT count(*) AS n FROM (
             SELECT 1 FROM effects e CROSS JOIN unnest($1::text[]) AS p (code)
              WHERE e.settled_at IS NULL AND NOT EXISTS (
                  SELECT 1 FROM effect_followups f WHERE f.subject_id = e.subject_id AND f.effect_id = e.id AND f.recipient_kind = 'projection'
                     AND f.recipient = p.code) LIMIT 1) AS lacking",
    )
    .bind::<Array<Text>, _>(codes)
    .get_result(conn)
    .await
    .db()?;
    Ok(counted.n > 0)
}

/// Adds those follow-ups; how many. Nobody settles such an effect meanwhile.
pub(crate) async fn adopt(tx: &mut Tx<'_>, codes: &[&str], now: DateTime<Utc>) -> Result<usize> {
    diesel::sql_query(
        "WITH held AS MATERIALIZED (SELECT subject_id, id, due_on FROM effects WHERE settled_at IS NULL ORDER BY id FOR UPDATE)
         INSERT INTO effect_followups (subject_id, effect_id, recipient_kind, recipient, state, due_on, next_at)
         SELECT h.subject_id, h.id, 'projection', p.code, 'open', h.due_on, $2 FROM held h CROSS JOIN unnest($1::text[]) AS p (code)
         ON CONFLICT DO NOTHING",
    )
    .bind::<Array<Text>, _>(codes)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()
}

/// An effect as it is kept.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct EffectRow {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub target: String,
    #[diesel(sql_type = SqlUuid)]
    pub target_id: Uuid,
    #[diesel(sql_type = Text)]
    pub source: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub agency: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub case_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub line_id: Option<Uuid>,
    #[diesel(sql_type = Timestamptz)]
    pub happened_at: DateTime<Utc>,
    #[diesel(sql_type = Date)]
    pub due_on: NaiveDate,
    #[diesel(sql_type = Text)]
    pub rule: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub settled_at: Option<DateTime<Utc>>,
}

const EFFECT: &str = "SELECT e.subject_id, e.id, e.kind, e.target, e.target_id, e.source, a.name AS agency, e.case_id, e.line_id, e.happened_at, e.due_on, e.rule,
    e.settled_at FROM effects e LEFT JOIN agencies a ON a.id = e.agency_id";

/// Effects of a line, oldest first.
pub(crate) async fn of_line(conn: &mut AsyncPgConnection, line: Uuid) -> Result<Vec<EffectRow>> {
    diesel::sql_query(format!(
        "{EFFECT} WHERE e.case_id = (SELECT case_id FROM redress_lines WHERE id = $1) AND e.line_id = $1 ORDER BY e.happened_at, e.id"
    ))
    .bind::<SqlUuid, _>(line)
    .load(conn)
    .await
    .db()
}

/// Which effects are asked for; what is absent does not narrow.
#[derive(Debug, Clone, Copy, Default)]
pub struct EffectsAsked {
    /// Not settled, or the others.
    pub open: Option<bool>,
    /// Not settled although their last day is over, or the others.
    pub overdue: Option<bool>,
    /// Before this one.
    pub before: Option<Uuid>,
}

/// Effects, newest first.
pub(crate) async fn page(conn: &mut AsyncPgConnection, asked: &EffectsAsked, today: NaiveDate, limit: i64) -> Result<Vec<EffectRow>> {
    diesel::sql_query(format!(
        "{EFFECT} WHERE ($1::bool IS NULL OR (e.settled_at IS NULL) = $1) AND ($2::bool IS NULL OR (e.settled_at IS NULL AND e.due_on < $3) = $2)
            AND ($4::uuid IS NULL OR e.id < $4) ORDER BY e.id DESC LIMIT $5"
    ))
    .bind::<Nullable<Bool>, _>(asked.open)
    .bind::<Nullable<Bool>, _>(asked.overdue)
    .bind::<Date, _>(today)
    .bind::<Nullable<SqlUuid>, _>(asked.before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()
}

/// A follow-up as it is kept.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct FollowUpRow {
    #[diesel(sql_type = SqlUuid)]
    pub effect_id: Uuid,
    #[diesel(sql_type = Text)]
    pub recipient_kind: String,
    #[diesel(sql_type = Text)]
    pub recipient: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub agency: Option<String>,
    #[diesel(sql_type = Date)]
    pub due_on: NaiveDate,
    #[diesel(sql_type = Jsonb)]
    pub receipt: Value,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub done_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub delivered_at: Option<DateTime<Utc>>,
}

/// Follow-ups of effects: the projections first, then agencies, then accounts.
pub(crate) async fn follow_ups(conn: &mut AsyncPgConnection, effects: &[(Uuid, Uuid)]) -> Result<Vec<FollowUpRow>> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = effects.iter().copied().unzip();
    diesel::sql_query(
        "SELECT f.effect_id, f.recipient_kind, f.recipient, a.name AS agency, f.due_on, f.receipt, f.done_at, m.delivered_at
           FROM unnest($1::uuid[], $2::uuid[]) AS e (subject_id, id)
           JOIN effect_followups f ON f.subject_id = e.subject_id AND f.effect_id = e.id
           LEFT JOIN agency_messages m ON m.subject_id = f.subject_id AND m.id = f.message_id
           LEFT JOIN agencies a ON a.id = m.agency_id
          ORDER BY array_position(ARRAY['projection', 'agency', 'account'], f.recipient_kind), f.recipient",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await
    .db()
}

/// How many follow-ups are late.
pub(crate) async fn overdue(conn: &mut AsyncPgConnection, today: NaiveDate) -> Result<i64> {
    let counted: Counted = diesel::sql_query("SELECT count(*) AS n FROM effect_followups WHERE state = 'open' AND due_on < $1")
        .bind::<Date, _>(today)
        .get_result(conn)
        .await
        .db()?;
    Ok(counted.n)
}
