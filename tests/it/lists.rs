//! Lists: no entry without its procedure, not even around the program; mirrors follow their source; what rests on a record that changed is held.

use crate::support::builders::{defaulter, party, penalty, registration};
use crate::support::{Caller, TestApp};
use credence_core::Role;
use serde_json::{Value, json};

const LIST: &str = "serious_illegality";

/// Officials of the market regulator, and a penalty of each company.
struct Authority {
    official: Caller,
    chief: Caller,
}

impl Authority {
    fn new(app: &TestApp) -> Self {
        Self { official: app.login_at(Role::Provider, Some("lf-amr")), chief: app.login_at(Role::Approver, Some("lf-amr")) }
    }

    /// Pushes the penalty of a company and returns subject and record.
    fn penalised(&self, app: &TestApp, n: u32) -> (String, String) {
        self.official.push("administrative_penalty_organisation", "v2", &penalty(n).csv()).ok();
        record_of(app, n)
    }

    fn proposal(&self, n: u32, record: &str) -> Value {
        json!({
            "list": LIST, "uscc": party(n), "facts": "受到较重行政处罚", "legal_basis": "总局令第44号第九条",
            "measures": ["government_procurement_limit", "tendering_limit"], "ground_record_id": record,
        })
    }

    fn propose(&self, n: u32, record: &str) -> String {
        self.official.post("/v1/list-entries", &self.proposal(n, record)).ok()["id"].as_str().unwrap().to_owned()
    }

    /// Brings an entry to `decided`, the clock at 2026-12-01.
    fn decided(&self, app: &TestApp, n: u32) -> (String, String, String) {
        app.at("2026-11-23T02:00:00Z");
        let fresh = Self { official: app.log_in_again(&self.official), chief: app.log_in_again(&self.chief) };
        let (subject, record) = fresh.penalised(app, n);
        let entry = fresh.propose(n, &record);
        act(&fresh.official, &entry, "notice", notice("2026-11-23")).ok();
        app.at("2026-12-01T02:00:00Z");
        act(&app.log_in_again(&self.chief), &entry, "decide", decision("2026-12-01")).ok();
        (subject, record, entry)
    }

    fn listed(&self, app: &TestApp, n: u32) -> (String, String, String) {
        let found = self.decided(app, n);
        act(&app.log_in_again(&self.official), &found.2, "publish", json!({})).ok();
        found
    }
}

fn record_of(app: &TestApp, n: u32) -> (String, String) {
    let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=administrative_penalty", party(n))).ok();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    (text(&file["subject"]["id"]), text(&file["sections"][0]["statements"][0]["record_id"]))
}

fn act(caller: &Caller, entry: &str, step: &str, body: Value) -> crate::support::Answer {
    caller.post(&format!("/v1/list-entries/{entry}/{step}"), &body)
}

fn notice(day: &str) -> Value {
    json!({ "notice_no": "告1", "served_on": day, "method": "direct", "proof": "回证1" })
}

fn decision(day: &str) -> Value {
    json!({ "decision_no": "列1", "decided_on": day })
}

fn on_list(app: &TestApp, list: &str) -> Vec<String> {
    let page = app.anonymous().get(&format!("/v1/lists/{list}/entries?limit=200")).ok();
    page["items"].as_array().unwrap().iter().map(|e| e["uscc"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_step_out_of_order_is_refused_and_changes_nothing() {
    let app = TestApp::new();
    let amr = Authority::new(&app);
    let (_, record) = amr.penalised(&app, 1);
    let stranger = app.login_at(Role::Provider, Some("lf-tax"));
    stranger.post("/v1/list-entries", &amr.proposal(1, &record)).problem(403, "not_competent");
    let neighbour = app.login_at(Role::Approver, Some("ga-amr"));
    app.provider("lf-amr").post("/v1/list-entries", &amr.proposal(1, &record)).problem(403, "official_needed");

    let without = |key: &str, value: Value| {
        let mut body = amr.proposal(1, &record);
        body[key] = value;
        body
    };
    let propose = |body: &Value| amr.official.post("/v1/list-entries", body);
    propose(&without("list", json!("nobody"))).problem(404, "list_unknown");
    propose(&without("list", json!("judgment_defaulter"))).problem(409, "list_is_mirrored");
    propose(&without("facts", json!("  "))).problem(422, "bad_text");
    propose(&without("legal_basis", json!(""))).problem(422, "bad_text");
    propose(&without("measures", json!([]))).problem(422, "measures_missing");
    propose(&without("measures", json!(["exit_ban"]))).problem(422, "measure_unknown");
    propose(&without("ground_record_id", Value::Null)).problem(422, "ground_missing");
    propose(&without("ground_record_id", json!(uuid::Uuid::nil()))).problem(422, "ground_missing");
    propose(&without("uscc", json!(party(999)))).problem(404, "subject_not_found");
    assert_eq!(app.count("SELECT count(*) FROM list_entries"), 0);

    let entry = amr.propose(1, &record);
    propose(&amr.proposal(1, &record)).problem(409, "entry_exists");
    act(&neighbour, &entry, "notice", notice("2026-11-23")).problem(404, "entry_not_found");
    act(&amr.chief, &entry, "decide", decision("2026-11-23")).problem(409, "entry_wrong_state");
    act(&amr.official, &entry, "publish", json!({})).problem(409, "entry_wrong_state");
    act(&amr.official, &entry, "objection", json!({ "text": "x" })).problem(409, "entry_wrong_state");
    act(&amr.official, &entry, "exit", json!({ "cause": "correction", "reason": "x" })).problem(409, "entry_wrong_state");
    act(&amr.official, &entry, "notice", notice("2026-11-24")).problem(422, "bad_day");
    act(&amr.official, &entry, "notice", notice("2026-11-17")).problem(422, "bad_day");
    act(&amr.official, &entry, "notice", json!({ "notice_no": "1", "served_on": "2026-11-23", "method": "direct", "proof": " " }))
        .problem(422, "bad_text");
    act(&amr.official, &entry, "notice", notice("2026-11-23")).ok();

    // Five working days: until 30 November.
    act(&amr.chief, &entry, "decide", decision("2026-11-23")).problem(409, "objection_window_open");
    act(&amr.chief, &entry, "decide", decision("2026-11-20")).problem(409, "before_notice");
    act(&amr.official, &entry, "decide", decision("2026-11-23")).problem(403, "forbidden");
    act(&amr.official, &entry, "objection", json!({ "text": "x", "received_on": "2026-11-20" })).problem(409, "before_notice");
    app.at("2026-12-01T02:00:00Z");
    let (official, chief) = (app.log_in_again(&amr.official), app.log_in_again(&amr.chief));
    act(&official, &entry, "objection", json!({ "text": "x" })).problem(409, "objection_window_closed");
    act(&chief, &entry, "decide", decision("2026-12-02")).problem(422, "bad_day");
    act(&chief, &entry, "decide", decision("2026-11-30")).problem(409, "objection_window_open");
    act(&chief, &entry, "decide", decision("2026-12-01")).ok();
    act(&chief, &entry, "decide", decision("2026-12-01")).problem(409, "already_decided");
    act(&official, &entry, "publish", json!({})).ok();
    act(&official, &entry, "publish", json!({})).problem(409, "entry_wrong_state");
    act(&chief, &entry, "exit", json!({ "cause": "expiry", "reason": "x" })).problem(422, "bad_exit");
    act(&official, &entry, "exit", json!({ "cause": "repair", "reason": "x" })).problem(403, "forbidden");
    act(&chief, &entry, "confirm-ground", json!({ "reason": "x" })).problem(409, "ground_is_sound");
    act(&chief, &entry, "exit", json!({ "cause": "repair", "reason": "x" })).ok();
    act(&chief, &entry, "exit", json!({ "cause": "repair", "reason": "x" })).problem(409, "entry_ended");
    // One step for every act that was done, none for those refused.
    assert_eq!(app.count("SELECT count(*) FROM list_entry_steps"), 5);
}

#[test]
fn whoever_proposed_does_not_decide_and_of_two_who_decide_at_once_one_does() {
    let app = TestApp::new();
    let amr = Authority::new(&app);
    let (_, record) = amr.penalised(&app, 1);
    let entry = amr.chief.post("/v1/list-entries", &amr.proposal(1, &record)).ok()["id"].as_str().unwrap().to_owned();
    act(&amr.official, &entry, "notice", notice("2026-11-23")).ok();
    app.at("2026-12-01T02:00:00Z");
    let chiefs: Vec<Caller> = (0..4).map(|_| app.login_at(Role::Approver, Some("lf-amr"))).collect();
    act(&app.log_in_again(&amr.chief), &entry, "decide", decision("2026-12-01")).problem(409, "same_official");
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            chiefs.iter().map(|chief| scope.spawn(|| act(chief, &entry, "decide", decision("2026-12-01")).status)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|s| **s == 200).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|s| **s == 409).count(), 3, "{answers:?}");
    assert_eq!(app.count("SELECT count(*) FROM list_entry_steps WHERE step = 'decide'"), 1);
}

#[test]
fn raw_sql_finds_no_shortcut_either() {
    let app = TestApp::new();
    let amr = Authority::new(&app);
    let (subject, record) = amr.penalised(&app, 1);
    app.login_at(Role::Approver, Some("lf-amr"));
    let entry = amr.chief.post("/v1/list-entries", &amr.proposal(1, &record)).ok()["id"].as_str().unwrap().to_owned();
    let of = format!("WHERE id = '{entry}'");
    let row = |state: &str, more: &str| {
        format!(
            "INSERT INTO list_entries (subject_id, id, list, list_version, kind, keeping, state, agency_id, region, facts, legal_basis, measures, ground_record_id,
                ground_version_id, ground_document, proposed_by, proposed_at{})
             SELECT subject_id, gen_random_uuid(), 'other', 1, 'serious_dishonesty', 'native', '{state}', agency_id, '131000', 'x', 'x', '{{m}}', record_id, id, 'x',
                gen_random_uuid(), now(){} FROM record_versions WHERE record_id = '{record}'",
            if more.is_empty() { "" } else { ", listed_on, listed_at" },
            more
        )
    };
    for (statement, constraint) in [
        (row("listed", ", current_date, now()"), "list_entries_begin_as_drafts"),
        (row("decided", ""), "list_entries_begin_as_drafts"),
        (row("draft", ""), "list_entries_list_known"),
        (row("draft", "").replace("'other'", "'serious_illegality'").replace("'serious_dishonesty'", "'watch'"), "list_entries_list_known"),
        (
            row("draft", "").replace("'other'", "'serious_illegality'").replace("record_id, id, 'x'", "record_id, gen_random_uuid(), 'x'"),
            "list_entries_ground_of_the_list",
        ),
        (
            row("listed", ", current_date, now()")
                .replace("'native'", "'mirror'")
                .replace("'other'", "'judgment_defaulter'")
                .replace("'serious_dishonesty'", "'judgment_default'")
                .replace("record_id, id, 'x'", "record_id, gen_random_uuid(), 'x'"),
            "list_entries_mirror_of_a_record",
        ),
        (
            format!(
                "UPDATE list_entries SET state = 'noticed', notice_served_on = '2026-11-20', notice_method = 'direct', notice_proof = 'x', notice_rule = 'x', objection_until = '2026-11-30' {of}"
            ),
            "list_entries_served_after_proposed",
        ),
        (format!("UPDATE list_entries SET state = 'listed', listed_on = current_date, listed_at = now() {of}"), "list_entries_step_known"),
        (format!("UPDATE list_entries SET state = 'decided' {of}"), "list_entries_step_known"),
        (format!("UPDATE list_entries SET state = 'noticed' {of}"), "list_entries_no_decision_without_notice"),
        (
            format!(
                "UPDATE list_entries SET state = 'noticed', notice_served_on = '2026-11-23', notice_method = 'direct', notice_proof = '', notice_rule = 'x', objection_until = '2026-11-30' {of}"
            ),
            "list_entries_notice_whole",
        ),
        (format!("UPDATE list_entries SET measures = '{{}}' {of}"), "list_entries_black_names_measures"),
        (format!("UPDATE list_entries SET legal_basis = '' {of}"), "list_entries_basis_stated"),
        (format!("UPDATE list_entries SET ground_version_id = NULL {of}"), "list_entries_black_has_ground"),
        (format!("DELETE FROM list_entries {of}"), "list_entries_kept"),
        ("TRUNCATE list_entries CASCADE".to_owned(), "not allowed"),
        ("DELETE FROM list_entry_steps".to_owned(), "not allowed"),
    ] {
        let said = app.sql_refused(&statement);
        assert!(said.contains(constraint), "{statement}: {said}");
    }
    act(&amr.official, &entry, "notice", notice("2026-11-23")).ok();
    let decided = |by: &str, day: &str| {
        format!(
            "UPDATE list_entries SET state = 'decided', decision_no = 'x', decided_on = '{day}', decided_by = {by}, decided_at = '2026-12-01T02:00:00Z' {of}"
        )
    };
    let approver = "(SELECT a.id FROM accounts a JOIN account_roles r ON r.account_id = a.id WHERE r.role = 'approver' AND a.id <> proposed_by LIMIT 1)";
    for (statement, constraint) in [
        (decided("proposed_by", "2026-12-01"), "list_entries_two_officials"),
        (decided("gen_random_uuid()", "2026-12-01"), "list_entries_decided_by_an_approver"),
        (decided(approver, "2026-11-30"), "list_entries_decided_after_the_window"),
        (decided(approver, "2026-12-02"), "list_entries_not_decided_in_advance"),
        (format!("UPDATE list_entries SET state = 'decided' {of}"), "list_entries_decided_by_an_approver"),
        (format!("UPDATE list_entries SET facts = 'other' {of}"), "list_entries_settled"),
        (format!("UPDATE list_entries SET objection_until = '2026-11-24' {of}"), "list_entries_settled"),
        (format!("UPDATE list_entries SET agency_id = gen_random_uuid() {of}"), "list_entries_settled"),
    ] {
        let said = app.sql_refused(&statement);
        assert!(said.contains(constraint), "{statement}: {said}");
    }
    // The document under it is withdrawn: no decision on it, whoever writes it.
    amr.official.post(&format!("/v1/subjects/{subject}/records/{record}/withdraw"), &json!({ "reason": "x" })).ok();
    let said = app.sql_refused(&decided(approver, "2026-12-01"));
    assert!(said.contains("list_entries_ground_in_effect"), "{said}");
}

#[test]
fn an_objection_that_is_right_ends_the_entry_and_one_that_is_not_leaves_the_way_open() {
    let app = TestApp::new();
    let amr = Authority::new(&app);
    for (n, upheld) in [(1, true), (2, false)] {
        let (_, record) = amr.penalised(&app, n);
        let entry = amr.propose(n, &record);
        act(&amr.official, &entry, "notice", notice("2026-11-23")).ok();
        act(&amr.official, &entry, "objection", json!({ "text": "不服" })).ok();
        act(&amr.official, &entry, "objection", json!({ "text": "不服" })).problem(409, "entry_wrong_state");
        act(&amr.chief, &entry, "decide", decision("2026-11-23")).problem(409, "objection_unanswered");
        act(&amr.official, &entry, "answer", json!({ "upheld": upheld, "answer": "x" })).ok();
        act(&amr.official, &entry, "answer", json!({ "upheld": false, "answer": "x" }))
            .problem(409, if upheld { "entry_ended" } else { "entry_wrong_state" });
        // What the authority entered for the subject does not shorten the subject's window.
        let decided = act(&amr.chief, &entry, "decide", decision("2026-11-23"));
        decided.problem(409, if upheld { "entry_ended" } else { "objection_window_open" });
        app.at("2026-12-01T02:00:00Z");
        let decided = act(&app.log_in_again(&amr.chief), &entry, "decide", decision("2026-12-01"));
        if upheld {
            decided.problem(409, "entry_ended");
        } else {
            decided.ok();
        }
        app.at("2026-11-23T02:00:00Z");
    }
}

#[test]
fn an_entry_is_gone_at_the_end_of_its_last_day_whether_or_not_anything_ran() {
    let app = TestApp::with(|s| s.jobs.poll_milliseconds = 3_600_000);
    let amr = Authority::new(&app);
    let (subject, _, entry) = amr.listed(&app, 1);
    assert_eq!(on_list(&app, LIST), [party(1)]);
    app.at("2029-12-01T15:59:59Z");
    assert_eq!(on_list(&app, LIST), [party(1)], "to the last second in China");
    app.at("2029-12-01T16:00:00Z");
    assert_eq!(on_list(&app, LIST), Vec::<String>::new());
    app.anonymous().get(&format!("/v1/list-entries/{entry}")).problem(404, "entry_not_found");
    assert_eq!(app.anonymous().get(&format!("/v1/subjects/{}/list-entries", party(1))).ok()["items"], json!([]));
    app.settle();
    let row = &app.sql(&format!("SELECT state, exit_cause, exited_on::text FROM list_entries WHERE subject_id = '{subject}'"))[0];
    assert_eq!((row.get(0), row.get(1), row.get(2)), ("exited", Some("expiry"), Some("2029-12-02")));
}

#[test]
fn a_commendation_is_announced_first_and_gives_way_to_what_is_adverse() {
    let app = TestApp::new();
    let amr = Authority::new(&app);
    let market = app.login_at(Role::Provider, Some("lf-amr"));
    market
        .push("registration", "v1", &registration(1, "廊坊市示例一商贸有限公司").and(registration(2, "廊坊市示例二商贸有限公司")).csv())
        .ok();
    let red = |n: u32| json!({ "list": "city_commendation", "uscc": party(n), "facts": "守信", "legal_basis": "廊政字〔2019〕19号", "measures": ["priority_channel"] });
    let announcement =
        |day: &str| json!({ "notice_no": "公示1", "served_on": day, "method": "announcement", "proof": "信用中国（河北廊坊）" });
    amr.penalised(&app, 2);
    let blocked = amr.official.post("/v1/list-entries", &red(2)).problem(409, "red_blocked");
    assert_eq!(blocked["blocked_by"], json!(["item administrative_penalty_organisation"]));

    let entry = amr.official.post("/v1/list-entries", &red(1)).ok()["id"].as_str().unwrap().to_owned();
    act(&amr.chief, &entry, "decide", decision("2026-11-23")).problem(409, "entry_wrong_state");
    act(&amr.official, &entry, "notice", announcement("2026-11-23")).ok();
    let notices = app.anonymous().get("/v1/lists/city_commendation/notices").ok();
    assert_eq!(notices["items"][0]["kind"], "announcement");
    app.at("2026-12-01T02:00:00Z");
    act(&app.log_in_again(&amr.chief), &entry, "decide", decision("2026-12-01")).ok();
    act(&app.log_in_again(&amr.official), &entry, "publish", json!({})).ok();
    assert_eq!(on_list(&app, "city_commendation"), [party(1)]);

    app.log_in_again(&amr.official).push("administrative_penalty_organisation", "v2", &penalty(1).csv()).ok();
    app.settle();
    assert_eq!(on_list(&app, "city_commendation"), Vec::<String>::new());
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE kind = 'commendation' AND exit_cause = 'negative_record'"), 1);
}

#[test]
fn a_mirror_shows_what_its_source_says_and_nothing_else() {
    let app = TestApp::new();
    let court = app.login_at(Role::Provider, Some("lf-court"));
    let whole = |table: &crate::support::builders::Table| {
        court.post_bytes("/v1/batches?item=judgment_defaulter&feed=v1&whole=true", "application/octet-stream", &table.csv()).ok()
    };
    let all = |of: &[u32]| of[1..].iter().fold(defaulter(of[0]), |table, n| table.and(defaulter(*n)));
    whole(&all(&[1, 2, 3]));
    app.settle();
    let mut listed = on_list(&app, "judgment_defaulter");
    listed.sort();
    let mut wanted = vec![party(1), party(2), party(3)];
    wanted.sort();
    assert_eq!(listed, wanted);
    // The memorandum of this list starts by itself: its directives are out.
    assert!(app.count("SELECT count(*) FROM directives WHERE state = 'issued'") > 0);
    assert_eq!(app.count("SELECT count(*) FROM joint_actions WHERE state = 'started'"), 3);

    // One row leaves the source.
    let second = whole(&all(&[1, 3]));
    let batch = second["batch"]["id"].as_str().unwrap().to_owned();
    app.until(&format!("SELECT count(*) FROM submission_batches WHERE id = '{batch}' AND absences_at IS NOT NULL"));
    app.settle();
    assert!(!on_list(&app, "judgment_defaulter").contains(&party(2)));
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE exit_cause = 'source'"), 1);
    assert_eq!(app.count("SELECT count(*) FROM directives d JOIN list_entries e ON e.id = d.entry_id WHERE e.state = 'exited' AND d.state NOT IN ('cancelled', 'released', 'issued', 'completed')"), 0);

    // One is withdrawn as wrong: it goes at once, and the channel says so.
    let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=serious_dishonesty", party(3))).ok();
    let (subject, record) = (file["subject"]["id"].as_str().unwrap(), file["sections"][0]["statements"][0]["record_id"].as_str().unwrap());
    court.post(&format!("/v1/subjects/{subject}/records/{record}/withdraw"), &json!({ "reason": "误列" })).ok();
    app.settle();
    assert_eq!(on_list(&app, "judgment_defaulter"), [party(1)]);
    let notices = app.anonymous().get("/v1/lists/judgment_defaulter/notices").ok();
    assert_eq!((notices["items"][0]["kind"].as_str(), notices["items"].as_array().unwrap().len()), (Some("correction"), 1));

    // The source falls silent.
    let stale = |app: &TestApp| app.anonymous().get("/v1/lists/judgment_defaulter").ok()["stale"].as_bool().unwrap();
    assert!(!stale(&app));
    app.at("2026-11-24T02:00:01Z");
    assert!(stale(&app));
}

#[test]
fn a_mirror_follows_an_undo() {
    let app = TestApp::new();
    let court = app.login_at(Role::Provider, Some("lf-court"));
    let batch = court.push("judgment_defaulter", "v1", &defaulter(1).csv()).ok()["batch"]["id"].as_str().unwrap().to_owned();
    app.settle();
    assert_eq!(on_list(&app, "judgment_defaulter"), [party(1)]);
    court.post(&format!("/v1/batches/{batch}/undo"), &json!({ "reason": "误报" })).ok();
    court.settled(&batch);
    app.settle();
    assert_eq!(on_list(&app, "judgment_defaulter"), Vec::<String>::new());
}

#[test]
fn what_was_not_delivered_is_held_until_the_authority_has_decided() {
    let app = TestApp::new();
    let amr = Authority::new(&app);
    let (subject, record, entry) = amr.listed(&app, 1);
    let office = app.login(Role::CreditOffice);
    let action = office.get("/v1/joint-actions?state=proposed").ok()["items"][0]["id"].as_str().unwrap().to_owned();
    office.post(&format!("/v1/joint-actions/{action}/confirm"), &json!({})).ok();
    office.post(&format!("/v1/joint-actions/{action}/confirm"), &json!({})).problem(409, "joint_action_wrong_state");
    // One agency has it, the others do not yet.
    let housing = app.login_at(Role::Consumer, Some("lf-housing"));
    let inbox = housing.get("/v1/inbox?wait=20").ok();
    assert_eq!(inbox["messages"].as_array().unwrap().len(), 1);
    let states = |app: &TestApp| -> Vec<(String, i64)> {
        let rows = app.sql("SELECT state, count(*) FROM directives GROUP BY state ORDER BY state");
        rows.iter().map(|r| (r.get(0), r.get(1))).collect()
    };
    assert_eq!(states(&app), [("delivered".to_owned(), 1), ("issued".to_owned(), 4)]);

    // The record changes: before anything has followed, nobody is handed anything more.
    let official = app.log_in_again(&amr.official);
    official
        .post(
            &format!("/v1/subjects/{subject}/records/{record}/correct"),
            &json!({ "fields": { "CF_NR": "罚款贰仟元整" }, "reason": "笔误" }),
        )
        .ok();
    let reform = app.login_at(Role::Consumer, Some("lf-reform"));
    assert_eq!(reform.get("/v1/inbox").ok()["messages"], json!([]));
    app.settle();
    assert_eq!(states(&app), [("delivered".to_owned(), 1), ("held".to_owned(), 4)]);
    let view = app.anonymous().get(&format!("/v1/list-entries/{entry}")).ok();
    assert_eq!((view["state"].as_str(), view["under_review"].as_bool()), (Some("listed"), Some(true)));

    // The authority finds that it stands: what was held goes out.
    act(&app.log_in_again(&amr.chief), &entry, "confirm-ground", json!({ "reason": "更正不影响列入" })).ok();
    assert_eq!(states(&app), [("delivered".to_owned(), 1), ("issued".to_owned(), 4)]);
    assert_eq!(reform.get("/v1/inbox?wait=20").ok()["messages"].as_array().unwrap().len(), 1);

    // It is withdrawn after all, and the authority corrects the listing: those who had it get a release, the others nothing.
    official.post(&format!("/v1/subjects/{subject}/records/{record}/withdraw"), &json!({ "reason": "撤销" })).ok();
    app.settle();
    act(&app.log_in_again(&amr.official), &entry, "exit", json!({ "cause": "correction", "reason": "处罚已撤销" })).ok();
    assert_eq!(
        states(&app),
        [("cancelled".to_owned(), 3), ("issued".to_owned(), 2), ("released".to_owned(), 2)],
        "two releases for the two that were delivered"
    );
    let notices = app.anonymous().get(&format!("/v1/lists/{LIST}/notices")).ok();
    assert_eq!(notices["items"].as_array().unwrap().iter().map(|n| n["kind"].as_str().unwrap()).collect::<Vec<_>>(), ["correction"]);
    act(&app.log_in_again(&amr.chief), &entry, "confirm-ground", json!({ "reason": "x" })).problem(409, "entry_ended");
}

#[test]
fn open_data_is_the_list_page_by_page_and_whole() {
    let app = TestApp::new();
    let court = app.login_at(Role::Provider, Some("lf-court"));
    let table = (2..=45).fold(defaulter(1), |table, n| table.and(defaulter(n)));
    court.push("judgment_defaulter", "v1", &table.csv()).ok();
    app.settle();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.anonymous().get(&format!("/v1/lists/judgment_defaulter/entries?limit=7{cursor}")).ok();
        seen.extend(page["items"].as_array().unwrap().iter().map(|e| e["uscc"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let answer = app.anonymous().get("/v1/lists/judgment_defaulter/entries.csv");
    let text = String::from_utf8(answer.bytes).unwrap();
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let file: Vec<String> = reader.records().map(|r| r.unwrap()[1].to_owned()).collect();
    assert_eq!((seen.len(), &file), (45, &seen));
    let found = app.anonymous().get(&format!("/v1/lists/judgment_defaulter/entries?search={}", party(7))).ok();
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    app.anonymous().get("/v1/lists/nothing/entries.csv").problem(404, "list_unknown");
}
