//! What a subject was called, or how it stood, from which day to which: built from what sources state, in whatever order they state it.
//! Pure. A source that gives no day speaks of the present; only the first statement of all reaches back as far as anybody knows.

use chrono::NaiveDate;

/// A stretch of days with one value. Stretches of a timeline follow each other without gap or overlap; the first begins as far back as
/// anybody knows unless a day is given, the last has no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch<T, K> {
    /// What held.
    pub value: T,
    /// First day; open when nobody knows.
    pub valid_from: Option<NaiveDate>,
    /// Last day; open for the present.
    pub valid_to: Option<NaiveDate>,
    /// First day on which a source states it; none when it came without one.
    pub stated_on: Option<NaiveDate>,
    /// The stored row it came from, as long as it is unchanged.
    pub row: Option<K>,
}

impl<T, K> Stretch<T, K> {
    /// The day before which this cannot be assumed to hold, when there is one.
    fn begins(&self) -> Option<NaiveDate> {
        self.valid_from.or(self.stated_on)
    }
}

/// What a statement did to a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<T> {
    /// It said nothing new.
    Nothing,
    /// The first statement.
    First,
    /// From this day on it is the present value, in the place of the other.
    Changed {
        /// What it was.
        from: T,
        /// First day of the new value.
        on: NaiveDate,
    },
    /// It is older than what is known and fills in the past, before the other value that began on this day.
    Older {
        /// What came after it.
        to: T,
        /// First day of what came after.
        on: NaiveDate,
    },
}

/// States that `value` held on a day; `on` is none when the source gives no day, then it is taken to hold `today`.
pub fn state<T: Clone, K>(
    line: &mut Vec<Stretch<T, K>>,
    value: T,
    same: impl Fn(&T, &T) -> bool,
    on: Option<NaiveDate>,
    today: NaiveDate,
) -> Effect<T> {
    let Some(present) = line.last() else {
        line.push(Stretch { value, valid_from: None, valid_to: None, stated_on: on, row: None });
        return Effect::First;
    };
    if on.is_none() && same(&present.value, &value) {
        return Effect::Nothing;
    }
    let day = on.unwrap_or(today);
    // The first stretch that is known to begin after the day.
    let after = line.iter().position(|s| s.begins().is_some_and(|begins| begins > day)).unwrap_or(line.len());
    let (before, next) = (after.checked_sub(1), line.get(after).map(|s| (s.value.clone(), s.begins().unwrap_or(day))));
    if let Some(before) = before.and_then(|at| line.get(at))
        && same(&before.value, &value)
    {
        return Effect::Nothing;
    }
    if let Some((next_value, _)) = &next
        && same(next_value, &value)
    {
        // The value that follows held earlier than was known.
        set(line, after, |s| s.stated_on = Some(day));
        if before.is_some() {
            set(line, after, |s| s.valid_from = Some(day));
            shorten(line, after, day);
            join(line, &same);
        }
        return Effect::Nothing;
    }
    let replaced = before.and_then(|at| line.get(at)).map(|s| s.value.clone());
    let begins = next.as_ref().map(|(_, begins)| *begins);
    let valid_to = begins.and_then(|begins| begins.pred_opt());
    line.insert(after, Stretch { value, valid_from: before.map(|_| day), valid_to, stated_on: Some(day), row: None });
    if begins.is_some() {
        set(line, after + 1, |s| s.valid_from = begins);
    }
    if before.is_some() {
        shorten(line, after, day);
    }
    join(line, &same);
    match (next, replaced) {
        (Some((to, on)), _) => Effect::Older { to, on },
        (None, Some(from)) => Effect::Changed { from, on: day },
        (None, None) => Effect::First,
    }
}

/// Ends what lies before `at` on the day before `day`; a stretch that has no day left goes.
fn shorten<T, K>(line: &mut Vec<Stretch<T, K>>, at: usize, day: NaiveDate) {
    let Some(before) = at.checked_sub(1) else { return };
    if line.get(before).and_then(|s| s.valid_from).is_some_and(|first| first >= day) {
        line.remove(before);
    } else {
        set(line, before, |s| {
            s.valid_to = day.pred_opt();
            // Stated on the very day on which another took its place: it holds before, on nobody's word for a day.
            s.stated_on = s.stated_on.filter(|stated| *stated < day);
        });
    }
}

/// Makes one stretch of neighbours with one value.
fn join<T, K>(line: &mut Vec<Stretch<T, K>>, same: &impl Fn(&T, &T) -> bool) {
    let mut at = 0;
    while let (Some(this), Some(next)) = (line.get(at), line.get(at + 1)) {
        if same(&this.value, &next.value) {
            let valid_to = next.valid_to;
            line.remove(at + 1);
            set(line, at, |s| s.valid_to = valid_to);
        } else {
            at += 1;
        }
    }
}

fn set<T, K>(line: &mut [Stretch<T, K>], at: usize, change: impl FnOnce(&mut Stretch<T, K>)) {
    if let Some(stretch) = line.get_mut(at) {
        change(stretch);
        stretch.row = None;
    }
}

/// The value on a day.
pub fn on<T, K>(line: &[Stretch<T, K>], day: NaiveDate) -> Option<&T> {
    line.iter().find(|s| s.valid_from.is_none_or(|from| from <= day) && s.valid_to.is_none_or(|to| day <= to)).map(|s| &s.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Days;
    use proptest::prelude::*;

    type Line = Vec<Stretch<&'static str, ()>>;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn say(line: &mut Line, value: &'static str, on: Option<&str>) -> Effect<&'static str> {
        state(line, value, |a, b| a == b, on.map(day), day("2026-11-24"))
    }

    fn shown(line: &Line) -> Vec<(&'static str, Option<String>, Option<String>)> {
        line.iter().map(|s| (s.value, s.valid_from.map(|d| d.to_string()), s.valid_to.map(|d| d.to_string()))).collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_rename_ends_the_old_name_the_day_before() {
        let mut line = Line::new();
        assert_eq!(say(&mut line, "旧", None), Effect::First);
        assert_eq!(say(&mut line, "新", Some("2026-06-01")), Effect::Changed { from: "旧", on: day("2026-06-01") });
        assert_eq!(say(&mut line, "新", Some("2026-08-01")), Effect::Nothing);
        assert_eq!(say(&mut line, "新", None), Effect::Nothing);
        assert_eq!(shown(&line), [("旧", None, some("2026-05-31")), ("新", some("2026-06-01"), None)]);
    }

    #[test]
    fn a_name_without_a_day_holds_from_today() {
        let mut line = Line::new();
        say(&mut line, "旧", None);
        say(&mut line, "新", None);
        assert_eq!(shown(&line), [("旧", None, some("2026-11-23")), ("新", some("2026-11-24"), None)]);
    }

    #[test]
    fn an_older_statement_that_comes_late_fills_in_the_past_and_renames_nothing() {
        let mut line = Line::new();
        say(&mut line, "新", Some("2026-06-01"));
        assert_eq!(say(&mut line, "旧", Some("2020-01-01")), Effect::Older { to: "新", on: day("2026-06-01") });
        assert_eq!(shown(&line), [("旧", None, some("2026-05-31")), ("新", some("2026-06-01"), None)]);
        assert_eq!(say(&mut line, "旧", Some("2021-01-01")), Effect::Nothing);
        assert_eq!(say(&mut line, "更旧", Some("2015-01-01")), Effect::Older { to: "旧", on: day("2020-01-01") });
        assert_eq!(
            shown(&line),
            [("更旧", None, some("2019-12-31")), ("旧", some("2020-01-01"), some("2026-05-31")), ("新", some("2026-06-01"), None)]
        );
        // The present name turns out to be older than thought.
        assert_eq!(say(&mut line, "新", Some("2026-03-01")), Effect::Nothing);
        assert_eq!(line[1].valid_to, Some(day("2026-02-28")));
        assert_eq!(line[2].valid_from, Some(day("2026-03-01")));
    }

    #[test]
    fn two_names_of_one_day_are_settled_by_the_later_and_stay_in_order() {
        let mut line = Line::new();
        say(&mut line, "甲", Some("2026-01-14"));
        say(&mut line, "乙", Some("2026-01-14"));
        assert_eq!(shown(&line), [("甲", None, some("2026-01-13")), ("乙", some("2026-01-14"), None)]);
        say(&mut line, "乙", Some("2026-01-01"));
        assert_eq!(shown(&line), [("甲", None, some("2025-12-31")), ("乙", some("2026-01-01"), None)]);
    }

    #[test]
    fn stretches_that_stay_keep_their_rows() {
        let mut line: Vec<Stretch<&str, u8>> =
            vec![Stretch { value: "甲", valid_from: None, valid_to: None, stated_on: None, row: Some(1) }];
        assert_eq!(state(&mut line, "甲", |a, b| a == b, None, day("2026-11-24")), Effect::Nothing);
        assert_eq!(line[0].row, Some(1));
        state(&mut line, "乙", |a, b| a == b, Some(day("2026-01-01")), day("2026-11-24"));
        assert_eq!(line.iter().map(|s| s.row).collect::<Vec<_>>(), [None, None], "one was shortened, one is new");
    }

    fn statements() -> impl Strategy<Value = Vec<(usize, Option<u64>)>> {
        prop::collection::vec((0usize..4, prop::option::of(0u64..40)), 1..12)
    }

    const NAMES: [&str; 8] = ["甲", "乙", "丙", "丁", "戊", "己", "庚", "辛"];

    proptest! {
        /// Whatever is said in whatever order: no gap, no overlap, one beginning, one present value, no neighbour twice.
        #[test]
        fn a_timeline_is_whole(statements in statements()) {
            let start = day("2026-01-01");
            let mut line = Line::new();
            for (name, after) in statements {
                let on = after.map(|n| start + Days::new(n));
                state(&mut line, NAMES[name], |a, b| a == b, on, day("2026-11-24"));
                prop_assert_eq!(line.last().unwrap().valid_to, None);
                for pair in line.windows(2) {
                    prop_assert_ne!(pair[0].value, pair[1].value);
                    prop_assert_eq!(pair[0].valid_to.unwrap().succ_opt(), pair[1].valid_from);
                }
                for s in &line {
                    prop_assert!(s.valid_from.zip(s.valid_to).is_none_or(|(a, b)| a <= b));
                }
                if let Some(on) = on {
                    prop_assert_eq!(super::on(&line, on), Some(&NAMES[name]));
                }
            }
        }

        /// Different names with days of their own give one history, in whatever order they arrive: the oracle sorts them.
        #[test]
        fn the_order_of_arrival_does_not_matter(days in prop::collection::hash_set(0u64..400, 1..8).prop_map(|s| s.into_iter().collect::<Vec<_>>())) {
            let start = day("2025-01-01");
            let mut line = Line::new();
            for (name, n) in days.iter().enumerate() {
                state(&mut line, NAMES[name], |a, b| a == b, Some(start + Days::new(*n)), day("2026-11-24"));
            }
            let mut sorted: Vec<(u64, &str)> = days.iter().enumerate().map(|(name, n)| (*n, NAMES[name])).collect();
            sorted.sort_unstable();
            for n in 0..400 {
                let oracle = sorted.iter().rev().find(|(from, _)| *from <= n).or(sorted.first()).unwrap().1;
                prop_assert_eq!(super::on(&line, start + Days::new(n)), Some(&oracle));
            }
        }
    }
}
