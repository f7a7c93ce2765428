//! What lists do, by use case.

mod ending;
pub mod follow;
pub mod procedure;
pub mod projection;
pub mod redress;
mod reviews;
pub mod show;

use crate::model::{LIST_IS_MIRRORED, LIST_UNKNOWN};
use crate::store::entries::{self, Entry};
use chrono::{DateTime, NaiveDate, Utc};
use credence_catalog::ConfigurationHandle;
use credence_catalog::configuration::{Configuration, Versioned};
use credence_catalog::disclosure::About;
use credence_catalog::lists::{ListDefinition, NativeList};
use credence_catalog::model::{Nature, SubjectKind};
use credence_core::clock::{Clock, china_date};
use credence_core::crypto::KeyRing;
use credence_core::problem::{Problem, Result};
use credence_core::settings;
use credence_db::{Db, Tx};
use credence_identity::Directory;
use credence_identity::directory::Snapshot;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::Notify;
use uuid::Uuid;

/// What every use case needs.
#[derive(Clone)]
pub struct Lists {
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
    /// Limits.
    pub settings: settings::Lists,
    /// Paging.
    pub query: settings::Query,
    /// Wakes the workers of this process when directives went out.
    pub wake: Arc<Notify>,
}

/// The definition of a list whatever its state: entries made under it outlive it.
fn definition<'c>(configuration: &'c Configuration, code: &str) -> Option<&'c Arc<Versioned<ListDefinition>>> {
    configuration.lists.get(code)
}

/// Codes of the items whose records are adverse on a day.
fn adverse_items(configuration: &Configuration, on: NaiveDate) -> Vec<String> {
    let adverse = configuration.items.values().filter(|v| v.item.nature == Nature::Adverse && v.item.in_force(on));
    adverse.map(|v| v.item.code.clone()).collect()
}

/// What keeps subjects off a red list: `list CODE` for every list of dishonesty they stand on, `item CODE` for every item of which they have an adverse
/// record whose publicity is not over on the day, reckoned as everywhere else. What is not published at all keeps nobody off.
async fn blocks(tx: &mut Tx<'_>, ready: &Ready, family: &[Uuid]) -> Result<Vec<String>> {
    let listed = entries::dishonesty_of(tx, family, ready.today).await?;
    let mut found: BTreeSet<String> = listed.into_iter().map(|list| format!("list {list}")).collect();
    for record in entries::records_of(tx, family, &adverse_items(&ready.configuration, ready.today)).await? {
        let Some(item) = ready.configuration.items.get(&record.item).map(|v| &v.item) else { continue };
        let kind = ready.directory.agency(record.agency_id).map_or("", |agency| agency.kind.as_str());
        let until = ready.configuration.public_until(item, &record.data, record.decided_on, record.public_until, kind, ready.today);
        // Of what has no end of publicity, the end of its validity counts.
        if until.or(record.valid_to).is_none_or(|last| ready.today <= last) {
            found.insert(format!("item {}", record.item));
        }
    }
    Ok(found.into_iter().collect())
}

/// What a step needs to know before its transaction begins: nothing in it waits for another connection.
struct Ready {
    configuration: Arc<Configuration>,
    directory: Arc<Snapshot>,
    now: DateTime<Utc>,
    today: NaiveDate,
}

impl Ready {
    fn native<'c>(&'c self, list: &str) -> Result<(&'c ListDefinition, &'c NativeList)> {
        let found = definition(&self.configuration, list).ok_or_else(|| Problem::new(&LIST_UNKNOWN).with("list", list))?;
        if !found.body.in_force(self.today) {
            return Err(Problem::new(&LIST_UNKNOWN).with("list", list));
        }
        let native = found.body.native.as_ref().ok_or_else(|| Problem::new(&LIST_IS_MIRRORED).with("list", list))?;
        Ok((&found.body, native))
    }
}

impl Lists {
    async fn ready(&self) -> Result<Ready> {
        let configuration = self.configuration.fresh(&self.db).await?;
        let now = self.clock.now();
        let directory = self.directory.get(&self.db, now).await?;
        Ok(Ready { configuration, directory, now, today: china_date(now) })
    }
}

/// About whom an entry is, as far as disclosure cares.
fn about(entry: &Entry) -> About {
    if SubjectKind::from_code(&entry.subject_kind).is_some_and(SubjectKind::is_person) { About::Person } else { About::Organisation }
}
