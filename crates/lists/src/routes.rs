//! Lists over HTTP. Who stands on a list is public, page by page and as a file; the procedure is run by officials of the competent authority, and the
//! subject sees and answers what concerns it.

use crate::model::{EntryView, NewAnswer, NewDecision, NewEntry, NewExit, NewNotice, NewObjection, NoticeView, Reason};
use crate::service::Lists;
use crate::service::show::{EntriesAsked, EntryPage, ListView};
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use credence_audit::access::{Statement, logged};
use credence_core::problem::{NOT_FOUND, Problem};
use credence_core::{Actor, Permission, SubjectId, paging};
use credence_web::{ApiResult, Caller, MaybeCaller, ProblemBody, with_etag};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config.service(list_lists).service(get_list).service(list_current_entries).service(export_current_entries).service(list_notices);
    config.service(propose_entry).service(list_entries).service(get_entry);
    config.service(serve_notice).service(enter_objection).service(answer_objection).service(decide_entry).service(publish_entry);
    config.service(drop_entry).service(exit_entry).service(confirm_ground);
    config.service(list_subject_entries).service(list_own_entries).service(object_to_entry);
}

#[derive(Serialize, ToSchema)]
struct ListsView {
    items: Vec<ListView>,
}

/// Every list 名单: what it is, on what law it rests, how it is left, how many stand on it, and whether a mirrored one is up to date.
#[utoipa::path(tag = "lists", responses((status = 200, body = ListsView)))]
#[get("/lists")]
async fn list_lists(request: HttpRequest, lists: web::Data<Lists>) -> ApiResult<HttpResponse> {
    with_etag(&request, &ListsView { items: lists.lists().await? })
}

/// One list.
#[utoipa::path(tag = "lists", responses((status = 200, body = ListView), (status = 404, body = ProblemBody, content_type = "application/problem+json")))]
#[get("/lists/{list}")]
async fn get_list(request: HttpRequest, lists: web::Data<Lists>, list: web::Path<String>) -> ApiResult<HttpResponse> {
    with_etag(&request, &lists.list(&list).await?)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CurrentParams {
    /// Part of an organisation's name, or its code. Natural persons are not found by this.
    search: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Entries a page.
    limit: Option<i64>,
}

/// Who stands on a list today, newest first.
#[utoipa::path(tag = "lists", params(CurrentParams),
    responses((status = 200, body = EntryPage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/lists/{list}/entries")]
async fn list_current_entries(
    request: HttpRequest,
    lists: web::Data<Lists>,
    list: web::Path<String>,
    params: web::Query<CurrentParams>,
) -> ApiResult<HttpResponse> {
    let p = params.into_inner();
    let limit = paging::limit(p.limit, lists.query.page_default, lists.query.page_max)?;
    let after = p.cursor.as_deref().map(paging::decode).transpose()?;
    if p.search.as_deref().is_some_and(|s| s.chars().any(char::is_control) || s.chars().count() > 200) {
        return Err(Problem::malformed("检索词过长或含控制字符", "the search text is too long or holds control characters").into());
    }
    with_etag(&request, &lists.current(&list, p.search.as_deref(), after, limit).await?)
}

/// Columns of open data.
const OPEN_DATA: [&str; 11] = [
    "主体名称",
    "统一社会信用代码",
    "名单",
    "认定单位",
    "认定依据",
    "认定文书",
    "列入决定文号",
    "列入事由",
    "列入日期",
    "有效期止",
    "采取措施",
];

fn csv_line<'t>(cells: impl IntoIterator<Item = &'t str>) -> Result<Bytes, Problem> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(Problem::internal)?;
    writer.into_inner().map(Bytes::from).map_err(Problem::internal)
}

/// Entries of one page of the file.
const FILE_PAGE: i64 = 1000;

/// Where a file of open data has come to.
enum Wanted {
    Header,
    After(Option<crate::service::show::Cursor>, i64),
    Nothing,
}

/// The same list as open data: a CSV file in UTF-8 with byte order mark, every current entry, as everybody may see it.
#[utoipa::path(tag = "lists", responses((status = 200, content_type = "text/csv", body = String), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/lists/{list}/entries.csv")]
async fn export_current_entries(lists: web::Data<Lists>, list: web::Path<String>) -> ApiResult<HttpResponse> {
    let list = list.into_inner();
    // An unknown list is told before the file begins.
    lists.list(&list).await?;
    let name = format!("attachment; filename=\"{list}.csv\"");
    let rows_max = lists.settings.open_data_rows_max;
    let lists = lists.into_inner();
    let stream = futures_util::stream::unfold(Wanted::Header, move |wanted| {
        let (lists, list) = (lists.clone(), list.clone());
        async move {
            let step = async {
                match wanted {
                    Wanted::Nothing => Ok::<_, Problem>(None),
                    Wanted::Header => {
                        let mut bytes = b"\xef\xbb\xbf".to_vec();
                        bytes.extend_from_slice(&csv_line(OPEN_DATA)?);
                        Ok(Some((Bytes::from(bytes), Wanted::After(None, rows_max))))
                    }
                    Wanted::After(after, left) => {
                        let page = lists.current(&list, None, after, FILE_PAGE.min(left)).await?;
                        let mut bytes = Vec::new();
                        for e in &page.items {
                            let day = |d: Option<chrono::NaiveDate>| d.map(|d| d.to_string()).unwrap_or_default();
                            let (listed, expires, measures) = (day(e.listed_on), day(e.expires_on), e.measures.join(";"));
                            let text = |t: &'_ Option<String>| t.clone().unwrap_or_default();
                            let cells = [
                                text(&e.subject_name),
                                text(&e.uscc),
                                e.list_name.clone(),
                                e.authority.clone(),
                                e.legal_basis.clone(),
                                text(&e.ground_document),
                                text(&e.decision_no),
                                text(&e.facts),
                                listed,
                                expires,
                                measures,
                            ];
                            bytes.extend_from_slice(&csv_line(cells.iter().map(String::as_str))?);
                        }
                        let left = left - i64::try_from(page.items.len()).unwrap_or(left);
                        let next = match page.next {
                            Some(cursor) if left > 0 => Wanted::After(Some(paging::decode(&cursor)?), left),
                            _ => Wanted::Nothing,
                        };
                        Ok(Some((Bytes::from(bytes), next)))
                    }
                }
            };
            match step.await {
                Ok(Some((bytes, next))) => Some((Ok(bytes), next)),
                Ok(None) => None,
                // The answer has begun; the receiver sees it break off.
                Err(problem) => Some((Err(problem), Wanted::Nothing)),
            }
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, name))
        .streaming(stream))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct NoticeParams {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Notices a page.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct NoticePage {
    items: Vec<NoticeView>,
    /// Where the next page begins; absent on the last.
    next: Option<String>,
}

/// What was made public on a list's channel: announcements, listings, exits, corrections.
#[utoipa::path(tag = "lists", params(NoticeParams),
    responses((status = 200, body = NoticePage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/lists/{list}/notices")]
async fn list_notices(lists: web::Data<Lists>, list: web::Path<String>, params: web::Query<NoticeParams>) -> ApiResult<HttpResponse> {
    let p = params.into_inner();
    let limit = paging::limit(p.limit, lists.query.page_default, lists.query.page_max)?;
    let before = p.cursor.as_deref().map(paging::decode::<Uuid>).transpose()?;
    let mut items = lists.notices(&list, before, limit + 1).await?;
    let more = i64::try_from(items.len()).unwrap_or(i64::MAX) > limit;
    items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = items.last().filter(|_| more).map(|last| paging::encode(&last.id));
    Ok(HttpResponse::Ok().json(NoticePage { items, next }))
}

/// Propose an entry 拟列入, as an official of the competent authority.
#[utoipa::path(tag = "lists", security(("token" = [])), request_body = NewEntry,
    responses((status = 201, body = EntryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/list-entries")]
async fn propose_entry(caller: Caller, lists: web::Data<Lists>, body: web::Json<NewEntry>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ProposeListing)?;
    let id = lists.propose(&caller.0, body.into_inner()).await?;
    Ok(HttpResponse::Created().json(lists.entry(Some(&caller.0), None, id).await?.1))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EntryParams {
    /// Code of an authority; supervisors only.
    agency: Option<String>,
    /// Code of a list.
    list: Option<String>,
    /// A state.
    state: Option<String>,
    /// Only those whose ground is being reviewed.
    #[serde(default)]
    under_review: bool,
    /// Only those whose last day for deciding about a questioned ground is over.
    #[serde(default)]
    overdue: bool,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Entries a page.
    limit: Option<i64>,
}

/// Entries of the own authority in every state, newest first; supervisors see those of all.
#[utoipa::path(tag = "lists", security(("token" = [])), params(EntryParams),
    responses((status = 200, body = EntryPage), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/list-entries")]
async fn list_entries(caller: Caller, lists: web::Data<Lists>, params: web::Query<EntryParams>) -> ApiResult<HttpResponse> {
    let supervises = caller.0.may(Permission::SuperviseListing);
    if !supervises {
        caller.0.require(Permission::ProposeListing)?;
    }
    let p = params.into_inner();
    let asked = EntriesAsked {
        agency: p.agency,
        list: p.list,
        state: p.state,
        under_review: p.under_review,
        overdue: p.overdue,
        before: p.cursor.as_deref().map(paging::decode).transpose()?,
        limit: paging::limit(p.limit, lists.query.page_default, lists.query.page_max)?,
    };
    Ok(HttpResponse::Ok().json(lists.entries(&caller.0, supervises, asked).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OneEntryParams {
    /// What the information is for; without it, names of natural persons are covered.
    purpose: Option<String>,
}

/// One entry. Officials of its authority and supervisors see its procedure and how far its directives and releases have come; everybody sees it while it
/// is listed. Whoever is logged in leaves a trace.
#[utoipa::path(tag = "lists", params(OneEntryParams),
    responses((status = 200, body = EntryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/list-entries/{entry_id}")]
async fn get_entry(
    caller: MaybeCaller,
    lists: web::Data<Lists>,
    id: web::Path<Uuid>,
    params: web::Query<OneEntryParams>,
) -> ApiResult<HttpResponse> {
    let view = match &caller.0 {
        None => lists.entry(None, None, *id).await?.1,
        Some(actor) => {
            let purpose = params.purpose.as_deref();
            let statement = Statement { action: "list_entry.view", purpose, ..Statement::default() };
            logged(&lists.db, actor, statement, lists.clock.now(), async || {
                let (subject, view) = lists.entry(Some(actor), purpose, *id).await?;
                Ok((Some(subject), view))
            })
            .await?
        }
    };
    Ok(HttpResponse::Ok().json(view))
}

async fn changed(lists: &Lists, actor: &Actor, id: Uuid) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(lists.entry(Some(actor), None, id).await?.1))
}

/// Enter the notice 告知书 that was served, or announce a commendation 公示.
#[utoipa::path(tag = "lists", security(("token" = [])), request_body = NewNotice,
    responses((status = 200, body = EntryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/list-entries/{entry_id}/notice")]
async fn serve_notice(caller: Caller, lists: web::Data<Lists>, id: web::Path<Uuid>, body: web::Json<NewNotice>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ProposeListing)?;
    lists.notice(&caller.0, *id, body.into_inner()).await?;
    changed(&lists, &caller.0, *id).await
}

/// Enter an objection 陈述申辩 that the authority received.
#[utoipa::path(tag = "lists", security(("token" = [])), request_body = NewObjection,
    responses((status = 200, body = EntryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/list-entries/{entry_id}/objection")]
async fn enter_objection(
    caller: Caller,
    lists: web::Data<Lists>,
    id: web::Path<Uuid>,
    body: web::Json<NewObjection>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ProposeListing)?;
    lists.object(&caller.0, *id, body.into_inner(), None).await?;
    changed(&lists, &caller.0, *id).await
}

/// Answer an objection; one that is found right ends the entry.
#[utoipa::path(tag = "lists", security(("token" = [])), request_body = NewAnswer,
    responses((status = 200, body = EntryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/list-entries/{entry_id}/answer")]
async fn answer_objection(
    caller: Caller,
    lists: web::Data<Lists>,
    id: web::Path<Uuid>,
    body: web::Json<NewAnswer>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ProposeListing)?;
    lists.answer(&caller.0, *id, body.into_inner()).await?;
    changed(&lists, &caller.0, *id).await
}

/// Decide on an entry that a colleague proposed, after the window for objections or the answer to one.
#[utoipa::path(tag = "lists", security(("token" = [])), request_body = NewDecision,
    responses((status = 200, body = EntryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/list-entries/{entry_id}/decide")]
async fn decide_entry(
    caller: Caller,
    lists: web::Data<Lists>,
    id: web::Path<Uuid>,
    body: web::Json<NewDecision>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::DecideListing)?;
    lists.decide(&caller.0, *id, body.into_inner()).await?;
    changed(&lists, &caller.0, *id).await
}

/// Put a decided entry on the list: it is public from now on, and joint action starts.
#[utoipa::path(tag = "lists", security(("token" = [])),
    responses((status = 200, body = EntryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/list-entries/{entry_id}/publish")]
async fn publish_entry(caller: Caller, lists: web::Data<Lists>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ProposeListing)?;
    lists.publish(&caller.0, *id).await?;
    changed(&lists, &caller.0, *id).await
}

/// Give an entry up before it was listed.
#[utoipa::path(tag = "lists", security(("token" = [])), request_body = Reason,
    responses((status = 200, body = EntryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/list-entries/{entry_id}/drop")]
async fn drop_entry(caller: Caller, lists: web::Data<Lists>, id: web::Path<Uuid>, body: web::Json<Reason>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ProposeListing)?;
    lists.drop_entry(&caller.0, *id, &body.reason).await?;
    changed(&lists, &caller.0, *id).await
}

/// Take an entry off the list. Any official of the authority corrects a wrong one at once; repair and revocation are decided by an approver.
#[utoipa::path(tag = "lists", security(("token" = [])), request_body = NewExit,
    responses((status = 200, body = EntryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/list-entries/{entry_id}/exit")]
async fn exit_entry(caller: Caller, lists: web::Data<Lists>, id: web::Path<Uuid>, body: web::Json<NewExit>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ProposeListing)?;
    if body.cause != "correction" {
        caller.0.require(Permission::DecideListing)?;
    }
    lists.exit(&caller.0, *id, body.into_inner()).await?;
    changed(&lists, &caller.0, *id).await
}

/// Confirm that the ground of an entry stands although the record under it changed; what was held goes on.
#[utoipa::path(tag = "lists", security(("token" = [])), request_body = Reason,
    responses((status = 200, body = EntryView), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/list-entries/{entry_id}/confirm-ground")]
async fn confirm_ground(caller: Caller, lists: web::Data<Lists>, id: web::Path<Uuid>, body: web::Json<Reason>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::DecideListing)?;
    lists.confirm_ground(&caller.0, *id, &body.reason).await?;
    changed(&lists, &caller.0, *id).await
}

#[derive(Serialize, ToSchema)]
struct SubjectEntries {
    items: Vec<EntryView>,
}

/// The lists an organisation stands on; for those who may see what is past its publicity, also those it stood on.
#[utoipa::path(tag = "lists", responses((status = 200, body = SubjectEntries), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/subjects/{uscc}/list-entries")]
async fn list_subject_entries(caller: MaybeCaller, lists: web::Data<Lists>, uscc: web::Path<String>) -> ApiResult<HttpResponse> {
    let actor = caller.0.filter(|actor| actor.may(Permission::QuerySubjects));
    let items = match &actor {
        None => lists.of_organisation(None, &uscc).await?.1,
        Some(actor) => {
            let statement = Statement { action: "subject.list_entries", ..Statement::default() };
            logged(&lists.db, actor, statement, lists.clock.now(), async || {
                let (subject, items) = lists.of_organisation(Some(actor), &uscc).await?;
                Ok((Some(subject), items))
            })
            .await?
        }
    };
    Ok(HttpResponse::Ok().json(SubjectEntries { items }))
}

fn own(actor: &Actor, subject: Uuid) -> Result<(), Problem> {
    actor.require(Permission::ReadOwnFile)?;
    if actor.subjects.contains(&SubjectId(subject)) { Ok(()) } else { Err(Problem::new(&NOT_FOUND)) }
}

/// Entries about the own subject, those it was told of and that are not decided yet included, with every step.
#[utoipa::path(tag = "lists", security(("token" = [])),
    responses((status = 200, body = SubjectEntries), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/me/subjects/{subject_id}/list-entries")]
async fn list_own_entries(caller: Caller, lists: web::Data<Lists>, subject: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    own(&caller.0, *subject)?;
    let items = lists.own_entries(&caller.0, *subject).await?;
    Ok(HttpResponse::Ok().json(SubjectEntries { items }))
}

/// Object to an entry about the own subject within the window of its notice. To what the authority entered for it, the subject adds its own words once;
/// they have to be answered before anybody decides.
#[utoipa::path(tag = "lists", security(("token" = [])), request_body = NewObjection,
    responses((status = 204), (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/me/subjects/{subject_id}/list-entries/{entry_id}/objection")]
async fn object_to_entry(
    caller: Caller,
    lists: web::Data<Lists>,
    path: web::Path<(Uuid, Uuid)>,
    body: web::Json<NewObjection>,
) -> ApiResult<HttpResponse> {
    let (subject, entry) = path.into_inner();
    own(&caller.0, subject)?;
    lists.object(&caller.0, entry, body.into_inner(), Some(subject)).await?;
    Ok(HttpResponse::NoContent().finish())
}
