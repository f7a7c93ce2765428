//! Migrations, compiled in.

use credence_core::problem::{Problem, Result};
use diesel::migration::{Migration, MigrationSource};
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

async fn with_harness<T: Send + 'static>(
    url: &str,
    work: impl FnOnce(&mut AsyncMigrationHarness<AsyncPgConnection>) -> Result<T, String> + Send + 'static,
) -> Result<T> {
    let conn = AsyncPgConnection::establish(url).await.map_err(Problem::internal)?;
    // The harness blocks on its connection, so it gets a thread of its own.
    tokio::task::spawn_blocking(move || work(&mut AsyncMigrationHarness::new(conn)))
        .await
        .map_err(Problem::internal)?
        .map_err(Problem::internal)
}

/// Applies what is pending, each migration in a transaction of its own, and returns their names.
pub async fn migrate(url: &str) -> Result<Vec<String>> {
    with_harness(url, |harness| {
        let applied = harness.run_pending_migrations(MIGRATIONS).map_err(|e| e.to_string())?;
        Ok(applied.iter().map(ToString::to_string).collect())
    })
    .await
}

/// How many migrations the database lacks.
pub async fn pending(url: &str) -> Result<usize> {
    with_harness(url, |harness| Ok(harness.pending_migrations(MIGRATIONS).map_err(|e| e.to_string())?.len())).await
}

/// Takes every migration back, newest first. For the test that goes up, down and up again; data is lost.
pub async fn revert_all(url: &str) -> Result<Vec<String>> {
    with_harness(url, |harness| {
        let reverted = harness.revert_all_migrations(MIGRATIONS).map_err(|e| e.to_string())?;
        Ok(reverted.iter().map(ToString::to_string).collect())
    })
    .await
}

/// The names of all migrations, oldest first.
pub fn names() -> Result<Vec<String>> {
    let all: Vec<Box<dyn Migration<diesel::pg::Pg>>> = MIGRATIONS.migrations().map_err(Problem::internal)?;
    Ok(all.iter().map(|m| m.name().to_string()).collect())
}
