//! The numbers by which the state tells its subjects apart. Each scheme is a type whose only constructor checks the number, so that
//! holding one means it passed.

pub mod org_code;
pub mod pattern;
pub mod person;
pub mod registration;
pub mod uscc;

pub use org_code::OrganisationCode;
pub use pattern::Pattern;
pub use person::{PersonDocument, PersonDocumentKind, PersonRules};
pub use registration::RegistrationNumber;
pub use uscc::{Uscc, UsccWarning};

use unicode_normalization::UnicodeNormalization;

/// `id.uscc.normalise=[nfkc,trim,strip_space_hyphen,upper]`: full-width forms become ordinary ones, spaces and every kind of hyphen go,
/// Latin letters become capitals. Applied to every identifier before it is looked at.
pub fn normalise(raw: &str) -> String {
    if raw.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()) {
        return raw.to_owned();
    }
    raw.nfkc()
        .filter(|c| {
            !c.is_whitespace()
                && !matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{00ad}' | '\u{feff}' | '\u{200b}'..='\u{200d}')
        })
        .flat_map(char::to_uppercase)
        .collect()
}

/// Position of `byte` in the 31-character alphabet of GB 32100-2015 (no I, O, S, V, Z).
pub(crate) fn base31(byte: u8) -> Option<u32> {
    uscc::ALPHABET.iter().position(|&b| b == byte).and_then(|p| u32::try_from(p).ok())
}
