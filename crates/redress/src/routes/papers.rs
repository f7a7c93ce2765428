//! Papers of cases over HTTP.

use crate::service::Redress;
use actix_web::{HttpResponse, get, web};
use credence_attachments::routes::download;
use credence_core::Permission;
use credence_core::problem::{FORBIDDEN, Problem};
use credence_web::{ApiResult, Caller, ProblemBody};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config.service(get_paper);
}

/// A paper 申请材料 of a case, exactly as it was uploaded: for the subject whose case it is, the agency whose clerk took it in, and the agencies that
/// decide its lines; for the credit office while it has to look whether the error is the platform's own.
#[utoipa::path(tag = "redress", security(("token" = [])),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream", description = "The file, with its own media type"),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/cases/{case_id}/papers/{paper_id}/content")]
async fn get_paper(caller: Caller, redress: web::Data<Redress>, path: web::Path<(Uuid, Uuid)>) -> ApiResult<HttpResponse> {
    let readers = [Permission::FileCases, Permission::TakeCases, Permission::HandleCases, Permission::CheckCases];
    if !readers.into_iter().any(|permission| caller.0.may(permission)) {
        return Err(Problem::new(&FORBIDDEN).into());
    }
    let (case, paper) = path.into_inner();
    let (view, bytes) = redress.paper(&caller.0, case, paper).await?;
    Ok(download(view, bytes))
}
