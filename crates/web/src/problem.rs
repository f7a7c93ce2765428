//! Problems on the wire (RFC 9457), in the caller's language and always with both.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError, web};
use credence_core::problem::{INTERNAL, Kind, NOT_FOUND, Problem};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// A problem on its way out.
#[derive(Debug)]
pub struct ApiError(pub Problem);

/// What handlers return.
pub type ApiResult<T> = std::result::Result<T, ApiError>;

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The shape of every error answer (`application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `/problems/` and the code.
    #[serde(rename = "type")]
    of_type: String,
    /// Stable code; programs may rely on it.
    code: String,
    /// HTTP status.
    status: u16,
    /// What went wrong and the way out, in the language asked for (`Accept-Language`, Chinese by default).
    title: String,
    /// The same in both languages.
    messages: Messages,
    /// Id of the request in the server's log.
    request_id: String,
    /// Particulars, depending on the code.
    #[serde(flatten)]
    #[schema(inline)]
    details: Map<String, Value>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Messages {
    zh: String,
    en: String,
}

fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedContent => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        status(self.0.of.kind)
    }

    /// An empty answer that carries the problem; [`localise`] writes the body, because only it knows the caller's language.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::new(self.status_code());
        response.extensions_mut().insert(self.0.clone());
        response
    }
}

/// Outermost middleware: gives the request an id, writes the body of problems, logs what is our fault. An error the framework made
/// itself (unknown path, wrong method) becomes a problem too, so callers meet one shape only.
pub async fn localise(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> std::result::Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = uuid::Uuid::now_v7().to_string();
    let language = request.headers().get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let english = prefers_english(language);
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let response = next.call(request).await?.map_into_boxed_body();
    let code = response.status();
    if !code.is_client_error() && !code.is_server_error() {
        return Ok(response);
    }
    let known = response.response().extensions().get::<Problem>().cloned();
    let problem = match known {
        Some(problem) => problem,
        None if code == StatusCode::NOT_FOUND => Problem::new(&NOT_FOUND),
        None if code.is_client_error() => {
            Problem::malformed(format!("HTTP {code}"), code.canonical_reason().unwrap_or("the request was not accepted"))
        }
        None => Problem::new(&INTERNAL),
    };
    if let Some(cause) = problem.internal.as_deref() {
        tracing::error!(request.id = id, %method, path, code = problem.code(), cause, "request failed");
    }
    // A status the framework chose (405, say) is kept; a problem's own kind decides otherwise.
    let final_status = if response.response().extensions().get::<Problem>().is_some() { status(problem.of.kind) } else { code };
    let details = (*problem.details).clone();
    let body = ProblemBody {
        of_type: format!("/problems/{}", problem.code()),
        code: problem.code().to_owned(),
        status: final_status.as_u16(),
        title: if english { problem.of.en } else { problem.of.zh }.to_owned(),
        messages: Messages { zh: problem.of.zh.to_owned(), en: problem.of.en.to_owned() },
        request_id: id,
        details,
    };
    let mut answer = HttpResponse::build(final_status);
    answer.insert_header((CONTENT_TYPE, "application/problem+json")).insert_header((VARY, "Accept-Language"));
    match problem.of.kind {
        Kind::Unauthenticated => drop(answer.insert_header((WWW_AUTHENTICATE, "Bearer"))),
        Kind::Unavailable | Kind::TooMany => {
            let seconds = problem.details.get("retry_after_seconds").and_then(Value::as_i64).unwrap_or(5);
            answer.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        _ => {}
    }
    let text = serde_json::to_vec(&body).unwrap_or_else(|_| json!({"code": "internal"}).to_string().into_bytes());
    let (request, _) = response.into_parts();
    Ok(ServiceResponse::new(request, answer.body(text)))
}

fn prefers_english(accept_language: &str) -> bool {
    let weight = |tag: &str| {
        let (name, q) = tag.split_once(";q=").unwrap_or((tag, "1"));
        (name.trim().to_ascii_lowercase(), q.trim().parse::<f32>().unwrap_or(0.0))
    };
    let best = |language: &str| {
        accept_language.split(',').map(weight).filter(|(name, _)| name.starts_with(language)).map(|(_, q)| q).fold(0.0_f32, f32::max)
    };
    best("en") > best("zh")
}

/// Extractor errors (JSON, query, path) as problems that say where the text stops making sense.
pub fn extractor_errors(config: &mut web::ServiceConfig, json_body_bytes_max: usize) {
    fn malformed(place_zh: &str, place_en: &str, error: &dyn std::fmt::Display) -> actix_web::Error {
        ApiError(Problem::malformed(format!("{place_zh}：{error}"), format!("{place_en}: {error}"))).into()
    }
    config
        .app_data(web::JsonConfig::default().limit(json_body_bytes_max).error_handler(|e, _| malformed("正文", "body", &e)))
        .app_data(web::QueryConfig::default().error_handler(|e, _| malformed("查询参数", "query", &e)))
        .app_data(web::PathConfig::default().error_handler(|_, _| ApiError(Problem::new(&NOT_FOUND)).into()));
}

#[cfg(test)]
mod tests {
    use super::prefers_english;

    #[test]
    fn chinese_unless_english_is_wanted_more() {
        for (header, english) in
            [("", false), ("en", true), ("zh-CN,en;q=0.8", false), ("en-GB,zh;q=0.9", true), ("fr", false), ("en;q=x", false)]
        {
            assert_eq!(prefers_english(header), english, "{header}");
        }
    }
}
