//! Contents in a bucket of a service that speaks S3, over the HTTP client of this program.

use async_trait::async_trait;
use credence_core::problem::{Problem, Result};
use credence_core::settings;
use http_body_util::BodyExt;
use object_store::aws::AmazonS3Builder;
use object_store::client::{ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService};
use object_store::{ObjectStore, RetryConfig};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{Method, Request};

/// Attempts beside the first: whoever uploads is waiting.
const RETRIES: usize = 2;
/// What an answer may be larger than the largest attachment: sealing and the words of an error.
const ANSWER_MARGIN: usize = 1 << 20;

/// A bucket as store.
///
/// # Errors
/// When the settings are incomplete.
pub(crate) fn bucket(settings: &settings::Attachments) -> Result<Arc<dyn ObjectStore>> {
    let unusable = |what: &str| Problem::internal(format!("settings [attachments] with store = \"s3\": {what}"));
    for (name, value) in [
        ("s3_bucket", &settings.s3_bucket),
        ("s3_access_key_id", &settings.s3_access_key_id),
        ("s3_secret_access_key", &settings.s3_secret_access_key),
    ] {
        if value.is_empty() {
            return Err(unusable(&format!("{name} is empty")));
        }
    }
    let timeout = Duration::from_secs(settings.s3_timeout_seconds);
    let answer_bytes_max = u64::try_from(settings.size_bytes_max.saturating_add(ANSWER_MARGIN)).unwrap_or(u64::MAX);
    let retry = RetryConfig { max_retries: RETRIES, retry_timeout: timeout, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.s3_bucket)
        .with_region(&settings.s3_region)
        .with_access_key_id(&settings.s3_access_key_id)
        .with_secret_access_key(&settings.s3_secret_access_key)
        .with_virtual_hosted_style_request(!settings.s3_path_style)
        .with_allow_http(settings.s3_allow_http)
        .with_disable_tagging(true)
        .with_retry(retry)
        .with_http_connector(Connector { timeout, answer_bytes_max, https_only: !settings.s3_allow_http });
    if !settings.s3_endpoint.is_empty() {
        builder = builder.with_endpoint(&settings.s3_endpoint);
    }
    Ok(Arc::new(builder.build().map_err(|e| unusable(&e.to_string()))?))
}

#[derive(Debug)]
struct Connector {
    timeout: Duration,
    answer_bytes_max: u64,
    https_only: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let config = ureq::Agent::config_builder()
            .https_only(self.https_only)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(self.timeout))
            .user_agent("credence")
            .build();
        Ok(HttpClient::new(Service { agent: ureq::Agent::new_with_config(config), answer_bytes_max: self.answer_bytes_max }))
    }
}

struct Service {
    agent: ureq::Agent,
    answer_bytes_max: u64,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let (agent, limit) = (self.agent.clone(), self.answer_bytes_max);
        let exchange = tokio::task::spawn_blocking(move || {
            let answer = if body.is_empty() && parts.method != Method::PUT && parts.method != Method::POST {
                agent.run(Request::from_parts(parts, ()))
            } else {
                agent.run(Request::from_parts(parts, body.to_vec()))
            };
            let (parts, mut body) = answer.map_err(failed)?.into_parts();
            let bytes = body.with_config().limit(limit).read_to_vec().map_err(failed)?;
            Ok::<HttpResponse, HttpError>(HttpResponse::from_parts(parts, bytes.into()))
        });
        exchange.await.map_err(|e| HttpError::new(HttpErrorKind::Interrupted, e))?
    }
}

/// What went wrong, sorted by whether it may go better the next time.
fn failed(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => HttpErrorKind::Connect,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_without_name_or_key_is_refused_at_the_start() {
        let mut settings = settings::Settings::load(None, std::iter::empty()).unwrap().attachments;
        for missing in ["s3_bucket", "s3_access_key_id", "s3_secret_access_key"] {
            let problem = bucket(&settings).err().unwrap();
            assert!(problem.internal.as_deref().is_some_and(|cause| cause.contains(missing)), "{problem:?}");
            match missing {
                "s3_bucket" => settings.s3_bucket = "b".to_owned(),
                "s3_access_key_id" => settings.s3_access_key_id = "k".to_owned(),
                _ => settings.s3_secret_access_key = "s".to_owned(),
            }
        }
        assert!(bucket(&settings).is_ok());
    }
}
