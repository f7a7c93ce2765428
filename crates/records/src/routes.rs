//! Batches, records and the queue of unmatched rows over HTTP.

use crate::decode::Encoding;
use crate::model::{Batch, RowVerdict, Verdict};
use crate::service::receive::{self, Received, Receiving, Submission};
use crate::service::single::{self, RecordChanged};
use crate::service::unmatched::{self, UnmatchedView};
use crate::service::{Records, open_sealed, rejects, undo};
use crate::store;
use crate::store::versions;
use actix_web::body::{BodyStream, BoxBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::access::{Statement, logged};
use credence_catalog::disclosure::{About, Door, Facts, Viewer};
use credence_catalog::model::RecordState;
use credence_core::problem::{NOT_FOUND, Problem, Result};
use credence_core::{Actor, Permission, paging};
use credence_web::idempotency::Key;
use credence_web::{ApiResult, Caller, ProblemBody};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(submit_batch)
        .service(list_batches)
        .service(get_batch)
        .service(list_batch_rows)
        .service(get_batch_rejects)
        .service(undo_batch)
        .service(get_record)
        .service(correct_record)
        .service(withdraw_record)
        .service(list_unmatched_rows)
        .service(link_unmatched_row)
        .service(reject_unmatched_row);
}

/// What the sender says about a file.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SubmitParams {
    /// Code of the catalogue item.
    item: String,
    /// Form (feed version); needed when the item has several.
    feed: Option<String>,
    /// `utf-8` or `gb18030` (gbk, gb2312); found out when absent.
    encoding: Option<String>,
    /// Columns to leave out, separated by commas.
    ignore: Option<String>,
    /// Name of the file, for people.
    file_name: Option<String>,
    /// Verdicts only: nothing is stored.
    dry_run: Option<bool>,
    /// The file is the whole list of the item: once every row has its record, the agency's records that are not in it are ended.
    whole: Option<bool>,
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
struct BatchPage {
    batches: Vec<Batch>,
    /// Cursor of the next page; absent on the last.
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RowParams {
    /// Only rows with this verdict.
    #[param(inline)]
    verdict: Option<Verdict>,
    /// Which file of the batch; 1 is the first.
    round: Option<i32>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on a page.
    limit: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct RowPage {
    rows: Vec<RowVerdict>,
    /// Cursor of the next page; absent on the last.
    next: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReasonRequest {
    /// Why.
    reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CorrectRequest {
    /// Field codes and their corrected values; fields not named stay as they are, `null` empties one.
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
    /// Why.
    reason: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LinkRequest {
    /// Whose the row is.
    subject_id: Uuid,
    /// Why.
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct Linked {
    /// The record the row became.
    record_id: Uuid,
}

#[derive(Serialize, ToSchema)]
struct UnmatchedPage {
    rows: Vec<UnmatchedView>,
    /// Cursor of the next page; absent on the last.
    next: Option<String>,
}

/// A version of a record as those who answer for it see it.
#[derive(Serialize, ToSchema)]
struct VersionView {
    version_id: Uuid,
    state: String,
    /// What made it: `loaded`, `corrected`, `withdrawn`, `undone`, `linked` or `absent`.
    change: String,
    reason: Option<String>,
    decided_on: Option<NaiveDate>,
    valid_from: Option<NaiveDate>,
    valid_to: Option<NaiveDate>,
    public_until: Option<NaiveDate>,
    late: bool,
    late_rule: Option<String>,
    batch_id: Uuid,
    row: i64,
    known_from: DateTime<Utc>,
    known_to: Option<DateTime<Utc>>,
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

#[derive(Serialize, ToSchema)]
struct RecordView {
    record_id: Uuid,
    subject_id: Uuid,
    item: String,
    agency_id: Uuid,
    /// Oldest first.
    versions: Vec<VersionView>,
}

/// Push a file of rows. The body is the file itself, or `multipart/form-data` with one file part. CSV (UTF-8, GBK, GB18030), XLSX, XLS,
/// JSON and NDJSON are told apart by content; text may be gzipped. Up to 1,000 rows are answered with their verdicts (200), larger files
/// with a batch to follow (202). A corrected file of refused rows goes into the batch it came from.
#[utoipa::path(tag = "records", security(("token" = [])), params(SubmitParams, ("Idempotency-Key" = Option<String>, Header, description = "The same request under the same key takes effect once and gets the same answer")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Received, description = "Loaded, or recognised, or a dry run"), (status = 202, body = Received, description = "Received; loading"),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/batches")]
async fn submit_batch(
    request: HttpRequest,
    caller: Caller,
    records: web::Data<Records>,
    params: web::Query<SubmitParams>,
    payload: web::Payload,
) -> ApiResult<HttpResponse> {
    let params = params.into_inner();
    let mut submission = Submission {
        item: params.item,
        feed: params.feed,
        encoding: params.encoding.as_deref().map(Encoding::parse).transpose()?,
        ignore: params
            .ignore
            .map(|list| list.split([',', '，']).map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect())
            .unwrap_or_default(),
        file_name: params.file_name.unwrap_or_default(),
        dry_run: params.dry_run.unwrap_or(false),
        whole: params.whole.unwrap_or(false),
    };
    let texts = std::iter::once(&submission.file_name).chain(&submission.ignore);
    if texts.into_iter().any(|text| text.chars().any(char::is_control)) {
        return Err(Problem::malformed("file_name 与 ignore 不能含控制字符", "file_name and ignore hold no control characters").into());
    }
    let item = receive::authorise(&records, &caller.0, &submission).await?;
    let mut spooled = Receiving::create(&records).await?;
    if let Err(problem) = read_body(&request, payload, &mut spooled, &mut submission).await {
        spooled.discard().await;
        return Err(problem.into());
    }
    let received = receive::accept(&records, &caller.0, submission, item, spooled, &request).await?;
    let loading = received.batch.as_ref().is_some_and(|b| b.files.iter().any(|f| f.state == "queued" || f.state == "loading"));
    let status = if loading { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mut answer = HttpResponse::build(status);
    if let Some(batch) = &received.batch {
        answer.insert_header(("Location", format!("/v1/batches/{}", batch.id)));
    }
    Ok(answer.json(received))
}

async fn read_body(request: &HttpRequest, payload: web::Payload, spooled: &mut Receiving, submission: &mut Submission) -> Result<()> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let broken = |e: &dyn std::fmt::Display| Problem::malformed(format!("上传中断：{e}"), format!("the upload broke off: {e}"));
    if !content_type.starts_with("multipart/form-data") {
        let mut payload = payload;
        while let Some(bytes) = payload.next().await {
            spooled.write(&bytes.map_err(|e| broken(&e))?).await?;
        }
        return Ok(());
    }
    let mut multipart = actix_multipart::Multipart::new(request.headers(), payload);
    let mut files = 0;
    while let Some(part) = multipart.next().await {
        let mut part = part.map_err(|e| broken(&e))?;
        let name = part.content_disposition().and_then(|d| d.get_filename()).map(str::to_owned);
        let Some(name) = name else {
            return Err(Problem::malformed(
                "multipart 中只能有一个文件，其他参数放在查询字符串中",
                "a multipart body holds one file only; other parameters go into the query",
            ));
        };
        files += 1;
        if files > 1 {
            return Err(Problem::malformed("一次只能上传一个文件", "one file at a time"));
        }
        if submission.file_name.is_empty() {
            submission.file_name = name.replace(char::is_control, "_");
        }
        while let Some(bytes) = part.next().await {
            spooled.write(&bytes.map_err(|e| broken(&e))?).await?;
        }
    }
    if files == 0 { Err(Problem::malformed("multipart 中没有文件", "there is no file in the multipart body")) } else { Ok(()) }
}

/// The batch, if the actor may see it: its own agency's, or any for those who supervise.
async fn visible_batch(records: &Records, actor: &Actor, id: Uuid) -> Result<Batch> {
    let batch = store::batch(&mut *records.db.read().await?, id, records.clock.now()).await?;
    let own =
        |b: &Batch| actor.may(Permission::SubmitRecords) && actor.agency.is_some_and(|a| a.0 == b.agency_id) && actor.covers_item(&b.item);
    let batch = batch.filter(|b| own(b) || actor.may(Permission::SuperviseSubmissions)).ok_or_else(|| Problem::new(&NOT_FOUND))?;
    if store::covered(&mut *records.db.read().await?, actor, batch.id).await? { Ok(batch) } else { Err(Problem::new(&NOT_FOUND)) }
}

fn require_batches(actor: &Actor) -> Result<()> {
    if actor.may(Permission::SuperviseSubmissions) { Ok(()) } else { actor.require(Permission::SubmitRecords) }
}

/// Batches, newest first: the own agency's, or everybody's for those who supervise.
#[utoipa::path(tag = "records", security(("token" = [])), params(PageParams), responses((status = 200, body = BatchPage),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/batches")]
async fn list_batches(caller: Caller, records: web::Data<Records>, params: web::Query<PageParams>) -> ApiResult<HttpResponse> {
    require_batches(&caller.0)?;
    let limit = paging::limit(params.limit, records.query.page_default, records.query.page_max)?;
    let before: Option<Uuid> = params.cursor.as_deref().map(paging::decode).transpose()?;
    let agency = if caller.0.may(Permission::SuperviseSubmissions) { None } else { Some(caller.0.agency()?.0) };
    let mut conn = records.db.read().await?;
    let ids = store::batch_ids(&mut conn, agency, before, limit).await?;
    let next = (i64::try_from(ids.len()).unwrap_or(0) == limit).then(|| ids.last().map(paging::encode)).flatten();
    let mut batches = Vec::with_capacity(ids.len());
    for id in ids {
        let batch = store::batch(&mut conn, id, records.clock.now()).await?.filter(|b| caller.0.covers_item(&b.item));
        if store::covered(&mut conn, &caller.0, id).await? {
            batches.extend(batch);
        }
    }
    Ok(HttpResponse::Ok().json(BatchPage { batches, next }))
}

/// A batch: state, counts, speed and time left of each of its files.
#[utoipa::path(tag = "records", security(("token" = [])), responses((status = 200, body = Batch),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/batches/{batch_id}")]
async fn get_batch(caller: Caller, records: web::Data<Records>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    require_batches(&caller.0)?;
    Ok(HttpResponse::Ok().json(visible_batch(&records, &caller.0, *id).await?))
}

/// Verdicts by row. `row` is the position of the data row in the file of that round; issues are given for round 1.
#[utoipa::path(tag = "records", security(("token" = [])), params(RowParams), responses((status = 200, body = RowPage),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/batches/{batch_id}/rows")]
async fn list_batch_rows(
    caller: Caller,
    records: web::Data<Records>,
    id: web::Path<Uuid>,
    params: web::Query<RowParams>,
) -> ApiResult<HttpResponse> {
    require_batches(&caller.0)?;
    let statement = Statement { action: "batch.rows", ..Statement::default() };
    let page = logged(&records.db, &caller.0, statement, records.clock.now(), async || {
        let batch = visible_batch(&records, &caller.0, *id).await?;
        let mut page = row_page(&records, batch.id, &params).await?;
        if caller.0.agency.is_none_or(|a| a.0 != batch.agency_id) {
            // Who supervises sees how a batch went, not what is in it.
            for issue in page.rows.iter_mut().flat_map(|r| &mut r.issues) {
                issue.value.clear();
                issue.message_zh = CONTENTS_ZH.to_owned();
                issue.message_en = CONTENTS_EN.to_owned();
            }
        }
        Ok((None, page))
    })
    .await?;
    Ok(HttpResponse::Ok().json(page))
}

const CONTENTS_ZH: &str = "具体内容仅提供单位可见";
const CONTENTS_EN: &str = "only the provider sees the contents";

async fn row_page(records: &Records, batch: Uuid, params: &RowParams) -> Result<RowPage> {
    let limit = paging::limit(params.limit, records.query.page_default, records.query.page_max)?;
    let from: i64 = params.cursor.as_deref().map(paging::decode).transpose()?.unwrap_or(0);
    let round = params.round.unwrap_or(1);
    let mut conn = records.db.read().await?;
    let letters = store::verdicts(&mut conn, batch, round, from).await?;
    let page: Vec<(i64, Verdict)> = letters
        .into_iter()
        .filter_map(|(row, letter)| Verdict::from_letter(letter).map(|v| (row, v)))
        .filter(|(_, v)| params.verdict.is_none_or(|wanted| wanted == *v))
        .take(usize::try_from(limit).unwrap_or(0))
        .collect();
    let last = page.last().map_or(from, |(row, _)| *row);
    let next = (i64::try_from(page.len()).unwrap_or(0) == limit).then(|| paging::encode(&last));
    // Issues are kept by the number of the row in the first file, which is what `row` is in round 1 only.
    let (warnings, refused) = if round == 1 {
        (store::row_warnings(&mut conn, batch, from, last).await?, store::quarantined(&mut conn, batch, from, limit).await?)
    } else {
        (Vec::new(), Vec::new())
    };
    let rows = page
        .into_iter()
        .map(|(row, verdict)| {
            let kept = || warnings.iter().find(|(n, _)| *n == row).and_then(|(_, w)| serde_json::from_value(w.clone()).ok());
            let issues = match verdict {
                Verdict::Refused => refused.iter().find(|q| q.row_no == row && q.round == round).map(|q| q.issues.clone()),
                _ => kept(),
            };
            RowVerdict { row: u64::try_from(row).unwrap_or(0), verdict, issues: issues.unwrap_or_default() }
        })
        .collect();
    Ok(RowPage { rows, next })
}

/// Only the refused rows, with the reasons, as `rejects.csv` or `rejects.xlsx`. Corrected and pushed again, the file goes into the same batch.
#[utoipa::path(tag = "records", security(("token" = [])), responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/batches/{batch_id}/rejects.{format}")]
async fn get_batch_rejects(caller: Caller, records: web::Data<Records>, path: web::Path<(Uuid, String)>) -> ApiResult<HttpResponse> {
    // The rows hold whatever the sender put in, personal numbers included: only the sender gets them back.
    caller.0.require(Permission::SubmitRecords)?;
    let (id, format) = path.into_inner();
    let media_type = match format.as_str() {
        "csv" => "text/csv; charset=utf-8",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _ => return Err(Problem::new(&NOT_FOUND).into()),
    };
    let statement = Statement { action: "batch.rejects", ..Statement::default() };
    let body = logged(&records.db, &caller.0, statement, records.clock.now(), async || {
        let batch = visible_batch(&records, &caller.0, id).await?;
        if caller.0.agency()?.0 != batch.agency_id {
            return Err(Problem::new(&NOT_FOUND));
        }
        let body = match format.as_str() {
            "xlsx" => BoxBody::new(rejects::xlsx(&records, batch.id).await?),
            _ => csv_body(&records, batch.id).await?,
        };
        Ok((None, body))
    })
    .await?;
    let name = format!("attachment; filename=\"rejects-{id}.{format}\"");
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, media_type)).insert_header((CONTENT_DISPOSITION, name)).body(body))
}

fn broken_off(problem: Problem) -> std::io::Error {
    std::io::Error::other(problem.code())
}

/// The CSV of refused rows, page by page: however many there are, few are in memory.
async fn csv_body(records: &web::Data<Records>, batch: Uuid) -> Result<BoxBody> {
    let (names, _) = rejects::columns(records, batch).await?;
    let header = rejects::csv_header(&names)?;
    let (records, names) = (records.clone(), Arc::new(names));
    let pages = futures_util::stream::try_unfold(0, move |after| {
        let (records, names) = (records.clone(), Arc::clone(&names));
        async move {
            let rows = rejects::page(&records, batch, after).await.map_err(broken_off)?;
            let Some(last) = rows.last().map(|r| r.row_no) else { return Ok(None) };
            Ok::<_, std::io::Error>(Some((Bytes::from(rejects::csv_rows(batch, &names, &rows).map_err(broken_off)?), last)))
        }
    });
    let first = futures_util::stream::once(async move { Ok(Bytes::from(header)) });
    Ok(BoxBody::new(BodyStream::new(Box::pin(first.chain(pages)))))
}

/// Undo a whole batch: each record says again what it said before, in a new version.
#[utoipa::path(tag = "records", security(("token" = [])), request_body = ReasonRequest, responses((status = 202, body = Batch),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/batches/{batch_id}/undo")]
async fn undo_batch(
    caller: Caller,
    records: web::Data<Records>,
    id: web::Path<Uuid>,
    body: web::Json<ReasonRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::SubmitRecords)?;
    let batch = visible_batch(&records, &caller.0, *id).await?;
    undo::begin(&records, &caller.0, batch.id, &body.reason).await?;
    Ok(HttpResponse::Accepted().json(visible_batch(&records, &caller.0, *id).await?))
}

/// A record of the own agency with every version it ever had.
#[utoipa::path(tag = "records", security(("token" = [])), responses((status = 200, body = RecordView),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/subjects/{subject_id}/records/{record_id}")]
async fn get_record(caller: Caller, records: web::Data<Records>, path: web::Path<(Uuid, Uuid)>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::SubmitRecords)?;
    let (subject, record_id) = path.into_inner();
    let agency = caller.0.agency()?.0;
    let now = records.clock.now();
    let statement = Statement { action: "record.history", subject_id: Some(subject), ..Statement::default() };
    let view = logged(&records.db, &caller.0, statement, now, async || {
        let mut conn = records.db.read().await?;
        let history = versions::history(&mut conn, subject, record_id).await?;
        let first = history.first().filter(|v| v.agency_id == agency && caller.0.covers_item(&v.item));
        let (item, agency_id) =
            first.map(|v| (v.item.clone(), v.agency_id)).ok_or_else(|| Problem::new(&crate::model::RECORD_NOT_FOUND))?;
        if let Some(newest) = history.last()
            && !store::covered(&mut conn, &caller.0, newest.batch_id).await?
        {
            return Err(Problem::new(&crate::model::RECORD_NOT_FOUND));
        }
        let person = credence_subjects::store::find(&mut conn, subject).await?.is_some_and(|s| s.kind == "natural_person");
        drop(conn);
        let versions = disclosed(&records, &caller.0, person, history)?;
        Ok((Some(subject), RecordView { record_id, subject_id: subject, item, agency_id, versions }))
    })
    .await?;
    Ok(HttpResponse::Ok().json(view))
}

/// What the provider itself sees of its record: through the same door as everybody, in the capacity of the provider.
fn disclosed(records: &Records, actor: &Actor, person: bool, history: Vec<versions::Version>) -> Result<Vec<VersionView>> {
    let configuration = records.configuration.get();
    let viewer = Viewer::of(actor, Vec::new(), false, None, None);
    let door = Door::open(&configuration.disclosure, &viewer, records.clock.today());
    let about = if person { About::Person } else { About::Organisation };
    history
        .into_iter()
        .map(|v| {
            let item = &configuration.items.get(&v.item).ok_or_else(|| Problem::internal("item vanished"))?.item;
            // The provider answers for every version of its record, so its life is not narrowed here; its values are.
            let facts = Facts { about, agency: v.agency_id, state: RecordState::Active, public_until: None, current: true };
            let mut content: Map<String, Value> = v.data.as_object().cloned().unwrap_or_default();
            if let Some(sealed) = &v.sealed {
                content.extend(open_sealed(&records.keys, v.record_id, sealed)?);
            }
            let sight = door.sight(item, &facts);
            let data = item
                .fields
                .iter()
                .filter_map(|f| Some((f.code.clone(), door.value(item, f, sight.as_ref()?, content.get(&f.code)?)?)))
                .collect();
            Ok(VersionView {
                version_id: v.id,
                state: v.state,
                change: v.change,
                reason: v.reason,
                decided_on: v.decided_on,
                valid_from: v.valid_from,
                valid_to: v.valid_to,
                public_until: v.public_until,
                late: v.late,
                late_rule: v.late_rule,
                batch_id: v.batch_id,
                row: v.row_no,
                known_from: v.known_from,
                known_to: v.known_to,
                data,
            })
        })
        .collect()
}

/// Correct fields of a record of the own agency, with a reason. The corrected whole passes the same checks as a pushed row.
#[utoipa::path(tag = "records", security(("token" = [])), request_body = CorrectRequest, responses((status = 200, body = RecordChanged),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/subjects/{subject_id}/records/{record_id}/correct")]
async fn correct_record(
    request: HttpRequest,
    caller: Caller,
    records: web::Data<Records>,
    path: web::Path<(Uuid, Uuid)>,
    body: web::Json<CorrectRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::SubmitRecords)?;
    let (subject, record_id) = path.into_inner();
    let CorrectRequest { fields, reason } = body.into_inner();
    let fingerprint = serde_json::to_vec(&(&fields, &reason)).map_err(Problem::internal)?;
    let key = Key::of(&request, &caller.0, &fingerprint)?;
    Ok(HttpResponse::Ok().json(single::correct(&records, &caller.0, subject, record_id, fields, &reason, key).await?))
}

/// Withdraw a record of the own agency, with a reason. It stays in the history and is shown no more.
#[utoipa::path(tag = "records", security(("token" = [])), request_body = ReasonRequest, responses((status = 200, body = RecordChanged),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/subjects/{subject_id}/records/{record_id}/withdraw")]
async fn withdraw_record(
    request: HttpRequest,
    caller: Caller,
    records: web::Data<Records>,
    path: web::Path<(Uuid, Uuid)>,
    body: web::Json<ReasonRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::SubmitRecords)?;
    let (subject, record_id) = path.into_inner();
    let key = Key::of(&request, &caller.0, body.reason.as_bytes())?;
    Ok(HttpResponse::Ok().json(single::withdraw(&records, &caller.0, subject, record_id, &body.reason, key).await?))
}

/// Rows of which no rule settles whose they are, oldest first, with proposals.
#[utoipa::path(tag = "records", security(("token" = [])), params(PageParams), responses((status = 200, body = UnmatchedPage),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/unmatched-rows")]
async fn list_unmatched_rows(caller: Caller, records: web::Data<Records>, params: web::Query<PageParams>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageSubjects)?;
    let limit = paging::limit(params.limit, records.query.page_default, records.query.page_max)?;
    let after: Option<Uuid> = params.cursor.as_deref().map(paging::decode).transpose()?;
    let statement = Statement { action: "unmatched_rows.list", ..Statement::default() };
    let rows = logged(&records.db, &caller.0, statement, records.clock.now(), async || {
        Ok((None, unmatched::waiting(&records, after, limit).await?))
    })
    .await?;
    let next = (i64::try_from(rows.len()).unwrap_or(0) == limit).then(|| rows.last().map(|r| paging::encode(&r.id))).flatten();
    Ok(HttpResponse::Ok().json(UnmatchedPage { rows, next }))
}

/// Say whose a row is.
#[utoipa::path(tag = "records", security(("token" = [])), request_body = LinkRequest, responses((status = 200, body = Linked),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/unmatched-rows/{row_id}/link")]
async fn link_unmatched_row(
    caller: Caller,
    records: web::Data<Records>,
    id: web::Path<Uuid>,
    body: web::Json<LinkRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageSubjects)?;
    let record_id = unmatched::link(&records, &caller.0, *id, body.subject_id, &body.reason).await?;
    Ok(HttpResponse::Ok().json(Linked { record_id }))
}

/// Reject a row that belongs to nobody the platform can know.
#[utoipa::path(tag = "records", security(("token" = [])), request_body = ReasonRequest, responses((status = 204),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/unmatched-rows/{row_id}/reject")]
async fn reject_unmatched_row(
    caller: Caller,
    records: web::Data<Records>,
    id: web::Path<Uuid>,
    body: web::Json<ReasonRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageSubjects)?;
    unmatched::reject(&records, &caller.0, *id, &body.reason).await?;
    Ok(HttpResponse::NoContent().finish())
}
