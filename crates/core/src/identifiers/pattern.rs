//! The forms of numbers that rules state (`id.passport.regex`), read by the `regex` crate (alive, linear time, in the tree already through the
//! router), and always matched as a whole.

use regex::{Regex, RegexBuilder};

/// Most memory a compiled pattern may take, in bytes: a rule is data, and data may be wrong.
const SIZE_BYTES_MAX: usize = 1 << 16;

/// The form a number must have as a whole.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern such as `^[A-Z]\d{8}$|^[0-9A-Z]{5,17}$`.
    ///
    /// # Errors
    /// What is no regular expression, or too large a one.
    pub fn parse(text: &str) -> Result<Self, String> {
        RegexBuilder::new(&format!("^(?:{text})$")).size_limit(SIZE_BYTES_MAX).build().map(Self).map_err(|e| e.to_string())
    }

    /// Whether the whole number has this form.
    pub fn fits(&self, number: &str) -> bool {
        self.0.is_match(number)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_number_has_the_form_as_a_whole_or_not_at_all() {
        let pattern = Pattern::parse("[A-Z][0-9]{8}|[0-9A-Z]{5,7}").unwrap();
        for (number, fits) in [("E12345678", true), ("ABC12", true), ("xE12345678", false), ("E123456789", false), ("E1234567\n", false)] {
            assert_eq!(pattern.fits(number), fits, "{number}");
        }
    }

    #[test]
    fn what_is_no_pattern_or_too_large_is_refused() {
        for text in ["[A-Z", "(", "[0-9A-Z]{1000}{1000}"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
