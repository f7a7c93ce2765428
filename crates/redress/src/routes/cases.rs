//! Cases over HTTP, for clerks who take them in, agencies that decide, and those who supervise.

use crate::model::cases::{
    Applicant, CaseKind, CaseSummary, CaseView, EligibilityView, Filed, NewCase, NewCaseLine, NewPaper, NewPapers, Person, Receipt,
};
use crate::model::lines::LineSummary;
use crate::model::problems::kept_text;
use crate::service::Redress;
use crate::service::cases::{Access, Filing};
use crate::service::show::{CasesWanted, LinesWanted, Who};
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
    config.service(take_case).service(list_cases).service(get_case).service(get_case_receipt);
    config.service(add_case_papers).service(withdraw_case).service(ask_case_review).service(list_case_lines).service(repair_eligibility);
}

/// Which cases are asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CaseParams {
    /// `incomplete`, `open`, `closed` or `withdrawn`.
    pub state: Option<String>,
    /// Only those with an overdue line.
    #[serde(default)]
    pub overdue: bool,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Cases a page.
    pub limit: Option<i64>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LineParams {
    /// `dispute` or `repair`.
    kind: Option<String>,
    /// `incomplete`, `filed`, `forwarded`, `accepted`, `review`, `closed` or `withdrawn`.
    state: Option<String>,
    /// Only those that are overdue.
    #[serde(default)]
    overdue: bool,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Lines a page.
    limit: Option<i64>,
}

/// A page of cases.
#[derive(Serialize, ToSchema)]
pub(super) struct CasesPage {
    /// Cases.
    pub cases: Vec<CaseSummary>,
    /// Where the next page begins; absent on the last.
    pub next: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct CaseLinesPage {
    /// Lines.
    lines: Vec<LineSummary>,
    /// Where the next page begins; absent on the last.
    next: Option<String>,
}

/// Why something is done.
#[derive(Deserialize, ToSchema)]
#[schema(as = CaseReason)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// In words.
    pub reason: String,
}

/// A case that is taken in at the counter, and whom it is about: by exactly one of id, code and document.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CounterCase {
    /// The subject, by its id.
    subject_id: Option<Uuid>,
    /// The subject, by its unified social credit code.
    uscc: Option<String>,
    /// The subject, by a person's document: its kind.
    document_kind: Option<String>,
    /// Its number.
    document_number: Option<String>,
    /// Dispute or repair.
    kind: CaseKind,
    /// What is stated and asked for.
    statement: String,
    /// Who applies.
    applicant: Applicant,
    /// Of an agent: reference of the written authorisation.
    authorisation: Option<String>,
    /// The person who applies.
    person: Person,
    /// What it is about.
    lines: Vec<NewCaseLine>,
    /// Papers, uploaded as attachments of the agency before.
    #[serde(default)]
    papers: Vec<NewPaper>,
    /// Of repair: the public commitment.
    commitment: Option<String>,
}

impl CounterCase {
    fn split(self) -> (Who, NewCase) {
        let who =
            Who { subject_id: self.subject_id, uscc: self.uscc, document_kind: self.document_kind, document_number: self.document_number };
        let new = NewCase {
            kind: self.kind,
            statement: self.statement,
            applicant: self.applicant,
            authorisation: self.authorisation,
            person: self.person,
            lines: self.lines,
            papers: self.papers,
            commitment: self.commitment,
        };
        (who, new)
    }
}

/// Whom it is about: by exactly one of id, code and document; and by what right it is asked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EligibilityQuery {
    /// Reference of the subject's written authorisation; the subject can see that it was asked with it.
    authorisation: String,
    /// Its id.
    subject_id: Option<Uuid>,
    /// Its unified social credit code.
    uscc: Option<String>,
    /// Kind of a person's document.
    document_kind: Option<String>,
    /// Its number.
    document_number: Option<String>,
}

/// A page of as many as were asked for, of which one more was looked for.
pub(super) fn page_of(mut cases: Vec<CaseSummary>, limit: i64) -> CasesPage {
    let more = i64::try_from(cases.len()).unwrap_or(i64::MAX) > limit;
    cases.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = cases.last().filter(|_| more).map(|case| paging::encode(&case.id));
    CasesPage { cases, next }
}

fn one_of(actor: &Actor, permissions: &[Permission]) -> Result<()> {
    if permissions.iter().any(|permission| actor.may(*permission)) { Ok(()) } else { Err(Problem::new(&FORBIDDEN)) }
}

/// Take a case in at the counter 窗口受理. The code in the answer is printed for the applicant and shown once.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = CounterCase,
    responses((status = 201, body = Filed), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/cases")]
async fn take_case(caller: Caller, redress: web::Data<Redress>, body: web::Json<CounterCase>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::TakeCases)?;
    let (who, new) = body.into_inner().split();
    // Naming somebody by a number finds them or not, which is a query.
    let statement = Statement { action: "case.take", subject_id: who.subject_id, ..Statement::default() };
    let filed = logged(&redress.db, &caller.0, statement, redress.clock.now(), async || {
        let subject = redress.subject(&who).await?;
        Ok((Some(subject), redress.file(&caller.0, subject, new, Filing::Counter).await?))
    })
    .await?;
    Ok(HttpResponse::Created().json(filed))
}

/// Cases, newest first: for clerks those that their agency took in, for those who supervise all. Deadlines, no contents.
#[utoipa::path(tag = "redress", security(("token" = [])), params(CaseParams),
    responses((status = 200, body = CasesPage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/cases")]
async fn list_cases(caller: Caller, redress: web::Data<Redress>, params: web::Query<CaseParams>) -> ApiResult<HttpResponse> {
    one_of(&caller.0, &[Permission::TakeCases, Permission::SuperviseCases])?;
    let p = params.into_inner();
    let limit = paging::limit(p.limit, redress.query.page_default, redress.query.page_max)?;
    let before = p.cursor.as_deref().map(paging::decode).transpose()?;
    let wanted = CasesWanted { state: p.state, overdue: p.overdue, before, limit: limit + 1 };
    Ok(HttpResponse::Ok().json(page_of(redress.cases(&caller.0, &wanted).await?, limit)))
}

/// A case: whole for the agency that took it in, its own lines for one that decides, deadlines and outcomes for those who supervise; for the credit office,
/// while it has to look whether an error is the platform's own, also what was stated and handed in.
#[utoipa::path(tag = "redress", security(("token" = [])),
    responses((status = 200, body = CaseView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/cases/{case_id}")]
async fn get_case(caller: Caller, redress: web::Data<Redress>, case: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    one_of(&caller.0, &[Permission::TakeCases, Permission::HandleCases, Permission::SuperviseCases])?;
    read_case(&redress, &caller.0, *case).await
}

/// A case as this official sees it, with an entry in the access log.
async fn read_case(redress: &Redress, actor: &Actor, case: Uuid) -> ApiResult<HttpResponse> {
    let statement = Statement { action: "case.read", ..Statement::default() };
    let view = logged(&redress.db, actor, statement, redress.clock.now(), async || {
        let (subject, view) = redress.case(actor, case).await?;
        Ok((Some(subject), view))
    })
    .await?;
    Ok(HttpResponse::Ok().json(view))
}

/// What is printed as the receipt 受理回执 of a case that the own agency took in.
#[utoipa::path(tag = "redress", security(("token" = [])),
    responses((status = 200, body = Receipt), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/cases/{case_id}/receipt")]
async fn get_case_receipt(caller: Caller, redress: web::Data<Redress>, case: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::TakeCases)?;
    let statement = Statement { action: "case.receipt", ..Statement::default() };
    let receipt = logged(&redress.db, &caller.0, statement, redress.clock.now(), async || {
        let (subject, receipt) = redress.receipt(&caller.0, *case).await?;
        Ok((Some(subject), receipt))
    })
    .await?;
    Ok(HttpResponse::Ok().json(receipt))
}

/// Add papers to a case that the own agency took in.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = NewPapers,
    responses((status = 200, body = CaseView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/cases/{case_id}/papers")]
async fn add_case_papers(
    caller: Caller,
    redress: web::Data<Redress>,
    case: web::Path<Uuid>,
    body: web::Json<NewPapers>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::TakeCases)?;
    let access = Access::Taken(caller.0.agency()?.0);
    redress.add_papers(&caller.0, access, *case, &body).await?;
    read_case(&redress, &caller.0, *case).await
}

/// Take a case back for its applicant, that the own agency took in.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = Reason,
    responses((status = 200, body = CaseView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/cases/{case_id}/withdraw")]
async fn withdraw_case(
    caller: Caller,
    redress: web::Data<Redress>,
    case: web::Path<Uuid>,
    body: web::Json<Reason>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::TakeCases)?;
    let access = Access::Taken(caller.0.agency()?.0);
    redress.withdraw_case(&caller.0, access, *case, &body.reason).await?;
    read_case(&redress, &caller.0, *case).await
}

/// Ask for a review 复核 of what was decided about a line of a case that the own agency took in, once and in time, for its applicant.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = Reason,
    responses((status = 200, body = CaseView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/cases/{case_id}/lines/{line_id}/review")]
async fn ask_case_review(
    caller: Caller,
    redress: web::Data<Redress>,
    path: web::Path<(Uuid, Uuid)>,
    body: web::Json<Reason>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::TakeCases)?;
    let (case, line) = path.into_inner();
    let access = Access::Taken(caller.0.agency()?.0);
    redress.ask_review(&caller.0, access, case, line, &body.reason).await?;
    read_case(&redress, &caller.0, case).await
}

/// Lines of cases, oldest first, with what is owed and until when: the own agency's, or all for those who supervise.
#[utoipa::path(tag = "redress", security(("token" = [])), params(LineParams),
    responses((status = 200, body = CaseLinesPage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/case-lines")]
async fn list_case_lines(caller: Caller, redress: web::Data<Redress>, params: web::Query<LineParams>) -> ApiResult<HttpResponse> {
    one_of(&caller.0, &[Permission::HandleCases, Permission::SuperviseCases])?;
    let p = params.into_inner();
    let limit = paging::limit(p.limit, redress.query.page_default, redress.query.page_max)?;
    let after = p.cursor.as_deref().map(paging::decode).transpose()?;
    let wanted = LinesWanted { kind: p.kind, state: p.state, overdue: p.overdue, after, limit: limit + 1 };
    let mut lines = redress.lines(&caller.0, &wanted).await?;
    let more = i64::try_from(lines.len()).unwrap_or(i64::MAX) > limit;
    lines.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = lines.last().filter(|_| more).map(|line| paging::encode(&line.id));
    Ok(HttpResponse::Ok().json(CaseLinesPage { lines, next }))
}

/// What somebody at the counter could ask to be repaired, from which day, why, and which papers it needs. Asked with the subject's written authorisation,
/// which the access log keeps.
#[utoipa::path(tag = "redress", security(("token" = [])), request_body = EligibilityQuery,
    responses((status = 200, body = EligibilityView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/repair-eligibility")]
async fn repair_eligibility(caller: Caller, redress: web::Data<Redress>, body: web::Json<EligibilityQuery>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::TakeCases)?;
    let EligibilityQuery { authorisation, subject_id, uscc, document_kind, document_number } = body.into_inner();
    let authorisation = kept_text("authorisation", &authorisation, redress.settings.text_chars_max)?;
    let who = Who { subject_id, uscc, document_kind, document_number };
    let statement =
        Statement { action: "repair.eligibility", subject_id, purpose: Some("信用修复咨询"), authorisation: Some(&authorisation) };
    let view = logged(&redress.db, &caller.0, statement, redress.clock.now(), async || {
        let (subject, view) = redress.eligibility_of(&who).await?;
        Ok((Some(subject), view))
    })
    .await?;
    Ok(HttpResponse::Ok().json(view))
}
