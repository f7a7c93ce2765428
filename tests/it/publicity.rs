//! The end of publicity, reckoned at the moment of asking: no job has to run, and no number tells what is past it.

use crate::support::builders::{Table, party, penalties, penalty};
use crate::support::{Caller, TestApp};
use credence_core::Role;
use serde_json::{Value, json};

const ITEM: &str = "administrative_penalty_organisation";
/// Further than any rule goes: what ends the publicity is the rule.
const FAR: &str = "2099-12-31";

/// Penalties of one company, decided on these days.
fn decided(days: &[&str]) -> Table {
    let mut table = penalties(1, u32::try_from(days.len()).unwrap());
    for (row, day) in table.rows.iter_mut().zip(days) {
        row[0] = "廊坊市试验1商贸有限公司".into();
        row[2] = party(1);
        row[13] = (*day).to_owned();
    }
    (0..days.len()).fold(table, |table, row| table.set(row, "公示截止期", FAR).set(row, "处罚有效期", FAR))
}

fn section(caller: &Caller, query: &str) -> Value {
    caller.get(&format!("/v1/subjects/{}/file?section=administrative_penalty&{query}", party(1))).ok()["sections"][0].clone()
}

/// The last public day that an answer tells of each statement, newest first.
fn last_days(section: &Value) -> Vec<String> {
    section["statements"].as_array().unwrap().iter().map(|s| s["public_until"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_record_is_gone_at_the_end_of_its_last_day_and_no_total_tells_of_it() {
    let app = TestApp::new();
    app.provider("lf-amr").push(ITEM, "v2", &decided(&["2026-11-18", "2026-11-10", "2026-11-03"]).csv()).ok();
    let public = |query: &str| section(&app.anonymous(), query);
    let days = last_days(&public(""));
    assert_eq!(days.len(), 3);
    assert!(days.iter().all(|day| day.as_str() < FAR && day.as_str() > "2026-11-23"), "the rule ends it: {days:?}");
    let (last, middle, first) = (&days[0], &days[1], &days[2]);
    assert!(first < middle && middle < last, "{days:?}");

    app.at(&format!("{first}T15:59:59Z"));
    assert_eq!(public("")["total"], 3, "the last day ends at midnight in China");
    app.at(&format!("{first}T16:00:00Z"));
    for query in ["", "as_of=2026-11-20", "known_at=2026-11-24T00:00:00Z", "limit=1"] {
        assert_eq!(public(query)["total"], 2, "{query}");
    }
    let page = public("limit=1");
    let next = public(&format!("limit=1&cursor={}", page["next"].as_str().unwrap()));
    assert_eq!((last_days(&next), next["next"].is_null()), (vec![middle.clone()], true), "there is no third page");
    // Whoever is on duty goes on seeing it, with its last public day.
    assert_eq!(last_days(&section(&app.login(Role::Auditor), "")), days);
    assert_eq!(section(&app.login(Role::Consumer), "")["total"], 3);
    // At the hall, what is past its publicity is past.
    assert_eq!(section(&app.login(Role::Clerk), "purpose=x&authorisation=x")["total"], 2);

    app.at(&format!("{last}T16:00:00Z"));
    let over = public("");
    assert_eq!((&over["total"], &over["empty"]), (&json!(0), &json!("查询期内无相关信息")));
}

#[test]
fn an_earlier_last_day_that_the_provider_sent_counts() {
    let app = TestApp::new();
    app.provider("lf-amr").push(ITEM, "v2", &decided(&["2026-11-18"]).set(0, "公示截止期", "2026-12-01").csv()).ok();
    assert_eq!(last_days(&section(&app.anonymous(), "")), ["2026-12-01"]);
    app.at("2026-12-01T16:00:00Z");
    assert_eq!(section(&app.anonymous(), "")["total"], 0);
}

#[test]
fn a_commendation_is_kept_from_nobody_by_what_is_not_public_any_more() {
    let app = TestApp::new();
    let official = app.login_at(Role::Provider, Some("lf-amr"));
    let fine = |n: u32, day: &str| penalty(n).set(0, "处罚决定日期", day).set(0, "公示截止期", FAR).set(0, "处罚有效期", FAR);
    let warning = fine(1, "2026-11-18").set(0, "处罚类别", "警告").set(0, "处罚内容", "警告").set(0, "罚款金额（万元）", "");
    // A warning is never published; of the fines a year is over yesterday, and today.
    official.push(ITEM, "v2", &warning.and(fine(2, "2025-11-22")).and(fine(3, "2025-11-23")).csv()).ok();
    let commend = |caller: &Caller, n: u32| {
        let red = json!({ "list": "city_commendation", "uscc": party(n), "facts": "守信", "legal_basis": "廊政字〔2019〕19号",
                          "measures": ["priority_channel"] });
        caller.post("/v1/list-entries", &red)
    };
    for n in [1, 2] {
        commend(&official, n).ok();
    }
    let blocked = commend(&official, 3).problem(409, "red_blocked");
    assert_eq!(blocked["blocked_by"], json!(["item administrative_penalty_organisation"]), "its last day is public to its end");
    app.at("2026-11-23T16:00:00Z");
    commend(&app.log_in_again(&official), 3).ok();
}
