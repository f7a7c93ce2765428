//! What joint action is made of, and what can go wrong with it.

pub mod actions;
pub mod cases;
pub mod check_batches;
pub mod checks;
pub mod directives;
pub mod endpoints;
pub mod evaluation;
pub mod messages;
