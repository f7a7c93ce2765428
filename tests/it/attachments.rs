//! Attachments: what may be kept, who reads it, and that it is what was uploaded.

use crate::support::builders::penalty;
use crate::support::{Answer, Caller, TestApp};
use credence_core::Role;
use serde_json::Value;
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
    app.login(Role::Clerk).get(&path(&view)).problem(403, "forbidden");
    app.login(Role::Clerk).post_bytes("/v1/attachments?file_name=a.pdf", "application/pdf", PDF).problem(403, "forbidden");
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
