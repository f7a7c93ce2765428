//! What redress does, by use case.

pub mod cases;
mod completion;
pub mod decisions;
pub mod dispute;
pub mod effects;
pub mod eligibility;
pub mod lines;
mod mail;
pub mod notices;
pub mod papers;
pub mod repair;
pub mod rules_diff;
pub mod show;
pub mod trainings;

use chrono::{DateTime, NaiveDate, Utc};
use credence_attachments::Attachments;
use credence_audit::effects::Projection;
use credence_catalog::ConfigurationHandle;
use credence_catalog::configuration::Configuration;
use credence_core::clock::{Clock, china_date};
use credence_core::crypto::KeyRing;
use credence_core::problem::Result;
use credence_core::settings;
use credence_db::Db;
use credence_identity::Directory;
use credence_identity::directory::Snapshot;
use credence_lists::Lists;
use credence_records::Records;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// What every use case needs.
#[derive(Clone)]
pub struct Redress {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What is in force.
    pub configuration: ConfigurationHandle,
    /// Agencies and regions.
    pub directory: Directory,
    /// Keys for sealed values.
    pub keys: KeyRing,
    /// Where attachments are.
    pub attachments: Attachments,
    /// Records, which decisions change.
    pub records: Records,
    /// Lists, which decisions take entries off.
    pub lists: Lists,
    /// Everything that shows records: each gives a receipt for every effect.
    pub projections: Arc<Vec<Arc<dyn Projection>>>,
    /// Sends mail.
    pub mailer: Arc<notices::Mailer>,
    /// Limits.
    pub settings: settings::Redress,
    /// Paging.
    pub query: settings::Query,
    /// Wakes whoever pushes messages in this process.
    pub wake: Arc<Notify>,
}

/// What a step needs to know before its transaction begins: nothing in it waits for another connection.
pub(crate) struct Ready {
    pub configuration: Arc<Configuration>,
    pub directory: Arc<Snapshot>,
    pub now: DateTime<Utc>,
    pub today: NaiveDate,
}

impl Redress {
    pub(crate) async fn ready(&self) -> Result<Ready> {
        let configuration = self.configuration.fresh(&self.db).await?;
        let now = self.clock.now();
        let directory = self.directory.get(&self.db, now).await?;
        Ok(Ready { configuration, directory, now, today: china_date(now) })
    }
}

impl Redress {
    /// Follows what was decided until it is true everywhere, and tells applicants, until `stopping` turns true. Mail has a round of its own: a mail server
    /// that does not answer keeps no effect waiting.
    pub async fn run(self, stopping: watch::Receiver<bool>, poll: Duration) {
        tokio::join!(self.look_after(stopping.clone(), poll), self.write_mail(stopping, poll));
    }

    async fn look_after(&self, mut stopping: watch::Receiver<bool>, poll: Duration) {
        let mut adopted = false;
        while !*stopping.borrow() {
            if !adopted {
                adopted = done(self.adopt_effects().await.map(|()| 1), "cannot look for effects that lack a projection") > 0;
            }
            let followed = done(self.follow().await, "effects cannot follow the change feed");
            done(self.settle().await, "cannot look whether effects are there");
            done(self.lapse().await, "cannot look for cases whose papers were not brought");
            if followed > 0 {
                continue;
            }
            wait(&mut stopping, poll).await;
        }
    }

    async fn write_mail(&self, mut stopping: watch::Receiver<bool>, poll: Duration) {
        while !*stopping.borrow() {
            if done(self.send_waiting().await, "cannot send notices") == 0 {
                wait(&mut stopping, poll).await;
            }
        }
    }
}

async fn wait(stopping: &mut watch::Receiver<bool>, poll: Duration) {
    tokio::select! {
        () = tokio::time::sleep(poll) => {}
        _ = stopping.changed() => {}
    }
}

/// How much a round did; one that failed did nothing, and the next tries again.
fn done(round: Result<usize>, what: &str) -> usize {
    round.unwrap_or_else(|problem| {
        tracing::warn!(code = problem.code(), cause = problem.internal.as_deref(), "{what}");
        0
    })
}
