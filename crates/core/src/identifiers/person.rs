//! Documents that identify natural persons. The numbers are personal data: hold them no longer than needed, never log them, never put
//! them in a URL (invariant 7).

use super::normalise;
use chrono::{Datelike, NaiveDate};

/// Kinds of document of the national feed templates (values travel as Chinese text), plus 港澳台居民居住证.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PersonDocumentKind {
    /// 居民身份证 (GB 11643-1999).
    ResidentId,
    /// 港澳台居民居住证, same structure with address 81/82/83.
    HmtResidencePermit,
    /// 港澳居民来往内地通行证.
    HmTravelPermit,
    /// 台湾居民来往大陆通行证.
    TaiwanTravelPermit,
    /// 外国人永久居留身份证.
    ForeignPermanentResident,
    /// 护照.
    Passport,
}

impl PersonDocumentKind {
    const NAMES: &[(&str, Self)] = &[
        ("身份证", Self::ResidentId),
        ("居民身份证", Self::ResidentId),
        ("01", Self::ResidentId),
        ("护照号", Self::Passport),
        ("护照", Self::Passport),
        ("02", Self::Passport),
        ("港澳居民来往内地通行证", Self::HmTravelPermit),
        ("03", Self::HmTravelPermit),
        ("台湾居民来往大陆通行证", Self::TaiwanTravelPermit),
        ("04", Self::TaiwanTravelPermit),
        ("外国人永久居留身份证", Self::ForeignPermanentResident),
        ("05", Self::ForeignPermanentResident),
        ("港澳台居民居住证", Self::HmtResidencePermit),
    ];

    /// Reads the Chinese name or the two-digit code that feeds carry.
    pub fn from_feed(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind)
    }

    /// Stable code used in the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::ResidentId => "resident_id",
            Self::HmtResidencePermit => "hmt_residence_permit",
            Self::HmTravelPermit => "hm_travel_permit",
            Self::TaiwanTravelPermit => "taiwan_travel_permit",
            Self::ForeignPermanentResident => "foreign_permanent_resident",
            Self::Passport => "passport",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::NAMES.iter().map(|(_, kind)| *kind).find(|kind| kind.code() == code)
    }
}

/// A checked document. The number's `Debug` form is masked so that it cannot slip into a log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PersonDocument {
    kind: PersonDocumentKind,
    number: String,
}

impl std::fmt::Debug for PersonDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PersonDocument({:?}, {})", self.kind, mask(&self.number))
    }
}

/// Why a number is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonDocumentError {
    /// Length or characters do not fit the kind of document.
    Format,
    /// The check character is wrong.
    CheckChar,
    /// The date of birth is no calendar date, lies in the future, or makes the person older than the limit.
    BirthDate,
}

impl PersonDocumentError {
    /// Stable rule code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Format => "person_document_format",
            Self::CheckChar => "person_document_check_char",
            Self::BirthDate => "person_document_birth_date",
        }
    }

    /// Chinese text with the way out.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Format => "证件号码的长度或字符与证件类型不符；请核对证件类型与号码",
            Self::CheckChar => "证件号码校验位不符；请对照证件逐位核对",
            Self::BirthDate => "证件号码中的出生日期无效（不存在、晚于今天或超过年龄上限）；请核对",
        }
    }

    /// English text with the way out.
    pub fn en(self) -> &'static str {
        match self {
            Self::Format => "length or characters do not fit this kind of document; check the kind and the number",
            Self::CheckChar => "the check character of the document number is wrong; compare it with the document",
            Self::BirthDate => {
                "the date of birth in the number does not exist, lies in the future or is beyond the age limit; check the number"
            }
        }
    }
}

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

/// MOD 11-2 check character of seventeen digits (GB 11643-1999).
pub fn check_char(body: &str) -> Option<char> {
    if body.len() != WEIGHTS.len() {
        return None;
    }
    let mut sum = 0;
    for (c, weight) in body.chars().zip(WEIGHTS) {
        sum += c.to_digit(10)? * weight;
    }
    "10X98765432".chars().nth(usize::try_from(sum % 11).ok()?)
}

/// A first-generation 15-digit number in its 18-character form: insert `19`, append the check character.
pub fn widen(number: &str) -> Option<String> {
    if number.len() != 15 || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let body = format!("{}19{}", number.get(..6)?, number.get(6..)?);
    let check = check_char(&body)?;
    Some(format!("{body}{check}"))
}

/// Whether eighteen characters have the make of a resident ID: a date that exists, and the right check character.
pub fn is_resident_id(number: &str) -> bool {
    let limits = (NaiveDate::MAX, u32::MAX);
    checked_18(number.to_owned(), limits.0, limits.1, |_| true).is_ok()
}

/// `mask.id=first6_last4`; shorter numbers keep only their last two characters.
pub fn mask(number: &str) -> String {
    let chars: Vec<char> = number.chars().collect();
    let (head, tail) = if chars.len() >= 15 { (6, 4) } else { (0, 2) };
    let hidden = chars.len().saturating_sub(head + tail);
    chars.iter().enumerate().map(|(i, c)| if i < head || i >= head + hidden { *c } else { '*' }).collect()
}

impl PersonDocument {
    /// Normalises and checks a number. Fifteen-digit resident IDs come back in their 18-character form, so one person has one number.
    ///
    /// `today` and `max_age` (years) bound the date of birth.
    pub fn parse(kind: PersonDocumentKind, raw: &str, today: NaiveDate, max_age: u32) -> Result<Self, PersonDocumentError> {
        let number = normalise(raw);
        let number = match kind {
            PersonDocumentKind::ResidentId => checked_18(widen(&number).unwrap_or(number), today, max_age, |c| c != '9')?,
            PersonDocumentKind::HmtResidencePermit => checked_18(number, today, max_age, |c| c == '8')?,
            PersonDocumentKind::ForeignPermanentResident if number.len() == 18 => checked_18(number, today, max_age, |c| c == '9')?,
            PersonDocumentKind::ForeignPermanentResident => shaped(number, |b| {
                b.len() == 15 && b.iter().take(3).all(u8::is_ascii_uppercase) && b.iter().skip(3).all(u8::is_ascii_digit)
            })?,
            PersonDocumentKind::HmTravelPermit => shaped(number, |b| {
                matches!(b.len(), 9 | 11) && matches!(b.first(), Some(b'H' | b'M')) && b.iter().skip(1).all(u8::is_ascii_digit)
            })?,
            PersonDocumentKind::TaiwanTravelPermit => shaped(number, |b| {
                (b.len() == 8 && b.iter().all(u8::is_ascii_digit))
                    || ((10..=12).contains(&b.len()) && b.iter().all(u8::is_ascii_alphanumeric))
            })?,
            PersonDocumentKind::Passport => shaped(number, |b| (5..=17).contains(&b.len()) && b.iter().all(u8::is_ascii_alphanumeric))?,
        };
        Ok(Self { kind, number })
    }

    /// The kind of document.
    pub fn kind(&self) -> PersonDocumentKind {
        self.kind
    }

    /// The number itself. Only encryption, the keyed index and an answer that the one door let through may ask for it.
    pub fn reveal(&self) -> &str {
        &self.number
    }
}

fn shaped(number: String, fits: impl Fn(&[u8]) -> bool) -> Result<String, PersonDocumentError> {
    if fits(number.as_bytes()) { Ok(number) } else { Err(PersonDocumentError::Format) }
}

fn checked_18(number: String, today: NaiveDate, max_age: u32, first: impl Fn(char) -> bool) -> Result<String, PersonDocumentError> {
    let body = number.get(..17).filter(|_| number.len() == 18).ok_or(PersonDocumentError::Format)?;
    if !body.bytes().all(|b| b.is_ascii_digit()) || !number.starts_with(first) {
        return Err(PersonDocumentError::Format);
    }
    if !number.ends_with(check_char(body).ok_or(PersonDocumentError::Format)?) {
        return Err(PersonDocumentError::CheckChar);
    }
    let part = |range: std::ops::Range<usize>| body.get(range).and_then(|s| s.parse::<u32>().ok());
    let born = part(6..10)
        .and_then(|y| i32::try_from(y).ok())
        .zip(part(10..12).zip(part(12..14)))
        .and_then(|(y, (m, d))| NaiveDate::from_ymd_opt(y, m, d))
        .ok_or(PersonDocumentError::BirthDate)?;
    let oldest = i64::from(today.year()) - i64::from(max_age);
    if born > today || i64::from(born.year()) < oldest {
        return Err(PersonDocumentError::BirthDate);
    }
    Ok(number)
}

/// Resident-ID-like numbers inside free text (18 characters that pass the check), as byte ranges. Used to keep them out of plain storage.
pub fn find_in_text(text: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes.get(at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
        if run == 0 {
            at += 1;
            continue;
        }
        let with_x = run + usize::from(matches!(bytes.get(at + run), Some(b'X' | b'x')));
        if with_x == 18 {
            let end = at + 18;
            let candidate = text.get(at..end).unwrap_or_default().to_ascii_uppercase();
            if candidate.get(..17).and_then(check_char).is_some_and(|check| candidate.ends_with(check)) {
                found.push(at..end);
            }
        }
        at += with_x.max(1);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 23).unwrap()
    }

    fn parse(kind: PersonDocumentKind, raw: &str) -> Result<String, PersonDocumentError> {
        PersonDocument::parse(kind, raw, today(), 130).map(|d| d.reveal().to_owned())
    }

    #[test]
    fn specimens_of_each_kind() {
        use PersonDocumentKind::*;
        assert!(parse(ResidentId, "11010519491231002x").is_ok());
        assert_eq!(parse(ResidentId, "440524188001010014"), Err(PersonDocumentError::BirthDate), "born 1880");
        assert_eq!(parse(ResidentId, "130503670401001").as_deref(), Ok("130503196704010016"));
        for hmt in ["810000199408230021", "830000199201300022", "810000199001010019", "820000198506150022", "830000197012120031"] {
            assert!(parse(HmtResidencePermit, hmt).is_ok(), "{hmt}");
        }
        for foreign in ["913826199001010012", "911840198811110024", "USA123456789012"] {
            assert!(parse(ForeignPermanentResident, foreign).is_ok(), "{foreign}");
        }
        assert_eq!(parse(ResidentId, "913826199001010012"), Err(PersonDocumentError::Format));
        assert!(parse(HmTravelPermit, "H12345678").is_ok());
        assert!(parse(TaiwanTravelPermit, "12345678").is_ok());
        assert!(parse(Passport, "E12345678").is_ok());
        assert_eq!(parse(Passport, "E1"), Err(PersonDocumentError::Format));
        assert_eq!(parse(ResidentId, "110105194912310021"), Err(PersonDocumentError::CheckChar));
        assert_eq!(parse(ResidentId, "身份证号码"), Err(PersonDocumentError::Format));
    }

    #[test]
    fn numbers_hide_in_debug_and_mask() {
        let document = PersonDocument::parse(PersonDocumentKind::ResidentId, "11010519491231002X", today(), 130).unwrap();
        assert_eq!(format!("{document:?}"), "PersonDocument(ResidentId, 110105********002X)");
        assert_eq!(mask("E12345678"), "*******78");
    }

    #[test]
    fn numbers_are_found_in_free_text_but_codes_are_not() {
        let text = "当事人张某（身份证11010519491231002x）与91110000710925462X签订合同，案号1101051949123100200。";
        let found: Vec<&str> = find_in_text(text).into_iter().map(|r| &text[r]).collect();
        assert_eq!(found, ["11010519491231002x"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(raw in ".{0,30}") {
            for kind in [PersonDocumentKind::ResidentId, PersonDocumentKind::Passport, PersonDocumentKind::ForeignPermanentResident] {
                let _ = parse(kind, &raw);
            }
            let _ = find_in_text(&raw);
            let _ = mask(&raw);
        }
    }
}
