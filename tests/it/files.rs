//! A subject's file: who sees what, as of when, and what must not be seen by anybody any more.

use crate::support::builders::{party, penalties, penalty, person_penalty, registration, resident_id};
use crate::support::{Caller, TestApp};
use credence_core::Role;
use serde_json::{Value, json};

const ITEM: &str = "administrative_penalty_organisation";
const PENALTIES: &str = "section=administrative_penalty";

fn file(caller: &Caller, n: u32, query: &str) -> Value {
    caller.get(&format!("/v1/subjects/{}/file?{query}", party(n))).ok()
}

fn numbers(section: &Value) -> Vec<String> {
    section["statements"].as_array().unwrap().iter().map(|s| s["data"]["CF_WSH"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_section_is_there_and_the_empty_ones_say_so() {
    let app = TestApp::new();
    app.provider("lf-amr").push(ITEM, "v2", &penalty(1).csv()).ok();
    let view = file(&app.anonymous(), 1, "");
    let sections = view["sections"].as_array().unwrap();
    assert_eq!(sections.len(), 9);
    for section in sections {
        let empty = section["total"] == 0;
        assert_eq!(section["empty"] == "查询期内无相关信息", empty, "{section}");
        assert_eq!(empty, section["code"] != "administrative_penalty");
    }
    let statement = &sections[2]["statements"][0];
    for key in ["record_id", "version_id", "provider", "batch_id", "known_from", "valid_from", "item_version"] {
        assert!(!statement[key].is_null(), "{key}");
    }
    assert_eq!(view["subject"]["state"], "provisional");
    assert_eq!(view["providers"][statement["provider"].as_str().unwrap()], "廊坊市市场监督管理局");
    app.anonymous().get(&format!("/v1/subjects/{}/file", party(99))).problem(404, "subject_not_found");
    assert_eq!(app.anonymous().get("/v1/subjects/91110000710925462Y/file").problem(400, "bad_uscc")["rule"], "uscc_check_char");
    app.anonymous().get(&format!("/v1/subjects/{}/file?section=x", party(1))).problem(400, "section_unknown");
    app.anonymous().get(&format!("/v1/subjects/{}/file?as_of=2027-01-01", party(1))).problem(400, "bad_as_of");
    app.anonymous().get(&format!("/v1/subjects/{}/file?asof=2026-01-01", party(1))).problem(400, "malformed_request");
}

#[test]
fn the_public_sees_public_fields_only_and_is_told_what_is_withheld() {
    let app = TestApp::new();
    let mut table = penalty(1).set(0, "备注", "内部备注").set(0, "违法事实", "当事人（身份证号11010519491231002X，电话13912345678）");
    table.header.extend(["法定代表人证件类型".to_owned(), "法定代表人证件号码".to_owned()]);
    table.rows[0].extend(["身份证".to_owned(), resident_id(3)]);
    app.provider("lf-amr").push(ITEM, "v2", &table.csv()).ok();
    let text = |caller: &Caller| file(caller, 1, PENALTIES).to_string();
    let public = text(&app.anonymous());
    for hidden in ["内部备注", &resident_id(3), "11010519491231002X", "13912345678"] {
        assert!(!public.contains(hidden), "{hidden} is public");
    }
    assert!(public.contains("139****5678") && public.contains("110105********002X"));
    let labels = file(&app.anonymous(), 1, PENALTIES)["items"][ITEM].clone();
    assert!(labels["withheld"].as_array().unwrap().contains(&json!("BZ")), "{labels}");
    // An agency of the lineage sees what is shared among agencies, an agency of another county does not.
    assert!(text(&app.login_at(Role::Consumer, Some("ga-amr"))).contains("内部备注"), "the city is above the county");
    let county = penalty(2).set(0, "备注", "县内备注");
    app.provider("ga-amr").push(ITEM, "v2", &county.csv()).ok();
    let seen = |agency: &str| file(&app.login_at(Role::Consumer, Some(agency)), 2, PENALTIES).to_string().contains("县内备注");
    assert_eq!(["ga-amr", "lf-approval", "sh-amr"].map(seen), [true, true, false]);
    // Whoever may see a document number at all sees it covered.
    let auditor = text(&app.login(Role::Auditor));
    assert!(
        !auditor.contains(&resident_id(3)) && auditor.contains(&credence_core::identifiers::person::mask(&resident_id(3))),
        "{auditor}"
    );
    // Roles that have no business with data see what the public sees.
    for role in [Role::PlatformAdmin, Role::SecurityAdmin] {
        assert_eq!(file(&app.login(role), 1, PENALTIES), file(&app.anonymous(), 1, PENALTIES));
    }
}

#[test]
fn past_days_and_past_knowledge_are_answered_to_those_entitled() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let agency = app.login(Role::Consumer);
    provider.push(ITEM, "v2", &penalty(1).set(0, "处罚决定日期", "2026-11-02").csv()).ok();
    app.at("2026-11-30T02:00:00Z");
    let agency_later = app.log_in_again(&agency);
    provider.push(ITEM, "v2", &penalty(1).set(0, "处罚决定日期", "2026-11-02").set(0, "处罚内容", "罚款叁仟元").csv()).ok();
    let content = |caller: &Caller, query: &str| {
        let section = file(caller, 1, &format!("{PENALTIES}&{query}"))["sections"][0].clone();
        section["statements"].as_array().unwrap().iter().map(|s| s["data"]["CF_NR"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // Known time: what did the platform say on the 25th?
    assert_eq!(content(&agency_later, "known_at=2026-11-25T00:00:00Z"), ["罚款贰仟元"]);
    assert_eq!(content(&agency_later, "known_at=2026-11-22T00:00:00Z"), Vec::<String>::new());
    assert_eq!(content(&agency_later, ""), ["罚款叁仟元"]);
    // Valid time: before the decision there was nothing.
    assert_eq!(content(&agency_later, "as_of=2026-11-01"), Vec::<String>::new());
    assert_eq!(content(&agency_later, "as_of=2026-11-02"), ["罚款叁仟元"]);
    // The public is not shown the replaced version under the title of history.
    assert_eq!(content(&app.anonymous(), "known_at=2026-11-25T00:00:00Z"), Vec::<String>::new());
    assert_eq!(content(&app.anonymous(), ""), ["罚款叁仟元"]);
}

#[test]
fn what_is_past_its_publicity_is_gone_for_the_public_at_midnight_without_any_job() {
    let app = TestApp::new();
    app.provider("lf-amr").push(ITEM, "v2", &penalty(1).set(0, "公示截止期", "2026-12-31").csv()).ok();
    let total = |query: &str| file(&app.anonymous(), 1, &format!("{PENALTIES}&{query}"))["sections"][0]["total"].as_i64().unwrap();
    app.at("2026-12-31T15:59:59Z");
    assert_eq!(total(""), 1);
    app.at("2026-12-31T16:00:00Z");
    assert_eq!((total(""), total("as_of=2026-12-01")), (0, 0), "asking for a past day does not bring it back");
    assert_eq!(file(&app.login(Role::Auditor), 1, PENALTIES)["sections"][0]["total"], 1);
}

#[test]
fn pages_neither_skip_nor_repeat() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let mut table = penalties(1, 45);
    for (n, row) in table.rows.iter_mut().enumerate() {
        row[2] = party(1);
        row[0] = "廊坊市试验1商贸有限公司".into();
        row[13] = format!("2026-11-{:02}", 1 + n % 20);
    }
    provider.push(ITEM, "v2", &table.csv()).ok();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let section = file(&app.anonymous(), 1, &format!("{PENALTIES}&limit=7{cursor}"))["sections"][0].clone();
        assert_eq!(section["total"], 45);
        seen.extend(numbers(&section));
        match section["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (45, 45));
    app.anonymous().get(&format!("/v1/subjects/{}/file?{PENALTIES}&cursor=xx", party(1))).problem(400, "bad_cursor");
    app.anonymous().get(&format!("/v1/subjects/{}/file?limit=9999", party(1))).problem(400, "bad_limit");
}

#[test]
fn an_unchanged_answer_is_not_sent_twice() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    let path = format!("/v1/subjects/{}/file", party(1));
    let tag = app.anonymous().get(&path).header("etag").to_owned();
    assert_eq!(app.anonymous().header("If-None-Match", &tag).get(&path).status, 304);
    provider.push(ITEM, "v2", &penalty(1).set(0, "处罚内容", "改").csv()).ok();
    let changed = app.anonymous().header("If-None-Match", &tag).get(&path);
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
}

#[test]
fn a_person_is_found_by_number_in_the_body_with_a_purpose_and_leaves_a_trace() {
    let app = TestApp::new();
    app.provider("lf-amr").push("administrative_penalty_person", "v2", &person_penalty(5).csv()).ok();
    let query = |purpose: &str, authorisation: Option<&str>| json!({ "document_kind": "身份证", "document_number": resident_id(5), "purpose": purpose, "authorisation": authorisation });
    let consumer = app.login(Role::Consumer);
    consumer.post("/v1/person-files", &query(" ", None)).problem(422, "purpose_needed");
    let view = consumer.post("/v1/person-files", &query("资质认定", None)).ok();
    assert_eq!((&view["sections"][2]["total"], &view["subject"]["name"]), (&json!(1), &json!("李*")));
    assert!(!view.to_string().contains(&resident_id(5)));
    // At the hall the person's written authorisation is needed.
    let clerk = app.login(Role::Clerk);
    clerk.post("/v1/person-files", &query("信用调查", None)).problem(422, "purpose_needed");
    assert_eq!(clerk.post("/v1/person-files", &query("信用调查", Some("授权〔2026〕1号"))).ok()["sections"][2]["total"], 1);
    // Nobody else, nobody by URL, nothing for the public.
    for role in [Role::Provider, Role::CreditOffice, Role::Auditor, Role::SecurityAdmin, Role::PlatformAdmin] {
        app.login(role).post("/v1/person-files", &query("x", Some("y"))).problem(403, "forbidden");
    }
    app.anonymous().post("/v1/person-files", &query("x", None)).problem(401, "unauthenticated");
    let unknown = json!({ "document_kind": "身份证", "document_number": resident_id(6), "purpose": "资质认定" });
    consumer.post("/v1/person-files", &unknown).problem(404, "subject_not_found");
    let log = app.sql("SELECT outcome, purpose, subject_id IS NOT NULL FROM access_log WHERE action = 'person.file' ORDER BY id");
    let log: Vec<(String, Option<String>, bool)> = log.iter().map(|r| (r.get(0), r.get(1), r.get(2))).collect();
    let outcomes: Vec<&str> = log.iter().map(|(o, ..)| o.as_str()).collect();
    assert_eq!(outcomes, ["refused", "granted", "refused", "granted", "not_found"]);
    assert_eq!(log[1], ("granted".into(), Some("资质认定".into()), true));
}

#[test]
fn a_subject_reads_its_own_file_and_sees_who_looked() {
    let app = TestApp::new();
    app.provider("lf-amr").push("registration", "v1", &registration(1, "廊坊市试验1商贸有限公司").csv()).ok();
    app.provider("lf-amr").push(ITEM, "v2", &penalty(1).set(0, "备注", "内部备注").csv()).ok();
    let id = file(&app.anonymous(), 1, "")["subject"]["id"].as_str().unwrap().to_owned();
    let clerk = app.login(Role::Clerk);
    let account = json!({ "username": "zhang-san", "password": crate::support::PASSWORD, "person_name": "张试验", "document_kind": "身份证", "document_number": resident_id(9),
        "subject_id": id, "capacity": "legal_representative", "evidence": "营业执照、身份证" });
    clerk.post("/v1/subject-accounts", &account).ok();
    assert_eq!(app.count(&format!("SELECT count(*) FROM accounts a WHERE a::text LIKE '%{}%'", resident_id(9))), 0, "papers are sealed");
    app.login(Role::Consumer).get(&format!("/v1/subjects/{}/file?purpose=%E8%B5%84%E8%B4%A8%E8%AE%A4%E5%AE%9A", party(1))).ok();
    let subject = app.log_in("zhang-san");
    let own = subject.get(&format!("/v1/me/subjects/{id}/file")).ok();
    assert!(own.to_string().contains("内部备注"));
    let accesses = subject.get(&format!("/v1/me/subjects/{id}/accesses")).ok();
    let seen: Vec<(&str, Option<&str>)> =
        accesses["accesses"].as_array().unwrap().iter().map(|a| (a["action"].as_str().unwrap(), a["agency"].as_str())).collect();
    assert_eq!(seen, [("own.file", None), ("subject.file", Some("廊坊市市场监督管理局"))]);
    assert!(accesses["accesses"][1]["actor"].is_null(), "which official looked is for the auditor");
    // Not somebody else's.
    app.provider("lf-amr").push(ITEM, "v2", &penalty(2).csv()).ok();
    let other = file(&app.anonymous(), 2, "")["subject"]["id"].as_str().unwrap().to_owned();
    subject.get(&format!("/v1/me/subjects/{other}/file")).problem(404, "not_found");
    subject.get(&format!("/v1/me/subjects/{other}/accesses")).problem(404, "not_found");
}
