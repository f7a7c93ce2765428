//! Documents that identify natural persons. The numbers are personal data: hold them no longer than needed, never log them, never put
//! them in a URL (invariant 7).

use super::{Pattern, normalise};
use chrono::{Datelike, NaiveDate};
use std::collections::HashSet;

/// Kinds of document of the national feed templates (values travel as Chinese text), plus 港澳台居民居住证.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PersonDocumentKind {
    /// 居民身份证 (GB 11643-1999).
    ResidentId,
    /// 港澳台居民居住证, same structure with address 810000, 820000 or 830000 (港澳台居民居住证申领发放办法, from 2018-09-01).
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

    /// Reads the Chinese name or the two-digit code that feeds carry (发改办财金〔2018〕790号). Names are a rule
    /// (`code.person_doc_type`): ask [`PersonRules::kind`], which falls back on these where no rule states them.
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

/// The tunable part of the rules: `id.person.max_age`, `id.passport.regex` and `code.person_doc_type`.
#[derive(Debug, Clone)]
pub struct PersonRules {
    /// Oldest age believed, in years.
    pub max_age: u32,
    /// Form of a passport's number; 5 to 17 letters and digits where no rule states it.
    pub passport: Option<Pattern>,
    /// Names and codes under which feeds give the kinds; those of [`PersonDocumentKind::from_feed`] where no rule states them.
    pub kinds: Vec<(String, PersonDocumentKind)>,
}

impl PersonRules {
    /// What holds where no rule states more than the age.
    pub fn built_in(max_age: u32) -> Self {
        Self { max_age, passport: None, kinds: Vec::new() }
    }

    /// The kind of document that a feed's text names.
    pub fn kind(&self, text: &str) -> Option<PersonDocumentKind> {
        if self.kinds.is_empty() {
            return PersonDocumentKind::from_feed(text);
        }
        let text = text.trim();
        self.kinds.iter().find(|(name, _)| name == text).map(|(_, kind)| *kind)
    }
}

/// The kind that the form of a number alone tells, for columns that hold documents without saying which. `None` where several kinds share
/// the form, as most passports and older permits do: then nothing is guessed.
pub fn kind_by_form(raw: &str) -> Option<PersonDocumentKind> {
    let number = normalise(raw);
    let digits = |from: usize, to: usize| number.get(from..to).is_some_and(|s| s.bytes().all(|b| b.is_ascii_digit()));
    match number.len() {
        18 if digits(0, 17) && number.starts_with('9') => Some(PersonDocumentKind::ForeignPermanentResident),
        18 if digits(0, 17) => Some(PersonDocumentKind::ResidentId),
        15 if digits(0, 15) => Some(PersonDocumentKind::ResidentId),
        15 if digits(3, 15) && number.bytes().take(3).all(|b| b.is_ascii_uppercase()) => Some(PersonDocumentKind::ForeignPermanentResident),
        9 if digits(1, 9) && number.starts_with(['H', 'M']) => Some(PersonDocumentKind::HmTravelPermit),
        _ => None,
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

/// What is odd about a document that is nevertheless accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonDocumentWarning {
    /// The address code (positions 1-6) is in no list of area codes, past or present.
    Area,
}

impl PersonDocumentWarning {
    /// Stable rule code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Area => "person_area_unknown",
        }
    }

    /// Chinese text.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Area => "证件号码前6位不在历史行政区划表中，请对照证件核对",
        }
    }

    /// English text.
    pub fn en(self) -> &'static str {
        match self {
            Self::Area => "the address code (positions 1-6) is in no past or present list, please compare with the document",
        }
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
    checked_18(number.to_owned(), NaiveDate::MAX, u32::MAX, |_| true).is_ok()
}

/// `mask.id=first6_last4`; shorter numbers keep only their last two characters.
pub fn mask(number: &str) -> String {
    let chars: Vec<char> = number.chars().collect();
    let (head, tail) = if chars.len() >= 15 { (6, 4) } else { (0, 2) };
    let hidden = chars.len().saturating_sub(head + tail);
    chars.iter().enumerate().map(|(i, c)| if i < head || i >= head + hidden { *c } else { '*' }).collect()
}

impl PersonDocument {
    /// [`Self::parse_with`] by the built-in names and forms. `max_age` is in years.
    pub fn parse(kind: PersonDocumentKind, raw: &str, today: NaiveDate, max_age: u32) -> Result<Self, PersonDocumentError> {
        Self::parse_with(kind, raw, today, &PersonRules::built_in(max_age))
    }

    /// Normalises and checks a number. One person has one number and one kind, whatever a sender calls the document:
    ///
    /// - fifteen-digit resident IDs come back in their 18-character form;
    /// - numbers of 港澳台居民居住证 (addresses 810000, 820000, 830000) sent as 身份证 come back as what they are.
    ///
    /// So ask [`Self::kind`] of the document for the scheme to index under, not the kind that was sent.
    ///
    /// `today` and the age of the rules bound the date of birth.
    pub fn parse_with(kind: PersonDocumentKind, raw: &str, today: NaiveDate, rules: &PersonRules) -> Result<Self, PersonDocumentError> {
        let number = normalise(raw);
        let checked = |number: String, fits: fn(&str) -> bool| checked_18(number, today, rules.max_age, fits);
        let number = match kind {
            PersonDocumentKind::ResidentId => checked(widen(&number).unwrap_or(number), |n| !n.starts_with('9'))?,
            PersonDocumentKind::HmtResidencePermit => checked(number, has_hmt_address)?,
            PersonDocumentKind::ForeignPermanentResident if number.len() == 18 => checked(number, |n| n.starts_with('9'))?,
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
            PersonDocumentKind::Passport => match &rules.passport {
                Some(pattern) if pattern.fits(&number) => number,
                Some(_) => return Err(PersonDocumentError::Format),
                None => shaped(number, |b| (5..=17).contains(&b.len()) && b.iter().all(u8::is_ascii_alphanumeric))?,
            },
        };
        let is_permit = kind == PersonDocumentKind::ResidentId && has_hmt_address(&number);
        Ok(Self { kind: if is_permit { PersonDocumentKind::HmtResidencePermit } else { kind }, number })
    }

    /// What is odd about the number. `areas` are all area codes ever in force (`id.uscc.areas`, the list that codes of organisations are
    /// held against too); empty means "do not check". Warnings only: lists are never complete.
    pub fn warnings(&self, areas: &HashSet<u32>) -> Vec<PersonDocumentWarning> {
        let known = |number: &str| number.get(..6).and_then(|a| a.parse::<u32>().ok()).is_some_and(|area| areas.contains(&area));
        let odd = self.kind == PersonDocumentKind::ResidentId && !areas.is_empty() && !known(&self.number);
        if odd { vec![PersonDocumentWarning::Area] } else { Vec::new() }
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

/// Whether an 18-character number has the address of a 港澳台居民居住证.
fn has_hmt_address(number: &str) -> bool {
    ["810000", "820000", "830000"].iter().any(|address| number.starts_with(address))
}

fn checked_18(number: String, today: NaiveDate, max_age: u32, fits: impl Fn(&str) -> bool) -> Result<String, PersonDocumentError> {
    let body = number.get(..17).filter(|_| number.len() == 18).ok_or(PersonDocumentError::Format)?;
    if !body.bytes().all(|b| b.is_ascii_digit()) || !fits(&number) {
        return Err(PersonDocumentError::Format);
    }
    if !number.ends_with(check_char(body).ok_or(PersonDocumentError::Format)?) {
        return Err(PersonDocumentError::CheckChar);
    }
    let born = born(body).ok_or(PersonDocumentError::BirthDate)?;
    let oldest = i64::from(today.year()) - i64::from(max_age);
    if born > today || i64::from(born.year()) < oldest {
        return Err(PersonDocumentError::BirthDate);
    }
    Ok(number)
}

/// The date of birth in positions 7 to 14; `None` when it is no calendar date.
fn born(number: &str) -> Option<NaiveDate> {
    let part = |from: usize, to: usize| number.get(from..to).and_then(|s| s.parse::<u32>().ok());
    NaiveDate::from_ymd_opt(i32::try_from(part(6, 10)?).ok()?, part(10, 12)?, part(12, 14)?)
}

/// Years of birth of numbers found in texts. Wide on purpose, and the same on every day: a text had rather be covered once too often.
const BIRTH_YEARS_IN_TEXT: std::ops::RangeInclusive<i32> = 1900..=2099;

/// Resident-ID-like numbers inside free text, as byte ranges: 18 characters with the right check character and a date of birth. Without
/// the date, one in eleven codes of organisations that are all digits would be taken for one. Used to keep them out of plain storage.
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
            let checks = candidate.get(..17).and_then(check_char).is_some_and(|check| candidate.ends_with(check));
            if checks && born(&candidate).is_some_and(|day| BIRTH_YEARS_IN_TEXT.contains(&day.year())) {
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
    use crate::identifiers::uscc::{Uscc, UsccRules};
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
        assert!(parse(ResidentId, "11010519491231002X").is_ok());
        assert_eq!(parse(ResidentId, "11010519491231002x").as_deref(), Ok("11010519491231002X"), "a small x");
        assert_eq!(parse(ResidentId, "130503670401001").as_deref(), Ok("130503196704010016"));
        for hmt in ["810000199408230021", "830000199201300022", "810000199001010019", "820000198506150022", "830000197012120031"] {
            assert!(parse(HmtResidencePermit, hmt).is_ok(), "{hmt}");
        }
        for foreign in ["913826199001010012", "911840198811110024", "USA123456789012"] {
            assert!(parse(ForeignPermanentResident, foreign).is_ok(), "{foreign}");
        }
        for permit in ["H12345678", "M12345678", "H1234567890", "h12345678"] {
            assert!(parse(HmTravelPermit, permit).is_ok(), "{permit}");
        }
        for permit in ["12345678", "1234567890", "1234567890AB"] {
            assert!(parse(TaiwanTravelPermit, permit).is_ok(), "{permit}");
        }
        for passport in ["E12345678", "EA1234567", "12345", "A2345678901234567"] {
            assert!(parse(Passport, passport).is_ok(), "{passport}");
        }
    }

    #[test]
    fn every_eighteen_character_specimen_has_the_right_check_character() {
        for number in [
            "11010519491231002X",
            "440524188001010014",
            "810000199408230021",
            "830000199201300022",
            "810000199001010019",
            "820000198506150022",
            "830000197012120031",
            "913826199001010012",
            "911840198811110024",
            "130503196704010016",
        ] {
            assert_eq!(check_char(&number[..17]), number.chars().last(), "{number}");
        }
        assert_eq!(widen("130503670401001").as_deref(), Some("130503196704010016"));
    }

    #[test]
    fn what_is_no_document_of_its_kind_is_refused_for_the_right_reason() {
        use PersonDocumentError::*;
        use PersonDocumentKind::*;
        assert_eq!(parse(ResidentId, "440524188001010014"), Err(BirthDate), "born 1880: the check holds, the age does not");
        assert_eq!(parse(ResidentId, "11010519900230001X"), Err(BirthDate), "30 February");
        assert_eq!(parse(ResidentId, "110105194913310021"), Err(BirthDate), "a thirteenth month");
        assert_eq!(parse(ResidentId, "110105209901010012"), Err(BirthDate), "not born yet");
        assert_eq!(parse(ResidentId, "110105194912310021"), Err(CheckChar));
        assert_eq!(parse(ResidentId, "913826199001010012"), Err(Format), "that of a permanent resident");
        assert_eq!(parse(ForeignPermanentResident, "11010519491231002X"), Err(Format));
        assert_eq!(parse(ForeignPermanentResident, "913826199001010011"), Err(CheckChar));
        assert_eq!(parse(HmtResidencePermit, "11010519491231002X"), Err(Format));
        assert_eq!(parse(HmtResidencePermit, "81100019900101001X"), Err(Format), "only 810000, 820000 and 830000");
        assert_eq!(parse(HmTravelPermit, "X12345678"), Err(Format));
        assert_eq!(parse(HmTravelPermit, "H123456789"), Err(Format));
        assert_eq!(parse(TaiwanTravelPermit, "1234567"), Err(Format));
        assert_eq!(parse(Passport, "E123"), Err(Format));
        assert_eq!(parse(Passport, "A23456789012345678"), Err(Format));
        assert_eq!(parse(ResidentId, "身份证号码"), Err(Format));
        assert_eq!(parse(ResidentId, ""), Err(Format));
    }

    #[test]
    fn one_person_has_one_number_and_one_kind() {
        let of = |kind, raw: &str| {
            let document = PersonDocument::parse(kind, raw, today(), 130).unwrap();
            (document.kind().code(), document.reveal().to_owned())
        };
        let (id, permit) = (PersonDocumentKind::ResidentId, PersonDocumentKind::HmtResidencePermit);
        for number in ["810000199408230021", "820000198506150022", "830000197012120031"] {
            assert_eq!(of(id, number), of(permit, number), "{number}");
            assert_eq!(of(id, number).0, "hmt_residence_permit");
        }
        assert_eq!(of(id, "130503670401001"), of(id, "130503196704010016"));
        assert_eq!(of(id, "81100019900101001X").0, "resident_id", "no address of a permit");
    }

    #[test]
    fn an_address_that_is_in_no_list_is_a_warning() {
        let areas = HashSet::from([110105, 440524]);
        let warnings = |kind, raw: &str, areas: &HashSet<u32>| {
            let document = PersonDocument::parse(kind, raw, today(), 130).unwrap();
            document.warnings(areas).into_iter().map(PersonDocumentWarning::code).collect::<Vec<_>>()
        };
        assert_eq!(warnings(PersonDocumentKind::ResidentId, "11010519491231002X", &areas), Vec::<&str>::new());
        assert_eq!(warnings(PersonDocumentKind::ResidentId, "130503196704010016", &areas), ["person_area_unknown"]);
        assert_eq!(warnings(PersonDocumentKind::ResidentId, "130503670401001", &areas), ["person_area_unknown"]);
        assert_eq!(warnings(PersonDocumentKind::ResidentId, "130503196704010016", &HashSet::new()), Vec::<&str>::new());
        // These documents have addresses of their own, or none.
        assert_eq!(warnings(PersonDocumentKind::HmtResidencePermit, "810000199001010019", &areas), Vec::<&str>::new());
        assert_eq!(warnings(PersonDocumentKind::ResidentId, "810000199001010019", &areas), Vec::<&str>::new());
        assert_eq!(warnings(PersonDocumentKind::ForeignPermanentResident, "913826199001010012", &areas), Vec::<&str>::new());
        assert_eq!(warnings(PersonDocumentKind::Passport, "E12345678", &areas), Vec::<&str>::new());
    }

    #[test]
    fn kinds_travel_by_name_and_by_code() {
        use PersonDocumentKind::*;
        for (text, kind) in [
            ("身份证", ResidentId),
            ("护照号", Passport),
            ("港澳居民来往内地通行证", HmTravelPermit),
            ("台湾居民来往大陆通行证", TaiwanTravelPermit),
            ("外国人永久居留身份证", ForeignPermanentResident),
            ("港澳台居民居住证", HmtResidencePermit),
            ("01", ResidentId),
            ("02", Passport),
            ("03", HmTravelPermit),
            ("04", TaiwanTravelPermit),
            ("05", ForeignPermanentResident),
        ] {
            assert_eq!(PersonDocumentKind::from_feed(text), Some(kind), "{text}");
            assert_eq!(PersonRules::built_in(130).kind(text), Some(kind), "{text}");
            assert_eq!(PersonDocumentKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(PersonDocumentKind::from_feed("学生证"), None);
    }

    #[test]
    fn rules_say_what_kinds_are_called_and_what_a_passport_looks_like() {
        let rules = PersonRules {
            max_age: 130,
            passport: Some(Pattern::parse("^[A-Z]{1,2}[0-9]{7,8}$").unwrap()),
            kinds: vec![("普通护照".to_owned(), PersonDocumentKind::Passport)],
        };
        assert_eq!(rules.kind(" 普通护照 "), Some(PersonDocumentKind::Passport));
        assert_eq!(rules.kind("护照"), None, "the rule is the whole list");
        let passport = |raw: &str| PersonDocument::parse_with(PersonDocumentKind::Passport, raw, today(), &rules).map(|d| d.number);
        assert_eq!(passport("e12345678").as_deref(), Ok("E12345678"));
        assert_eq!(passport("12345"), Err(PersonDocumentError::Format));
    }

    #[test]
    fn a_kind_is_told_by_form_only_where_no_other_kind_has_it() {
        use PersonDocumentKind::*;
        for (raw, kind) in [
            ("11010519491231002x", Some(ResidentId)),
            ("130503670401001", Some(ResidentId)),
            ("810000199001010019", Some(ResidentId)),
            ("913826199001010012", Some(ForeignPermanentResident)),
            ("USA123456789012", Some(ForeignPermanentResident)),
            ("H12345678", Some(HmTravelPermit)),
            ("M12345678", Some(HmTravelPermit)),
            ("E12345678", None),
            ("H1234567890", None),
            ("12345678", None),
            ("1234567890AB", None),
            ("身份证号码", None),
            ("", None),
        ] {
            assert_eq!(kind_by_form(raw), kind, "{raw}");
        }
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
        for number in ["810000199001010019", "913826199001010012"] {
            assert_eq!(find_in_text(number).len(), 1, "{number}");
        }
    }

    #[test]
    fn a_code_of_digits_only_is_no_personal_number_even_when_it_checks_as_one() {
        for (code, why) in [
            ("911310031000000323", "month 00"),
            ("911310031012112453", "born in the year 310"),
            ("911310211012011191", "born in the year 2110"),
        ] {
            assert_eq!(check_char(&code[..17]), code.chars().last(), "{code} passes MOD 11-2");
            assert!(Uscc::parse(code, &UsccRules::default()).is_ok(), "{code} passes MOD 31-3");
            assert!(find_in_text(code).is_empty(), "{code}: {why}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(raw in ".{0,30}") {
            for kind in [PersonDocumentKind::ResidentId, PersonDocumentKind::Passport, PersonDocumentKind::ForeignPermanentResident] {
                let _ = parse(kind, &raw);
            }
            let _ = find_in_text(&raw);
            let _ = kind_by_form(&raw);
            let _ = mask(&raw);
        }
    }
}
