//! SQL of reminders 催办, and of what tells an agency that its directive says something else now.

use super::GROUND_STANDS;
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::schema::directive_reminders;
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// Which last days call for which reminder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Horizon {
    /// The day: what was due before it is overdue.
    pub today: NaiveDate,
    /// What is due from today up to here is due soon.
    pub soon_until: NaiveDate,
    /// What was due up to here goes to the credit office.
    pub escalated_until: NaiveDate,
}

/// How far a sweep has come: the last directive it reminded of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Swept {
    due_on: NaiveDate,
    agency_id: Uuid,
    subject_id: Uuid,
    directive_id: Uuid,
}

/// A reminder that was made.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Made {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = SqlUuid)]
    subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    directive_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    agency_id: Uuid,
    #[diesel(sql_type = Date)]
    due_on: NaiveDate,
}

impl Made {
    /// How far a sweep has come with it.
    pub(crate) fn swept(&self) -> Swept {
        Swept { due_on: self.due_on, agency_id: self.agency_id, subject_id: self.subject_id, directive_id: self.directive_id }
    }
}

/// Directives after a sweep's last that are owed a reminder, with the kinds: `$1` today, `$2` and `$3` the ends of the horizon, `$4` to `$7` the last. Of
/// what rests on a ground that does not stand nobody is reminded; a release stands for itself. CASE and OFFSET 0 keep the planner from asking about the
/// ground of everything that is overdue: it is asked of the few that are owed something, one look at the index each.
fn owed() -> String {
    let stands = GROUND_STANDS.replace("$today", "$1");
    format!(
        "SELECT d.subject_id, d.id, d.agency_id, d.due_on, m.kinds
           FROM directives d
          CROSS JOIN LATERAL (
                SELECT array_agg(k.kind) AS kinds
                  FROM (VALUES ('due_soon', d.due_on >= $1), ('overdue', d.due_on < $1), ('escalated', d.due_on < $1 AND d.due_on <= $3)) AS k (kind, fits)
                 WHERE k.fits AND NOT EXISTS (
                       SELECT 1 FROM directive_reminders r
                        WHERE r.subject_id = d.subject_id AND r.directive_id = d.id AND r.kind = k.kind AND r.due_on = d.due_on
                          AND r.kind <> 'updated')) m
          WHERE d.due_on <= $2 AND (d.due_on, d.agency_id, d.subject_id, d.id) > ($4, $5, $6, $7)
            AND d.state IN ('issued', 'delivered', 'accepted', 'reported')
            AND CASE WHEN m.kinds IS NULL THEN false ELSE d.kind = 'release' OR EXISTS (
                SELECT 1 FROM list_entries e WHERE e.subject_id = d.subject_id AND e.id = d.entry_id AND {stands} OFFSET 0) END"
    )
}

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    found: bool,
}

/// Whether any directive after a sweep's last is owed a reminder.
pub(crate) async fn any_owed(conn: &mut AsyncPgConnection, horizon: &Horizon, after: &Swept) -> Result<bool> {
    let exists: Exists = diesel::sql_query(format!("SELECT EXISTS ({}) AS found", owed()))
        .bind::<Date, _>(horizon.today)
        .bind::<Date, _>(horizon.soon_until)
        .bind::<Date, _>(horizon.escalated_until)
        .bind::<Date, _>(after.due_on)
        .bind::<SqlUuid, _>(after.agency_id)
        .bind::<SqlUuid, _>(after.subject_id)
        .bind::<SqlUuid, _>(after.directive_id)
        .get_result(conn)
        .await
        .db()?;
    Ok(exists.found)
}

/// Makes the reminders that the next directives after a sweep's last are owed, at most for `limit` of them. What another sweep made at the same time is
/// not made again.
pub(crate) async fn make(tx: &mut Tx<'_>, horizon: &Horizon, after: &Swept, limit: i64, now: DateTime<Utc>) -> Result<Vec<Made>> {
    let owed = owed();
    let query = format!(
        "INSERT INTO directive_reminders (subject_id, id, directive_id, agency_id, kind, due_on, created_at)
         SELECT o.subject_id, uuid_v7($9), o.id, o.agency_id, k.kind, o.due_on, $10
           FROM ({owed} ORDER BY d.due_on, d.agency_id, d.subject_id, d.id LIMIT $8) o CROSS JOIN LATERAL unnest(o.kinds) AS k (kind)
         ON CONFLICT (subject_id, directive_id, kind, due_on) WHERE kind <> 'updated' DO NOTHING
         RETURNING id, kind, subject_id, directive_id, agency_id, due_on"
    );
    diesel::sql_query(query)
        .bind::<Date, _>(horizon.today)
        .bind::<Date, _>(horizon.soon_until)
        .bind::<Date, _>(horizon.escalated_until)
        .bind::<Date, _>(after.due_on)
        .bind::<SqlUuid, _>(after.agency_id)
        .bind::<SqlUuid, _>(after.subject_id)
        .bind::<SqlUuid, _>(after.directive_id)
        .bind::<BigInt, _>(limit)
        .bind::<BigInt, _>(now.timestamp_millis())
        .bind::<Timestamptz, _>(now)
        .load(tx.conn())
        .await
        .db()
}

#[derive(QueryableByName)]
struct Updated {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Makes an update for every directive of these entries that its agency has and goes on with; returns their ids.
pub(crate) async fn update(tx: &mut Tx<'_>, entries: &[(Uuid, Uuid)], today: NaiveDate, now: DateTime<Utc>) -> Result<Vec<Uuid>> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = entries.iter().copied().unzip();
    // Whoever hands one out at the same time holds its row, and may have read what the entry said before: it is judged by what it has become.
    let made: Vec<Updated> = diesel::sql_query(
        "WITH had AS MATERIALIZED (
             SELECT d.subject_id, d.id, d.agency_id, d.state FROM unnest($1::uuid[], $2::uuid[]) AS e (subject_id, entry_id)
               JOIN directives d ON d.subject_id = e.subject_id AND d.entry_id = e.entry_id
              WHERE d.kind = 'execute' AND d.state IN ('issued', 'delivered', 'accepted', 'reported') FOR SHARE OF d)
         INSERT INTO directive_reminders (subject_id, id, directive_id, agency_id, kind, due_on, created_at)
         SELECT DISTINCT ON (h.subject_id, h.id) h.subject_id, uuid_v7($3), h.id, h.agency_id, 'updated', $4, $5
           FROM had h WHERE h.state <> 'issued' ORDER BY h.subject_id, h.id
         RETURNING id",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<BigInt, _>(now.timestamp_millis())
    .bind::<Date, _>(today)
    .bind::<Timestamptz, _>(now)
    .load(tx.conn())
    .await
    .db()?;
    Ok(made.into_iter().map(|m| m.id).collect())
}

/// A reminder as whoever pushes it needs it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = directive_reminders)]
pub struct ReminderRow {
    /// Id, also of its message.
    pub id: Uuid,
    /// Whom the directive is about.
    pub subject_id: Uuid,
    /// The directive.
    pub directive_id: Uuid,
    /// `due_soon`, `overdue`, `escalated` or `updated`.
    pub kind: String,
    /// The deadline it is about; of an update, its day.
    pub due_on: NaiveDate,
}

/// The reminder about a subject with an id.
pub async fn find(conn: &mut AsyncPgConnection, subject: Uuid, id: Uuid) -> Result<Option<ReminderRow>> {
    directive_reminders::table.find((subject, id)).select(ReminderRow::as_select()).first(conn).await.optional().db()
}
