//! The dry run of changed rules over HTTP.

use crate::service::Redress;
use crate::service::rules_diff::{RulesDiff, RulesDiffRequest};
use actix_web::{HttpResponse, post, web};
use credence_core::Permission;
use credence_web::{ApiResult, Caller, ProblemBody};
use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(diff_rules);
}

/// Who would be affected if these rules came into force: over the stored records, whose publicity would end earlier or later, who could be repaired from
/// another day, and which deadlines of open cases would move. The rules are checked as `config apply` checks them. Nothing is changed.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = RulesDiffRequest,
    responses((status = 200, body = RulesDiff), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/rules/diff")]
async fn diff_rules(caller: Caller, redress: web::Data<Redress>, body: web::Json<RulesDiffRequest>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageConfig)?;
    Ok(HttpResponse::Ok().json(redress.rules_diff(body.into_inner()).await?))
}
