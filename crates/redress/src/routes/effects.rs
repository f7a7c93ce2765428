//! Effects over HTTP, for those who supervise: what was decided and is not true everywhere yet, and the proof that the rest is.

use crate::model::effects::{EffectView, Verification};
use crate::service::Redress;
use crate::store::effects::EffectsAsked;
use actix_web::{HttpResponse, get, post, web};
use credence_audit::access::{Statement, logged};
use credence_core::{Permission, paging};
use credence_web::{ApiResult, Caller, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

/// Mounts the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(list_effects).service(verify_effects);
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EffectParams {
    /// `true`: something has not followed yet; `false`: everything has.
    open: Option<bool>,
    /// `true`: open although its last day is over; `false`: the others.
    overdue: Option<bool>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Effects a page.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct EffectPage {
    items: Vec<EffectView>,
    /// Where the next page begins; absent on the last.
    next: Option<String>,
}

/// Changes of records and entries that have to take effect everywhere 修复与异议结果的落实, newest first, each with everything and everybody that has to
/// follow, and with the receipts.
#[utoipa::path(tag = "redress", security(("token" = [])), params(EffectParams),
    responses((status = 200, body = EffectPage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/effects")]
async fn list_effects(caller: Caller, redress: web::Data<Redress>, params: web::Query<EffectParams>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::SuperviseCases)?;
    let p = params.into_inner();
    let limit = paging::limit(p.limit, redress.query.page_default, redress.query.page_max)?;
    let before = p.cursor.as_deref().map(paging::decode).transpose()?;
    let asked = EffectsAsked { open: p.open, overdue: p.overdue, before };
    let statement = Statement { action: "effects.list", ..Statement::default() };
    let (items, next) =
        logged(&redress.db, &caller.0, statement, redress.clock.now(), async || Ok((None, redress.effects(&asked, limit).await?))).await?;
    Ok(HttpResponse::Ok().json(EffectPage { items, next }))
}

/// Look at the data whether anything still shows what was repaired, shielded, deleted by a case or taken off a list, and whether every such change is
/// followed. What stands until an authority has decided or an agency has acted is told apart, as long as its day is not over.
#[utoipa::path(tag = "redress", security(("token" = [])),
    responses((status = 200, body = Verification), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/effects/verify")]
async fn verify_effects(caller: Caller, redress: web::Data<Redress>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::SuperviseCases)?;
    let statement = Statement { action: "effects.verify", ..Statement::default() };
    let found = logged(&redress.db, &caller.0, statement, redress.clock.now(), async || Ok((None, redress.verify().await?))).await?;
    Ok(HttpResponse::Ok().json(found))
}
