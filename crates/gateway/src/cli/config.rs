//! `credence config check|apply`.

use super::{Context, Failure};
use crate::environment::Environment;
use crate::shipped::Files;
use clap::Subcommand;
use credence_catalog::{Applied, Document, Folder};
use credence_core::Actor;
use credence_core::clock::{Clock, SystemClock};
use credence_identity::regions::Regions;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Config {
    /// Check a folder without touching a database; exit 1 when it has faults
    ///
    /// Also lists what an operator still has to verify against the official text, which is no fault.
    Check {
        /// Configuration folder [default: the one this program was shipped with]
        folder: Option<PathBuf>,
    },
    /// Check a folder and store what changed, all of it or nothing
    Apply {
        /// Configuration folder [default: the one this program was shipped with]
        folder: Option<PathBuf>,
    },
}

/// The files of a folder and the documents and faults among them. A folder with neither is the wrong folder, not a sound one.
fn read(path: Option<&PathBuf>) -> Result<(Files, Folder, Vec<String>), Failure> {
    let files = match path {
        Some(path) => Files::read(path).map_err(|e| Failure::new("file_unreadable", e))?,
        None => Files::shipped(),
    };
    let folder = files.folder();
    let mut faults = folder.faults();
    if let Some(Err(e)) = files.get("regions.toml").map(toml::from_str::<Regions>) {
        faults.push(format!("regions.toml: {}", e.message()));
    }
    if let Some(path) = path.filter(|_| folder.documents.is_empty() && faults.is_empty()) {
        let text = format!("{} holds no configuration; name the folder that has catalog/, code-sets/ and rules/ in it", path.display());
        return Err(Failure::new("no_configuration", text));
    }
    Ok((files, folder, faults))
}

/// Whether an operator still has to read what a document rests on.
fn is_unverified(document: &Document) -> bool {
    document.body.get("verified") == Some(&json!(false)) || document.body.get("state") == Some(&json!("unverified"))
}

/// How a document is listed: rules and calendars by their own names, which nothing else has; a list, a measure and a memorandum may share a
/// code, and of a placeholder it is said that it is not in force.
fn label(document: &Document) -> String {
    let Document { kind, code, body, .. } = document;
    let asleep = if body.get("state") == Some(&json!("unverified")) { " (not in force)" } else { "" };
    match *kind {
        "list" | "measure" | "memorandum" => format!("{kind} {code}{asleep}"),
        _ => code.clone(),
    }
}

pub(super) async fn run(context: &Context, command: Config) -> Result<ExitCode, Failure> {
    match command {
        Config::Check { folder } => {
            let (_, folder, faults) = read(folder.as_ref())?;
            let unverified: Vec<String> = folder.documents.iter().filter(|d| is_unverified(d)).map(label).collect();
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
            let (files, ..) = read(folder.as_ref())?;
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
///
/// # Errors
/// `bad_config` with every fault when the folder has some; then nothing is changed.
pub async fn apply(env: &Environment, files: &Files, by: &str) -> Result<Applied, Failure> {
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
        .await?;
    Ok(applied)
}

/// Applies the shipped folder to a private database that has no configuration yet.
pub(super) async fn apply_shipped(env: &Environment) -> Result<(), Failure> {
    let configuration = credence_catalog::Configuration::load(&env.db).await?;
    if configuration.revision == 0 {
        apply(env, &Files::shipped(), "first start").await?;
    }
    Ok(())
}
