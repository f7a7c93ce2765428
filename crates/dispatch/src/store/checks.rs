//! SQL of the check: who is meant, what it stands on, the answers that were given and what came of them.

use super::GROUND_STANDS;
use super::check_batches::{NAMED, not_so};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Problem, Result};
use credence_db::schema::{check_feedback, checks};
use credence_db::{DbResult, Tx};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, Binary, Bool, Date, Json, Nullable, Text, Timestamptz, Untyped, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use std::sync::LazyLock;
use uuid::Uuid;

/// By what a subject is found.
#[derive(Clone, Copy)]
pub(crate) enum Handle<'a> {
    /// The code an organisation has or had.
    Code(&'a str),
    /// Scheme and keyed index of a person's document.
    Document(&'a str, &'a [u8]),
}

/// A subject as far as a check needs it.
#[derive(Debug, QueryableByName)]
pub(crate) struct SubjectRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// Whether it was ever part of a merge.
    #[diesel(sql_type = Bool)]
    pub merged: bool,
    /// Names on file as `[name, normal form]`, present one first.
    #[diesel(sql_type = Json)]
    pub names: Value,
    /// Its present code.
    #[diesel(sql_type = Nullable<Text>)]
    pub uscc: Option<String>,
}

const SUBJECT: &str = "
    SELECT s.id, s.kind,
           EXISTS (SELECT 1 FROM subject_merges m WHERE m.from_subject_id = s.id OR m.into_subject_id = s.id) AS merged,
           (SELECT coalesce(json_agg(json_build_array(n.name, n.name_normal)), '[]') FROM (
                SELECT name, name_normal FROM subject_names WHERE subject_id = s.id AND known_to IS NULL
                 ORDER BY valid_to DESC NULLS FIRST, valid_from DESC NULLS LAST, id DESC) n) AS names,
           (SELECT u.value FROM subject_identifiers u
             WHERE u.subject_id = s.id AND u.scheme = 'uscc' AND u.status = 'current' AND u.known_to IS NULL LIMIT 1) AS uscc
      FROM subjects s WHERE ";

static FOUND: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{SUBJECT} s.id = coalesce(
            (SELECT subject_id FROM subject_identifiers WHERE scheme = 'uscc' AND value = $1 AND known_to IS NULL),
            (SELECT subject_id FROM subject_identifiers WHERE scheme = $2 AND value_index = $3 AND known_to IS NULL))"
    )
});

static MEMBERS: LazyLock<String> = LazyLock::new(|| format!("{SUBJECT} s.id = ANY ($1)"));

/// The question with its values, as a type of its own: diesel plans a text query anew every time, a type's query once per connection.
struct FoundQuery<'a> {
    code: Option<&'a str>,
    scheme: Option<&'a str>,
    index: Option<&'a [u8]>,
}

impl QueryId for FoundQuery<'_> {
    type QueryId = FoundQuery<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for FoundQuery<'_> {
    type SqlType = Untyped;
}

impl QueryFragment<Pg> for FoundQuery<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(FOUND.as_str());
        out.push_bind_param_value_only::<Nullable<Text>, _>(&self.code)?;
        out.push_bind_param_value_only::<Nullable<Text>, _>(&self.scheme)?;
        out.push_bind_param_value_only::<Nullable<Binary>, _>(&self.index)
    }
}

/// The subject with a code or document, in one round trip.
pub(crate) async fn subject(conn: &mut AsyncPgConnection, by: Handle<'_>) -> Result<Option<SubjectRow>> {
    let query = match by {
        Handle::Code(code) => FoundQuery { code: Some(code), scheme: None, index: None },
        Handle::Document(scheme, index) => FoundQuery { code: None, scheme: Some(scheme), index: Some(index) },
    };
    query.get_result(conn).await.optional().db()
}

/// Subjects with these ids: those that are one after a merge.
pub(crate) async fn members(conn: &mut AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<SubjectRow>> {
    diesel::sql_query(MEMBERS.as_str()).bind::<Array<SqlUuid>, _>(ids).load(conn).await.db()
}

/// A listed entry under one of the joint actions that it started, or under none.
#[derive(Debug, QueryableByName)]
pub(crate) struct EntryRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub list: String,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub keeping: String,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Text)]
    pub region: String,
    #[diesel(sql_type = Text)]
    pub facts: String,
    #[diesel(sql_type = Text)]
    pub legal_basis: String,
    #[diesel(sql_type = Array<Text>)]
    pub measures: Vec<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub ground_document: Option<String>,
    #[diesel(sql_type = Date)]
    pub listed_on: NaiveDate,
    #[diesel(sql_type = Nullable<Date>)]
    pub expires_on: Option<NaiveDate>,
    /// Whether its ground stands.
    #[diesel(sql_type = Bool)]
    pub stands: bool,
    /// A dispute about it, or about the record under it, runs.
    #[diesel(sql_type = Bool)]
    pub disputed: bool,
    /// Memorandum of the joint action.
    #[diesel(sql_type = Nullable<Text>)]
    pub memorandum: Option<String>,
    /// The asking agency's own directives under the entry: measure to id.
    #[diesel(sql_type = Json)]
    pub directives: Value,
    /// Of a mirrored entry: since when its list is known to show what its source says, as the list itself tells it.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub fed_at: Option<DateTime<Utc>>,
}

static ENTRIES: LazyLock<String> = LazyLock::new(|| {
    let stands = GROUND_STANDS.replace("$today", "$2");
    format!(
        "SELECT e.id, e.list, e.kind, e.keeping, e.agency_id, e.region, e.facts, e.legal_basis, e.measures, e.ground_document, e.listed_on,
                e.expires_on, ({stands}) AS stands,
                EXISTS (SELECT 1 FROM record_marks k WHERE k.subject_id = e.subject_id AND k.target_id IN (e.id, e.ground_record_id)
                           AND k.kind = 'disputed' AND k.known_to IS NULL) AS disputed,
                a.memorandum,
                (SELECT coalesce(json_object_agg(d.measure, d.id), '{{}}') FROM directives d
                  WHERE d.subject_id = e.subject_id AND d.entry_id = e.id AND d.agency_id = $3 AND d.kind = 'execute'
                    AND d.state IN ('issued', 'delivered', 'accepted', 'declined', 'reported')) AS directives,
                CASE WHEN e.keeping = 'mirror' THEN
                    (SELECT CASE WHEN EXISTS (SELECT 1 FROM submission_batches w WHERE w.item = g.item AND w.whole)
                            THEN (SELECT max(w.absences_at) FROM submission_batches w WHERE w.item = g.item AND w.whole AND w.state = 'open')
                            ELSE (SELECT f.finished_at FROM submission_batches b JOIN batch_files f ON f.batch_id = b.id AND f.state = 'completed'
                                   WHERE b.state = 'open' AND b.item = g.item ORDER BY b.id DESC, f.finished_at DESC LIMIT 1) END
                       FROM record_versions g WHERE g.subject_id = e.subject_id AND g.id = e.ground_version_id)
                END AS fed_at
           FROM list_entries e
           LEFT JOIN joint_actions a ON a.subject_id = e.subject_id AND a.entry_id = e.id AND a.state = 'started'
          WHERE e.subject_id = ANY ($1) AND e.state = 'listed' AND (e.expires_on IS NULL OR e.expires_on >= $2)
          ORDER BY e.listed_on DESC, e.id, a.memorandum"
    )
});

/// The question for entries, with its values.
struct EntriesQuery<'a> {
    family: &'a [Uuid],
    today: NaiveDate,
    agency: Uuid,
}

impl QueryId for EntriesQuery<'_> {
    type QueryId = EntriesQuery<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for EntriesQuery<'_> {
    type SqlType = Untyped;
}

impl QueryFragment<Pg> for EntriesQuery<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(ENTRIES.as_str());
        out.push_bind_param_value_only::<Array<SqlUuid>, _>(&self.family)?;
        out.push_bind_param_value_only::<Date, _>(&self.today)?;
        out.push_bind_param_value_only::<SqlUuid, _>(&self.agency)
    }
}

/// What a subject and all that are read through it stand on today, whatever the sweeps have done yet: newest first, the rows of one entry together.
/// An entry whose ground does not stand is among them and says so.
pub(crate) async fn entries(conn: &mut AsyncPgConnection, family: &[Uuid], today: NaiveDate, agency: Uuid) -> Result<Vec<EntryRow>> {
    EntriesQuery { family, today, agency }.load(conn).await.db()
}

/// An answer to be kept.
#[derive(Insertable)]
#[diesel(table_name = checks)]
pub(crate) struct NewCheck<'a> {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub agency_id: Uuid,
    pub actor_kind: &'a str,
    pub actor_id: Option<Uuid>,
    pub actor_label: &'a str,
    pub subject_id: Option<Uuid>,
    pub matter: &'a str,
    pub case_no: &'a str,
    pub purpose: &'a str,
    pub hit: bool,
    pub result: &'a Value,
    pub signed: &'a str,
    pub batch_id: Option<Uuid>,
    pub row_no: Option<i32>,
    pub feedback_by: Option<NaiveDate>,
    pub feedback_state: &'a str,
}

/// Keeps one answer.
pub(crate) async fn insert(tx: &mut Tx<'_>, new: NewCheck<'_>) -> Result<()> {
    diesel::insert_into(checks::table).values(new).execute(tx.conn()).await.db()?;
    Ok(())
}

/// Keeps many.
pub(crate) async fn insert_all(tx: &mut Tx<'_>, new: Vec<NewCheck<'_>>) -> Result<()> {
    if !new.is_empty() {
        diesel::insert_into(checks::table).values(new).execute(tx.conn()).await.db()?;
    }
    Ok(())
}

/// An answer as it is kept.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = checks)]
pub(crate) struct StoredCheck {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub agency_id: Uuid,
    pub actor_id: Option<Uuid>,
    pub subject_id: Option<Uuid>,
    pub matter: String,
    pub case_no: String,
    pub hit: bool,
    pub result: Value,
    pub signed: String,
    pub batch_id: Option<Uuid>,
    pub feedback_by: Option<NaiveDate>,
    pub feedback_state: String,
}

/// The check with an id.
pub(crate) async fn find(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<StoredCheck>> {
    checks::table.find(id).select(StoredCheck::as_select()).first(conn).await.optional().db()
}

#[derive(QueryableByName)]
struct Changed {
    #[diesel(sql_type = Bool)]
    changed: bool,
}

/// Whether the answer of a check names an entry that is not what it says any more.
pub(crate) async fn changed(conn: &mut AsyncPgConnection, id: Uuid, today: NaiveDate) -> Result<bool> {
    let not_so = not_so("$2");
    let query = format!("SELECT EXISTS (SELECT 1 FROM checks c {NAMED} WHERE c.id = $1 AND {not_so}) AS changed");
    let found: Changed = diesel::sql_query(query).bind::<SqlUuid, _>(id).bind::<Date, _>(today).get_result(conn).await.db()?;
    Ok(found.changed)
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<StoredCheck>> {
    checks::table.find(id).for_update().select(StoredCheck::as_select()).first(tx.conn()).await.optional().db()
}

/// Whose checks are listed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Whose {
    /// Of one agency; of every one when absent.
    pub agency: Option<Uuid>,
    /// Made by one account or key.
    pub actor: Option<Uuid>,
}

/// Checks whose feedback is owed, the most urgent first, after a place.
pub(crate) async fn owed(
    conn: &mut AsyncPgConnection,
    whose: Whose,
    after: Option<(NaiveDate, Uuid)>,
    limit: i64,
) -> Result<Vec<StoredCheck>> {
    // Said as the index says it: a list given as a value would not match the index's condition.
    let mut query = checks::table
        .filter(diesel::dsl::sql::<Bool>("feedback_state IN ('owed', 'pending')"))
        .order((checks::feedback_by, checks::id))
        .limit(limit)
        .select(StoredCheck::as_select())
        .into_boxed();
    if let Some(agency) = whose.agency {
        query = query.filter(checks::agency_id.eq(agency));
    }
    if let Some(actor) = whose.actor {
        query = query.filter(checks::actor_id.eq(actor));
    }
    if let Some((day, id)) = after {
        query = query.filter(checks::feedback_by.gt(day).or(checks::feedback_by.eq(day).and(checks::id.gt(id))));
    }
    query.load(conn).await.db()
}

/// Checks newest first, before a place; `settled` leaves out those whose feedback is owed.
pub(crate) async fn newest(
    conn: &mut AsyncPgConnection,
    whose: Whose,
    settled: bool,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<StoredCheck>> {
    let mut query = checks::table.order(checks::id.desc()).limit(limit).select(StoredCheck::as_select()).into_boxed();
    if settled {
        query = query.filter(checks::feedback_state.eq_any(["none", "given"]));
    }
    if let Some(agency) = whose.agency {
        query = query.filter(checks::agency_id.eq(agency));
    }
    if let Some(actor) = whose.actor {
        query = query.filter(checks::actor_id.eq(actor));
    }
    if let Some(before) = before {
        query = query.filter(checks::id.lt(before));
    }
    query.load(conn).await.db()
}

/// A feedback.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = check_feedback)]
pub(crate) struct FeedbackRow {
    pub id: Uuid,
    pub check_id: Uuid,
    pub outcome: String,
    pub measures: Vec<String>,
    pub reason: Option<String>,
    pub result: Option<String>,
    pub given_at: DateTime<Utc>,
}

/// Every feedback on a check, oldest first.
pub(crate) async fn feedback_of(conn: &mut AsyncPgConnection, check: Uuid) -> Result<Vec<FeedbackRow>> {
    check_feedback::table
        .filter(check_feedback::check_id.eq(check))
        .order((check_feedback::given_at, check_feedback::id))
        .select(FeedbackRow::as_select())
        .load(conn)
        .await
        .db()
}

/// A feedback to be kept.
pub(crate) struct NewFeedback<'a> {
    pub id: Uuid,
    pub check_id: Uuid,
    pub outcome: &'a str,
    pub measures: &'a [String],
    pub reason: Option<&'a str>,
    pub result: Option<&'a str>,
    pub given_by: &'a str,
}

/// Keeps a feedback on a locked check and notes how the check stands now.
pub(crate) async fn give_feedback(
    tx: &mut Tx<'_>,
    new: &NewFeedback<'_>,
    state: &str,
    now: DateTime<Utc>,
    settled: impl FnOnce() -> Problem,
) -> Result<()> {
    diesel::insert_into(check_feedback::table)
        .values((
            check_feedback::id.eq(new.id),
            check_feedback::check_id.eq(new.check_id),
            check_feedback::outcome.eq(new.outcome),
            check_feedback::measures.eq(new.measures),
            check_feedback::reason.eq(new.reason),
            check_feedback::result.eq(new.result),
            check_feedback::given_by.eq(new.given_by),
            check_feedback::given_at.eq(now),
        ))
        .execute(tx.conn())
        .await
        .on_constraint("check_feedback_settled_once", settled)?;
    diesel::update(checks::table.find(new.check_id)).set(checks::feedback_state.eq(state)).execute(tx.conn()).await.db()?;
    Ok(())
}
