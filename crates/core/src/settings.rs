//! Settings: `config/default.toml` holds every key with its comment and is compiled in; a file and the environment
//! (`CREDENCE__SECTION__KEY`) go over it. An unknown key is refused, so a misspelt limit cannot be silently ignored.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The commented default, also the documentation of every key.
pub const DEFAULT: &str = include_str!("../../../config/default.toml");

/// All settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key, in the words its reader needs")]
pub struct Settings {
    pub server: Server,
    pub database: Database,
    pub ingest: Ingest,
    pub query: Query,
    pub identity: Identity,
    pub jobs: Jobs,
    pub lists: Lists,
    pub dispatch: Dispatch,
    pub redress: Redress,
    pub mail: Mail,
    pub attachments: Attachments,
    pub crypto: Crypto,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Server {
    pub listen: String,
    pub workers: usize,
    pub json_body_bytes_max: usize,
    pub keep_alive_seconds: u64,
    pub shutdown_seconds: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Database {
    pub url: String,
    pub pool_size: usize,
    pub statement_timeout_seconds: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Ingest {
    pub body_bytes_max: u64,
    pub decompressed_bytes_max: u64,
    pub compression_ratio_max: u64,
    pub rows_max: u64,
    pub columns_max: usize,
    pub cell_chars_max: usize,
    pub nesting_max: usize,
    pub row_bytes_max: u64,
    pub workbook_unpacked_bytes_max: u64,
    pub xls_bytes_max: u64,
    pub dry_run_rows_max: u64,
    pub dry_runs_max: usize,
    pub sync_rows_max: u64,
    pub chunk_rows: usize,
    pub open_batches_per_agency_max: i64,
    pub encoding_proof_chars: usize,
    pub unseen_name: UnseenName,
    pub spool_dir: PathBuf,
    pub spool_keep_days: i64,
}

/// What to do with a row whose subject was never known by the name it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnseenName {
    /// Take the row and say so.
    Warn,
    /// Refuse the row.
    Refuse,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Query {
    pub page_default: i64,
    pub page_max: i64,
    pub idempotency_keep_days: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Identity {
    pub access_token_minutes: i64,
    pub refresh_token_days: i64,
    pub lockout_attempts: i32,
    pub lockout_minutes: i64,
    pub password_chars_min: usize,
    pub argon2_memory_kib: u32,
    pub argon2_passes: u32,
    pub argon2_lanes: u32,
    pub signing_key_days: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Jobs {
    pub lease_seconds: i64,
    pub poll_milliseconds: u64,
    pub attempts_max: i32,
    pub parallel: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Lists {
    pub text_chars_max: usize,
    pub responsible_max: usize,
    pub step_subjects: i64,
    pub open_data_rows_max: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Dispatch {
    pub inbox_wait_seconds_max: u64,
    pub text_chars_max: usize,
    pub attachments_max: usize,
    pub check_batch_rows_max: usize,
    pub check_batch_body_bytes_max: usize,
    pub evaluations_max: usize,
    pub webhook_retry_seconds: Vec<i64>,
    pub webhook_timeout_seconds: u64,
    pub webhook_answer_bytes_max: u64,
    pub webhook_parallel: usize,
    pub webhook_allow_http: bool,
    pub webhook_allowed_networks: Vec<String>,
    pub webhook_rotation_hours: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Redress {
    pub text_chars_max: usize,
    pub lines_max: usize,
    pub papers_max: usize,
    pub lookup_failures_max: i32,
    pub lookup_lock_minutes: i64,
    pub diff_samples_max: usize,
    pub sweep_page: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Mail {
    pub sender: MailSender,
    pub dir: PathBuf,
    pub from: String,
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    pub username: String,
    pub password: String,
    pub timeout_seconds: u64,
    pub retry_seconds: Vec<i64>,
    pub round_max: i64,
}

/// How mail leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailSender {
    /// As a file in a folder: nothing leaves the machine.
    File,
    /// To a mail server.
    Smtp,
    /// Not at all: no mail is written.
    None,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTls {
    /// Not at all.
    None,
    /// It begins plain and nothing is said before it is encrypted.
    Starttls,
    /// From its beginning.
    Tls,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Attachments {
    pub store: AttachmentStore,
    pub dir: PathBuf,
    pub s3_bucket: String,
    pub s3_region: String,
    pub s3_endpoint: String,
    pub s3_path_style: bool,
    pub s3_allow_http: bool,
    pub s3_access_key_id: String,
    pub s3_secret_access_key: String,
    pub s3_timeout_seconds: u64,
    pub scan_command: Vec<String>,
    pub scan_timeout_seconds: u64,
    pub size_bytes_max: usize,
    pub parallel_max: usize,
    pub bytes_per_day_max: i64,
    pub media_types: Vec<String>,
}

/// Where attachments are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentStore {
    /// A folder.
    Local,
    /// A bucket of a service that speaks S3.
    S3,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml documents every key")]
pub struct Crypto {
    pub suite: crate::crypto::Suite,
    pub key_file: PathBuf,
}

impl Settings {
    /// The default, `file` over it, and the environment `vars` over both.
    ///
    /// # Errors
    /// A text that names the file or variable and what is wrong with it.
    pub fn load(file: Option<&Path>, vars: impl Iterator<Item = (String, String)>) -> Result<Self, String> {
        let mut table: toml::Table = DEFAULT.parse().map_err(|e: toml::de::Error| format!("config/default.toml: {}", e.message()))?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
            let over: toml::Table = text.parse().map_err(|e: toml::de::Error| format!("{}: {}", path.display(), e.message()))?;
            merge(&mut table, over);
        }
        for (name, value) in vars {
            let Some(path) = name.strip_prefix("CREDENCE__") else { continue };
            let Some((section, key)) = path.split_once("__") else {
                return Err(format!("{name}: expected CREDENCE__SECTION__KEY"));
            };
            // `5` and `true` keep their type; anything that is no TOML value is a plain string.
            let parsed = format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
            let mut over = toml::Table::new();
            over.insert(key.to_lowercase(), parsed.unwrap_or(toml::Value::String(value)));
            let mut outer = toml::Table::new();
            outer.insert(section.to_lowercase(), toml::Value::Table(over));
            merge(&mut table, outer);
        }
        table.try_into().map_err(|e: toml::de::Error| format!("settings: {}", e.message()))
    }
}

fn merge(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(more)) => merge(inner, more),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn the_default_is_complete_and_the_environment_goes_over_it() {
        let plain = Settings::load(None, vars(&[("PATH", "x")])).unwrap();
        let changed =
            Settings::load(None, vars(&[("CREDENCE__JOBS__LEASE_SECONDS", "3"), ("CREDENCE__DATABASE__URL", "host=/x user=y")])).unwrap();
        assert_ne!(plain.jobs.lease_seconds, 3);
        assert_eq!((changed.jobs.lease_seconds, changed.database.url.as_str()), (3, "host=/x user=y"));
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let error = Settings::load(None, vars(&[("CREDENCE__INGEST__ROWS_MAXX", "3")])).unwrap_err();
        assert!(error.contains("rows_maxx"), "{error}");
    }
}
