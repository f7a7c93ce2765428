//! Work that follows a write, as rows: enqueued in the write's own transaction, taken by lease, run by a handler that may be run twice.
//! A lease is a row with a time, never a lock held across the work; a worker that dies loses it when the time is up.

mod store;
mod worker;

pub use store::{NewJob, enqueue, enqueue_leased, finish_in_call, waiting};
pub use worker::{Handler, Lease, Outcome, Worker};
