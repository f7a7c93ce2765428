//! Effects: what was decided is true everywhere, everybody who had it before is told once, and what is not so yet can be seen and proved; whatever stops the
//! program on the way.

use crate::directives::{Authority, act, confirm, said, take, text};
use crate::support::builders::{defaulter, party};
use crate::support::{Caller, TestApp};
use credence_audit::effects::Effect;
use credence_core::clock::Clock;
use credence_core::{Actor, Role};
use credence_records::service::redress::{Because, repair, shield, stop_publicity};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Nothing follows but what a test lets follow.
fn still() -> TestApp {
    TestApp::with(|s| s.jobs.poll_milliseconds = 3_600_000)
}

/// Puts organisations on the list of judgment defaulters; subject and record of each.
fn defaulters(app: &TestApp, numbers: &[u32]) -> Vec<(Uuid, Uuid)> {
    for n in numbers {
        app.provider("lf-court").push("judgment_defaulter", "v1", &defaulter(*n).csv()).ok();
    }
    app.settle();
    numbers.iter().map(|n| record(app, "judgment_defaulter", &format!("data->>'CASE_CODE' LIKE '%执{n}号'"))).collect()
}

/// The only record of an item that meets a condition.
fn record(app: &TestApp, item: &str, condition: &str) -> (Uuid, Uuid) {
    let query = format!("SELECT subject_id, record_id FROM record_versions WHERE item = '{item}' AND known_to IS NULL AND {condition}");
    let rows = app.sql(&query);
    assert_eq!(rows.len(), 1);
    (rows[0].get(0), rows[0].get(1))
}

const BECAUSE: Because<'static> = Because { case_id: Uuid::nil(), line_id: Uuid::nil(), reason: "已履行全部义务" };

/// Repairs a record as the decision about a case does, in the transaction of another.
fn repaired(app: &TestApp, (subject, record): (Uuid, Uuid)) {
    let now = app.clock.now();
    let work = app.app.db.write(async |tx| repair(tx, &Actor::system("test"), subject, record, &BECAUSE, now).await.map(|_| ()));
    app.block_on(work).unwrap();
}

/// Shields a record so.
fn shielded(app: &TestApp, (subject, record): (Uuid, Uuid)) {
    let now = app.clock.now();
    let work = app.app.db.write(async |tx| shield(tx, &Actor::system("test"), subject, record, &BECAUSE, now).await.map(|_| ()));
    app.block_on(work).unwrap();
}

/// Ends its publicity so.
fn stopped(app: &TestApp, (subject, record): (Uuid, Uuid)) {
    let now = app.clock.now();
    let work = app.app.db.write(async |tx| stop_publicity(tx, &Actor::system("test"), subject, record, &BECAUSE, now).await.map(|_| ()));
    app.block_on(work).unwrap();
}

/// Lets effects follow the whole feed, and asks for receipts.
fn follow(app: &TestApp) {
    follow_feed(app);
    app.block_on(app.app.redress.settle()).unwrap();
}

/// Lets effects follow the whole feed.
fn follow_feed(app: &TestApp) {
    let behind = "SELECT count(*) FROM change_feed f WHERE NOT EXISTS
        (SELECT 1 FROM feed_readers r WHERE r.reader = 'effects' AND (r.xid, r.entry_id) >= (f.xid::text::bigint, f.id))";
    while app.count(behind) > 0 {
        app.block_on(app.app.redress.follow()).unwrap();
    }
}

fn office(app: &TestApp) -> Caller {
    app.login(Role::CreditOffice)
}

/// The effects that are shown with a query.
fn effects(app: &TestApp, query: &str) -> Vec<Value> {
    office(app).get(&format!("/v1/effects?{query}")).ok()["items"].as_array().unwrap().clone()
}

/// State of every recipient of an effect by its name.
fn standing(effect: &Value) -> BTreeMap<String, String> {
    effect["recipients"].as_array().unwrap().iter().map(|r| (text(&r["name"]), text(&r["state"]))).collect()
}

fn recipient<'v>(effect: &'v Value, name: &str) -> &'v Value {
    effect["recipients"].as_array().unwrap().iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("{name}: {effect}"))
}

fn verified(app: &TestApp) -> Value {
    office(app).post("/v1/effects/verify", &json!({})).ok()
}

/// Codes of the projections in a part of a verification.
fn projections(part: &Value) -> BTreeSet<String> {
    part.as_array().unwrap().iter().map(|s| text(&s["projection"])).collect()
}

/// Who was told of what, beside directives.
fn told(app: &TestApp, topic: &str) -> Vec<String> {
    let query =
        format!("SELECT a.code FROM agency_messages m JOIN agencies a ON a.id = m.agency_id WHERE m.topic = '{topic}' ORDER BY a.code");
    app.sql(&query).iter().map(|row| row.get(0)).collect()
}

fn read(caller: &Caller, n: u32) {
    caller.get(&format!("/v1/subjects/{}/file?purpose=review", party(n))).ok();
}

fn acknowledge(caller: &Caller, said: &str) {
    let open = caller.get("/v1/agency-messages?open=true").ok();
    let [message] = &open["items"].as_array().unwrap()[..] else { panic!("{open}") };
    assert!(text(&message["body"]["instruction"]).contains("停止共享"), "{message}");
    caller.post(&format!("/v1/agency-messages/{}/acknowledge", text(&message["id"])), &json!({ "text": said })).ok();
}

#[test]
fn a_repair_is_so_everywhere_and_everybody_who_had_the_record_is_told_once() {
    let app = still();
    let record = defaulters(&app, &[1])[0];
    let key = |code: &str| app.key(code, Role::Consumer);
    let (housing, reform, approval, water) = (key("lf-housing"), key("lf-reform"), key("lf-approval"), key("lf-water"));
    // One has its directives and looked as well, one looked, one checked; whoever decides looked too, and water looks when it is decided and not yet followed.
    let (directives, cursor) = take(&housing, None, 2);
    assert!(directives.iter().all(|m| m["entry"]["facts"].is_string() && m["entry"]["ground_document"].is_string()), "{directives:?}");
    read(&housing, 1);
    read(&reform, 1);
    read(&reform, 1);
    let question = json!({
        "subject": { "kind": "organisation", "uscc": party(1) }, "matter": "政府采购", "case_no": "LF-2026-1", "purpose": "业务受理审查"
    });
    let answer = approval.post("/v1/checks", &question).ok();
    assert_eq!(answer["lists"].as_array().unwrap().len(), 1);
    let check = format!("/v1/checks/{}", text(&answer["check_id"]));
    assert_eq!(approval.get(&check).ok()["changed"], false);
    read(&app.provider("lf-court"), 1);
    app.at("2026-11-23T02:05:00Z");
    repaired(&app, record);
    app.at("2026-11-23T02:06:00Z");
    read(&water, 1);
    assert_eq!(app.count("SELECT count(*) FROM effects"), 0);
    follow(&app);

    // Whoever has directives gets the releases of these; whoever looked at the file as well has the record itself, and is told of it.
    assert_eq!(told(&app, "record.repaired"), ["lf-approval", "lf-housing", "lf-reform", "lf-water"]);
    let again = approval.get(&check).ok();
    assert_eq!((&again["changed"], again["lists"].as_array().unwrap().len()), (&json!(true), 1), "what was answered stays as it was");
    let open = effects(&app, "open=true");
    let [effect] = &open[..] else { panic!("{open:?}") };
    assert_eq!((&effect["kind"], &effect["target"], &effect["target_id"]), (&json!("repaired"), &json!("record"), &json!(record.1)));
    assert_eq!((&effect["due_on"], &effect["rule"]), (&json!("2026-11-24"), &json!("repair.execute_wd@1")));
    assert_eq!(effect["agency"], "廊坊市中级人民法院");
    let names = ["公示", "授权查询", "政务共享", "名单", "开放数据", "评价"];
    let states = standing(effect);
    assert!(names.iter().all(|name| states[*name] == "done"), "{states:?}");
    let waiting: BTreeSet<&str> = states.iter().filter(|(_, state)| *state == "open").map(|(name, _)| name.as_str()).collect();
    let agencies = ["廊坊市水利局", "廊坊市发展和改革委员会", "廊坊市行政审批局", "廊坊市住房和城乡建设局"];
    assert_eq!(waiting, agencies.into_iter().chain(["联合奖惩"]).collect::<BTreeSet<_>>());
    assert_eq!((&effect["done"], &effect["open"], &effect["overdue"]), (&json!(6), &json!(5), &json!(0)));
    let directives = recipient(effect, "联合奖惩");
    assert_eq!(directives["detail"]["detail"], json!({ "in_force": 0, "releases_open": 2 }));
    assert!(directives["waits_until"].is_string(), "{directives}");

    // The day after the last one: what is open is late, by one working day.
    app.at("2026-11-25T02:00:00Z");
    let late = effects(&app, "overdue=true");
    assert_eq!((late.len(), &late[0]["overdue"]), (1, &json!(5)));
    assert_eq!(recipient(&late[0], agencies[0])["overdue_working_days"], 1);
    assert_eq!(verified(&app)["overdue"], 5);

    // Receipts come in any order; each is kept with what was said.
    acknowledge(&water, "已删除");
    acknowledge(&approval, "已停止使用");
    acknowledge(&housing, "已停止使用");
    let inbox = take(&housing, Some(&cursor), 3).0;
    let releases: Vec<&Value> = inbox.iter().filter(|m| m["topic"] == "directive.release").collect();
    assert_eq!(releases.len(), 2, "{inbox:?}");
    for release in releases {
        // It says what to lift, and no more of what the subject did.
        let entry = &release["entry"];
        assert_eq!(
            (&entry["facts"], &entry["ground_document"], &entry["list"]),
            (&Value::Null, &Value::Null, &json!("judgment_defaulter"))
        );
        assert!(entry["id"].is_string() && release["directive"]["measure"]["code"].is_string(), "{release}");
        act(&housing, &text(&release["id"]), "complete", &said("已解除")).ok();
    }
    follow(&app);
    let open = effects(&app, "open=true");
    assert_eq!((&open[0]["open"], recipient(&open[0], agencies[1])["state"].as_str()), (&json!(1), Some("overdue")));
    acknowledge(&reform, "已停止使用");
    follow(&app);
    assert_eq!(effects(&app, "open=true"), Vec::<Value>::new());
    let settled = &effects(&app, "open=false")[0];
    assert!(settled["settled_at"].is_string());
    let receipt = recipient(settled, agencies[0]);
    assert_eq!((&receipt["state"], &receipt["detail"]["text"]), (&json!("done"), &json!("已删除")));
    assert!(receipt["detail"]["acknowledged_at"].is_string() && receipt["detail"]["delivered_at"].is_string(), "{receipt}");
    let proof = verified(&app);
    assert_eq!((&proof["targets"], &proof["without_effect"], &proof["overdue"]), (&json!(1), &json!(0), &json!(0)));
    assert_eq!((&proof["still_shown"], &proof["waiting"]), (&json!([]), &json!([])));

    // The same feed read again says nothing new.
    let kept = "SELECT count(*) FROM audit_entries WHERE action LIKE 'effect%'";
    let before = app.count(kept);
    app.sql("UPDATE feed_readers SET xid = 0, entry_id = 0 WHERE reader = 'effects'");
    follow(&app);
    assert_eq!(app.count("SELECT count(*) FROM effects"), 1);
    assert_eq!(told(&app, "record.repaired").len(), 4);
    assert_eq!(app.count(kept), before);

    app.sql_refused("UPDATE effect_followups SET receipt = '{}'");
    app.login_at(Role::Consumer, Some("lf-water")).get("/v1/effects").problem(403, "forbidden");
    app.login_at(Role::Provider, Some("lf-amr")).post("/v1/effects/verify", &json!({})).problem(403, "forbidden");
}

/// Whatever fails while an effect begins, it is there whole afterwards, or not at all and its place in the feed is not passed.
#[test]
fn an_effect_begins_whole_or_not_at_all() {
    let app = still();
    let record = defaulters(&app, &[1])[0];
    let reform = app.key("lf-reform", Role::Consumer);
    read(&reform, 1);
    follow(&app);
    repaired(&app, record);
    app.sql("CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stops here'; END $$");
    for (table, condition) in [
        ("effects", "true"),
        ("agency_messages", "NEW.topic = 'record.repaired'"),
        ("effect_followups", "NEW.recipient_kind = 'agency'"),
        ("audit_entries", "NEW.action = 'effect.begin'"),
        ("feed_readers", "NEW.reader = 'effects'"),
    ] {
        app.sql(&format!("CREATE TRIGGER stop BEFORE INSERT ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION stop()"));
        // The feed shows it once no older transaction runs.
        while app.block_on(app.app.redress.follow()).is_ok() {}
        for kept in ["effects", "effect_followups", "agency_messages"] {
            assert_eq!(app.count(&format!("SELECT count(*) FROM {kept}")), 0, "{kept} after {table}");
        }
        app.sql(&format!("DROP TRIGGER stop ON {table}"));
    }
    follow(&app);
    assert_eq!(app.count("SELECT count(*) FROM effects"), 1);
    assert_eq!(told(&app, "record.repaired"), ["lf-reform"]);
    assert_eq!(app.count("SELECT count(*) FROM effect_followups WHERE recipient_kind = 'agency'"), 1);

    // A receipt is taken whole or not at all as well.
    acknowledge(&reform, "已停止使用");
    follow_feed(&app);
    let closed = "SELECT count(*) FROM effect_followups WHERE recipient_kind = 'agency' AND state = 'done'";
    for (table, event, condition) in [("effects", "UPDATE", "true"), ("audit_entries", "INSERT", "NEW.action = 'effect.settle'")] {
        app.sql(&format!("CREATE TRIGGER stop BEFORE {event} ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION stop()"));
        assert!(app.block_on(app.app.redress.settle()).is_err(), "{table}");
        assert_eq!(app.count(closed), 0, "{table}");
        app.sql(&format!("DROP TRIGGER stop ON {table}"));
    }
    assert_eq!(app.block_on(app.app.redress.settle()).unwrap(), 1);
    assert_eq!(app.count(closed), 1);
    assert_eq!(app.count("SELECT count(*) FROM effects WHERE settled_at IS NOT NULL"), 1);
}

/// Receipts say what was so; the proof asks the data. A projection that fails, or an effect that nobody follows, is found whatever the receipts say.
#[test]
fn what_is_still_shown_or_not_followed_is_found() {
    let app = still();
    let records = defaulters(&app, &[1, 2]);
    app.sql("CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stands still'; END $$");
    app.sql("CREATE TRIGGER stand_still BEFORE UPDATE ON list_entries FOR EACH ROW EXECUTE FUNCTION stand_still()");
    repaired(&app, records[0]);
    follow(&app);
    let proof = verified(&app);
    // Everybody is shown it no more, whatever the list has followed.
    let everywhere: BTreeSet<String> = ["lists", "directives", "evaluation"].map(str::to_owned).into();
    assert_eq!(projections(&proof["still_shown"]), everywhere, "{proof}");
    assert!(proof["still_shown"].as_array().unwrap().iter().all(|s| s["target_id"] == json!(records[0].1)), "{proof}");
    assert_eq!((&proof["waiting"], &proof["without_effect"]), (&json!([]), &json!(0)), "nobody else has to act");
    let failed = &effects(&app, "open=true")[0];
    assert!(recipient(failed, "名单")["detail"]["error"].is_string(), "{failed}");
    let directives = recipient(failed, "联合奖惩");
    assert_eq!((&directives["state"], &directives["waits_until"]), (&json!("open"), &Value::Null), "nobody but the program has to act");
    assert_eq!(recipient(failed, "开放数据")["state"], "done");
    assert_eq!(recipient(failed, "公示")["state"], "done", "one that cannot follow keeps no other waiting");

    // Asked again in the same minute it is not looked at; later it is, and everything is gone.
    app.sql("DROP TRIGGER stand_still ON list_entries");
    app.block_on(app.app.redress.settle()).unwrap();
    assert_eq!(recipient(&effects(&app, "open=true")[0], "名单")["state"], "open");
    app.at("2026-11-23T02:01:00Z");
    app.settle();
    follow(&app);
    let proof = verified(&app);
    assert_eq!((&proof["targets"], &proof["still_shown"], &proof["waiting"]), (&json!(1), &json!([]), &json!([])));
    assert_eq!(app.count("SELECT count(*) FROM effects WHERE settled_at IS NULL"), 0);

    // The reader of the feed was put behind what it has not read: the effect is missing, and that is seen.
    app.sql("UPDATE feed_readers SET xid = 9000000000000000 WHERE reader = 'effects'");
    repaired(&app, records[1]);
    app.settle();
    let proof = verified(&app);
    assert_eq!((&proof["targets"], &proof["without_effect"]), (&json!(2), &json!(1)));
}

/// An entry that was made by hand stays until its authority has decided, which is called to do so; that is neither done nor a defect, until its day is over.
#[test]
fn what_an_authority_has_to_decide_is_waited_for_until_its_day() {
    let app = still();
    let amr = Authority::new(&app);
    let entry = amr.listed(&app, [1], &json!([])).remove(0);
    confirm(&office(&app), &entry);
    app.settle();
    let target = record(&app, "administrative_penalty_organisation", "true");
    repaired(&app, target);
    follow(&app);

    let open = effects(&app, "open=true");
    let [effect] = &open[..] else { panic!("{open:?}") };
    let list = recipient(effect, "名单");
    assert_eq!((&list["state"], &list["waits_until"]), (&json!("open"), &json!("2026-12-04")), "three working days after 1 December");
    assert_eq!(recipient(effect, "公示")["state"], "done");
    let waits: BTreeSet<String> = ["lists", "open_data", "directives"].map(str::to_owned).into();
    let proof = verified(&app);
    assert_eq!((&proof["still_shown"], projections(&proof["waiting"])), (&json!([]), waits.clone()), "{proof}");

    // To the end of the last day it is waited for; then it is a defect that somebody has to see.
    app.at("2026-12-04T15:59:59Z");
    assert_eq!(verified(&app)["still_shown"], json!([]));
    app.at("2026-12-04T16:00:00Z");
    let proof = verified(&app);
    assert_eq!((projections(&proof["still_shown"]), &proof["waiting"]), (waits, &json!([])), "{proof}");

    // The authority takes it off: that is an effect of its own, and the other one is there at once, without waiting for the next look.
    let exit = json!({ "cause": "repair", "reason": "行政处罚已完成信用修复" });
    amr.chief(&app).post(&format!("/v1/list-entries/{entry}/exit"), &exit).ok();
    follow(&app);
    assert_eq!(effects(&app, "open=true"), Vec::<Value>::new());
    let all = effects(&app, "");
    let kinds: BTreeSet<String> = all.iter().map(|e| text(&e["kind"])).collect();
    assert_eq!(kinds, BTreeSet::from(["delisted", "repaired"].map(str::to_owned)));
    let delisted = all.iter().find(|e| e["kind"] == "delisted").unwrap();
    let wanted = (&json!("entry"), &json!(entry), &json!("serious_illegality"));
    assert_eq!((&delisted["target"], &delisted["target_id"], &delisted["source"]), wanted);
    let proof = verified(&app);
    assert_eq!((&proof["targets"], &proof["without_effect"]), (&json!(2), &json!(0)));
    assert_eq!((&proof["still_shown"], &proof["waiting"]), (&json!([]), &json!([])));
}

/// What follows by itself has no effect of its own: the entry of a mirror, or one that ends by the calendar.
#[test]
fn only_what_was_decided_is_an_effect() {
    let app = still();
    let court = app.provider("lf-court");
    let (subject, record) = defaulters(&app, &[1])[0];
    read(&app.key("lf-reform", Role::Consumer), 1);
    court.post(&format!("/v1/subjects/{subject}/records/{record}/withdraw"), &json!({ "reason": "误列" })).ok();
    app.settle();
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE state = 'exited' AND exit_cause = 'correction'"), 1);
    follow(&app);
    let all = effects(&app, "");
    let [effect] = &all[..] else { panic!("{all:?}") };
    assert_eq!(
        (&effect["kind"], &effect["rule"], &effect["case_id"]),
        (&json!("withdrawn"), &json!("revocation.apply_wd@1"), &Value::Null)
    );
    assert_eq!(told(&app, "record.withdrawn"), ["lf-reform"]);
    assert_eq!(told(&app, "entry.delisted"), Vec::<String>::new());
}

/// What was repaired or is shielded leaves its list and its history: nobody but its authority and the auditor is told that it stood there.
#[test]
fn an_entry_whose_record_is_hidden_is_told_to_nobody_but_its_authority_and_the_auditor() {
    let app = still();
    let records = defaulters(&app, &[1, 2, 3]);
    let entry = |(subject, _): (Uuid, Uuid)| -> String {
        app.sql(&format!("SELECT id::text FROM list_entries WHERE subject_id = '{subject}'"))[0].get(0)
    };
    let entries: Vec<String> = records.iter().map(|record| entry(*record)).collect();
    let (consumer, office, auditor) = (app.login(Role::Consumer), office(&app), app.login(Role::Auditor));
    let court = app.login_at(Role::Provider, Some("lf-court"));
    let status = |caller: &Caller, nth: usize| caller.get(&format!("/v1/list-entries/{}", entries[nth])).status;
    let of_company =
        |caller: &Caller, n: u32| caller.get(&format!("/v1/subjects/{}/list-entries", party(n))).ok()["items"].as_array().unwrap().len();
    let everywhere = |caller: &Caller| caller.get("/v1/list-entries?state=exited").ok()["items"].as_array().unwrap().len();
    assert_eq!((status(&consumer, 0), of_company(&consumer, 1)), (200, 1), "there was something to be seen");
    repaired(&app, records[0]);
    shielded(&app, records[1]);
    app.provider("lf-court")
        .post(&format!("/v1/subjects/{}/records/{}/withdraw", records[2].0, records[2].1), &json!({ "reason": "误列" }))
        .ok();
    app.settle();
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE state = 'exited'"), 3);
    for (nth, n) in [(0, 1), (1, 2)] {
        for caller in [&consumer, &office, &app.anonymous()] {
            assert_eq!((status(caller, nth), of_company(caller, n)), (404, 0), "{n}");
        }
        assert_eq!((status(&auditor, nth), of_company(&auditor, n)), (200, 1), "{n}");
        assert_eq!(status(&court, nth), 200, "{n}");
    }
    // What was taken back as wrong is a supervisor's business.
    assert_eq!((status(&consumer, 2), status(&office, 2)), (404, 200));
    assert_eq!((everywhere(&office), everywhere(&auditor)), (1, 3));
}

/// A mirror follows its source a moment later; what the source makes public no longer is not shown to everybody in that moment, nor afterwards.
#[test]
fn a_mirrored_list_shows_everybody_nothing_that_is_public_no_longer() {
    let app = still();
    let records = defaulters(&app, &[1, 2, 3]);
    let entry: String = app.sql(&format!("SELECT id::text FROM list_entries WHERE subject_id = '{}'", records[0].0))[0].get(0);
    let list = "/v1/lists/judgment_defaulter";
    let seen = || {
        let anybody = app.anonymous();
        let page = anybody.get(&format!("{list}/entries")).ok()["items"].as_array().unwrap().len();
        let file = String::from_utf8(anybody.get(&format!("{list}/entries.csv")).bytes).unwrap();
        let lines = (1..=3).filter(|n| file.contains(&party(*n))).count();
        let counted = anybody.get(list).ok()["entries"].as_i64().unwrap();
        let overview = anybody.get("/v1/lists").ok();
        let of_list = overview["items"].as_array().unwrap().iter().find(|l| l["code"] == "judgment_defaulter").unwrap();
        assert_eq!(of_list["entries"], counted);
        (page, lines, counted)
    };
    let opened = |caller: &Caller| {
        let of_company = caller.get(&format!("/v1/subjects/{}/list-entries", party(1))).ok()["items"].as_array().unwrap().len();
        (caller.get(&format!("/v1/list-entries/{entry}")).status, of_company)
    };
    let published = || {
        let effect = Effect {
            id: Uuid::nil(),
            subject_id: records[0].0,
            kind: "stopped".to_owned(),
            target: "record".to_owned(),
            target_id: records[0].1,
            source: "judgment_defaulter".to_owned(),
            happened_at: app.clock.now(),
        };
        let open_data = app.app.redress.projections.iter().find(|p| p.code() == "open_data").unwrap();
        app.block_on(open_data.settle(&effect)).unwrap().shown
    };
    assert_eq!((seen(), opened(&app.anonymous()), published()), ((3, 3, 3), (200, 1), 1));
    stopped(&app, records[0]);
    repaired(&app, records[1]);
    // Nothing has followed yet.
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE state = 'listed'"), 3);
    assert_eq!((seen(), opened(&app.anonymous()), published()), ((1, 1, 1), (404, 0), 0));
    assert_eq!(opened(&app.login(Role::Consumer)), (200, 1), "it goes on being shared");
    app.settle();
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE state = 'listed'"), 2, "the other goes on being acted upon");
    assert_eq!((seen(), opened(&app.anonymous())), ((1, 1, 1), (404, 0)));
    assert_eq!(opened(&app.login(Role::Consumer)), (200, 1));
}

/// That a document is public no longer says nothing against an entry that rests on it; that it says something else does.
#[test]
fn the_end_of_a_documents_publicity_questions_no_entry() {
    let app = still();
    let amr = Authority::new(&app);
    let entry = amr.listed(&app, [1], &json!([])).remove(0);
    confirm(&office(&app), &entry);
    app.settle();
    let target = record(&app, "administrative_penalty_organisation", "true");
    stopped(&app, target);
    app.settle();
    let present = format!(
        "SELECT count(*) FROM list_entries e JOIN record_versions v ON v.id = e.ground_version_id
          WHERE e.id = '{entry}' AND v.known_to IS NULL AND v.change = 'stopped' AND e.ground_state = 'sound'"
    );
    assert_eq!(app.count(&present), 1);
    assert_eq!(app.count("SELECT count(*) FROM directives WHERE state = 'held'"), 0);
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'list_entry.move_on'"), 1);
    let path = format!("/v1/subjects/{}/records/{}/correct", target.0, target.1);
    app.provider("lf-amr").post(&path, &json!({ "fields": { "CF_NR": "罚款伍佰元" }, "reason": "笔误" })).ok();
    app.settle();
    assert_eq!(app.count("SELECT count(*) FROM list_entries WHERE ground_state = 'questioned'"), 1);
}

/// An agency that is closed answers nothing: what it still owed keeps no effect open.
#[test]
fn an_agency_that_was_closed_since_is_waited_for_no_longer() {
    let app = still();
    let record = defaulters(&app, &[1])[0];
    read(&app.key("lf-reform", Role::Consumer), 1);
    repaired(&app, record);
    follow(&app);
    assert_eq!(effects(&app, "open=true").len(), 1);
    app.sql("UPDATE agencies SET state = 'closed' WHERE code = 'lf-reform'");
    follow(&app);
    let settled = effects(&app, "open=false");
    assert_eq!(recipient(&settled[0], "廊坊市发展和改革委员会")["detail"], json!({ "closed_agency": true }));
}

/// A page ends where the next begins, and what was not made by this server is no cursor.
#[test]
fn effects_are_paged() {
    let app = still();
    let records = defaulters(&app, &[1, 2, 3]);
    for record in &records {
        repaired(&app, *record);
    }
    follow(&app);
    let office = office(&app);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = office.get(&format!("/v1/effects?limit=2{cursor}")).ok();
        seen.extend(page["items"].as_array().unwrap().iter().map(|e| text(&e["target_id"])));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let newest_first: Vec<String> = records.iter().rev().map(|(_, record)| record.to_string()).collect();
    assert_eq!(seen, newest_first);
    office.get("/v1/effects?cursor=x").problem(400, "bad_cursor");
    office.get("/v1/effects?limit=0").problem(400, "bad_limit");
    office.get("/v1/effects?late=true").problem(400, "malformed_request");
}
