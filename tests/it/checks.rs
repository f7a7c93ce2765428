//! The check: what an approval office is told about a matter, what it owes afterwards, and what nobody is ever told.

mod batches;
mod conditions;

use crate::support::builders::{Table, defaulter, party, penalty, registration, resident_id};
use crate::support::{Answer, Caller, PASSWORD, TestApp};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use batches::completed;
use credence_core::Role;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const PURPOSE: &str = "业务受理审查";
const PROCUREMENT: &str = "government_procurement_limit";
const TENDERING: &str = "tendering_limit";

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn company(n: u32) -> Value {
    json!({ "kind": "organisation", "uscc": party(n) })
}

fn person(number: &str) -> Value {
    json!({ "kind": "natural_person", "document_kind": "身份证", "document_number": number })
}

fn named(mut subject: Value, name: &str) -> Value {
    subject["name"] = json!(name);
    subject
}

fn question(subject: &Value, matter: &str) -> Value {
    json!({ "subject": subject, "matter": matter, "case_no": "LF-2026-1", "purpose": PURPOSE })
}

fn ask(caller: &Caller, subject: &Value, matter: &str) -> Answer {
    caller.post("/v1/checks", &question(subject, matter))
}

/// Codes of the measures of an answer, entry by entry.
fn measures(answer: &Value) -> Vec<&str> {
    let entries = answer["lists"].as_array().unwrap().iter();
    entries.flat_map(|e| e["measures"].as_array().unwrap()).map(|m| m["code"].as_str().unwrap()).collect()
}

/// An answer without what no other answer shares.
fn bare(mut answer: Value) -> Value {
    let members = answer.as_object_mut().unwrap();
    members.remove("check_id").unwrap();
    members.remove("signed").unwrap();
    answer
}

/// The courts report, and their mirrored list follows.
fn courts_report(app: &TestApp, table: &Table) {
    let received = app.provider("lf-court").push("judgment_defaulter", "v1", &table.csv()).ok();
    assert_eq!(received["batch"]["counts"]["refused"], 0, "{received}");
    app.settle();
}

/// A row of the courts' list about a person, whose document is [`resident_id`] of the same number.
fn person_defaulter(n: u32) -> Table {
    defaulter(300 + n).set(0, "姓名/名称", "李试验").set(0, "类型", "自然人").set(0, "证件号码", &resident_id(n))
}

/// An entry of the market regulator, and what it rests on.
struct Entry {
    subject: String,
    record: String,
    id: String,
}

/// The market regulator: an official who proposes, and another who decides.
struct Regulator {
    official: String,
    chief: String,
}

impl Regulator {
    fn new(app: &TestApp) -> Self {
        Self { official: app.account(Role::Provider, Some("lf-amr")), chief: app.account(Role::Approver, Some("lf-amr")) }
    }

    fn official(&self, app: &TestApp) -> Caller {
        app.log_in(&self.official)
    }

    fn chief(&self, app: &TestApp) -> Caller {
        app.log_in(&self.chief)
    }

    /// Brings penalised companies to the decision, from 23 November to 1 December, where the clock stands then.
    fn decided(&self, app: &TestApp, companies: &[u32]) -> Vec<Entry> {
        app.at("2026-11-23T02:00:00Z");
        let official = self.official(app);
        let propose = |n: &u32| {
            official.push("administrative_penalty_organisation", "v2", &penalty(*n).csv()).ok();
            let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=administrative_penalty", party(*n))).ok();
            let record = text(&file["sections"][0]["statements"][0]["record_id"]);
            let proposal = json!({
                "list": "serious_illegality", "uscc": party(*n), "facts": "受到较重行政处罚", "legal_basis": "总局令第44号第九条",
                "measures": [PROCUREMENT, TENDERING], "ground_record_id": record,
            });
            let id = text(&official.post("/v1/list-entries", &proposal).ok()["id"]);
            let entry = Entry { subject: text(&file["subject"]["id"]), record, id };
            let notice = json!({ "notice_no": "告1", "served_on": "2026-11-23", "method": "direct", "proof": "回证1" });
            step(&official, &entry, "notice", &notice);
            entry
        };
        let entries: Vec<Entry> = companies.iter().map(propose).collect();
        app.at("2026-12-01T02:00:00Z");
        let chief = self.chief(app);
        for entry in &entries {
            step(&chief, entry, "decide", &json!({ "decision_no": "列1", "decided_on": "2026-12-01" }));
        }
        entries
    }

    fn listed(&self, app: &TestApp, companies: &[u32]) -> Vec<Entry> {
        let entries = self.decided(app, companies);
        let official = self.official(app);
        for entry in &entries {
            step(&official, entry, "publish", &json!({}));
        }
        entries
    }
}

fn step(caller: &Caller, entry: &Entry, step: &str, body: &Value) {
    caller.post(&format!("/v1/list-entries/{}/{step}", entry.id), body).ok();
}

/// The credit office starts joint action on every entry that waits for it.
fn confirm(app: &TestApp) {
    let office = app.login(Role::CreditOffice);
    let waiting = office.get("/v1/joint-actions?state=proposed").ok();
    for action in waiting["items"].as_array().unwrap() {
        office.post(&format!("/v1/joint-actions/{}/confirm", text(&action["id"])), &json!({})).ok();
    }
}

/// Header and payload of a compact JWS (RFC 7515), verified by the published keys (RFC 8037) and by nothing of the program.
fn verified(keys: &Value, jws: &str) -> Option<(Value, Value)> {
    let parts: Vec<&str> = jws.split('.').collect();
    let &[header, payload, signature] = parts.as_slice() else { return None };
    let read = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
    let head: Value = serde_json::from_slice(&read(header)?).ok()?;
    let key = keys["keys"].as_array()?.iter().find(|key| key["kid"] == head["kid"])?;
    if (key["kty"].as_str(), key["crv"].as_str(), head["alg"].as_str()) != (Some("OKP"), Some("Ed25519"), Some("EdDSA")) {
        return None;
    }
    let public: [u8; 32] = read(key["x"].as_str()?)?.try_into().ok()?;
    let signature = Signature::from_slice(&read(signature)?).ok()?;
    let signed = &jws[..header.len() + 1 + payload.len()];
    VerifyingKey::from_bytes(&public).ok()?.verify_strict(signed.as_bytes(), &signature).ok()?;
    Some((head, serde_json::from_slice(&read(payload)?).ok()?))
}

/// A JWS with something else in its header (0) or payload (1), and the signature it had.
fn changed(jws: &str, part: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut parts: Vec<String> = jws.split('.').map(str::to_owned).collect();
    let mut json: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(&parts[part]).unwrap()).unwrap();
    change(&mut json);
    parts[part] = BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    parts.join(".")
}

#[test]
fn an_answer_is_verified_by_anybody_for_ever_and_is_no_token() {
    let app = TestApp::new();
    courts_report(&app, &defaulter(1));
    let approval = app.key("lf-approval", Role::Consumer);
    let keys = || app.anonymous().get("/v1/keys").ok();
    let answer = ask(&approval, &company(1), "政府采购").ok();
    assert_eq!(measures(&answer), [PROCUREMENT]);
    let jws = text(&answer["signed"]);
    let (header, payload) = verified(&keys(), &jws).expect("the signature holds");
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("credence-check+jwt")));
    let mut unsigned = answer.clone();
    unsigned.as_object_mut().unwrap().remove("signed").unwrap();
    assert_eq!(payload, unsigned, "what is signed is the whole answer");
    let kept = approval.get(&format!("/v1/checks/{}", text(&answer["check_id"]))).ok();
    for (member, value) in answer.as_object().unwrap() {
        assert_eq!(&kept[member], value, "{member} is kept as it was answered");
    }

    assert_eq!(changed(&jws, 1, |_| {}), jws, "taking it apart and putting it together changes nothing");
    type Forge = fn(&mut Value);
    let forgeries: [(usize, Forge); 7] = [
        (1, |a| a["result"] = json!("none")),
        (1, |a| a["lists"] = json!([])),
        (1, |a| a["lists"][0]["measures"][0]["mandatory"] = json!(false)),
        (1, |a| a["feedback_required"] = json!(false)),
        (1, |a| a["subject"]["uscc"] = json!(party(2))),
        (1, |a| a["case_no"] = json!("LF-2026-2")),
        (0, |h| h["typ"] = json!("JWT")),
    ];
    for (part, change) in forgeries {
        let forged = changed(&jws, part, change);
        assert_ne!(forged, jws);
        assert_eq!(verified(&keys(), &forged), None, "{forged}");
    }
    let other = text(&ask(&approval, &company(1), "政府采购").ok()["signed"]);
    let (unsigned, _) = jws.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    assert_eq!(verified(&keys(), &format!("{unsigned}.{signature}")), None, "the signature of another answer");

    // Whoever holds an answer is not thereby logged in.
    for bearer in [jws.clone(), changed(&jws, 0, |h| h["typ"] = json!("JWT"))] {
        let bold = Caller::new(&app.url, Some(bearer));
        bold.get("/v1/me").problem(401, "token_refused");
        ask(&bold, &company(1), "政府采购").problem(401, "token_refused");
    }

    // The key that signed it gives way to the next and to the one after that, and no token carries it any more.
    let kid = text(&header["kid"]);
    for day in ["2027-02-23T02:00:00Z", "2027-05-26T02:00:00Z"] {
        app.at(day);
        app.block_on(app.app.identity.prepare()).unwrap();
    }
    assert_eq!(app.count(&format!("SELECT count(*) FROM signing_keys WHERE kid = '{kid}' AND retired_at IS NOT NULL")), 1);
    assert_eq!(verified(&keys(), &jws), Some((header, payload)));
    Caller::new(&app.url, Some(jws)).get("/v1/me").problem(401, "token_refused");
    // A token of the new key tells the server that there is one.
    let username = app.account(Role::Consumer, Some("lf-approval"));
    let tokens = app.block_on(app.app.identity.login(&username, PASSWORD.into())).unwrap();
    let official = Caller::new(&app.url, Some(tokens.access_token));
    let (next, _) = verified(&keys(), &text(&ask(&official, &company(1), "政府采购").ok()["signed"])).expect("the new key is published");
    assert_ne!(next["kid"], json!(kid));
}

#[test]
fn an_agency_is_told_the_measures_of_its_matter_and_no_others() {
    let app = TestApp::new();
    // Company 1 by decision of the regulator; 2 and 3 by the courts, 3 registered in 固安.
    let entry = Regulator::new(&app).listed(&app, &[1]).remove(0);
    let mut registered = registration(3, "廊坊市试验3商贸有限公司");
    registered.header.push("行政区划代码".to_owned());
    registered.rows[0].push("131022".to_owned());
    app.provider("lf-amr").push("registration", "v1", &registered.csv()).ok();
    courts_report(&app, &defaulter(2).and(defaulter(3)));

    let table: &[(u32, &str, &str, &[&str])] = &[
        (1, "lf-approval", "政府采购", &[PROCUREMENT]),
        (1, "lf-approval", "GOVERNMENT_PROCUREMENT", &[PROCUREMENT]),
        (1, "lf-approval", " 参加政府采购 ", &[PROCUREMENT]),
        // The memorandum leaves tendering to others, though the measure is one of this department.
        (1, "lf-approval", "工程招投标", &[]),
        (1, "lf-approval", "公共资源交易", &[]),
        // The memorandum names measures for these matters, but the company was not told of them.
        (1, "lf-approval", "行政许可审批", &[]),
        (1, "lf-amr", "检查抽查", &[]),
        (1, "lf-tax", "检查抽查", &[]),
        (1, "lf-housing", "工程招投标", &[TENDERING]),
        (1, "lf-housing", "公共资源交易", &[TENDERING]),
        (1, "lf-housing", "政府采购", &[]),
        (1, "lf-reform", "招投标", &[TENDERING]),
        (1, "lf-transport", "工程招投标", &[TENDERING]),
        (1, "lf-water", "工程招投标", &[TENDERING]),
        (1, "lf-water", "海关通关", &[]),
        (1, "lf-tax", "政府采购", &[]),
        (2, "lf-approval", "政府采购", &[PROCUREMENT]),
        (2, "lf-approval", "登记注册", &["office_holding_limit"]),
        (2, "lf-approval", "工程招投标", &[]),
        (2, "lf-amr", "任职资格审查", &["office_holding_limit"]),
        (2, "lf-amr", "评优评先", &["award_limit"]),
        (2, "lf-emergency", "评优评先", &[]),
        (2, "lf-reform", "评优评先", &[]),
        (2, "lf-reform", "财政资金申报", &["fiscal_funds_limit"]),
        (2, "lf-housing", "不动产登记", &["high_consumption_limit"]),
        (2, "lf-transport", "高消费限制", &["high_consumption_limit"]),
        (2, "lf-tax", "政府采购", &[]),
        // Of the whole city, so of its counties too; of one county, so not of another.
        (2, "ga-amr", "评优评先", &["award_limit"]),
        (2, "sh-amr", "评优评先", &["award_limit"]),
        (3, "lf-amr", "评优评先", &["award_limit"]),
        (3, "ga-amr", "评优评先", &["award_limit"]),
        (3, "sh-amr", "评优评先", &[]),
    ];
    let agencies: BTreeSet<&str> = table.iter().map(|(_, agency, ..)| *agency).collect();
    let callers: BTreeMap<&str, Caller> = agencies.into_iter().map(|agency| (agency, app.key(agency, Role::Consumer))).collect();
    let told = |confirmed: bool| {
        for &(n, agency, matter, brought) in table {
            let answer = ask(&callers[agency], &company(n), matter).ok();
            let place = format!("{n} {agency} {matter}: {answer}");
            let wanted: &[&str] = if n == 1 && !confirmed { &[] } else { brought };
            assert_eq!(measures(&answer), wanted, "{place}");
            // The lists are public, so all are told of them; only a measure obliges.
            let list = &answer["lists"][0];
            assert_eq!(answer["lists"].as_array().unwrap().len(), 1, "{place}");
            assert_eq!(list["list"], if n == 1 { "serious_illegality" } else { "judgment_defaulter" }, "{place}");
            assert_eq!((&answer["result"], &list["under_review"]), (&json!("black"), &json!(false)), "{place}");
            assert_eq!(answer["feedback_required"], json!(!wanted.is_empty()), "{place}");
            assert_eq!(answer["feedback_by"].is_string(), !wanted.is_empty(), "{place}");
            let last_day = if n == 1 { json!("2029-12-01") } else { Value::Null };
            assert_eq!(list["expires_on"], last_day, "{place}");
            for measure in list["measures"].as_array().unwrap() {
                assert!(!measure["legal_basis"].as_array().unwrap().is_empty(), "{place}");
                assert_eq!((&measure["expires_on"], &measure["direction"]), (&last_day, &json!("sanction")), "{place}");
                let own = format!(
                    "SELECT d.id::text FROM directives d JOIN agencies a ON a.id = d.agency_id WHERE d.entry_id = '{}' AND d.measure = '{}' AND a.code = '{agency}'",
                    text(&list["entry_id"]),
                    text(&measure["code"])
                );
                let own = app.sql(&own).first().map(|row| row.get::<_, String>(0));
                // A county carries out what its city was told, without a directive of its own.
                assert_eq!(own.is_none(), n == 2 && agency.ends_with("-amr") && !agency.starts_with("lf-"), "{place}");
                assert_eq!(measure["directive_id"], json!(own), "{place}");
            }
        }
    };
    told(false);
    assert_eq!(app.count(&format!("SELECT count(*) FROM directives WHERE entry_id = '{}' AND state <> 'proposed'", entry.id)), 0);
    confirm(&app);
    told(true);
}

#[test]
fn measures_begin_with_the_confirmation_pause_with_the_ground_and_end_with_the_entry() {
    let app = TestApp::new();
    let regulator = Regulator::new(&app);
    let approval = app.key("lf-approval", Role::Consumer);
    let told = || ask(&approval, &company(1), "政府采购").ok();
    let entry = regulator.decided(&app, &[1]).remove(0);
    let before = told();
    assert_eq!((&before["result"], &before["lists"]), (&json!("none"), &json!([])), "nobody knows yet");
    step(&regulator.official(&app), &entry, "publish", &json!({}));
    assert_eq!((told()["result"].clone(), measures(&told())), (json!("black"), vec![]));
    confirm(&app);
    let confirmed = told();
    assert_eq!(measures(&confirmed), [PROCUREMENT]);

    // The record under it is put right: before and after the list has followed, nothing may rest on the entry.
    let correct = json!({ "fields": { "CF_NR": "罚款贰仟元整" }, "reason": "笔误" });
    regulator.official(&app).post(&format!("/v1/subjects/{}/records/{}/correct", entry.subject, entry.record), &correct).ok();
    for settled in [false, true] {
        if settled {
            app.settle();
        }
        let held = told();
        assert_eq!((measures(&held), &held["lists"][0]["under_review"]), (vec![], &json!(true)), "settled: {settled}");
        assert_eq!((&held["feedback_required"], &held["feedback_by"]), (&json!(false), &Value::Null), "settled: {settled}");
    }
    step(&regulator.chief(&app), &entry, "confirm-ground", &json!({ "reason": "更正不影响列入" }));
    assert_eq!(bare(told()), bare(confirmed), "as if nothing had been");

    step(&regulator.chief(&app), &entry, "exit", &json!({ "cause": "revocation", "reason": "撤销" }));
    let after = told();
    assert_eq!((&after["result"], &after["lists"], &after["feedback_required"]), (&json!("none"), &json!([]), &json!(false)));
    assert_eq!(after["subject"]["uscc"], json!(party(1)), "the company is known as before");
}

#[test]
fn the_answer_rests_on_the_records_and_the_day_whether_or_not_anything_ran() {
    let app = TestApp::with(|s| s.jobs.poll_milliseconds = 3_600_000);
    let regulator = Regulator::new(&app);
    let entries = regulator.listed(&app, &[1, 2]);
    courts_report(&app, &defaulter(3));
    confirm(&app);
    let approval = app.key("lf-approval", Role::Consumer);
    let told = |n: u32| ask(&approval, &company(n), "政府采购").ok();
    for n in [1, 2, 3] {
        assert_eq!(measures(&told(n)), [PROCUREMENT], "{n}");
    }
    let withdraw = json!({ "reason": "撤销" });
    let path = format!("/v1/subjects/{}/records/{}/withdraw", entries[1].subject, entries[1].record);
    regulator.official(&app).post(&path, &withdraw).ok();
    let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=serious_dishonesty", party(3))).ok();
    let record = text(&file["sections"][0]["statements"][0]["record_id"]);
    let path = format!("/v1/subjects/{}/records/{record}/withdraw", text(&file["subject"]["id"]));
    app.provider("lf-court").post(&path, &withdraw).ok();
    for n in [2, 3] {
        let answer = told(n);
        assert_eq!((measures(&answer), &answer["lists"][0]["under_review"]), (vec![], &json!(true)), "{n}");
    }
    let untouched = "SELECT count(*) FROM list_entries WHERE state = 'listed' AND ground_state = 'sound'";
    assert_eq!(app.count(untouched), 3, "nothing has followed yet");

    app.at("2029-12-01T15:59:59Z");
    assert_eq!(measures(&told(1)), [PROCUREMENT], "to the last second in China");
    app.at("2029-12-01T16:00:00Z");
    let after = told(1);
    assert_eq!((&after["result"], &after["lists"]), (&json!("none"), &json!([])));
    assert_eq!(app.count(untouched), 3, "nothing has ended it yet");
}

#[test]
fn whom_the_city_commends_is_met_with_what_the_agency_was_directed_to_do() {
    let app = TestApp::new();
    let regulator = Regulator::new(&app);
    let official = regulator.official(&app);
    official.push("registration", "v1", &registration(1, "廊坊市试验1商贸有限公司").csv()).ok();
    let proposal = json!({ "list": "city_commendation", "uscc": party(1), "facts": "守信", "legal_basis": "国发〔2016〕33号",
        "measures": ["priority_channel", "trade_bonus"] });
    let entry = Entry { subject: String::new(), record: String::new(), id: text(&official.post("/v1/list-entries", &proposal).ok()["id"]) };
    let announcement =
        json!({ "notice_no": "公示1", "served_on": "2026-11-23", "method": "announcement", "proof": "信用中国（河北廊坊）" });
    step(&official, &entry, "notice", &announcement);
    app.at("2026-12-01T02:00:00Z");
    step(&regulator.chief(&app), &entry, "decide", &json!({ "decision_no": "列1", "decided_on": "2026-12-01" }));
    step(&regulator.official(&app), &entry, "publish", &json!({}));
    confirm(&app);
    let approval = app.key("lf-approval", Role::Consumer);
    let answer = ask(&approval, &company(1), "行政许可审批").ok();
    assert_eq!((&answer["result"], &answer["lists"][0]["colour"]), (&json!("red"), &json!("red")));
    // Of the two incentives that its memorandum has for this matter, the one that was announced.
    assert_eq!(measures(&answer), ["priority_channel"]);
    let measure = &answer["lists"][0]["measures"][0];
    assert_eq!(measure["direction"], "incentive");
    let own = format!(
        "SELECT count(*) FROM directives WHERE id = '{}' AND measure = 'priority_channel' AND state = 'issued'",
        text(&measure["directive_id"])
    );
    assert_eq!(app.count(&own), 1);
}

fn feed_back(caller: &Caller, check: &str, body: &Value) -> Answer {
    caller.post(&format!("/v1/checks/{check}/feedback"), body)
}

/// Checks of a page, with what is said about each.
fn listed(caller: &Caller, query: &str) -> Vec<(String, String, bool)> {
    let page = caller.get(&format!("/v1/checks?{query}")).ok();
    let items = page["items"].as_array().unwrap().iter();
    items.map(|c| (text(&c["check_id"]), text(&c["feedback_state"]), c["overdue"].as_bool().unwrap())).collect()
}

#[test]
fn a_hit_owes_an_answer_until_one_settles_it() {
    let app = TestApp::new();
    courts_report(&app, &defaulter(1));
    let approval = app.key("lf-approval", Role::Consumer);
    let stranger = app.key("lf-housing", Role::Consumer);
    let office = app.login(Role::CreditOffice);
    let answer = ask(&approval, &company(1), "政府采购").ok();
    let id = text(&answer["check_id"]);
    // Twenty working days from Monday, 23 November.
    assert_eq!((&answer["feedback_required"], &answer["feedback_by"]), (&json!(true), &json!("2026-12-21")));
    assert_eq!(answer["feedback_rule"], "joint.check_feedback_wd@1");
    let free = text(&ask(&approval, &company(1), "海关通关").ok()["check_id"]);
    let owed = |caller: &Caller| listed(caller, "owed=true");
    let state = |state: &str, overdue: bool| vec![(id.clone(), state.to_owned(), overdue)];
    for caller in [&approval, &office] {
        assert_eq!(owed(caller), state("owed", false));
        assert_eq!(listed(caller, "owed=false"), [(free.clone(), "none".to_owned(), false)]);
    }
    assert!(owed(&stranger).is_empty());

    let applied = json!({ "outcome": "applied", "measures": [PROCUREMENT], "result": "资格审查不通过" });
    let pending = json!({ "outcome": "pending", "reason": "尚未评审" });
    feed_back(&approval, &free, &applied).problem(409, "no_feedback_owed");
    feed_back(&approval, &free, &pending).problem(409, "no_feedback_owed");
    feed_back(&stranger, &id, &applied).problem(404, "not_found");
    stranger.get(&format!("/v1/checks/{id}")).problem(404, "not_found");
    feed_back(&approval, &uuid::Uuid::nil().to_string(), &applied).problem(404, "not_found");
    feed_back(&office, &id, &applied).problem(403, "forbidden");
    feed_back(&app.anonymous(), &id, &applied).problem(401, "unauthenticated");
    let tried = |body: Value, status: u16, code: &str| feed_back(&approval, &id, &body).problem(status, code);
    let unknown = tried(json!({ "outcome": "applied", "measures": [PROCUREMENT, TENDERING] }), 422, "measure_unknown");
    assert_eq!((&unknown["measures"], &unknown["returned"]), (&json!([TENDERING]), &json!([PROCUREMENT])));
    tried(json!({ "outcome": "applied" }), 422, "measure_unknown");
    tried(json!({ "outcome": "pending", "reason": "x", "measures": ["exit_ban"] }), 422, "measure_unknown");
    tried(json!({ "outcome": "not_applicable" }), 422, "reason_missing");
    tried(json!({ "outcome": "not_applicable", "reason": " \n" }), 422, "reason_missing");
    tried(json!({ "outcome": "pending" }), 422, "reason_missing");
    tried(
        json!({ "outcome": "applied", "measures": [PROCUREMENT], "result": format!("身份证{}", resident_id(1)) }),
        422,
        "check_text_refused",
    );
    tried(json!({ "outcome": "done", "measures": [PROCUREMENT] }), 400, "malformed_request");
    tried(json!({ "outcome": "applied", "measures": [PROCUREMENT], "remark": "x" }), 400, "malformed_request");
    assert_eq!(app.count("SELECT count(*) FROM check_feedback"), 0);
    assert_eq!(owed(&approval), state("owed", false), "nothing that was refused left a trace");

    // Pending may be said as often as it is true, and settles nothing; a colleague with an account answers as well as the key that asked.
    let colleague = app.login_at(Role::Consumer, Some("lf-approval"));
    feed_back(&approval, &id, &pending).ok();
    feed_back(&colleague, &id, &pending).ok();
    app.at("2026-12-21T15:59:59Z");
    assert_eq!(owed(&approval), state("pending", false), "to the last second in China");
    app.at("2026-12-21T16:00:00Z");
    for caller in [&approval, &app.log_in_again(&office)] {
        assert_eq!(owed(caller), state("pending", true));
    }
    let view = approval.get(&format!("/v1/checks/{id}")).ok();
    assert_eq!((&view["feedback_state"], &view["overdue"], &view["signed"]), (&json!("pending"), &json!(true), &answer["signed"]));

    let keyed = approval.header("Idempotency-Key", "late-1");
    let given = feed_back(&keyed, &id, &applied);
    assert_eq!(given.status, 201);
    let given = given.ok();
    assert_eq!((&given["outcome"], &given["measures"]), (&json!("applied"), &json!([PROCUREMENT])));
    assert_eq!(feed_back(&keyed, &id, &applied).ok(), given, "the same request under the same key");
    feed_back(&keyed, &id, &pending).problem(422, "idempotency_key_reused");
    for again in [applied, pending, json!({ "outcome": "not_applicable", "reason": "x" })] {
        feed_back(&approval, &id, &again).problem(409, "duplicate_feedback");
    }
    assert!(owed(&approval).is_empty());
    assert!(owed(&app.log_in_again(&office)).is_empty());
    let view = approval.get(&format!("/v1/checks/{id}")).ok();
    assert_eq!((&view["feedback_state"], &view["overdue"]), (&json!("given"), &json!(false)));
    let outcomes: Vec<String> = view["feedback"].as_array().unwrap().iter().map(|f| text(&f["outcome"])).collect();
    assert_eq!(outcomes, ["pending", "pending", "applied"]);

    // What was answered and reported stays, whoever writes it.
    for statement in [
        format!("UPDATE checks SET result = '{{}}' WHERE id = '{id}'"),
        format!("UPDATE checks SET feedback_by = feedback_by + 30 WHERE id = '{id}'"),
        format!("DELETE FROM checks WHERE id = '{id}'"),
        "DELETE FROM check_feedback".to_owned(),
        "UPDATE check_feedback SET outcome = 'applied'".to_owned(),
    ] {
        let said = app.sql_refused(&statement);
        assert!(said.contains("is not allowed"), "{statement}: {said}");
    }
}

#[test]
fn of_all_who_settle_a_check_at_once_one_does() {
    let app = TestApp::new();
    courts_report(&app, &defaulter(1));
    let approval = app.key("lf-approval", Role::Consumer);
    let id = text(&ask(&approval, &company(1), "政府采购").ok()["check_id"]);
    let bodies: Vec<Value> = (0..6)
        .map(|k| match k % 2 {
            0 => json!({ "outcome": "applied", "measures": [PROCUREMENT] }),
            _ => json!({ "outcome": "not_applicable", "reason": "供应商自行退出" }),
        })
        .collect();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = bodies.iter().map(|body| scope.spawn(|| feed_back(&approval, &id, body).status)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|s| **s == 201).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|s| **s == 409).count(), 5, "{answers:?}");
    assert_eq!(app.count("SELECT count(*) FROM check_feedback"), 1);
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'check.feedback'"), 1);
}

#[test]
fn what_is_owed_is_listed_most_urgent_first_to_whom_it_concerns() {
    let app = TestApp::new();
    courts_report(&app, &defaulter(1));
    let (approval, housing) = (app.key("lf-approval", Role::Consumer), app.key("lf-housing", Role::Consumer));
    let limited = app.scoped_key("lf-approval", Role::Consumer, Some(vec!["judgment_defaulter".to_owned()]), None);
    let asked = |caller: &Caller, matter: &str| text(&ask(caller, &company(1), matter).ok()["check_id"]);
    let first = asked(&approval, "政府采购");
    let second = asked(&housing, "工程招投标");
    app.at("2026-11-24T02:00:00Z");
    let third = asked(&approval, "登记注册");
    let fourth = asked(&limited, "政府采购");
    let office = app.login(Role::CreditOffice);
    let ids = |caller: &Caller, query: &str| listed(caller, query).into_iter().map(|(id, ..)| id).collect::<Vec<_>>();
    assert_eq!(ids(&approval, "owed=true"), [first.as_str(), third.as_str(), fourth.as_str()]);
    assert_eq!(ids(&approval, ""), [fourth.as_str(), third.as_str(), first.as_str()], "all of them newest first");
    assert_eq!(ids(&housing, "owed=true&agency=lf-housing"), [second.as_str()]);
    assert_eq!(ids(&office, "owed=true&agency=lf-housing"), [second.as_str()]);
    // A limited key reads what it was told itself.
    assert_eq!(ids(&limited, "owed=true"), [fourth.as_str()]);
    limited.get(&format!("/v1/checks/{first}")).problem(404, "not_found");
    feed_back(&limited, &first, &json!({ "outcome": "pending", "reason": "x" })).problem(404, "not_found");

    for (query, wanted) in [("owed=true", [&first, &second, &third, &fourth]), ("", [&fourth, &third, &second, &first])] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = office.get(&format!("/v1/checks?{query}&limit=1{cursor}")).ok();
            assert_eq!(page["items"].as_array().unwrap().len(), 1);
            seen.push(text(&page["items"][0]["check_id"]));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.iter().collect::<Vec<_>>(), wanted, "{query}");
    }
    approval.get("/v1/checks?agency=lf-housing").problem(403, "forbidden");
    office.get("/v1/checks?agency=nobody").problem(422, "agency_unknown");
    office.get("/v1/checks?owed=true&cursor=xx").problem(400, "bad_cursor");
    office.get("/v1/checks?limit=0").problem(400, "bad_limit");
    office.get("/v1/checks?case_no=1").problem(400, "malformed_request");
    app.provider("lf-amr").get("/v1/checks").problem(403, "forbidden");
}

/// Tables that hold a text somewhere, in clear or as bytes.
fn tables_with(app: &TestApp, text: &str) -> Vec<String> {
    let bytes: String = text.bytes().map(|b| format!("{b:02x}")).collect();
    let tables = app.sql(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1",
    );
    let holds = |table: &String| {
        let rows =
            format!("SELECT count(*) FROM \"{table}\" whole_row WHERE whole_row::text LIKE '%{text}%' OR whole_row::text LIKE '%{bytes}%'");
        app.count(&rows) > 0
    };
    tables.iter().map(|row| row.get::<_, String>(0)).filter(holds).collect()
}

#[test]
fn a_person_is_found_by_the_document_alone_and_nothing_else_gives_it_away() {
    let app = TestApp::new();
    courts_report(&app, &person_defaulter(5));
    let number = resident_id(5);
    let subject: String = app.sql("SELECT id::text FROM subjects WHERE kind = 'natural_person'")[0].get(0);
    let approval = app.key("lf-approval", Role::Consumer);
    let tax = app.key("lf-tax", Role::Consumer);
    let matter = "任职资格审查";
    let spaced = format!("{} {}", &number[..6], number[6..].to_lowercase());
    for asked in [person(&number), named(person(&number), "李试验"), person(&spaced)] {
        let told = ask(&approval, &asked, matter).ok();
        assert_eq!((measures(&told), &told["result"]), (vec!["office_holding_limit"], &json!("black")), "{told}");
        assert_eq!((&told["subject"]["id"], &told["subject"]["name"]), (&json!(subject), &json!("李试验")));
        assert_eq!((&told["subject"]["uscc"], &told["subject"]["name_mismatch"]), (&Value::Null, &json!(false)));
    }
    // Who has the name wrong, who has a matter that no measure touches, and who asks about nobody get one and the same answer.
    for (caller, asked, matter) in [
        (&approval, named(person(&number), "王试验"), matter),
        (&approval, person(&number), "海关通关"),
        (&tax, named(person(&number), "李试验"), matter),
    ] {
        let nobody = bare(ask(caller, &person(&resident_id(6)), matter).ok());
        assert_eq!(
            (&nobody["subject"]["id"], &nobody["subject"]["name_mismatch"], &nobody["lists"]),
            (&Value::Null, &json!(false), &json!([]))
        );
        assert_eq!(bare(ask(caller, &asked, matter).ok()), nobody);
    }

    // A number where it does not belong is refused, and is not in the refusal.
    let refused = |answer: Answer, status: u16, code: &str| {
        assert!(!String::from_utf8_lossy(&answer.bytes).contains(&number));
        answer.problem(status, code)
    };
    for member in ["case_no", "purpose"] {
        let mut body = question(&person(&number), matter);
        body[member] = json!(format!("身份证{number}"));
        assert_eq!(refused(approval.post("/v1/checks", &body), 422, "check_text_refused")["field"], member);
    }
    assert_eq!(refused(ask(&approval, &named(person(&number), &number), matter), 422, "check_text_refused")["field"], "name");
    refused(ask(&approval, &json!({ "kind": "organisation", "uscc": number }), matter), 400, "bad_uscc");

    let keyed = approval.header("Idempotency-Key", "person-1");
    let once = ask(&keyed, &person(&number), matter).ok();
    assert_eq!(ask(&keyed, &person(&number), matter).ok(), once);
    ask(&keyed, &person(&resident_id(6)), matter).problem(422, "idempotency_key_reused");

    // In a batch too.
    let row = |mut subject: Value, reference: &str| {
        subject["ref"] = json!(reference);
        subject
    };
    let batch = |subjects: Value| json!({ "name": "任职审查", "matter": matter, "purpose": PURPOSE, "subjects": subjects });
    refused(approval.post("/v1/check-batches", &batch(json!([row(person(&number), &number)]))), 422, "check_text_refused");
    let subjects = json!([row(person(&number), "甲"), row(named(person(&number), "王试验"), "乙"), row(person(&resident_id(6)), "丙")]);
    let id = text(&approval.post("/v1/check-batches", &batch(subjects)).ok()["id"]);
    assert_eq!((&completed(&approval, &id)["hits"], &completed(&approval, &id)["problems"]), (&json!(1), &json!(0)));
    let csv = approval.get(&format!("/v1/check-batches/{id}/result.csv")).bytes;
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.contains("李试验") && !csv.contains("王试验") && !csv.contains(&number), "{csv}");
    let check = text(&once["check_id"]);
    feed_back(&approval, &check, &json!({ "outcome": "applied", "measures": ["office_holding_limit"] })).ok();

    // The person opens an account and sees who asked. The one who had the name wrong did not learn of the person, so is not shown.
    let papers = json!({ "username": "li-shiyan", "password": PASSWORD, "person_name": "李试验", "document_kind": "身份证",
        "document_number": number, "subject_id": subject, "capacity": "self", "evidence": "本人到场" });
    app.login(Role::Clerk).post("/v1/subject-accounts", &papers).ok();
    let seen = app.log_in("li-shiyan").get(&format!("/v1/me/subjects/{subject}/accesses?limit=200")).ok();
    let queries: Vec<&Value> = seen["accesses"].as_array().unwrap().iter().filter(|a| a["action"] == "subject.check").collect();
    let by = |agency: &str| queries.iter().filter(|a| a["agency"] == agency).count();
    // Three that were told, one without a measure, two under one key, one in the batch.
    assert_eq!((by("廊坊市行政审批局"), by("廊坊市税务局"), queries.len()), (7, 1, 8), "{seen}");
    assert!(queries.iter().all(|a| a["purpose"] == PURPOSE && a["outcome"] == "granted" && a["actor"].is_null()), "{seen}");

    assert!(tables_with(&app, "李试验").contains(&"checks".to_owned()), "the search finds what is there");
    assert_eq!(tables_with(&app, &number), Vec::<String>::new());
    // What is signed is encoded, so it is looked into.
    let keys = app.anonymous().get("/v1/keys").ok();
    for row in app.sql("SELECT signed FROM checks") {
        let (_, payload) = verified(&keys, &row.get::<_, String>(0)).expect("the signature holds");
        assert!(!payload.to_string().contains(&number), "{payload}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_its_own_code_and_leaves_nothing() {
    let app = TestApp::new();
    courts_report(&app, &defaulter(1));
    let approval = app.key("lf-approval", Role::Consumer);
    let sound = question(&company(1), "政府采购");
    let tried = |change: &dyn Fn(&mut Value), status: u16, code: &str| {
        let mut body = sound.clone();
        change(&mut body);
        assert_ne!(body, sound);
        approval.post("/v1/checks", &body).problem(status, code)
    };
    let unknown = tried(&|b| b["matter"] = json!("买菜"), 422, "matter_unknown");
    assert!(unknown["matters"].as_array().unwrap().contains(&json!("政府采购")), "{unknown}");
    tried(&|b| b["matter"] = json!(" "), 422, "matter_unknown");
    for member in ["case_no", "purpose"] {
        assert_eq!(tried(&|b| b[member] = json!("  "), 422, "check_incomplete")["field"], member);
        assert_eq!(tried(&|b| b[member] = json!("a\u{7}b"), 422, "check_text_refused")["field"], member);
        assert_eq!(tried(&|b| b[member] = json!("长".repeat(4001)), 422, "check_text_refused")["limit"], 4000);
        tried(&|b| drop(b.as_object_mut().unwrap().remove(member)), 400, "malformed_request");
    }
    tried(&|b| b["subject"]["name"] = json!("a\u{0}"), 422, "check_text_refused");
    tried(&|b| b["remark"] = json!("x"), 400, "malformed_request");
    tried(&|b| b["subject"]["code"] = json!("x"), 400, "malformed_request");
    tried(&|b| b["subject"]["kind"] = json!("company"), 400, "malformed_request");
    tried(&|b| b["subject"]["uscc"] = json!("91110000710925462Y"), 400, "bad_uscc");
    tried(&|b| b["subject"]["uscc"] = json!("=1+1"), 400, "bad_uscc");
    tried(&|b| b["subject"]["uscc"] = json!(" "), 422, "check_subject_incomplete");
    tried(&|b| b["subject"] = json!({ "kind": "organisation", "name": "廊坊市试验1商贸有限公司" }), 422, "check_subject_incomplete");
    tried(&|b| b["subject"]["document_number"] = json!(resident_id(1)), 422, "check_subject_incomplete");
    tried(&|b| b["subject"] = json!({ "kind": "natural_person", "document_kind": "身份证" }), 422, "check_subject_incomplete");
    tried(&|b| b["subject"] = json!({ "kind": "natural_person", "uscc": party(1) }), 422, "check_subject_incomplete");
    let wrong = tried(&|b| b["subject"] = person("11010519491231002Y"), 400, "malformed_request");
    assert_eq!(wrong["rule"], "person_document_check_char");
    let card = json!({ "kind": "natural_person", "document_kind": "工作证", "document_number": "1" });
    tried(&|b| b["subject"] = card.clone(), 400, "malformed_request");
    approval.header("Idempotency-Key", "a b").post("/v1/checks", &sound).problem(400, "bad_idempotency_key");
    app.provider("lf-amr").post("/v1/checks", &sound).problem(403, "forbidden");
    app.login(Role::CreditOffice).post("/v1/checks", &sound).problem(403, "forbidden");
    app.anonymous().post("/v1/checks", &sound).problem(401, "unauthenticated");

    for nothing in [
        "SELECT count(*) FROM checks",
        "SELECT count(*) FROM check_batches",
        "SELECT count(*) FROM check_batch_rows",
        "SELECT count(*) FROM check_feedback",
        "SELECT count(*) FROM idempotency_keys",
        "SELECT count(*) FROM audit_entries WHERE action LIKE 'check%'",
        "SELECT count(*) FROM change_feed WHERE topic LIKE 'check%'",
        "SELECT count(*) FROM access_log WHERE action = 'subject.check' AND outcome <> 'refused'",
    ] {
        assert_eq!(app.count(nothing), 0, "{nothing}");
    }
    approval.post("/v1/checks", &sound).ok();
    assert_eq!(app.count("SELECT count(*) FROM checks"), 1);
}

#[test]
fn the_same_question_under_one_key_is_one_check_however_often_it_comes() {
    let app = TestApp::new();
    courts_report(&app, &defaulter(1));
    let keyed = app.key("lf-approval", Role::Consumer).header("Idempotency-Key", "case-1");
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| ask(&keyed, &company(1), "政府采购").ok())).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    app.at("2026-11-24T02:00:00Z");
    assert_eq!(ask(&keyed, &company(1), "政府采购").ok(), answers[0], "the next day too");
    ask(&keyed, &company(1), "登记注册").problem(422, "idempotency_key_reused");
    assert_eq!(app.count("SELECT count(*) FROM checks"), 1);
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'check.answer'"), 1);
    // Each time somebody learned it.
    assert_eq!(
        app.count("SELECT count(*) FROM access_log WHERE action = 'subject.check' AND outcome = 'granted' AND subject_id IS NOT NULL"),
        5
    );
}

#[test]
fn subjects_that_are_one_are_answered_as_one() {
    let app = TestApp::new();
    courts_report(&app, &defaulter(1).and(defaulter(2)).and(defaulter(3)));
    let id = |n: u32| text(&app.anonymous().get(&format!("/v1/subjects/{}/file", party(n))).ok()["subject"]["id"]);
    let ids = [id(1), id(2), id(3)];
    let approval = app.key("lf-approval", Role::Consumer);
    let told = |subject: Value| ask(&approval, &subject, "政府采购").ok();
    let entries = |answer: &Value| answer["lists"].as_array().unwrap().iter().map(|e| text(&e["entry_id"])).collect::<BTreeSet<_>>();
    let own = [1, 2, 3].map(|n| entries(&told(company(n))));
    let office = app.login(Role::CreditOffice);
    let merge = |from: usize, into: usize| {
        let body = json!({ "from_subject_id": ids[from], "into_subject_id": ids[into], "reason": "同一主体" });
        text(&office.post("/v1/subject-merges", &body).ok()["id"])
    };
    // 1 into 2 into 3: a family of three generations.
    let (first, second) = (merge(0, 1), merge(1, 2));
    let whole = told(company(3));
    assert_eq!(entries(&whole), own.iter().flatten().cloned().collect::<BTreeSet<_>>());
    assert_eq!(measures(&whole), [PROCUREMENT; 3]);
    assert_eq!((&whole["subject"]["id"], &whole["subject"]["uscc"]), (&json!(ids[2]), &json!(party(3))));
    for n in [1, 2] {
        assert_eq!(bare(told(company(n))), bare(whole.clone()), "{n}");
    }
    // Any name of any of them is a name of it.
    for (name, mismatch) in [("廊坊市试验1商贸有限公司", false), ("廊坊市试验3商贸有限公司", false), ("别家有限公司", true)]
    {
        let answer = told(named(company(2), name));
        assert_eq!((&answer["subject"]["name_mismatch"], entries(&answer)), (&json!(mismatch), entries(&whole)), "{name}");
    }

    let unmerge =
        |merge: &str| assert_eq!(office.post(&format!("/v1/subject-merges/{merge}/unmerge"), &json!({ "reason": "误合并" })).status, 204);
    unmerge(&second);
    for n in [1, 2] {
        let answer = told(company(n));
        assert_eq!((entries(&answer), text(&answer["subject"]["id"])), (&own[0] | &own[1], ids[1].clone()), "{n}");
    }
    unmerge(&first);
    for (n, at) in [(1, 0), (2, 1), (3, 2)] {
        let answer = told(company(n));
        assert_eq!((&entries(&answer), text(&answer["subject"]["id"])), (&own[at], ids[at].clone()), "{n}");
    }
}
