//! Attachments over HTTP.

use crate::model::{AttachmentView, TOO_MANY_UPLOADS};
use crate::service::Attachments;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, Charset, ContentDisposition, DispositionParam, DispositionType, ExtendedValue,
    X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use credence_audit::access::{Statement, logged};
use credence_core::problem::{NOT_FOUND, Problem, Result};
use credence_core::{Actor, Permission, SubjectId};
use credence_web::{ApiResult, Caller, ProblemBody};
use futures_util::StreamExt;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config.service(upload_attachment).service(get_attachment).service(upload_own_attachment);
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UploadParams {
    /// Name of the file, for people; it must not tell of a natural person. Counts only where the header names no file.
    file_name: Option<String>,
}

/// Whoever reports on directives, takes cases in at the counter, or proposes list entries has something to attach.
fn may_upload(actor: &Actor) -> Result<()> {
    let attaches = [Permission::ActOnDirectives, Permission::TakeCases].into_iter().any(|permission| actor.may(permission));
    if attaches { Ok(()) } else { actor.require(Permission::ProposeListing) }
}

fn may_read(actor: &Actor) -> Result<()> {
    if actor.may(Permission::SuperviseJointAction) { Ok(()) } else { may_upload(actor) }
}

/// The name of the file as the sender gives it: in the header, else in the address, where it can stand in the logs of whatever lies between.
fn stated_name(request: &HttpRequest, params: UploadParams) -> Result<String> {
    let unread = || {
        Problem::malformed(
            "Content-Disposition 无法解析；请写作 attachment; filename*=UTF-8''百分号编码的文件名",
            "`Content-Disposition` cannot be read; write attachment; filename*=UTF-8''name, percent-encoded",
        )
    };
    if let Some(header) = request.headers().get(CONTENT_DISPOSITION) {
        let disposition = ContentDisposition::from_raw(header).map_err(|_| unread())?;
        if let Some(name) = disposition.get_filename_ext() {
            if !name.charset.to_string().eq_ignore_ascii_case("UTF-8") {
                return Err(unread());
            }
            return String::from_utf8(name.value.clone()).map_err(|_| unread());
        }
        if let Some(name) = disposition.get_filename() {
            return Ok(name.to_owned());
        }
    }
    Ok(params.file_name.unwrap_or_default())
}

/// Upload an attachment for the own agency. The body is the file itself. Its name is best given in the header `Content-Disposition`, since addresses
/// stand in logs; a name that holds a resident ID or mobile number is refused. Its kind is found in its content, whatever its name says. Kinds, the
/// largest size, how many uploads are taken at the same time and how much an agency may upload on a day are settings.
#[utoipa::path(tag = "attachments", security(("token" = [])),
    params(UploadParams, ("Content-Disposition" = Option<String>, Header, description = "`attachment; filename*=UTF-8''name`, percent-encoded (RFC 8187)")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = AttachmentView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/attachments")]
async fn upload_attachment(
    request: HttpRequest,
    caller: Caller,
    attachments: web::Data<Attachments>,
    params: web::Query<UploadParams>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    may_upload(&caller.0)?;
    let name = stated_name(&request, params.into_inner())?;
    // Before anything of it is in memory.
    let _place = attachments.uploads.try_acquire().map_err(|_| Problem::new(&TOO_MANY_UPLOADS))?;
    let bytes = read_body(&attachments, payload).await?;
    let view = attachments.put(&caller.0, &name, bytes).await?;
    Ok(HttpResponse::Created().insert_header(("Location", format!("/v1/attachments/{}", view.id))).json(view))
}

/// Upload a paper for a case of the own subject. The body is the file itself, as with `POST /v1/attachments`; the case names it when it is filed or
/// papers are added, and it is read through the case.
#[utoipa::path(tag = "attachments", security(("token" = [])),
    params(UploadParams, ("Content-Disposition" = Option<String>, Header, description = "`attachment; filename*=UTF-8''name`, percent-encoded (RFC 8187)")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = AttachmentView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/me/subjects/{subject_id}/attachments")]
async fn upload_own_attachment(
    request: HttpRequest,
    caller: Caller,
    attachments: web::Data<Attachments>,
    subject: web::Path<Uuid>,
    params: web::Query<UploadParams>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::FileCases)?;
    if !caller.0.subjects.contains(&SubjectId(*subject)) {
        return Err(Problem::new(&NOT_FOUND).into());
    }
    let name = stated_name(&request, params.into_inner())?;
    let _place = attachments.uploads.try_acquire().map_err(|_| Problem::new(&TOO_MANY_UPLOADS))?;
    let bytes = read_body(&attachments, payload).await?;
    let view = attachments.put_for_subject(&caller.0, *subject, &name, bytes).await?;
    Ok(HttpResponse::Created().json(view))
}

async fn read_body(attachments: &Attachments, mut payload: web::Payload) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|e| Problem::malformed(format!("上传中断：{e}"), format!("the upload broke off: {e}")))?;
        // Before it is in memory, not after.
        if bytes.len() + piece.len() > attachments.settings.size_bytes_max {
            return Err(attachments.too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// An attachment of the own agency, or any for those who supervise joint action, exactly as it was uploaded.
#[utoipa::path(tag = "attachments", security(("token" = [])),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream", description = "The file, with its own media type"),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/attachments/{attachment_id}")]
async fn get_attachment(caller: Caller, attachments: web::Data<Attachments>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    may_read(&caller.0)?;
    let statement = Statement { action: "attachment.read", ..Statement::default() };
    let now = attachments.clock.now();
    let (view, bytes) =
        logged(&attachments.db, &caller.0, statement, now, async || Ok((None, attachments.get(&caller.0, *id).await?))).await?;
    Ok(download(view, bytes))
}

/// The answer that gives an attachment out. It is saved, never shown in place: what somebody uploaded is not to run as a page of this address.
pub fn download(view: AttachmentView, bytes: Vec<u8>) -> HttpResponse {
    let name = ExtendedValue { charset: Charset::Ext("UTF-8".to_owned()), language_tag: None, value: view.file_name.into_bytes() };
    let disposition =
        ContentDisposition { disposition: DispositionType::Attachment, parameters: vec![DispositionParam::FilenameExt(name)] };
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, view.media_type))
        .insert_header(disposition)
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(bytes)
}
