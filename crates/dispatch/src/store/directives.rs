//! SQL of directives: the inbox in commit order, what is read of one or many, and what their agencies answer.

use super::GROUND_STANDS;
use crate::model::directives::{DUPLICATE_FEEDBACK, DirectiveKind, DirectiveState, InboxPosition, Turn};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Problem, Result};
use credence_db::schema::{checks, directive_feedback, directives};
use credence_db::{DbResult, Tx};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// A directive with what it rests on and whom it is about. What of it is shown, the door decides.
#[derive(Debug, Clone, QueryableByName)]
pub struct DirectiveRow {
    #[diesel(sql_type = SqlUuid)]
    pub(crate) subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) action_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) entry_id: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) kind: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub(crate) releases: Option<Uuid>,
    #[diesel(sql_type = Text)]
    pub(crate) memorandum: String,
    #[diesel(sql_type = Text)]
    pub(crate) measure: String,
    #[diesel(sql_type = Integer)]
    pub(crate) measure_version: i32,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) agency_id: Uuid,
    #[diesel(sql_type = Bool)]
    pub(crate) continuing: bool,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Nullable<Date>)]
    pub(crate) due_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub(crate) respond_by: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub(crate) feedback_by: Option<NaiveDate>,
    #[diesel(sql_type = Text)]
    pub(crate) rules: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) issued_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) delivered_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) responded_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) response_reason: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) first_feedback_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) last_feedback_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) ended_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Text)]
    pub(crate) list: String,
    #[diesel(sql_type = Text)]
    pub(crate) entry_kind: String,
    #[diesel(sql_type = Text)]
    pub(crate) entry_state: String,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) entry_agency: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) legal_basis: String,
    #[diesel(sql_type = Text)]
    pub(crate) facts: String,
    #[diesel(sql_type = Nullable<Date>)]
    pub(crate) listed_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub(crate) expires_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) ground_document: Option<String>,
    #[diesel(sql_type = Text)]
    pub(crate) ground_state: String,
    #[diesel(sql_type = Bool)]
    pub(crate) stands: bool,
    /// A dispute about the entry, or about the record under it, runs.
    #[diesel(sql_type = Bool)]
    pub(crate) disputed: bool,
    #[diesel(sql_type = Text)]
    pub(crate) subject_kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) subject_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) uscc: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) document_scheme: Option<String>,
    #[diesel(sql_type = Nullable<Bytea>)]
    pub(crate) document_sealed: Option<Vec<u8>>,
}

/// The ground's condition with `$1` as the day.
fn stands() -> String {
    GROUND_STANDS.replace("$today", "$1")
}

/// The question behind every [`DirectiveRow`]; `source` is a parenthesised query over directives, `order` follows at the end. LATERAL with OFFSET 0 is
/// one look at the index for each directive, whatever the planner believes.
fn select(source: &str, order: &str) -> String {
    let stands = stands();
    format!(
        "SELECT d.subject_id, d.id, d.action_id, d.entry_id, d.kind, d.releases, d.memorandum, d.measure, d.measure_version, d.agency_id, d.continuing,
                d.state, d.due_on, d.respond_by, d.feedback_by, d.rules, d.issued_at, d.delivered_at, d.responded_at, d.response_reason,
                d.first_feedback_at, d.last_feedback_at, d.ended_at,
                e.list, e.kind AS entry_kind, e.state AS entry_state, e.agency_id AS entry_agency, e.legal_basis, e.facts, e.listed_on, e.expires_on,
                e.ground_document, e.ground_state, ({stands}) AS stands,
                EXISTS (SELECT 1 FROM record_marks k WHERE k.subject_id = e.subject_id AND k.target_id IN (e.id, e.ground_record_id)
                           AND k.kind = 'disputed' AND k.known_to IS NULL) AS disputed,
                s.kind AS subject_kind, n.name AS subject_name, u.value AS uscc, p.scheme AS document_scheme, p.value_sealed AS document_sealed
           FROM {source} d
          CROSS JOIN LATERAL (SELECT * FROM list_entries WHERE subject_id = d.subject_id AND id = d.entry_id OFFSET 0) e
          CROSS JOIN LATERAL (SELECT kind FROM subjects WHERE id = d.subject_id OFFSET 0) s
           LEFT JOIN LATERAL (SELECT name FROM subject_names WHERE subject_id = d.subject_id AND known_to IS NULL AND valid_to IS NULL
                               ORDER BY confirmed DESC, known_from DESC, id DESC LIMIT 1) n ON true
           LEFT JOIN LATERAL (SELECT value FROM subject_identifiers WHERE subject_id = d.subject_id AND scheme = 'uscc' AND known_to IS NULL
                               ORDER BY status = 'current' DESC, known_from DESC, id DESC LIMIT 1) u ON true
           LEFT JOIN LATERAL (SELECT scheme, value_sealed FROM subject_identifiers
                               WHERE subject_id = d.subject_id AND value_sealed IS NOT NULL AND known_to IS NULL
                               ORDER BY status = 'current' DESC, known_from DESC, id DESC LIMIT 1) p ON true
          {order}"
    )
}

/// The directives with these keys (subject, id), in the order given.
pub async fn rows(conn: &mut AsyncPgConnection, keys: &[(Uuid, Uuid)], today: NaiveDate) -> Result<Vec<DirectiveRow>> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = keys.iter().copied().unzip();
    let source = "(SELECT x.*, k.place FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS k (subject_id, id, place)
                    CROSS JOIN LATERAL (SELECT * FROM directives WHERE subject_id = k.subject_id AND id = k.id OFFSET 0) x)";
    diesel::sql_query(select(source, "ORDER BY d.place"))
        .bind::<Date, _>(today)
        .bind::<Array<SqlUuid>, _>(subjects)
        .bind::<Array<SqlUuid>, _>(ids)
        .load(conn)
        .await
        .db()
}

/// The directive with an id.
pub async fn find(conn: &mut AsyncPgConnection, id: Uuid, today: NaiveDate) -> Result<Option<DirectiveRow>> {
    diesel::sql_query(select("(SELECT * FROM directives WHERE id = $2)", ""))
        .bind::<Date, _>(today)
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()
        .db()
}

/// Which directives are asked for; what is absent does not narrow.
#[derive(Debug, Clone, Default)]
pub(crate) struct DirectivesAsked<'a> {
    pub agency: Option<Uuid>,
    /// Only those that were handed out, and releases.
    pub received: bool,
    pub state: Option<&'a str>,
    pub kind: Option<&'a str>,
    pub measure: Option<&'a str>,
    pub entry: Option<Uuid>,
    pub overdue: Option<bool>,
    pub due_before: Option<NaiveDate>,
    pub escalated: Option<bool>,
    pub before: Option<Uuid>,
}

/// Directives, newest first, at most `limit`.
pub(crate) async fn list(
    conn: &mut AsyncPgConnection,
    asked: &DirectivesAsked<'_>,
    today: NaiveDate,
    limit: i64,
) -> Result<Vec<DirectiveRow>> {
    // A condition that may not apply is left out rather than written as "or is null": the plan is made once for all values.
    let mut conditions = String::new();
    let mut bound = 2;
    let mut narrow = |condition: &str, is: bool| {
        if is {
            bound += 1;
            conditions.push_str(" AND ");
            conditions.push_str(&condition.replace("$n", &format!("${bound}")));
        }
    };
    narrow("agency_id = $n", asked.agency.is_some());
    narrow("state = $n", asked.state.is_some());
    narrow("kind = $n", asked.kind.is_some());
    narrow("measure = $n", asked.measure.is_some());
    narrow("subject_id = (SELECT y.subject_id FROM list_entries y WHERE y.id = $n) AND entry_id = $n", asked.entry.is_some());
    narrow("due_on < $n", asked.due_before.is_some());
    narrow("id < $n", asked.before.is_some());
    if asked.received {
        conditions.push_str(" AND (delivered_at IS NOT NULL OR kind = 'release')");
    }
    match asked.overdue {
        None => {}
        Some(true) => conditions.push_str(" AND due_on < $1"),
        Some(false) => conditions.push_str(" AND (due_on IS NULL OR due_on >= $1)"),
    }
    if let Some(escalated) = asked.escalated {
        conditions.push_str(if escalated { " AND " } else { " AND NOT " });
        conditions.push_str(
            "EXISTS (SELECT 1 FROM directive_reminders r WHERE r.subject_id = directives.subject_id AND r.directive_id = directives.id
                        AND r.kind = 'escalated' AND r.due_on = directives.due_on)",
        );
    }
    let source = format!("(SELECT * FROM directives WHERE true{conditions} ORDER BY id DESC LIMIT $2)");
    let mut query =
        diesel::sql_query(select(&source, "ORDER BY d.id DESC")).into_boxed::<Pg>().bind::<Date, _>(today).bind::<BigInt, _>(limit);
    if let Some(agency) = asked.agency {
        query = query.bind::<SqlUuid, _>(agency);
    }
    for text in [asked.state, asked.kind, asked.measure].into_iter().flatten() {
        query = query.bind::<Text, _>(text.to_owned());
    }
    if let Some(entry) = asked.entry {
        query = query.bind::<SqlUuid, _>(entry);
    }
    if let Some(day) = asked.due_before {
        query = query.bind::<Date, _>(day);
    }
    if let Some(before) = asked.before {
        query = query.bind::<SqlUuid, _>(before);
    }
    query.load(conn).await.db()
}

/// One place in an inbox: a directive, a reminder or update of one, or an agency message.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Slot {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    /// Of the directive, or of the agency message.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// It is an agency message.
    #[diesel(sql_type = Bool)]
    pub message: bool,
    /// Of an agency message: its agency has it.
    #[diesel(sql_type = Bool)]
    had: bool,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub reminder_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    pub reminder_kind: Option<String>,
    #[diesel(sql_type = Nullable<Date>)]
    pub reminder_due_on: Option<NaiveDate>,
    #[diesel(sql_type = BigInt)]
    pub xid: i64,
    #[diesel(sql_type = BigInt)]
    pub number: i64,
    /// Of a directive, as the rest.
    #[diesel(sql_type = Nullable<Text>)]
    pub kind: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub state: Option<String>,
    #[diesel(sql_type = Nullable<Date>)]
    pub due_on: Option<NaiveDate>,
    #[diesel(sql_type = Bool)]
    pub stands: bool,
}

/// What becomes of a directive as a store found it.
fn turn(kind: &str, state: &str, stands: bool) -> Result<Turn> {
    match (DirectiveKind::from_code(kind), DirectiveState::from_code(state)) {
        (Some(kind), Some(state)) => Ok(Turn::of(kind, state, stands)),
        _ => Err(Problem::internal(format!("a directive of kind {kind} in state {state}"))),
    }
}

impl Slot {
    /// The position of a reader that has dealt with it.
    pub(crate) fn position(&self) -> InboxPosition {
        InboxPosition { xid: self.xid, id: self.number }
    }

    /// What becomes of it when the agency reads its inbox.
    pub(crate) fn turn(&self) -> Result<Turn> {
        if self.message {
            return Ok(if self.had { Turn::Show } else { Turn::Hand });
        }
        let of = self.kind.as_deref().zip(self.state.as_deref());
        let (kind, state) = of.ok_or_else(|| Problem::internal("a directive vanished"))?;
        if self.reminder_id.is_none() {
            return turn(kind, state, self.stands);
        }
        // A reminder whose directive was answered since, or whose ground does not stand, has nothing to say. An update is about no deadline.
        let asks = DirectiveState::from_code(state).is_some_and(DirectiveState::asks);
        let stands = self.stands || kind == DirectiveKind::Release.code();
        let due = self.reminder_kind.as_deref() == Some("updated") || self.due_on == self.reminder_due_on;
        Ok(if asks && stands && due { Turn::Show } else { Turn::Pass })
    }
}

/// The next places of an agency's inbox after a position, at most `limit`, in the order of (transaction, number) and only up to the oldest transaction
/// still running: a number that is taken early can commit late.
pub(crate) async fn slots(
    conn: &mut AsyncPgConnection,
    agency: Uuid,
    after: InboxPosition,
    limit: i64,
    today: NaiveDate,
) -> Result<Vec<Slot>> {
    let stands = stands();
    let next = "(issued_xid, issued_order) > ($3::text::xid8, $4) AND issued_xid < pg_snapshot_xmin(pg_current_snapshot())
                ORDER BY issued_xid, issued_order LIMIT $5";
    let query = format!(
        "SELECT p.subject_id, p.id, p.message, p.had, p.reminder_id, p.reminder_kind, p.reminder_due_on, p.xid::text::bigint AS xid, p.number,
                d.kind, d.state, d.due_on, coalesce(({stands}), false) AS stands
           FROM ((SELECT subject_id, id, false AS message, false AS had, NULL::uuid AS reminder_id, NULL::text AS reminder_kind,
                         NULL::date AS reminder_due_on, issued_xid AS xid, issued_order AS number
                    FROM directives WHERE agency_id = $2 AND issued_xid IS NOT NULL AND {next})
                 UNION ALL
                 (SELECT subject_id, directive_id, false, false, id, kind, due_on, issued_xid, issued_order
                    FROM directive_reminders WHERE agency_id = $2 AND kind <> 'escalated' AND {next})
                 UNION ALL
                 (SELECT subject_id, id, true, delivered_at IS NOT NULL, NULL, NULL, NULL, issued_xid, issued_order
                    FROM agency_messages WHERE agency_id = $2 AND withdrawn_at IS NULL AND {next})
                 ORDER BY xid, number LIMIT $5) p
           LEFT JOIN LATERAL (SELECT * FROM directives WHERE NOT p.message AND subject_id = p.subject_id AND id = p.id OFFSET 0) d ON true
           LEFT JOIN LATERAL (SELECT * FROM list_entries WHERE subject_id = d.subject_id AND id = d.entry_id OFFSET 0) e ON true
          ORDER BY p.xid, p.number"
    );
    diesel::sql_query(query)
        .bind::<Date, _>(today)
        .bind::<SqlUuid, _>(agency)
        .bind::<Text, _>(after.xid.to_string())
        .bind::<BigInt, _>(after.id)
        .bind::<BigInt, _>(limit)
        .load(conn)
        .await
        .db()
}

/// A directive that was locked to be handed out.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Locked {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Bool)]
    stands: bool,
}

impl Locked {
    /// What becomes of it now that nobody else can change it.
    pub(crate) fn turn(&self) -> Result<Turn> {
        turn(&self.kind, &self.state, self.stands)
    }
}

/// Locks directives until the transaction ends, and says how each stands under the lock. What somebody else is changing at this moment is left out: who
/// reads an inbox waits for nobody, so that nobody's exit can wait in a circle with it.
pub(crate) async fn lock_free(tx: &mut Tx<'_>, keys: &[(Uuid, Uuid)], today: NaiveDate) -> Result<Vec<Locked>> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = keys.iter().copied().unzip();
    let stands = stands();
    let query = format!(
        "SELECT d.subject_id, d.id, d.kind, d.state, ({stands}) AS stands
           FROM unnest($2::uuid[], $3::uuid[]) AS k (subject_id, id)
           JOIN directives d ON d.subject_id = k.subject_id AND d.id = k.id
           JOIN list_entries e ON e.subject_id = d.subject_id AND e.id = d.entry_id
            FOR UPDATE OF d SKIP LOCKED"
    );
    diesel::sql_query(query)
        .bind::<Date, _>(today)
        .bind::<Array<SqlUuid>, _>(subjects)
        .bind::<Array<SqlUuid>, _>(ids)
        .load(tx.conn())
        .await
        .db()
}

/// Marks directives as delivered that were issued, leaves others alone; returns how many. From then on their agency may have them: an exit brings it a
/// release. Whoever calls asks before, in the same transaction, whether the ground stands.
pub async fn mark_delivered(tx: &mut Tx<'_>, ids: &[(Uuid, Uuid)], now: DateTime<Utc>) -> Result<usize> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = ids.iter().copied().unzip();
    diesel::sql_query(
        "UPDATE directives d SET state = 'delivered', delivered_at = coalesce(d.delivered_at, $3)
           FROM unnest($1::uuid[], $2::uuid[]) AS k (subject_id, id)
          WHERE d.subject_id = k.subject_id AND d.id = k.id AND d.state = 'issued'",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()
}

/// Locks the directive of an agency until the transaction ends; `false` when it has none with this id.
pub(crate) async fn lock(tx: &mut Tx<'_>, agency: Uuid, id: Uuid) -> Result<bool> {
    let found: Option<Uuid> = directives::table
        .filter(directives::id.eq(id))
        .filter(directives::agency_id.eq(agency))
        .for_update()
        .select(directives::id)
        .first(tx.conn())
        .await
        .optional()
        .db()?;
    Ok(found.is_some())
}

/// Writes what an act changed about a locked directive.
pub(crate) async fn save(tx: &mut Tx<'_>, row: &DirectiveRow) -> Result<()> {
    diesel::update(directives::table.find((row.subject_id, row.id)))
        .set((
            directives::state.eq(&row.state),
            directives::due_on.eq(row.due_on),
            directives::feedback_by.eq(row.feedback_by),
            directives::responded_at.eq(row.responded_at),
            directives::response_reason.eq(&row.response_reason),
            directives::first_feedback_at.eq(row.first_feedback_at),
            directives::last_feedback_at.eq(row.last_feedback_at),
            directives::ended_at.eq(row.ended_at),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// A feedback as it is kept.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = directive_feedback)]
pub(crate) struct FeedbackRow {
    pub subject_id: Uuid,
    pub id: Uuid,
    pub directive_id: Uuid,
    pub agency_id: Uuid,
    pub check_id: Option<Uuid>,
    pub content_hash: Vec<u8>,
    pub started_on: Option<NaiveDate>,
    pub ended_on: Option<NaiveDate>,
    pub measure_text: String,
    pub content: String,
    pub field_area: String,
    pub kind_code: String,
    pub effect: String,
    pub status: String,
    pub attachments: Vec<Uuid>,
    pub given_by: String,
    pub given_at: DateTime<Utc>,
}

/// Stores a feedback; one that says what was said before is refused.
pub(crate) async fn insert_feedback(tx: &mut Tx<'_>, feedback: &FeedbackRow) -> Result<()> {
    let same = directive_feedback::table
        .filter(directive_feedback::subject_id.eq(feedback.subject_id))
        .filter(directive_feedback::directive_id.eq(feedback.directive_id))
        .filter(directive_feedback::content_hash.eq(&feedback.content_hash));
    if diesel::select(diesel::dsl::exists(same)).get_result(tx.conn()).await.db()? {
        return Err(Problem::new(&DUPLICATE_FEEDBACK));
    }
    diesel::insert_into(directive_feedback::table)
        .values(feedback)
        .execute(tx.conn())
        .await
        .on_constraint("directive_feedback_said_once", || Problem::new(&DUPLICATE_FEEDBACK))?;
    Ok(())
}

/// What was reported about a directive, oldest first.
pub(crate) async fn feedback(conn: &mut AsyncPgConnection, subject: Uuid, directive: Uuid) -> Result<Vec<FeedbackRow>> {
    directive_feedback::table
        .filter(directive_feedback::subject_id.eq(subject))
        .filter(directive_feedback::directive_id.eq(directive))
        .order(directive_feedback::id)
        .select(FeedbackRow::as_select())
        .load(conn)
        .await
        .db()
}

/// The subject that a check of an agency was about; none when there is no such check, or when it found no subject.
pub(crate) async fn subject_of_check(conn: &mut AsyncPgConnection, agency: Uuid, check: Uuid) -> Result<Option<Uuid>> {
    let found: Option<Option<Uuid>> =
        checks::table.find(check).filter(checks::agency_id.eq(agency)).select(checks::subject_id).first(conn).await.optional().db()?;
    Ok(found.flatten())
}

/// How far one directive about an entry has come.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = directives)]
pub(crate) struct ProgressRow {
    pub kind: String,
    pub state: String,
    pub agency_id: Uuid,
    pub due_on: Option<NaiveDate>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub responded_at: Option<DateTime<Utc>>,
    pub response_reason: Option<String>,
    pub first_feedback_at: Option<DateTime<Utc>>,
}

/// Every directive and release about an entry.
pub(crate) async fn progress(conn: &mut AsyncPgConnection, subject: Uuid, entry: Uuid) -> Result<Vec<ProgressRow>> {
    directives::table
        .filter(directives::subject_id.eq(subject))
        .filter(directives::entry_id.eq(entry))
        .order(directives::id)
        .select(ProgressRow::as_select())
        .load(conn)
        .await
        .db()
}
