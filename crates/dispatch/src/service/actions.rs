//! Starting, holding and ending joint action. The lists call [`start`], [`hold`], [`resume`], [`updated`] and [`lift`] in the transaction in which an
//! entry is listed, questioned, confirmed, restated or ended, so that there is no moment at which the one is there without the other (invariants 4 and
//! 8).

use super::Dispatch;
use crate::model::actions::{
    ACTION_NOT_FOUND, ACTION_WRONG_STATE, ActionView, Deadlines, GROUND_FALLEN, Listed, Plan, REFUSAL_REASON_MISSING,
};
use crate::model::directives::plain_text;
use crate::store::actions::{self, ActionRow, Lifted};
use crate::store::{push, reminders};
use chrono::{DateTime, Utc};
use credence_audit::{Change, record};
use credence_catalog::configuration::Configuration;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use serde_json::json;
use uuid::Uuid;

/// What starting joint action made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Started {
    /// Directives.
    pub directives: usize,
}

/// Starts joint action about entries of one list that were listed in this transaction.
pub async fn start(tx: &mut Tx<'_>, plan: &Plan, entries: &[Listed], deadlines: &Deadlines, now: DateTime<Utc>) -> Result<Started> {
    if plan.memoranda.is_empty() || entries.is_empty() {
        return Ok(Started::default());
    }
    let made = actions::start(tx, plan, entries, deadlines, now).await?;
    // Only what a memorandum starts by itself is out already; the rest waits for the credit office.
    if plan.memoranda.iter().any(|m| m.automatic) && !made.is_empty() {
        push::enqueue_for(tx, &made, now).await?;
    }
    Ok(Started { directives: made.len() })
}

/// Holds what was not delivered yet, while the authority looks at the ground.
pub async fn hold(tx: &mut Tx<'_>, entries: &[(Uuid, Uuid)], now: DateTime<Utc>) -> Result<usize> {
    actions::hold(tx, entries, now).await
}

/// Lets go on what was held: the authority found that the ground stands.
pub async fn resume(tx: &mut Tx<'_>, entries: &[(Uuid, Uuid)], deadlines: &Deadlines, now: DateTime<Utc>) -> Result<usize> {
    actions::resume(tx, entries, deadlines, now).await
}

/// Ends what rests on entries that ended, whatever the cause.
pub async fn lift(tx: &mut Tx<'_>, entries: &[(Uuid, Uuid)], cause: &str, deadlines: &Deadlines, now: DateTime<Utc>) -> Result<Lifted> {
    if entries.is_empty() {
        return Ok(Lifted::default());
    }
    actions::lift(tx, entries, cause, deadlines, now).await
}

/// Tells the agencies that hold directives of these entries, and go on with them, that the entry was restated or its ground confirmed: each gets its
/// directive again as it is now. Whoever has none yet learns it from the directive itself. Returns how many were told.
pub async fn updated(tx: &mut Tx<'_>, entries: &[(Uuid, Uuid)], now: DateTime<Utc>) -> Result<usize> {
    if entries.is_empty() {
        return Ok(0);
    }
    let made = reminders::update(tx, entries, china_date(now), now).await?;
    if !made.is_empty() {
        push::enqueue_reminders(tx, &made, now).await?;
    }
    Ok(made.len())
}

impl Dispatch {
    /// The credit office confirms that an entry starts joint action under a memorandum: its directives go out.
    ///
    /// # Errors
    /// When there is none, when it does not wait for confirmation, or when the ground under the entry has fallen.
    pub async fn confirm_action(&self, actor: &Actor, id: Uuid) -> Result<ActionView> {
        let configuration = self.configuration.fresh(&self.db).await?;
        let now = self.clock.now();
        let today = china_date(now);
        let deadlines = Deadlines::reckon(&configuration, today)?;
        let view = self
            .db
            .write(async |tx| {
                // The entry before the action, as everybody does who changes both.
                let found = actions::find(tx, id).await?.ok_or_else(|| Problem::new(&ACTION_NOT_FOUND))?;
                let stands = actions::ground_stands(tx, found.subject_id, found.entry_id, today).await?;
                let mut action = proposed(tx, id).await?;
                if !stands {
                    return Err(Problem::new(&GROUND_FALLEN));
                }
                actions::started(tx, &action, &actor.label, now).await?;
                let issued = actions::issue(tx, action.subject_id, id, &deadlines, now).await?;
                push::enqueue_for(tx, &issued, now).await?;
                let detail = json!({ "memorandum": action.memorandum, "entry_id": action.entry_id, "directives": issued.len(), "rules": deadlines.rules });
                record(tx, actor, Change::new("joint_action.confirm", "joint_action", id).about(action.subject_id).with(detail), now).await?;
                action.state = "started".to_owned();
                action.started_at = Some(now);
                action.started_by = Some(actor.label.clone());
                Ok(view(&configuration, action, i64::try_from(issued.len()).unwrap_or(i64::MAX)))
            })
            .await?;
        self.wake.notify_one();
        Ok(view)
    }

    /// The credit office refuses to start it: nothing goes out under this memorandum.
    ///
    /// # Errors
    /// Without a reason, and as [`Self::confirm_action`].
    pub async fn refuse_action(&self, actor: &Actor, id: Uuid, reason: &str) -> Result<ActionView> {
        let reason = plain_text("reason", reason, self.settings.text_chars_max)?;
        if reason.is_empty() {
            return Err(Problem::new(&REFUSAL_REASON_MISSING));
        }
        let configuration = self.configuration.get();
        let now = self.clock.now();
        self.db
            .write(async |tx| {
                let mut action = proposed(tx, id).await?;
                actions::refused(tx, &action, &reason).await?;
                let cancelled = actions::cancel(tx, action.subject_id, id, now).await?;
                let detail = json!({ "memorandum": action.memorandum, "entry_id": action.entry_id, "cancelled": cancelled });
                record(tx, actor, Change::new("joint_action.refuse", "joint_action", id).about(action.subject_id).with(detail), now)
                    .await?;
                action.state = "refused".to_owned();
                action.refused_reason = Some(reason.clone());
                Ok(view(&configuration, action, 0))
            })
            .await
    }

    /// Joint actions, newest first.
    pub async fn actions(&self, state: Option<&str>, entry: Option<Uuid>, before: Option<Uuid>, limit: i64) -> Result<Vec<ActionView>> {
        let configuration = self.configuration.get();
        let rows = actions::list(&mut *self.db.read().await?, state, entry, before, limit).await?;
        Ok(rows.into_iter().map(|(row, directives)| view(&configuration, row, directives)).collect())
    }
}

async fn proposed(tx: &mut Tx<'_>, id: Uuid) -> Result<ActionRow> {
    let action = actions::locked(tx, id).await?.ok_or_else(|| Problem::new(&ACTION_NOT_FOUND))?;
    if action.state == "proposed" { Ok(action) } else { Err(Problem::new(&ACTION_WRONG_STATE).with("state", action.state)) }
}

fn view(configuration: &Configuration, row: ActionRow, directives: i64) -> ActionView {
    let memorandum_name = configuration.memoranda.get(&row.memorandum).map(|m| m.body.name.clone()).unwrap_or_default();
    ActionView {
        id: row.id,
        subject_id: row.subject_id,
        entry_id: row.entry_id,
        list: row.list,
        memorandum: row.memorandum,
        memorandum_name,
        region: row.region,
        state: row.state,
        automatic: row.automatic,
        proposed_at: row.proposed_at,
        started_at: row.started_at,
        started_by: row.started_by,
        refused_reason: row.refused_reason,
        ended_at: row.ended_at,
        end_cause: row.end_cause,
        directives,
    }
}
