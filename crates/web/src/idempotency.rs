//! `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header): the same request under the same key gets the same answer and takes
//! effect once. The answer is written in the transaction of the effect, so there is no moment at which one exists without the other.

use actix_web::HttpRequest;
use chrono::{DateTime, Utc};
use credence_core::Actor;
use credence_core::actor::Credential;
use credence_core::crypto::sha256;
use credence_core::problem::{Kind, Problem, ProblemType, Result};
use credence_db::schema::idempotency_keys;
use credence_db::{Db, DbResult, Tx};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde::{Serialize, de::DeserializeOwned};

/// The key was used for another request.
pub static KEY_REUSED: ProblemType = ProblemType {
    code: "idempotency_key_reused",
    kind: Kind::Unprocessable,
    zh: "该 Idempotency-Key 已用于另一请求；新的请求请使用新的键",
    en: "this Idempotency-Key was used for another request; use a new key for a new request",
};
/// The first request under the key is still being worked on.
pub static KEY_IN_PROGRESS: ProblemType = ProblemType {
    code: "idempotency_key_in_progress",
    kind: Kind::Conflict,
    zh: "使用该 Idempotency-Key 的请求正在处理；请稍后用同一键重试",
    en: "the request under this Idempotency-Key is still being worked on; try again with the same key in a moment",
};
/// The header is not usable.
pub static BAD_KEY: ProblemType = ProblemType {
    code: "bad_idempotency_key",
    kind: Kind::Malformed,
    zh: "Idempotency-Key 应为 1 至 128 个可见 ASCII 字符（可带双引号），建议使用 UUID",
    en: "Idempotency-Key must be 1 to 128 visible ASCII characters, quoted or not; a UUID is best",
};

/// A request's key and what it was used for.
#[derive(Debug, Clone)]
pub struct Key {
    actor: String,
    key: String,
    request_hash: [u8; 32],
}

impl Key {
    /// Reads the header; `fingerprint` is everything that makes the request this request and not another.
    pub fn of(request: &HttpRequest, actor: &Actor, fingerprint: &[u8]) -> Result<Option<Self>> {
        let Some(header) = request.headers().get("idempotency-key") else { return Ok(None) };
        let key = header.to_str().map(|k| k.trim().trim_matches('"')).unwrap_or_default();
        if key.is_empty() || key.len() > 128 || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Problem::new(&BAD_KEY));
        }
        let actor = match actor.credential {
            Credential::Account(id) => id.to_string(),
            Credential::ApiKey(id) => id.to_string(),
            Credential::System => "system".to_owned(),
        };
        let line = format!("{} {}\n", request.method(), request.uri());
        Ok(Some(Self { actor, key: key.to_owned(), request_hash: sha256(&[line.as_bytes(), fingerprint].concat()) }))
    }
}

/// The answer given before under this key, if there is one. Concurrent requests with one key wait for each other here. While the first request
/// is still being worked on, the same one is told so.
pub async fn replay<T: DeserializeOwned>(tx: &mut Tx<'_>, key: Option<&Key>, now: DateTime<Utc>) -> Result<Option<T>> {
    let Some(key) = key else { return Ok(None) };
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind::<diesel::sql_types::Text, _>(format!("{}/{}", key.actor, key.key))
        .execute(tx.conn())
        .await
        .db()?;
    let stored: Option<(Vec<u8>, serde_json::Value, Option<DateTime<Utc>>)> = idempotency_keys::table
        .find((&key.actor, &key.key))
        .select((idempotency_keys::request_hash, idempotency_keys::response, idempotency_keys::pending_until))
        .first(tx.conn())
        .await
        .optional()
        .db()?;
    match stored {
        None => Ok(None),
        Some((hash, ..)) if hash != key.request_hash => Err(Problem::new(&KEY_REUSED)),
        Some((.., Some(until))) if now < until => Err(Problem::new(&KEY_IN_PROGRESS)),
        Some((_, response, _)) => {
            // Nothing is written by giving an answer again, and that is as it should be.
            tx.mark_recorded();
            serde_json::from_value(response).map(Some).map_err(Problem::internal)
        }
    }
}

/// Keeps the answer, in the transaction of the effect. With `pending_until` the answer is a receipt: until [`complete`] puts the answer in its
/// place the request counts as being worked on, at most until that instant, in case the process dies.
pub async fn keep<T: Serialize>(
    tx: &mut Tx<'_>,
    key: Option<&Key>,
    response: &T,
    pending_until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<()> {
    let Some(key) = key else { return Ok(()) };
    diesel::insert_into(idempotency_keys::table)
        .values((
            idempotency_keys::actor.eq(&key.actor),
            idempotency_keys::key.eq(&key.key),
            idempotency_keys::request_hash.eq(key.request_hash.to_vec()),
            idempotency_keys::response.eq(serde_json::to_value(response).map_err(Problem::internal)?),
            idempotency_keys::pending_until.eq(pending_until),
            idempotency_keys::created_at.eq(now),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// Puts the answer in the place of the receipt.
pub async fn complete<T: Serialize>(db: &Db, key: Option<&Key>, response: &T) -> Result<()> {
    let Some(key) = key else { return Ok(()) };
    let response = serde_json::to_value(response).map_err(Problem::internal)?;
    diesel::update(idempotency_keys::table.find((&key.actor, &key.key)))
        .set((idempotency_keys::response.eq(response), idempotency_keys::pending_until.eq(None::<DateTime<Utc>>)))
        .execute(&mut db.read().await?)
        .await
        .db()?;
    Ok(())
}

/// Forgets answers from before an instant; how many.
pub async fn forget(db: &Db, before: DateTime<Utc>) -> Result<usize> {
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::created_at.lt(before))).execute(&mut db.read().await?).await.db()
}
