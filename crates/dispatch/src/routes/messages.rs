//! Agency messages over HTTP, for every agency: those that pull an inbox find them there as well.

use crate::model::messages::{Acknowledged, Acknowledgement, AgencyMessageView};
use crate::service::Dispatch;
use crate::service::messages::{MessageFilter, PURPOSE};
use actix_web::{HttpResponse, get, post, web};
use credence_audit::access::{Statement, logged};
use credence_core::problem::{FORBIDDEN, Problem, Result};
use credence_core::{Actor, Permission, paging};
use credence_web::{ApiResult, Caller, ProblemBody};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(list_agency_messages).service(acknowledge_agency_message);
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AgencyMessageParams {
    /// Topic, as `list.ground_questioned`.
    topic: Option<String>,
    /// `true`: has to be acknowledged and was not; `false`: the others.
    open: Option<bool>,
    /// To one agency, for those who supervise.
    agency_id: Option<Uuid>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Messages a page.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct AgencyMessagePage {
    items: Vec<AgencyMessageView>,
    /// Where the next page begins; absent on the last.
    next: Option<String>,
}

/// Whoever acts for an agency in any of its duties is told what the agency is told.
const TOLD: [Permission; 3] = [Permission::ActOnDirectives, Permission::SubmitRecords, Permission::ProposeListing];

fn require_told(actor: &Actor) -> Result<()> {
    if TOLD.iter().any(|permission| actor.may(*permission)) { Ok(()) } else { Err(Problem::new(&FORBIDDEN)) }
}

/// Messages to the own agency beside directives 工作消息, newest first; or to every agency for those who supervise, with what was withdrawn before anybody
/// had it. Reading the own ones here delivers them, as reading the inbox does. An API key's limits to items and regions do not narrow them.
#[utoipa::path(tag = "joint action", security(("token" = [])), params(AgencyMessageParams),
    responses((status = 200, body = AgencyMessagePage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/agency-messages")]
async fn list_agency_messages(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    params: web::Query<AgencyMessageParams>,
) -> ApiResult<HttpResponse> {
    if !caller.0.may(Permission::SuperviseJointAction) {
        require_told(&caller.0)?;
    }
    let p = params.into_inner();
    let limit = paging::limit(p.limit, dispatch.query.page_default, dispatch.query.page_max)?;
    let before = p.cursor.as_deref().map(paging::decode).transpose()?;
    let filter = MessageFilter { topic: p.topic, open: p.open, agency: p.agency_id, before };
    let statement = Statement { action: "agency_messages.list", purpose: Some(PURPOSE), ..Statement::default() };
    let (items, next) = logged(&dispatch.db, &caller.0, statement, dispatch.clock.now(), async || {
        Ok((None, dispatch.agency_messages(&caller.0, &filter, limit).await?))
    })
    .await?;
    Ok(HttpResponse::Ok().json(AgencyMessagePage { items, next }))
}

/// Say what was done about a message whose `receipt` is true 回执. The same text again gets the same answer; another text is refused.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = Acknowledgement,
    responses((status = 200, body = Acknowledged), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/agency-messages/{message_id}/acknowledge")]
async fn acknowledge_agency_message(
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    body: web::Json<Acknowledgement>,
) -> ApiResult<HttpResponse> {
    require_told(&caller.0)?;
    Ok(HttpResponse::Ok().json(dispatch.acknowledge_message(&caller.0, *id, &body.text).await?))
}
