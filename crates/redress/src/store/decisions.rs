//! Decisions about lines: every step after filing. Each update names the states it starts from, beside the trigger that guards them.

use super::lines::{Line, one};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Problem, Result};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Bool, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

/// A last day and the rule, `id@version`, that set it.
pub(crate) type DueRef<'a> = (NaiveDate, &'a str);

/// filed → forwarded, after the platform's self-check.
pub(crate) async fn forward(tx: &mut Tx<'_>, line: &Line, by: Uuid, due: DueRef<'_>, now: DateTime<Utc>) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE redress_lines SET state = 'forwarded', checked_by = $3, checked_at = $4, due_on = $5, due_rule = $6
          WHERE subject_id = $1 AND id = $2 AND kind = 'dispute' AND state = 'filed'",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<SqlUuid, _>(by)
    .bind::<Timestamptz, _>(now)
    .bind::<Date, _>(due.0)
    .bind::<Text, _>(due.1)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// forwarded (dispute) or filed (repair) → accepted. Without a new last day the step's stays.
pub(crate) async fn accept(tx: &mut Tx<'_>, line: &Line, by: Uuid, due: Option<DueRef<'_>>, now: DateTime<Utc>) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE redress_lines SET state = 'accepted', accepted_by = $3, accepted_at = $4, due_on = COALESCE($5, due_on), due_rule = COALESCE($6, due_rule)
          WHERE subject_id = $1 AND id = $2 AND state = CASE kind WHEN 'dispute' THEN 'forwarded' ELSE 'filed' END",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<SqlUuid, _>(by)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<Date>, _>(due.map(|d| d.0))
    .bind::<Nullable<Text>, _>(due.map(|d| d.1))
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// A decision as it is kept.
pub(crate) struct Decided<'a> {
    pub outcome: &'a str,
    pub decision_no: Option<&'a str>,
    pub reason: &'a str,
    pub sealed: Option<Vec<u8>>,
    pub rules: &'a str,
    pub agency: Uuid,
    pub by: Uuid,
    pub execute_by: Option<NaiveDate>,
    /// The platform checks and decides in one: its own error.
    pub checks: bool,
}

/// filed or accepted → closed. Whoever accepted does not decide: the statement takes no other.
pub(crate) async fn decide(tx: &mut Tx<'_>, line: &Line, decided: Decided<'_>, now: DateTime<Utc>) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE redress_lines SET state = 'closed', outcome = $3, decision_no = $4, decision_reason = $5, decision_sealed = $6, decision_rule = $7,
                decided_agency = $8, decided_by = $9, decided_at = $10, execute_by = $11, due_on = NULL, due_rule = NULL, closed_at = $10,
                checked_by = CASE WHEN $12 THEN $9 ELSE checked_by END, checked_at = CASE WHEN $12 THEN $10 ELSE checked_at END
          WHERE subject_id = $1 AND id = $2 AND state IN ('filed', 'accepted') AND accepted_by IS DISTINCT FROM $9",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<Text, _>(decided.outcome)
    .bind::<Nullable<Text>, _>(decided.decision_no)
    .bind::<Text, _>(decided.reason)
    .bind::<Nullable<Binary>, _>(decided.sealed)
    .bind::<Text, _>(decided.rules)
    .bind::<SqlUuid, _>(decided.agency)
    .bind::<SqlUuid, _>(decided.by)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<Date>, _>(decided.execute_by)
    .bind::<Bool, _>(decided.checks)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// closed → review. `open` is the problem when another line about the same record is open meanwhile.
pub(crate) async fn ask_review(
    tx: &mut Tx<'_>,
    line: &Line,
    reason: &str,
    due: DueRef<'_>,
    open: impl FnOnce() -> Problem,
    now: DateTime<Utc>,
) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE redress_lines SET state = 'review', review_reason = $3, review_asked_at = $4, due_on = $5, due_rule = $6, closed_at = NULL
          WHERE subject_id = $1 AND id = $2 AND state = 'closed' AND review_asked_at IS NULL",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<Text, _>(reason)
    .bind::<Timestamptz, _>(now)
    .bind::<Date, _>(due.0)
    .bind::<Text, _>(due.1)
    .execute(tx.conn())
    .await
    .on_constraint("redress_lines_one_open", open)?;
    one(changed)
}

/// review → closed, as it was decided. Whoever accepted or decided does not review: the statement takes no other.
pub(crate) async fn uphold(tx: &mut Tx<'_>, line: &Line, by: Uuid, text: &str, now: DateTime<Utc>) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE redress_lines SET state = 'closed', review_outcome = 'upheld', review_text = $3, reviewed_by = $4, reviewed_at = $5,
                due_on = NULL, due_rule = NULL, closed_at = $5
          WHERE subject_id = $1 AND id = $2 AND state = 'review' AND decided_by <> $4 AND accepted_by IS DISTINCT FROM $4",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<Text, _>(text)
    .bind::<SqlUuid, _>(by)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// review → closed with another outcome. Who decided first, and when, stays; the first outcome and its reasons stand in the steps.
pub(crate) async fn change(tx: &mut Tx<'_>, line: &Line, decided: Decided<'_>, text: &str, now: DateTime<Utc>) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE redress_lines SET state = 'closed', review_outcome = 'changed', review_text = $3, reviewed_by = $4, reviewed_at = $5, closed_at = $5,
                outcome = $6, decision_no = $7, decision_reason = $8, decision_sealed = $9, decision_rule = $10, execute_by = $11,
                due_on = NULL, due_rule = NULL
          WHERE subject_id = $1 AND id = $2 AND state = 'review' AND decided_by <> $4 AND accepted_by IS DISTINCT FROM $4",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<Text, _>(text)
    .bind::<SqlUuid, _>(decided.by)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(decided.outcome)
    .bind::<Nullable<Text>, _>(decided.decision_no)
    .bind::<Text, _>(decided.reason)
    .bind::<Nullable<Binary>, _>(decided.sealed)
    .bind::<Text, _>(decided.rules)
    .bind::<Nullable<Date>, _>(decided.execute_by)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// What a stop begins with.
pub(crate) struct NewStop<'a> {
    pub reason: &'a str,
    pub note: &'a str,
    pub began_on: NaiveDate,
    pub began_by: &'a str,
    pub days_left: i32,
    pub total_days_left: i32,
}

/// A stop begins: nothing is owed until it ends. `open` is the problem when one has begun already.
pub(crate) async fn begin_stop(tx: &mut Tx<'_>, line: &Line, stop: NewStop<'_>, open: impl FnOnce() -> Problem) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO redress_stops (subject_id, id, line_id, reason, note, began_on, began_by, days_left, total_days_left)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<SqlUuid, _>(line.id)
    .bind::<Text, _>(stop.reason)
    .bind::<Text, _>(stop.note)
    .bind::<Date, _>(stop.began_on)
    .bind::<Text, _>(stop.began_by)
    .bind::<Integer, _>(stop.days_left)
    .bind::<Integer, _>(stop.total_days_left)
    .execute(tx.conn())
    .await
    .on_constraint("redress_stops_one_open", open)?;
    set_due(tx, line, None, line.total_due_on).await
}

/// A stop ends.
pub(crate) async fn end_stop(tx: &mut Tx<'_>, line: &Line, stop: Uuid, on: NaiveDate, by: &str) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE redress_stops SET ended_on = $4, ended_by = $5 WHERE subject_id = $1 AND line_id = $2 AND id = $3 AND ended_on IS NULL",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<SqlUuid, _>(stop)
    .bind::<Date, _>(on)
    .bind::<Text, _>(by)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// Sets the last days of an accepted line. The rule of the whole stays.
pub(crate) async fn set_due(tx: &mut Tx<'_>, line: &Line, due: Option<DueRef<'_>>, total: Option<NaiveDate>) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE redress_lines SET due_on = $3, due_rule = $4, total_due_on = $5 WHERE subject_id = $1 AND id = $2 AND state = 'accepted'",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<Nullable<Date>, _>(due.map(|d| d.0))
    .bind::<Nullable<Text>, _>(due.map(|d| d.1))
    .bind::<Nullable<Date>, _>(total)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// An approved extension: the decision is owed, and the whole over, on its day. `once` is the problem when there is one already.
pub(crate) async fn extend(
    tx: &mut Tx<'_>,
    line: &Line,
    (reason, from, to): (&str, NaiveDate, DueRef<'_>),
    by: Uuid,
    once: impl FnOnce() -> Problem,
    now: DateTime<Utc>,
) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO redress_extensions (subject_id, id, line_id, reason, from_due, to_due, rule, approved_by, approved_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<SqlUuid, _>(line.id)
    .bind::<Text, _>(reason)
    .bind::<Date, _>(from)
    .bind::<Date, _>(to.0)
    .bind::<Text, _>(to.1)
    .bind::<SqlUuid, _>(by)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .on_constraint("redress_extensions_once", once)?;
    let changed = diesel::sql_query(
        "UPDATE redress_lines SET due_on = $3, due_rule = $4, total_due_on = $3, total_rule = $4
          WHERE subject_id = $1 AND id = $2 AND state = 'accepted' AND accepted_by <> $5",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<Date, _>(to.0)
    .bind::<Text, _>(to.1)
    .bind::<SqlUuid, _>(by)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// What a decision needs to know of the case of a line.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct CaseFacts {
    /// What is stated and asked for.
    #[diesel(sql_type = Text)]
    pub statement: String,
    /// Kinds of papers that are there.
    #[diesel(sql_type = Array<Text>)]
    pub papers: Vec<String>,
}

/// The case of a line.
pub(crate) async fn case_facts(tx: &mut Tx<'_>, case: Uuid) -> Result<CaseFacts> {
    diesel::sql_query(
        "SELECT c.statement, ARRAY(SELECT DISTINCT p.kind FROM redress_papers p WHERE p.case_id = c.id ORDER BY p.kind) AS papers
           FROM redress_cases c WHERE c.id = $1",
    )
    .bind::<SqlUuid, _>(case)
    .get_result(tx.conn())
    .await
    .db()
}

/// A time in which a subject may not apply for repair.
pub(crate) struct NewBar<'a> {
    pub reason: &'a str,
    pub from_on: NaiveDate,
    pub until_on: NaiveDate,
    pub rule: &'a str,
    pub by: Uuid,
    pub agency: Uuid,
}

/// Bars a subject from repair after false papers, for as long as the decision about the line stands.
pub(crate) async fn bar(tx: &mut Tx<'_>, line: &Line, bar: NewBar<'_>, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO repair_bars (subject_id, id, case_id, line_id, reason, from_on, until_on, rule, decided_by, decided_at, agency_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<SqlUuid, _>(line.case_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<Text, _>(bar.reason)
    .bind::<Date, _>(bar.from_on)
    .bind::<Date, _>(bar.until_on)
    .bind::<Text, _>(bar.rule)
    .bind::<SqlUuid, _>(bar.by)
    .bind::<Timestamptz, _>(now)
    .bind::<SqlUuid, _>(bar.agency)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// Whether what a line noted still stands beside its record or entry, and no later case has noted something else.
pub(crate) async fn notes(tx: &mut Tx<'_>, line: &Line) -> Result<bool> {
    #[derive(QueryableByName)]
    struct Notes {
        #[diesel(sql_type = Bool)]
        notes: bool,
    }
    let found: Notes = diesel::sql_query(
        "SELECT EXISTS (SELECT 1 FROM record_marks
                         WHERE subject_id = $1 AND target_id = $2 AND kind = 'noted' AND case_id = $3 AND known_to IS NULL) AS notes",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.target_id)
    .bind::<SqlUuid, _>(line.case_id)
    .get_result(tx.conn())
    .await
    .db()?;
    Ok(found.notes)
}
