//! The domains put together over one database, one clock, one set of keys.

use crate::environment::Environment;
use credence_catalog::ConfigurationHandle;
use credence_catalog::routes::Catalog;
use credence_core::clock::Clock;
use credence_core::problem::Result;
use credence_core::settings::Settings;
use credence_db::Db;
use credence_identity::tokens::SigningKeys;
use credence_identity::{Directory, Identity};
use credence_jobs::Worker;
use credence_records::Records;
use credence_records::spool::Spool;
use credence_reports::Reports;
use credence_subjects::routes::Subjects;
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};

/// Every domain's service.
#[derive(Clone)]
pub struct App {
    /// Settings.
    pub settings: Settings,
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who is who.
    pub identity: Identity,
    /// The catalogue.
    pub catalog: Catalog,
    /// Subjects.
    pub subjects: Subjects,
    /// Records.
    pub records: Records,
    /// Files.
    pub reports: Reports,
}

impl App {
    /// Puts everything together; the schema has to be there.
    pub async fn assemble(env: &Environment, clock: Arc<dyn Clock>) -> Result<Self> {
        let settings = env.settings.clone();
        let (db, keys) = (env.db.clone(), env.keys.clone());
        let directory = Directory::default();
        let configuration = ConfigurationHandle::load(&db).await?;
        let identity = Identity {
            db: db.clone(),
            clock: Arc::clone(&clock),
            ring: keys.clone(),
            signing: SigningKeys::default(),
            directory: directory.clone(),
            settings: settings.identity.clone(),
        };
        identity.prepare().await?;
        let records = Records {
            db: db.clone(),
            clock: Arc::clone(&clock),
            configuration: configuration.clone(),
            directory: directory.clone(),
            keys: keys.clone(),
            ingest: settings.ingest.clone(),
            query: settings.query.clone(),
            lease_seconds: settings.jobs.lease_seconds,
            spool: Spool::new(env.data_dir.join(&settings.ingest.spool_dir), keys.clone()),
            dry_runs: Arc::new(Semaphore::new(settings.ingest.dry_runs_max)),
            wake: Arc::new(Notify::new()),
        };
        let reports = Reports {
            db: db.clone(),
            clock: Arc::clone(&clock),
            configuration: configuration.clone(),
            directory,
            keys,
            query: settings.query.clone(),
        };
        let catalog = Catalog { db: db.clone(), configuration: configuration.clone(), clock: Arc::clone(&clock) };
        let subjects = Subjects { db: db.clone(), configuration, clock: Arc::clone(&clock) };
        Ok(Self { settings, db, clock, identity, catalog, subjects, records, reports })
    }

    /// A worker over every domain's jobs.
    pub fn worker(&self) -> Worker {
        Worker::new(
            self.db.clone(),
            Arc::clone(&self.clock),
            &self.settings.jobs,
            credence_records::jobs::handlers(&self.records),
            Arc::clone(&self.records.wake),
        )
    }
}
