//! Database errors as problems: a broken connection is "try later", a named constraint is what its domain says, anything else is ours.

use credence_core::problem::{Problem, Result, UNAVAILABLE};
use diesel::result::{DatabaseErrorKind, Error};

/// Turns a query's result into the domain's.
pub trait DbResult<T> {
    /// Any error is an internal or an availability problem.
    fn db(self) -> Result<T>;
    /// A violation of the named constraint (or unique index) is the problem given; the rest as [`Self::db`].
    fn on_constraint(self, name: &str, problem: impl FnOnce() -> Problem) -> Result<T>;
}

impl<T> DbResult<T> for diesel::QueryResult<T> {
    fn db(self) -> Result<T> {
        self.map_err(from_diesel)
    }

    fn on_constraint(self, name: &str, problem: impl FnOnce() -> Problem) -> Result<T> {
        match self {
            Err(Error::DatabaseError(_, info)) if info.constraint_name() == Some(name) => Err(problem()),
            other => other.db(),
        }
    }
}

fn from_diesel(error: Error) -> Problem {
    match &error {
        Error::DatabaseError(DatabaseErrorKind::ClosedConnection, _) | Error::BrokenTransactionManager => unavailable(&error),
        Error::DatabaseError(_, info) if is_going_away(info.message()) => unavailable(&error),
        _ => Problem::internal(&error),
    }
}

/// The same for the raw driver that loads chunks.
pub fn from_postgres(error: tokio_postgres::Error) -> Problem {
    let text = error.as_db_error().map_or_else(|| error.to_string(), |e| format!("{}: {}", e.code().code(), e.message()));
    if error.is_closed() || is_going_away(&text) { unavailable(&text) } else { Problem::internal(text) }
}

fn is_going_away(message: &str) -> bool {
    ["terminating connection", "shutting down", "starting up", "connection closed", "connection reset", "Connection refused", "Broken pipe"]
        .iter()
        .any(|sign| message.contains(sign))
}

fn unavailable(cause: &dyn std::fmt::Display) -> Problem {
    Problem { internal: Some(cause.to_string().into()), ..Problem::new(&UNAVAILABLE) }
}
