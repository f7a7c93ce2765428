//! Repair 信用修复: what a decision about an application does, not accepting one, and the end of a shielding.

use super::decisions::{Applied, By, Judgement, Means, Standing, standing, step_from, unfit};
use super::eligibility::{never, record_window};
use super::{Ready, Redress};
use crate::model::decisions::{COURT_RULING_MISSING, NOT_SHIELDED_HERE, NewUnshield, Reasoned};
use crate::model::lines::{CaseKind, LineState, Outcome, Step};
use crate::model::notices::Template;
use crate::model::problems::REPAIR_BARRED;
use crate::store::cases;
use crate::store::decisions::{self as store, CaseFacts, NewBar};
use crate::store::lines::Line;
use chrono::Months;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use credence_records::service::redress::{self as records, Because};
use credence_subjects::store as subjects;
use serde_json::{Map, json};
use uuid::Uuid;

/// Kind of paper that a shielding rests on.
pub(super) const COURT_RULING: &str = "court_ruling";
/// How long false papers bar a subject, in months.
const BAN: &str = "repair.fraud_ban_months";
/// Way of appeal against a refusal, where the rules name one.
const APPEAL: &str = "repair.appeal";
/// The way of appeal that the law opens to everybody (行政复议法, 行政诉讼法), where neither list nor rules name another.
const APPEAL_BY_LAW: &str = "如不服本决定，可依法申请行政复议，或者依法向人民法院提起行政诉讼。";

impl Redress {
    /// An approver of the deciding agency does not accept an application for repair, with reasons: a decision, and closed.
    ///
    /// # Errors
    /// When the line is not the agency's or not just filed, or is a dispute, or the reasons are unusable.
    pub async fn not_accept(&self, actor: &Actor, id: Uuid, new: Reasoned) -> Result<()> {
        let by = By::of(actor)?;
        let reason = self.kept("reason", &new.reason)?;
        let means = self.means().await?;
        self.db
            .write(async |tx| {
                let line = self.line_of_agency(tx, actor, id).await?;
                let to = step_from(&line, Step::NotAccept)?;
                let judgement = Judgement {
                    outcome: Outcome::NotAccepted,
                    reason: self.with_appeal(&means.ready, &line, &reason, None)?,
                    decision_no: None,
                    changes: Map::new(),
                    note: None,
                    false_papers: false,
                };
                self.decide_at_once(tx, &means, by, &line, ("not_accept", to, false), judgement).await
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Reasons with the way of appeal: as the decision states it, as the list does, as the rules do, or as the law does.
    pub(super) fn with_appeal(&self, ready: &Ready, line: &Line, reason: &str, appeal: Option<&str>) -> Result<String> {
        let stated = appeal.map(|text| self.kept("appeal", text)).transpose()?;
        let of_list = || {
            let list = ready.configuration.lists.get(&line.source).filter(|_| line.target == "entry")?;
            list.body.native.as_ref().map(|native| native.remedies.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let of_rules = || Some(ready.configuration.rulebook.rule_or_first(APPEAL, ready.today)?.value.as_str()?.to_owned());
        let appeal = stated.or_else(of_list).or_else(of_rules).unwrap_or_else(|| APPEAL_BY_LAW.to_owned());
        Ok(format!("{reason}\n救济途径：{appeal}"))
    }

    /// Makes a decision about an application for repair true.
    pub(super) async fn apply_repair(
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
        let mut applied = Applied { rules: self.window_rules(tx, &means.ready, line).await?, ..Applied::default() };
        match judgement.outcome {
            Outcome::Granted => self.grant(tx, means, by, line, &because).await?,
            Outcome::Shielded => {
                if !facts.papers.iter().any(|kind| kind == COURT_RULING) {
                    return Err(Problem::new(&COURT_RULING_MISSING));
                }
                records::shield(tx, by.actor, line.subject_id, line.target_id, &because, now).await?;
            }
            Outcome::Refused if judgement.false_papers => applied.rules.extend(self.bar(tx, &means.ready, by, line, judgement).await?),
            Outcome::Refused | Outcome::NotAccepted => {}
            _ => return Err(Problem::internal(format!("{} is no outcome of repair", judgement.outcome.code()))),
        }
        Ok(applied)
    }

    /// Repairs the record, or takes the entry off its list. Nobody is barred meanwhile, and of a record the minimum period was over: an application for
    /// shielding may come before. What is gone already, because it was withdrawn or has ended, stays as it is.
    async fn grant(&self, tx: &mut Tx<'_>, means: &Means, by: By<'_>, line: &Line, because: &Because<'_>) -> Result<()> {
        let ready = &means.ready;
        let family = subjects::family(tx.conn(), line.subject_id, ready.now).await?;
        // What this very line found false does not stand in the way of the review that finds otherwise.
        if let Some(until) = cases::barred_until(tx.conn(), &family, ready.today, Some(line.id)).await? {
            return Err(Problem::new(&REPAIR_BARRED).with("until", until.to_string()));
        }
        if standing(tx, ready, line).await? != Standing::There {
            return Ok(());
        }
        if line.target == "entry" {
            return self.lists.exit_in(tx, &means.exit, by.actor, line.target_id, "repair", because.reason).await;
        }
        if !self.was_due(tx, ready, line).await? {
            return Err(unfit(line, "outcome")?);
        }
        records::repair(tx, by.actor, line.subject_id, line.target_id, because, ready.now).await?;
        Ok(())
    }

    /// Whether a record could be repaired when it was applied for or, where papers were missing, when they were there: a regime that begins in between takes
    /// nothing away.
    async fn was_due(&self, tx: &mut Tx<'_>, ready: &Ready, line: &Line) -> Result<bool> {
        let days = [china_date(line.filed_at), self.begun_on(tx, line).await?];
        let Some(target) = records::target(tx.conn(), line.subject_id, line.target_id).await? else { return Ok(true) };
        let due = |on| {
            let window = record_window(ready, &target, on);
            let open = window.is_none_or(|w| w.repairable && w.earliest_repair_day <= on);
            open && never(&ready.configuration.rulebook, &target.item, on).is_none()
        };
        Ok(days.into_iter().any(due))
    }

    /// False papers: the subject may not apply for repair for a time, from today. Returns the rule; on a day on which none holds nobody is barred.
    async fn bar(&self, tx: &mut Tx<'_>, ready: &Ready, by: By<'_>, line: &Line, judgement: &Judgement) -> Result<Option<String>> {
        let Some(rule) = ready.configuration.rulebook.rule(BAN, ready.today) else { return Ok(None) };
        let months = rule.value.as_i64().and_then(|months| u32::try_from(months).ok());
        let months = months.ok_or_else(|| Problem::internal(format!("rule {BAN} is no number of months")))?;
        let rule = format!("{}@{}", rule.id, rule.version);
        let until = ready.today.checked_add_months(Months::new(months)).ok_or_else(|| Problem::internal("the calendar of dates ends"))?;
        let bar =
            NewBar { reason: &judgement.reason, from_on: ready.today, until_on: until, rule: &rule, by: by.account, agency: by.agency };
        store::bar(tx, line, bar, ready.now).await?;
        Ok(Some(rule))
    }

    /// The rules that say whether and from when a record can be repaired, as they were when the application was filed; of an entry, the rule of its list.
    async fn window_rules(&self, tx: &mut Tx<'_>, ready: &Ready, line: &Line) -> Result<Vec<String>> {
        let begun_on = self.begun_on(tx, line).await?;
        if line.target == "entry" {
            let list = ready.configuration.lists.get(&line.source);
            let id = list.and_then(|list| list.body.native.as_ref()).and_then(|native| native.repair_rule.as_ref());
            let rule = id.and_then(|id| ready.configuration.rulebook.rule(id, begun_on));
            return Ok(rule.map(|rule| format!("{}@{}", rule.id, rule.version)).into_iter().collect());
        }
        let target = records::target(tx.conn(), line.subject_id, line.target_id).await?;
        let window = target.and_then(|target| record_window(ready, &target, begun_on));
        Ok(window.map(|window| window.rules).unwrap_or_default())
    }

    /// An approver of the agency ends a shielding: the record is shown again as it would be without it. When the plan was carried out, the subject may then
    /// apply for repair with the court's ruling.
    ///
    /// # Errors
    /// When the line is not the agency's or did not end in shielding, or the record is not shielded any more.
    pub async fn unshield(&self, actor: &Actor, id: Uuid, new: NewUnshield) -> Result<()> {
        let by = By::of(actor)?;
        let reason = self.kept("reason", &new.reason)?;
        let ready = self.ready().await?;
        self.db
            .write(async |tx| {
                let line = self.line_of_agency(tx, actor, id).await?;
                let shielded = line.outcome.as_deref() == Some(Outcome::Shielded.code()) && line.kind()? == CaseKind::Repair;
                if !shielded || line.state()? != LineState::Closed {
                    return Err(Problem::new(&NOT_SHIELDED_HERE));
                }
                let because = Because { case_id: line.case_id, line_id: line.id, reason: &reason };
                records::unshield(tx, by.actor, line.subject_id, line.target_id, &because, ready.now).await?;
                let detail = json!({ "outcome": "unshielded", "reason": reason, "completed": new.completed });
                self.stepped(tx, actor, &line, "unshield", LineState::Closed, detail.clone(), ready.now).await?;
                self.notify(tx, &ready, &line, Template::Decided, detail).await
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }
}
