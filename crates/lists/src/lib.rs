//! Red and black lists 红黑名单. A native entry goes through its procedure step by step ([`service::procedure`]): notice, objection, a decision by
//! another official of the competent authority, listing, exit. A mirrored entry follows its feed ([`service::follow`]). The platform records and
//! relays; what it does by itself is to follow: an entry ends at the end of its last day, a mirror follows its source, what rests on a record that
//! changed is held until the authority has decided.

pub mod model;
pub mod routes;
pub mod service;
mod store;

pub use service::Lists;
pub use service::projection::projections;
pub use service::redress::{EntryTarget, ExitReady, entry_target, entry_targets};
