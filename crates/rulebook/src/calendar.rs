//! Working days: Monday to Friday not declared off, and weekend days declared worked (the State Council's yearly notice). The day
//! itself is never counted (`calendar.count_from=next_day`; 行政处罚法 art. 85, 行政许可法 art. 82 count in working days).

use chrono::{Datelike, Days, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One year's notice, as a file `config/rules/calendar-YYYY.toml` states it. Its days may lie in the December before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarYear {
    /// The year the notice is about.
    pub year: i32,
    /// When the notice was published, where known.
    #[serde(default)]
    pub published_on: Option<NaiveDate>,
    /// The notice.
    pub legal_basis: String,
    /// Whether the notice itself was read.
    pub verified: bool,
    /// Days off.
    pub off: Vec<NaiveDate>,
    /// Weekend days worked.
    pub work: Vec<NaiveDate>,
}

/// A counted date, and whether every year it ran through has a published calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The day counted to.
    pub date: NaiveDate,
    /// The count touched a year without a notice and used plain Monday to Friday there; it has to be counted again once it is out.
    pub provisional: bool,
}

/// The notices known.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    years: BTreeMap<i32, CalendarYear>,
    off: BTreeSet<NaiveDate>,
    work: BTreeSet<NaiveDate>,
}

impl Calendar {
    /// Puts the yearly notices together; a later notice for the same year replaces the earlier.
    pub fn new(years: impl IntoIterator<Item = CalendarYear>) -> Self {
        let years: BTreeMap<i32, CalendarYear> = years.into_iter().map(|y| (y.year, y)).collect();
        let off = years.values().flat_map(|y| &y.off).copied().collect();
        let work = years.values().flat_map(|y| &y.work).copied().collect();
        Self { years, off, work }
    }

    /// Whether the day is worked.
    pub fn is_working_day(&self, day: NaiveDate) -> bool {
        self.work.contains(&day) || (!matches!(day.weekday(), Weekday::Sat | Weekday::Sun) && !self.off.contains(&day))
    }

    /// The `n`-th working day after `start`, which itself is not counted; `n = 0` is `start`. `None` when the calendar of dates ends.
    pub fn add_working_days(&self, start: NaiveDate, n: u32) -> Option<Counted> {
        let mut date = start;
        let mut provisional = false;
        let mut left = n;
        while left > 0 {
            date = date.checked_add_days(Days::new(1))?;
            provisional |= !self.years.contains_key(&date.year());
            if self.is_working_day(date) {
                left -= 1;
            }
        }
        Some(Counted { date, provisional })
    }

    /// The years with a notice.
    pub fn years(&self) -> impl Iterator<Item = &CalendarYear> {
        self.years.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shipped() -> Calendar {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/rules");
        let years = std::fs::read_dir(dir).unwrap().filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("calendar-").then(|| toml_to_json(&std::fs::read_to_string(&path).unwrap()))
        });
        Calendar::new(years)
    }

    fn toml_to_json(text: &str) -> CalendarYear {
        serde_json::from_value(crate::toml_json::document(text).unwrap()).unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn the_nth_working_day_across_holidays_and_worked_weekends() {
        let calendar = shipped();
        for (start, n, result) in [
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
        ] {
            assert_eq!(calendar.add_working_days(day(start), n), Some(Counted { date: day(result), provisional: false }), "{start} + {n}");
        }
    }

    #[test]
    fn the_years_have_as_many_working_days_as_published() {
        let calendar = shipped();
        for (year, days) in [(2019, 250), (2020, 249), (2021, 250), (2022, 249), (2023, 249), (2024, 251), (2025, 248), (2026, 248)] {
            let first = NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
            let worked = first.iter_days().take_while(|d| d.year() == year).filter(|d| calendar.is_working_day(*d)).count();
            assert_eq!(worked, days, "{year}");
        }
    }

    #[test]
    fn a_year_without_a_notice_is_counted_plainly_and_flagged() {
        let counted = shipped().add_working_days(day("2026-12-31"), 1).unwrap();
        assert_eq!(counted, Counted { date: day("2027-01-01"), provisional: true });
        assert_eq!(shipped().add_working_days(NaiveDate::MAX, 1), None);
    }

    proptest! {
        /// Against a slow oracle: the result is a working day, and exactly `n` working days lie after the start and up to it.
        #[test]
        fn counting_is_exact(offset in 0u64..2800, n in 0u32..60) {
            let calendar = shipped();
            let start = day("2019-01-01") + Days::new(offset);
            let end = calendar.add_working_days(start, n).unwrap().date;
            let between = start.iter_days().skip(1).take_while(|d| *d <= end).filter(|d| calendar.is_working_day(*d)).count();
            prop_assert_eq!(between, n as usize);
            prop_assert!(n == 0 || calendar.is_working_day(end));
        }
    }
}
