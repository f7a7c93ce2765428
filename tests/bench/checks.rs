//! Checks: single checks at a steady 50 a second for a minute against the demonstration city, half of them about subjects that stand on a list. The
//! times at which requests are to be sent are fixed beforehand, and latency counts from there, so that a request which had to wait for the ones
//! before it shows the wait. The yardstick is the same schedule against `GET /v1/health/ready`, which asks the database one small thing. Over one
//! pool of keep-alive connections. `CHECK_SECONDS`, `CHECK_RATE`.

use crate::{Bench, Connection, number};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Connections of the pool: at 50 a second it is never empty unless answers take 320 ms.
const CONNECTIONS: usize = 16;
/// From opening the pool to the first request.
const LEAD: Duration = Duration::from_millis(200);
/// Requests before those that are counted: connections to the database are opened and plans made when they are first needed.
const WARM_UP_SECONDS: u64 = 2;
const GOAL_MS: f64 = 10.0;
/// An agency and a matter that measures against judgment defaulters are about.
const AGENCY: &str = "131000_administrative_approval";
const MATTER: &str = "政府采购";
/// Subjects of each half, asked about again when there are more requests than that.
const SUBJECTS: usize = 1_500;

/// What a schedule came to.
struct Taken {
    /// Milliseconds of each request, shortest first.
    ms: Vec<f64>,
    /// Answers that name a list.
    listed: u64,
    /// Answers that name a measure to apply.
    hits: u64,
}

impl Taken {
    fn percentile(&self, share: f64) -> f64 {
        let rank = (share * self.ms.len() as f64).ceil() as usize;
        self.ms[rank.clamp(1, self.ms.len()) - 1]
    }

    fn print(&self, what: &str) {
        let (p50, p99, max) = (self.percentile(0.5), self.percentile(0.99), self.percentile(1.0));
        println!("  {what:<24} p50 {p50:6.2} ms, p99 {p99:6.2} ms, max {max:6.2} ms, of {} requests", self.ms.len());
    }
}

/// Sends request `n` at `n / rate` seconds, whatever became of those before it, for so many seconds.
fn steady(bench: &Bench, rate: u64, seconds: u64, request: impl Fn(u64) -> String + Sync) -> Taken {
    let next = AtomicU64::new(0);
    let started = Instant::now();
    let of_all = std::thread::scope(|scope| {
        let run = || {
            let mut connection = Connection::open(&bench.url);
            let mut taken = Taken { ms: Vec::new(), listed: 0, hits: 0 };
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= rate * seconds {
                    return taken;
                }
                let text = request(n);
                let due = LEAD + Duration::from_secs_f64(n as f64 / rate as f64);
                std::thread::sleep(due.saturating_sub(started.elapsed()));
                let answer = connection.exchange(&text);
                taken.ms.push(started.elapsed().saturating_sub(due).as_secs_f64() * 1000.0);
                let says = |part: &[u8]| answer.windows(part.len()).any(|w| w == part);
                taken.listed += u64::from(says(b"\"entry_id\":"));
                taken.hits += u64::from(says(b"\"feedback_required\":true"));
            }
        };
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<Taken>>()
    });
    let mut ms: Vec<f64> = of_all.iter().flat_map(|taken| taken.ms.iter().copied()).collect();
    ms.sort_by(f64::total_cmp);
    let sum = |of: fn(&Taken) -> u64| -> u64 { of_all.iter().map(of).sum() };
    Taken { ms, listed: sum(|t| t.listed), hits: sum(|t| t.hits) }
}

/// Codes and present names of organisations of which `on_a_list` holds, spread over all of them.
fn organisations(bench: &Bench, on_a_list: &str) -> Vec<(String, String)> {
    let rows = bench.psql(&format!(
        "SELECT u.value, n.name FROM subject_identifiers u
          CROSS JOIN LATERAL (SELECT name FROM subject_names WHERE subject_id = u.subject_id AND known_to IS NULL
                               ORDER BY valid_to DESC NULLS FIRST, valid_from DESC NULLS LAST, id DESC LIMIT 1) n
          WHERE u.scheme = 'uscc' AND u.status = 'current' AND u.known_to IS NULL AND {on_a_list}
                (SELECT 1 FROM list_entries e WHERE e.subject_id = u.subject_id AND e.state = 'listed'
                    AND (e.expires_on IS NULL OR e.expires_on > current_date + 1))
          ORDER BY md5(u.value) LIMIT {SUBJECTS}"
    ));
    let found: Vec<_> =
        rows.lines().filter_map(|line| line.split_once('|')).map(|(code, name)| (code.to_owned(), name.to_owned())).collect();
    assert!(!found.is_empty(), "the city has nobody of whom it holds: {on_a_list} (entry)");
    found
}

pub(crate) fn checks() {
    let (rate, seconds) = (number("CHECK_RATE", 50).max(1), number("CHECK_SECONDS", 60).max(1));
    println!("checks: {rate} a second for {seconds} s, over {CONNECTIONS} connections, on the demonstration city");
    let bench = Bench::demo("checks", AGENCY);
    // As after a while of running; right after a load the database knows nothing about its tables yet.
    bench.psql("VACUUM ANALYZE");
    let (listed, others) = (organisations(&bench, "EXISTS"), organisations(&bench, "NOT EXISTS"));
    let check = |n: u64| {
        let (of, at) = (if n.is_multiple_of(2) { &listed } else { &others }, usize::try_from(n / 2).unwrap());
        let (uscc, name) = &of[at % of.len()];
        let body = json!({
            "subject": { "kind": "organisation", "uscc": uscc, "name": name },
            "matter": MATTER, "case_no": format!("BENCH-{n}"), "purpose": "供应商资格审查",
        });
        let body = body.to_string();
        format!(
            "POST /v1/checks HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            bench.key,
            body.len()
        )
    };
    let ready = |_: u64| "GET /v1/health/ready HTTP/1.1\r\nHost: bench\r\n\r\n".to_owned();
    println!("  each after {WARM_UP_SECONDS} s that are not counted");
    steady(&bench, rate, WARM_UP_SECONDS, ready);
    let yardstick = steady(&bench, rate, seconds, ready);
    yardstick.print("GET /v1/health/ready");
    steady(&bench, rate, WARM_UP_SECONDS, check);
    let ours = steady(&bench, rate, seconds, check);
    ours.print("POST /v1/checks");
    println!("  {} answers named a list, {} a measure to apply", ours.listed, ours.hits);
    let p99 = ours.percentile(0.99);
    println!(
        "  RATIO check / ready = {:.1} at p50, {:.1} at p99; goal p99 below {GOAL_MS} ms: {}",
        ours.percentile(0.5) / yardstick.percentile(0.5),
        p99 / yardstick.percentile(0.99),
        if p99 < GOAL_MS { "met" } else { "missed" }
    );
}
