//! The one program: puts the domains together, serves them over HTTP, runs their jobs, and offers the commands of the console.

pub mod app;
pub mod cli;
pub mod environment;
pub mod routes;
pub mod server;
pub mod shipped;

pub use app::App;
