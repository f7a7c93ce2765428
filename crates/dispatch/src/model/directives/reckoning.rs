//! Counting the days of directives, and how far the agencies concerned by an entry have come.

use chrono::{Months, NaiveDate};
use credence_rulebook::Calendar;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Working days after a last day, up to and including `today`; none while it is not over.
pub fn working_days_late(calendar: &Calendar, due: NaiveDate, today: NaiveDate) -> u32 {
    let late = due.iter_days().skip(1).take_while(|day| *day <= today).filter(|day| calendar.is_working_day(*day)).count();
    u32::try_from(late).unwrap_or(u32::MAX)
}

/// The latest day with at least `n` working days after it up to `today`: what was due on it or before is late by so many. `None` when the calendar of
/// dates ends.
pub fn working_days_back(calendar: &Calendar, today: NaiveDate, n: u32) -> Option<NaiveDate> {
    let mut day = today;
    let mut left = n;
    while left > 0 {
        if calendar.is_working_day(day) {
            left -= 1;
        }
        day = day.pred_opt()?;
    }
    Some(day)
}

/// The working day a cycle of so many months after a day, or the next one after it; a day that its month does not have becomes the month's last.
/// `None` when the calendar of dates ends.
pub fn next_cycle(calendar: &Calendar, from: NaiveDate, months: i64) -> Option<NaiveDate> {
    let day = from.checked_add_months(Months::new(u32::try_from(months).ok()?))?;
    day.iter_days().take(366).find(|day| calendar.is_working_day(*day))
}

/// How many are overdue, and the longest by how much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overdue {
    /// How many.
    pub count: usize,
    /// Working days of the longest.
    pub longest: u32,
}

/// How far the joint action about an entry has come 跟踪.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// Directives to carry measures out, those that wait for the credit office and those that were cancelled left out.
    pub directives: usize,
    /// Of them delivered, now or before they were released.
    pub delivered: usize,
    /// Accepted.
    pub accepted: usize,
    /// Declined.
    pub declined: usize,
    /// Reported on at least once.
    pub reported: usize,
    /// Overdue now.
    pub overdue: usize,
    /// Releases.
    pub releases: usize,
    /// Of them completed.
    pub released: usize,
    /// Overdue now.
    pub release_overdue: usize,
    /// Working days by which the longest of all is overdue.
    pub longest_overdue_working_days: u32,
    /// How many of the agencies that received something have lifted all of it, in Chinese.
    pub text_zh: String,
    /// The same in English.
    pub text_en: String,
}

/// How many agencies have lifted everything that they had received, and how many are late with it, in Chinese and English.
pub fn release_text(agencies: usize, released: usize, overdue: Overdue) -> (String, String) {
    if agencies == 0 {
        return ("尚无解除任务".to_owned(), "nothing to release yet".to_owned());
    }
    let mut zh = format!("{agencies} 家中 {released} 家已解除");
    let mut en = format!("{released} of {agencies} released");
    let days = if overdue.longest == 1 { "working day" } else { "working days" };
    match (overdue.count, overdue.longest) {
        (0, _) => {}
        // Overdue since a day off: no working day has passed yet.
        (n, 0) => {
            zh.push_str(&format!("，{n} 家逾期"));
            en.push_str(&if n == 1 { ", one overdue".to_owned() } else { format!(", {n} overdue") });
        }
        (1, late) => {
            zh.push_str(&format!("，1 家逾期 {late} 个工作日"));
            en.push_str(&format!(", one overdue by {late} {days}"));
        }
        (n, late) => {
            zh.push_str(&format!("，{n} 家逾期，最长 {late} 个工作日"));
            en.push_str(&format!(", {n} overdue by up to {late} {days}"));
        }
    }
    (zh, en)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Days;
    use credence_rulebook::CalendarYear;
    use proptest::prelude::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// 2026 with its days around the National Day.
    fn calendar() -> Calendar {
        Calendar::new([CalendarYear {
            year: 2026,
            published_on: None,
            legal_basis: "x".into(),
            verified: true,
            off: (1..=7).map(|d| NaiveDate::from_ymd_opt(2026, 10, d).unwrap()).collect(),
            work: vec![day("2026-09-27"), day("2026-10-10")],
        }])
    }

    #[test]
    fn lateness_counts_working_days_only() {
        let calendar = calendar();
        for (due, today, late) in [
            ("2026-03-06", "2026-03-05", 0),
            ("2026-03-06", "2026-03-06", 0),
            ("2026-03-06", "2026-03-08", 0),
            ("2026-03-06", "2026-03-09", 1),
            ("2026-03-06", "2026-03-11", 3),
            ("2026-09-30", "2026-10-07", 0),
            ("2026-09-30", "2026-10-08", 1),
            ("2026-09-30", "2026-10-10", 3),
            ("2026-09-26", "2026-09-27", 1),
        ] {
            assert_eq!(working_days_late(&calendar, day(due), day(today)), late, "{due} {today}");
        }
    }

    #[test]
    fn going_back_ends_before_the_first_of_the_days_counted() {
        let calendar = calendar();
        for (today, n, back) in [
            ("2026-03-12", 0, "2026-03-12"),
            ("2026-03-12", 3, "2026-03-09"),
            ("2026-03-11", 3, "2026-03-08"),
            ("2026-03-08", 1, "2026-03-05"),
            ("2026-10-08", 1, "2026-10-07"),
            ("2026-10-08", 2, "2026-09-29"),
        ] {
            assert_eq!(working_days_back(&calendar, day(today), n), Some(day(back)), "{today} - {n}");
        }
        assert_eq!(working_days_back(&calendar, NaiveDate::MIN, 1), None);
    }

    proptest! {
        /// It is the latest day from which counting forward arrives by today, and lateness agrees with it.
        #[test]
        fn back_and_forward_agree(offset in 0u64..700, n in 0u32..20) {
            let calendar = calendar();
            let today = day("2026-01-05") + Days::new(offset);
            let back = working_days_back(&calendar, today, n).unwrap();
            let arrives = |from: NaiveDate| calendar.add_working_days(from, n).unwrap().date <= today;
            prop_assert!(arrives(back));
            prop_assert!(n == 0 || !arrives(back + Days::new(1)));
            prop_assert!(working_days_late(&calendar, back, today) >= n);
            prop_assert!(n == 0 || working_days_late(&calendar, back + Days::new(1), today) < n);
        }
    }

    #[test]
    fn a_cycle_ends_on_the_last_day_of_a_shorter_month() {
        let calendar = calendar();
        assert_eq!(next_cycle(&calendar, day("2026-01-31"), 1), Some(day("2026-03-02")));
        assert_eq!(next_cycle(&calendar, day("2028-01-31"), 1), Some(day("2028-02-29")));
        assert_eq!(next_cycle(&calendar, day("2026-11-15"), 3), Some(day("2027-02-15")));
        assert_eq!(next_cycle(&calendar, day("2026-11-15"), -1), None);
    }

    #[test]
    fn progress_is_told_in_words() {
        let text = |agencies, released, count, longest| release_text(agencies, released, Overdue { count, longest });
        assert_eq!(text(0, 0, 0, 0), ("尚无解除任务".into(), "nothing to release yet".into()));
        assert_eq!(text(5, 5, 0, 0), ("5 家中 5 家已解除".into(), "5 of 5 released".into()));
        assert_eq!(
            text(12, 11, 1, 2),
            ("12 家中 11 家已解除，1 家逾期 2 个工作日".into(), "11 of 12 released, one overdue by 2 working days".into())
        );
        assert_eq!(text(12, 11, 1, 1).1, "11 of 12 released, one overdue by 1 working day");
        assert_eq!(text(12, 11, 1, 0), ("12 家中 11 家已解除，1 家逾期".into(), "11 of 12 released, one overdue".into()));
        assert_eq!(
            text(12, 8, 3, 5),
            ("12 家中 8 家已解除，3 家逾期，最长 5 个工作日".into(), "8 of 12 released, 3 overdue by up to 5 working days".into())
        );
        assert_eq!(text(12, 8, 3, 0).1, "8 of 12 released, 3 overdue");
    }
}
