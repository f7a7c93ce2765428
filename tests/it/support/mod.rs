//! A whole server for a test: its own database (copied from a template in one private cluster), its own clock, real HTTP.

pub mod builders;

use credence_core::clock::ManualClock;
use credence_core::crypto::{KeyRing, Suite};
use credence_core::settings::Settings;
use credence_core::{Actor, Role};
use credence_db::Db;
use credence_db::cluster::{Cluster, Durability};
use credence_gateway::App;
use credence_gateway::cli::config_apply;
use credence_gateway::environment::{Environment, create_database};
use credence_gateway::shipped::Files;
use credence_identity::model::{NewAccount, NewApiKey};
use credence_identity::regions::{AgencyEntry, apply_agencies};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// The day on which tests live unless they move the clock: a Monday.
pub const NOW: &str = "2026-11-23T02:00:00Z";
/// Password of every account a test opens.
pub const PASSWORD: &str = "correct horse battery";

struct Shared {
    cluster: Cluster,
    dir: PathBuf,
}

static SHARED: OnceLock<Shared> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The cluster of this test run, with the template database. The server dies with the process; its folder is removed by the next run.
fn shared() -> &'static Shared {
    SHARED.get_or_init(|| {
        remove_leftovers();
        let dir = std::env::temp_dir().join(format!("credence-it-{}", std::process::id()));
        let cluster = Cluster::start(&dir, Durability::ProcessOnly).expect("the private cluster starts");
        run(async {
            create_database(&cluster.url("postgres"), "template").await.expect("template");
            let env = environment(&cluster.url("template"), &dir, settings());
            credence_db::migrate(env.db.url()).await.expect("migrations");
            config_apply(&env, &Files::shipped(), "tests").await.expect("configuration");
            let actor = Actor::system("tests");
            let now = NOW.parse().expect("now");
            env.db.write(async |tx| apply_agencies(tx, &actor, &agencies(), now).await).await.expect("agencies");
        });
        Shared { cluster, dir }
    })
}

fn remove_leftovers() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix("credence-it-").and_then(|pid| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Runs a future on a runtime of its own, to its end.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(work)
}

/// Settings with limits small enough to reach and passwords cheap enough to hash.
pub fn settings() -> Settings {
    let vars = [
        ("IDENTITY__ARGON2_MEMORY_KIB", "64"),
        ("IDENTITY__ARGON2_PASSES", "1"),
        ("DATABASE__POOL_SIZE", "4"),
        ("SERVER__WORKERS", "2"),
        ("JOBS__POLL_MILLISECONDS", "20"),
    ];
    Settings::load(None, vars.into_iter().map(|(k, v)| (format!("CREDENCE__{k}"), v.to_owned()))).expect("settings")
}

fn environment(url: &str, dir: &Path, settings: Settings) -> Environment {
    let db = Db::open(url, settings.database.pool_size, Duration::from_secs(60)).expect("pool");
    Environment { data_dir: dir.to_owned(), keys: KeyRing::from_seed([42; 32], Suite::Intl), db, cluster: None, settings }
}

/// The agencies every test has: one of each kind that matters, in city and counties.
pub fn agencies() -> Vec<AgencyEntry> {
    let entry = |n: u32, code: &str, name: &str, region: &str, kind: &str| AgencyEntry {
        code: code.into(),
        name: name.into(),
        uscc: builders::uscc("11", region, n),
        region: region.into(),
        kind: kind.into(),
    };
    vec![
        entry(1, "lf-credit", "廊坊市政府信用办", "131000", "credit_office"),
        entry(2, "lf-amr", "廊坊市市场监督管理局", "131000", "market_regulation"),
        entry(3, "lf-court", "廊坊市中级人民法院", "131000", "court"),
        entry(4, "lf-tax", "廊坊市税务局", "131000", "tax"),
        entry(5, "lf-emergency", "廊坊市应急管理局", "131000", "emergency"),
        entry(6, "ga-amr", "固安县市场监督管理局", "131022", "market_regulation"),
        entry(7, "sh-amr", "三河市市场监督管理局", "131082", "market_regulation"),
        entry(8, "lf-approval", "廊坊市行政审批局", "131000", "administrative_approval"),
        entry(9, "lf-housing", "廊坊市住房和城乡建设局", "131000", "housing"),
        entry(10, "lf-reform", "廊坊市发展和改革委员会", "131000", "development_reform"),
        entry(11, "lf-transport", "廊坊市交通运输局", "131000", "transport"),
        entry(12, "lf-water", "廊坊市水利局", "131000", "water"),
    ]
}

/// A fresh, empty database migrated to the newest schema, without a server.
pub fn empty_database(name: &str) -> String {
    let shared = shared();
    run(create_database(&shared.cluster.url("postgres"), name)).expect("database");
    shared.cluster.url(name)
}

/// A running server with everything behind it.
pub struct TestApp {
    /// Base address.
    pub url: String,
    /// Its clock.
    pub clock: ManualClock,
    /// Its database.
    pub db_url: String,
    /// Its data folder.
    pub dir: tempfile::TempDir,
    /// Its services, for what has no route.
    pub app: App,
    /// Keeps the pool of `app` served; see [`Self::block_on`].
    runtime: tokio::runtime::Runtime,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl TestApp {
    /// A server with the usual settings.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A server with changed settings.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let shared = shared();
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        run(async {
            let (client, connection) =
                tokio_postgres::connect(&shared.cluster.url("postgres"), tokio_postgres::NoTls).await.expect("admin");
            tokio::spawn(connection);
            client.execute(&format!("CREATE DATABASE {name} TEMPLATE template"), &[]).await.expect("copy of the template");
        });
        let db_url = shared.cluster.url(&name);
        let dir = tempfile::tempdir_in(&shared.dir).expect("folder");
        let mut settings = settings();
        change(&mut settings);
        let clock = ManualClock::at(NOW.parse().expect("now"));
        let (stop, stopping) = watch::channel(false);
        let (send, receive) = std::sync::mpsc::channel();
        let (url, path, server_settings, server_clock) = (db_url.clone(), dir.path().to_owned(), settings.clone(), clock.clone());
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let env = environment(&url, &path, server_settings);
                let app = App::assemble(&env, Arc::new(server_clock)).await.expect("app");
                let workers = credence_gateway::server::work(&app, stopping.clone());
                let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
                let running = credence_gateway::server::serve(app, listener).expect("server");
                send.send(running.address).expect("test waits");
                let mut stopping = stopping;
                let _ = stopping.wait_for(|stop| *stop).await;
                running.stop().await;
                for worker in workers {
                    let _ = worker.await;
                }
            });
        });
        let address = receive.recv().expect("the server starts");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
        let app = runtime.block_on(App::assemble(&environment(&db_url, dir.path(), settings), Arc::new(clock.clone()))).expect("app");
        Self { url: format!("http://{address}"), clock, db_url, dir, app, runtime, stop, thread: Some(thread) }
    }

    /// Runs a future beside the server.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Lets everything that follows from what has been done so far be done: lists follow records, entries that are over leave, reminders are
    /// written, effects are followed up and applicants told.
    pub fn settle(&self) {
        self.follow_feed();
        self.block_on(async {
            self.app.lists.end_overdue().await.expect("entries end");
            credence_dispatch::service::reminders::remind(&self.app.dispatch).await.expect("reminders");
        });
        self.follow_feed();
        self.block_on(self.app.redress.settle()).expect("effects");
        // What the follow-ups changed has followers too, and what became true by them is looked at again.
        self.follow_feed();
        self.block_on(async {
            self.app.redress.settle().await.expect("effects");
            self.app.redress.lapse().await.expect("cases lapse");
            while self.app.redress.send_waiting().await.expect("notices") > 0 {}
        });
    }

    /// Reads the change feed to its end, for everybody who follows it.
    fn follow_feed(&self) {
        // The feed shows what is older than the oldest running transaction, of other tests too: it is read until nothing is left.
        let behind = |reader: &str| {
            let read = "SELECT 1 FROM feed_readers r WHERE (r.xid, r.entry_id) >= (f.xid::text::bigint, f.id) AND r.reader =";
            self.count(&format!("SELECT count(*) FROM change_feed f WHERE NOT EXISTS ({read} '{reader}')")) > 0
        };
        while behind("lists") || behind("effects") {
            self.block_on(async {
                self.app.lists.follow().await.expect("lists follow");
                self.app.redress.follow().await.expect("effects follow");
            });
        }
    }

    /// Goes to another instant.
    pub fn at(&self, instant: &str) {
        self.clock.set(instant.parse().expect("instant"));
    }

    /// A caller without papers.
    pub fn anonymous(&self) -> Caller {
        Caller::new(&self.url, None)
    }

    /// A caller with an API key of an agency.
    pub fn key(&self, agency: &str, role: Role) -> Caller {
        self.scoped_key(agency, role, None, None)
    }

    /// A provider's key.
    pub fn provider(&self, agency: &str) -> Caller {
        self.key(agency, Role::Provider)
    }

    /// A key with a scope.
    pub fn scoped_key(&self, agency: &str, role: Role, items: Option<Vec<String>>, regions: Option<Vec<String>>) -> Caller {
        let new = NewApiKey { agency: agency.into(), label: format!("{agency} test"), role, items, regions, valid_days: None };
        let key = self.block_on(self.app.identity.create_api_key(&Actor::system("test"), new)).expect("key").key;
        Caller::new(&self.url, Some(key))
    }

    /// Opens an account and logs in.
    pub fn login(&self, role: Role) -> Caller {
        let alone = matches!(role, Role::PlatformAdmin | Role::SecurityAdmin | Role::Auditor);
        let agency = match role {
            _ if alone => None,
            Role::CreditOffice | Role::Clerk => Some("lf-credit"),
            _ => Some("lf-amr"),
        };
        self.login_at(role, agency)
    }

    /// Opens an account at an agency and logs in.
    pub fn login_at(&self, role: Role, agency: Option<&str>) -> Caller {
        let username = self.account(role, agency);
        self.log_in(&username)
    }

    /// Opens an account of an agency; its login.
    pub fn account(&self, role: Role, agency: Option<&str>) -> String {
        let username = format!("{}-{}", role.code(), NEXT.fetch_add(1, Ordering::Relaxed));
        let new = NewAccount {
            username: username.clone(),
            display_name: username.clone(),
            password: PASSWORD.into(),
            agency: agency.map(str::to_owned),
            roles: vec![role],
        };
        self.block_on(self.app.identity.open_account(&Actor::system("test"), new)).expect("account");
        username
    }

    /// Logs in with the usual password.
    pub fn log_in(&self, username: &str) -> Caller {
        let answer = self.anonymous().post("/v1/sessions", &json!({ "username": username, "password": PASSWORD }));
        Caller::new(&self.url, Some(answer.ok()["access_token"].as_str().expect("token").to_owned()))
    }

    /// Rows of a query, for what no answer shows.
    pub fn sql(&self, query: &str) -> Vec<tokio_postgres::Row> {
        self.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.db_url, tokio_postgres::NoTls).await.expect("database");
            tokio::spawn(connection);
            client.query(query, &[]).await.unwrap_or_else(|e| panic!("{query}: {e:?}"))
        })
    }

    /// The error of a statement that the database has to refuse.
    pub fn sql_refused(&self, statement: &str) -> String {
        self.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.db_url, tokio_postgres::NoTls).await.expect("database");
            tokio::spawn(connection);
            let error = client.batch_execute(statement).await.expect_err(statement);
            error.as_db_error().map(|e| e.message().to_owned()).unwrap_or_default()
        })
    }

    /// Waits for background work: until the query counts something.
    pub fn until(&self, query: &str) {
        while self.count(query) == 0 {
            std::thread::yield_now();
        }
    }

    /// One number.
    pub fn count(&self, query: &str) -> i64 {
        self.sql(query)[0].get(0)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Somebody who calls.
#[derive(Clone)]
pub struct Caller {
    agent: ureq::Agent,
    url: String,
    bearer: Option<String>,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    /// The body of a success.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, String::from_utf8_lossy(&self.bytes));
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }

    /// The body of a problem with this status and code, in the shape every problem has.
    pub fn problem(self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!((self.status, body["code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        for language in ["zh", "en"] {
            assert!(body["messages"][language].as_str().is_some_and(|m| m.len() > 10), "{body}");
        }
        body
    }

    /// A header, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

impl Caller {
    /// A caller with or without a bearer credential.
    pub fn new(url: &str, bearer: Option<String>) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Self { agent, url: url.to_owned(), bearer, headers: Vec::new() }
    }

    /// The same caller with one more header.
    pub fn header(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    fn headers<B>(&self, mut request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        if let Some(bearer) = &self.bearer {
            request = request.header("Authorization", format!("Bearer {bearer}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
    }

    fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
        let response = result.expect("an answer");
        let (parts, mut body) = response.into_parts();
        let bytes = body.with_config().limit(200 << 20).read_to_vec().expect("a body");
        Answer { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    /// GET.
    pub fn get(&self, path: &str) -> Answer {
        Self::answer(self.headers(self.agent.get(format!("{}{path}", self.url))).call())
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Answer {
        Self::answer(self.headers(self.agent.delete(format!("{}{path}", self.url))).call())
    }

    /// POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        Self::answer(self.headers(self.agent.post(format!("{}{path}", self.url))).send_json(body))
    }

    /// POST of bytes.
    pub fn post_bytes(&self, path: &str, content_type: &str, body: &[u8]) -> Answer {
        Self::answer(self.headers(self.agent.post(format!("{}{path}", self.url))).header("Content-Type", content_type).send(body))
    }

    /// Pushes a file of an item in a form.
    pub fn push(&self, item: &str, feed: &str, body: &[u8]) -> Answer {
        self.post_bytes(&format!("/v1/batches?item={item}&feed={feed}"), "application/octet-stream", body)
    }

    /// The batch once no file of it is loading.
    pub fn settled(&self, batch: &str) -> Value {
        loop {
            let view = self.get(&format!("/v1/batches/{batch}")).ok();
            let open = |f: &Value| matches!(f["state"].as_str(), Some("queued" | "loading"));
            if view["state"] != "undoing" && !view["files"].as_array().expect("files").iter().any(open) {
                return view;
            }
            std::thread::yield_now();
        }
    }
}

impl TestApp {
    /// The same person with a fresh token, after the clock moved past the old one's life.
    pub fn log_in_again(&self, caller: &Caller) -> Caller {
        let bearer = caller.bearer.clone().expect("a caller with papers");
        let id = self.block_on(async {
            let claims = bearer.split('.').nth(1).expect("claims");
            let json = base64_url(claims);
            serde_json::from_slice::<Value>(&json).expect("claims")["sub"].as_str().expect("subject").to_owned()
        });
        let username: String = self.sql(&format!("SELECT username FROM accounts WHERE id = '{id}'"))[0].get(0);
        self.log_in(&username)
    }
}

fn base64_url(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits: Vec<u32> = text.bytes().map(|b| ALPHABET.iter().position(|a| *a == b).expect("base64url") as u32).collect();
    bits.chunks(4)
        .flat_map(|chunk| {
            let word = chunk.iter().enumerate().fold(0u32, |word, (at, six)| word | six << (18 - 6 * at));
            word.to_be_bytes()[1..chunk.len()].to_vec()
        })
        .collect()
}
