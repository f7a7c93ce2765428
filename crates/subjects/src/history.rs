//! A subject's names and profile through time, and what has to be written when a source states something. Pure; [`crate::timeline`] does the
//! reckoning.

use crate::matching::KnownName;
use crate::timeline::{self, Effect, Stretch};
use chrono::NaiveDate;
use uuid::Uuid;

/// A name, with the item or event that brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// As written.
    pub name: String,
    /// Its normal form, by which names are the same.
    pub normal: String,
    /// Whether registration data or a person states it, and not just a record.
    pub confirmed: bool,
    /// Item or event.
    pub source: String,
}

/// Standing and area, with the item or event that brought them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// 登记状态.
    pub standing: Option<String>,
    /// Division.
    pub area: Option<String>,
    /// Item or event.
    pub source: String,
}

/// Confirmed names by time.
pub type Names = Vec<Stretch<Named, Uuid>>;
/// Profiles by time.
pub type Profiles = Vec<Stretch<Profile, Uuid>>;

/// A rename that a statement brought to light.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The name before.
    pub from: String,
    /// The name after.
    pub to: String,
    /// First day of the name after.
    pub on: NaiveDate,
}

/// The names among those known that make up the history: not the one a provisional subject is called for want of another.
pub fn confirmed(known: &[KnownName]) -> Names {
    let mut names: Names = known.iter().filter(|n| n.confirmed || n.valid_to.is_some()).map(stretch).collect();
    names.sort_by_key(|n| n.valid_from);
    names
}

/// A stored name as a stretch of days.
pub fn stretch(known: &KnownName) -> Stretch<Named, Uuid> {
    Stretch {
        value: Named { name: known.name.clone(), normal: known.normal.clone(), confirmed: known.confirmed, source: known.source.clone() },
        valid_from: known.valid_from,
        valid_to: known.valid_to,
        stated_on: known.stated_on,
        row: Some(known.id),
    }
}

/// A source states the name on a day; what that means for the history.
pub fn state_name(names: &mut Names, name: Named, on: Option<NaiveDate>, today: NaiveDate) -> Option<Renamed> {
    let stated = name.name.clone();
    match timeline::state(names, name, |a, b| a.normal == b.normal, on, today) {
        Effect::Nothing | Effect::First => None,
        Effect::Changed { from, on } => Some(Renamed { from: from.name, to: stated, on }),
        Effect::Older { to, on } => Some(Renamed { from: stated, to: to.name, on }),
    }
}

/// A source states standing or area on a day; what it leaves out stays as it was.
pub fn state_profile(profiles: &mut Profiles, stated: Profile, on: Option<NaiveDate>, today: NaiveDate) {
    if stated.standing.is_none() && stated.area.is_none() {
        return;
    }
    let before = timeline::on(profiles, on.unwrap_or(today)).cloned().unwrap_or_default();
    let value = Profile { standing: stated.standing.or(before.standing), area: stated.area.or(before.area), source: stated.source };
    timeline::state(profiles, value, |a, b| (&a.standing, &a.area) == (&b.standing, &b.area), on, today);
}

/// The stored rows that no stretch stands for any more, of those there were.
pub fn gone<T>(stored: impl IntoIterator<Item = Uuid>, line: &[Stretch<T, Uuid>]) -> Vec<Uuid> {
    stored.into_iter().filter(|id| !line.iter().any(|s| s.row == Some(*id))).collect()
}

/// The stretches that have to be stored.
pub fn fresh<T>(line: &[Stretch<T, Uuid>]) -> impl Iterator<Item = &Stretch<T, Uuid>> {
    line.iter().filter(|s| s.row.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn what_a_row_leaves_out_stays_as_it_was() {
        let mut line = Profiles::new();
        let today = day("2026-11-24");
        let profile = |standing: Option<&str>, area: Option<&str>| Profile {
            standing: standing.map(str::to_owned),
            area: area.map(str::to_owned),
            source: "registration".to_owned(),
        };
        state_profile(&mut line, profile(Some("存续"), Some("131002")), None, today);
        state_profile(&mut line, profile(None, None), Some(today), today);
        assert_eq!(line.len(), 1);
        state_profile(&mut line, profile(Some("吊销"), None), Some(day("2026-03-01")), today);
        assert_eq!(timeline::on(&line, day("2026-02-28")).unwrap().standing.as_deref(), Some("存续"));
        let now = timeline::on(&line, today).unwrap();
        assert_eq!((now.standing.as_deref(), now.area.as_deref()), (Some("吊销"), Some("131002")));
    }

    #[test]
    fn only_what_changed_is_written() {
        let (kept, shortened, provisional) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let known = |id, name: &str, confirmed, from: Option<&str>, to: Option<&str>| KnownName {
            id,
            normal: name.into(),
            name: name.into(),
            confirmed,
            valid_from: from.map(day),
            valid_to: to.map(day),
            stated_on: None,
            source: "registration".into(),
        };
        let stored = [
            known(shortened, "乙", true, Some("2020-01-01"), None),
            known(kept, "甲", true, None, Some("2019-12-31")),
            known(provisional, "丁", false, None, None),
        ];
        let mut names = confirmed(&stored);
        let name = Named { name: "丙".into(), normal: "丙".into(), confirmed: true, source: "registration".into() };
        let renamed = state_name(&mut names, name, Some(day("2026-01-01")), day("2026-11-24"));
        assert_eq!(renamed, Some(Renamed { from: "乙".into(), to: "丙".into(), on: day("2026-01-01") }));
        assert_eq!(gone(stored.iter().map(|n| n.id), &names), [shortened, provisional]);
        assert_eq!(fresh(&names).map(|s| s.value.name.as_str()).collect::<Vec<_>>(), ["乙", "丙"]);
    }
}
