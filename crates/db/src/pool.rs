//! The pool. Recycling does not ping: a broken connection is noticed by its own error, and the ping would double the round trips of
//! small reads.

use crate::tx::{BulkTx, Tx};
use credence_core::problem::{Problem, Result, UNAVAILABLE};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AnsiTransactionManager, AsyncConnection, AsyncPgConnection, SimpleAsyncConnection, TransactionManager};
use std::time::Duration;

/// A pooled connection, for reads.
pub type Conn = Object<AsyncPgConnection>;

/// The database.
#[derive(Clone)]
pub struct Db {
    pool: Pool<AsyncPgConnection>,
    url: String,
}

impl Db {
    /// Opens a pool; connections are made when they are first needed.
    ///
    /// # Errors
    /// When the pool cannot be set up; an unreachable server shows at the first query.
    pub fn open(url: &str, size: usize, statement_timeout: Duration) -> Result<Self> {
        // Statements here find few rows by their keys, so one plan is as good for all values; planning the question behind a file anew for
        // every reader cost more than answering it.
        let setup_sql = format!(
            "SET statement_timeout = {}; SET timezone = 'UTC'; SET plan_cache_mode = force_generic_plan",
            statement_timeout.as_millis()
        );
        let mut config = ManagerConfig::<AsyncPgConnection>::default();
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(move |url| {
            let setup_sql = setup_sql.clone();
            let url = url.to_owned();
            Box::pin(async move {
                let mut conn = AsyncPgConnection::establish(&url).await?;
                conn.batch_execute(&setup_sql).await.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
                Ok(conn)
            })
        });
        let manager = AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(url, config);
        let pool = Pool::builder(manager).max_size(size).build().map_err(Problem::internal)?;
        Ok(Self { pool, url: url.to_owned() })
    }

    /// A connection for reading.
    pub async fn read(&self) -> Result<Conn> {
        self.pool.get().await.map_err(|e| Problem { internal: Some(e.to_string().into()), ..Problem::new(&UNAVAILABLE) })
    }

    /// Runs `work` in a transaction. It commits when `work` succeeds *and* recorded what it did; a write without a change entry is a
    /// defect and is rolled back.
    pub async fn write<T>(&self, work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        use crate::error::DbResult;
        type Manager = AnsiTransactionManager;
        let mut conn = self.read().await?;
        Manager::begin_transaction(&mut *conn).await.db()?;
        let mut tx = Tx::new(&mut conn);
        let result = work(&mut tx).await;
        let recorded = tx.is_recorded();
        match result {
            Ok(value) if recorded => {
                Manager::commit_transaction(&mut *conn).await.db()?;
                Ok(value)
            }
            Ok(_) => {
                Manager::rollback_transaction(&mut *conn).await.db()?;
                Err(Problem::internal("a write ended without a change entry and was rolled back"))
            }
            Err(problem) => {
                // The problem that stopped the work matters more than a failing rollback; a broken connection leaves the pool anyway.
                if let Err(e) = Manager::rollback_transaction(&mut *conn).await {
                    tracing::warn!(error = %e, "rollback failed");
                }
                Err(problem)
            }
        }
    }

    /// A connection of its own for bulk loading, outside the pool and without statement timeout.
    pub async fn bulk(&self) -> Result<Bulk> {
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await.map_err(crate::from_postgres)?;
        let driver = tokio::spawn(async move {
            if let Err(e) = connection.await {
                tracing::debug!(error = %e, "bulk connection ended");
            }
        });
        Ok(Bulk { client, driver })
    }

    /// The connection string, for the program's own commands.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// A connection for bulk loading.
pub struct Bulk {
    client: tokio_postgres::Client,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Bulk {
    /// The client, for reads outside a transaction.
    pub fn client(&self) -> &tokio_postgres::Client {
        &self.client
    }

    /// Begins a bulk transaction; dropping it rolls back.
    pub async fn begin(&mut self) -> Result<BulkTx<'_>> {
        Ok(BulkTx::new(self.client.transaction().await.map_err(crate::from_postgres)?))
    }
}
