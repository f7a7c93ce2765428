//! The inbox of an agency. A reader says how far it has come and gets what follows, in the order in which it was committed; what nobody had before is
//! marked as delivered in the very transaction that finds its ground standing, or of an agency message that it was not withdrawn. Nothing is held
//! across a wait.

use super::super::{Dispatch, messages as agency_messages};
use super::{PURPOSE, message};
use crate::model::directives::{DirectiveState, INBOX_BUSY, InboxPage, InboxPosition, MessageReminder, Turn};
use crate::model::messages::InboxMessage;
use crate::store::directives::{self, DirectiveRow, Slot};
use crate::store::messages::{self as message_rows, MessageRow};
use chrono::{DateTime, Utc};
use credence_audit::access::{Statement, logged};
use credence_audit::{Change, record};
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::paging;
use credence_core::problem::{Problem, Result};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Pauses between the looks of a waiting call: the first, and what they grow to when nothing comes.
const POLL_FIRST: Duration = Duration::from_millis(200);
const POLL_LAST: Duration = Duration::from_secs(1);
/// Looks and pauses between them when what comes next is being changed by somebody at that moment.
const BUSY_LOOKS: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// An agency's place among those that wait. It is free again when the call ends, also when its caller goes away in the middle.
struct Place<'a> {
    waiting: &'a Mutex<BTreeSet<Uuid>>,
    agency: Uuid,
}

impl<'a> Place<'a> {
    fn take(waiting: &'a Mutex<BTreeSet<Uuid>>, agency: Uuid) -> Result<Self> {
        let free = waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(agency);
        if free { Ok(Self { waiting, agency }) } else { Err(Problem::new(&INBOX_BUSY)) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.agency);
    }
}

/// What one look at an inbox found.
struct Look {
    /// What there is to show, in order.
    shown: Vec<Slot>,
    /// How far the reader is with it.
    position: InboxPosition,
    /// There was nothing to show in what was looked at, and there is more behind it.
    more: bool,
    /// What comes next is being changed by somebody at this moment.
    busy: bool,
}

impl Dispatch {
    /// The next messages of the actor's agency. With nothing there the call waits, at most `wait`, looking now and then. What is there is given to
    /// every call; to wait for more, one call of an agency is enough.
    ///
    /// # Errors
    /// When the actor acts for no agency, when the call would have to wait and another of the agency does, or the database cannot be read.
    pub async fn inbox(&self, actor: &Actor, after: InboxPosition, wait: Duration, limit: i64) -> Result<InboxPage> {
        let agency = actor.agency()?.0;
        let begun = Instant::now();
        let mut position = after;
        let mut patience = BUSY_LOOKS;
        let mut pause = POLL_FIRST;
        let mut place = None;
        loop {
            let now = self.clock.now();
            let look = self.look(actor, agency, position, limit, now).await?;
            position = look.position;
            if !look.shown.is_empty() {
                let messages = self.messages(actor, &look.shown, now).await?;
                return Ok(page(messages, position, begun));
            }
            if look.more {
                continue;
            }
            if look.busy && patience > 0 {
                patience -= 1;
                sleep(BUSY_PAUSE).await;
                continue;
            }
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(page(Vec::new(), position, begun));
            }
            if place.is_none() {
                place = Some(Place::take(&self.waiting, agency)?);
            }
            sleep(pause.min(left)).await;
            pause = (pause * 2).min(POLL_LAST);
        }
    }

    async fn look(&self, actor: &Actor, agency: Uuid, after: InboxPosition, limit: i64, now: DateTime<Utc>) -> Result<Look> {
        // What is passed over costs no message: a reader that begins again gets over it in few looks.
        let scan = limit.max(self.query.page_max);
        let slots = directives::slots(&mut *self.db.read().await?, agency, after, scan, china_date(now)).await?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut look = Look { shown: Vec::new(), position: after, more: i64::try_from(slots.len()).is_ok_and(|n| n == scan), busy: false };
        let mut ahead = Vec::with_capacity(slots.len());
        let mut count = 0;
        for slot in slots {
            let turn = slot.turn()?;
            count += usize::from(turn != Turn::Pass);
            ahead.push((slot, turn));
            if turn == Turn::Wait || count == wanted {
                look.more = true;
                break;
            }
        }
        let (told, new): (Vec<&Slot>, Vec<&Slot>) =
            ahead.iter().filter(|(_, turn)| *turn == Turn::Hand).map(|(slot, _)| slot).partition(|slot| slot.message);
        let handed = if told.is_empty() && new.is_empty() {
            BTreeMap::new()
        } else {
            self.hand_out(actor, agency, &keys(&new), &keys(&told), now).await?
        };
        for (slot, turn) in ahead {
            let turn = match turn {
                Turn::Hand => handed.get(&slot.id).copied().unwrap_or_else(|| {
                    look.busy = true;
                    Turn::Wait
                }),
                // A reminder of a directive that nobody has yet would bring it by a back door.
                Turn::Show if slot.reminder_id.is_some() && slot.state.as_deref() == Some(DirectiveState::Issued.code()) => {
                    match handed.get(&slot.id) {
                        Some(Turn::Hand | Turn::Show) => Turn::Show,
                        _ => Turn::Pass,
                    }
                }
                known => known,
            };
            if turn == Turn::Wait {
                look.more = false;
                break;
            }
            look.position = slot.position();
            if turn != Turn::Pass {
                look.shown.push(slot);
            }
        }
        Ok(look)
    }

    /// Marks what is handed out as delivered, directives and agency messages, as far as nobody is changing it at this moment. Returns what became of
    /// each that could be locked.
    async fn hand_out(
        &self,
        actor: &Actor,
        agency: Uuid,
        new: &[(Uuid, Uuid)],
        told: &[(Uuid, Uuid)],
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<Uuid, Turn>> {
        self.db
            .write(async |tx| {
                let mut turns = BTreeMap::new();
                let mut standing = Vec::with_capacity(new.len());
                let free = if new.is_empty() { Vec::new() } else { directives::lock_free(tx, new, china_date(now)).await? };
                for locked in free {
                    let turn = locked.turn()?;
                    if turn == Turn::Hand {
                        standing.push((locked.subject_id, locked.id));
                    }
                    turns.insert(locked.id, turn);
                }
                if !standing.is_empty() {
                    let count = directives::mark_delivered(tx, &standing, now).await?;
                    let ids: Vec<Uuid> = standing.iter().map(|(_, id)| *id).collect();
                    let detail = json!({ "agency_id": agency, "count": count, "directives": ids });
                    record(tx, actor, Change::new("directives.deliver", "agency", agency).with(detail), now).await?;
                }
                let messages = message_rows::lock_free(tx, told).await?;
                turns.extend(messages.iter().map(|locked| (locked.id, locked.turn())));
                let count = agency_messages::hand_out(tx, actor, agency, &messages, now).await?;
                if standing.is_empty() && count == 0 {
                    // Nothing is written, and that is as it should be.
                    tx.mark_recorded();
                }
                Ok(turns)
            })
            .await
    }

    /// The messages of what is shown, between the two halves of an entry of the access log: they tell what is not public.
    async fn messages(&self, actor: &Actor, shown: &[Slot], now: DateTime<Utc>) -> Result<Vec<InboxMessage>> {
        let today = china_date(now);
        let configuration = self.configuration.fresh(&self.db).await?;
        let directory = self.directory.get(&self.db, now).await?;
        let statement = Statement { action: "inbox.read", purpose: Some(PURPOSE), ..Statement::default() };
        logged(&self.db, actor, statement, now, async || {
            let (told, of_directives): (Vec<&Slot>, Vec<&Slot>) = shown.iter().partition(|slot| slot.message);
            let mut conn = self.db.read().await?;
            let rows = directives::rows(&mut conn, &keys(&of_directives), today).await?;
            let by_id: BTreeMap<Uuid, DirectiveRow> = rows.into_iter().map(|row| (row.id, row)).collect();
            let rows = message_rows::rows(&mut conn, &keys(&told)).await?;
            let told: BTreeMap<Uuid, MessageRow> = rows.into_iter().map(|row| (row.id, row)).collect();
            drop(conn);
            let mut messages = Vec::with_capacity(shown.len());
            for slot in shown {
                if let Some(row) = told.get(&slot.id) {
                    messages.push(InboxMessage::Message(Box::new(agency_messages::message(&configuration, &directory, row, today))));
                    continue;
                }
                let row = by_id.get(&slot.id).ok_or_else(|| Problem::internal("what an inbox shows vanished"))?;
                let of_directive = match (slot.reminder_id, &slot.reminder_kind, slot.reminder_due_on) {
                    (Some(id), Some(kind), Some(due_on)) => {
                        let about = MessageReminder { kind: kind.clone(), due_on };
                        message::reminder(self, &configuration, &directory, row, (id, about), today)?
                    }
                    _ => message::message(self, &configuration, &directory, row, today)?,
                };
                messages.push(InboxMessage::Directive(Box::new(of_directive)));
            }
            Ok((None, messages))
        })
        .await
    }
}

/// The keys (subject, id) of what stands at these places, each once.
fn keys(slots: &[&Slot]) -> Vec<(Uuid, Uuid)> {
    let mut keys: Vec<(Uuid, Uuid)> = slots.iter().map(|slot| (slot.subject_id, slot.id)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn page(messages: Vec<InboxMessage>, position: InboxPosition, begun: Instant) -> InboxPage {
    InboxPage { messages, next: paging::encode(&position), waited: (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0 }
}
