//! Pushed directives over real HTTP: signed as an independent library wants it, sent to nowhere but where they may go, in order for each subject,
//! and never lost, whatever becomes of the receiver or of this program.

use crate::durability::{Server, command, console, enter_agencies};
use crate::support::builders::{Table, defaulter, defaulters, party, resident_id};
use crate::support::{Caller, PASSWORD, TestApp, run};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Duration, Utc};
use credence_core::Role;
use credence_core::clock::Clock;
use credence_core::settings::Settings;
use credence_dispatch::service::push::deliver_due;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Value, json};
use standardwebhooks::{Webhook, WebhookError};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// A message as it arrived.
#[derive(Clone)]
pub struct Got {
    /// First line of the request.
    request: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn id(&self) -> String {
        self.header("webhook-id").to_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Code of the organisation it is about; empty for a person.
    fn about(&self) -> String {
        self.json()["data"]["subject"]["uscc"].as_str().unwrap_or_default().to_owned()
    }

    fn signatures(&self) -> Vec<&str> {
        self.header("webhook-signature").split(' ').collect()
    }

    /// What the independent library signs this message with.
    fn signed_by(&self, secret: &str) -> String {
        let at = self.header("webhook-timestamp").parse().unwrap();
        Webhook::new(secret).unwrap().sign(self.header("webhook-id"), at, &self.body).unwrap()
    }
}

/// Says how a message is answered: the status line behind the version, and what headers there are beside the usual ones.
type Answers = Arc<dyn Fn(&Got) -> String + Send + Sync>;

struct Inner {
    connections: usize,
    got: Vec<Got>,
    answers: Answers,
    /// Nothing is answered at present.
    holding: bool,
    /// Messages that wait for their answer.
    held: usize,
    /// The next connection ends the listening.
    closing: bool,
}

/// Where a receiver's threads meet.
struct Desk {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Desk {
    fn change<T>(&self, by: impl FnOnce(&mut Inner) -> T) -> T {
        let out = by(&mut self.inner.lock().unwrap());
        self.changed.notify_all();
        out
    }

    fn until(&self, met: impl Fn(&Inner) -> bool) -> MutexGuard<'_, Inner> {
        self.changed.wait_while(self.inner.lock().unwrap(), |inner| !met(inner)).unwrap()
    }

    /// Takes and answers one request. One that breaks off was not received: its sender was killed.
    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut request = String::new();
        reader.read_line(&mut request)?;
        let mut headers = HeaderMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value.trim()).unwrap());
        }
        let Some(length) = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok()) else { return Ok(()) };
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let got = Got { request: request.trim_end().to_owned(), headers, body };
        let answers = self.change(|inner| {
            inner.got.push(got.clone());
            inner.held += 1;
            Arc::clone(&inner.answers)
        });
        drop(self.until(|inner| !inner.holding));
        self.change(|inner| inner.held -= 1);
        write!(stream, "HTTP/1.1 {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", answers(&got))
    }
}

/// A receiver: a small HTTP server that records what it gets, answers as it is told, and can go down and come back.
pub struct Receiver {
    address: SocketAddr,
    desk: Arc<Desk>,
    listening: Option<JoinHandle<()>>,
}

static HOSTS: AtomicU8 = AtomicU8::new(100);

impl Receiver {
    /// A receiver on an address of its own, of this process and this test: while it is down nobody else listens at its port.
    pub fn start() -> Self {
        let [.., high, low] = std::process::id().to_be_bytes();
        Self::at(Ipv4Addr::new(127, HOSTS.fetch_add(1, Ordering::Relaxed), high, low))
    }

    fn at(host: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let inner = Inner { connections: 0, got: Vec::new(), answers: Arc::new(ok), holding: false, held: 0, closing: false };
        let desk = Arc::new(Desk { inner: Mutex::new(inner), changed: Condvar::new() });
        let mut receiver = Self { address: listener.local_addr().unwrap(), desk, listening: None };
        receiver.listen(listener);
        receiver
    }

    fn listen(&mut self, listener: TcpListener) {
        let desk = Arc::clone(&self.desk);
        self.listening = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                let closing = desk.change(|inner| {
                    inner.connections += usize::from(!inner.closing);
                    inner.closing
                });
                if closing {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let desk = Arc::clone(&desk);
                std::thread::spawn(move || {
                    // Whoever sent it may be dead by now, and then there is nobody to answer.
                    let _ = desk.serve(stream);
                });
            }
        }));
    }

    /// Connections are refused from now on.
    fn down(&mut self) {
        self.desk.change(|inner| inner.closing = true);
        // Any connection wakes the listener; it may have gone with another one already.
        let _ = TcpStream::connect(self.address);
        self.listening.take().unwrap().join().unwrap();
        self.desk.change(|inner| inner.closing = false);
    }

    /// It is there again, where it was.
    fn up(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        self.listen(listener);
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks?of=credence", self.address)
    }

    pub fn answers_by(&self, answers: impl Fn(&Got) -> String + Send + Sync + 'static) {
        self.desk.change(|inner| inner.answers = Arc::new(answers));
    }

    pub fn answers(&self, head: &str) {
        let head = head.to_owned();
        self.answers_by(move |_| head.clone());
    }

    /// Takes messages from now on and answers none.
    fn hold(&self) {
        self.desk.change(|inner| inner.holding = true);
    }

    /// Answers what it held, and goes on.
    fn go_on(&self) {
        self.desk.change(|inner| inner.holding = false);
        drop(self.desk.until(|inner| inner.held == 0));
    }

    pub fn received(&self) -> Vec<Got> {
        self.desk.inner.lock().unwrap().got.clone()
    }

    fn connections(&self) -> usize {
        self.desk.inner.lock().unwrap().connections
    }

    /// Ids of what was received, in order.
    pub fn ids(&self) -> Vec<String> {
        self.received().iter().map(Got::id).collect()
    }
}

pub fn ok(_: &Got) -> String {
    "200 OK".to_owned()
}

/// A server that may push to receivers on this machine, and does so only when the test says so or an act over HTTP wakes it.
pub fn app(change: impl FnOnce(&mut Settings)) -> TestApp {
    TestApp::with(|s| {
        s.dispatch.webhook_allow_http = true;
        s.dispatch.webhook_allowed_networks = vec!["127.0.0.0/8".to_owned()];
        s.jobs.poll_milliseconds = 3_600_000;
        change(s);
    })
}

fn wish(agency: &str, url: &str, scheme: &str) -> Value {
    json!({ "agency": agency, "url": url, "scheme": scheme, "description": "业务系统" })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// Makes the endpoint of an agency; its id and its key.
pub fn endpoint(admin: &Caller, agency: &str, url: &str, scheme: &str) -> (String, String) {
    let made = admin.post("/v1/webhook-endpoints", &wish(agency, url, scheme)).ok();
    (text(&made["endpoint"]["id"]), text(&made["key"]["key"]))
}

/// The courts put cases on their list, and the directives follow: two for lf-housing about each (limits on consumption and on tendering), one for
/// lf-water.
pub fn list(app: &TestApp, court: &Caller, cases: &Table) {
    let taken = court.push("judgment_defaulter", "v1", &cases.csv()).ok();
    assert_eq!(taken["batch"]["counts"]["refused"], 0, "{taken}");
    app.settle();
}

/// The courts take a case back as wrong, and the releases follow.
fn withdraw(app: &TestApp, court: &Caller, n: u32) {
    let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=serious_dishonesty", party(n))).ok();
    take_back(app, court, &text(&file["subject"]["id"]), &text(&file["sections"][0]["statements"][0]["record_id"]));
}

/// The same of the case that a directive rests on.
fn withdraw_ground(app: &TestApp, court: &Caller, directive: &str) {
    let query = format!(
        "SELECT e.subject_id::text, e.ground_record_id::text FROM list_entries e
           JOIN directives d ON d.subject_id = e.subject_id AND d.entry_id = e.id WHERE d.id = '{directive}'"
    );
    let row = &app.sql(&query)[0];
    take_back(app, court, row.get(0), row.get(1));
}

fn take_back(app: &TestApp, court: &Caller, subject: &str, record: &str) {
    court.post(&format!("/v1/subjects/{subject}/records/{record}/withdraw"), &json!({ "reason": "误列" })).ok();
    app.settle();
}

/// Sends what is due, and what becomes due by that, until nothing is; how many messages were taken for it.
pub fn deliver(app: &TestApp) -> usize {
    let round = || app.block_on(deliver_due(&app.app.dispatch)).expect("a round");
    std::iter::repeat_with(round).take_while(|taken| *taken > 0).sum()
}

struct Directive {
    id: String,
    /// Code of the organisation.
    about: String,
    kind: String,
    state: String,
}

/// Directives of an agency in the order in which they were put out.
fn directives(app: &TestApp, agency: &str) -> Vec<Directive> {
    let query = format!(
        "SELECT d.id::text, coalesce(i.value, ''), d.kind, d.state
           FROM directives d JOIN agencies a ON a.id = d.agency_id
           LEFT JOIN subject_identifiers i ON i.subject_id = d.subject_id AND i.scheme = 'uscc' AND i.known_to IS NULL
          WHERE a.code = '{agency}' ORDER BY d.issued_order"
    );
    app.sql(&query).iter().map(|r| Directive { id: r.get(0), about: r.get(1), kind: r.get(2), state: r.get(3) }).collect()
}

/// Ids by the organisation they are about, each in the order given.
fn by_subject(ids: impl Iterator<Item = (String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (about, id) in ids {
        found.entry(about).or_default().push(id);
    }
    found
}

pub fn messages_in(app: &TestApp, state: &str) -> i64 {
    app.count(&format!("SELECT count(*) FROM push_messages WHERE state = '{state}'"))
}

/// Waits until so many messages are delivered: the server was woken and works by itself.
pub fn until_delivered(app: &TestApp, messages: usize) {
    app.until(&format!("SELECT (count(*) FILTER (WHERE state = 'delivered') = {messages})::int::bigint FROM push_messages"));
}

/// The machine's time: the library compares timestamps with it.
#[expect(clippy::disallowed_methods, reason = "an independent verifier asks the machine, not the clock of the test")]
fn machine_time() -> DateTime<Utc> {
    DateTime::from_timestamp(Utc::now().timestamp(), 0).unwrap()
}

/// A receiver that verifies with a library of its own must be able to, and must notice a wrong key and every change; and what leaves is what the
/// agency may see: an organisation by name and code, a person without the whole number, even where a court wrote it into a text.
#[test]
fn an_independent_library_verifies_what_arrives_and_refuses_what_was_changed() {
    let app = app(|_| {});
    let admin = app.login(Role::SecurityAdmin);
    let receiver = Receiver::start();
    let (_, secret) = endpoint(&admin, "lf-housing", &receiver.url(), "hmac_sha256");
    let shown = admin.get("/v1/webhook-endpoints").ok().to_string();
    assert!(shown.contains(&receiver.url()) && !shown.contains(&secret), "{shown}");

    let number = resident_id(1);
    let person = defaulter(2).set(0, "姓名/名称", "李试验").set(0, "类型", "自然人").set(0, "证件号码", &number).set(
        0,
        "失信行为具体情形",
        &format!("违反财产报告制度（居民身份证号码{number}）"),
    );
    list(&app, &app.provider("lf-court"), &defaulter(1).and(person));
    app.clock.set(machine_time());
    assert_eq!(deliver(&app), 4);

    let (library, stranger) =
        (Webhook::new(&secret).unwrap(), Webhook::new(&format!("whsec_{}", BASE64_STANDARD.encode([7_u8; 32]))).unwrap());
    let refused = |by: &Webhook, body: &[u8], headers: &HeaderMap| matches!(by.verify(body, headers), Err(WebhookError::InvalidSignature));
    let received = receiver.received();
    for got in &received {
        library.verify(&got.body, &got.headers).unwrap();
        assert!(refused(&stranger, &got.body, &got.headers), "another key");
        let changed = String::from_utf8(got.body.clone()).unwrap().replacen("execute", "release", 1);
        assert_ne!(changed.as_bytes(), got.body);
        assert!(refused(&library, changed.as_bytes(), &got.headers), "another body");
        let at = app.clock.now().timestamp();
        for (header, other) in [("webhook-id", Uuid::nil().to_string()), ("webhook-timestamp", (at - 1).to_string())] {
            let mut headers = got.headers.clone();
            headers.insert(header, HeaderValue::from_str(&other).unwrap());
            assert!(refused(&library, &got.body, &headers), "another {header}");
        }

        assert_eq!(got.request, "POST /hooks?of=credence HTTP/1.1");
        assert_eq!((got.header("content-type"), got.header("webhook-timestamp")), ("application/json", at.to_string().as_str()));
        let body = got.json();
        // The time of the event, not of the attempt.
        assert_eq!((&body["type"], &body["timestamp"]), (&json!("directive.execute"), &json!("2026-11-23T02:00:00Z")));
        assert_eq!((&body["data"]["id"], &body["data"]["directive"]["id"]), (&json!(got.id()), &json!(got.id())));
        assert!(!String::from_utf8_lossy(&got.body).contains(&number), "{body}");
        let subject = &body["data"]["subject"];
        if subject["kind"] == "natural_person" {
            let covered = format!("{}********{}", &number[..6], &number[14..]);
            assert_eq!((&subject["document"], &subject["uscc"]), (&json!(covered), &Value::Null), "{body}");
            assert_eq!(subject["name"], "李试验");
            assert!(text(&body["data"]["entry"]["facts"]).contains(&covered), "{body}");
        } else {
            assert_eq!((&subject["uscc"], &subject["document"]), (&json!(party(1)), &Value::Null), "{body}");
            assert_eq!(subject["name"], "廊坊市试验1商贸有限公司");
        }
    }
    let kinds: Vec<Value> = received.iter().map(|got| got.json()["data"]["subject"]["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "natural_person").count(), 2, "{kinds:?}");
    let of_agency = directives(&app, "lf-housing");
    assert_eq!(of_agency.iter().map(|d| d.id.clone()).collect::<BTreeSet<_>>(), receiver.ids().into_iter().collect::<BTreeSet<_>>());
    assert!(of_agency.iter().all(|d| d.state == "delivered"), "what was pushed needs no pulling");
    assert_eq!(messages_in(&app, "delivered"), 4);
}

/// With Ed25519 the receiver holds nothing that could sign: the public key alone has to verify exactly what was sent.
#[test]
fn an_ed25519_endpoint_is_verified_with_the_public_key_alone() {
    let app = app(|_| {});
    let receiver = Receiver::start();
    let (_, key) = endpoint(&app.login(Role::SecurityAdmin), "lf-water", &receiver.url(), "ed25519");
    list(&app, &app.provider("lf-court"), &defaulter(1));
    assert_eq!(deliver(&app), 1);

    let decoded = |text: &str, prefix: &str| BASE64_STANDARD.decode(text.strip_prefix(prefix).unwrap()).unwrap();
    let public = VerifyingKey::from_bytes(&decoded(&key, "whpk_").try_into().unwrap()).unwrap();
    let got = &receiver.received()[0];
    let made = Signature::from_bytes(&decoded(got.header("webhook-signature"), "v1a,").try_into().unwrap());
    let signed = |id: &str, at: &str, body: &[u8]| [format!("{id}.{at}.").as_bytes(), body].concat();
    let (id, at) = (got.header("webhook-id"), got.header("webhook-timestamp"));
    public.verify_strict(&signed(id, at, &got.body), &made).unwrap();
    assert!(public.verify_strict(&signed(id, at, &got.body[1..]), &made).is_err());
    assert!(public.verify_strict(&signed(&Uuid::nil().to_string(), at, &got.body), &made).is_err());
    assert!(public.verify_strict(&signed(id, "1", &got.body), &made).is_err());
}

/// A receiver changes its key when it can, not when the platform does: until the old key retires both sign, and from that instant only the new one.
#[test]
fn during_a_rotation_both_keys_sign_and_afterwards_only_the_new_one() {
    let app = app(|_| {});
    let (court, admin) = (app.provider("lf-court"), app.login(Role::SecurityAdmin));
    let receiver = Receiver::start();
    let (id, old) = endpoint(&admin, "lf-water", &receiver.url(), "hmac_sha256");
    list(&app, &court, &defaulter(1));
    assert_eq!(deliver(&app), 1);
    let rotate = |admin: &Caller, body: Value| admin.post(&format!("/v1/webhook-endpoints/{id}/rotate"), &body).ok();
    let rotated = rotate(&admin, json!({}));
    assert_eq!((&rotated["scheme"], &rotated["previous_retires_at"]), (&json!("hmac_sha256"), &json!("2026-11-26T02:00:00Z")));
    let new = text(&rotated["key"]);
    assert_ne!(old, new);
    for (n, instant) in [(2, "2026-11-23T02:00:00Z"), (3, "2026-11-26T01:59:59Z"), (4, "2026-11-26T02:00:00Z")] {
        app.at(instant);
        list(&app, &court, &defaulter(n));
        assert_eq!(deliver(&app), 1, "{instant}");
    }
    let signers = [vec![&old], vec![&new, &old], vec![&new, &old], vec![&new]];
    for (got, keys) in receiver.received().iter().zip(&signers) {
        assert_eq!(got.signatures(), keys.iter().map(|key| got.signed_by(key)).collect::<Vec<_>>(), "{}", got.header("webhook-timestamp"));
    }
    assert_eq!(receiver.received().len(), signers.len());
    let admin = app.log_in_again(&admin);
    let keys = admin.get("/v1/webhook-endpoints").ok()["items"][0]["keys"].clone();
    assert_eq!((keys.as_array().unwrap().len(), &keys[0]["id"]), (1, &rotated["key_id"]), "{keys}");

    // To the other scheme: who still has the secret finds the signature that it knows beside the new one.
    rotate(&admin, json!({ "scheme": "ed25519" }));
    list(&app, &court, &defaulter(5));
    assert_eq!(deliver(&app), 1);
    let last = receiver.received().pop().unwrap();
    let [first, second] = last.signatures()[..] else { panic!("{:?}", last.signatures()) };
    assert!(first.starts_with("v1a,"), "{first}");
    assert_eq!(second, last.signed_by(&new));
}

/// When something is tried again; nothing when nothing waits for that.
pub fn next_attempt(app: &TestApp) -> Option<DateTime<Utc>> {
    let query = format!("SELECT min(next_at) FROM push_messages WHERE state = 'waiting' AND next_at > '{}'", app.clock.now().to_rfc3339());
    app.sql(&query)[0].get(0)
}

/// A receiver that is down for a day, with the waits that the program is shipped with: what was put out before and meanwhile, releases included,
/// arrives when it is back, each message once and in order, and nothing was set aside for a person.
#[test]
fn a_receiver_that_is_down_for_a_day_loses_nothing() {
    const DAY: i64 = 25 * 3600;
    let app = app(|_| {});
    let court = app.login_at(Role::Provider, Some("lf-court"));
    let mut receiver = Receiver::start();
    endpoint(&app.login(Role::SecurityAdmin), "lf-housing", &receiver.url(), "hmac_sha256");
    list(&app, &court, &defaulter(1));
    assert_eq!(deliver(&app), 2);

    receiver.down();
    let down = app.clock.now();
    list(&app, &court, &defaulters(2, 11));
    assert_eq!(deliver(&app), 11, "the second message about a subject waits for the first");
    withdraw(&app, &court, 1);
    assert_eq!(deliver(&app), 2, "neither release waits for the other");
    while let Some(at) = next_attempt(&app).filter(|at| (*at - down).num_seconds() <= DAY) {
        app.clock.set(at);
        assert_eq!(deliver(&app), 13, "{at}");
    }
    let due = app.app.settings.dispatch.webhook_retry_seconds.iter().scan(0_i64, |sum, wait| {
        *sum += wait;
        Some(*sum)
    });
    let again = i64::try_from(due.take_while(|at| *at <= DAY).count()).unwrap();
    assert_eq!(app.count("SELECT count(*) FROM push_attempts WHERE status IS NULL AND error <> ''"), 13 * (1 + again));
    assert_eq!((receiver.ids().len(), messages_in(&app, "waiting"), messages_in(&app, "dead")), (2, 24, 0));

    app.clock.set(down + Duration::seconds(DAY));
    receiver.up();
    assert_eq!(deliver(&app), 0, "what failed waits for its turn");
    app.clock.set(next_attempt(&app).unwrap());
    assert_eq!(deliver(&app), 24);
    let of_agency = directives(&app, "lf-housing");
    assert_eq!(of_agency.len(), 26);
    let (lifting, executing): (Vec<Got>, Vec<Got>) =
        receiver.received().into_iter().partition(|got| got.json()["type"] == "directive.release");
    assert_eq!(
        by_subject(executing.iter().map(|got| (got.about(), got.id()))),
        by_subject(of_agency.iter().filter(|d| d.kind == "execute").map(|d| (d.about.clone(), d.id.clone()))),
        "each directive once, those about one subject in the order in which they were put out"
    );
    let sorted = |mut ids: Vec<String>| {
        ids.sort_unstable();
        ids
    };
    assert_eq!(
        sorted(lifting.iter().map(Got::id).collect()),
        sorted(of_agency.iter().filter(|d| d.kind == "release").map(|d| d.id.clone()).collect()),
        "and each release once"
    );
    let states = |kind: &str| of_agency.iter().filter(|d| d.kind == kind).map(|d| d.state.as_str()).collect::<BTreeSet<_>>();
    assert_eq!(states("release"), BTreeSet::from(["delivered"]));
    assert_eq!(states("execute"), BTreeSet::from(["delivered", "released"]));
    assert_eq!(messages_in(&app, "delivered"), 26);
}

/// A later message about a subject must not overtake one that failed, or a release could come before what it lifts; other subjects do not wait for
/// it. When the ground falls, what was never sent is cancelled, and what may have arrived is lifted.
#[test]
fn messages_about_a_subject_keep_their_order_and_an_exit_lifts_only_what_was_sent() {
    let app = app(|_| {});
    let court = app.login_at(Role::Provider, Some("lf-court"));
    let receiver = Receiver::start();
    endpoint(&app.login(Role::SecurityAdmin), "lf-housing", &receiver.url(), "hmac_sha256");
    receiver.answers_by(|got| if got.about() == party(1) { "500 Internal Server Error".to_owned() } else { ok(got) });
    list(&app, &court, &defaulters(1, 2));
    let of = |n: u32| directives(&app, "lf-housing").into_iter().filter(|d| d.about == party(n)).collect::<Vec<_>>();
    let arrived = |n: u32| receiver.received().iter().filter(|got| got.about() == party(n)).map(Got::id).collect::<Vec<_>>();
    let (sent, unsent, other) = (of(1)[0].id.clone(), of(1)[1].id.clone(), of(2));

    assert_eq!(deliver(&app), 3);
    assert_eq!(arrived(1), [sent.as_str()], "{unsent} waits");
    assert_eq!(arrived(2), other.iter().map(|d| d.id.clone()).collect::<Vec<_>>(), "nothing is wrong with this one");
    assert_eq!(deliver(&app), 0);
    app.clock.set(next_attempt(&app).unwrap());
    assert_eq!(deliver(&app), 1);
    assert_eq!(arrived(1), [sent.as_str(), &sent]);

    withdraw(&app, &court, 1);
    let now: Vec<(String, String)> = of(1).into_iter().map(|d| (d.kind, d.state)).collect();
    let is = |kind: &str, state: &str| (kind.to_owned(), state.to_owned());
    assert_eq!(now, [is("execute", "released"), is("execute", "cancelled"), is("release", "issued")]);
    assert_eq!(app.count("SELECT count(*) FROM directives WHERE kind = 'release'"), 1, "who has no endpoint had received nothing");
    receiver.answers("200 OK");
    assert_eq!(deliver(&app), 1);
    let release = receiver.received().pop().unwrap().json();
    assert_eq!((&release["type"], &release["data"]["directive"]["releases"]), (&json!("directive.release"), &json!(sent)));
    assert_eq!(arrived(1), [sent.as_str(), &sent, &of(1)[2].id]);
    app.clock.advance(Duration::days(1));
    assert_eq!(deliver(&app), 0, "neither is sent any more");
    assert_eq!((messages_in(&app, "cancelled"), messages_in(&app, "delivered")), (2, 3));
}

/// A record can be withdrawn while the directive that rests on it is on its way: its release must not overtake it, or the sanction would stay. What came
/// of the request is still written down.
#[test]
fn a_release_waits_for_its_directive_that_is_on_its_way() {
    let app = app(|s| s.dispatch.webhook_timeout_seconds = 60);
    let court = app.login_at(Role::Provider, Some("lf-court"));
    list(&app, &court, &defaulter(1));
    let receiver = Receiver::start();
    receiver.hold();
    // The server itself sends what a new endpoint finds waiting.
    endpoint(&app.login(Role::SecurityAdmin), "lf-water", &receiver.url(), "hmac_sha256");
    drop(receiver.desk.until(|inner| inner.held == 1));
    withdraw(&app, &court, 1);
    let now = directives(&app, "lf-water");
    let states: Vec<_> = now.iter().map(|d| (d.kind.as_str(), d.state.as_str())).collect();
    assert_eq!(states, [("execute", "released"), ("release", "issued")]);
    assert_eq!(deliver(&app), 0, "the release is due and waits");
    assert_eq!(app.count("SELECT count(*) FROM push_messages WHERE topic = 'directive.release' AND lease IS NOT NULL"), 0);
    assert_eq!(receiver.ids(), [now[0].id.as_str()]);

    receiver.go_on();
    until_delivered(&app, 1);
    assert_eq!(receiver.ids(), [now[0].id.as_str(), &now[1].id]);
    assert_eq!(app.count("SELECT count(*) FROM push_attempts WHERE status = 200"), 2);
    assert_eq!((messages_in(&app, "cancelled"), app.count("SELECT count(*) FROM push_messages WHERE lease IS NOT NULL")), (1, 0));
}

/// What hinders one matter of a subject is no reason to keep up the sanction of another that has fallen; everything but a release keeps its order, and
/// goes on when what held it back is taken out of the way.
#[test]
fn a_release_does_not_wait_for_another_matter_of_the_subject() {
    let app = app(|s| s.dispatch.webhook_retry_seconds = vec![60]);
    let court = app.login_at(Role::Provider, Some("lf-court"));
    let receiver = Receiver::start();
    endpoint(&app.login(Role::SecurityAdmin), "lf-water", &receiver.url(), "hmac_sha256");
    let case = |n: u32| defaulter(1).set(0, "案号", &format!("（2026）冀10执{n}号"));
    let id = |n: usize| directives(&app, "lf-water")[n].id.clone();
    list(&app, &court, &case(901));
    assert_eq!(deliver(&app), 1);
    receiver.answers("500 Internal Server Error");
    list(&app, &court, &case(902));
    assert_eq!(deliver(&app), 1);
    list(&app, &court, &case(903));
    assert_eq!(deliver(&app), 0);
    let (first, failing, behind) = (id(0), id(1), id(2));

    // While it is tried again, and when it has been set aside.
    app.clock.set(next_attempt(&app).unwrap());
    assert_eq!(deliver(&app), 1);
    assert_eq!((messages_in(&app, "dead"), messages_in(&app, "waiting")), (1, 1));
    receiver.answers("200 OK");
    withdraw_ground(&app, &court, &first);
    assert_eq!(deliver(&app), 1);
    let release = receiver.received().pop().unwrap().json();
    assert_eq!((&release["type"], &release["data"]["directive"]["releases"]), (&json!("directive.release"), &json!(first)));
    app.clock.advance(Duration::minutes(5));
    assert_eq!(deliver(&app), 0, "the third case waits for the second");
    assert_eq!(app.count("SELECT count(*) FROM push_messages WHERE state = 'waiting' AND next_at >= '9999-01-01'"), 1, "unlooked at");

    withdraw_ground(&app, &court, &failing);
    assert_eq!(deliver(&app), 2);
    let arrived = receiver.ids();
    assert_eq!(arrived[..4], [first, failing.clone(), failing, id(3)]);
    assert_eq!(arrived[4..].iter().cloned().collect::<BTreeSet<_>>(), BTreeSet::from([behind, id(4)]));
    assert_eq!((messages_in(&app, "cancelled"), messages_in(&app, "delivered")), (1, 4));
}

/// A message that cannot be made, as when its endpoint's key no longer opens, is neither lost nor tried for ever without a trace.
#[test]
fn what_cannot_be_prepared_counts_as_tried_and_is_set_aside() {
    let app = app(|s| s.dispatch.webhook_retry_seconds = vec![60]);
    let (court, admin) = (app.provider("lf-court"), app.login(Role::SecurityAdmin));
    let receiver = Receiver::start();
    let (id, _) = endpoint(&admin, "lf-water", &receiver.url(), "hmac_sha256");
    app.sql("UPDATE webhook_secrets SET sealed = '\\x00'");
    list(&app, &court, &defaulter(1));
    assert_eq!(deliver(&app), 1);
    app.clock.set(next_attempt(&app).unwrap());
    assert_eq!(deliver(&app), 1);
    let dead = admin.get(&format!("/v1/webhook-endpoints/{id}/messages")).ok()["items"].clone();
    let errors: Vec<_> = dead[0]["tries"].as_array().unwrap().iter().map(|t| t["error"].clone()).collect();
    assert_eq!(errors, [json!("internal"), json!("internal")], "{dead}");
    assert_eq!((receiver.connections(), directives(&app, "lf-water")[0].state.as_str()), (0, "issued"), "nobody was told");

    // With a key that opens it goes out.
    admin.post(&format!("/v1/webhook-endpoints/{id}/rotate"), &json!({})).ok();
    app.sql("DELETE FROM webhook_secrets WHERE retires_at IS NOT NULL");
    admin.post(&format!("/v1/webhook-endpoints/{id}/replay"), &json!({})).ok();
    until_delivered(&app, 1);
    assert_eq!(receiver.connections(), 1);
}

/// After the last attempt a person has to look, and has to find what was tried; until then later messages about the subject wait, and a replay sends
/// them all in order.
#[test]
fn what_failed_to_the_end_is_set_aside_with_its_attempts_and_a_replay_delivers_it() {
    let app = app(|s| s.dispatch.webhook_retry_seconds = vec![60, 600]);
    let (court, admin) = (app.provider("lf-court"), app.login(Role::SecurityAdmin));
    let mut receiver = Receiver::start();
    let (id, _) = endpoint(&admin, "lf-water", &receiver.url(), "hmac_sha256");
    list(&app, &court, &defaulter(1));
    receiver.answers("500 Internal Server Error");
    assert_eq!(deliver(&app), 1);
    app.clock.advance(Duration::seconds(60));
    receiver.answers("404 Not Found");
    assert_eq!(deliver(&app), 1);
    app.clock.advance(Duration::seconds(600));
    receiver.down();
    assert_eq!(deliver(&app), 1);
    app.clock.advance(Duration::days(1));
    assert_eq!(deliver(&app), 0, "that was the last attempt");
    receiver.answers("200 OK");
    receiver.up();

    // The courts list the same company for another case, and another company.
    list(&app, &court, &defaulter(1).set(0, "案号", "（2026）冀10执901号").and(defaulter(2)));
    assert_eq!(deliver(&app), 1);
    let all = directives(&app, "lf-water");
    let of = |n: u32| all.iter().filter(|d| d.about == party(n)).map(|d| d.id.as_str()).collect::<Vec<_>>();
    let (first, second, other) = (of(1)[0], of(1)[1], of(2)[0]);
    assert_eq!(receiver.ids(), [first, first, other]);

    let admin = app.log_in_again(&admin);
    let path = |rest: &str| format!("/v1/webhook-endpoints/{id}/{rest}");
    let dead = admin.get(&path("messages")).ok()["items"].clone();
    assert_eq!((dead.as_array().unwrap().len(), &dead[0]["id"], &dead[0]["attempts"]), (1, &json!(first), &json!(3)), "{dead}");
    let tries = |message: &Value| message["tries"].as_array().unwrap().iter().map(|t| t["status"].clone()).collect::<Vec<_>>();
    assert_eq!(tries(&dead[0]), [json!(500), json!(404), Value::Null]);
    assert_eq!(dead[0]["tries"][1]["at"], "2026-11-23T02:01:00Z");
    assert!(!text(&dead[0]["tries"][2]["error"]).is_empty(), "{dead}");
    let shown = admin.get("/v1/webhook-endpoints").ok()["items"][0].clone();
    assert_eq!((&shown["dead"], &shown["waiting"]), (&json!(1), &json!(1)), "{shown}");

    let replay = |body: Value| admin.post(&path("replay"), &body);
    replay(json!({ "message_id": Uuid::nil() })).problem(404, "webhook_message_not_found");
    replay(json!({ "message_id": second })).problem(409, "webhook_message_not_dead");
    assert_eq!(replay(json!({})).ok(), json!({ "replayed": 1 }));
    until_delivered(&app, 3);
    assert_eq!(receiver.ids(), [first, first, other, first, second]);
    let delivered = admin.get(&path("messages?state=delivered")).ok()["items"].clone();
    let replayed = delivered.as_array().unwrap().iter().find(|m| m["id"] == *first).unwrap();
    assert_eq!(tries(replayed), [json!(500), json!(404), Value::Null, json!(200)], "what was tried before stays");
    assert_eq!(replay(json!({})).ok(), json!({ "replayed": 0 }));
}

/// Whoever names an endpoint makes the server call it: neither the machine itself, nor the network behind it, nor a cloud's metadata may be reached so.
#[test]
fn an_address_inside_or_without_tls_is_no_endpoint() {
    let open = TestApp::with(|s| s.dispatch.webhook_allow_http = true);
    let admin = open.login(Role::SecurityAdmin);
    let refused = |admin: &Caller, url: &str, code: &str| {
        let answer = admin.post("/v1/webhook-endpoints", &wish("lf-water", url, "hmac_sha256"));
        assert_eq!(answer.status, 422, "{url}");
        answer.problem(422, code)
    };
    for url in [
        "http://127.0.0.1:9/x",
        "http://127.8.9.10/x",
        "http://2130706433/x",
        "http://localhost:9/x",
        "http://0.0.0.0/x",
        "http://10.1.2.3/x",
        "http://172.16.0.1/x",
        "https://192.168.1.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]:9/x",
        "http://[::ffff:10.1.2.3]/x",
        "http://[fd00::1]/x",
    ] {
        refused(&admin, url, "webhook_target_refused");
    }
    for (url, reason) in [
        ("http://user:secret@1.1.1.1/x", "it has a user name or password"),
        ("http://1.1.1.1/x#part", "it has a fragment (#)"),
        ("ftp://1.1.1.1/x", "it does not begin with https://"),
    ] {
        assert_eq!(refused(&admin, url, "bad_endpoint_url")["reason"], reason, "{url}");
    }
    assert_eq!(open.count("SELECT count(*) FROM webhook_endpoints"), 0);

    let shipped = TestApp::new();
    let admin = shipped.login(Role::SecurityAdmin);
    assert_eq!(refused(&admin, "http://1.1.1.1/x", "bad_endpoint_url")["reason"], "it is not https");
    refused(&admin, "https://10.1.2.3/x", "webhook_target_refused");
    assert_eq!(shipped.count("SELECT count(*) FROM webhook_endpoints"), 0);
}

/// A name that was fine when the endpoint was made can come to mean a machine inside: what it resolves to counts at every attempt.
#[test]
fn a_name_that_has_come_to_mean_this_machine_is_not_connected_to() {
    let app = app(|_| {});
    let receiver = Receiver::at(Ipv4Addr::LOCALHOST);
    let url = format!("http://localhost:{}/hooks", receiver.address.port());
    endpoint(&app.login(Role::SecurityAdmin), "lf-water", &url, "hmac_sha256");
    list(&app, &app.provider("lf-court"), &defaulter(1));
    let mut strict = app.app.dispatch.clone();
    strict.settings.webhook_allowed_networks = vec!["10.0.0.0/8".to_owned()];
    assert_eq!(app.block_on(deliver_due(&strict)).expect("a round"), 1);
    assert_eq!(receiver.connections(), 0);
    let tried = &app.sql("SELECT status, error FROM push_attempts")[0];
    let (status, error): (Option<i32>, Option<String>) = (tried.get(0), tried.get(1));
    assert_eq!(status, None);
    assert!(error.as_deref().is_some_and(|e| e.contains("private or reserved network")), "{error:?}");
    assert_eq!(messages_in(&app, "waiting"), 1);

    // With its network allowed the very same endpoint is reached.
    app.clock.set(next_attempt(&app).unwrap());
    assert_eq!(deliver(&app), 1);
    assert_eq!(receiver.connections(), 1);
}

/// A receiver must not be able to send the server elsewhere: a redirect is a failure like any other.
#[test]
fn a_redirect_is_not_followed() {
    let app = app(|_| {});
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    endpoint(&app.login(Role::SecurityAdmin), "lf-water", &receiver.url(), "hmac_sha256");
    list(&app, &app.provider("lf-court"), &defaulter(1));
    receiver.answers(&format!("307 Temporary Redirect\r\nLocation: {}", elsewhere.url()));
    assert_eq!(deliver(&app), 1);
    assert_eq!(app.sql("SELECT status FROM push_attempts")[0].get::<_, Option<i32>>(0), Some(307));
    assert_eq!(messages_in(&app, "waiting"), 1);
    receiver.answers("200 OK");
    app.clock.set(next_attempt(&app).unwrap());
    assert_eq!(deliver(&app), 1);
    assert_eq!((receiver.connections(), elsewhere.connections()), (2, 0));
}

/// A receiver that is too busy says for how long: the message does not come again before that, though its own schedule would send it in seconds.
#[test]
fn a_receiver_that_asks_for_time_is_given_it() {
    let app = app(|_| {});
    let court = app.provider("lf-court");
    let receiver = Receiver::start();
    endpoint(&app.login(Role::SecurityAdmin), "lf-water", &receiver.url(), "hmac_sha256");
    for (n, head) in [(1, "429 Too Many Requests"), (2, "503 Service Unavailable")] {
        list(&app, &court, &defaulter(n));
        receiver.answers(&format!("{head}\r\nRetry-After: 3600"));
        assert_eq!(deliver(&app), 1, "{head}");
        app.clock.advance(Duration::seconds(3599));
        assert_eq!(deliver(&app), 0, "{head}");
        receiver.answers("200 OK");
        app.clock.advance(Duration::seconds(1));
        assert_eq!(deliver(&app), 1, "{head}");
    }
    assert_eq!(messages_in(&app, "delivered"), 2);
}

/// `410 Gone` says that nothing is wanted there any more: nothing is sent until somebody resumes the endpoint, and then nothing is missing.
#[test]
fn a_receiver_that_is_gone_has_its_endpoint_paused_until_it_is_resumed() {
    let app = app(|_| {});
    let (court, admin) = (app.provider("lf-court"), app.login(Role::SecurityAdmin));
    let receiver = Receiver::start();
    let (id, _) = endpoint(&admin, "lf-water", &receiver.url(), "hmac_sha256");
    list(&app, &court, &defaulter(1));
    receiver.answers("410 Gone");
    assert_eq!(deliver(&app), 1);
    let shown = || app.log_in_again(&admin).get("/v1/webhook-endpoints").ok()["items"][0].clone();
    assert_eq!((&shown()["state"], &shown()["waiting"]), (&json!("paused"), &json!(1)));
    receiver.answers("200 OK");
    list(&app, &court, &defaulter(2));
    app.clock.advance(Duration::days(1));
    assert_eq!((deliver(&app), receiver.connections()), (0, 1));

    app.log_in_again(&admin).post(&format!("/v1/webhook-endpoints/{id}/resume"), &json!({})).ok();
    until_delivered(&app, 2);
    assert_eq!((&shown()["state"], &shown()["waiting"]), (&json!("active"), &json!(0)));
    let wanted: BTreeSet<String> = directives(&app, "lf-water").into_iter().map(|d| d.id).collect();
    assert_eq!(receiver.ids()[1..].iter().cloned().collect::<BTreeSet<_>>(), wanted);
    assert_eq!(receiver.ids().len(), 3);
}

/// An agency that moves its receiver closes the old endpoint and makes a new one: what the old one did not deliver arrives there.
#[test]
fn what_a_closed_endpoint_did_not_deliver_goes_to_the_next_one() {
    let app = app(|_| {});
    let admin = app.login(Role::SecurityAdmin);
    let (old, new) = (Receiver::start(), Receiver::start());
    let (id, _) = endpoint(&admin, "lf-housing", &old.url(), "hmac_sha256");
    list(&app, &app.provider("lf-court"), &defaulter(1));
    old.answers("500 Internal Server Error");
    assert_eq!(deliver(&app), 1);
    admin.post("/v1/webhook-endpoints", &wish("lf-housing", &new.url(), "hmac_sha256")).problem(409, "webhook_endpoint_exists");
    admin.post(&format!("/v1/webhook-endpoints/{id}/close"), &json!({})).ok();
    admin.post(&format!("/v1/webhook-endpoints/{id}/resume"), &json!({})).problem(409, "webhook_endpoint_closed");
    let (_, secret) = endpoint(&admin, "lf-housing", &new.url(), "hmac_sha256");
    until_delivered(&app, 2);
    assert_eq!(new.ids(), directives(&app, "lf-housing").into_iter().map(|d| d.id).collect::<Vec<_>>());
    for got in new.received() {
        assert_eq!(got.signatures(), [got.signed_by(&secret)], "the key of the old endpoint has no say here");
    }
    assert_eq!(old.connections(), 1);
}

/// Where the program is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Messages are out and not answered.
    Sending,
    /// Some have been answered, others are on their way.
    Answered,
    /// The receiver is down, and attempts have failed.
    Refused,
    /// The cases were taken a moment ago; the list follows or is about to.
    Taken,
    /// The directives are there.
    Listed,
}

/// Rows of a query in the private database of a running program.
fn ask(dir: &Path, query: &str) -> Vec<tokio_postgres::Row> {
    let url = format!("host={} user=credence dbname=credence", dir.join("socket").display());
    run(async {
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.query(query, &[]).await.unwrap()
    })
}

/// Waits until a condition holds in that database.
fn until(dir: &Path, condition: &str) {
    while !ask(dir, &format!("SELECT {condition}"))[0].get::<_, bool>(0) {
        std::thread::yield_now();
    }
}

/// The program, pushing to receivers on this machine. What a process before it held under lease is free at once; by itself it would be after the
/// time that a request may take and half a minute.
fn serve(dir: &Path) -> Server {
    let born = Uuid::now_v7();
    let mut command = command(dir);
    command.env("CREDENCE__DISPATCH__WEBHOOK_ALLOW_HTTP", "true");
    command.env("CREDENCE__DISPATCH__WEBHOOK_ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]");
    command.env("CREDENCE__DISPATCH__WEBHOOK_RETRY_SECONDS", format!("{:?}", [1; 300]));
    let server = Server::serve(command);
    ask(dir, &format!("UPDATE push_messages SET lease_until = clock_timestamp() WHERE lease < '{born}'"));
    server
}

/// SIGKILL at any moment between the listing and the receiver's answer: what was acknowledged to the courts reaches the agency.
#[test]
fn killed_between_listing_and_delivery_every_directive_is_delivered() {
    const CASES: u32 = 25;
    const OF_HOUSING: &str = "FROM directives d JOIN agencies a ON a.id = d.agency_id WHERE a.code = 'lf-housing'";
    let base = tempfile::tempdir().unwrap();
    // The server of the private cluster runs as another user when this test runs as root: it has to be able to walk here.
    std::fs::set_permissions(base.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let dir = base.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    enter_agencies(&dir);
    let key = text(&console(&dir, &["admin", "add-key", "lf-court", "--label", "kill"])["key"]);
    let mut opening = command(&dir);
    opening.args(["admin", "add-account", "warden", "--roles", "security_admin"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut opening = opening.spawn().unwrap();
    opening.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(opening.wait().unwrap().success());

    let mut receiver = Receiver::start();
    let mut server = serve(&dir);
    let session = json!({ "username": "warden", "password": PASSWORD });
    let session = Caller::new(&server.url, None).post("/v1/sessions", &session).ok();
    let admin = Caller::new(&server.url, Some(text(&session["access_token"])));
    endpoint(&admin, "lf-housing", &receiver.url(), "hmac_sha256");

    let mut cases = 0;
    for moment in [Moment::Sending, Moment::Answered, Moment::Refused, Moment::Taken, Moment::Listed] {
        match moment {
            Moment::Sending | Moment::Taken | Moment::Listed => receiver.hold(),
            Moment::Refused => receiver.down(),
            Moment::Answered => {}
        }
        let before = receiver.ids().len();
        let taken = Caller::new(&server.url, Some(key.clone())).push("judgment_defaulter", "v1", &defaulters(cases + 1, CASES).csv()).ok();
        assert_eq!(taken["batch"]["counts"]["refused"], 0, "{moment:?}: {taken}");
        cases += CASES;
        match moment {
            Moment::Sending => drop(receiver.desk.until(|inner| inner.held >= 4)),
            Moment::Answered => drop(receiver.desk.until(|inner| inner.got.len() >= before + 10)),
            Moment::Refused => until(&dir, "count(*) >= 10 FROM push_attempts WHERE status IS NULL"),
            Moment::Taken => {}
            Moment::Listed => until(&dir, &format!("count(*) = {} {OF_HOUSING}", 2 * cases)),
        }
        server.kill();
        match moment {
            Moment::Refused => receiver.up(),
            _ => receiver.go_on(),
        }
        server = serve(&dir);
    }

    let messages = 2 * cases;
    until(
        &dir,
        &format!(
            "count(*) FILTER (WHERE state = 'delivered') = {messages} OR count(*) FILTER (WHERE state = 'dead') > 0 FROM push_messages"
        ),
    );
    let wanted: BTreeSet<String> = ask(&dir, &format!("SELECT d.id::text {OF_HOUSING}")).iter().map(|row| row.get(0)).collect();
    let received = receiver.ids();
    assert_eq!(wanted.len(), usize::try_from(messages).unwrap());
    assert_eq!(received.iter().cloned().collect::<BTreeSet<_>>(), wanted);
    assert!(received.len() >= wanted.len() + 4, "what was out when the program died went out again");
    let open: i64 = ask(&dir, &format!("SELECT count(*) {OF_HOUSING} AND d.state <> 'delivered'"))[0].get(0);
    assert_eq!(open, 0);
    server.kill();
}
