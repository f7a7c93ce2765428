//! A subject's file: everything that may be said about it to whoever asks, as of any day and as known at any instant. A projection: it
//! reads many domains and writes none of their tables.

pub mod model;
pub mod projection;
pub mod routes;
mod service;
mod store;

pub use projection::projections;
pub use routes::configure;
pub use service::Reports;
