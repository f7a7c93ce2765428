//! Acts on subjects that a person decides: events, a change of code, a merge and its taking back. Each is one transaction with its change
//! entry; each can be seen and answered for later.

use crate::history::{self, Named, Names, Profile, Profiles, Renamed};
use crate::matching::KnownName;
use crate::model::{BAD_MERGE, BAD_USCC, CODE_TAKEN, Event, EventKind, NOT_MERGED, NewEvent, SUBJECT_NOT_FOUND};
use crate::store;
use crate::timeline::{self, Stretch};
use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::{Change, record};
use credence_catalog::SubjectKind;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::identifiers::Uscc;
use credence_core::identifiers::uscc::UsccRules;
use credence_core::problem::{NOT_FOUND, Problem, Result};
use credence_db::Tx;
use serde_json::json;
use uuid::Uuid;

/// Reads a code from a path or body; the problem says what is wrong with it.
pub fn parse_uscc(text: &str, rules: &UsccRules) -> Result<Uscc> {
    Uscc::parse(text, rules)
        .map(|(code, _)| code)
        .map_err(|e| Problem::new(&BAD_USCC).with("rule", e.code()).with("reason_zh", e.zh()).with("reason", e.en()))
}

/// Records an event. A rename and a change of code also change the subject's names and codes, dated by the event.
pub async fn record_event(
    tx: &mut Tx<'_>,
    actor: &Actor,
    subject_id: Uuid,
    new: NewEvent,
    rules: &UsccRules,
    today: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Event> {
    store::lock(tx, subject_id).await?.ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))?;
    if new.happened_on > today {
        return Err(Problem::malformed("happened_on 不能晚于今天", "happened_on cannot lie in the future"));
    }
    if new.basis.trim().is_empty() {
        return Err(Problem::malformed("basis 不能为空", "basis cannot be empty"));
    }
    if let Some(other) = new.other_subject_id {
        store::find(tx.conn(), other).await?.filter(|o| o.id != subject_id).ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))?;
    }
    let to_value = new.to_value.as_deref().map(str::trim).filter(|t| !t.is_empty());
    let missing = || Problem::malformed("此类事件需要 to_value", "this kind of event needs to_value");
    let mut event = Event {
        id: Uuid::now_v7(),
        kind: new.kind.code().to_owned(),
        happened_on: new.happened_on,
        other_subject_id: new.other_subject_id,
        from_value: None,
        to_value: to_value.map(str::to_owned),
        basis: Some(new.basis.trim().to_owned()),
    };
    match new.kind {
        EventKind::Rename => {
            let name = to_value.ok_or_else(missing)?;
            let stored = store::known_names(tx.conn(), subject_id).await?;
            let mut names = history::confirmed(&stored);
            // Of a provisional subject the name in use is what it was renamed from.
            if names.is_empty() {
                names.extend(stored.iter().take(1).map(history::stretch));
            }
            let named = Named { name: name.to_owned(), normal: credence_names::normalise(name), confirmed: true, source: EVENT.to_owned() };
            let renamed = history::state_name(&mut names, named, Some(new.happened_on), today);
            event.from_value = renamed.as_ref().map(|r| r.from.clone()).filter(|from| from != name);
            store::write_names(tx, subject_id, &stored, &names, now).await?;
        }
        EventKind::CodeChange => {
            let code = parse_uscc(to_value.ok_or_else(missing)?, rules)?;
            let former = if new.former_erroneous { "erroneous" } else { "former" };
            event.from_value =
                store::change_code(tx, subject_id, code.as_str(), new.happened_on, former, now, || Problem::new(&CODE_TAKEN)).await?;
            event.to_value = Some(code.to_string());
        }
        EventKind::Relocation => {
            let area = to_value.ok_or_else(missing)?;
            let stated = Profile { area: Some(area.to_owned()), standing: None, source: EVENT.to_owned() };
            event.from_value = state_profile(tx, subject_id, stated, new.happened_on, today, now).await?.area;
        }
        kind => {
            if let Some(standing) = kind.standing() {
                let stated = Profile { standing: Some(standing.to_owned()), area: None, source: EVENT.to_owned() };
                event.from_value = state_profile(tx, subject_id, stated, new.happened_on, today, now).await?.standing;
            }
        }
    }
    store::insert_event(tx, subject_id, &event, now, &actor.label).await?;
    let change = Change::new("subject.event", "subject", subject_id).about(subject_id);
    record(tx, actor, change.with(json!({ "event_id": event.id, "kind": event.kind, "happened_on": event.happened_on })), now).await?;
    Ok(event)
}

/// Source of what a person recorded as an event.
const EVENT: &str = "event";

/// Writes standing or area from a day on; what they were the day before.
async fn state_profile(
    tx: &mut Tx<'_>,
    subject_id: Uuid,
    stated: Profile,
    on: NaiveDate,
    today: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Profile> {
    let mut profiles = store::profiles(tx.conn(), subject_id).await?;
    let before = on.pred_opt().and_then(|day| timeline::on(&profiles, day)).cloned().unwrap_or_default();
    let stored: Vec<Uuid> = profiles.iter().filter_map(|p| p.row).collect();
    history::state_profile(&mut profiles, stated, Some(on), today);
    store::write_profiles(tx, subject_id, &stored, &profiles, now).await?;
    Ok(before)
}

/// What one version of registration data says about its subject.
#[derive(Debug, Clone)]
pub struct Stated {
    /// When the platform learnt it.
    pub known_from: DateTime<Utc>,
    /// Registered name.
    pub name: String,
    /// Day the source gives for it.
    pub on: Option<NaiveDate>,
    /// Kind, where the registered type tells.
    pub kind: Option<SubjectKind>,
    /// 登记状态.
    pub standing: Option<String>,
    /// Division.
    pub area: Option<String>,
    /// Further numbers: scheme and value.
    pub numbers: Vec<(&'static str, String)>,
}

/// Reckons a subject's names, profile, numbers and confirmation anew, from the registration data that still stands and from what persons
/// recorded: after registration data was corrected, withdrawn or undone, what rested on it follows (invariant 8). `fallback` is the name a
/// record uses, for a subject that no registration data confirms any more.
pub async fn restate(
    tx: &mut Tx<'_>,
    actor: &Actor,
    subject_id: Uuid,
    item: &str,
    stated: &[Stated],
    fallback: Option<Named>,
    now: DateTime<Utc>,
) -> Result<()> {
    store::lock(tx, subject_id).await?.ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))?;
    let stored_names = store::known_names(tx.conn(), subject_id).await?;
    let stored_profiles = store::profiles(tx.conn(), subject_id).await?;
    let events = store::standing_events(tx, subject_id).await?;
    let by_persons = events.iter().filter(|(.., by, _)| by != item);
    let mut acts: Vec<(DateTime<Utc>, Act<'_>)> = stated.iter().map(|s| (s.known_from, Act::Registered(s))).collect();
    acts.extend(by_persons.map(|e| (e.6, Act::Event(e))));
    acts.sort_by_key(|(at, _)| *at);

    let (mut names, mut profiles, mut renames) = (Names::new(), Profiles::new(), Vec::new());
    for (at, act) in acts {
        let known_on = china_date(at);
        match act {
            Act::Registered(s) => {
                let named =
                    Named { name: s.name.clone(), normal: credence_names::normalise(&s.name), confirmed: true, source: item.to_owned() };
                renames.extend(history::state_name(&mut names, named, s.on, known_on));
                let profile = Profile { standing: s.standing.clone(), area: s.area.clone(), source: item.to_owned() };
                history::state_profile(&mut profiles, profile, s.on, known_on);
            }
            Act::Event((_, kind, on, _, to, ..)) => {
                let standing = EventKind::from_code(kind).and_then(EventKind::standing).map(str::to_owned);
                let area = to.clone().filter(|_| kind == EventKind::Relocation.code());
                history::state_profile(&mut profiles, Profile { standing, area, source: EVENT.to_owned() }, Some(*on), known_on);
                if let (Some(EventKind::Rename), Some(name)) = (EventKind::from_code(kind), to) {
                    let named =
                        Named { name: name.clone(), normal: credence_names::normalise(name), confirmed: true, source: EVENT.to_owned() };
                    history::state_name(&mut names, named, Some(*on), known_on);
                }
            }
        }
    }
    // Stretches that come out as they are stored keep their rows: nothing was learnt about them.
    for s in &mut names {
        let same = |n: &&KnownName| {
            n.confirmed == s.value.confirmed && n.name == s.value.name && n.valid_from == s.valid_from && n.valid_to == s.valid_to
        };
        s.row = stored_names.iter().find(same).map(|n| n.id);
    }
    for s in &mut profiles {
        let same = |p: &&Stretch<Profile, Uuid>| p.value == s.value && p.valid_from == s.valid_from && p.valid_to == s.valid_to;
        s.row = stored_profiles.iter().find(same).and_then(|p| p.row);
    }
    store::write_names(tx, subject_id, &stored_names, &names, now).await?;
    if let (true, Some(fallback)) = (names.is_empty(), fallback) {
        store::write_provisional_name(tx, subject_id, &fallback, now).await?;
    }
    let stored: Vec<Uuid> = stored_profiles.iter().filter_map(|p| p.row).collect();
    store::write_profiles(tx, subject_id, &stored, &profiles, now).await?;

    let wrong: Vec<Uuid> = events
        .iter()
        .filter(|(_, kind, on, from, to, by, _)| {
            by == item
                && kind == EventKind::Rename.code()
                && !renames.iter().any(|r| r.on == *on && Some(&r.from) == from.as_ref() && Some(&r.to) == to.as_ref())
        })
        .map(|e| e.0)
        .collect();
    store::take_back_events(tx, &wrong, now).await?;
    let told = |r: &Renamed| {
        events.iter().any(|(_, _, on, from, to, ..)| r.on == *on && Some(&r.from) == from.as_ref() && Some(&r.to) == to.as_ref())
    };
    for r in renames.iter().filter(|r| !told(r)) {
        let event = Event {
            id: Uuid::now_v7(),
            kind: EventKind::Rename.code().to_owned(),
            happened_on: r.on,
            other_subject_id: None,
            from_value: Some(r.from.clone()),
            to_value: Some(r.to.clone()),
            basis: Some(item.to_owned()),
        };
        store::insert_event(tx, subject_id, &event, now, item).await?;
    }

    let numbers = store::numbers_from(tx, subject_id, item).await?;
    let still =
        |scheme: &str, value: Option<&str>| stated.iter().flat_map(|s| &s.numbers).any(|(s, v)| *s == scheme && Some(v.as_str()) == value);
    let gone: Vec<Uuid> = numbers.iter().filter(|(_, scheme, value)| !still(scheme, value.as_deref())).map(|n| n.0).collect();
    store::close_numbers(tx, &gone, now).await?;
    for (scheme, value) in stated.iter().flat_map(|s| &s.numbers) {
        store::add_number(tx, subject_id, scheme, value, item, now).await?;
    }
    let kind = stated.iter().rev().find_map(|s| s.kind).map(SubjectKind::code);
    store::set_confirmed(tx, subject_id, !stated.is_empty(), kind, now).await?;
    let detail = json!({ "item": item, "statements": stated.len(), "events_taken_back": wrong });
    record(tx, actor, Change::new("subject.restate", "subject", subject_id).about(subject_id).with(detail), now).await
}

/// What a history is made of.
enum Act<'a> {
    Registered(&'a Stated),
    Event(&'a store::StandingEvent),
}

/// Finds two subjects to be one: `from` is read through `into` from now on. Its records stay its own, so the merge can be taken back.
pub async fn merge(tx: &mut Tx<'_>, actor: &Actor, from: Uuid, into: Uuid, reason: &str, now: DateTime<Utc>) -> Result<Uuid> {
    if reason.trim().is_empty() {
        return Err(Problem::malformed("reason 不能为空", "reason cannot be empty"));
    }
    // Locked in one order, whichever way round they were given.
    let (low, high) = (from.min(into), from.max(into));
    let found = [store::lock(tx, low).await?, if low == high { None } else { store::lock(tx, high).await? }];
    let of = |id: Uuid| found.iter().flatten().find(|s| s.id == id).ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND));
    let bad = || Err(Problem::new(&BAD_MERGE));
    if from == into {
        return bad();
    }
    let (source, target) = (of(from)?, of(into)?);
    let person = |kind: &str| kind == "natural_person";
    if source.merged_into.is_some() || person(&source.kind) != person(&target.kind) {
        return bad();
    }
    if store::family(tx.conn(), into, now).await?.first() == Some(&from) {
        return bad();
    }
    let id = Uuid::now_v7();
    store::insert_merge(tx, id, from, into, reason.trim(), now, &actor.label).await?;
    let change = Change::new("subject.merge", "subject_merge", id).about(into);
    record(tx, actor, change.with(json!({ "from_subject_id": from, "into_subject_id": into, "reason": reason })), now).await?;
    Ok(id)
}

/// Takes a merge back.
pub async fn unmerge(tx: &mut Tx<'_>, actor: &Actor, merge_id: Uuid, reason: &str, now: DateTime<Utc>) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(Problem::malformed("reason 不能为空", "reason cannot be empty"));
    }
    match store::end_merge(tx, merge_id, reason.trim(), now, &actor.label).await? {
        None => Err(Problem::new(&NOT_FOUND)),
        Some((_, false)) => Err(Problem::new(&NOT_MERGED)),
        Some((from, true)) => {
            let change = Change::new("subject.unmerge", "subject_merge", merge_id).about(from);
            record(tx, actor, change.with(json!({ "from_subject_id": from, "reason": reason })), now).await
        }
    }
}
