//! `make bench`: the program measured against a yardstick in the same run, as ratios. Each part says in its module what it measures, against what,
//! and which variables change its size. `BENCH_PARTS` names the parts to run, separated by commas: `load`, `files`, `fanout`, `checks`; all when absent.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench prints and stops"
)]

mod checks;
mod fanout;
mod files;
mod load;

use credence_demo::{City, DemoAgency};
use credence_gateway::cli::Client;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A size from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The real program, with a data folder.
fn command(dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap().with_file_name("credence"));
    command.args(["--json", "--data-dir"]).arg(dir).env_remove("DATABASE_URL").env("CREDENCE_LOG", "error");
    command
}

/// A command that ends, and what it says.
fn console(dir: &Path, arguments: &[&str]) -> Value {
    let output = command(dir).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&said).unwrap()
}

/// A running program over folders of its own.
struct Bench {
    /// Everything that is removed at the end.
    root: PathBuf,
    /// Where its cluster lies.
    data: PathBuf,
    child: Child,
    url: String,
    key: String,
}

fn fresh_root(part: &str) -> PathBuf {
    let root = std::env::temp_dir().join(format!("credence-bench-{}-{part}", std::process::id()));
    std::fs::create_dir_all(&root).unwrap();
    root
}

/// Starts a command that serves, and waits for the line in which it says where.
fn serving(command: &mut Command) -> (Child, Value) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    (child, said)
}

impl Bench {
    /// Serves an empty platform with these agencies; the key is a provider's, of the first. `prepare` works on the data folder beforehand.
    fn serve(part: &str, agencies: &[DemoAgency], prepare: impl FnOnce(&Path)) -> Self {
        let root = fresh_root(part);
        let entry = |a: &DemoAgency| {
            let DemoAgency { code, name, uscc, region, kind } = a;
            format!("[[agencies]]\ncode = \"{code}\"\nname = \"{name}\"\nuscc = \"{uscc}\"\nregion = \"{region}\"\nkind = \"{kind}\"\n")
        };
        let file = root.join("agencies.toml");
        std::fs::write(&file, agencies.iter().map(entry).collect::<String>()).unwrap();
        console(&root, &["admin", "apply-agencies", file.to_str().unwrap()]);
        let made = console(&root, &["admin", "add-key", agencies[0].code.as_str(), "--label", "bench"]);
        prepare(&root);
        let (child, said) = serving(command(&root).args(["serve", "--listen", "127.0.0.1:0"]));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { data: root.clone(), root, child, url: text(&said["url"]), key: text(&made["key"]) }
    }

    /// Serves an empty platform with one authority that penalises.
    fn serve_one(part: &str) -> Self {
        let authority = City::generate(1, 1).agencies.into_iter().find(|a| a.kind == "market_regulation").unwrap();
        Self::serve(part, &[authority], |_| {})
    }

    /// Serves the demonstration city, made anew; the key is a consumer's, of the agency with this code.
    fn demo(part: &str, agency: &str) -> Self {
        let root = fresh_root(part);
        let (child, said) = serving(command(&root).args(["demo", "--listen", "127.0.0.1:0"]));
        let data = root.join("demo");
        let made = console(&data, &["admin", "add-key", agency, "--label", "bench", "--role", "consumer"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { root, data, child, url: text(&said["url"]), key: text(&made["key"]) }
    }

    fn psql(&self, sql: &str) -> String {
        let socket = self.data.join("socket");
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
    fn push(&self, file: &Path, item: &str, feed: &str) -> (f64, f64, Value) {
        let client = Client::new(&self.url, &self.key);
        let started = Instant::now();
        let source = std::fs::File::open(file).unwrap();
        let size = source.metadata().unwrap().len();
        let received = client.submit(&[("item", item), ("feed", feed)], source, size).unwrap();
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
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// A keep-alive connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(url: &str) -> Self {
        let stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; 1 << 16] }
    }

    /// Sends a request, waits for the whole answer and returns it; it has to be a success.
    fn exchange(&mut self, request: &str) -> Vec<u8> {
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !complete(&answer) {
            let n = self.stream.read(&mut self.buffer).unwrap();
            assert!(n > 0, "the server hung up: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&self.buffer[..n]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        answer
    }
}

/// Whether an answer is there with all of its body.
fn complete(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let length: usize = head.lines().find_map(|l| l.strip_prefix("content-length: ")).and_then(|l| l.trim().parse().ok()).unwrap_or(0);
    answer.len() >= end + 4 + length
}

fn main() {
    let parts = std::env::var("BENCH_PARTS").unwrap_or_else(|_| "load,files,fanout,checks".to_owned());
    let wanted: Vec<&str> = parts.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    for part in &wanted {
        assert!(["load", "files", "fanout", "checks"].contains(part), "BENCH_PARTS: there is no part {part}");
    }
    let wants = |part: &str| wanted.contains(&part);
    if wants("load") || wants("files") {
        // The files that are read are those of what was loaded.
        let bench = Bench::serve_one("load");
        load::load(&bench, wants("load"));
        if wants("files") {
            files::files(&bench);
        }
    }
    if wants("fanout") {
        fanout::fanout();
    }
    if wants("checks") {
        checks::checks();
    }
}
