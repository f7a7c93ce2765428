//! Identifiers that pass every check and belong to nobody.

use chrono::{Days, NaiveDate};
use credence_core::identifiers::{org_code, person, registration, uscc};

const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
/// So many organisation codes one family of two letters holds: six characters of the alphabet of 31.
pub(crate) const BODIES: u64 = 887_503_681;
/// 3^18, which shares no divisor with 31: multiplying by it scatters the numbers without two meeting.
const SCATTER: u64 = 387_420_489;

/// Which kind of made-up organisation a code belongs to; the first two characters of its organisation code.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Family {
    Agency,
    City,
    Bench,
}

impl Family {
    fn letters(self) -> &'static str {
        match self {
            Self::Agency => "YB",
            Self::City => "YD",
            Self::Bench => "YX",
        }
    }
}

/// Appends the code of organisation `index` of a family. `category` is positions 1-2, `area` positions 3-8.
pub(crate) fn push_uscc(out: &mut String, category: &str, area: &str, family: Family, index: u64) {
    let start = out.len();
    out.push_str(category);
    out.push_str(area);
    out.push_str(family.letters());
    let mut rest = (index % BODIES) * SCATTER % BODIES;
    for _ in 0..6 {
        out.push(ALPHABET.chars().nth(usize::try_from(rest % 31).unwrap_or_default()).unwrap_or('0'));
        rest /= 31;
    }
    if let Some(check) = out.as_bytes().get(start + 8..).and_then(org_code::check_char) {
        out.push(check);
    }
    if let Some(check) = out.as_bytes().get(start..).and_then(uscc::check_char) {
        out.push(check);
    }
}

/// The same as [`push_uscc`], alone.
pub(crate) fn uscc(category: &str, area: &str, family: Family, index: u64) -> String {
    let mut out = String::with_capacity(18);
    push_uscc(&mut out, category, area, family, index);
    out
}

/// Appends a registration number of fifteen digits; `class` is its seventh.
pub(crate) fn push_registration_no(out: &mut String, area: &str, class: char, index: u64) {
    use std::fmt::Write;
    let start = out.len();
    out.push_str(area);
    out.push(class);
    let _ = write!(out, "{:07}", index % 10_000_000);
    if let Some(check) = out.get(start..).and_then(registration::check_digit) {
        out.push(check);
    }
}

/// The same code with another last character, so that MOD 31-3 fails.
pub(crate) fn with_bad_check(code: &str) -> String {
    let mut chars: Vec<char> = code.chars().collect();
    let at = chars.pop().and_then(|last| ALPHABET.find(last)).unwrap_or_default();
    chars.push(ALPHABET.chars().nth((at + 1) % 31).unwrap_or('0'));
    chars.into_iter().collect()
}

/// The same code with another character 17 and a MOD 31-3 character that fits it.
pub(crate) fn with_wrong_inner_check(code: &str) -> String {
    let mut out: String = code.chars().take(16).collect();
    let inner = code.chars().nth(16).and_then(|c| c.to_digit(10)).map_or(0, |digit| (digit + 1) % 10);
    out.push(char::from_digit(inner, 10).unwrap_or('0'));
    if let Some(check) = uscc::check_char(out.as_bytes()) {
        out.push(check);
    }
    out
}

/// Days from 1950-01-01 to 1999-12-31.
const BIRTHDAYS: u64 = 18_262;
const FIRST_BIRTHDAY: NaiveDate = ymd(1950, 1, 1);

/// A day known to exist.
pub(crate) const fn ymd(year: i32, month: u32, day: u32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(day) => day,
        None => NaiveDate::MIN,
    }
}

/// The resident ID number of person `index` of an address code; numbers repeat only after 18 million persons.
pub(crate) fn resident_id(address: &str, index: u64) -> String {
    let day = (index % BIRTHDAYS) * 7_919 % BIRTHDAYS;
    let born = FIRST_BIRTHDAY.checked_add_days(Days::new(day)).unwrap_or(FIRST_BIRTHDAY);
    let sequence = (index / BIRTHDAYS + day * 37) % 1_000;
    let mut out = format!("{address}{}{sequence:03}", born.format("%Y%m%d"));
    if let Some(check) = person::check_char(&out) {
        out.push(check);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_core::identifiers::uscc::{Uscc, UsccError, UsccRules, UsccWarning};
    use credence_core::identifiers::{PersonDocument, PersonDocumentKind, RegistrationNumber};
    use std::collections::HashSet;

    #[test]
    fn codes_pass_without_a_warning_and_do_not_repeat() {
        let mut seen = HashSet::new();
        for index in (0..2_000).chain(BODIES - 2_000..BODIES) {
            let code = uscc("91", "131022", Family::City, index);
            assert_eq!(Uscc::parse(&code, &UsccRules::default()).map(|(u, w)| (u.to_string(), w)), Ok((code.clone(), vec![])), "{code}");
            assert!(seen.insert(code));
        }
    }

    #[test]
    fn spoilt_codes_fail_as_meant() {
        for index in 0..500 {
            let code = uscc("92", "131081", Family::City, index);
            assert!(matches!(Uscc::parse(&with_bad_check(&code), &UsccRules::default()), Err(UsccError::CheckChar { .. })), "{code}");
            let inner = Uscc::parse(&with_wrong_inner_check(&code), &UsccRules::default()).unwrap().1;
            assert_eq!(inner, vec![UsccWarning::InnerCheck], "{code}");
        }
    }

    #[test]
    fn other_numbers_pass_too() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 23).unwrap();
        let mut seen = HashSet::new();
        for index in (0..40_000).step_by(7) {
            let id = resident_id("131001", index);
            assert!(PersonDocument::parse(PersonDocumentKind::ResidentId, &id, today, 130).is_ok(), "{id}");
            assert!(seen.insert(id));
            let mut number = String::new();
            push_registration_no(&mut number, "131002", '0', index);
            assert_eq!(number.len(), 15);
            assert!(RegistrationNumber::parse(&number).is_ok(), "{number}");
        }
    }
}
