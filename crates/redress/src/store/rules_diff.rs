//! What a dry run of changed rules looks at: present records with publicity, entries of lists, and open lines with their clocks.

use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::DbResult;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// Where a page begins: after this subject and id.
pub(crate) type After = (Uuid, Uuid);

/// The present version of a record.
#[derive(Debug, QueryableByName)]
pub(crate) struct Present {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub record_id: Uuid,
    #[diesel(sql_type = Text)]
    pub item: String,
    #[diesel(sql_type = Jsonb)]
    pub data: Value,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Nullable<Date>)]
    pub decided_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub public_until: Option<NaiveDate>,
}

/// A page of present versions of some items that hold, disputed or not, in order of their key.
pub(crate) async fn present(conn: &mut AsyncPgConnection, items: &[String], (subject, id): After, limit: i64) -> Result<Vec<Present>> {
    diesel::sql_query(
        "SELECT subject_id, id, record_id, item, data, agency_id, decided_on, public_until
           FROM record_versions
          WHERE known_to IS NULL AND state IN ('active', 'disputed') AND item = ANY ($1) AND (subject_id, id) > ($2, $3)
          ORDER BY subject_id, id LIMIT $4",
    )
    .bind::<Array<Text>, _>(items)
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(id)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()
}

/// An entry that is listed.
#[derive(Debug, QueryableByName)]
pub(crate) struct Listed {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub list: String,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Nullable<Date>)]
    pub decided_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub listed_on: Option<NaiveDate>,
}

/// A page of entries that stand on some lists which are kept here, on a day, in order of their key.
pub(crate) async fn listed(
    conn: &mut AsyncPgConnection,
    lists: &[String],
    on: NaiveDate,
    (subject, id): After,
    limit: i64,
) -> Result<Vec<Listed>> {
    diesel::sql_query(
        "SELECT subject_id, id, list, agency_id, decided_on, listed_on
           FROM list_entries
          WHERE state = 'listed' AND keeping = 'native' AND list = ANY ($1) AND (expires_on IS NULL OR expires_on >= $2)
            AND (subject_id, id) > ($3, $4)
          ORDER BY subject_id, id LIMIT $5",
    )
    .bind::<Array<Text>, _>(lists)
    .bind::<Date, _>(on)
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(id)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()
}

/// An open line whose clocks run.
#[derive(Debug, QueryableByName)]
pub(crate) struct OpenLine {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub case_no: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Nullable<Date>)]
    pub due_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Text>)]
    pub due_rule: Option<String>,
    #[diesel(sql_type = Nullable<Date>)]
    pub total_due_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Text>)]
    pub total_rule: Option<String>,
    /// When the case was complete, from which its clocks run.
    #[diesel(sql_type = Timestamptz)]
    pub filed_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub checked_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub accepted_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub review_asked_at: Option<DateTime<Utc>>,
    /// First days of the stops that have ended, in their order.
    #[diesel(sql_type = Array<Date>)]
    pub stops_began: Vec<NaiveDate>,
    /// Their last days, in the same order.
    #[diesel(sql_type = Array<Date>)]
    pub stops_ended: Vec<NaiveDate>,
}

/// A page of open lines with a day by which something is owed, in order of their key. What stands still, or waits for papers, has none.
pub(crate) async fn open_lines(conn: &mut AsyncPgConnection, (subject, id): After, limit: i64) -> Result<Vec<OpenLine>> {
    diesel::sql_query(
        "SELECT l.subject_id, l.id, c.case_no, l.state, l.due_on, l.due_rule, l.total_due_on, l.total_rule, l.checked_at, l.accepted_at,
                l.review_asked_at,
                coalesce((SELECT max(s.at) FROM redress_steps s
                           WHERE s.subject_id = l.subject_id AND s.case_id = l.case_id AND s.step = 'complete'), c.filed_at) AS filed_at,
                coalesce(stops.began, '{}'::date[]) AS stops_began, coalesce(stops.ended, '{}'::date[]) AS stops_ended
           FROM redress_lines l
           JOIN redress_cases c ON c.id = l.case_id
           LEFT JOIN LATERAL (SELECT array_agg(s.began_on ORDER BY s.id) AS began, array_agg(s.ended_on ORDER BY s.id) AS ended
                                FROM redress_stops s
                               WHERE s.subject_id = l.subject_id AND s.line_id = l.id AND s.ended_on IS NOT NULL) stops ON true
          WHERE l.state NOT IN ('closed', 'withdrawn') AND l.due_on IS NOT NULL
            AND (l.subject_id, l.id) > ($1, $2)
          ORDER BY l.subject_id, l.id LIMIT $3",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(id)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()
}
