//! Files: GETs of a subject's public file over keep-alive connections; against `pgbench` prepared one-row selects on the same cluster.

use crate::{Bench, Connection, median};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Requests a second over `connections` keep-alive connections, each sending the next as soon as it has an answer.
fn requests(bench: &Bench, codes: &[&str], connections: usize, seconds: u64) -> f64 {
    let done = AtomicU64::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for at in 0..connections {
            let done = &done;
            scope.spawn(move || {
                let mut connection = Connection::open(&bench.url);
                let mut k = at;
                while started.elapsed() < Duration::from_secs(seconds) {
                    k = (k + 7919) % codes.len();
                    connection.exchange(&format!("GET /v1/subjects/{}/file HTTP/1.1\r\nHost: bench\r\n\r\n", codes[k]));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

pub(crate) fn files(bench: &Bench) {
    let connections = 8;
    println!("subject file: {connections} connections");
    let codes = bench.psql("SELECT value FROM subject_identifiers WHERE scheme = 'uscc' ORDER BY id LIMIT 100000");
    let codes: Vec<&str> = codes.lines().collect();
    bench.psql("CREATE TABLE yardstick_keys AS SELECT row_number() OVER () AS k, value FROM subject_identifiers; ALTER TABLE yardstick_keys ADD PRIMARY KEY (k)");
    let script = bench.root.join("select.sql");
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
            .arg(bench.data.join("socket"))
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
