//! The head of a subject's file in one question: what the subject is, its names, numbers, profile and events, as known at an instant. One
//! round trip instead of six: a public file is the answer that is asked for most.

use crate::model::{Event, Identifier, Name};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Problem, Result};
use credence_db::DbResult;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Bool, Json, Nullable, Text, Timestamptz, Untyped, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// By what a subject is found.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// A unified social credit code it has or had.
    Code(&'a str),
    /// Its id.
    Id(Uuid),
}

/// Standing and area for some days.
#[derive(Debug, Clone, Deserialize)]
pub struct ProfileView {
    /// 登记状态.
    pub standing: Option<String>,
    /// Division.
    pub area_code: Option<String>,
    /// First day.
    pub valid_from: Option<NaiveDate>,
    /// Last day.
    pub valid_to: Option<NaiveDate>,
}

/// The head of a file.
#[derive(Debug, Clone)]
pub struct Head {
    /// Stable id.
    pub id: Uuid,
    /// `legal_entity`, `other_organisation` or `natural_person`.
    pub kind: String,
    /// Whether registration data confirmed it by then.
    pub confirmed: bool,
    /// Whether it was ever part of a merge.
    pub merged: bool,
    /// Names, present one first.
    pub names: Vec<Name>,
    /// Numbers of organisations; those of persons never leave the store.
    pub identifiers: Vec<Identifier>,
    /// Profiles, present one first.
    pub profiles: Vec<ProfileView>,
    /// Events, newest first.
    pub events: Vec<Event>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Bool)]
    confirmed: bool,
    #[diesel(sql_type = Bool)]
    merged: bool,
    #[diesel(sql_type = Json)]
    names: Value,
    #[diesel(sql_type = Json)]
    identifiers: Value,
    #[diesel(sql_type = Json)]
    profiles: Value,
    #[diesel(sql_type = Json)]
    events: Value,
}

const HEAD: &str = "
    SELECT s.id, s.kind,
           EXISTS (SELECT 1 FROM subject_names c WHERE c.subject_id = s.id AND c.confirmed AND c.source <> 'event'
                      AND c.known_from <= $3 AND (c.known_to IS NULL OR c.known_to > $3)) AS confirmed,
           EXISTS (SELECT 1 FROM subject_merges m WHERE m.from_subject_id = s.id OR m.into_subject_id = s.id) AS merged,
           (SELECT coalesce(json_agg(n), '[]') FROM (
                SELECT name, confirmed, valid_from, valid_to, known_from FROM subject_names
                 WHERE subject_id = s.id AND known_from <= $3 AND (known_to IS NULL OR known_to > $3)
                 ORDER BY valid_to DESC NULLS FIRST, valid_from DESC NULLS LAST, id DESC) n) AS names,
           (SELECT coalesce(json_agg(i), '[]') FROM (
                SELECT scheme, value, status, valid_from, valid_to FROM subject_identifiers
                 WHERE subject_id = s.id AND value IS NOT NULL AND known_from <= $3 AND (known_to IS NULL OR known_to > $3)
                 ORDER BY scheme DESC, status, value) i) AS identifiers,
           (SELECT coalesce(json_agg(p), '[]') FROM (
                SELECT standing, area_code, valid_from, valid_to FROM subject_profiles
                 WHERE subject_id = s.id AND known_from <= $3 AND (known_to IS NULL OR known_to > $3)
                 ORDER BY valid_to DESC NULLS FIRST, id DESC) p) AS profiles,
           (SELECT coalesce(json_agg(e), '[]') FROM (
                SELECT id, kind, happened_on, other_subject_id, from_value, to_value, basis FROM subject_events
                 WHERE subject_id = s.id AND recorded_at <= $3 AND (taken_back_at IS NULL OR taken_back_at > $3)
                 ORDER BY happened_on DESC, id DESC) e) AS events
      FROM subjects s
     WHERE s.id = coalesce($2, (SELECT subject_id FROM subject_identifiers WHERE scheme = 'uscc' AND value = $1 AND known_to IS NULL))";

/// The question with its values, as a type of its own: diesel plans a text query anew every time, a type's query once per connection.
struct HeadQuery<'a> {
    code: Option<&'a str>,
    id: Option<Uuid>,
    known_at: DateTime<Utc>,
}

impl QueryId for HeadQuery<'_> {
    type QueryId = HeadQuery<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for HeadQuery<'_> {
    type SqlType = Untyped;
}

impl QueryFragment<Pg> for HeadQuery<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(HEAD);
        out.push_bind_param_value_only::<Nullable<Text>, _>(&self.code)?;
        out.push_bind_param_value_only::<Nullable<SqlUuid>, _>(&self.id)?;
        out.push_bind_param_value_only::<Timestamptz, _>(&self.known_at)
    }
}

/// The head of a subject's file as known at an instant.
pub async fn head(conn: &mut AsyncPgConnection, found: Found<'_>, known_at: DateTime<Utc>) -> Result<Option<Head>> {
    let query = match found {
        Found::Code(code) => HeadQuery { code: Some(code), id: None, known_at },
        Found::Id(id) => HeadQuery { code: None, id: Some(id), known_at },
    };
    let row: Option<Row> = query.get_result(conn).await.optional().db()?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Head {
        id: row.id,
        kind: row.kind,
        confirmed: row.confirmed,
        merged: row.merged,
        names: serde_json::from_value(row.names).map_err(Problem::internal)?,
        identifiers: serde_json::from_value(row.identifiers).map_err(Problem::internal)?,
        profiles: serde_json::from_value(row.profiles).map_err(Problem::internal)?,
        events: serde_json::from_value(row.events).map_err(Problem::internal)?,
    }))
}
