//! Records: from a department's file to versions of statements. A file is received and kept ([`service::receive`]), decoded ([`decode`]),
//! its header recognised ([`header`]), every row checked ([`check`]) and loaded in chunks that commit with their progress
//! ([`service::load`]). Every row gets a verdict; refused rows wait in quarantine; batches can be undone and single records corrected or
//! withdrawn, always as a new version.

pub mod cell;
pub mod check;
pub mod decode;
pub mod header;
pub mod jobs;
pub mod model;
pub mod routes;
pub mod service;
pub mod spool;
mod store;

pub use service::Records;
