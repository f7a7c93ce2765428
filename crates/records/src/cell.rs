//! A cell as it arrives, and the readings a field's type asks for. Normalisation comes first, then the check; what cannot be read is
//! refused with the reason, never guessed.

use chrono::{Datelike, Days, NaiveDate};
use unicode_normalization::UnicodeNormalization;

/// What a decoder hands over. Text is kept as written; spreadsheets know numbers and dates as such.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Cell {
    /// Nothing.
    #[default]
    Empty,
    /// Characters.
    Text(String),
    /// A number of a spreadsheet, in the shortest writing of its double.
    Number(String),
    /// A day of a spreadsheet's date cell.
    Date(NaiveDate),
}

/// Texts that stand for "nothing" in real feeds.
const PLACEHOLDERS: [&str; 7] = ["无", "/", "-", "N/A", "NULL", "空", "暂无"];

impl Cell {
    /// The text as written, trimmed; empty when there is nothing or a stand-in for it.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        use std::borrow::Cow;
        let trimmed = match self {
            Self::Empty => return Cow::Borrowed(""),
            Self::Date(day) => return Cow::Owned(day.to_string()),
            Self::Text(text) | Self::Number(text) => text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}')),
        };
        if trimmed.len() <= 6 && PLACEHOLDERS.iter().any(|p| p.eq_ignore_ascii_case(trimmed)) {
            Cow::Borrowed("")
        } else {
            Cow::Borrowed(trimmed)
        }
    }

    /// The characters exactly as received, for the file of refused rows.
    pub fn raw(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Number(text) => text.clone(),
            Self::Date(day) => day.to_string(),
        }
    }
}

/// Normal form of anything that is a code rather than prose: NFKC, inner and outer spaces gone.
pub fn compact(text: &str) -> String {
    if text.is_ascii() && !text.bytes().any(|b| b.is_ascii_whitespace()) {
        return text.to_owned();
    }
    text.nfkc().filter(|c| !c.is_whitespace()).collect()
}

/// Day 0 of a spreadsheet's serial numbers (the 1900 system, with its leap-year mistake folded in).
fn serial_epoch() -> NaiveDate {
    NaiveDate::from_ymd_opt(1899, 12, 30).unwrap_or_default()
}

/// The day a spreadsheet serial stands for; only 1927 to 2119, so that a stray number is not taken for a date.
pub fn from_serial(serial: f64) -> Option<NaiveDate> {
    if !(10_000.0..80_500.0).contains(&serial) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in 10,000 to 80,500")]
    serial_epoch().checked_add_days(Days::new(serial.floor() as u64))
}

/// Reads a date in every form that feeds use: `YYYY/MM/DD`, `YYYY-MM-DD`, `YYYY.MM.DD`, `YYYYMMDD`, `YYYY年MM月DD日`, a serial number, each
/// with or without a time.
pub fn date(cell: &Cell) -> Option<NaiveDate> {
    let text = match cell {
        Cell::Date(day) => return Some(*day),
        Cell::Empty => return None,
        Cell::Number(text) | Cell::Text(text) => compact_date(text),
    };
    let day = match text.bytes().position(|b| !b.is_ascii_digit()) {
        None if text.len() == 8 => ymd(text.get(..4)?, text.get(4..6)?, text.get(6..)?),
        None if text.len() == 14 => ymd(text.get(..4)?, text.get(4..6)?, text.get(6..8)?).filter(|_| text.get(8..).is_some_and(is_time)),
        None if text.len() == 5 => from_serial(text.parse().ok()?),
        None => None,
        Some(5) if text.contains('.') && text.matches('.').count() == 1 && !text.contains(':') => from_serial(text.parse().ok()?),
        Some(4) => parted(&text),
        Some(8) => {
            let (day, time) = text.split_once('T')?;
            ymd(day.get(..4)?, day.get(4..6)?, day.get(6..)?).filter(|_| is_time(time))
        }
        Some(_) => None,
    }?;
    (1900..=2999).contains(&day.year()).then_some(day)
}

/// NFKC and outer spaces gone; an inner space (before the time) becomes `T`.
fn compact_date(text: &str) -> String {
    let normal: String = text.nfkc().collect();
    normal.split_whitespace().collect::<Vec<_>>().join("T")
}

fn ymd(year: &str, month: &str, day: &str) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

fn parted(text: &str) -> Option<NaiveDate> {
    let (year, rest) = text.split_at_checked(4)?;
    let separator = rest.chars().next()?;
    let (month_end, day_end) = match separator {
        '-' | '/' | '.' => (separator, None),
        '年' => ('月', Some('日')),
        _ => return None,
    };
    let rest = rest.strip_prefix(separator)?;
    let (month, rest) = rest.split_once(month_end)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (day, tail) = rest.split_at(digits);
    let tail = match day_end {
        Some(end) => tail.strip_prefix(end)?,
        None => tail,
    };
    let tail = tail.strip_prefix('T').unwrap_or(tail);
    let plain = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    (plain(month) && plain(day) && (tail.is_empty() || is_time(tail))).then(|| ymd(year, month, day)).flatten()
}

/// `15:04`, `15:04:05`, `150405`, with fractions and a zone.
fn is_time(text: &str) -> bool {
    let time = text.split(['.', '+', 'Z']).next().unwrap_or_default();
    let parts: Vec<&str> = if time.contains(':') {
        time.split(':').collect()
    } else if time.len() == 6 {
        [time.get(..2), time.get(2..4), time.get(4..)].into_iter().flatten().collect()
    } else {
        return false;
    };
    let within = |part: &str, max: u32| !part.is_empty() && part.len() <= 2 && part.parse::<u32>().is_ok_and(|n| n <= max);
    match parts.as_slice() {
        [h, m] => within(h, 23) && within(m, 59),
        [h, m, s] => within(h, 23) && within(m, 59) && within(s, 60),
        _ => false,
    }
}

/// Why a text is not the number wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalFault {
    /// No number, or a unit other than the field's.
    Format,
    /// Written in 元 while the field wants 万元.
    WrongUnit,
    /// Below zero.
    Negative,
    /// More digits than the field holds.
    Digits,
}

/// A spreadsheet's number in the fifteen digits that it holds and shows: 0.1 + 0.2 is 0.3 there, and only the file says
/// 0.30000000000000004. `None` for a cell that is no such number: what is written as text is taken as it is written.
pub fn fifteen_digits(cell: &Cell) -> Option<String> {
    let Cell::Number(text) = cell else { return None };
    let exact: f64 = text.parse().ok()?;
    let rounded: f64 = format!("{exact:.14e}").parse().ok()?;
    Some(rounded.to_string())
}

/// Reads a decimal of at most `digits` (in all, after the point) into its shortest writing. Thousands separators and the field's own unit
/// are allowed; another unit is an error, not a conversion.
pub fn decimal(text: &str, digits: [u8; 2], unit: Option<&str>) -> Result<String, DecimalFault> {
    let compact = compact(text);
    let mut number = compact.as_str();
    if let Some(unit) = unit.filter(|unit| number.ends_with(*unit)) {
        number = number.strip_suffix(unit).unwrap_or(number);
    } else if number.ends_with('元') {
        return Err(DecimalFault::WrongUnit);
    }
    if number.starts_with('-') {
        return Err(DecimalFault::Negative);
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let grouped = whole.contains(',');
    if grouped && !whole.split(',').enumerate().all(|(at, group)| if at == 0 { (1..=3).contains(&group.len()) } else { group.len() == 3 }) {
        return Err(DecimalFault::Format);
    }
    let whole: String = whole.chars().filter(|c| *c != ',').collect();
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(&whole) || !all_digits(fraction) || number.ends_with('.') {
        return Err(DecimalFault::Format);
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let [all, after] = digits.map(usize::from);
    if fraction.len() > after || whole.len() + after > all {
        return Err(DecimalFault::Digits);
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Ok(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<String> {
        date(&Cell::Text(text.into())).map(|d| d.to_string())
    }

    #[test]
    fn every_form_of_a_date() {
        for text in [
            "2026-01-31",
            "2026/01/31",
            "2026/1/31",
            "2026.1.31",
            "20260131",
            "2026年01月31日",
            "2026年1月31日",
            "２０２６年１月３１日",
            " 2026-01-31 ",
            "2026-01-31 10:20",
            "2026-01-31T10:20:30",
            "2026-01-31 10:20:30.000",
            "2026/1/31 0:00:00",
            "20260131102030",
            "20260131 10:20",
            "20260131 10:20:30",
            "20260131 102030",
            "20260131T10:20:30.000",
            "2026年1月31日 10:20",
            "46053",
            "46053.5",
            "2026-01-31T10:20:30+08:00",
            "2026-01-31T10:20:30Z",
        ] {
            assert_eq!(read(text).as_deref(), Some("2026-01-31"), "{text}");
        }
        assert_eq!(date(&Cell::Number("46053".into())).unwrap().to_string(), "2026-01-31");
    }

    #[test]
    fn what_is_no_date_is_not_guessed() {
        for text in [
            "",
            "2026",
            "202601",
            "26-01-31",
            "2026-13-01",
            "2026-02-30",
            "31/01/2026",
            "01/02/2026",
            "2026-1",
            "2026年1月",
            "昨天",
            "2026-01-31 25:00",
            "2026-01-31x",
            "20261301",
            "20261301 10:20",
            "20260131 25:00",
            "20260131 下午",
            "20260131-10:20",
            "2026013110:20",
            "99999",
            "1899-12-31",
            "2026--1-1",
            "2026-01/31",
            "2026年1月31",
            "-2026-01-31",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn amounts_in_ten_thousand_yuan() {
        let ok = |text: &str| decimal(text, [18, 6], Some("万元"));
        assert_eq!(ok("0.2").as_deref(), Ok("0.2"));
        assert_eq!(ok("0.200000").as_deref(), Ok("0.2"));
        assert_eq!(ok("1,234.50万元").as_deref(), Ok("1234.5"));
        assert_eq!(ok("００１２").as_deref(), Ok("12"));
        assert_eq!(ok("0").as_deref(), Ok("0"));
        assert_eq!(ok("2000元"), Err(DecimalFault::WrongUnit));
        assert_eq!(ok("-1"), Err(DecimalFault::Negative));
        assert_eq!(ok("0.1234567"), Err(DecimalFault::Digits));
        assert_eq!(ok("1234567890123"), Err(DecimalFault::Digits));
        for bad in ["", "1.", ".5", "1.2.3", "1,2", "1e3", "五千", "NaN", "1 2,3"] {
            assert_eq!(ok(bad), Err(DecimalFault::Format), "{bad}");
        }
    }

    #[test]
    fn a_spreadsheets_number_has_fifteen_digits() {
        let read = |text: &str| fifteen_digits(&Cell::Number(text.into()));
        for (text, number) in [
            ("0.30000000000000004", "0.3"),
            ("0.3", "0.3"),
            ("0.1234567", "0.1234567"),
            ("1.1500000000000001", "1.15"),
            ("0.0000001", "0.0000001"),
            ("123456789012.345", "123456789012.345"),
            ("0", "0"),
            ("2000", "2000"),
            ("-0.30000000000000004", "-0.3"),
        ] {
            assert_eq!(read(text).as_deref(), Some(number), "{text}");
        }
        assert_eq!(decimal(&read("0.30000000000000004").unwrap(), [18, 6], Some("万元")).as_deref(), Ok("0.3"));
        assert_eq!(decimal("0.30000000000000004", [18, 6], Some("万元")), Err(DecimalFault::Digits), "in a text every digit was meant");
        assert_eq!(read("两千"), None);
        assert_eq!(fifteen_digits(&Cell::Text("0.30000000000000004".into())), None);
        assert_eq!(fifteen_digits(&Cell::Empty), None);
    }

    #[test]
    fn stand_ins_are_empty() {
        for text in ["无", " / ", "-", "n/a", "NULL", "null", "空", "暂无", "", "\u{3000}"] {
            assert_eq!(Cell::Text(text.into()).text(), "", "{text}");
        }
        assert_eq!(Cell::Text("无证经营".into()).text(), "无证经营");
    }

    proptest! {
        #[test]
        fn a_date_is_read_back_from_each_of_its_writings(days in 0u64..60_000, form in 0usize..6) {
            let day = NaiveDate::from_ymd_opt(1930, 1, 1).unwrap() + Days::new(days);
            let (y, m, d) = (day.year(), day.month(), day.day());
            let text = [format!("{y}-{m:02}-{d:02}"), format!("{y}/{m}/{d}"), format!("{y}{m:02}{d:02}"), format!("{y}年{m}月{d}日"),
                format!("{y}.{m}.{d} 23:59:59"), (day - serial_epoch()).num_days().to_string()][form].clone();
            prop_assert_eq!(date(&Cell::Text(text)), Some(day));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,30}") {
            let _ = date(&Cell::Text(text.clone()));
            let _ = decimal(&text, [18, 6], Some("万元"));
            let _ = fifteen_digits(&Cell::Number(text.clone()));
            let _ = Cell::Text(text).text();
        }
    }
}
