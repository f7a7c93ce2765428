//! Endpoints: made, changed and closed by the security administrator, and what became of the messages to them.

use super::Dispatch;
use super::push::send::resolve;
use super::push::sign::Key;
use super::push::target::{Nets, Target};
use crate::model::endpoints::{
    AttemptView, ENDPOINT_AGENCY_UNKNOWN, ENDPOINT_CLOSED, ENDPOINT_EXISTS, ENDPOINT_NOT_FOUND, EndpointView, KeyShown, KeyView,
    MESSAGE_NOT_DEAD, MESSAGE_NOT_FOUND, MessageState, MessageView, NewEndpoint, Replayed, Scheme,
};
use crate::store::endpoints::{self as store, EndpointRow};
use chrono::{DateTime, Duration, Utc};
use credence_audit::{Change, record};
use credence_core::actor::Actor;
use credence_core::identifiers::person::find_in_text;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use serde_json::json;
use std::collections::HashMap;
use uuid::Uuid;

/// Refuses what the database cannot keep and what no log may hold.
fn check_text(field: &str, text: &str, chars_max: usize) -> Result<()> {
    if text.trim().is_empty() || text.chars().count() > chars_max {
        return Err(Problem::malformed(
            format!("{field} 不能为空，且不超过 {chars_max} 个字符；请修改后重试"),
            format!("`{field}` has 1 to {chars_max} characters; change it and try again"),
        ));
    }
    if text.chars().any(char::is_control) || !find_in_text(text).is_empty() {
        return Err(Problem::malformed(
            format!("{field} 含有控制字符或居民身份证号码；请删去后重试"),
            format!("`{field}` holds a control character or a resident ID number; take it out and try again"),
        ));
    }
    Ok(())
}

async fn open(tx: &mut Tx<'_>, id: Uuid) -> Result<EndpointRow> {
    let row = store::locked(tx, id).await?.ok_or_else(|| Problem::new(&ENDPOINT_NOT_FOUND))?;
    if row.state == "closed" { Err(Problem::new(&ENDPOINT_CLOSED)) } else { Ok(row) }
}

impl Dispatch {
    /// Makes the endpoint of an agency. Its key is in the answer and, when it has to stay secret, nowhere else. What the agency's last endpoint did not
    /// deliver, and what waits in its inbox, goes there.
    ///
    /// # Errors
    /// When there is no such agency, it has an endpoint already, or the address cannot be used.
    pub async fn create_endpoint(&self, actor: &Actor, new: NewEndpoint) -> Result<(EndpointView, KeyShown)> {
        let now = self.clock.now();
        check_text("description", &new.description, self.settings.text_chars_max)?;
        let url = new.url.trim();
        let target = Target::read(url, self.settings.webhook_allow_http)?;
        check_text("url", url, usize::MAX)?;
        let directory = self.directory.reload(&self.db, now).await?;
        let agency =
            directory.by_code(&new.agency).ok_or_else(|| Problem::new(&ENDPOINT_AGENCY_UNKNOWN).with("agency", new.agency.clone()))?;
        let nets = Nets::parse(&self.settings.webhook_allowed_networks).map_err(Problem::internal)?;
        let within = std::time::Duration::from_secs(self.settings.webhook_timeout_seconds);
        target.refuse_closed(&resolve(target.host.clone(), target.port, within).await, &nets)?;
        let row = EndpointRow {
            id: Uuid::now_v7(),
            agency_id: agency.id,
            url: url.to_owned(),
            state: "active".to_owned(),
            description: new.description.trim().to_owned(),
            created_by: actor.label.clone(),
            created_at: now,
            closed_at: None,
        };
        let (key, messages) = self
            .db
            .write(async |tx| {
                store::insert(tx, &row, || Problem::new(&ENDPOINT_EXISTS)).await?;
                let key = self.new_key(tx, row.id, new.scheme, None, now).await?;
                let messages = store::take_over(tx, row.id, row.agency_id, now).await?;
                let detail = json!({ "agency": new.agency, "host": target.host, "scheme": new.scheme.code(), "messages": messages });
                record(tx, actor, Change::new("webhook_endpoint.create", "webhook_endpoint", row.id).with(detail), now).await?;
                Ok((key, messages))
            })
            .await?;
        if messages > 0 {
            self.wake.notify_one();
        }
        Ok((self.endpoint_view(row, now).await?, key))
    }

    async fn new_key(
        &self,
        tx: &mut Tx<'_>,
        endpoint: Uuid,
        scheme: Scheme,
        previous_retires_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<KeyShown> {
        let (key_id, key) = (Uuid::now_v7(), Key::generate(scheme)?);
        store::insert_key(tx, endpoint, key_id, scheme.code(), &key.seal(&self.keys, key_id)?, now).await?;
        Ok(KeyShown { endpoint_id: endpoint, key_id, scheme, key: key.shown(), previous_retires_at })
    }

    /// Endpoints, newest first, before `before`, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn endpoints(&self, before: Option<Uuid>, limit: i64) -> Result<Vec<EndpointView>> {
        let rows = store::list(&mut *self.db.read().await?, before, limit).await?;
        self.endpoint_views(rows, self.clock.now()).await
    }

    /// Gives an endpoint a new key. The old one goes on signing beside it for the time that the settings give a receiver to change.
    ///
    /// # Errors
    /// When there is none, or it is closed.
    pub async fn rotate_endpoint(&self, actor: &Actor, id: Uuid, scheme: Option<Scheme>) -> Result<KeyShown> {
        let now = self.clock.now();
        self.db
            .write(async |tx| {
                open(tx, id).await?;
                let keys = store::keys(tx.conn(), &[id], now).await?;
                let present = keys.first().and_then(|(_, _, scheme, ..)| Scheme::from_code(scheme));
                let scheme = scheme.or(present).ok_or_else(|| Problem::internal("an endpoint has no key"))?;
                let retires_at = now + Duration::hours(self.settings.webhook_rotation_hours);
                store::retire_newest(tx, id, retires_at).await?;
                let shown = self.new_key(tx, id, scheme, Some(retires_at), now).await?;
                let detail = json!({ "scheme": scheme.code(), "key_id": shown.key_id, "previous_retires_at": retires_at });
                record(tx, actor, Change::new("webhook_endpoint.rotate", "webhook_endpoint", id).with(detail), now).await?;
                Ok(shown)
            })
            .await
    }

    /// Stops sending to an endpoint; its messages wait.
    ///
    /// # Errors
    /// When there is none, or it is closed.
    pub async fn pause_endpoint(&self, actor: &Actor, id: Uuid) -> Result<EndpointView> {
        self.move_endpoint(actor, id, "paused", "webhook_endpoint.pause").await
    }

    /// Sends to an endpoint again; what waits is due at once.
    ///
    /// # Errors
    /// When there is none, or it is closed.
    pub async fn resume_endpoint(&self, actor: &Actor, id: Uuid) -> Result<EndpointView> {
        let view = self.move_endpoint(actor, id, "active", "webhook_endpoint.resume").await?;
        self.wake.notify_one();
        Ok(view)
    }

    async fn move_endpoint(&self, actor: &Actor, id: Uuid, state: &str, action: &str) -> Result<EndpointView> {
        let now = self.clock.now();
        let row = self
            .db
            .write(async |tx| {
                let mut row = open(tx, id).await?;
                if row.state == state {
                    // It is so already; there is nothing to write.
                    tx.mark_recorded();
                    return Ok(row);
                }
                store::set_state(tx, id, state).await?;
                if state == "active" {
                    store::make_due(tx, id, now).await?;
                }
                record(tx, actor, Change::new(action, "webhook_endpoint", id), now).await?;
                row.state = state.to_owned();
                Ok(row)
            })
            .await?;
        self.endpoint_view(row, now).await
    }

    /// Closes an endpoint for good; what it did not deliver is cancelled, and goes to the agency's next endpoint when it gets one.
    ///
    /// # Errors
    /// When there is none, or it is closed already.
    pub async fn close_endpoint(&self, actor: &Actor, id: Uuid) -> Result<EndpointView> {
        let now = self.clock.now();
        let row = self
            .db
            .write(async |tx| {
                let row = open(tx, id).await?;
                let cancelled = store::close(tx, id, now).await?;
                let change = Change::new("webhook_endpoint.close", "webhook_endpoint", id);
                record(tx, actor, change.with(json!({ "cancelled": cancelled })), now).await?;
                Ok(EndpointRow { state: "closed".to_owned(), closed_at: Some(now), ..row })
            })
            .await?;
        self.endpoint_view(row, now).await
    }

    /// Lets messages that were set aside go out again: one, or all of an endpoint.
    ///
    /// # Errors
    /// When there is no such endpoint or message, the endpoint is closed, or the message was not set aside.
    pub async fn replay_endpoint(&self, actor: &Actor, id: Uuid, message: Option<Uuid>) -> Result<Replayed> {
        let now = self.clock.now();
        let replayed = self
            .db
            .write(async |tx| {
                open(tx, id).await?;
                if let Some(message) = message {
                    let state = store::message_state(tx, id, message).await?.ok_or_else(|| Problem::new(&MESSAGE_NOT_FOUND))?;
                    if state != MessageState::Dead.code() {
                        return Err(Problem::new(&MESSAGE_NOT_DEAD).with("state", state));
                    }
                }
                let replayed = store::replay(tx, id, message, now).await?;
                let detail = json!({ "message_id": message, "replayed": replayed });
                record(tx, actor, Change::new("webhook_endpoint.replay", "webhook_endpoint", id).with(detail), now).await?;
                Ok(replayed)
            })
            .await?;
        self.wake.notify_one();
        Ok(Replayed { replayed })
    }

    /// Messages of an endpoint in a state with every attempt, those last due first, after a position (when, id), at most `limit`.
    ///
    /// # Errors
    /// When there is no such endpoint.
    pub async fn endpoint_messages(
        &self,
        id: Uuid,
        state: MessageState,
        after: Option<(DateTime<Utc>, Uuid)>,
        limit: i64,
    ) -> Result<Vec<MessageView>> {
        let mut conn = self.db.read().await?;
        store::find(&mut conn, id).await?.ok_or_else(|| Problem::new(&ENDPOINT_NOT_FOUND))?;
        let rows = store::messages(&mut conn, id, state.code(), after, limit).await?;
        let mut tries: HashMap<Uuid, Vec<AttemptView>> = HashMap::new();
        for (message, at, status, error, took_ms) in store::attempts(&mut conn, id, &rows).await? {
            tries.entry(message).or_default().push(AttemptView { at, status, error, took_ms });
        }
        Ok(rows
            .into_iter()
            .map(|row| MessageView {
                id: row.id,
                topic: row.topic,
                directive_id: row.directive_id,
                state: row.state,
                attempts: row.attempts,
                next_at: row.next_at,
                created_at: row.created_at,
                settled_at: row.settled_at,
                tries: tries.remove(&row.id).unwrap_or_default(),
            })
            .collect())
    }

    async fn endpoint_view(&self, row: EndpointRow, now: DateTime<Utc>) -> Result<EndpointView> {
        let views = self.endpoint_views(vec![row], now).await?;
        views.into_iter().next().ok_or_else(|| Problem::new(&ENDPOINT_NOT_FOUND))
    }

    async fn endpoint_views(&self, rows: Vec<EndpointRow>, now: DateTime<Utc>) -> Result<Vec<EndpointView>> {
        let directory = self.directory.get(&self.db, now).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let mut conn = self.db.read().await?;
        let mut keys: HashMap<Uuid, Vec<KeyView>> = HashMap::new();
        for (endpoint, id, scheme, created_at, retires_at) in store::keys(&mut conn, &ids, now).await? {
            keys.entry(endpoint).or_default().push(KeyView { id, scheme, created_at, retires_at });
        }
        let counts = store::open_messages(&mut conn, &ids).await?;
        let count =
            |id: Uuid, of: MessageState| counts.iter().find(|(e, state, _)| *e == id && *state == of.code()).map_or(0, |(.., n)| *n);
        Ok(rows
            .into_iter()
            .map(|row| EndpointView {
                id: row.id,
                agency_id: row.agency_id,
                agency: directory.agency(row.agency_id).map(|agency| agency.code.clone()),
                url: row.url,
                state: row.state,
                description: row.description,
                created_by: row.created_by,
                created_at: row.created_at,
                closed_at: row.closed_at,
                keys: keys.remove(&row.id).unwrap_or_default(),
                waiting: count(row.id, MessageState::Waiting),
                dead: count(row.id, MessageState::Dead),
            })
            .collect())
    }
}
