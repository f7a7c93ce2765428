//! Acts on subjects that a person decides: events, a change of code, a merge and its taking back. Each is one transaction with its change
//! entry; each can be seen and answered for later.

use crate::model::{BAD_MERGE, BAD_USCC, CODE_TAKEN, Event, EventKind, NOT_MERGED, NewEvent, SUBJECT_NOT_FOUND};
use crate::store;
use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::{Change, record};
use credence_core::Actor;
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
    let subject = store::lock(tx, subject_id).await?.ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))?;
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
        basis: new.basis.trim().to_owned(),
    };
    match new.kind {
        EventKind::Rename => {
            let name = to_value.ok_or_else(missing)?;
            event.from_value = store::rename(tx, subject_id, name, &credence_names::normalise(name), new.happened_on, "event", now).await?;
        }
        EventKind::CodeChange => {
            let code = parse_uscc(to_value.ok_or_else(missing)?, rules)?;
            let former = if new.former_erroneous { "erroneous" } else { "former" };
            event.from_value =
                store::change_code(tx, subject_id, code.as_str(), new.happened_on, former, now, || Problem::new(&CODE_TAKEN)).await?;
            event.to_value = Some(code.to_string());
        }
        EventKind::Relocation => {
            event.from_value = subject.area_code;
            store::set_area(tx, subject_id, to_value.ok_or_else(missing)?).await?;
        }
        kind => {
            if let Some(standing) = kind.standing() {
                event.from_value = subject.standing;
                store::set_standing(tx, subject_id, standing).await?;
            }
        }
    }
    store::insert_event(tx, subject_id, &event, now, &actor.label).await?;
    let change = Change::new("subject.event", "subject", subject_id).about(subject_id);
    record(tx, actor, change.with(json!({ "event_id": event.id, "kind": event.kind, "happened_on": event.happened_on })), now).await?;
    Ok(event)
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
    if store::family(tx.conn(), target).await?.first() == Some(&from) {
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
