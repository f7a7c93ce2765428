//! `credence push`: a department's client. File in, verdicts out; the refused rows are written beside the input.

use super::Context;
use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub(super) struct Push {
    /// File of rows: CSV, XLSX, XLS, JSON or NDJSON; text may be gzipped
    file: PathBuf,
    /// Catalogue item, e.g. administrative_penalty_organisation
    #[arg(long)]
    item: String,
    /// Form (feed version), needed when the item has several
    #[arg(long)]
    feed: Option<String>,
    /// Encoding, when it cannot be found out
    #[arg(long)]
    encoding: Option<String>,
    /// Columns to leave out, separated by commas
    #[arg(long)]
    ignore: Option<String>,
    /// Verdicts only, nothing is stored
    #[arg(long)]
    dry_run: bool,
    /// Server
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "CREDENCE_URL")]
    url: String,
    /// API key; better in the environment than on the command line, where others can read it
    #[arg(long, env = "CREDENCE_KEY", hide_env_values = true)]
    key: String,
}

/// How often the server is asked how far a load has come.
const POLL: Duration = Duration::from_millis(300);
/// Exit code when some rows were refused.
const SOME_REFUSED: u8 = 3;

/// A connection to a server.
pub struct Client {
    agent: ureq::Agent,
    url: String,
    key: String,
}

impl Client {
    /// A client with an API key or access token.
    pub fn new(url: &str, key: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        Self { agent: config.into(), url: url.trim_end_matches('/').to_owned(), key: key.to_owned() }
    }

    fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Value, String> {
        let status = response.status();
        let body: Value = response.body_mut().read_json().map_err(|e| format!("HTTP {status}: {e}"))?;
        if status.is_success() {
            return Ok(body);
        }
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let en = body.pointer("/messages/en").and_then(Value::as_str).unwrap_or_default();
        let known = ["type", "code", "status", "title", "messages", "request_id"];
        let details: String = body
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| !known.contains(&key.as_str()))
            .map(|(key, value)| format!("\n  {key}: {value}"))
            .collect();
        Err(format!("[{}] {}\n  {en}{details}", text("code"), text("title")))
    }

    /// Uploads a file.
    pub fn submit(&self, query: &[(&str, &str)], body: impl std::io::Read, size: u64) -> Result<Value, String> {
        let mut body = body;
        let response = self
            .agent
            .post(format!("{}/v1/batches", self.url))
            .query_pairs(query.iter().copied())
            .header("Authorization", format!("Bearer {}", self.key))
            .header("Content-Type", "application/octet-stream")
            .header("Content-Length", size.to_string())
            .send(ureq::SendBody::from_reader(&mut body))
            .map_err(|e| format!("{}: {e}", self.url))?;
        Self::read(response)
    }

    /// A batch.
    pub fn batch(&self, id: &str) -> Result<Value, String> {
        let request = self.agent.get(format!("{}/v1/batches/{id}", self.url)).header("Authorization", format!("Bearer {}", self.key));
        Self::read(request.call().map_err(|e| format!("{}: {e}", self.url))?)
    }

    /// Waits until no file of the batch is loading; `seen` is shown each state on the way.
    pub fn wait(&self, id: &str, seen: &mut dyn FnMut(&Value)) -> Result<Value, String> {
        loop {
            let batch = self.batch(id)?;
            seen(&batch);
            let open = |file: &Value| matches!(file.get("state").and_then(Value::as_str), Some("queued" | "loading"));
            if !batch.get("files").and_then(Value::as_array).is_some_and(|files| files.iter().any(open)) {
                return Ok(batch);
            }
            std::thread::sleep(POLL);
        }
    }

    fn rejects(&self, id: &str, to: &Path) -> Result<(), String> {
        let url = format!("{}/v1/batches/{id}/rejects.xlsx", self.url);
        let mut response = self.agent.get(url).header("Authorization", format!("Bearer {}", self.key)).call().map_err(|e| e.to_string())?;
        let mut file = File::create(to).map_err(|e| format!("{}: {e}", to.display()))?;
        std::io::copy(&mut response.body_mut().as_reader(), &mut file).map_err(|e| e.to_string())?;
        Ok(())
    }
}

fn bar(total: u64, template: &str, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

pub(super) fn run(context: &Context, push: &Push) -> Result<ExitCode, String> {
    let client = Client::new(&push.url, &push.key);
    let file = File::open(&push.file).map_err(|e| format!("{}: {e}", push.file.display()))?;
    let size = file.metadata().map_err(|e| e.to_string())?.len();
    let name = push.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut query = vec![("item", push.item.as_str()), ("file_name", name.as_str())];
    query.extend(push.feed.as_deref().map(|feed| ("feed", feed)));
    query.extend(push.encoding.as_deref().map(|encoding| ("encoding", encoding)));
    query.extend(push.ignore.as_deref().map(|ignore| ("ignore", ignore)));
    if push.dry_run {
        query.push(("dry_run", "true"));
    }
    let sending = bar(size, "sending {bar:30} {bytes}/{total_bytes} {bytes_per_sec}", context.json);
    let received = client.submit(&query, sending.wrap_read(file), size)?;
    sending.finish_and_clear();
    if push.dry_run {
        context.print(&received, || format!("dry run, nothing stored: {}", summary(received.get("counts").unwrap_or(&Value::Null))));
        return Ok(code(received.pointer("/counts/refused").and_then(Value::as_i64).unwrap_or(0)));
    }
    let id = received.pointer("/batch/id").and_then(Value::as_str).ok_or("the server's answer has no batch")?.to_owned();
    let loading = bar(0, "loading {bar:30} {human_pos}/{human_len} rows {per_sec} eta {eta}", context.json);
    let batch = client.wait(&id, &mut |batch| {
        let number = |key: &str| {
            batch.pointer("/files").and_then(Value::as_array).and_then(|f| f.last()).and_then(|f| f.get(key)).and_then(Value::as_u64)
        };
        if let Some(total) = number("rows_total") {
            loading.set_length(total);
            loading.set_position(number("rows_done").unwrap_or(0));
        }
    })?;
    loading.finish_and_clear();

    let last = batch.get("files").and_then(Value::as_array).and_then(|files| files.last()).cloned().unwrap_or_default();
    if let Some(problem) = last.get("problem").filter(|p| !p.is_null()) {
        return Err(format!("the file was refused as a whole: {problem}"));
    }
    let in_quarantine = batch.get("in_quarantine").and_then(Value::as_i64).unwrap_or(0);
    let mut rejects = None;
    if in_quarantine > 0 {
        let path = beside(&push.file);
        client.rejects(&id, &path)?;
        rejects = Some(path);
    }
    let same = received.get("same_file") == Some(&Value::Bool(true));
    let output = json!({ "batch": batch, "same_file": same, "rejects": rejects });
    context.print(&output, || {
        let mut text = format!("batch {id}: {}", summary(batch.get("counts").unwrap_or(&Value::Null)));
        if same {
            text.push_str("\nthis very file had been received before; nothing was done");
        }
        if let Some(path) = &rejects {
            text.push_str(&format!(
                "\n{} refused rows with their reasons: {}\ncorrect them there and push that file again",
                HumanCount(in_quarantine.unsigned_abs()),
                path.display()
            ));
        }
        text
    });
    Ok(code(in_quarantine))
}

fn code(refused: i64) -> ExitCode {
    if refused > 0 { ExitCode::from(SOME_REFUSED) } else { ExitCode::SUCCESS }
}

fn beside(input: &Path) -> PathBuf {
    let stem = input.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    input.with_file_name(format!("{stem}.rejects.xlsx"))
}

fn summary(counts: &Value) -> String {
    let n = |key: &str| HumanCount(counts.get(key).and_then(Value::as_u64).unwrap_or(0));
    format!(
        "{} accepted, {} accepted with warnings, {} unchanged, {} new versions, {} refused ({} unmatched, {} late)",
        n("accepted"),
        n("accepted_with_warnings"),
        n("unchanged"),
        n("new_version"),
        n("refused"),
        n("unmatched"),
        n("late")
    )
}
