//! Fan-out: 100,000 judgment defaulters, each another organisation, pushed as one file through the real program; the list follows by itself and lists
//! them, and an automatic memorandum of 30 measures, each of one agency, makes 30 directives of every entry. Measured from the first directive to
//! the last; against `psql COPY` of the same directive rows into an identical table with the same indexes and checks, and no trigger, of the same
//! cluster. The program writes entries, their steps, joint actions and the log beside; COPY writes directives alone. `FANOUT_ENTRIES`,
//! `FANOUT_MEASURES`.

use crate::{Bench, console, number};
use credence_demo::{City, DemoAgency};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often is looked whether the last directive is there: it costs a process each time, and it is the most by which the time can be too long.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) fn fanout() {
    let (entries, measures) = (number("FANOUT_ENTRIES", 100_000), number("FANOUT_MEASURES", 30));
    let expected = entries * measures;
    println!("fan-out: {entries} entries × {measures} measures");
    let mut agencies = City::generate(1, 1).agencies;
    // The court pushes, so it comes first.
    agencies.sort_by_key(|a| a.kind != "court");
    let kinds = single_kinds(&agencies);
    let bench = Bench::serve("fanout", &agencies, |root| {
        let folder = configuration(root, measures, &kinds);
        console(root, &["config", "apply", folder.to_str().unwrap()]);
    });
    let file = bench.root.join("defaulters.csv");
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(&file).unwrap());
    credence_demo::write_defaulters_for_bench(entries, &mut out).unwrap();
    out.flush().unwrap();
    drop(out);
    println!("  the program; the list begins to follow while the file still loads:");
    let (_, load, batch) = bench.push(&file, "judgment_defaulter", "v1");
    let taken = |count: &str| batch["counts"][count].as_u64().unwrap_or(0);
    assert_eq!(taken("accepted") + taken("accepted_with_warnings"), entries, "{}", batch["counts"]);
    let last = last_directive(&bench, entries, expected);
    let seconds = bench.psql(&format!("SELECT extract(epoch FROM timestamptz '{last}' - min(created_at)) FROM directives"));
    let seconds: f64 = seconds.parse().unwrap();
    let made: u64 = bench.psql("SELECT count(*) FROM directives WHERE state = 'issued'").parse().unwrap();
    assert_eq!(made, expected, "{entries} entries × {measures} measures");
    let speed = |n: u64, seconds: f64| n as f64 / seconds;
    println!(
        "    {made} directives of {entries} entries in {seconds:.1} s, from the first to the last: {:.0} directives/s, {:.0} entries/s (load of the file: {load:.1} s)",
        speed(made, seconds),
        speed(entries, seconds)
    );
    println!("    peak resident memory of the program: {:.0} MB", bench.peak_mb());

    let text = bench.root.join("directives.copy");
    bench.psql("CREATE TABLE yardstick (LIKE directives INCLUDING ALL)");
    bench.psql(&format!("\\copy (SELECT * FROM directives) TO '{}'", text.display()));
    let bytes = std::fs::metadata(&text).unwrap().len();
    bench.psql("CHECKPOINT");
    let started = Instant::now();
    bench.psql(&format!("\\copy yardstick FROM '{}'", text.display()));
    let copy = started.elapsed().as_secs_f64();
    println!("    psql COPY of the same rows ({:.0} bytes each): {copy:.1} s, {:.0} rows/s", bytes as f64 / made as f64, speed(made, copy));
    println!("  RATIO fan-out / COPY = {:.2}", copy / seconds);
}

/// When the last directive was seen, by the database's clock. The sequence of their numbers costs nothing to read but counts what is not committed
/// yet; so once it is there, the entries are counted, which are committed with their directives.
fn last_directive(bench: &Bench, entries: u64, expected: u64) -> String {
    loop {
        let numbered: u64 = bench.psql("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM directive_order").parse().unwrap();
        if numbered >= expected {
            let seen =
                bench.psql("SELECT clock_timestamp(), count(*) FROM list_entries WHERE list = 'judgment_defaulter' AND state = 'listed'");
            let (at, count) = seen.split_once('|').unwrap();
            if count.parse::<u64>().unwrap() >= entries {
                return at.to_owned();
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// Kinds of agencies of which there is exactly one: a measure for such a kind is one directive an entry.
fn single_kinds(agencies: &[DemoAgency]) -> Vec<&str> {
    let of_kind = |kind: &str| agencies.iter().filter(|a| a.kind == kind).count();
    agencies.iter().map(|a| a.kind.as_str()).filter(|kind| of_kind(kind) == 1).collect()
}

/// The shipped configuration, with so many measures more, one memorandum that brings them to judgment defaulters, and the one that is shipped for these
/// retired.
fn configuration(root: &Path, measures: u64, kinds: &[&str]) -> PathBuf {
    let folder = root.join("config");
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../config"), &folder);
    let shipped = folder.join("memoranda/judgment_defaulter_sanctions.toml");
    let text = std::fs::read_to_string(&shipped).unwrap();
    assert!(text.contains("\nstate = \"active\"\n"), "{text}");
    std::fs::write(&shipped, text.replace("\nstate = \"active\"\n", "\nstate = \"retired\"\n")).unwrap();
    let mut memorandum = String::from(
        "code = \"bench\"\nname = \"基准测试备忘录\"\nname_en = \"Memorandum of the benchmark\"\nlead_kinds = [\"court\"]\nlists = [\"judgment_defaulter\"]\n\
         objects = \"失信被执行人\"\nautomatic = true\nreach = \"everywhere\"\nlegal_basis = [\"基准测试\"]\nstate = \"active\"\nverified = false\n\
         effective_from = 2019-01-01\n",
    );
    for (n, kind) in (1..=measures).zip(kinds.iter().cycle()) {
        let code = format!("bench_measure_{n:02}");
        memorandum.push_str(&format!("\n[[measures]]\nmeasure = \"{code}\"\n"));
        let measure = format!(
            "code = \"{code}\"\nname = \"基准措施{n}\"\nname_en = \"Measure {n} of the benchmark\"\nheading = \"基准测试\"\nclass = 2\ndirection = \"sanction\"\n\
             content = \"基准测试\"\nlegal_basis = [\"基准测试\"]\ndepartment_kinds = [\"{kind}\"]\nmandatory = true\ncontinuing = true\nstate = \"active\"\n\
             verified = false\neffective_from = 2019-01-01\n"
        );
        std::fs::write(folder.join(format!("measures/{code}.toml")), measure).unwrap();
    }
    std::fs::write(folder.join("memoranda/bench.toml"), memorandum).unwrap();
    folder
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
