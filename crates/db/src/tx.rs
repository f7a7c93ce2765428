//! "One write, one transaction" as a type: only [`crate::Db::write`] and [`crate::pool::Bulk::begin`] build one, change entries can only be
//! made with one, and neither commits without an entry (invariant 4).

use credence_core::problem::{Problem, Result};
use diesel_async::AsyncPgConnection;

/// A running write transaction.
pub struct Tx<'a> {
    conn: &'a mut AsyncPgConnection,
    recorded: bool,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(conn: &'a mut AsyncPgConnection) -> Self {
        Self { conn, recorded: false }
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// The connection, for the store functions.
    pub fn conn(&mut self) -> &mut AsyncPgConnection {
        self.conn
    }

    /// Called by `credence-audit` once the change entry is written.
    pub fn mark_recorded(&mut self) {
        self.recorded = true;
    }
}

/// A running bulk transaction over the raw driver, which knows COPY.
pub struct BulkTx<'a> {
    tx: tokio_postgres::Transaction<'a>,
    recorded: bool,
}

impl<'a> BulkTx<'a> {
    pub(crate) fn new(tx: tokio_postgres::Transaction<'a>) -> Self {
        Self { tx, recorded: false }
    }

    /// The transaction, for the store functions.
    pub fn raw(&self) -> &tokio_postgres::Transaction<'a> {
        &self.tx
    }

    /// Called by `credence-audit` once the change entry is written.
    pub fn mark_recorded(&mut self) {
        self.recorded = true;
    }

    /// Commits; refused when nothing was recorded.
    pub async fn commit(self) -> Result<()> {
        if !self.recorded {
            return Err(Problem::internal("a bulk write ended without a change entry and was rolled back"));
        }
        self.tx.commit().await.map_err(crate::from_postgres)
    }
}
