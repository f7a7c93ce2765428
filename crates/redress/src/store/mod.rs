//! SQL of redress.

pub mod cases;
pub mod decisions;
pub mod effects;
pub mod lines;
pub mod notices;
pub mod papers;
pub mod rules_diff;
pub mod trainings;
