//! Cases from filing to withdrawal: who may file what and when, what stays as it was when something is refused, and who is shown what of it.

use crate::support::builders::{party, penalty, person_penalty, resident_id};
use crate::support::{Answer, Caller, PASSWORD, TestApp};
use credence_core::Role;
use serde_json::{Value, json};

const ITEM: &str = "administrative_penalty_organisation";
const PDF: &[u8] = b"%PDF-1.4\n% proof\n%%EOF\n";
/// Number of the person who applies; it must not be found anywhere in the clear.
const NUMBER: &str = "11010519491231002X";
/// Bars a subject; what it rests on matters to no test here.
const BAR: &str =
    "INSERT INTO repair_bars (subject_id, id, case_id, line_id, reason, from_on, until_on, rule, decided_by, decided_at, agency_id)";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// A company with a penalty that was decided on a day, and its account.
struct Company {
    caller: Caller,
    subject: String,
    record: String,
}

impl Company {
    fn new(app: &TestApp, n: u32, decided: &str) -> Self {
        app.provider("lf-amr").push(ITEM, "v2", &penalty(n).set(0, "处罚决定日期", decided).csv()).ok();
        let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=administrative_penalty", party(n))).ok();
        let (subject, record) = (text(&file["subject"]["id"]), text(&file["sections"][0]["statements"][0]["record_id"]));
        let username = format!("company{n}");
        let account = json!({
            "username": username, "password": PASSWORD, "person_name": "x", "document_kind": "身份证", "document_number": resident_id(n),
            "subject_id": subject, "capacity": "agent", "evidence": "x",
        });
        app.login(Role::Clerk).post("/v1/subject-accounts", &account).ok();
        Self { caller: app.log_in(&username), subject, record }
    }

    fn path(&self) -> String {
        format!("/v1/me/subjects/{}/cases", self.subject)
    }

    fn at(&mut self, app: &TestApp, instant: &str) {
        app.at(instant);
        self.caller = app.log_in_again(&self.caller);
    }

    fn file(&self, case: &Value) -> Answer {
        self.caller.post(&self.path(), case)
    }

    fn dispute(&self) -> Value {
        case("dispute", json!([{ "record_id": self.record, "ground": "error", "wanted": { "CF_NR_FK": "0.02" } }]))
    }

    fn repair(&self) -> Value {
        let mut case = case("repair", json!([{ "record_id": self.record }]));
        case["commitment"] = json!("承诺今后守法经营。");
        case
    }

    fn upload(&self) -> Value {
        let path = format!("/v1/me/subjects/{}/attachments?file_name=proof.pdf", self.subject);
        self.caller.post_bytes(&path, "application/octet-stream", PDF).ok()["id"].clone()
    }

    fn case(&self, id: &str) -> Value {
        self.caller.get(&format!("{}/{id}", self.path())).ok()
    }

    fn eligibility(&self) -> Value {
        let view = self.caller.get(&format!("/v1/me/subjects/{}/repair-eligibility", self.subject)).ok();
        assert_eq!(view["targets"].as_array().unwrap().len(), 1, "{view}");
        view["targets"][0].clone()
    }
}

fn case(kind: &str, lines: Value) -> Value {
    json!({
        "kind": kind, "applicant": "subject", "statement": "罚款金额有误。", "lines": lines,
        "person": { "name": "张试验", "document_kind": "身份证", "document_number": NUMBER, "email": "zhang@example.org" },
    })
}

fn with(case: &Value, key: &str, value: Value) -> Value {
    let mut case = case.clone();
    case[key] = value;
    case
}

fn disputed(app: &TestApp, n: u32) -> bool {
    let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=administrative_penalty", party(n))).ok();
    file["sections"][0]["statements"][0]["disputed"].as_bool().unwrap()
}

fn rows(app: &TestApp) -> i64 {
    app.count(
        "SELECT (SELECT count(*) FROM redress_cases) + (SELECT count(*) FROM redress_lines) + (SELECT count(*) FROM redress_steps)
              + (SELECT count(*) FROM redress_papers) + (SELECT count(*) FROM record_marks) + (SELECT count(*) FROM redress_commitments)
              + (SELECT count(*) FROM case_notices)",
    )
}

#[test]
fn a_dispute_is_marked_at_once_followed_by_code_and_taken_back_with_its_mark() {
    let app = TestApp::new();
    let company = Company::new(&app, 1, "2026-11-18");
    assert!(!disputed(&app, 1));
    let filed = company.file(&company.dispute()).ok();
    let (id, number, code) = (text(&filed["case"]["id"]), text(&filed["case"]["case_no"]), text(&filed["code"]));
    assert_eq!(number, "YY13100020261123000001");
    assert_eq!(code.len(), 10);
    let line = &filed["case"]["lines"][0];
    // Three and seven working days after Monday 23 November.
    assert_eq!((line["due_on"].as_str(), line["total_due_on"].as_str()), (Some("2026-11-26"), Some("2026-12-02")));
    assert_eq!((line["state"].as_str(), line["overdue"].as_bool()), (Some("filed"), Some(false)));
    assert_eq!(line["wanted"], json!([{ "field": "CF_NR_FK", "new": "0.02" }]));
    assert!(disputed(&app, 1), "the mark stands with the case");

    // By number and code, however they are written; not without either.
    let look = |number: &str, code: &str| app.anonymous().post("/v1/case-lookups", &json!({ "case_no": number, "code": code }));
    let shown = look(&format!(" {} ", number.to_lowercase()), &code.to_lowercase()).ok();
    assert_eq!((&shown["id"], &shown["lines"][0]["id"]), (&filed["case"]["id"], &line["id"]));
    look(&number, "AAAAAAAAAA").problem(404, "case_not_found");
    look("YY13100020261123000009", &code).problem(404, "case_not_found");

    // A line that nobody checks in time is overdue from the next day on.
    app.at("2026-11-26T15:59:00Z");
    assert_eq!(look(&number, &code).ok()["lines"][0]["overdue"], false);
    app.at("2026-11-26T16:01:00Z");
    let late = look(&number, &code).ok()["lines"][0].clone();
    assert_eq!((late["overdue"].as_bool(), late["overdue_working_days"].as_i64()), (Some(true), Some(1)));
    let office = app.login(Role::CreditOffice);
    let overdue = office.get("/v1/case-lines?overdue=true").ok();
    assert_eq!(overdue["lines"].as_array().unwrap().len(), 1);
    assert_eq!(office.get("/v1/cases?overdue=true").ok()["cases"][0]["case_no"], json!(number));

    let company = Company { caller: app.log_in_again(&company.caller), ..company };
    let withdraw = |reason: &str| company.caller.post(&format!("{}/{id}/withdraw", company.path()), &json!({ "reason": reason }));
    withdraw(" ").problem(422, "case_text_missing");
    assert_eq!(withdraw("已与处罚机关核对").ok()["state"], "withdrawn");
    assert!(!disputed(&app, 1), "and goes with it");
    withdraw("again").problem(409, "case_not_open");
    assert_eq!(office.get("/v1/case-lines?overdue=true").ok()["lines"], json!([]), "nothing is owed any more");
    // What was withdrawn stands in nobody's way.
    assert_eq!(company.file(&company.dispute()).ok()["case"]["case_no"], "YY13100020261127000001");
}

#[test]
fn wrong_codes_close_that_way_for_a_time_and_for_this_case_only() {
    let app = TestApp::new();
    let (one, two) = (Company::new(&app, 1, "2026-11-18"), Company::new(&app, 2, "2026-11-18"));
    let (first, second) = (one.file(&one.dispute()).ok(), two.file(&two.dispute()).ok());
    let look =
        |filed: &Value, code: &str| app.anonymous().post("/v1/case-lookups", &json!({ "case_no": filed["case"]["case_no"], "code": code }));
    let right = text(&first["code"]);
    for _ in 0..4 {
        look(&first, "AAAAAAAAAA").problem(404, "case_not_found");
    }
    // A right code forgets what was wrong before.
    look(&first, &right).ok();
    for _ in 0..5 {
        look(&first, "AAAAAAAAAA").problem(404, "case_not_found");
    }
    let locked = look(&first, &right).problem(429, "case_lookup_locked");
    assert_eq!(locked["retry_after_seconds"], 15 * 60);
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'case.lookup_locked'"), 1);
    look(&second, &text(&second["code"])).ok();
    look(&second, &right).problem(404, "case_not_found");
    // With a login it stays open, and with time the code opens it again.
    one.case(&text(&first["case"]["id"]));
    app.at("2026-11-23T02:15:00Z");
    look(&first, &right).ok();
}

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let app = TestApp::new();
    let (company, other) = (Company::new(&app, 1, "2026-11-18"), Company::new(&app, 2, "2026-11-18"));
    let good = company.dispute();
    let before = rows(&app);
    let refused = |case: Value, status: u16, code: &str| {
        let problem = company.file(&case).problem(status, code);
        assert_eq!(rows(&app), before, "{code}: {problem}");
        problem
    };
    let lines = |line: Value| with(&good, "lines", json!([line]));
    let record = &company.record;
    refused(with(&good, "lines", json!([])), 422, "case_lines_wrong");
    refused(with(&good, "lines", json!([good["lines"][0], good["lines"][0]])), 422, "case_lines_wrong");
    refused(with(&good, "statement", json!("  ")), 422, "case_text_missing");
    refused(with(&good, "statement", json!("长".repeat(4001))), 422, "case_text_too_long");
    refused(with(&good, "commitment", json!("x")), 422, "case_commitment_unfit");
    refused(with(&good, "applicant", json!("agent")), 422, "case_authorisation_missing");
    refused(with(&good, "authorisation", json!("委1")), 422, "case_authorisation_missing");
    refused(lines(json!({ "record_id": record })), 422, "case_line_unfit");
    refused(lines(json!({ "ground": "error" })), 422, "case_line_unfit");
    refused(lines(json!({ "record_id": record, "entry_id": record, "ground": "error" })), 422, "case_line_unfit");
    refused(lines(json!({ "record_id": record, "ground": "omission" })), 422, "case_line_unfit");
    refused(lines(json!({ "item": ITEM, "ground": "error" })), 422, "case_line_unfit");
    refused(lines(json!({ "item": "nothing", "ground": "omission" })), 422, "case_target_unknown");
    let known = refused(lines(json!({ "item": ITEM, "ground": "omission" })), 422, "case_agency_needed");
    assert!(known["known"].as_array().unwrap().contains(&json!("lf-amr")), "{known}");
    refused(lines(json!({ "record_id": uuid::Uuid::nil(), "ground": "error" })), 422, "case_target_unknown");
    refused(lines(json!({ "record_id": other.record, "ground": "error" })), 422, "case_target_unknown");
    refused(lines(json!({ "entry_id": record, "ground": "wrong_listing" })), 422, "case_target_unknown");
    let unknown = refused(lines(json!({ "record_id": record, "ground": "error", "wanted": { "X": "1" } })), 422, "case_field_unknown");
    assert_eq!(unknown["field"], "X");
    refused(with(&good, "papers", json!([{ "kind": "nothing", "attachment_id": company.upload() }])), 422, "case_paper_unknown");
    refused(with(&good, "papers", json!([{ "kind": "evidence", "attachment_id": uuid::Uuid::nil() }])), 422, "case_attachment_unknown");
    refused(with(&good, "papers", json!([{ "kind": "evidence", "attachment_id": other.upload() }])), 422, "case_attachment_unknown");
    for (field, value) in [("document_number", "110105194912310021"), ("email", "nobody")] {
        let mut bad = good.clone();
        bad["person"][field] = json!(value);
        refused(bad, 400, "malformed_request");
    }

    // The second case about the same record names the first, whatever its kind.
    let filed = company.file(&good).ok();
    let after = rows(&app);
    let open = company.file(&good).problem(409, "case_already_open");
    assert_eq!(open["case_no"], filed["case"]["case_no"]);
    assert_eq!(rows(&app), after);
}

#[test]
fn of_two_cases_at_once_one_is_filed() {
    let app = TestApp::new();
    let company = Company::new(&app, 1, "2026-11-18");
    let (caller, path, body) = (company.caller.clone(), company.path(), company.dispute());
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let (caller, path, body) = (caller.clone(), path.clone(), body.clone());
            std::thread::spawn(move || caller.post(&path, &body))
        })
        .collect();
    let answers: Vec<Answer> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let (filed, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(filed.len(), 1);
    for answer in refused {
        answer.problem(409, "case_already_open");
    }
    assert_eq!(app.count("SELECT count(*) FROM redress_cases"), 1);
    assert_eq!(app.count("SELECT count(*) FROM record_marks"), 1);
}

#[test]
fn an_omission_goes_to_whom_it_names_and_marks_nothing() {
    let app = TestApp::new();
    let company = Company::new(&app, 1, "2026-11-18");
    let line = json!({ "item": ITEM, "agency": "lf-amr", "ground": "omission", "wanted": { "CF_WSH": "廊市监处罚〔2026〕9号" } });
    let filed = company.file(&case("dispute", json!([line.clone(), line]))).ok();
    let lines = filed["case"]["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2, "two records may be missing");
    for line in lines {
        assert_eq!((line["target_id"].is_null(), line["agency"].as_str()), (true, Some("廊坊市市场监督管理局")));
    }
    assert_eq!(app.count("SELECT count(*) FROM record_marks"), 0);
}

#[test]
fn a_case_is_nobody_elses() {
    let app = TestApp::new();
    let (company, other) = (Company::new(&app, 1, "2026-11-18"), Company::new(&app, 2, "2026-11-18"));
    let id = text(&company.file(&company.dispute()).ok()["case"]["id"]);
    // Another subject, over its own path and over that of the owner.
    other.caller.get(&format!("{}/{id}", other.path())).problem(404, "case_not_found");
    other.caller.get(&format!("{}/{id}", company.path())).problem(404, "not_found");
    other.caller.post(&format!("{}/{id}/withdraw", other.path()), &json!({ "reason": "x" })).problem(404, "case_not_found");
    let paper = json!({ "papers": [{ "kind": "evidence", "attachment_id": other.upload() }] });
    other.caller.post(&format!("{}/{id}/papers", other.path()), &paper).problem(404, "case_not_found");
    assert_eq!(other.caller.get(&other.path()).ok()["cases"], json!([]));
    // An agency that decides nothing of it, and a clerk who did not take it in.
    let path = format!("/v1/cases/{id}");
    app.login_at(Role::Provider, Some("lf-tax")).get(&path).problem(404, "case_not_found");
    app.login_at(Role::Clerk, Some("lf-approval")).get(&path).problem(404, "case_not_found");
    app.login(Role::Clerk).post(&format!("{path}/withdraw"), &json!({ "reason": "x" })).problem(404, "case_not_found");
    app.provider("lf-amr").get(&path).problem(403, "official_needed");
    assert_eq!(app.login_at(Role::Provider, Some("lf-tax")).get("/v1/case-lines").ok()["lines"], json!([]));
    // Who decides reads it; who supervises reads it too, and both are in the access log.
    let official = app.login_at(Role::Provider, Some("lf-amr"));
    assert_eq!(official.get(&path).ok()["statement"], "罚款金额有误。");
    assert_eq!(official.get("/v1/case-lines?state=filed&kind=dispute").ok()["lines"][0]["case_id"], json!(id));
    official.get("/v1/case-lines?state=done").problem(422, "case_filter_unknown");
    let view = app.login(Role::CreditOffice).get(&path).ok();
    assert_eq!(view["lines"][0]["due_on"], "2026-11-26");
    assert_eq!((&view["papers"], &view["notices"]), (&json!([]), &json!([])));
    assert_eq!(
        app.count("SELECT count(*) FROM access_log WHERE action = 'case.read' AND outcome = 'granted' AND agency_id IS NOT NULL"),
        2
    );
}

#[test]
fn an_application_one_day_early_is_refused_and_on_the_day_it_is_taken() {
    let app = TestApp::new();
    // Three months after 23 August are over on 23 November.
    let mut company = Company::new(&app, 1, "2026-08-23");
    let early = company.eligibility();
    assert_eq!((early["may_apply"].as_bool(), early["from"].as_str()), (Some(false), Some("2026-11-24")));
    let because = text(&early["because"]);
    for part in ["自2026-11-24起可以申请", "publicity.regime@", "履行义务、纠正行为的证明"] {
        assert!(because.contains(part), "{because}");
    }
    let before = rows(&app);
    let problem = company.file(&company.repair()).problem(422, "repair_too_early");
    assert_eq!((problem["earliest_on"].as_str(), problem["line"].as_i64()), (Some("2026-11-24"), Some(1)));
    assert_eq!(rows(&app), before);
    // The day begins at midnight in China.
    company.at(&app, "2026-11-23T15:59:59Z");
    company.file(&company.repair()).problem(422, "repair_too_early");
    company.at(&app, "2026-11-23T16:00:00Z");
    assert_eq!(company.eligibility()["may_apply"], true);
    let filed = company.file(&company.repair()).ok();
    assert!(text(&filed["case"]["case_no"]).starts_with("XF13100020261124"));
    let now = company.eligibility();
    assert_eq!((now["may_apply"].as_bool(), &now["open_case"]), (Some(false), &filed["case"]["case_no"]));
    // While it is open the same record is not disputed.
    company.file(&company.dispute()).problem(409, "case_already_open");
}

#[test]
fn missing_papers_are_told_once_and_the_clocks_begin_with_the_last() {
    let app = TestApp::new();
    let mut company = Company::new(&app, 1, "2026-08-20");
    let bare = with(&company.repair(), "commitment", Value::Null);
    let filed = company.file(&bare).ok()["case"].clone();
    assert_eq!((filed["state"].as_str(), &filed["missing"]), (Some("incomplete"), &json!(["proof_of_performance", "commitment"])));
    assert_eq!(filed["complete_by"], "2026-11-30");
    let line = &filed["lines"][0];
    assert_eq!((line["state"].as_str(), line["due_on"].is_null(), line["total_due_on"].is_null()), (Some("incomplete"), true, true));
    let path = format!("{}/{}/papers", company.path(), text(&filed["id"]));

    company.caller.post(&path, &json!({ "papers": [] })).problem(422, "case_nothing_added");
    company.caller.post(&path, &json!({ "commitment": "  " })).problem(422, "case_text_missing");
    let committed = company.caller.post(&path, &json!({ "commitment": "承诺今后守法经营。" })).ok();
    assert_eq!(committed["missing"], json!(["proof_of_performance"]));
    assert_eq!(app.count("SELECT count(*) FROM redress_commitments"), 0, "published with the application, which is not complete");
    company.caller.post(&path, &json!({ "commitment": "再次承诺。" })).problem(422, "case_commitment_unfit");

    // The last day counts to its end.
    company.at(&app, "2026-11-30T15:00:00Z");
    let paper = json!({ "papers": [{ "kind": "proof_of_performance", "attachment_id": company.upload() }] });
    let complete = company.caller.post(&path, &paper).ok();
    assert_eq!((complete["state"].as_str(), &complete["missing"]), (Some("open"), &json!([])));
    let line = &complete["lines"][0];
    // From the day on which nothing was missing: three and ten working days after 30 November.
    assert_eq!((line["due_on"].as_str(), line["total_due_on"].as_str()), (Some("2026-12-03"), Some("2026-12-14")));
    assert_eq!((&line["due_rule"], &line["total_rule"]), (&json!("repair.accept_wd@2"), &json!("repair.total_wd@3")));
    assert_eq!(app.count("SELECT count(*) FROM redress_commitments WHERE given_on = '2026-11-30'"), 1);
    company.caller.post(&path, &paper).problem(422, "case_nothing_added");
    assert_eq!(app.count("SELECT count(*) FROM record_marks"), 0, "repair marks nothing");
}

#[test]
fn what_is_not_brought_in_time_lapses_and_can_be_applied_for_anew() {
    let app = TestApp::new();
    let mut company = Company::new(&app, 1, "2026-08-20");
    let id = text(&company.file(&company.repair()).ok()["case"]["id"]);
    company.at(&app, "2026-11-30T15:00:00Z");
    app.block_on(app.app.redress.lapse()).unwrap();
    assert_eq!(company.case(&id)["state"], "incomplete", "its last day is not over");
    company.at(&app, "2026-11-30T16:00:00Z");
    app.block_on(app.app.redress.lapse()).unwrap();
    let lapsed = company.case(&id);
    assert_eq!((lapsed["state"].as_str(), lapsed["lines"][0]["state"].as_str()), (Some("withdrawn"), Some("withdrawn")));
    assert_eq!(app.block_on(app.app.redress.lapse()).unwrap(), 0, "once");
    let paper = json!({ "papers": [{ "kind": "proof_of_performance", "attachment_id": company.upload() }] });
    company.caller.post(&format!("{}/{id}/papers", company.path()), &paper).problem(409, "case_not_open");
    company.file(&company.repair()).ok();
}

#[test]
fn what_was_bad_is_repaired_and_what_was_not_is_not() {
    let app = TestApp::new();
    let mut company = Company::new(&app, 1, "2026-08-20");
    app.provider("lf-amr").push("registration", "v1", &crate::support::builders::registration(1, "廊坊市试验1商贸有限公司").csv()).ok();
    let sql = format!("SELECT record_id::text FROM record_versions WHERE subject_id = '{}' AND item = 'registration'", company.subject);
    let registration: String = app.sql(&sql)[0].get(0);
    let with_lines = |lines: Value| with(&company.repair(), "lines", lines);
    company.file(&with_lines(json!([{ "record_id": registration }]))).problem(422, "repair_not_needed");
    company.file(&with_lines(json!([{ "record_id": company.record, "ground": "error" }]))).problem(422, "case_line_unfit");
    // One line that does not go refuses the whole.
    company.file(&with_lines(json!([{ "record_id": company.record }, { "record_id": registration }]))).problem(422, "repair_not_needed");
    assert_eq!(app.count("SELECT count(*) FROM redress_cases"), 0);

    // A bar holds to the end of its last day.
    app.sql(&format!(
        "{BAR} VALUES ('{}', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '虚假材料', '2026-11-01', '2026-11-24', 'x@1', gen_random_uuid(),
                now(), gen_random_uuid())",
        company.subject
    ));
    assert_eq!(company.file(&company.repair()).problem(422, "repair_barred")["until"], "2026-11-24");
    let barred = company.eligibility();
    assert_eq!((barred["may_apply"].as_bool(), barred["from"].as_str()), (Some(false), Some("2026-11-25")));
    company.file(&company.dispute()).ok();
    company.at(&app, "2026-11-24T16:00:00Z");
    // Who is barred disputes all the same; now it is the open dispute that stands in the way.
    company.file(&company.repair()).problem(409, "case_already_open");
}

#[test]
fn a_clerk_takes_a_persons_case_in_and_nobody_is_shown_more_than_that() {
    let app = TestApp::new();
    app.provider("lf-amr").push("administrative_penalty_person", "v2", &person_penalty(1).csv()).ok();
    let row = app.sql("SELECT subject_id::text, record_id::text FROM record_versions WHERE item = 'administrative_penalty_person'");
    let (subject, record): (String, String) = (row[0].get(0), row[0].get(1));
    let clerk = app.login(Role::Clerk);
    let mut body = case("dispute", json!([{ "record_id": record, "ground": "error" }]));
    body["statement"] = json!(format!("本人{NUMBER}，电话13912345678，未曾经营。"));
    clerk.post("/v1/cases", &body).problem(400, "malformed_request");
    body["document_kind"] = json!("身份证");
    body["document_number"] = json!(resident_id(1));
    clerk.post("/v1/cases", &with(&body, "subject_id", json!(subject))).problem(400, "malformed_request");
    clerk.post("/v1/cases", &with(&body, "document_number", json!(resident_id(2)))).problem(404, "subject_not_found");
    let filed = clerk.post("/v1/cases", &body).ok();
    let id = text(&filed["case"]["id"]);
    assert_eq!((filed["case"]["channel"].as_str(), &filed["case"]["subject_id"]), (Some("counter"), &json!(subject)));

    let receipt = clerk.get(&format!("/v1/cases/{id}/receipt")).ok();
    assert_eq!(receipt["case_no"], filed["case"]["case_no"]);
    assert_eq!((receipt["person_name"].as_str(), receipt["subject_name"].as_str()), (Some("张*"), Some("李*")));
    assert!(!receipt.to_string().contains(filed["code"].as_str().unwrap()), "the code is shown once");
    assert_eq!(clerk.get("/v1/cases").ok()["cases"][0]["id"], json!(id));
    let colleague = app.login_at(Role::Clerk, Some("lf-approval"));
    assert_eq!(colleague.get("/v1/cases").ok()["cases"], json!([]));
    colleague.get(&format!("/v1/cases/{id}/receipt")).problem(404, "case_not_found");
    // Who supervises sees the deadline, and nothing that was written about the person.
    let view = app.login(Role::Auditor).get(&format!("/v1/cases/{id}")).ok();
    assert_eq!((view["statement"].is_null(), view["lines"][0]["due_on"].as_str()), (true, Some("2026-11-26")));
    // The credit office has to look first whether the error is the platform's own, and cannot without knowing what is stated.
    let office = app.login(Role::CreditOffice).get(&format!("/v1/cases/{id}")).ok();
    assert!(text(&office["statement"]).contains("未曾经营"), "{office}");

    // The person's numbers stand nowhere in the clear.
    for number in [NUMBER, "13912345678", &resident_id(1)] {
        let found = app.count(&format!(
            "SELECT (SELECT count(*) FROM redress_cases c WHERE row_to_json(c)::text LIKE '%{number}%')
                  + (SELECT count(*) FROM redress_steps s WHERE row_to_json(s)::text LIKE '%{number}%')
                  + (SELECT count(*) FROM audit_entries a WHERE row_to_json(a)::text LIKE '%{number}%')
                  + (SELECT count(*) FROM access_log l WHERE row_to_json(l)::text LIKE '%{number}%')"
        ));
        assert_eq!(found, 0, "{number}");
    }
    let statement: String = app.sql("SELECT statement FROM redress_cases")[0].get(0);
    assert!(statement.contains("未曾经营"), "{statement}");
    clerk.post(&format!("/v1/cases/{id}/withdraw"), &json!({ "reason": "本人到场撤回" })).ok();
    assert_eq!(app.count("SELECT count(*) FROM record_marks WHERE known_to IS NULL"), 0);
}

#[test]
fn at_the_counter_an_application_needs_to_know_who_applies() {
    let app = TestApp::new();
    let company = Company::new(&app, 1, "2026-08-20");
    let clerk = app.login(Role::Clerk);
    // Not without the subject's word for it, which is kept.
    clerk.post("/v1/repair-eligibility", &json!({ "uscc": party(1) })).problem(400, "malformed_request");
    clerk.post("/v1/repair-eligibility", &json!({ "uscc": party(1), "authorisation": " " })).problem(422, "case_text_missing");
    let asked = clerk.post("/v1/repair-eligibility", &json!({ "uscc": party(1), "authorisation": "委2026-1" })).ok();
    let kept =
        "SELECT count(*) FROM access_log WHERE action = 'repair.eligibility' AND authorisation = '委2026-1' AND purpose = '信用修复咨询'";
    assert_eq!(app.count(kept), 1);
    assert_eq!((&asked["subject_id"], asked["targets"][0]["may_apply"].as_bool()), (&json!(company.subject), Some(true)));
    let upload =
        |name: &str| clerk.post_bytes(&format!("/v1/attachments?file_name={name}.pdf"), "application/octet-stream", PDF).ok()["id"].clone();
    let mut body = company.repair();
    body["uscc"] = json!(party(1));
    body["applicant"] = json!("agent");
    body["authorisation"] = json!("委2026-1");
    body["papers"] = json!([{ "kind": "proof_of_performance", "attachment_id": upload("proof") }]);
    let filed = clerk.post("/v1/cases", &body).ok()["case"].clone();
    assert_eq!(filed["missing"], json!(["identity", "authorisation"]));
    let path = format!("/v1/cases/{}/papers", text(&filed["id"]));
    // What the subject uploaded for itself is not the agency's, and the other way round.
    clerk
        .post(&path, &json!({ "papers": [{ "kind": "identity", "attachment_id": company.upload() }] }))
        .problem(422, "case_attachment_unknown");
    let papers = json!([
        { "kind": "identity", "attachment_id": upload("identity") }, { "kind": "authorisation", "attachment_id": upload("authorisation") },
    ]);
    let complete = clerk.post(&path, &json!({ "papers": papers })).ok();
    assert_eq!((complete["state"].as_str(), complete["papers"].as_array().map(Vec::len)), (Some("open"), Some(3)));
    let read = "SELECT count(*) FROM access_log WHERE action = 'case.read' AND outcome = 'granted' AND agency_id IS NOT NULL";
    assert_eq!(app.count(read), 1, "what the clerk is shown is logged");
    // The subject sees what was filed for it.
    assert_eq!(company.case(&text(&filed["id"]))["case_no"], filed["case_no"]);
}

#[test]
fn cases_are_paged_without_gaps_and_numbers_do_not_repeat() {
    let app = TestApp::new();
    let companies: Vec<Company> = (1..=5).map(|n| Company::new(&app, n, "2026-11-18")).collect();
    let mut numbers: Vec<String> = companies.iter().map(|c| text(&c.file(&c.dispute()).ok()["case"]["case_no"])).collect();
    let office = app.login(Role::CreditOffice);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = office.get(&format!("/v1/cases?limit=2{cursor}")).ok();
        seen.extend(page["cases"].as_array().unwrap().iter().map(|c| text(&c["case_no"])));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    numbers.reverse();
    assert_eq!(seen, numbers, "newest first, each once");
    assert_eq!(numbers[0], "YY13100020261123000005");
    let first = office.get("/v1/case-lines?limit=3").ok();
    let rest = office.get(&format!("/v1/case-lines?limit=3&cursor={}", text(&first["next"]))).ok();
    assert_eq!((first["lines"].as_array().unwrap().len(), rest["lines"].as_array().unwrap().len()), (3, 2));
    assert!(rest["next"].is_null());
}

#[test]
fn a_paper_does_not_stand_for_the_commitment_that_everybody_may_read() {
    let app = TestApp::new();
    let company = Company::new(&app, 1, "2026-08-20");
    let paper = |kind: &str| json!({ "kind": kind, "attachment_id": company.upload() });
    let mut body = with(&company.repair(), "commitment", Value::Null);
    body["papers"] = json!([paper("proof_of_performance"), paper("commitment")]);
    let filed = company.file(&body).ok()["case"].clone();
    assert_eq!((filed["state"].as_str(), &filed["missing"]), (Some("incomplete"), &json!(["commitment"])));
    let path = format!("{}/{}/papers", company.path(), text(&filed["id"]));
    let still = company.caller.post(&path, &json!({ "papers": [paper("commitment")] })).ok();
    assert_eq!((still["state"].as_str(), &still["missing"]), (Some("incomplete"), &json!(["commitment"])));
    let complete = company.caller.post(&path, &json!({ "commitment": "承诺今后守法经营。" })).ok();
    assert_eq!((complete["state"].as_str(), &complete["missing"]), (Some("open"), &json!([])));
    assert_eq!(app.count("SELECT count(*) FROM redress_commitments"), 1, "nobody is repaired without a commitment that is published");
}

#[test]
fn the_first_day_is_reckoned_by_the_regime_that_holds_on_it() {
    let app = TestApp::new();
    app.at("2026-03-02T02:00:00Z");
    let push = |n: u32, decided: &str| {
        let table = penalty(n).set(0, "处罚类别", "责令停产停业").set(0, "罚款金额（万元）", "").set(0, "处罚决定日期", decided);
        app.provider("lf-amr").push(ITEM, "v2", &table.set(0, "公示截止期", "2029-01-20").set(0, "处罚有效期", "2029-01-20").csv()).ok();
        let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=administrative_penalty", party(n))).ok();
        let subject = text(&file["subject"]["id"]);
        let clerk = app.login(Role::Clerk);
        let asked = clerk.post("/v1/repair-eligibility", &json!({ "subject_id": subject, "authorisation": "委1" })).ok();
        asked["targets"][0].clone()
    };
    // Three months after 20 January end within the next regime, under which it is serious and waits for a year.
    let late = push(1, "2026-01-20");
    assert_eq!((late["may_apply"].as_bool(), late["from"].as_str()), (Some(false), Some("2027-01-21")), "{late}");
    assert!(late["rules"].as_array().unwrap().contains(&json!("publicity.regime@4")), "{late}");
    // Those after 20 December end before it, and then it goes.
    let early = push(2, "2025-12-20");
    assert_eq!((early["may_apply"].as_bool(), early["from"].as_str()), (Some(false), Some("2026-03-21")), "{early}");
    assert!(early["rules"].as_array().unwrap().contains(&json!("publicity.regime@3")), "{early}");
}

#[test]
fn shielding_is_asked_for_with_the_ruling_before_the_minimum_period_is_over() {
    let app = TestApp::new();
    let company = Company::new(&app, 1, "2026-11-18");
    let paper = |kind: &str| json!({ "kind": kind, "attachment_id": company.upload() });
    let body = with(&company.repair(), "papers", json!([paper("proof_of_performance")]));
    company.file(&body).problem(422, "repair_too_early");
    let body = with(&body, "papers", json!([paper("proof_of_performance"), paper("court_ruling")]));
    let filed = company.file(&body).ok()["case"].clone();
    let line = format!("/v1/case-lines/{}", text(&filed["lines"][0]["id"]));
    app.login_at(Role::Provider, Some("lf-amr")).post(&format!("{line}/accept"), &json!({})).ok();
    let chief = app.login_at(Role::Approver, Some("lf-amr"));
    let decide = |outcome: &str| chief.post(&format!("{line}/decide"), &json!({ "outcome": outcome, "reason": "理由" }));
    // The ruling shields; it is no way round the minimum period.
    assert_eq!(decide("granted").problem(422, "outcome_not_fitting")["field"], "outcome");
    assert_eq!(app.count("SELECT count(*) FROM record_versions WHERE state = 'repaired'"), 0);
    decide("shielded").ok();
    assert_eq!(app.count("SELECT count(*) FROM record_versions WHERE state = 'shielded' AND known_to IS NULL"), 1);
}

#[test]
fn who_is_barred_while_papers_are_missing_does_not_complete() {
    let app = TestApp::new();
    let company = Company::new(&app, 1, "2026-08-20");
    let id = text(&company.file(&company.repair()).ok()["case"]["id"]);
    app.sql(&format!(
        "{BAR} VALUES ('{}', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '虚假材料', '2026-11-23', '2026-12-24', 'x@1', gen_random_uuid(),
                now(), gen_random_uuid())",
        company.subject
    ));
    let before = rows(&app);
    let paper = json!({ "papers": [{ "kind": "proof_of_performance", "attachment_id": company.upload() }] });
    let refused = company.caller.post(&format!("{}/{id}/papers", company.path()), &paper).problem(422, "repair_barred");
    assert_eq!((refused["until"].as_str(), rows(&app)), (Some("2026-12-24"), before));
    assert_eq!(company.case(&id)["state"], "incomplete");
}

#[test]
fn a_training_that_is_recorded_later_is_the_last_of_what_was_missing() {
    let app = TestApp::new();
    // Under the regime of 2019 a serious case needs a training and a report.
    app.at("2023-04-10T02:00:00Z");
    let table = penalty(1).set(0, "处罚类别", "责令停产停业").set(0, "罚款金额（万元）", "").set(0, "处罚决定日期", "2022-06-01");
    let table = table.set(0, "处罚有效期", "2025-06-01").set(0, "公示截止期", "2025-06-01");
    app.provider("lf-amr").push(ITEM, "v2", &table.csv()).ok();
    let row = app.sql(&format!("SELECT subject_id::text, record_id::text FROM record_versions WHERE item = '{ITEM}'"));
    let (subject, record): (String, String) = (row[0].get(0), row[0].get(1));
    let clerk = app.login(Role::Clerk);
    let paper = |kind: &str| {
        let stored = clerk.post_bytes(&format!("/v1/attachments?file_name={kind}.pdf"), "application/octet-stream", PDF).ok();
        json!({ "kind": kind, "attachment_id": stored["id"] })
    };
    let official = app.login_at(Role::Provider, Some("lf-amr"));
    let train = |held_on: &str| {
        let training = json!({ "subject_id": subject, "kind": "training", "held_on": held_on, "organiser": "市信用办" });
        official.post("/v1/repair-trainings", &training).ok();
    };
    // One that was held before the decision was for something else.
    train("2022-05-31");
    let mut body = case("repair", json!([{ "record_id": record }]));
    body["subject_id"] = json!(subject);
    body["commitment"] = json!("承诺今后守法经营。");
    body["papers"] = json!([paper("proof_of_performance"), paper("credit_report"), paper("identity")]);
    let filed = clerk.post("/v1/cases", &body).ok()["case"].clone();
    assert_eq!((filed["state"].as_str(), &filed["missing"]), (Some("incomplete"), &json!(["training_certificate"])));
    let id = text(&filed["id"]);
    let add = || clerk.post(&format!("/v1/cases/{id}/papers"), &json!({ "papers": [] }));
    add().problem(422, "case_nothing_added");
    train("2022-06-01");
    assert_eq!(clerk.get(&format!("/v1/cases/{id}")).ok()["missing"], json!([]), "it is seen before anybody brings anything");
    let complete = add().ok();
    assert_eq!((complete["state"].as_str(), complete["lines"][0]["state"].as_str()), (Some("open"), Some("filed")));
    add().problem(422, "case_nothing_added");
}
