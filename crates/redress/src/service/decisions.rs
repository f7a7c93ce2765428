//! What every line goes through after it was filed, dispute or repair: acceptance 受理, decision 决定, extension 延期 and review 复核. Whoever accepted does
//! not decide, extend or review, and whoever decided does not review; the statements and the table of lines hold the same. What was decided changes the
//! record or entry in the same transaction: [`super::dispute`] and [`super::repair`] say how.

use super::cases::Access;
use super::eligibility::source_name;
use super::lines::official;
use super::{Ready, Redress};
use crate::model::decisions::{
    CLOCK_STOPPED, EXTENDED_ALREADY, EXTENSION_TOO_LATE, Matter, NewDecision, NewReviewDecision, OUTCOME_NOT_FITTING, REVIEW_NOT_OPEN,
    Reasoned, ReviewOutcome, SECOND_OFFICIAL_NEEDED, execution_rule, fits, fitting, last_day,
};
use crate::model::lines::{CaseKind, Changed, Ground, LineState, Outcome, Step, after, owed_by};
use crate::model::notices::Template;
use crate::model::problems::{CASE_ALREADY_OPEN, CASE_NOT_FOUND, CASE_NOT_OPEN, kept_text};
use crate::store::decisions::{self as store, CaseFacts, Decided};
use crate::store::lines::{self, Line};
use chrono::{DateTime, NaiveDate, Utc};
use credence_catalog::model::RecordState;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use credence_dispatch::model::actions::working_days;
use credence_dispatch::service::messages::{NewMessage, send, withdraw};
use credence_lists::service::redress::{ExitReady, entry_target};
use credence_records::service::redress::{self as records, Prepared};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// Longest number of a written decision.
const NUMBER_CHARS: usize = 100;

/// The state a step leads to.
pub(super) fn step_from(line: &Line, step: Step) -> Result<LineState> {
    after(line.kind()?, line.state()?, step).ok_or_else(|| Problem::new(&CASE_NOT_OPEN).with("state", line.state.clone()))
}

/// Another account than the one that took the step before.
fn second(official: Uuid, first: Option<Uuid>) -> Result<()> {
    if first == Some(official) { Err(Problem::new(&SECOND_OFFICIAL_NEEDED)) } else { Ok(()) }
}

/// An accepted line without a last day is one whose clock stands still.
pub(super) fn running(line: &Line) -> Result<()> {
    let stopped = line.state()? == LineState::Accepted && line.due_on.is_none();
    if stopped { Err(Problem::new(&CLOCK_STOPPED)) } else { Ok(()) }
}

/// What a line is about.
pub(super) fn matter(line: &Line) -> Result<Matter> {
    let known = |code: &String| Ground::from_code(code).ok_or_else(|| Problem::internal(format!("unknown ground {code}")));
    Ok(Matter { kind: line.kind()?, ground: line.ground.as_ref().map(known).transpose()?, entry: line.target == "entry" })
}

/// What became of the record or entry of a line by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is there, or the line misses one.
    There,
    /// The record was withdrawn.
    Withdrawn,
    /// The record was repaired, or the entry has left its list.
    Over,
}

/// How the record or entry of a line stands, whoever brought that about.
pub(super) async fn standing(tx: &mut Tx<'_>, ready: &Ready, line: &Line) -> Result<Standing> {
    if line.target == "entry" && !line.is_omission() {
        let entry = entry_target(tx.conn(), line.target_id).await?;
        let over = entry.is_some_and(|entry| entry.state == "exited" || entry.expires_on.is_some_and(|last| last < ready.today));
        return Ok(if over { Standing::Over } else { Standing::There });
    }
    let record = records::target(tx.conn(), line.subject_id, line.target_id).await?;
    Ok(match record.and_then(|record| RecordState::from_code(&record.state)) {
        Some(RecordState::Withdrawn) => Standing::Withdrawn,
        Some(RecordState::Repaired) => Standing::Over,
        _ => Standing::There,
    })
}

/// What a decision needs that is read before its transaction begins.
pub(super) struct Means {
    pub ready: Ready,
    pub exit: ExitReady,
    pub prepared: Prepared,
}

/// Who decides, and for which agency.
#[derive(Clone, Copy)]
pub(super) struct By<'a> {
    pub actor: &'a Actor,
    pub account: Uuid,
    pub agency: Uuid,
}

impl<'a> By<'a> {
    pub(super) fn of(actor: &'a Actor) -> Result<Self> {
        Ok(Self { actor, account: official(actor)?, agency: actor.agency()?.0 })
    }
}

/// A decision whose parts fit each other and the line.
#[derive(Debug, Clone)]
pub(super) struct Judgement {
    pub outcome: Outcome,
    /// Reasons, and of a refusal the way of appeal.
    pub reason: String,
    pub decision_no: Option<String>,
    pub changes: Map<String, Value>,
    pub note: Option<String>,
    pub false_papers: bool,
}

/// What a decision did to the record or entry.
#[derive(Default)]
pub(super) struct Applied {
    /// Fields before and after.
    pub fields: Vec<Changed>,
    /// Rules it rests on, beside those of its clocks.
    pub rules: Vec<String>,
}

/// A decision as it was made, for whoever writes it down.
struct Made {
    judgement: Judgement,
    sealed: Option<Vec<u8>>,
    rules: String,
    execute_by: Option<NaiveDate>,
}

impl Redress {
    pub(super) async fn means(&self) -> Result<Means> {
        let ready = self.ready().await?;
        let exit = self.lists.exit_ready().await?;
        let prepared = Prepared { configuration: Arc::clone(&ready.configuration), directory: Arc::clone(&ready.directory) };
        Ok(Means { ready, exit, prepared })
    }

    /// A text of a decision as it is kept.
    pub(super) fn kept(&self, field: &str, text: &str) -> Result<String> {
        kept_text(field, text, self.settings.text_chars_max)
    }

    /// Tells the agency of a line that it is asked to act. The body tells the case and the source, nothing of the subject.
    pub(super) async fn tell(
        &self,
        tx: &mut Tx<'_>,
        line: &Line,
        topic: &'static str,
        due_on: Option<NaiveDate>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let message = NewMessage {
            subject_id: line.subject_id,
            agency_id: line.agency_id,
            topic,
            about_kind: "case_line",
            about_id: line.id,
            key: line.id.to_string(),
            body: json!({
                "case_no": line.case_no, "kind": line.kind, "target": line.target, "source": line.source, "ground": line.ground,
            }),
            due_on,
            receipt: false,
        };
        send(tx, &[message], now).await?;
        Ok(())
    }

    /// Tells the applicant.
    pub(super) async fn notify(&self, tx: &mut Tx<'_>, ready: &Ready, line: &Line, template: Template, particulars: Value) -> Result<()> {
        let contact = self.contact(tx, line.case_id).await?;
        let mut values = json!({
            "source_name": source_name(&ready.configuration, &line.target, &line.source),
            "agency": ready.directory.agency(line.agency_id).map(|agency| agency.name.clone()),
        });
        if let (Some(values), Value::Object(particulars)) = (values.as_object_mut(), particulars) {
            values.extend(particulars);
        }
        self.enqueue(tx, &contact, template, &values, ready.now).await
    }

    /// An official of the deciding agency accepts a line: a dispute that was forwarded, or an application for repair that was filed.
    ///
    /// # Errors
    /// When the line is not the agency's or in another state, or a program asks.
    pub async fn accept(&self, actor: &Actor, id: Uuid) -> Result<()> {
        let by = By::of(actor)?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let line = self.line_of_agency(tx, actor, id).await?;
                let to = step_from(&line, Step::Accept)?;
                let due = match line.kind()? {
                    // The provider's days have been running since the dispute was forwarded.
                    CaseKind::Dispute => None,
                    CaseKind::Repair => Some(working_days(&ready.configuration, "repair.decide_wd", ready.today)?),
                };
                let new = due.as_ref().map(|(day, rule)| (*day, rule.as_str()));
                store::accept(tx, &line, by.account, new, ready.now).await?;
                let due_on = new.map(|due| due.0).or(line.due_on);
                let detail = json!({ "due_on": due_on, "rule": new.map(|due| due.1), "late": late(&line, ready.today)? });
                self.stepped(tx, actor, &line, "accept", to, detail, ready.now).await?;
                self.notify(tx, &ready, &line, Template::Accepted, json!({ "due_on": due_on })).await
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }

    /// An approver of the deciding agency who did not accept the line decides it. What was decided is true at once, in this transaction.
    ///
    /// # Errors
    /// When the line is not the agency's, in another state or its clock stands still; when the actor accepted it, the outcome does not fit, or the record
    /// or entry refuses it.
    pub async fn decide(&self, actor: &Actor, id: Uuid, new: NewDecision) -> Result<()> {
        let by = By::of(actor)?;
        let means = self.means().await?;
        self.db
            .write(async |tx| {
                let line = self.line_of_agency(tx, actor, id).await?;
                let to = step_from(&line, Step::Decide)?;
                second(by.account, line.accepted_by)?;
                running(&line)?;
                let judgement = self.judge(&means.ready, &line, new)?;
                let made = self.make(tx, &means, by, &line, judgement).await?;
                store::decide(tx, &line, made.decided(by), means.ready.now).await?;
                self.closed(tx, &means.ready, by, &line, ("decide", to), &made).await
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Another approver allows more time, once: the whole may last as long as the rule says, times that do not count apart.
    ///
    /// # Errors
    /// When the line is not the agency's or not accepted, its clock stands still, its last day is over, it was extended before, or the actor accepted it.
    pub async fn extend(&self, actor: &Actor, id: Uuid, new: Reasoned) -> Result<()> {
        let by = By::of(actor)?;
        let reason = self.kept("reason", &new.reason)?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let line = self.line_of_agency(tx, actor, id).await?;
                if line.state()? != LineState::Accepted {
                    return Err(Problem::new(&CASE_NOT_OPEN).with("state", line.state.clone()));
                }
                second(by.account, line.accepted_by)?;
                running(&line)?;
                let total = line.total_due_on.ok_or_else(|| Problem::internal("accepted without a last day"))?;
                if !lines::extensions(tx.conn(), &[line.id]).await?.is_empty() {
                    return Err(Problem::new(&EXTENDED_ALREADY));
                }
                if total < ready.today {
                    return Err(Problem::new(&EXTENSION_TOO_LATE).with("total_due_on", total.to_string()));
                }
                let (to, rule) = self.extended(tx, &ready, &line).await?;
                if to <= total {
                    return Err(Problem::internal(format!("{rule} gives no more time than {total}")));
                }
                let extension = (reason.as_str(), total, (to, rule.as_str()));
                store::extend(tx, &line, extension, by.account, || Problem::new(&EXTENDED_ALREADY), ready.now).await?;
                let detail = json!({ "reason": reason, "from": total, "to": to, "rule": rule });
                self.stepped(tx, actor, &line, "extend", LineState::Accepted, detail, ready.now).await?;
                self.notify(tx, &ready, &line, Template::Accepted, json!({ "extended_to": to, "note": reason })).await
            })
            .await
    }

    /// The last day of the whole of a line with its extension, and the rule.
    async fn extended(&self, tx: &mut Tx<'_>, ready: &Ready, line: &Line) -> Result<(NaiveDate, String)> {
        let id = match line.kind()? {
            CaseKind::Dispute => "dispute.extend_total_wd",
            CaseKind::Repair => "repair.extend_wd",
        };
        let begun_on = self.begun_on(tx, line).await?;
        let book = &ready.configuration.rulebook;
        let found = book.rule_or_first(id, begun_on).and_then(|rule| Some((u32::try_from(rule.value.as_i64()?).ok()?, rule)));
        let (days, rule) = found.ok_or_else(|| Problem::internal(format!("no rule {id} on {begun_on}")))?;
        let stops = lines::stops(tx.conn(), &[line.id]).await?;
        let pauses: Vec<_> = stops.iter().filter_map(|stop| Some((stop.began_on, stop.ended_on?))).collect();
        let to = last_day(&book.calendar, begun_on, days, &pauses).ok_or_else(|| Problem::internal("the calendar of dates ends"))?;
        Ok((to, format!("{}@{}", rule.id, rule.version)))
    }

    /// The day from which the clocks of a line count.
    pub(super) async fn begun_on(&self, tx: &mut Tx<'_>, line: &Line) -> Result<NaiveDate> {
        Ok(china_date(lines::clocks_began(tx.conn(), line).await?.unwrap_or(line.filed_at)))
    }

    /// The subject, or the clerk who took its case in for it, asks that a decision be looked at again, once and in time. The line, and its case, are open
    /// again.
    ///
    /// # Errors
    /// When a program asks, there is no such line of a case of this actor's, it is not closed, no review of it can be asked for (any more), or another case
    /// about the same thing is open.
    pub async fn ask_review(&self, actor: &Actor, access: Access, case: Uuid, id: Uuid, reason: &str) -> Result<()> {
        official(actor)?;
        let reason = self.kept("reason", reason)?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let line = lines::lock(tx, id).await?.filter(|line| line.case_id == case);
                let line = line.ok_or_else(|| Problem::new(&CASE_NOT_FOUND))?;
                self.accessible(tx, &ready, access, case).await?;
                let to = step_from(&line, Step::AskReview)?;
                let outcome = line.outcome.as_deref().and_then(Outcome::from_code);
                let decided_at = line.decided_at.ok_or_else(|| Problem::internal("closed without a decision"))?;
                let (until, until_rule) = working_days(&ready.configuration, "dispute.review_ask_wd", china_date(decided_at))?;
                let open = line.review_asked_at.is_none() && outcome.is_some_and(Outcome::may_be_reviewed) && ready.today <= until;
                if !open {
                    return Err(Problem::new(&REVIEW_NOT_OPEN).with("until", until.to_string()));
                }
                let (due, rule) = working_days(&ready.configuration, "dispute.review_wd", ready.today)?;
                let taken = || Problem::new(&CASE_ALREADY_OPEN).with("line", 1);
                if let Some(number) = lines::open_on(tx.conn(), line.subject_id, line.target_id).await? {
                    return Err(taken().with("case_no", number));
                }
                store::ask_review(tx, &line, &reason, (due, rule.as_str()), taken, ready.now).await?;
                if line.kind()? == CaseKind::Dispute && !line.is_omission() {
                    records::mark(tx, line.subject_id, &line.target, line.target_id, "disputed", line.case_id, None, ready.now).await?;
                }
                let detail = json!({ "due_on": due, "rule": rule, "until": until, "until_rule": until_rule });
                self.stepped(tx, actor, &line, "ask_review", to, detail, ready.now).await?;
                self.settle_case(tx, line.case_id, ready.now).await?;
                self.tell(tx, &line, "case.review_asked", Some(due), ready.now).await?;
                self.notify(tx, &ready, &line, Template::Review, json!({ "due_on": due })).await
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }

    /// An approver of the agency who neither accepted nor decided before decides about a review.
    ///
    /// # Errors
    /// When the line is not the agency's or no review of it was asked for, when the actor accepted or decided before, or the new outcome does not fit.
    pub async fn decide_review(&self, actor: &Actor, id: Uuid, new: NewReviewDecision) -> Result<()> {
        let by = By::of(actor)?;
        let text = self.kept("text", &new.text)?;
        let means = self.means().await?;
        let ready = &means.ready;
        self.db
            .write(async |tx| {
                let line = self.line_of_agency(tx, actor, id).await?;
                let to = step_from(&line, Step::Review)?;
                second(by.account, line.accepted_by)?;
                second(by.account, line.decided_by)?;
                if new.outcome == ReviewOutcome::Upheld {
                    upheld_alone(&new)?;
                    store::uphold(tx, &line, by.account, &text, ready.now).await?;
                    let detail = json!({ "outcome": "upheld", "reason": text, "late": late(&line, ready.today)? });
                    return self.review_closed(tx, ready, by, &line, to, detail).await;
                }
                let first = line.outcome.clone().unwrap_or_default();
                let decision = NewDecision {
                    outcome: new.new_outcome.unwrap_or_default(),
                    reason: new.text,
                    decision_no: new.decision_no,
                    changes: new.changes,
                    note: new.note,
                    false_papers: false,
                    appeal: new.appeal,
                };
                let judgement = self.judge(ready, &line, decision)?;
                if judgement.outcome.code() == first {
                    return Err(unfit(&line, "new_outcome")?);
                }
                let made = self.make(tx, &means, by, &line, judgement).await?;
                if first == Outcome::Noted.code() && store::notes(tx, &line).await? {
                    records::unmark(tx, line.subject_id, line.target_id, "noted", ready.now).await?;
                }
                store::change(tx, &line, made.decided(by), &text, ready.now).await?;
                let mut detail = made.detail(&line, ready.today)?;
                if let Some(map) = detail.as_object_mut() {
                    map.insert("review".to_owned(), "changed".into());
                    map.insert("first_outcome".to_owned(), first.into());
                }
                self.review_closed(tx, ready, by, &line, to, detail).await
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }

    /// What follows when a review was decided.
    async fn review_closed(&self, tx: &mut Tx<'_>, ready: &Ready, by: By<'_>, line: &Line, to: LineState, detail: Value) -> Result<()> {
        withdraw(tx, None, &[line.id], ready.now).await?;
        records::unmark(tx, line.subject_id, line.target_id, "disputed", ready.now).await?;
        self.stepped(tx, by.actor, line, "review", to, detail.clone(), ready.now).await?;
        self.notify(tx, ready, line, Template::Review, detail).await?;
        self.settle_case(tx, line.case_id, ready.now).await
    }

    /// Whether the parts of a decision fit each other and the line.
    pub(super) fn judge(&self, ready: &Ready, line: &Line, new: NewDecision) -> Result<Judgement> {
        let outcome = Outcome::from_code(&new.outcome).filter(|outcome| fits_line(line, *outcome));
        let Some(outcome) = outcome else { return Err(unfit(line, "outcome")?) };
        let alone = |there: bool, of: Outcome, field: &str| -> Result<()> {
            if there && outcome != of { Err(unfit(line, field)?) } else { Ok(()) }
        };
        alone(new.changes.is_some(), Outcome::Corrected, "changes")?;
        alone(new.note.is_some(), Outcome::Noted, "note")?;
        alone(new.false_papers, Outcome::Refused, "false_papers")?;
        alone(new.appeal.is_some(), Outcome::Refused, "appeal")?;
        let changes = new.changes.unwrap_or_default();
        if outcome == Outcome::Corrected && changes.is_empty() {
            return Err(unfit(line, "changes")?);
        }
        let mut reason = self.kept("reason", &new.reason)?;
        if outcome == Outcome::Refused {
            reason = self.with_appeal(ready, line, &reason, new.appeal.as_deref())?;
        }
        let number = |text: &String| kept_text("decision_no", text, NUMBER_CHARS);
        Ok(Judgement {
            outcome,
            reason,
            decision_no: new.decision_no.as_ref().map(number).transpose()?,
            changes,
            note: new.note.as_deref().map(|note| self.kept("note", note)).transpose()?,
            false_papers: new.false_papers,
        })
    }

    /// Makes a decision true: the record or entry is changed, and marks that were there for the dispute are taken away.
    async fn make(&self, tx: &mut Tx<'_>, means: &Means, by: By<'_>, line: &Line, judgement: Judgement) -> Result<Made> {
        let ready = &means.ready;
        let facts: CaseFacts = store::case_facts(tx, line.case_id).await?;
        let applied = match line.kind()? {
            CaseKind::Dispute => self.apply_dispute(tx, means, by, line, &facts, &judgement).await?,
            CaseKind::Repair => self.apply_repair(tx, means, by, line, &facts, &judgement).await?,
        };
        let execution = execution_rule(judgement.outcome).map(|rule| working_days(&ready.configuration, rule, ready.today)).transpose()?;
        let mut rules: Vec<String> = line.total_rule.iter().cloned().collect();
        rules.extend(applied.rules);
        rules.extend(execution.as_ref().map(|(_, rule)| rule.clone()));
        let sealed = if applied.fields.is_empty() { None } else { Some(self.seal_changes(line.id, &applied.fields)?) };
        Ok(Made { judgement, sealed, rules: rules.join(" "), execute_by: execution.map(|(day, _)| day) })
    }

    /// A decision of the platform about its own error, or of the agency that does not accept: both check and decide in one.
    pub(super) async fn decide_at_once(
        &self,
        tx: &mut Tx<'_>,
        means: &Means,
        by: By<'_>,
        line: &Line,
        (step, to, checks): (&str, LineState, bool),
        judgement: Judgement,
    ) -> Result<()> {
        let made = self.make(tx, means, by, line, judgement).await?;
        store::decide(tx, line, Decided { checks, ..made.decided(by) }, means.ready.now).await?;
        self.closed(tx, &means.ready, by, line, (step, to), &made).await
    }

    /// What follows when a line was decided.
    async fn closed(
        &self,
        tx: &mut Tx<'_>,
        ready: &Ready,
        by: By<'_>,
        line: &Line,
        (step, to): (&str, LineState),
        made: &Made,
    ) -> Result<()> {
        // What asked the agency to act and nobody has read asks for nothing any more.
        withdraw(tx, None, &[line.id], ready.now).await?;
        let mut detail = made.detail(line, ready.today)?;
        self.stepped(tx, by.actor, line, step, to, detail.clone(), ready.now).await?;
        if made.judgement.outcome.may_be_reviewed() {
            let (until, _) = working_days(&ready.configuration, "dispute.review_ask_wd", ready.today)?;
            if let Some(map) = detail.as_object_mut() {
                map.insert("review_until".to_owned(), until.to_string().into());
            }
        }
        self.notify(tx, ready, line, Template::Decided, detail).await?;
        self.settle_case(tx, line.case_id, ready.now).await
    }
}

impl Made {
    fn decided(&self, by: By<'_>) -> Decided<'_> {
        Decided {
            outcome: self.judgement.outcome.code(),
            decision_no: self.judgement.decision_no.as_deref(),
            reason: &self.judgement.reason,
            sealed: self.sealed.clone(),
            rules: &self.rules,
            agency: by.agency,
            by: by.account,
            execute_by: self.execute_by,
            checks: false,
        }
    }

    /// What the step keeps: reasons and all, for a review may put another outcome in its place.
    fn detail(&self, line: &Line, today: NaiveDate) -> Result<Value> {
        Ok(json!({
            "outcome": self.judgement.outcome.code(), "reason": self.judgement.reason, "decision_no": self.judgement.decision_no,
            "rules": self.rules, "execute_by": self.execute_by, "late": late(line, today)?, "false_papers": self.judgement.false_papers,
        }))
    }
}

/// Whether the last day that counted was over.
pub(super) fn late(line: &Line, today: NaiveDate) -> Result<bool> {
    Ok(owed_by(line.state()?, line.due_on, line.total_due_on).is_some_and(|due| due < today))
}

fn fits_line(line: &Line, outcome: Outcome) -> bool {
    matter(line).is_ok_and(|matter| fits(matter, outcome))
}

/// The problem that an outcome, or what comes with it, does not fit.
pub(super) fn unfit(line: &Line, field: &str) -> Result<Problem> {
    Ok(Problem::new(&OUTCOME_NOT_FITTING).with("field", field).with("outcomes", fitting(matter(line)?)))
}

/// What is upheld has no new outcome, and nothing that comes with one.
fn upheld_alone(new: &NewReviewDecision) -> Result<()> {
    let texts = [("new_outcome", &new.new_outcome), ("decision_no", &new.decision_no), ("note", &new.note), ("appeal", &new.appeal)];
    let more = texts.into_iter().find(|(_, text)| text.is_some()).map(|(field, _)| field);
    let more = more.or(new.changes.as_ref().map(|_| "changes"));
    more.map_or(Ok(()), |field| Err(Problem::new(&OUTCOME_NOT_FITTING).with("field", field)))
}
