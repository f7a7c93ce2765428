//! What can be done with records: receive a file, load it, give refused rows back, end what a whole list lacks, undo a batch, correct or withdraw a
//! record, settle an unmatched row. One file a use case.

pub mod absences;
mod ahead;
mod chunk;
mod kept;
pub mod load;
pub mod receive;
pub mod redress;
mod registration;
pub mod rejects;
pub mod single;
pub mod undo;
pub mod unmatched;

use crate::check::{Basis, KnownAgency};
use crate::model::{FEED_MISSING, FEED_UNKNOWN, ITEM_NOT_IN_FORCE, ITEM_UNKNOWN, KEY_SCOPE, NOT_A_PROVIDER};
use crate::spool::Spool;
use chrono::NaiveDate;
use credence_catalog::configuration::{Configuration, VersionedItem};
use credence_catalog::{ConfigurationHandle, Feed};
use credence_core::Actor;
use credence_core::clock::Clock;
use credence_core::crypto::KeyRing;
use credence_core::problem::{Problem, Result};
use credence_core::settings;
use credence_db::Db;
use credence_identity::Directory;
use credence_identity::directory::Snapshot;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

/// Everything the records domain needs.
#[derive(Clone)]
pub struct Records {
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
    /// Limits of ingestion.
    pub ingest: settings::Ingest,
    /// Paging.
    pub query: settings::Query,
    /// Lease of a load inside a call, in seconds.
    pub lease_seconds: i64,
    /// Where uploads wait.
    pub spool: Spool,
    /// Places for dry runs.
    pub dry_runs: Arc<Semaphore>,
    /// Wakes the workers of this process.
    pub wake: Arc<Notify>,
}

impl Records {
    /// The item in force on a day, or the problem.
    pub(crate) fn item(&self, configuration: &Configuration, code: &str, on: NaiveDate) -> Result<Arc<VersionedItem>> {
        match configuration.items.get(code) {
            None => Err(Problem::new(&ITEM_UNKNOWN).with("item", code)),
            Some(v) if !v.item.in_force(on) => Err(Problem::new(&ITEM_NOT_IN_FORCE).with("item", code)),
            Some(v) => Ok(Arc::clone(v)),
        }
    }

    /// Whether the actor's agency may provide the item: by the kind of organ, and by the scope of an API key.
    pub(crate) fn check_provider(&self, actor: &Actor, item: &VersionedItem, directory: &Snapshot) -> Result<()> {
        let kind = directory.agency(actor.agency()?.0).map(|a| a.kind.as_str()).unwrap_or_default();
        if !item.item.provided_by(kind) {
            return Err(Problem::new(&NOT_A_PROVIDER).with("item", item.item.code.clone()));
        }
        if !actor.covers_item(&item.item.code) {
            return Err(Problem::new(&KEY_SCOPE).with("item", item.item.code.clone()));
        }
        Ok(())
    }

    /// The basis of checks for rows of an item.
    /// `directory` was read before: no connection is taken here, so it may be called inside a transaction.
    pub(crate) fn basis(
        &self,
        directory: &Snapshot,
        configuration: Arc<Configuration>,
        item: Arc<VersionedItem>,
        feed: &str,
        received_on: NaiveDate,
        (provider, regions): (Uuid, Option<Vec<String>>),
    ) -> Basis {
        let mut agencies = HashMap::new();
        for agency in directory.agencies() {
            let known = KnownAgency { uscc: agency.uscc.clone(), region: agency.region.clone() };
            agencies.insert(credence_names::normalise(&agency.name), known.clone());
            agencies.insert(agency.uscc.clone(), known);
        }
        Basis {
            item,
            feed: feed.to_owned(),
            configuration,
            received_on,
            agencies: Arc::new(agencies),
            regions,
            provider_region: directory.agency(provider).map(|a| a.region.clone()).unwrap_or_default(),
            keys: self.keys.clone(),
            settings: self.ingest.clone(),
        }
    }
}

/// The form a sender stated; an item with one form needs no statement.
pub(crate) fn feed<'i>(item: &'i VersionedItem, stated: Option<&str>) -> Result<&'i Feed> {
    let versions: Vec<&str> = item.item.feeds.iter().map(|f| f.version.as_str()).collect();
    match (stated, item.item.feeds.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => Err(Problem::new(&FEED_MISSING).with("versions", versions)),
        (Some(version), _) => item.item.feed(version).ok_or_else(|| Problem::new(&FEED_UNKNOWN).with("versions", versions)),
    }
}

/// Place of a sealed raw row: it opens only within its batch.
pub(crate) fn row_place(batch: Uuid) -> [u8; 16] {
    *batch.as_bytes()
}

/// Place of a record's sealed half: it opens only within its record.
pub(crate) fn record_place(record: Uuid) -> [u8; 16] {
    *record.as_bytes()
}

/// Opens the sealed half of a record.
pub fn open_sealed(keys: &KeyRing, record: Uuid, sealed: &[u8]) -> Result<serde_json::Map<String, serde_json::Value>> {
    let plain = keys.open(&record_place(record), sealed).map_err(Problem::internal)?;
    serde_json::from_slice(&plain).map_err(Problem::internal)
}
