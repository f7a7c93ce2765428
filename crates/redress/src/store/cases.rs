//! Cases, their papers and commitments, and what stands in the way of a new one.

use super::lines::{OVERDUE, one};
use crate::model::cases::{CaseSummary, NewPaper};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// A case, whole, with the kind and present name of its subject.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Case {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub case_no: String,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = Text)]
    pub channel: String,
    #[diesel(sql_type = Text)]
    pub applicant: String,
    #[diesel(sql_type = Binary)]
    pub applicant_sealed: Vec<u8>,
    #[diesel(sql_type = Binary)]
    pub secret_hash: Vec<u8>,
    #[diesel(sql_type = Integer)]
    pub secret_failures: i32,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub secret_locked_until: Option<DateTime<Utc>>,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Text)]
    pub statement: String,
    /// Papers that were missing when it was filed.
    #[diesel(sql_type = Array<Text>)]
    pub missing: Vec<String>,
    #[diesel(sql_type = Nullable<Date>)]
    pub complete_by: Option<NaiveDate>,
    #[diesel(sql_type = Text)]
    pub rules: String,
    #[diesel(sql_type = Timestamptz)]
    pub filed_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub closed_at: Option<DateTime<Utc>>,
    /// Agency that it was taken in by, at the counter.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub taken_agency: Option<Uuid>,
    #[diesel(sql_type = Text)]
    pub subject_kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub subject_name: Option<String>,
}

/// What is read of a case `c`. The agency that took it in is that of its first steps.
const CASES: &str = "SELECT c.id, c.case_no, c.kind, c.subject_id, c.channel, c.applicant, c.applicant_sealed, c.secret_hash, c.secret_failures,
        c.secret_locked_until, c.state, c.statement, c.missing, c.complete_by, c.rules, c.filed_at, c.closed_at, t.agency_id AS taken_agency,
        s.kind AS subject_kind, n.name AS subject_name
   FROM redress_cases c JOIN subjects s ON s.id = c.subject_id
   LEFT JOIN LATERAL (SELECT agency_id FROM redress_steps
                       WHERE case_id = c.id AND step = 'file' AND c.channel = 'counter' LIMIT 1) t ON true
   LEFT JOIN LATERAL (SELECT name FROM subject_names WHERE subject_id = c.subject_id AND known_to IS NULL
                       ORDER BY valid_to DESC NULLS FIRST, confirmed DESC, id DESC LIMIT 1) n ON true";

/// A case by its id.
pub(crate) async fn find(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<Case>> {
    diesel::sql_query(format!("{CASES} WHERE c.id = $1")).bind::<SqlUuid, _>(id).get_result(conn).await.optional().db()
}

/// A case by its id, locked until the transaction ends. Whoever locks lines too locks them first.
pub(crate) async fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<Case>> {
    diesel::sql_query(format!("{CASES} WHERE c.id = $1 FOR UPDATE OF c")).bind::<SqlUuid, _>(id).get_result(tx.conn()).await.optional().db()
}

/// A case by its number, locked until the transaction ends.
pub(crate) async fn lock_by_number(tx: &mut Tx<'_>, case_no: &str) -> Result<Option<Case>> {
    diesel::sql_query(format!("{CASES} WHERE c.case_no = $1 FOR UPDATE OF c"))
        .bind::<Text, _>(case_no)
        .get_result(tx.conn())
        .await
        .optional()
        .db()
}

/// The latest number that begins so. Whoever else wants one of these waits until this transaction ends.
pub(crate) async fn latest_number(tx: &mut Tx<'_>, prefix: &str) -> Result<Option<String>> {
    #[derive(QueryableByName)]
    struct Latest {
        #[diesel(sql_type = Nullable<Text>)]
        case_no: Option<String>,
    }
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind::<Text, _>(format!("redress_case_no/{prefix}"))
        .execute(tx.conn())
        .await
        .db()?;
    let latest: Latest =
        diesel::sql_query("SELECT max(case_no) AS case_no FROM redress_cases WHERE case_no BETWEEN $1 || '000000' AND $1 || '999999'")
            .bind::<Text, _>(prefix)
            .get_result(tx.conn())
            .await
            .db()?;
    Ok(latest.case_no)
}

/// A new case.
pub(crate) struct NewCaseRow<'a> {
    pub id: Uuid,
    pub case_no: &'a str,
    pub kind: &'a str,
    pub subject_id: Uuid,
    pub channel: &'a str,
    pub applicant: &'a str,
    /// The account that filed it online.
    pub account_id: Option<Uuid>,
    /// The clerk who took it in.
    pub taken_by: Option<Uuid>,
    pub applicant_sealed: &'a [u8],
    pub authorisation: Option<&'a str>,
    pub secret_hash: &'a [u8],
    pub state: &'a str,
    pub statement: &'a str,
    pub missing: &'a [String],
    pub complete_by: Option<NaiveDate>,
    pub rules: &'a str,
}

/// Writes a case.
pub(crate) async fn insert(tx: &mut Tx<'_>, case: &NewCaseRow<'_>, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO redress_cases (id, case_no, kind, subject_id, channel, applicant, account_id, taken_by, applicant_sealed, authorisation, secret_hash,
                state, statement, missing, complete_by, rules, filed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
    )
    .bind::<SqlUuid, _>(case.id)
    .bind::<Text, _>(case.case_no)
    .bind::<Text, _>(case.kind)
    .bind::<SqlUuid, _>(case.subject_id)
    .bind::<Text, _>(case.channel)
    .bind::<Text, _>(case.applicant)
    .bind::<Nullable<SqlUuid>, _>(case.account_id)
    .bind::<Nullable<SqlUuid>, _>(case.taken_by)
    .bind::<Binary, _>(case.applicant_sealed)
    .bind::<Nullable<Text>, _>(case.authorisation)
    .bind::<Binary, _>(case.secret_hash)
    .bind::<Text, _>(case.state)
    .bind::<Text, _>(case.statement)
    .bind::<Array<Text>, _>(case.missing)
    .bind::<Nullable<Date>, _>(case.complete_by)
    .bind::<Text, _>(case.rules)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Keeps the person who applies anew: with a commitment that was brought later.
pub(crate) async fn keep_applicant(tx: &mut Tx<'_>, case: Uuid, sealed: &[u8]) -> Result<()> {
    let changed = diesel::sql_query("UPDATE redress_cases SET applicant_sealed = $2 WHERE id = $1")
        .bind::<SqlUuid, _>(case)
        .bind::<Binary, _>(sealed)
        .execute(tx.conn())
        .await
        .db()?;
    one(changed)
}

/// Lets a case follow its lines. The row is locked first and the lines are looked at afterwards: of two lines that close at once, the second sees both.
pub(crate) async fn settle(tx: &mut Tx<'_>, case: Uuid, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query("SELECT 1 FROM redress_cases WHERE id = $1 FOR UPDATE").bind::<SqlUuid, _>(case).execute(tx.conn()).await.db()?;
    diesel::sql_query(
        "UPDATE redress_cases c SET state = l.state, closed_at = CASE WHEN l.state IN ('closed', 'withdrawn') THEN $2::timestamptz END
           FROM (SELECT CASE WHEN bool_or(state = 'incomplete') THEN 'incomplete'
                             WHEN bool_or(state NOT IN ('closed', 'withdrawn')) THEN 'open'
                             WHEN bool_and(state = 'withdrawn') THEN 'withdrawn'
                             ELSE 'closed' END AS state
                   FROM redress_lines WHERE case_id = $1) l
          WHERE c.id = $1 AND c.state <> l.state",
    )
    .bind::<SqlUuid, _>(case)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// How many of these attachments were uploaded by the subject for itself, or for the agency.
pub(crate) async fn own_attachments(
    conn: &mut AsyncPgConnection,
    ids: &[Uuid],
    subject: Option<Uuid>,
    agency: Option<Uuid>,
) -> Result<i64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let count: Count =
        diesel::sql_query("SELECT count(*) AS n FROM attachments WHERE id = ANY ($1) AND (subject_id = $2 OR agency_id = $3)")
            .bind::<Array<SqlUuid>, _>(ids)
            .bind::<Nullable<SqlUuid>, _>(subject)
            .bind::<Nullable<SqlUuid>, _>(agency)
            .get_result(conn)
            .await
            .db()?;
    Ok(count.n)
}

/// Adds a paper; false when it was there before.
pub(crate) async fn add_paper(
    tx: &mut Tx<'_>,
    (subject, case): (Uuid, Uuid),
    paper: &NewPaper,
    by: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let added = diesel::sql_query(
        "INSERT INTO redress_papers (subject_id, id, case_id, kind, attachment_id, added_by, added_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT ON CONSTRAINT redress_papers_once DO NOTHING",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<SqlUuid, _>(case)
    .bind::<Text, _>(&paper.kind)
    .bind::<SqlUuid, _>(paper.attachment_id)
    .bind::<Text, _>(by)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(added == 1)
}

/// A paper of a case.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct PaperRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = SqlUuid)]
    pub attachment_id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    pub added_at: DateTime<Utc>,
}

/// The papers of a case, in the order they came.
pub(crate) async fn papers(conn: &mut AsyncPgConnection, case: Uuid) -> Result<Vec<PaperRow>> {
    diesel::sql_query("SELECT id, kind, attachment_id, added_at FROM redress_papers WHERE case_id = $1 ORDER BY id")
        .bind::<SqlUuid, _>(case)
        .load(conn)
        .await
        .db()
}

/// Publishes the commitment of a case.
pub(crate) async fn publish_commitment(
    tx: &mut Tx<'_>,
    (subject, case): (Uuid, Uuid),
    text: &str,
    given_on: NaiveDate,
    until: NaiveDate,
    now: DateTime<Utc>,
) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO redress_commitments (subject_id, id, case_id, text, given_on, published_at, published_until) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<SqlUuid, _>(case)
    .bind::<Text, _>(text)
    .bind::<Date, _>(given_on)
    .bind::<Timestamptz, _>(now)
    .bind::<Date, _>(until)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Last day of a bar on these subjects that holds on a day; of several the latest. One whose decision a review has changed bars nobody, and neither does
/// that of the line `except`, which is being decided anew.
pub(crate) async fn barred_until(
    conn: &mut AsyncPgConnection,
    family: &[Uuid],
    on: NaiveDate,
    except: Option<Uuid>,
) -> Result<Option<NaiveDate>> {
    #[derive(QueryableByName)]
    struct Until {
        #[diesel(sql_type = Nullable<Date>)]
        until_on: Option<NaiveDate>,
    }
    let until: Until = diesel::sql_query(
        "SELECT max(b.until_on) AS until_on FROM repair_bars b
          WHERE b.subject_id = ANY ($1) AND b.from_on <= $2 AND b.until_on >= $2 AND b.line_id IS DISTINCT FROM $3
            AND NOT EXISTS (SELECT 1 FROM redress_lines l WHERE l.subject_id = b.subject_id AND l.id = b.line_id AND l.review_outcome = 'changed')",
    )
    .bind::<Array<SqlUuid>, _>(family)
    .bind::<Date, _>(on)
    .bind::<Nullable<SqlUuid>, _>(except)
    .get_result(conn)
    .await
    .db()?;
    Ok(until.until_on)
}

/// Whether a training of one of these subjects is recorded that was held on a day or after it; without a day, any.
pub(crate) async fn was_trained(conn: &mut AsyncPgConnection, family: &[Uuid], since: Option<NaiveDate>) -> Result<bool> {
    #[derive(QueryableByName)]
    struct Trained {
        #[diesel(sql_type = Bool)]
        trained: bool,
    }
    let found: Trained = diesel::sql_query(
        "SELECT EXISTS (SELECT 1 FROM repair_trainings
                         WHERE subject_id = ANY ($1) AND kind = 'training' AND ($2::date IS NULL OR held_on >= $2)) AS trained",
    )
    .bind::<Array<SqlUuid>, _>(family)
    .bind::<Nullable<Date>, _>(since)
    .get_result(conn)
    .await
    .db()?;
    Ok(found.trained)
}

/// Counts a wrong code, and locks the case for codes when there were too many in a row.
pub(crate) async fn code_failed(tx: &mut Tx<'_>, case: Uuid, failures_max: i32, locked_until: DateTime<Utc>) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE redress_cases SET secret_failures = CASE WHEN secret_failures + 1 >= $2 THEN 0 ELSE secret_failures + 1 END,
                secret_locked_until = CASE WHEN secret_failures + 1 >= $2 THEN $3 END
          WHERE id = $1",
    )
    .bind::<SqlUuid, _>(case)
    .bind::<Integer, _>(failures_max)
    .bind::<Timestamptz, _>(locked_until)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// Forgets wrong codes after a right one.
pub(crate) async fn code_matched(tx: &mut Tx<'_>, case: Uuid) -> Result<()> {
    let changed = diesel::sql_query("UPDATE redress_cases SET secret_failures = 0, secret_locked_until = NULL WHERE id = $1")
        .bind::<SqlUuid, _>(case)
        .execute(tx.conn())
        .await
        .db()?;
    one(changed)
}

/// Which cases are asked for; what is absent does not narrow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CasesAsked<'a> {
    /// About one of these subjects.
    pub subjects: Option<&'a [Uuid]>,
    /// Taken in by this agency.
    pub taken_by: Option<Uuid>,
    pub state: Option<&'a str>,
    /// Only those with an overdue line.
    pub overdue: bool,
    /// Before this case, by id.
    pub before: Option<Uuid>,
    pub limit: i64,
}

/// A page of cases, newest first, with what is owed of their lines on a day.
pub(crate) async fn page(conn: &mut AsyncPgConnection, asked: &CasesAsked<'_>, today: NaiveDate) -> Result<Vec<CaseSummary>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
        #[diesel(sql_type = Text)]
        case_no: String,
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = Text)]
        state: String,
        #[diesel(sql_type = Text)]
        channel: String,
        #[diesel(sql_type = SqlUuid)]
        subject_id: Uuid,
        #[diesel(sql_type = Timestamptz)]
        filed_at: DateTime<Utc>,
        #[diesel(sql_type = Nullable<Date>)]
        complete_by: Option<NaiveDate>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        closed_at: Option<DateTime<Utc>>,
        #[diesel(sql_type = BigInt)]
        lines: i64,
        #[diesel(sql_type = BigInt)]
        open: i64,
        #[diesel(sql_type = BigInt)]
        overdue: i64,
        #[diesel(sql_type = Nullable<Date>)]
        due_on: Option<NaiveDate>,
    }
    let overdue = OVERDUE.replace("$today", "$5");
    let rows: Vec<Row> = diesel::sql_query(format!(
        "SELECT c.id, c.case_no, c.kind, c.state, c.channel, c.subject_id, c.filed_at, c.complete_by, c.closed_at, o.lines, o.open, o.overdue, o.due_on
           FROM redress_cases c
           CROSS JOIN LATERAL (
                SELECT count(*) AS lines, count(*) FILTER (WHERE l.state NOT IN ('closed', 'withdrawn')) AS open,
                       count(*) FILTER (WHERE {overdue}) AS overdue, min(l.due_on) FILTER (WHERE l.state NOT IN ('closed', 'withdrawn')) AS due_on
                  FROM redress_lines l WHERE l.case_id = c.id) o
          WHERE ($1::uuid[] IS NULL OR c.subject_id = ANY ($1))
            AND ($2::uuid IS NULL OR EXISTS (
                    SELECT 1 FROM redress_steps s WHERE s.case_id = c.id AND s.step = 'file' AND c.channel = 'counter' AND s.agency_id = $2))
            AND ($3::text IS NULL OR c.state = $3) AND (NOT $4 OR o.overdue > 0) AND ($6::uuid IS NULL OR c.id < $6)
          ORDER BY c.id DESC LIMIT $7"
    ))
    .bind::<Nullable<Array<SqlUuid>>, _>(asked.subjects)
    .bind::<Nullable<SqlUuid>, _>(asked.taken_by)
    .bind::<Nullable<Text>, _>(asked.state)
    .bind::<Bool, _>(asked.overdue)
    .bind::<Date, _>(today)
    .bind::<Nullable<SqlUuid>, _>(asked.before)
    .bind::<BigInt, _>(asked.limit)
    .load(conn)
    .await
    .db()?;
    let summary = |row: Row| CaseSummary {
        id: row.id,
        case_no: row.case_no,
        kind: row.kind,
        state: row.state,
        channel: row.channel,
        subject_id: row.subject_id,
        filed_at: row.filed_at,
        complete_by: row.complete_by,
        closed_at: row.closed_at,
        lines: row.lines,
        open: row.open,
        overdue: row.overdue,
        due_on: row.due_on,
    };
    Ok(rows.into_iter().map(summary).collect())
}

/// Cases whose last day for missing papers is over, oldest first.
pub(crate) async fn lapsing(conn: &mut AsyncPgConnection, today: NaiveDate, limit: i64) -> Result<Vec<Uuid>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let rows: Vec<Id> =
        diesel::sql_query("SELECT id FROM redress_cases WHERE state = 'incomplete' AND complete_by < $1 ORDER BY complete_by, id LIMIT $2")
            .bind::<Date, _>(today)
            .bind::<BigInt, _>(limit)
            .load(conn)
            .await
            .db()?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
