//! Credit subjects: who a statement is about. A subject has a stable id; its numbers and names are statements with their own two clocks,
//! so that a rename, a corrected code or a merger loses nothing. Matching is by rule and in order (USCC, organisation code inside the
//! USCC, registration number); what rules cannot decide, a person does.

pub mod history;
pub mod matching;
pub mod model;
pub mod routes;
pub mod service;
pub mod store;
pub mod timeline;
