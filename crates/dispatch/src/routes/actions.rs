//! Joint actions, and the measures and memoranda they rest on. Measures and memoranda are public: what was not published beforehand must not be
//! applied (上海条例 art. 32).

use crate::model::actions::{ActionView, Refusal};
use crate::service::Dispatch;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use credence_core::problem::Problem;
use credence_core::{Permission, paging};
use credence_web::{ApiResult, Caller, ProblemBody, with_etag};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(list_measures).service(list_memoranda);
    config.service(list_joint_actions).service(confirm_joint_action).service(refuse_joint_action);
}

/// A measure or memorandum as its file states it, with its version.
#[derive(Serialize, ToSchema)]
struct Published {
    /// Version.
    version: i32,
    /// Whether it is in force today.
    in_force: bool,
    /// Its attributes.
    #[serde(flatten)]
    #[schema(inline)]
    body: serde_json::Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
struct PublishedList {
    items: Vec<Published>,
}

fn published<T: Serialize>(version: i32, in_force: bool, body: &T) -> Result<Published, Problem> {
    match serde_json::to_value(body).map_err(Problem::internal)? {
        Value::Object(body) => Ok(Published { version, in_force, body }),
        other => Err(Problem::internal(format!("not an object: {other}"))),
    }
}

/// The measures 奖惩措施清单, those not in force included.
#[utoipa::path(tag = "joint action", responses((status = 200, body = PublishedList)))]
#[get("/measures")]
async fn list_measures(request: HttpRequest, dispatch: web::Data<Dispatch>) -> ApiResult<HttpResponse> {
    let configuration = dispatch.configuration.fresh(&dispatch.db).await?;
    let today = dispatch.clock.today();
    let items = configuration.measures.values().map(|m| published(m.version, m.body.in_force(today), &m.body)).collect::<Result<_, _>>()?;
    with_etag(&request, &PublishedList { items })
}

/// The memoranda 联合奖惩备忘录, those not in force included.
#[utoipa::path(tag = "joint action", responses((status = 200, body = PublishedList)))]
#[get("/memoranda")]
async fn list_memoranda(request: HttpRequest, dispatch: web::Data<Dispatch>) -> ApiResult<HttpResponse> {
    let configuration = dispatch.configuration.fresh(&dispatch.db).await?;
    let today = dispatch.clock.today();
    let items =
        configuration.memoranda.values().map(|m| published(m.version, m.body.in_force(today), &m.body)).collect::<Result<_, _>>()?;
    with_etag(&request, &PublishedList { items })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ActionParams {
    /// `proposed` (what waits for confirmation), `started`, `held`, `refused` or `ended`; all when absent.
    state: Option<String>,
    /// Of one list entry.
    entry_id: Option<Uuid>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Entries a page.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct ActionPage {
    items: Vec<ActionView>,
    /// Where the next page begins; absent on the last.
    next: Option<String>,
}

/// Joint actions, newest first.
#[utoipa::path(tag = "joint action", security(("token" = [])), params(ActionParams),
    responses((status = 200, body = ActionPage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/joint-actions")]
async fn list_joint_actions(caller: Caller, dispatch: web::Data<Dispatch>, params: web::Query<ActionParams>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::SuperviseJointAction)?;
    let p = params.into_inner();
    let limit = paging::limit(p.limit, dispatch.query.page_default, dispatch.query.page_max)?;
    let before = p.cursor.as_deref().map(paging::decode::<Uuid>).transpose()?;
    if p.state.as_deref().is_some_and(|state| !["proposed", "started", "held", "refused", "ended"].contains(&state)) {
        return Err(Problem::malformed(
            "state 不在允许的范围内；可为 proposed、started、held、refused、ended",
            "`state` is one of proposed, started, held, refused and ended",
        )
        .into());
    }
    let mut items = dispatch.actions(p.state.as_deref(), p.entry_id, before, limit + 1).await?;
    let more = i64::try_from(items.len()).unwrap_or(i64::MAX) > limit;
    items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = items.last().filter(|_| more).map(|last| paging::encode(&last.id));
    Ok(HttpResponse::Ok().json(ActionPage { items, next }))
}

/// Confirm that a listed entry starts joint action under a memorandum; its directives go out.
#[utoipa::path(tag = "joint action", security(("token" = [])),
    responses((status = 200, body = ActionView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/joint-actions/{action_id}/confirm")]
async fn confirm_joint_action(caller: Caller, dispatch: web::Data<Dispatch>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::StartJointAction)?;
    Ok(HttpResponse::Ok().json(dispatch.confirm_action(&caller.0, *id).await?))
}

/// Refuse to start it, with a reason.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = Refusal,
    responses((status = 200, body = ActionView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/joint-actions/{action_id}/refuse")]
async fn refuse_joint_action(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    body: web::Json<Refusal>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::StartJointAction)?;
    Ok(HttpResponse::Ok().json(dispatch.refuse_action(&caller.0, *id, &body.reason).await?))
}
