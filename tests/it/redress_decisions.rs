//! Decisions about cases: no step out of its turn, nobody twice, every outcome does what it says, and no day is miscounted.

use crate::support::builders::{party, penalty, resident_id};
use crate::support::{Answer, Caller, PASSWORD, TestApp};
use credence_core::Role;
use serde_json::{Value, json};

const ITEM: &str = "administrative_penalty_organisation";
const PDF: &[u8] = b"%PDF-1.4\n% proof\n%%EOF\n";

/// The officials of the market regulator, the credit office, and a company with a penalty and an account.
struct Desk<'a> {
    app: &'a TestApp,
    official: Caller,
    chief: Caller,
    deputy: Caller,
    office: Caller,
    company: Caller,
    subject: String,
    record: String,
}

impl<'a> Desk<'a> {
    /// With the penalty of company `n`, decided on a day.
    fn new(app: &'a TestApp, n: u32, decided: &str) -> Self {
        let official = app.login_at(Role::Provider, Some("lf-amr"));
        official.push(ITEM, "v2", &penalty(n).set(0, "处罚决定日期", decided).csv()).ok();
        let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=administrative_penalty", party(n))).ok();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let (subject, record) = (text(&file["subject"]["id"]), text(&file["sections"][0]["statements"][0]["record_id"]));
        let username = format!("company{n}");
        let account = json!({
            "username": username, "password": PASSWORD, "person_name": "x", "document_kind": "身份证", "document_number": resident_id(n),
            "subject_id": subject, "capacity": "agent", "evidence": "x",
        });
        app.login(Role::Clerk).post("/v1/subject-accounts", &account).ok();
        Self {
            app,
            official,
            chief: app.login_at(Role::Approver, Some("lf-amr")),
            deputy: app.login_at(Role::Approver, Some("lf-amr")),
            office: app.login(Role::CreditOffice),
            company: app.log_in(&username),
            subject,
            record,
        }
    }

    /// The same people once more, for another record of the company.
    fn beside(&self) -> Self {
        let [official, chief, deputy, office, company] =
            [&self.official, &self.chief, &self.deputy, &self.office, &self.company].map(Caller::clone);
        let (subject, record) = (self.subject.clone(), self.record.clone());
        Self { app: self.app, official, chief, deputy, office, company, subject, record }
    }

    /// Goes to another instant, at which everybody logs in anew.
    fn at(&mut self, instant: &str) {
        self.app.at(instant);
        for caller in [&mut self.official, &mut self.chief, &mut self.deputy, &mut self.office, &mut self.company] {
            *caller = self.app.log_in_again(caller);
        }
    }

    fn cases(&self) -> String {
        format!("/v1/me/subjects/{}/cases", self.subject)
    }

    fn person(&self) -> Value {
        json!({ "name": "张试验", "document_kind": "身份证", "document_number": "11010519491231002X" })
    }

    /// Files a dispute of one line; case and line.
    fn dispute(&self, line: Value) -> (String, String) {
        let case =
            json!({ "kind": "dispute", "applicant": "subject", "statement": "信息有误。", "person": self.person(), "lines": [line] });
        ids(&self.company.post(&self.cases(), &case).ok())
    }

    fn disputed(&self) -> (String, String) {
        self.dispute(json!({ "record_id": self.record, "ground": "error" }))
    }

    /// A dispute that the market regulator's official has accepted.
    fn accepted(&self) -> (String, String) {
        let (case, line) = self.disputed();
        step(&self.office, &line, "self-check", forward()).ok();
        step(&self.official, &line, "accept", json!({})).ok();
        (case, line)
    }

    /// Files an application for repair with the usual papers and further ones.
    fn apply(&self, further: &[&str]) -> Answer {
        let mut papers = Vec::new();
        for kind in ["proof_of_performance"].iter().chain(further) {
            let path = format!("/v1/me/subjects/{}/attachments?file_name={kind}.pdf", self.subject);
            let stored = self.company.post_bytes(&path, "application/octet-stream", PDF).ok();
            papers.push(json!({ "kind": kind, "attachment_id": stored["id"] }));
        }
        let case = json!({
            "kind": "repair", "applicant": "subject", "statement": "已履行。", "person": self.person(), "papers": papers,
            "lines": [{ "record_id": self.record }], "commitment": "承诺今后守法经营。",
        });
        self.company.post(&self.cases(), &case)
    }

    /// An application that the market regulator's official has accepted.
    fn applied(&self, further: &[&str]) -> (String, String) {
        let (case, line) = ids(&self.apply(further).ok());
        step(&self.official, &line, "accept", json!({})).ok();
        (case, line)
    }

    /// What everybody is shown of the penalty.
    fn shown(&self, n: u32) -> Vec<Value> {
        let file = self.app.anonymous().get(&format!("/v1/subjects/{}/file?section=administrative_penalty", party(n))).ok();
        file["sections"][0]["statements"].as_array().unwrap().clone()
    }

    fn open_marks(&self) -> i64 {
        self.app.count("SELECT count(*) FROM record_marks WHERE known_to IS NULL")
    }

    fn steps(&self) -> i64 {
        self.app.count("SELECT count(*) FROM redress_steps")
    }
}

fn ids(filed: &Value) -> (String, String) {
    let text = |v: &Value| v.as_str().unwrap_or_else(|| panic!("{filed}")).to_owned();
    (text(&filed["case"]["id"]), text(&filed["case"]["lines"][0]["id"]))
}

fn step(caller: &Caller, line: &str, step: &str, body: Value) -> Answer {
    caller.post(&format!("/v1/case-lines/{line}/{step}"), &body)
}

fn forward() -> Value {
    json!({ "finding": "forward", "reason": "与报送内容一致" })
}

fn outcome(code: &str) -> Value {
    json!({ "outcome": code, "reason": "理由" })
}

#[test]
fn every_step_of_a_dispute_out_of_its_turn_is_refused_and_changes_nothing() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    let (case, line) = desk.disputed();
    let steps = desk.steps();
    step(&desk.official, &line, "accept", json!({})).problem(409, "case_not_open");
    step(&desk.chief, &line, "decide", outcome("rejected")).problem(409, "case_not_open");
    step(&desk.official, &line, "stop", json!({ "reason": "鉴定", "note": "x" })).problem(409, "case_not_open");
    step(&desk.chief, &line, "extend", json!({ "reason": "x" })).problem(409, "case_not_open");
    step(&desk.chief, &line, "not-accept", json!({ "reason": "x" })).problem(409, "case_not_open");
    step(&desk.chief, &line, "decide-review", json!({ "outcome": "upheld", "text": "x" })).problem(409, "case_not_open");
    step(&desk.official, &line, "self-check", forward()).problem(403, "forbidden");
    step(&desk.office, &line, "decide", outcome("rejected")).problem(403, "forbidden");
    step(&desk.office, &line, "self-check", json!({ "finding": "forward", "reason": " " })).problem(422, "case_text_missing");
    let own = |outcome: Value| json!({ "finding": "own_error", "reason": "导入差错", "outcome": outcome });
    step(&desk.office, &line, "self-check", own(json!("corrected"))).problem(422, "outcome_not_fitting");
    step(&desk.office, &line, "self-check", own(Value::Null)).problem(422, "outcome_not_fitting");
    step(&desk.office, &uuid::Uuid::nil().to_string(), "self-check", forward()).problem(404, "case_line_not_found");
    assert_eq!(desk.steps(), steps, "no refusal left a step");

    step(&desk.office, &line, "self-check", forward()).ok();
    step(&desk.office, &line, "self-check", forward()).problem(409, "case_not_open");
    let told = "SELECT count(*) FROM agency_messages WHERE topic = 'case.forwarded'";
    assert_eq!(app.count(told), 1, "the provider is told once");
    let neighbour = app.login_at(Role::Approver, Some("ga-amr"));
    step(&neighbour, &line, "accept", json!({})).problem(404, "case_line_not_found");
    app.provider("lf-amr").post(&format!("/v1/case-lines/{line}/accept"), &json!({})).problem(403, "official_needed");
    step(&desk.chief, &line, "decide", outcome("rejected")).problem(409, "case_not_open");
    // An approver may accept as well, and then does not decide.
    step(&desk.chief, &line, "accept", json!({})).ok();
    step(&desk.official, &line, "accept", json!({})).problem(409, "case_not_open");
    step(&desk.official, &line, "decide", outcome("rejected")).problem(403, "forbidden");
    step(&desk.chief, &line, "decide", outcome("rejected")).problem(409, "second_official_needed");
    step(&neighbour, &line, "decide", outcome("rejected")).problem(404, "case_line_not_found");
    let guarded = format!(
        "UPDATE redress_lines SET state = 'closed', outcome = 'rejected', decision_reason = 'x', decision_rule = 'x',
            decided_agency = agency_id, decided_by = accepted_by, decided_at = now(), closed_at = now(), due_on = NULL, due_rule = NULL
          WHERE id = '{line}'"
    );
    assert!(app.sql_refused(&guarded).contains("redress_lines_two_officials"), "nor around the program");
    let closed = step(&desk.deputy, &line, "decide", outcome("rejected")).ok();
    assert_eq!((&closed["state"], &closed["outcome"], &closed["due_on"]), (&json!("closed"), &json!("rejected"), &Value::Null));
    step(&desk.deputy, &line, "decide", outcome("deleted")).problem(409, "case_not_open");
    let view = desk.company.get(&format!("{}/{case}", desk.cases())).ok();
    assert_eq!(view["state"], "closed");
    assert_eq!(desk.open_marks(), 0);
}

#[test]
fn a_decision_after_withdrawal_is_refused() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    let (case, line) = desk.accepted();
    desk.company.post(&format!("{}/{case}/withdraw", desk.cases()), &json!({ "reason": "已与单位沟通" })).ok();
    step(&desk.chief, &line, "decide", outcome("deleted")).problem(409, "case_not_open");
    assert_eq!((desk.shown(1).len(), desk.open_marks()), (1, 0), "the record stays, without a mark");
}

#[test]
fn an_outcome_that_does_not_fit_is_refused_and_the_record_stays() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    let (_, line) = desk.accepted();
    for code in ["granted", "refused", "shielded", "not_accepted", "supplemented", "delisted", "", "x"] {
        let body = step(&desk.chief, &line, "decide", outcome(code)).problem(422, "outcome_not_fitting");
        assert!(body["outcomes"].as_array().unwrap().contains(&json!("rejected")), "{code}: {body}");
    }
    let with = |code: &str, field: &str, value: Value| {
        let mut body = outcome(code);
        body[field] = value;
        body
    };
    step(&desk.chief, &line, "decide", outcome("corrected")).problem(422, "outcome_not_fitting");
    step(&desk.chief, &line, "decide", with("rejected", "changes", json!({ "CF_NR_FK": "1" }))).problem(422, "outcome_not_fitting");
    step(&desk.chief, &line, "decide", with("rejected", "note", json!("x"))).problem(422, "outcome_not_fitting");
    step(&desk.chief, &line, "decide", with("rejected", "false_papers", json!(true))).problem(422, "outcome_not_fitting");
    step(&desk.chief, &line, "decide", with("rejected", "appeal", json!("x"))).problem(422, "outcome_not_fitting");
    step(&desk.chief, &line, "decide", with("rejected", "reason", json!("  "))).problem(422, "case_text_missing");
    // The record's own checks refuse as well, and the line stays open.
    step(&desk.chief, &line, "decide", with("corrected", "changes", json!({ "CF_JDRQ": "明天" }))).problem(422, "correction_refused");
    assert_eq!(app.count("SELECT count(*) FROM redress_lines WHERE state = 'accepted' AND outcome IS NULL"), 1);
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 1);
    assert_eq!(desk.open_marks(), 1, "the mark of the dispute still stands");
}

#[test]
fn every_outcome_of_a_dispute_does_what_it_says_and_takes_the_mark_away() {
    let app = TestApp::new();
    let decided = |n: u32, body: Value| {
        let desk = Desk::new(&app, n, "2026-08-10");
        let (_, line) = desk.accepted();
        assert_eq!(desk.shown(n)[0]["disputed"], true, "while it runs, everybody sees the mark");
        let view = step(&desk.chief, &line, "decide", body).ok();
        (desk, line, view)
    };
    let (desk, _, view) = decided(1, json!({ "outcome": "corrected", "reason": "金额录入错误", "changes": { "CF_NR_FK": "0.02" } }));
    assert_eq!(view["changes"], json!([{ "field": "CF_NR_FK", "old": "0.2", "new": "0.02" }]));
    assert_eq!(view["execute_by"], "2026-11-24");
    assert_eq!(desk.shown(1)[0]["data"]["CF_NR_FK"], "0.02");
    assert_eq!(desk.shown(1)[0]["disputed"], false);
    let clear = "SELECT count(*) FROM redress_lines WHERE decision_sealed IS NOT NULL AND position('0.02'::bytea IN decision_sealed) = 0";
    assert_eq!(app.count(clear), 1, "values are kept sealed");

    let (desk, _, view) = decided(2, outcome("deleted"));
    assert_eq!((desk.shown(2).len(), &view["outcome"]), (0, &json!("deleted")));

    let (desk, ..) = decided(3, outcome("stopped"));
    assert_eq!(desk.shown(3).len(), 0, "it is not public any more");
    assert_eq!(app.count("SELECT count(*) FROM record_versions WHERE change = 'stopped' AND state = 'active' AND known_to IS NULL"), 1);

    let (desk, _, view) = decided(4, json!({ "outcome": "noted", "reason": "无法核实", "note": "当事人认为定性有误" }));
    assert_eq!((&desk.shown(4)[0]["disputed"], &view["execute_by"]), (&json!(false), &Value::Null));
    assert_eq!(desk.shown(4)[0]["objection"], "当事人认为定性有误");
    assert_eq!(desk.open_marks(), 1, "the note stands, and no other mark");

    let (desk, _, view) = decided(5, outcome("rejected"));
    assert_eq!((desk.shown(5).len(), &desk.shown(5)[0]["disputed"], &view["execute_by"]), (1, &json!(false), &Value::Null));

    let desk = Desk::new(&app, 6, "2026-08-10");
    let (_, line) = desk.dispute(json!({ "item": ITEM, "agency": "lf-amr", "ground": "omission" }));
    step(&desk.office, &line, "self-check", forward()).ok();
    step(&desk.official, &line, "accept", json!({})).ok();
    step(&desk.chief, &line, "decide", outcome("deleted")).problem(422, "outcome_not_fitting");
    step(&desk.chief, &line, "decide", outcome("supplemented")).ok();
    assert_eq!(desk.shown(6).len(), 1, "the row comes from the provider");
    assert_eq!(desk.open_marks(), 1);
}

#[test]
fn the_platform_puts_its_own_error_right_and_decides_nothing_else() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    let (_, line) = desk.disputed();
    let own = json!({ "finding": "own_error", "reason": "平台重复导入", "outcome": "deleted" });
    let view = step(&desk.office, &line, "self-check", own).ok();
    assert_eq!((&view["state"], &view["outcome"]), (&json!("closed"), &json!("deleted")));
    assert_eq!((desk.shown(1).len(), desk.open_marks()), (0, 0));
    let by = "SELECT count(*) FROM redress_lines WHERE decided_by = checked_by AND decided_agency <> agency_id AND accepted_by IS NULL";
    assert_eq!(app.count(by), 1, "it stands there that the platform decided");
}

#[test]
fn stops_and_extensions_move_the_last_days_by_working_days_only() {
    let app = TestApp::new();
    let mut desk = Desk::new(&app, 1, "2026-08-10");
    let (_, line) = desk.disputed();
    let checked = step(&desk.office, &line, "self-check", forward()).ok();
    assert_eq!((&checked["due_on"], &checked["total_due_on"]), (&json!("2026-11-30"), &json!("2026-12-02")));
    step(&desk.chief, &line, "accept", json!({})).ok();
    step(&desk.official, &line, "resume", json!({})).problem(409, "clock_running");
    let refused = step(&desk.official, &line, "stop", json!({ "reason": "开会", "note": "x" })).problem(422, "stop_reason_unknown");
    assert!(refused["reasons"].as_array().unwrap().contains(&json!("鉴定")), "{refused}");

    desk.at("2026-11-24T08:00:00Z");
    let stop = json!({ "reason": "鉴定", "note": "笔迹鉴定" });
    assert_eq!(step(&desk.official, &line, "stop", stop.clone()).ok()["due_on"], Value::Null);
    step(&desk.official, &line, "stop", stop).problem(409, "clock_stopped");
    step(&desk.deputy, &line, "decide", outcome("rejected")).problem(409, "clock_stopped");
    step(&desk.deputy, &line, "extend", json!({ "reason": "x" })).problem(409, "clock_stopped");

    // Four working days of the step were left, six of the whole; they count from the day after 4 December, a Friday.
    desk.at("2026-12-04T08:00:00Z");
    let resumed = step(&desk.official, &line, "resume", json!({})).ok();
    assert_eq!((&resumed["due_on"], &resumed["total_due_on"]), (&json!("2026-12-10"), &json!("2026-12-14")));
    assert_eq!((&resumed["due_rule"], &resumed["overdue"]), (&json!("dispute.provider_wd@1"), &json!(false)));

    step(&desk.official, &line, "extend", json!({ "reason": "x" })).problem(403, "forbidden");
    step(&desk.chief, &line, "extend", json!({ "reason": "案情复杂" })).problem(409, "second_official_needed");
    let extended = step(&desk.deputy, &line, "extend", json!({ "reason": "案情复杂" })).ok();
    // Twenty working days from 23 November end on 21 December; the eight that stood still come on top.
    assert_eq!((&extended["due_on"], &extended["total_due_on"]), (&json!("2026-12-31"), &json!("2026-12-31")));
    assert_eq!(extended["extension"]["from_due"], "2026-12-14");
    step(&desk.deputy, &line, "extend", json!({ "reason": "再延" })).problem(409, "extended_already");

    // A second stop within the extension keeps its rule.
    desk.at("2026-12-30T02:00:00Z");
    step(&desk.official, &line, "stop", json!({ "reason": "检测", "note": "x" })).ok();
    let same_day = step(&desk.official, &line, "resume", json!({})).ok();
    assert_eq!((&same_day["due_on"], &same_day["due_rule"]), (&json!("2026-12-31"), &json!("dispute.extend_total_wd@1")));
    step(&desk.deputy, &line, "decide", outcome("rejected")).ok();
    let late = "SELECT count(*) FROM redress_steps WHERE step = 'decide' AND detail ->> 'late' = 'false'";
    assert_eq!(app.count(late), 1);
}

#[test]
fn what_is_over_is_neither_stopped_nor_extended() {
    let app = TestApp::new();
    let mut desk = Desk::new(&app, 1, "2026-08-10");
    let (_, line) = desk.accepted();
    desk.at("2026-12-01T02:00:00Z");
    let stop = json!({ "reason": "鉴定", "note": "x" });
    assert_eq!(step(&desk.official, &line, "stop", stop.clone()).problem(409, "stop_too_late")["due_on"], "2026-11-30");
    desk.at("2026-12-03T02:00:00Z");
    let over = step(&desk.chief, &line, "extend", json!({ "reason": "x" })).problem(409, "extension_too_late");
    assert_eq!(over["total_due_on"], "2026-12-02");
    assert_eq!(app.count("SELECT count(*) FROM redress_stops") + app.count("SELECT count(*) FROM redress_extensions"), 0);
    step(&desk.chief, &line, "decide", outcome("rejected")).ok();
    let late = "SELECT count(*) FROM redress_steps WHERE step = 'decide' AND detail ->> 'late' = 'true'";
    assert_eq!(app.count(late), 1, "that it was late is written down");
}

#[test]
fn a_review_is_asked_for_once_in_time_and_decided_by_somebody_else() {
    let app = TestApp::new();
    let mut desk = Desk::new(&app, 1, "2026-08-10");
    let (case, line) = desk.accepted();
    let review = |desk: &Desk<'_>, line: &str, case: &str| {
        desk.company.post(&format!("{}/{case}/lines/{line}/review", desk.cases()), &json!({ "reason": "补充证据" }))
    };
    review(&desk, &line, &case).problem(409, "case_not_open");
    step(&desk.chief, &line, "decide", json!({ "outcome": "rejected", "reason": "首次理由" })).ok();

    let asked = review(&desk, &line, &case).ok();
    assert_eq!((&asked["state"], &asked["lines"][0]["due_on"]), (&json!("open"), &json!("2026-11-30")));
    assert_eq!(desk.shown(1)[0]["disputed"], true, "it is disputed again");
    let changed = |outcome: &str| json!({ "outcome": "changed", "text": "复核认定有误", "new_outcome": outcome });
    step(&desk.chief, &line, "decide-review", changed("deleted")).problem(409, "second_official_needed");
    step(&desk.deputy, &line, "decide-review", changed("rejected")).problem(422, "outcome_not_fitting");
    step(&desk.deputy, &line, "decide-review", changed("granted")).problem(422, "outcome_not_fitting");
    let both = json!({ "outcome": "upheld", "text": "x", "new_outcome": "deleted" });
    step(&desk.deputy, &line, "decide-review", both).problem(422, "outcome_not_fitting");
    assert_eq!(desk.shown(1).len(), 1);
    let view = step(&desk.deputy, &line, "decide-review", changed("deleted")).ok();
    assert_eq!((&view["outcome"], &view["review_outcome"], &view["state"]), (&json!("deleted"), &json!("changed"), &json!("closed")));
    assert_eq!((desk.shown(1).len(), desk.open_marks()), (0, 0));
    let first = "SELECT count(*) FROM redress_steps WHERE step = 'decide' AND detail ->> 'reason' = '首次理由'";
    assert_eq!(app.count(first), 1, "the first decision stands in the steps");
    review(&desk, &line, &case).problem(409, "review_not_open");

    // Too late: ten working days after the decision are over.
    let mut desk2 = Desk::new(&app, 2, "2026-08-10");
    let (case, line) = desk2.accepted();
    step(&desk2.chief, &line, "decide", outcome("rejected")).ok();
    desk2.at("2026-12-08T02:00:00Z");
    assert_eq!(review(&desk2, &line, &case).problem(409, "review_not_open")["until"], "2026-12-07");
    desk.at("2026-12-08T02:00:00Z");
    // Somebody else's case is not there.
    review(&desk, &line, &case).problem(404, "case_not_found");
}

#[test]
fn a_review_waits_for_another_case_about_the_same_record() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    let (case, line) = desk.accepted();
    step(&desk.chief, &line, "decide", outcome("rejected")).ok();
    let (_, other) = desk.disputed();
    assert_ne!(line, other);
    let path = format!("{}/{case}/lines/{line}/review", desk.cases());
    desk.company.post(&path, &json!({ "reason": "x" })).problem(409, "case_already_open");
}

#[test]
fn repair_is_refused_with_a_way_of_appeal_and_false_papers_bar_the_subject() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    let (_, line) = ids(&desk.apply(&[]).ok());
    step(&desk.official, &line, "not-accept", json!({ "reason": "x" })).problem(403, "forbidden");
    let view = step(&desk.chief, &line, "not-accept", json!({ "reason": "不属于本单位认定" })).ok();
    assert_eq!(view["outcome"], "not_accepted");
    assert!(view["decision_reason"].as_str().unwrap().contains("救济途径"), "{view}");

    let (_, line) = desk.applied(&[]);
    step(&desk.official, &line, "stop", json!({ "reason": "鉴定", "note": "x" })).problem(409, "clock_not_stoppable");
    for code in ["rejected", "deleted", "corrected", "noted", "delisted"] {
        step(&desk.chief, &line, "decide", outcome(code)).problem(422, "outcome_not_fitting");
    }
    let mut granted = outcome("granted");
    granted["false_papers"] = json!(true);
    step(&desk.chief, &line, "decide", granted).problem(422, "outcome_not_fitting");
    let refused = json!({ "outcome": "refused", "reason": "缴款凭证系伪造", "false_papers": true, "appeal": "60日内申请行政复议" });
    let view = step(&desk.chief, &line, "decide", refused).ok();
    assert!(view["decision_reason"].as_str().unwrap().ends_with("救济途径：60日内申请行政复议"), "{view}");
    assert!(view["decision_rule"].as_str().unwrap().contains("repair.fraud_ban_months@"), "{view}");
    assert!(view["decision_rule"].as_str().unwrap().contains("publicity.regime@4"), "{view}");
    let bar = "SELECT count(*) FROM repair_bars WHERE from_on = '2026-11-23' AND until_on = '2029-11-23'";
    assert_eq!(app.count(bar), 1);
    assert_eq!(desk.apply(&[]).problem(422, "repair_barred")["until"], "2029-11-23");
    assert_eq!(desk.shown(1).len(), 1, "nothing was repaired");
}

#[test]
fn what_was_granted_is_hidden_at_once_and_what_was_shielded_comes_back() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    let (_, line) = desk.applied(&[]);
    step(&desk.chief, &line, "decide", outcome("shielded")).problem(422, "court_ruling_missing");
    let view = step(&desk.chief, &line, "decide", outcome("granted")).ok();
    assert_eq!((&view["outcome"], &view["execute_by"], desk.shown(1).len()), (&json!("granted"), &json!("2026-11-24"), 0));
    step(&desk.chief, &line, "unshield", json!({ "reason": "x", "completed": false })).problem(409, "not_shielded_here");

    let shielded = Desk::new(&app, 2, "2026-08-10");
    let (_, line) = shielded.applied(&["court_ruling"]);
    step(&shielded.chief, &line, "decide", outcome("shielded")).ok();
    assert_eq!(shielded.shown(2).len(), 0);
    step(&shielded.official, &line, "unshield", json!({ "reason": "x", "completed": false })).problem(403, "forbidden");
    step(&shielded.chief, &line, "unshield", json!({ "reason": "重整计划未能执行", "completed": false })).ok();
    assert_eq!(shielded.shown(2).len(), 1, "it is shown as before");
    step(&shielded.chief, &line, "unshield", json!({ "reason": "x", "completed": false })).problem(409, "record_not_shielded");

    // An extension of repair counts from the day the application was complete.
    let third = Desk::new(&app, 3, "2026-08-10");
    let (_, line) = third.applied(&[]);
    let extended = step(&third.chief, &line, "extend", json!({ "reason": "案情复杂" })).ok();
    assert_eq!((&extended["total_due_on"], &extended["total_rule"]), (&json!("2026-12-21"), &json!("repair.extend_wd@1")));
}

#[test]
fn an_entry_that_was_wrongly_listed_leaves_its_list_by_the_decision() {
    let app = TestApp::new();
    let mut desk = Desk::new(&app, 1, "2026-08-10");
    let proposal = json!({
        "list": "serious_illegality", "uscc": party(1), "facts": "受到较重行政处罚", "legal_basis": "总局令第44号第九条",
        "measures": ["government_procurement_limit"], "ground_record_id": desk.record,
    });
    let entry = desk.official.post("/v1/list-entries", &proposal).ok()["id"].as_str().unwrap().to_owned();
    let act = |caller: &Caller, step: &str, body: Value| caller.post(&format!("/v1/list-entries/{entry}/{step}"), &body).ok();
    act(&desk.official, "notice", json!({ "notice_no": "告1", "served_on": "2026-11-23", "method": "direct", "proof": "回证1" }));
    desk.at("2026-12-01T02:00:00Z");
    act(&desk.chief, "decide", json!({ "decision_no": "列1", "decided_on": "2026-12-01" }));
    act(&desk.official, "publish", json!({}));

    let (_, line) = desk.dispute(json!({ "entry_id": entry, "ground": "wrong_listing" }));
    step(&desk.office, &line, "self-check", json!({ "finding": "own_error", "reason": "x", "outcome": "deleted" }))
        .problem(422, "outcome_not_fitting");
    step(&desk.office, &line, "self-check", forward()).ok();
    step(&desk.official, &line, "accept", json!({})).ok();
    for code in ["deleted", "stopped", "corrected", "supplemented"] {
        step(&desk.chief, &line, "decide", outcome(code)).problem(422, "outcome_not_fitting");
    }
    let listed = "SELECT count(*) FROM list_entries WHERE state = 'listed'";
    assert_eq!(app.count(listed), 1);
    step(&desk.chief, &line, "decide", outcome("delisted")).ok();
    assert_eq!(app.count(listed), 0);
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE exit_cause = 'correction'"), 1);
    assert_eq!(desk.open_marks(), 0);
}

#[test]
fn trainings_are_recorded_once_and_counted_for_who_is_listed() {
    let app = TestApp::new();
    let mut desk = Desk::new(&app, 1, "2026-08-10");
    let training =
        |held_on: &str| json!({ "uscc": party(1), "kind": "training", "held_on": held_on, "organiser": "市信用办", "hours": 4.5 });
    let record = |caller: &Caller, body: &Value| caller.post("/v1/repair-trainings", body);
    record(&desk.company, &training("2026-11-20")).problem(403, "forbidden");
    record(&app.provider("lf-amr"), &training("2026-11-20")).problem(403, "official_needed");
    assert_eq!(record(&desk.official, &training("2026-11-24")).problem(422, "bad_training")["field"], "held_on");
    let mut odd = training("2026-11-20");
    odd["hours"] = json!(0.25);
    assert_eq!(record(&desk.official, &odd).problem(422, "bad_training")["field"], "hours");
    odd = training("2026-11-20");
    odd["subject_id"] = json!(desk.subject);
    record(&desk.official, &odd).problem(400, "malformed_request");
    odd = training("2026-11-20");
    odd["uscc"] = json!(party(999));
    record(&desk.official, &odd).problem(404, "subject_not_found");
    assert_eq!(app.count("SELECT count(*) FROM repair_trainings"), 0);
    assert_eq!(record(&desk.official, &training("2026-11-20")).ok()["hours"], 4.5);
    record(&desk.official, &training("2026-11-20")).problem(409, "training_exists");

    let indicator = |desk: &Desk<'_>| desk.office.get("/v1/repair-trainings/indicator").ok();
    desk.official.get("/v1/repair-trainings/indicator").problem(403, "forbidden");
    let nobody = indicator(&desk);
    assert_eq!((&nobody["listed"], &nobody["share"], &nobody["met"]), (&json!(0), &Value::Null, &Value::Null));

    let proposal = json!({
        "list": "serious_illegality", "uscc": party(1), "facts": "受到较重行政处罚", "legal_basis": "总局令第44号第九条",
        "measures": ["government_procurement_limit"], "ground_record_id": desk.record,
    });
    let entry = desk.official.post("/v1/list-entries", &proposal).ok()["id"].as_str().unwrap().to_owned();
    let act = |caller: &Caller, step: &str, body: Value| caller.post(&format!("/v1/list-entries/{entry}/{step}"), &body).ok();
    act(&desk.official, "notice", json!({ "notice_no": "告1", "served_on": "2026-11-23", "method": "direct", "proof": "回证1" }));
    desk.at("2026-12-01T02:00:00Z");
    act(&desk.chief, "decide", json!({ "decision_no": "列1", "decided_on": "2026-12-01" }));
    act(&desk.official, "publish", json!({}));
    let before = indicator(&desk);
    assert_eq!((&before["listed"], &before["trained"], &before["met"]), (&json!(1), &json!(0), &json!(false)), "before it was listed");
    record(&desk.official, &training("2026-12-01")).ok();
    let after = indicator(&desk);
    assert_eq!((&after["trained"], &after["share"], &after["target"], &after["met"]), (&json!(1), &json!(100.0), &json!(60), &json!(true)));
    let earlier = desk.office.get("/v1/repair-trainings/indicator?on=2026-11-30").ok();
    assert_eq!(earlier["listed"], 0, "on that day it was not listed");
}

#[test]
fn commitments_are_public_for_as_long_as_the_rules_say_page_by_page() {
    let app = TestApp::new();
    for n in 1..=3 {
        Desk::new(&app, n, "2026-08-10").apply(&[]).ok();
    }
    let page = |query: &str| app.anonymous().get(&format!("/v1/repair-commitments{query}")).ok();
    let all = page("");
    assert_eq!(all["commitments"].as_array().unwrap().len(), 3);
    assert_eq!(all["commitments"][0]["subject_name"], "廊坊市试验3商贸有限公司");
    assert_eq!(all["commitments"][0]["uscc"], json!(party(3)));
    let first = page("?limit=2");
    assert_eq!(first["commitments"].as_array().unwrap().len(), 2);
    let rest = page(&format!("?limit=2&cursor={}", first["next"].as_str().unwrap()));
    assert_eq!((rest["commitments"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    app.at("2027-11-23T02:00:00Z");
    assert_eq!(page("")["commitments"].as_array().unwrap().len(), 3, "to the end of the last day");
    app.at("2027-11-24T02:00:00Z");
    assert_eq!(page("")["commitments"].as_array().unwrap().len(), 0);
}

#[test]
fn a_bar_ends_with_the_decision_that_it_rests_on() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    let (case, line) = desk.applied(&[]);
    let refused = json!({ "outcome": "refused", "reason": "缴款凭证系伪造", "false_papers": true, "decision_no": "不修1号" });
    step(&desk.chief, &line, "decide", refused).ok();
    desk.apply(&[]).problem(422, "repair_barred");
    desk.company.post(&format!("{}/{case}/lines/{line}/review", desk.cases()), &json!({ "reason": "凭证属实" })).ok();
    desk.apply(&[]).problem(422, "repair_barred");
    // The bar of this very line does not stand in the way of the review that finds otherwise.
    let changed = json!({ "outcome": "changed", "text": "凭证经核实为真", "new_outcome": "granted" });
    let view = step(&desk.deputy, &line, "decide-review", changed).ok();
    assert_eq!((&view["outcome"], &view["decision_no"]), (&json!("granted"), &Value::Null), "not under the number of the refusal");
    assert_eq!(app.count("SELECT count(*) FROM repair_bars"), 1, "it stays written down");
    // Another penalty of the same company can be repaired now.
    desk.official
        .push(ITEM, "v2", &penalty(1).set(0, "行政处罚决定书文号", "廊市监处罚〔2026〕901号").set(0, "处罚决定日期", "2026-08-10").csv())
        .ok();
    let asked = desk.company.get(&format!("/v1/me/subjects/{}/repair-eligibility", desk.subject)).ok();
    assert_eq!((&asked["targets"][0]["barred_until"], &asked["targets"][0]["may_apply"]), (&Value::Null, &json!(true)), "{asked}");
}

#[test]
fn nothing_is_granted_while_another_line_bars_the_subject() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    desk.official
        .push(ITEM, "v2", &penalty(1).set(0, "行政处罚决定书文号", "廊市监处罚〔2026〕901号").set(0, "处罚决定日期", "2026-08-11").csv())
        .ok();
    let other: String = app.sql(&format!("SELECT record_id::text FROM record_versions WHERE record_id <> '{}'", desk.record))[0].get(0);
    let (_, line) = desk.applied(&[]);
    let (_, second) = Desk { record: other, ..desk.beside() }.applied(&[]);
    let refused = json!({ "outcome": "refused", "reason": "缴款凭证系伪造", "false_papers": true });
    step(&desk.chief, &line, "decide", refused).ok();
    assert_eq!(step(&desk.chief, &second, "decide", outcome("granted")).problem(422, "repair_barred")["until"], "2029-11-23");
    assert_eq!(app.count("SELECT count(*) FROM record_versions WHERE state = 'repaired'"), 0);
    step(&desk.chief, &second, "decide", outcome("refused")).ok();
}

#[test]
fn whoever_accepted_does_not_review_either() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    let (case, line) = desk.disputed();
    step(&desk.office, &line, "self-check", forward()).ok();
    step(&desk.chief, &line, "accept", json!({})).ok();
    step(&desk.deputy, &line, "decide", outcome("rejected")).ok();
    desk.company.post(&format!("{}/{case}/lines/{line}/review", desk.cases()), &json!({ "reason": "补充证据" })).ok();
    let upheld = || json!({ "outcome": "upheld", "text": "维持" });
    let changed = json!({ "outcome": "changed", "text": "有误", "new_outcome": "deleted" });
    for again in [&desk.chief, &desk.deputy] {
        step(again, &line, "decide-review", upheld()).problem(409, "second_official_needed");
        step(again, &line, "decide-review", changed.clone()).problem(409, "second_official_needed");
    }
    let guarded = format!(
        "UPDATE redress_lines SET state = 'closed', review_outcome = 'upheld', review_text = 'x', reviewed_by = accepted_by, reviewed_at = now(),
            closed_at = now(), due_on = NULL, due_rule = NULL
          WHERE id = '{line}'"
    );
    assert!(app.sql_refused(&guarded).contains("redress_lines_review_not_by_acceptor"), "nor around the program");
    let third = app.login_at(Role::Approver, Some("lf-amr"));
    assert_eq!(step(&third, &line, "decide-review", upheld()).ok()["review_outcome"], "upheld");
}

#[test]
fn what_is_so_already_is_decided_all_the_same_and_changes_nothing() {
    let app = TestApp::new();
    let versions = || app.count("SELECT count(*) FROM record_versions");
    let provider = app.provider("lf-amr");
    let withdraw = |desk: &Desk<'_>| {
        let path = format!("/v1/subjects/{}/records/{}/withdraw", desk.subject, desk.record);
        provider.post(&path, &json!({ "reason": "重复报送" })).ok();
    };
    // The provider has put it right before anybody decided.
    let desk = Desk::new(&app, 1, "2026-08-10");
    let (_, line) = desk.accepted();
    let path = format!("/v1/subjects/{}/records/{}/correct", desk.subject, desk.record);
    provider.post(&path, &json!({ "fields": { "CF_NR_FK": "0.02" }, "reason": "更正" })).ok();
    let before = versions();
    let corrected = json!({ "outcome": "corrected", "reason": "提供单位已更正", "changes": { "CF_NR_FK": "0.02" } });
    let view = step(&desk.chief, &line, "decide", corrected.clone()).ok();
    assert_eq!((&view["outcome"], view["changes"].is_null(), versions()), (&json!("corrected"), true, before), "{view}");
    assert_eq!(desk.open_marks(), 0);

    // What the provider withdrew is deleted or stopped, and does not come back by a correction.
    for (n, code) in [(2, "deleted"), (3, "stopped")] {
        let desk = Desk::new(&app, n, "2026-08-10");
        let (_, line) = desk.accepted();
        withdraw(&desk);
        let before = versions();
        assert_eq!(step(&desk.chief, &line, "decide", corrected.clone()).problem(422, "outcome_not_fitting")["field"], "outcome");
        assert_eq!(step(&desk.chief, &line, "decide", outcome(code)).ok()["outcome"], code);
        assert_eq!((versions(), desk.shown(n).len(), desk.open_marks()), (before, 0, 0));
    }
    let desk = Desk::new(&app, 4, "2026-08-10");
    let (_, line) = desk.applied(&[]);
    withdraw(&desk);
    let before = versions();
    assert_eq!(step(&desk.chief, &line, "decide", outcome("granted")).ok()["outcome"], "granted");
    assert_eq!(versions(), before);
}

#[test]
fn a_note_goes_with_the_decision_that_finds_the_error() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    let (first, line) = desk.accepted();
    step(&desk.chief, &line, "decide", json!({ "outcome": "noted", "reason": "无法核实", "note": "第一次陈述" })).ok();
    let (_, second) = desk.accepted();
    step(&desk.chief, &second, "decide", json!({ "outcome": "noted", "reason": "无法核实", "note": "第二次陈述" })).ok();
    // The review of the first case takes its own note away, and not that of the second.
    desk.company.post(&format!("{}/{first}/lines/{line}/review", desk.cases()), &json!({ "reason": "复核" })).ok();
    step(&desk.deputy, &line, "decide-review", json!({ "outcome": "changed", "text": "不成立", "new_outcome": "rejected" })).ok();
    assert_eq!(desk.shown(1)[0]["objection"], "第二次陈述");
    let (_, third) = desk.accepted();
    step(&desk.chief, &third, "decide", json!({ "outcome": "corrected", "reason": "录入错误", "changes": { "CF_NR_FK": "0.02" } })).ok();
    assert_eq!((&desk.shown(1)[0]["objection"], desk.open_marks()), (&Value::Null, 0));
}

#[test]
fn a_clerk_asks_for_a_review_of_what_the_own_agency_took_in() {
    let app = TestApp::new();
    let desk = Desk::new(&app, 1, "2026-08-10");
    let clerk = app.login(Role::Clerk);
    let case = json!({
        "kind": "dispute", "subject_id": desk.subject, "applicant": "subject", "statement": "信息有误。", "person": desk.person(),
        "lines": [{ "record_id": desk.record, "ground": "error" }],
    });
    let (case, line) = ids(&clerk.post("/v1/cases", &case).ok());
    step(&desk.office, &line, "self-check", forward()).ok();
    step(&desk.official, &line, "accept", json!({})).ok();
    let path = format!("/v1/cases/{case}/lines/{line}/review");
    let reason = json!({ "reason": "补充证据" });
    clerk.post(&path, &reason).problem(409, "case_not_open");
    step(&desk.chief, &line, "decide", outcome("rejected")).ok();
    app.login_at(Role::Clerk, Some("lf-approval")).post(&path, &reason).problem(404, "case_not_found");
    desk.company.post(&path, &reason).problem(403, "forbidden");
    let asked = clerk.post(&path, &reason).ok();
    assert_eq!((&asked["state"], &asked["lines"][0]["state"]), (&json!("open"), &json!("review")));
    clerk.post(&path, &reason).problem(409, "case_not_open");
    step(&desk.deputy, &line, "decide-review", json!({ "outcome": "upheld", "text": "维持" })).ok();
}
