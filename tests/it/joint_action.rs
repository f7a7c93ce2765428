//! Joint action: what is listed reaches every agency it concerns, what ends is lifted everywhere, and nobody acts on what has fallen.

use crate::support::TestApp;
use crate::support::builders::{resident_id, uscc};
use crate::walkthrough::execute;
use credence_core::Role;
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn the_walk_through_is_what_the_program_does() {
    let app = TestApp::new();
    app.at("2026-09-16T01:00:00Z");
    let mut callers: BTreeMap<&str, String> = BTreeMap::new();
    let mut enter = |name: &'static str, role: Role, agency: &str| {
        callers.insert(name, app.account(role, Some(agency)));
    };
    enter("amr-official", Role::Provider, "lf-amr");
    enter("amr-chief", Role::Approver, "lf-amr");
    enter("credit-office", Role::CreditOffice, "lf-credit");
    for (name, agency) in [
        ("approval", "lf-approval"),
        ("reform", "lf-reform"),
        ("housing", "lf-housing"),
        ("transport", "lf-transport"),
        ("water", "lf-water"),
    ] {
        enter(name, Role::Consumer, agency);
    }
    // The company is known from its registration, and its account was opened at the hall.
    let company = uscc("91", "131003", 1101);
    let registered =
        json!([{ "主体名称": "廊坊市示例商贸有限公司", "统一社会信用代码": company, "成立日期": "2015-03-01", "登记状态": "存续" }]);
    app.log_in(&callers["amr-official"]).push("registration", "v1", registered.to_string().as_bytes()).ok();
    let subject = app.anonymous().get(&format!("/v1/subjects/{company}/file")).ok()["subject"]["id"].clone();
    let account = json!({ "username": "company", "password": crate::support::PASSWORD, "person_name": "x", "document_kind": "身份证", "document_number": resident_id(1), "subject_id": subject, "capacity": "agent", "evidence": "x" });
    app.login(Role::Clerk).post("/v1/subject-accounts", &account).ok();
    callers.insert("company", "company".to_owned());

    execute(&app, "walkthrough-joint-action.md", &callers, BTreeMap::new());
    // Invariant 8, asked of the database: nothing of an ended entry is open, and everybody who had it was told.
    assert_eq!(app.count("SELECT count(*) FROM directives WHERE state NOT IN ('released', 'cancelled', 'completed')"), 0);
    assert_eq!(app.count("SELECT count(*) FROM directives WHERE kind = 'release'"), 5);
}
