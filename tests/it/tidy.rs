//! House rules that a compiler does not know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(dir: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            // What a file's own tests do is their business.
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
            found.push((name, text));
        }
    }
}

fn crates() -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(&root().join("crates"), &mut found);
    assert!(found.len() > 50);
    found
}

fn breaches(rule: impl Fn(&str, &str) -> bool) -> Vec<String> {
    crates().into_iter().filter(|(name, text)| rule(name, text)).map(|(name, _)| name).collect()
}

#[test]
fn sql_lives_in_stores_only() {
    let layer = |name: &str| ["crates/db/", "crates/audit/", "crates/web/src/idempotency.rs"].iter().any(|p| name.starts_with(p));
    let found = breaches(|name, text| {
        !layer(name)
            && !name.contains("/store")
            && !name.contains("environment.rs")
            && (text.contains("diesel::") || text.contains("sql_query(") || text.contains("tokio_postgres::"))
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn actix_lives_in_routes_web_and_gateway_only() {
    let may = |name: &str| {
        name.ends_with("/routes.rs")
            || name.contains("/routes/")
            || name.starts_with("crates/web/")
            || name.starts_with("crates/gateway/")
            || name == "crates/identity/src/middleware.rs"
    };
    let found = breaches(|name, text| !may(name) && text.contains("actix_web::") && name != "crates/records/src/service/receive.rs");
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_crate_writes_only_its_own_tables() {
    let owners: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (
            "identity",
            &["regions", "agencies", "accounts", "account_roles", "account_subjects", "refresh_tokens", "api_keys", "signing_keys"]
                as &[_],
        ),
        ("audit", &["audit_entries", "change_feed", "access_log", "feed_readers"]),
        ("jobs", &["jobs"]),
        ("web", &["idempotency_keys"]),
        ("catalog", &["config_documents"]),
        ("subjects", &["subjects", "subject_identifiers", "subject_names", "subject_events", "subject_merges"]),
        (
            "records",
            &[
                "submission_batches",
                "batch_files",
                "batch_chunks",
                "quarantined_rows",
                "unmatched_rows",
                "record_versions",
                "record_marks",
                "snapshot_records",
            ],
        ),
        ("attachments", &["attachments"]),
        (
            "dispatch",
            &[
                "joint_actions",
                "directives",
                "directive_feedback",
                "directive_reminders",
                "agency_messages",
                "webhook_endpoints",
                "webhook_secrets",
                "push_messages",
                "push_attempts",
                "checks",
                "check_feedback",
                "check_batches",
                "check_batch_rows",
                "typical_cases",
            ],
        ),
        ("lists", &["list_entries", "list_entry_steps", "list_notices"]),
        (
            "redress",
            &[
                "redress_cases",
                "redress_lines",
                "redress_steps",
                "redress_papers",
                "redress_stops",
                "redress_extensions",
                "redress_commitments",
                "repair_bars",
                "repair_trainings",
                "effects",
                "effect_followups",
                "case_notices",
            ],
        ),
    ]);
    let tables: Vec<(&str, &str)> = owners.iter().flat_map(|(owner, tables)| tables.iter().map(move |t| (*owner, *t))).collect();
    for (name, text) in crates() {
        let krate = name.split('/').nth(1).unwrap();
        for (owner, table) in &tables {
            let word = |verb: &str| {
                let needle = format!("{verb}{table}");
                text.match_indices(&needle).any(|(at, _)| !text[at + needle.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            };
            let writes =
                ["INSERT INTO ", "UPDATE ", "DELETE FROM ", "COPY ", "insert_into(", "update(", "delete("].iter().any(|verb| word(verb));
            assert!(!writes || krate == *owner, "{name} writes {table}, which belongs to {owner}");
        }
    }
}

#[test]
fn no_file_is_a_utils_and_none_is_endless() {
    let found = breaches(|name, _| {
        ["utils", "helpers", "common", "manager", "dto"]
            .iter()
            .any(|bad| name.contains(&format!("{bad}.rs")) || name.contains(&format!("/{bad}/")))
    });
    assert_eq!(found, Vec::<String>::new());
    let long: Vec<String> =
        crates().into_iter().filter(|(name, text)| !name.ends_with("schema.rs") && text.lines().count() > 700).map(|(n, _)| n).collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn every_migration_has_a_way_back() {
    for entry in std::fs::read_dir(root().join("migrations")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert!(path.join("up.sql").exists() && path.join("down.sql").exists(), "{}", path.display());
        }
    }
}

#[test]
fn every_problem_code_is_explained_in_the_api_docs() {
    let docs = std::fs::read_to_string(root().join("docs/API.md")).unwrap();
    let mut missing = Vec::new();
    for (name, text) in crates() {
        for block in text.split("ProblemType").skip(1) {
            let Some((_, rest)) = block.split_once("code: \"") else { continue };
            let code = rest.split('"').next().unwrap();
            if !docs.contains(&format!("`{code}`")) {
                missing.push(format!("{name}: {code}"));
            }
        }
    }
    missing.dedup();
    assert_eq!(missing, Vec::<String>::new());
}
