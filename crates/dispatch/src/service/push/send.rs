//! One request to a receiver. The client follows no redirect, takes no proxy from the environment, keeps no connection, looks names up anew for
//! every request and connects to nothing but addresses that may be sent to: between the look-up and the connection no other answer can slip in.

use super::target::Nets;
use credence_core::problem::{Problem, Result};
use credence_core::settings;
use std::io::Read;
use std::net::{IpAddr, ToSocketAddrs};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// Most characters of a reason that are kept.
const ERROR_CHARS_MAX: usize = 300;

/// Looks names up and lets through only what may be sent to.
#[derive(Debug)]
struct Guard {
    nets: Nets,
}

#[derive(Debug)]
struct TargetRefused;

impl std::fmt::Display for TargetRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("every address of the host lies in a private or reserved network")
    }
}

impl std::error::Error for TargetRefused {}

impl Resolver for Guard {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let mut kept = self.empty();
        for address in found.iter().filter(|address| self.nets.allow(address.ip())) {
            kept.push(*address);
        }
        if kept.is_empty() { Err(ureq::Error::Other(Box::new(TargetRefused))) } else { Ok(kept) }
    }
}

/// A request, whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: i64,
    /// `webhook-signature`.
    pub signature: String,
    /// The body, as it was signed.
    pub body: Vec<u8>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status; absent when there was no answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
    /// Seconds the receiver asked to wait.
    pub retry_after: Option<i64>,
    /// Milliseconds it took.
    pub took_ms: i32,
}

/// Sends requests.
#[derive(Debug, Clone)]
pub struct Sender {
    agent: ureq::Agent,
    answer_bytes_max: u64,
}

impl Sender {
    /// A sender as the settings want it.
    ///
    /// # Errors
    /// When a network in the settings is none.
    pub fn new(settings: &settings::Dispatch) -> Result<Self> {
        let nets = Nets::parse(&settings.webhook_allowed_networks).map_err(Problem::internal)?;
        let config = ureq::Agent::config_builder()
            .https_only(!settings.webhook_allow_http)
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .timeout_global(Some(Duration::from_secs(settings.webhook_timeout_seconds)))
            .user_agent("credence-webhooks")
            .build();
        let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), Guard { nets });
        Ok(Self { agent, answer_bytes_max: settings.webhook_answer_bytes_max })
    }

    /// Sends a request and waits for its answer; blocks the thread.
    pub fn send(&self, request: &Request) -> Answer {
        let started = Instant::now();
        let sent = self
            .agent
            .post(request.url.as_str())
            .content_type("application/json")
            .header("webhook-id", request.id.as_str())
            .header("webhook-timestamp", request.timestamp.to_string())
            .header("webhook-signature", request.signature.as_str())
            .send(request.body.as_slice());
        let (status, error, retry_after) = match sent {
            Ok(mut answer) => {
                let status = answer.status().as_u16();
                let retry_after =
                    answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).and_then(|text| text.trim().parse().ok());
                // What it says beside the status is of no account; it is read so that the receiver sees its answer taken.
                let mut rest = answer.body_mut().as_reader().take(self.answer_bytes_max);
                if let Err(error) = std::io::copy(&mut rest, &mut std::io::sink()) {
                    tracing::debug!(%error, "the answer of a receiver broke off");
                }
                (Some(status), None, retry_after)
            }
            Err(error) => (None, Some(error.to_string().chars().take(ERROR_CHARS_MAX).collect()), None),
        };
        Answer { status, error, retry_after, took_ms: i32::try_from(started.elapsed().as_millis()).unwrap_or(i32::MAX) }
    }
}

/// What a host resolves to; empty when it does not, or not in time.
pub async fn resolve(host: String, port: u16, within: Duration) -> Vec<IpAddr> {
    let looked_up =
        tokio::task::spawn_blocking(move || (host.as_str(), port).to_socket_addrs().map(|found| found.map(|a| a.ip()).collect::<Vec<_>>()));
    match tokio::time::timeout(within, looked_up).await {
        Ok(Ok(Ok(found))) => found,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    fn settings(networks: &[&str]) -> settings::Dispatch {
        settings::Dispatch {
            inbox_wait_seconds_max: 1,
            text_chars_max: 100,
            attachments_max: 1,
            check_batch_rows_max: 1,
            check_batch_body_bytes_max: 1,
            evaluations_max: 1,
            webhook_retry_seconds: vec![5],
            webhook_timeout_seconds: 5,
            webhook_answer_bytes_max: 16,
            webhook_parallel: 2,
            webhook_allow_http: true,
            webhook_allowed_networks: networks.iter().map(|n| (*n).to_owned()).collect(),
            webhook_rotation_hours: 1,
        }
    }

    /// Answers one request with `answer` and gives back what it got.
    fn receiver(answer: &'static str) -> (u16, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut text, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
                    length = n.trim().parse().unwrap();
                }
                text.push_str(&line);
                if line == "\r\n" {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            text.push_str(std::str::from_utf8(&body).unwrap());
            stream.write_all(answer.as_bytes()).unwrap();
            text
        });
        (port, got)
    }

    fn request(url: String) -> Request {
        Request { url, id: "an-id".to_owned(), timestamp: 7, signature: "v1,x v1a,y".to_owned(), body: b"{\"a\":1}".to_vec() }
    }

    #[test]
    fn the_receiver_gets_the_three_headers_and_the_very_bytes() {
        let (port, got) = receiver("HTTP/1.1 204 No Content\r\n\r\n");
        let answer = Sender::new(&settings(&["127.0.0.0/8"])).unwrap().send(&request(format!("http://127.0.0.1:{port}/hook?k=1")));
        assert_eq!((answer.status, answer.error), (Some(204), None));
        let got = got.join().unwrap();
        assert!(got.starts_with("POST /hook?k=1 HTTP/1.1\r\n"), "{got}");
        let lower = got.to_lowercase();
        for header in
            ["webhook-id: an-id\r\n", "webhook-timestamp: 7\r\n", "webhook-signature: v1,x v1a,y\r\n", "content-type: application/json\r\n"]
        {
            assert!(lower.contains(header), "{got}");
        }
        assert!(got.ends_with("\r\n\r\n{\"a\":1}"), "{got}");
    }

    #[test]
    fn a_redirect_is_not_followed_and_an_endless_answer_is_not_read() {
        let (port, _got) = receiver("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
        let answer = Sender::new(&settings(&["127.0.0.0/8"])).unwrap().send(&request(format!("http://127.0.0.1:{port}/")));
        assert_eq!(answer.status, Some(307));
        let (port, _got) =
            receiver("HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 1000000\r\n\r\n0123456789abcdef0123456789abcdef");
        let answer = Sender::new(&settings(&["127.0.0.0/8"])).unwrap().send(&request(format!("http://127.0.0.1:{port}/")));
        assert_eq!((answer.status, answer.retry_after), (Some(503), Some(120)));
    }

    #[test]
    fn nothing_is_sent_to_a_closed_network() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
            let answer = Sender::new(&settings(&["10.0.0.0/8"])).unwrap().send(&request(format!("http://{host}:{port}/")));
            assert_eq!(answer.status, None, "{host}");
            assert!(answer.error.is_some(), "{host}");
        }
        assert!(listener.accept().is_err(), "nobody connected");
        let strict = settings::Dispatch { webhook_allow_http: false, ..settings(&["127.0.0.0/8"]) };
        assert_eq!(Sender::new(&strict).unwrap().send(&request(format!("http://127.0.0.1:{port}/"))).status, None);
        assert!(listener.accept().is_err(), "nobody connected without TLS");
        assert!(Sender::new(&settings(&["nonsense"])).is_err());
    }
}
