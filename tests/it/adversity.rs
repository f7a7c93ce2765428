//! Things that go wrong between people and machines, each made to happen: whose record it is, what an undo leaves behind, what follows from
//! registration data, what a key may reach, what a repeated request does, what a spoilt file or a stray character breaks.

use crate::support::builders::{Table, party, penalties, penalty, registration};
use crate::support::{Caller, TestApp};
use credence_core::Role;
use serde_json::{Value, json};

const ITEM: &str = "administrative_penalty_organisation";

fn file(caller: &Caller, n: u32, query: &str) -> Value {
    caller.get(&format!("/v1/subjects/{}/file{query}", party(n))).ok()
}

fn contents(app: &TestApp, n: u32) -> Vec<String> {
    let view = file(&app.anonymous(), n, "?section=administrative_penalty");
    view["sections"][0]["statements"].as_array().unwrap().iter().map(|s| s["data"]["CF_NR"].as_str().unwrap().to_owned()).collect()
}

fn batch(received: &Value) -> String {
    received["batch"]["id"].as_str().unwrap().to_owned()
}

fn rules(received: &Value, row: usize) -> Vec<&str> {
    received["rows"][row]["issues"].as_array().map(|l| l.iter().map(|i| i["rule"].as_str().unwrap()).collect()).unwrap_or_default()
}

fn undo(provider: &Caller, batch: &str) {
    assert_eq!(provider.post(&format!("/v1/batches/{batch}/undo"), &json!({ "reason": "误报" })).status, 202);
    provider.settled(batch);
    assert_eq!(provider.get(&format!("/v1/batches/{batch}")).ok()["state"], "undone");
}

fn names(app: &TestApp, n: u32) -> Vec<(String, Value, Value)> {
    let subject = file(&app.anonymous(), n, "")["subject"].clone();
    let name = |v: &Value| (v["name"].as_str().unwrap().to_owned(), v["valid_from"].clone(), v["valid_to"].clone());
    subject["names"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn an_agency_cannot_overwrite_what_another_provided() {
    let app = TestApp::new();
    let (city, county) = (app.provider("lf-amr"), app.provider("ga-amr"));
    city.push(ITEM, "v2", &penalty(1).csv()).ok();
    assert_eq!(county.push(ITEM, "v2", &penalty(1).csv()).ok()["rows"][0]["verdict"], "unchanged", "the same said twice harms nobody");
    let other = county.push(ITEM, "v2", &penalty(1).set(0, "处罚内容", "免予处罚").csv()).ok();
    assert_eq!((&other["rows"][0]["verdict"], rules(&other, 0)), (&json!("refused"), vec!["record_of_other_agency"]));
    assert_eq!(contents(&app, 1), ["罚款贰仟元"]);
    assert_eq!(city.push(ITEM, "v2", &penalty(1).set(0, "处罚内容", "罚款叁仟元").csv()).ok()["rows"][0]["verdict"], "new_version");
}

#[test]
fn batches_are_undone_in_any_order_and_leave_what_still_stands() {
    let content = |n: u32, text: &str| penalty(n).set(0, "处罚内容", text);
    // Newest first, then the one before: nothing is left.
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let push = |table: Table| batch(&provider.push(ITEM, "v2", &table.csv()).ok());
    let (a, b) = (push(content(1, "甲")), push(content(1, "乙")));
    undo(&provider, &b);
    assert_eq!(contents(&app, 1), ["甲"]);
    undo(&provider, &a);
    assert_eq!(contents(&app, 1), Vec::<String>::new());
    // Oldest first: the newer stays, and when it goes the older does not come back.
    let (a, b) = (push(content(2, "甲")), push(content(2, "乙")));
    undo(&provider, &a);
    assert_eq!(contents(&app, 2), ["乙"]);
    undo(&provider, &b);
    assert_eq!(contents(&app, 2), Vec::<String>::new());
    // What its provider withdrew or corrected since is not brought back by undoing the batch it came with.
    push(content(3, "甲").and(content(4, "甲")));
    let b = push(content(3, "乙").and(content(4, "乙")));
    let record = |n: u32| {
        let view = file(&app.anonymous(), n, "?section=administrative_penalty");
        format!(
            "/v1/subjects/{}/records/{}",
            view["subject"]["id"].as_str().unwrap(),
            view["sections"][0]["statements"][0]["record_id"].as_str().unwrap()
        )
    };
    provider.post(&format!("{}/withdraw", record(3)), &json!({ "reason": "决定已撤销" })).ok();
    provider.post(&format!("{}/correct", record(4)), &json!({ "fields": { "CF_NR": "丙" }, "reason": "更正" })).ok();
    undo(&provider, &b);
    assert_eq!((contents(&app, 3), contents(&app, 4)), (Vec::new(), vec!["丙".to_owned()]));
}

#[test]
fn rows_refused_by_the_checks_and_by_the_database_come_back_in_one_file_as_they_came() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    let view = file(&app.anonymous(), 1, "?section=administrative_penalty");
    let record = view["sections"][0]["statements"][0]["record_id"].as_str().unwrap();
    provider
        .post(&format!("/v1/subjects/{}/records/{record}/withdraw", view["subject"]["id"].as_str().unwrap()), &json!({ "reason": "撤销" }))
        .ok();
    let received = provider.push(ITEM, "v2", &penalties(1, 2).set(1, "处罚决定日期", "明天").csv()).ok();
    assert_eq!((rules(&received, 0), rules(&received, 1)), (vec!["record_withdrawn"], vec!["date_format"]), "{received}");
    let id = batch(&received);
    let text = String::from_utf8(provider.get(&format!("/v1/batches/{id}/rejects.csv")).bytes).unwrap();
    assert!(text.lines().next().unwrap().contains("行政处罚决定书文号") && !text.contains("CF_WSH"), "{text}");
    let mended = text.replace("明天", "2026-11-17");
    let again = provider.push(ITEM, "v2", mended.as_bytes()).ok();
    assert_eq!((batch(&again), &again["rows"][1]["verdict"]), (id, &json!("accepted")));
}

#[test]
fn a_withdrawn_record_pushed_again_as_it_was_is_refused_and_not_called_unchanged() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    let view = file(&app.anonymous(), 1, "?section=administrative_penalty");
    let record = view["sections"][0]["statements"][0]["record_id"].as_str().unwrap();
    provider
        .post(&format!("/v1/subjects/{}/records/{record}/withdraw", view["subject"]["id"].as_str().unwrap()), &json!({ "reason": "撤销" }))
        .ok();
    let again = provider.push(ITEM, "v2", &penalties(1, 2).csv()).ok();
    assert_eq!((&again["rows"][0]["verdict"], rules(&again, 0)), (&json!("refused"), vec!["record_withdrawn"]));
}

#[test]
fn a_record_that_came_in_time_is_not_late_because_it_changed_later() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider.push(ITEM, "v2", &penalty(1).set(0, "处罚决定日期", "2026-11-20").csv()).ok();
    app.at("2026-12-25T02:00:00Z");
    let changed = provider.push(ITEM, "v2", &penalty(1).set(0, "处罚决定日期", "2026-11-20").set(0, "备注", "补充").csv()).ok();
    assert_eq!((&changed["rows"][0]["verdict"], &changed["batch"]["counts"]["late"]), (&json!("new_version"), &json!(0)));
    assert_eq!(app.count("SELECT count(*) FROM record_versions WHERE late"), 0);
}

#[test]
fn two_names_of_one_new_code_in_one_file_are_noticed_and_both_kept() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let two = penalty(1).and(penalty(1).set(0, "行政处罚决定书文号", "另一号").set(0, "行政相对人名称", "别家有限公司"));
    let received = provider.push(ITEM, "v2", &two.csv()).ok();
    assert_eq!(rules(&received, 1), ["subject_name_unseen"]);
    let registered = registration(2, "廊坊甲有限公司").and(registration(2, "廊坊乙有限公司"));
    let received = provider.push("registration", "v1", &registered.csv()).ok();
    assert_eq!((rules(&received, 0), rules(&received, 1)), (vec![], vec!["subject_renamed"]));
    let known: Vec<String> = names(&app, 2).into_iter().map(|n| n.0).collect();
    assert_eq!(known, ["廊坊乙有限公司", "廊坊甲有限公司"]);
}

#[test]
fn an_older_registration_that_comes_late_does_not_rename() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider.push("registration", "v1", &registration(1, "廊坊新名有限公司").set(0, "核准日期", "2026-06-01").csv()).ok();
    provider.push("registration", "v1", &registration(1, "廊坊旧名有限公司").set(0, "核准日期", "2020-01-01").csv()).ok();
    let expected = [
        ("廊坊新名有限公司".to_owned(), json!("2026-06-01"), Value::Null),
        ("廊坊旧名有限公司".to_owned(), Value::Null, json!("2026-05-31")),
    ];
    assert_eq!(names(&app, 1), expected);
    let name = |query: &str| file(&app.anonymous(), 1, query)["subject"]["name"].clone();
    assert_eq!((name(""), name("?as_of=2021-01-01")), (json!("廊坊新名有限公司"), json!("廊坊旧名有限公司")));
}

#[test]
fn names_and_standing_follow_when_registration_data_is_undone_corrected_or_withdrawn() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let subject = |n: u32, query: &str| file(&app.anonymous(), n, query)["subject"].clone();
    provider.push("registration", "v1", &registration(1, "廊坊甲有限公司").csv()).ok();
    app.at("2026-11-24T02:00:00Z");
    let wrong = registration(1, "廊坊错位有限公司").set(0, "登记状态", "吊销");
    let wrong = batch(&provider.push("registration", "v1", &wrong.csv()).ok());
    let view = subject(1, "");
    assert_eq!(
        (&view["name"], &view["standing"], &view["events"][0]["kind"]),
        (&json!("廊坊错位有限公司"), &json!("吊销"), &json!("rename"))
    );
    app.at("2026-11-25T02:00:00Z");
    undo(&provider, &wrong);
    let view = subject(1, "");
    assert_eq!((&view["name"], &view["standing"], &view["events"]), (&json!("廊坊甲有限公司"), &json!("存续"), &json!([])));
    assert_eq!(view["names"].as_array().unwrap().len(), 1);
    // What the platform said in between can be said again.
    let then = subject(1, "?known_at=2026-11-24T12:00:00Z");
    assert_eq!((&then["name"], &then["standing"]), (&json!("廊坊错位有限公司"), &json!("吊销")));

    // A correction of the name: it never was the other.
    let whole = file(&app.login(Role::CreditOffice), 1, "?section=registration");
    let record = whole["sections"][0]["statements"][0]["record_id"].as_str().unwrap();
    let path = format!("/v1/subjects/{}/records/{record}", view["id"].as_str().unwrap());
    provider.post(&format!("{path}/correct"), &json!({ "fields": { "ENT_NAME": "廊坊乙有限公司" }, "reason": "录入错误" })).ok();
    let view = subject(1, "");
    assert_eq!((&view["name"], view["names"].as_array().unwrap().len()), (&json!("廊坊乙有限公司"), 1));

    // Withdrawn as a whole: nothing confirms the subject any more, and it is called as its records call it.
    provider.push(ITEM, "v2", &penalty(1).set(0, "行政相对人名称", "廊坊乙有限公司").csv()).ok();
    provider.post(&format!("{path}/withdraw"), &json!({ "reason": "登记已撤销" })).ok();
    let view = subject(1, "");
    assert_eq!((&view["state"], &view["standing"], &view["name"]), (&json!("provisional"), &Value::Null, &json!("廊坊乙有限公司")));
}

#[test]
fn a_merge_changes_no_past_answer() {
    let app = TestApp::new();
    app.provider("lf-amr").push(ITEM, "v2", &penalties(1, 2).csv()).ok();
    app.at("2026-11-24T02:00:00Z");
    let office = app.login(Role::CreditOffice);
    let ids = [1, 2].map(|n| file(&app.anonymous(), n, "")["subject"]["id"].clone());
    let merge = json!({ "from_subject_id": ids[0], "into_subject_id": ids[1], "reason": "同一主体" });
    let merge = office.post("/v1/subject-merges", &merge).ok()["id"].as_str().unwrap().to_owned();
    app.at("2026-11-26T02:00:00Z");
    let office = app.login(Role::CreditOffice);
    let seen = |at: &str| {
        let view = file(&office, 1, &format!("?section=administrative_penalty&known_at={at}"));
        (view["subject"]["id"].clone(), view["sections"][0]["total"].as_i64().unwrap())
    };
    assert_eq!(seen("2026-11-23T12:00:00Z"), (ids[0].clone(), 1));
    assert_eq!(seen("2026-11-25T12:00:00Z"), (ids[1].clone(), 2));
    assert_eq!(office.post(&format!("/v1/subject-merges/{merge}/unmerge"), &json!({ "reason": "误合并" })).status, 204);
    app.at("2026-11-27T02:00:00Z");
    let office = app.login(Role::CreditOffice);
    let seen = |at: &str| file(&office, 1, &format!("?known_at={at}"))["subject"]["id"].clone();
    assert_eq!((seen("2026-11-25T12:00:00Z"), seen("2026-11-26T12:00:00Z")), (ids[1].clone(), ids[0].clone()));
}

#[test]
fn a_decision_about_an_unmatched_row_holds_when_the_feed_brings_it_again() {
    let app = TestApp::new();
    app.provider("lf-amr").push("registration", "v1", &registration(1, "廊坊市试验1商贸有限公司").csv()).ok();
    let court = app.provider("lf-court");
    let office = app.login(Role::CreditOffice);
    let row = |case: u32, duty: &str| {
        format!(
            "姓名/名称,类型,证件号码,执行法院,案号,执行依据文号,做出执行依据单位,生效法律文书确定的义务,被执行人的履行情况,失信行为具体情形,立案时间,发布时间\n\
             廊坊市试验1商贸有限公司,法人及非法人组织,320382000007600,廊坊市中级人民法院,（2026）冀10执{case}号,（2025）冀10民初1号,廊坊市中级人民法院,{duty},全部未履行,有履行能力而拒不履行生效法律文书确定义务,2026-10-08,2026年11月20日\n"
        )
    };
    let push = |text: String| court.push("judgment_defaulter", "v1", text.as_bytes()).ok();
    push(row(1, "给付货款"));
    let waiting = |n: usize| {
        let rows = office.get("/v1/unmatched-rows").ok()["rows"].as_array().unwrap().clone();
        assert_eq!(rows.len(), n);
        rows.first().map(|r| format!("/v1/unmatched-rows/{}", r["id"].as_str().unwrap())).unwrap_or_default()
    };
    let subject = file(&app.anonymous(), 1, "")["subject"]["id"].clone();
    office.post(&format!("{}/link", waiting(1)), &json!({ "subject_id": subject, "reason": "与法院核实" })).ok();
    // The next day's whole list: the same row, then one whose content changed.
    assert_eq!(push(row(1, "给付货款") + "\n")["rows"][0]["verdict"], "unchanged");
    assert_eq!(push(row(1, "给付货款及利息"))["rows"][0]["verdict"], "new_version");
    waiting(0);
    // A rejected one is refused from then on, with the reason.
    push(row(2, "给付货款"));
    assert_eq!(office.post(&format!("{}/reject", waiting(1)), &json!({ "reason": "查无此主体" })).status, 204);
    let again = push(row(2, "给付货款") + "\n");
    assert_eq!(again["rows"][0]["verdict"], "refused");
    assert!(again["rows"][0]["issues"].to_string().contains("查无此主体"), "{again}");
    waiting(0);
}

#[test]
fn a_key_of_one_county_or_one_item_reaches_no_further() {
    let app = TestApp::new();
    let (city, county) = (app.provider("lf-amr"), app.provider("ga-amr"));
    city.push(ITEM, "v2", &penalty(1).set(0, "备注", "市级备注").csv()).ok();
    county.push(ITEM, "v2", &penalty(2).set(0, "备注", "县级备注").csv()).ok();
    let seen = |caller: &Caller, n: u32| file(caller, n, "?section=administrative_penalty").to_string();
    let whole = app.key("ga-amr", Role::Consumer);
    assert!(seen(&whole, 1).contains("市级备注") && seen(&whole, 2).contains("县级备注"));
    let region = app.scoped_key("ga-amr", Role::Consumer, None, Some(vec!["131022".into()]));
    assert!(!seen(&region, 1).contains("市级备注") && seen(&region, 2).contains("县级备注"));
    assert!(seen(&region, 1).contains("罚款贰仟元"), "what everybody sees, it sees");
    let item = app.scoped_key("ga-amr", Role::Consumer, Some(vec!["honour".into()]), None);
    assert!(!seen(&item, 1).contains("市级备注") && !seen(&item, 2).contains("县级备注"));
    // Registration data that names no organ is the pushing agency's own.
    let own = app.scoped_key("ga-amr", Role::Provider, None, Some(vec!["131022".into()]));
    assert_eq!(own.push("registration", "v1", &registration(7, "固安县试验有限公司").csv()).ok()["rows"][0]["verdict"], "accepted");
    // A key of one county touches no batch that was pushed for the whole city.
    let whole_batch = batch(&city.push(ITEM, "v2", &penalty(3).csv()).ok());
    let narrow = app.scoped_key("lf-amr", Role::Provider, None, Some(vec!["131022".into()]));
    narrow.get(&format!("/v1/batches/{whole_batch}")).problem(404, "not_found");
    narrow.post(&format!("/v1/batches/{whole_batch}/undo"), &json!({ "reason": "x" })).problem(404, "not_found");
}

#[test]
fn another_body_under_a_key_in_use_takes_no_effect() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr").header("Idempotency-Key", "k1");
    let bodies: Vec<Vec<u8>> = (0..6).map(|n| penalties(1 + n * 400, 300).csv()).collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let calls: Vec<_> = bodies.iter().map(|body| scope.spawn(|| provider.push(ITEM, "v2", body).status)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|s| [200, 422].contains(s)), "{statuses:?}");
    assert_eq!(app.count("SELECT count(*) FROM submission_batches"), 1);
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 300);
    // The same request, many at once: one works, the others are told to wait or get the same answer.
    let provider = app.provider("lf-amr").header("Idempotency-Key", "k2");
    let body = penalties(5_000, 300).csv();
    let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..6).map(|_| scope.spawn(|| provider.push(ITEM, "v2", &body))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).map(|a| (a.status, a.json())).collect()
    });
    let good: Vec<&Value> = answers.iter().filter(|(s, _)| *s == 200).map(|(_, v)| v).collect();
    assert!(!good.is_empty() && good.iter().all(|v| v["batch"]["id"] == good[0]["batch"]["id"]));
    for (status, body) in answers.iter().filter(|(s, _)| *s != 200) {
        assert_eq!((*status, &body["code"]), (409, &json!("idempotency_key_in_progress")));
    }
    assert_eq!(app.count("SELECT count(*) FROM submission_batches"), 2);
}

#[test]
fn a_key_whose_request_died_gives_the_receipt_once_the_lease_has_run_out() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr").header("Idempotency-Key", "k");
    let first = provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    app.sql("UPDATE idempotency_keys SET pending_until = created_at + interval '15 seconds' RETURNING 1");
    provider.push(ITEM, "v2", &penalty(1).csv()).problem(409, "idempotency_key_in_progress");
    app.at("2026-11-23T02:00:16Z");
    assert_eq!(batch(&provider.push(ITEM, "v2", &penalty(1).csv()).ok()), batch(&first));
}

#[test]
fn a_file_that_reverts_another_is_not_the_same_file() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let (a, b) = (penalty(1).csv(), penalty(1).set(0, "处罚内容", "罚款叁仟元").csv());
    provider.push(ITEM, "v2", &a).ok();
    assert_eq!(provider.push(ITEM, "v2", &a).ok()["same_file"], true);
    provider.push(ITEM, "v2", &b).ok();
    assert_eq!(provider.push(ITEM, "v2", &a).ok()["rows"][0]["verdict"], "new_version");
    assert_eq!(contents(&app, 1), ["罚款贰仟元"]);
    // Read in another way it is another file: a key of other regions had its rows refused.
    let narrow = app.scoped_key("lf-amr", Role::Provider, None, Some(vec!["131022".into()]));
    let c = penalty(9).csv();
    assert_eq!(rules(&narrow.push(ITEM, "v2", &c).ok(), 0), ["out_of_region"]);
    assert_eq!(provider.push(ITEM, "v2", &c).ok()["rows"][0]["verdict"], "accepted");
}

#[test]
fn who_supervises_sees_verdicts_and_no_contents() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let id = batch(&provider.push(ITEM, "v2", &penalty(1).set(0, "处罚类别", "打板子").csv()).ok());
    let rows = |caller: &Caller| caller.get(&format!("/v1/batches/{id}/rows")).ok();
    assert!(rows(&provider).to_string().contains("打板子"));
    for role in [Role::CreditOffice, Role::Auditor] {
        let seen = rows(&app.login(role));
        assert_eq!(seen["rows"][0]["issues"][0]["rule"], "code_unknown");
        assert!(!seen.to_string().contains("打板子"), "{seen}");
    }
}

#[test]
fn what_a_section_leaves_out_for_a_viewer_is_marked() {
    let app = TestApp::new();
    let view = {
        app.provider("ga-amr").push(ITEM, "v2", &penalty(1).set(0, "备注", "县内备注").csv()).ok();
        app.provider("lf-amr").push(ITEM, "v2", &penalty(1).set(0, "行政处罚决定书文号", "市2号").set(0, "备注", "市内备注").csv()).ok();
        file(&app.login_at(Role::Consumer, Some("sh-amr")), 1, "?section=administrative_penalty")
    };
    let statements = view["sections"][0]["statements"].as_array().unwrap();
    let hidden = |s: &Value| {
        let withheld = if s["withheld"].is_array() { &s["withheld"] } else { &view["items"][ITEM]["withheld"] };
        withheld.as_array().unwrap().contains(&json!("BZ"))
    };
    for statement in statements {
        assert_eq!(hidden(statement), statement["data"].get("BZ").is_none(), "{statement}");
    }
    assert_eq!(statements.iter().filter(|s| hidden(s)).count(), 1, "the other county's remark, and not the city's");
}

#[test]
fn a_dry_run_has_limits_of_its_own() {
    let app = TestApp::with(|s| s.ingest.dry_run_rows_max = 3);
    let provider = app.provider("lf-amr");
    let tried = |n: u32| provider.post_bytes(&format!("/v1/batches?item={ITEM}&feed=v2&dry_run=true"), "text/csv", &penalties(1, n).csv());
    tried(3).ok();
    tried(4).problem(413, "dry_run_too_large");
}

#[test]
fn a_nul_character_refuses_its_row_and_nothing_else() {
    let app = TestApp::with(|s| s.ingest.sync_rows_max = 0);
    let provider = app.provider("lf-amr");
    let mut rows: Vec<Value> = serde_json::from_slice(&penalties(1, 3).json()).unwrap();
    rows[0]["处罚内容"] = json!("罚款\u{0}贰仟元");
    rows[1]["门牌\u{0}颜色"] = json!("蓝");
    let received = provider.push(ITEM, "v2", &serde_json::to_vec(&rows).unwrap()).ok();
    let settled = provider.settled(&batch(&received));
    assert_eq!((&settled["counts"]["refused"], &settled["counts"]["accepted"]), (&json!(2), &json!(1)), "{settled}");
    let rejects = String::from_utf8(provider.get(&format!("/v1/batches/{}/rejects.csv", batch(&received))).bytes).unwrap();
    assert!(rejects.contains("罚款\u{0}贰仟元") && rejects.contains("门牌\u{0}颜色"), "they come back as they came");
    let path = format!("/v1/batches?item={ITEM}&feed=v2&file_name=a%00b");
    provider.post_bytes(&path, "text/csv", &penalty(9).csv()).problem(400, "malformed_request");
}

#[test]
fn a_row_with_cells_too_many_comes_back_with_all_of_them() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let mut text = String::from_utf8(penalty(1).csv()).unwrap();
    text.truncate(text.trim_end().len());
    text.push_str(",溢出\n");
    let id = batch(&provider.push(ITEM, "v2", text.as_bytes()).ok());
    let rejects = provider.get(&format!("/v1/batches/{id}/rejects.csv")).bytes;
    assert!(String::from_utf8(rejects.clone()).unwrap().contains("溢出"));
    provider.push(ITEM, "v2", &rejects).problem(422, "header_unknown");
}

#[test]
fn an_upload_that_storage_spoilt_is_our_fault_and_tried_again() {
    let app = TestApp::with(|s| s.ingest.sync_rows_max = 0);
    // Nobody loads it while it is spoilt: its job is taken away and given back.
    app.sql("CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.run_at := '2099-01-01'; RETURN NEW; END $$");
    app.sql("CREATE TRIGGER hold BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION hold()");
    let provider = app.provider("lf-amr");
    let received = provider.push(ITEM, "v2", &penalties(1, 300).csv()).ok();
    let upload = std::fs::read_dir(app.dir.path().join("spool")).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&upload).unwrap();
    let mut spoilt = whole.clone();
    spoilt[70_000] ^= 1;
    std::fs::write(&upload, spoilt).unwrap();
    app.sql("UPDATE jobs SET run_at = created_at RETURNING 1");
    while app.count("SELECT count(*) FROM jobs WHERE last_error LIKE '%spool%'") == 0 {
        std::thread::yield_now();
    }
    assert_eq!(provider.get(&format!("/v1/batches/{}", batch(&received))).ok()["files"][0]["problem"], Value::Null);
    std::fs::write(&upload, whole).unwrap();
    app.sql("UPDATE jobs SET run_at = created_at RETURNING 1");
    assert_eq!(provider.settled(&batch(&received))["counts"]["accepted"], 300);
}

#[test]
fn a_row_of_a_batch_that_is_undone_cannot_be_linked_any_more() {
    let app = TestApp::new();
    app.provider("lf-amr").push("registration", "v1", &registration(1, "廊坊市试验1商贸有限公司").csv()).ok();
    let court = app.provider("lf-court");
    let office = app.login(Role::CreditOffice);
    let row = "姓名/名称,类型,证件号码,执行法院,案号,被执行人的履行情况,失信行为具体情形,立案时间,发布时间\n\
               廊坊市试验1商贸有限公司,法人及非法人组织,320382000007600,廊坊市中级人民法院,（2026）冀10执1号,全部未履行,违反财产报告制度,2026-10-08,2026年11月20日\n";
    let id = batch(&court.push("judgment_defaulter", "v1", row.as_bytes()).ok());
    let waiting = office.get("/v1/unmatched-rows").ok()["rows"][0]["id"].as_str().unwrap().to_owned();
    app.sql(&format!("UPDATE submission_batches SET state = 'undoing', undo_reason = 'x' WHERE id = '{id}' RETURNING 1"));
    let subject = file(&app.anonymous(), 1, "")["subject"]["id"].clone();
    let link = json!({ "subject_id": subject, "reason": "x" });
    office.post(&format!("/v1/unmatched-rows/{waiting}/link"), &link).problem(409, "batch_not_open");
}

#[test]
fn what_was_confirmed_then_is_said_to_have_been_confirmed_then() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let id = batch(&provider.push("registration", "v1", &registration(1, "廊坊甲有限公司").csv()).ok());
    app.at("2026-11-25T02:00:00Z");
    undo(&provider, &id);
    app.at("2026-11-26T02:00:00Z");
    let state = |query: &str| file(&app.anonymous(), 1, query)["subject"]["state"].clone();
    assert_eq!((state(""), state("?known_at=2026-11-24T00:00:00Z")), (json!("provisional"), json!("confirmed")));
}

#[test]
fn a_rename_that_comes_between_look_and_write_is_not_written_twice() {
    let app = TestApp::with(|s| {
        s.ingest.chunk_rows = 1;
        s.ingest.sync_rows_max = 0;
    });
    let provider = app.provider("lf-amr");
    provider.settled(&batch(&provider.push("registration", "v1", &registration(1, "廊坊甲有限公司").csv()).ok()));
    let office = app.login(Role::CreditOffice);
    let events = format!("/v1/subjects/{}/events", file(&app.anonymous(), 1, "")["subject"]["id"].as_str().unwrap());
    // Rows of one subject in chunks of one, and events of the same subject, side by side.
    let mut table = registration(1, "廊坊名0有限公司");
    for n in 1..40 {
        table = table.and(registration(1, &format!("廊坊名{n}有限公司")).set(
            0,
            "核准日期",
            &format!("2026-{:02}-{:02}", 1 + n / 20, 1 + n % 20),
        ));
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..20 {
                let rename = json!({ "kind": "rename", "happened_on": format!("2026-03-{:02}", 1 + n), "to_value": format!("廊坊事件{n}有限公司"), "basis": "x" });
                office.post(&events, &rename).ok();
            }
        });
        provider.settled(&batch(&provider.push("registration", "v1", &table.csv()).ok()));
    });
    let names = names(&app, 1);
    assert_eq!(names.iter().filter(|n| n.2.is_null()).count(), 1, "one present name: {names:?}");
    for pair in names.windows(2) {
        let (later, earlier): (chrono::NaiveDate, chrono::NaiveDate) =
            (pair[0].1.as_str().unwrap().parse().unwrap(), pair[1].2.as_str().unwrap().parse().unwrap());
        assert_eq!(earlier.succ_opt(), Some(later), "no gap, no overlap: {names:?}");
    }
}
