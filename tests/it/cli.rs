//! The commands as people and scripts meet them: the real program, its exit codes, what it prints and what it leaves on disk.

use crate::support::TestApp;
use crate::support::builders::{Table, party, penalties};
use credence_core::{Actor, Role};
use credence_identity::model::NewApiKey;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ITEM: &str = "administrative_penalty_organisation";
const CODE_COLUMN: &str = "行政相对人代码_1（统一社会信用代码）";

/// The program as built beside this test.
fn program() -> PathBuf {
    let beside = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("credence");
    assert!(beside.exists(), "{} is missing: run `make test`, which builds it first", beside.display());
    beside
}

/// The program with nothing in its environment.
fn credence(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.env_clear().env("CREDENCE_LOG", "error").args(arguments).stdin(Stdio::null());
    command
}

/// How a command ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The code of an error printed for programs.
    fn error(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

fn run(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A command where there is no database, no data folder and no file of settings.
fn bare(arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let mut command = credence(arguments);
    command.current_dir(folder.path());
    for (name, value) in [
        ("CREDENCE_CONFIG", "/nowhere/settings.toml"),
        ("CREDENCE_DATA", "/nowhere/data"),
        ("DATABASE_URL", "host=/nowhere user=nobody"),
        ("CREDENCE__NO__SUCH_SETTING", "1"),
    ] {
        command.env(name, value);
    }
    let ran = run(&mut command);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?} left something behind");
    ran
}

/// Published codes of organisations, and one whose owner is not known.
const VALID: [&str; 19] = [
    "91110000710925462X",
    "91100000100003962T",
    "911100001000054748",
    "914403001922038216",
    "9144030071526726XG",
    "91440300192317458F",
    "91440400192548256N",
    "91110000802100433B",
    "91330000733796106P",
    "9152000071430580XT",
    "34530000745285741B",
    "515309025577792696",
    "81530400560076062A",
    "99140000MA0H3UTK9E",
    "12100000400002259P",
    "12100000400000624D",
    "31110000E00017891P",
    "11420000MB15291767",
    "11230500001755309F",
];

/// Codes that are wrong, and the rule that says so.
const REFUSED: [(&str, &str); 10] = [
    ("91110000710925462Y", "uscc_check_char"),
    ("91110000719025462X", "uscc_check_char"),
    ("91420684179660622T", "uscc_check_char"),
    ("91340000148941384F", "uscc_check_char"),
    ("91440101MA5Z0005E", "uscc_length"),
    ("9111000071O925462X", "uscc_format"),
    ("429006NA000000022X", "uscc_format"),
    ("00000000000000000X", "uscc_placeholder"),
    ("000000000000000000", "uscc_placeholder"),
    ("123456789012345678", "uscc_placeholder"),
];

/// Issued or well-formed codes with a wrong inner check: taken, with a remark.
const REMARKED: [&str; 3] = ["911100007109254631", "914512817717388902", "91450122592788029K"];

/// One code as people write it.
const SLOPPY: [&str; 5] = [
    "９１１１００００７１０９２５４６２Ｘ",
    "91110000 710925462x",
    "91110000-710925462-X",
    "9111-0000-7109-2546-2x",
    " 91110000710925462X\t",
];

fn check(codes: &[&str], json: bool) -> Ran {
    let mut arguments = if json { vec!["--json"] } else { vec![] };
    arguments.extend(["code", "check"]);
    arguments.extend(codes);
    bare(&arguments)
}

#[test]
fn published_codes_are_valid_and_need_nothing_but_the_program() {
    let ran = check(&VALID, true);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    let list = ran.json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), VALID.len());
    for (code, found) in VALID.iter().zip(list) {
        assert_eq!((&found["code"], &found["valid"], &found["warnings"]), (&json!(code), &json!(true), &json!([])), "{found}");
    }
    let text = check(&VALID, false);
    assert_eq!((text.code, text.out.lines().count()), (Some(0), VALID.len()), "{text:?}");
    assert!(text.out.lines().all(|line| line.contains(": valid (")), "{text:?}");
}

#[test]
fn a_wrong_code_is_refused_with_its_reason_and_the_exit_code_says_so() {
    for (code, rule) in REFUSED {
        let ran = check(&[code], false);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.out.starts_with(&format!("{code}: refused [{rule}] ")), "{ran:?}");
        let found = check(&[code], true).json();
        assert_eq!((&found[0]["valid"], &found[0]["rule"]), (&json!(false), &json!(rule)), "{found}");
        assert!(["message_zh", "message_en"].iter().all(|key| found[0][key].as_str().is_some_and(|m| m.len() > 10)), "{found}");
    }
    // One wrong code among good ones: each has its line, and the whole is refused.
    let mixed = check(&[VALID[0], REFUSED[0].0, VALID[1]], false);
    assert_eq!((mixed.code, mixed.out.lines().count()), (Some(1), 3), "{mixed:?}");
}

#[test]
fn an_odd_code_passes_with_a_warning_and_a_sloppy_one_is_put_right() {
    for code in REMARKED {
        let ran = check(&[code], false);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.out.contains("warning [uscc_inner_check]"), "{ran:?}");
        assert_eq!(check(&[code], true).json()[0]["warnings"][0]["rule"], "uscc_inner_check");
    }
    let ran = check(&SLOPPY, true);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for found in ran.json().as_array().unwrap() {
        assert_eq!(found["code"], "91110000710925462X", "{found}");
    }
}

#[test]
fn working_days_are_counted_across_holidays_and_worked_weekends() {
    for (start, n, result) in [
        ("2019-09-12", "1", "2019-09-16"),
        ("2019-09-10", "7", "2019-09-20"),
        ("2019-09-24", "7", "2019-10-09"),
        ("2019-09-27", "1", "2019-09-29"),
        ("2019-09-30", "1", "2019-10-08"),
        ("2019-09-29", "3", "2019-10-09"),
        ("2019-09-30", "7", "2019-10-15"),
        ("2019-10-11", "1", "2019-10-12"),
        ("2020-01-17", "7", "2020-02-04"),
        ("2025-09-26", "7", "2025-10-13"),
        ("2026-02-13", "7", "2026-03-02"),
        ("2026-04-01", "3", "2026-04-07"),
    ] {
        let ran = bare(&["calendar", "add", start, n]);
        assert_eq!((ran.code, ran.out, ran.err.as_str()), (Some(0), format!("{result}\n"), ""), "{start} + {n}");
    }
}

#[test]
fn a_year_without_a_calendar_is_flagged_and_nonsense_is_wrong_usage() {
    let ran = bare(&["calendar", "add", "2026-12-31", "1"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "2027-01-01\n"), "{ran:?}");
    assert!(ran.err.contains("no calendar is published here for 2027"), "{ran:?}");
    let value = bare(&["--json", "calendar", "add", "2026-12-31", "1"]).json();
    assert_eq!(value, json!({ "date": "2027-01-01", "provisional": true, "years_without_calendar": [2027] }));
    for (date, n) in [("2026-02-30", "1"), ("tomorrow", "1"), ("2026-02-03", "100001"), ("2026-02-03", "x")] {
        let ran = bare(&["calendar", "add", date, n]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains(if date == "2026-02-03" { n } else { date }), "{ran:?}");
        let ran = bare(&["--json", "calendar", "add", date, n]);
        assert_eq!((ran.code, ran.error().as_str()), (Some(2), "usage"), "{ran:?}");
    }
}

fn key(app: &TestApp, agency: &str) -> String {
    let new = NewApiKey { agency: agency.into(), label: "cli".into(), role: Role::Provider, items: None, regions: None, valid_days: None };
    app.block_on(app.app.identity.create_api_key(&Actor::system("test"), new)).unwrap().key
}

/// `credence push` of a penalty file.
fn push(url: &str, key: &str, file: &Path, more: &[&str]) -> Ran {
    let mut command = credence(&["push", "--item", ITEM, "--url", url]);
    run(command.args(more).arg(file).env("CREDENCE_KEY", key))
}

fn save(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn sheet(path: &Path) -> Table {
    use calamine::Reader;
    let mut book: calamine::Xlsx<_> = calamine::Xlsx::new(std::io::Cursor::new(std::fs::read(path).unwrap())).unwrap();
    let range = book.worksheet_range("数据").unwrap();
    let mut rows = range.rows().map(|row| row.iter().map(ToString::to_string).collect::<Vec<String>>());
    Table { header: rows.next().unwrap(), rows: rows.collect() }
}

#[test]
fn refused_rows_come_back_beside_the_input_and_land_in_the_same_batch_once_corrected() {
    let app = TestApp::new();
    let (dir, key) = (tempfile::tempdir().unwrap(), key(&app, "lf-amr"));
    let good = save(dir.path(), "good.csv", &penalties(1, 3).csv());
    let ran = push(&app.url, &key, &good, &["--feed", "v2"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("3 accepted") && ran.out.contains("0 refused"), "{ran:?}");
    assert!(!dir.path().join("good.rejects.xlsx").exists());

    let bad = save(dir.path(), "bad.csv", &penalties(11, 4).set(1, CODE_COLUMN, "91440101MA5Z0005E").csv());
    let rejects = dir.path().join("bad.rejects.xlsx");
    let ran = push(&app.url, &key, &bad, &["--feed", "v2"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.out.contains("1 refused") && ran.out.contains("row 2: [uscc_length] "), "{ran:?}");
    assert!(ran.out.contains(rejects.to_str().unwrap()), "{ran:?}");
    assert_eq!(sheet(&rejects).rows.len(), 1);
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 6);

    // The same file again: recognised, and what somebody made of the refused rows meanwhile is not lost.
    std::fs::write(&rejects, "half corrected").unwrap();
    let ran = push(&app.url, &key, &bad, &["--feed", "v2", "--json"]);
    let again = ran.json();
    assert_eq!((ran.code, &again["same_file"]), (Some(3), &json!(true)), "{ran:?}");
    assert_eq!(again["rejects"], rejects.to_str().unwrap());
    assert_eq!(std::fs::read_to_string(dir.path().join("bad.rejects.previous-1.xlsx")).unwrap(), "half corrected");

    // Corrected where it lies and pushed with the same options.
    let corrected = sheet(&rejects).set(0, CODE_COLUMN, &party(12));
    std::fs::write(&rejects, corrected.xlsx()).unwrap();
    let ran = push(&app.url, &key, &rejects, &["--feed", "v2", "--json"]);
    let landed = ran.json();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((&landed["batch"]["id"], &landed["batch"]["in_quarantine"]), (&again["batch"]["id"], &json!(0)));
    assert_eq!((&landed["rejects"], &landed["rows"][0]["verdict"]), (&Value::Null, &json!("accepted")));
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 7);
    assert_eq!(app.count("SELECT count(*) FROM submission_batches"), 2);
}

#[test]
fn a_dry_run_says_what_is_wrong_and_stores_nothing() {
    let app = TestApp::new();
    let (dir, key) = (tempfile::tempdir().unwrap(), key(&app, "lf-amr"));
    let mut table = penalties(1, 26);
    for at in 0..25 {
        table = table.set(at, CODE_COLUMN, "91440101MA5Z0005E");
    }
    let file = save(dir.path(), "rows.csv", &table.csv());
    let report = dir.path().join("rows.dry-run.csv");
    let ran = push(&app.url, &key, &file, &["--feed", "v2", "--dry-run"]);
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.out.contains("1 accepted") && ran.out.contains("25 refused"), "{ran:?}");
    assert_eq!(ran.out.matches("[uscc_length]").count(), 20, "{ran:?}");
    assert!(ran.out.contains("and 5 more rows") && ran.out.contains(report.to_str().unwrap()), "{ran:?}");

    let bytes = std::fs::read(&report).unwrap();
    let mut reader = csv::Reader::from_reader(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(header, ["row", "field", "field_name", "rule", "message", "message_en"]);
    let lines: Vec<Vec<String>> = reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
    assert_eq!(lines.len(), 25);
    assert_eq!((lines[24][0].as_str(), lines[24][2].as_str(), lines[24][3].as_str()), ("25", CODE_COLUMN, "uscc_length"));
    assert!(lines[0][4].contains("17位") && lines[0][5].contains("17"), "{lines:?}");

    let ran = push(&app.url, &key, &file, &["--feed", "v2", "--dry-run", "--json"]);
    let value = ran.json();
    assert_eq!((ran.code, &value["counts"]["refused"], &value["batch"]), (Some(3), &json!(25), &Value::Null), "{ran:?}");
    assert_eq!((&value["report"], ran.err.as_str()), (&json!(report), ""));

    let good = save(dir.path(), "good.csv", &penalties(1, 2).csv());
    let ran = push(&app.url, &key, &good, &["--feed", "v2", "--dry-run"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!dir.path().join("good.dry-run.csv").exists());
    for table in ["submission_batches", "batch_files", "record_versions", "quarantined_rows", "subjects"] {
        assert_eq!(app.count(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
}

#[test]
fn what_cannot_be_pushed_is_said_clearly() {
    let app = TestApp::new();
    let (dir, key) = (tempfile::tempdir().unwrap(), key(&app, "lf-amr"));
    let file = save(dir.path(), "rows.csv", &penalties(1, 1).csv());

    let ran = push(&app.url, "crd_wrong", &file, &["--feed", "v2"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.contains("[token_refused]") && ran.err.contains("CREDENCE_KEY"), "{ran:?}");

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = format!("http://{closed}");
    let absent = dir.path().join("absent.csv");
    let cases: [(&str, &str, &Path, &[&str], &str); 4] = [
        (&app.url, "crd_wrong", &file, &["--feed", "v2"], "token_refused"),
        (&app.url, &key, &file, &[], "feed_missing"),
        (&app.url, &key, &absent, &["--feed", "v2"], "file_unreadable"),
        (&nowhere, &key, &file, &["--feed", "v2"], "unreachable"),
    ];
    for (url, key, file, more, code) in cases {
        let more: Vec<&str> = more.iter().copied().chain(["--json"]).collect();
        let ran = push(url, key, file, &more);
        assert_eq!((ran.code, ran.error().as_str(), ran.err.as_str()), (Some(1), code, ""), "{ran:?}");
        assert!(ran.json()["error"]["message"].as_str().is_some_and(|m| m.len() > 10), "{ran:?}");
    }
    let ran = push(&app.url, &key, &file, &["--json"]);
    assert_eq!(ran.json()["error"]["details"]["versions"].as_array().map(Vec::len), Some(2), "{ran:?}");
    assert_eq!(app.count("SELECT count(*) FROM submission_batches"), 0);

    // Without an item it is wrong usage, for people and for programs.
    let ran = run(credence(&["push", "x.csv"]).env("CREDENCE_KEY", "k"));
    assert_eq!((ran.code, ran.out.as_str(), ran.err.contains("--item")), (Some(2), "", true), "{ran:?}");
    let ran = run(credence(&["push", "x.csv", "--json"]).env("CREDENCE_KEY", "k"));
    assert_eq!((ran.code, ran.error().as_str()), (Some(2), "usage"), "{ran:?}");
}

/// What a made-up server does when asked: status and body; status 0 hangs up without a word.
type Answers = Vec<(&'static str, Vec<(u16, Value)>)>;

/// A server that answers each kind of request in turn, the last answer again and again. Requests are told by what they begin with.
fn scripted(answers: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut script: Vec<(&'static str, VecDeque<(u16, Value)>)> = answers.into_iter().map(|(on, list)| (on, list.into())).collect();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut length) = (String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() <= 2 {
                    break;
                }
                if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
                    length = n.trim().parse().unwrap();
                }
            }
            std::io::copy(&mut reader.take(length), &mut std::io::sink()).unwrap();
            let (_, list) = script.iter_mut().find(|(on, _)| first.starts_with(on)).unwrap_or_else(|| panic!("{first}"));
            let (status, body) = if list.len() > 1 { list.pop_front().unwrap() } else { list[0].clone() };
            if status > 0 {
                let body = body.to_string();
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        }
    });
    url
}

/// A server that took a file into batch `b`, and says these things about it afterwards.
fn after_receipt(batch: Vec<(u16, Value)>, rejects: (u16, Value)) -> String {
    scripted(vec![
        ("GET /v1/me ", vec![(200, json!({}))]),
        ("POST /v1/batches?", vec![(202, json!({ "batch": { "id": "b" }, "same_file": false, "rows": [], "counts": null }))]),
        ("GET /v1/batches/b ", batch),
        ("GET /v1/batches/b/rejects.xlsx ", vec![rejects]),
    ])
}

fn batch(state: &str, in_quarantine: u32) -> Value {
    let file = json!({ "state": state, "rows_total": 5, "rows_done": 5 });
    json!({ "id": "b", "counts": { "accepted": 5 }, "in_quarantine": in_quarantine, "files": [file] })
}

fn not_found() -> (u16, Value) {
    (404, json!({ "code": "not_found", "status": 404, "title": "未找到", "messages": { "zh": "未找到", "en": "there is no such thing" } }))
}

#[test]
fn following_a_load_survives_a_restart_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let file = save(dir.path(), "rows.csv", b"x");
    let states = vec![(200, batch("loading", 0)), (0, Value::Null), (503, json!({})), (200, batch("completed", 0))];
    let url = after_receipt(states, not_found());
    let ran = push(&url, "k", &file, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.err.matches("asking again").count(), 2, "{ran:?}");
    assert!(ran.out.contains("5 accepted"), "{ran:?}");

    // A definite answer ends it at once, and so does the end of patience.
    let ran = push(&after_receipt(vec![not_found()], not_found()), "k", &file, &["--json"]);
    assert_eq!((ran.code, ran.error().as_str(), ran.err.as_str()), (Some(1), "not_found", ""), "{ran:?}");
    let ran = push(&after_receipt(vec![(503, json!({}))], not_found()), "k", &file, &["--patience", "0"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("gave up after 0 seconds") && ran.err.contains("push the same file"), "{ran:?}");
}

#[test]
fn refused_rows_that_cannot_be_fetched_are_no_success_and_leave_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = save(dir.path(), "rows.csv", b"x");
    // The last one is an answer of something that is no Credence server.
    for (answer, code) in [
        (not_found(), "not_found"),
        ((401, json!({ "code": "token_refused", "messages": { "zh": "无效", "en": "not valid" } })), "token_refused"),
        ((500, json!({ "code": "internal", "messages": { "zh": "错误", "en": "our fault" } })), "internal"),
        ((502, json!("bad gateway")), "bad_answer"),
        ((200, json!("a page")), "bad_answer"),
    ] {
        let url = after_receipt(vec![(200, batch("completed", 2))], answer);
        let ran = push(&url, "k", &file, &["--patience", "0"]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.err.contains("could not be fetched") && ran.err.contains("5 accepted"), "{ran:?}");
        let ran = push(&url, "k", &file, &["--patience", "0", "--json"]);
        assert_eq!((ran.code, ran.error().as_str()), (Some(1), code), "{ran:?}");
        assert_eq!(ran.json()["error"]["details"]["batch"], "b");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "only the input lies there");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[test]
fn a_configuration_is_checked_without_a_database() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("config");
    for arguments in [vec!["config", "check"], vec!["config", "check", shipped.to_str().unwrap()]] {
        let ran = run(&mut credence(&arguments));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.out.contains(" documents, 0 faults"), "{ran:?}");
    }
    let value = run(&mut credence(&["config", "check", "--json"])).json();
    assert_eq!(value["faults"], json!([]));
    assert!(value["documents"].as_u64().is_some_and(|n| n > 30), "{value}");

    let breaks: [(&str, &str, &str); 4] = [
        ("catalog/honour.toml", "type = \"date\"", "type = \"dat\""),
        ("catalog/honour.toml", "code_set = \"honour_level\"", "code_set = \"none\""),
        ("rules/identifiers.toml", "legal_basis = \"GB 32100-2015\"", "legal_basis = \"\""),
        ("regions.toml", "[[regions]]", "[[region]]"),
    ];
    for (name, from, to) in breaks {
        let dir = tempfile::tempdir().unwrap();
        copy(&shipped, dir.path());
        let path = dir.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let folder = dir.path().to_str().unwrap();
        let ran = run(&mut credence(&["config", "check", folder]));
        assert_eq!(ran.code, Some(1), "{name} {to}: {ran:?}");
        assert!(ran.out.contains(&format!("\n  {name}: ")), "{name} {to}: {ran:?}");
        let value = run(&mut credence(&["config", "check", folder, "--json"])).json();
        assert!(value["faults"].as_array().is_some_and(|faults| !faults.is_empty()), "{value}");
    }
    // The wrong folder is not a sound one.
    let empty = tempfile::tempdir().unwrap();
    let ran = run(&mut credence(&["config", "check", empty.path().to_str().unwrap(), "--json"]));
    assert_eq!((ran.code, ran.error().as_str()), (Some(1), "no_configuration"), "{ran:?}");
    // A setting that does not exist is found before anything is done.
    let ran = run(credence(&["config", "check", "--json"]).env("CREDENCE__INGEST__ROWS_MAXX", "3"));
    assert_eq!((ran.code, ran.error().as_str()), (Some(2), "bad_settings"), "{ran:?}");
}

#[test]
fn every_command_has_help() {
    for arguments in [
        vec![],
        vec!["serve"],
        vec!["migrate"],
        vec!["config"],
        vec!["config", "check"],
        vec!["config", "apply"],
        vec!["demo"],
        vec!["push"],
        vec!["code"],
        vec!["code", "check"],
        vec!["calendar"],
        vec!["calendar", "add"],
        vec!["rules"],
        vec!["rules", "diff"],
        vec!["admin"],
        vec!["admin", "add-account"],
        vec!["admin", "add-key"],
        vec!["admin", "apply-agencies"],
        vec!["admin", "rotate-signing-key"],
        vec!["admin", "openapi"],
    ] {
        let with_help: Vec<&str> = arguments.iter().copied().chain(["--help"]).collect();
        let ran = bare(&with_help);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
        let usage = ["Usage: credence"].iter().chain(&arguments).copied().collect::<Vec<_>>().join(" ");
        assert!(ran.out.contains(&usage), "{usage}: {}", ran.out);
    }
    let top = bare(&["--help"]).out;
    assert!(top.contains("Exit codes:") && top.contains("--json"), "{top}");
    assert!(bare(&["push", "--help"]).out.contains("--patience"));
}

/// `credence demo` in a folder, with passwords cheap to hash.
fn demo(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = credence(&["demo", "--organisations", "60", "--rows", "400", "--listen", "127.0.0.1:0"]);
    command.args(arguments).arg("--data-dir").arg(dir).env("CREDENCE__IDENTITY__ARGON2_MEMORY_KIB", "64");
    // The programs of PostgreSQL are found, and the server is started, through these.
    for name in ["PATH", "HOME", "CREDENCE_POSTGRES_BIN"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
}

fn made(dir: &Path) -> Value {
    let ran = run(&mut demo(dir, &["--no-serve", "--json"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.json()
}

#[test]
fn a_demonstration_that_was_stopped_is_finished_by_the_next_start_and_kept_by_every_later_one() {
    let base = tempfile::tempdir().unwrap();
    // The server of the private cluster runs as another user when this test runs as root: it has to be able to walk here.
    std::fs::set_permissions(base.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let dir = base.path().join("data");
    let (card, progress) = (dir.join("demo/demo.json"), dir.join("demo/demo.progress.json"));

    // Killed while it pushes.
    let mut child = demo(&dir, &["--no-serve"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("  administrative_licence_organisation from ")));
    child.kill().unwrap();
    child.wait().unwrap();
    let half_way = std::fs::read_to_string(&progress).unwrap();
    let first = made(&dir);
    assert_eq!(first["accounts"].as_array().map(Vec::len), Some(11), "{first}");
    assert_eq!(first["password"], serde_json::from_str::<Value>(&half_way).unwrap()["password"]);
    assert!(card.exists() && !progress.exists());

    // Killed after its accounts were opened and before the card was written.
    std::fs::remove_file(&card).unwrap();
    std::fs::write(&progress, &half_way).unwrap();
    let second = made(&dir);
    assert_eq!((&second["accounts"], &second["password"]), (&first["accounts"], &first["password"]));

    // Nothing is known of the accounts that are there: theirs stay, others are opened.
    std::fs::remove_file(&card).unwrap();
    let third = made(&dir);
    assert_eq!(third["accounts"][4][0], "provider-2", "{third}");
    assert_ne!(third["password"], first["password"]);

    // Complete: kept as it is, and what is printed works as printed, from another folder.
    let mut child = demo(&dir, &["--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let last: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    for kept in ["accounts", "password", "provider_key", "example_uscc"] {
        assert_eq!(last[kept], third[kept]);
    }
    let tries: Vec<&str> = last["try"].as_array().unwrap().iter().map(|t| t["command"].as_str().unwrap()).collect();
    assert_eq!(tries.len(), 7);
    let elsewhere = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let shell = |line: &str| run(Command::new("sh").args(["-c", line]).env_clear().env("PATH", &path).current_dir(elsewhere.path()));
    let url = last["url"].as_str().unwrap();
    for line in tries[..3].iter().chain(&tries[5..6]) {
        // Whether curl is installed here is no question of this program; where it would go is.
        let words = shell(&line.replacen("curl", "printf '%s\\n'", 1)).out;
        let address = words.lines().find(|word| word.starts_with(url)).unwrap_or_else(|| panic!("{line}: {words}"));
        let answer = crate::support::Caller::new(url, None).get(&address[url.len()..]);
        assert_eq!(answer.status, 200, "{line}");
    }
    // The lists filled themselves from what was pushed, and four starts have put nobody on one twice.
    let shown = |path: &str| crate::support::Caller::new(url, None).get(path).ok()["items"].as_array().map_or(0, Vec::len);
    assert!(shown("/v1/lists/judgment_defaulter/entries") > 0);
    assert!(shown("/v1/lists/serious_illegality/entries") <= 2 && shown("/v1/lists/city_commendation/notices") <= 1);
    // The repair was granted once, whatever four starts did, and is followed by number and code: of two agencies that had read it one has answered.
    let words = shell(&tries[6].replacen("curl", "printf '%s\\n'", 1)).out;
    let asked: Value = serde_json::from_str(words.lines().last().unwrap()).unwrap_or_else(|e| panic!("{e}: {words}"));
    assert!(words.lines().any(|word| word == format!("{url}/v1/case-lookups")), "{words}");
    let case = crate::support::Caller::new(url, None).post("/v1/case-lookups", &asked).ok();
    let tracker = &case["lines"][0]["tracker"];
    assert_eq!((&case["lines"][0]["outcome"], &tracker["open"], &tracker["overdue"]), (&json!("granted"), &json!(1), &json!(1)), "{case}");
    let effects = tracker["effects"].as_array().unwrap();
    assert_eq!(effects.len(), 1, "repaired once: {tracker}");
    let agencies: Vec<&Value> = effects[0]["recipients"].as_array().unwrap().iter().filter(|r| r["kind"] == "agency").collect();
    let answered: Vec<&Value> = agencies.iter().copied().filter(|r| r["state"] == "done" && r["detail"]["text"].is_string()).collect();
    assert_eq!((agencies.len(), answered.len()), (2, 1), "{tracker}");
    // Its penalty is gone, one is corrected, one has its mark.
    let uscc = last["example_uscc"].as_str().unwrap();
    let path = format!("/v1/subjects/{uscc}/file?section=administrative_penalty&limit=200");
    let file = crate::support::Caller::new(url, None).get(&path).ok();
    let statements = file["sections"][0]["statements"].as_array().unwrap();
    let decided = |number: &str| statements.iter().find(|s| s["data"]["CF_WSH"].as_str().is_some_and(|no| no.ends_with(number)));
    let disputed = ["〕9001号", "〕9003号", "〕9004号"].map(|number| decided(number).map(|s| s["disputed"] == true));
    assert_eq!(disputed, [None, Some(false), Some(true)]);
    assert_eq!(decided("〕9003号").unwrap()["data"]["CF_NR_FK"], "0.2");
    let pushed = shell(tries[3]);
    assert_eq!(pushed.code, Some(3), "{pushed:?}");
    assert!(pushed.out.contains("1 accepted") && pushed.out.contains("row 2: [uscc_check_char]"), "{pushed:?}");
    assert!(dir.join("demo/samples/honours.rejects.xlsx").exists());
    let tools = shell(tries[4]);
    assert_eq!((tools.code, tools.out.lines().last()), (Some(0), Some("2026-10-14")), "{tools:?}");

    // Ctrl-C stops everything.
    run(Command::new("kill").args(["-INT", &child.id().to_string()]));
    assert!(child.wait().unwrap().success());
    assert!(std::os::unix::net::UnixStream::connect(dir.join("demo/socket/.s.PGSQL.5432")).is_err(), "the database still runs");
}
