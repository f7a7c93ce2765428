//! Correcting and withdrawing single records.

use crate::support::builders::{party, penalty};
use crate::support::{Caller, TestApp};
use serde_json::{Value, json};

const ITEM: &str = "administrative_penalty_organisation";

/// Pushes one penalty and returns the path of its record.
fn record(app: &TestApp, provider: &Caller, n: u32) -> String {
    provider.push(ITEM, "v2", &penalty(n).csv()).ok();
    let view = app.anonymous().get(&format!("/v1/subjects/{}/file", party(n))).ok();
    let statement = &view["sections"][2]["statements"][0];
    format!("/v1/subjects/{}/records/{}", view["subject"]["id"].as_str().unwrap(), statement["record_id"].as_str().unwrap())
}

fn public(app: &TestApp, n: u32) -> Value {
    app.anonymous().get(&format!("/v1/subjects/{}/file", party(n))).ok()["sections"][2].clone()
}

#[test]
fn a_correction_is_a_new_version_that_passed_the_same_checks() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let path = record(&app, &provider, 1);
    let correct = |fields: Value, reason: &str| provider.post(&format!("{path}/correct"), &json!({ "fields": fields, "reason": reason }));
    correct(json!({ "CF_NR": "罚款伍佰元" }), "").problem(422, "reason_missing");
    correct(json!({ "CF_NR": "罚款贰仟元" }), "x").problem(409, "nothing_changed");
    let refused = correct(json!({ "CF_JDRQ": "明天" }), "x").problem(422, "correction_refused");
    assert_eq!(refused["issues"][0]["rule"], "date_format");
    correct(json!({ "CF_WSH": "另一文号" }), "x").problem(422, "key_changed");
    correct(json!({ "CF_XDR_SHXYM": party(2) }), "x").problem(422, "key_changed");
    correct(json!({ "NO_FIELD": "x" }), "x").problem(400, "malformed_request");
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 1);

    app.at("2026-11-24T02:00:00Z");
    assert_eq!(correct(json!({ "CF_NR": "罚款伍佰元", "CF_NR_FK": "0.05", "BZ": null }), "金额录入错误").ok()["state"], "active");
    assert_eq!(public(&app, 1)["statements"][0]["data"]["CF_NR"], "罚款伍佰元");
    let history = provider.get(&path).ok();
    let changes: Vec<&str> = history["versions"].as_array().unwrap().iter().map(|v| v["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["loaded", "corrected"]);
    assert_eq!(history["versions"][1]["reason"], "金额录入错误");
    // The source system pushes the old content again: taken, but said.
    let again = provider.push(ITEM, "v2", &penalty(1).and(penalty(9)).csv()).ok();
    assert_eq!(
        (again["rows"][0]["verdict"].as_str(), again["rows"][0]["issues"][0]["rule"].as_str()),
        (Some("new_version"), Some("overrides_correction"))
    );
}

#[test]
fn a_withdrawn_record_is_gone_for_everybody_and_a_push_does_not_bring_it_back() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let path = record(&app, &provider, 1);
    app.provider("ga-amr").post(&format!("{path}/withdraw"), &json!({ "reason": "x" })).problem(404, "record_not_found");
    let key = provider.header("Idempotency-Key", "w1");
    let first = key.post(&format!("{path}/withdraw"), &json!({ "reason": "行政复议撤销" })).ok();
    assert_eq!(key.post(&format!("{path}/withdraw"), &json!({ "reason": "行政复议撤销" })).ok(), first);
    provider.post(&format!("{path}/withdraw"), &json!({ "reason": "x" })).problem(409, "record_withdrawn");
    assert_eq!(public(&app, 1)["total"], 0);
    let consumer = app.login(credence_core::Role::Consumer);
    assert_eq!(consumer.get(&format!("/v1/subjects/{}/file", party(1))).ok()["sections"][2]["total"], 0);
    let pushed = provider.push(ITEM, "v2", &penalty(1).set(0, "备注", "每日全量").csv()).ok();
    assert_eq!(pushed["rows"][0]["issues"][0]["rule"], "record_withdrawn");
    // With a reason it comes back.
    assert_eq!(
        provider.post(&format!("{path}/correct"), &json!({ "fields": { "BZ": "恢复" }, "reason": "误撤回" })).ok()["state"],
        "active"
    );
    assert_eq!(public(&app, 1)["total"], 1);
    assert_eq!(provider.get(&path).ok()["versions"].as_array().unwrap().len(), 3);
}

#[test]
fn two_corrections_at_once_both_land_one_after_the_other() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let path = record(&app, &provider, 1);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let correct = |text: &'static str| {
            let (provider, path) = (provider.clone(), format!("{path}/correct"));
            scope.spawn(move || provider.post(&path, &json!({ "fields": { "CF_NR": text }, "reason": "x" })).status)
        };
        ["甲", "乙", "丙", "丁"].map(correct).map(|t| t.join().unwrap()).to_vec()
    });
    assert_eq!(statuses, [200; 4]);
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 5);
    assert_eq!(app.count("SELECT count(*) FROM record_versions WHERE known_to IS NULL"), 1);
    // Known times of the versions do not overlap.
    let overlaps = "SELECT count(*) FROM record_versions a JOIN record_versions b ON a.record_id = b.record_id AND a.id < b.id
         WHERE tstzrange(a.known_from, a.known_to) && tstzrange(b.known_from, b.known_to)";
    assert_eq!(app.count(overlaps), 0);
}
