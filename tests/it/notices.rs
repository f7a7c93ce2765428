//! Notices to applicants: written with the step, sent by mail once, tried again as the schedule says, and never telling more than they should.
//! The mail server is a real one as far as the protocol goes: the state machine of the crate `mailin` behind a socket.

use crate::support::builders::{party, penalty, resident_id};
use crate::support::{Caller, PASSWORD, TestApp};
use base64::Engine;
use credence_core::Role;
use credence_core::settings::{MailSender, MailTls};
use mailin::response::{INTERNAL_ERROR, NO_MAILBOX, OK};
use mailin::{Action, Handler, Response, SessionBuilder};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

const ITEM: &str = "administrative_penalty_organisation";
const ADDRESS: &str = "applicant@example.org";
const DOCUMENT: &str = "11010519491231002X";

/// What a mail server got, and how it answers.
#[derive(Clone, Default)]
struct Post {
    /// Every mail whose text it got, whether it then took it or not.
    seen: Arc<Mutex<Vec<String>>>,
    /// Whether it has a passing failure at the end of every mail.
    failing: Arc<AtomicBool>,
    /// Whether it knows nobody.
    knows_nobody: Arc<AtomicBool>,
    text: Vec<u8>,
}

impl Handler for Post {
    fn rcpt(&mut self, _to: &str) -> Response {
        if self.knows_nobody.load(Ordering::SeqCst) { NO_MAILBOX } else { OK }
    }

    fn data_start(&mut self, _domain: &str, _from: &str, _is8bit: bool, _to: &[String]) -> Response {
        self.text.clear();
        mailin::response::START_DATA
    }

    fn data(&mut self, part: &[u8]) -> std::io::Result<()> {
        self.text.extend_from_slice(part);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        self.seen.lock().unwrap().push(String::from_utf8_lossy(&self.text).replace('\r', ""));
        if self.failing.load(Ordering::SeqCst) { INTERNAL_ERROR } else { OK }
    }
}

impl Post {
    /// Opens a mail server; its port.
    fn open(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let post = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let post = post.clone();
                std::thread::spawn(move || post.talk(stream));
            }
        });
        port
    }

    fn talk(self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?);
        let mut session = SessionBuilder::new("mail.example.org").build(stream.peer_addr()?.ip(), self);
        session.greeting().write_to(&mut stream)?;
        loop {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let answer = session.process(&line);
            if answer.action != Action::NoReply {
                answer.write_to(&mut stream)?;
                stream.flush()?;
            }
            if answer.action == Action::Close {
                return Ok(());
            }
        }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// An app that sends its mail here.
    fn app(&self, retry_seconds: &[i64]) -> TestApp {
        let (port, retry_seconds) = (self.open(), retry_seconds.to_vec());
        TestApp::with(|settings| {
            let mail = &mut settings.mail;
            (mail.sender, mail.tls, mail.host, mail.port) = (MailSender::Smtp, MailTls::None, "127.0.0.1".to_owned(), port);
            (mail.from, mail.retry_seconds) = ("廊坊市政府信用办 <credit@example.gov.cn>".to_owned(), retry_seconds);
        })
    }
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    mail.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

/// The text of a mail, which is not ASCII.
fn text(mail: &str) -> String {
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert!(head.contains("Content-Transfer-Encoding: base64"), "{head}");
    let packed: String = body.split_whitespace().collect();
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(packed.trim_end_matches('.')).unwrap()).unwrap()
}

/// A company with an account and a penalty; the account and the subject.
fn company(app: &TestApp) -> (Caller, String) {
    app.provider("lf-amr").push(ITEM, "v2", &penalty(1).csv()).ok();
    let subject = app.anonymous().get(&format!("/v1/subjects/{}/file", party(1))).ok()["subject"]["id"].as_str().unwrap().to_owned();
    let account = json!({
        "username": "company", "password": PASSWORD, "person_name": "张示例", "document_kind": "身份证", "document_number": resident_id(1),
        "subject_id": subject, "capacity": "agent", "evidence": "授权委托书",
    });
    app.login(Role::Clerk).post("/v1/subject-accounts", &account).ok();
    (app.log_in("company"), subject)
}

/// Disputes the penalty; the case.
fn dispute(app: &TestApp, company: &Caller, subject: &str, email: Option<&str>) -> Value {
    let record: Uuid = app.sql(&format!("SELECT record_id FROM record_versions WHERE item = '{ITEM}' AND known_to IS NULL"))[0].get(0);
    let case = json!({
        "kind": "dispute", "applicant": "subject", "statement": "处罚金额有误。",
        "person": { "name": "张示例", "document_kind": "身份证", "document_number": DOCUMENT, "email": email },
        "lines": [{ "record_id": record, "ground": "error" }],
    });
    company.post(&format!("/v1/me/subjects/{subject}/cases"), &case).ok()["case"].clone()
}

const SENT: &str = "SELECT count(*) FROM case_notices WHERE channel = 'email' AND state = 'sent'";

#[test]
fn a_notice_is_shown_with_the_case_and_mailed_once_without_anybodys_number() {
    let post = Post::default();
    let app = post.app(&[60]);
    let (company, subject) = company(&app);
    let case = dispute(&app, &company, &subject, Some(ADDRESS));
    let number = case["case_no"].as_str().unwrap();
    app.until(SENT);
    app.settle();

    let mails = post.seen();
    assert_eq!(mails.len(), 1, "two processes send, and it left once");
    let id: Uuid = app.sql("SELECT id FROM case_notices WHERE channel = 'email'")[0].get(0);
    assert_eq!(header(&mails[0], "Message-ID"), format!("<{id}@example.gov.cn>"));
    assert_eq!((header(&mails[0], "To"), header(&mails[0], "Auto-Submitted")), (ADDRESS, "auto-generated"));
    let text = text(&mails[0]);
    assert!(text.contains(number) && text.contains("期限"), "{text}");
    assert!(!text.contains(DOCUMENT) && !text.contains("张示例"), "{text}");

    let shown = company.get(&format!("/v1/me/subjects/{subject}/cases/{}", case["id"].as_str().unwrap())).ok();
    let notices = shown["notices"].as_array().unwrap();
    let of = |channel: &str| notices.iter().filter(|notice| notice["channel"] == channel).collect::<Vec<_>>();
    let (portal, email) = (of("portal"), of("email"));
    assert_eq!((portal.len(), portal[0]["template"].as_str(), portal[0]["state"].as_str()), (1, Some("filed"), Some("shown")));
    assert_eq!(portal[0]["text"].as_str(), Some(text.replace("\r\n", "\n").as_str()));
    assert_eq!((email.len(), email[0]["state"].as_str(), email[0]["text"].as_str()), (1, Some("sent"), None));
    // Where it went is nobody's to read, in the database neither.
    assert!(!shown["notices"].to_string().contains(ADDRESS));
    for table in ["case_notices", "redress_cases", "audit_entries", "change_feed"] {
        assert_eq!(app.count(&format!("SELECT count(*) FROM {table} t WHERE to_jsonb(t)::text LIKE '%{ADDRESS}%'")), 0, "{table}");
    }
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'notice.sent'"), 1);
}

#[test]
fn that_a_line_is_carried_out_is_told_once_for_each_line() {
    let app = TestApp::new();
    let (company, subject) = company(&app);
    app.provider("lf-amr").push(ITEM, "v2", &penalty(1).set(0, "行政处罚决定书文号", "廊市监处罚〔2026〕71号").csv()).ok();
    let lines: Vec<Value> = app
        .sql(&format!("SELECT record_id FROM record_versions WHERE item = '{ITEM}' AND known_to IS NULL"))
        .iter()
        .map(|row| json!({ "record_id": row.get::<_, Uuid>(0), "ground": "error" }))
        .collect();
    assert_eq!(lines.len(), 2);
    let case = json!({
        "kind": "dispute", "applicant": "subject", "statement": "重复导入。", "lines": lines,
        "person": { "name": "张示例", "document_kind": "身份证", "document_number": DOCUMENT, "email": null },
    });
    let case = company.post(&format!("/v1/me/subjects/{subject}/cases"), &case).ok()["case"].clone();
    let office = app.login(Role::CreditOffice);
    let decide = |nth: usize| {
        let own = json!({ "finding": "own_error", "reason": "平台重复导入", "outcome": "deleted" });
        office.post(&format!("/v1/case-lines/{}/self-check", case["lines"][nth]["id"].as_str().unwrap()), &own).ok();
    };
    let told = || app.count("SELECT count(*) FROM case_notices WHERE template = 'done' AND channel = 'portal'");
    decide(0);
    decide(1);
    assert_eq!(app.count("SELECT count(*) FROM redress_lines WHERE state = 'closed'"), 2);
    app.settle();
    // The provider, who did not decide, says that it has followed.
    let amr = app.provider("lf-amr");
    for message in amr.get("/v1/agency-messages?open=true").ok()["items"].as_array().unwrap() {
        assert_eq!(told(), 0);
        amr.post(&format!("/v1/agency-messages/{}/acknowledge", message["id"].as_str().unwrap()), &json!({ "text": "已删除" })).ok();
    }
    app.settle();
    app.until("SELECT count(*) / 2 FROM effects WHERE settled_at IS NOT NULL");
    assert_eq!(told(), 2);
    assert_eq!(app.count("SELECT count(DISTINCT line_id) FROM redress_steps WHERE step = 'carried_out'"), 2);
    // Read again, the feed says nothing new.
    app.sql("UPDATE feed_readers SET xid = 0, entry_id = 0 WHERE reader = 'effects'");
    app.settle();
    assert_eq!(told(), 2);
}

#[test]
fn a_mail_that_did_not_leave_is_tried_as_the_schedule_says_and_is_the_same_mail() {
    let post = Post::default();
    post.failing.store(true, Ordering::SeqCst);
    let app = post.app(&[60, 600]);
    let (company, subject) = company(&app);
    dispute(&app, &company, &subject, Some(ADDRESS));
    app.until("SELECT count(*) FROM case_notices WHERE channel = 'email' AND attempts = 1 AND state = 'waiting'");
    let error: String = app.sql("SELECT error FROM case_notices WHERE channel = 'email'")[0].get(0);
    assert!(error.contains("451"), "{error}");

    // Not before its time.
    app.at("2026-11-23T02:00:59Z");
    assert_eq!(app.block_on(app.app.redress.send_waiting()).unwrap(), 0);
    assert_eq!(post.seen().len(), 1);

    post.failing.store(false, Ordering::SeqCst);
    app.at("2026-11-23T02:01:00Z");
    app.until(SENT);
    let mails = post.seen();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0], mails[1], "byte for byte, Message-ID and date too");
    app.at("2026-11-24T02:00:00Z");
    assert_eq!(app.block_on(app.app.redress.send_waiting()).unwrap(), 0, "what was sent is not sent again");
}

#[test]
fn after_the_last_attempt_a_mail_is_given_up_and_the_notice_is_still_shown() {
    let post = Post::default();
    post.knows_nobody.store(true, Ordering::SeqCst);
    let app = post.app(&[]);
    let (company, subject) = company(&app);
    let case = dispute(&app, &company, &subject, Some(ADDRESS));
    app.until("SELECT count(*) FROM case_notices WHERE channel = 'email' AND state = 'dead'");
    let error: String = app.sql("SELECT error FROM case_notices WHERE channel = 'email'")[0].get(0);
    assert!(error.contains("550") && !error.contains('@'), "{error}");
    let shown = company.get(&format!("/v1/me/subjects/{subject}/cases/{}", case["id"].as_str().unwrap())).ok();
    assert!(shown["notices"].as_array().unwrap().iter().any(|notice| notice["channel"] == "portal" && notice["text"].is_string()));
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'notice.dead'"), 1);
}

#[test]
fn a_mail_whose_sender_died_is_sent_by_another_when_the_lease_is_over() {
    let post = Post::default();
    post.failing.store(true, Ordering::SeqCst);
    let app = post.app(&[60, 600]);
    let (company, subject) = company(&app);
    dispute(&app, &company, &subject, Some(ADDRESS));
    app.until("SELECT count(*) FROM case_notices WHERE channel = 'email' AND attempts = 1 AND lease IS NULL");
    // Another process took it and died before it wrote down what came of it.
    let taken = "UPDATE case_notices SET lease = gen_random_uuid(), lease_until =";
    let lease = |until: &str| format!("{taken} {until} WHERE channel = 'email' RETURNING id");
    app.sql(&lease("clock_timestamp() + interval '1 hour'"));
    post.failing.store(false, Ordering::SeqCst);
    app.at("2026-11-23T03:00:00Z");
    assert_eq!(app.block_on(app.app.redress.send_waiting()).unwrap(), 0, "it is on its way with another");
    assert_eq!(post.seen().len(), 1);
    app.sql(&lease("clock_timestamp() - interval '1 second'"));
    app.until(SENT);
    let mails = post.seen();
    assert_eq!(header(&mails[0], "Message-ID"), header(&mails[1], "Message-ID"));
}

#[test]
fn without_a_mail_server_a_mail_becomes_a_file_and_without_mail_there_is_none() {
    let app = TestApp::new();
    let (company_of, subject) = company(&app);
    dispute(&app, &company_of, &subject, Some(ADDRESS));
    app.until(SENT);
    let id: Uuid = app.sql("SELECT id FROM case_notices WHERE channel = 'email'")[0].get(0);
    let file = std::fs::read_to_string(app.dir.path().join("outbox").join(format!("{id}.eml"))).unwrap();
    assert!(header(&file.replace('\r', ""), "Message-ID").starts_with(&format!("<{id}@")), "{file}");

    let silent = TestApp::with(|settings| settings.mail.sender = MailSender::None);
    let (company_of, subject) = company(&silent);
    dispute(&silent, &company_of, &subject, Some(ADDRESS));
    assert_eq!(silent.count("SELECT count(*) FROM case_notices WHERE channel = 'email'"), 0);
    assert_eq!(silent.count("SELECT count(*) FROM case_notices WHERE channel = 'portal'"), 1);
}

#[test]
fn whoever_gives_no_address_is_told_with_the_case_only() {
    let app = TestApp::new();
    let (company, subject) = company(&app);
    dispute(&app, &company, &subject, None);
    assert_eq!(app.count("SELECT count(*) FROM case_notices WHERE channel = 'email'"), 0);
    assert_eq!(app.count("SELECT count(*) FROM case_notices WHERE channel = 'portal' AND state = 'shown'"), 1);
}
