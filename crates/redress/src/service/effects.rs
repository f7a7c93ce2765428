//! Effects are one event (invariant 8). [`Redress::follow`] reads the change feed: what was repaired, shielded, corrected, withdrawn, stopped or taken off a
//! list becomes an effect, once, with a follow-up for every projection of the program and for everybody who received the record before; agencies are told
//! in the same transaction, which moves the place in the feed too. [`Redress::settle`] asks for the receipts until there is one for each. Both may be
//! stopped anywhere and run beside each other: what was done is done once.
//!
//! The entry of a mirror has no effect of its own: it follows its record, which has one.

use super::Redress;
use crate::model::effects::{EffectKind, EffectView, FollowUp, FollowUpState, RecipientView, StillShown, Tracker, Verification, next_look};
use crate::model::notices::Template;
use crate::store::effects::{self as store, Due, EffectRow, EffectsAsked, FollowUpRow, FromLine, Gone, NewEffect, NewFollowUp, Origin};
use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::effects::{Effect, Projection};
use credence_audit::feed::{self, FeedEntry};
use credence_audit::{Change, record};
use credence_catalog::configuration::Configuration;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::paging;
use credence_core::problem::Result;
use credence_db::Tx;
use credence_dispatch::model::actions::working_days;
use credence_dispatch::service::messages::{NewMessage, send};
use credence_subjects::store as subjects;
use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use uuid::Uuid;

/// Its name among the readers of the feed.
pub const READER: &str = "effects";

/// Topic of the feed that tells that an agency said what it did about a message.
const ACKNOWLEDGED: &str = "agency_message.acknowledge";

/// Name of accounts in receipts: a person is not named.
const ACCOUNT: &str = "主体账户";

/// What an entry of the feed has to bring about.
struct Cause {
    kind: EffectKind,
    /// Why an entry left its list.
    cause: Option<String>,
    subject_id: Uuid,
}

impl Cause {
    fn of(entry: &FeedEntry) -> Option<Self> {
        let cause = entry.payload.get("cause").and_then(Value::as_str);
        let kind = EffectKind::of_topic(&entry.topic, cause)?;
        Some(Self { kind, cause: cause.map(str::to_owned), subject_id: entry.subject_id? })
    }

    fn target(&self) -> &'static str {
        if self.kind == EffectKind::Delisted { "entry" } else { "record" }
    }
}

/// Whether what projections wait for may have happened: a decision about an entry, the receipt of an agency, another change of a record.
fn stirs(topic: &str) -> bool {
    ["record.", "list_entry.", "directive."].iter().any(|domain| topic.starts_with(domain))
}

fn actor() -> Actor {
    Actor::system("effects")
}

/// Name of a catalogue item or list.
fn source_name(configuration: &Configuration, target: &str, source: &str) -> String {
    let name = if target == "entry" {
        configuration.lists.get(source).map(|list| list.body.name.clone())
    } else {
        configuration.items.get(source).map(|versioned| versioned.item.name.clone())
    };
    name.unwrap_or_else(|| source.to_owned())
}

impl Redress {
    /// Deals with what is new in the feed, up to a page of it; how many entries.
    ///
    /// # Errors
    /// When the database cannot be reached, or a rule that sets a day is missing; what was dealt with before stays dealt with.
    pub async fn follow(&self) -> Result<usize> {
        let from = feed::place(&self.db, READER).await?;
        let entries = feed::read(&self.db, from, self.settings.sweep_page).await?;
        let Some(last) = entries.last() else { return Ok(0) };
        let configuration = self.configuration.fresh(&self.db).await?;
        let mut stirred = BTreeSet::new();
        let acknowledged: Vec<Uuid> = entries.iter().filter(|entry| entry.topic == ACKNOWLEDGED).map(|entry| entry.object_id).collect();
        if !acknowledged.is_empty() {
            // Before the place moves past any of them: done again, it comes to the same.
            let now = self.clock.now();
            self.db
                .write(async |tx| {
                    store::wake_acknowledged(tx, &acknowledged, now).await?;
                    tx.mark_recorded();
                    Ok(())
                })
                .await?;
        }
        for entry in &entries {
            if let Some(cause) = Cause::of(entry) {
                self.take_effect(&configuration, entry, &cause).await?;
            }
            stirred.extend(entry.subject_id.filter(|_| stirs(&entry.topic)));
        }
        let (position, now) = (last.position(), self.clock.now());
        let stirred: Vec<Uuid> = stirred.into_iter().collect();
        self.db
            .write(async |tx| {
                feed::move_to(tx, READER, position, now).await?;
                store::wake(tx, &stirred, now).await
            })
            .await?;
        Ok(entries.len())
    }

    /// What one entry of the feed brings about, whole or not at all.
    async fn take_effect(&self, configuration: &Configuration, entry: &FeedEntry, cause: &Cause) -> Result<()> {
        let now = self.clock.now();
        let told = self
            .db
            .write(async |tx| {
                let (subject, object) = (cause.subject_id, entry.object_id);
                let origin = match cause.target() {
                    "entry" => store::entry_origin(tx, subject, object, entry.id).await?,
                    _ => store::record_origin(tx, subject, object, entry.id).await?,
                };
                let told = match origin {
                    Some(origin) if origin.mirrored => false,
                    Some(origin) => self.begin_effect(tx, configuration, entry, cause, &origin, now).await?,
                    None => {
                        tracing::error!(
                            topic = entry.topic.as_str(),
                            feed_id = entry.id,
                            "the feed tells of what is not there; nothing follows it"
                        );
                        false
                    }
                };
                feed::move_to(tx, READER, entry.position(), now).await?;
                Ok(told)
            })
            .await?;
        if told {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// The line that led to it, if one did.
    async fn line_of_effect(&self, tx: &mut Tx<'_>, entry: &FeedEntry, cause: &Cause) -> Result<Option<FromLine>> {
        let named = entry.payload.get("line_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        match (named, cause.kind) {
            (Some(line), _) => store::line(tx, cause.subject_id, line).await,
            (None, EffectKind::Delisted) => store::line_of_exit(tx, cause.subject_id, entry.object_id).await,
            (None, _) => Ok(None),
        }
    }

    /// Begins an effect: keeps it, tells agencies, and notes who has to follow. Whether anybody was told.
    async fn begin_effect(
        &self,
        tx: &mut Tx<'_>,
        configuration: &Configuration,
        entry: &FeedEntry,
        cause: &Cause,
        origin: &Origin,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let line = self.line_of_effect(tx, entry, cause).await?;
        let happened_on = china_date(origin.happened_at);
        let (due_on, rule) = working_days(configuration, cause.kind.rule(cause.cause.as_deref()), happened_on)?;
        let new = NewEffect {
            subject_id: cause.subject_id,
            id: Uuid::now_v7(),
            feed: (entry.xid, entry.id),
            kind: cause.kind.code(),
            target: cause.target(),
            target_id: entry.object_id,
            origin,
            line,
            due_on,
            rule: &rule,
        };
        if !store::insert(tx, &new).await? {
            return Ok(false);
        }
        let family = subjects::family(tx.conn(), cause.subject_id, now).await?;
        let decider = line.and_then(|line| line.decider).unwrap_or(origin.agency_id);
        let received = store::recipients(tx, &new, &family, decider, now).await?;
        // One that was closed could never answer; that it was left out is kept with the effect.
        let closed: Vec<Uuid> = received.iter().filter(|r| !r.active).map(|r| r.agency_id).collect();
        let active = received.iter().filter(|r| r.active);
        let messages: Vec<NewMessage> = active.map(|r| message(configuration, &new, cause.kind, r.agency_id)).collect();
        let sent = send(tx, &messages, now).await?;
        let accounts = store::accounts(tx, &family).await?;
        let codes = self.projection_codes().into_iter();
        let projections = codes.map(|code| NewFollowUp { kind: "projection", recipient: code.to_owned(), message_id: None });
        let agencies = sent.iter().map(|s| NewFollowUp { kind: "agency", recipient: s.agency_id.to_string(), message_id: Some(s.id) });
        let bound = accounts.iter().map(|id| NewFollowUp { kind: "account", recipient: id.to_string(), message_id: None });
        let all: Vec<NewFollowUp> = projections.chain(agencies).chain(bound).collect();
        store::add(tx, &new, &all, if line.is_some() { "case" } else { "own_file" }, now).await?;
        let detail = json!({
            "kind": new.kind, "target": new.target, "target_id": new.target_id, "source": origin.source, "due_on": due_on, "rule": rule,
            "case_id": line.map(|l| l.case_id), "line_id": line.map(|l| l.line_id), "projections": self.projections.len(),
            "agencies": sent.len(), "closed_agencies": closed, "accounts": accounts.len()
        });
        record(tx, &actor(), Change::new("effect.begin", "effect", new.id).about(new.subject_id).with(detail), now).await?;
        // With nobody to follow it is settled.
        store::settle(tx, new.subject_id, new.id, now).await?;
        Ok(!sent.is_empty())
    }

    /// Asks whoever is due for a receipt, and takes those of agencies; how many follow-ups were done by that.
    ///
    /// # Errors
    /// When the database cannot be reached. A projection that fails is asked again later.
    pub async fn settle(&self) -> Result<usize> {
        let now = self.clock.now();
        let codes = self.projection_codes();
        let mut done = 0;
        loop {
            let due = store::due(&mut *self.db.read().await?, &codes, now, self.settings.sweep_page).await?;
            if due.is_empty() {
                break;
            }
            for one in &due {
                done += usize::from(self.ask_projection(one, now).await?);
            }
        }
        loop {
            let acknowledged = store::acknowledged(&mut *self.db.read().await?, now, self.settings.sweep_page).await?;
            if acknowledged.is_empty() {
                break;
            }
            for one in &acknowledged {
                let receipt =
                    json!({ "delivered_at": one.delivered_at, "acknowledged_at": one.acknowledged_at, "text": one.acknowledgement });
                done += usize::from(self.close_follow_up(one, &receipt, now).await?);
            }
        }
        loop {
            let closed = store::closed(&mut *self.db.read().await?, self.settings.sweep_page).await?;
            if closed.is_empty() {
                break;
            }
            for one in &closed {
                done += usize::from(self.close_follow_up(one, &json!({ "closed_agency": true }), now).await?);
            }
        }
        Ok(done)
    }

    /// What was registered after an effect happened has to follow it too, as long as it is open. What this process registered does not change while it
    /// runs, so that once is enough.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn adopt_effects(&self) -> Result<()> {
        let now = self.clock.now();
        let codes = self.projection_codes();
        if !store::any_lacks(&mut *self.db.read().await?, &codes).await? {
            return Ok(());
        }
        self.db
            .write(async |tx| {
                let added = store::adopt(tx, &codes, now).await?;
                if added == 0 {
                    tx.mark_recorded();
                    return Ok(());
                }
                let detail = json!({ "projections": codes, "follow_ups": added });
                record(tx, &actor(), Change::new("effects.adopt", "effects", Uuid::now_v7()).with(detail), now).await
            })
            .await
    }

    fn projection_codes(&self) -> Vec<&'static str> {
        self.projections.iter().map(|projection| projection.code()).collect()
    }

    fn registered(&self, code: &str) -> Option<&Arc<dyn Projection>> {
        self.projections.iter().find(|projection| projection.code() == code)
    }

    /// Asks a projection; whether its follow-up was done by that.
    async fn ask_projection(&self, due: &Due, now: DateTime<Utc>) -> Result<bool> {
        let effect = due.effect();
        let standing = match self.registered(&due.recipient) {
            Some(projection) => projection.settle(&effect).await.map(Some),
            None => Ok(None),
        };
        let receipt = match standing {
            Ok(Some(standing)) if standing.shown == 0 => {
                return self.close_follow_up(due, &json!({ "checked_at": now, "detail": standing.detail }), now).await;
            }
            Ok(Some(standing)) => {
                json!({ "checked_at": now, "shown": standing.shown, "waits_until": standing.waits_until, "detail": standing.detail })
            }
            // It is not part of the program any more; an operator has to see that.
            Ok(None) => json!({ "checked_at": now, "error": "not_registered" }),
            Err(problem) => {
                let (projection, code) = (due.recipient.as_str(), problem.code());
                tracing::warn!(projection, code, cause = problem.internal.as_deref(), "a projection cannot tell whether an effect is so");
                json!({ "checked_at": now, "error": code })
            }
        };
        let next_at = next_look(due.attempts.saturating_add(1), now);
        self.db
            .write(async |tx| {
                store::looked(tx, due, &receipt, next_at).await?;
                // That somebody looked is no change of anything that is audited.
                tx.mark_recorded();
                Ok(false)
            })
            .await
    }

    /// Closes a follow-up with its receipt, and its effect when it was the last; whether it was open.
    async fn close_follow_up(&self, due: &Due, receipt: &Value, now: DateTime<Utc>) -> Result<bool> {
        let configuration = self.configuration.get();
        self.db
            .write(async |tx| {
                store::hold(tx, due).await?;
                if !store::close(tx, due, receipt, now).await? {
                    tx.mark_recorded();
                    return Ok(false);
                }
                let detail = json!({ "recipient_kind": due.recipient_kind, "recipient": due.recipient });
                let change = Change::new("effect.follow_up", "effect", due.effect_id).about(due.subject_id).with(detail);
                record(tx, &actor(), change, now).await?;
                if store::settle(tx, due.subject_id, due.effect_id, now).await? {
                    self.effect_settled(tx, &configuration, due, now).await?;
                }
                Ok(true)
            })
            .await
    }

    /// An effect is there, everywhere. When it was the last of its line, the applicant is told, once: what a review changes later is told by its own notice.
    async fn effect_settled(&self, tx: &mut Tx<'_>, configuration: &Configuration, due: &Due, now: DateTime<Utc>) -> Result<()> {
        let detail = json!({ "kind": due.kind, "target": due.target, "target_id": due.target_id, "case_id": due.case_id });
        record(tx, &actor(), Change::new("effect.settle", "effect", due.effect_id).about(due.subject_id).with(detail), now).await?;
        let (Some(case), Some(line)) = (due.case_id, due.line_id) else { return Ok(()) };
        if !store::carried_out(tx, line, due, &actor().label, now).await? {
            return Ok(());
        }
        let contact = self.contact(tx, case).await?;
        let values = json!({ "source_name": source_name(configuration, &due.target, &due.source) });
        self.enqueue(tx, &contact, Template::Done, &values, now).await
    }

    /// How far what was decided about a line has become true; none when nothing has to.
    pub(crate) async fn tracker(&self, conn: &mut AsyncPgConnection, line_id: Uuid) -> Result<Option<Tracker>> {
        let rows = store::of_line(conn, line_id).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        Ok(Some(Tracker::of(self.effect_views(conn, rows).await?)))
    }

    /// Effects with their follow-ups, as they are shown today.
    async fn effect_views(&self, conn: &mut AsyncPgConnection, rows: Vec<EffectRow>) -> Result<Vec<EffectView>> {
        let configuration = self.configuration.get();
        let today = self.clock.today();
        let keys: Vec<(Uuid, Uuid)> = rows.iter().map(|row| (row.subject_id, row.id)).collect();
        let mut of: BTreeMap<Uuid, Vec<RecipientView>> = BTreeMap::new();
        for row in store::follow_ups(conn, &keys).await? {
            let effect = row.effect_id;
            let seen = self.follow_up_of(row).seen(&configuration.rulebook.calendar, today);
            of.entry(effect).or_default().push(seen);
        }
        let view = |row: EffectRow| {
            let recipients = of.remove(&row.id).unwrap_or_default();
            effect_view(&configuration, row, recipients)
        };
        Ok(rows.into_iter().map(view).collect())
    }

    fn follow_up_of(&self, row: FollowUpRow) -> FollowUp {
        let mut receipt = row.receipt;
        if let (Some(map), Some(at)) = (receipt.as_object_mut(), row.delivered_at) {
            map.entry("delivered_at").or_insert_with(|| json!(at));
        }
        let name = match row.recipient_kind.as_str() {
            "projection" => self.registered(&row.recipient).map_or_else(|| row.recipient.clone(), |p| p.name().to_owned()),
            "agency" => row.agency.unwrap_or_else(|| row.recipient.clone()),
            _ => ACCOUNT.to_owned(),
        };
        FollowUp { kind: row.recipient_kind, recipient: row.recipient, name, due_on: row.due_on, done_at: row.done_at, receipt }
    }

    /// Effects, newest first, with the cursor of the next page: for those who supervise.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn effects(&self, asked: &EffectsAsked, limit: i64) -> Result<(Vec<EffectView>, Option<String>)> {
        let today = self.clock.today();
        let mut conn = self.db.read().await?;
        // One more than the page holds tells whether there is a next one.
        let mut rows = store::page(&mut conn, asked, today, limit + 1).await?;
        let page_len = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > page_len;
        rows.truncate(page_len);
        let next = rows.last().filter(|_| more).map(|row| paging::encode(&row.id));
        Ok((self.effect_views(&mut conn, rows).await?, next))
    }

    /// Looks whether everything that must not be seen any more is gone from everywhere, asked of records, lists and projections themselves, and whether
    /// each of them is followed. What is new in the feed is taken up first.
    ///
    /// # Errors
    /// When the database cannot be reached, or a projection cannot tell.
    pub async fn verify(&self) -> Result<Verification> {
        let page = usize::try_from(self.settings.sweep_page).unwrap_or(usize::MAX);
        while self.follow().await? >= page {}
        self.settle().await?;
        let checked_at = self.clock.now();
        let today = china_date(checked_at);
        let mut found =
            Verification { checked_at, targets: 0, still_shown: Vec::new(), waiting: Vec::new(), without_effect: 0, overdue: 0 };
        for of in [Gone::Hidden, Gone::Deleted, Gone::Delisted] {
            let mut after = (Uuid::nil(), Uuid::nil());
            loop {
                let rows = store::gone(&mut *self.db.read().await?, of, after, self.settings.sweep_page).await?;
                let Some(last) = rows.last() else { break };
                after = (last.subject_id, last.place);
                let targets: Vec<Effect> = rows.into_iter().map(|row| row.effect()).collect();
                self.verify_targets(&targets, today, &mut found).await?;
            }
        }
        found.overdue = store::overdue(&mut *self.db.read().await?, today).await?;
        Ok(found)
    }

    async fn verify_targets(&self, targets: &[Effect], today: NaiveDate, found: &mut Verification) -> Result<()> {
        found.targets += targets.len();
        found.without_effect += store::unfollowed(&mut *self.db.read().await?, targets, &self.projection_codes()).await?;
        for projection in self.projections.iter() {
            let shown = projection.still_shown(targets).await?;
            if shown.is_empty() {
                continue;
            }
            let waits = store::waiting(&mut *self.db.read().await?, targets, projection.code()).await?;
            let until: BTreeMap<Uuid, NaiveDate> = waits.into_iter().map(|w| (w.target_id, w.until)).collect();
            for target_id in shown {
                let waits_until = until.get(&target_id).copied();
                let still = StillShown { projection: projection.code().to_owned(), target_id, waits_until };
                if waits_until.is_some_and(|last| last >= today) { found.waiting.push(still) } else { found.still_shown.push(still) }
            }
        }
        Ok(())
    }
}

/// What an agency is told that received it. Nothing of it identifies a person.
fn message(configuration: &Configuration, new: &NewEffect<'_>, kind: EffectKind, agency_id: Uuid) -> NewMessage {
    let origin = new.origin;
    NewMessage {
        subject_id: new.subject_id,
        agency_id,
        topic: kind.topic(),
        about_kind: if new.target == "entry" { "list_entry" } else { "record" },
        about_id: new.target_id,
        key: new.id.to_string(),
        body: json!({
            "effect_id": new.id, "kind": new.kind, "source": origin.source,
            "source_name": source_name(configuration, new.target, &origin.source),
            "happened_at": origin.happened_at, "instruction": kind.instruction()
        }),
        due_on: Some(new.due_on),
        receipt: true,
    }
}

fn effect_view(configuration: &Configuration, row: EffectRow, recipients: Vec<RecipientView>) -> EffectView {
    let count = |state: FollowUpState| recipients.iter().filter(|r| r.state == state).count();
    let (done, overdue) = (count(FollowUpState::Done), count(FollowUpState::Overdue));
    EffectView {
        id: row.id,
        kind: row.kind,
        subject_id: row.subject_id,
        source_name: source_name(configuration, &row.target, &row.source),
        target: row.target,
        target_id: row.target_id,
        source: row.source,
        agency: row.agency,
        case_id: row.case_id,
        line_id: row.line_id,
        happened_at: row.happened_at,
        due_on: row.due_on,
        rule: row.rule,
        settled_at: row.settled_at,
        done,
        open: recipients.len() - done,
        overdue,
        recipients,
    }
}
