//! The queue of rows whose subject no rule settles. A person of the credit office decides; until then no answer shows the row.

use super::absences::enqueue_due;
use super::kept::Kept;
use super::{Records, record_place, row_place};
use crate::check::Statement;
use crate::model::{BATCH_NOT_OPEN, REASON_MISSING, RECORD_OF_OTHER_AGENCY, RECORD_WITHDRAWN, ROW_DECIDED};
use crate::store::versions::{self, Version};
use crate::store::{self, absences};
use chrono::{DateTime, Utc};
use credence_audit::{Change, record};
use credence_core::Actor;
use credence_core::problem::{NOT_FOUND, Problem, Result};
use credence_subjects::model::SUBJECT_NOT_FOUND;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// Proposals shown with a row.
const CANDIDATES: i64 = 10;

/// A row in the queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnmatchedView {
    /// Id in the queue.
    pub id: Uuid,
    /// Its batch.
    pub batch_id: Uuid,
    /// Number of the data row.
    pub row: i64,
    /// Who provided it.
    pub agency_id: Uuid,
    /// Catalogue item.
    pub item: String,
    /// Name the row gives.
    pub subject_name: String,
    /// Organisation numbers the row gives.
    #[schema(value_type = Vec<Object>)]
    pub hints: Value,
    /// Since when it waits.
    pub since: DateTime<Utc>,
    /// Organisations of exactly that name (rule 4): proposals, never decisions.
    pub candidates: Vec<Candidate>,
}

/// A proposal.
#[derive(Debug, Serialize, ToSchema)]
pub struct Candidate {
    /// The subject.
    pub subject_id: Uuid,
    /// `provisional` or `confirmed`.
    pub state: String,
    /// Division.
    pub area_code: Option<String>,
}

/// Rows that wait, oldest first.
pub async fn waiting(records: &Records, after: Option<Uuid>, limit: i64) -> Result<Vec<UnmatchedView>> {
    let mut conn = records.db.read().await?;
    let mut views = Vec::new();
    for row in store::waiting_unmatched(&mut conn, after, limit).await? {
        let normal = credence_names::normalise(&row.subject_name);
        let found = credence_subjects::store::by_exact_name(&mut conn, &normal, CANDIDATES).await?;
        let ids: Vec<Uuid> = found.iter().map(|s| s.id).collect();
        let mut areas = credence_subjects::store::areas(&mut conn, &ids).await?;
        let candidates =
            found.into_iter().map(|s| Candidate { subject_id: s.id, area_code: areas.remove(&s.id), state: s.state }).collect();
        views.push(UnmatchedView {
            id: row.id,
            batch_id: row.batch_id,
            row: row.row_no,
            agency_id: row.agency_id,
            item: row.item,
            subject_name: row.subject_name,
            hints: row.hints,
            since: row.created_at,
            candidates,
        });
    }
    Ok(views)
}

/// Says whose a row is: it becomes a record of that subject.
pub async fn link(records: &Records, actor: &Actor, id: Uuid, subject: Uuid, reason: &str) -> Result<Uuid> {
    if reason.trim().is_empty() {
        return Err(Problem::new(&REASON_MISSING));
    }
    let configuration = records.configuration.fresh(&records.db).await?;
    let now = records.clock.now();
    let (record_id, list_due) = records
        .db
        .write(async |tx| {
            // The batch first, as an undo locks it: a row of a batch that is being undone is nobody's any more.
            let batch = store::batch_of_unmatched(tx, id).await?.ok_or_else(|| Problem::new(&NOT_FOUND))?;
            absences::lock(tx, batch).await?;
            let open = store::lock_batch(tx, batch).await?.is_some_and(|b| b.state == "open");
            let row = store::lock_unmatched(tx, id).await?.ok_or_else(|| Problem::new(&NOT_FOUND))?;
            if row.state != "waiting" {
                return Err(Problem::new(&ROW_DECIDED));
            }
            if !open {
                return Err(Problem::new(&BATCH_NOT_OPEN));
            }
            let found = credence_subjects::store::find(tx.conn(), subject).await?;
            if found.is_none_or(|s| s.kind == "natural_person") {
                return Err(Problem::new(&SUBJECT_NOT_FOUND));
            }
            let item = records.item(&configuration, &row.item, records.clock.today())?;
            let plain = records.keys.open(&row_place(row.batch_id), &row.sealed_row).map_err(Problem::internal)?;
            let s: Statement = serde_json::from_slice(&plain).map_err(Problem::internal)?;
            let old = versions::lock_by_key(tx, subject, s.business_key).await?;
            if old.as_ref().is_some_and(|v| v.agency_id != row.agency_id) {
                return Err(Problem::new(&RECORD_OF_OTHER_AGENCY));
            }
            if old.as_ref().is_some_and(|v| v.state == "withdrawn" && v.change == "withdrawn") {
                return Err(Problem::new(&RECORD_WITHDRAWN));
            }
            let kept = match &old {
                Some(version) => Kept::of(tx, version).await?,
                None => Kept::default(),
            };
            let warnings: Vec<_> = s.warnings.iter().cloned().chain(kept.issues(s.state)).collect();
            let version_id = Uuid::now_v7();
            let record_id = old.as_ref().map_or(version_id, |v| v.record_id);
            if old.as_ref().is_none_or(|v| v.content_hash != s.content_hash) {
                let new = Version {
                    subject_id: subject,
                    id: version_id,
                    record_id,
                    item: row.item.clone(),
                    item_version: item.version,
                    business_key: s.business_key,
                    content_hash: s.content_hash,
                    data: serde_json::from_str(&s.data).map_err(Problem::internal)?,
                    sealed: s
                        .sealed
                        .as_ref()
                        .map(|p| records.keys.seal(&record_place(record_id), p.as_bytes()))
                        .transpose()
                        .map_err(Problem::internal)?,
                    state: kept.state(s.state).code().to_owned(),
                    change: "linked".to_owned(),
                    reason: None,
                    decided_on: s.decided_on,
                    valid_from: s.valid_from,
                    valid_to: s.valid_to,
                    public_until: kept.public_until(s.public_until),
                    late: s.late,
                    late_rule: s.late_rule.clone(),
                    warnings: (!warnings.is_empty()).then(|| serde_json::to_value(&warnings)).transpose().map_err(Problem::internal)?,
                    agency_id: row.agency_id,
                    batch_id: row.batch_id,
                    row_no: row.row_no,
                    known_from: old.as_ref().map_or(now, |v| now.max(v.known_from)),
                    known_to: None,
                };
                versions::replace(tx, old.as_ref(), &new).await?;
            }
            if let Some(list) = absences::noted_in(tx.conn(), row.batch_id).await? {
                absences::note(tx, list, subject, record_id).await?;
            }
            store::decide_unmatched(tx, id, "linked", Some(subject), reason.trim(), &actor.label, now).await?;
            let detail = json!({ "record_id": record_id, "batch_id": row.batch_id, "row": row.row_no, "reason": reason.trim() });
            record(tx, actor, Change::new("unmatched_row.link", "unmatched_row", id).about(subject).with(detail), now).await?;
            Ok((record_id, enqueue_due(tx, row.batch_id, now).await?))
        })
        .await?;
    if list_due {
        records.wake.notify_one();
    }
    Ok(record_id)
}

/// Rejects a row: it belongs to nobody the platform can know.
pub async fn reject(records: &Records, actor: &Actor, id: Uuid, reason: &str) -> Result<()> {
    if reason.trim().is_empty() {
        return Err(Problem::new(&REASON_MISSING));
    }
    let now = records.clock.now();
    let list_due = records
        .db
        .write(async |tx| {
            let batch = store::batch_of_unmatched(tx, id).await?.ok_or_else(|| Problem::new(&NOT_FOUND))?;
            absences::lock(tx, batch).await?;
            let row = store::lock_unmatched(tx, id).await?.ok_or_else(|| Problem::new(&NOT_FOUND))?;
            if row.state != "waiting" {
                return Err(Problem::new(&ROW_DECIDED));
            }
            store::decide_unmatched(tx, id, "rejected", None, reason.trim(), &actor.label, now).await?;
            let detail = json!({ "batch_id": row.batch_id, "row": row.row_no, "reason": reason.trim() });
            record(tx, actor, Change::new("unmatched_row.reject", "unmatched_row", id).with(detail), now).await?;
            enqueue_due(tx, batch, now).await
        })
        .await?;
    if list_due {
        records.wake.notify_one();
    }
    Ok(())
}
