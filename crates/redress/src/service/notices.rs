//! Notices to applicants: shown with the case, and on their way by mail when the applicant gave an address.
//!
//! A notice is written in the transaction of the step it tells of, so that no step is without it and none is told that did not happen. A mail leaves
//! afterwards, under a lease: should the process die between sending and writing that down, it is sent again under the same Message-ID.

pub use super::mail::{Mail, Mailer, is_address};

use super::Redress;
use crate::model::notices::{NoticeView, Template, compose};
use crate::model::problems::CASE_NOT_FOUND;
use crate::store::notices::{self as store, NewNotice, Settled, Taken};
use chrono::{DateTime, Duration, Utc};
use credence_audit::{Change, record};
use credence_core::Actor;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// What a lease is longer than the longest attempt: time to prepare and to settle.
const LEASE_MARGIN_SECONDS: i64 = 30;

/// The case and how its applicant is reached.
#[derive(Debug, Clone)]
pub(crate) struct CaseContact {
    pub case_id: Uuid,
    pub subject_id: Uuid,
    pub case_no: String,
    pub email: Option<String>,
}

/// What is sealed of a notice.
#[derive(Serialize, Deserialize)]
struct Contents {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    title: String,
    text: String,
}

/// What follows the attempt that is the `attempts`th (from 1).
fn settled(outcome: &Result<(), String>, attempts: i32, retry_seconds: &[i64], now: DateTime<Utc>) -> Settled {
    let error = match outcome {
        Ok(()) => return Settled { state: "sent", attempts, next_at: now, settled_at: Some(now), error: None },
        Err(error) => Some(error.clone()),
    };
    let wait = usize::try_from(attempts - 1).ok().and_then(|nth| retry_seconds.get(nth));
    match wait {
        Some(wait) => Settled { state: "waiting", attempts, next_at: now + Duration::seconds((*wait).max(0)), settled_at: None, error },
        None => Settled { state: "dead", attempts, next_at: now, settled_at: Some(now), error },
    }
}

impl Redress {
    /// The case and how its applicant is reached.
    ///
    /// # Errors
    /// When there is no such case, or what was sealed of it cannot be opened.
    pub(crate) async fn contact(&self, tx: &mut Tx<'_>, case_id: Uuid) -> Result<CaseContact> {
        let found = store::applicant(tx.conn(), case_id).await?.ok_or_else(|| Problem::new(&CASE_NOT_FOUND))?;
        let opened = self.keys.open(case_id.as_bytes(), &found.applicant_sealed).map_err(Problem::internal)?;
        let applicant: Value = serde_json::from_slice(&opened).map_err(Problem::internal)?;
        let email = applicant.get("email").and_then(Value::as_str).map(str::to_owned);
        Ok(CaseContact { case_id, subject_id: found.subject_id, case_no: found.case_no, email })
    }

    /// Puts a notice out, in the transaction of what it tells of; that transaction records the step. `values` are those of [`compose`].
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(crate) async fn enqueue(
        &self,
        tx: &mut Tx<'_>,
        case: &CaseContact,
        template: Template,
        values: &Value,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let said = compose(template, &case.case_no, values);
        let mut ways = vec![("portal", None)];
        if self.mailer.sends()
            && let Some(address) = &case.email
        {
            ways.push(("email", Some(address.clone())));
        }
        for (channel, address) in ways {
            let id = Uuid::now_v7();
            let contents = Contents { address, title: said.title.clone(), text: said.text.clone() };
            let contents = serde_json::to_vec(&contents).map_err(Problem::internal)?;
            let sealed = self.keys.seal(id.as_bytes(), &contents).map_err(Problem::internal)?;
            let (case_id, subject_id) = (case.case_id, case.subject_id);
            store::insert(tx, &NewNotice { id, case_id, subject_id, template: template.code(), channel, sealed: &sealed }, now).await?;
        }
        Ok(())
    }

    fn contents(&self, id: Uuid, sealed: &[u8]) -> Result<Contents> {
        let opened = self.keys.open(id.as_bytes(), sealed).map_err(Problem::internal)?;
        serde_json::from_slice(&opened).map_err(Problem::internal)
    }

    /// Notices of a case, oldest first. Of mails it is told how they stand, not where they go.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) async fn notices(&self, conn: &mut AsyncPgConnection, case_id: Uuid) -> Result<Vec<NoticeView>> {
        let stored = store::of_case(conn, case_id).await?;
        stored
            .into_iter()
            .map(|notice| {
                let shown = notice.channel == "portal";
                let said = if shown { Some(self.contents(notice.id, &notice.sealed)?) } else { None };
                let (title, text) = said.map_or((None, None), |said| (Some(said.title), Some(said.text)));
                let (template, channel, state) = (notice.template, notice.channel, notice.state);
                Ok(NoticeView { id: notice.id, template, channel, state, at: notice.created_at, title, text })
            })
            .collect()
    }

    /// Sends mails that are due, one after the other, up to a round of them; how many were tried.
    ///
    /// # Errors
    /// When the database cannot be reached; the lease of the mail under way runs out by itself, and it is sent again.
    pub async fn send_waiting(&self) -> Result<usize> {
        let mut tried = 0;
        if !self.mailer.sends() {
            return Ok(tried);
        }
        for _ in 0..self.mailer.round_max {
            let lease = Uuid::now_v7();
            let lease_for = Duration::seconds(self.mailer.attempt_seconds.saturating_add(LEASE_MARGIN_SECONDS).min(i64::from(u32::MAX)));
            let taken = store::take(&mut *self.db.read().await?, lease, lease_for, self.clock.now()).await?;
            let Some(taken) = taken else { break };
            self.send_one(&taken, lease).await?;
            tried += 1;
        }
        Ok(tried)
    }

    async fn send_one(&self, taken: &Taken, lease: Uuid) -> Result<()> {
        let outcome = match self.contents(taken.id, &taken.sealed) {
            Ok(Contents { address: Some(address), title, text }) => {
                let mail = Mail { id: taken.id, at: taken.created_at, address, title, text };
                let mailer = Arc::clone(&self.mailer);
                tokio::task::spawn_blocking(move || mailer.send(&mail)).await.map_err(Problem::internal)?
            }
            Ok(_) => Err("the notice has no address".to_owned()),
            Err(problem) => {
                tracing::error!(notice.id = %taken.id, cause = problem.internal.as_deref(), "cannot open a notice");
                Err("the notice cannot be opened".to_owned())
            }
        };
        let now = self.clock.now();
        let attempts = taken.attempts.saturating_add(1);
        let settled = settled(&outcome, attempts, &self.mailer.retry_seconds, now);
        if let Some(error) = &settled.error {
            tracing::warn!(notice.id = %taken.id, attempt = attempts, state = settled.state, error, "a mail did not leave");
        }
        self.db
            .write(async |tx| {
                let held = store::settle(tx, taken.id, lease, &settled).await?;
                let action = match settled.state {
                    // The mail left, or did not; what follows is for whoever has the lease now.
                    _ if !held => "notice.attempt",
                    "sent" => "notice.sent",
                    "dead" => "notice.dead",
                    _ => "notice.failed",
                };
                let next_at = (held && settled.settled_at.is_none()).then_some(settled.next_at);
                let detail = json!({
                    "case_id": taken.case_id, "template": taken.template, "attempt": attempts, "error": settled.error, "next_at": next_at,
                });
                let change = Change::new(action, "case_notice", taken.id).about(taken.subject_id);
                record(tx, &Actor::system("notices"), change.with(detail), now).await
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_follow_the_schedule_to_its_end() {
        let now = DateTime::from_timestamp(1_775_001_600, 0).unwrap();
        let failed = Err("x".to_owned());
        let after = |attempts| settled(&failed, attempts, &[60, 300], now);
        for (attempts, wait) in [(1, 60), (2, 300)] {
            let step = after(attempts);
            assert_eq!((step.state, step.next_at, step.settled_at), ("waiting", now + Duration::seconds(wait), None));
        }
        assert_eq!((after(3).state, after(3).settled_at), ("dead", Some(now)));
        assert_eq!(settled(&failed, 1, &[], now).state, "dead");
        let sent = settled(&Ok(()), 3, &[60, 300], now);
        assert_eq!((sent.state, sent.error, sent.settled_at), ("sent", None, Some(now)));
    }
}
