//! Clocks that count working days and may stand still: time for inspection, testing or expert review does not count (河南省社会信用条例 art. 43 and others, rule
//! `dispute.clock_stop`). A clock is its last day; when it stops, the working days that are left are kept, and when it goes on they are counted from the
//! day after the stop ended.

use crate::Calendar;
use chrono::NaiveDate;

/// A clock that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Last day.
    pub due: NaiveDate,
}

impl Clock {
    /// A clock of so many working days, begun on a day that itself is not counted. `None` when the calendar of dates ends.
    pub fn begin(calendar: &Calendar, on: NaiveDate, working_days: u32) -> Option<Self> {
        Some(Self { due: calendar.add_working_days(on, working_days)?.date })
    }

    /// What is left of it on a day, see [`days_left`].
    pub fn left(self, calendar: &Calendar, today: NaiveDate) -> u32 {
        days_left(calendar, today, self.due)
    }

    /// By how many working days it is over on a day, see [`days_over`].
    pub fn over(self, calendar: &Calendar, today: NaiveDate) -> u32 {
        days_over(calendar, self.due, today)
    }
}

/// Working days after `today` up to and with `due`; 0 when it is due today or over.
pub fn days_left(calendar: &Calendar, today: NaiveDate, due: NaiveDate) -> u32 {
    working_days_between(calendar, today, due)
}

/// Working days after `due` up to and with `today`: how late it is; 0 when it is not.
pub fn days_over(calendar: &Calendar, due: NaiveDate, today: NaiveDate) -> u32 {
    working_days_between(calendar, due, today)
}

/// The last day of a clock that goes on after a stop: the `days_left`-th working day after the day on which the stop ended. With none left it is that day
/// itself.
pub fn resume(calendar: &Calendar, ended_on: NaiveDate, days_left: u32) -> NaiveDate {
    calendar.add_working_days(ended_on, days_left).map_or(NaiveDate::MAX, |counted| counted.date)
}

/// Working days after the first day, up to and with the second.
fn working_days_between(calendar: &Calendar, after: NaiveDate, upto: NaiveDate) -> u32 {
    let days = after.iter_days().skip(1).take_while(|day| *day <= upto).filter(|day| calendar.is_working_day(*day)).count();
    u32::try_from(days).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CalendarYear;
    use chrono::Days;
    use proptest::prelude::*;

    fn shipped() -> Calendar {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/rules");
        let years = (2019..=2026).map(|year| {
            let text = std::fs::read_to_string(dir.join(format!("calendar-{year}.toml"))).unwrap();
            serde_json::from_value::<CalendarYear>(crate::toml_json::document(&text).unwrap()).unwrap()
        });
        Calendar::new(years.collect::<Vec<_>>())
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// Start, working days, result: across holidays and worked weekends.
    const VECTORS: [(&str, u32, &str); 12] = [
        ("2019-09-12", 1, "2019-09-16"),
        ("2019-09-10", 7, "2019-09-20"),
        ("2019-09-24", 7, "2019-10-09"),
        ("2019-09-27", 1, "2019-09-29"),
        ("2019-09-30", 1, "2019-10-08"),
        ("2019-09-29", 3, "2019-10-09"),
        ("2019-09-30", 7, "2019-10-15"),
        ("2019-10-11", 1, "2019-10-12"),
        ("2020-01-17", 7, "2020-02-04"),
        ("2025-09-26", 7, "2025-10-13"),
        ("2026-02-13", 7, "2026-03-02"),
        ("2026-04-01", 3, "2026-04-07"),
    ];

    #[test]
    fn a_clock_begins_the_day_after_and_tells_what_is_left() {
        let calendar = shipped();
        for (start, n, result) in VECTORS {
            let clock = Clock::begin(&calendar, day(start), n).unwrap();
            assert_eq!(clock.due, day(result), "{start} + {n}");
            assert_eq!(clock.left(&calendar, day(start)), n, "{start}");
            assert_eq!(resume(&calendar, day(start), n), day(result));
            let on_its_last_day = (clock.left(&calendar, clock.due), clock.over(&calendar, clock.due));
            assert_eq!(on_its_last_day, (0, 0), "due and not over");
        }
    }

    #[test]
    fn lateness_is_counted_in_working_days_too() {
        let calendar = shipped();
        let clock = Clock { due: day("2025-09-30") };
        let late = [("2025-09-30", 0), ("2025-10-08", 0), ("2025-10-09", 1), ("2025-10-11", 3), ("2025-10-12", 3), ("2025-10-13", 4)];
        for (today, over) in late {
            assert_eq!(clock.over(&calendar, day(today)), over, "{today}");
            assert_eq!(clock.left(&calendar, day(today)), 0, "{today}");
        }
    }

    #[test]
    fn a_stop_across_the_national_day_gives_back_the_days_that_were_left() {
        let calendar = shipped();
        // Five days from Friday 26 September, which Sunday 28 September begins, for it is worked; stopped on Monday with three days left.
        let clock = Clock::begin(&calendar, day("2025-09-26"), 5).unwrap();
        assert_eq!(clock.due, day("2025-10-10"));
        let left = clock.left(&calendar, day("2025-09-29"));
        assert_eq!(left, 3);
        assert_eq!(resume(&calendar, day("2025-09-29"), left), day("2025-10-10"));
        let after_a_day_off = resume(&calendar, day("2025-10-05"), left);
        assert_eq!(after_a_day_off, day("2025-10-11"), "the next working day is the first");
        assert_eq!(resume(&calendar, day("2025-10-09"), left), day("2025-10-13"));
        assert_eq!(resume(&calendar, day("2025-10-09"), 0), day("2025-10-09"));
        assert_eq!(resume(&calendar, NaiveDate::MAX, 1), NaiveDate::MAX);
    }

    proptest! {
        /// To stop a clock and let it go on the same day changes nothing.
        #[test]
        fn a_stop_of_no_length_changes_nothing(offset in 0u64..2500, n in 1u32..40, passed in 0u64..60) {
            let calendar = shipped();
            let start = day("2019-01-01") + Days::new(offset);
            let clock = Clock::begin(&calendar, start, n).unwrap();
            let today = (start + Days::new(passed)).min(clock.due);
            prop_assert_eq!(resume(&calendar, today, clock.left(&calendar, today)), clock.due);
        }

        /// A longer stop never makes the last day earlier, nor does one more day that is left; and no stop takes a day away.
        #[test]
        fn a_longer_stop_never_shortens(offset in 0u64..2500, n in 1u32..40, passed in 0u64..60, length in 0u64..90, longer in 0u64..90) {
            let calendar = shipped();
            let start = day("2019-01-01") + Days::new(offset);
            let clock = Clock::begin(&calendar, start, n).unwrap();
            let began = (start + Days::new(passed)).min(clock.due);
            let left = clock.left(&calendar, began);
            let after = |length: u64, left: u32| resume(&calendar, began + Days::new(length), left);
            prop_assert!(after(length, left) >= clock.due);
            prop_assert!(after(length + longer, left) >= after(length, left));
            prop_assert!(after(length, left + 1) > after(length, left));
            // As many days as were left are worked after the stop.
            prop_assert_eq!(days_left(&calendar, began + Days::new(length), after(length, left)), left);
        }

        /// What is left and what is over never both are, and both agree with counting day by day.
        #[test]
        fn left_and_over_exclude_each_other(offset in 0u64..2500, apart in -60i64..60) {
            let calendar = shipped();
            let due = day("2019-03-01") + Days::new(offset);
            let today = due + chrono::Duration::days(apart);
            let (left, over) = (days_left(&calendar, today, due), days_over(&calendar, due, today));
            prop_assert!(left == 0 || over == 0);
            let mut counted = 0u32;
            let (mut at, end) = (due.min(today), due.max(today));
            while at < end {
                at = at + Days::new(1);
                counted += u32::from(calendar.is_working_day(at));
            }
            prop_assert_eq!(left + over, counted);
        }
    }
}
