//! The one query behind a file: visible versions by section, newest first, with the section's total.

use chrono::{DateTime, NaiveDate, Utc};
use credence_catalog::disclosure::Scope;
use credence_core::problem::Result;
use credence_db::DbResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Date, Integer, Jsonb, Nullable, Text, Timestamptz, Untyped, Uuid as SqlUuid};
use diesel::{QueryResult, QueryableByName};
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
    /// A dispute about it runs.
    #[diesel(sql_type = Bool)]
    pub marked: bool,
    /// What its subject stated against it, where that could not be ascertained.
    #[diesel(sql_type = Nullable<Text>)]
    pub note: Option<String>,
}

/// What is asked of the store.
pub(crate) struct Asked<'a> {
    pub family: &'a [Uuid],
    pub scope: &'a Scope,
    /// Item code to section, for the items of the scope.
    pub sections: &'a [(String, String)],
    pub as_of: NaiveDate,
    pub known_at: DateTime<Utc>,
    /// Go on after this day, in one section.
    pub after_on: Option<NaiveDate>,
    /// And this version of that day.
    pub after_id: Option<Uuid>,
    pub limit: i64,
    /// Records whose publicity is over, of a viewer who sees only what is public.
    pub hidden: &'a [Uuid],
    /// Instant whose marks are told.
    pub marked_at: DateTime<Utc>,
    /// Records under dispute are not shown (`dispute.hide_while_open`).
    pub hide_disputed: bool,
}

/// What was repaired, or was shielded and never unshielded, even if it was withdrawn since, is shown in none of its versions to those who are not shown that
/// state, whatever day or instant is asked about.
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
           AND (v.item = ANY ($9) OR (v.item, v.agency_id) IN (SELECT * FROM unnest($10::text[], $14::uuid[])))
           AND v.record_id <> ALL ($15)
           AND (v.known_to IS NULL AND v.state <> 'withdrawn' OR NOT EXISTS (
                SELECT 1 FROM record_versions p WHERE p.subject_id = v.subject_id AND p.record_id = v.record_id
                   AND p.state IN ('repaired', 'shielded') AND p.state <> ALL ($6)
                   AND (p.state = 'repaired' OR NOT EXISTS (
                        SELECT 1 FROM record_versions u WHERE u.subject_id = p.subject_id AND u.record_id = p.record_id
                           AND u.change = 'unshielded' AND (u.known_from, u.id) > (p.known_from, p.id)))))
           AND NOT ($17 AND EXISTS (
                SELECT 1 FROM record_marks k WHERE k.subject_id = v.subject_id AND k.target_id = v.record_id AND k.kind = 'disputed'
                   AND k.known_to IS NULL))),
    ranked AS (
        SELECT *, count(*) OVER (PARTITION BY section) AS total FROM visible),
    paged AS (
        SELECT *, row_number() OVER (PARTITION BY section ORDER BY sort_on DESC, id DESC) AS place FROM ranked
         WHERE $11 IS NULL OR (sort_on, id) < ($11, $12))
    SELECT section, total, sort_on, id, record_id, item, item_version, data, sealed, state, decided_on, valid_from, valid_to, public_until, late,
           agency_id, batch_id, known_from, known_to,
           EXISTS (SELECT 1 FROM record_marks k WHERE k.subject_id = paged.subject_id AND k.target_id = paged.record_id AND k.kind = 'disputed'
                      AND k.known_from <= $16 AND (k.known_to IS NULL OR k.known_to > $16)) AS marked,
           (SELECT k.note FROM record_marks k WHERE k.subject_id = paged.subject_id AND k.target_id = paged.record_id AND k.kind = 'noted'
               AND k.known_from <= $16 AND (k.known_to IS NULL OR k.known_to > $16) ORDER BY k.known_from DESC, k.id DESC LIMIT 1) AS note
      FROM paged WHERE place <= $13 ORDER BY section, sort_on DESC, id DESC";

/// The query with its values, as a type of its own: diesel plans a text query anew every time, a type's query once per connection.
struct FileQuery<'a> {
    asked: &'a Asked<'a>,
    items: Vec<&'a str>,
    sections: Vec<&'a str>,
    agency_items: Vec<&'a str>,
    agencies: Vec<Uuid>,
    places: i64,
}

impl QueryId for FileQuery<'_> {
    type QueryId = FileQuery<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for FileQuery<'_> {
    type SqlType = Untyped;
}

impl QueryFragment<Pg> for FileQuery<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Asked { family, scope, as_of, known_at, after_on, after_id, hidden, marked_at, hide_disputed, .. } = self.asked;
        out.push_sql(FILE);
        out.push_bind_param_value_only::<Array<Text>, _>(&self.items)?;
        out.push_bind_param_value_only::<Array<Text>, _>(&self.sections)?;
        out.push_bind_param_value_only::<Array<SqlUuid>, _>(family)?;
        out.push_bind_param_value_only::<Timestamptz, _>(known_at)?;
        out.push_bind_param_value_only::<Date, _>(as_of)?;
        out.push_bind_param_value_only::<Array<Text>, _>(&scope.states)?;
        out.push_bind_param_value_only::<Nullable<Date>, _>(&scope.public_on)?;
        out.push_bind_param_value_only::<Bool, _>(&scope.current_only)?;
        out.push_bind_param_value_only::<Array<Text>, _>(&scope.items)?;
        out.push_bind_param_value_only::<Array<Text>, _>(&self.agency_items)?;
        out.push_bind_param_value_only::<Nullable<Date>, _>(after_on)?;
        out.push_bind_param_value_only::<Nullable<SqlUuid>, _>(after_id)?;
        out.push_bind_param_value_only::<BigInt, _>(&self.places)?;
        out.push_bind_param_value_only::<Array<SqlUuid>, _>(&self.agencies)?;
        out.push_bind_param_value_only::<Array<SqlUuid>, _>(hidden)?;
        out.push_bind_param_value_only::<Timestamptz, _>(marked_at)?;
        out.push_bind_param_value_only::<Bool, _>(hide_disputed)
    }
}

/// Visible versions; a section has at most `limit + 1` of them, so that the caller sees whether there are more.
pub(crate) async fn statements(conn: &mut AsyncPgConnection, asked: &Asked<'_>) -> Result<Vec<Row>> {
    let query = FileQuery {
        items: asked.sections.iter().map(|(item, _)| item.as_str()).collect(),
        sections: asked.sections.iter().map(|(_, section)| section.as_str()).collect(),
        agency_items: asked.scope.from_agency.iter().map(|(item, _)| item.as_str()).collect(),
        agencies: asked.scope.from_agency.iter().map(|(_, agency)| *agency).collect(),
        places: asked.limit + 1,
        asked,
    };
    query.load(conn).await.db()
}

/// A present version as far as its publicity period needs it.
#[derive(Debug, QueryableByName)]
pub(crate) struct Timed {
    #[diesel(sql_type = SqlUuid)]
    pub record_id: Uuid,
    #[diesel(sql_type = Text)]
    pub item: String,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Jsonb)]
    pub data: Value,
    #[diesel(sql_type = Nullable<Date>)]
    pub decided_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub public_until: Option<NaiveDate>,
}

/// The question for them, as a type of its own like [`FileQuery`].
struct TimedQuery<'a> {
    family: &'a [Uuid],
    items: &'a [&'a str],
    states: &'a [&'static str],
}

impl QueryId for TimedQuery<'_> {
    type QueryId = TimedQuery<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for TimedQuery<'_> {
    type SqlType = Untyped;
}

impl QueryFragment<Pg> for TimedQuery<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT record_id, item, agency_id, data, decided_on, public_until FROM record_versions WHERE subject_id = ANY (");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.family)?;
        out.push_sql(") AND item = ANY (");
        out.push_bind_param::<Array<Text>, _>(&self.items)?;
        out.push_sql(") AND known_to IS NULL AND state = ANY (");
        out.push_bind_param::<Array<Text>, _>(&self.states)?;
        out.push_sql(")");
        Ok(())
    }
}

/// Present versions under some items, in some states.
pub(crate) async fn timed(conn: &mut AsyncPgConnection, family: &[Uuid], items: &[&str], states: &[&'static str]) -> Result<Vec<Timed>> {
    TimedQuery { family, items, states }.load(conn).await.db()
}
