//! Files that state the whole list: what they lack ends, and nothing else does, whatever comes in which order.

use crate::support::builders::{Table, defaulter, defaulters, party, penalty, registration};
use crate::support::{Caller, TestApp};
use credence_core::Role;
use serde_json::{Value, json};

const ITEM: &str = "judgment_defaulter";
const BAD_DAY: &str = "明天";

fn spoilt(n: u32) -> Table {
    defaulter(n).set(0, "立案时间", BAD_DAY)
}

fn push(caller: &Caller, body: &[u8], query: &str) -> Value {
    caller.post_bytes(&format!("/v1/batches?item={ITEM}&feed=v1{query}"), "text/csv", body).ok()
}

fn id(received: &Value) -> String {
    received["batch"]["id"].as_str().unwrap().to_owned()
}

fn verdicts(received: &Value) -> Vec<&str> {
    received["rows"].as_array().unwrap().iter().map(|r| r["verdict"].as_str().unwrap()).collect()
}

/// Pushes a whole list.
fn whole(caller: &Caller, table: &Table) -> String {
    id(&push(caller, &table.csv(), "&whole=true"))
}

/// The batch once nothing about its absences is under way.
fn resting(caller: &Caller, batch: &str) -> Value {
    loop {
        let view = caller.settled(batch);
        if view["absences"]["state"] != "pending" {
            return view;
        }
        std::thread::yield_now();
    }
}

/// State and number ended.
fn absences(caller: &Caller, batch: &str) -> (String, i64) {
    let absences = resting(caller, batch)["absences"].clone();
    (absences["state"].as_str().unwrap().to_owned(), absences["ended"].as_i64().unwrap())
}

fn done(ended: i64) -> (String, i64) {
    ("settled".to_owned(), ended)
}

/// State and change of the present version of a case.
fn present(app: &TestApp, n: u32) -> (String, String) {
    let query = format!(
        "SELECT state, change FROM record_versions WHERE known_to IS NULL AND item = '{ITEM}' AND data->>'CASE_CODE' LIKE '%执{n}号'"
    );
    let rows = app.sql(&query);
    assert_eq!(rows.len(), 1, "case {n}");
    (rows[0].get(0), rows[0].get(1))
}

fn states(app: &TestApp, cases: impl IntoIterator<Item = u32>) -> Vec<String> {
    cases.into_iter().map(|n| present(app, n).0).collect()
}

/// The refused rows of a batch with their bad day mended, as the sender pushes them back.
fn mended(caller: &Caller, batch: &str) -> Vec<u8> {
    let text = String::from_utf8(caller.get(&format!("/v1/batches/{batch}/rejects.csv")).bytes).unwrap();
    assert!(text.contains(BAD_DAY), "{text}");
    text.replace(BAD_DAY, "2026-10-08").into_bytes()
}

#[test]
fn what_the_next_whole_list_lacks_ends_and_comes_back_as_a_new_version() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    let first = whole(&court, &defaulters(1, 3));
    assert_eq!(absences(&court, &first), done(0));
    app.at("2026-11-24T02:00:00Z");
    let second = whole(&court, &defaulters(1, 2));
    let view = resting(&court, &second);
    assert_eq!((&view["whole"], &view["absences"]["state"], &view["absences"]["ended"]), (&json!(true), &json!("settled"), &json!(1)));
    assert_eq!(states(&app, 1..=3), ["active", "active", "ended"]);
    let ended = app.sql(&format!(
        "SELECT reason, valid_to::text, row_no, known_from::text FROM record_versions WHERE change = 'absent' AND batch_id = '{second}'"
    ));
    assert_eq!(ended[0].get::<_, String>(0), format!("not in the whole list of batch {second}"));
    assert_eq!((ended[0].get::<_, String>(1), ended[0].get::<_, i64>(2)), ("2026-11-24".to_owned(), 0));
    assert!(ended[0].get::<_, String>(3).starts_with("2026-11-24"));
    assert_eq!(app.count(&format!("SELECT count(*) FROM change_feed WHERE topic = 'records.absent' AND object_id = '{second}'")), 1);

    app.at("2026-11-25T02:00:00Z");
    let third = push(&court, &defaulters(1, 3).csv(), "&whole=true");
    assert_eq!(verdicts(&third), ["unchanged", "unchanged", "new_version"]);
    assert_eq!(absences(&court, &id(&third)), done(0));
    assert_eq!(present(&app, 3), ("active".to_owned(), "loaded".to_owned()));
    assert_eq!(app.count("SELECT count(*) FROM record_versions WHERE data->>'CASE_CODE' LIKE '%执3号'"), 3, "nothing of the past is lost");
}

#[test]
fn refused_rows_hold_everything_back_until_the_last_is_corrected() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    let first = whole(&court, &defaulters(1, 4));
    assert_eq!(absences(&court, &first), done(0));
    app.at("2026-11-24T02:00:00Z");
    let second = whole(&court, &defaulter(1).and(spoilt(2)).and(spoilt(3)));
    let view = resting(&court, &second);
    assert_eq!((&view["absences"]["state"], &view["absences"]["refused"]), (&json!("incomplete"), &json!(2)));
    assert_eq!(states(&app, 1..=4), ["active"; 4]);
    // One of two corrected is not enough.
    let both = String::from_utf8(mended(&court, &second)).unwrap();
    let lines: Vec<&str> = both.lines().collect();
    let one = format!("{}\n{}\n", lines[0], lines[1]);
    assert_eq!(id(&push(&court, one.as_bytes(), "&whole=true")), second);
    assert_eq!(absences(&court, &second), ("incomplete".to_owned(), 0));
    let other = format!("{}\n{}\n", lines[0], lines[2]);
    // Corrected rows belong to their list whether that is said again or not.
    assert_eq!(id(&push(&court, other.as_bytes(), "")), second);
    assert_eq!(absences(&court, &second), done(1));
    assert_eq!(states(&app, 1..=4), ["active", "active", "active", "ended"]);
}

#[test]
fn rows_of_nobody_yet_hold_back_and_rows_of_nobody_at_all_do_not() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    let office = app.login(Role::CreditOffice);
    let first = whole(&court, &defaulters(1, 2));
    assert_eq!(absences(&court, &first), done(0));
    let unknown = |n: u32| defaulter(n).set(0, "证件号码", "320382000007600");
    let second = whole(&court, &defaulter(1).and(unknown(8)).and(unknown(9)));
    let view = resting(&court, &second);
    assert_eq!((&view["absences"]["state"], &view["absences"]["unmatched"]), (&json!("incomplete"), &json!(2)));
    let waiting = office.get("/v1/unmatched-rows").ok()["rows"].clone();
    let path = |at: usize| format!("/v1/unmatched-rows/{}", waiting[at]["id"].as_str().unwrap());
    let subject = app.anonymous().get(&format!("/v1/subjects/{}/file", party(1))).ok()["subject"]["id"].clone();
    office.post(&format!("{}/link", path(0)), &json!({ "subject_id": subject, "reason": "与法院核实" })).ok();
    assert_eq!(absences(&court, &second), ("incomplete".to_owned(), 0));
    assert_eq!(states(&app, 1..=2), ["active", "active"]);
    assert_eq!(office.post(&format!("{}/reject", path(1)), &json!({ "reason": "查无此主体" })).status, 204);
    assert_eq!(absences(&court, &second), done(1));
    assert_eq!(states(&app, [1, 2, 8]), ["active", "ended", "active"], "the linked row is in the list");
    // The next day the same row is refused for what was decided about it, and the list is complete without it.
    app.at("2026-11-24T02:00:00Z");
    let third = push(&court, &defaulter(1).and(unknown(9)).csv(), "&whole=true");
    assert_eq!(verdicts(&third), ["unchanged", "refused"]);
    assert_eq!(absences(&court, &id(&third)), done(1));
    assert_eq!(present(&app, 8).0, "ended");
}

#[test]
fn undoing_a_whole_list_brings_back_what_it_ended() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    let undo = |batch: &str| {
        assert_eq!(court.post(&format!("/v1/batches/{batch}/undo"), &json!({ "reason": "文件不全" })).status, 202);
        assert_eq!(court.settled(batch)["state"], "undone");
    };
    let first = whole(&court, &defaulters(1, 4));
    assert_eq!(absences(&court, &first), done(0));
    app.at("2026-11-24T02:00:00Z");
    let second = whole(&court, &defaulters(1, 2));
    assert_eq!(absences(&court, &second), done(2));
    app.at("2026-11-25T02:00:00Z");
    let third = whole(&court, &defaulter(1));
    assert_eq!(absences(&court, &third), done(1));
    assert_eq!(states(&app, 1..=4), ["active", "ended", "ended", "ended"]);
    app.at("2026-11-26T02:00:00Z");
    undo(&third);
    assert_eq!(present(&app, 2), ("active".to_owned(), "undone".to_owned()));
    assert_eq!(states(&app, 1..=4), ["active", "active", "ended", "ended"]);
    undo(&second);
    assert_eq!(states(&app, 1..=4), ["active"; 4]);
    // A list that is undone while it waits ends nothing, also not when its rows come right.
    let waiting = whole(&court, &defaulter(1).and(spoilt(2)));
    assert_eq!(absences(&court, &waiting), ("incomplete".to_owned(), 0));
    undo(&waiting);
    assert_eq!(absences(&court, &waiting), ("dropped".to_owned(), 0));
    assert_eq!(states(&app, 1..=4), ["active"; 4]);
    assert_eq!(app.count(&format!("SELECT count(*) FROM snapshot_records WHERE batch_id IN ('{second}', '{third}', '{waiting}')")), 0);
}

#[test]
fn an_older_list_ends_nothing_once_a_newer_is_loaded_and_what_it_brings_late_is_held_against_the_newer() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    push(&court, &defaulters(1, 3).csv(), "");
    app.at("2026-11-24T02:00:00Z");
    let older = whole(&court, &defaulter(1).and(spoilt(4)));
    assert_eq!(absences(&court, &older), ("incomplete".to_owned(), 0));
    app.at("2026-11-25T02:00:00Z");
    let newer = whole(&court, &defaulters(1, 3));
    assert_eq!(absences(&court, &newer), done(0));
    assert_eq!(absences(&court, &older), ("superseded".to_owned(), 0));
    app.at("2026-11-26T02:00:00Z");
    assert_eq!(id(&push(&court, &mended(&court, &older), "")), older);
    // The corrected row of the older list is not in the newer one: it ends. What only the older one lacks stays.
    while present(&app, 4).0 != "ended" {
        std::thread::yield_now();
    }
    assert_eq!(present(&app, 4).1, "absent");
    assert_eq!(states(&app, 1..=3), ["active"; 3]);
    assert_eq!((absences(&court, &older), absences(&court, &newer)), (("superseded".to_owned(), 0), done(1)));
}

#[test]
fn what_is_said_after_a_list_came_is_not_ended_by_it() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    push(&court, &defaulters(1, 5).csv(), "");
    app.at("2026-11-24T02:00:00Z");
    let list = whole(&court, &defaulter(1).and(spoilt(2)));
    assert_eq!(absences(&court, &list), ("incomplete".to_owned(), 0));
    app.at("2026-11-25T02:00:00Z");
    // Pushed again as it was, new, and corrected by its provider: all while the list waits.
    assert_eq!(verdicts(&push(&court, &defaulter(3).and(defaulter(6)).csv(), "")), ["unchanged", "accepted"]);
    let ids = app.sql("SELECT subject_id::text, record_id::text FROM record_versions WHERE data->>'CASE_CODE' LIKE '%执4号'");
    let (subject, record): (String, String) = (ids[0].get(0), ids[0].get(1));
    let correction = json!({ "fields": { "DUTY": "给付货款及利息" }, "reason": "更正" });
    court.post(&format!("/v1/subjects/{subject}/records/{record}/correct"), &correction).ok();
    app.at("2026-11-26T02:00:00Z");
    push(&court, &mended(&court, &list), "");
    assert_eq!(absences(&court, &list), done(1));
    assert_eq!(states(&app, 1..=6), ["active", "active", "active", "active", "ended", "active"]);
}

#[test]
fn a_file_that_is_no_whole_list_ends_nothing_and_a_list_only_what_its_agency_provided() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    push(&court, &defaulters(1, 3).csv(), "");
    let part = push(&court, &defaulters(2, 1).csv(), "");
    let view = court.settled(&id(&part));
    assert_eq!((&view["whole"], &view["absences"]), (&json!(false), &Value::Null));
    assert_eq!(states(&app, 1..=3), ["active"; 3]);

    let penalties = "administrative_penalty_organisation";
    let (city, county) = (app.provider("lf-amr"), app.provider("ga-amr"));
    city.push(penalties, "v2", &penalty(1).csv()).ok();
    county.push(penalties, "v2", &penalty(2).and(penalty(3)).csv()).ok();
    let list = county.post_bytes(
        &format!("/v1/batches?item={penalties}&feed=v2&whole=true"),
        "text/csv",
        &penalty(2).set(0, "备注", "再报").csv(),
    );
    assert_eq!(absences(&county, &id(&list.ok())), done(1));
    let active = "SELECT count(*) FROM record_versions WHERE known_to IS NULL AND state = 'active'";
    assert_eq!(app.count(&format!("{active} AND item = '{penalties}'")), 2);
    assert_eq!(app.count(&format!("{active} AND item = '{ITEM}'")), 3, "another item of another agency");
}

#[test]
fn a_list_is_recognised_while_it_is_worked_on_and_afterwards_says_that_nothing_changed() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    let list = defaulter(1).and(spoilt(2));
    let first = push(&court, &list.csv(), "&whole=true");
    let again = push(&court, &list.csv(), "&whole=true");
    assert_eq!((&again["same_file"], id(&again)), (&json!(true), id(&first)));
    // The same rows without the statement are another thing to say.
    let part = push(&court, &list.csv(), "");
    assert_eq!((&part["same_file"], &part["batch"]["whole"]), (&json!(false), &json!(false)));
    let sound = whole(&court, &defaulters(1, 2));
    assert_eq!(absences(&court, &sound), done(0));
    let next = push(&court, &defaulters(1, 2).csv(), "&whole=true");
    assert_eq!((&next["same_file"], verdicts(&next)), (&json!(false), vec!["unchanged", "unchanged"]));
    assert_eq!(absences(&court, &id(&next)), done(0));
    assert_eq!(states(&app, 1..=2), ["active", "active"]);
}

#[test]
fn a_dry_run_tells_how_many_would_end_and_ends_none() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    push(&court, &defaulters(1, 3).csv(), "");
    assert_eq!(push(&court, &defaulter(1).csv(), "&whole=true&dry_run=true")["would_end"], 2);
    assert_eq!(push(&court, &defaulter(1).and(spoilt(2)).csv(), "&whole=true&dry_run=true")["would_end"], Value::Null);
    assert_eq!(push(&court, &defaulter(1).csv(), "&dry_run=true")["would_end"], Value::Null);
    assert_eq!(states(&app, 1..=3), ["active"; 3]);
    assert_eq!(app.count("SELECT count(*) FROM snapshot_records"), 0);
}

#[test]
fn who_sees_a_part_cannot_state_the_whole() {
    let app = TestApp::new();
    let path = |item: &str, feed: &str| format!("/v1/batches?item={item}&feed={feed}&whole=true");
    let regional = app.scoped_key("lf-court", Role::Provider, None, Some(vec!["131000".into()]));
    regional.post_bytes(&path(ITEM, "v1"), "text/csv", &defaulter(1).csv()).problem(422, "whole_by_limited_key");
    let market = app.provider("lf-amr");
    let rows = registration(1, "廊坊市试验1商贸有限公司").csv();
    market.post_bytes(&path("registration", "v1"), "text/csv", &rows).problem(422, "whole_of_registration");
    // A key for this one item sees all of it.
    let court = app.scoped_key("lf-court", Role::Provider, Some(vec![ITEM.into()]), None);
    assert_eq!(absences(&court, &whole(&court, &defaulter(1))), done(0));
    // Corrected rows of a batch that was no list are none.
    let part = id(&push(&court, &spoilt(2).csv(), ""));
    court.post_bytes(&path(ITEM, "v1"), "text/csv", &mended(&court, &part)).problem(422, "whole_of_returned_rows");
    assert_eq!(id(&push(&court, &mended(&court, &part), "")), part);
}

#[test]
fn a_list_that_loads_in_chunks_as_a_job_counts_every_row_once() {
    let app = TestApp::with(|s| s.ingest.chunk_rows = 500);
    let court = app.provider("lf-court");
    let first = id(&court.post_bytes(&format!("/v1/batches?item={ITEM}&feed=v1"), "text/csv", &defaulters(1, 1200).csv()).ok());
    court.settled(&first);
    let list = whole(&court, &defaulters(1, 1100));
    assert_eq!(absences(&court, &list), done(100));
    let ended = "SELECT count(*) FROM record_versions WHERE change = 'absent'";
    assert_eq!((app.count(ended), app.count(&format!("SELECT absent_ended FROM submission_batches WHERE id = '{list}'"))), (100, 100));
    assert_eq!(app.count("SELECT count(*) FROM snapshot_records"), 1100);
}
