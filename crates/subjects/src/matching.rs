//! Whose a row is. Rules in order: 1 the USCC; 2 the organisation code inside a USCC; 3 the registration number through the history of
//! identifiers. What none of them settles is not guessed: it waits for a person.

use chrono::NaiveDate;
use credence_catalog::SubjectKind;
use uuid::Uuid;

/// What a row says about whom it is about.
#[derive(Debug, Clone)]
pub struct SubjectRef {
    /// The strongest identifier it gives.
    pub identifier: Identified,
    /// Further organisation numbers: scheme and value, in order of strength.
    pub others: Vec<(&'static str, String)>,
    /// Name as written.
    pub name: String,
    /// Its normal form.
    pub name_normal: String,
    /// Day whose name it should be.
    pub on: Option<NaiveDate>,
    /// Kind a new subject would have.
    pub kind: SubjectKind,
}

/// The strongest identifier of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Identified {
    /// Rule 1.
    Uscc(String),
    /// A person's document: scheme, keyed index, sealed number.
    Person {
        /// Kind of document.
        scheme: &'static str,
        /// Keyed index of the number.
        index: [u8; 32],
        /// The number, sealed.
        sealed: Vec<u8>,
    },
    /// Only weaker numbers.
    Weak,
}

/// A name the subject is or was known by.
#[derive(Debug, Clone)]
pub struct KnownName {
    /// Its row.
    pub id: Uuid,
    /// Normal form.
    pub normal: String,
    /// As written.
    pub name: String,
    /// Whether registration data states it.
    pub confirmed: bool,
    /// First day.
    pub valid_from: Option<NaiveDate>,
    /// Last day.
    pub valid_to: Option<NaiveDate>,
    /// First day on which a source states it.
    pub stated_on: Option<NaiveDate>,
    /// Item or event that brought it.
    pub source: String,
}

/// How a name stands to a subject's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameFit {
    /// It was the name on that day.
    OnTheDay,
    /// It was or became the name on another day.
    AnotherDay,
    /// The subject was never known by it.
    Unseen,
}

/// Compares a row's name first with the name valid on the day, then with the whole history.
pub fn fit(names: &[KnownName], normal: &str, on: Option<NaiveDate>) -> NameFit {
    let mut seen = NameFit::Unseen;
    for known in names.iter().filter(|n| n.normal == normal) {
        let holds = on.is_none_or(|day| known.valid_from.is_none_or(|first| first <= day) && known.valid_to.is_none_or(|last| day <= last));
        if holds {
            return NameFit::OnTheDay;
        }
        seen = NameFit::AnotherDay;
    }
    seen
}

/// Where a row belongs.
#[derive(Debug, Clone)]
pub enum Resolution {
    /// To this subject.
    Found {
        /// The subject.
        subject_id: Uuid,
        /// Its state: provisional subjects have no confirmed name.
        provisional: bool,
        /// Its names.
        names: std::sync::Arc<Vec<KnownName>>,
    },
    /// A person has to say.
    Unmatched,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(normal: &str, from: Option<&str>, to: Option<&str>) -> KnownName {
        let day = |d: Option<&str>| d.map(|d| d.parse().unwrap());
        KnownName {
            id: Uuid::nil(),
            normal: normal.into(),
            name: normal.into(),
            confirmed: true,
            valid_from: day(from),
            valid_to: day(to),
            stated_on: None,
            source: "registration".into(),
        }
    }

    #[test]
    fn the_name_of_the_day_comes_first() {
        let names = [name("甲", None, Some("2020-12-31")), name("乙", Some("2021-01-01"), None)];
        let on = |n: &str, day: &str| fit(&names, n, Some(day.parse().unwrap()));
        assert_eq!(on("甲", "2020-12-31"), NameFit::OnTheDay);
        assert_eq!(on("甲", "2021-01-01"), NameFit::AnotherDay);
        assert_eq!(on("乙", "2021-01-01"), NameFit::OnTheDay);
        assert_eq!(on("丙", "2021-01-01"), NameFit::Unseen);
        assert_eq!(fit(&names, "甲", None), NameFit::OnTheDay);
        assert_eq!(fit(&[], "甲", None), NameFit::Unseen);
    }
}
