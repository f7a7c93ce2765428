//! Redress 权益保障: disputes 异议 and repair 信用修复 on one case core, and the effects of what was decided, followed until they are true everywhere.
//!
//! A case ([`service::cases`]) has lines, one for each record or list entry; each is decided by the agency that answers for it, by
//! [`service::dispute`] or [`service::repair`]. What was decided changes the record or entry in the same transaction; [`service::effects`] follows the
//! change feed and asks every projection and every recipient for a receipt. [`service::notices`] tells the applicant.

pub mod model;
pub mod routes;
pub mod service;
pub mod store;

pub use service::Redress;
