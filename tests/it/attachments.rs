//! Attachments: what may be kept, who reads it, and that it is what was uploaded.

use crate::support::builders::{party, penalty, resident_id};
use crate::support::{Answer, Caller, PASSWORD, TestApp};
use credence_core::Role;
use credence_core::settings::AttachmentStore;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n";

fn upload(caller: &Caller, name: &str, bytes: &[u8]) -> Answer {
    caller.post_bytes(&format!("/v1/attachments?file_name={name}"), "application/octet-stream", bytes)
}

/// The file itself came back.
fn given(answer: Answer) -> bool {
    (answer.status, answer.bytes.as_slice()) == (200, PDF)
}

fn path(view: &Value) -> String {
    format!("/v1/attachments/{}", view["id"].as_str().unwrap())
}

#[test]
fn an_attachment_comes_back_as_it_was_uploaded_to_those_who_may_have_it() {
    let app = TestApp::new();
    let consumer = app.key("lf-amr", Role::Consumer);
    // 回执.pdf, with a folder of the sender's machine.
    let answer = upload(&consumer, "C:%5Cx%5C%E5%9B%9E%E6%89%A7.pdf", PDF);
    assert_eq!(answer.status, 201);
    let location = answer.header("location").to_owned();
    let view = answer.ok();
    assert_eq!(location, path(&view));
    assert_eq!((view["file_name"].as_str(), view["media_type"].as_str()), (Some("回执.pdf"), Some("application/pdf")));
    assert_eq!(view["size_bytes"].as_u64(), Some(PDF.len() as u64));

    let read = consumer.get(&path(&view));
    assert_eq!((read.status, read.bytes.as_slice()), (200, PDF));
    assert_eq!(read.header("content-disposition"), "attachment; filename*=UTF-8''%E5%9B%9E%E6%89%A7.pdf");
    assert_eq!((read.header("content-type"), read.header("x-content-type-options")), ("application/pdf", "nosniff"));
    assert_eq!(app.count("SELECT count(*) FROM access_log WHERE action = 'attachment.read' AND outcome = 'granted'"), 1);

    assert!(given(app.provider("lf-amr").get(&path(&view))));
    assert!(given(app.login(Role::CreditOffice).get(&path(&view))));
    app.key("ga-amr", Role::Consumer).get(&path(&view)).problem(404, "not_found");
    app.anonymous().get(&path(&view)).problem(401, "unauthenticated");
    // A clerk takes papers in at the counter, and reads those of its own agency.
    app.login(Role::Clerk).get(&path(&view)).problem(404, "not_found");
    assert_eq!(upload(&app.login(Role::Clerk), "a.pdf", PDF).status, 201);
    app.login(Role::SecurityAdmin).get(&path(&view)).problem(403, "forbidden");
    upload(&app.login(Role::SecurityAdmin), "a.pdf", PDF).problem(403, "forbidden");
    assert!(app.sql_refused("UPDATE attachments SET file_name = 'x'").contains("is not allowed"));
}

#[test]
fn an_agency_owns_what_it_uploaded_and_nothing_else() {
    let app = TestApp::new();
    let view = upload(&app.key("lf-amr", Role::Consumer), "1.pdf", PDF).ok();
    let id: Uuid = view["id"].as_str().unwrap().parse().unwrap();
    let agency = |code: &str| app.sql(&format!("SELECT id FROM agencies WHERE code = '{code}'"))[0].get::<_, Uuid>(0);
    let (own, other) = (agency("lf-amr"), agency("ga-amr"));
    for (agency, ids, owned) in
        [(own, vec![id, id], true), (other, vec![id], false), (own, vec![id, Uuid::now_v7()], false), (own, vec![], true)]
    {
        let found = app.block_on(async { app.app.attachments.owned(&mut *app.app.db.read().await?, agency, &ids).await });
        assert_eq!(found.unwrap(), owned);
    }
}

#[test]
fn what_a_file_is_shows_in_its_content_whatever_its_name_says() {
    let app = TestApp::with(|s| s.attachments.size_bytes_max = 64 << 10);
    let consumer = app.key("lf-amr", Role::Consumer);
    let xlsx = upload(&consumer, "list.pdf", &penalty(1).xlsx()).ok();
    assert_eq!(xlsx["media_type"], "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
    let disguised = upload(&consumer, "decision.pdf", b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0").problem(415, "attachment_type_refused");
    assert_eq!(disguised["found"], "application/vnd.microsoft.portable-executable");
    upload(&consumer, "decision.pdf", b"#!/bin/sh\nrm -rf /\n").problem(415, "attachment_type_refused");
    upload(&consumer, "decision.pdf", b"").problem(422, "attachment_empty");
    upload(&consumer, "a%0Ab.pdf", PDF).problem(400, "attachment_name_refused");
    upload(&consumer, "", PDF).problem(400, "attachment_name_refused");
    let large = [PDF, &vec![b' '; 64 << 10]].concat();
    assert_eq!(upload(&consumer, "large.pdf", &large).problem(413, "attachment_too_large")["limit_bytes"], 64 << 10);
    assert_eq!(app.count("SELECT count(*) FROM attachments"), 1);
}

#[test]
fn contents_rest_sealed_and_changed_ones_are_not_given_out() {
    let app = TestApp::new();
    let consumer = app.key("lf-amr", Role::Consumer);
    let (one, two) = (upload(&consumer, "1.pdf", PDF).ok(), upload(&consumer, "2.pdf", PDF).ok());
    let object = |view: &Value| app.dir.path().join("attachments").join(view["id"].as_str().unwrap());
    let sealed = std::fs::read(object(&one)).unwrap();
    assert!(!sealed.windows(4).any(|w| w == b"%PDF"));
    // Another's contents do not open in its place.
    std::fs::copy(object(&two), object(&one)).unwrap();
    consumer.get(&path(&one)).problem(500, "internal");
    std::fs::write(object(&one), sealed).unwrap();
    assert!(given(consumer.get(&path(&one))));
    std::fs::remove_file(object(&two)).unwrap();
    consumer.get(&path(&two)).problem(500, "internal");
}

/// An account that acts for a company with one penalty; the account, the subject and the record.
fn company(app: &TestApp, n: u32) -> (Caller, Uuid, Uuid) {
    app.provider("lf-amr").push("administrative_penalty_organisation", "v2", &penalty(n).csv()).ok();
    let file = app.anonymous().get(&format!("/v1/subjects/{}/file", party(n))).ok();
    let subject: Uuid = file["subject"]["id"].as_str().unwrap().parse().unwrap();
    let username = format!("company-{n}");
    let account = json!({
        "username": username, "password": PASSWORD, "person_name": "张示例", "document_kind": "身份证", "document_number": resident_id(n),
        "subject_id": subject, "capacity": "agent", "evidence": "授权委托书",
    });
    app.login(Role::Clerk).post("/v1/subject-accounts", &account).ok();
    let record = app.sql(&format!("SELECT record_id FROM record_versions WHERE subject_id = '{subject}' AND known_to IS NULL"))[0].get(0);
    (app.log_in(&username), subject, record)
}

fn own_upload(caller: &Caller, subject: Uuid, bytes: &[u8]) -> Answer {
    caller.post_bytes(&format!("/v1/me/subjects/{subject}/attachments?file_name=1.pdf"), "application/octet-stream", bytes)
}

#[test]
fn a_subject_uploads_for_itself_and_for_nobody_else() {
    let app = TestApp::with(|s| s.attachments.bytes_per_day_max = 3 * i64::try_from(PDF.len()).unwrap());
    let (one, subject, _) = company(&app, 1);
    let (two, other, _) = company(&app, 2);
    let answer = own_upload(&one, subject, PDF);
    assert_eq!(answer.status, 201);
    let view = answer.ok();
    own_upload(&one, other, PDF).problem(404, "not_found");
    own_upload(&app.login(Role::Clerk), subject, PDF).problem(403, "forbidden");
    own_upload(&app.anonymous(), subject, PDF).problem(401, "unauthenticated");
    own_upload(&one, subject, b"#!/bin/sh\nrm -rf /\n").problem(415, "attachment_type_refused");
    // No agency has it, the supervising ones neither.
    for role in [Role::CreditOffice, Role::Auditor, Role::Clerk] {
        app.login(role).get(&path(&view)).problem(404, "not_found");
    }
    let id: Uuid = view["id"].as_str().unwrap().parse().unwrap();
    for (whose, owned) in [(subject, true), (other, false)] {
        let found = app.block_on(async { app.app.attachments.owned_by_subject(&mut *app.app.db.read().await?, whose, &[id]).await });
        assert_eq!(found.unwrap(), owned);
    }
    // The day's room is the subject's own.
    own_upload(&one, subject, PDF).ok();
    own_upload(&one, subject, PDF).ok();
    own_upload(&one, subject, PDF).problem(429, "attachments_day_full");
    own_upload(&two, other, PDF).ok();
    let about = format!("SELECT count(*) FROM audit_entries WHERE action = 'attachment.upload' AND subject_id = '{subject}'");
    assert_eq!(app.count(&about), 3);
}

#[test]
fn a_paper_of_a_case_is_read_by_those_whom_the_case_concerns() {
    let app = TestApp::new();
    let (one, subject, record) = company(&app, 1);
    let (two, ..) = company(&app, 2);
    let attachment = own_upload(&one, subject, PDF).ok()["id"].clone();
    let case = json!({
        "kind": "dispute", "applicant": "subject", "statement": "处罚金额有误。",
        "person": { "name": "张示例", "document_kind": "身份证", "document_number": resident_id(1) },
        "lines": [{ "record_id": record, "ground": "error" }], "papers": [{ "kind": "evidence", "attachment_id": attachment }],
    });
    let case = one.post(&format!("/v1/me/subjects/{subject}/cases"), &case).ok()["case"].clone();
    let paper = &case["papers"][0];
    let (case_id, paper_id) = (case["id"].as_str().unwrap(), paper["id"].as_str().unwrap());
    let content = format!("/v1/cases/{case_id}/papers/{paper_id}/content");
    assert!(given(one.get(&content)));
    two.get(&content).problem(404, "case_not_found");
    assert!(given(app.login_at(Role::Provider, Some("lf-amr")).get(&content)), "the agency that answers for the record");
    app.login_at(Role::Provider, Some("ga-amr")).get(&content).problem(404, "case_not_found");
    // The counter took no part in it. The credit office looks first whether the error is the platform's, and then no longer.
    app.login(Role::Clerk).get(&content).problem(404, "case_not_found");
    let office = app.login(Role::CreditOffice);
    assert!(given(office.get(&content)));
    let line = case["lines"][0]["id"].as_str().unwrap();
    office.post(&format!("/v1/case-lines/{line}/self-check"), &json!({ "finding": "forward", "reason": "转提供单位核实" })).ok();
    office.get(&content).problem(404, "case_not_found");
    app.login(Role::Auditor).get(&content).problem(403, "forbidden");
    app.anonymous().get(&content).problem(401, "unauthenticated");
    one.get(&format!("/v1/cases/{case_id}/papers/{}/content", Uuid::now_v7())).problem(404, "case_not_found");
    let logged = "SELECT count(*) FROM access_log WHERE action = 'case.paper' AND outcome = 'granted' AND subject_id =";
    assert_eq!(app.count(&format!("{logged} '{subject}'")), 3);
}

#[test]
fn an_infected_file_leaves_nothing_behind_and_neither_does_one_nobody_could_look_at() {
    let scanner = |script: &str| {
        let command = vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
        TestApp::with(|s| s.attachments.scan_command = command)
    };
    let left = |app: &TestApp| {
        let objects = std::fs::read_dir(app.dir.path().join("attachments")).unwrap().count();
        (app.count("SELECT count(*) FROM attachments"), objects)
    };
    let app = scanner("if grep -q EICAR; then exit 1; fi; exit 0");
    let consumer = app.key("lf-amr", Role::Consumer);
    upload(&consumer, "1.pdf", &[PDF, b"EICAR"].concat()).problem(422, "attachment_infected");
    assert_eq!(left(&app), (0, 0));
    assert_eq!(upload(&consumer, "1.pdf", PDF).status, 201);
    assert_eq!(left(&app), (1, 1));

    let app = scanner("cat > /dev/null; exit 2");
    upload(&app.key("lf-amr", Role::Consumer), "1.pdf", PDF).problem(503, "attachment_scan_failed");
    assert_eq!(left(&app), (0, 0));
}

/// Objects by path, as a service that speaks S3 keeps them; it takes what is signed and looks at no signature.
#[derive(Clone, Default)]
struct Bucket(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Bucket {
    fn open(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let bucket = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = bucket.answer(stream);
            }
        });
        endpoint
    }

    /// One request a connection.
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            head.push(line.trim().to_owned());
        }
        let header = |name: &str| {
            let mut lines = head.iter().skip(1).filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let mut body = vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let mut words = head.first().map(String::as_str).unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_owned());
        let signed = header("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 Credential=key/"));
        let mut objects = self.0.lock().unwrap();
        let (status, content) = match method {
            _ if !signed => ("403 Forbidden", Vec::new()),
            "PUT" => {
                objects.insert(target, body);
                ("200 OK", Vec::new())
            }
            "DELETE" => {
                objects.remove(&target);
                ("204 No Content", Vec::new())
            }
            _ => objects.get(&target).map_or(("404 Not Found", Vec::new()), |found| ("200 OK", found.clone())),
        };
        let length = content.len();
        let about = "ETag: \"1\"\r\nLast-Modified: Mon, 23 Nov 2026 02:00:00 GMT\r\nConnection: close";
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{about}\r\n\r\n")?;
        stream.write_all(&content)
    }
}

#[test]
fn contents_may_lie_in_a_bucket_and_are_sealed_there_too() {
    let bucket = Bucket::default();
    let endpoint = bucket.open();
    let app = TestApp::with(|s| {
        let a = &mut s.attachments;
        (a.store, a.s3_endpoint, a.s3_allow_http, a.s3_timeout_seconds) = (AttachmentStore::S3, endpoint, true, 20);
        (a.s3_bucket, a.s3_access_key_id, a.s3_secret_access_key) = ("papers".to_owned(), "key".to_owned(), "secret".to_owned());
    });
    let consumer = app.key("lf-amr", Role::Consumer);
    let view = upload(&consumer, "1.pdf", PDF).ok();
    let name = format!("/papers/{}", view["id"].as_str().unwrap());
    let kept = bucket.0.lock().unwrap().clone();
    assert_eq!(kept.keys().collect::<Vec<_>>(), [&name]);
    assert!(!kept[&name].windows(4).any(|w| w == b"%PDF"));
    assert!(given(consumer.get(&path(&view))));
    assert!(!app.dir.path().join("attachments").exists());
    // What is gone or changed there is not given out.
    bucket.0.lock().unwrap().insert(name.clone(), b"changed".to_vec());
    consumer.get(&path(&view)).problem(500, "internal");
    bucket.0.lock().unwrap().remove(&name);
    consumer.get(&path(&view)).problem(500, "internal");
}
