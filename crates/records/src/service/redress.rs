//! What redress decides about single records, inside its own transaction: repair 修复, shielding 屏蔽 and its end, the end of publicity, withdrawal and
//! correction, and the marks beside a record. Whose record it is to decide was settled before; every decision is a new version and an entry of the
//! change log, which the feed tells to everything that rests on records.

use super::absences::enqueue_due;
use super::kept::{beneath, with_stop, without_shield};
use super::single::{Changing, corrected, withdrawn};
use super::{Records, registration};
use crate::model::{REASON_MISSING, RECORD_NOT_FOUND, RECORD_NOT_SHIELDED, RECORD_REPAIRED, RECORD_SHIELDED, RECORD_WITHDRAWN};
use crate::store::absences;
pub use crate::store::marks::Target;
use crate::store::marks::{self, NewMark};
use crate::store::versions::{self, Version};
use chrono::{DateTime, Utc};
use credence_audit::{Change, record};
use credence_catalog::configuration::Configuration;
use credence_catalog::disclosure::cover_numbers;
use credence_catalog::model::RecordState;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use credence_identity::directory::Snapshot;
use diesel_async::AsyncPgConnection;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// Why a record is changed.
#[derive(Debug, Clone, Copy)]
pub struct Because<'a> {
    /// The case.
    pub case_id: Uuid,
    /// Its line about this record.
    pub line_id: Uuid,
    /// In words; personal numbers in it are covered before it is kept.
    pub reason: &'a str,
}

/// What a correction needs to know before its transaction begins.
pub struct Prepared {
    /// What is in force.
    pub configuration: Arc<Configuration>,
    /// Agencies and regions.
    pub directory: Arc<Snapshot>,
}

/// A field before and after a correction.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// Code of the field.
    pub field: String,
    /// What it said; null when it was empty.
    pub old: Value,
    /// What it says; null when it is empty.
    pub new: Value,
}

/// The present version of a record; none when there is no such record of this subject.
///
/// # Errors
/// When the database cannot be read.
pub async fn target(conn: &mut AsyncPgConnection, subject: Uuid, record: Uuid) -> Result<Option<Target>> {
    marks::target(conn, subject, record).await
}

/// The present versions of every record about a subject, adverse or not, in whatever state.
///
/// # Errors
/// When the database cannot be read.
pub async fn targets(conn: &mut AsyncPgConnection, subject: Uuid) -> Result<Vec<Target>> {
    marks::targets(conn, subject).await
}

/// Marks a record or an entry (`target`) as `disputed`, or as `noted` with a note. A mark of the same kind that stands there is closed by it. Has no
/// change entry of its own: it is part of the step of a case.
///
/// # Errors
/// When the database refuses it.
#[expect(clippy::too_many_arguments, reason = "a mark is as wide as its row")]
pub async fn mark(
    tx: &mut Tx<'_>,
    subject: Uuid,
    target: &str,
    target_id: Uuid,
    kind: &str,
    case_id: Uuid,
    note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<()> {
    let note = note.map(|text| cover_numbers(text.trim()));
    marks::set(tx, &NewMark { subject_id: subject, target, target_id, kind, case_id, note: note.as_deref() }, now).await
}

/// Takes a mark away; nothing to do where there is none.
///
/// # Errors
/// When the database refuses it.
pub async fn unmark(tx: &mut Tx<'_>, subject: Uuid, target_id: Uuid, kind: &str, now: DateTime<Utc>) -> Result<()> {
    marks::close(tx, subject, target_id, kind, now).await
}

/// The present version, locked.
async fn present(tx: &mut Tx<'_>, subject: Uuid, record: Uuid) -> Result<Version> {
    versions::lock_present(tx, subject, record).await?.ok_or_else(|| Problem::new(&RECORD_NOT_FOUND))
}

/// The reason as it may be kept.
fn reason(because: &Because<'_>) -> Result<String> {
    let reason = because.reason.trim();
    if reason.is_empty() { Err(Problem::new(&REASON_MISSING)) } else { Ok(cover_numbers(reason)) }
}

/// The next version of a record with the same content. It keeps the hash of the content, so that pushing the same again says nothing new.
fn next(old: &Version, state: RecordState, change: &str, because: &Because<'_>, now: DateTime<Utc>) -> Result<Version> {
    Ok(Version {
        id: Uuid::now_v7(),
        state: state.code().to_owned(),
        change: change.to_owned(),
        reason: Some(reason(because)?),
        known_from: now.max(old.known_from),
        ..old.clone()
    })
}

fn detail(item: &str, version: Uuid, because: &Because<'_>) -> Result<Value> {
    let reason = reason(because)?;
    Ok(json!({ "item": item, "version_id": version, "case_id": because.case_id, "line_id": because.line_id, "reason": reason }))
}

async fn told(tx: &mut Tx<'_>, actor: &Actor, topic: &str, version: &Version, because: &Because<'_>, now: DateTime<Utc>) -> Result<Uuid> {
    let detail = detail(&version.item, version.id, because)?;
    record(tx, actor, Change::new(topic, "record", version.record_id).about(version.subject_id).with(detail), now).await?;
    Ok(version.id)
}

/// Refuses what is over: a record that was withdrawn or repaired.
fn refuse_over(old: &Version) -> Result<()> {
    match RecordState::from_code(&old.state) {
        Some(RecordState::Withdrawn) => Err(Problem::new(&RECORD_WITHDRAWN)),
        Some(RecordState::Repaired) => Err(Problem::new(&RECORD_REPAIRED)),
        _ => Ok(()),
    }
}

/// Repairs a record 修复: from now on nobody is shown it, and nothing rests on it. Returns the new version.
///
/// # Errors
/// When there is no such record, no reason, or the record is repaired or withdrawn.
pub async fn repair(
    tx: &mut Tx<'_>,
    actor: &Actor,
    subject: Uuid,
    record: Uuid,
    because: &Because<'_>,
    now: DateTime<Utc>,
) -> Result<Uuid> {
    let old = present(tx, subject, record).await?;
    refuse_over(&old)?;
    let new = next(&old, RecordState::Repaired, "repaired", because, now)?;
    versions::replace(tx, Some(&old), &new).await?;
    told(tx, actor, "record.repair", &new, because, now).await
}

/// Shields a record 屏蔽 while a plan of reorganisation is carried out.
///
/// # Errors
/// When there is no such record, no reason, or the record is shielded, repaired or withdrawn.
pub async fn shield(
    tx: &mut Tx<'_>,
    actor: &Actor,
    subject: Uuid,
    record: Uuid,
    because: &Because<'_>,
    now: DateTime<Utc>,
) -> Result<Uuid> {
    let old = present(tx, subject, record).await?;
    refuse_over(&old)?;
    if old.state == RecordState::Shielded.code() {
        return Err(Problem::new(&RECORD_SHIELDED));
    }
    let new = next(&old, RecordState::Shielded, "shielded", because, now)?;
    versions::replace(tx, Some(&old), &new).await?;
    told(tx, actor, "record.shield", &new, because, now).await
}

/// Takes a shield away: the record is again in the state in which it would be without it. A whole list that was settled while it was shielded, and lacks it,
/// has ended it.
///
/// # Errors
/// When there is no such record, no reason, or the record is not shielded.
pub async fn unshield(
    tx: &mut Tx<'_>,
    actor: &Actor,
    subject: Uuid,
    record: Uuid,
    because: &Because<'_>,
    now: DateTime<Utc>,
) -> Result<Uuid> {
    // Whole lists are settled under this lock, which is taken before any row is. A record is of one item and agency, whichever batch states it.
    let batch = versions::batch_of(tx.conn(), subject, record).await?.ok_or_else(|| Problem::new(&RECORD_NOT_FOUND))?;
    absences::lock(tx, batch).await?;
    let old = present(tx, subject, record).await?;
    if old.state != RecordState::Shielded.code() {
        return Err(Problem::new(&RECORD_NOT_SHIELDED));
    }
    let history = versions::of_item(tx.conn(), subject, &old.item).await?;
    let stated = beneath(&history, record);
    let dropped = match stated {
        RecordState::Active | RecordState::Disputed => absences::settled_without(tx.conn(), old.batch_id, (subject, record)).await?,
        _ => None,
    };
    let state = if dropped.is_some() { RecordState::Ended } else { stated };
    let mut new = Version { warnings: without_shield(old.warnings.as_ref()), ..next(&old, state, "unshielded", because, now)? };
    if let Some(list) = dropped {
        // As if the list had ended it: it belongs to that batch, and goes with it.
        let last_day = china_date(list.created_at);
        new.valid_to = Some(old.valid_to.map_or(last_day, |day| day.min(last_day)));
        (new.batch_id, new.row_no) = (list.id, 0);
    }
    if state == RecordState::Withdrawn || dropped.is_some() {
        // What nobody states any more has to come back when it is stated again, even in the same words.
        new.content_hash = Uuid::now_v7();
    }
    versions::replace(tx, Some(&old), &new).await?;
    // A list that is settled while this goes on, or was looked through before, ends it now.
    enqueue_due(tx, new.batch_id, now).await?;
    told(tx, actor, "record.unshield", &new, because, now).await
}

/// Ends the publicity of a record with the day before today. What its provider sends later does not make it public again.
///
/// # Errors
/// When there is no such record, no reason, or the record is repaired or withdrawn.
pub async fn stop_publicity(
    tx: &mut Tx<'_>,
    actor: &Actor,
    subject: Uuid,
    record: Uuid,
    because: &Because<'_>,
    now: DateTime<Utc>,
) -> Result<Uuid> {
    let old = present(tx, subject, record).await?;
    refuse_over(&old)?;
    let yesterday = china_date(now).pred_opt().ok_or_else(|| Problem::internal("no day before today"))?;
    let state = RecordState::from_code(&old.state).ok_or_else(|| Problem::internal(format!("unknown state {}", old.state)))?;
    let new = Version {
        public_until: Some(old.public_until.map_or(yesterday, |last| last.min(yesterday))),
        warnings: Some(with_stop(old.warnings.as_ref())?),
        ..next(&old, state, "stopped", because, now)?
    };
    versions::replace(tx, Some(&old), &new).await?;
    told(tx, actor, "record.stop", &new, because, now).await
}

/// Withdraws a record, as its provider could.
///
/// # Errors
/// When there is no such record, no reason, or the record is withdrawn.
pub async fn withdraw_in(
    records: &Records,
    tx: &mut Tx<'_>,
    actor: &Actor,
    subject: Uuid,
    record: Uuid,
    because: &Because<'_>,
    now: DateTime<Utc>,
) -> Result<Uuid> {
    let old = present(tx, subject, record).await?;
    let new = withdrawn(records, tx, actor, &old, &reason(because)?, now).await?;
    told(tx, actor, "record.withdraw", &new, because, now).await
}

/// Corrects fields of a record, as its provider could: the corrected whole passes the checks of a pushed row. Returns the new version and every field
/// whose value is another now. Values may be sealed ones: whoever keeps them encrypts them.
///
/// # Errors
/// When there is no such record, no reason, or the correction is refused or changes nothing.
#[expect(clippy::too_many_arguments, reason = "what was decided, by whom, and the transaction it is decided in")]
pub async fn correct_in(
    records: &Records,
    prepared: &Prepared,
    tx: &mut Tx<'_>,
    actor: &Actor,
    subject: Uuid,
    record_id: Uuid,
    changes: Map<String, Value>,
    because: &Because<'_>,
    now: DateTime<Utc>,
) -> Result<(Uuid, Vec<FieldChange>)> {
    let old = present(tx, subject, record_id).await?;
    let reason = reason(because)?;
    let (new, fields) = corrected(records, prepared, tx, &Changing { actor, old: &old, changes: &changes, reason: &reason, now }).await?;
    registration::follow(records, tx, actor, subject, &old.item, now).await?;
    let codes: Vec<&str> = fields.iter().map(|change| change.field.as_str()).collect();
    let mut detail = detail(&new.item, new.id, because)?;
    if let Some(map) = detail.as_object_mut() {
        map.insert("fields".to_owned(), json!(codes));
    }
    record(tx, actor, Change::new("record.correct", "record", record_id).about(subject).with(detail), now).await?;
    Ok((new.id, fields))
}
