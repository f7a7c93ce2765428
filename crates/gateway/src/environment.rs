//! Where the program runs: settings, data folder, keys, and the database, its own or one it is given.

use credence_core::crypto::KeyRing;
use credence_core::settings::Settings;
use credence_db::cluster::{Cluster, Durability};
use credence_db::{Db, migrate, pending};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a command needs before it can do anything with data.
pub struct Environment {
    /// Settings.
    pub settings: Settings,
    /// Data folder.
    pub data_dir: PathBuf,
    /// Keys.
    pub keys: KeyRing,
    /// The database.
    pub db: Db,
    /// The private cluster, when there is one.
    pub cluster: Option<Cluster>,
}

/// Name of the database in the private cluster.
const DATABASE: &str = "credence";

/// The data folder when none is given: the system's place for root, the user's place for everybody else.
pub fn default_data_dir() -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    if root {
        return PathBuf::from("/var/lib/credence");
    }
    var("XDG_STATE_HOME")
        .or_else(|| var("HOME").map(|home| home.join(".local/state")))
        .unwrap_or_else(|| PathBuf::from("."))
        .join("credence")
}

impl Environment {
    /// Opens everything. `database_url` (from the environment) goes over the settings; with neither, the private cluster is started or, when
    /// another process of this data folder runs it, joined.
    ///
    /// # Errors
    /// A text that says what to do.
    pub async fn open(settings: Settings, data_dir: &Path, database_url: Option<String>, durability: Durability) -> Result<Self, String> {
        std::fs::create_dir_all(data_dir).map_err(|e| format!("{}: {e}; choose another --data-dir", data_dir.display()))?;
        let given = database_url.or_else(|| Some(settings.database.url.clone()).filter(|url| !url.is_empty()));
        let (url, cluster) = match given {
            Some(url) => (url, None),
            None => {
                let dir = data_dir.to_owned();
                let cluster = tokio::task::spawn_blocking(move || Cluster::start(&dir, durability)).await.map_err(|e| e.to_string())?;
                let cluster = cluster.map_err(|e| e.to_string())?;
                create_database(&cluster.url("postgres"), DATABASE).await?;
                (cluster.url(DATABASE), Some(cluster))
            }
        };
        let keys = KeyRing::load_or_create(&data_dir.join(&settings.crypto.key_file), settings.crypto.suite).map_err(|e| e.to_string())?;
        let timeout = Duration::from_secs(settings.database.statement_timeout_seconds);
        let db = Db::open(&url, settings.database.pool_size, timeout).map_err(|e| e.to_string())?;
        Ok(Self { settings, data_dir: data_dir.to_owned(), keys, db, cluster })
    }

    /// Brings the schema up to date: by itself in the private cluster, never behind an operator's back in a database that was given.
    ///
    /// # Errors
    /// When migrations are pending in a given database, or one fails.
    pub async fn ensure_schema(&self) -> Result<(), String> {
        if self.cluster.is_some() {
            return migrate(self.db.url()).await.map(drop).map_err(|e| describe(&e));
        }
        match pending(self.db.url()).await.map_err(|e| describe(&e))? {
            0 => Ok(()),
            n => Err(format!("the database lacks {n} migrations: run `credence migrate` first")),
        }
    }

    /// Stops the private cluster, if this process runs it.
    pub fn close(&mut self) {
        if let Some(cluster) = &mut self.cluster {
            cluster.stop();
        }
    }
}

/// A problem for the console: with its cause, which only the operator sees.
pub fn describe(problem: &credence_core::Problem) -> String {
    match problem.internal.as_deref() {
        Some(cause) => format!("{problem} ({cause})"),
        None => problem.to_string(),
    }
}

/// Makes a database in the cluster unless it is there.
///
/// # Errors
/// The server's own words.
pub async fn create_database(admin_url: &str, name: &str) -> Result<(), String> {
    let (client, connection) = tokio_postgres::connect(admin_url, tokio_postgres::NoTls).await.map_err(|e| e.to_string())?;
    let driver = tokio::spawn(connection);
    let exists = client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await.map_err(|e| e.to_string())?.is_some();
    if !exists && let Err(e) = client.execute(&format!("CREATE DATABASE \"{name}\""), &[]).await {
        // Another process may have been faster.
        if e.code() != Some(&tokio_postgres::error::SqlState::DUPLICATE_DATABASE) {
            return Err(e.to_string());
        }
    }
    drop(client);
    driver.abort();
    Ok(())
}
