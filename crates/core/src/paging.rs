//! Cursors: an opaque text that says where the next page begins. Pages never use offsets, so a list that grows is neither skipped
//! nor repeated.

use crate::problem::{Kind, Problem, ProblemType, Result};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// The cursor was not made by this server for this list.
pub static BAD_CURSOR: ProblemType = ProblemType {
    code: "bad_cursor",
    kind: Kind::Malformed,
    zh: "游标无效；请使用上一页答复中的 next 原样传回，或去掉 cursor 从第一页开始",
    en: "the cursor is not valid; pass `next` of the page before unchanged, or leave `cursor` out to begin again",
};
/// `limit` is outside its range.
pub static BAD_LIMIT: ProblemType = ProblemType {
    code: "bad_limit",
    kind: Kind::Malformed,
    zh: "limit 超出范围；允许 1 至 max",
    en: "`limit` is outside its range of 1 to `max`",
};

/// Writes a position as a cursor.
pub fn encode<T: Serialize>(position: &T) -> String {
    serde_json::to_vec(position).map(|json| BASE64_URL_SAFE_NO_PAD.encode(json)).unwrap_or_default()
}

/// Reads a cursor back.
pub fn decode<T: DeserializeOwned>(cursor: &str) -> Result<T> {
    BASE64_URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|json| serde_json::from_slice(&json).ok()).ok_or_else(|| Problem::new(&BAD_CURSOR))
}

/// `limit` within 1 to `max`, or `default` when absent.
pub fn limit(asked: Option<i64>, default: i64, max: i64) -> Result<i64> {
    match asked {
        None => Ok(default),
        Some(n) if (1..=max).contains(&n) => Ok(n),
        Some(_) => Err(Problem::new(&BAD_LIMIT).with("max", max)),
    }
}
