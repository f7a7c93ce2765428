//! Loading: 2 million penalty rows from a CSV pushed through the real program, every check on, into a table that already holds 2 million; against
//! `psql COPY` of the same final rows into an identical indexed table of the same cluster, which also holds 2 million. The two are taken in turn, and
//! the ratio of the medians is stated. Memory: peak resident set of the program over its whole life. `BENCH_ROWS`, `BENCH_ROUNDS`.

use crate::{Bench, median, number};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

const SUBJECTS: u64 = 200_000;
const ITEM: &str = "administrative_penalty_organisation";

fn rows_file(dir: &Path, name: &str, first: u64, rows: u64) -> PathBuf {
    let path = dir.join(name);
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(&path).unwrap());
    let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
    credence_demo::write_penalties_for_bench(first, rows, SUBJECTS, 11, today, &mut out).unwrap();
    out.flush().unwrap();
    path
}

/// Fills the table, and measures unless only its contents are wanted.
pub(crate) fn load(bench: &Bench, measure: bool) {
    let rows = number("BENCH_ROWS", 2_000_000);
    let rounds = number("BENCH_ROUNDS", 1);
    println!("load: {rows} rows into a table that holds {rows} already, {rounds} round(s)");
    let file = rows_file(&bench.root, "first.csv", 0, rows);
    println!("  file of {:.0} bytes a row; first load, into an empty table:", std::fs::metadata(&file).unwrap().len() as f64 / rows as f64);
    bench.push(&file, ITEM, "v2");
    std::fs::remove_file(&file).unwrap();
    if !measure {
        return;
    }
    let (mut totals, mut loads, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        let file = rows_file(&bench.root, "next.csv", rows * round, rows);
        bench.psql("CHECKPOINT");
        println!("  round {round}, the program:");
        let (total, load, batch) = bench.push(&file, ITEM, "v2");
        totals.push(total);
        loads.push(load);
        std::fs::remove_file(&file).unwrap();
        let id = batch["id"].as_str().unwrap();
        // The same final rows into an identical table that holds the others already.
        let text = bench.root.join("final.copy");
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
