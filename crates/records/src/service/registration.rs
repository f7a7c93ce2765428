//! What follows from registration data: names, standing, area and confirmation of its subject. Loading reckons them row by row; when a record
//! of registration data is corrected, withdrawn or undone, they are reckoned anew from what still stands (invariant 8).

use super::Records;
use crate::store::versions::{self, Version};
use chrono::{DateTime, NaiveDate, Utc};
use credence_catalog::Item;
use credence_catalog::configuration::Configuration;
use credence_catalog::model::Role;
use credence_core::Actor;
use credence_core::clock::china_date;
use credence_core::problem::Result;
use credence_db::Tx;
use credence_subjects::history::Named;
use credence_subjects::service::{Stated, restate};
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// Brings a subject up to date after a record of `item` about it changed; nothing to do for items that register no subjects.
pub(super) async fn follow(records: &Records, tx: &mut Tx<'_>, actor: &Actor, subject: Uuid, item: &str, now: DateTime<Utc>) -> Result<()> {
    let configuration = records.configuration.get();
    let Some(registering) = configuration.items.get(item).map(|v| &v.item).filter(|i| i.registers_subject) else { return Ok(()) };
    let history = versions::of_item(tx.conn(), subject, item).await?;
    let standing = standing(history);
    let stated: Vec<Stated> = standing.iter().filter_map(|v| stated(&configuration, registering, v)).collect();
    let fallback = if stated.is_empty() { fallback(tx, &configuration, subject, item).await? } else { None };
    restate(tx, actor, subject, item, &stated, fallback, now).await
}

/// The versions that still stand as statements, in the order in which they were learnt. What came with a batch that was undone never was said;
/// a correction stands in the place of what it corrects; a withdrawal takes the record back as a whole.
fn standing(history: Vec<(Version, bool)>) -> Vec<Version> {
    let mut by_record: HashMap<Uuid, Vec<Version>> = HashMap::new();
    for (version, undone) in history {
        let said = by_record.entry(version.record_id).or_default();
        match version.change.as_str() {
            "loaded" | "linked" if undone => {}
            "loaded" | "linked" => said.push(version),
            "corrected" => {
                if said.last().is_some_and(|last| last.batch_id == version.batch_id) {
                    said.pop();
                }
                said.push(version);
            }
            "withdrawn" => said.clear(),
            _ => {}
        }
    }
    let mut all: Vec<Version> = by_record.into_values().flatten().collect();
    all.sort_by_key(|v| (v.known_from, v.id));
    all
}

fn text(item: &Item, data: &Value, role: Role) -> Option<String> {
    let field = item.with_role(role)?;
    data.get(&field.code).and_then(Value::as_str).map(str::to_owned)
}

fn stated(configuration: &Configuration, item: &Item, version: &Version) -> Option<Stated> {
    let read = |role| text(item, &version.data, role);
    let day: Option<NaiveDate> = read(Role::ValidFrom).and_then(|d| d.parse().ok());
    Some(Stated {
        known_from: version.known_from,
        name: read(Role::SubjectName)?,
        on: day,
        kind: read(Role::EntityType).and_then(|t| configuration.kind_by_entity_type(&t, china_date(version.known_from))),
        standing: read(Role::Standing),
        area: read(Role::Area),
        numbers: read(Role::SubjectRegistrationNo).map(|n| ("registration_no", n)).into_iter().collect(),
    })
}

/// The name by which the newest other record calls the subject.
async fn fallback(tx: &mut Tx<'_>, configuration: &Configuration, subject: Uuid, item: &str) -> Result<Option<Named>> {
    let Some(version) = versions::newest_of_others(tx.conn(), subject, item).await? else { return Ok(None) };
    let other = configuration.items.get(&version.item).map(|v| &v.item);
    Ok(other.and_then(|other| text(other, &version.data, Role::SubjectName)).map(|name| Named {
        normal: credence_names::normalise(&name),
        name,
        confirmed: false,
        source: version.item.clone(),
    }))
}
