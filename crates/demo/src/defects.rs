//! The mistakes of real feeds, put in at known rates.

use crate::city::Organisation;
use crate::codes;
use crate::feed::{Column, Feed, Kind};
use crate::rng::SplitMix64;
use crate::rows::{Draft, Value};
use chrono::NaiveDate;
use serde::Serialize;

/// How many rows of a million have which defect. A defect is put in only where there is something to spoil: brackets in a name that has
/// some, 元 in a row with an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defects {
    /// Wrong MOD 31-3 character.
    pub bad_check: u32,
    /// Wrong character 17 under a fitting MOD 31-3 character.
    pub wrong_inner: u32,
    /// Code in lower case.
    pub lower_case: u32,
    /// A registration number of fifteen digits where the USCC belongs.
    pub legacy_number: u32,
    /// Name with half-width brackets, of the rows whose name has brackets.
    pub other_brackets: u32,
    /// Dates written in another form than the provider's usual one.
    pub other_date: u32,
    /// A required field left empty.
    pub missing_required: u32,
    /// Digits of the subject's code in full width.
    pub full_width: u32,
    /// A value that is in no code set.
    pub unknown_code: u32,
    /// Amount in 元 with that suffix where 万元 belongs, of the rows with an amount.
    pub yuan: u32,
    /// A name the organisation never had.
    pub other_name: u32,
    /// Optional fields filled with 无 and the like.
    pub placeholder: u32,
    /// Decided weeks or months ago and reported only now, of the rows that would be on time.
    pub late: u32,
    /// Not a defect: rows that are history of up to five years, as a first delivery has them. The others were decided within the last six
    /// working days.
    pub backlog: u32,
}

impl Defects {
    /// Rates measured on published data where there are some (the first five), plausible ones for the rest. Half of the rows are history.
    pub fn measured() -> Self {
        Self {
            bad_check: 63,
            wrong_inner: 74,
            lower_case: 92,
            legacy_number: 2_488,
            other_brackets: 200_000,
            other_date: 100_000,
            missing_required: 2_000,
            full_width: 1_000,
            unknown_code: 1_000,
            yuan: 500,
            other_name: 3_000,
            placeholder: 200_000,
            late: 40_000,
            backlog: 500_000,
        }
    }

    /// Clean files. Half of the rows are history.
    pub fn none() -> Self {
        Self {
            bad_check: 0,
            wrong_inner: 0,
            lower_case: 0,
            legacy_number: 0,
            other_brackets: 0,
            other_date: 0,
            missing_required: 0,
            full_width: 0,
            unknown_code: 0,
            yuan: 0,
            other_name: 0,
            placeholder: 0,
            late: 0,
            backlog: 500_000,
        }
    }
}

/// How many rows were written, and how many of them have which defect; the fields are those of [`Defects`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Defected {
    /// Rows written, without the header.
    pub rows: u64,
    /// Wrong MOD 31-3 character.
    pub bad_check: u64,
    /// Wrong character 17.
    pub wrong_inner: u64,
    /// Code in lower case.
    pub lower_case: u64,
    /// Registration number instead of the USCC.
    pub legacy_number: u64,
    /// Half-width brackets in the name.
    pub other_brackets: u64,
    /// Dates in another form.
    pub other_date: u64,
    /// A required field left empty.
    pub missing_required: u64,
    /// Full-width digits in the code.
    pub full_width: u64,
    /// A value that is in no code set.
    pub unknown_code: u64,
    /// Amount in 元.
    pub yuan: u64,
    /// A name the organisation never had.
    pub other_name: u64,
    /// 无 and the like in optional fields.
    pub placeholder: u64,
    /// Reported late.
    pub late: u64,
    /// History.
    pub backlog: u64,
}

const OTHER_DATES: &[&str] = &["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y年%-m月%-d日", "%Y/%-m/%-d", "%Y.%m.%d", "%Y-%m-%d 00:00:00"];
const STAND_INS: &[&str] = &["无", "无", "无", "/", "暂无"];
const UNKNOWN_VALUES: &[&str] = &["待定", "未分类", "99"];

/// Puts defects into rows and counts them. Its randomness is not that of the rows' content, so a file with defects is the clean file, spoilt.
pub(crate) struct Spoiler {
    rng: SplitMix64,
    rates: Defects,
    feed: Feed,
    /// What was done so far.
    pub(crate) done: Defected,
}

impl Spoiler {
    pub(crate) fn new(feed: Feed, rates: Defects, rng: SplitMix64) -> Self {
        Self { rng, rates, feed, done: Defected::default() }
    }

    /// Whether the next row is history, which is content.
    pub(crate) fn backlog(&mut self, content: &mut SplitMix64) -> bool {
        let hit = content.hit(self.rates.backlog);
        self.done.backlog += u64::from(hit);
        hit
    }

    /// Whether the next row is late.
    pub(crate) fn late(&mut self) -> bool {
        let hit = self.rng.hit(self.rates.late);
        self.done.late += u64::from(hit);
        hit
    }

    /// The cells of a row.
    pub(crate) fn cells(&mut self, columns: &[Column], mut draft: Draft<'_>) -> Vec<String> {
        self.done.rows += 1;
        for (column, value) in columns.iter().zip(&mut draft.values) {
            let Value::Text(text) = value else { continue };
            match (column.kind, draft.organisation) {
                (Kind::Name, Some(_)) => self.name(text),
                (Kind::Code, organisation) => self.code(text, organisation),
                _ => {}
            }
        }
        self.value_of_no_set(columns, &mut draft);
        self.leave_out(columns, &mut draft);
        let stand_in = if self.rng.hit(self.rates.placeholder) { self.rng.one(STAND_INS) } else { "" };
        let empty = columns.iter().zip(&draft.values).any(|(c, v)| !c.required && matches!(v, Value::Empty));
        self.done.placeholder += u64::from(empty && !stand_in.is_empty());
        let in_yuan = self.rng.hit(self.rates.yuan) && draft.values.iter().any(|v| matches!(v, Value::Yuan(_)));
        self.done.yuan += u64::from(in_yuan);
        let dated = draft.values.iter().any(|v| matches!(v, Value::Day(_)));
        let pattern = self.date_pattern(dated);
        let write = |(column, value): (&Column, Value)| match value {
            Value::Empty if column.required => String::new(),
            Value::Empty => stand_in.to_owned(),
            Value::Text(text) => text,
            Value::Day(day) => written(day, pattern),
            Value::Yuan(yuan) if in_yuan => format!("{yuan}元"),
            Value::Yuan(yuan) => ten_thousands(yuan),
        };
        columns.iter().zip(draft.values).map(write).collect()
    }

    fn name(&mut self, name: &mut String) {
        if self.feed != Feed::Registration && self.rng.hit(self.rates.other_name) {
            *name = never_its_name(name);
            self.done.other_name += 1;
        }
        if name.contains('（') && self.rng.hit(self.rates.other_brackets) {
            *name = name.replace('（', "(").replace('）', ")");
            self.done.other_brackets += 1;
        }
    }

    fn code(&mut self, code: &mut String, organisation: Option<&Organisation>) {
        if let Some(organisation) = organisation.filter(|o| o.uscc == *code) {
            let mut draw = self.rng.below(1_000_000);
            let mut falls = |rate: u32| {
                let hit = draw < u64::from(rate);
                draw = draw.saturating_sub(u64::from(rate));
                hit
            };
            if falls(self.rates.bad_check) {
                *code = codes::with_bad_check(code);
                self.done.bad_check += 1;
            } else if falls(self.rates.wrong_inner) {
                *code = codes::with_wrong_inner_check(code);
                self.done.wrong_inner += 1;
            } else if falls(self.rates.lower_case) {
                code.make_ascii_lowercase();
                self.done.lower_case += 1;
            } else if falls(self.rates.legacy_number) {
                *code = self.legacy_number(organisation);
                self.done.legacy_number += 1;
            }
        }
        if self.rng.hit(self.rates.full_width) {
            *code = code.chars().map(full_width).collect();
            self.done.full_width += 1;
        }
    }

    /// Its registration number, or what one would have looked like.
    fn legacy_number(&mut self, organisation: &Organisation) -> String {
        if !organisation.reg_no.is_empty() && organisation.reg_no.bytes().all(|b| b.is_ascii_digit()) {
            return organisation.reg_no.clone();
        }
        let mut number = String::with_capacity(15);
        codes::push_registration_no(&mut number, &organisation.region, '9', self.rng.below(10_000_000));
        number
    }

    fn value_of_no_set(&mut self, columns: &[Column], draft: &mut Draft<'_>) {
        if !self.rng.hit(self.rates.unknown_code) {
            return;
        }
        let filled = |(_, (column, value)): &(usize, (&Column, &Value))| column.kind == Kind::Set && !matches!(value, Value::Empty);
        let places: Vec<usize> = columns.iter().zip(&draft.values).enumerate().filter(filled).map(|(at, _)| at).collect();
        let at = self.rng.one(&places);
        if let Some(value) = draft.values.get_mut(at).filter(|_| !places.is_empty()) {
            *value = Value::Text(self.rng.one(UNKNOWN_VALUES).to_owned());
            self.done.unknown_code += 1;
        }
    }

    fn leave_out(&mut self, columns: &[Column], draft: &mut Draft<'_>) {
        if !self.rng.hit(self.rates.missing_required) {
            return;
        }
        let places = |kind: Kind| -> Vec<usize> {
            columns.iter().enumerate().filter(|(_, c)| c.required && c.kind == kind).map(|(at, _)| at).collect()
        };
        let (plain, names) = (places(Kind::Plain), places(Kind::Name));
        let at = self.rng.one(if plain.is_empty() { &names } else { &plain });
        if let Some(value) = draft.values.get_mut(at) {
            *value = Value::Empty;
            self.done.missing_required += 1;
        }
    }

    fn date_pattern(&mut self, dated: bool) -> &'static str {
        let usual = self.feed.usual_date();
        if !self.rng.hit(self.rates.other_date) || !dated {
            return usual;
        }
        let others: Vec<&'static str> = OTHER_DATES.iter().copied().filter(|pattern| *pattern != usual).collect();
        self.done.other_date += 1;
        self.rng.one(&others)
    }
}

fn written(day: NaiveDate, pattern: &str) -> String {
    day.format(pattern).to_string()
}

/// Yuan as 万元: 2,000 is `0.2`.
pub(crate) fn ten_thousands(yuan: u64) -> String {
    let (whole, rest) = (yuan / 10_000, yuan % 10_000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:04}").trim_end_matches('0').to_owned() }
}

fn full_width(c: char) -> char {
    if c.is_ascii_digit() { char::from_u32(u32::from(c) + 0xFEE0).unwrap_or(c) } else { c }
}

fn never_its_name(name: &str) -> String {
    if let Some(short) = name.strip_suffix("有限公司") {
        return format!("{short}有限责任公司");
    }
    // A character fell out.
    let at = name.chars().count() / 2;
    name.chars().enumerate().filter(|(i, _)| *i != at).map(|(_, c)| c).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_in_ten_thousands() {
        assert_eq!([2_000, 50_000, 123_400, 100, 0].map(ten_thousands), ["0.2", "5", "12.34", "0.01", "0"]);
    }

    #[test]
    fn small_slips_change_what_they_should() {
        assert_eq!("9113Y0X".chars().map(full_width).collect::<String>(), "９１１３Y０X");
        assert_eq!(never_its_name("固安宏达商贸有限公司"), "固安宏达商贸有限责任公司");
        assert_eq!(never_its_name("固安县宏达饭店"), "固安县达饭店");
    }
}
