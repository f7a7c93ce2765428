//! The own cases of a subject, over HTTP. What is another's does not exist.

use super::cases::{CaseParams, CasesPage, Reason, page_of};
use crate::model::cases::{CaseView, EligibilityView, Filed, NewCase, NewPapers};
use crate::service::Redress;
use crate::service::cases::{Access, Filing};
use crate::service::show::CasesWanted;
use actix_web::{HttpResponse, get, post, web};
use credence_audit::access::{Statement, logged};
use credence_core::problem::{NOT_FOUND, Problem, Result};
use credence_core::{Actor, Permission, SubjectId, paging};
use credence_web::{ApiResult, Caller, ProblemBody};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(own_repair_eligibility).service(list_own_cases).service(file_own_case).service(get_own_case);
    config.service(add_own_papers).service(withdraw_own_case).service(ask_own_review);
}

fn own(actor: &Actor, subject: Uuid) -> Result<()> {
    actor.require(Permission::FileCases)?;
    if actor.subjects.contains(&SubjectId(subject)) { Ok(()) } else { Err(Problem::new(&NOT_FOUND)) }
}

fn statement(action: &'static str, subject: Uuid) -> Statement<'static> {
    Statement { action, subject_id: Some(subject), purpose: Some("本人查询"), authorisation: None }
}

/// What the own subject could ask to be repaired 信用修复, from which day, why, and which papers it needs for it: asked before anything is filed.
#[utoipa::path(tag = "redress", security(("token" = [])),
    responses((status = 200, body = EligibilityView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/me/subjects/{subject_id}/repair-eligibility")]
async fn own_repair_eligibility(caller: Caller, redress: web::Data<Redress>, subject: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    own(&caller.0, *subject)?;
    let asked = statement("repair.eligibility", *subject);
    let view =
        logged(&redress.db, &caller.0, asked, redress.clock.now(), async || Ok((Some(*subject), redress.eligibility(*subject).await?)))
            .await?;
    Ok(HttpResponse::Ok().json(view))
}

/// The own cases, newest first.
#[utoipa::path(tag = "redress", security(("token" = [])), params(CaseParams),
    responses((status = 200, body = CasesPage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/me/subjects/{subject_id}/cases")]
async fn list_own_cases(
    caller: Caller,
    redress: web::Data<Redress>,
    subject: web::Path<Uuid>,
    params: web::Query<CaseParams>,
) -> ApiResult<HttpResponse> {
    own(&caller.0, *subject)?;
    let p = params.into_inner();
    let limit = paging::limit(p.limit, redress.query.page_default, redress.query.page_max)?;
    let before = p.cursor.as_deref().map(paging::decode).transpose()?;
    let wanted = CasesWanted { state: p.state, overdue: p.overdue, before, limit: limit + 1 };
    Ok(HttpResponse::Ok().json(page_of(redress.own_cases(*subject, &wanted).await?, limit)))
}

/// Dispute 异议 what is wrong in the own file, or apply for repair 信用修复. One case may be about several records of several agencies; each line is decided
/// by its own agency. The code in the answer opens the case without a login, together with its number, and is shown once.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = NewCase,
    responses((status = 201, body = Filed), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/me/subjects/{subject_id}/cases")]
async fn file_own_case(
    caller: Caller,
    redress: web::Data<Redress>,
    subject: web::Path<Uuid>,
    body: web::Json<NewCase>,
) -> ApiResult<HttpResponse> {
    own(&caller.0, *subject)?;
    let filed = redress.file(&caller.0, *subject, body.into_inner(), Filing::Online).await?;
    Ok(HttpResponse::Created().json(filed))
}

/// One of the own cases, with its steps, deadlines and notices, and how far the effects of what was decided are.
#[utoipa::path(tag = "redress", security(("token" = [])),
    responses((status = 200, body = CaseView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/me/subjects/{subject_id}/cases/{case_id}")]
async fn get_own_case(caller: Caller, redress: web::Data<Redress>, path: web::Path<(Uuid, Uuid)>) -> ApiResult<HttpResponse> {
    let (subject, case) = path.into_inner();
    own(&caller.0, subject)?;
    let view = logged(&redress.db, &caller.0, statement("case.read", subject), redress.clock.now(), async || {
        Ok((Some(subject), redress.own_case(subject, case).await?))
    })
    .await?;
    Ok(HttpResponse::Ok().json(view))
}

/// Add papers to one of the own cases, uploaded as attachments before; with the last missing one the application is filed and its clocks
/// begin. Nothing has to be added where a training that was recorded meanwhile is the last of it.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = NewPapers,
    responses((status = 200, body = CaseView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/me/subjects/{subject_id}/cases/{case_id}/papers")]
async fn add_own_papers(
    caller: Caller,
    redress: web::Data<Redress>,
    path: web::Path<(Uuid, Uuid)>,
    body: web::Json<NewPapers>,
) -> ApiResult<HttpResponse> {
    let (subject, case) = path.into_inner();
    own(&caller.0, subject)?;
    redress.add_papers(&caller.0, Access::Own(subject), case, &body).await?;
    Ok(HttpResponse::Ok().json(redress.own_case(subject, case).await?))
}

/// Take one of the own cases back: every line of it that is not decided yet.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = Reason,
    responses((status = 200, body = CaseView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/me/subjects/{subject_id}/cases/{case_id}/withdraw")]
async fn withdraw_own_case(
    caller: Caller,
    redress: web::Data<Redress>,
    path: web::Path<(Uuid, Uuid)>,
    body: web::Json<Reason>,
) -> ApiResult<HttpResponse> {
    let (subject, case) = path.into_inner();
    own(&caller.0, subject)?;
    redress.withdraw_case(&caller.0, Access::Own(subject), case, &body.reason).await?;
    Ok(HttpResponse::Ok().json(redress.own_case(subject, case).await?))
}

/// Ask for a review 复核 of what was decided about a line, once and in time.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = Reason,
    responses((status = 200, body = CaseView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/me/subjects/{subject_id}/cases/{case_id}/lines/{line_id}/review")]
async fn ask_own_review(
    caller: Caller,
    redress: web::Data<Redress>,
    path: web::Path<(Uuid, Uuid, Uuid)>,
    body: web::Json<Reason>,
) -> ApiResult<HttpResponse> {
    let (subject, case, line) = path.into_inner();
    own(&caller.0, subject)?;
    redress.ask_review(&caller.0, Access::Own(subject), case, line, &body.reason).await?;
    Ok(HttpResponse::Ok().json(redress.own_case(subject, case).await?))
}
