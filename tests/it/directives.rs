//! Directives against agencies that are early, late, wrong, twice or at the same time as the exit of what their directive rests on; and the reminders that
//! follow a deadline.

use crate::support::builders::{defaulter, defaulters, party, penalties, penalty};
use crate::support::{Answer, Caller, TestApp};
use credence_core::Role;
use credence_dispatch::service::reminders::remind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};
use std::time::Duration;

/// Agencies with something to do about every judgment defaulter, and how many measures each.
const CONCERNED: [(&str, usize); 6] =
    [("lf-amr", 2), ("lf-approval", 2), ("lf-housing", 2), ("lf-reform", 2), ("lf-transport", 2), ("lf-water", 1)];

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn strings<'a>(values: impl IntoIterator<Item = &'a Value>, key: &str) -> Vec<String> {
    values.into_iter().map(|value| text(&value[key])).collect()
}

/// Puts organisations, numbered from `from`, on the list of judgment defaulters. Its memorandum starts by itself: their directives are out.
pub fn list_defaulters(app: &TestApp, from: u32, count: u32) {
    app.provider("lf-court").push("judgment_defaulter", "v1", &defaulters(from, count).csv()).ok();
    app.settle();
}

/// The court takes a defaulter back; what follows from it is left to follow.
pub fn take_back(app: &TestApp, court: &Caller, n: u32) {
    let rows = app.sql(&format!(
        "SELECT subject_id::text, record_id::text FROM record_versions
          WHERE item = 'judgment_defaulter' AND known_to IS NULL AND data->>'CASE_CODE' LIKE '%执{n}号'"
    ));
    let (subject, record) = (rows[0].get::<_, String>(0), rows[0].get::<_, String>(1));
    court.post(&format!("/v1/subjects/{subject}/records/{record}/withdraw"), &json!({ "reason": "误列" })).ok();
}

/// The market regulator with the two officials that an entry on the list of serious violations takes.
pub struct Authority {
    official: String,
    chief: String,
}

impl Authority {
    pub fn new(app: &TestApp) -> Self {
        Self { official: app.account(Role::Provider, Some("lf-amr")), chief: app.account(Role::Approver, Some("lf-amr")) }
    }

    /// Who proposes, with a fresh token.
    pub fn official(&self, app: &TestApp) -> Caller {
        app.log_in(&self.official)
    }

    /// Who decides, with a fresh token.
    pub fn chief(&self, app: &TestApp) -> Caller {
        app.log_in(&self.chief)
    }

    /// Penalises organisations on 2026-11-23, proposes their entries and serves the notices; the entries.
    pub fn noticed(&self, app: &TestApp, numbers: impl IntoIterator<Item = u32>, responsible: &Value) -> Vec<String> {
        let official = self.official(app);
        let one = |n: u32| {
            official.push("administrative_penalty_organisation", "v2", &penalty(n).csv()).ok();
            let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=administrative_penalty", party(n))).ok();
            let proposal = json!({
                "list": "serious_illegality", "uscc": party(n), "facts": "受到较重行政处罚", "legal_basis": "总局令第44号第九条",
                "measures": ["government_procurement_limit", "tendering_limit"], "responsible": responsible,
                "ground_record_id": file["sections"][0]["statements"][0]["record_id"],
            });
            let entry = text(&official.post("/v1/list-entries", &proposal).ok()["id"]);
            let notice = json!({ "notice_no": "告1", "served_on": "2026-11-23", "method": "direct", "proof": "回证1" });
            official.post(&format!("/v1/list-entries/{entry}/notice"), &notice).ok();
            entry
        };
        numbers.into_iter().map(one).collect()
    }

    /// Decides on 2026-12-01 about entries that were noticed, and puts them on the list. Their joint action waits for the credit office.
    pub fn publish(&self, app: &TestApp, entries: &[String]) {
        let (official, chief) = (self.official(app), self.chief(app));
        for entry in entries {
            chief.post(&format!("/v1/list-entries/{entry}/decide"), &json!({ "decision_no": "列1", "decided_on": "2026-12-01" })).ok();
            official.post(&format!("/v1/list-entries/{entry}/publish"), &json!({})).ok();
        }
    }

    /// The whole procedure; the clock is at 2026-12-01 afterwards.
    pub fn listed(&self, app: &TestApp, numbers: impl IntoIterator<Item = u32>, responsible: &Value) -> Vec<String> {
        let entries = self.noticed(app, numbers, responsible);
        app.at("2026-12-01T02:00:00Z");
        self.publish(app, &entries);
        entries
    }
}

/// The credit office confirms the joint action about an entry: its directives are out.
pub fn confirm(office: &Caller, entry: &str) {
    let page = office.get(&format!("/v1/joint-actions?state=proposed&entry_id={entry}")).ok();
    let actions = strings(page["items"].as_array().unwrap(), "id");
    assert_eq!(actions.len(), 1);
    office.post(&format!("/v1/joint-actions/{}/confirm", actions[0]), &json!({})).ok();
}

fn inbox(caller: &Caller, after: Option<&str>, query: &str) -> (Vec<Value>, String) {
    let after = after.map(|cursor| format!("&after={cursor}")).unwrap_or_default();
    let page = caller.get(&format!("/v1/inbox?{query}{after}")).ok();
    (page["messages"].as_array().unwrap().clone(), text(&page["next"]))
}

/// The next `n` messages of an agency after a cursor, and the cursor behind them.
pub fn take(caller: &Caller, after: Option<&str>, n: usize) -> (Vec<Value>, String) {
    let (mut messages, mut cursor) = (Vec::new(), after.map(str::to_owned));
    while messages.len() < n {
        let (more, next) = inbox(caller, cursor.as_deref(), &format!("wait=20&limit={}", (n - messages.len()).min(200)));
        assert!(!more.is_empty(), "only {} of {n} messages came", messages.len());
        messages.extend(more);
        cursor = Some(next);
    }
    (messages, cursor.unwrap_or_default())
}

/// A step of an agency about a directive: `accept`, `decline`, `feedback`, `complete`.
pub fn act(caller: &Caller, directive: &str, step: &str, body: &Value) -> Answer {
    caller.post(&format!("/v1/directives/{directive}/{step}"), body)
}

/// Feedback that says what was done.
pub fn said(content: &str) -> Value {
    json!({ "content": content, "field_area": "招标投标", "effect": "已落实", "status": "已执行" })
}

/// A body with which a step is sound.
fn sound(step: &str) -> Value {
    match step {
        "accept" => json!({}),
        "decline" => json!({ "reason": "不在本单位职责内" }),
        _ => said("已列入限制名单"),
    }
}

const STEPS: [&str; 4] = ["accept", "decline", "feedback", "complete"];

/// Directives of an agency, or releases, in the order of its inbox.
fn ids(app: &TestApp, agency: &str, kind: &str, condition: &str) -> Vec<String> {
    let query = format!(
        "SELECT d.id::text FROM directives d JOIN agencies a ON a.id = d.agency_id
          WHERE a.code = '{agency}' AND d.kind = '{kind}' AND {condition} ORDER BY d.issued_xid, d.issued_order"
    );
    app.sql(&query).iter().map(|row| row.get(0)).collect()
}

/// The only directive of an agency with a measure.
fn only(app: &TestApp, agency: &str, measure: &str) -> String {
    let found = ids(app, agency, "execute", &format!("d.measure = '{measure}'"));
    assert_eq!(found.len(), 1);
    found[0].clone()
}

fn state(app: &TestApp, directive: &str) -> String {
    app.sql(&format!("SELECT state FROM directives WHERE id = '{directive}'"))[0].get(0)
}

/// Everything that an answer of an agency could change, as it was.
struct Unchanged<'a> {
    app: &'a TestApp,
    before: String,
}

impl<'a> Unchanged<'a> {
    fn now(app: &'a TestApp) -> Self {
        Self { app, before: Self::picture(app) }
    }

    fn picture(app: &TestApp) -> String {
        app.sql(
            "SELECT concat_ws(' ', (SELECT md5(string_agg(d::text, '' ORDER BY d.id)) FROM directives d), (SELECT count(*) FROM directive_feedback),
                              (SELECT count(*) FROM idempotency_keys), (SELECT count(*) FROM audit_entries WHERE action LIKE 'directive.%'))",
        )[0]
        .get(0)
    }

    /// The problem of an answer that changed nothing.
    fn after(&self, answer: Answer, status: u16, code: &str) -> Value {
        let problem = answer.problem(status, code);
        assert_eq!(Self::picture(self.app), self.before, "{code}");
        problem
    }
}

/// Lets `n` act at the same moment.
fn at_once<T: Send>(n: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let begin = Barrier::new(n);
    let one = |at: usize| {
        begin.wait();
        act(at)
    };
    std::thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = (0..n).map(|at| scope.spawn(move || one(at))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// How often each outcome came: the status of a success, status and code of a problem.
fn outcomes(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        let outcome =
            if answer.status < 300 { answer.status.to_string() } else { format!("{} {}", answer.status, text(&answer.json()["code"])) };
        *counts.entry(outcome).or_default() += 1;
    }
    counts
}

fn counted<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.into_iter().map(|(outcome, n)| (outcome.to_owned(), n)).collect()
}

fn upload(caller: &Caller) -> String {
    let pdf = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n";
    text(&caller.post_bytes("/v1/attachments?file_name=1.pdf", "application/octet-stream", pdf).ok()["id"])
}

fn check(caller: &Caller, n: u32) -> String {
    let asked = json!({ "subject": { "kind": "organisation", "uscc": party(n) }, "matter": "工程招投标", "case_no": "LF-1", "purpose": "投标资格审查" });
    text(&caller.post("/v1/checks", &asked).ok()["check_id"])
}

#[test]
fn an_answer_by_the_wrong_one_or_in_the_wrong_state_is_refused_and_changes_nothing() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    list_defaulters(&app, 1, 1);
    let (water, reform) = (app.key("lf-water", Role::Consumer), app.key("lf-reform", Role::Consumer));
    let directive = only(&app, "lf-water", "tendering_limit");
    let path = format!("/v1/directives/{directive}");

    // Nobody has it yet, and reading it elsewhere does not hand it out.
    let still = Unchanged::now(&app);
    for step in ["accept", "decline", "feedback"] {
        still.after(act(&water, &directive, step, &sound(step)), 409, "directive_not_delivered");
    }
    still.after(act(&water, &directive, "complete", &sound("complete")), 409, "directive_wrong_state");
    still.after(water.get(&path), 409, "directive_not_delivered");
    assert_eq!(water.get("/v1/directives").ok()["items"], json!([]));

    let (_, read) = take(&water, None, 1);
    let still = Unchanged::now(&app);
    let office = app.login(Role::CreditOffice);
    for step in STEPS {
        still.after(act(&reform, &directive, step, &sound(step)), 404, "directive_not_found");
        still.after(act(&water, &uuid::Uuid::nil().to_string(), step, &sound(step)), 404, "directive_not_found");
        still.after(act(&water, "1", step, &sound(step)), 404, "not_found");
        still.after(act(&app.anonymous(), &directive, step, &sound(step)), 401, "unauthenticated");
        still.after(act(&app.provider("lf-water"), &directive, step, &sound(step)), 403, "forbidden");
        still.after(act(&office, &directive, step, &sound(step)), 403, "forbidden");
    }
    still.after(reform.get(&path), 404, "directive_not_found");
    for step in ["feedback", "complete"] {
        let refused = still.after(act(&water, &directive, step, &sound(step)), 409, "directive_wrong_state");
        assert_eq!((&refused["state"], &refused["kind"]), (&json!("delivered"), &json!("execute")));
    }

    act(&water, &directive, "accept", &json!({})).ok();
    let still = Unchanged::now(&app);
    for step in ["accept", "decline", "complete"] {
        let refused = still.after(act(&water, &directive, step, &sound(step)), 409, "directive_wrong_state");
        assert_eq!(refused["state"], "accepted");
    }
    let (others, _) = take(&reform, None, 2);
    let declined = text(&others[0]["id"]);
    act(&reform, &declined, "decline", &sound("decline")).ok();
    let still = Unchanged::now(&app);
    for step in STEPS {
        still.after(act(&reform, &declined, step, &sound(step)), 409, "directive_wrong_state");
    }

    // The ground falls: those who had it get a release, and nothing is said under the directive any more; for the others it never was.
    take_back(&app, &court, 1);
    app.settle();
    let release = ids(&app, "lf-water", "release", "true")[0].clone();
    let never = ids(&app, "lf-housing", "execute", "d.state = 'cancelled'");
    assert_eq!(never.len(), 2);
    let housing = app.key("lf-housing", Role::Consumer);
    let still = Unchanged::now(&app);
    for step in ["accept", "decline", "feedback"] {
        still.after(act(&water, &directive, step, &sound(step)), 409, "directive_released");
        still.after(act(&water, &release, step, &sound(step)), 409, "directive_wrong_state");
    }
    still.after(act(&water, &release, "complete", &sound("complete")), 409, "directive_not_delivered");
    for step in STEPS {
        still.after(act(&housing, &never[0], step, &sound(step)), 404, "directive_not_found");
    }
    still.after(housing.get(&format!("/v1/directives/{}", never[0])), 404, "directive_not_found");

    let (messages, _) = take(&water, Some(&read), 1);
    assert_eq!((&messages[0]["topic"], text(&messages[0]["id"])), (&json!("directive.release"), release.clone()));
    let still = Unchanged::now(&app);
    assert_eq!(still.after(act(&water, &release, "complete", &json!({})), 422, "bad_feedback")["field"], "content");
    let done = act(&water, &release, "complete", &said("已移出限制名单")).ok();
    assert_eq!((&done["state"], &done["due_on"]), (&json!("completed"), &Value::Null));
    let still = Unchanged::now(&app);
    for step in STEPS {
        let body = if step == "decline" { sound(step) } else { said("又一次") };
        still.after(act(&water, &release, step, &body), 409, "directive_wrong_state");
    }
}

#[test]
fn what_an_agency_says_has_to_be_sound_and_new() {
    let app = TestApp::new();
    list_defaulters(&app, 1, 1);
    app.provider("lf-amr").push("administrative_penalty_organisation", "v2", &penalties(2, 1).csv()).ok();
    let (water, reform) = (app.key("lf-water", Role::Consumer), app.key("lf-reform", Role::Consumer));
    let directive = only(&app, "lf-water", "tendering_limit");
    take(&water, None, 1);
    let (own, second, foreign) = (upload(&water), upload(&water), upload(&reform));
    let (checked, about_another, anothers) = (check(&water, 1), check(&water, 2), check(&reform, 1));
    let long = "长".repeat(app.app.settings.dispatch.text_chars_max + 1);

    let still = Unchanged::now(&app);
    let decline = |body: &Value| act(&water, &directive, "decline", body);
    still.after(decline(&json!({})), 422, "decline_reason_missing");
    still.after(decline(&json!({ "reason": " \n " })), 422, "decline_reason_missing");
    for reason in [long.as_str(), "响铃\u{7}"] {
        assert_eq!(still.after(decline(&json!({ "reason": reason })), 422, "bad_feedback")["field"], "reason");
    }
    still.after(decline(&json!({ "reason": "x", "because": "y" })), 400, "malformed_request");

    act(&water, &directive, "accept", &json!({})).ok();
    let still = Unchanged::now(&app);
    let with = |key: &str, value: Value| {
        let mut body = said("列入招投标限制名单");
        body[key] = value;
        act(&water, &directive, "feedback", &body)
    };
    for (field, value) in [
        ("content", json!("")),
        ("content", json!(" \n ")),
        ("content", json!(long)),
        ("content", json!("一\u{0}")),
        ("field_area", json!(long)),
        ("effect", json!("一\t二")),
        ("status", json!("\u{1b}[31m")),
        ("measure_text", json!(long)),
        ("measure_text", json!("\u{85}一\u{9c}")),
        ("kind_code", json!("3")),
        ("started_on", json!("0202-11-23")),
        ("attachments", json!((0..11).map(|_| uuid::Uuid::now_v7()).collect::<Vec<_>>())),
    ] {
        assert_eq!(still.after(with(field, value.clone()), 422, "bad_feedback")["field"], field, "{value}");
    }
    let mut backwards = said("x");
    backwards["started_on"] = json!("2026-11-23");
    backwards["ended_on"] = json!("2026-11-22");
    assert_eq!(still.after(act(&water, &directive, "feedback", &backwards), 422, "bad_feedback")["field"], "ended_on");
    for (key, value) in [
        ("started_on", json!("2026-02-30")),
        ("ended_on", json!("9999999-01-01")),
        ("started_on", json!(20261123)),
        ("attachments", json!(["x"])),
        ("more", json!("x")),
    ] {
        still.after(with(key, value), 400, "malformed_request");
    }
    still.after(water.post_bytes(&format!("/v1/directives/{directive}/feedback"), "application/json", b"{"), 400, "malformed_request");
    for attachment in [foreign.clone(), uuid::Uuid::now_v7().to_string()] {
        still.after(with("attachments", json!([attachment])), 422, "attachment_unknown");
        still.after(with("attachments", json!([own, attachment])), 422, "attachment_unknown");
    }
    for unknown in [about_another, anothers, uuid::Uuid::now_v7().to_string()] {
        let refused = still.after(with("check_id", json!(unknown)), 422, "check_unknown");
        assert_eq!(refused["check_id"], json!(unknown));
    }

    let whole = json!({
        "content": "列入招投标限制名单\n并告知评标专家库", "field_area": "招标投标", "effect": "已落实", "status": "已执行", "check_id": checked,
        "attachments": [second, own], "started_on": "2026-11-23",
    });
    let given = act(&water, &directive, "feedback", &whole);
    assert_eq!(given.status, 201);
    assert_eq!(given.ok()["state"], "reported");
    let still = Unchanged::now(&app);
    let changed = |key: &str, value: Value| {
        let mut body = whole.clone();
        body[key] = value;
        act(&water, &directive, "feedback", &body)
    };
    // The same in other words of the same meaning is the same.
    for (key, value) in [
        ("content", whole["content"].clone()),
        ("content", json!("  列入招投标限制名单\n并告知评标专家库 \n")),
        ("attachments", json!([own, second, own])),
        ("kind_code", json!("sanction")),
        ("measure_text", json!(" 限制参与工程招投标 ")),
    ] {
        still.after(changed(key, value), 409, "duplicate_feedback");
    }
    assert_eq!(changed("started_on", json!("2026-11-24")).status, 201);
    let view = water.get(&format!("/v1/directives/{directive}")).ok();
    let feedback = view["feedback"].as_array().unwrap();
    assert_eq!(strings(feedback, "started_on"), ["2026-11-23", "2026-11-24"]);
    assert_eq!(feedback[0]["measure_text"], "限制参与工程招投标");
    assert_eq!((feedback[0]["attachments"].as_array().unwrap().len(), &feedback[0]["check_id"]), (2, &json!(checked)));
}

#[test]
fn a_directive_whose_ground_is_in_doubt_is_not_accepted_until_it_stands_again() {
    let app = TestApp::new();
    let authority = Authority::new(&app);
    let entry = authority.listed(&app, [1], &json!([])).remove(0);
    let (housing, reform) = (app.key("lf-housing", Role::Consumer), app.key("lf-reform", Role::Consumer));
    let (has_it, waits) = (only(&app, "lf-housing", "tendering_limit"), only(&app, "lf-reform", "tendering_limit"));
    for step in STEPS {
        // The credit office has not confirmed.
        act(&housing, &has_it, step, &sound(step)).problem(404, "directive_not_found");
    }
    confirm(&app.login(Role::CreditOffice), &entry);
    let (_, read) = take(&housing, None, 1);

    let rows = app.sql("SELECT subject_id::text, record_id::text FROM record_versions WHERE known_to IS NULL");
    let (subject, record) = (rows[0].get::<_, String>(0), rows[0].get::<_, String>(1));
    let correction = json!({ "fields": { "CF_NR": "罚款贰仟元整" }, "reason": "笔误" });
    authority.official(&app).post(&format!("/v1/subjects/{subject}/records/{record}/correct"), &correction).ok();
    // At once, whether or not anything has followed it.
    act(&housing, &has_it, "accept", &json!({})).problem(409, "directive_held");
    app.settle();
    assert_eq!((state(&app, &has_it).as_str(), state(&app, &waits).as_str()), ("delivered", "held"));
    let still = Unchanged::now(&app);
    still.after(act(&housing, &has_it, "accept", &json!({})), 409, "directive_held");
    for step in ["accept", "decline", "feedback"] {
        still.after(act(&reform, &waits, step, &sound(step)), 409, "directive_held");
    }
    still.after(reform.get(&format!("/v1/directives/{waits}")), 404, "directive_not_found");

    authority.chief(&app).post(&format!("/v1/list-entries/{entry}/confirm-ground"), &json!({ "reason": "更正不影响列入" })).ok();
    act(&housing, &has_it, "accept", &json!({})).ok();
    let (messages, _) = take(&reform, None, 1);
    assert_eq!(text(&messages[0]["id"]), waits);
    act(&reform, &waits, "accept", &json!({})).ok();
    // It is not handed out a second time: its agency is told that the ground stands.
    let (messages, read) = take(&housing, Some(&read), 1);
    assert_eq!((&messages[0]["topic"], &messages[0]["directive"]["id"]), (&json!("directive.update"), &json!(has_it)));
    assert_eq!((&messages[0]["reminder"]["kind"], &messages[0]["directive"]["suspended"]), (&json!("updated"), &json!(false)));
    assert_eq!(inbox(&housing, Some(&read), "limit=200").0, Vec::<Value>::new());
}

#[test]
fn an_entry_that_is_over_takes_no_more_answers_although_nothing_has_swept_yet() {
    let app = TestApp::with(|s| s.jobs.poll_milliseconds = 3_600_000);
    let entry = Authority::new(&app).listed(&app, [1], &json!([])).remove(0);
    confirm(&app.login(Role::CreditOffice), &entry);
    let agency = |code: &str| app.key(code, Role::Consumer);
    let (approval, reform, housing, water) = (agency("lf-approval"), agency("lf-reform"), agency("lf-housing"), agency("lf-water"));
    let of = |caller: &Caller| text(&take(caller, None, 1).0[0]["id"]);
    let (reports, accepts, late) = (of(&approval), of(&reform), of(&housing));
    act(&approval, &reports, "accept", &json!({})).ok();

    app.at("2029-12-01T15:59:59Z");
    act(&reform, &accepts, "accept", &json!({})).ok();
    assert_eq!(act(&approval, &reports, "feedback", &said("最后一日仍在执行")).ok()["state"], "reported");

    app.at("2029-12-01T16:00:00Z");
    let still = Unchanged::now(&app);
    for answer in [
        act(&housing, &late, "accept", &json!({})),
        act(&reform, &accepts, "feedback", &said("已列入限制名单")),
        act(&approval, &reports, "feedback", &said("次日仍在执行")),
    ] {
        assert_eq!(still.after(answer, 409, "entry_expired")["expires_on"], "2029-12-01");
    }
    assert_eq!(inbox(&water, None, "limit=200").0, Vec::<Value>::new(), "nobody is told to act on what is over");
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE state = 'exited'"), 0);

    app.settle();
    act(&housing, &late, "accept", &json!({})).problem(409, "directive_released");
    act(&approval, &reports, "feedback", &said("次日仍在执行")).problem(409, "directive_released");
    assert_eq!(
        app.count("SELECT count(*) FROM directives WHERE kind = 'execute' AND state = 'cancelled'"),
        2,
        "transport and water never had it"
    );
    assert_eq!(app.count("SELECT count(*) FROM directives WHERE kind = 'release' AND state = 'issued'"), 3);
}

#[test]
fn of_answers_at_once_each_that_says_something_new_counts_once() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    list_defaulters(&app, 1, 2);
    let mut releases = Vec::new();
    for code in ["lf-housing", "lf-transport", "lf-reform", "lf-approval"] {
        let caller = app.key(code, Role::Consumer);
        let (messages, read) = take(&caller, None, 4);
        let directives = strings(&messages, "id");
        for directive in &directives[..2] {
            let accepted = at_once(4, |_| act(&caller, directive, "accept", &json!({})));
            assert_eq!(outcomes(&accepted), counted([("200", 1), ("409 directive_wrong_state", 3)]));
            let same = at_once(4, |_| act(&caller, directive, "feedback", &said("已列入限制名单")));
            assert_eq!(outcomes(&same), counted([("201", 1), ("409 duplicate_feedback", 3)]));
            let different = at_once(4, |at| act(&caller, directive, "feedback", &said(&format!("第{at}项已落实"))));
            assert_eq!(outcomes(&different), counted([("201", 4)]));
            assert_eq!(app.count(&format!("SELECT count(*) FROM directive_feedback WHERE directive_id = '{directive}'")), 5);
        }
        for directive in &directives[2..] {
            let answered = at_once(4, |at| {
                let step = STEPS[at % 2];
                act(&caller, directive, step, &sound(step))
            });
            assert_eq!(outcomes(&answered), counted([("200", 1), ("409 directive_wrong_state", 3)]));
            let said_so = if state(&app, directive) == "declined" { "IS NOT NULL" } else { "IS NULL" };
            let whole = format!(
                "SELECT count(*) FROM directives WHERE id = '{directive}' AND response_reason {said_so} AND responded_at IS NOT NULL"
            );
            assert_eq!(app.count(&whole), 1);
        }
        releases.push((caller, read));
    }
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action IN ('directive.accept', 'directive.decline')"), 16);
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'directive.report'"), 40);

    take_back(&app, &court, 1);
    take_back(&app, &court, 2);
    app.settle();
    for (caller, read) in &releases {
        let (messages, _) = take(caller, Some(read), 4);
        for release in strings(&messages, "id") {
            let completed = at_once(4, |at| act(caller, &release, "complete", &said(&format!("已解除，经办{at}"))));
            assert_eq!(outcomes(&completed), counted([("201", 1), ("409 directive_wrong_state", 3)]));
            assert_eq!(app.count(&format!("SELECT count(*) FROM directive_feedback WHERE directive_id = '{release}'")), 1);
        }
    }
}

#[test]
fn a_repetition_under_a_key_gets_the_first_answer_and_takes_effect_once() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    list_defaulters(&app, 1, 1);
    let housing = app.key("lf-housing", Role::Consumer);
    let (messages, read) = take(&housing, None, 2);
    let (first, second) = (text(&messages[0]["id"]), text(&messages[1]["id"]));
    let keyed = |key: &str| housing.header("Idempotency-Key", key);
    for key in ["", "two words", "k".repeat(129).as_str()] {
        act(&keyed(key), &first, "accept", &json!({})).problem(400, "bad_idempotency_key");
    }

    // What was refused may be sent again under its key.
    act(&keyed("f1"), &first, "feedback", &said("已列入限制名单")).problem(409, "directive_wrong_state");
    let accepted: Vec<Value> = (0..3).map(|_| act(&keyed("a1"), &first, "accept", &json!({})).ok()).collect();
    assert_eq!((&accepted[1], &accepted[2]), (&accepted[0], &accepted[0]));
    let given = act(&keyed("f1"), &first, "feedback", &said("已列入限制名单"));
    let again = act(&keyed("f1"), &first, "feedback", &said("已列入限制名单"));
    assert_eq!((given.status, &given.bytes), (201, &again.bytes));
    assert_eq!(again.status, 201);
    act(&housing, &first, "feedback", &said("已列入限制名单")).problem(409, "duplicate_feedback");
    act(&keyed("f1"), &first, "feedback", &said("另一内容")).problem(422, "idempotency_key_reused");
    act(&keyed("f1"), &second, "feedback", &said("已列入限制名单")).problem(422, "idempotency_key_reused");
    act(&keyed("a1"), &second, "accept", &json!({})).problem(422, "idempotency_key_reused");
    assert_eq!(app.count("SELECT count(*) FROM directive_feedback"), 1);

    let at_the_same_time = at_once(4, |_| act(&keyed("f2"), &first, "feedback", &said("现场核查")));
    assert_eq!(outcomes(&at_the_same_time), counted([("201", 4)]));
    let feedback: BTreeSet<String> = at_the_same_time.iter().map(|answer| text(&answer.json()["feedback_id"])).collect();
    assert_eq!(feedback.len(), 1);
    assert_eq!(app.count("SELECT count(*) FROM directive_feedback"), 2);

    let declined: Vec<Value> = (0..2).map(|_| act(&keyed("d1"), &second, "decline", &sound("decline")).ok()).collect();
    assert_eq!(declined[0], declined[1]);
    act(&keyed("d1"), &second, "decline", &json!({ "reason": "另一理由" })).problem(422, "idempotency_key_reused");

    take_back(&app, &court, 1);
    app.settle();
    // The answer of then, although the directive is released by now.
    assert_eq!(act(&keyed("f1"), &first, "feedback", &said("已列入限制名单")).ok()["state"], "reported");
    let release = text(&take(&housing, Some(&read), 1).0[0]["id"]);
    let completed: Vec<Value> = (0..2).map(|_| act(&keyed("c1"), &release, "complete", &said("已解除")).ok()).collect();
    assert_eq!(completed[0], completed[1]);
    // Another agency's keys are its own.
    let reform = app.key("lf-reform", Role::Consumer);
    act(&reform.header("Idempotency-Key", "f1"), &first, "feedback", &said("已列入限制名单")).problem(404, "directive_not_found");
}

/// Says when it is dropped that something is over, also when it is dropped by a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// An agency that reads its inbox, and how far it has come.
struct Reader {
    code: &'static str,
    caller: Caller,
    cursor: Option<String>,
}

fn readers(app: &TestApp, codes: &[&'static str]) -> Vec<Reader> {
    codes.iter().map(|&code| Reader { code, caller: app.key(code, Role::Consumer), cursor: None }).collect()
}

/// Lets agencies read their inboxes over and over, begins `end` once `first` of them have something, and lets each read once more after it. The
/// directives to carry something out that their answers contained.
fn read_while(readers: &mut [Reader], first: usize, end: impl FnOnce()) -> Vec<String> {
    let over = AtomicBool::new(false);
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for reader in readers {
            let (over, tell) = (&over, tell.clone());
            threads.push(scope.spawn(move || {
                let mut seen = Vec::new();
                loop {
                    let last = over.load(Ordering::SeqCst);
                    let (messages, next) = inbox(&reader.caller, reader.cursor.as_deref(), "limit=200");
                    reader.cursor = Some(next);
                    let had = seen.len();
                    seen.extend(strings(messages.iter().filter(|m| m["topic"] == "directive.execute"), "id"));
                    if had == 0 && !seen.is_empty() {
                        let _ = tell.send(());
                    }
                    if last {
                        return seen;
                    }
                }
            }));
        }
        let finished = Over(&over);
        for _ in 0..first {
            told.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        end();
        drop(finished);
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Of the directives of entries that have ended, each was cancelled and is in no answer, or is in an answer and has one release. How many of each.
fn nothing_hangs(app: &TestApp, handed: &BTreeSet<String>) -> (usize, usize) {
    let rows = app.sql(
        "SELECT d.id::text, d.state, d.delivered_at IS NOT NULL,
                (SELECT count(*) FROM directives r WHERE r.subject_id = d.subject_id AND r.releases = d.id AND r.agency_id = d.agency_id)
           FROM directives d WHERE d.kind = 'execute'",
    );
    let (mut cancelled, mut released) = (0, 0);
    for row in &rows {
        let (id, state): (String, String) = (row.get(0), row.get(1));
        let found = (state.as_str(), row.get::<_, bool>(2), row.get::<_, i64>(3), handed.contains(&id));
        match found {
            ("cancelled", false, 0, false) => cancelled += 1,
            ("released", true, 1, true) => released += 1,
            _ => panic!("{id}: {found:?}"),
        }
    }
    let all: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(handed.is_subset(&all));
    (cancelled, released)
}

/// What an agency finds when it begins its inbox anew once everything has ended: what it had, as released, each followed by its release.
fn replayed(app: &TestApp, reader: &Reader, handed: &BTreeSet<String>) {
    let there = ids(app, reader.code, "execute", "d.state = 'released'").len() + ids(app, reader.code, "release", "true").len();
    let (messages, end) = take(&reader.caller, None, there);
    assert_eq!(inbox(&reader.caller, Some(&end), "limit=200").0, Vec::<Value>::new());
    let mut open = BTreeSet::new();
    for message in &messages {
        let directive = &message["directive"];
        if message["topic"] == "directive.execute" {
            assert_eq!(directive["state"], "released");
            assert!(handed.contains(&text(&message["id"])) && open.insert(text(&message["id"])), "{message}");
        } else {
            assert_eq!((&message["topic"], &directive["kind"]), (&json!("directive.release"), &json!("release")));
            assert!(open.remove(&text(&directive["releases"])), "{message}");
        }
    }
    assert_eq!(open, BTreeSet::new());
}

#[test]
fn an_exit_while_inboxes_are_read_leaves_nothing_handed_out_without_its_release() {
    const ROUNDS: u32 = 24;
    let app = TestApp::new();
    let authority = Authority::new(&app);
    let entries = authority.listed(&app, 1..=ROUNDS, &json!([]));
    let (office, chief) = (app.login(Role::CreditOffice), authority.chief(&app));
    let mut readers = readers(&app, &["lf-approval", "lf-housing", "lf-reform", "lf-transport", "lf-water"]);
    let mut handed: BTreeSet<String> = BTreeSet::new();
    for (round, entry) in entries.iter().enumerate() {
        confirm(&office, entry);
        let exit = || {
            chief.post(&format!("/v1/list-entries/{entry}/exit"), &json!({ "cause": "repair", "reason": "信用修复" })).ok();
        };
        match round {
            // Nobody reads: all is cancelled. Everybody has read: all is released. In between it is a race.
            0 => exit(),
            1 => handed.extend(read_while(&mut readers, 5, exit)),
            _ => handed.extend(read_while(&mut readers, round % 5, exit)),
        }
    }
    let (cancelled, released) = nothing_hangs(&app, &handed);
    assert!(cancelled >= 5 && released >= 5, "{cancelled} {released}");
    assert_eq!(cancelled + released, entries.len() * 5);
    for reader in &readers {
        replayed(&app, reader, &handed);
    }
}

#[test]
fn a_mirror_that_loses_an_entry_while_inboxes_are_read_leaves_nothing_without_its_release() {
    const ROUNDS: u32 = 10;
    let app = TestApp::new();
    let court = app.provider("lf-court");
    let mut readers = readers(&app, &CONCERNED.map(|(code, _)| code));
    let mut handed: BTreeSet<String> = BTreeSet::new();
    for round in 1..=ROUNDS {
        list_defaulters(&app, round, 1);
        let gone = || {
            take_back(&app, &court, round);
            app.settle();
        };
        match round {
            1 => gone(),
            2 => handed.extend(read_while(&mut readers, CONCERNED.len(), gone)),
            _ => handed.extend(read_while(&mut readers, round as usize % 4, gone)),
        }
    }
    let each: usize = CONCERNED.iter().map(|(_, n)| n).sum();
    let (cancelled, released) = nothing_hangs(&app, &handed);
    assert!(cancelled >= each && released >= each, "{cancelled} {released}");
    assert_eq!(cancelled + released, ROUNDS as usize * each);
    for reader in &readers {
        replayed(&app, reader, &handed);
    }
}

/// Walks an inbox from its beginning in pages; the messages, and where it ends.
fn walk(caller: &Caller, limit: usize) -> (Vec<Value>, String) {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let (messages, next) = inbox(caller, cursor.as_deref(), &format!("limit={limit}"));
        if messages.is_empty() {
            return (found, next);
        }
        assert!(messages.len() <= limit);
        found.extend(messages);
        cursor = Some(next);
    }
}

#[test]
fn an_inbox_is_walked_page_by_page_in_the_order_of_what_was_put_out() {
    let app = TestApp::new();
    let court = app.provider("lf-court");
    for (from, count) in [(1, 3), (4, 2), (6, 1)] {
        list_defaulters(&app, from, count);
    }
    let (housing, transport) = (app.key("lf-housing", Role::Consumer), app.key("lf-transport", Role::Consumer));
    let (first, read) = take(&housing, None, 12);
    assert_eq!(strings(&first, "id"), ids(&app, "lf-housing", "execute", "true"));
    assert!(first.iter().all(|m| m["directive"]["state"] == "delivered"));
    take_back(&app, &court, 1);
    take_back(&app, &court, 5);
    app.settle();
    let (releases, end) = take(&housing, Some(&read), 4);
    assert_eq!(strings(&releases, "id"), ids(&app, "lf-housing", "release", "true"));

    // From the beginning: what was lifted since is told to be so, in its old place.
    let lifted: BTreeSet<String> = releases.iter().map(|m| text(&m["directive"]["releases"])).collect();
    for limit in [1, 5, 16, 200] {
        let (messages, walked_to) = walk(&housing, limit);
        assert_eq!(strings(&messages[..12], "id"), strings(&first, "id"));
        assert_eq!(strings(&messages[12..], "id"), strings(&releases, "id"));
        for message in &messages[..12] {
            let state = if lifted.contains(&text(&message["id"])) { "released" } else { "delivered" };
            assert_eq!(message["directive"]["state"], state);
        }
        assert_eq!(walked_to, end);
    }

    // What comes out is what is handed out, one by one; what was cancelled is passed over.
    let expected = ids(&app, "lf-transport", "execute", "d.state <> 'cancelled'");
    assert_eq!(expected.len(), 8);
    let delivered = "SELECT count(*) FROM directives d JOIN agencies a ON a.id = d.agency_id WHERE a.code = 'lf-transport' AND d.delivered_at IS NOT NULL";
    let mut cursor: Option<String> = None;
    for (at, id) in expected.iter().enumerate() {
        assert_eq!(app.count(delivered), at as i64);
        let (messages, next) = inbox(&transport, cursor.as_deref(), "limit=1");
        assert_eq!(strings(&messages, "id"), std::slice::from_ref(id));
        cursor = Some(next);
    }
    assert_eq!(app.count(delivered), 8);
    assert_eq!(inbox(&transport, cursor.as_deref(), "limit=1").0, Vec::<Value>::new());
    // Answers do not move a message; a replay shows how it stands.
    act(&transport, &expected[0], "accept", &json!({})).ok();
    act(&transport, &expected[1], "decline", &sound("decline")).ok();
    let (messages, _) = walk(&transport, 3);
    assert_eq!(strings(&messages, "id"), expected);
    assert_eq!((&messages[0]["directive"]["state"], &messages[1]["directive"]["state"]), (&json!("accepted"), &json!("declined")));
}

#[test]
fn an_inbox_refuses_what_it_does_not_understand() {
    let app = TestApp::new();
    list_defaulters(&app, 1, 2);
    let housing = app.key("lf-housing", Role::Consumer);
    take(&housing, None, 4);
    let of_a_list = text(&app.login(Role::CreditOffice).get("/v1/directives?limit=1").ok()["next"]);
    for cursor in [
        "x",
        "%20",
        // {"xid":1}
        "eyJ4aWQiOjF9",
        // {"xid":-1,"id":0}
        "eyJ4aWQiOi0xLCJpZCI6MH0",
        of_a_list.as_str(),
    ] {
        housing.get(&format!("/v1/inbox?after={cursor}")).problem(400, "bad_cursor");
    }
    // {"xid":9223372036854775807,"id":9223372036854775807}: a place nobody has come to is the end.
    let far = "eyJ4aWQiOjkyMjMzNzIwMzY4NTQ3NzU4MDcsImlkIjo5MjIzMzcyMDM2ODU0Nzc1ODA3fQ";
    assert_eq!(inbox(&housing, Some(far), "limit=1"), (Vec::new(), far.to_owned()));
    for limit in ["0", "-1", "201"] {
        housing.get(&format!("/v1/inbox?limit={limit}")).problem(400, "bad_limit");
    }
    for query in ["wait=31", "wait=-1", "wait=x", "limit=x", "page=2"] {
        housing.get(&format!("/v1/inbox?{query}")).problem(400, "malformed_request");
    }
    app.anonymous().get("/v1/inbox").problem(401, "unauthenticated");
    app.provider("lf-housing").get("/v1/inbox").problem(403, "forbidden");
    app.login(Role::CreditOffice).get("/v1/inbox").problem(403, "forbidden");
    assert_eq!(inbox(&app.key("lf-tax", Role::Consumer), None, "limit=1").0, Vec::<Value>::new(), "no measure concerns this agency");
}

#[test]
fn a_call_that_waits_ends_as_soon_as_there_is_something() {
    let app = TestApp::new();
    let housing = app.key("lf-housing", Role::Consumer);
    let nothing = housing.get("/v1/inbox?wait=1").ok();
    assert_eq!(nothing["messages"], json!([]));
    assert!(nothing["waited"].as_f64().unwrap() >= 1.0, "{nothing}");
    let mut cursor = text(&nothing["next"]);
    for n in 1..=2 {
        let page = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| housing.get(&format!("/v1/inbox?wait=30&after={cursor}")).ok());
            list_defaulters(&app, n, 1);
            waiting.join().unwrap()
        });
        assert_eq!(page["messages"].as_array().unwrap().len(), 2);
        assert!(page["waited"].as_f64().unwrap() < 30.0, "{page}");
        cursor = text(&page["next"]);
    }
}

/// How many reminders of each kind there are.
fn reminded(app: &TestApp) -> BTreeMap<String, usize> {
    let rows = app.sql("SELECT kind, count(*) FROM directive_reminders GROUP BY kind");
    rows.iter().map(|row| (row.get(0), usize::try_from(row.get::<_, i64>(1)).unwrap())).collect()
}

/// Sweeps again and again, also several at the same time.
fn sweep(app: &TestApp) {
    let dispatch = &app.app.dispatch;
    app.block_on(async {
        let (a, b, c) = tokio::join!(remind(dispatch), remind(dispatch), remind(dispatch));
        a.and(b).and(c).unwrap();
        assert_eq!(remind(dispatch).await.unwrap(), 0, "nothing is owed any more");
    });
    app.settle();
}

fn escalated(caller: &Caller, query: &str) -> BTreeSet<String> {
    let page = caller.get(&format!("/v1/directives?escalated=true&limit=200{query}")).ok();
    strings(page["items"].as_array().unwrap(), "id").into_iter().collect()
}

#[test]
fn each_deadline_is_reminded_of_before_and_after_and_goes_to_the_credit_office_once() {
    let app = TestApp::new();
    // Wednesday. The fifth working day after it is 8 October: 25 to 27 September and 1 to 7 October are off.
    app.at("2026-09-23T02:00:00Z");
    let court = app.provider("lf-court");
    court.push("judgment_defaulter", "v1", &defaulter(1).set(0, "立案时间", "2026-09-01").set(0, "发布时间", "2026年09月10日").csv()).ok();
    app.settle();
    assert_eq!(
        app.count("SELECT count(*) FROM directives WHERE state = 'issued' AND due_on = '2026-10-08' AND feedback_by = '2026-10-28'"),
        11
    );
    let agency = |code: &str| app.key(code, Role::Consumer);
    let (water, reform, housing, approval) = (agency("lf-water"), agency("lf-reform"), agency("lf-housing"), agency("lf-approval"));
    let (messages, of_water) = take(&water, None, 1);
    let tendering = text(&messages[0]["id"]);
    assert_eq!(act(&water, &tendering, "accept", &json!({})).ok()["due_on"], "2026-10-28");
    take(&reform, None, 2);
    assert_eq!(act(&reform, &only(&app, "lf-reform", "fiscal_funds_limit"), "decline", &sound("decline")).ok()["due_on"], Value::Null);
    let (messages, of_housing) = take(&housing, None, 2);
    let both: BTreeSet<String> = strings(&messages, "id").into_iter().collect();

    // Nine of eleven are open. Days turn at midnight in China; between Saturday, a working day, and Monday nothing changes.
    for (instant, expected) in [
        ("2026-09-29T15:59:59Z", counted([])),
        ("2026-09-29T16:00:00Z", counted([("due_soon", 9)])),
        ("2026-10-08T15:59:59Z", counted([("due_soon", 9)])),
        ("2026-10-08T16:00:00Z", counted([("due_soon", 9), ("overdue", 9)])),
        ("2026-10-11T15:59:59Z", counted([("due_soon", 9), ("overdue", 9)])),
        ("2026-10-11T16:00:00Z", counted([("due_soon", 9), ("overdue", 9), ("escalated", 9)])),
    ] {
        app.at(instant);
        sweep(&app);
        assert_eq!(reminded(&app), expected, "{instant}");
    }

    // The agency is told, under the id of each reminder; what goes to the credit office does not come to it.
    let (messages, of_housing) = take(&housing, Some(&of_housing), 4);
    assert!(messages.iter().all(|m| m["topic"] == "directive.reminder" && m["reminder"]["due_on"] == "2026-10-08"));
    for (part, kind) in [(&messages[..2], "due_soon"), (&messages[2..], "overdue")] {
        assert!(part.iter().all(|m| m["reminder"]["kind"] == kind), "{part:?}");
        assert_eq!(part.iter().map(|m| text(&m["directive"]["id"])).collect::<BTreeSet<_>>(), both);
    }
    assert_eq!(strings(&messages, "id").into_iter().collect::<BTreeSet<_>>().len(), 4);
    // Reminders bring nothing by a back door: the directives come first.
    let (messages, _) = take(&approval, None, 6);
    let topics = strings(&messages, "topic");
    assert!(topics[..2].iter().all(|t| t == "directive.execute") && topics[2..].iter().all(|t| t == "directive.reminder"), "{topics:?}");

    let office = app.login(Role::CreditOffice);
    let open = |state: &str| -> BTreeSet<String> {
        app.sql(&format!("SELECT id::text FROM directives WHERE {state}")).iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(escalated(&office, ""), open("due_on = '2026-10-08'"));
    assert_eq!(escalated(&office, "").len(), 9);
    assert_eq!(escalated(&office, "&agency=lf-housing"), both);
    assert_eq!(escalated(&housing, ""), both);
    assert_eq!(escalated(&water, ""), BTreeSet::new());
    let page = office.get("/v1/directives?escalated=true&limit=200").ok();
    assert!(page["items"].as_array().unwrap().iter().all(|d| d["overdue"] == true && d["overdue_working_days"] == 3), "{page}");
    let others = office.get("/v1/directives?escalated=false&limit=200").ok();
    assert_eq!(
        strings(others["items"].as_array().unwrap(), "id").into_iter().collect::<BTreeSet<_>>(),
        &open("true") - &open("due_on = '2026-10-08'")
    );

    // Whoever answers late is no longer among them, and has the next deadline.
    let answered = both.first().unwrap().clone();
    assert_eq!(act(&housing, &answered, "accept", &json!({})).ok()["due_on"], "2026-10-28");
    assert!(!escalated(&office, "").contains(&answered));
    assert_eq!(escalated(&office, "").len(), 8);
    app.at("2026-10-26T16:00:00Z");
    sweep(&app);
    assert_eq!(reminded(&app), counted([("due_soon", 11), ("overdue", 9), ("escalated", 9)]));
    let (messages, of_water) = take(&water, Some(&of_water), 1);
    assert_eq!((&messages[0]["reminder"]["kind"], &messages[0]["reminder"]["due_on"]), (&json!("due_soon"), &json!("2026-10-28")));
    assert_eq!(act(&water, &tendering, "feedback", &said("已列入限制名单")).ok()["due_on"], "2026-11-27");
    app.at("2026-10-28T16:00:00Z");
    sweep(&app);
    assert_eq!(reminded(&app), counted([("due_soon", 11), ("overdue", 10), ("escalated", 9)]));
    let (messages, _) = take(&housing, Some(&of_housing), 2);
    assert_eq!(messages.iter().map(|m| text(&m["reminder"]["kind"])).collect::<Vec<_>>(), ["due_soon", "overdue"]);
    assert!(messages.iter().all(|m| m["directive"]["id"] == json!(answered) && m["reminder"]["due_on"] == "2026-10-28"));
    // A replay leaves out reminders of what was answered since.
    assert_eq!(strings(&walk(&water, 10).0, "topic"), ["directive.execute"]);

    // The ground falls. Nobody is reminded of what it brought; of seven releases, due on 3 November, everybody is.
    take_back(&app, &court, 1);
    app.settle();
    assert_eq!(app.count("SELECT count(*) FROM directives WHERE kind = 'release' AND due_on = '2026-11-03'"), 7);
    assert_eq!(escalated(&app.login(Role::CreditOffice), ""), BTreeSet::new());
    let release = text(&take(&water, Some(&of_water), 1).0[0]["id"]);
    for (instant, expected) in [
        ("2026-10-31T16:00:00Z", counted([("due_soon", 11), ("overdue", 10), ("escalated", 9)])),
        ("2026-11-01T16:00:00Z", counted([("due_soon", 18), ("overdue", 10), ("escalated", 9)])),
    ] {
        app.at(instant);
        sweep(&app);
        assert_eq!(reminded(&app), expected, "{instant}");
    }
    act(&water, &release, "complete", &said("已移出限制名单")).ok();
    for (instant, expected) in [
        ("2026-11-03T16:00:00Z", counted([("due_soon", 18), ("overdue", 16), ("escalated", 9)])),
        ("2026-11-05T16:00:00Z", counted([("due_soon", 18), ("overdue", 16), ("escalated", 15)])),
        ("2026-12-31T16:00:00Z", counted([("due_soon", 18), ("overdue", 16), ("escalated", 15)])),
    ] {
        app.at(instant);
        sweep(&app);
        assert_eq!(reminded(&app), expected, "{instant}");
    }
    assert_eq!(escalated(&app.login(Role::CreditOffice), "&kind=release").len(), 6);
    let kinds: BTreeSet<String> =
        walk(&housing, 3).0.iter().filter(|m| !m["reminder"].is_null()).map(|m| text(&m["reminder"]["kind"])).collect();
    assert!(!kinds.contains("escalated"), "{kinds:?}");
}

#[test]
fn a_measure_that_goes_on_is_asked_about_every_month_and_one_that_is_done_is_not() {
    let app = TestApp::new();
    list_defaulters(&app, 1, 1);
    let (water, reform) = (app.key("lf-water", Role::Consumer), app.key("lf-reform", Role::Consumer));
    let (messages, read) = take(&water, None, 1);
    let goes_on = text(&messages[0]["id"]);
    assert_eq!(messages[0]["directive"]["continuing"], true);
    act(&water, &goes_on, "accept", &json!({})).ok();
    take(&reform, None, 2);
    let done = only(&app, "lf-reform", "fiscal_funds_limit");
    act(&reform, &done, "accept", &json!({})).ok();
    let reported = act(&reform, &done, "feedback", &said("不予受理其申请")).ok();
    assert_eq!((&reported["state"], &reported["due_on"]), (&json!("reported"), &Value::Null));

    let report = |instant: &str, due: &str| {
        app.at(instant);
        let reported = act(&water, &goes_on, "feedback", &said(&format!("{instant}仍在限制"))).ok();
        assert_eq!((&reported["state"], &reported["due_on"]), (&json!("reported"), &json!(due)), "{instant}");
        let view = water.get(&format!("/v1/directives/{goes_on}")).ok();
        assert_eq!((&view["feedback_by"], &view["due_on"]), (&json!(due), &json!(due)));
    };
    // 31 January 2027 is a Sunday, and so is 28 February: the working day after it is the last.
    report("2026-12-31T02:00:00Z", "2027-02-01");
    // 31 January in China, though not elsewhere.
    report("2027-01-30T16:30:00Z", "2027-03-01");

    let of_it = format!("SELECT kind FROM directive_reminders WHERE directive_id = '{goes_on}' AND due_on = '2027-03-01' ORDER BY kind");
    let kinds = || -> Vec<String> {
        sweep(&app);
        app.sql(&of_it).iter().map(|row| row.get(0)).collect()
    };
    // 1 March is a Monday: the working day before is Friday, 26 February.
    app.at("2027-02-25T15:59:59Z");
    assert_eq!(kinds(), Vec::<String>::new());
    app.at("2027-02-25T16:00:00Z");
    assert_eq!(kinds(), ["due_soon"]);
    let (messages, _) = take(&water, Some(&read), 1);
    assert_eq!((&messages[0]["reminder"]["kind"], &messages[0]["reminder"]["due_on"]), (&json!("due_soon"), &json!("2027-03-01")));
    app.at("2027-03-01T15:59:59Z");
    assert_eq!(kinds(), ["due_soon"]);
    app.at("2027-03-01T16:00:00Z");
    assert_eq!(kinds(), ["due_soon", "overdue"]);
    app.at("2027-03-03T16:00:00Z");
    assert_eq!(kinds(), ["due_soon", "escalated", "overdue"]);

    report("2027-03-30T16:00:00Z", "2027-04-30");
    // A year with a leap day.
    report("2028-01-31T15:59:59Z", "2028-02-29");
    report("2028-02-28T16:00:00Z", "2028-03-29");
    app.at("2028-12-01T02:00:00Z");
    sweep(&app);
    assert_eq!(app.count(&format!("SELECT count(*) FROM directive_reminders WHERE directive_id = '{done}'")), 0);
    assert_eq!(app.count(&format!("SELECT count(*) FROM directive_feedback WHERE directive_id = '{goes_on}'")), 5);
}

#[test]
fn directives_are_listed_to_whom_they_concern_and_narrowed_by_what_is_asked() {
    let app = TestApp::new();
    list_defaulters(&app, 1, 3);
    let (housing, water) = (app.key("lf-housing", Role::Consumer), app.key("lf-water", Role::Consumer));
    let (messages, _) = take(&housing, None, 4);
    for message in &messages[..2] {
        act(&housing, &text(&message["id"]), "accept", &json!({})).ok();
    }
    // Newest first, each once, whatever the page.
    let listed = |caller: &Caller, query: &str, limit: usize| -> Vec<String> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = caller.get(&format!("/v1/directives?limit={limit}{query}{cursor}")).ok();
            found.extend(strings(page["items"].as_array().unwrap(), "id"));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    };
    let wanted = |condition: &str| -> Vec<String> {
        let query =
            format!("SELECT d.id::text FROM directives d JOIN agencies a ON a.id = d.agency_id WHERE {condition} ORDER BY d.id DESC");
        app.sql(&query).iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(wanted("true").len(), 33);
    let entry: String = app.sql("SELECT id::text FROM list_entries ORDER BY id")[1].get(0);
    app.at("2026-12-01T02:00:00Z");
    let office = app.login(Role::CreditOffice);
    for limit in [1, 10, 33, 200] {
        for (query, condition) in [
            (String::new(), "true".to_owned()),
            ("&agency=lf-water".to_owned(), "a.code = 'lf-water'".to_owned()),
            ("&measure=tendering_limit".to_owned(), "d.measure = 'tendering_limit'".to_owned()),
            (format!("&entry_id={entry}"), format!("d.entry_id = '{entry}'")),
            ("&state=accepted&kind=execute".to_owned(), "d.state = 'accepted'".to_owned()),
            ("&overdue=true".to_owned(), "d.due_on < '2026-12-01'".to_owned()),
            ("&overdue=false".to_owned(), "(d.due_on IS NULL OR d.due_on >= '2026-12-01')".to_owned()),
            ("&due_before=2026-12-21".to_owned(), "d.due_on < '2026-12-21'".to_owned()),
            ("&kind=release".to_owned(), "d.kind = 'release'".to_owned()),
            (
                format!("&agency=lf-housing&measure=tendering_limit&entry_id={entry}&overdue=true"),
                format!("a.code = 'lf-housing' AND d.measure = 'tendering_limit' AND d.entry_id = '{entry}' AND d.due_on < '2026-12-01'"),
            ),
        ] {
            assert_eq!(listed(&office, &query, limit), wanted(&condition), "{query}");
        }
        // An agency sees what it has received.
        assert_eq!(listed(&housing, "", limit), wanted("a.code = 'lf-housing' AND d.delivered_at IS NOT NULL"));
        assert_eq!(listed(&water, "", limit), Vec::<String>::new());
    }
    assert!(!wanted("d.due_on < '2026-12-01'").is_empty() && !wanted("d.state = 'accepted'").is_empty());

    housing.get("/v1/directives?agency=lf-water").problem(403, "forbidden");
    housing.get("/v1/directives?agency=nobody").problem(403, "forbidden");
    for query in [
        "agency=nobody",
        "state=open",
        "kind=x",
        "measure=%07",
        "due_before=0001-01-01",
        "due_before=x",
        "overdue=1",
        "entry_id=1",
        "more=1",
    ] {
        office.get(&format!("/v1/directives?{query}")).problem(400, "malformed_request");
    }
    for query in ["cursor=x", "cursor=eyJ4aWQiOjF9"] {
        office.get(&format!("/v1/directives?{query}")).problem(400, "bad_cursor");
    }
    office.get("/v1/directives?limit=201").problem(400, "bad_limit");
    app.login(Role::Clerk).get("/v1/directives").problem(403, "forbidden");
    app.anonymous().get("/v1/directives").problem(401, "unauthenticated");
}
