//! Organisation code 组织机构代码 (GB 11714-1997): eight body characters and one check character.

use super::normalise;

/// A checked organisation code, nine characters without a hyphen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrganisationCode(String);

/// Why a text is not an organisation code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrgCodeError {
    /// Not nine characters of `0-9A-Z`.
    Format,
    /// The ninth character does not follow from the first eight.
    Check {
        /// What it would have to be.
        expected: char,
    },
}

const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];

/// The check character of eight body characters; `None` when one of them is not a digit or a capital letter.
pub fn check_char(body: &[u8]) -> Option<char> {
    if body.len() != WEIGHTS.len() {
        return None;
    }
    let mut sum = 0;
    for (byte, weight) in body.iter().zip(WEIGHTS) {
        sum += char::from(*byte).to_digit(36).filter(|_| !byte.is_ascii_lowercase())? * weight;
    }
    match 11 - sum % 11 {
        10 => Some('X'),
        11 => Some('0'),
        digit => char::from_digit(digit, 10),
    }
}

impl OrganisationCode {
    /// Reads a code after [`normalise`]; the hyphen of `12345678-9` is accepted.
    pub fn parse(raw: &str) -> Result<Self, OrgCodeError> {
        let code = normalise(raw);
        let bytes = code.as_bytes();
        let (Some(body), Some(check), 9) = (bytes.get(..8), bytes.get(8), bytes.len()) else {
            return Err(OrgCodeError::Format);
        };
        let expected = check_char(body).ok_or(OrgCodeError::Format)?;
        if char::from(*check) != expected {
            return Err(OrgCodeError::Check { expected });
        }
        Ok(Self(code))
    }

    /// The nine characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_inside_a_known_uscc_passes() {
        for code in ["71092546-2", "710925462", "19220382-1", "100003962"] {
            assert!(OrganisationCode::parse(code).is_ok(), "{code}");
        }
    }

    #[test]
    fn a_wrong_check_or_shape_is_refused() {
        assert_eq!(OrganisationCode::parse("710925463"), Err(OrgCodeError::Check { expected: '2' }));
        for raw in ["", "71092546", "7109254622", "7109254é", "七一〇九二五四六二"] {
            assert_eq!(OrganisationCode::parse(raw), Err(OrgCodeError::Format), "{raw}");
        }
    }
}
