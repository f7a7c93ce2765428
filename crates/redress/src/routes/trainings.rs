//! Trainings and public commitments over HTTP.

use crate::model::trainings::{CommitmentPage, Indicator, NewTraining, TrainingView};
use crate::service::Redress;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::NaiveDate;
use credence_core::{Permission, paging};
use credence_web::{ApiResult, Caller, ProblemBody, with_etag};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config.service(record_training).service(training_indicator).service(list_commitments);
}

/// Record a training 信用修复培训 or interview 约谈 that a subject took part in.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = NewTraining,
    responses((status = 201, body = TrainingView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/repair-trainings")]
async fn record_training(caller: Caller, redress: web::Data<Redress>, body: web::Json<NewTraining>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::RecordTrainings)?;
    Ok(HttpResponse::Created().json(redress.record_training(&caller.0, body.into_inner()).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct IndicatorParams {
    /// The day; today when absent.
    on: Option<NaiveDate>,
}

/// How many of the subjects on lists of serious dishonesty took part in a training or interview 修复培训覆盖率.
#[utoipa::path(tag = "redress", security(("token" = [])), params(IndicatorParams),
    responses((status = 200, body = Indicator), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/repair-trainings/indicator")]
async fn training_indicator(caller: Caller, redress: web::Data<Redress>, params: web::Query<IndicatorParams>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::SuperviseCases)?;
    Ok(HttpResponse::Ok().json(redress.training_indicator(params.on).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CommitmentParams {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Commitments a page.
    limit: Option<i64>,
}

/// Commitments 信用承诺 of organisations that applied for repair, public now, newest first.
#[utoipa::path(tag = "redress", params(CommitmentParams),
    responses((status = 200, body = CommitmentPage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/repair-commitments")]
async fn list_commitments(
    request: HttpRequest,
    redress: web::Data<Redress>,
    params: web::Query<CommitmentParams>,
) -> ApiResult<HttpResponse> {
    let limit = paging::limit(params.limit, redress.query.page_default, redress.query.page_max)?;
    let before = params.cursor.as_deref().map(paging::decode).transpose()?;
    with_etag(&request, &redress.commitments(before, limit).await?)
}
