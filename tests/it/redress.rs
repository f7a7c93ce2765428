//! Redress from end to end: the walk-throughs of a dispute and of a repair, across the holidays of 2025 and 2026.

use crate::support::builders::{resident_id, uscc};
use crate::support::{PASSWORD, TestApp};
use crate::walkthrough::execute;
use credence_core::Role;
use serde_json::json;
use std::collections::BTreeMap;

/// The officials, the company with its account, and the agency that reads its file.
fn people(app: &TestApp) -> BTreeMap<&'static str, String> {
    let mut callers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, role, agency) in [
        ("amr-official", Role::Provider, "lf-amr"),
        ("amr-chief", Role::Approver, "lf-amr"),
        ("amr-deputy", Role::Approver, "lf-amr"),
        ("credit-office", Role::CreditOffice, "lf-credit"),
        ("reform", Role::Consumer, "lf-reform"),
    ] {
        callers.insert(name, app.account(role, Some(agency)));
    }
    let company = uscc("91", "131003", 1101);
    let registered =
        json!([{ "主体名称": "廊坊市示例商贸有限公司", "统一社会信用代码": company, "成立日期": "2015-03-01", "登记状态": "存续" }]);
    app.log_in(&callers["amr-official"]).push("registration", "v1", registered.to_string().as_bytes()).ok();
    let subject = app.anonymous().get(&format!("/v1/subjects/{company}/file")).ok()["subject"]["id"].clone();
    let account = json!({ "username": "company", "password": PASSWORD, "person_name": "x", "document_kind": "身份证", "document_number": resident_id(1), "subject_id": subject, "capacity": "agent", "evidence": "x" });
    app.login(Role::Clerk).post("/v1/subject-accounts", &account).ok();
    callers.insert("company", "company".to_owned());
    callers
}

#[test]
fn a_dispute_runs_as_its_walk_through_says() {
    let app = TestApp::new();
    app.at("2025-09-22T01:00:00Z");
    let callers = people(&app);
    execute(&app, "walkthrough-dispute.md", &callers, BTreeMap::new());
    assert_eq!(app.count("SELECT count(*) FROM record_marks WHERE known_to IS NULL"), 0, "no mark is left");
    assert_eq!(app.count("SELECT count(*) FROM effects WHERE settled_at IS NULL"), 0, "no effect is open");
}

#[test]
fn a_repair_runs_as_its_walk_through_says() {
    let app = TestApp::new();
    app.at("2025-11-17T01:00:00Z");
    let callers = people(&app);
    execute(&app, "walkthrough-repair.md", &callers, BTreeMap::new());
    assert_eq!(
        app.count(
            "SELECT count(*) FROM record_versions WHERE known_to IS NULL AND item LIKE 'administrative_penalty%' AND state <> 'repaired'"
        ),
        0
    );
    assert_eq!(app.count("SELECT count(*) FROM effects WHERE settled_at IS NULL"), 0, "no effect is open");
}
