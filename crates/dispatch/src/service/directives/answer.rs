//! What an agency answers: it accepts or declines, reports what it did, again and again where the measure goes on, and says that it lifted what was
//! released. Each answer is given to the locked directive, so of two at once the second meets the state that the first made.

use super::super::Dispatch;
use crate::model::directives::{
    ATTACHMENT_UNKNOWN, Act, CHECK_UNKNOWN, DECLINE_REASON_MISSING, DIRECTIVE_HELD, DIRECTIVE_NOT_FOUND, DIRECTIVE_WRONG_STATE,
    DirectiveActed, DirectiveKind, DirectiveState, ENTRY_EXPIRED, NewFeedback, after, next_cycle, plain_text,
};
use crate::store::directives::{self, DirectiveRow, FeedbackRow};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use credence_audit::{Change, record};
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::crypto::sha256;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use credence_web::idempotency::{self, Key};
use serde_json::{Value, json};
use uuid::Uuid;

/// An answer on its way into both logs.
struct Answer<'a> {
    /// What was done, as the change log names it.
    action: &'a str,
    /// The feedback that was stored.
    feedback: Option<Uuid>,
    /// Rule and version that set the next deadline.
    rule: Option<String>,
}

impl<'a> Answer<'a> {
    fn new(action: &'a str) -> Self {
        Self { action, feedback: None, rule: None }
    }
}

/// The directive of the actor's agency, locked until the transaction ends. What its agency was never to have does not exist for it.
async fn locked(tx: &mut Tx<'_>, actor: &Actor, id: Uuid, today: NaiveDate) -> Result<DirectiveRow> {
    let unknown = || Problem::new(&DIRECTIVE_NOT_FOUND);
    if !directives::lock(tx, actor.agency()?.0, id).await? {
        return Err(unknown());
    }
    // Read under the lock, in a statement of its own: one that waited for the lock would see the entry as it was before.
    let row = directives::find(tx.conn(), id, today).await?;
    let hidden = [DirectiveState::Proposed.code(), DirectiveState::Cancelled.code()];
    row.filter(|row| !hidden.contains(&row.state.as_str())).ok_or_else(unknown)
}

/// The state after an act on a directive.
fn step(row: &DirectiveRow, act: Act) -> Result<DirectiveState> {
    let known = DirectiveKind::from_code(&row.kind).zip(DirectiveState::from_code(&row.state));
    let (kind, state) = known.ok_or_else(|| Problem::internal(format!("a directive of kind {} in state {}", row.kind, row.state)))?;
    let next = if kind.takes(act) { after(state, act) } else { Err(&DIRECTIVE_WRONG_STATE) };
    next.map_err(|of| Problem::new(of).with("state", state.code()).with("kind", kind.code()))
}

/// Refuses when the entry has ended or its last day is over, whether or not what follows from that has happened yet.
fn entry_goes_on(row: &DirectiveRow, today: NaiveDate) -> Result<()> {
    if row.entry_state == "listed" && row.expires_on.is_none_or(|last| today <= last) {
        return Ok(());
    }
    Err(Problem::new(&ENTRY_EXPIRED).with("expires_on", row.expires_on.map(|day| day.to_string())))
}

/// Writes what an answer changed, and its traces.
async fn settle(
    tx: &mut Tx<'_>,
    actor: &Actor,
    row: &DirectiveRow,
    answer: Answer<'_>,
    key: Option<&Key>,
    now: DateTime<Utc>,
) -> Result<DirectiveActed> {
    directives::save(tx, row).await?;
    let done = DirectiveActed { id: row.id, state: row.state.clone(), due_on: row.due_on, feedback_id: answer.feedback };
    idempotency::keep(tx, key, &done, None, now).await?;
    // The words that were said stay with the directive: they may name people.
    let mut detail =
        json!({ "agency_id": row.agency_id, "measure": row.measure, "entry_id": row.entry_id, "state": row.state, "due_on": row.due_on });
    if let Value::Object(detail) = &mut detail {
        detail.extend(answer.feedback.map(|id| ("feedback_id".to_owned(), json!(id))));
        detail.extend(answer.rule.map(|rule| ("rule".to_owned(), json!(rule))));
    }
    record(tx, actor, Change::new(answer.action, "directive", row.id).about(row.subject_id).with(detail), now).await?;
    Ok(done)
}

impl Dispatch {
    /// The agency accepts a directive 签收: from now on its feedback is due.
    ///
    /// # Errors
    /// When it is not this agency's, was not delivered, was answered or released already, or its entry has ended or is being reviewed.
    pub async fn accept_directive(&self, actor: &Actor, id: Uuid, key: Option<Key>) -> Result<DirectiveActed> {
        let now = self.clock.now();
        let today = china_date(now);
        self.db
            .write(async |tx| {
                if let Some(done) = idempotency::replay(tx, key.as_ref(), now).await? {
                    return Ok(done);
                }
                let mut row = locked(tx, actor, id, today).await?;
                let next = step(&row, Act::Accept)?;
                entry_goes_on(&row, today)?;
                if !row.stands {
                    return Err(Problem::new(&DIRECTIVE_HELD).with("state", row.state.clone()));
                }
                row.state = next.code().to_owned();
                row.responded_at = Some(now);
                row.due_on = row.feedback_by;
                settle(tx, actor, &row, Answer::new("directive.accept"), key.as_ref(), now).await
            })
            .await
    }

    /// The agency says that a directive does not apply 不适用, with the reason: nothing more is asked of it.
    ///
    /// # Errors
    /// Without a reason, and when it is not this agency's, was not delivered, or was answered or released already.
    pub async fn decline_directive(&self, actor: &Actor, id: Uuid, reason: &str, key: Option<Key>) -> Result<DirectiveActed> {
        let reason = plain_text("reason", reason, self.settings.text_chars_max)?;
        if reason.is_empty() {
            return Err(Problem::new(&DECLINE_REASON_MISSING));
        }
        let now = self.clock.now();
        let today = china_date(now);
        self.db
            .write(async |tx| {
                if let Some(done) = idempotency::replay(tx, key.as_ref(), now).await? {
                    return Ok(done);
                }
                let mut row = locked(tx, actor, id, today).await?;
                let next = step(&row, Act::Decline)?;
                entry_goes_on(&row, today)?;
                row.state = next.code().to_owned();
                row.responded_at = Some(now);
                row.response_reason = Some(reason.clone());
                row.due_on = None;
                settle(tx, actor, &row, Answer::new("directive.decline"), key.as_ref(), now).await
            })
            .await
    }

    /// The agency says what it did 执行反馈. Where the measure goes on, the next feedback is due a cycle later, reckoned from today.
    ///
    /// # Errors
    /// When a field cannot be taken, when the same was said before, when the directive is not this agency's, was not accepted, or was released, and
    /// when its entry has ended.
    pub async fn report_directive(&self, actor: &Actor, id: Uuid, said: NewFeedback, key: Option<Key>) -> Result<DirectiveActed> {
        let said = said.checked(self.settings.text_chars_max, self.settings.attachments_max)?;
        let configuration = self.configuration.fresh(&self.db).await?;
        let now = self.clock.now();
        let today = china_date(now);
        self.db
            .write(async |tx| {
                if let Some(done) = idempotency::replay(tx, key.as_ref(), now).await? {
                    return Ok(done);
                }
                let mut row = locked(tx, actor, id, today).await?;
                let next = step(&row, Act::Feed)?;
                entry_goes_on(&row, today)?;
                let feedback = self.keep_feedback(tx, actor, &row, &said, now).await?;
                let mut answer = Answer { feedback: Some(feedback), ..Answer::new("directive.report") };
                row.state = next.code().to_owned();
                row.first_feedback_at = row.first_feedback_at.or(Some(now));
                row.last_feedback_at = Some(now);
                row.due_on = None;
                if row.continuing {
                    let cycle = configuration.rulebook.number("joint.feedback_cycle_months", today);
                    let cycle = cycle.and_then(|(months, rule)| Some((next_cycle(&configuration.rulebook.calendar, today, months)?, rule)));
                    let (due, rule) = cycle.ok_or_else(|| Problem::internal(format!("no joint.feedback_cycle_months on {today}")))?;
                    row.feedback_by = Some(due);
                    row.due_on = Some(due);
                    answer.rule = Some(format!("{}@{}", rule.id, rule.version));
                }
                settle(tx, actor, &row, answer, key.as_ref(), now).await
            })
            .await
    }

    /// The agency says that it lifted what was released 解除, and how.
    ///
    /// # Errors
    /// When a field cannot be taken, and when the release is not this agency's, was not delivered or is completed already.
    pub async fn complete_directive(&self, actor: &Actor, id: Uuid, said: NewFeedback, key: Option<Key>) -> Result<DirectiveActed> {
        let said = said.checked(self.settings.text_chars_max, self.settings.attachments_max)?;
        let now = self.clock.now();
        let today = china_date(now);
        self.db
            .write(async |tx| {
                if let Some(done) = idempotency::replay(tx, key.as_ref(), now).await? {
                    return Ok(done);
                }
                let mut row = locked(tx, actor, id, today).await?;
                let next = step(&row, Act::Complete)?;
                let feedback = self.keep_feedback(tx, actor, &row, &said, now).await?;
                row.state = next.code().to_owned();
                row.first_feedback_at = row.first_feedback_at.or(Some(now));
                row.last_feedback_at = Some(now);
                row.ended_at = Some(now);
                row.due_on = None;
                let answer = Answer { feedback: Some(feedback), ..Answer::new("directive.complete") };
                settle(tx, actor, &row, answer, key.as_ref(), now).await
            })
            .await
    }

    /// Stores what was said about a locked directive; what it leaves out is taken from the measure.
    async fn keep_feedback(
        &self,
        tx: &mut Tx<'_>,
        actor: &Actor,
        row: &DirectiveRow,
        said: &NewFeedback,
        now: DateTime<Utc>,
    ) -> Result<Uuid> {
        let configuration = self.configuration.get();
        let measure = configuration.measures.get(&row.measure).map(|m| &m.body);
        let said = said.clone().completed_from(measure.map(|m| m.name.as_str()), measure.map(|m| m.direction.code()))?;
        if !said.attachments.is_empty() && !self.attachments.owned(tx.conn(), row.agency_id, &said.attachments).await? {
            return Err(Problem::new(&ATTACHMENT_UNKNOWN));
        }
        if let Some(check) = said.check_id {
            let about = directives::subject_of_check(tx.conn(), row.agency_id, check).await?;
            // A check finds the subject under the code it was asked for; after a merge that may be another of the same family.
            let family = credence_subjects::store::family(tx.conn(), row.subject_id, now).await?;
            if !about.is_some_and(|subject| family.contains(&subject)) {
                return Err(Problem::new(&CHECK_UNKNOWN).with("check_id", check.to_string()));
            }
        }
        // Of a measure that goes on, the same may be true again in the next month; within one it is a repetition.
        let cycle = row.continuing.then(|| (china_date(now).year(), china_date(now).month()));
        let content_hash = sha256(&serde_json::to_vec(&(&said, cycle)).map_err(Problem::internal)?).to_vec();
        let feedback = FeedbackRow {
            subject_id: row.subject_id,
            id: Uuid::now_v7(),
            directive_id: row.id,
            agency_id: row.agency_id,
            check_id: said.check_id,
            content_hash,
            started_on: said.started_on,
            ended_on: said.ended_on,
            measure_text: said.measure_text.unwrap_or_default(),
            content: said.content,
            field_area: said.field_area,
            kind_code: said.kind_code.unwrap_or_default(),
            effect: said.effect,
            status: said.status,
            attachments: said.attachments,
            given_by: actor.label.clone(),
            given_at: now,
        };
        directives::insert_feedback(tx, &feedback).await?;
        Ok(feedback.id)
    }
}
