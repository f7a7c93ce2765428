//! SQL of joint actions. What follows from listing, holding and ending many entries is done in one statement for all of them.

use super::{GROUND_STANDS, push};
use crate::model::actions::{Deadlines, Listed, Plan};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::schema::{directives, joint_actions};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

#[derive(QueryableByName)]
struct Made {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Makes the joint actions and directives of entries that were listed in this transaction; returns the ids of the directives.
pub(crate) async fn start(
    tx: &mut Tx<'_>,
    plan: &Plan,
    entries: &[Listed],
    deadlines: &Deadlines,
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>> {
    let of = |pick: fn(&Listed) -> Uuid| entries.iter().map(pick).collect::<Vec<_>>();
    let regions: Vec<&str> = entries.iter().map(|e| e.region.as_str()).collect();
    let (codes, (versions, automatic)): (Vec<&str>, (Vec<i32>, Vec<bool>)) =
        plan.memoranda.iter().map(|m| (m.code.as_str(), (m.version, m.automatic))).unzip();
    let lines = &plan.directives;
    let made: Vec<Made> = diesel::sql_query(
        "WITH entry AS (
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS e (subject_id, entry_id, region)),
         action AS (
             INSERT INTO joint_actions (subject_id, id, entry_id, list, memorandum, memorandum_version, region, state, automatic, proposed_at, started_at, started_by)
             SELECT e.subject_id, uuid_v7($4), e.entry_id, $5, m.code, m.version, e.region, CASE WHEN m.automatic THEN 'started' ELSE 'proposed' END,
                    m.automatic, $6, CASE WHEN m.automatic THEN $6 END, CASE WHEN m.automatic THEN 'memorandum ' || m.code END
               FROM entry e CROSS JOIN unnest($7::text[], $8::int[], $9::bool[]) AS m (code, version, automatic)
          RETURNING subject_id, id, entry_id, memorandum, region, automatic)
         INSERT INTO directives (subject_id, id, action_id, entry_id, kind, memorandum, measure, measure_version, agency_id, continuing, state,
                due_on, respond_by, feedback_by, first_feedback_by, rules, issued_at, issued_xid, issued_order, created_at)
         SELECT a.subject_id, uuid_v7($4), a.id, a.entry_id, 'execute', a.memorandum, p.measure, p.measure_version, p.agency_id, p.continuing,
                CASE WHEN a.automatic THEN 'issued' ELSE 'proposed' END,
                CASE WHEN a.automatic THEN $16 END, CASE WHEN a.automatic THEN $16 END, CASE WHEN a.automatic THEN $17 END,
                CASE WHEN a.automatic THEN $17 END, $18,
                CASE WHEN a.automatic THEN $6 END, CASE WHEN a.automatic THEN pg_current_xact_id() END,
                CASE WHEN a.automatic THEN nextval('directive_order') END, $6
           FROM action a
           JOIN unnest($10::text[], $11::text[], $12::text[], $13::int[], $14::bool[], $15::uuid[])
                AS p (region, memorandum, measure, measure_version, continuing, agency_id) ON p.region = a.region AND p.memorandum = a.memorandum
      RETURNING id",
    )
    .bind::<Array<SqlUuid>, _>(of(|e| e.subject_id))
    .bind::<Array<SqlUuid>, _>(of(|e| e.entry_id))
    .bind::<Array<Text>, _>(regions)
    .bind::<BigInt, _>(now.timestamp_millis())
    .bind::<Text, _>(&plan.list)
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Text>, _>(codes)
    .bind::<Array<Integer>, _>(versions)
    .bind::<Array<Bool>, _>(automatic)
    .bind::<Array<Text>, _>(lines.iter().map(|l| l.region.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(lines.iter().map(|l| l.memorandum.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(lines.iter().map(|l| l.measure.as_str()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(lines.iter().map(|l| l.measure_version).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(lines.iter().map(|l| l.continuing).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(lines.iter().map(|l| l.agency).collect::<Vec<_>>())
    .bind::<Date, _>(deadlines.respond_by)
    .bind::<Date, _>(deadlines.feedback_by)
    .bind::<Text, _>(&deadlines.rules)
    .load(tx.conn())
    .await
    .db()?;
    Ok(made.into_iter().map(|m| m.id).collect())
}

/// Issues the directives of one action that waited for the credit office; returns their ids.
pub(crate) async fn issue(tx: &mut Tx<'_>, subject: Uuid, action: Uuid, deadlines: &Deadlines, now: DateTime<Utc>) -> Result<Vec<Uuid>> {
    let issued: Vec<Made> = diesel::sql_query(
        "UPDATE directives SET state = 'issued', due_on = $3, respond_by = $3, feedback_by = $4, first_feedback_by = $4, rules = $5,
                issued_at = $6,
                issued_xid = pg_current_xact_id(), issued_order = nextval('directive_order')
          WHERE subject_id = $1 AND action_id = $2 AND state = 'proposed' RETURNING id",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(action)
    .bind::<Date, _>(deadlines.respond_by)
    .bind::<Date, _>(deadlines.feedback_by)
    .bind::<Text, _>(&deadlines.rules)
    .bind::<Timestamptz, _>(now)
    .load(tx.conn())
    .await
    .db()?;
    Ok(issued.into_iter().map(|d| d.id).collect())
}

/// Cancels the directives of one action that was refused.
pub(crate) async fn cancel(tx: &mut Tx<'_>, subject: Uuid, action: Uuid, now: DateTime<Utc>) -> Result<usize> {
    diesel::update(directives::table)
        .filter(directives::subject_id.eq(subject))
        .filter(directives::action_id.eq(action))
        .filter(directives::state.eq("proposed"))
        .set((directives::state.eq("cancelled"), directives::ended_at.eq(now)))
        .execute(tx.conn())
        .await
        .db()
}

/// Entries as two arrays.
fn columns(entries: &[(Uuid, Uuid)]) -> (Vec<Uuid>, Vec<Uuid>) {
    entries.iter().copied().unzip()
}

/// Holds what of these entries was not delivered yet: actions and directives wait for the authority. Returns how many directives.
pub(crate) async fn hold(tx: &mut Tx<'_>, entries: &[(Uuid, Uuid)], now: DateTime<Utc>) -> Result<usize> {
    let (subjects, ids) = columns(entries);
    push::keep_endpoints(tx, &subjects, &ids).await?;
    // The actions first: whoever confirms one at the same time is waited for here, and its directives are seen below.
    diesel::sql_query(
        "UPDATE joint_actions a SET state = 'held' FROM unnest($1::uuid[], $2::uuid[]) AS e (subject_id, entry_id)
          WHERE a.subject_id = e.subject_id AND a.entry_id = e.entry_id AND a.state IN ('proposed', 'started')",
    )
    .bind::<Array<SqlUuid>, _>(&subjects)
    .bind::<Array<SqlUuid>, _>(&ids)
    .execute(tx.conn())
    .await
    .db()?;
    let held: Vec<Made> = diesel::sql_query(
        "UPDATE directives d SET state = 'held', due_on = NULL FROM unnest($1::uuid[], $2::uuid[]) AS e (subject_id, entry_id)
          WHERE d.subject_id = e.subject_id AND d.entry_id = e.entry_id AND d.kind = 'execute' AND d.state IN ('proposed', 'issued') RETURNING d.id",
    )
    .bind::<Array<SqlUuid>, _>(&subjects)
    .bind::<Array<SqlUuid>, _>(&ids)
    .load(tx.conn())
    .await
    .db()?;
    let held: Vec<Uuid> = held.into_iter().map(|d| d.id).collect();
    if !held.is_empty() {
        push::cancel(tx, &held, now).await?;
    }
    Ok(held.len())
}

/// Lets what was held go on, where its action had been started with a new place in the inboxes and new deadlines. Returns how many directives.
pub(crate) async fn resume(tx: &mut Tx<'_>, entries: &[(Uuid, Uuid)], deadlines: &Deadlines, now: DateTime<Utc>) -> Result<usize> {
    let (subjects, ids) = columns(entries);
    diesel::sql_query(
        "UPDATE joint_actions a SET state = CASE WHEN a.started_at IS NULL THEN 'proposed' ELSE 'started' END
           FROM unnest($1::uuid[], $2::uuid[]) AS e (subject_id, entry_id)
          WHERE a.subject_id = e.subject_id AND a.entry_id = e.entry_id AND a.state = 'held'",
    )
    .bind::<Array<SqlUuid>, _>(&subjects)
    .bind::<Array<SqlUuid>, _>(&ids)
    .execute(tx.conn())
    .await
    .db()?;
    let issued: Vec<Made> = diesel::sql_query(
        "UPDATE directives d SET state = CASE WHEN a.started_at IS NULL THEN 'proposed' ELSE 'issued' END,
                due_on = CASE WHEN a.started_at IS NOT NULL THEN $3 END, respond_by = CASE WHEN a.started_at IS NOT NULL THEN $3 END,
                feedback_by = CASE WHEN a.started_at IS NOT NULL THEN $4 END,
                first_feedback_by = CASE WHEN a.started_at IS NOT NULL THEN $4 END, rules = $5,
                issued_at = CASE WHEN a.started_at IS NOT NULL THEN $6 END, issued_xid = CASE WHEN a.started_at IS NOT NULL THEN pg_current_xact_id() END,
                issued_order = CASE WHEN a.started_at IS NOT NULL THEN nextval('directive_order') END
           FROM unnest($1::uuid[], $2::uuid[]) AS e (subject_id, entry_id), joint_actions a
          WHERE d.subject_id = e.subject_id AND d.entry_id = e.entry_id AND d.state = 'held'
            AND a.subject_id = d.subject_id AND a.id = d.action_id RETURNING d.id",
    )
    .bind::<Array<SqlUuid>, _>(&subjects)
    .bind::<Array<SqlUuid>, _>(&ids)
    .bind::<Date, _>(deadlines.respond_by)
    .bind::<Date, _>(deadlines.feedback_by)
    .bind::<Text, _>(&deadlines.rules)
    .bind::<Timestamptz, _>(now)
    .load(tx.conn())
    .await
    .db()?;
    let issued: Vec<Uuid> = issued.into_iter().map(|d| d.id).collect();
    // Nobody could answer while the ground was looked at: those who have theirs get the time of those who get theirs now, unless they had more.
    diesel::sql_query(
        "UPDATE directives d SET respond_by = CASE WHEN d.state = 'delivered' THEN greatest(d.respond_by, $3) ELSE d.respond_by END,
                feedback_by = greatest(d.feedback_by, $4),
                first_feedback_by = CASE WHEN d.first_feedback_at IS NULL THEN greatest(d.first_feedback_by, $4) ELSE d.first_feedback_by END,
                due_on = CASE WHEN d.due_on IS NULL THEN NULL WHEN d.state = 'delivered' THEN greatest(d.due_on, $3) ELSE greatest(d.due_on, $4) END,
                rules = $5
           FROM unnest($1::uuid[], $2::uuid[]) AS e (subject_id, entry_id)
          WHERE d.subject_id = e.subject_id AND d.entry_id = e.entry_id AND d.kind = 'execute' AND d.state IN ('delivered', 'accepted', 'reported')",
    )
    .bind::<Array<SqlUuid>, _>(&subjects)
    .bind::<Array<SqlUuid>, _>(&ids)
    .bind::<Date, _>(deadlines.respond_by)
    .bind::<Date, _>(deadlines.feedback_by)
    .bind::<Text, _>(&deadlines.rules)
    .execute(tx.conn())
    .await
    .db()?;
    if !issued.is_empty() {
        push::enqueue_for(tx, &issued, now).await?;
    }
    Ok(issued.len())
}

#[derive(QueryableByName)]
struct Ended {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    subject_id: Uuid,
    #[diesel(sql_type = Bool)]
    delivered: bool,
}

/// What ending entries did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lifted {
    /// Directives that nobody had received and nobody will.
    pub cancelled: usize,
    /// Releases sent to those who had.
    pub releases: usize,
}

/// Ends what rests on these entries: what was not delivered is cancelled, and every agency that received a directive gets its release.
pub(crate) async fn lift(
    tx: &mut Tx<'_>,
    entries: &[(Uuid, Uuid)],
    cause: &str,
    deadlines: &Deadlines,
    now: DateTime<Utc>,
) -> Result<Lifted> {
    let (subjects, ids) = columns(entries);
    push::keep_endpoints(tx, &subjects, &ids).await?;
    diesel::sql_query(
        "UPDATE joint_actions a SET state = 'ended', ended_at = $3, end_cause = $4 FROM unnest($1::uuid[], $2::uuid[]) AS e (subject_id, entry_id)
          WHERE a.subject_id = e.subject_id AND a.entry_id = e.entry_id AND a.state IN ('proposed', 'started', 'held')",
    )
    .bind::<Array<SqlUuid>, _>(&subjects)
    .bind::<Array<SqlUuid>, _>(&ids)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(cause)
    .execute(tx.conn())
    .await
    .db()?;
    // Whoever hands one out at the same time holds its row: it is judged here by what it has become.
    let ended: Vec<Ended> = diesel::sql_query(
        "UPDATE directives d SET state = CASE WHEN d.state IN ('proposed', 'issued', 'held') THEN 'cancelled' ELSE 'released' END, due_on = NULL, ended_at = $3
           FROM unnest($1::uuid[], $2::uuid[]) AS e (subject_id, entry_id)
          WHERE d.subject_id = e.subject_id AND d.entry_id = e.entry_id AND d.kind = 'execute' AND d.state NOT IN ('cancelled', 'released')
      RETURNING d.subject_id, d.id, d.state = 'released' AS delivered",
    )
    .bind::<Array<SqlUuid>, _>(&subjects)
    .bind::<Array<SqlUuid>, _>(&ids)
    .bind::<Timestamptz, _>(now)
    .load(tx.conn())
    .await
    .db()?;
    if ended.is_empty() {
        return Ok(Lifted::default());
    }
    push::cancel(tx, &ended.iter().map(|d| d.id).collect::<Vec<_>>(), now).await?;
    let (of, received): (Vec<Uuid>, Vec<Uuid>) = ended.iter().filter(|d| d.delivered).map(|d| (d.subject_id, d.id)).unzip();
    let releases: Vec<Made> = diesel::sql_query(
        "INSERT INTO directives (subject_id, id, action_id, entry_id, kind, releases, memorandum, measure, measure_version, agency_id, continuing, state,
                due_on, feedback_by, rules, issued_at, issued_xid, issued_order, created_at)
         SELECT d.subject_id, uuid_v7($3), d.action_id, d.entry_id, 'release', d.id, d.memorandum, d.measure, d.measure_version, d.agency_id, false, 'issued',
                $4, $4, $5, $6, pg_current_xact_id(), nextval('directive_order'), $6
           FROM unnest($1::uuid[], $2::uuid[]) AS r (subject_id, id) JOIN directives d ON d.subject_id = r.subject_id AND d.id = r.id
      RETURNING id",
    )
    .bind::<Array<SqlUuid>, _>(of)
    .bind::<Array<SqlUuid>, _>(received)
    .bind::<BigInt, _>(now.timestamp_millis())
    .bind::<Date, _>(deadlines.release_by)
    .bind::<Text, _>(&deadlines.release_rule)
    .bind::<Timestamptz, _>(now)
    .load(tx.conn())
    .await
    .db()?;
    let releases: Vec<Uuid> = releases.into_iter().map(|d| d.id).collect();
    if !releases.is_empty() {
        push::enqueue_for(tx, &releases, now).await?;
    }
    Ok(Lifted { cancelled: ended.len() - releases.len(), releases: releases.len() })
}

/// A joint action.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = joint_actions)]
pub(crate) struct ActionRow {
    pub subject_id: Uuid,
    pub id: Uuid,
    pub entry_id: Uuid,
    pub list: String,
    pub memorandum: String,
    pub region: String,
    pub state: String,
    pub automatic: bool,
    pub proposed_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub started_by: Option<String>,
    pub refused_reason: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
    pub end_cause: Option<String>,
}

/// A joint action as it is.
pub(crate) async fn find(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<ActionRow>> {
    joint_actions::table.filter(joint_actions::id.eq(id)).select(ActionRow::as_select()).first(tx.conn()).await.optional().db()
}

/// A joint action, locked until the transaction ends.
pub(crate) async fn locked(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<ActionRow>> {
    joint_actions::table.filter(joint_actions::id.eq(id)).for_update().select(ActionRow::as_select()).first(tx.conn()).await.optional().db()
}

/// Moves a locked action out of `proposed`.
pub(crate) async fn started(tx: &mut Tx<'_>, action: &ActionRow, by: &str, now: DateTime<Utc>) -> Result<()> {
    diesel::update(joint_actions::table.find((action.subject_id, action.id)))
        .set((joint_actions::state.eq("started"), joint_actions::started_at.eq(now), joint_actions::started_by.eq(by)))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// Refuses a locked action.
pub(crate) async fn refused(tx: &mut Tx<'_>, action: &ActionRow, reason: &str) -> Result<()> {
    diesel::update(joint_actions::table.find((action.subject_id, action.id)))
        .set((joint_actions::state.eq("refused"), joint_actions::refused_reason.eq(reason)))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

#[derive(QueryableByName)]
struct Stands {
    #[diesel(sql_type = Bool)]
    stands: bool,
}

/// Whether the ground under an entry stands; the entry is locked against its exit until the transaction ends.
pub(crate) async fn ground_stands(tx: &mut Tx<'_>, subject: Uuid, entry: Uuid, today: NaiveDate) -> Result<bool> {
    let query = format!(
        "SELECT ({}) AS stands FROM list_entries e WHERE e.subject_id = $1 AND e.id = $2 FOR SHARE",
        GROUND_STANDS.replace("$today", "$3")
    );
    let found: Option<Stands> = diesel::sql_query(query)
        .bind::<SqlUuid, _>(subject)
        .bind::<SqlUuid, _>(entry)
        .bind::<Date, _>(today)
        .get_result(tx.conn())
        .await
        .optional()
        .db()?;
    Ok(found.is_some_and(|f| f.stands))
}

/// Joint actions in a state (any, when absent), newest first, before `before`, with how many directives each has.
pub(crate) async fn list(
    conn: &mut AsyncPgConnection,
    state: Option<&str>,
    entry: Option<Uuid>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<(ActionRow, i64)>> {
    let mut query = joint_actions::table.select(ActionRow::as_select()).order(joint_actions::id.desc()).limit(limit).into_boxed();
    if let Some(state) = state {
        query = query.filter(joint_actions::state.eq(state));
    }
    if let Some(entry) = entry {
        query = query.filter(joint_actions::entry_id.eq(entry));
    }
    if let Some(before) = before {
        query = query.filter(joint_actions::id.lt(before));
    }
    let rows: Vec<ActionRow> = query.load(conn).await.db()?;
    let counts: Vec<(Uuid, i64)> = directives::table
        .filter(directives::subject_id.eq_any(rows.iter().map(|r| r.subject_id).collect::<Vec<_>>()))
        .filter(directives::action_id.eq_any(rows.iter().map(|r| r.id).collect::<Vec<_>>()))
        .filter(directives::kind.eq("execute"))
        .group_by(directives::action_id)
        .select((directives::action_id, diesel::dsl::count_star()))
        .load(conn)
        .await
        .db()?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let count = counts.iter().find(|(id, _)| *id == row.id).map_or(0, |(_, n)| *n);
            (row, count)
        })
        .collect())
}
