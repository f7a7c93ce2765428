//! Files and logs over HTTP.

use crate::model::{FileView, PURPOSE_NEEDED, Question};
use crate::service::Reports;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::access::{self, AccessEntry, Statement, logged};
use credence_audit::{ChangeEntry, ChangesAsked, changes};
use credence_core::problem::{NOT_FOUND, Problem, Result};
use credence_core::{Permission, SubjectId, paging};
use credence_web::{ApiResult, Caller, MaybeCaller, ProblemBody, with_etag};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config.service(get_subject_file).service(query_person_file).service(get_own_file).service(list_own_accesses);
    config.service(list_accesses).service(list_changes);
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FileParams {
    /// Day for which statements are asked (`YYYY-MM-DD`); today when absent.
    as_of: Option<NaiveDate>,
    /// Instant whose knowledge is asked (RFC 3339); now when absent.
    known_at: Option<DateTime<Utc>>,
    /// One section only.
    section: Option<String>,
    /// `next` of that section's page before.
    cursor: Option<String>,
    /// Statements per section.
    limit: Option<i64>,
    /// Purpose of an agency's query.
    purpose: Option<String>,
    /// Reference of the subject's written authorisation.
    authorisation: Option<String>,
}

fn question(
    reports: &Reports,
    as_of: Option<NaiveDate>,
    known_at: Option<DateTime<Utc>>,
    section: Option<String>,
    cursor: Option<&str>,
    limit: Option<i64>,
) -> Result<Question> {
    if cursor.is_some() && section.is_none() {
        return Err(Problem::malformed("cursor 须与 section 一起使用", "a cursor goes with its section"));
    }
    Ok(Question {
        as_of,
        known_at,
        section,
        after: cursor.map(paging::decode).transpose()?,
        limit: paging::limit(limit, reports.query.page_default, reports.query.page_max)?,
    })
}

/// The file of an organisation by its unified social credit code: basic data, names, licences, penalties, lists. Without login the public
/// part; agencies see what their disclosure class and region allow. Every section is there, also the empty ones.
#[utoipa::path(tag = "files", params(FileParams), responses((status = 200, body = FileView), (status = 304),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/subjects/{uscc}/file")]
async fn get_subject_file(
    request: HttpRequest,
    caller: MaybeCaller,
    reports: web::Data<Reports>,
    uscc: web::Path<String>,
    params: web::Query<FileParams>,
) -> ApiResult<HttpResponse> {
    let p = params.into_inner();
    let question = question(&reports, p.as_of, p.known_at, p.section, p.cursor.as_deref(), p.limit)?;
    // Whoever may not query beyond the public part sees the public part.
    let actor = caller.0.filter(|a| a.may(Permission::QuerySubjects));
    let viewer = reports.viewer(actor.as_ref(), false, p.purpose.as_deref(), p.authorisation.as_deref()).await?;
    let file = match &actor {
        None => reports.file(reports.organisation(&uscc, &question).await?, &viewer, &question).await?,
        Some(actor) => {
            let statement = Statement {
                action: "subject.file",
                subject_id: None,
                purpose: p.purpose.as_deref(),
                authorisation: p.authorisation.as_deref(),
            };
            logged(&reports.db, actor, statement, reports.clock.now(), async || {
                let subject = reports.organisation(&uscc, &question).await?;
                let id = subject.id;
                Ok((Some(id), reports.file(subject, &viewer, &question).await?))
            })
            .await?
        }
    };
    with_etag(&request, &file)
}

/// A query about a natural person. The number travels in the body only.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PersonQuery {
    /// Kind of document, e.g. 身份证.
    document_kind: String,
    /// Its number.
    document_number: String,
    /// What the information is for.
    purpose: String,
    /// Reference of the person's written authorisation.
    authorisation: Option<String>,
    /// Day for which statements are asked.
    as_of: Option<NaiveDate>,
    /// Instant whose knowledge is asked.
    known_at: Option<DateTime<Utc>>,
    /// One section only.
    section: Option<String>,
    /// `next` of that section's page before.
    cursor: Option<String>,
    /// Statements per section.
    limit: Option<i64>,
}

/// The file of a natural person, for agencies and the hall: with a purpose, and where the law asks for it with the person's written
/// authorisation. Every query is logged, and the person can see it.
#[utoipa::path(tag = "files", security(("token" = [])), request_body = PersonQuery, responses((status = 200, body = FileView),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/person-files")]
async fn query_person_file(caller: Caller, reports: web::Data<Reports>, body: web::Json<PersonQuery>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::QueryPersons)?;
    let q = body.into_inner();
    let statement =
        Statement { action: "person.file", subject_id: None, purpose: Some(&q.purpose), authorisation: q.authorisation.as_deref() };
    let file = logged(&reports.db, &caller.0, statement, reports.clock.now(), async || {
        if q.purpose.trim().is_empty() {
            return Err(Problem::new(&PURPOSE_NEEDED));
        }
        let question = question(&reports, q.as_of, q.known_at, q.section.clone(), q.cursor.as_deref(), q.limit)?;
        let viewer = reports.viewer(Some(&caller.0), false, Some(&q.purpose), q.authorisation.as_deref()).await?;
        let subject = reports.person(&q.document_kind, &q.document_number, &question).await?;
        let id = subject.id;
        Ok((Some(id), reports.file(subject, &viewer, &question).await?))
    })
    .await?;
    Ok(HttpResponse::Ok().json(file))
}

/// The own file, for a subject or who acts for it.
#[utoipa::path(tag = "files", security(("token" = [])), params(FileParams), responses((status = 200, body = FileView),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/me/subjects/{subject_id}/file")]
async fn get_own_file(
    caller: Caller,
    reports: web::Data<Reports>,
    id: web::Path<Uuid>,
    params: web::Query<FileParams>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ReadOwnFile)?;
    let p = params.into_inner();
    let statement = Statement { action: "own.file", subject_id: Some(*id), purpose: Some("本人查询"), authorisation: None };
    let file = logged(&reports.db, &caller.0, statement, reports.clock.now(), async || {
        if !caller.0.subjects.contains(&SubjectId(*id)) {
            return Err(Problem::new(&NOT_FOUND));
        }
        let question = question(&reports, p.as_of, p.known_at, p.section.clone(), p.cursor.as_deref(), p.limit)?;
        let viewer = reports.viewer(Some(&caller.0), true, Some("本人查询"), None).await?;
        Ok((Some(*id), reports.file(reports.subject(*id, &question).await?, &viewer, &question).await?))
    })
    .await?;
    Ok(HttpResponse::Ok().json(file))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PageParams {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Entries on a page.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct AccessView {
    id: Uuid,
    at: DateTime<Utc>,
    /// Agency that looked; absent for the subject itself.
    agency: Option<String>,
    /// Name of the account or key, for the auditor only.
    actor: Option<String>,
    action: String,
    subject_id: Option<Uuid>,
    purpose: Option<String>,
    authorisation: Option<String>,
    /// `granted`, `not_found`, `refused`, `failed`, or `started` when it broke off.
    outcome: String,
}

#[derive(Serialize, ToSchema)]
struct AccessPage {
    accesses: Vec<AccessView>,
    /// Cursor of the next page; absent on the last.
    next: Option<String>,
}

/// A page of the access log. `asked` is an id from before the query for this page, which is not shown to itself.
async fn page(reports: &Reports, subjects: Option<&[Uuid]>, params: &PageParams, asked: Uuid, for_auditor: bool) -> Result<AccessPage> {
    let limit = paging::limit(params.limit, reports.query.page_default, reports.query.page_max)?;
    let before: Uuid = params.cursor.as_deref().map(paging::decode).transpose()?.unwrap_or(asked);
    let entries = access::list(&reports.db, subjects, Some(before), limit).await?;
    let directory = reports.directory.get(&reports.db, reports.clock.now()).await?;
    let next = (i64::try_from(entries.len()).unwrap_or(0) == limit).then(|| entries.last().map(|e| paging::encode(&e.id))).flatten();
    let view = |e: AccessEntry| AccessView {
        id: e.id,
        at: e.at,
        agency: e.agency_id.and_then(|id| directory.agency(id)).map(|a| a.name.clone()),
        actor: for_auditor.then_some(e.actor_label),
        action: e.action,
        subject_id: e.subject_id,
        purpose: e.purpose,
        authorisation: e.authorisation,
        outcome: e.outcome,
    };
    Ok(AccessPage { accesses: entries.into_iter().map(view).collect(), next })
}

/// Who looked at the own file, newest first.
#[utoipa::path(tag = "files", security(("token" = [])), params(PageParams), responses((status = 200, body = AccessPage),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/me/subjects/{subject_id}/accesses")]
async fn list_own_accesses(
    caller: Caller,
    reports: web::Data<Reports>,
    id: web::Path<Uuid>,
    params: web::Query<PageParams>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ReadOwnFile)?;
    let asked = Uuid::now_v7();
    let statement = Statement { action: "own.accesses", subject_id: Some(*id), purpose: Some("本人查询"), authorisation: None };
    let answer = logged(&reports.db, &caller.0, statement, reports.clock.now(), async || {
        if !caller.0.subjects.contains(&SubjectId(*id)) {
            return Err(Problem::new(&NOT_FOUND));
        }
        let family = reports.family(*id).await?;
        Ok((Some(*id), page(&reports, Some(&family), &params, asked, false).await?))
    })
    .await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// The access log, for the auditor: newest first.
#[utoipa::path(tag = "audit", security(("token" = [])), params(PageParams), responses((status = 200, body = AccessPage),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/audit/accesses")]
async fn list_accesses(caller: Caller, reports: web::Data<Reports>, params: web::Query<PageParams>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ReadAudit)?;
    let asked = Uuid::now_v7();
    let statement = Statement { action: "audit.accesses", ..Statement::default() };
    let answer = logged(&reports.db, &caller.0, statement, reports.clock.now(), async || {
        Ok((None, page(&reports, None, &params, asked, true).await?))
    })
    .await?;
    Ok(HttpResponse::Ok().json(answer))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ChangeParams {
    /// Kind of thing that was changed, e.g. `account`, `batch`, `subject`.
    entity: Option<String>,
    /// Id of that thing.
    entity_id: Option<String>,
    /// Subject concerned.
    subject_id: Option<Uuid>,
    /// Name of the account, key or job that did it, or the id of the account or key.
    actor: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Entries on a page.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct ChangeView {
    /// Running number.
    id: i64,
    at: DateTime<Utc>,
    /// `account`, `api_key` or `system`.
    actor_kind: String,
    /// Id of the account or key.
    actor_id: Option<Uuid>,
    /// Name of the account, key or job.
    actor: String,
    /// Agency the actor acted for.
    agency: Option<String>,
    /// What was done, e.g. `account.close`.
    action: String,
    /// Kind of thing it was done to.
    entity: String,
    /// Id of that thing.
    entity_id: String,
    subject_id: Option<Uuid>,
    /// Particulars, depending on the action.
    #[schema(value_type = Object)]
    detail: Value,
}

#[derive(Serialize, ToSchema)]
struct ChangePage {
    changes: Vec<ChangeView>,
    /// Cursor of the next page; absent on the last.
    next: Option<String>,
}

async fn change_page(reports: &Reports, params: &ChangeParams) -> Result<ChangePage> {
    let limit = paging::limit(params.limit, reports.query.page_default, reports.query.page_max)?;
    let before: Option<i64> = params.cursor.as_deref().map(paging::decode).transpose()?;
    let asked = ChangesAsked {
        object_kind: params.entity.as_deref(),
        object_id: params.entity_id.as_deref(),
        subject_id: params.subject_id,
        actor: params.actor.as_deref(),
    };
    // One more than the page holds tells whether there is a next one.
    let mut entries = changes(&reports.db, asked, before, limit + 1).await?;
    let page_len = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = entries.len() > page_len;
    entries.truncate(page_len);
    let next = entries.last().filter(|_| more).map(|e| paging::encode(&e.id));
    let directory = reports.directory.get(&reports.db, reports.clock.now()).await?;
    let view = |e: ChangeEntry| ChangeView {
        id: e.id,
        at: e.at,
        actor_kind: e.actor_kind,
        actor_id: e.actor_id,
        actor: e.actor_label,
        agency: e.agency_id.and_then(|id| directory.agency(id)).map(|a| a.name.clone()),
        action: e.action,
        entity: e.object_kind,
        entity_id: e.object_id,
        subject_id: e.subject_id,
        detail: e.detail,
    };
    Ok(ChangePage { changes: entries.into_iter().map(view).collect(), next })
}

/// The change log, for the auditor: who changed what, newest first.
#[utoipa::path(tag = "audit", security(("token" = [])), params(ChangeParams), responses((status = 200, body = ChangePage),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/audit/changes")]
async fn list_changes(caller: Caller, reports: web::Data<Reports>, params: web::Query<ChangeParams>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ReadAudit)?;
    let statement = Statement { action: "audit.changes", subject_id: params.subject_id, ..Statement::default() };
    let answer = logged(&reports.db, &caller.0, statement, reports.clock.now(), async || {
        Ok((params.subject_id, change_page(&reports, &params).await?))
    })
    .await?;
    Ok(HttpResponse::Ok().json(answer))
}
