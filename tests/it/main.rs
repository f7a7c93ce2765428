//! Every test of behaviour, in one binary: real PostgreSQL, real HTTP, real files. Each test has a database of its own, copied from a
//! template, so all run side by side.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

mod access;
mod adversity;
mod attachments;
mod catalog;
mod checks;
mod cli;
mod directives;
mod durability;
mod effects;
mod effects_killed;
mod evaluation;
mod feed;
mod files;
mod formats;
mod identity;
mod ingestion;
mod joint_action;
mod list_model;
mod lists;
mod messages;
mod notices;
mod publicity;
mod push;
mod record_redress;
mod redress;
mod redress_cases;
mod redress_decisions;
mod redress_simulation;
mod rules_diff;
mod schema;
mod single_records;
mod spreadsheet;
mod subjects;
mod support;
mod tidy;
mod walkthrough;
mod whole_lists;
