//! Pushing messages to the agencies' endpoints, in the format of Standard Webhooks 1.0 ([`sign`]), to nowhere but where they may go ([`target`]).
//!
//! A message is taken under a lease. In one transaction its directive is locked, the ground is asked about and the directive marked as delivered;
//! that commits before the request leaves, because from then on the agency may have it. What came of the request is written in a second one. A
//! process that dies between them leaves the lease to run out, and the message goes out again under the same id: at least once, never lost.
//!
//! Messages about one subject arrive in the order in which they were put out; a release overtakes what it does not lift, and nothing that is on its way.
//! Messages of no directive ([`super::messages`]) wait for what is on its way only, and hold nothing back.

pub mod schedule;
pub mod send;
pub mod sign;
pub mod target;

use super::directives::message::UPDATE;
use super::{Dispatch, directives, messages};
use crate::model::directives::Turn;
use crate::model::endpoints::{MessageState, Scheme};
use crate::store;
use crate::store::push::{Attempt, Settled, Share, Standing, Taken};
use chrono::{DateTime, Duration, NaiveDate, SecondsFormat, Utc};
use credence_audit::{Change, record};
use credence_core::actor::Actor;
use credence_core::clock::china_date;
use credence_core::problem::{Kind, Problem, Result};
use credence_db::Tx;
use schedule::Step;
use send::{Answer, Request, Sender};
use serde_json::{Value, json};
use sign::Key;
use std::collections::HashMap;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

/// How long a message waits whose ground does not stand: what follows from that is about to be written.
const GROUND_SECONDS: i64 = 60;
/// How long it waits while somebody else is changing its directive.
const BUSY_SECONDS: i64 = 1;
/// What a lease is longer than the longest request: time to prepare and to settle.
const LEASE_MARGIN_SECONDS: i64 = 30;
/// How often a process looks for messages that wait for nothing any more.
const FORGOTTEN_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// What becomes of a message that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is sent. Whether its directive is handed out by that for the first time.
    Send { first: bool },
    /// It may not leave at this moment.
    Later,
    /// There is nothing to say any more.
    Never,
}

/// A release is sent whatever became of the ground. Everything else about a directive, reminders of it included, leaves only while its ground stands
/// and the directive asks for something. Of what an agency declined it is told nothing new.
fn verdict(topic: &str, standing: &Standing) -> Verdict {
    let first = standing.state == "issued";
    match standing.state.as_str() {
        "proposed" | "held" | "cancelled" => Verdict::Never,
        _ if topic == "directive.release" => Verdict::Send { first },
        "released" | "completed" => Verdict::Never,
        "declined" if topic == UPDATE => Verdict::Never,
        _ if topic == "directive.reminder" && !standing.owed => Verdict::Never,
        _ if standing.kind == "execute" && !standing.stands => Verdict::Later,
        _ => Verdict::Send { first },
    }
}

/// What becomes of a message that is due, judged under the lock of the directive or agency message that it tells of; `None` while somebody else is
/// changing that. What was acknowledged needs no telling.
async fn judge(tx: &mut Tx<'_>, message: &Taken, today: NaiveDate) -> Result<Option<Verdict>> {
    if let Some(directive) = message.directive_id {
        let standing = store::push::lock_directive(tx, message, directive, today).await?;
        return Ok(standing.map(|standing| verdict(&message.topic, &standing)));
    }
    let locked = store::messages::lock_free(tx, &[(message.subject_id, message.id)]).await?;
    Ok(locked.first().map(|locked| match locked.turn() {
        _ if locked.acknowledged => Verdict::Never,
        Turn::Hand => Verdict::Send { first: true },
        Turn::Show => Verdict::Send { first: false },
        Turn::Pass | Turn::Wait => Verdict::Never,
    }))
}

fn actor() -> Actor {
    Actor::system("push")
}

fn lease_for(dispatch: &Dispatch) -> Duration {
    let timeout = i64::try_from(dispatch.settings.webhook_timeout_seconds).unwrap_or(LEASE_MARGIN_SECONDS);
    Duration::seconds(timeout.saturating_add(LEASE_MARGIN_SECONDS))
}

fn parallel(dispatch: &Dispatch) -> usize {
    dispatch.settings.webhook_parallel.max(1)
}

async fn take(dispatch: &Dispatch, lease: Uuid, limit: usize, each: usize, in_flight: &[Uuid]) -> Result<Vec<Taken>> {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let share = Share { limit: count(limit), each: count(each), in_flight };
    store::push::take(&mut *dispatch.db.read().await?, lease, lease_for(dispatch), dispatch.clock.now(), share).await
}

async fn wake_forgotten(dispatch: &Dispatch) -> Result<()> {
    let woken = store::push::wake_forgotten(&mut *dispatch.db.read().await?, dispatch.clock.now()).await?;
    if woken > 0 {
        tracing::info!(woken, "messages waited for nothing any more");
    }
    Ok(())
}

/// One round: takes what is due, at most as many messages as one process pushes at the same time, sends them side by side and waits for all. Returns
/// how many were taken; 0 says that nothing is due.
///
/// # Errors
/// When the settings name a network that is none, or the database fails; what was sent is settled all the same.
pub async fn deliver_due(dispatch: &Dispatch) -> Result<usize> {
    let sender = Sender::new(&dispatch.settings)?;
    wake_forgotten(dispatch).await?;
    let lease = Uuid::now_v7();
    let parallel = parallel(dispatch);
    let taken = take(dispatch, lease, parallel, parallel, &[]).await?;
    let count = taken.len();
    let mut running = JoinSet::new();
    for message in taken {
        let (dispatch, sender) = (dispatch.clone(), sender.clone());
        running.spawn(async move { deliver(&dispatch, &sender, &message, lease).await });
    }
    let mut outcome = Ok(count);
    while let Some(done) = running.join_next().await {
        match done {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => outcome = Err(problem),
            Err(error) => outcome = Err(Problem::internal(error)),
        }
    }
    outcome
}

/// Pushes until `stopping` turns true, then lets requests that are out come to their end. Every message is on its own: as one is done the next is
/// taken, and no endpoint gets more than half of the places, so that one which does not answer keeps nobody else waiting.
pub async fn run(dispatch: Dispatch, mut stopping: watch::Receiver<bool>, poll: std::time::Duration) {
    let sender = match Sender::new(&dispatch.settings) {
        Ok(sender) => sender,
        Err(problem) => {
            tracing::error!(code = problem.code(), cause = problem.internal.as_deref(), "cannot push");
            return;
        }
    };
    let parallel = parallel(&dispatch);
    let mut running = JoinSet::new();
    let mut places: HashMap<tokio::task::Id, Uuid> = HashMap::new();
    let mut looked: Option<Instant> = None;
    while !*stopping.borrow() {
        if looked.is_none_or(|at| at.elapsed() >= FORGOTTEN_EVERY) {
            looked = Some(Instant::now());
            if let Err(problem) = wake_forgotten(&dispatch).await {
                tracing::warn!(code = problem.code(), cause = problem.internal.as_deref(), "cannot look for forgotten messages");
            }
        }
        while let Some(done) = running.try_join_next_with_id() {
            places.remove(&ended(done));
        }
        let room = parallel.saturating_sub(running.len());
        if room > 0 {
            let lease = Uuid::now_v7();
            let in_flight: Vec<Uuid> = places.values().copied().collect();
            match take(&dispatch, lease, room, parallel.div_ceil(2), &in_flight).await {
                Ok(taken) if !taken.is_empty() => {
                    for message in taken {
                        let endpoint = message.endpoint_id;
                        let (dispatch, sender) = (dispatch.clone(), sender.clone());
                        let task = running.spawn(async move {
                            if let Err(problem) = deliver(&dispatch, &sender, &message, lease).await {
                                // The lease runs out by itself and the message is taken again.
                                let (code, cause) = (problem.code(), problem.internal.as_deref());
                                tracing::warn!(message.id = %message.id, code, cause, "cannot push a message");
                            }
                        });
                        places.insert(task.id(), endpoint);
                    }
                    continue;
                }
                Ok(_) => {}
                Err(problem) => {
                    tracing::warn!(code = problem.code(), cause = problem.internal.as_deref(), "cannot look for messages to push")
                }
            }
        }
        tokio::select! {
            () = dispatch.wake.notified() => {}
            () = tokio::time::sleep(poll) => {}
            Some(done) = running.join_next_with_id() => { places.remove(&ended(done)); }
            _ = stopping.changed() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

fn ended(done: Result<(tokio::task::Id, ()), tokio::task::JoinError>) -> tokio::task::Id {
    match done {
        Ok((id, ())) => id,
        Err(error) => {
            tracing::error!(%error, "pushing a message broke off");
            error.id()
        }
    }
}

async fn deliver(dispatch: &Dispatch, sender: &Sender, message: &Taken, lease: Uuid) -> Result<()> {
    let at = dispatch.clock.now();
    let request = match prepare(dispatch, message, lease).await {
        Ok(None) => return Ok(()),
        Ok(Some(request)) => request,
        Err(problem) if problem.of.kind == Kind::Unavailable => return Err(problem),
        Err(problem) => {
            // What stands in the way may be in the message or its key and stay: it counts as an attempt, so that it is seen and comes to an end.
            let (code, cause) = (problem.code(), problem.internal.as_deref());
            tracing::warn!(message.id = %message.id, code, cause, "cannot prepare a message");
            let failed = Answer { status: None, error: Some(code.to_owned()), retry_after: None, took_ms: 0 };
            return settle(dispatch, message, lease, at, &failed).await;
        }
    };
    let sender = sender.clone();
    let at = dispatch.clock.now();
    let answer = tokio::task::spawn_blocking(move || sender.send(&request)).await.map_err(Problem::internal)?;
    settle(dispatch, message, lease, at, &answer).await
}

/// Asks once more whether the message may leave and marks what it tells of as delivered, in one transaction; the request, when it may.
async fn prepare(dispatch: &Dispatch, message: &Taken, lease: Uuid) -> Result<Option<Request>> {
    let now = dispatch.clock.now();
    let today = china_date(now);
    // Before the transaction begins: whoever holds a connection must not wait for a second one.
    let directory = dispatch.directory.get(&dispatch.db, now).await?;
    dispatch
        .db
        .write(async |tx| {
            // What it tells of first, as everybody does who changes both.
            let verdict = judge(tx, message, today).await?;
            if !store::push::lock(tx, message, lease).await? {
                store::push::let_go(tx, message, lease).await?;
                tx.mark_recorded();
                return Ok(None);
            }
            let Some(verdict) = verdict else { return put_off(tx, message, lease, now + Duration::seconds(BUSY_SECONDS)).await };
            let first = match verdict {
                Verdict::Never => return drop_message(tx, message, lease, now).await,
                Verdict::Later => {
                    let until = now + Duration::seconds(GROUND_SECONDS);
                    store::push::wait_behind(tx, message, Some(until)).await?;
                    return put_off(tx, message, lease, until).await;
                }
                Verdict::Send { first } => first,
            };
            let Some(url) = store::push::active_url(tx, message.endpoint_id).await? else {
                return put_off(tx, message, lease, now).await;
            };
            let data = match message.directive_id {
                Some(directive) => {
                    let of = (message.id, message.topic.as_str());
                    directives::message_body(dispatch, &directory, of, tx.conn(), directive, message.subject_id, today).await?
                }
                None => messages::message_body(dispatch, &directory, (message.subject_id, message.id), tx.conn(), today).await?,
            };
            let Some(data) = data else { return drop_message(tx, message, lease, now).await };
            let request = request(dispatch, tx, message, url, &data, now).await?;
            if first {
                hand_out(tx, message, now).await?;
            } else {
                // Nothing was changed; the attempt itself is written down when it is over.
                tx.mark_recorded();
            }
            Ok(Some(request))
        })
        .await
}

/// From now on the agency may have what the message tells of.
async fn hand_out(tx: &mut Tx<'_>, message: &Taken, now: DateTime<Utc>) -> Result<()> {
    let change = match message.directive_id {
        Some(directive) => {
            store::directives::mark_delivered(tx, &[(message.subject_id, directive)], now).await?;
            Change::new("directive.push", "directive", directive)
        }
        None => {
            store::messages::mark_delivered(tx, &[(message.subject_id, message.id)], now).await?;
            Change::new("agency_message.push", "agency_message", message.id)
        }
    };
    let detail = json!({ "endpoint_id": message.endpoint_id, "message_id": message.id });
    record(tx, &actor(), change.about(message.subject_id).with(detail), now).await
}

/// The lease is given back. That is the schedule's own business and no change of anything.
async fn put_off(tx: &mut Tx<'_>, message: &Taken, lease: Uuid, until: DateTime<Utc>) -> Result<Option<Request>> {
    store::push::put_off(tx, message, lease, until).await?;
    tx.mark_recorded();
    Ok(None)
}

async fn drop_message(tx: &mut Tx<'_>, message: &Taken, lease: Uuid, now: DateTime<Utc>) -> Result<Option<Request>> {
    let settled = Settled { state: MessageState::Cancelled.code(), attempts: message.attempts, next_at: now, settled_at: Some(now) };
    if store::push::settle(tx, message, lease, settled).await? && message.directive_id.is_some() {
        store::push::wake_next(tx, &[message.place()], now).await?;
    }
    let detail = json!({ "endpoint_id": message.endpoint_id, "topic": message.topic });
    record(tx, &actor(), Change::new("push.cancelled", "push_message", message.id).about(message.subject_id).with(detail), now).await?;
    Ok(None)
}

async fn request(dispatch: &Dispatch, tx: &mut Tx<'_>, message: &Taken, url: String, data: &Value, now: DateTime<Utc>) -> Result<Request> {
    let keys = store::push::signing_keys(tx, message.endpoint_id, now)
        .await?
        .into_iter()
        .map(|(id, scheme, sealed)| {
            let scheme = Scheme::from_code(&scheme).ok_or_else(|| Problem::internal(format!("no webhook scheme {scheme}")))?;
            Key::open(&dispatch.keys, id, scheme, &sealed)
        })
        .collect::<Result<Vec<_>>>()?;
    let body = envelope(&message.topic, message.created_at, data)?;
    let timestamp = now.timestamp();
    let signature = sign::signature(&keys, message.id, timestamp, &body)?;
    Ok(Request { url, id: message.id.to_string(), timestamp, signature, body })
}

/// The body as it is signed and sent. Its time is that of the event and the same at every attempt; that of the attempt stands in the header.
fn envelope(topic: &str, at: DateTime<Utc>, data: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(&json!({ "type": topic, "timestamp": at.to_rfc3339_opts(SecondsFormat::AutoSi, true), "data": data }))
        .map_err(Problem::internal)
}

/// Writes down an attempt and what follows from it.
async fn settle(dispatch: &Dispatch, message: &Taken, lease: Uuid, at: DateTime<Utc>, answer: &Answer) -> Result<()> {
    let now = dispatch.clock.now();
    let attempts = message.attempts.saturating_add(1);
    let step = schedule::step(&dispatch.settings.webhook_retry_seconds, attempts, answer, now);
    let (action, settled) = match step {
        Step::Delivered => {
            ("push.delivered", Settled { state: MessageState::Delivered.code(), attempts, next_at: now, settled_at: Some(now) })
        }
        Step::Dead => ("push.dead", Settled { state: MessageState::Dead.code(), attempts, next_at: now, settled_at: Some(now) }),
        Step::Again(next_at) => ("push.failed", Settled { state: MessageState::Waiting.code(), attempts, next_at, settled_at: None }),
    };
    let status = answer.status.map(i32::from);
    dispatch
        .db
        .write(async |tx| {
            // The endpoint before the message, as everybody does who changes both.
            if schedule::is_gone(answer) && store::endpoints::pause_active(tx, message.endpoint_id).await? {
                let change = Change::new("webhook_endpoint.pause", "webhook_endpoint", message.endpoint_id);
                record(tx, &actor(), change.with(json!({ "cause": "410 Gone" })), now).await?;
            }
            let attempt = Attempt { at, status, error: answer.error.as_deref(), took_ms: answer.took_ms };
            store::push::record_attempt(tx, message, attempt).await?;
            // Whoever lost the lease, or whose message was cancelled meanwhile, has only made an attempt.
            let held = store::push::settle(tx, message, lease, settled).await?;
            // A message of no directive held nothing back, and lets nothing wait.
            if held && message.directive_id.is_some() {
                match step {
                    Step::Delivered => store::push::wake_next(tx, &[message.place()], now).await?,
                    Step::Dead => store::push::wait_behind(tx, message, None).await?,
                    Step::Again(next_at) => store::push::wait_behind(tx, message, Some(next_at)).await?,
                }
            }
            let action = if held { action } else { "push.attempt" };
            let detail = json!({
                "endpoint_id": message.endpoint_id,
                "topic": message.topic,
                "attempt": attempts,
                "status": status,
                "next_at": (held && settled.settled_at.is_none()).then_some(settled.next_at),
            });
            record(tx, &actor(), Change::new(action, "push_message", message.id).about(message.subject_id).with(detail), now).await
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(kind: &str, state: &str, stands: bool) -> Standing {
        Standing { kind: kind.to_owned(), state: state.to_owned(), stands, owed: true }
    }

    #[test]
    fn nothing_leaves_whose_ground_does_not_stand_except_what_lifts_it() {
        let execute = |state, stands| verdict("directive.execute", &standing("execute", state, stands));
        assert_eq!(execute("issued", true), Verdict::Send { first: true });
        for state in ["delivered", "accepted", "declined", "reported"] {
            assert_eq!(execute(state, true), Verdict::Send { first: false }, "{state}");
            assert_eq!(execute(state, false), Verdict::Later, "{state}");
        }
        assert_eq!(execute("issued", false), Verdict::Later);
        for state in ["proposed", "held", "cancelled", "released"] {
            assert_eq!(execute(state, true), Verdict::Never, "{state}");
            assert_eq!(execute(state, false), Verdict::Never, "{state}");
        }
        let release = |state| verdict("directive.release", &standing("release", state, false));
        assert_eq!(release("issued"), Verdict::Send { first: true });
        assert_eq!(release("delivered"), Verdict::Send { first: false });
        assert_eq!(release("completed"), Verdict::Send { first: false });
    }

    #[test]
    fn a_reminder_goes_with_its_directive() {
        let remind = |kind, state, stands| verdict("directive.reminder", &standing(kind, state, stands));
        assert_eq!(remind("execute", "accepted", true), Verdict::Send { first: false });
        assert_eq!(remind("execute", "accepted", false), Verdict::Later);
        assert_eq!(remind("execute", "released", true), Verdict::Never);
        assert_eq!(remind("release", "delivered", false), Verdict::Send { first: false });
        assert_eq!(remind("release", "completed", false), Verdict::Never);
    }

    #[test]
    fn an_update_goes_to_who_has_the_directive_and_goes_on_with_it() {
        let update = |state, stands, owed| verdict("directive.update", &Standing { owed, ..standing("execute", state, stands) });
        for state in ["delivered", "accepted", "reported"] {
            for owed in [true, false] {
                assert_eq!(update(state, true, owed), Verdict::Send { first: false }, "{state}: it is about no deadline");
            }
            assert_eq!(update(state, false, false), Verdict::Later, "{state}");
        }
        for state in ["declined", "held", "cancelled", "released"] {
            assert_eq!(update(state, true, false), Verdict::Never, "{state}");
        }
    }

    #[test]
    fn the_body_is_the_envelope_of_the_specification() {
        let at = DateTime::from_timestamp(1_775_001_600, 0).unwrap();
        let body = envelope("directive.execute", at, &json!({ "measure": "限制" })).unwrap();
        let wanted = r#"{"type":"directive.execute","timestamp":"2026-04-01T00:00:00Z","data":{"measure":"限制"}}"#;
        assert_eq!(std::str::from_utf8(&body).unwrap(), wanted);
    }
}
