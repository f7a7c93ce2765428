//! Steps of lines over HTTP: self-check, acceptance, decision, stops, extension, review. Each answers with the line as it stands after it.

use crate::model::decisions::{NewDecision, NewReviewDecision, NewSelfCheck, NewStop, NewUnshield, Nothing, Reasoned};
use crate::model::lines::LineView;
use crate::service::Redress;
use actix_web::{HttpResponse, post, web};
use credence_core::{Actor, Permission};
use credence_web::{ApiResult, Caller, ProblemBody};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config.service(check_line).service(accept_line).service(not_accept_line).service(decide_line);
    config.service(stop_line).service(resume_line).service(extend_line).service(decide_line_review).service(unshield_line);
}

async fn changed(redress: &Redress, actor: &Actor, line: Uuid) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(redress.line(actor, line).await?))
}

/// Enter the platform's self-check 平台自查 of a dispute: forward it to the provider, or put the platform's own error right.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = NewSelfCheck,
    responses((status = 200, body = LineView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/case-lines/{line_id}/self-check")]
async fn check_line(
    caller: Caller,
    redress: web::Data<Redress>,
    id: web::Path<Uuid>,
    body: web::Json<NewSelfCheck>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::CheckCases)?;
    redress.self_check(&caller.0, *id, body.into_inner()).await?;
    changed(&redress, &caller.0, *id).await
}

/// Accept 受理 a dispute that was forwarded, or an application for repair.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = Nothing,
    responses((status = 200, body = LineView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/case-lines/{line_id}/accept")]
async fn accept_line(
    caller: Caller,
    redress: web::Data<Redress>,
    id: web::Path<Uuid>,
    _body: web::Json<Nothing>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::HandleCases)?;
    redress.accept(&caller.0, *id).await?;
    changed(&redress, &caller.0, *id).await
}

/// Do not accept 不予受理 an application for repair, with reasons.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = Reasoned,
    responses((status = 200, body = LineView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/case-lines/{line_id}/not-accept")]
async fn not_accept_line(
    caller: Caller,
    redress: web::Data<Redress>,
    id: web::Path<Uuid>,
    body: web::Json<Reasoned>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::DecideCases)?;
    redress.not_accept(&caller.0, *id, body.into_inner()).await?;
    changed(&redress, &caller.0, *id).await
}

/// Decide a line, as an approver who did not accept it. It is true at once.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = NewDecision,
    responses((status = 200, body = LineView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/case-lines/{line_id}/decide")]
async fn decide_line(
    caller: Caller,
    redress: web::Data<Redress>,
    id: web::Path<Uuid>,
    body: web::Json<NewDecision>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::DecideCases)?;
    redress.decide(&caller.0, *id, body.into_inner()).await?;
    changed(&redress, &caller.0, *id).await
}

/// Stop the clock 期限中止 of an accepted dispute for an inspection, appraisal or expert review.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = NewStop,
    responses((status = 200, body = LineView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/case-lines/{line_id}/stop")]
async fn stop_line(caller: Caller, redress: web::Data<Redress>, id: web::Path<Uuid>, body: web::Json<NewStop>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::HandleCases)?;
    redress.stop(&caller.0, *id, body.into_inner()).await?;
    changed(&redress, &caller.0, *id).await
}

/// Let the clock go on 期限恢复.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = Nothing,
    responses((status = 200, body = LineView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/case-lines/{line_id}/resume")]
async fn resume_line(
    caller: Caller,
    redress: web::Data<Redress>,
    id: web::Path<Uuid>,
    _body: web::Json<Nothing>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::HandleCases)?;
    redress.resume(&caller.0, *id).await?;
    changed(&redress, &caller.0, *id).await
}

/// Approve an extension 延长期限, once, as an approver who did not accept the line.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = Reasoned,
    responses((status = 200, body = LineView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/case-lines/{line_id}/extend")]
async fn extend_line(
    caller: Caller,
    redress: web::Data<Redress>,
    id: web::Path<Uuid>,
    body: web::Json<Reasoned>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::DecideCases)?;
    redress.extend(&caller.0, *id, body.into_inner()).await?;
    changed(&redress, &caller.0, *id).await
}

/// Decide a review 复核 of a line, as an approver who did not decide it before.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = NewReviewDecision,
    responses((status = 200, body = LineView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/case-lines/{line_id}/decide-review")]
async fn decide_line_review(
    caller: Caller,
    redress: web::Data<Redress>,
    id: web::Path<Uuid>,
    body: web::Json<NewReviewDecision>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::DecideCases)?;
    redress.decide_review(&caller.0, *id, body.into_inner()).await?;
    changed(&redress, &caller.0, *id).await
}

/// End a shielding 终止屏蔽: the record is shown again.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = NewUnshield,
    responses((status = 200, body = LineView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/case-lines/{line_id}/unshield")]
async fn unshield_line(
    caller: Caller,
    redress: web::Data<Redress>,
    id: web::Path<Uuid>,
    body: web::Json<NewUnshield>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::DecideCases)?;
    redress.unshield(&caller.0, *id, body.into_inner()).await?;
    changed(&redress, &caller.0, *id).await
}
