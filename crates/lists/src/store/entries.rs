//! Entries one by one: the steps of the procedure. Every update names the state it starts from, beside the trigger that guards it.

use crate::model::{EntryState, NewDecision, NewNotice, Responsible, StepView};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::Actor;
use credence_core::actor::Credential;
use credence_core::problem::{Problem, Result};
use credence_db::schema::{list_entry_steps, list_notices};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Date, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

/// An entry, whole, with the present name and code of its subject.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Entry {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub list: String,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub keeping: String,
    #[diesel(sql_type = Text)]
    pub state: String,
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
    #[diesel(sql_type = Text)]
    pub exit_conditions: String,
    #[diesel(sql_type = Jsonb)]
    pub responsible: Value,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub ground_record_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub ground_version_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    pub ground_document: Option<String>,
    #[diesel(sql_type = Text)]
    pub ground_state: String,
    #[diesel(sql_type = Nullable<Date>)]
    pub ground_review_by: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub proposed_by: Option<Uuid>,
    #[diesel(sql_type = Timestamptz)]
    pub proposed_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    pub notice_no: Option<String>,
    #[diesel(sql_type = Nullable<Date>)]
    pub notice_served_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Text>)]
    pub notice_method: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub notice_proof: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub notice_rule: Option<String>,
    #[diesel(sql_type = Nullable<Date>)]
    pub objection_until: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub objection_received_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Text>)]
    pub objection: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub objection_answer: Option<String>,
    #[diesel(sql_type = Nullable<Bool>)]
    pub objection_by_subject: Option<bool>,
    #[diesel(sql_type = Nullable<Bool>)]
    pub objection_upheld: Option<bool>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub objection_answered_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub decision_no: Option<String>,
    #[diesel(sql_type = Nullable<Date>)]
    pub decided_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub listed_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub expires_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Text>)]
    pub period_rule: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub exit_cause: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub exit_reason: Option<String>,
    #[diesel(sql_type = Nullable<Date>)]
    pub exited_on: Option<NaiveDate>,
    #[diesel(sql_type = Text)]
    pub subject_kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub subject_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub uscc: Option<String>,
    /// A dispute about it, or about the record under it, runs.
    #[diesel(sql_type = Bool)]
    pub disputed: bool,
    /// The record under it was repaired, whatever became of it since, or shielded and not unshielded.
    #[diesel(sql_type = Bool)]
    pub ground_hidden: bool,
    /// State of the present version of the record under it.
    #[diesel(sql_type = Nullable<Text>)]
    pub ground_now: Option<String>,
    /// Last public day of that version, where there is one.
    #[diesel(sql_type = Nullable<Date>)]
    pub ground_public_until: Option<NaiveDate>,
}

impl Entry {
    /// Its state; a state the program does not know is a defect.
    pub(crate) fn state(&self) -> Result<EntryState> {
        EntryState::from_code(&self.state).ok_or_else(|| Problem::internal(format!("unknown state {}", self.state)))
    }

    /// Whether a mirror still shows what its source took away for everybody. What an authority listed by hand stands until that authority decides.
    pub(crate) fn source_gone(&self) -> bool {
        let gone = self.ground_now.as_deref().is_some_and(|state| ["repaired", "shielded", "withdrawn"].contains(&state));
        self.keeping == "mirror" && gone
    }

    /// Whether a mirror still shows what its source does not make public any more on a day.
    pub(crate) fn source_past(&self, today: NaiveDate) -> bool {
        self.keeping == "mirror" && self.ground_public_until.is_some_and(|last| last < today)
    }

    /// Responsible persons.
    pub(crate) fn responsible(&self) -> Vec<Responsible> {
        serde_json::from_value(self.responsible.clone()).unwrap_or_default()
    }
}

/// What is read of an entry `e`; its subject's present name and code come with it.
pub(super) const COLUMNS: &str = "e.subject_id, e.id, e.list, e.kind, e.keeping, e.state, e.agency_id, e.region, e.facts, e.legal_basis, e.measures,
    e.exit_conditions, e.responsible, e.ground_record_id, e.ground_version_id, e.ground_document, e.ground_state, e.ground_review_by, e.proposed_by,
    e.proposed_at, e.notice_no, e.notice_served_on, e.notice_method, e.notice_proof, e.notice_rule, e.objection_until, e.objection_received_on, e.objection,
    e.objection_answer, e.objection_by_subject, e.objection_upheld, e.objection_answered_at, e.decision_no, e.decided_on, e.listed_on, e.expires_on, e.period_rule, e.exit_cause, e.exit_reason, e.exited_on,
    s.kind AS subject_kind, n.name AS subject_name, u.value AS uscc,
    EXISTS (SELECT 1 FROM record_marks k WHERE k.subject_id = e.subject_id AND k.target_id IN (e.id, e.ground_record_id) AND k.kind = 'disputed'
               AND k.known_to IS NULL) AS disputed,
    EXISTS (SELECT 1 FROM record_versions h WHERE h.subject_id = e.subject_id AND h.record_id = e.ground_record_id AND h.state IN ('repaired', 'shielded')
               AND (h.state = 'repaired' OR NOT EXISTS (
                    SELECT 1 FROM record_versions w WHERE w.subject_id = h.subject_id AND w.record_id = h.record_id AND w.change = 'unshielded'
                       AND (w.known_from, w.id) > (h.known_from, h.id))) OFFSET 0) AS ground_hidden,
    p.state AS ground_now, p.public_until AS ground_public_until";

/// That a mirrored entry `e` is public on the day `$today`: its source has not taken the record under it away, nor made an end of its publicity. What a
/// mirror has not followed yet is not shown to everybody meanwhile.
pub(super) const PUBLIC: &str = "NOT (e.keeping = 'mirror' AND EXISTS (
    SELECT 1 FROM record_versions g WHERE g.subject_id = e.subject_id AND g.record_id = e.ground_record_id AND g.known_to IS NULL
       AND (g.state IN ('repaired', 'shielded', 'withdrawn') OR g.public_until < $today) OFFSET 0))";

/// Where it is read from.
pub(super) const FROM: &str = "list_entries e JOIN subjects s ON s.id = e.subject_id
    LEFT JOIN LATERAL (SELECT name, name_normal FROM subject_names WHERE subject_id = e.subject_id AND known_to IS NULL
                        ORDER BY valid_to DESC NULLS FIRST, confirmed DESC, id DESC LIMIT 1) n ON true
    LEFT JOIN LATERAL (SELECT value FROM subject_identifiers WHERE subject_id = e.subject_id AND scheme = 'uscc' AND known_to IS NULL AND value IS NOT NULL
                        ORDER BY status, value LIMIT 1) u ON true
    LEFT JOIN LATERAL (SELECT state, public_until FROM record_versions WHERE subject_id = e.subject_id AND record_id = e.ground_record_id
                          AND known_to IS NULL LIMIT 1) p ON true";

/// An entry by its id.
pub(crate) async fn find(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<Entry>> {
    diesel::sql_query(format!("SELECT {COLUMNS} FROM {FROM} WHERE e.id = $1")).bind::<SqlUuid, _>(id).get_result(conn).await.optional().db()
}

/// An entry by its id, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<Entry>> {
    diesel::sql_query(format!("SELECT {COLUMNS} FROM {FROM} WHERE e.id = $1 FOR UPDATE OF e"))
        .bind::<SqlUuid, _>(id)
        .get_result(tx.conn())
        .await
        .optional()
        .db()
}

/// A new draft.
pub(crate) struct Draft<'a> {
    pub subject_id: Uuid,
    pub id: Uuid,
    pub list: &'a str,
    pub list_version: i32,
    pub kind: &'a str,
    pub agency_id: Uuid,
    pub region: &'a str,
    pub facts: &'a str,
    pub legal_basis: &'a str,
    pub measures: &'a [String],
    pub exit_conditions: &'a str,
    pub responsible: Value,
    pub responsible_sealed: Option<Vec<u8>>,
    pub ground: Option<&'a Ground>,
    pub proposed_by: Uuid,
}

/// Writes a draft.
pub(crate) async fn insert(tx: &mut Tx<'_>, draft: &Draft<'_>, exists: impl FnOnce() -> Problem, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO list_entries (subject_id, id, list, list_version, kind, keeping, state, agency_id, region, facts, legal_basis, measures,
                exit_conditions, responsible, responsible_sealed, ground_record_id, ground_version_id, ground_document, proposed_by, proposed_at)
         VALUES ($1, $2, $3, $4, $5, 'native', 'draft', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
    )
    .bind::<SqlUuid, _>(draft.subject_id)
    .bind::<SqlUuid, _>(draft.id)
    .bind::<Text, _>(draft.list)
    .bind::<Integer, _>(draft.list_version)
    .bind::<Text, _>(draft.kind)
    .bind::<SqlUuid, _>(draft.agency_id)
    .bind::<Text, _>(draft.region)
    .bind::<Text, _>(draft.facts)
    .bind::<Text, _>(draft.legal_basis)
    .bind::<Array<Text>, _>(draft.measures)
    .bind::<Text, _>(draft.exit_conditions)
    .bind::<Jsonb, _>(&draft.responsible)
    .bind::<Nullable<Binary>, _>(&draft.responsible_sealed)
    .bind::<Nullable<SqlUuid>, _>(draft.ground.map(|g| g.record_id))
    .bind::<Nullable<SqlUuid>, _>(draft.ground.map(|g| g.version_id))
    .bind::<Nullable<Text>, _>(draft.ground.map(|g| g.document.as_str()))
    .bind::<SqlUuid, _>(draft.proposed_by)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .on_constraint("list_entries_one_open", exists)?;
    Ok(())
}

/// The present version of a record that is to be the ground of an entry.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Ground {
    #[diesel(sql_type = SqlUuid)]
    pub record_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub version_id: Uuid,
    #[diesel(sql_type = Text)]
    pub item: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Jsonb)]
    pub data: Value,
    #[diesel(sql_type = Text)]
    pub document: String,
}

/// The present version of a record about a subject, locked against change until the transaction ends.
pub(crate) async fn ground(tx: &mut Tx<'_>, subject: Uuid, record: Uuid) -> Result<Option<Ground>> {
    diesel::sql_query(
        "SELECT record_id, id AS version_id, item, state, data, '' AS document FROM record_versions
          WHERE subject_id = $1 AND record_id = $2 AND known_to IS NULL FOR SHARE",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(record)
    .get_result(tx.conn())
    .await
    .optional()
    .db()
}

/// Who takes a step: the account, where it is one.
pub(crate) fn person(actor: &Actor) -> Option<Uuid> {
    match actor.credential {
        Credential::Account(id) => Some(id.0),
        Credential::ApiKey(_) | Credential::System => None,
    }
}

/// Writes down a step.
pub(crate) async fn step(
    tx: &mut Tx<'_>,
    (subject, entry): (Uuid, Uuid),
    (step, from, to): (&str, Option<&str>, &str),
    actor: &Actor,
    detail: Value,
    now: DateTime<Utc>,
) -> Result<()> {
    use list_entry_steps as s;
    diesel::insert_into(s::table)
        .values((
            s::subject_id.eq(subject),
            s::entry_id.eq(entry),
            s::id.eq(Uuid::now_v7()),
            s::step.eq(step),
            s::from_state.eq(from),
            s::to_state.eq(to),
            s::at.eq(now),
            s::actor_id.eq(person(actor)),
            s::actor_label.eq(&actor.label),
            s::agency_id.eq(actor.agency.map(|a| a.0)),
            s::detail.eq(detail),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// The steps of an entry, in order.
pub(crate) async fn steps(conn: &mut AsyncPgConnection, subject: Uuid, entry: Uuid) -> Result<Vec<StepView>> {
    use list_entry_steps as s;
    type StepRow = (String, Option<String>, String, DateTime<Utc>, String, Value);
    let rows: Vec<StepRow> = s::table
        .filter(s::subject_id.eq(subject))
        .filter(s::entry_id.eq(entry))
        .order((s::at, s::id))
        .select((s::step, s::from_state, s::to_state, s::at, s::actor_label, s::detail))
        .load(conn)
        .await
        .db()?;
    Ok(rows
        .into_iter()
        .map(|(step, from_state, to_state, at, by, detail)| StepView { step, from_state, to_state, at, by, detail })
        .collect())
}

/// draft → noticed. The ground may have changed since the draft; its present version is what the subject is told.
pub(crate) async fn notice(
    tx: &mut Tx<'_>,
    entry: &Entry,
    notice: &NewNotice,
    (rule, until): (&str, NaiveDate),
    ground_version: Option<Uuid>,
) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE list_entries SET state = 'noticed', notice_no = $3, notice_served_on = $4, notice_method = $5, notice_proof = $6, notice_rule = $7,
                objection_until = $8, ground_version_id = $9
          WHERE subject_id = $1 AND id = $2 AND state = 'draft'",
    )
    .bind::<SqlUuid, _>(entry.subject_id)
    .bind::<SqlUuid, _>(entry.id)
    .bind::<Text, _>(notice.notice_no.trim())
    .bind::<Date, _>(notice.served_on)
    .bind::<Text, _>(notice.method.code())
    .bind::<Text, _>(notice.proof.trim())
    .bind::<Text, _>(rule)
    .bind::<Date, _>(until)
    .bind::<Nullable<SqlUuid>, _>(ground_version)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// noticed → objection_review.
pub(crate) async fn object(tx: &mut Tx<'_>, entry: &Entry, text: &str, received_on: NaiveDate, by_subject: bool) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE list_entries SET state = 'objection_review', objection = $3, objection_received_on = $4, objection_by_subject = $5
          WHERE subject_id = $1 AND id = $2 AND state = 'noticed'",
    )
    .bind::<SqlUuid, _>(entry.subject_id)
    .bind::<SqlUuid, _>(entry.id)
    .bind::<Text, _>(text)
    .bind::<Date, _>(received_on)
    .bind::<Bool, _>(by_subject)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// The subject adds its own objection to the one that the authority entered for it. It has to be answered anew.
pub(crate) async fn object_again(tx: &mut Tx<'_>, entry: &Entry, text: &str, received_on: NaiveDate) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE list_entries SET objection = $3, objection_received_on = $4, objection_by_subject = true,
                objection_answer = NULL, objection_upheld = NULL, objection_answered_by = NULL, objection_answered_at = NULL
          WHERE subject_id = $1 AND id = $2 AND state = 'objection_review' AND NOT objection_by_subject",
    )
    .bind::<SqlUuid, _>(entry.subject_id)
    .bind::<SqlUuid, _>(entry.id)
    .bind::<Text, _>(text)
    .bind::<Date, _>(received_on)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// The objection is answered; one that is upheld ends the entry.
pub(crate) async fn answer(tx: &mut Tx<'_>, entry: &Entry, answer: &str, upheld: bool, by: Uuid, now: DateTime<Utc>) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE list_entries SET state = CASE WHEN $4 THEN 'dropped' ELSE state END,
                ground_state = CASE WHEN $4 THEN 'sound' ELSE ground_state END, ground_review_by = CASE WHEN $4 THEN NULL ELSE ground_review_by END,
                objection_answer = $3, objection_upheld = $4,
                objection_answered_by = $5, objection_answered_at = $6
          WHERE subject_id = $1 AND id = $2 AND state = 'objection_review' AND objection_answered_at IS NULL",
    )
    .bind::<SqlUuid, _>(entry.subject_id)
    .bind::<SqlUuid, _>(entry.id)
    .bind::<Text, _>(answer)
    .bind::<Bool, _>(upheld)
    .bind::<SqlUuid, _>(by)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// noticed or objection_review → decided.
pub(crate) async fn decide(tx: &mut Tx<'_>, entry: &Entry, decision: &NewDecision, by: Uuid, now: DateTime<Utc>) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE list_entries SET state = 'decided', decision_no = $3, decided_on = $4, decided_by = $5, decided_at = $6
          WHERE subject_id = $1 AND id = $2 AND state IN ('noticed', 'objection_review') AND decided_at IS NULL",
    )
    .bind::<SqlUuid, _>(entry.subject_id)
    .bind::<SqlUuid, _>(entry.id)
    .bind::<Text, _>(decision.decision_no.trim())
    .bind::<Date, _>(decision.decided_on)
    .bind::<SqlUuid, _>(by)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// decided → listed.
pub(crate) async fn list(
    tx: &mut Tx<'_>,
    entry: &Entry,
    listed_on: NaiveDate,
    (expires_on, rule): (Option<NaiveDate>, Option<&str>),
    now: DateTime<Utc>,
) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE list_entries SET state = 'listed', listed_on = $3, listed_at = $4, expires_on = $5, period_rule = $6
          WHERE subject_id = $1 AND id = $2 AND state = 'decided'",
    )
    .bind::<SqlUuid, _>(entry.subject_id)
    .bind::<SqlUuid, _>(entry.id)
    .bind::<Date, _>(listed_on)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<Date>, _>(expires_on)
    .bind::<Nullable<Text>, _>(rule)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// Any open state before the list → dropped.
pub(crate) async fn drop_entry(tx: &mut Tx<'_>, entry: &Entry) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE list_entries SET state = 'dropped', ground_state = 'sound', ground_review_by = NULL
          WHERE subject_id = $1 AND id = $2 AND state IN ('draft', 'noticed', 'objection_review', 'decided')",
    )
    .bind::<SqlUuid, _>(entry.subject_id)
    .bind::<SqlUuid, _>(entry.id)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// listed → exited.
pub(crate) async fn exit(tx: &mut Tx<'_>, entry: &Entry, cause: &str, reason: &str, on: NaiveDate, now: DateTime<Utc>) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE list_entries SET state = 'exited', exit_cause = $3, exit_reason = $4, exited_on = $5, exited_at = $6,
                ground_state = 'sound', ground_review_by = NULL
          WHERE subject_id = $1 AND id = $2 AND state = 'listed'",
    )
    .bind::<SqlUuid, _>(entry.subject_id)
    .bind::<SqlUuid, _>(entry.id)
    .bind::<Text, _>(cause)
    .bind::<Text, _>(reason)
    .bind::<Date, _>(on)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

/// The authority found that the ground stands, in the version it has now.
pub(crate) async fn confirm_ground(tx: &mut Tx<'_>, entry: &Entry, version: Uuid) -> Result<()> {
    let changed = diesel::sql_query(
        "UPDATE list_entries SET ground_state = 'sound', ground_review_by = NULL, ground_version_id = $3
          WHERE subject_id = $1 AND id = $2 AND ground_state = 'questioned'",
    )
    .bind::<SqlUuid, _>(entry.subject_id)
    .bind::<SqlUuid, _>(entry.id)
    .bind::<SqlUuid, _>(version)
    .execute(tx.conn())
    .await
    .db()?;
    one(changed)
}

fn one(changed: usize) -> Result<()> {
    // The entry was locked and its state judged before; anything else than one row is a defect, and the transaction is rolled back.
    if changed == 1 { Ok(()) } else { Err(Problem::internal(format!("{changed} entries changed instead of one"))) }
}

/// Publishes a notice on the list's channel.
pub(crate) async fn publish_notice(
    tx: &mut Tx<'_>,
    entry: &Entry,
    kind: &str,
    name: &str,
    body: &str,
    until: Option<NaiveDate>,
    now: DateTime<Utc>,
) -> Result<()> {
    use list_notices as n;
    diesel::insert_into(n::table)
        .values((
            n::subject_id.eq(entry.subject_id),
            n::id.eq(Uuid::now_v7()),
            n::entry_id.eq(entry.id),
            n::list.eq(&entry.list),
            n::kind.eq(kind),
            n::subject_name.eq(name),
            n::body.eq(body),
            n::published_at.eq(now),
            n::published_until.eq(until),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// The lists of dishonesty that subjects stand on, each once.
pub(crate) async fn dishonesty_of(tx: &mut Tx<'_>, family: &[Uuid], today: NaiveDate) -> Result<Vec<String>> {
    #[derive(QueryableByName)]
    struct Listed {
        #[diesel(sql_type = Text)]
        list: String,
    }
    let listed: Vec<Listed> = diesel::sql_query(
        "SELECT DISTINCT list FROM list_entries
          WHERE subject_id = ANY ($1) AND state = 'listed' AND kind IN ('serious_dishonesty', 'judgment_default', 'abnormal_operation')
            AND (expires_on IS NULL OR expires_on >= $2)
          ORDER BY 1",
    )
    .bind::<Array<SqlUuid>, _>(family)
    .bind::<Date, _>(today)
    .load(tx.conn())
    .await
    .db()?;
    Ok(listed.into_iter().map(|l| l.list).collect())
}

/// What of an adverse record its publicity depends on.
#[derive(Debug, QueryableByName)]
pub(crate) struct Adverse {
    #[diesel(sql_type = Text)]
    pub item: String,
    #[diesel(sql_type = Jsonb)]
    pub data: Value,
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Nullable<Date>)]
    pub decided_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Date>)]
    pub valid_to: Option<NaiveDate>,
    /// As it was sent, or set by a decision.
    #[diesel(sql_type = Nullable<Date>)]
    pub public_until: Option<NaiveDate>,
}

/// The present records of some items about subjects that hold, disputed or not.
pub(crate) async fn records_of(tx: &mut Tx<'_>, family: &[Uuid], items: &[String]) -> Result<Vec<Adverse>> {
    diesel::sql_query(
        "SELECT item, data, agency_id, decided_on, valid_to, public_until FROM record_versions
          WHERE subject_id = ANY ($1) AND item = ANY ($2) AND known_to IS NULL AND state IN ('active', 'disputed')",
    )
    .bind::<Array<SqlUuid>, _>(family)
    .bind::<Array<Text>, _>(items)
    .load(tx.conn())
    .await
    .db()
}

/// Lets one transaction at a time put entries on lists, follow records or end what is over: what one decides by looking at entries and records, another
/// would otherwise change in between (a commendation and a listing published at once, a withdrawal beside a load). Taken first of all.
pub(crate) async fn take_turn(tx: &mut Tx<'_>) -> Result<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended('lists', 0))").execute(tx.conn()).await.db()?;
    Ok(())
}

/// Commendations that subjects hold now, locked.
pub(crate) async fn commendations(tx: &mut Tx<'_>, family: &[Uuid]) -> Result<Vec<Entry>> {
    diesel::sql_query(format!(
        "SELECT {COLUMNS} FROM {FROM}
          WHERE e.subject_id = ANY ($1) AND e.state = 'listed' AND e.kind = 'commendation' AND e.keeping = 'native' ORDER BY e.id FOR UPDATE OF e"
    ))
    .bind::<Array<SqlUuid>, _>(family)
    .load(tx.conn())
    .await
    .db()
}

/// Which entries are asked for; what is absent does not narrow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked<'a> {
    pub agency: Option<Uuid>,
    pub list: Option<&'a str>,
    pub state: Option<&'a str>,
    /// Those whose ground is being reviewed, by day of its deadline.
    pub under_review: bool,
    /// Those whose ground had to be decided about before this day.
    pub overdue_on: Option<NaiveDate>,
    pub before: Option<Uuid>,
    pub limit: i64,
}

/// Entries newest first; those under review by the day by which they have to be decided, the first first, and then on one page only.
pub(crate) async fn page(conn: &mut AsyncPgConnection, asked: &Asked<'_>) -> Result<Vec<Entry>> {
    diesel::sql_query(format!(
        "SELECT {COLUMNS} FROM {FROM}
          WHERE ($1 IS NULL OR e.agency_id = $1) AND ($2 IS NULL OR e.list = $2) AND ($3 IS NULL OR e.state = $3)
            AND (NOT $4 OR e.ground_state = 'questioned') AND ($5 IS NULL OR e.id < $5)
            AND ($7 IS NULL OR e.ground_state = 'questioned' AND e.ground_review_by < $7)
          ORDER BY CASE WHEN $4 THEN e.ground_review_by END, e.id DESC LIMIT $6"
    ))
    .bind::<Nullable<SqlUuid>, _>(asked.agency)
    .bind::<Nullable<Text>, _>(asked.list)
    .bind::<Nullable<Text>, _>(asked.state)
    .bind::<Bool, _>(asked.under_review)
    .bind::<Nullable<SqlUuid>, _>(asked.before)
    .bind::<BigInt, _>(asked.limit)
    .bind::<Nullable<Date>, _>(asked.overdue_on)
    .load(conn)
    .await
    .db()
}

/// Entries about some subjects, newest first; ended ones too when asked for, drafts never unless `drafts`.
pub(crate) async fn of_subjects(conn: &mut AsyncPgConnection, family: &[Uuid], ended: bool, procedure: bool) -> Result<Vec<Entry>> {
    diesel::sql_query(format!(
        "SELECT {COLUMNS} FROM {FROM}
          WHERE e.subject_id = ANY ($1)
            AND (e.state = 'listed' OR ($2 AND e.state = 'exited') OR ($3 AND e.state IN ('noticed', 'objection_review', 'decided', 'dropped')
                 AND e.notice_served_on IS NOT NULL))
          ORDER BY e.id DESC"
    ))
    .bind::<Array<SqlUuid>, _>(family)
    .bind::<Bool, _>(ended)
    .bind::<Bool, _>(procedure)
    .load(conn)
    .await
    .db()
}
