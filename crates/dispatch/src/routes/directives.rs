//! Directives over HTTP: the inbox, the list, and what agencies answer.

use crate::model::directives::{Declining, DirectiveActed, DirectiveView, InboxPage, InboxPosition, NewFeedback};
use crate::service::Dispatch;
use crate::service::directives::{DirectiveFilter, PURPOSE};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::NaiveDate;
use credence_audit::access::{Statement, logged};
use credence_core::paging::{self, BAD_CURSOR};
use credence_core::problem::{Problem, Result};
use credence_core::{Actor, Permission};
use credence_web::idempotency::Key;
use credence_web::{ApiResult, Caller, ProblemBody};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(read_inbox).service(list_directives).service(get_directive);
    config.service(accept_directive).service(decline_directive).service(report_directive).service(complete_directive);
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InboxParams {
    /// `next` of the call before; from the beginning when absent.
    after: Option<String>,
    /// Seconds to wait for something new when there is nothing; none when absent.
    wait: Option<u64>,
    /// Messages at most.
    limit: Option<i64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DirectiveParams {
    /// `delivered`, `accepted`, `declined`, `reported`, `released` or `completed`; for those who supervise also `proposed`, `issued`, `held` and
    /// `cancelled`.
    state: Option<String>,
    /// `execute` or `release`.
    kind: Option<String>,
    /// `true`: the last day is over; `false`: it is not, or nothing is asked.
    overdue: Option<bool>,
    /// `true`: overdue for so long that it went to the credit office.
    escalated: Option<bool>,
    /// Due before this day (`YYYY-MM-DD`).
    due_before: Option<NaiveDate>,
    /// Code of the measure.
    measure: Option<String>,
    /// Of one list entry.
    entry_id: Option<Uuid>,
    /// Code of the agency, for those who supervise.
    agency: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Directives a page.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct DirectivePage {
    items: Vec<DirectiveView>,
    /// Where the next page begins; absent on the last.
    next: Option<String>,
}

fn require_reading(actor: &Actor) -> Result<()> {
    if actor.may(Permission::SuperviseJointAction) { Ok(()) } else { actor.require(Permission::ActOnDirectives) }
}

/// The directives, releases, reminders and updates of the own agency and what it is told besides (agency messages), in the order in which they were put out. Read it with an account or an API key; the items and
/// regions that a key is limited to do not narrow what its own agency is told to do. Store the messages, then pass `next` as `after`; a message that comes
/// again is known by its `id`. Without `after` the inbox begins anew: what was lifted since is shown as `released`. Handing a directive out makes it
/// `delivered`. A directive whose ground is in doubt at this moment is not handed out, nor is anything behind it until that is settled. One call of an agency
/// waits at a time: a second one that would have to wait is refused (`inbox_busy`), one that finds something is not.
#[utoipa::path(tag = "joint action", security(("token" = [])), params(InboxParams),
    responses((status = 200, body = InboxPage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/inbox")]
async fn read_inbox(caller: Caller, dispatch: web::Data<Dispatch>, params: web::Query<InboxParams>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ActOnDirectives)?;
    let limit = paging::limit(params.limit, dispatch.query.page_default, dispatch.query.page_max)?;
    let after: InboxPosition = params.after.as_deref().map(paging::decode).transpose()?.unwrap_or_default();
    if after.xid < 0 {
        return Err(Problem::new(&BAD_CURSOR).into());
    }
    let (wait, max) = (params.wait.unwrap_or(0), dispatch.settings.inbox_wait_seconds_max);
    if wait > max {
        let problem = Problem::malformed(format!("wait 最长 {max} 秒；请缩短"), format!("`wait` is at most {max} seconds; shorten it"));
        return Err(problem.with("max", max).into());
    }
    Ok(HttpResponse::Ok().json(dispatch.inbox(&caller.0, after, Duration::from_secs(wait), limit).await?))
}

/// Directives, newest first: the own agency's that it has received and all of its releases, or every agency's for those who supervise. A measure that the
/// agency has not been told of yet is in its inbox only. `escalated=true` is what is overdue for so long that it went to the credit office.
#[utoipa::path(tag = "joint action", security(("token" = [])), params(DirectiveParams),
    responses((status = 200, body = DirectivePage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/directives")]
async fn list_directives(caller: Caller, dispatch: web::Data<Dispatch>, params: web::Query<DirectiveParams>) -> ApiResult<HttpResponse> {
    require_reading(&caller.0)?;
    let p = params.into_inner();
    let limit = paging::limit(p.limit, dispatch.query.page_default, dispatch.query.page_max)?;
    let filter = DirectiveFilter {
        agency: p.agency,
        state: p.state,
        kind: p.kind,
        measure: p.measure,
        entry: p.entry_id,
        overdue: p.overdue,
        due_before: p.due_before,
        escalated: p.escalated,
        before: p.cursor.as_deref().map(paging::decode).transpose()?,
    };
    let statement = Statement { action: "directives.list", purpose: Some(PURPOSE), ..Statement::default() };
    let (items, next) = logged(&dispatch.db, &caller.0, statement, dispatch.clock.now(), async || {
        Ok((None, dispatch.directives(&caller.0, &filter, limit).await?))
    })
    .await?;
    Ok(HttpResponse::Ok().json(DirectivePage { items, next }))
}

/// A directive with what was reported about it. The query is kept in the access log.
#[utoipa::path(tag = "joint action", security(("token" = [])),
    responses((status = 200, body = DirectiveView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/directives/{directive_id}")]
async fn get_directive(caller: Caller, dispatch: web::Data<Dispatch>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    require_reading(&caller.0)?;
    let statement = Statement { action: "directive.view", purpose: Some(PURPOSE), ..Statement::default() };
    let view = logged(&dispatch.db, &caller.0, statement, dispatch.clock.now(), async || {
        let (subject, view) = dispatch.directive(&caller.0, *id).await?;
        Ok((Some(subject), view))
    })
    .await?;
    Ok(HttpResponse::Ok().json(view))
}

/// Accept a directive that was delivered 签收. Its feedback is due from then on.
#[utoipa::path(tag = "joint action", security(("token" = [])),
    responses((status = 200, body = DirectiveActed), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/directives/{directive_id}/accept")]
async fn accept_directive(
    request: HttpRequest,
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ActOnDirectives)?;
    let key = Key::of(&request, &caller.0, b"")?;
    Ok(HttpResponse::Ok().json(dispatch.accept_directive(&caller.0, *id, key).await?))
}

/// Say that a directive does not apply 不适用, with the reason. Nothing more is asked under it.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = Declining,
    responses((status = 200, body = DirectiveActed), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/directives/{directive_id}/decline")]
async fn decline_directive(
    request: HttpRequest,
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    body: web::Json<Declining>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ActOnDirectives)?;
    let key = Key::of(&request, &caller.0, body.reason.as_bytes())?;
    Ok(HttpResponse::Ok().json(dispatch.decline_directive(&caller.0, *id, &body.reason, key).await?))
}

/// Report what was done under an accepted directive 执行反馈. A measure that goes on is reported on in every cycle.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = NewFeedback,
    responses((status = 201, body = DirectiveActed), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/directives/{directive_id}/feedback")]
async fn report_directive(
    request: HttpRequest,
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    body: web::Json<NewFeedback>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ActOnDirectives)?;
    let said = body.into_inner();
    let key = Key::of(&request, &caller.0, &serde_json::to_vec(&said).map_err(Problem::internal)?)?;
    Ok(HttpResponse::Created().json(dispatch.report_directive(&caller.0, *id, said, key).await?))
}

/// Say that a measure was lifted as a release asked 解除, and how.
#[utoipa::path(tag = "joint action", security(("token" = [])), request_body = NewFeedback,
    responses((status = 201, body = DirectiveActed), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/directives/{directive_id}/complete")]
async fn complete_directive(
    request: HttpRequest,
    caller: Caller,
    dispatch: web::Data<Dispatch>,
    id: web::Path<Uuid>,
    body: web::Json<NewFeedback>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ActOnDirectives)?;
    let said = body.into_inner();
    let key = Key::of(&request, &caller.0, &serde_json::to_vec(&said).map_err(Problem::internal)?)?;
    Ok(HttpResponse::Created().json(dispatch.complete_directive(&caller.0, *id, said, key).await?))
}
