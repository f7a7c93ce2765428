//! The dry run of changed rules: it tells who would be affected and how, over HTTP and at the console, and changes nothing.

use crate::support::builders::{defaulter, party, penalties, penalty, person_penalty};
use crate::support::{Caller, TestApp};
use credence_core::Role;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::slice::from_ref;

const ITEM: &str = "administrative_penalty_organisation";
const PERSONS: &str = "administrative_penalty_person";

fn shipped() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("config/rules/publicity.toml");
    std::fs::read_to_string(path).unwrap()
}

/// The rules of a file.
fn rules(text: &str) -> Vec<Value> {
    credence_rulebook::toml_json::document(text).unwrap()["rules"].as_array().unwrap().clone()
}

/// The regime in force since 2026-04-01 as the next version, in force since 2026-11-01, with a change.
fn regime(change: impl FnOnce(&mut Value)) -> Value {
    let mut rule = rules(&shipped()).into_iter().rfind(|r| r["id"] == "publicity.regime").unwrap();
    rule["version"] = 5.into();
    rule["effective_from"] = "2026-11-01".into();
    change(&mut rule["value"]["classes"]);
    rule
}

/// The class of fines and the class of warnings, by their kinds.
fn class<'a>(classes: &'a mut Value, kind: &str) -> &'a mut Value {
    let holds = |class: &&mut Value| class["kinds"].as_array().is_some_and(|kinds| kinds.contains(&json!(kind)));
    classes.as_array_mut().unwrap().iter_mut().find(|class| holds(class)).unwrap()
}

fn plain(id: &str, version: u32, from: &str, value: Value) -> Value {
    json!({ "id": id, "version": version, "effective_from": from, "value": value, "legal_basis": "x", "verified": false })
}

/// Three fines and a fine at the end of a month on organisations, a warning, and a fine on a person.
fn stored(app: &TestApp) {
    let provider = app.provider("lf-amr");
    let warning = penalty(4).set(0, "处罚类别", "警告").set(0, "处罚内容", "警告").set(0, "罚款金额（万元）", "");
    let august = penalty(5).set(0, "处罚决定日期", "2026-08-31");
    provider.push(ITEM, "v2", &penalties(1, 3).and(warning).and(august).csv()).ok();
    provider.push(PERSONS, "v2", &person_penalty(1).csv()).ok();
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 6);
}

fn diff(office: &Caller, rules: &[Value], on: Option<&str>) -> Value {
    let mut body = json!({ "rules": rules });
    if let Some(on) = on {
        body["on"] = on.into();
    }
    office.post("/v1/rules/diff", &body).ok()
}

/// Everything a dry run could have left behind.
fn traces(app: &TestApp) -> Vec<i64> {
    let tables = ["config_documents", "record_versions", "audit_entries", "change_feed"];
    tables.map(|table| app.count(&format!("SELECT count(*) FROM {table}"))).to_vec()
}

#[test]
fn a_shorter_period_is_told_record_by_record_and_nothing_is_changed() {
    let app = TestApp::new();
    stored(&app);
    let office = app.login(Role::CreditOffice);
    let before = traces(&app);
    let shorter = regime(|classes| {
        let fines = class(classes, "罚款");
        fines["min_months"] = 1.into();
        fines["max_months"] = 6.into();
    });
    let found = diff(&office, from_ref(&shorter), None);
    assert_eq!(found["on"], "2026-11-23");
    assert_eq!(found["rules"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(
        (found["rules"][0]["rule"].as_str(), found["rules"][0]["change"].as_str(), found["rules"][0]["effective_from"].as_str()),
        (Some("publicity.regime@5"), Some("added"), Some("2026-11-01"))
    );
    let counts = (found["records_looked_at"].as_i64(), found["affected"].as_i64());
    assert_eq!(counts, (Some(6), Some(5)), "the warning stays as it is: {found}");
    let line = |item: &str, count: i64| {
        json!({ "target": "record", "item": item, "class_from": "general", "class_to": "general", "last_public_day": "earlier",
                "earliest_repair_day": "earlier", "count": count })
    };
    assert_eq!(found["by_change"], json!([line(ITEM, 4), line(PERSONS, 1)]));
    assert_eq!((found["no_longer_public"].as_i64(), found["public_again"].as_i64(), &found["open_cases"]), (Some(0), Some(0), &json!([])));

    // Every sample agrees with the database's own calendar.
    let samples = found["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 5);
    for sample in samples {
        let day = sample["decided_on"].as_str().unwrap();
        let after = |more: &str| format!("to_char(date '{day}' + {more}, 'YYYY-MM-DD')");
        let columns = [
            after("interval '12 months'"),
            after("interval '3 months' + interval '1 day'"),
            after("interval '6 months'"),
            after("interval '1 month' + interval '1 day'"),
        ];
        let rows = app.sql(&format!("SELECT {}", columns.join(", ")));
        let expected: Vec<String> = (0usize..4).map(|n| rows[0].get(n)).collect();
        let told = [
            &sample["from"]["last_public_day"],
            &sample["from"]["earliest_repair_day"],
            &sample["to"]["last_public_day"],
            &sample["to"]["earliest_repair_day"],
        ];
        assert_eq!(told.map(|v| v.as_str().unwrap().to_owned()).to_vec(), expected, "{sample}");
        assert_eq!(sample["to"]["rules"], json!(["publicity.regime@5", "publicity.transition@1"]));
    }
    assert!(samples.iter().any(|s| s["to"]["last_public_day"] == "2027-02-28"), "six months from 31 August end with February");

    // On another day the one of August is over by the new rule only.
    let later = diff(&office, from_ref(&shorter), Some("2027-03-01"));
    assert_eq!((later["no_longer_public"].as_i64(), later["public_again"].as_i64()), (Some(1), Some(0)), "{later}");
    assert_eq!(diff(&office, from_ref(&shorter), Some("2027-02-28"))["no_longer_public"], 0, "its last day is public to its end");

    // A rule that does not hold yet affects nobody, and a version as it is held differs in nothing.
    let mut next_year = shorter;
    next_year["effective_from"] = "2027-01-01".into();
    let none = diff(&office, &[next_year], None);
    assert_eq!((none["affected"].as_i64(), none["rules"].as_array().unwrap().len()), (Some(0), 1));
    let held = rules(&shipped()).into_iter().rfind(|r| r["id"] == "publicity.regime").unwrap();
    let none = diff(&office, &[held], None);
    assert_eq!((none["affected"].as_i64(), &none["rules"]), (Some(0), &json!([])));
    assert_eq!(traces(&app), before, "a dry run leaves nothing behind");
}

#[test]
fn what_would_vanish_and_what_would_come_back_is_counted() {
    let app = TestApp::new();
    stored(&app);
    let office = app.login(Role::CreditOffice);
    let swapped = regime(|classes| {
        class(classes, "罚款")["kinds"] = json!(["没收违法所得", "警告"]);
        class(classes, "通报批评")["kinds"] = json!(["通报批评", "罚款"]);
    });
    let found = diff(&office, from_ref(&swapped), None);
    // The person's fine changes too, but was never public.
    let counts = ["affected", "no_longer_public", "public_again"].map(|key| found[key].as_i64().unwrap());
    assert_eq!(counts, [6, 4, 1], "{found}");
    let kinds: Vec<(&str, &str, &str, i64)> = found["by_change"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| {
            let text = |key: &str| l[key].as_str().unwrap();
            (text("class_from"), text("class_to"), text("last_public_day"), l["count"].as_i64().unwrap())
        })
        .collect();
    assert_eq!(kinds, [("general", "minor", "earlier", 4), ("minor", "general", "later", 1), ("general", "minor", "earlier", 1)]);

    // What was taken back by its provider is looked at no more.
    let row = &app.sql("SELECT subject_id::text, record_id::text FROM record_versions WHERE data ->> 'CF_NR' = '警告'")[0];
    let path = format!("/v1/subjects/{}/records/{}/withdraw", row.get::<_, String>(0), row.get::<_, String>(1));
    app.provider("lf-amr").post(&path, &json!({ "reason": "撤销" })).ok();
    let found = diff(&office, &[swapped], None);
    assert_eq!((found["records_looked_at"].as_i64(), found["public_again"].as_i64()), (Some(5), Some(0)), "{found}");
}

#[test]
fn what_would_never_be_repaired_any_more_is_affected() {
    let app = TestApp::new();
    stored(&app);
    let office = app.login(Role::CreditOffice);
    let never = |codes: Value| plain("repair.never_items", 2, "2026-11-01", codes);
    let found = diff(&office, &[never(json!([ITEM]))], None);
    let line = |class: &str, count: i64| {
        json!({ "target": "record", "item": ITEM, "class_from": class, "class_to": class, "last_public_day": "same",
                "earliest_repair_day": "later", "count": count })
    };
    assert_eq!(found["by_change"], json!([line("general", 4), line("minor", 1)]), "{found}");
    let counts = ["records_looked_at", "affected", "no_longer_public", "entries_affected"].map(|key| found[key].as_i64().unwrap());
    assert_eq!(counts, [6, 5, 0, 0], "{found}");
    for sample in found["samples"].as_array().unwrap() {
        assert_eq!((&sample["from"]["repairable"], &sample["to"]["repairable"]), (&json!(true), &json!(false)), "{sample}");
        assert!(sample["to"]["rules"].as_array().unwrap().contains(&json!("repair.never_items@2")), "{sample}");
        assert_eq!(sample["from"]["last_public_day"], sample["to"]["last_public_day"]);
    }
    // Of an item without terms of publicity as well: its records are adverse, and could be repaired on any day.
    app.provider("lf-court").push("judgment_defaulter", "v1", &defaulter(9).csv()).ok();
    let found = diff(&office, &[never(json!(["judgment_defaulter"]))], None);
    assert_eq!((found["records_looked_at"].as_i64(), found["affected"].as_i64()), (Some(7), Some(1)), "{found}");
    let sample = &found["samples"][0];
    assert_eq!((&sample["from"], &sample["to"]["repairable"], sample["to"]["class"].is_null()), (&Value::Null, &json!(false), true));
    assert_eq!(diff(&office, &[never(json!([]))], None)["affected"], 0);
}

#[test]
fn an_entry_is_affected_by_the_periods_of_its_list() {
    let app = TestApp::new();
    let (official, chief) = (app.login_at(Role::Provider, Some("lf-amr")), app.login_at(Role::Approver, Some("lf-amr")));
    official.push(ITEM, "v2", &penalty(1).csv()).ok();
    let file = app.anonymous().get(&format!("/v1/subjects/{}/file?section=administrative_penalty", party(1))).ok();
    let proposal = json!({
        "list": "serious_illegality", "uscc": party(1), "facts": "受到较重行政处罚", "legal_basis": "总局令第44号第九条",
        "measures": ["government_procurement_limit"], "ground_record_id": file["sections"][0]["statements"][0]["record_id"],
    });
    let entry = official.post("/v1/list-entries", &proposal).ok()["id"].as_str().unwrap().to_owned();
    let act = |caller: &Caller, step: &str, body: Value| caller.post(&format!("/v1/list-entries/{entry}/{step}"), &body).ok();
    act(&official, "notice", json!({ "notice_no": "告1", "served_on": "2026-11-23", "method": "direct", "proof": "回证1" }));
    app.at("2026-12-01T02:00:00Z");
    act(&app.log_in_again(&chief), "decide", json!({ "decision_no": "列1", "decided_on": "2026-12-01" }));
    act(&app.log_in_again(&official), "publish", json!({}));

    let office = app.login(Role::CreditOffice);
    let months = |id: &str, from: &str, months: u32| {
        let mut rule = plain(id, 2, from, months.into());
        rule["unit"] = "month".into();
        rule
    };
    let (least, most) = ("list.scjg_serious.min_months", "list.scjg_serious.max_months");
    let found = diff(&office, &[months(least, "2026-11-01", 24), months(most, "2026-11-01", 30)], None);
    let counts = ["entries_looked_at", "entries_affected", "affected"].map(|key| found[key].as_i64().unwrap());
    assert_eq!(counts, [1, 1, 0], "{found}");
    let line = json!({ "target": "entry", "item": "serious_illegality", "class_from": null, "class_to": null, "last_public_day": "earlier",
                       "earliest_repair_day": "later", "count": 1 });
    assert_eq!(found["by_change"], json!([line]));
    let sample = &found["samples"][0];
    assert_eq!((&sample["target"], &sample["id"]), (&json!("entry"), &json!(entry)));
    let told = |side: &str| [&sample[side]["last_public_day"], &sample[side]["earliest_repair_day"]].map(|day| day.as_str().unwrap());
    // 30 months from 1 December, and the day after 12 and 24 of them.
    assert_eq!((told("from"), told("to")), (["2029-12-01", "2027-12-02"], ["2029-06-01", "2028-12-02"]));
    // The period was set when it was listed, by the rule of that day: a rule of the day after moves nothing.
    let later = diff(&office, &[months(most, "2026-12-02", 30)], Some("2027-01-01"));
    assert_eq!((later["entries_looked_at"].as_i64(), later["entries_affected"].as_i64()), (Some(1), Some(0)), "{later}");
    // What is never repaired is named by the list as well.
    let never = diff(&office, &[plain("repair.never_items", 2, "2026-11-01", json!(["serious_illegality"]))], None);
    assert_eq!((never["entries_affected"].as_i64(), &never["samples"][0]["to"]["repairable"]), (Some(1), &json!(false)), "{never}");
    assert_eq!(diff(&office, &[plain("repair.never_items", 2, "2026-11-01", json!([]))], Some("2029-12-02"))["entries_looked_at"], 0);
}

#[test]
fn samples_end_at_their_limit_and_the_counts_do_not() {
    let app = TestApp::with(|settings| settings.redress.diff_samples_max = 2);
    stored(&app);
    let shorter = regime(|classes| class(classes, "罚款")["max_months"] = 4.into());
    let found = diff(&app.login(Role::CreditOffice), &[shorter], None);
    assert_eq!((found["affected"].as_i64(), found["samples"].as_array().unwrap().len()), (Some(5), 2));
}

#[test]
fn rules_that_could_not_come_into_force_are_refused_with_their_faults() {
    let app = TestApp::new();
    let office = app.login(Role::CreditOffice);
    let transition = |value: &str| plain("publicity.transition", 2, "2026-11-01", value.into());
    let cases: Vec<(Value, &str)> = vec![
        (regime(|classes| class(classes, "罚款")["kinds"] = json!(["打板子"])), "打板子"),
        (regime(|classes| class(classes, "罚款")["min_months"] = 13.into()), "min_months"),
        (regime(|classes| class(classes, "罚款")["code"] = "heavy".into()), "heavy"),
        (regime(|classes| class(classes, "罚款")["items"] = json!(["no_item"])), "no_item"),
        (regime(|classes| class(classes, "罚款")["colour"] = "red".into()), "colour"),
        (transition("by_lot"), "regime_at_application"),
        (plain("repair.total_wd", 2, "2026-11-01", "10".into()), "whole number"),
        (plain("dispute.hide_while_open", 2, "2026-11-01", true.into()), "only false"),
    ];
    for (rule, word) in cases {
        let problem = office.post("/v1/rules/diff", &json!({ "rules": [rule] })).problem(422, "bad_config");
        let faults = problem["faults"].as_array().unwrap();
        assert!(faults.len() == 1 && faults[0].as_str().unwrap().contains(word), "{word}: {problem}");
    }
    let sound = transition("more_favourable");
    let twice = office.post("/v1/rules/diff", &json!({ "rules": [sound, sound] })).problem(422, "bad_config");
    assert!(twice["faults"][0].as_str().unwrap().contains("is also in"), "{twice}");
    office.post("/v1/rules/diff", &json!({ "rules": [] })).problem(400, "malformed_request");
    office.post("/v1/rules/diff", &json!({ "rules": [sound], "of": 1 })).problem(400, "malformed_request");
    office.post("/v1/rules/diff", &json!({ "rules": [{ "id": "x" }] })).problem(400, "malformed_request");
    app.login(Role::Provider).post("/v1/rules/diff", &json!({ "rules": [sound] })).problem(403, "forbidden");
    app.anonymous().post("/v1/rules/diff", &json!({ "rules": [sound] })).problem(401, "unauthenticated");
    office.post("/v1/rules/diff", &json!({ "rules": [sound] })).ok();
}

#[test]
fn open_deadlines_that_would_move_are_named() {
    let app = TestApp::new();
    let office = app.login(Role::CreditOffice);
    app.sql(
        "INSERT INTO redress_cases (id, case_no, kind, subject_id, channel, applicant, taken_by, applicant_sealed, secret_hash, state, statement,
                                    rules, filed_at)
         SELECT md5('c' || n)::uuid, 'YY' || n, 'dispute', md5('s')::uuid, 'counter', 'subject', md5('k')::uuid, '\\x00'::bytea,
                decode(repeat('00', 32), 'hex'), 'open', 'x', 'x', '2026-11-23T01:00:00Z'::timestamptz FROM generate_series(1, 2) AS n",
    );
    app.sql(
        "INSERT INTO redress_lines (subject_id, id, case_id, kind, target, target_id, source, agency_id, ground, state, due_on, due_rule,
                                    total_due_on, total_rule)
         SELECT md5('s')::uuid, md5('l' || n)::uuid, md5('c' || n)::uuid, 'dispute', 'record', md5('t' || n)::uuid, 'x', md5('a')::uuid,
                'error', 'filed', '2026-11-26'::date, 'dispute.self_wd@1', '2026-12-02'::date, 'dispute.total_wd@1'
           FROM generate_series(1, 2) AS n",
    );
    let longer = plain("dispute.self_wd", 2, "2026-11-01", 5.into());
    let found = diff(&office, &[longer], None);
    let moved = found["open_cases"].as_array().unwrap();
    assert_eq!(moved.len(), 2, "{found}");
    for deadline in moved {
        assert_eq!(
            (deadline["clock"].as_str(), deadline["rule"].as_str(), deadline["due_on_from"].as_str(), deadline["due_on_to"].as_str()),
            (Some("step"), Some("dispute.self_wd@1"), Some("2026-11-26"), Some("2026-11-30"))
        );
    }
    assert_ne!(moved[0]["case_no"], moved[1]["case_no"]);
    // A rule that begins after the case was filed moves nothing of it.
    let tomorrow = plain("dispute.self_wd", 2, "2026-11-24", 5.into());
    assert_eq!(diff(&office, &[tomorrow], None)["open_cases"], json!([]));
    // Both clocks of both lines; withdrawn lines have none.
    app.sql("UPDATE redress_lines SET state = 'withdrawn', closed_at = '2026-11-23T02:00:00Z' WHERE id = md5('l1')::uuid");
    let both = [plain("dispute.self_wd", 2, "2026-11-01", 1.into()), plain("dispute.total_wd", 2, "2026-11-01", 3.into())];
    let found = diff(&office, &both, None);
    let clocks: Vec<(&str, &str)> =
        found["open_cases"].as_array().unwrap().iter().map(|d| (d["clock"].as_str().unwrap(), d["due_on_to"].as_str().unwrap())).collect();
    assert_eq!(clocks, [("step", "2026-11-24"), ("total", "2026-11-26")]);

    // A year of the calendar that is notified anew: one more day off moves both.
    let year = |off: &[&str]| json!({ "year": 2026, "legal_basis": "x", "verified": false, "off": off, "work": [] });
    let found = office.post("/v1/rules/diff", &json!({ "years": [year(&["2026-11-25"])] })).ok();
    assert_eq!((&found["rules"][0]["rule"], found["affected"].as_i64()), (&json!("calendar.2026"), Some(0)), "{found}");
    let to = |found: &Value| -> Vec<String> {
        found["open_cases"].as_array().unwrap().iter().map(|d| d["due_on_to"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(to(&found), ["2026-11-27", "2026-12-03"]);
    let mut odd = year(&[]);
    odd["of"] = 1.into();
    office.post("/v1/rules/diff", &json!({ "years": [odd] })).problem(400, "malformed_request");
    let twice = office.post("/v1/rules/diff", &json!({ "years": [year(&[]), year(&[])] })).problem(422, "bad_config");
    assert!(twice["faults"][0].as_str().unwrap().contains("is also in"), "{twice}");

    // Two stops that are over are taken out, each as it was; while a third runs, nothing is owed and nothing moves.
    let stop = |n: u32, began: &str, ended: &str| {
        app.sql(&format!(
            "INSERT INTO redress_stops (subject_id, id, line_id, reason, note, began_on, began_by, days_left, total_days_left, ended_on, ended_by)
             VALUES (md5('s')::uuid, '00000000-0000-0000-0000-00000000000{n}', md5('l2')::uuid, '鉴定', 'x', '{began}', 'x', 0, 0, {ended},
                     CASE WHEN {ended} IS NULL THEN NULL ELSE 'x' END)"
        ));
    };
    stop(1, "2026-11-24", "'2026-11-26'::date");
    stop(2, "2026-11-27", "'2026-11-30'::date");
    // Two of three days were left on the 24th, one of them on the 27th; with five, four and three.
    assert_eq!(to(&diff(&office, &[plain("dispute.self_wd", 2, "2026-11-01", 5.into())], None)), ["2026-12-03"]);
    stop(3, "2026-12-01", "NULL::date");
    app.sql("UPDATE redress_lines SET due_on = NULL, due_rule = NULL WHERE id = md5('l2')::uuid");
    assert_eq!(diff(&office, &both, None)["open_cases"], json!([]));
}

/// The program at the console of this server's database.
fn console(app: &TestApp, arguments: &[&str]) -> (Option<i32>, String) {
    let program: PathBuf = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("credence");
    let output = Command::new(program)
        .env_clear()
        .env("CREDENCE_LOG", "error")
        .env("DATABASE_URL", &app.db_url)
        .args(["--data-dir", app.dir.path().to_str().unwrap(), "rules", "diff"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_console_tells_the_same() {
    let app = TestApp::new();
    stored(&app);
    let office = app.login(Role::CreditOffice);
    let before = traces(&app);
    // A folder with the regime as the next version, of which fines are public for half as long.
    let text = shipped().replace("version = 4\n", "version = 5\n").replace("effective_from = 2026-04-01", "effective_from = 2026-11-01");
    let (head, tail) = text.split_once("code = \"R3\"").unwrap();
    let text = format!("{head}code = \"R3\"{}", tail.replacen("max_months = 12", "max_months = 6", 1));
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/publicity.toml"), &text).unwrap();
    let named = folder.path().to_str().unwrap();

    let (code, out) = console(&app, &["current", named, "--on", "2026-11-23", "--json"]);
    assert_eq!(code, Some(0), "{out}");
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["affected"], 5, "{told}");
    let rule = rules(&text).into_iter().find(|r| r["version"] == 5).unwrap();
    assert_eq!(told, diff(&office, &[rule], None), "the office is told the same");
    let (code, out) = console(&app, &["current", named, "--on", "2026-11-23"]);
    assert!(code == Some(0) && out.contains("+ publicity.regime@5") && out.contains("5 of 6 records would be affected"), "{out}");

    // Against itself nothing differs; two folders can be compared as well.
    let (code, out) = console(&app, &["current", "current", "--json"]);
    let none: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, none["affected"].as_i64(), &none["rules"]), (Some(0), Some(0), &json!([])));
    let (code, out) = console(&app, &[named, named, "--json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&out).unwrap()["rules"].clone()), (Some(0), json!([])));

    for arguments in [["current", "/nowhere/at/all"], ["/nowhere/at/all", "current"]] {
        let (code, out) = console(&app, &[arguments[0], arguments[1], "--json"]);
        let failure: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, failure["error"]["code"].as_str()), (Some(1), Some("file_unreadable")), "{arguments:?}: {out}");
    }
    let empty = tempfile::tempdir().unwrap();
    let (code, out) = console(&app, &["current", empty.path().to_str().unwrap(), "--json"]);
    assert!(code == Some(1) && out.contains("no_configuration"), "{out}");
    std::fs::write(folder.path().join("rules/publicity.toml"), text.replace("min_months = 12", "min_months = 99")).unwrap();
    let (code, out) = console(&app, &["current", named, "--json"]);
    assert!(code == Some(1) && out.contains("bad_config") && out.contains("min_months 99"), "{out}");
    assert_eq!(traces(&app), before, "a dry run leaves nothing behind");
}

#[test]
fn a_dry_run_does_not_touch_a_schema_that_is_behind() {
    let app = TestApp::new();
    let applied = || app.count("SELECT count(*) FROM __diesel_schema_migrations");
    app.sql("DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)");
    let before = applied();
    let (code, out) = console(&app, &["current", "current", "--json"]);
    let failure: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, failure["error"]["code"].as_str()), (Some(1), Some("migrations_pending")), "{out}");
    assert!(failure["error"]["message"].as_str().unwrap().contains("credence migrate"), "{out}");
    assert_eq!(applied(), before);
}
