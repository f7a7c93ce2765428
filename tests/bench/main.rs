//! `make bench`: the pipeline and the subject file, measured against a yardstick in the same run, as ratios.
//!
//! Pipeline: 2 million penalty rows from a CSV pushed through the real program, every check on, into a table that already holds 2 million;
//! against `psql COPY` of the same final rows into an identical indexed table of the same cluster, which also holds 2 million. The two are
//! taken in turn, and the ratio of the medians is stated. Memory: peak resident set of the program over its whole life.
//! File: GETs of a subject's public file over keep-alive connections; against `pgbench` prepared one-row selects on the same cluster.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench prints and stops"
)]

use credence_gateway::cli::Client;
use serde_json::Value;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SUBJECTS: u64 = 200_000;
const ITEM: &str = "administrative_penalty_organisation";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

struct Bench {
    dir: PathBuf,
    child: Child,
    url: String,
    key: String,
}

fn program() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("credence")
}

fn command(dir: &Path) -> Command {
    let mut command = Command::new(program());
    command.args(["--json", "--data-dir"]).arg(dir).env_remove("DATABASE_URL").env("CREDENCE_LOG", "error");
    command
}

fn console(dir: &Path, arguments: &[&str]) -> Value {
    let output = command(dir).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

impl Bench {
    fn start() -> Self {
        let dir = std::env::temp_dir().join(format!("credence-bench-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let agencies = dir.join("agencies.toml");
        let authority = credence_demo::City::generate(1, 1).agencies.into_iter().find(|a| a.kind == "market_regulation").unwrap();
        let text = format!(
            "[[agencies]]\ncode = \"bench\"\nname = \"{}\"\nuscc = \"{}\"\nregion = \"131000\"\nkind = \"market_regulation\"\n",
            authority.name, authority.uscc
        );
        std::fs::write(&agencies, text).unwrap();
        console(&dir, &["admin", "apply-agencies", agencies.to_str().unwrap()]);
        let key = console(&dir, &["admin", "add-key", "bench", "--label", "bench"])["key"].as_str().unwrap().to_owned();
        let mut child = command(&dir).args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = serde_json::from_str::<Value>(&line).unwrap()["url"].as_str().unwrap().to_owned();
        Self { dir, child, url, key }
    }

    fn psql(&self, sql: &str) -> String {
        let socket = self.dir.join("socket");
        let output = Command::new("psql")
            .args(["-X", "-q", "-t", "-A", "-U", "credence", "-d", "credence", "-v", "ON_ERROR_STOP=1", "-h"])
            .arg(socket)
            .args(["-c", sql])
            .output()
            .expect("psql");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Pushes a file and returns seconds from the first byte sent to the last row's verdict, and of the load alone.
    fn push(&self, file: &Path) -> (f64, f64, Value) {
        let client = Client::new(&self.url, &self.key);
        let started = Instant::now();
        let source = std::fs::File::open(file).unwrap();
        let size = source.metadata().unwrap().len();
        let received = client.submit(&[("item", ITEM), ("feed", "v2")], source, size).unwrap();
        let sent = started.elapsed().as_secs_f64();
        let id = received["batch"]["id"].as_str().unwrap();
        let batch = client.wait(id, &mut |_| {}).unwrap();
        assert_eq!(batch["files"][0]["state"], "completed", "{batch}");
        let load = batch["files"][0]["rows_done"].as_f64().unwrap() / batch["files"][0]["rows_per_second"].as_f64().unwrap();
        let total = started.elapsed().as_secs_f64();
        println!("    sent in {sent:.1} s, loaded in {load:.1} s, in all {total:.1} s: {}", batch["counts"]);
        (total, load, batch)
    }

    /// Peak resident set of the program, in MB.
    fn peak_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn rows_file(dir: &Path, name: &str, first: u64, rows: u64) -> PathBuf {
    let path = dir.join(name);
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(&path).unwrap());
    let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    credence_demo::write_penalties_for_bench(first, rows, SUBJECTS, 11, today, &mut out).unwrap();
    out.flush().unwrap();
    path
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn pipeline(bench: &Bench) {
    let rows = number("BENCH_ROWS", 2_000_000);
    let rounds = number("BENCH_ROUNDS", 1);
    println!("pipeline: {rows} rows into a table that holds {rows} already, {rounds} round(s)");
    let file = rows_file(&bench.dir, "first.csv", 0, rows);
    println!("  file of {:.0} bytes a row; first load, into an empty table:", std::fs::metadata(&file).unwrap().len() as f64 / rows as f64);
    bench.push(&file);
    std::fs::remove_file(&file).unwrap();
    let (mut totals, mut loads, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let file = rows_file(&bench.dir, "next.csv", rows * round, rows);
        bench.psql("CHECKPOINT");
        println!("  round {round}, the program:");
        let (total, load, batch) = bench.push(&file);
        totals.push(total);
        loads.push(load);
        std::fs::remove_file(&file).unwrap();
        let id = batch["id"].as_str().unwrap();
        // The same final rows into an identical table that holds the others already.
        let text = bench.dir.join("final.copy");
        bench.psql("DROP TABLE IF EXISTS yardstick; CREATE TABLE yardstick (LIKE record_versions INCLUDING ALL)");
        bench.psql(&format!("INSERT INTO yardstick SELECT * FROM record_versions WHERE batch_id <> '{id}'"));
        bench.psql(&format!("\\copy (SELECT * FROM record_versions WHERE batch_id = '{id}') TO '{}'", text.display()));
        bench.psql("VACUUM ANALYZE yardstick; ");
        bench.psql("CHECKPOINT");
        let started = Instant::now();
        bench.psql(&format!("\\copy yardstick FROM '{}'", text.display()));
        let copy = started.elapsed().as_secs_f64();
        println!("    psql COPY of the same rows: {copy:.1} s");
        copies.push(copy);
        bench.psql("DROP TABLE yardstick");
        std::fs::remove_file(&text).unwrap();
    }
    let (total, load, copy) = (median(totals), median(loads), median(copies));
    let speed = |seconds: f64| rows as f64 / seconds;
    println!("  load {:.0} rows/s, with sending {:.0} rows/s, COPY {:.0} rows/s", speed(load), speed(total), speed(copy));
    println!("  RATIO load / COPY = {:.2} (goal 0.60); with sending and inspection of the file {:.2}", copy / load, copy / total);
    println!("  peak resident memory of the program: {:.0} MB (limit 400 MB)", bench.peak_mb());
}

/// Requests a second over `connections` keep-alive connections.
fn requests(bench: &Bench, codes: &[&str], connections: usize, seconds: u64) -> f64 {
    let address = bench.url.trim_start_matches("http://").to_owned();
    let done = AtomicU64::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for at in 0..connections {
            let (address, done) = (&address, &done);
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                let mut buffer = vec![0u8; 1 << 16];
                let mut k = at;
                while started.elapsed() < Duration::from_secs(seconds) {
                    k = (k + 7919) % codes.len();
                    write!(stream, "GET /v1/subjects/{}/file HTTP/1.1\r\nHost: bench\r\n\r\n", codes[k]).unwrap();
                    let mut answer = Vec::new();
                    loop {
                        let n = stream.read(&mut buffer).unwrap();
                        answer.extend_from_slice(&buffer[..n]);
                        if complete(&answer) {
                            break;
                        }
                    }
                    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

fn complete(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length: usize = head.lines().find_map(|l| l.strip_prefix("content-length: ")).and_then(|l| l.trim().parse().ok()).unwrap_or(0);
    answer.len() >= end + 4 + length
}

fn file(bench: &Bench) {
    let connections = 8;
    println!("subject file: {connections} connections");
    let codes = bench.psql("SELECT value FROM subject_identifiers WHERE scheme = 'uscc' ORDER BY id LIMIT 100000");
    let codes: Vec<&str> = codes.lines().collect();
    bench.psql("CREATE TABLE yardstick_keys AS SELECT row_number() OVER () AS k, value FROM subject_identifiers; ALTER TABLE yardstick_keys ADD PRIMARY KEY (k)");
    let script = bench.dir.join("select.sql");
    let select = format!("\\set k random(1, {})\nSELECT value FROM yardstick_keys WHERE k = :k;\n", codes.len());
    std::fs::write(&script, select).unwrap();
    bench.psql("VACUUM ANALYZE");
    let pgbench = std::fs::read_dir("/usr/lib/postgresql")
        .unwrap()
        .map(|e| e.unwrap().path().join("bin/pgbench"))
        .filter(|p| p.exists())
        .max()
        .expect("pgbench");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        ours.push(requests(bench, &codes, connections, 5));
        let output = Command::new(&pgbench)
            .args(["-n", "-M", "prepared", "-c", "8", "-j", "1", "-T", "5", "-U", "credence", "-h"])
            .arg(bench.dir.join("socket"))
            .arg("-f")
            .arg(&script)
            .arg("credence")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let tps = text
            .lines()
            .find_map(|l| l.strip_prefix("tps = "))
            .unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        theirs.push(tps.split_whitespace().next().unwrap().parse::<f64>().unwrap());
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("  RATIO file / prepared select = {:.2} ({ours:.0} files/s, {theirs:.0} selects/s)", ours / theirs);
}

fn main() {
    let bench = Bench::start();
    pipeline(&bench);
    file(&bench);
}
