//! Killed at any moment, started again: every acknowledged row once. The real program and its own private PostgreSQL, by SIGKILL.

use crate::support::{TestApp, run};
use credence_gateway::cli::Client;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const ROWS: u64 = 50_000;
const KILLS: u64 = 20;
/// At every which kill the database server is killed too.
const DATABASE_KILL_EVERY: u64 = 5;

/// The program as built beside this test.
fn program() -> PathBuf {
    let beside = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("credence");
    assert!(beside.exists(), "{} is missing: run `make test`, which builds it first", beside.display());
    beside
}

/// The program with a data folder.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(program());
    command.args(["--json", "--data-dir"]).arg(dir);
    for (key, value) in [
        ("JOBS__LEASE_SECONDS", "1"),
        ("JOBS__POLL_MILLISECONDS", "20"),
        ("INGEST__CHUNK_ROWS", "500"),
        ("IDENTITY__ARGON2_MEMORY_KIB", "64"),
    ] {
        command.env(format!("CREDENCE__{key}"), value);
    }
    command.env_remove("DATABASE_URL").env("CREDENCE_LOG", "error");
    command
}

/// The program, serving.
pub struct Server {
    child: Child,
    /// Where.
    pub url: String,
}

impl Server {
    fn start(dir: &Path) -> Self {
        Self::serve(command(dir))
    }

    /// Serves with what else was said to the program.
    pub fn serve(mut command: Command) -> Self {
        let mut child = command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        Self { child, url: ready["url"].as_str().unwrap().to_owned() }
    }

    /// SIGKILL: no destructor runs, nothing is flushed.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What a command prints.
pub fn console(dir: &Path, arguments: &[&str]) -> Value {
    let output = command(dir).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Enters the agencies that every test has.
pub fn enter_agencies(dir: &Path) {
    let agencies = dir.join("agencies.toml");
    let text: String = crate::support::agencies()
        .iter()
        .map(|a| {
            format!(
                "[[agencies]]\ncode = \"{}\"\nname = \"{}\"\nuscc = \"{}\"\nregion = \"{}\"\nkind = \"{}\"\n",
                a.code, a.name, a.uscc, a.region, a.kind
            )
        })
        .collect();
    std::fs::write(&agencies, text).unwrap();
    console(dir, &["admin", "apply-agencies", agencies.to_str().unwrap()]);
}

fn prepare(dir: &Path) -> String {
    enter_agencies(dir);
    console(dir, &["admin", "add-key", "lf-amr", "--label", "kill"])["key"].as_str().unwrap().to_owned()
}

fn rows_file(dir: &Path) -> PathBuf {
    let path = dir.join("rows.csv");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let today = chrono::DateTime::<chrono::Utc>::from(std::fs::metadata(dir).unwrap().modified().unwrap()).date_naive();
    credence_demo::write_penalties_for_bench(0, ROWS, 5_000, 7, today, &mut file).unwrap();
    drop(file);
    // Some rows that are refused and some that repeat an earlier one, so that each kind of verdict is at stake.
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for at in (100..lines.len()).step_by(97) {
        lines[at] = lines[at].replacen("罚款", "打板子", 1);
    }
    for at in (150..lines.len()).step_by(101) {
        lines[at] = lines[at - 120].clone();
    }
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

fn submit(client: &Client, file: &Path) -> String {
    let source = std::fs::File::open(file).unwrap();
    let size = source.metadata().unwrap().len();
    let received = client.submit(&[("item", "administrative_penalty_organisation"), ("feed", "v2")], source, size).unwrap();
    received["batch"]["id"].as_str().unwrap().to_owned()
}

/// Everything that a load leaves behind, in an order that does not depend on ids.
fn outcome(dir: &Path) -> Vec<String> {
    let url = format!("host={} user=credence dbname=credence", dir.join("socket").display());
    run(async {
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let mut lines = Vec::new();
        for query in [
            "SELECT v.row_no || ' ' || i.value || ' ' || v.business_key || ' ' || v.content_hash || ' ' || v.state || ' ' || (v.known_to IS NULL)
               FROM record_versions v JOIN subject_identifiers i USING (subject_id) ORDER BY v.row_no, 1",
            "SELECT row_no || ' ' || issues::text FROM quarantined_rows ORDER BY row_no",
            "SELECT concat_ws(' ', state, rows_total, rows_done, accepted, warned, unchanged, versioned, refused, late) FROM batch_files",
            "SELECT encode(sha256(string_agg(verdicts, ''::bytea ORDER BY first_row)), 'hex') FROM batch_chunks",
            "SELECT 'subjects ' || count(*) || ' names ' || (SELECT count(*) FROM subject_names) FROM subjects",
            "SELECT 'feed rows ' || sum((payload->>'rows')::int) FROM change_feed WHERE topic = 'records.loaded'",
        ] {
            lines.extend(client.query(query, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)));
        }
        lines
    })
}

/// Kills the database server at once, without the orderly end that follows the program's own death.
fn kill_database(dir: &Path) {
    let file = std::fs::read_to_string(dir.join("postgres/postmaster.pid")).unwrap();
    let pid = file.lines().next().unwrap();
    assert!(Command::new("kill").args(["-KILL", pid]).status().unwrap().success());
}

#[test]
fn a_load_killed_twenty_times_ends_like_one_that_was_not() {
    let base = tempfile::tempdir().unwrap();
    // The server of the private cluster runs as another user when this test runs as root: it has to be able to walk here.
    std::fs::set_permissions(base.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (calm, killed) = (base.path().join("calm"), base.path().join("killed"));
    for dir in [&calm, &killed] {
        std::fs::create_dir(dir).unwrap();
    }
    let file = rows_file(base.path());

    let key = prepare(&calm);
    let server = Server::start(&calm);
    let client = Client::new(&server.url, &key);
    let batch = submit(&client, &file);
    let settled = client.wait(&batch, &mut |_| {}).unwrap();
    assert_eq!(settled["files"][0]["state"], "completed", "{settled}");
    let expected = outcome(&calm);
    server.kill();

    let key = prepare(&killed);
    let mut server = Server::start(&killed);
    let batch = submit(&Client::new(&server.url, &key), &file);
    // Acknowledged: from here on nothing may be lost. Kill at points spread over the load, each at some moment inside a chunk.
    let mut jitter = 0x9E37_79B9_7F4A_7C15_u64;
    let mut kills = 0;
    for kill in 0..KILLS {
        let target = (kill + 1) * ROWS / (KILLS + 2);
        let client = Client::new(&server.url, &key);
        let done = loop {
            let view = client.batch(&batch).unwrap();
            let done = view["files"][0]["rows_done"].as_u64().unwrap();
            if done >= target || view["files"][0]["state"] == "completed" {
                break done;
            }
        };
        assert!(done < ROWS, "the load was over before kill {kill}");
        jitter = jitter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let until = std::time::Instant::now() + std::time::Duration::from_micros(jitter >> 48);
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
        if kill % DATABASE_KILL_EVERY == DATABASE_KILL_EVERY - 1 {
            kill_database(&killed);
        }
        server.kill();
        kills += 1;
        server = Server::start(&killed);
    }
    assert_eq!(kills, KILLS);
    let client = Client::new(&server.url, &key);
    client.wait(&batch, &mut |_| {}).unwrap();
    let got = outcome(&killed);
    for (at, (expected, got)) in expected.iter().zip(&got).enumerate() {
        assert_eq!(expected, got, "line {at}");
    }
    assert_eq!(expected.len(), got.len());
    server.kill();
}

/// A load asks the database about a chunk while the chunk before it is still being written. Whatever the one says about what the other touches,
/// the outcome must be that of rows taken one after another: here every chunk holds what earlier ones just created, changed or renamed.
#[test]
fn small_chunks_that_touch_each_other_end_like_one_large_chunk() {
    use crate::support::builders::{Table, penalty, registration};
    let outcome = |chunk_rows: usize| {
        let app = TestApp::with(|s| {
            s.ingest.chunk_rows = chunk_rows;
            s.ingest.sync_rows_max = 0;
        });
        let provider = app.provider("lf-amr");
        let mut registered: Option<Table> = None;
        let mut rows: Option<Table> = None;
        let add = |to: &mut Option<Table>, table: Table| {
            *to = Some(match to.take() {
                Some(before) => before.and(table),
                None => table,
            });
        };
        for k in 0..120u32 {
            // Ten subjects, each named anew every tenth row; and ten statements, each changed, kept or told under another name.
            add(&mut registered, registration(k % 10, &format!("廊坊第{}次改名有限公司", k / 20)));
            let name = if k % 7 == 0 {
                "从未用过的名称有限公司".to_owned()
            } else {
                format!("廊坊第{}次改名有限公司", k % 6)
            };
            add(&mut rows, penalty(k % 10).set(0, "处罚内容", &format!("内容{}", k / 15)).set(0, "行政相对人名称", &name));
            add(&mut rows, penalty(100 + k / 3).set(0, "处罚内容", &format!("新主体{}", k % 2)));
            add(&mut rows, penalty(200 + k / 5));
        }
        let push = |item: &str, feed: &str, table: Table| {
            let received = provider.push(item, feed, &table.csv()).ok();
            let id = received["batch"]["id"].as_str().unwrap().to_owned();
            let batch = provider.settled(&id);
            let verdicts: Vec<(i64, i64, String)> = app
                .sql(&format!("SELECT c.first_row, length(c.verdicts)::bigint, encode(c.verdicts, 'escape') FROM batch_chunks c JOIN batch_files f ON f.id = c.file_id WHERE f.batch_id = '{id}' ORDER BY 1"))
                .iter()
                .map(|r| (r.get(0), r.get(1), r.get(2)))
                .collect();
            let letters: String = verdicts.into_iter().map(|(.., v)| v).collect();
            (letters, batch["counts"].clone())
        };
        let told = [push("registration", "v1", registered.unwrap()), push("administrative_penalty_organisation", "v2", rows.unwrap())];
        let present: Vec<(String, i64)> = app
            .sql(
                "SELECT v.data::text || coalesce((SELECT string_agg(i->>'rule', ',') FROM jsonb_array_elements(v.warnings) i), ''),
                        (SELECT count(*) FROM record_versions o WHERE o.record_id = v.record_id)
                   FROM record_versions v WHERE v.known_to IS NULL ORDER BY 1",
            )
            .iter()
            .map(|r| (r.get(0), r.get(1)))
            .collect();
        let names: Vec<(String, String, bool)> = app
            .sql("SELECT i.value, n.name, n.valid_to IS NULL FROM subject_names n JOIN subject_identifiers i USING (subject_id) WHERE n.known_to IS NULL ORDER BY 1, 2, 3")
            .iter()
            .map(|r| (r.get(0), r.get(1), r.get(2)))
            .collect();
        (told, present, names)
    };
    let whole = outcome(10_000);
    assert!(whole.0[1].0.contains('v') && whole.0[1].0.contains('u') && whole.0[1].0.contains('w'), "{:?}", whole.0[1].0);
    for chunk_rows in [1, 2, 7] {
        assert_eq!(outcome(chunk_rows), whole, "{chunk_rows} rows a chunk");
    }
}
