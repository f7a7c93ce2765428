//! Agency messages 工作消息: other domains tell agencies what is no directive, in the transaction in which they do what there is to tell
//! ([`send`], [`withdraw`]). A message is in the inbox of its agency and pushed to its endpoint, and an agency that only provides finds it in
//! [`Dispatch::agency_messages`]. It is handed out once, in the transaction that finds it not withdrawn; from then on it stays.

use super::Dispatch;
use super::directives::message::acting;
use crate::model::directives::{BAD_FEEDBACK, MessageSubject, Turn, plain_text};
use crate::model::messages::{
    Acknowledged, AgencyMessage, AgencyMessageView, MESSAGE_ACKNOWLEDGED, MESSAGE_NEEDS_NO_RECEIPT, MESSAGE_NOT_FOUND, MessageAbout,
    is_topic,
};
use crate::store::messages::{self as store, Locked, MessageRow, MessagesAsked};
use crate::store::push;
use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::{Change, record};
use credence_catalog::configuration::Configuration;
use credence_catalog::disclosure::{About, Door, Viewer, mask_name};
use credence_core::clock::china_date;
use credence_core::identifiers::person::find_in_text;
use credence_core::paging;
use credence_core::problem::{FORBIDDEN, Problem, Result};
use credence_core::{Actor, Permission};
use credence_db::Tx;
use credence_identity::directory::Snapshot;
use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

pub use crate::model::messages::{NewMessage, Sent};

/// Why a message is looked at, as the access log states it.
pub const PURPOSE: &str = "agency_message";

/// Puts messages into inboxes and on their way to endpoints, in the caller's transaction. One that was sent before (same subject, agency, topic and key)
/// and not withdrawn is not sent again. Returns those that are new. The caller records what it did, and wakes whoever pushes once it has committed.
///
/// # Errors
/// When a topic is none, or that of a directive, or the database fails.
pub async fn send(tx: &mut Tx<'_>, messages: &[NewMessage], now: DateTime<Utc>) -> Result<Vec<Sent>> {
    if let Some(wrong) = messages.iter().find(|m| !is_topic(m.topic) || m.topic.starts_with("directive.")) {
        return Err(Problem::internal(format!("{} is no topic of an agency message", wrong.topic)));
    }
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let sent = store::insert(tx, messages, now).await?;
    if !sent.is_empty() {
        let keys: Vec<(Uuid, Uuid)> = sent.iter().map(|s| (s.subject_id, s.id)).collect();
        push::enqueue_messages(tx, &keys, now).await?;
    }
    Ok(sent)
}

/// Withdraws messages about things, of one topic or of any, that nobody has yet: they are not shown any more, and what waits to be pushed is cancelled.
/// What was delivered stays. Returns how many were withdrawn; the caller records what it did.
///
/// # Errors
/// When the database fails.
pub async fn withdraw(tx: &mut Tx<'_>, topic: Option<&str>, about_ids: &[Uuid], now: DateTime<Utc>) -> Result<usize> {
    if about_ids.is_empty() {
        return Ok(0);
    }
    let withdrawn = store::withdraw(tx, topic, about_ids, now).await?;
    if !withdrawn.is_empty() {
        push::cancel_messages(tx, &withdrawn, now).await?;
    }
    Ok(withdrawn.len())
}

/// Marks locked messages as delivered that nobody had, and writes the trace of it. Returns how many; with none nothing is written.
pub(crate) async fn hand_out(tx: &mut Tx<'_>, actor: &Actor, agency: Uuid, locked: &[Locked], now: DateTime<Utc>) -> Result<usize> {
    let new: Vec<(Uuid, Uuid)> = locked.iter().filter(|l| l.turn() == Turn::Hand).map(|l| (l.subject_id, l.id)).collect();
    if new.is_empty() {
        return Ok(0);
    }
    store::mark_delivered(tx, &new, now).await?;
    let ids: Vec<Uuid> = new.iter().map(|(_, id)| *id).collect();
    let detail = json!({ "agency_id": agency, "count": ids.len(), "messages": ids });
    record(tx, actor, Change::new("agency_messages.deliver", "agency", agency).with(detail), now).await?;
    Ok(new.len())
}

/// Whom a message is about, as a viewer may see it. A person is told by the first character of the name only.
fn subject(configuration: &Configuration, viewer: &Viewer, row: &MessageRow, today: NaiveDate) -> MessageSubject {
    let door = Door::open(&configuration.disclosure, viewer, today);
    let natural = row.subject_kind.as_deref() == Some("natural_person");
    let name = row.subject_name.clone();
    MessageSubject {
        id: row.subject_id,
        kind: row.subject_kind.clone(),
        name: if natural { name.map(|n| mask_name(&n)) } else { name },
        uscc: row.uscc.clone().filter(|_| !natural && door.identifier(About::Organisation, "uscc")),
        document: None,
    }
}

/// A message as a viewer may see it.
fn seen(configuration: &Configuration, viewer: &Viewer, row: &MessageRow, today: NaiveDate) -> AgencyMessage {
    AgencyMessage {
        id: row.id,
        topic: row.topic.clone(),
        about: MessageAbout { kind: row.about_kind.clone(), id: row.about_id },
        subject: subject(configuration, viewer, row, today),
        due_on: row.due_on,
        receipt: row.receipt,
        body: row.body.clone(),
        issued_at: row.created_at,
        acknowledged_at: row.acknowledged_at,
    }
}

/// The message as its agency may see it.
pub(crate) fn message(configuration: &Configuration, directory: &Snapshot, row: &MessageRow, today: NaiveDate) -> AgencyMessage {
    seen(configuration, &acting(directory, row.agency_id), row, today)
}

/// The body of a message that is pushed. `None` when there is none with this key (subject, id).
pub(crate) async fn message_body(
    dispatch: &Dispatch,
    directory: &Snapshot,
    key: (Uuid, Uuid),
    conn: &mut AsyncPgConnection,
    today: NaiveDate,
) -> Result<Option<Value>> {
    let Some(row) = store::rows(conn, &[key]).await?.pop() else { return Ok(None) };
    let message = message(&dispatch.configuration.get(), directory, &row, today);
    serde_json::to_value(message).map(Some).map_err(Problem::internal)
}

/// Which messages somebody asks for; what is absent does not narrow.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Of a topic.
    pub topic: Option<String>,
    /// Has to be acknowledged and was not, or the others.
    pub open: Option<bool>,
    /// To an agency.
    pub agency: Option<Uuid>,
    /// Older than this one.
    pub before: Option<Uuid>,
}

impl Dispatch {
    /// Messages, newest first: the own agency's, or every agency's for those who supervise, with what was withdrawn; with the cursor of the next page.
    /// What the own agency had not had is handed out by that.
    ///
    /// # Errors
    /// When the topic is none, when the filter names another agency and the actor does not supervise, or the database cannot be read.
    pub async fn agency_messages(
        &self,
        actor: &Actor,
        filter: &MessageFilter,
        limit: i64,
    ) -> Result<(Vec<AgencyMessageView>, Option<String>)> {
        if filter.topic.as_deref().is_some_and(|topic| !is_topic(topic)) {
            return Err(Problem::malformed(
                "topic 形如 list.ground_questioned；请核对",
                "`topic` is written like list.ground_questioned; check it",
            ));
        }
        let now = self.clock.now();
        let today = china_date(now);
        let directory = self.directory.get(&self.db, now).await?;
        let configuration = self.configuration.fresh(&self.db).await?;
        let own = actor.agency.map(|agency| agency.0);
        let supervises = actor.may(Permission::SuperviseJointAction);
        let agency = if supervises {
            filter.agency
        } else {
            let own = actor.agency()?.0;
            if filter.agency.is_some_and(|id| id != own) {
                return Err(Problem::new(&FORBIDDEN));
            }
            Some(own)
        };
        let asked =
            MessagesAsked { agency, withdrawn: supervises, topic: filter.topic.as_deref(), open: filter.open, before: filter.before };
        // One more than the page holds tells whether there is a next one.
        let mut rows = store::list(&mut *self.db.read().await?, &asked, limit + 1).await?;
        let page_len = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > page_len;
        rows.truncate(page_len);
        let next = rows.last().filter(|_| more).map(|row| paging::encode(&row.id));
        if let Some(own) = own {
            self.hand_out_own(actor, own, &mut rows, now).await?;
        }
        let lineage = if actor.region.is_empty() { Vec::new() } else { directory.lineage(&actor.region) };
        let supervisor = Viewer::of(actor, lineage, false, Some(PURPOSE), None);
        let view = |row: MessageRow| {
            let message = if own == Some(row.agency_id) {
                message(&configuration, &directory, &row, today)
            } else {
                seen(&configuration, &supervisor, &row, today)
            };
            AgencyMessageView {
                message,
                agency_id: row.agency_id,
                agency: directory.agency(row.agency_id).map(|a| a.name.clone()),
                delivered_at: row.delivered_at,
                acknowledged_by: row.acknowledged_by,
                acknowledgement: row.acknowledgement,
                withdrawn_at: row.withdrawn_at,
            }
        };
        Ok((rows.into_iter().map(view).collect(), next))
    }

    /// Hands out what of these rows is the agency's own and nobody had. What was withdrawn meanwhile is taken out.
    async fn hand_out_own(&self, actor: &Actor, own: Uuid, rows: &mut Vec<MessageRow>, now: DateTime<Utc>) -> Result<()> {
        let fresh = |row: &MessageRow| row.agency_id == own && row.delivered_at.is_none() && row.withdrawn_at.is_none();
        let new: Vec<(Uuid, Uuid)> = rows.iter().filter(|row| fresh(row)).map(|row| (row.subject_id, row.id)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let turns: BTreeMap<Uuid, Turn> = self
            .db
            .write(async |tx| {
                let locked = store::lock(tx, &new).await?;
                if hand_out(tx, actor, own, &locked, now).await? == 0 {
                    // Somebody else was faster, and nothing is written.
                    tx.mark_recorded();
                }
                Ok(locked.iter().map(|l| (l.id, l.turn())).collect())
            })
            .await?;
        rows.retain(|row| !fresh(row) || turns.get(&row.id).is_some_and(|turn| *turn != Turn::Pass));
        for row in rows.iter_mut().filter(|row| fresh(row)) {
            row.delivered_at = Some(now);
        }
        Ok(())
    }

    /// The agency says what it did about a message 回执. The same said again changes nothing.
    ///
    /// # Errors
    /// When the text cannot be taken, when there is no such message of this agency, it needs no receipt, or was acknowledged with other words.
    pub async fn acknowledge_message(&self, actor: &Actor, id: Uuid, text: &str) -> Result<Acknowledged> {
        let text = plain_text("text", text, self.settings.text_chars_max)?;
        let bad = |zh: &str, en: &str| Problem::new(&BAD_FEEDBACK).with("field", "text").with("reason_zh", zh).with("reason", en);
        if text.is_empty() {
            return Err(bad("必须填写做了什么", "it has to say what was done"));
        }
        if !find_in_text(&text).is_empty() {
            return Err(bad("含有居民身份证号码，请删去", "holds a resident ID number; take it out"));
        }
        let agency = actor.agency()?.0;
        let now = self.clock.now();
        self.db
            .write(async |tx| {
                let unknown = || Problem::new(&MESSAGE_NOT_FOUND);
                if !store::lock_one(tx, agency, id).await? {
                    return Err(unknown());
                }
                let row = store::find(tx.conn(), id).await?.ok_or_else(unknown)?;
                if !row.receipt {
                    return Err(Problem::new(&MESSAGE_NEEDS_NO_RECEIPT));
                }
                if let (Some(acknowledged_at), Some(by)) = (row.acknowledged_at, &row.acknowledged_by) {
                    if row.acknowledgement.as_deref() != Some(text.as_str()) {
                        return Err(Problem::new(&MESSAGE_ACKNOWLEDGED).with("acknowledged_at", acknowledged_at.to_rfc3339()));
                    }
                    // It is so already; there is nothing to write.
                    tx.mark_recorded();
                    return Ok(Acknowledged { id, acknowledged_at, acknowledged_by: by.clone() });
                }
                store::acknowledge(tx, &row, &actor.label, &text, now).await?;
                // The words that were said stay with the message.
                let detail = json!({ "agency_id": agency, "topic": row.topic, "about_kind": row.about_kind, "about_id": row.about_id });
                let change = Change::new("agency_message.acknowledge", "agency_message", id).about(row.subject_id).with(detail);
                record(tx, actor, change, now).await?;
                Ok(Acknowledged { id, acknowledged_at: now, acknowledged_by: actor.label.clone() })
            })
            .await
    }
}
