//! Lists: no entry without its procedure, not even around the program; mirrors follow their source; what rests on a record that changed is held.

use crate::support::builders::{defaulter, party, penalty, registration, resident_id};
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

/// Somebody who answers for a company, logged in.
fn company(app: &TestApp, n: u32, subject: &str) -> Caller {
    let account = json!({ "username": format!("company-{n}"), "password": crate::support::PASSWORD, "person_name": "x", "document_kind": "身份证", "document_number": resident_id(n), "subject_id": subject, "capacity": "agent", "evidence": "x" });
    app.login(Role::Clerk).post("/v1/subject-accounts", &account).ok();
    app.log_in(&format!("company-{n}"))
}

#[test]
fn whom_the_authority_spoke_for_speaks_for_itself_once_and_is_answered() {
    let app = TestApp::new();
    let amr = Authority::new(&app);
    let mut entries = Vec::new();
    for n in 1..=3 {
        let (subject, record) = amr.penalised(&app, n);
        let entry = amr.propose(n, &record);
        act(&amr.official, &entry, "notice", notice("2026-11-23")).ok();
        act(&amr.official, &entry, "objection", json!({ "text": "电话陈述：不服" })).ok();
        let own = format!("/v1/me/subjects/{subject}/list-entries/{entry}/objection");
        entries.push((company(&app, n, &subject), own, entry));
    }
    let own_words = json!({ "text": "本公司并非经营者" });
    let procedure = |entry: &str, by: &Caller| by.get(&format!("/v1/list-entries/{entry}")).ok()["procedure"].clone();

    // The first was answered already. What it says itself has to be answered again, and then its window needs not run out.
    let (first, own, entry) = &entries[0];
    act(&amr.official, entry, "answer", json!({ "upheld": false, "answer": "已核实，理由不成立" })).ok();
    let (stranger, ..) = &entries[1];
    stranger.post(own, &own_words).problem(404, "not_found");
    first.post(own, &json!({ "text": " " })).problem(422, "bad_text");
    assert_eq!(procedure(entry, &amr.official)["objection"], "电话陈述：不服");
    first.post(own, &own_words).ok();
    let shown = procedure(entry, &amr.official);
    assert_eq!(shown["objection"], "电话陈述：不服\n\n（此前答复：已核实，理由不成立）\n\n本公司并非经营者");
    assert_eq!((shown["objection_by_subject"].as_bool(), shown["objection_received_on"].as_str()), (Some(true), Some("2026-11-23")));
    assert!(shown["objection_answer"].is_null() && shown["objection_upheld"].is_null(), "{shown}");
    let last = shown["steps"].as_array().unwrap().last().unwrap().clone();
    for (key, value) in [("step", "object"), ("from_state", "objection_review"), ("to_state", "objection_review")] {
        assert_eq!(last[key], value);
    }
    assert_eq!(last["detail"]["earlier"], json!({ "received_on": "2026-11-23", "answered_on": "2026-11-23", "upheld": false }));
    act(&amr.chief, entry, "decide", decision("2026-11-23")).problem(409, "objection_unanswered");
    first.post(own, &own_words).problem(409, "entry_wrong_state");
    act(&amr.official, entry, "objection", own_words.clone()).problem(409, "entry_wrong_state");
    act(&amr.official, entry, "answer", json!({ "upheld": false, "answer": "经查系其所营" })).ok();
    act(&amr.official, entry, "answer", json!({ "upheld": false, "answer": "x" })).problem(409, "entry_wrong_state");
    first.post(own, &own_words).problem(409, "entry_wrong_state");
    act(&amr.chief, entry, "decide", decision("2026-11-23")).ok();
    first.post(own, &own_words).problem(409, "entry_wrong_state");

    // The second was not answered yet: one answer is for both, and if what it says is right, the entry ends.
    let (second, own, entry) = &entries[1];
    second.post(own, &own_words).ok();
    assert_eq!(procedure(entry, &amr.official)["objection"], "电话陈述：不服\n\n本公司并非经营者");
    act(&amr.official, entry, "answer", json!({ "upheld": true, "answer": "属实" })).ok();
    second.post(own, &own_words).problem(409, "entry_ended");

    // The third comes too late, and nothing is as if it had spoken.
    let (third, own, entry) = &entries[2];
    act(&amr.official, entry, "answer", json!({ "upheld": false, "answer": "已核实" })).ok();
    app.at("2026-12-01T02:00:00Z");
    app.log_in_again(third).post(own, &own_words).problem(409, "objection_window_closed");
    let shown = procedure(entry, &app.log_in_again(&amr.official));
    assert_eq!((shown["objection"].as_str(), shown["objection_answer"].as_str()), (Some("电话陈述：不服"), Some("已核实")));
    act(&app.log_in_again(&amr.chief), entry, "decide", decision("2026-12-01")).ok();
}

#[test]
fn raw_sql_adds_to_an_objection_only_what_the_subject_may() {
    let app = TestApp::new();
    let amr = Authority::new(&app);
    let (_, record) = amr.penalised(&app, 1);
    let entry = amr.propose(1, &record);
    act(&amr.official, &entry, "notice", notice("2026-11-23")).ok();
    act(&amr.official, &entry, "objection", json!({ "text": "不服" })).ok();
    act(&amr.official, &entry, "answer", json!({ "upheld": false, "answer": "已核实" })).ok();
    let unanswered = "objection_answer = NULL, objection_upheld = NULL, objection_answered_by = NULL, objection_answered_at = NULL";
    let again = |text: &str, more: &str| {
        format!("UPDATE list_entries SET objection_by_subject = true, objection = {text}, {more} WHERE id = '{entry}'")
    };
    let whole = r"E'不服\n\n（此前答复：已核实）\n\n另有理由'";
    for statement in [
        again("'另有理由'", unanswered),
        again(r"E'不服\n\n另有理由'", unanswered),
        again(r"E'不服\n\n（此前答复：未核实）\n\n另有理由'", unanswered),
        again(r"E'不服\n\n（此前答复：已核实）\n\n'", unanswered),
        // The answer stays although the objection is another, or somebody else's, or too late, or brings another change with it.
        again(whole, "objection_received_on = objection_received_on"),
        again(whole, unanswered).replace("objection_by_subject = true", "objection_by_subject = false"),
        again(whole, &format!("{unanswered}, objection_received_on = objection_until + 1")),
        again(whole, &format!("{unanswered}, objection_received_on = objection_received_on - 1")),
        again(whole, &format!("{unanswered}, region = '131022'")),
        again(whole, &format!("{unanswered}, state = 'dropped'")),
        format!("UPDATE list_entries SET {unanswered} WHERE id = '{entry}'"),
        format!("UPDATE list_entries SET objection_by_subject = true WHERE id = '{entry}'"),
    ] {
        let said = app.sql_refused(&statement);
        assert!(said.contains("list_entries_settled"), "{statement}: {said}");
    }
    app.sql(&again(whole, unanswered));
    // Once, and as settled as any other from then on.
    for statement in [
        again(r"E'不服\n\n（此前答复：已核实）\n\n另有理由\n\n又有理由'", unanswered),
        format!("UPDATE list_entries SET objection = '不服', objection_by_subject = false WHERE id = '{entry}'"),
    ] {
        let said = app.sql_refused(&statement);
        assert!(said.contains("list_entries_settled"), "{statement}: {said}");
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
fn a_mirror_that_stands_still_for_longer_than_a_row_may_stay_says_so() {
    // Nothing follows but what this test lets follow.
    let app = TestApp::with(|s| s.jobs.poll_milliseconds = 3_600_000);
    // Wednesday: the third working day after it is Monday.
    app.at("2026-11-25T02:00:00Z");
    let court = app.login_at(Role::Provider, Some("lf-court"));
    court.push("judgment_defaulter", "v1", &defaulter(1).csv()).ok();
    app.settle();
    let list = |code: &str| app.anonymous().get(&format!("/v1/lists/{code}")).ok();
    let said = |code: &str| (list(code)["behind_since"].as_str().map(str::to_owned), list(code)["stale"].as_bool());
    assert_eq!(said("judgment_defaulter"), (None, Some(false)));

    // The row leaves its source, and whoever follows fails.
    app.sql("CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stands still'; END $$");
    app.sql("CREATE TRIGGER stand_still BEFORE UPDATE ON list_entries FOR EACH ROW EXECUTE FUNCTION stand_still()");
    let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=serious_dishonesty", party(1))).ok();
    let (subject, record) = (file["subject"]["id"].as_str().unwrap(), file["sections"][0]["statements"][0]["record_id"].as_str().unwrap());
    court.post(&format!("/v1/subjects/{subject}/records/{record}/withdraw"), &json!({ "reason": "误列" })).ok();
    // The feed shows it once no older transaction runs.
    while app.block_on(app.app.lists.follow()).is_ok() {}
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE state = 'listed'"), 1, "nobody has taken it off");
    assert_eq!(on_list(&app, "judgment_defaulter"), Vec::<String>::new(), "and everybody is shown that its source took it back");
    assert_eq!(said("judgment_defaulter"), (None, Some(false)), "it may stay for a while");

    // The source goes on sending, so it is not silent; to the end of the last day the row may stay.
    app.at("2026-11-30T15:59:59Z");
    app.log_in_again(&court).push("judgment_defaulter", "v1", &defaulter(2).csv()).ok();
    assert_eq!(said("judgment_defaulter"), (None, Some(false)));
    app.at("2026-11-30T16:00:00Z");
    assert_eq!(said("judgment_defaulter"), (Some("2026-11-25T02:00:00Z".to_owned()), Some(true)));
    let page = app.anonymous().get("/v1/lists/judgment_defaulter/entries").ok();
    assert_eq!(page["stale"], true);
    assert_eq!(said(LIST), (None, Some(false)), "what is kept here follows no source");

    app.sql("DROP TRIGGER stand_still ON list_entries");
    app.settle();
    assert_eq!(on_list(&app, "judgment_defaulter"), [party(2)]);
    assert_eq!(said("judgment_defaulter"), (None, Some(false)));
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

/// Messages about reviews, by topic, with who has them, how many, and how many of those were withdrawn.
fn called(app: &TestApp) -> Vec<(String, String, i64, i64)> {
    let rows = app.sql(
        "SELECT m.topic, g.code, count(*), count(m.withdrawn_at) FROM agency_messages m JOIN agencies g ON g.id = m.agency_id
          WHERE m.topic LIKE 'list.ground%' GROUP BY m.topic, g.code ORDER BY min(m.id::text)",
    );
    rows.iter().map(|r| (r.get(0), r.get(1), r.get(2), r.get(3))).collect()
}

#[test]
fn the_authority_is_called_to_review_a_ground_reminded_and_reported_once_each() {
    let app = TestApp::with(|s| s.jobs.poll_milliseconds = 3_600_000);
    app.at("2026-09-16T02:00:00Z");
    let amr = Authority::new(&app);
    let (decided, until) = ("2026-09-10", "2027-09-10");
    let of_september = penalty(1).set(0, "处罚决定日期", decided).set(0, "处罚有效期", until).set(0, "公示截止期", until);
    amr.official.push("administrative_penalty_organisation", "v2", &of_september.csv()).ok();
    let (subject, record) = record_of(&app, 1);
    let entry = amr.propose(1, &record);
    act(&amr.official, &entry, "notice", notice("2026-09-16")).ok();
    app.at("2026-09-24T02:00:00Z");
    act(&app.log_in_again(&amr.chief), &entry, "decide", decision("2026-09-24")).ok();
    act(&app.log_in_again(&amr.official), &entry, "publish", json!({})).ok();
    app.settle();
    assert_eq!(app.block_on(app.app.lists.remind_reviews()).unwrap(), 0);
    let correct = |app: &TestApp, amount: &str| {
        let change = json!({ "fields": { "CF_NR": amount }, "reason": "笔误" });
        app.log_in_again(&amr.official).post(&format!("/v1/subjects/{subject}/records/{record}/correct"), &change).ok();
        app.settle();
    };

    // Tuesday. The third working day after it is Friday 9 October: 1 to 7 October are off.
    app.at("2026-09-29T02:00:00Z");
    correct(&app, "罚款贰仟元整");
    let row = |topic: &str, to: &str| (topic.to_owned(), to.to_owned(), 1i64, 0i64);
    let mut expected = vec![row("list.ground_questioned", "lf-amr")];
    assert_eq!(called(&app), expected);
    let message = &app.sql("SELECT due_on::text, about_id::text, receipt, body::text FROM agency_messages")[0];
    let body: Value = serde_json::from_str(message.get(3)).unwrap();
    assert_eq!((message.get(0), message.get(1), message.get(2)), ("2026-10-09", entry.as_str(), false));
    let told = json!({
        "list": LIST, "list_name": "市场监督管理严重违法失信名单", "state": "listed", "review_by": "2026-10-09", "rule": "list.ground_review_wd@1"
    });
    assert_eq!(body, told);

    // Days turn at midnight in China; Saturday 10 October is worked, Sunday is not.
    let overdue = |app: &TestApp| {
        let of = |caller: &Caller| {
            let page = caller.get("/v1/list-entries?under_review=true&overdue=true").ok();
            page["items"].as_array().unwrap().len()
        };
        let (chief, office) = (app.log_in_again(&amr.chief), app.login(Role::CreditOffice));
        (of(&chief), of(&office))
    };
    for (instant, sent, late) in [
        ("2026-10-07T15:59:59Z", None, 0),
        ("2026-10-07T16:00:00Z", Some(("list.ground_review_due", "lf-amr")), 0),
        ("2026-10-09T15:59:59Z", None, 0),
        ("2026-10-09T16:00:00Z", Some(("list.ground_review_overdue", "lf-amr")), 1),
        ("2026-10-12T15:59:59Z", None, 1),
        ("2026-10-12T16:00:00Z", Some(("list.ground_review_escalated", "lf-credit")), 1),
        ("2026-11-20T16:00:00Z", None, 1),
    ] {
        app.at(instant);
        app.block_on(app.app.lists.remind_reviews()).unwrap();
        expected.extend(sent.map(|(topic, to)| row(topic, to)));
        assert_eq!(called(&app), expected, "{instant}");
        assert_eq!(app.block_on(app.app.lists.remind_reviews()).unwrap(), 0, "{instant}");
        assert_eq!(overdue(&app), (late, late), "{instant}");
    }
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'list_entry.remind'"), 3, "one for each, none for nothing");
    assert_eq!(app.count("SELECT count(*) FROM agency_messages WHERE body::text LIKE '%试验%'"), 0, "the body says nothing of the subject");
    let escalated: String = app.sql("SELECT body::text FROM agency_messages WHERE topic = 'list.ground_review_escalated'")[0].get(0);
    let escalated: Value = serde_json::from_str(&escalated).unwrap();
    assert_eq!(escalated["authority"], json!({ "code": "lf-amr", "name": "廊坊市市场监督管理局" }));

    // The authority has one of them when it decides: that one stays, and what nobody has is withdrawn.
    app.sql("UPDATE agency_messages SET delivered_at = created_at WHERE topic = 'list.ground_questioned'");
    let confirm = |app: &TestApp| act(&app.log_in_again(&amr.chief), &entry, "confirm-ground", json!({ "reason": "不影响列入" })).ok();
    confirm(&app);
    let withdrawn = |topic: &str, to: &str| (topic.to_owned(), to.to_owned(), 1i64, 1i64);
    let mut after = vec![
        row("list.ground_questioned", "lf-amr"),
        withdrawn("list.ground_review_due", "lf-amr"),
        withdrawn("list.ground_review_overdue", "lf-amr"),
        withdrawn("list.ground_review_escalated", "lf-credit"),
    ];
    assert_eq!(called(&app), after);
    assert_eq!(app.block_on(app.app.lists.remind_reviews()).unwrap(), 0);
    assert_eq!(overdue(&app), (0, 0));

    // Questioned twice on one day, it is called twice, although the last day is the same and the first call was received.
    app.at("2026-11-23T02:00:00Z");
    correct(&app, "罚款贰仟元");
    app.sql("UPDATE agency_messages SET delivered_at = created_at WHERE topic = 'list.ground_questioned' AND delivered_at IS NULL");
    confirm(&app);
    correct(&app, "罚款两千元");
    after[0] = ("list.ground_questioned".to_owned(), "lf-amr".to_owned(), 3, 0);
    assert_eq!(called(&app), after);
    assert_eq!(app.count("SELECT count(DISTINCT due_on) FROM agency_messages WHERE topic = 'list.ground_questioned'"), 2);

    // It leaves the list: nobody is called any more.
    act(&app.log_in_again(&amr.official), &entry, "exit", json!({ "cause": "correction", "reason": "处罚已变更" })).ok();
    after[0].3 = 1;
    assert_eq!(called(&app), after);
    app.at("2026-12-20T02:00:00Z");
    assert_eq!(app.block_on(app.app.lists.remind_reviews()).unwrap(), 0);
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
