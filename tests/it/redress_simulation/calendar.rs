//! The oracle's calendar: the days of the yearly notices, written down once more, and counting day by day. It shares nothing with the
//! program.

use chrono::{Datelike, NaiveDate, Weekday};
use std::collections::BTreeSet;

/// Days off, first and last of each run, as the notices for 2023 to 2026 state them.
const OFF: [(&str, &str); 26] = [
    ("2022-12-31", "2023-01-02"),
    ("2023-01-21", "2023-01-27"),
    ("2023-04-05", "2023-04-05"),
    ("2023-04-29", "2023-05-03"),
    ("2023-06-22", "2023-06-24"),
    ("2023-09-29", "2023-10-06"),
    ("2024-01-01", "2024-01-01"),
    ("2024-02-10", "2024-02-17"),
    ("2024-04-04", "2024-04-06"),
    ("2024-05-01", "2024-05-05"),
    ("2024-06-10", "2024-06-10"),
    ("2024-09-15", "2024-09-17"),
    ("2024-10-01", "2024-10-07"),
    ("2025-01-01", "2025-01-01"),
    ("2025-01-28", "2025-02-04"),
    ("2025-04-04", "2025-04-06"),
    ("2025-05-01", "2025-05-05"),
    ("2025-05-31", "2025-06-02"),
    ("2025-10-01", "2025-10-08"),
    ("2026-01-01", "2026-01-03"),
    ("2026-02-15", "2026-02-23"),
    ("2026-04-04", "2026-04-06"),
    ("2026-05-01", "2026-05-05"),
    ("2026-06-19", "2026-06-21"),
    ("2026-09-25", "2026-09-27"),
    ("2026-10-01", "2026-10-07"),
];

/// Weekend days that were worked.
const WORK: &str = "
    2023-01-28 2023-01-29 2023-04-23 2023-05-06 2023-06-25 2023-10-07 2023-10-08
    2024-02-04 2024-02-18 2024-04-07 2024-04-28 2024-05-11 2024-09-14 2024-09-29 2024-10-12
    2025-01-26 2025-02-08 2025-04-27 2025-09-28 2025-10-11
    2026-01-04 2026-02-14 2026-02-28 2026-05-09 2026-09-20 2026-10-10";

/// A day as it is written.
pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// The day after.
pub fn after(day: NaiveDate) -> NaiveDate {
    day.succ_opt().unwrap()
}

/// The day before.
pub fn before(day: NaiveDate) -> NaiveDate {
    day.pred_opt().unwrap()
}

/// Years and months later, on the last day of the month where the month has no such day.
pub fn months_later(from: NaiveDate, months: u32) -> NaiveDate {
    let month0 = from.month0() + months;
    let (year, month) = (from.year() + i32::try_from(month0 / 12).unwrap(), month0 % 12 + 1);
    (1..=from.day()).rev().find_map(|day| NaiveDate::from_ymd_opt(year, month, day)).unwrap()
}

/// Where a count that is through on a day ends: there, or where the clock goes on that was stopped on it.
fn cut(at: NaiveDate, stops: &[Stop]) -> Option<NaiveDate> {
    match stops.iter().find(|(began, ended)| *began == at && *ended != Some(at)) {
        None => Some(at),
        Some((_, ended)) => cut((*ended)?, stops),
    }
}

/// The calendar.
pub struct Calendar {
    off: BTreeSet<NaiveDate>,
    work: BTreeSet<NaiveDate>,
}

/// Days on which a clock stood: the day on which it was stopped still counts, those up to and with the day on which it went on do not.
/// Without an end it stands.
pub type Stop = (NaiveDate, Option<NaiveDate>);

impl Calendar {
    /// The calendar of the notices.
    pub fn new() -> Self {
        let mut off = BTreeSet::new();
        for (first, last) in OFF {
            let mut at = day(first);
            while at <= day(last) {
                off.insert(at);
                at = after(at);
            }
        }
        Self { off, work: WORK.split_whitespace().map(day).collect() }
    }

    /// Whether a day is worked.
    pub fn worked(&self, day: NaiveDate) -> bool {
        assert!((2023..=2026).contains(&day.year()), "the calendar says nothing of {day}");
        self.work.contains(&day) || !matches!(day.weekday(), Weekday::Sat | Weekday::Sun) && !self.off.contains(&day)
    }

    /// The working day on which the count, which begins with the day after `from`, reaches `n`.
    pub fn nth(&self, from: NaiveDate, n: u32) -> NaiveDate {
        self.nth_with_stops(from, n, &[]).unwrap()
    }

    /// The same for a clock with stops; `None` while it stands before its last day. What is stopped on its last day has the day on which it
    /// goes on.
    pub fn nth_with_stops(&self, from: NaiveDate, n: u32, stops: &[Stop]) -> Option<NaiveDate> {
        let (mut at, mut count) = (from, 0);
        loop {
            if count == n {
                return cut(at, stops);
            }
            if stops.iter().any(|(began, ended)| *began <= at && ended.is_none()) {
                return None;
            }
            at = after(at);
            let stands = stops.iter().any(|(began, ended)| *began < at && ended.is_none_or(|ended| at <= ended));
            if self.worked(at) && !stands {
                count += 1;
            }
        }
    }

    /// Working days after one day up to and with another.
    pub fn between(&self, from: NaiveDate, to: NaiveDate) -> u32 {
        let (mut at, mut count) = (from, 0);
        while at < to {
            at = after(at);
            count += u32::from(self.worked(at));
        }
        count
    }
}

#[test]
fn the_simulations_calendar_counts_as_the_published_examples() {
    let calendar = Calendar::new();
    for (from, n, to) in [("2025-09-26", 7, "2025-10-13"), ("2026-02-13", 7, "2026-03-02"), ("2026-04-01", 3, "2026-04-07")] {
        assert_eq!(calendar.nth(day(from), n), day(to), "{from} + {n}");
    }
    let stopped = |ended| calendar.nth_with_stops(day("2025-09-26"), 7, &[(day("2025-09-28"), ended)]);
    assert_eq!(stopped(None), None);
    assert_eq!(stopped(Some(day("2025-09-28"))), Some(day("2025-10-13")), "a stop of no day changes nothing");
    assert_eq!(stopped(Some(day("2025-10-09"))), Some(day("2025-10-16")), "six days were left on the 28th, which was worked");
    assert_eq!(months_later(day("2026-08-31"), 3), day("2026-11-30"));
    assert_eq!(months_later(day("2023-11-30"), 3), day("2024-02-29"));
    assert_eq!(months_later(day("2023-03-15"), 36), day("2026-03-15"));
}
