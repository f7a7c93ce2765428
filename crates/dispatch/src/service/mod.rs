//! What joint action does, by use case.

pub mod actions;
pub mod cases;
pub mod check_batches;
pub mod checks;
pub mod directives;
pub mod endpoints;
pub mod evaluation;
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
use std::sync::Arc;
use tokio::sync::Notify;

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
    /// Wakes the workers of this process.
    pub wake: Arc<Notify>,
}
