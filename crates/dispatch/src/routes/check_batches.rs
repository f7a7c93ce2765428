//! Batch checks over HTTP.

use crate::model::check_batches::{CHECK_BATCH_BODY_TOO_LARGE, CheckBatchRequest, CheckBatchView};
use crate::service::{Dispatch, check_batches};
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use credence_core::Permission;
use credence_core::problem::{NOT_FOUND, Problem};
use credence_web::idempotency::Key;
use credence_web::{ApiResult, Caller, ProblemBody};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(submit_check_batch).service(get_check_batch).service(get_check_batch_result);
}

/// Check up to 10,000 subjects for one matter. They are answered one by one by a job, each as a single check is and with the same duty to report;
/// follow the batch, then download the result. A subject that cannot be read gets a problem and does not hold up the others.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = CheckBatchRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once and gets the same answer")),
    responses((status = 202, body = CheckBatchView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/check-batches")]
async fn submit_check_batch(
    request: HttpRequest,
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::CheckSubjects)?;
    // Larger than other bodies may be, so it is read here, up to a limit of its own.
    let limit = dispatch.settings.check_batch_body_bytes_max;
    let broken = |e: &dyn std::fmt::Display| Problem::malformed(format!("上传中断：{e}"), format!("the upload broke off: {e}"));
    let unread = |e: &dyn std::fmt::Display| Problem::malformed(format!("正文：{e}"), format!("body: {e}"));
    let read = payload.to_bytes_limited(limit).await;
    let body = read.map_err(|_| Problem::new(&CHECK_BATCH_BODY_TOO_LARGE).with("limit_bytes", limit))?.map_err(|e| broken(&e))?;
    let text = std::str::from_utf8(&body).map_err(|e| unread(&e))?;
    let asked: CheckBatchRequest = serde_json::from_str(text).map_err(|e| unread(&e))?;
    // The body may hold persons' numbers, so what is kept of it is a keyed hash.
    let key = Key::of(&request, &caller.0, &dispatch.keys.index("check_batch.request", text))?;
    let batch = dispatch.submit_check_batch(&caller.0, asked, key).await?;
    Ok(HttpResponse::Accepted().insert_header(("Location", format!("/v1/check-batches/{}", batch.id))).json(batch))
}

/// A batch check of the own agency and how far it is.
#[utoipa::path(tag = "joint action", security(("token" = [])),
    responses((status = 200, body = CheckBatchView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/check-batches/{check_batch_id}")]
async fn get_check_batch(caller: Caller, dispatch: web::Data<Dispatch>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::CheckSubjects)?;
    Ok(HttpResponse::Ok().json(dispatch.check_batch(&caller.0, *id).await?))
}

/// The result of a completed batch check, as `result.csv` or `result.xlsx`: one line a subject, in the order they were sent, each with the time of its
/// answer and the disclaimer. A line whose answer names an entry that has changed since says so (名单状态已变更，请重新核查).
#[utoipa::path(tag = "joint action", security(("token" = [])), responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/check-batches/{check_batch_id}/result.{format}")]
async fn get_check_batch_result(caller: Caller, dispatch: web::Data<Dispatch>, path: web::Path<(Uuid, String)>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::CheckSubjects)?;
    let (id, format) = path.into_inner();
    let (media_type, body) = match format.as_str() {
        "csv" => ("text/csv; charset=utf-8", check_batches::csv(&dispatch, &caller.0, id).await?),
        "xlsx" => {
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", check_batches::xlsx(&dispatch, &caller.0, id).await?)
        }
        _ => return Err(Problem::new(&NOT_FOUND).into()),
    };
    let name = format!("attachment; filename=\"check-{id}.{format}\"");
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, media_type)).insert_header((CONTENT_DISPOSITION, name)).body(body))
}
