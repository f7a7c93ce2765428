//! The one query behind a file: visible versions by section, newest first, with the section's total.

use chrono::{DateTime, NaiveDate, Utc};
use credence_catalog::disclosure::Scope;
use credence_core::problem::Result;
use credence_db::DbResult;
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Date, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// A visible version.
#[derive(Debug, QueryableByName)]
pub(crate) struct Row {
    #[diesel(sql_type = Text)]
    pub section: String,
    #[diesel(sql_type = BigInt)]
    pub total: i64,
    #[diesel(sql_type = Date)]
    pub sort_on: NaiveDate,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub record_id: Uuid,
    #[diesel(sql_type = Text)]
    pub item: String,
    #[diesel(sql_type = Integer)]
    pub item_version: i32,
    #[diesel(sql_type = Jsonb)]
    pub data: Value,
    #[diesel(sql_type = Nullable<Binary>)]
    pub sealed: Option<Vec<u8>>,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Nullable<Date>)]
    pub decided_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub valid_from: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub valid_to: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub public_until: Option<NaiveDate>,
    #[diesel(sql_type = Bool)]
    pub late: bool,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub batch_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    pub known_from: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub known_to: Option<DateTime<Utc>>,
}

/// What is asked of the store.
pub(crate) struct Asked<'a> {
    pub family: &'a [Uuid],
    pub scope: &'a Scope,
    /// Item code to section, for the items of the scope.
    pub sections: &'a [(String, String)],
    pub as_of: NaiveDate,
    pub known_at: DateTime<Utc>,
    /// Go on after this place, in one section.
    pub after: Option<(NaiveDate, Uuid)>,
    pub limit: i64,
}

const FILE: &str = "
    WITH visible AS (
        SELECT m.section, v.*, coalesce(v.decided_on, v.valid_from, v.known_from::date) AS sort_on
          FROM record_versions v JOIN unnest($1::text[], $2::text[]) AS m (item, section) ON m.item = v.item
         WHERE v.subject_id = ANY ($3)
           AND v.known_from <= $4 AND (v.known_to IS NULL OR v.known_to > $4)
           AND coalesce(v.decided_on, v.valid_from, '0001-01-01') <= $5
           AND v.state = ANY ($6)
           AND ($7 IS NULL OR v.public_until IS NULL OR v.public_until >= $7)
           AND (NOT $8 OR v.known_to IS NULL)
           AND (v.item = ANY ($9) OR (v.item, v.agency_id) IN (SELECT * FROM unnest($10::text[], $14::uuid[])))),
    ranked AS (
        SELECT *, count(*) OVER (PARTITION BY section) AS total FROM visible),
    paged AS (
        SELECT *, row_number() OVER (PARTITION BY section ORDER BY sort_on DESC, id DESC) AS place FROM ranked
         WHERE $11 IS NULL OR (sort_on, id) < ($11, $12))
    SELECT section, total, sort_on, id, record_id, item, item_version, data, sealed, state, decided_on, valid_from, valid_to, public_until, late,
           agency_id, batch_id, known_from, known_to
      FROM paged WHERE place <= $13 ORDER BY section, sort_on DESC, id DESC";

/// Visible versions; a section has at most `limit + 1` of them, so that the caller sees whether there are more.
pub(crate) async fn statements(conn: &mut AsyncPgConnection, asked: &Asked<'_>) -> Result<Vec<Row>> {
    let items: Vec<&str> = asked.sections.iter().map(|(item, _)| item.as_str()).collect();
    let sections: Vec<&str> = asked.sections.iter().map(|(_, section)| section.as_str()).collect();
    diesel::sql_query(FILE)
        .bind::<Array<Text>, _>(items)
        .bind::<Array<Text>, _>(sections)
        .bind::<Array<SqlUuid>, _>(asked.family)
        .bind::<Timestamptz, _>(asked.known_at)
        .bind::<Date, _>(asked.as_of)
        .bind::<Array<Text>, _>(&asked.scope.states)
        .bind::<Nullable<Date>, _>(asked.scope.public_on)
        .bind::<Bool, _>(asked.scope.current_only)
        .bind::<Array<Text>, _>(&asked.scope.items)
        .bind::<Array<Text>, _>(asked.scope.from_agency.iter().map(|(item, _)| item.as_str()).collect::<Vec<_>>())
        .bind::<Nullable<Date>, _>(asked.after.map(|(on, _)| on))
        .bind::<Nullable<SqlUuid>, _>(asked.after.map(|(_, id)| id))
        .bind::<BigInt, _>(asked.limit + 1)
        .bind::<Array<SqlUuid>, _>(asked.scope.from_agency.iter().map(|(_, agency)| *agency).collect::<Vec<_>>())
        .load(conn)
        .await
        .db()
}
