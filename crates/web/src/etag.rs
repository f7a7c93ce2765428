//! Entity tags: an answer that has not changed since the caller last saw it is not sent again.

use crate::problem::ApiResult;
use actix_web::http::header::{ETAG, EntityTag, Header, IfNoneMatch, VARY};
use actix_web::{HttpRequest, HttpResponse};
use credence_core::crypto::sha256;
use credence_core::problem::Problem;
use serde::Serialize;

/// `200` with the body and its tag, or `304` when the caller has it already.
pub fn with_etag<T: Serialize>(request: &HttpRequest, body: &T) -> ApiResult<HttpResponse> {
    let text = serde_json::to_vec(body).map_err(Problem::internal)?;
    let hash: String = sha256(&text).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = EntityTag::new_strong(hash);
    let seen = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|t| t.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut answer = if seen { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((ETAG, tag)).insert_header((VARY, "Authorization"));
    Ok(if seen { answer.finish() } else { answer.content_type("application/json").body(text) })
}
