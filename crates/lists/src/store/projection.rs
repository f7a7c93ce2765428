//! What still stands on records and entries that were repaired, withdrawn, corrected or taken off, asked of the data.

use super::entries::{COLUMNS, Entry, FROM};
use chrono::NaiveDate;
use credence_core::problem::Result;
use credence_db::DbResult;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// An entry as a case of redress can be about it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct EntryTarget {
    /// Whom it is about.
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    /// The entry.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Code of its list.
    #[diesel(sql_type = Text)]
    pub list: String,
    /// Competent authority 认定单位; of a mirror, the provider of its source.
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    /// `draft`, `noticed`, `objection_review`, `decided`, `listed`, `exited` or `dropped`.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// `native` or `mirror`.
    #[diesel(sql_type = Text)]
    pub keeping: String,
    /// First day on the list.
    #[diesel(sql_type = Nullable<Date>)]
    pub listed_on: Option<NaiveDate>,
    /// Last day; absent when it has no fixed end.
    #[diesel(sql_type = Nullable<Date>)]
    pub expires_on: Option<NaiveDate>,
}

const TARGET: &str = "SELECT subject_id, id, list, agency_id, state, keeping, listed_on, expires_on FROM list_entries";

/// An entry by its id.
pub(crate) async fn target(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<EntryTarget>> {
    diesel::sql_query(format!("{TARGET} WHERE id = $1")).bind::<SqlUuid, _>(id).get_result(conn).await.optional().db()
}

/// Entries about a subject, newest first.
pub(crate) async fn targets(conn: &mut AsyncPgConnection, subject: Uuid) -> Result<Vec<EntryTarget>> {
    diesel::sql_query(format!("{TARGET} WHERE subject_id = $1 ORDER BY id DESC")).bind::<SqlUuid, _>(subject).load(conn).await.db()
}

/// An entry that is listed and rests on a target, or is one.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Standing {
    /// The record or entry that was asked about.
    #[diesel(sql_type = SqlUuid)]
    pub target_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub entry_id: Uuid,
    #[diesel(sql_type = Bool)]
    pub mirrored: bool,
    /// It rests on a version that is not the present one.
    #[diesel(sql_type = Bool)]
    pub outdated: bool,
    /// By when its authority has to decide about it, where it was called to.
    #[diesel(sql_type = Nullable<Date>)]
    pub review_by: Option<NaiveDate>,
}

/// Entries that are listed on a day among targets (subject, record or entry), and those that rest on them.
pub(crate) async fn standing(conn: &mut AsyncPgConnection, targets: &[(Uuid, Uuid)], today: NaiveDate) -> Result<Vec<Standing>> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = targets.iter().copied().unzip();
    diesel::sql_query(
        "SELECT t.target_id, e.id AS entry_id, e.keeping = 'mirror' AS mirrored, e.ground_review_by AS review_by,
                e.ground_version_id IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM record_versions g WHERE g.subject_id = e.subject_id AND g.id = e.ground_version_id AND g.known_to IS NULL OFFSET 0) AS outdated
           FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::uuid[]) AS a (subject_id, target_id)) t
           JOIN list_entries e ON e.subject_id = t.subject_id AND (e.id = t.target_id OR e.ground_record_id = t.target_id)
          WHERE e.state = 'listed' AND (e.expires_on IS NULL OR e.expires_on >= $3)
          ORDER BY t.target_id, e.id",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Date, _>(today)
    .load(conn)
    .await
    .db()
}

/// Entries by their ids, as their list shows them.
pub(crate) async fn shown(conn: &mut AsyncPgConnection, subjects: &[Uuid], ids: &[Uuid]) -> Result<Vec<Entry>> {
    diesel::sql_query(format!("SELECT {COLUMNS} FROM {FROM} WHERE e.subject_id = ANY ($1) AND e.id = ANY ($2) ORDER BY e.id"))
        .bind::<Array<SqlUuid>, _>(subjects)
        .bind::<Array<SqlUuid>, _>(ids)
        .load(conn)
        .await
        .db()
}

/// Directives of one kind that have not ended, about a target.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Open {
    #[diesel(sql_type = SqlUuid)]
    pub target_id: Uuid,
    /// Releases that are not confirmed; else directives to carry something out.
    #[diesel(sql_type = Bool)]
    pub release: bool,
    #[diesel(sql_type = BigInt)]
    pub directives: i64,
    /// Those among them that were put out and count in the evaluation.
    #[diesel(sql_type = BigInt)]
    pub counted: i64,
    /// Latest day on which somebody has to act: the agency that lifts a measure, the authority that was called to decide. None when nobody has to about
    /// one of them.
    #[diesel(sql_type = Nullable<Date>)]
    pub waits_until: Option<NaiveDate>,
}

/// Directives that have not ended and rest on targets (subject, record or entry).
pub(crate) async fn directives(conn: &mut AsyncPgConnection, targets: &[(Uuid, Uuid)]) -> Result<Vec<Open>> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = targets.iter().copied().unzip();
    diesel::sql_query(
        "SELECT t.target_id, d.kind = 'release' AS release, count(*) AS directives, count(*) FILTER (WHERE d.state NOT IN ('proposed', 'held')) AS counted,
                CASE WHEN NOT bool_or(w.day IS NULL) THEN max(w.day) END AS waits_until
           FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::uuid[]) AS a (subject_id, target_id)) t
           JOIN list_entries e ON e.subject_id = t.subject_id AND (e.id = t.target_id OR e.ground_record_id = t.target_id)
           JOIN directives d ON d.subject_id = e.subject_id AND d.entry_id = e.id
          CROSS JOIN LATERAL (SELECT CASE WHEN d.kind = 'release' THEN d.feedback_by ELSE e.ground_review_by END AS day) w
          WHERE d.state NOT IN ('cancelled', 'released', 'completed')
          GROUP BY t.target_id, d.kind = 'release' ORDER BY 1, 2",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(conn)
    .await
    .db()
}
