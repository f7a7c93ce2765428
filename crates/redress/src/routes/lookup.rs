//! Following a case by its number and code, without a login.

use crate::model::cases::CaseView;
use crate::service::Redress;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, post, web};
use credence_audit::access::{Statement, logged};
use credence_core::Actor;
use credence_web::{ApiResult, ProblemBody};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(look_up_case);
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CaseLookup {
    /// Number 办件编号.
    case_no: String,
    /// Code 查询码, as it was shown when the case was filed.
    code: String,
}

/// Look a case up by its number and code. A wrong number and a wrong code get the same answer; after several wrong codes the case does not open that way
/// for a time.
#[utoipa::path(tag = "redress", request_body = CaseLookup,
    responses((status = 200, body = CaseView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/case-lookups")]
async fn look_up_case(redress: web::Data<Redress>, body: web::Json<CaseLookup>) -> ApiResult<HttpResponse> {
    // Whoever has the code acts for the applicant, and nobody knows who it is.
    let actor = Actor::system("case-lookup");
    let statement = Statement { action: "case.lookup", purpose: Some("凭办件编号与查询码查询"), ..Statement::default() };
    let view = logged(&redress.db, &actor, statement, redress.clock.now(), async || {
        let id = redress.open_by_code(&body.case_no, &body.code).await?;
        let view = redress.applicants_view(id).await?;
        Ok((Some(view.subject_id), view))
    })
    .await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(view))
}
