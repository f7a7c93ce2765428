//! Marks beside records and list entries, and present versions as redress sees them.

use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Date, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// The present version of a record, as redress needs it.
#[derive(Debug, Clone, QueryableByName)]
pub struct Target {
    /// The record.
    #[diesel(sql_type = SqlUuid)]
    pub record_id: Uuid,
    /// Its present version.
    #[diesel(sql_type = SqlUuid)]
    pub version_id: Uuid,
    /// Catalogue item.
    #[diesel(sql_type = Text)]
    pub item: String,
    /// State.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// Who provided it.
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    /// Fields that rest in the clear.
    #[diesel(sql_type = Jsonb)]
    pub data: Value,
    /// Day of the decision.
    #[diesel(sql_type = Nullable<Date>)]
    pub decided_on: Option<NaiveDate>,
    /// First day it holds.
    #[diesel(sql_type = Nullable<Date>)]
    pub valid_from: Option<NaiveDate>,
    /// Last day it holds.
    #[diesel(sql_type = Nullable<Date>)]
    pub valid_to: Option<NaiveDate>,
    /// Last public day its provider sent, or a decision set.
    #[diesel(sql_type = Nullable<Date>)]
    pub public_until: Option<NaiveDate>,
}

/// A mark to be.
pub(crate) struct NewMark<'a> {
    pub subject_id: Uuid,
    pub target: &'a str,
    pub target_id: Uuid,
    pub kind: &'a str,
    pub case_id: Uuid,
    pub note: Option<&'a str>,
}

/// Sets a mark; one of the same kind that stands there is closed by it.
pub(crate) async fn set(tx: &mut Tx<'_>, mark: &NewMark<'_>, now: DateTime<Utc>) -> Result<()> {
    close(tx, mark.subject_id, mark.target_id, mark.kind, now).await?;
    diesel::sql_query(
        "INSERT INTO record_marks (subject_id, id, target, target_id, kind, case_id, note, known_from) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind::<SqlUuid, _>(mark.subject_id)
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<Text, _>(mark.target)
    .bind::<SqlUuid, _>(mark.target_id)
    .bind::<Text, _>(mark.kind)
    .bind::<SqlUuid, _>(mark.case_id)
    .bind::<Nullable<Text>, _>(mark.note)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Closes the mark of a kind that stands beside a target, if there is one.
pub(crate) async fn close(tx: &mut Tx<'_>, subject: Uuid, target_id: Uuid, kind: &str, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "UPDATE record_marks SET known_to = greatest($4, known_from) WHERE subject_id = $1 AND target_id = $2 AND kind = $3 AND known_to IS NULL",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(target_id)
    .bind::<Text, _>(kind)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

const TARGET: &str =
    "SELECT record_id, id AS version_id, item, state, agency_id, data, decided_on, valid_from, valid_to, public_until FROM record_versions
      WHERE subject_id = $1 AND known_to IS NULL";

/// The present version of a record.
pub(crate) async fn target(conn: &mut AsyncPgConnection, subject: Uuid, record: Uuid) -> Result<Option<Target>> {
    diesel::sql_query(format!("{TARGET} AND record_id = $2"))
        .bind::<SqlUuid, _>(subject)
        .bind::<SqlUuid, _>(record)
        .get_result(conn)
        .await
        .optional()
        .db()
}

/// The present versions of every record about a subject, newest decision first.
pub(crate) async fn targets(conn: &mut AsyncPgConnection, subject: Uuid) -> Result<Vec<Target>> {
    diesel::sql_query(format!("{TARGET} ORDER BY decided_on DESC NULLS LAST, record_id")).bind::<SqlUuid, _>(subject).load(conn).await.db()
}
