//! The domains put together over one database, one clock, one set of keys.

use crate::environment::Environment;
use credence_attachments::Attachments;
use credence_catalog::ConfigurationHandle;
use credence_catalog::routes::Catalog;
use credence_core::clock::Clock;
use credence_core::problem::{Problem, Result};
use credence_core::settings::Settings;
use credence_db::Db;
use credence_dispatch::Dispatch;
use credence_dispatch::service::push::target::Nets;
use credence_identity::tokens::SigningKeys;
use credence_identity::{Directory, Identity};
use credence_jobs::Worker;
use credence_lists::Lists;
use credence_records::Records;
use credence_records::spool::Spool;
use credence_redress::Redress;
use credence_redress::service::notices::Mailer;
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
    /// Attachments.
    pub attachments: Attachments,
    /// Joint action.
    pub dispatch: Dispatch,
    /// Lists.
    pub lists: Lists,
    /// Files.
    pub reports: Reports,
    /// Disputes, repair, and what follows from them.
    pub redress: Redress,
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
        let wake = Arc::new(Notify::new());
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
            wake: Arc::clone(&wake),
        };
        let attachments = Attachments::open(db.clone(), Arc::clone(&clock), keys.clone(), &env.data_dir, &settings.attachments)?;
        Nets::parse(&settings.dispatch.webhook_allowed_networks).map_err(Problem::internal)?;
        let dispatch = Dispatch {
            db: db.clone(),
            clock: Arc::clone(&clock),
            configuration: configuration.clone(),
            directory: directory.clone(),
            keys: keys.clone(),
            signing: identity.signing.clone(),
            attachments: attachments.clone(),
            settings: settings.dispatch.clone(),
            query: settings.query.clone(),
            wake: Arc::new(Notify::new()),
            jobs: Arc::clone(&wake),
            evaluations: Arc::new(Semaphore::new(settings.dispatch.evaluations_max)),
            waiting: Arc::default(),
        };
        let lists = Lists {
            db: db.clone(),
            clock: Arc::clone(&clock),
            configuration: configuration.clone(),
            directory: directory.clone(),
            keys: keys.clone(),
            settings: settings.lists.clone(),
            query: settings.query.clone(),
            wake: Arc::clone(&dispatch.wake),
        };
        let reports = Reports {
            db: db.clone(),
            clock: Arc::clone(&clock),
            configuration: configuration.clone(),
            directory: directory.clone(),
            keys: keys.clone(),
            query: settings.query.clone(),
        };
        // Whatever shows records, or rests on them, is registered here; redress asks each for its receipt.
        let mut projections = credence_reports::projection::projections(&reports);
        projections.extend(credence_lists::service::projection::projections(&lists));
        let redress = Redress {
            db: db.clone(),
            clock: Arc::clone(&clock),
            configuration: configuration.clone(),
            directory,
            keys,
            attachments: attachments.clone(),
            records: records.clone(),
            lists: lists.clone(),
            projections: Arc::new(projections),
            mailer: Arc::new(Mailer::new(&settings.mail, &env.data_dir)?),
            settings: settings.redress.clone(),
            query: settings.query.clone(),
            wake: Arc::clone(&dispatch.wake),
        };
        let catalog = Catalog { db: db.clone(), configuration: configuration.clone(), clock: Arc::clone(&clock) };
        let subjects = Subjects { db: db.clone(), configuration, clock: Arc::clone(&clock) };
        Ok(Self { settings, db, clock, identity, catalog, subjects, records, attachments, dispatch, lists, reports, redress })
    }

    /// A worker over every domain's jobs.
    pub fn worker(&self) -> Worker {
        let mut handlers = credence_records::jobs::handlers(&self.records);
        handlers.extend(credence_dispatch::jobs::handlers(&self.dispatch));
        Worker::new(self.db.clone(), Arc::clone(&self.clock), &self.settings.jobs, handlers, Arc::clone(&self.records.wake))
    }
}
