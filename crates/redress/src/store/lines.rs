//! Lines of cases. Every update names the state it starts from, beside the trigger that guards it.

use crate::model::lines::{CaseKind, LineState};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Problem, Result};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Date, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// A line with the number of its case. Who checked and who reviewed stand in the steps.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Line {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub case_id: Uuid,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub target: String,
    #[diesel(sql_type = SqlUuid)]
    pub target_id: Uuid,
    #[diesel(sql_type = Text)]
    pub source: String,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    pub ground: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    pub wanted_sealed: Option<Vec<u8>>,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Nullable<Date>)]
    pub due_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Text>)]
    pub due_rule: Option<String>,
    #[diesel(sql_type = Nullable<Date>)]
    pub total_due_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Text>)]
    pub total_rule: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub checked_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub accepted_by: Option<Uuid>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub accepted_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub outcome: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub decision_no: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub decision_reason: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    pub decision_sealed: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub decision_rule: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub decided_by: Option<Uuid>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub decided_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Date>)]
    pub execute_by: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Text>)]
    pub review_reason: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub review_asked_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub review_outcome: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub review_text: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub reviewed_at: Option<DateTime<Utc>>,
    /// Number of its case.
    #[diesel(sql_type = Text)]
    pub case_no: String,
    /// When its case was filed.
    #[diesel(sql_type = Timestamptz)]
    pub filed_at: DateTime<Utc>,
}

impl Line {
    /// Its state; a state the program does not know is a defect.
    pub(crate) fn state(&self) -> Result<LineState> {
        LineState::from_code(&self.state).ok_or_else(|| Problem::internal(format!("unknown state {}", self.state)))
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> Result<CaseKind> {
        CaseKind::from_code(&self.kind).ok_or_else(|| Problem::internal(format!("unknown kind {}", self.kind)))
    }

    /// Whether it misses a record instead of being about one: such a line stands for its target itself.
    pub(crate) fn is_omission(&self) -> bool {
        self.target_id == self.id
    }
}

/// What is read of a line `l` and its case `c`.
const LINES: &str = "SELECT l.subject_id, l.id, l.case_id, l.kind, l.target, l.target_id, l.source, l.agency_id, l.ground,
        l.wanted_sealed, l.state, l.due_on, l.due_rule, l.total_due_on, l.total_rule, l.checked_at, l.accepted_by, l.accepted_at, l.outcome, l.decision_no,
        l.decision_reason, l.decision_sealed, l.decision_rule, l.decided_by, l.decided_at, l.execute_by, l.review_reason, l.review_asked_at,
        l.review_outcome, l.review_text, l.reviewed_at, c.case_no, c.filed_at
   FROM redress_lines l JOIN redress_cases c ON c.id = l.case_id";

/// A line by its id.
pub(crate) async fn find(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<Line>> {
    diesel::sql_query(format!("{LINES} WHERE l.id = $1")).bind::<SqlUuid, _>(id).get_result(conn).await.optional().db()
}

/// A line by its id, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<Line>> {
    diesel::sql_query(format!("{LINES} WHERE l.id = $1 FOR UPDATE OF l")).bind::<SqlUuid, _>(id).get_result(tx.conn()).await.optional().db()
}

/// The lines of a case, in the order they were filed.
pub(crate) async fn of_case(conn: &mut AsyncPgConnection, case: Uuid) -> Result<Vec<Line>> {
    diesel::sql_query(format!("{LINES} WHERE l.case_id = $1 ORDER BY l.id")).bind::<SqlUuid, _>(case).load(conn).await.db()
}

/// The lines of a case, locked until the transaction ends.
pub(crate) async fn lock_of_case(tx: &mut Tx<'_>, case: Uuid) -> Result<Vec<Line>> {
    diesel::sql_query(format!("{LINES} WHERE l.case_id = $1 ORDER BY l.id FOR UPDATE OF l"))
        .bind::<SqlUuid, _>(case)
        .load(tx.conn())
        .await
        .db()
}

/// Number of the case whose line about a record or entry is open.
pub(crate) async fn open_on(conn: &mut AsyncPgConnection, subject: Uuid, target: Uuid) -> Result<Option<String>> {
    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = Text)]
        case_no: String,
    }
    let found: Option<Number> = diesel::sql_query(
        "SELECT c.case_no FROM redress_lines l JOIN redress_cases c ON c.id = l.case_id
          WHERE l.subject_id = $1 AND l.target_id = $2 AND l.state NOT IN ('closed', 'withdrawn')",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(target)
    .get_result(conn)
    .await
    .optional()
    .db()?;
    Ok(found.map(|n| n.case_no))
}

/// A last day and the rule, `id@version`, that set it.
pub(crate) type Due = (NaiveDate, String);

/// A new line.
pub(crate) struct NewLine<'a> {
    pub subject_id: Uuid,
    pub id: Uuid,
    pub case_id: Uuid,
    pub kind: CaseKind,
    pub target: &'a str,
    pub target_id: Uuid,
    pub source: &'a str,
    pub version_id: Option<Uuid>,
    pub agency_id: Uuid,
    pub ground: Option<&'a str>,
    pub wanted_sealed: Option<Vec<u8>>,
    pub state: LineState,
    pub due: Option<&'a Due>,
    pub total: Option<&'a Due>,
}

/// Writes a line. `taken` is the problem when another open one is about the same thing.
pub(crate) async fn insert(tx: &mut Tx<'_>, line: &NewLine<'_>, taken: impl FnOnce() -> Problem) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO redress_lines (subject_id, id, case_id, kind, target, target_id, source, version_id, agency_id, ground, wanted_sealed, state,
                due_on, due_rule, total_due_on, total_rule)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<SqlUuid, _>(line.case_id)
    .bind::<Text, _>(line.kind.code())
    .bind::<Text, _>(line.target)
    .bind::<SqlUuid, _>(line.target_id)
    .bind::<Text, _>(line.source)
    .bind::<Nullable<SqlUuid>, _>(line.version_id)
    .bind::<SqlUuid, _>(line.agency_id)
    .bind::<Nullable<Text>, _>(line.ground)
    .bind::<Nullable<Binary>, _>(line.wanted_sealed.as_deref())
    .bind::<Text, _>(line.state.code())
    .bind::<Nullable<Date>, _>(line.due.map(|due| due.0))
    .bind::<Nullable<Text>, _>(line.due.map(|due| due.1.as_str()))
    .bind::<Nullable<Date>, _>(line.total.map(|due| due.0))
    .bind::<Nullable<Text>, _>(line.total.map(|due| due.1.as_str()))
    .execute(tx.conn())
    .await
    .on_constraint("redress_lines_one_open", taken)?;
    Ok(())
}

/// incomplete → filed, and its clocks begin.
pub(crate) async fn complete(tx: &mut Tx<'_>, line: &Line, due: &Due, total: &Due) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE redress_lines SET state = 'filed', due_on = $3, due_rule = $4, total_due_on = $5, total_rule = $6
          WHERE subject_id = $1 AND id = $2 AND state = 'incomplete'",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<Date, _>(due.0)
    .bind::<Text, _>(&due.1)
    .bind::<Date, _>(total.0)
    .bind::<Text, _>(&total.1)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// Any open state before a decision → withdrawn. A clock stop that runs ends with it.
pub(crate) async fn withdraw(tx: &mut Tx<'_>, line: &Line, today: NaiveDate, by: &str, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "UPDATE redress_stops SET ended_on = greatest($3, began_on), ended_by = $4 WHERE subject_id = $1 AND line_id = $2 AND ended_on IS NULL",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<Date, _>(today)
    .bind::<Text, _>(by)
    .execute(tx.conn())
    .await
    .db()?;
    let changed = diesel::sql_query(
        "UPDATE redress_lines SET state = 'withdrawn', due_on = NULL, due_rule = NULL, closed_at = $3
          WHERE subject_id = $1 AND id = $2 AND state IN ('incomplete', 'filed', 'forwarded', 'accepted')",
    )
    .bind::<SqlUuid, _>(line.subject_id)
    .bind::<SqlUuid, _>(line.id)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// An update of a locked row that changed anything but it is a defect.
pub(crate) fn one(changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Problem::internal(format!("{changed} rows were changed instead of one"))) }
}

/// A step of a case or line.
pub(crate) struct NewStep<'a> {
    pub subject_id: Uuid,
    pub case_id: Uuid,
    pub line_id: Option<Uuid>,
    pub step: &'a str,
    pub from: Option<&'a str>,
    pub to: &'a str,
    pub actor_id: Option<Uuid>,
    pub actor_label: &'a str,
    pub agency_id: Option<Uuid>,
    pub detail: &'a Value,
}

/// Writes down a step.
pub(crate) async fn step(tx: &mut Tx<'_>, step: &NewStep<'_>, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO redress_steps (subject_id, id, case_id, line_id, step, from_state, to_state, at, actor_id, actor_label, agency_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind::<SqlUuid, _>(step.subject_id)
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<SqlUuid, _>(step.case_id)
    .bind::<Nullable<SqlUuid>, _>(step.line_id)
    .bind::<Text, _>(step.step)
    .bind::<Nullable<Text>, _>(step.from)
    .bind::<Text, _>(step.to)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<SqlUuid>, _>(step.actor_id)
    .bind::<Text, _>(step.actor_label)
    .bind::<Nullable<SqlUuid>, _>(step.agency_id)
    .bind::<Jsonb, _>(step.detail)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}

/// A step as it was taken.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct StepRow {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub line_id: Option<Uuid>,
    #[diesel(sql_type = Text)]
    pub step: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub from_state: Option<String>,
    #[diesel(sql_type = Text)]
    pub to_state: String,
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub actor_label: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub agency_id: Option<Uuid>,
    #[diesel(sql_type = Jsonb)]
    pub detail: Value,
}

/// The steps of a case, in order.
pub(crate) async fn steps(conn: &mut AsyncPgConnection, case: Uuid) -> Result<Vec<StepRow>> {
    diesel::sql_query(
        "SELECT line_id, step, from_state, to_state, at, actor_label, agency_id, detail FROM redress_steps WHERE case_id = $1 ORDER BY at, id",
    )
    .bind::<SqlUuid, _>(case)
    .load(conn)
    .await
    .db()
}

/// When the clocks of a line began: when it was filed, or when its missing papers were there. `None` while they are missing.
pub(crate) async fn clocks_began(conn: &mut AsyncPgConnection, line: &Line) -> Result<Option<DateTime<Utc>>> {
    #[derive(QueryableByName)]
    struct Began {
        #[diesel(sql_type = Nullable<Timestamptz>)]
        at: Option<DateTime<Utc>>,
    }
    let began: Began = diesel::sql_query(
        "SELECT max(at) AS at FROM redress_steps WHERE case_id = $1 AND line_id = $2 AND step IN ('file', 'complete') AND to_state = 'filed'",
    )
    .bind::<SqlUuid, _>(line.case_id)
    .bind::<SqlUuid, _>(line.id)
    .get_result(conn)
    .await
    .db()?;
    Ok(began.at)
}

/// A clock stop of a line.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct StopRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub line_id: Uuid,
    #[diesel(sql_type = Text)]
    pub reason: String,
    #[diesel(sql_type = Text)]
    pub note: String,
    #[diesel(sql_type = Date)]
    pub began_on: NaiveDate,
    #[diesel(sql_type = Integer)]
    pub days_left: i32,
    #[diesel(sql_type = Integer)]
    pub total_days_left: i32,
    #[diesel(sql_type = Nullable<Date>)]
    pub ended_on: Option<NaiveDate>,
}

/// The clock stops of some lines of one subject each, in order.
pub(crate) async fn stops(conn: &mut AsyncPgConnection, lines: &[Uuid]) -> Result<Vec<StopRow>> {
    diesel::sql_query(
        "SELECT s.id, s.line_id, s.reason, s.note, s.began_on, s.days_left, s.total_days_left, s.ended_on
           FROM redress_stops s JOIN redress_lines l ON l.subject_id = s.subject_id AND l.id = s.line_id
          WHERE l.id = ANY ($1) ORDER BY s.id",
    )
    .bind::<Array<SqlUuid>, _>(lines)
    .load(conn)
    .await
    .db()
}

/// An extension of a line.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct ExtensionRow {
    #[diesel(sql_type = SqlUuid)]
    pub line_id: Uuid,
    #[diesel(sql_type = Text)]
    pub reason: String,
    #[diesel(sql_type = Date)]
    pub from_due: NaiveDate,
    #[diesel(sql_type = Date)]
    pub to_due: NaiveDate,
    #[diesel(sql_type = Text)]
    pub rule: String,
    #[diesel(sql_type = Timestamptz)]
    pub approved_at: DateTime<Utc>,
}

/// The extensions of some lines.
pub(crate) async fn extensions(conn: &mut AsyncPgConnection, lines: &[Uuid]) -> Result<Vec<ExtensionRow>> {
    diesel::sql_query(
        "SELECT x.line_id, x.reason, x.from_due, x.to_due, x.rule, x.approved_at
           FROM redress_extensions x JOIN redress_lines l ON l.subject_id = x.subject_id AND l.id = x.line_id
          WHERE l.id = ANY ($1)",
    )
    .bind::<Array<SqlUuid>, _>(lines)
    .load(conn)
    .await
    .db()
}

/// A line is overdue when the last day that counts is over: of what is owed now, or of the whole; `$today` has to be replaced by the placeholder of the
/// day. The same is reckoned by [`crate::model::lines::owed_by`].
pub(crate) const OVERDUE: &str = "l.state NOT IN ('closed', 'withdrawn')
    AND (l.due_on < $today OR l.due_on IS NOT NULL AND l.state <> 'review' AND l.total_due_on < $today)";

/// Which lines are asked for; what is absent does not narrow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LinesAsked<'a> {
    /// The agency that decides.
    pub agency: Option<Uuid>,
    pub kind: Option<&'a str>,
    pub state: Option<&'a str>,
    /// Only those that are overdue on this day.
    pub overdue_on: Option<NaiveDate>,
    /// After this line, by id.
    pub after: Option<Uuid>,
    pub limit: i64,
}

/// A page of lines, oldest first.
pub(crate) async fn page(conn: &mut AsyncPgConnection, asked: &LinesAsked<'_>) -> Result<Vec<Line>> {
    let overdue = OVERDUE.replace("$today", "$5");
    diesel::sql_query(format!(
        "{LINES} WHERE ($1::uuid IS NULL OR l.agency_id = $1) AND ($2::text IS NULL OR l.kind = $2) AND ($3::text IS NULL OR l.state = $3)
            AND (NOT $4 OR ({overdue})) AND ($6::uuid IS NULL OR l.id > $6)
          ORDER BY l.id LIMIT $7"
    ))
    .bind::<Nullable<SqlUuid>, _>(asked.agency)
    .bind::<Nullable<Text>, _>(asked.kind)
    .bind::<Nullable<Text>, _>(asked.state)
    .bind::<Bool, _>(asked.overdue_on.is_some())
    .bind::<Nullable<Date>, _>(asked.overdue_on)
    .bind::<Nullable<SqlUuid>, _>(asked.after)
    .bind::<BigInt, _>(asked.limit)
    .load(conn)
    .await
    .db()
}
