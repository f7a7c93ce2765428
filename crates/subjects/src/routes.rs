//! Acts on subjects over HTTP, for the credit office.

use crate::model::{Event, NewEvent, SUBJECT_NOT_FOUND};
use crate::{service, store};
use actix_web::{HttpResponse, post, web};
use credence_catalog::ConfigurationHandle;
use credence_core::Permission;
use credence_core::clock::Clock;
use credence_core::identifiers::PersonDocument;
use credence_core::problem::{Problem, Result};
use credence_db::Db;
use credence_identity::Identity;
use credence_identity::model::{AccountView, BindingView, EndBindingRequest, NewBinding, NewSubjectAccount, Relation};
use credence_web::{ApiResult, Caller, ProblemBody};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// What the handlers need.
#[derive(Clone)]
pub struct Subjects {
    /// The database.
    pub db: Db,
    /// What is in force.
    pub configuration: ConfigurationHandle,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config.service(record_subject_event).service(merge_subjects).service(unmerge_subjects);
    config.service(open_subject_account).service(bind_subject).service(end_binding);
}

/// Two subjects that are one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MergeRequest {
    /// The subject that will be read through the other.
    from_subject_id: Uuid,
    /// The subject that stays.
    into_subject_id: Uuid,
    /// Why they are one.
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct MergeView {
    /// Id of the merge, by which it can be taken back.
    id: Uuid,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UnmergeRequest {
    /// Why they are two after all.
    reason: String,
}

/// Record what happened to a subject: 更名, 迁移, 合并, 分立, 注销, 吊销, 换码 and so on.
#[utoipa::path(tag = "subjects", security(("token" = [])), request_body = NewEvent,
    responses((status = 201, body = Event), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/subjects/{subject_id}/events")]
async fn record_subject_event(
    caller: Caller,
    subjects: web::Data<Subjects>,
    id: web::Path<Uuid>,
    body: web::Json<NewEvent>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageSubjects)?;
    let today = subjects.clock.today();
    let rules = subjects.configuration.get().uscc_rules(today);
    let now = subjects.clock.now();
    let event =
        subjects.db.write(async |tx| service::record_event(tx, &caller.0, *id, body.into_inner(), &rules, today, now).await).await?;
    Ok(HttpResponse::Created().json(event))
}

/// Merge two subjects that are one. Records stay where they are; the merge can be taken back.
#[utoipa::path(tag = "subjects", security(("token" = [])), request_body = MergeRequest,
    responses((status = 201, body = MergeView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/subject-merges")]
async fn merge_subjects(caller: Caller, subjects: web::Data<Subjects>, body: web::Json<MergeRequest>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageSubjects)?;
    let MergeRequest { from_subject_id, into_subject_id, reason } = body.into_inner();
    let now = subjects.clock.now();
    let id = subjects.db.write(async |tx| service::merge(tx, &caller.0, from_subject_id, into_subject_id, &reason, now).await).await?;
    Ok(HttpResponse::Created().json(MergeView { id }))
}

/// Take a merge back.
#[utoipa::path(tag = "subjects", security(("token" = [])), request_body = UnmergeRequest,
    responses((status = 204), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/subject-merges/{merge_id}/unmerge")]
async fn unmerge_subjects(
    caller: Caller,
    subjects: web::Data<Subjects>,
    id: web::Path<Uuid>,
    body: web::Json<UnmergeRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageSubjects)?;
    let now = subjects.clock.now();
    subjects.db.write(async |tx| service::unmerge(tx, &caller.0, *id, &body.reason, now).await).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What a subject is to the person whose papers were shown.
async fn relation(subjects: &Subjects, identity: &Identity, subject_id: Uuid, papers: &PersonDocument) -> Result<Relation> {
    let mut conn = subjects.db.read().await?;
    let subject = store::find(&mut conn, subject_id).await?.ok_or_else(|| Problem::new(&SUBJECT_NOT_FOUND))?;
    if subject.kind != "natural_person" {
        return Ok(Relation::Organisation);
    }
    let scheme = papers.kind().code();
    let index = identity.ring.index(scheme, papers.reveal());
    let Some(holder) = store::by_person_index(&mut conn, scheme, &index).await? else { return Ok(Relation::AnotherPerson) };
    // A person found under two documents is two subjects until they are merged, and one after.
    let one = holder.id == subject.id || store::family(&mut conn, holder.id, subjects.clock.now()).await?.contains(&subject.id);
    Ok(if one { Relation::Itself } else { Relation::AnotherPerson })
}

/// Open a subject's account at the hall: the papers that were shown are recorded, sealed, and the account is bound to the subject. A
/// natural person has to be the subject itself, by the papers; for an organisation the person is its representative or agent.
#[utoipa::path(tag = "identity", security(("token" = [])), request_body = NewSubjectAccount,
    responses((status = 201, body = AccountView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/subject-accounts")]
async fn open_subject_account(
    caller: Caller,
    subjects: web::Data<Subjects>,
    identity: web::Data<Identity>,
    body: web::Json<NewSubjectAccount>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::OpenSubjectAccounts)?;
    let new = body.into_inner();
    let papers = subjects.configuration.get().person_document(&new.document_kind, &new.document_number, subjects.clock.today())?;
    new.capacity.check(relation(&subjects, &identity, new.subject_id, &papers).await?)?;
    Ok(HttpResponse::Created().json(identity.open_subject_account(&caller.0, new, &papers).await?))
}

/// Bind a further organisation to a subject's account. The papers have to be those the account was opened with.
#[utoipa::path(tag = "identity", security(("token" = [])), request_body = NewBinding,
    responses((status = 201, body = BindingView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/subject-accounts/{account_id}/bindings")]
async fn bind_subject(
    caller: Caller,
    subjects: web::Data<Subjects>,
    identity: web::Data<Identity>,
    id: web::Path<Uuid>,
    body: web::Json<NewBinding>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::OpenSubjectAccounts)?;
    let new = body.into_inner();
    let papers = subjects.configuration.get().person_document(&new.document_kind, &new.document_number, subjects.clock.today())?;
    let relation = relation(&subjects, &identity, new.subject_id, &papers).await?;
    Ok(HttpResponse::Created().json(identity.bind(&caller.0, *id, new, &papers, relation).await?))
}

/// End a binding: the account may not act for the subject from its next request on.
#[utoipa::path(tag = "identity", security(("token" = [])), request_body = EndBindingRequest,
    responses((status = 204), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/subject-accounts/{account_id}/bindings/{subject_id}/end")]
async fn end_binding(
    caller: Caller,
    identity: web::Data<Identity>,
    path: web::Path<(Uuid, Uuid)>,
    body: web::Json<EndBindingRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::OpenSubjectAccounts)?;
    let (account, subject) = path.into_inner();
    identity.end_binding(&caller.0, account, subject, &body.reason).await?;
    Ok(HttpResponse::NoContent().finish())
}
