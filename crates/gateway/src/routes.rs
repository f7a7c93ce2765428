//! Which path leads to which domain, and the OpenAPI document that follows from it.

use crate::app::App;
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, get, web};
use credence_core::problem::Result;
use credence_web::ProblemBody;
use serde::Serialize;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Info, License, OpenApi};
use utoipa::{OpenApi as _, ToSchema};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

/// Every route under `/v1`.
pub fn api(config: &mut ServiceConfig) {
    config
        .configure(credence_identity::routes::configure)
        .configure(credence_catalog::routes::configure)
        .configure(credence_records::routes::configure)
        .configure(credence_subjects::routes::configure)
        .configure(credence_attachments::routes::configure)
        .configure(credence_lists::routes::configure)
        .configure(credence_dispatch::routes::configure)
        .configure(credence_redress::routes::configure)
        .configure(credence_reports::configure)
        .service(live)
        .service(ready);
}

#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
}

/// Whether the program runs.
#[utoipa::path(tag = "operations", responses((status = 200, body = Health)))]
#[get("/health/live")]
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// Whether it can do its work: the database answers.
#[utoipa::path(tag = "operations", responses((status = 200, body = Health), (status = 503, body = ProblemBody, content_type = "application/problem+json")))]
#[get("/health/ready")]
async fn ready(app: web::Data<App>) -> credence_web::ApiResult<HttpResponse> {
    app.catalog.configuration.fresh(&app.db).await?;
    Ok(HttpResponse::Ok().json(Health { status: "ok" }))
}

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(ProblemBody)), tags(
    (name = "catalog", description = "公共信用信息目录: which statements may be held, in which form they arrive"),
    (name = "records", description = "归集: batches, verdicts, refused rows, corrections"),
    (name = "subjects", description = "信用主体: events, merges"),
    (name = "lists", description = "红黑名单: who stands on which list, and the procedure that leads there and away"),
    (name = "joint action", description = "联合奖惩: memoranda, measures, directives, checks, evaluation"),
    (name = "redress", description = "权益保障：异议与信用修复: cases, decisions, and their effects until they are true everywhere"),
    (name = "attachments", description = "附件"),
    (name = "files", description = "主体信用档案: what is said about a subject"),
    (name = "identity", description = "单位、账号与密钥"),
    (name = "audit", description = "审计"),
    (name = "operations", description = "运行状态")))]
struct Description;

/// The OpenAPI document of these routes, generated from the code.
pub fn openapi() -> OpenApi {
    let (_, mut document) =
        actix_web::App::new().into_utoipa_app().service(utoipa_actix_web::scope("/v1").configure(api)).split_for_parts();
    let mut base = Description::openapi();
    base.merge(std::mem::take(&mut document));
    base.info = Info::new("Credence", env!("CARGO_PKG_VERSION"));
    base.info.description = Some(
        "The backend with which a city shares public credit information (社会信用信息共享平台). Errors are RFC 9457 problems with a stable `code`; \
         see docs/API.md for conventions."
            .to_owned(),
    );
    base.info.license = None::<License>;
    let scheme =
        Http::builder().scheme(HttpAuthScheme::Bearer).description(Some("An access token of POST /v1/sessions, or an API key")).build();
    base.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
    base
}

/// The document as it is kept in docs/openapi.json.
///
/// # Errors
/// Only if the document cannot be written as JSON.
pub fn openapi_text() -> Result<String> {
    let mut text = openapi().to_pretty_json().map_err(credence_core::Problem::internal)?;
    text.push('\n');
    Ok(text)
}

/// Mounts everything onto an actix application: data, limits, authentication, routes, and the documentation with its browser.
pub fn mount(config: &mut web::ServiceConfig, app: &App) {
    credence_web::extractor_errors(config, app.settings.server.json_body_bytes_max);
    config
        .app_data(web::Data::new(app.clone()))
        .app_data(web::Data::new(app.identity.clone()))
        .app_data(web::Data::new(app.catalog.clone()))
        .app_data(web::Data::new(app.records.clone()))
        .app_data(web::Data::new(app.subjects.clone()))
        .app_data(web::Data::new(app.attachments.clone()))
        .app_data(web::Data::new(app.lists.clone()))
        .app_data(web::Data::new(app.dispatch.clone()))
        .app_data(web::Data::new(app.redress.clone()))
        .app_data(web::Data::new(app.reports.clone()))
        .service(utoipa_swagger_ui::SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", openapi()))
        .service(web::redirect("/", "/docs/"))
        .service(web::redirect("/docs", "/docs/"));
    // The function that describes the routes is the one that mounts them: no route without a description.
    let scope = web::scope("/v1").wrap(from_fn(credence_identity::middleware::authenticate));
    config.service(scope.configure(|inner| api(&mut ServiceConfig::new(inner))));
}
