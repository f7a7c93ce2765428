//! How entries end, whatever the cause: the entry leaves, its notice goes out on the list's channel, and what rests on it is lifted, in one transaction.

use super::reviews::call_off;
use super::{Lists, Ready, about, blocks, definition};
use crate::store::entries::{self, Entry};
use crate::store::follow;
use chrono::{DateTime, Days, Utc};
use credence_audit::{Change, record};
use credence_catalog::configuration::Configuration;
use credence_catalog::disclosure::{Door, Viewer};
use credence_catalog::lists::ListDefinition;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use credence_dispatch::model::actions::Deadlines;
use credence_dispatch::service::actions::lift;
use credence_identity::directory::Snapshot;
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// What is published of an entry whose record a case deleted.
const CORRECTED_BY_CASE: &str = "经异议处理更正";

impl Lists {
    /// Ends entries of one list: each leaves it, its notice goes out, and what rests on it is lifted.
    pub(super) async fn end(
        &self,
        tx: &mut Tx<'_>,
        ready: &Ready,
        actor: &Actor,
        ended: &[Entry],
        (cause, reason): (&str, &str),
    ) -> Result<()> {
        let deadlines = Deadlines::reckon(&ready.configuration, ready.today)?;
        for entry in ended {
            entries::exit(tx, entry, cause, reason, ready.today, ready.now).await?;
            call_off(tx, entry, ready.now).await?;
            if let Some(found) = definition(&ready.configuration, &entry.list) {
                self.publish_exit(tx, ready, &found.body, entry, (cause, reason)).await?;
            }
            entries::step(
                tx,
                (entry.subject_id, entry.id),
                ("exit", Some("listed"), "exited"),
                actor,
                json!({ "cause": cause, "reason": reason }),
                ready.now,
            )
            .await?;
            let lifted = lift(tx, &[(entry.subject_id, entry.id)], cause, &deadlines, ready.now).await?;
            let detail =
                json!({ "list": entry.list, "cause": cause, "reason": reason, "releases": lifted.releases, "cancelled": lifted.cancelled });
            record(tx, actor, Change::new("list_entry.exit", "list_entry", entry.id).about(entry.subject_id).with(detail), ready.now)
                .await?;
        }
        Ok(())
    }

    async fn publish_exit(
        &self,
        tx: &mut Tx<'_>,
        ready: &Ready,
        definition: &ListDefinition,
        entry: &Entry,
        (cause, reason): (&str, &str),
    ) -> Result<()> {
        // What everybody may not know of is not announced to everybody either; of a mirror only what was wrong is, its own source tells the rest.
        let Some(name) = self.public_name(ready, definition, entry).filter(|_| entry.keeping == "native" || cause == "correction") else {
            return Ok(());
        };
        let reason = self.public_text(ready, definition, entry, reason);
        let rule = definition.native.as_ref().and_then(|n| n.notice_days_rule.as_deref()).unwrap_or("list.correction_notice_days");
        let days = ready.configuration.rulebook.rule_or_first(rule, ready.today).and_then(|rule| u64::try_from(rule.value.as_i64()?).ok());
        let until = days.and_then(|days| ready.today.checked_add_days(Days::new(days)));
        let until = until.ok_or_else(|| Problem::internal(format!("no rule {rule}")))?;
        let (kind, body) = match cause {
            "correction" => (
                "correction",
                format!(
                    "此前将{name}列入{}有误，现予更正并移出，相关措施一并解除。更正事由：{reason}。由此造成的不良影响，特此消除并致歉。",
                    definition.name
                ),
            ),
            _ => ("exit", format!("{name}已移出{}。事由：{reason}。", definition.name)),
        };
        entries::publish_notice(tx, entry, kind, &name, &body, Some(until), ready.now).await
    }

    /// Commendations of subjects that now stand on a list of dishonesty, or have an adverse record, end.
    pub(super) async fn end_commendations(&self, tx: &mut Tx<'_>, ready: &Ready, subjects: &[Uuid], reason: &str) -> Result<()> {
        let families = follow::families(tx, subjects).await?;
        let red = entries::commendations(tx, &families).await?;
        self.end(tx, ready, &Actor::system("lists"), &red, ("negative_record", reason)).await
    }

    /// Commendations among these subjects that something adverse has appeared against, end.
    pub(super) async fn end_blocked_commendations(
        &self,
        tx: &mut Tx<'_>,
        configuration: &Arc<Configuration>,
        directory: &Arc<Snapshot>,
        subjects: &[Uuid],
        now: DateTime<Utc>,
    ) -> Result<()> {
        let ready = Ready { configuration: Arc::clone(configuration), directory: Arc::clone(directory), now, today: china_date(now) };
        for entry in entries::commendations(tx, subjects).await? {
            let family = follow::families(tx, &[entry.subject_id]).await?;
            let found = blocks(tx, &ready, &family).await?;
            if !found.is_empty() {
                let reason = format!("出现失信记录或列入失信名单：{}", found.join("、"));
                self.end(tx, &ready, &Actor::system("lists"), &[entry], ("negative_record", &reason)).await?;
            }
        }
        Ok(())
    }

    /// Entries whose last day is over leave; how many.
    pub(super) async fn end_expired(
        &self,
        tx: &mut Tx<'_>,
        configuration: &Arc<Configuration>,
        directory: &Arc<Snapshot>,
        expired: &[Entry],
        now: DateTime<Utc>,
    ) -> Result<()> {
        let ready = Ready { configuration: Arc::clone(configuration), directory: Arc::clone(directory), now, today: china_date(now) };
        self.end(tx, &ready, &Actor::system("calendar"), expired, ("expiry", "列入期限届满")).await
    }

    /// The notice of an entry of a mirror that its source took back as wrong. What a decision about a case says stays with the case.
    pub(super) async fn publish_mirror_corrections(
        &self,
        tx: &mut Tx<'_>,
        configuration: &Arc<Configuration>,
        directory: &Arc<Snapshot>,
        corrected: &[Entry],
        now: DateTime<Utc>,
    ) -> Result<()> {
        let ready = Ready { configuration: Arc::clone(configuration), directory: Arc::clone(directory), now, today: china_date(now) };
        let keys: Vec<(Uuid, Uuid)> = corrected.iter().map(|entry| (entry.subject_id, entry.id)).collect();
        let by_case = follow::deleted_by_case(tx, &keys).await?;
        for entry in corrected {
            if let Some(found) = definition(configuration, &entry.list) {
                let decided = by_case.contains(&entry.id);
                let reason = if decided { CORRECTED_BY_CASE.to_owned() } else { entry.exit_reason.clone().unwrap_or_default() };
                self.publish_exit(tx, &ready, &found.body, entry, ("correction", &reason)).await?;
            }
        }
        Ok(())
    }

    /// The subject's name as everybody may see it; none when everybody may not know of the entry.
    pub(super) fn public_name(&self, ready: &Ready, definition: &ListDefinition, entry: &Entry) -> Option<String> {
        let viewer = Viewer::public();
        let door = Door::open(&ready.configuration.disclosure, &viewer, ready.today);
        let name = entry.subject_name.as_deref().unwrap_or_default();
        door.entry(definition, about(entry), entry.agency_id).and_then(|sight| door.name(&sight, name))
    }

    /// A text as everybody may see it.
    pub(super) fn public_text(&self, ready: &Ready, definition: &ListDefinition, entry: &Entry, text: &str) -> String {
        let viewer = Viewer::public();
        let door = Door::open(&ready.configuration.disclosure, &viewer, ready.today);
        door.entry(definition, about(entry), entry.agency_id).and_then(|sight| door.text(&sight, text)).unwrap_or_else(|| "略".to_owned())
    }
}
