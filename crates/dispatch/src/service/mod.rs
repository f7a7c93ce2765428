//! What joint action does, by use case.

pub mod actions;
pub mod cases;
pub mod check_batches;
pub mod checks;
pub mod directives;
pub mod endpoints;
pub mod evaluation;
pub mod messages;
pub mod push;
pub mod reminders;

use credence_attachments::Attachments;
use credence_catalog::ConfigurationHandle;
use credence_core::clock::Clock;
use credence_core::crypto::KeyRing;
use credence_core::settings;
use credence_db::Db;
use credence_identity::Directory;
use credence_identity::tokens::SigningKeys;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

/// What every use case needs.
#[derive(Clone)]
pub struct Dispatch {
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
    /// Keys that sign answers.
    pub signing: SigningKeys,
    /// Where attachments are.
    pub attachments: Attachments,
    /// Limits.
    pub settings: settings::Dispatch,
    /// Paging.
    pub query: settings::Query,
    /// Wakes whoever pushes messages in this process.
    pub wake: Arc<Notify>,
    /// Wakes the worker of jobs in this process.
    pub jobs: Arc<Notify>,
    /// Places for evaluations at the same time in this process.
    pub evaluations: Arc<Semaphore>,
    /// Agencies that have a call waiting at their inbox in this process.
    pub waiting: Arc<Mutex<BTreeSet<Uuid>>>,
}
