//! Endpoints over HTTP, for the security administrator. An agency that has none pulls its inbox.

use crate::model::endpoints::{EndpointView, KeyShown, MessageState, MessageView, NewEndpoint, ReplayRequest, Replayed, RotateRequest};
use crate::service::Dispatch;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CacheControl, CacheDirective};
use actix_web::{HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use credence_core::{Permission, paging};
use credence_web::{ApiResult, Caller, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(create_webhook_endpoint).service(list_webhook_endpoints).service(list_webhook_messages);
    config.service(rotate_webhook_endpoint).service(pause_webhook_endpoint).service(resume_webhook_endpoint);
    config.service(close_webhook_endpoint).service(replay_webhook_endpoint);
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EndpointParams {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Endpoints a page.
    limit: Option<i64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MessageParams {
    /// State of the messages; those set aside when absent.
    #[param(inline)]
    state: Option<MessageState>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Messages a page.
    limit: Option<i64>,
}

/// A new endpoint with its key.
#[derive(Serialize, ToSchema)]
struct EndpointCreated {
    /// The endpoint.
    endpoint: EndpointView,
    /// Its key, as the receiver needs it to verify. A secret is shown this once only.
    key: KeyShown,
}

#[derive(Serialize, ToSchema)]
struct EndpointPage {
    items: Vec<EndpointView>,
    /// Where the next page begins; absent on the last.
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct MessagePage {
    items: Vec<MessageView>,
    /// Where the next page begins; absent on the last.
    next: Option<String>,
}

fn secret<T: Serialize>(status: StatusCode, body: &T) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, CacheControl(vec![CacheDirective::NoStore]).to_string())).json(body)
}

/// Make the endpoint that an agency's directives are pushed to (Standard Webhooks 1.0); an agency has one at most that is not closed. Its key is in
/// this answer; a secret is never shown again. What an earlier endpoint of the agency did not deliver, and what waits in its inbox, is sent there.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = NewEndpoint, responses((status = 201, body = EndpointCreated),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/webhook-endpoints")]
async fn create_webhook_endpoint(caller: Caller, dispatch: web::Data<Dispatch>, body: web::Json<NewEndpoint>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageEndpoints)?;
    let (endpoint, key) = dispatch.create_endpoint(&caller.0, body.into_inner()).await?;
    Ok(secret(StatusCode::CREATED, &EndpointCreated { endpoint, key }))
}

/// Endpoints, newest first, with how many messages wait or were set aside at each.
#[utoipa::path(tag = "joint action", security(("token" = [])), params(EndpointParams), responses((status = 200, body = EndpointPage),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/webhook-endpoints")]
async fn list_webhook_endpoints(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    params: web::Query<EndpointParams>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageEndpoints)?;
    let limit = paging::limit(params.limit, dispatch.query.page_default, dispatch.query.page_max)?;
    let before = params.cursor.as_deref().map(paging::decode::<Uuid>).transpose()?;
    let mut items = dispatch.endpoints(before, limit + 1).await?;
    let more = i64::try_from(items.len()).unwrap_or(i64::MAX) > limit;
    items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = items.last().filter(|_| more).map(|last| paging::encode(&last.id));
    Ok(HttpResponse::Ok().json(EndpointPage { items, next }))
}

/// Give an endpoint a new key, of the same scheme or another. The key before it signs beside it until `previous_retires_at`, so that the receiver can
/// change without losing a message.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = RotateRequest, responses((status = 200, body = KeyShown),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/webhook-endpoints/{endpoint_id}/rotate")]
async fn rotate_webhook_endpoint(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    body: web::Json<RotateRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageEndpoints)?;
    Ok(secret(StatusCode::OK, &dispatch.rotate_endpoint(&caller.0, *id, body.scheme).await?))
}

/// Stop sending to an endpoint; its messages wait. A receiver that answers `410 Gone` has its endpoint paused by itself.
#[utoipa::path(tag = "joint action", security(("token" = [])), responses((status = 200, body = EndpointView),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/webhook-endpoints/{endpoint_id}/pause")]
async fn pause_webhook_endpoint(caller: Caller, dispatch: web::Data<Dispatch>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageEndpoints)?;
    Ok(HttpResponse::Ok().json(dispatch.pause_endpoint(&caller.0, *id).await?))
}

/// Send to a paused endpoint again; what waits is due at once.
#[utoipa::path(tag = "joint action", security(("token" = [])), responses((status = 200, body = EndpointView),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/webhook-endpoints/{endpoint_id}/resume")]
async fn resume_webhook_endpoint(caller: Caller, dispatch: web::Data<Dispatch>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageEndpoints)?;
    Ok(HttpResponse::Ok().json(dispatch.resume_endpoint(&caller.0, *id).await?))
}

/// Close an endpoint for good. What it did not deliver is cancelled there, stays in the agency's inbox, and goes to its next endpoint.
#[utoipa::path(tag = "joint action", security(("token" = [])), responses((status = 200, body = EndpointView),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/webhook-endpoints/{endpoint_id}/close")]
async fn close_webhook_endpoint(caller: Caller, dispatch: web::Data<Dispatch>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageEndpoints)?;
    Ok(HttpResponse::Ok().json(dispatch.close_endpoint(&caller.0, *id).await?))
}

/// Send messages once more that were set aside after their last attempt: one, or all of the endpoint. They keep their ids and their order.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = ReplayRequest, responses((status = 200, body = Replayed),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/webhook-endpoints/{endpoint_id}/replay")]
async fn replay_webhook_endpoint(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    body: web::Json<ReplayRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageEndpoints)?;
    Ok(HttpResponse::Ok().json(dispatch.replay_endpoint(&caller.0, *id, body.message_id).await?))
}

/// Messages of an endpoint in a state, those last due first, with every attempt to deliver them.
#[utoipa::path(tag = "joint action", security(("token" = [])), params(MessageParams), responses((status = 200, body = MessagePage),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/webhook-endpoints/{endpoint_id}/messages")]
async fn list_webhook_messages(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    params: web::Query<MessageParams>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageEndpoints)?;
    let limit = paging::limit(params.limit, dispatch.query.page_default, dispatch.query.page_max)?;
    let after = params.cursor.as_deref().map(paging::decode::<(DateTime<Utc>, Uuid)>).transpose()?;
    let mut items = dispatch.endpoint_messages(*id, params.state.unwrap_or(MessageState::Dead), after, limit + 1).await?;
    let more = i64::try_from(items.len()).unwrap_or(i64::MAX) > limit;
    items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = items.last().filter(|_| more).map(|last| paging::encode(&(last.next_at, last.id)));
    Ok(HttpResponse::Ok().json(MessagePage { items, next }))
}
