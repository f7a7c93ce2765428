//! The table of configuration documents.

use crate::documents::Document;
use chrono::{DateTime, Utc};
use credence_core::problem::Result;
use credence_db::DbResult;
use credence_db::schema::config_documents;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

/// A stored document.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = config_documents)]
pub(crate) struct Stored {
    pub kind: String,
    pub code: String,
    pub version: i32,
    pub body: Value,
    pub revision: i64,
}

/// The newest version of every document.
pub(crate) async fn current(conn: &mut AsyncPgConnection) -> Result<Vec<Stored>> {
    config_documents::table
        .distinct_on((config_documents::kind, config_documents::code))
        .order((config_documents::kind, config_documents::code, config_documents::version.desc()))
        .select(Stored::as_select())
        .load(conn)
        .await
        .db()
}

/// The highest revision, 0 before anything was applied.
pub(crate) async fn revision(conn: &mut AsyncPgConnection) -> Result<i64> {
    let highest: Option<i64> = config_documents::table.select(diesel::dsl::max(config_documents::revision)).first(conn).await.db()?;
    Ok(highest.unwrap_or(0))
}

pub(crate) async fn insert(
    conn: &mut AsyncPgConnection,
    document: &Document,
    version: i32,
    revision: i64,
    by: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    diesel::insert_into(config_documents::table)
        .values((
            config_documents::kind.eq(document.kind),
            config_documents::code.eq(&document.code),
            config_documents::version.eq(version),
            config_documents::body.eq(&document.body),
            config_documents::revision.eq(revision),
            config_documents::applied_at.eq(now),
            config_documents::applied_by.eq(by),
        ))
        .execute(conn)
        .await
        .db()?;
    Ok(())
}
