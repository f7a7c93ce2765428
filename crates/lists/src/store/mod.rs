//! SQL of lists. `list_entries` has more columns than the query builder takes, so its statements are written out.

pub(crate) mod channel;
pub(crate) mod entries;
pub(crate) mod follow;
pub(crate) mod projection;
pub(crate) mod reviews;
