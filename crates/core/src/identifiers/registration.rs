//! Business registration number 工商注册号 (GS 15-2006) in its three historical shapes. Which shape a number has is told by the
//! column it arrives in: fifteen digits may also be an old resident ID or an old tax number, so nothing here guesses by length alone.

use super::{OrganisationCode, normalise};
use std::collections::HashSet;

/// A registration number as far as it can be checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistrationNumber {
    value: String,
    shape: RegistrationShape,
}

/// The shapes met in real feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegistrationShape {
    /// Fifteen digits ending in an ISO 7064 MOD 11,10 check digit.
    Digits15,
    /// Farmers' co-operatives: six digits, `NA` or `NB`, six digits, `X`. No computed check.
    Cooperative,
    /// Thirteen digits, used before 2007. No computed check.
    Digits13,
    /// Another provincial shape, kept as it came.
    Other,
}

/// Why a text is not a registration number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationError {
    /// Empty, longer than 50 characters, or holding something other than letters, digits and Chinese characters.
    Format,
    /// Fifteen digits whose last is not the check digit of the others.
    Check {
        /// What it would have to be.
        expected: char,
    },
}

/// ISO 7064 MOD 11,10 check digit of fourteen digits.
pub fn check_digit(body: &str) -> Option<char> {
    let mut p = 10;
    for c in body.chars() {
        let mut s = (p + c.to_digit(10)?) % 10;
        if s == 0 {
            s = 10;
        }
        p = (s * 2) % 11;
    }
    char::from_digit((11 - p) % 10, 10)
}

impl RegistrationNumber {
    /// Reads a number from a column known to hold registration numbers.
    pub fn parse(raw: &str) -> Result<Self, RegistrationError> {
        let value = normalise(raw);
        if value.is_empty() || value.chars().count() > 50 || !value.chars().all(char::is_alphanumeric) {
            return Err(RegistrationError::Format);
        }
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        let shape = match (digits, value.len()) {
            (true, 15) => {
                let expected = value.get(..14).and_then(check_digit).ok_or(RegistrationError::Format)?;
                if !value.ends_with(expected) {
                    return Err(RegistrationError::Check { expected });
                }
                RegistrationShape::Digits15
            }
            (true, 13) => RegistrationShape::Digits13,
            (false, 15) if is_cooperative(&value) => RegistrationShape::Cooperative,
            _ => RegistrationShape::Other,
        };
        Ok(Self { value, shape })
    }

    /// The normalised number.
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// Which historical shape it has.
    pub fn shape(&self) -> RegistrationShape {
        self.shape
    }
}

/// Whether the fifteen characters of a number also read as a tax registration number of before 2015: an area code and the payer's
/// organisation code. `areas` are all area codes ever in force; empty means that any six digits will do.
///
/// One in eleven registration numbers does, so this is worth a remark and decides nothing.
pub fn reads_as_tax_number(raw: &str, areas: &HashSet<u32>) -> bool {
    let number = normalise(raw);
    let (Some(area), Some(code), 15) = (number.get(..6), number.get(6..), number.len()) else { return false };
    let digits = area.bytes().all(|b| b.is_ascii_digit());
    let known = areas.is_empty() || area.parse::<u32>().is_ok_and(|area| areas.contains(&area));
    digits && known && OrganisationCode::parse(code).is_ok()
}

fn is_cooperative(value: &str) -> bool {
    let digits = |range: std::ops::Range<usize>| value.get(range).is_some_and(|s| s.bytes().all(|b| b.is_ascii_digit()));
    digits(0..6) && matches!(value.get(6..8), Some("NA" | "NB")) && digits(8..14) && value.ends_with('X')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_numbers_keep_their_shape() {
        for (raw, shape) in [
            ("320404000009558", RegistrationShape::Digits15),
            ("320382000007600", RegistrationShape::Digits15),
            ("320506NA000043X", RegistrationShape::Cooperative),
            ("3209231100626", RegistrationShape::Digits13),
            ("企独苏总字第000123号", RegistrationShape::Other),
        ] {
            assert_eq!(RegistrationNumber::parse(raw).unwrap().shape(), shape, "{raw}");
        }
    }

    #[test]
    fn a_slip_in_a_fifteen_digit_number_is_seen() {
        assert_eq!(RegistrationNumber::parse("320404000009559"), Err(RegistrationError::Check { expected: '8' }));
        assert_eq!(
            RegistrationNumber::parse("320440000009558"),
            Err(RegistrationError::Check { expected: check_digit("32044000000955").unwrap() })
        );
        assert_eq!(RegistrationNumber::parse("  "), Err(RegistrationError::Format));
    }

    #[test]
    fn some_registration_numbers_read_as_tax_numbers_too() {
        let areas = HashSet::from([320404, 131003]);
        assert!(RegistrationNumber::parse("320404000009558").is_ok() && reads_as_tax_number("320404000009558", &areas));
        assert!(reads_as_tax_number("131003710925462", &areas), "the organisation code of a known company");
        assert!(!reads_as_tax_number("320382000007600", &HashSet::new()), "no organisation code");
        assert!(!reads_as_tax_number("320404000009558", &HashSet::from([131003])), "no area");
        assert!(reads_as_tax_number("320404000009558", &HashSet::new()), "without a list any area will do");
        for other in ["", "3204040000095", "3204040000095581", "32O404000009558", "税务登记号十五个字符呀呀呀呀呀呀"] {
            assert!(!reads_as_tax_number(other, &areas), "{other}");
        }
    }
}
