//! The check over HTTP.

use crate::model::checks::{CheckFeedbackRequest, CheckFeedbackView, CheckPage, CheckRecord, CheckRequest, SignedCheck};
use crate::service::Dispatch;
use crate::service::checks::ChecksAsked;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use credence_core::Permission;
use credence_core::problem::Problem;
use credence_web::idempotency::Key;
use credence_web::{ApiResult, Caller, ProblemBody};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(check_subject).service(list_checks).service(get_check).service(give_check_feedback);
}

/// 红黑名单核查: ask, from inside an approval system, on which lists a subject stands and which measures apply to this matter at this agency. That
/// nobody is known by what was given is an answer too (`result` is `none`). The answer is signed and kept; when a measure applies, report with the
/// `check_id` what came of it. The query is logged, and its subject can see it.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = CheckRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key is one check and gets the same answer")),
    responses((status = 200, body = SignedCheck), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/checks")]
async fn check_subject(
    request: HttpRequest,
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    body: web::Json<CheckRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::CheckSubjects)?;
    let asked = body.into_inner();
    // The body may hold a person's number, so what is kept of it is a keyed hash.
    let text = serde_json::to_string(&asked).map_err(Problem::internal)?;
    let key = Key::of(&request, &caller.0, &dispatch.keys.index("check.request", &text))?;
    Ok(HttpResponse::Ok().json(dispatch.check(&caller.0, asked, key).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CheckParams {
    /// `true`: only checks whose feedback is owed, the most urgent first; `false`: only the others; all when absent.
    owed: Option<bool>,
    /// Code of an agency, for those who supervise; all agencies when absent.
    agency: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Checks on a page.
    limit: Option<i64>,
}

/// Checks of the own agency, or of every agency for those who supervise, with what is owed on them.
#[utoipa::path(tag = "joint action", security(("token" = [])), params(CheckParams),
    responses((status = 200, body = CheckPage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/checks")]
async fn list_checks(caller: Caller, dispatch: web::Data<Dispatch>, params: web::Query<CheckParams>) -> ApiResult<HttpResponse> {
    if !caller.0.may(Permission::SuperviseJointAction) {
        caller.0.require(Permission::CheckSubjects)?;
    }
    let CheckParams { owed, agency, cursor, limit } = params.into_inner();
    Ok(HttpResponse::Ok().json(dispatch.checks(&caller.0, ChecksAsked { owed, agency, cursor, limit }).await?))
}

/// A check of the own agency as it was answered then, and what came of it.
#[utoipa::path(tag = "joint action", security(("token" = [])),
    responses((status = 200, body = CheckRecord), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/checks/{check_id}")]
async fn get_check(caller: Caller, dispatch: web::Data<Dispatch>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::CheckSubjects)?;
    Ok(HttpResponse::Ok().json(dispatch.stored_check(&caller.0, *id).await?))
}

/// Report what came of a check with a hit: measures applied, not applicable for a reason, or not decided yet. What settles it is given once.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = CheckFeedbackRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once and gets the same answer")),
    responses((status = 201, body = CheckFeedbackView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/checks/{check_id}/feedback")]
async fn give_check_feedback(
    request: HttpRequest,
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    body: web::Json<CheckFeedbackRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::CheckSubjects)?;
    let given = body.into_inner();
    let fingerprint = serde_json::to_vec(&given).map_err(Problem::internal)?;
    let key = Key::of(&request, &caller.0, &fingerprint)?;
    Ok(HttpResponse::Created().json(dispatch.give_check_feedback(&caller.0, *id, given, key).await?))
}
