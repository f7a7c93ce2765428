//! Typical cases, and what their texts have to be held against.

use crate::model::cases::Step;
use chrono::{DateTime, Utc};
use credence_core::problem::Result;
use credence_db::schema::{subject_identifiers, subject_names, subjects, typical_cases};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// Feedback, and the entry it goes back to.
#[derive(Debug, QueryableByName)]
pub(crate) struct FeedbackRow {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Text)]
    pub measure: String,
    /// Kind of the list the entry is of.
    #[diesel(sql_type = Text)]
    pub entry_kind: String,
    #[diesel(sql_type = Jsonb)]
    pub responsible: Value,
    /// Whether the entry was made wrongly.
    #[diesel(sql_type = Bool)]
    pub corrected: bool,
}

/// The feedback with an id.
pub(crate) async fn feedback(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<FeedbackRow>> {
    diesel::sql_query(
        "SELECT f.subject_id, f.agency_id, d.measure, e.kind AS entry_kind, e.responsible,
                e.exit_cause IS NOT DISTINCT FROM 'correction' AS corrected
           FROM directive_feedback f
           JOIN directives d ON d.subject_id = f.subject_id AND d.id = f.directive_id
           JOIN list_entries e ON e.subject_id = d.subject_id AND e.id = d.entry_id
          WHERE f.id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()
    .db()
}

/// Every name that subjects have or had, with their kind.
pub(crate) async fn names(conn: &mut AsyncPgConnection, family: &[Uuid]) -> Result<Vec<(String, String)>> {
    subject_names::table
        .inner_join(subjects::table.on(subjects::id.eq(subject_names::subject_id)))
        .filter(subject_names::subject_id.eq_any(family.to_vec()))
        .select((subjects::kind, subject_names::name))
        .distinct()
        .load(conn)
        .await
        .db()
}

/// A number: scheme, value in the clear, value sealed.
pub(crate) type Number = (String, Option<String>, Option<Vec<u8>>);

/// Every number that subjects have or had.
pub(crate) async fn numbers(conn: &mut AsyncPgConnection, family: &[Uuid]) -> Result<Vec<Number>> {
    use subject_identifiers as i;
    i::table.filter(i::subject_id.eq_any(family.to_vec())).select((i::scheme, i::value, i::value_sealed)).load(conn).await.db()
}

/// What records about subjects say in some fields: item and code of each.
pub(crate) async fn said_in(conn: &mut AsyncPgConnection, family: &[Uuid], fields: &[(String, String)]) -> Result<Vec<String>> {
    #[derive(QueryableByName)]
    struct Said {
        #[diesel(sql_type = Text)]
        text: String,
    }
    let (items, codes): (Vec<&str>, Vec<&str>) = fields.iter().map(|(item, code)| (item.as_str(), code.as_str())).unzip();
    let rows: Vec<Said> = diesel::sql_query(
        "SELECT DISTINCT v.data ->> m.code AS text
           FROM record_versions v JOIN unnest($2::text[], $3::text[]) AS m (item, code) ON m.item = v.item
          WHERE v.subject_id = ANY ($1) AND v.data ->> m.code IS NOT NULL",
    )
    .bind::<Array<SqlUuid>, _>(family)
    .bind::<Array<Text>, _>(items)
    .bind::<Array<Text>, _>(codes)
    .load(conn)
    .await
    .db()?;
    Ok(rows.into_iter().map(|said| said.text).collect())
}

/// Whether feedback has a case that is proposed or published. Whoever else proposes one of the same feedback waits until this transaction ends.
pub(crate) async fn has_case(tx: &mut Tx<'_>, subject: Uuid, feedback: Uuid) -> Result<bool> {
    use typical_cases as c;
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind::<Text, _>(format!("typical_case/{feedback}"))
        .execute(tx.conn())
        .await
        .db()?;
    let open = c::table
        .filter(c::subject_id.eq(subject))
        .filter(c::feedback_id.eq(feedback))
        .filter(c::state.eq_any(vec!["proposed", "published"]));
    diesel::select(diesel::dsl::exists(open)).get_result(tx.conn()).await.db()
}

/// A case to be written.
#[derive(Debug, Insertable)]
#[diesel(table_name = typical_cases)]
pub(crate) struct NewCase<'a> {
    pub id: Uuid,
    pub subject_id: Uuid,
    pub feedback_id: Uuid,
    pub agency_id: Uuid,
    pub kind: &'a str,
    pub title: &'a str,
    pub body: &'a str,
    pub state: &'a str,
    pub proposed_by: &'a str,
    pub proposed_by_id: Uuid,
    pub proposed_at: DateTime<Utc>,
}

/// Writes a case.
pub(crate) async fn insert(tx: &mut Tx<'_>, case: &NewCase<'_>) -> Result<()> {
    diesel::insert_into(typical_cases::table).values(case).execute(tx.conn()).await.db()?;
    Ok(())
}

/// Who takes a step, and what they say.
pub(crate) struct Review<'a> {
    pub step: Step,
    pub by: &'a str,
    pub by_id: Uuid,
    pub reason: Option<&'a str>,
}

/// Takes a step from the state it needs. False when the case is in another state by now: of two who review at once, the second finds it so.
pub(crate) async fn take(tx: &mut Tx<'_>, id: Uuid, review: &Review<'_>, now: DateTime<Utc>) -> Result<bool> {
    use typical_cases as c;
    let step = review.step;
    let open = c::table.find(id).filter(c::state.eq(step.needs())).filter(c::proposed_by_id.ne(review.by_id));
    let taken = if step == Step::Withdraw {
        // Who published it stays; who withdrew it is in the change log.
        let set = (c::state.eq(step.leads_to()), c::review_reason.eq(review.reason), c::withdrawn_at.eq(Some(now)));
        diesel::update(open).set(set).execute(tx.conn()).await.db()?
    } else {
        let set = (
            c::state.eq(step.leads_to()),
            c::reviewed_by.eq(Some(review.by)),
            c::reviewed_by_id.eq(Some(review.by_id)),
            c::reviewed_at.eq(Some(now)),
            c::review_reason.eq(review.reason),
            c::published_at.eq((step == Step::Publish).then_some(now)),
        );
        diesel::update(open).set(set).execute(tx.conn()).await.db()?
    };
    Ok(taken == 1)
}

/// A case with what it goes back to.
#[derive(Debug, QueryableByName)]
pub(crate) struct CaseRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub feedback_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub directive_id: Uuid,
    #[diesel(sql_type = Text)]
    pub measure: String,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Text)]
    pub body: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Text)]
    pub proposed_by: String,
    #[diesel(sql_type = SqlUuid)]
    pub proposed_by_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    pub proposed_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    pub reviewed_by: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub reviewed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub review_reason: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub published_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub withdrawn_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    pub corrected: bool,
}

const CASES: &str = "
    SELECT c.id, c.subject_id, c.feedback_id, d.id AS directive_id, d.measure, c.agency_id, c.kind, c.title, c.body, c.state, c.proposed_by,
           c.proposed_by_id, c.proposed_at, c.reviewed_by, c.reviewed_at, c.review_reason, c.published_at, c.withdrawn_at,
           e.exit_cause IS NOT DISTINCT FROM 'correction' AS corrected
      FROM typical_cases c
      JOIN directive_feedback f ON f.subject_id = c.subject_id AND f.id = c.feedback_id
      JOIN directives d ON d.subject_id = f.subject_id AND d.id = f.directive_id
      JOIN list_entries e ON e.subject_id = d.subject_id AND e.id = d.entry_id";

/// The case with an id.
pub(crate) async fn find(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<CaseRow>> {
    diesel::sql_query(format!("{CASES} WHERE c.id = $1")).bind::<SqlUuid, _>(id).get_result(conn).await.optional().db()
}

/// Cases in a state, oldest first, after one of them.
pub(crate) async fn in_state(conn: &mut AsyncPgConnection, state: &str, after: Option<Uuid>, limit: i64) -> Result<Vec<CaseRow>> {
    diesel::sql_query(format!("{CASES} WHERE c.state = $1 AND ($2::uuid IS NULL OR c.id > $2) ORDER BY c.id LIMIT $3"))
        .bind::<Text, _>(state)
        .bind::<Nullable<SqlUuid>, _>(after)
        .bind::<BigInt, _>(limit)
        .load(conn)
        .await
        .db()
}

/// Published cases, newest first, before one of them. A case whose entry was made wrongly is not among them: what was done on a ground that
/// never was is nobody's example, and the case goes from public view in the moment the entry does, without anybody having to remember it.
pub(crate) async fn published(
    conn: &mut AsyncPgConnection,
    kind: Option<&str>,
    before: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<CaseRow>> {
    diesel::sql_query(format!(
        "{CASES} WHERE c.state = 'published' AND e.exit_cause IS DISTINCT FROM 'correction'
            AND ($1::text IS NULL OR c.kind = $1)
            AND ($2::timestamptz IS NULL OR (c.published_at, c.id) < ($2, $3::uuid))
          ORDER BY c.published_at DESC, c.id DESC LIMIT $4"
    ))
    .bind::<Nullable<Text>, _>(kind)
    .bind::<Nullable<Timestamptz>, _>(before.map(|(at, _)| at))
    .bind::<Nullable<SqlUuid>, _>(before.map(|(_, id)| id))
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()
}
