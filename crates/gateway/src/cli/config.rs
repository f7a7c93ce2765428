//! `credence config check|apply`.

use super::Context;
use crate::environment::{Environment, describe};
use crate::shipped::Files;
use clap::Subcommand;
use credence_catalog::Applied;
use credence_core::Actor;
use credence_core::clock::{Clock, SystemClock};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Config {
    /// Check a folder without touching a database; lists what an operator still has to verify
    Check {
        /// Folder; the shipped one when absent
        folder: Option<PathBuf>,
    },
    /// Check a folder and store what changed, all of it or nothing
    Apply {
        /// Folder; the shipped one when absent
        folder: Option<PathBuf>,
    },
}

fn files(folder: Option<&PathBuf>) -> Result<Files, String> {
    folder.map_or_else(|| Ok(Files::shipped()), |path| Files::read(path))
}

pub(super) async fn run(context: &Context, command: Config) -> Result<ExitCode, String> {
    match command {
        Config::Check { folder } => {
            let folder = files(folder.as_ref())?.folder();
            let faults = folder.faults();
            let unverified: Vec<&str> = folder
                .documents
                .iter()
                .filter(|d| d.body.get("verified") == Some(&serde_json::Value::Bool(false)))
                .map(|d| d.code.as_str())
                .collect();
            context.print(&json!({ "documents": folder.documents.len(), "faults": faults, "unverified": unverified }), || {
                let mut text = format!("{} documents, {} faults", folder.documents.len(), faults.len());
                for fault in &faults {
                    text.push_str(&format!("\n  {fault}"));
                }
                if !unverified.is_empty() {
                    text.push_str("\nto be verified by the operator against the official text:");
                    for code in &unverified {
                        text.push_str(&format!("\n  {code}"));
                    }
                }
                text
            });
            Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Config::Apply { folder } => {
            let files = files(folder.as_ref())?;
            let mut env = context.open().await?;
            env.ensure_schema().await?;
            let applied = apply(&env, &files, "credence config apply").await?;
            context.print(&applied, || {
                let list = |title: &str, codes: &[String]| codes.iter().map(|c| format!("\n  {title} {c}")).collect::<String>();
                format!(
                    "revision {}: {} new, {} changed, {} as they were{}{}{}",
                    applied.revision,
                    applied.added.len(),
                    applied.changed.len(),
                    applied.unchanged,
                    list("+", &applied.added),
                    list("~", &applied.changed),
                    list("kept, not in the folder:", &applied.kept)
                )
            });
            env.close();
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Applies a folder: documents, then regions, in one transaction.
pub async fn apply(env: &Environment, files: &Files, by: &str) -> Result<Applied, String> {
    let (actor, now) = (Actor::system(by), SystemClock.now());
    let folder = files.folder();
    let applied = env
        .db
        .write(async |tx| {
            let applied = credence_catalog::apply(tx, &actor, &folder, now).await?;
            if let Some(regions) = files.get("regions.toml") {
                credence_identity::regions::apply_regions(tx, &actor, regions, now).await?;
            }
            Ok(applied)
        })
        .await;
    applied.map_err(|problem| {
        let faults = problem.details.get("faults").and_then(|f| f.as_array()).cloned().unwrap_or_default();
        let lines: String = faults.iter().filter_map(|f| f.as_str()).map(|f| format!("\n  {f}")).collect();
        if lines.is_empty() { describe(&problem) } else { format!("{}{lines}", problem.of.en) }
    })
}

/// Applies the shipped folder to a private database that has no configuration yet.
pub(super) async fn apply_shipped(env: &Environment) -> Result<(), String> {
    let configuration = credence_catalog::Configuration::load(&env.db).await.map_err(|e| describe(&e))?;
    if configuration.revision == 0 {
        apply(env, &Files::shipped(), "first start").await?;
    }
    Ok(())
}
