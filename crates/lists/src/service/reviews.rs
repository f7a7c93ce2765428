//! Questioned grounds: the authority is called to decide, reminded, and when its day is over the credit office is told. Nothing is decided for it. Each
//! questioning is spoken of once a topic; what nobody has yet is withdrawn when there is nothing to decide any more.

use super::{Lists, definition};
use crate::store::entries::Entry;
use crate::store::reviews::{self, Horizon, Questioned, Swept};
use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::{Change, record};
use credence_catalog::configuration::Configuration;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use credence_dispatch::model::actions::working_days;
use credence_dispatch::model::directives::working_days_back;
use credence_dispatch::service::messages::{NewMessage, send, withdraw};
use credence_identity::directory::Snapshot;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Topics of messages about a questioned ground: that it is, that its last day is near, that it is over, and that to the credit office.
const QUESTIONED: &str = "list.ground_questioned";
const DUE: &str = "list.ground_review_due";
const OVERDUE: &str = "list.ground_review_overdue";
const ESCALATED: &str = "list.ground_review_escalated";

/// Kind of agency that watches over what others owe.
const WATCHING: &str = "credit_office";

/// A message about a questioned ground; its body tells the list and the days, nothing of the subject.
fn message(
    configuration: &Configuration,
    entry: &Questioned,
    (agency_id, topic): (Uuid, &'static str),
    particulars: &[(&str, Value)],
) -> NewMessage {
    let list_name = definition(configuration, &entry.list).map(|list| list.body.name.clone());
    let mut body =
        json!({ "list": entry.list, "list_name": list_name, "state": entry.state, "review_by": entry.ground_review_by.to_string() });
    if let Some(map) = body.as_object_mut() {
        map.extend(particulars.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    NewMessage {
        subject_id: entry.subject_id,
        agency_id,
        topic,
        about_kind: "list_entry",
        about_id: entry.id,
        key: entry.key(),
        body,
        due_on: Some(entry.ground_review_by),
        receipt: false,
    }
}

/// Calls the authorities of entries that have just been questioned; `rules` set the last days, by list.
pub(super) async fn call(
    tx: &mut Tx<'_>,
    configuration: &Configuration,
    questioned: &[Questioned],
    rules: &BTreeMap<&str, String>,
    now: DateTime<Utc>,
) -> Result<()> {
    let of = |entry: &Questioned| {
        let rule = rules.get(entry.list.as_str()).map(|rule| ("rule", Value::from(rule.clone())));
        message(configuration, entry, (entry.agency_id, QUESTIONED), rule.as_slice())
    };
    let messages: Vec<NewMessage> = questioned.iter().map(of).collect();
    if !messages.is_empty() {
        send(tx, &messages, now).await?;
    }
    Ok(())
}

/// There is nothing to decide about the ground of an entry any more: what was said about it and nobody has yet is withdrawn. `entry` is as it was before.
pub(super) async fn call_off(tx: &mut Tx<'_>, entry: &Entry, now: DateTime<Utc>) -> Result<()> {
    if entry.ground_state == "questioned" {
        for topic in [QUESTIONED, DUE, OVERDUE, ESCALATED] {
            withdraw(tx, Some(topic), &[entry.id], now).await?;
        }
    }
    Ok(())
}

/// The offices that watch over agencies of a region: those of the region and above it, or all there are where it has none.
fn offices(directory: &Snapshot, region: &str) -> Vec<Uuid> {
    let all = || directory.agencies().filter(|agency| agency.kind == WATCHING);
    let above: Vec<Uuid> = all().filter(|office| directory.is_within(region, &office.region)).map(|office| office.id).collect();
    if above.is_empty() { all().map(|office| office.id).collect() } else { above }
}

/// What a sweep goes by on a day.
struct Reminding {
    horizon: Horizon,
    /// Rules of reminding before and of telling the credit office, `id@version` each.
    before: String,
    after: String,
}

impl Reminding {
    /// Reckons it (`list.review_remind_before_wd`, `list.review_escalate_after_wd`).
    fn on(configuration: &Configuration, directory: &Snapshot, today: NaiveDate) -> Result<Self> {
        let (soon_until, before) = working_days(configuration, "list.review_remind_before_wd", today)?;
        let found = configuration.rulebook.rule_or_first("list.review_escalate_after_wd", today);
        let number = found.and_then(|rule| Some((u32::try_from(rule.value.as_i64()?).ok()?, rule)));
        let until = number.and_then(|(days, rule)| Some((working_days_back(&configuration.rulebook.calendar, today, days)?, rule)));
        let (escalated_until, rule) =
            until.ok_or_else(|| Problem::internal(format!("no rule list.review_escalate_after_wd on {today}")))?;
        let watched = directory.agencies().any(|agency| agency.kind == WATCHING);
        let horizon = Horizon { today, soon_until, escalated_until: watched.then_some(escalated_until) };
        Ok(Self { horizon, before, after: format!("{}@{}", rule.id, rule.version) })
    }
}

/// The messages that a kind of reminder of an entry is.
fn reminders(configuration: &Configuration, directory: &Snapshot, by: &Reminding, entry: &Questioned, kind: &str) -> Vec<NewMessage> {
    let to = entry.agency_id;
    match kind {
        "due" => vec![message(configuration, entry, (to, DUE), &[("rule", by.before.clone().into())])],
        "overdue" => vec![message(configuration, entry, (to, OVERDUE), &[])],
        _ => {
            let authority = directory.agency(to).map(|agency| json!({ "code": agency.code, "name": agency.name }));
            let particulars = [("rule", by.after.clone().into()), ("authority", authority.unwrap_or_default())];
            let offices = offices(directory, &entry.region).into_iter();
            offices.map(|office| message(configuration, entry, (office, ESCALATED), &particulars)).collect()
        }
    }
}

impl Lists {
    /// Reminds authorities of grounds they have to decide about, before the last day and after it, and tells the credit office of those that are long
    /// past it; returns how many messages were sent. With none owed nothing is written.
    ///
    /// # Errors
    /// When a rule is missing, or the database cannot be reached; what was sent before stays.
    pub async fn remind_reviews(&self) -> Result<usize> {
        let configuration = self.configuration.fresh(&self.db).await?;
        let now = self.clock.now();
        let directory = self.directory.get(&self.db, now).await?;
        let by = Reminding::on(&configuration, &directory, china_date(now))?;
        if !reviews::any_owed(&mut *self.db.read().await?, &by.horizon).await? {
            return Ok(0);
        }
        let (mut total, mut swept) = (0, Swept::default());
        loop {
            let (sent, last) = self
                .db
                .write(async |tx| {
                    let owed = reviews::owed(tx, &by.horizon, swept, self.settings.step_subjects).await?;
                    let sent = remind(tx, &configuration, &directory, &by, &owed, now).await?;
                    if sent == 0 {
                        // Another sweep was faster, or somebody decided.
                        tx.mark_recorded();
                    }
                    Ok((sent, owed.last().map(Questioned::swept)))
                })
                .await?;
            total += sent;
            let Some(last) = last else { break };
            swept = last;
        }
        if total > 0 {
            self.wake.notify_one();
        }
        Ok(total)
    }
}

/// Sends what is owed about some entries, and records it of each; how many messages.
async fn remind(
    tx: &mut Tx<'_>,
    configuration: &Configuration,
    directory: &Snapshot,
    by: &Reminding,
    owed: &[Questioned],
    now: DateTime<Utc>,
) -> Result<usize> {
    let actor = Actor::system("reminders");
    let mut total = 0;
    for kind in ["due", "overdue", "escalated"] {
        let of: Vec<&Questioned> = owed.iter().filter(|entry| entry.kinds.iter().any(|owes| owes == kind)).collect();
        let messages: Vec<NewMessage> = of.iter().flat_map(|entry| reminders(configuration, directory, by, entry, kind)).collect();
        if messages.is_empty() {
            continue;
        }
        let sent = send(tx, &messages, now).await?;
        let mut told: BTreeMap<Uuid, usize> = BTreeMap::new();
        for one in &sent {
            *told.entry(one.about_id).or_default() += 1;
        }
        for entry in of {
            let Some(agencies) = told.get(&entry.id) else { continue };
            let detail = json!({
                "list": entry.list, "kind": kind, "review_by": entry.ground_review_by, "agencies": agencies,
                "rules": format!("{} {}", by.before, by.after)
            });
            record(tx, &actor, Change::new("list_entry.remind", "list_entry", entry.id).about(entry.subject_id).with(detail), now).await?;
        }
        total += sent.len();
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sweep_asks_for_the_topics_that_are_sent() {
        // The statement that tells what is owed puts a topic together from the kind.
        for (kind, topic) in [("due", DUE), ("overdue", OVERDUE), ("escalated", ESCALATED)] {
            assert_eq!(format!("list.ground_review_{kind}"), topic);
        }
    }
}
