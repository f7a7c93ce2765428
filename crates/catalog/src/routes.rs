//! The catalogue over HTTP. It is public: a subject has a right to know what may be held about it.

use crate::configuration::{Configuration, ConfigurationHandle, VersionedItem};
use crate::model::{Field, Item, Nature};
use crate::{json_schema, template};
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::NaiveDate;
use credence_core::clock::Clock;
use credence_core::problem::{NOT_FOUND, Problem};
use credence_db::Db;
use credence_web::{ApiError, ApiResult, ProblemBody, with_etag};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// What the handlers need.
#[derive(Clone)]
pub struct Catalog {
    /// The database.
    pub db: Db,
    /// What is in force.
    pub configuration: ConfigurationHandle,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config.service(list_catalog_items).service(get_catalog_item).service(get_catalog_item_schema).service(get_catalog_item_template);
}

/// An item in a list.
#[derive(Serialize, ToSchema)]
struct ItemSummary {
    code: String,
    version: i32,
    name: String,
    name_en: String,
    heading: String,
    section: String,
    /// `basic`, `commendable` or `adverse`.
    nature: String,
    state: String,
    effective_from: NaiveDate,
    effective_to: Option<NaiveDate>,
    /// Whether rows may be stored under it today.
    in_force: bool,
}

#[derive(Serialize, ToSchema)]
struct ItemList {
    items: Vec<ItemSummary>,
}

/// An item with every attribute of 公共信用信息目录.
#[derive(Serialize, ToSchema)]
struct ItemView {
    #[serde(flatten)]
    #[schema(inline)]
    summary: ItemSummary,
    subject_kinds: Vec<String>,
    provider_kinds: Vec<String>,
    disclosure: String,
    coverage: String,
    update_cycle: String,
    behaviour: String,
    channel: String,
    /// Whole years; absent means long-term.
    retention_years: Option<u32>,
    legal_basis: Vec<String>,
    /// Law that makes rows about natural persons public, where there is one.
    person_public_basis: Option<String>,
    /// Feed versions; every upload names one.
    feeds: Vec<String>,
    fields: Vec<FieldView>,
}

#[derive(Serialize, ToSchema)]
struct FieldView {
    code: String,
    name: String,
    name_en: String,
    /// Further headers that are recognised.
    headers: Vec<String>,
    #[serde(rename = "type")]
    of_type: String,
    max_chars: Option<usize>,
    unit: Option<String>,
    required: bool,
    /// `field` and the texts of which one makes this field required.
    #[schema(value_type = Option<Object>)]
    required_if: Option<crate::model::RequiredIf>,
    key: bool,
    code_set: Option<String>,
    values: Vec<String>,
    /// `public`, `gov_shared`, `authorised` or `sealed`.
    disclosure: String,
}

fn word<T: Serialize>(value: T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn summary(v: &VersionedItem, today: NaiveDate) -> ItemSummary {
    let Item { code, name, name_en, heading, section, effective_from, effective_to, .. } = v.item.clone();
    let nature: Nature = v.item.nature;
    let (state, in_force) = (word(v.item.state), v.item.in_force(today));
    ItemSummary {
        code,
        version: v.version,
        name,
        name_en,
        heading,
        section,
        nature: word(nature),
        state,
        effective_from,
        effective_to,
        in_force,
    }
}

fn field_view(item: &Item, field: &Field, configuration: &Configuration) -> FieldView {
    FieldView {
        code: field.code.clone(),
        name: field.name.clone(),
        name_en: field.name_en.clone(),
        headers: field.headers.clone(),
        of_type: word(field.of_type),
        max_chars: (field.of_type == crate::model::FieldType::Text).then_some(field.max_chars),
        unit: field.unit.clone(),
        required: field.required,
        required_if: field.required_if.clone(),
        key: field.key,
        code_set: field.code_set.clone(),
        values: crate::json_schema::values(field, configuration),
        disclosure: word(item.class_of(field)),
    }
}

fn find(configuration: &Configuration, code: &str) -> ApiResult<Arc<VersionedItem>> {
    configuration.items.get(code).cloned().ok_or_else(|| ApiError(Problem::new(&NOT_FOUND)))
}

/// The catalogue of public credit information 公共信用信息目录.
#[utoipa::path(tag = "catalog", responses((status = 200, body = ItemList)))]
#[get("/catalog")]
async fn list_catalog_items(request: HttpRequest, catalog: web::Data<Catalog>) -> ApiResult<HttpResponse> {
    let configuration = catalog.configuration.fresh(&catalog.db).await?;
    let today = catalog.clock.today();
    with_etag(&request, &ItemList { items: configuration.items.values().map(|v| summary(v, today)).collect() })
}

/// One item with its attributes and fields.
#[utoipa::path(tag = "catalog", responses((status = 200, body = ItemView), (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
#[get("/catalog/{code}")]
async fn get_catalog_item(request: HttpRequest, catalog: web::Data<Catalog>, code: web::Path<String>) -> ApiResult<HttpResponse> {
    let configuration = catalog.configuration.fresh(&catalog.db).await?;
    let v = find(&configuration, &code)?;
    let item = &v.item;
    with_etag(
        &request,
        &ItemView {
            summary: summary(&v, catalog.clock.today()),
            subject_kinds: item.subject_kinds.iter().map(|k| k.code().to_owned()).collect(),
            provider_kinds: item.provider_kinds.clone(),
            disclosure: word(item.disclosure),
            coverage: item.coverage.clone(),
            update_cycle: item.update_cycle.clone(),
            behaviour: item.behaviour.clone(),
            channel: item.channel.clone(),
            retention_years: item.retention_years,
            legal_basis: item.legal_basis.clone(),
            person_public_basis: item.person_public_basis.clone(),
            feeds: item.feeds.iter().map(|f| f.version.clone()).collect(),
            fields: item.fields.iter().map(|f| field_view(item, f, &configuration)).collect(),
        },
    )
}

/// The item as JSON Schema 2020-12, for checking rows before they are pushed.
#[utoipa::path(tag = "catalog", responses((status = 200, body = Object, content_type = "application/schema+json"), (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
#[get("/catalog/{code}/schema")]
async fn get_catalog_item_schema(catalog: web::Data<Catalog>, code: web::Path<String>) -> ApiResult<HttpResponse> {
    let configuration = catalog.configuration.fresh(&catalog.db).await?;
    let v = find(&configuration, &code)?;
    let schema = json_schema(&v.item, v.version, &configuration);
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/schema+json")).body(schema.to_string()))
}

/// The item's XLSX template: headers, drop-downs, two example rows, instructions.
#[utoipa::path(tag = "catalog", responses((status = 200, body = Vec<u8>, content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
#[get("/catalog/{code}/template.xlsx")]
async fn get_catalog_item_template(catalog: web::Data<Catalog>, code: web::Path<String>) -> ApiResult<HttpResponse> {
    let configuration = catalog.configuration.fresh(&catalog.db).await?;
    let v = find(&configuration, &code)?;
    let bytes = template(&v.item, &configuration)?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{}.xlsx\"", v.item.code)))
        .body(bytes))
}
