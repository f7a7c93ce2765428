//! The change log.

use chrono::{DateTime, Utc};
use credence_core::actor::{Actor, Credential};
use credence_core::problem::{Problem, Result};
use credence_db::schema::{audit_entries, change_feed};
use credence_db::{BulkTx, Db, DbResult, Tx, from_postgres};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::Serialize;
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

/// One line of the change log.
#[derive(Debug, Clone, Queryable, Selectable, Serialize)]
#[diesel(table_name = audit_entries)]
pub struct ChangeEntry {
    /// Running number.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// `account`, `api_key` or `system`.
    pub actor_kind: String,
    /// Id of the account or key.
    pub actor_id: Option<Uuid>,
    /// Name of the account, key or job.
    pub actor_label: String,
    /// Agency the actor acted for.
    pub agency_id: Option<Uuid>,
    /// What was done.
    pub action: String,
    /// Kind of thing it was done to.
    pub object_kind: String,
    /// Id of that thing.
    pub object_id: String,
    /// Subject concerned.
    pub subject_id: Option<Uuid>,
    /// Particulars.
    pub detail: Value,
}

/// Which entries are asked for; what is absent does not narrow.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChangesAsked<'a> {
    /// Kind of thing.
    pub object_kind: Option<&'a str>,
    /// Id of the thing.
    pub object_id: Option<&'a str>,
    /// Subject concerned.
    pub subject_id: Option<Uuid>,
    /// Name of the account, key or job, or the id of the account or key.
    pub actor: Option<&'a str>,
}

/// Entries newest first, before `before` (an entry's number), at most `limit`. A number is given when its entry is written and shows when
/// the transaction commits: what is running while a page is read can come to stand on that page later.
pub async fn changes(db: &Db, asked: ChangesAsked<'_>, before: Option<i64>, limit: i64) -> Result<Vec<ChangeEntry>> {
    if [asked.object_kind, asked.object_id, asked.actor].into_iter().flatten().any(|text| text.chars().any(char::is_control)) {
        return Err(Problem::malformed(
            "筛选条件含有控制字符；请删去后重试",
            "a filter holds a control character; take it out and try again",
        ));
    }
    let mut conn = db.read().await?;
    let mut query = audit_entries::table.select(ChangeEntry::as_select()).order(audit_entries::id.desc()).limit(limit).into_boxed();
    if let Some(kind) = asked.object_kind {
        query = query.filter(audit_entries::object_kind.eq(kind));
    }
    if let Some(id) = asked.object_id {
        query = query.filter(audit_entries::object_id.eq(id));
    }
    if let Some(subject) = asked.subject_id {
        query = query.filter(audit_entries::subject_id.eq(subject));
    }
    if let Some(actor) = asked.actor {
        query = match Uuid::parse_str(actor) {
            Ok(id) => query.filter(audit_entries::actor_id.eq(id)),
            Err(_) => query.filter(audit_entries::actor_label.eq(actor)),
        };
    }
    if let Some(before) = before {
        query = query.filter(audit_entries::id.lt(before));
    }
    query.load(&mut conn).await.db()
}
