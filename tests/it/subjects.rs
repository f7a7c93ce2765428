//! Who a statement is about, through renames, new codes, mergers and numbers that do not settle it.

use crate::support::builders::{party, penalties, penalty, registration, uscc};
use crate::support::{Caller, TestApp};
use credence_core::Role;
use serde_json::{Value, json};

const ITEM: &str = "administrative_penalty_organisation";

fn file(caller: &Caller, n: u32) -> Value {
    caller.get(&format!("/v1/subjects/{}/file", party(n))).ok()
}

fn id(app: &TestApp, n: u32) -> String {
    file(&app.anonymous(), n)["subject"]["id"].as_str().unwrap().to_owned()
}

fn rule(received: &Value) -> Option<&str> {
    received["rows"][0]["issues"].as_array()?.last()?["rule"].as_str()
}

#[test]
fn a_subject_is_provisional_until_registration_confirms_it() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    let before = file(&app.anonymous(), 1);
    assert_eq!((&before["subject"]["state"], &before["subject"]["names"][0]["confirmed"]), (&json!("provisional"), &json!(false)));
    provider.push("registration", "v1", &registration(1, "廊坊市试验1商贸有限公司").csv()).ok();
    let after = file(&app.anonymous(), 1);
    assert_eq!((&after["subject"]["state"], &after["subject"]["standing"]), (&json!("confirmed"), &json!("存续")));
    assert_eq!(after["subject"]["names"].as_array().unwrap().len(), 1);
    assert_eq!(after["subject"]["id"], before["subject"]["id"]);
}

#[test]
fn a_name_is_compared_with_the_day_then_with_history_and_never_renames_silently() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider.push("registration", "v1", &registration(1, "廊坊旧名有限公司").csv()).ok();
    app.at("2026-11-24T02:00:00Z");
    let renamed = provider.push("registration", "v1", &registration(1, "廊坊新名有限公司").set(0, "核准日期", "2026-06-01").csv()).ok();
    assert_eq!((renamed["rows"][0]["verdict"].as_str(), rule(&renamed)), (Some("new_version"), Some("subject_renamed")));
    let subject = &file(&app.anonymous(), 1)["subject"];
    let names: Vec<(&str, &Value, &Value)> =
        subject["names"].as_array().unwrap().iter().map(|n| (n["name"].as_str().unwrap(), &n["valid_from"], &n["valid_to"])).collect();
    assert_eq!(names, [("廊坊新名有限公司", &json!("2026-06-01"), &Value::Null), ("廊坊旧名有限公司", &Value::Null, &json!("2026-05-31"))]);
    assert_eq!(subject["events"][0]["kind"], "rename");
    let pushed = |n: u32, name: &str, on: &str| {
        let row = penalty(1).set(0, "行政处罚决定书文号", &format!("字{n}号")).set(0, "行政相对人名称", name).set(0, "处罚决定日期", on);
        let received = provider.push(ITEM, "v2", &row.csv()).ok();
        (received["rows"][0]["verdict"].as_str().unwrap().to_owned(), rule(&received).map(str::to_owned))
    };
    assert_eq!(pushed(1, "廊坊旧名有限公司", "2026-05-31"), ("accepted".into(), None));
    assert_eq!(pushed(2, "廊坊新名有限公司", "2026-06-01"), ("accepted".into(), None));
    assert_eq!(pushed(3, "廊坊旧名有限公司", "2026-06-02"), ("accepted".into(), None), "known from its history");
    assert_eq!(pushed(4, "廊坊别家有限公司", "2026-06-02"), ("accepted_with_warnings".into(), Some("subject_name_unseen".into())));
    assert_eq!(file(&app.anonymous(), 1)["subject"]["name"], "廊坊新名有限公司");
    // What the platform knew before the rename was told is still known to have been known.
    let then = app.anonymous().get(&format!("/v1/subjects/{}/file?known_at=2026-11-23T12:00:00Z", party(1))).ok();
    assert_eq!(then["subject"]["name"], "廊坊旧名有限公司");
}

#[test]
fn an_unseen_name_is_refused_where_the_operator_wants_that() {
    let app = TestApp::with(|s| s.ingest.unseen_name = credence_core::settings::UnseenName::Refuse);
    let provider = app.provider("lf-amr");
    provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    let received =
        provider.push(ITEM, "v2", &penalty(1).set(0, "行政处罚决定书文号", "2").set(0, "行政相对人名称", "别家有限公司").csv()).ok();
    assert_eq!((received["rows"][0]["verdict"].as_str(), rule(&received)), (Some("refused"), Some("subject_name_unseen")));
    let text =
        String::from_utf8(provider.get(&format!("/v1/batches/{}/rejects.csv", received["batch"]["id"].as_str().unwrap())).bytes).unwrap();
    assert!(text.contains("别家有限公司"), "the row comes back with its text: {text}");
}

#[test]
fn a_corrected_code_keeps_the_old_one_findable_and_takes_no_other_subjects() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    provider.push(ITEM, "v2", &penalties(1, 2).csv()).ok();
    let office = app.login(Role::CreditOffice);
    let path = format!("/v1/subjects/{}/events", id(&app, 1));
    let event = |to: &str| json!({ "kind": "code_change", "happened_on": "2026-11-01", "to_value": to, "former_erroneous": true, "basis": "重错码更正" });
    app.login(Role::Provider).post(&path, &event(&party(50))).problem(403, "forbidden");
    office.post(&path, &event(&party(2))).problem(409, "code_taken");
    office.post(&path, &event("91110000710925462Y")).problem(400, "bad_uscc");
    office
        .post(&path, &json!({ "kind": "code_change", "happened_on": "2026-11-24", "to_value": party(50), "basis": "x" }))
        .problem(400, "malformed_request");
    office.post(&path, &event(&party(50))).ok();
    let (old, new) = (file(&app.anonymous(), 1), file(&app.anonymous(), 50));
    assert_eq!(old["subject"]["id"], new["subject"]["id"]);
    let status: Vec<(&str, &str)> = new["subject"]["identifiers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| (i["value"].as_str().unwrap(), i["status"].as_str().unwrap()))
        .collect();
    let (current, former) = (party(50), party(1));
    assert_eq!(status, [(current.as_str(), "current"), (former.as_str(), "erroneous")]);
}

#[test]
fn a_merge_is_read_through_and_can_be_taken_back() {
    let app = TestApp::new();
    app.provider("lf-amr").push(ITEM, "v2", &penalties(1, 3).csv()).ok();
    let office = app.login(Role::CreditOffice);
    let merge = |from: u32, into: u32| {
        office.post(
            "/v1/subject-merges",
            &json!({ "from_subject_id": id(&app, from), "into_subject_id": id(&app, into), "reason": "同一主体" }),
        )
    };
    let ids = [1, 2, 3].map(|n| id(&app, n));
    let first = merge(1, 2).ok()["id"].as_str().unwrap().to_owned();
    merge(1, 2).problem(409, "bad_merge");
    let circle = json!({ "from_subject_id": ids[1], "into_subject_id": ids[0], "reason": "x" });
    office.post("/v1/subject-merges", &circle).problem(409, "bad_merge");
    let view = file(&app.anonymous(), 1);
    assert_eq!((&view["subject"]["id"], &view["sections"][2]["total"]), (&json!(ids[1]), &json!(2)));
    assert_eq!(view["subject"]["merged_subjects"], json!([ids[0]]));
    let unmerge = |reason: &str| office.post(&format!("/v1/subject-merges/{first}/unmerge"), &json!({ "reason": reason }));
    unmerge("").problem(400, "malformed_request");
    assert_eq!(unmerge("误合并").status, 204);
    unmerge("x").problem(409, "not_merged");
    for n in [1, 2] {
        assert_eq!(file(&app.anonymous(), n)["sections"][2]["total"], 1);
    }
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action IN ('subject.merge', 'subject.unmerge')"), 2);
}

fn defaulter(name: &str, number: &str) -> String {
    format!(
        "姓名/名称,类型,证件号码,执行法院,案号,执行依据文号,做出执行依据单位,生效法律文书确定的义务,被执行人的履行情况,失信行为具体情形,立案时间,发布时间\n\
         {name},法人及非法人组织,{number},廊坊市中级人民法院,（2026）冀10执{}号,（2025）冀10民初1号,廊坊市中级人民法院,给付货款,全部未履行,有履行能力而拒不履行生效法律文书确定义务,2026-10-08,2026年11月20日\n",
        &number[number.len() - 4..]
    )
}

#[test]
fn weaker_numbers_match_in_order_and_what_they_do_not_settle_waits_for_a_person() {
    let app = TestApp::new();
    let mut registered = registration(1, "廊坊市试验1商贸有限公司");
    registered.header.push("注册号".into());
    registered.rows[0].push("320404000009558".into());
    app.provider("lf-amr").push("registration", "v1", &registered.csv()).ok();
    let court = app.provider("lf-court");
    let push = |name: &str, number: &str| court.push("judgment_defaulter", "v1", defaulter(name, number).as_bytes()).ok();

    // Rule 2: the organisation code inside the code; rule 3: the registration number.
    let org_code = party(1)[8..17].to_owned();
    assert_ne!(push("廊坊市试验1商贸有限公司", &org_code)["rows"][0]["verdict"], "refused");
    push("廊坊市试验1商贸有限公司", "320404000009558");
    assert_eq!(file(&app.anonymous(), 1)["sections"][4]["total"], 2);

    // A number nobody is known by: kept, shown to nobody, waiting.
    let waiting = push("廊坊市试验1商贸有限公司", "320382000007600");
    assert_eq!((waiting["rows"][0]["verdict"].as_str(), rule(&waiting)), (Some("accepted_with_warnings"), Some("subject_unmatched")));
    assert_eq!(waiting["batch"]["counts"]["unmatched"], 1);
    assert_eq!(file(&app.anonymous(), 1)["sections"][4]["total"], 2);
    let office = app.login(Role::CreditOffice);
    court.get("/v1/unmatched-rows").problem(403, "forbidden");
    let queue = office.get("/v1/unmatched-rows").ok();
    let row = &queue["rows"][0];
    assert_eq!(row["candidates"][0]["subject_id"], json!(id(&app, 1)), "rule 4 proposes by name");
    let path = format!("/v1/unmatched-rows/{}", row["id"].as_str().unwrap());
    let link = json!({ "subject_id": id(&app, 1), "reason": "与法院核实" });
    office.post(&format!("{path}/link"), &json!({ "subject_id": uuid::Uuid::now_v7(), "reason": "x" })).problem(404, "subject_not_found");
    office.post(&format!("{path}/link"), &link).ok();
    office.post(&format!("{path}/link"), &link).problem(409, "row_decided");
    assert_eq!(file(&app.anonymous(), 1)["sections"][4]["total"], 3);
    assert_eq!(office.get("/v1/unmatched-rows").ok()["rows"], json!([]));

    // Two subjects of one number: it settles nothing.
    let mut twin = registration(2, "廊坊市试验2商贸有限公司");
    twin.header.push("注册号".into());
    twin.rows[0].push("320404000009558".into());
    app.provider("lf-amr").push("registration", "v1", &twin.csv()).ok();
    let doubtful =
        court.push("judgment_defaulter", "v1", defaulter("某某", "320404000009558").replace("执9558号", "执99号").as_bytes()).ok();
    assert_eq!(rule(&doubtful), Some("subject_unmatched"));
    let row = office.get("/v1/unmatched-rows").ok()["rows"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(office.post(&format!("/v1/unmatched-rows/{row}/reject"), &json!({ "reason": "无法确认" })).status, 204);
}

#[test]
fn two_loads_that_meet_at_one_new_subject_make_one() {
    let app = TestApp::new();
    let keys: Vec<Caller> = ["lf-amr", "ga-amr", "sh-amr", "lf-emergency"].map(|a| app.provider(a)).to_vec();
    std::thread::scope(|scope| {
        for (k, caller) in keys.iter().enumerate() {
            scope.spawn(move || {
                let mut table = penalties(1, 200);
                for row in &mut table.rows {
                    row[4] = format!("{}甲{k}", row[4]);
                }
                if k % 2 == 1 {
                    table.rows.reverse();
                }
                let received = caller.push(ITEM, "v2", &table.csv()).ok();
                assert_eq!(received["batch"]["counts"]["refused"], 0);
            });
        }
    });
    assert_eq!(app.count("SELECT count(*) FROM subjects"), 200);
    assert_eq!(app.count("SELECT count(*) FROM subject_names"), 200);
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 800);
    assert_ne!(uscc("91", "131003", 1), uscc("91", "131003", 2));
}
