//! Attachments 附件: files that belong to what agencies answer and decide. What somebody uploads is looked into ([`service::Attachments::put`]), sealed,
//! and kept in an object store under its id; the row says who uploaded what. Everybody who may read it gets exactly what was uploaded, or an error.

pub mod model;
pub mod routes;
mod s3;
mod scan;
pub mod service;
mod sniff;
mod store;

pub use service::Attachments;
