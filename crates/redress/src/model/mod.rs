//! Words of redress: cases and their lines, what is decided, what refuses it. Pure: nothing here reads the clock or a database.

pub mod cases;
pub mod decisions;
pub mod effects;
pub mod lines;
pub mod notices;
pub mod problems;
pub mod trainings;
