//! Correcting and withdrawing single records, by the agency that provided them and with a reason: always a new version.

use super::kept::Kept;
use super::redress::{FieldChange, Prepared};
use super::{Records, open_sealed, record_place, registration};
use crate::cell::Cell;
use crate::check::{Checked, Checker, Statement, content_hash};
use crate::header::{Header, Target};
use crate::model::{CORRECTION_REFUSED, Issue, KEY_CHANGED, NOTHING_CHANGED, REASON_MISSING, RECORD_NOT_FOUND, RECORD_WITHDRAWN};
use crate::store;
use crate::store::versions::{self, Version};
use chrono::{DateTime, Utc};
use credence_audit::{Change, record};
use credence_catalog::configuration::VersionedItem;
use credence_catalog::model::{RecordState, Role};
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use credence_web::idempotency::{self, Key};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// A version as its provider sees it after a change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordChanged {
    /// The record.
    pub record_id: Uuid,
    /// Its new version.
    pub version_id: Uuid,
    /// Its state now.
    pub state: String,
}

async fn present(tx: &mut Tx<'_>, actor: &Actor, subject: Uuid, record_id: Uuid) -> Result<Version> {
    let agency = actor.agency()?.0;
    let version = versions::lock_present(tx, subject, record_id).await?.filter(|v| v.agency_id == agency && actor.covers_item(&v.item));
    let version = version.ok_or_else(|| Problem::new(&RECORD_NOT_FOUND))?;
    if store::covered(tx.conn(), actor, version.batch_id).await? { Ok(version) } else { Err(Problem::new(&RECORD_NOT_FOUND)) }
}

/// The version that says that a record is withdrawn, in place of `old`; the caller records the change.
pub(super) async fn withdrawn(
    records: &Records,
    tx: &mut Tx<'_>,
    actor: &Actor,
    old: &Version,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Version> {
    if old.state == RecordState::Withdrawn.code() {
        return Err(Problem::new(&RECORD_WITHDRAWN));
    }
    let new = Version {
        id: Uuid::now_v7(),
        state: RecordState::Withdrawn.code().to_owned(),
        change: "withdrawn".to_owned(),
        reason: Some(reason.to_owned()),
        known_from: now.max(old.known_from),
        ..old.clone()
    };
    versions::replace(tx, Some(old), &new).await?;
    registration::follow(records, tx, actor, old.subject_id, &old.item, now).await?;
    Ok(new)
}

/// Withdraws a record: it stays, in a version that is shown to nobody but those who answer for it.
pub async fn withdraw(
    records: &Records,
    actor: &Actor,
    subject: Uuid,
    record_id: Uuid,
    reason: &str,
    key: Option<Key>,
) -> Result<RecordChanged> {
    if reason.trim().is_empty() {
        return Err(Problem::new(&REASON_MISSING));
    }
    let now = records.clock.now();
    records
        .db
        .write(async |tx| {
            if let Some(done) = idempotency::replay(tx, key.as_ref(), now).await? {
                return Ok(done);
            }
            let old = present(tx, actor, subject, record_id).await?;
            let new = withdrawn(records, tx, actor, &old, reason.trim(), now).await?;
            let done = RecordChanged { record_id, version_id: new.id, state: new.state.clone() };
            idempotency::keep(tx, key.as_ref(), &done, None, now).await?;
            let detail = json!({ "item": old.item, "version_id": new.id, "reason": reason.trim() });
            record(tx, actor, Change::new("record.withdraw", "record", record_id).about(subject).with(detail), now).await?;
            Ok(done)
        })
        .await
}

/// A correction to be made.
pub(super) struct Changing<'a> {
    pub actor: &'a Actor,
    pub old: &'a Version,
    pub changes: &'a Map<String, Value>,
    pub reason: &'a str,
    pub now: DateTime<Utc>,
}

/// Corrects fields of a record. The corrected whole passes the same checks as a pushed row; subject and business key stay as they are.
/// Correcting a withdrawn record brings it back.
pub async fn correct(
    records: &Records,
    actor: &Actor,
    subject: Uuid,
    record_id: Uuid,
    changes: Map<String, Value>,
    reason: &str,
    key: Option<Key>,
) -> Result<RecordChanged> {
    if reason.trim().is_empty() {
        return Err(Problem::new(&REASON_MISSING));
    }
    let configuration = records.configuration.fresh(&records.db).await?;
    let now = records.clock.now();
    let directory = records.directory.get(&records.db, now).await?;
    let prepared = Prepared { configuration, directory };
    records
        .db
        .write(async |tx| {
            if let Some(done) = idempotency::replay(tx, key.as_ref(), now).await? {
                return Ok(done);
            }
            let old = present(tx, actor, subject, record_id).await?;
            let changing = Changing { actor, old: &old, changes: &changes, reason: reason.trim(), now };
            let (new, _) = corrected(records, &prepared, tx, &changing).await?;
            registration::follow(records, tx, actor, subject, &old.item, now).await?;
            let done = RecordChanged { record_id, version_id: new.id, state: new.state.clone() };
            idempotency::keep(tx, key.as_ref(), &done, None, now).await?;
            let fields: Vec<&String> = changes.keys().collect();
            let detail = json!({ "item": old.item, "version_id": new.id, "fields": fields, "reason": reason.trim() });
            record(tx, actor, Change::new("record.correct", "record", record_id).about(subject).with(detail), now).await?;
            Ok(done)
        })
        .await
}

/// The corrected version in place of the old one, and every field whose value is another now; the caller records the change. What a decision fixed
/// goes on: a record that was repaired does not come back by being corrected.
pub(super) async fn corrected(
    records: &Records,
    prepared: &Prepared,
    tx: &mut Tx<'_>,
    changing: &Changing<'_>,
) -> Result<(Version, Vec<FieldChange>)> {
    let &Changing { old, changes, reason, now, .. } = changing;
    let item = records.item(&prepared.configuration, &old.item, china_date(now))?;
    let feed = store::lock_batch(tx, old.batch_id).await?.map(|b| b.feed).unwrap_or_default();
    let kept = Kept::of(tx, old).await?;
    let mut content: Map<String, Value> = old.data.as_object().cloned().unwrap_or_default();
    let mut extras = Map::new();
    if let Some(sealed) = &old.sealed {
        for (code, value) in open_sealed(&records.keys, old.record_id, sealed)? {
            if item.item.field(&code).is_some() {
                content.insert(code, value)
            } else {
                extras.insert(code, value)
            };
        }
    }
    let before = content.clone();
    for (code, value) in changes {
        let field =
            item.item.field(code).ok_or_else(|| Problem::malformed(format!("没有数据项 {code}"), format!("there is no field {code}")))?;
        if matches!(field.role, Some(Role::SubjectUscc | Role::SubjectCode | Role::PersonDocNo | Role::PersonDocKind | Role::PartyType)) {
            return Err(Problem::new(&KEY_CHANGED).with("field", code.clone()));
        }
        content.insert(code.clone(), value.clone());
    }
    let row = checked(records, prepared, &item, &feed, changing, &content)?;
    if row.business_key != old.business_key {
        return Err(Problem::new(&KEY_CHANGED));
    }
    // A form whose state has a column of its own keeps the state it gave; a withdrawn record comes back as active.
    let stated = match (item.item.with_role(Role::RecordState), old.state.as_str()) {
        (Some(_), _) | (None, "withdrawn") => row.state,
        (None, _) if kept.hides() => row.state,
        (None, state) => RecordState::from_code(state).unwrap_or(row.state),
    };
    let state = kept.state(stated);
    let after = values(&row)?;
    let sealed = seal_with_extras(row.sealed.as_deref(), extras)?;
    let hash = content_hash(&row.data, sealed.as_deref(), stated, &records.keys);
    if hash == old.content_hash && old.state == state.code() {
        return Err(Problem::new(&NOTHING_CHANGED));
    }
    let warnings: Vec<Issue> = row.warnings.iter().cloned().chain(kept.issues(stated)).collect();
    let new = Version {
        id: Uuid::now_v7(),
        item_version: item.version,
        content_hash: hash,
        data: serde_json::from_str(&row.data).map_err(Problem::internal)?,
        sealed: sealed
            .map(|plain| records.keys.seal(&record_place(old.record_id), plain.as_bytes()))
            .transpose()
            .map_err(Problem::internal)?,
        state: state.code().to_owned(),
        change: "corrected".to_owned(),
        reason: Some(reason.to_owned()),
        decided_on: row.decided_on,
        valid_from: row.valid_from,
        valid_to: row.valid_to,
        public_until: kept.public_until(row.public_until),
        warnings: (!warnings.is_empty()).then(|| serde_json::to_value(&warnings)).transpose().map_err(Problem::internal)?,
        known_from: now.max(old.known_from),
        ..old.clone()
    };
    versions::replace(tx, Some(old), &new).await?;
    let value = |of: &Map<String, Value>, code: &str| of.get(code).cloned().unwrap_or(Value::Null);
    let fields = changes
        .keys()
        .map(|code| FieldChange { field: code.clone(), old: value(&before, code), new: value(&after, code) })
        .filter(|change| change.old != change.new)
        .collect();
    Ok((new, fields))
}

/// The corrected content as a row that passed the checks.
fn checked(
    records: &Records,
    prepared: &Prepared,
    item: &Arc<VersionedItem>,
    feed: &str,
    changing: &Changing<'_>,
    content: &Map<String, Value>,
) -> Result<Statement> {
    let header = Header {
        names: item.item.fields.iter().map(|f| f.code.clone()).collect(),
        targets: (0..item.item.fields.len()).map(Target::Field).collect(),
    };
    let cells: Vec<Cell> = header.names.iter().map(|code| cell_of(content.get(code))).collect();
    let basis = records.basis(
        &prepared.directory,
        Arc::clone(&prepared.configuration),
        Arc::clone(item),
        feed,
        china_date(changing.now),
        (changing.old.agency_id, changing.actor.regions.clone()),
    );
    let mut checker = Checker::new(basis, header)?;
    match checker.check(u64::try_from(changing.old.row_no).unwrap_or(0), &cells, &[]) {
        Checked::Sound(row) => Ok(row.statement),
        Checked::Refused(issues) => {
            Err(Problem::new(&CORRECTION_REFUSED).with("issues", serde_json::to_value(issues).map_err(Problem::internal)?))
        }
    }
}

/// Every value of a row, sealed ones among them.
fn values(row: &Statement) -> Result<Map<String, Value>> {
    let mut values: Map<String, Value> = serde_json::from_str(&row.data).map_err(Problem::internal)?;
    if let Some(sealed) = &row.sealed {
        values.extend(serde_json::from_str::<Map<String, Value>>(sealed).map_err(Problem::internal)?);
    }
    Ok(values)
}

fn cell_of(value: Option<&Value>) -> Cell {
    match value {
        None | Some(Value::Null) => Cell::Empty,
        Some(Value::String(text)) => Cell::Text(text.clone()),
        Some(Value::Array(list)) => Cell::Text(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(";")),
        Some(other) => Cell::Text(other.to_string()),
    }
}

fn seal_with_extras(sealed: Option<&str>, extras: Map<String, Value>) -> Result<Option<String>> {
    if extras.is_empty() {
        return Ok(sealed.map(str::to_owned));
    }
    let mut map: Map<String, Value> = sealed.map(serde_json::from_str).transpose().map_err(Problem::internal)?.unwrap_or_default();
    map.extend(extras);
    serde_json::to_string(&map).map(Some).map_err(Problem::internal)
}
