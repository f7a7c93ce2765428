//! Disputes 异议: the platform's self-check, what a decision does, and the clock that stops for inspections and the like.

use super::Redress;
use super::decisions::{Applied, By, Judgement, Means, Standing, late, running, standing, step_from, unfit};
use super::lines::official;
use crate::model::decisions::{
    CLOCK_NOT_STOPPABLE, CLOCK_RUNNING, CLOCK_STOPPED, Finding, NewDecision, NewSelfCheck, NewStop, STOP_REASON_UNKNOWN, STOP_TOO_LATE,
};
use crate::model::lines::{CaseKind, Changed, LineState, Outcome, Step, owed_by};
use crate::model::notices::Template;
use crate::model::problems::{CASE_LINE_NOT_FOUND, CASE_NOT_OPEN};
use crate::store::decisions::{self as store, CaseFacts};
use crate::store::lines::{self, Line};
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use credence_dispatch::model::actions::working_days;
use credence_records::model::NOTHING_CHANGED;
use credence_records::service::redress::{self as records, Because};
use credence_rulebook::clocks;
use serde_json::json;
use uuid::Uuid;

/// What the clock of a dispute stops for.
const STOPS_FOR: &str = "dispute.clock_stop";
/// How long a dispute may last once it was extended.
const EXTENDED: &str = "dispute.extend_total_wd";

impl Redress {
    /// The platform looks whether the error is its own. If it is not, the provider has to look; if it is, the platform puts it right and decides that,
    /// and nothing else.
    ///
    /// # Errors
    /// When a program asks, there is no such dispute or it is past the check, or the outcome is none of the platform's.
    pub async fn self_check(&self, actor: &Actor, id: Uuid, new: NewSelfCheck) -> Result<()> {
        let by = By::of(actor)?;
        let reason = self.kept("reason", &new.reason)?;
        let means = self.means().await?;
        self.db
            .write(async |tx| {
                let line = lines::lock(tx, id).await?.filter(|line| line.kind == CaseKind::Dispute.code());
                let line = line.ok_or_else(|| Problem::new(&CASE_LINE_NOT_FOUND))?;
                match new.finding {
                    Finding::Forward => {
                        let to = step_from(&line, Step::Forward)?;
                        if new.outcome.is_some() {
                            return Err(unfit(&line, "outcome")?);
                        }
                        self.forward(tx, &means, by, &line, to, &reason).await
                    }
                    Finding::OwnError => {
                        let to = step_from(&line, Step::OwnError)?;
                        let outcome = new.outcome.clone().filter(|code| ["deleted", "stopped"].contains(&code.as_str()));
                        let Some(outcome) = outcome else { return Err(unfit(&line, "outcome")?) };
                        let decision = NewDecision { outcome, reason: new.reason.clone(), ..NewDecision::default() };
                        let judgement = self.judge(&means.ready, &line, decision)?;
                        self.decide_at_once(tx, &means, by, &line, ("check", to, true), judgement).await
                    }
                }
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }

    /// The provider has to look: its days begin.
    async fn forward(&self, tx: &mut Tx<'_>, means: &Means, by: By<'_>, line: &Line, to: LineState, reason: &str) -> Result<()> {
        let ready = &means.ready;
        let (forward_by, forward_rule) = working_days(&ready.configuration, "dispute.forward_wd", self.begun_on(tx, line).await?)?;
        let (due, rule) = working_days(&ready.configuration, "dispute.provider_wd", ready.today)?;
        store::forward(tx, line, by.account, (due, rule.as_str()), ready.now).await?;
        let detail = json!({
            "reason": reason, "due_on": due, "rule": rule, "forward_by": forward_by, "forward_rule": forward_rule,
            "late": late(line, ready.today)? || forward_by < ready.today,
        });
        self.stepped(tx, by.actor, line, "forward", to, detail, ready.now).await?;
        self.tell(tx, line, "case.forwarded", Some(due), ready.now).await?;
        self.notify(tx, ready, line, Template::Forwarded, json!({ "due_on": due, "total_due_on": line.total_due_on })).await
    }

    /// Makes a decision about a dispute true. What is so already, because its provider put it right meanwhile or something else was decided, stays as it is.
    pub(super) async fn apply_dispute(
        &self,
        tx: &mut Tx<'_>,
        means: &Means,
        by: By<'_>,
        line: &Line,
        facts: &CaseFacts,
        judgement: &Judgement,
    ) -> Result<Applied> {
        let now = means.ready.now;
        let because = Because { case_id: line.case_id, line_id: line.id, reason: &judgement.reason };
        let (subject, target) = (line.subject_id, line.target_id);
        let mut applied = Applied::default();
        let standing = standing(tx, &means.ready, line).await?;
        match judgement.outcome {
            // Corrected it would come back.
            Outcome::Corrected if standing == Standing::Withdrawn => return Err(unfit(line, "outcome")?),
            Outcome::Corrected => {
                let changes = judgement.changes.clone();
                let said = records::correct_in(&self.records, &means.prepared, tx, by.actor, subject, target, changes, &because, now).await;
                let corrected = match said {
                    Err(problem) if problem.code() == NOTHING_CHANGED.code => Vec::new(),
                    said => said?.1,
                };
                let field = |change: records::FieldChange| Changed { field: change.field, old: Some(change.old), new: Some(change.new) };
                applied.fields = corrected.into_iter().map(field).collect();
            }
            Outcome::Deleted | Outcome::Stopped | Outcome::Delisted if standing != Standing::There => {}
            Outcome::Deleted => {
                records::withdraw_in(&self.records, tx, by.actor, subject, target, &because, now).await?;
            }
            Outcome::Stopped => {
                records::stop_publicity(tx, by.actor, subject, target, &because, now).await?;
            }
            Outcome::Delisted => {
                self.lists.exit_in(tx, &means.exit, by.actor, target, "correction", &judgement.reason).await?;
            }
            Outcome::Noted => {
                let note = judgement.note.as_deref().unwrap_or(&facts.statement);
                records::mark(tx, subject, &line.target, target, "noted", line.case_id, Some(note), now).await?;
            }
            // What is supplemented comes from the provider as a row of its own; what is rejected stays as it is.
            Outcome::Supplemented | Outcome::Rejected => {}
            Outcome::Granted | Outcome::Refused | Outcome::NotAccepted | Outcome::Shielded => {
                return Err(Problem::internal(format!("{} is no outcome of a dispute", judgement.outcome.code())));
            }
        }
        records::unmark(tx, subject, target, "disputed", now).await?;
        if matches!(judgement.outcome, Outcome::Corrected | Outcome::Deleted | Outcome::Delisted) {
            // What could not be ascertained once was found now.
            records::unmark(tx, subject, target, "noted", now).await?;
        }
        Ok(applied)
    }

    /// An official of the deciding agency stops the clock of an accepted dispute: what is waited for does not count.
    ///
    /// # Errors
    /// When the line is not the agency's, no dispute, not accepted, its last day is over, its clock stands still already, or the rules do not stop it for
    /// that.
    pub async fn stop(&self, actor: &Actor, id: Uuid, new: NewStop) -> Result<()> {
        official(actor)?;
        let note = self.kept("note", &new.note)?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let line = self.accepted_dispute(tx, actor, id).await?;
                running(&line)?;
                let book = &ready.configuration.rulebook;
                let reasons = book.texts(STOPS_FOR, ready.today);
                let reason = new.reason.trim();
                if !reasons.contains(&reason) {
                    return Err(Problem::new(&STOP_REASON_UNKNOWN).with("reasons", reasons));
                }
                let (Some(due), Some(total)) = (line.due_on, line.total_due_on) else {
                    return Err(Problem::internal("an accepted line without last days"));
                };
                let owed = owed_by(LineState::Accepted, line.due_on, line.total_due_on);
                if let Some(over) = owed.filter(|day| *day < ready.today) {
                    return Err(Problem::new(&STOP_TOO_LATE).with("due_on", over.to_string()));
                }
                let left = |due| i32::try_from(clocks::days_left(&book.calendar, ready.today, due)).map_err(Problem::internal);
                let stop = store::NewStop {
                    reason,
                    note: &note,
                    began_on: ready.today,
                    began_by: &actor.label,
                    days_left: left(due)?,
                    total_days_left: left(total)?,
                };
                let detail = json!({ "reason": reason, "days_left": stop.days_left, "total_days_left": stop.total_days_left });
                store::begin_stop(tx, &line, stop, || Problem::new(&CLOCK_STOPPED)).await?;
                self.stepped(tx, actor, &line, "stop", LineState::Accepted, detail, ready.now).await?;
                let told = json!({ "note": format!("因{reason}，自{}起暂停计算办理期限；{note}", ready.today) });
                self.notify(tx, &ready, &line, Template::Accepted, told).await
            })
            .await
    }

    /// An official of the deciding agency lets the clock go on: the days that were left count from the next working day.
    ///
    /// # Errors
    /// When the line is not the agency's, no dispute, not accepted, or its clock runs.
    pub async fn resume(&self, actor: &Actor, id: Uuid) -> Result<()> {
        official(actor)?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let line = self.accepted_dispute(tx, actor, id).await?;
                let stops = lines::stops(tx.conn(), &[line.id]).await?;
                let stop = stops.into_iter().find(|stop| stop.ended_on.is_none()).ok_or_else(|| Problem::new(&CLOCK_RUNNING))?;
                let calendar = &ready.configuration.rulebook.calendar;
                let after = |left: i32| clocks::resume(calendar, ready.today, u32::try_from(left).unwrap_or(0));
                let (due, total) = (after(stop.days_left), after(stop.total_days_left));
                // The rule of the step is that of the provider's days, or of the extension that took their place.
                let rule = match line.total_rule.as_ref().filter(|rule| rule.starts_with(&format!("{EXTENDED}@"))) {
                    Some(rule) => rule.clone(),
                    None => {
                        let forwarded_on = line.checked_at.map_or(ready.today, china_date);
                        working_days(&ready.configuration, "dispute.provider_wd", forwarded_on)?.1
                    }
                };
                store::end_stop(tx, &line, stop.id, ready.today, &actor.label).await?;
                store::set_due(tx, &line, Some((due, rule.as_str())), Some(total)).await?;
                let detail = json!({ "began_on": stop.began_on, "due_on": due, "total_due_on": total });
                self.stepped(tx, actor, &line, "resume", LineState::Accepted, detail, ready.now).await?;
                let told = json!({ "note": "恢复计算办理期限", "due_on": due, "total_due_on": total });
                self.notify(tx, &ready, &line, Template::Accepted, told).await
            })
            .await
    }

    /// An accepted dispute of the actor's agency, locked.
    async fn accepted_dispute(&self, tx: &mut Tx<'_>, actor: &Actor, id: Uuid) -> Result<Line> {
        let line = self.line_of_agency(tx, actor, id).await?;
        if line.kind()? != CaseKind::Dispute {
            return Err(Problem::new(&CLOCK_NOT_STOPPABLE));
        }
        if line.state()? == LineState::Accepted { Ok(line) } else { Err(Problem::new(&CASE_NOT_OPEN).with("state", line.state)) }
    }
}
