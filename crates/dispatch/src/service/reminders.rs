//! Reminders 催办: before a last day, after it, and when it is long past to the credit office. The worker sweeps about once a minute; of one deadline
//! each kind is sent once.

use super::Dispatch;
use crate::model::actions::working_days;
use crate::model::directives::working_days_back;
use crate::store::push;
use crate::store::reminders::{self, Horizon, Made, Swept};
use chrono::NaiveDate;
use credence_audit::{Change, record};
use credence_catalog::configuration::Configuration;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::{Problem, Result};
use serde_json::json;
use uuid::Uuid;

/// Directives that are reminded of in one transaction.
const CHUNK: i64 = 5_000;

/// The last days that call for a reminder on a day (`joint.remind_before_wd`, `joint.escalate_after_wd`), and the rules.
fn horizon(configuration: &Configuration, today: NaiveDate) -> Result<(Horizon, String)> {
    let (soon_until, before) = working_days(configuration, "joint.remind_before_wd", today)?;
    let number = configuration.rulebook.number("joint.escalate_after_wd", today);
    let escalation =
        number.and_then(|(n, rule)| Some((working_days_back(&configuration.rulebook.calendar, today, u32::try_from(n).ok()?)?, rule)));
    let (escalated_until, after) = escalation.ok_or_else(|| Problem::internal(format!("no rule joint.escalate_after_wd on {today}")))?;
    Ok((Horizon { today, soon_until, escalated_until }, format!("{before} {}@{}", after.id, after.version)))
}

/// Makes the reminders that are owed now; returns how many. With none owed nothing is written.
///
/// # Errors
/// When a rule is missing, or the database cannot be reached; what was made before stays.
pub async fn remind(dispatch: &Dispatch) -> Result<usize> {
    let configuration = dispatch.configuration.fresh(&dispatch.db).await?;
    let now = dispatch.clock.now();
    let (horizon, rules) = horizon(&configuration, china_date(now))?;
    let actor = Actor::system("reminders");
    let mut total = 0;
    let mut swept = Swept::default();
    while reminders::any_owed(&mut *dispatch.db.read().await?, &horizon, &swept).await? {
        let made = dispatch
            .db
            .write(async |tx| {
                let made = reminders::make(tx, &horizon, &swept, CHUNK, now).await?;
                if made.is_empty() {
                    // Another sweep was faster.
                    tx.mark_recorded();
                    return Ok(made);
                }
                let of = |kind: &str| made.iter().filter(|m| m.kind == kind).count();
                let (due_soon, overdue, escalated) = (of("due_soon"), of("overdue"), of("escalated"));
                let sent: Vec<Uuid> = made.iter().filter(|m| m.kind != "escalated").map(|m| m.id).collect();
                if !sent.is_empty() {
                    push::enqueue_reminders(tx, &sent, now).await?;
                }
                let detail = json!({ "due_soon": due_soon, "overdue": overdue, "escalated": escalated, "rules": rules });
                record(tx, &actor, Change::new("directives.remind", "reminder_sweep", Uuid::now_v7()).with(detail), now).await?;
                Ok(made)
            })
            .await?;
        let Some(last) = made.iter().map(Made::swept).max() else { break };
        swept = last;
        total += made.len();
    }
    if total > 0 {
        dispatch.wake.notify_one();
    }
    Ok(total)
}
