//! Who is who: regions and agencies, accounts with their roles, logins, tokens and API keys. A national login can be put in front of
//! [`service::login`] later: everything behind it works on [`credence_core::Actor`] alone.

pub mod directory;
pub mod middleware;
pub mod model;
pub mod password;
pub mod regions;
pub mod routes;
pub mod service;
mod store;
pub mod tokens;

pub use directory::{Agency, Directory};
pub use service::Identity;
