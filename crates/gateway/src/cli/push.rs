//! `credence push`: a department's client. File in, verdicts out; the refused rows are written beside the input.

use super::client::{Client, News, PATIENCE_SECONDS, Rejects, patiently};
use super::{Console, Failure};
use clap::Args;
use credence_records::model::{Issue, RowVerdict, Severity, Verdict};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What the help of `push` ends with.
const ENDING: &str = "\
For data.csv, refused rows are written to data.rejects.xlsx with their reasons. Correct them there and
push that file with the same options: it goes into the same batch. More than 200,000 of them come as
data.rejects.csv. An older data.rejects.xlsx is kept as data.rejects.previous-1.xlsx, and so on. A dry
run writes its reasons to data.dry-run.csv.

Pushing the very same file again is safe: the server recognises it.

With --whole the file states that it is the whole list: once every row has its record, the records of
your agency that are not in it are ended. Refused rows, and rows of which nobody has said yet whose they
are, hold that back. --whole --dry-run tells how many records would be ended.

Exit codes: 0 every row was taken; 1 failed, or the file was refused as a whole; 2 wrong usage;
3 some rows were refused.";

#[derive(Args)]
#[command(after_help = ENDING)]
pub(super) struct Push {
    /// File of rows: CSV, XLSX, XLS, JSON or NDJSON; text may be gzipped
    file: PathBuf,
    /// Code of the catalogue item, e.g. administrative_penalty_organisation
    #[arg(long)]
    item: String,
    /// Form of the item (feed version); needed when it has several
    #[arg(long, value_name = "VERSION")]
    feed: Option<String>,
    /// Encoding of text, utf-8 or gb18030; needed only when the server cannot find it out
    #[arg(long)]
    encoding: Option<String>,
    /// Columns to leave out, separated by commas
    #[arg(long, value_name = "COLUMNS")]
    ignore: Option<String>,
    /// The file is the whole list of the item: records of your agency that are not in it are ended
    #[arg(long)]
    whole: bool,
    /// Get the verdicts and store nothing
    #[arg(long)]
    dry_run: bool,
    /// Address of the server
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "CREDENCE_URL")]
    url: String,
    /// API key; better in the environment than on the command line, where others can read it
    #[arg(long, env = "CREDENCE_KEY", hide_env_values = true)]
    key: String,
    /// How long a server that stopped answering is asked again once it has the file; 0 gives up at once
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE_SECONDS)]
    patience: u64,
}

/// Exit code when some rows were refused.
const SOME_REFUSED: u8 = 3;
/// So many refused rows are printed; all of them are in the files.
const ROWS_SHOWN_MAX: usize = 20;

pub(super) fn run(console: Console, push: &Push) -> Result<ExitCode, Failure> {
    let (file, size) = open(&push.file)?;
    let client = Client::new(&push.url, &push.key);
    // Before the first byte: a server that refuses a large upload half-way hangs up, and its reason is lost.
    client.me().map_err(|failure| {
        let of_key = failure.code() == "token_refused";
        if of_key { failure.with("hint", "the API key is taken from --key or CREDENCE_KEY") } else { failure }
    })?;
    let received = send(console, &client, push, file, size)?;
    if push.dry_run { tried(console, push, received) } else { follow(console, &client, push, &received) }
}

fn open(path: &Path) -> Result<(File, u64), Failure> {
    let unreadable = |e: &dyn std::fmt::Display| Failure::new("file_unreadable", format!("{}: {e}", path.display()));
    let file = File::open(path).map_err(|e| unreadable(&e))?;
    let about = file.metadata().map_err(|e| unreadable(&e))?;
    if about.is_file() { Ok((file, about.len())) } else { Err(unreadable(&"not a file; its size has to be known before it is sent")) }
}

fn bar(console: Console, total: u64, template: &str) -> ProgressBar {
    if console.json {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn send(console: Console, client: &Client, push: &Push, file: File, size: u64) -> Result<Value, Failure> {
    let name = push.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut query = vec![("item", push.item.as_str()), ("file_name", name.as_str())];
    query.extend(push.feed.as_deref().map(|feed| ("feed", feed)));
    query.extend(push.encoding.as_deref().map(|encoding| ("encoding", encoding)));
    query.extend(push.ignore.as_deref().map(|ignore| ("ignore", ignore)));
    if push.whole {
        query.push(("whole", "true"));
    }
    if push.dry_run {
        query.push(("dry_run", "true"));
    }
    let sending = bar(console, size, "sending {bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
    let received = client.submit(&query, sending.wrap_read(file), size);
    sending.finish_and_clear();
    received.map_err(|failure| {
        if failure.is_passing() {
            failure.with("hint", "push the same file again: a server that has it already recognises it, and nothing is stored twice")
        } else {
            failure
        }
    })
}

/// Tells what a dry run found.
fn tried(console: Console, push: &Push, mut received: Value) -> Result<ExitCode, Failure> {
    let counts = received.get("counts").cloned().unwrap_or_default();
    let refused = number(&counts, "refused");
    let rows = refused_rows(&received);
    let report = if rows.is_empty() { None } else { Some(beside(&push.file, "dry-run.csv")) };
    if let Some(path) = &report {
        write_report(path, &rows)?;
    }
    if let Some(object) = received.as_object_mut() {
        object.insert("report".to_owned(), report.as_deref().map(shown).into());
    }
    console.print(&received, || {
        let mut text = format!("dry run, nothing stored: {}{}", summary(&counts), reasons(&rows, refused));
        match received.get("would_end").and_then(Value::as_u64) {
            Some(absent) => text.push_str(&format!("\n{} records are not in this whole list and would be ended", HumanCount(absent))),
            None if push.whole => text.push_str("\nnothing would be ended: not every row of this whole list has its record yet"),
            None => {}
        }
        if let Some(path) = &report {
            let held = count(&rows);
            let which = if held < refused {
                format!("the first {} of {} refused rows", HumanCount(held), HumanCount(refused))
            } else {
                "all refused rows".to_owned()
            };
            text.push_str(&format!("\n{which} with their reasons: {}", path.display()));
        }
        text
    });
    Ok(code(refused))
}

/// Waits for the verdicts and fetches what was refused.
fn follow(console: Console, client: &Client, push: &Push, received: &Value) -> Result<ExitCode, Failure> {
    let no_batch = || Failure::new("bad_answer", "the server's answer to the upload names no batch; check that it is a Credence server");
    let id = received.pointer("/batch/id").and_then(Value::as_str).ok_or_else(no_batch)?;
    let patience = Duration::from_secs(push.patience);
    let loading = bar(console, 0, "loading {bar:30} {human_pos}/{human_len} rows {per_sec} eta {eta}");
    let mut away = |why: &Failure, pause: Duration| {
        let seconds = pause.as_secs_f64();
        loading.suspend(|| console.note(&format!("no answer, asking again in {seconds:.1} s ({})", why.message())));
    };
    let batch = client.follow(id, patience, &mut |news| match news {
        News::Away { why, pause } => away(why, pause),
        News::State(batch) => {
            let file = last_file(batch);
            if let Some(total) = file.and_then(|f| f.get("rows_total")).and_then(Value::as_u64) {
                loading.set_length(total);
                loading.set_position(file.map_or(0, |f| number(f, "rows_done")));
            }
        }
    });
    loading.finish_and_clear();
    let batch = batch.map_err(|failure| {
        let failure = failure.amid("the server has the file, but what became of it is not known");
        failure.with("batch", id).with("hint", "push the same file again to ask for it")
    })?;

    let same = received.get("same_file") == Some(&Value::Bool(true));
    // A file that is recognised was not refused as a whole; a later file of its batch may have been.
    let problem = last_file(&batch).and_then(|f| f.get("problem")).filter(|p| !same && !p.is_null());
    if let Some(problem) = problem {
        let failure = Failure::answered(&push.url, 422, problem.to_string().as_bytes());
        return Err(failure.amid("the file was refused as a whole").with("batch", id));
    }
    let counts = batch.get("counts").cloned().unwrap_or_default();
    let in_quarantine = number(&batch, "in_quarantine");
    let mut rejects = None;
    if in_quarantine > 0 {
        let mut fetch = |format| patiently(patience, &mut away, &mut || client.rejects(id, format));
        let written = match fetch(Rejects::Workbook) {
            // Too many rows for a sheet: they come as CSV, which is corrected and pushed the same way.
            Err(failure) if failure.code() == "rejects_too_many" => {
                fetch(Rejects::Csv).and_then(|body| write_rejects(&beside(&push.file, "rejects.csv"), body))
            }
            Err(failure) => Err(failure),
            Ok(body) => write_rejects(&beside(&push.file, "rejects.xlsx"), body),
        };
        rejects = Some(written.map_err(|failure| {
            let what = format!("the batch is loaded ({}), but the file of its refused rows could not be fetched", summary(&counts));
            failure.amid(&what).with("batch", id).with("hint", "push the same file again: it is recognised, and the rows are fetched")
        })?);
    }
    let rows = refused_rows(received);
    let path = rejects.as_deref().map(shown);
    let output = json!({ "batch": batch, "same_file": same, "rows": received.get("rows"), "rejects": path });
    console.print(&output, || {
        let mut text = format!("batch {id}: {}", summary(&counts));
        if same {
            text.push_str("\nthis very file had been received before; nothing was done");
        }
        text.push_str(absences(&batch));
        text.push_str(&reasons(&rows, count(&rows)));
        if let Some(path) = &rejects {
            text.push_str(&format!(
                "\n{} refused rows with their reasons: {}\ncorrect them there and push that file with the same options",
                HumanCount(in_quarantine),
                path.display()
            ));
        }
        text
    });
    Ok(code(in_quarantine))
}

fn last_file(batch: &Value) -> Option<&Value> {
    batch.get("files").and_then(Value::as_array).and_then(|files| files.last())
}

fn number(of: &Value, key: &str) -> u64 {
    of.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn count(rows: &[RowVerdict]) -> u64 {
    u64::try_from(rows.len()).unwrap_or(u64::MAX)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn code(refused: u64) -> ExitCode {
    if refused > 0 { ExitCode::from(SOME_REFUSED) } else { ExitCode::SUCCESS }
}

/// A path beside the input, named after it.
fn beside(input: &Path, ending: &str) -> PathBuf {
    let stem = input.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    input.with_file_name(format!("{stem}.{ending}"))
}

/// Writes the file of refused rows, whole or not at all, and returns where. Somebody may have begun to correct the one of an earlier push: it is
/// moved aside under a number of its own, and none is ever overwritten.
fn write_rejects(path: &Path, mut body: impl Read) -> Result<PathBuf, Failure> {
    let part = path.with_extension("part");
    let mut write = || {
        let mut file = std::fs::File::create(&part)?;
        std::io::copy(&mut body, &mut file)?;
        file.sync_all()?;
        if path.exists() {
            std::fs::rename(path, previous(path))?;
        }
        std::fs::rename(&part, path)
    };
    write().map(|()| path.to_owned()).map_err(|e| {
        let _ = std::fs::remove_file(&part);
        Failure::new("file_unwritable", format!("{}: {e}", path.display()))
    })
}

/// The first free name for an earlier file of refused rows: `x.rejects.previous-1.xlsx`, counting up.
fn previous(path: &Path) -> PathBuf {
    let ending = path.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
    let numbered = |n: u32| path.with_extension(format!("previous-{n}.{ending}"));
    (1..u32::MAX).map(numbered).find(|candidate| !candidate.exists()).unwrap_or_else(|| numbered(u32::MAX))
}

/// The refused rows an answer tells of; a large file's answer tells of none, and a very bad one's of the first thousand.
fn refused_rows(received: &Value) -> Vec<RowVerdict> {
    let rows = received.get("rows").and_then(Value::as_array).into_iter().flatten();
    rows.filter_map(|row| RowVerdict::deserialize(row).ok()).filter(|row| row.verdict == Verdict::Refused).collect()
}

/// What refuses a row; its warnings do not matter then.
fn errors(row: &RowVerdict) -> impl Iterator<Item = &Issue> {
    row.issues.iter().filter(|issue| issue.severity == Severity::Error)
}

/// The first refused rows in words, and how many more there are.
fn reasons(rows: &[RowVerdict], refused: u64) -> String {
    let mut text = String::new();
    if rows.is_empty() {
        return text;
    }
    text.push_str("\nrefused (rows are counted without the header):");
    for row in rows.iter().take(ROWS_SHOWN_MAX) {
        for issue in errors(row) {
            let field = if issue.field_name.is_empty() { &issue.field } else { &issue.field_name };
            let colon = if field.is_empty() { "" } else { "：" };
            text.push_str(&format!("\n  row {}: [{}] {field}{colon}{} / {}", row.row, issue.rule, issue.message_zh, issue.message_en));
        }
    }
    let more = refused.saturating_sub(count(rows.get(..ROWS_SHOWN_MAX).unwrap_or(rows)));
    if more > 0 {
        text.push_str(&format!("\n  and {} more rows", HumanCount(more)));
    }
    text
}

/// Writes the reasons of refused rows as a table, one reason a line, with a byte order mark for spreadsheet programs.
fn write_report(path: &Path, rows: &[RowVerdict]) -> Result<(), Failure> {
    let unwritable = |e: &dyn std::fmt::Display| Failure::new("file_unwritable", format!("{}: {e}", path.display()));
    let mut writer = csv::Writer::from_writer(vec![0xEF, 0xBB, 0xBF]);
    writer.write_record(["row", "field", "field_name", "rule", "message", "message_en"]).map_err(|e| unwritable(&e))?;
    for row in rows {
        let number = row.row.to_string();
        for issue in errors(row) {
            let record = [&number, &issue.field, &issue.field_name, &issue.rule, &issue.message_zh, &issue.message_en];
            writer.write_record(record).map_err(|e| unwritable(&e))?;
        }
    }
    let bytes = writer.into_inner().map_err(|e| unwritable(&e))?;
    std::fs::write(path, bytes).map_err(|e| unwritable(&e))
}

/// What becomes of the records that a whole list lacks; nothing for a file that is none.
fn absences(batch: &Value) -> &'static str {
    match batch.pointer("/absences/state").and_then(Value::as_str) {
        Some("pending") => "\nrecords that are not in this whole list are being ended; the batch tells how many",
        Some("incomplete") => {
            "\nnothing is ended yet: rows of this whole list are refused, or wait for the credit office to say whose they are"
        }
        Some("superseded") => "\nnothing is ended: a newer whole list has been loaded",
        Some("settled") => "\nrecords that are not in this whole list are ended; the batch tells how many",
        _ => "",
    }
}

fn summary(counts: &Value) -> String {
    let n = |key: &str| HumanCount(number(counts, key));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(row: u64) -> RowVerdict {
        let issue = |severity, rule: &str| Issue {
            field: "USCC".into(),
            field_name: "统一社会信用代码".into(),
            rule: rule.into(),
            severity,
            value: String::new(),
            message_zh: "不是代码, \"x\"".into(),
            message_en: "no code".into(),
        };
        let issues = vec![issue(Severity::Warning, "odd"), issue(Severity::Error, "uscc_length")];
        RowVerdict { row, verdict: Verdict::Refused, issues }
    }

    #[test]
    fn twenty_rows_are_shown_and_the_others_counted() {
        let rows: Vec<RowVerdict> = (1..=25).map(refused).collect();
        let text = reasons(&rows, 1_200);
        assert_eq!(text.matches("[uscc_length] 统一社会信用代码：").count(), 20);
        assert!(text.ends_with("and 1,180 more rows") && !text.contains("odd"), "{text}");
        assert_eq!(reasons(&[], 0), "");
    }

    #[test]
    fn the_report_is_a_table_that_reads_back() {
        let path = std::env::temp_dir().join(format!("credence-report-{}.csv", std::process::id()));
        write_report(&path, &[refused(3)]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap());
        let lines: Vec<Vec<String>> = reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(lines[0], ["row", "field", "field_name", "rule", "message", "message_en"]);
        assert_eq!(lines[1..], [["3", "USCC", "统一社会信用代码", "uscc_length", "不是代码, \"x\"", "no code"]]);
    }

    #[test]
    fn files_are_named_after_the_input() {
        assert_eq!(beside(Path::new("a/honours.csv"), "rejects.xlsx"), Path::new("a/honours.rejects.xlsx"));
        assert_eq!(beside(Path::new("rows"), "dry-run.csv"), Path::new("rows.dry-run.csv"));
        assert_eq!(Path::new("a/x.rejects.xlsx").with_extension("previous.xlsx"), Path::new("a/x.rejects.previous.xlsx"));
    }
}
