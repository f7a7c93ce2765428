//! How lists follow what is under them. [`Lists::follow`] reads the change feed; for every subject that a load, a correction, a withdrawal or an undo
//! touched it reckons anew what follows: mirrors show what their source says, native entries whose document changed are held until the authority has
//! decided, commendations end when something adverse appears. Done twice, it comes to the same, so the place in the feed moves after the work.
//! [`Lists::end_overdue`] is the other clock: entries whose last day is over leave.

use super::reviews::call;
use super::{Lists, definition};
use crate::store::entries::{self, Entry};
use crate::store::follow::{self, Mirror, Moved};
use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::feed::{self, FeedEntry, Position};
use credence_audit::{Change, record};
use credence_catalog::configuration::Configuration;
use credence_catalog::lists::{Keeping, ListDefinition, MirrorList};
use credence_catalog::model::Role;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::Result;
use credence_db::Tx;
use credence_dispatch::model::actions::{Deadlines, Listed, Plan, working_days};
use credence_dispatch::service::actions::{hold, lift, start, updated};
use credence_identity::directory::Snapshot;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use uuid::Uuid;

/// Its name among the readers of the feed.
pub const READER: &str = "lists";
/// So many entries that move together are recorded one by one.
const MOVES_EACH: usize = 50;
/// Entries of the feed read at once.
const FEED_PAGE: i64 = 200;
/// How often reviews that are due are looked for: their days turn at midnight.
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// What one step of following needs.
struct Ground {
    configuration: Arc<Configuration>,
    directory: Arc<Snapshot>,
    deadlines: Deadlines,
    now: DateTime<Utc>,
    today: NaiveDate,
}

impl Lists {
    /// Follows the change feed and the calendar until told to stop.
    pub async fn run(self, mut stopping: watch::Receiver<bool>, poll: Duration) {
        let mut looked: Option<Instant> = None;
        while !*stopping.borrow() {
            let moved = match self.follow().await {
                Ok(entries) => entries > 0,
                Err(problem) => {
                    tracing::warn!(code = problem.code(), cause = problem.internal.as_deref(), "lists cannot follow the change feed");
                    false
                }
            };
            if let Err(problem) = self.end_overdue().await {
                tracing::warn!(
                    code = problem.code(),
                    cause = problem.internal.as_deref(),
                    "lists cannot end entries whose last day is over"
                );
            }
            if looked.is_none_or(|at| at.elapsed() >= REMIND_EVERY) {
                looked = Some(Instant::now());
                if let Err(problem) = self.remind_reviews().await {
                    tracing::warn!(
                        code = problem.code(),
                        cause = problem.internal.as_deref(),
                        "lists cannot look for reviews that are due"
                    );
                }
            }
            if moved {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(poll) => {}
                _ = stopping.changed() => {}
            }
        }
    }

    /// Deals with what is new in the feed, up to a page of it; how many entries.
    ///
    /// # Errors
    /// When the database cannot be reached; the place in the feed has not moved then.
    pub async fn follow(&self) -> Result<usize> {
        let configuration = self.configuration.fresh(&self.db).await?;
        self.follow_definitions(&configuration).await?;
        let from = feed::place(&self.db, READER).await?;
        let entries = feed::read(&self.db, from, FEED_PAGE).await?;
        for (at, entry) in entries.iter().enumerate() {
            // The place moves after every entry that had an effect, and once over those that had none.
            if self.follow_one(&configuration, entry).await? || at + 1 == entries.len() {
                self.move_to(READER, entry.position()).await?;
            }
        }
        Ok(entries.len())
    }

    async fn move_to(&self, reader: &str, position: Position) -> Result<()> {
        let now = self.clock.now();
        self.db.write(async |tx| feed::move_to(tx, reader, position, now).await).await
    }

    /// Mirrors whose definition is new, or that came into force or went out of it, are filled or emptied from the records there are: the feed told of
    /// those before. Where each has come to is kept like a place in the feed.
    async fn follow_definitions(&self, configuration: &Arc<Configuration>) -> Result<()> {
        let today = self.clock.today();
        for (version, list) in mirrors(configuration) {
            let Some(source) = &list.mirror else { continue };
            let reader = format!("lists {}", list.code);
            let wanted = Position { xid: i64::from(version), id: i64::from(list.in_force(today)) };
            let stands = feed::place(&self.db, &reader).await?;
            if stands == wanted {
                continue;
            }
            let mut after = Uuid::nil();
            loop {
                let page = self.settings.step_subjects;
                let subjects = follow::subjects_of_mirror(&mut *self.db.read().await?, &list.code, &source.item, after, page).await?;
                let Some(last) = subjects.last().copied() else { break };
                self.reconsider(configuration, &subjects).await?;
                after = last;
            }
            let now = self.clock.now();
            self.db.write(async |tx| feed::stand_at(tx, &reader, wanted, now).await).await?;
        }
        Ok(())
    }

    /// Deals with one entry of the feed; whether there was anything to do.
    async fn follow_one(&self, configuration: &Arc<Configuration>, entry: &FeedEntry) -> Result<bool> {
        let number = |key: &str| entry.payload.get(key).and_then(Value::as_i64);
        let subjects = match (entry.topic.as_str(), entry.subject_id) {
            (
                "record.correct" | "record.withdraw" | "record.repair" | "record.shield" | "record.unshield" | "record.stop"
                | "unmatched_row.link" | "subject.merge" | "subject.unmerge",
                Some(subject),
            ) => {
                vec![subject]
            }
            // The first file of a batch numbers its rows from 1; in a file that brings refused rows back they keep the numbers of the first.
            ("records.loaded", _) => match (number("round"), number("first_row"), number("rows")) {
                (Some(1), Some(first), Some(rows)) => self.touched(configuration, entry.object_id, (first + 1, first + rows)).await?,
                _ => self.touched(configuration, entry.object_id, (0, i64::MAX)).await?,
            },
            ("records.undone", _) => {
                let rows = (number("first_row").unwrap_or(0), number("last_row").unwrap_or(i64::MAX));
                self.touched(configuration, entry.object_id, rows).await?
            }
            // What a whole list lacked has no row in it.
            ("records.absent", _) => self.touched(configuration, entry.object_id, (0, 0)).await?,
            _ => return Ok(false),
        };
        for some in subjects.chunks(usize::try_from(self.settings.step_subjects).unwrap_or(1).max(1)) {
            self.reconsider(configuration, some).await?;
        }
        Ok(true)
    }

    /// The subjects that rows of a batch are about: all of them when its item is mirrored, else those who have entries of their own.
    async fn touched(&self, configuration: &Configuration, batch: Uuid, rows: (i64, i64)) -> Result<Vec<Uuid>> {
        let mut conn = self.db.read().await?;
        let Some(item) = follow::item_of_batch(&mut conn, batch).await? else { return Ok(Vec::new()) };
        let mirrored = mirrors(configuration).any(|(_, list)| list.mirror.as_ref().is_some_and(|m| m.item == item));
        if mirrored {
            follow::subjects_of_batch(&mut conn, batch, rows).await
        } else {
            follow::native_subjects_of_batch(&mut conn, batch).await
        }
    }

    /// Reckons anew, in one transaction, what follows for these subjects from the records they have now.
    ///
    /// # Errors
    /// When the database cannot be reached, or a rule that sets a deadline is missing.
    pub async fn reconsider(&self, configuration: &Arc<Configuration>, subjects: &[Uuid]) -> Result<()> {
        let now = self.clock.now();
        let today = china_date(now);
        let directory = self.directory.get(&self.db, now).await?;
        let deadlines = Deadlines::reckon(configuration, today)?;
        let ground = Ground { configuration: Arc::clone(configuration), directory, deadlines, now, today };
        let changed = self
            .db
            .write(async |tx| {
                entries::take_turn(tx).await?;
                let mut changed = 0;
                for (version, list) in mirrors(configuration) {
                    changed += self.reconsider_mirror(tx, &ground, version, list, subjects).await?;
                }
                changed += move_on(tx, subjects, now).await?;
                changed += self.question(tx, &ground, subjects).await?;
                // What is said about one of a merged family is said about the subject it is read through.
                let families = follow::families(tx, subjects).await?;
                self.end_blocked_commendations(tx, configuration, &ground.directory, &families, now).await?;
                // Most subjects have nothing that follows; then nothing is written.
                tx.mark_recorded();
                Ok(changed)
            })
            .await?;
        if changed > 0 {
            self.wake.notify_one();
        }
        Ok(())
    }

    async fn reconsider_mirror(
        &self,
        tx: &mut Tx<'_>,
        ground: &Ground,
        version: i32,
        list: &ListDefinition,
        subjects: &[Uuid],
    ) -> Result<usize> {
        let Some(source) = &list.mirror else { return Ok(0) };
        let item = ground.configuration.items.get(&source.item).map(|v| &v.item);
        let basis = list.legal_basis.join("；");
        let mirror = Mirror {
            list: &list.code,
            version,
            kind: list.kind.code(),
            item: &source.item,
            legal_basis: &basis,
            facts_field: source.facts_field.as_deref(),
            document_field: item.and_then(|i| i.with_role(Role::DecisionNo)).map(|f| f.code.as_str()),
            subject_kinds: list.subject_kinds.iter().map(|kind| kind.code()).collect(),
            in_force: list.in_force(ground.today),
        };
        let actor = Actor::system("mirror");
        let gone = follow::leave(tx, &mirror, subjects, ground.today, ground.now).await?;
        for cause in gone.iter().map(|m| m.cause.as_str()).collect::<BTreeSet<_>>() {
            let entries: Vec<(Uuid, Uuid)> = gone.iter().filter(|m| m.cause == cause).map(|m| (m.subject_id, m.id)).collect();
            let lifted = lift(tx, &entries, cause, &ground.deadlines, ground.now).await?;
            if cause == "correction" {
                let corrected = follow::entries(tx, &entries).await?;
                self.publish_mirror_corrections(tx, &ground.configuration, &ground.directory, &corrected, ground.now).await?;
            }
            let detail = json!({ "list": list.code, "cause": cause, "entries": entries.len(), "releases": lifted.releases, "cancelled": lifted.cancelled });
            self.record_moves(
                tx,
                &actor,
                "list_entry.exit",
                &gone.iter().filter(|m| m.cause == cause).cloned().collect::<Vec<_>>(),
                detail,
                ground.now,
            )
            .await?;
        }
        let restated = follow::restate(tx, &mirror, subjects, ground.today, ground.now).await?;
        if !restated.is_empty() {
            let entries: Vec<(Uuid, Uuid)> = restated.iter().map(|m| (m.subject_id, m.id)).collect();
            let updates = updated(tx, &entries, ground.now).await?;
            let detail = json!({ "list": list.code, "updates": updates });
            self.record_moves(tx, &actor, "list_entry.restate", &restated, detail, ground.now).await?;
        }
        let entered = follow::enter(tx, &mirror, subjects, ground.today, ground.now).await?;
        if !entered.is_empty() {
            let regions: BTreeSet<String> = entered.iter().map(|m| m.region.clone()).collect();
            let plan = Plan::draw(&ground.configuration, &ground.directory, &list.code, &regions, None, ground.today);
            let listed: Vec<Listed> =
                entered.iter().map(|m| Listed { subject_id: m.subject_id, entry_id: m.id, region: m.region.clone() }).collect();
            let started = start(tx, &plan, &listed, &ground.deadlines, ground.now).await?;
            let detail = json!({ "list": list.code, "entries": entered.len(), "directives": started.directives });
            self.record_moves(tx, &actor, "list_entry.list", &entered, detail, ground.now).await?;
        }
        Ok(gone.len() + restated.len() + entered.len())
    }

    /// Change entries of what moved: one for each entry when they are few, so that each subject's log tells it; else one that names them all.
    async fn record_moves(
        &self,
        tx: &mut Tx<'_>,
        actor: &Actor,
        action: &str,
        moved: &[Moved],
        detail: Value,
        now: DateTime<Utc>,
    ) -> Result<()> {
        if moved.len() <= MOVES_EACH {
            for one in moved {
                record(tx, actor, Change::new(action, "list_entry", one.id).about(one.subject_id).with(detail.clone()), now).await?;
            }
            return Ok(());
        }
        let mut detail = detail;
        if let Some(map) = detail.as_object_mut() {
            map.insert("entry_ids".to_owned(), moved.iter().map(|m| m.id.to_string()).collect());
        }
        record(tx, actor, Change::new(action, "list_entries", Uuid::now_v7()).with(detail), now).await
    }

    /// Native entries whose document changed: what was not delivered is held, and the authority is called to decide.
    async fn question(&self, tx: &mut Tx<'_>, ground: &Ground, subjects: &[Uuid]) -> Result<usize> {
        let mut review_by = Vec::new();
        let mut rules = BTreeMap::new();
        for (code, list) in &ground.configuration.lists {
            if let Some(native) = &list.body.native {
                let (day, rule) = working_days(&ground.configuration, &native.review_rule, ground.today)?;
                review_by.push((code.clone(), day));
                rules.insert(code.as_str(), rule);
            }
        }
        let questioned = follow::question(tx, subjects, ground.now, &review_by).await?;
        let listed: Vec<(Uuid, Uuid)> = questioned.iter().filter(|e| e.state == "listed").map(|e| (e.subject_id, e.id)).collect();
        if !listed.is_empty() {
            hold(tx, &listed, ground.now).await?;
        }
        call(tx, &ground.configuration, &questioned, &rules, ground.now).await?;
        for entry in &questioned {
            let detail = json!({ "state": entry.state });
            record(
                tx,
                &Actor::system("records"),
                Change::new("list_entry.question", "list_entry", entry.id).about(entry.subject_id).with(detail),
                ground.now,
            )
            .await?;
        }
        Ok(questioned.len())
    }

    /// Entries whose last day is over leave, with all that rests on them; how many. They were not shown since their last day ended.
    ///
    /// # Errors
    /// When the database cannot be reached, or a rule that sets a deadline is missing.
    pub async fn end_overdue(&self) -> Result<usize> {
        let mut ended = 0;
        loop {
            let now = self.clock.now();
            let configuration = self.configuration.get();
            let directory = self.directory.get(&self.db, now).await?;
            let step = self
                .db
                .write(async |tx| {
                    entries::take_turn(tx).await?;
                    let expired: Vec<Entry> = follow::expired(tx, china_date(now), self.settings.step_subjects).await?;
                    if expired.is_empty() {
                        tx.mark_recorded();
                    } else {
                        self.end_expired(tx, &configuration, &directory, &expired, now).await?;
                    }
                    Ok(expired.len())
                })
                .await?;
            if step == 0 {
                return Ok(ended);
            }
            ended += step;
            self.wake.notify_one();
        }
    }
}

/// Native entries under whose document only its publicity was ended go on resting on it, unquestioned; who holds a directive of one is told of it.
async fn move_on(tx: &mut Tx<'_>, subjects: &[Uuid], now: DateTime<Utc>) -> Result<usize> {
    let onward = follow::move_on(tx, subjects, now).await?;
    let listed: Vec<(Uuid, Uuid)> = onward.iter().filter(|e| e.state == "listed").map(|e| (e.subject_id, e.id)).collect();
    let updates = updated(tx, &listed, now).await?;
    for entry in &onward {
        let detail = json!({ "state": entry.state, "version_id": entry.version_id, "updates": updates });
        let change = Change::new("list_entry.move_on", "list_entry", entry.id).about(entry.subject_id).with(detail);
        record(tx, &Actor::system("records"), change, now).await?;
    }
    Ok(onward.len())
}

/// The mirrors, each with its version: those that are not in force any more too, for what stands on them goes on following its source.
fn mirrors(configuration: &Configuration) -> impl Iterator<Item = (i32, &ListDefinition)> {
    configuration.lists.values().filter(|l| l.body.keeping == Keeping::Mirror).map(|l| (l.version, &l.body))
}

/// Since when a mirror is behind its source, if that is longer than its rule lets a row stay that left the source: `unread` is the instant of the oldest
/// entry of the feed that lists have not followed. Without a rule nobody can say that it may be so old.
pub(super) fn behind_since(
    configuration: &Configuration,
    source: &MirrorList,
    unread: Option<DateTime<Utc>>,
    today: NaiveDate,
) -> Option<DateTime<Utc>> {
    unread.filter(|at| working_days(configuration, &source.leave_rule, china_date(*at)).ok().is_none_or(|(last, _)| last < today))
}

/// Whether a mirror's source has been silent for longer than its rule allows. Without a rule nobody can say that it is up to date.
pub(super) fn is_stale(configuration: &Configuration, list: &str, fed: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    let Some(source) = definition(configuration, list).and_then(|l| l.body.mirror.as_ref()) else { return false };
    let rule = configuration.rulebook.rule_or_first(&source.stale_rule, china_date(now));
    let hours = rule.and_then(|rule| rule.value.as_i64());
    hours.is_none_or(|hours| fed.is_none_or(|at| now - at > chrono::Duration::hours(hours)))
}
