//! PostgreSQL, the one source of truth: the pool, the transaction every write goes through ([`Tx`]), the migrations, and the private
//! cluster that a machine without a database server gets.

pub mod cluster;
mod error;
mod migrate;
pub mod pool;
#[rustfmt::skip]
pub mod schema;
mod tx;

pub use error::{DbResult, from_postgres};
pub use migrate::{migrate, names, pending, revert_all};
pub use pool::{Bulk, Conn, Db};
pub use tx::{BulkTx, Tx};
