//! Two logs and the feed. [`record`] writes the change entry and the feed entry of a write inside its transaction (invariant 4);
//! [`changes`] reads the change log; [`access`] keeps who looked at what is not public; [`feed`] lets projections follow changes in commit
//! order; [`effects`] is what they have in common when something has to be true everywhere.

pub mod access;
mod change;
pub mod effects;
pub mod feed;

pub use change::{Change, ChangeEntry, ChangesAsked, changes, record, record_bulk};
