//! A connection to a server as a department's program has one: send a file, follow its batch, fetch what was refused.

use super::Failure;
use serde_json::Value;
use std::io::Read;
use std::time::{Duration, Instant};
use ureq::Body;
use ureq::http::Response;

/// How often the server is asked how far a load has come.
const POLL: Duration = Duration::from_millis(300);
/// First pause when the server does not answer; each next one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long a server may be away while a load is followed, unless the caller says otherwise.
pub(super) const PATIENCE_SECONDS: u64 = 600;
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a small call may take, its answer included.
const CALL_MAX: Duration = Duration::from_secs(60);
/// How long the server may look at an upload once all of it has arrived.
const LOOK_MAX: Duration = Duration::from_secs(3600);
/// How long making and fetching a file of refused rows may take.
const REJECTS_MAX: Duration = Duration::from_secs(600);
/// A thousand verdicts with their texts stay far below it.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// The largest file of refused rows that is fetched.
const REJECTS_BYTES_MAX: u64 = 1 << 30;

/// A connection to a server.
pub struct Client {
    agent: ureq::Agent,
    url: String,
    key: String,
}

/// What is heard while a batch is followed.
pub(super) enum News<'a> {
    /// How the batch stands.
    State(&'a Value),
    /// The server did not answer and is asked again after the pause.
    Away { why: &'a Failure, pause: Duration },
}

/// Calls until the call succeeds or is refused for good. What may pass (no connection, an answer cut off, 5xx) is tried again after pauses
/// that grow, for as long as `patience` lasts.
pub(super) fn patiently<T>(
    patience: Duration,
    away: &mut dyn FnMut(&Failure, Duration),
    call: &mut dyn FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let started = Instant::now();
    let mut next = PAUSE_FIRST;
    loop {
        let failure = match call() {
            Err(failure) if failure.is_passing() => failure,
            settled => return settled,
        };
        let left = patience.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(failure.amid(&format!("gave up after {} seconds (--patience)", patience.as_secs())));
        }
        let pause = next.min(left);
        away(&failure, pause);
        std::thread::sleep(pause);
        next = (next * 2).min(PAUSE_MAX);
    }
}

impl Client {
    /// A client with an API key or access token.
    pub fn new(url: &str, key: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_connect(Some(CONNECT_MAX)).build();
        Self { agent: config.into(), url: url.trim_end_matches('/').to_owned(), key: key.trim().to_owned() }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        use ureq::Error::{ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
        let passing = matches!(error, ConnectionFailed | HostNotFound | Io(_) | Protocol(_) | Timeout(_));
        let text = format!("{}: {error}; check that the server runs there, or name another with --url or CREDENCE_URL", self.url);
        Failure::new("unreachable", text).passing(passing)
    }

    /// The response of a success; anything else says why it is none.
    fn good(&self, response: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let response = response.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        // An answer whose body breaks off is still an answer: its status says enough.
        let bytes = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_vec().unwrap_or_default();
        Err(Failure::answered(&self.url, status.as_u16(), &bytes))
    }

    fn json(&self, response: Result<Response<Body>, ureq::Error>) -> Result<Value, Failure> {
        let response = self.good(response)?;
        let status = response.status();
        let bytes = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(|e| self.unreachable(&e))?;
        serde_json::from_slice(&bytes).map_err(|e| {
            let text = format!("{} answered HTTP {status}, but not with JSON ({e}); check that a Credence server runs there", self.url);
            Failure::new("bad_answer", text)
        })
    }

    fn get(&self, path: &str, within: Duration) -> Result<Response<Body>, ureq::Error> {
        let request = self.agent.get(format!("{}{path}", self.url)).header("Authorization", self.bearer());
        request.config().timeout_global(Some(within)).build().call()
    }

    /// Whose key or token this is.
    ///
    /// # Errors
    /// When the server cannot be reached or does not take it.
    pub fn me(&self) -> Result<Value, Failure> {
        self.json(self.get("/v1/me", CALL_MAX))
    }

    /// Uploads a file.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the file as a whole.
    pub fn submit(&self, query: &[(&str, &str)], body: impl Read, size: u64) -> Result<Value, Failure> {
        let mut body = body;
        let request = self
            .agent
            .post(format!("{}/v1/batches", self.url))
            .query_pairs(query.iter().copied())
            .header("Authorization", self.bearer())
            .header("Content-Type", "application/octet-stream")
            .header("Content-Length", size.to_string());
        let request = request.config().timeout_recv_response(Some(LOOK_MAX)).build();
        self.json(request.send(ureq::SendBody::from_reader(&mut body)))
    }

    /// A batch.
    ///
    /// # Errors
    /// When the server cannot be reached or does not show it.
    pub fn batch(&self, id: &str) -> Result<Value, Failure> {
        self.json(self.get(&format!("/v1/batches/{id}"), CALL_MAX))
    }

    /// Waits until no file of the batch is loading; `seen` is shown each state on the way. A server that is away is waited for, ten minutes
    /// at most.
    ///
    /// # Errors
    /// When the server refuses, or stays away.
    pub fn wait(&self, id: &str, seen: &mut dyn FnMut(&Value)) -> Result<Value, Failure> {
        self.follow(id, Duration::from_secs(PATIENCE_SECONDS), &mut |news| {
            if let News::State(batch) = news {
                seen(batch);
            }
        })
    }

    /// Waits until no file of the batch is loading, and tells what is heard.
    pub(super) fn follow(&self, id: &str, patience: Duration, tell: &mut dyn FnMut(News<'_>)) -> Result<Value, Failure> {
        loop {
            let batch = patiently(patience, &mut |why, pause| tell(News::Away { why, pause }), &mut || self.batch(id))?;
            tell(News::State(&batch));
            let open = |file: &Value| matches!(file.get("state").and_then(Value::as_str), Some("queued" | "loading"));
            if !batch.get("files").and_then(Value::as_array).is_some_and(|files| files.iter().any(open)) {
                return Ok(batch);
            }
            std::thread::sleep(POLL);
        }
    }

    /// A batch's refused rows, as a workbook or as CSV, to be read from the connection: there may be very many.
    pub(super) fn rejects(&self, id: &str, format: Rejects) -> Result<impl Read + use<>, Failure> {
        let (ending, media_type) = match format {
            Rejects::Workbook => ("xlsx", "spreadsheetml"),
            Rejects::Csv => ("csv", "text/csv"),
        };
        let response = self.good(self.get(&format!("/v1/batches/{id}/rejects.{ending}"), REJECTS_MAX))?;
        let content_type = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !content_type.contains(media_type) {
            let text = format!("{} gave no file of refused rows but `{content_type}`; check what stands before the server", self.url);
            return Err(Failure::new("bad_answer", text));
        }
        Ok(response.into_body().into_with_config().limit(REJECTS_BYTES_MAX).reader())
    }
}

/// Forms of the file of refused rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejects {
    /// XLSX, for people; the server makes it for so many rows only.
    Workbook,
    /// CSV, however many rows there are.
    Csv,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_what_is_definite_is_not() {
        let mut calls = 0;
        let mut heard = 0;
        let mut away = |_: &Failure, _: Duration| heard += 1;
        let answer = patiently(Duration::from_secs(60), &mut away, &mut || {
            calls += 1;
            if calls < 2 { Err(Failure::answered("x", 503, b"")) } else { Err::<(), _>(Failure::answered("x", 404, b"")) }
        });
        assert_eq!(answer.map_err(|f| f.is_passing()), Err(false));
        assert_eq!((calls, heard), (2, 1));
    }

    #[test]
    fn patience_ends() {
        let mut calls = 0;
        let answer = patiently(Duration::ZERO, &mut |_, _| {}, &mut || {
            calls += 1;
            Err::<(), _>(Failure::answered("x", 500, b""))
        });
        assert!(answer.is_err_and(|f| f.message().starts_with("gave up after 0 seconds")));
        assert_eq!(calls, 1);
    }
}
