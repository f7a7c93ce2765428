//! The evaluation over HTTP.

use crate::model::evaluation::{EVALUATION_FORMAT_UNKNOWN, Evaluation};
use crate::service::Dispatch;
use crate::service::evaluation::{self, Question};
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpResponse, get, web};
use credence_core::Permission;
use credence_core::problem::Problem;
use credence_web::{ApiResult, Caller, ProblemBody};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config.service(evaluate_joint_action);
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EvaluationParams {
    /// How to compare: `agency`, `memorandum`, `measure`, `region`, `month`; up to three of them, separated by commas.
    by: String,
    /// First month, `YYYY-MM`.
    from: String,
    /// Last month, `YYYY-MM`; at most 60 months in all.
    to: String,
    /// Only directives of this agency (code or id); of those who act, their own.
    agency: Option<String>,
    /// Only directives under this memorandum.
    memorandum: Option<String>,
    /// Only directives of this measure.
    measure: Option<String>,
    /// Only directives whose entry belongs to this division or one within it.
    region: Option<String>,
    /// `json` (default) or `csv`.
    format: Option<String>,
}

/// What became of the directives issued in some months (分析评估), compared by up to three dimensions, with a total. The credit office and
/// the auditor see every agency, an agency its own directives. Counted are directives to carry something out, by the month of their issue in
/// China; those taken back before they were delivered are left out. The response rate is answered / issued, where what was released unanswered
/// before its last day to answer was over does not count as issued (`released_unanswered`); the feedback rate is with feedback / accepted; a rate of
/// nothing is null. A first feedback is late by the last day that stood before it was given. A day is 24 hours. The region is that of the list
/// entry, not that of the agency.
#[utoipa::path(tag = "joint action", security(("token" = [])), params(EvaluationParams),
    responses((status = 200, body = Evaluation, description = "JSON, or with `format=csv` the same as CSV with Chinese headers"),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/joint-action/evaluation")]
async fn evaluate_joint_action(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    params: web::Query<EvaluationParams>,
) -> ApiResult<HttpResponse> {
    if !caller.0.may(Permission::SuperviseJointAction) {
        caller.0.require(Permission::ActOnDirectives)?;
    }
    let EvaluationParams { by, from, to, agency, memorandum, measure, region, format } = params.into_inner();
    let as_csv = match format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(Problem::new(&EVALUATION_FORMAT_UNKNOWN).into()),
    };
    let question = Question { by, from, to, agency, memorandum, measure, region };
    let answer = evaluation::evaluate(&dispatch, &caller.0, &question).await?;
    if !as_csv {
        return Ok(HttpResponse::Ok().json(answer));
    }
    let name = format!("attachment; filename=\"joint-action-{}-{}.csv\"", answer.from, answer.to);
    let body = evaluation::csv(&answer)?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/csv; charset=utf-8")).insert_header((CONTENT_DISPOSITION, name)).body(body))
}
