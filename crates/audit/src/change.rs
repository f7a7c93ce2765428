//! The change log.

use chrono::{DateTime, Utc};
use credence_core::actor::{Actor, Credential};
use credence_core::problem::Result;
use credence_db::schema::{audit_entries, change_feed};
use credence_db::{BulkTx, DbResult, Tx, from_postgres};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use uuid::Uuid;

/// What a write did. Nothing in it may identify a natural person (invariant 7).
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// `thing.verb`, also the topic of the feed.
    pub action: &'a str,
    /// Kind of thing it was done to.
    pub object_kind: &'a str,
    /// Its id.
    pub object_id: Uuid,
    /// Subject concerned, where there is one.
    pub subject_id: Option<Uuid>,
    /// Particulars.
    pub detail: Value,
}

impl<'a> Change<'a> {
    /// A change without subject and particulars.
    pub fn new(action: &'a str, object_kind: &'a str, object_id: Uuid) -> Self {
        Self { action, object_kind, object_id, subject_id: None, detail: json!({}) }
    }

    /// Names the subject concerned.
    #[must_use]
    pub fn about(mut self, subject_id: Uuid) -> Self {
        self.subject_id = Some(subject_id);
        self
    }

    /// Adds particulars.
    #[must_use]
    pub fn with(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

/// Kind and id of an actor, as both logs hold them.
pub(crate) fn actor_columns(actor: &Actor) -> (&'static str, Option<Uuid>) {
    match actor.credential {
        Credential::Account(id) => ("account", Some(id.0)),
        Credential::ApiKey(id) => ("api_key", Some(id)),
        Credential::System => ("system", None),
    }
}

/// Records a write of `tx` in the change log and the feed. Every write needs at least one, or it will not commit.
pub async fn record(tx: &mut Tx<'_>, actor: &Actor, change: Change<'_>, now: DateTime<Utc>) -> Result<()> {
    let (actor_kind, actor_id) = actor_columns(actor);
    diesel::insert_into(audit_entries::table)
        .values((
            audit_entries::at.eq(now),
            audit_entries::actor_kind.eq(actor_kind),
            audit_entries::actor_id.eq(actor_id),
            audit_entries::actor_label.eq(&actor.label),
            audit_entries::agency_id.eq(actor.agency.map(|a| a.0)),
            audit_entries::action.eq(change.action),
            audit_entries::object_kind.eq(change.object_kind),
            audit_entries::object_id.eq(change.object_id.to_string()),
            audit_entries::subject_id.eq(change.subject_id),
            audit_entries::detail.eq(&change.detail),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    diesel::insert_into(change_feed::table)
        .values((
            change_feed::at.eq(now),
            change_feed::topic.eq(change.action),
            change_feed::subject_id.eq(change.subject_id),
            change_feed::object_id.eq(change.object_id),
            change_feed::payload.eq(&change.detail),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    tx.mark_recorded();
    Ok(())
}

/// The same for a bulk transaction.
pub async fn record_bulk(tx: &mut BulkTx<'_>, actor: &Actor, change: Change<'_>, now: DateTime<Utc>) -> Result<()> {
    let (actor_kind, actor_id) = actor_columns(actor);
    tx.raw()
        .execute(
            "WITH entry AS (
                 INSERT INTO audit_entries (at, actor_kind, actor_id, actor_label, agency_id, action, object_kind, object_id, subject_id, detail)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8::uuid::text, $9, $10))
             INSERT INTO change_feed (at, topic, subject_id, object_id, payload) VALUES ($1, $6, $9, $8, $10)",
            &[
                &now,
                &actor_kind,
                &actor_id,
                &actor.label,
                &actor.agency.map(|a| a.0),
                &change.action,
                &change.object_kind,
                &change.object_id,
                &change.subject_id,
                &change.detail,
            ],
        )
        .await
        .map_err(from_postgres)?;
    tx.mark_recorded();
    Ok(())
}
