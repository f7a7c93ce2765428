//! What is decided about single records, and that it holds: whoever asks, whatever day is asked about, whatever the provider sends next.

use crate::support::builders::{Table, defaulter, defaulters, party, penalty};
use crate::support::{Caller, TestApp};
use credence_audit::effects::Effect;
use credence_core::clock::Clock;
use credence_core::{Actor, Problem, Role};
use credence_records::service::redress::{self, Because};
use serde_json::{Value, json};
use uuid::Uuid;

const ITEM: &str = "administrative_penalty_organisation";
const PENALTIES: &str = "section=administrative_penalty";
const NUMBER: &str = "11010519491231002X";

fn file(caller: &Caller, n: u32, query: &str) -> Value {
    caller.get(&format!("/v1/subjects/{}/file?{PENALTIES}&{query}", party(n))).ok()["sections"][0].clone()
}

fn total(caller: &Caller, n: u32, query: &str) -> i64 {
    file(caller, n, query)["total"].as_i64().unwrap()
}

/// Whose the only record of an item is, and which.
fn record_of(app: &TestApp, item: &str, n: u32) -> (Uuid, Uuid) {
    let query = format!(
        "SELECT v.subject_id::text, v.record_id::text FROM record_versions v JOIN subject_identifiers i ON i.subject_id = v.subject_id
          WHERE v.item = '{item}' AND v.known_to IS NULL AND i.scheme = 'uscc' AND i.value = '{}'",
        party(n)
    );
    let rows = app.sql(&query);
    assert_eq!(rows.len(), 1, "one record");
    let id = |at: usize| rows[0].get::<_, String>(at).parse().unwrap();
    (id(0), id(1))
}

fn pushed(app: &TestApp, n: u32) -> (Uuid, Uuid) {
    app.provider("lf-amr").push(ITEM, "v2", &penalty(n).csv()).ok();
    record_of(app, ITEM, n)
}

#[derive(Clone, Copy)]
enum Step {
    Repair,
    Shield,
    Unshield,
    Stop,
    Withdraw,
}

/// Decides, as redress does, in a transaction of its own.
fn decide(app: &TestApp, step: Step, (subject, record): (Uuid, Uuid), reason: &str) -> Result<Uuid, Problem> {
    let (actor, now) = (Actor::system("official"), app.clock.now());
    let because = Because { case_id: Uuid::nil(), line_id: Uuid::nil(), reason };
    let work = app.app.db.write(async |tx| match step {
        Step::Repair => redress::repair(tx, &actor, subject, record, &because, now).await,
        Step::Shield => redress::shield(tx, &actor, subject, record, &because, now).await,
        Step::Unshield => redress::unshield(tx, &actor, subject, record, &because, now).await,
        Step::Stop => redress::stop_publicity(tx, &actor, subject, record, &because, now).await,
        Step::Withdraw => redress::withdraw_in(&app.app.records, tx, &actor, subject, record, &because, now).await,
    });
    app.block_on(work)
}

fn mark(app: &TestApp, (subject, record): (Uuid, Uuid), kind: &str, note: Option<&str>) {
    let now = app.clock.now();
    let work = app.app.db.write(async |tx| {
        redress::mark(tx, subject, "record", record, kind, Uuid::nil(), note, now).await?;
        tx.mark_recorded();
        Ok(())
    });
    app.block_on(work).unwrap();
}

fn unmark(app: &TestApp, (subject, record): (Uuid, Uuid), kind: &str) {
    let now = app.clock.now();
    let work = app.app.db.write(async |tx| {
        redress::unmark(tx, subject, record, kind, now).await?;
        tx.mark_recorded();
        Ok(())
    });
    app.block_on(work).unwrap();
}

/// State and change of the present version.
fn present(app: &TestApp, record: Uuid) -> (String, String) {
    let rows = app.sql(&format!("SELECT state, change FROM record_versions WHERE record_id = '{record}' AND known_to IS NULL"));
    assert_eq!(rows.len(), 1);
    (rows[0].get(0), rows[0].get(1))
}

fn said(state: &str, change: &str) -> (String, String) {
    (state.to_owned(), change.to_owned())
}

/// Verdict and rules of the first row.
fn verdict(received: &Value) -> (String, Vec<String>) {
    let row = &received["rows"][0];
    let rules = row["issues"].as_array().into_iter().flatten().map(|i| i["rule"].as_str().unwrap().to_owned()).collect();
    (row["verdict"].as_str().unwrap().to_owned(), rules)
}

fn undo(provider: &Caller, received: &Value) {
    let batch = received["batch"]["id"].as_str().unwrap();
    assert_eq!(provider.post(&format!("/v1/batches/{batch}/undo"), &json!({ "reason": "误报" })).status, 202);
    provider.settled(batch);
    assert_eq!(provider.get(&format!("/v1/batches/{batch}")).ok()["state"], "undone");
}

#[test]
fn a_repaired_record_is_gone_for_all_but_the_auditor_whatever_moment_is_asked_about() {
    let app = TestApp::new();
    let target = pushed(&app, 1);
    app.at("2026-11-25T02:00:00Z");
    let viewers = || {
        [Role::Consumer, Role::Clerk, Role::CreditOffice, Role::Provider].map(|role| app.login(role)).into_iter().chain([app.anonymous()])
    };
    let before = "known_at=2026-11-24T00:00:00Z&purpose=x&authorisation=x";
    assert_eq!(total(&app.login(Role::Consumer), 1, before), 1, "there was something to be seen");
    decide(&app, Step::Repair, target, &format!("已履行，当事人证号{NUMBER}")).unwrap();
    for viewer in viewers() {
        for query in ["", before, "as_of=2026-11-20", "purpose=x&authorisation=x"] {
            assert_eq!(total(&viewer, 1, query), 0, "{query}");
        }
    }
    let auditor = file(&app.login(Role::Auditor), 1, "");
    assert_eq!((&auditor["total"], &auditor["statements"][0]["state"]), (&json!(1), &json!("repaired")));
    assert_eq!(auditor["statements"][0]["in_force"], false);
    // Its provider answers for it and sees what became of it.
    let path = format!("/v1/subjects/{}/records/{}", target.0, target.1);
    assert_eq!(app.provider("lf-amr").get(&path).ok()["versions"][1]["state"], "repaired");
    // One entry in the log, one in the feed; the number is in neither, nor with the record.
    assert_eq!(
        app.count("SELECT count(*) FROM audit_entries WHERE action = 'record.repair' AND detail ? 'case_id' AND detail ? 'line_id'"),
        1
    );
    assert_eq!(app.count("SELECT count(*) FROM change_feed WHERE topic = 'record.repair'"), 1);
    for table in ["audit_entries", "change_feed", "record_versions"] {
        assert_eq!(app.count(&format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{NUMBER}%'")), 0, "{table}");
        assert_eq!(app.count(&format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%110105********002X%'")), 1, "{table}");
    }
}

#[test]
fn nothing_that_is_sent_brings_a_repaired_record_back() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let target = pushed(&app, 1);
    let content = |text: &str| penalty(1).set(0, "处罚内容", text);
    let push = |table: Table| provider.push(ITEM, "v2", &table.csv()).ok();
    app.at("2026-11-24T02:00:00Z");
    decide(&app, Step::Repair, target, "已履行").unwrap();
    assert_eq!(verdict(&push(penalty(1).and(penalty(9)))).0, "unchanged", "the same again says nothing");
    assert_eq!(present(&app, target.1), said("repaired", "repaired"));

    // Other content, twice in one file: kept, and not shown.
    let other = push(content("罚款叁仟元").and(content("罚款肆仟元")));
    assert_eq!(verdict(&other), ("new_version".to_owned(), vec!["record_repaired".to_owned()]));
    assert_eq!(other["rows"][1]["issues"][0]["rule"], "record_repaired");
    assert_eq!(present(&app, target.1), said("repaired", "loaded"));
    assert_eq!(app.count("SELECT count(*) FROM record_versions WHERE known_to IS NULL AND data->>'CF_NR' = '罚款肆仟元'"), 1);
    assert_eq!(verdict(&push(content("罚款肆仟元").and(penalty(8)))).0, "unchanged");
    undo(&provider, &other);
    assert_eq!(present(&app, target.1), said("repaired", "undone"));

    let path = format!("/v1/subjects/{}/records/{}", target.0, target.1);
    let correct = |text: &str| provider.post(&format!("{path}/correct"), &json!({ "fields": { "CF_NR": text }, "reason": "笔误" })).ok();
    assert_eq!(correct("罚款伍仟元")["state"], "repaired");
    // It may be withdrawn, and comes back from there as what it was.
    provider.post(&format!("{path}/withdraw"), &json!({ "reason": "撤销" })).ok();
    assert_eq!(correct("罚款陆仟元")["state"], "repaired");
    for query in ["", "known_at=2026-11-23T12:00:00Z"] {
        assert_eq!((total(&app.anonymous(), 1, query), total(&app.login(Role::Consumer), 1, query)), (0, 0));
    }
}

#[test]
fn a_shield_ends_in_the_state_in_which_the_record_would_be_without_it() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let old_form = |state: &str| {
        format!(
            "CF_WSH,CF_CFMC,CF_CFLB1,CF_SY,CF_YJ,CF_XDR_MC,CF_XDR_SHXYM,CF_FR,CF_JG,CF_JDRQ,CF_XZJG,CF_ZT\n\
             廊旧字〔2026〕1号,某案,罚款,事实,依据,廊坊市旧表有限公司,{},张某,罚款贰仟元,2026/11/04,廊坊市市场监督管理局,{state}\n",
            party(1)
        )
    };
    let minute = || app.clock.advance(chrono::Duration::minutes(1));
    let push = |state: &str| {
        minute();
        provider.push(ITEM, "v1", old_form(state).as_bytes()).ok()
    };
    push("0");
    let target = record_of(&app, ITEM, 1);
    let shield = || {
        minute();
        decide(&app, Step::Shield, target, "重整计划执行期间").unwrap();
    };
    let unshield = || {
        minute();
        decide(&app, Step::Unshield, target, "重整计划终止").unwrap();
    };
    shield();
    assert_eq!(total(&app.anonymous(), 1, ""), 0);
    unshield();
    assert_eq!(present(&app, target.1), said("active", "unshielded"));
    assert_eq!(total(&app.anonymous(), 1, ""), 1);

    // What its provider states meanwhile is not shown, and not lost.
    shield();
    let (state, rules) = verdict(&push("2"));
    assert_eq!((state.as_str(), rules.contains(&"record_shielded".to_owned())), ("new_version", true));
    assert_eq!(present(&app, target.1), said("shielded", "loaded"));
    assert_eq!(total(&app.login(Role::Consumer), 1, ""), 0);
    unshield();
    assert_eq!(present(&app, target.1), said("disputed", "unshielded"));
    assert_eq!(file(&app.anonymous(), 1, "")["statements"][0]["disputed"], true);
    // A statement whose batch is undone while the shield stands was never said.
    shield();
    let wrong = push("3");
    minute();
    undo(&provider, &wrong);
    unshield();
    assert_eq!(present(&app, target.1), said("disputed", "unshielded"));
}

#[test]
fn the_end_of_a_shield_does_not_bring_back_what_its_provider_undid() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let received = provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    let target = record_of(&app, ITEM, 1);
    app.at("2026-11-24T02:00:00Z");
    decide(&app, Step::Shield, target, "重整计划执行期间").unwrap();
    app.at("2026-11-24T03:00:00Z");
    undo(&provider, &received);
    decide(&app, Step::Unshield, target, "重整计划终止").unwrap();
    assert_eq!(present(&app, target.1), said("withdrawn", "unshielded"));
    app.at("2026-11-24T04:00:00Z");
    provider.push(ITEM, "v2", &penalty(1).csv()).ok();
    assert_eq!((present(&app, target.1), total(&app.anonymous(), 1, "")), (said("active", "loaded"), 1));
}

#[test]
fn what_a_whole_list_dropped_under_a_shield_does_not_come_back_when_that_ends() {
    const LIST: &str = "judgment_defaulter";
    let app = TestApp::new();
    let court = app.provider("lf-court");
    let whole = |table: Table| {
        let received = court.post_bytes(&format!("/v1/batches?item={LIST}&feed=v1&whole=true"), "text/csv", &table.csv()).ok();
        let batch = received["batch"]["id"].as_str().unwrap();
        while court.settled(batch)["absences"]["state"] == "pending" {
            std::thread::yield_now();
        }
        received
    };
    whole(defaulters(1, 3));
    let (gone, stays) = (record_of(&app, LIST, 1), record_of(&app, LIST, 2));
    app.at("2026-11-24T02:00:00Z");
    decide(&app, Step::Shield, gone, "重整计划执行期间").unwrap();
    decide(&app, Step::Shield, stays, "重整计划执行期间").unwrap();
    app.at("2026-11-25T02:00:00Z");
    let second = whole(defaulters(2, 2));
    assert_eq!(court.get(&format!("/v1/batches/{}", second["batch"]["id"].as_str().unwrap())).ok()["absences"]["state"], "settled");
    assert_eq!(present(&app, gone.1).0, "shielded", "what nobody sees is not ended");
    app.at("2026-11-26T02:00:00Z");
    decide(&app, Step::Unshield, gone, "重整计划终止").unwrap();
    decide(&app, Step::Unshield, stays, "重整计划终止").unwrap();
    assert_eq!((present(&app, gone.1), present(&app, stays.1)), (said("ended", "unshielded"), said("active", "unshielded")));
    let last = app.sql(&format!("SELECT valid_to::text FROM record_versions WHERE record_id = '{}' AND known_to IS NULL", gone.1));
    assert_eq!(last[0].get::<_, String>(0), "2026-11-25");
    app.settle();
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE state = 'listed'"), 2, "nobody is listed by it again");
    // A list that is undone has dropped nothing.
    app.at("2026-11-27T02:00:00Z");
    undo(&court, &second);
    assert_eq!((present(&app, gone.1), present(&app, stays.1)), (said("active", "undone"), said("active", "unshielded")));
}

#[test]
fn undoing_a_batch_under_a_decision_takes_back_what_it_said_and_not_the_decision() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let hour = || app.clock.advance(chrono::Duration::hours(1));
    let push = |n: u32, text: &str| {
        hour();
        provider.push(ITEM, "v2", &penalty(n).set(0, "处罚内容", text).csv()).ok()
    };
    let content = |record: Uuid| -> String {
        app.sql(&format!("SELECT data->>'CF_NR' FROM record_versions WHERE record_id = '{record}' AND known_to IS NULL"))[0].get(0)
    };
    let step = |step: Step, target: (Uuid, Uuid)| {
        hour();
        decide(&app, step, target, "x").unwrap();
    };
    let take_back = |received: &Value| {
        hour();
        undo(&provider, received);
    };
    // Repaired, then undone: it is repaired, and what the batch said is gone.
    let repaired = pushed(&app, 1);
    let wrong = push(1, "罚款叁仟元");
    step(Step::Repair, repaired);
    take_back(&wrong);
    assert_eq!((present(&app, repaired.1), content(repaired.1)), (said("repaired", "undone"), "罚款贰仟元".to_owned()));
    assert_eq!((total(&app.anonymous(), 1, ""), total(&app.login(Role::Consumer), 1, "")), (0, 0));
    // Said under a shield that has ended since: the record is what it was beneath the shield.
    let shielded = pushed(&app, 2);
    step(Step::Shield, shielded);
    let wrong = push(2, "罚款叁仟元");
    step(Step::Unshield, shielded);
    assert_eq!((present(&app, shielded.1), content(shielded.1)), (said("active", "unshielded"), "罚款叁仟元".to_owned()));
    take_back(&wrong);
    assert_eq!((present(&app, shielded.1), content(shielded.1)), (said("active", "undone"), "罚款贰仟元".to_owned()));
    assert_eq!(total(&app.anonymous(), 2, ""), 1);
    // Shielded after it was said: the shield stays.
    let wrong = push(2, "罚款伍仟元");
    step(Step::Shield, shielded);
    take_back(&wrong);
    assert_eq!((present(&app, shielded.1), content(shielded.1)), (said("shielded", "undone"), "罚款贰仟元".to_owned()));
    step(Step::Unshield, shielded);
    assert_eq!(present(&app, shielded.1), said("active", "unshielded"));
    // Its publicity was stopped: it stays so.
    let stopped = pushed(&app, 3);
    let wrong = push(3, "罚款叁仟元");
    step(Step::Stop, stopped);
    take_back(&wrong);
    assert_eq!((present(&app, stopped.1), content(stopped.1)), (said("active", "undone"), "罚款贰仟元".to_owned()));
    assert_eq!((total(&app.anonymous(), 3, ""), total(&app.login(Role::Consumer), 3, "")), (0, 1));
}

#[test]
fn what_was_withdrawn_under_a_shield_is_gone_from_history_as_well() {
    let app = TestApp::new();
    let (hidden, open) = (pushed(&app, 1), pushed(&app, 2));
    let before = "known_at=2026-11-24T00:00:00Z&purpose=x&authorisation=x";
    app.at("2026-11-25T02:00:00Z");
    for target in [hidden, open] {
        decide(&app, Step::Shield, target, "重整计划执行期间").unwrap();
    }
    app.at("2026-11-26T02:00:00Z");
    decide(&app, Step::Unshield, open, "重整计划终止").unwrap();
    app.at("2026-11-27T02:00:00Z");
    for target in [hidden, open] {
        decide(&app, Step::Withdraw, target, "撤销").unwrap();
    }
    for role in [Role::Consumer, Role::Provider, Role::CreditOffice] {
        let viewer = app.login(role);
        assert_eq!((total(&viewer, 1, ""), total(&viewer, 1, before)), (0, 0), "{role:?}");
        assert_eq!(total(&viewer, 2, before), 1, "{role:?}: a shield that was taken away hides nothing");
    }
    assert_eq!(total(&app.login(Role::Auditor), 1, before), 1);
}

#[test]
fn a_step_that_does_not_fit_is_refused_and_changes_nothing() {
    let app = TestApp::new();
    let (first, second) = (pushed(&app, 1), pushed(&app, 2));
    let refused = |step: Step, target: (Uuid, Uuid), reason: &str| {
        let versions = app.count("SELECT count(*) FROM record_versions");
        let code = decide(&app, step, target, reason).unwrap_err().code();
        assert_eq!(app.count("SELECT count(*) FROM record_versions"), versions);
        code
    };
    for step in [Step::Repair, Step::Shield, Step::Stop, Step::Withdraw] {
        assert_eq!(refused(step, (first.0, second.1), "x"), "record_not_found", "the record of somebody else");
        assert_eq!(refused(step, first, " "), "reason_missing");
    }
    assert_eq!(refused(Step::Unshield, first, "x"), "record_not_shielded");
    decide(&app, Step::Shield, first, "x").unwrap();
    assert_eq!(refused(Step::Shield, first, "x"), "record_shielded");
    decide(&app, Step::Repair, first, "x").unwrap();
    for step in [Step::Repair, Step::Shield, Step::Stop] {
        assert_eq!(refused(step, first, "x"), "record_repaired");
    }
    assert_eq!(refused(Step::Unshield, first, "x"), "record_not_shielded");
    decide(&app, Step::Withdraw, second, "x").unwrap();
    for step in [Step::Repair, Step::Shield, Step::Stop, Step::Withdraw] {
        assert_eq!(refused(step, second, "x"), "record_withdrawn");
    }
}

#[test]
fn publicity_that_was_stopped_does_not_begin_again_with_the_next_file() {
    let app = TestApp::new();
    let provider = app.provider("lf-amr");
    let target = pushed(&app, 1);
    app.at("2026-11-25T02:00:00Z");
    decide(&app, Step::Stop, target, "超期公示").unwrap();
    let hidden = || (total(&app.anonymous(), 1, ""), total(&app.login(Role::Consumer), 1, ""));
    assert_eq!(hidden(), (0, 1), "it goes on being shared");
    assert_eq!(file(&app.login(Role::Consumer), 1, "")["statements"][0]["public_until"], "2026-11-24");

    let later = |text: &str| penalty(1).set(0, "处罚内容", text).set(0, "公示截止期", "2027-11-01");
    let push = |text: &str| provider.push(ITEM, "v2", &later(text).csv()).ok();
    let one = push("罚款叁仟元");
    assert_eq!(verdict(&one), ("new_version".to_owned(), vec!["publicity_stopped".to_owned()]));
    let two = push("罚款肆仟元");
    assert_eq!(verdict(&two).1, ["publicity_stopped"], "nor with the one after");
    assert_eq!(hidden(), (0, 1));
    // Nor by an undo of either, the one that came first last.
    for batch in [&two, &one] {
        undo(&provider, batch);
        assert_eq!(hidden(), (0, 1));
    }
    assert_eq!(verdict(&push("罚款伍仟元")).1, ["publicity_stopped"]);
    let path = format!("/v1/subjects/{}/records/{}/correct", target.0, target.1);
    provider.post(&path, &json!({ "fields": { "CF_GSJZQ": "2027-10-01" }, "reason": "x" })).ok();
    assert_eq!(hidden(), (0, 1), "nor by a correction");
}

#[test]
fn correction_by_a_decision_tells_what_every_field_said_before() {
    let app = TestApp::new();
    let target = pushed(&app, 1);
    let now = app.clock.now();
    let correct = |changes: Value| {
        app.block_on(async {
            let configuration = app.app.records.configuration.fresh(&app.app.db).await?;
            let directory = app.app.records.directory.get(&app.app.db, now).await?;
            let prepared = redress::Prepared { configuration, directory };
            let changes = changes.as_object().unwrap().clone();
            let because = Because { case_id: Uuid::nil(), line_id: Uuid::nil(), reason: "金额录入错误" };
            let actor = Actor::system("official");
            let write = app.app.db.write(async |tx| {
                redress::correct_in(&app.app.records, &prepared, tx, &actor, target.0, target.1, changes.clone(), &because, now).await
            });
            write.await
        })
    };
    let (_, fields) = correct(json!({ "CF_NR": "罚款伍佰元", "CF_FRDB": "张试验" })).unwrap();
    assert_eq!(fields.len(), 1, "what was so before is no change: {fields:?}");
    assert_eq!((fields[0].field.as_str(), &fields[0].old, &fields[0].new), ("CF_NR", &json!("罚款贰仟元"), &json!("罚款伍佰元")));
    assert_eq!(file(&app.anonymous(), 1, "")["statements"][0]["data"]["CF_NR"], "罚款伍佰元");
    assert_eq!(correct(json!({ "CF_NR": "罚款伍佰元" })).unwrap_err().code(), "nothing_changed");
    assert_eq!(correct(json!({ "CF_WSH": "另一文号" })).unwrap_err().code(), "key_changed");
    assert_eq!(correct(json!({ "CF_JDRQ": "明天" })).unwrap_err().code(), "correction_refused");
    assert_eq!(app.count("SELECT count(*) FROM record_versions"), 2);
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'record.correct' AND detail->'fields' = '[\"CF_NR\"]'"), 1);
}

#[test]
fn every_answer_that_shows_a_disputed_record_shows_the_mark() {
    let app = TestApp::new();
    let target = pushed(&app, 1);
    app.provider("lf-court").push("judgment_defaulter", "v1", &defaulter(1).csv()).ok();
    app.settle();
    let ground = record_of(&app, "judgment_defaulter", 1);
    let seen = || {
        let entry = app.anonymous().get("/v1/lists/judgment_defaulter/entries").ok()["items"][0].clone();
        let water = app.key("lf-water", Role::Consumer);
        let message = water.get("/v1/inbox?limit=1").ok()["messages"][0].clone();
        let question = json!({ "subject": { "kind": "organisation", "uscc": party(1) }, "matter": "招标投标", "case_no": "1", "purpose": "业务受理审查" });
        let check = app.key("lf-housing", Role::Consumer).post("/v1/checks", &question).ok();
        [
            file(&app.anonymous(), 1, "")["statements"][0]["disputed"].clone(),
            file(&app.login(Role::Consumer), 1, "")["statements"][0]["disputed"].clone(),
            entry["disputed"].clone(),
            message["entry"]["disputed"].clone(),
            check["lists"][0]["disputed"].clone(),
        ]
    };
    assert_eq!(seen(), [false; 5].map(Value::from));
    app.at("2026-11-24T02:00:00Z");
    mark(&app, target, "disputed", None);
    mark(&app, ground, "disputed", None);
    assert_eq!(seen(), [true; 5].map(Value::from));
    app.at("2026-11-26T02:00:00Z");
    unmark(&app, target, "disputed");
    unmark(&app, ground, "disputed");
    assert_eq!(seen(), [false; 5].map(Value::from));

    // Who may ask what was known is told of the mark that stood then; everybody else of those that stand.
    let then = "known_at=2026-11-25T00:00:00Z";
    assert_eq!(file(&app.login(Role::Consumer), 1, then)["statements"][0]["disputed"], true);
    assert_eq!(file(&app.anonymous(), 1, then)["statements"][0]["disputed"], false);

    // What could not be ascertained stands beside the record in the subject's words, without numbers of persons.
    mark(&app, target, "noted", Some(&format!("当事人（{NUMBER}）认为金额有误")));
    let statement = file(&app.anonymous(), 1, "")["statements"][0].clone();
    assert_eq!((&statement["disputed"], &statement["objection"]), (&json!(false), &json!("当事人（110105********002X）认为金额有误")));
    mark(&app, target, "noted", Some("改述"));
    assert_eq!(file(&app.anonymous(), 1, "")["statements"][0]["objection"], "改述");
    assert_eq!(app.count("SELECT count(*) FROM record_marks WHERE kind = 'noted' AND known_to IS NULL"), 1);
    let kept = app.sql_refused("UPDATE record_marks SET note = 'x'");
    assert!(kept.contains("not allowed"), "{kept}");
}

#[test]
fn a_mirrored_entry_leaves_its_list_by_the_repair_of_its_record() {
    let app = TestApp::new();
    app.provider("lf-court").push("judgment_defaulter", "v1", &defaulter(1).csv()).ok();
    app.settle();
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE state = 'listed'"), 1);
    let ground = record_of(&app, "judgment_defaulter", 1);
    decide(&app, Step::Repair, ground, "已履行").unwrap();
    app.settle();
    assert_eq!(
        app.count("SELECT count(*) FROM list_entries WHERE state = 'exited' AND exit_cause = 'repair' AND exit_reason = '已履行'"),
        1
    );
    assert_eq!(app.count("SELECT count(*) FROM change_feed WHERE topic = 'list_entry.exit' AND payload->>'cause' = 'repair'"), 1);
    assert_eq!(app.count("SELECT count(*) FROM directives WHERE kind = 'execute' AND state IN ('issued', 'delivered', 'accepted')"), 0);
    // The court goes on sending it, with other content: it does not come back to the list.
    app.provider("lf-court").push("judgment_defaulter", "v1", &defaulter(1).set(0, "被执行人的履行情况", "部分未履行").csv()).ok();
    app.settle();
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE state = 'listed'"), 0);
}

#[test]
fn each_way_of_showing_records_tells_whether_it_still_shows_one() {
    let app = TestApp::new();
    let target = pushed(&app, 1);
    app.at("2026-11-25T02:00:00Z");
    let projections = credence_reports::projections(&app.app.reports);
    let effect = |kind: &str| Effect {
        id: Uuid::nil(),
        subject_id: target.0,
        kind: kind.to_owned(),
        target: "record".to_owned(),
        target_id: target.1,
        source: ITEM.to_owned(),
        happened_at: app.clock.now(),
    };
    let shown = |kind: &str| {
        let effect = effect(kind);
        projections.iter().map(|p| (p.code(), app.block_on(p.settle(&effect)).unwrap().shown)).collect::<Vec<_>>()
    };
    let still = |kind: &str| {
        let targets = [effect(kind)];
        projections.iter().filter(|p| !app.block_on(p.still_shown(&targets)).unwrap().is_empty()).count()
    };
    // Nothing was done yet: each of them says so, asked for what is known now and for what was known the moment before.
    assert_eq!(shown("repaired"), [("publicity", 2), ("authorised_query", 2), ("government_sharing", 2)]);
    assert_eq!(still("repaired"), 3);
    assert_eq!(
        shown("corrected"),
        [("publicity", 0), ("authorised_query", 0), ("government_sharing", 0)],
        "what is shown is the present version"
    );
    decide(&app, Step::Stop, target, "x").unwrap();
    assert_eq!(shown("stopped"), [("publicity", 0), ("authorised_query", 0), ("government_sharing", 0)]);
    assert_eq!(still("repaired"), 1, "an agency is still shown it");
    decide(&app, Step::Repair, target, "x").unwrap();
    assert_eq!(shown("repaired"), [("publicity", 0), ("authorised_query", 0), ("government_sharing", 0)]);
    assert_eq!(still("repaired"), 0);
}
