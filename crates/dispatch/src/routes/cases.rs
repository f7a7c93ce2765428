//! Typical cases over HTTP.

use crate::model::cases::{CaseView, PublicCase, Step};
use crate::service::Dispatch;
use crate::service::cases::{self, Place, Proposal};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use credence_core::problem::Problem;
use credence_core::{Permission, paging};
use credence_web::idempotency::Key;
use credence_web::{ApiResult, Caller, ProblemBody, with_etag};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(propose_typical_case)
        .service(list_proposed_typical_cases)
        .service(publish_typical_case)
        .service(refuse_typical_case)
        .service(withdraw_typical_case)
        .service(list_typical_cases);
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProposeCaseRequest {
    /// Feedback of the own agency.
    feedback_id: Uuid,
    /// Title, one line.
    title: String,
    /// Text; may have line breaks.
    body: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PublishCaseRequest {
    /// What there is to say.
    reason: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CaseReasonRequest {
    /// Why.
    reason: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ReviewParams {
    /// `proposed` (default), `published`, `refused` or `withdrawn`.
    state: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Cases on a page.
    limit: Option<i64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PublicCaseParams {
    /// `incentive` or `sanction`; both when absent.
    kind: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Cases on a page.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct CasePage {
    cases: Vec<CaseView>,
    /// Cursor of the next page; absent on the last.
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct PublicCasePage {
    cases: Vec<PublicCase>,
    /// Cursor of the next page; absent on the last.
    next: Option<String>,
}

/// Propose a typical case (典型案例) of the own agency's feedback. Names of the subject and of the persons responsible, codes, document numbers
/// and mobile numbers are covered; the answer is the text that will be reviewed and published. What only people recognise (a short form of a
/// name, an address) is not covered: read the answer.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = ProposeCaseRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once and gets the same answer")),
    responses((status = 201, body = CaseView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/typical-cases")]
async fn propose_typical_case(
    request: HttpRequest,
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    body: web::Json<ProposeCaseRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ActOnDirectives)?;
    let fingerprint = serde_json::to_vec(&*body).map_err(Problem::internal)?;
    let key = Key::of(&request, &caller.0, &fingerprint)?;
    let ProposeCaseRequest { feedback_id, title, body } = body.into_inner();
    let case = cases::propose(&dispatch, &caller.0, Proposal { feedback_id, title, body }, key).await?;
    Ok(HttpResponse::Created().json(case))
}

/// Cases that wait for review, oldest first; with `state` those that were reviewed.
#[utoipa::path(tag = "joint action", security(("token" = [])), params(ReviewParams), responses((status = 200, body = CasePage),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/typical-cases/proposed")]
async fn list_proposed_typical_cases(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    params: web::Query<ReviewParams>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ReviewCases)?;
    let limit = paging::limit(params.limit, dispatch.query.page_default, dispatch.query.page_max)?;
    let after: Option<Uuid> = params.cursor.as_deref().map(paging::decode).transpose()?;
    let cases = cases::in_state(&dispatch, params.state.as_deref().unwrap_or("proposed"), after, limit).await?;
    let next = (i64::try_from(cases.len()).unwrap_or(0) == limit).then(|| cases.last().map(|c| paging::encode(&c.case_id))).flatten();
    Ok(HttpResponse::Ok().json(CasePage { cases, next }))
}

/// Publish a proposed case. Never the one who proposed it.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = PublishCaseRequest, responses((status = 200, body = CaseView),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/typical-cases/{case_id}/publish")]
async fn publish_typical_case(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    body: web::Json<PublishCaseRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ReviewCases)?;
    Ok(HttpResponse::Ok().json(cases::review(&dispatch, &caller.0, *id, Step::Publish, body.reason.as_deref()).await?))
}

/// Refuse a proposed case, with a reason. Never the one who proposed it.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = CaseReasonRequest, responses((status = 200, body = CaseView),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/typical-cases/{case_id}/refuse")]
async fn refuse_typical_case(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    body: web::Json<CaseReasonRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ReviewCases)?;
    Ok(HttpResponse::Ok().json(cases::review(&dispatch, &caller.0, *id, Step::Refuse, Some(body.reason.as_str())).await?))
}

/// Take a published case off again, with a reason. Never the one who proposed it.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = CaseReasonRequest, responses((status = 200, body = CaseView),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/typical-cases/{case_id}/withdraw")]
async fn withdraw_typical_case(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    body: web::Json<CaseReasonRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ReviewCases)?;
    Ok(HttpResponse::Ok().json(cases::review(&dispatch, &caller.0, *id, Step::Withdraw, Some(body.reason.as_str())).await?))
}

/// Published typical cases (典型案例), newest first, for everybody. Nothing in them leads to the subject. A case whose list entry turns out to
/// have been made wrongly disappears with the entry.
#[utoipa::path(tag = "joint action", params(PublicCaseParams), responses((status = 200, body = PublicCasePage), (status = 304),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/typical-cases")]
async fn list_typical_cases(
    request: HttpRequest,
    dispatch: web::Data<Dispatch>,
    params: web::Query<PublicCaseParams>,
) -> ApiResult<HttpResponse> {
    let limit = paging::limit(params.limit, dispatch.query.page_default, dispatch.query.page_max)?;
    let before: Option<Place> = params.cursor.as_deref().map(paging::decode).transpose()?;
    let (cases, last) = cases::published(&dispatch, params.kind.as_deref(), before, limit).await?;
    with_etag(&request, &PublicCasePage { cases, next: last.as_ref().map(paging::encode) })
}
