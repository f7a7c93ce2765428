//! What an agency is told beside its directives, and again about them: once, in its place, to nobody else; not after it was withdrawn; and neither
//! holding a directive back nor held back by one.

use crate::directives::{act, list_defaulters, take, take_back, text};
use crate::push::{self, Receiver, deliver, endpoint, list, messages_in, next_attempt, ok, until_delivered};
use crate::support::builders::{defaulter, party, resident_id};
use crate::support::{Caller, TestApp};
use chrono::Duration;
use credence_core::Role;
use credence_core::clock::Clock;
use credence_dispatch::service::messages::{self, NewMessage, Sent};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

const TOPIC: &str = "list.ground_questioned";
/// What the messages of these tests are about, unless they say otherwise.
const ENTRY: Uuid = Uuid::from_u128(7);

fn agency(app: &TestApp, code: &str) -> Uuid {
    app.sql(&format!("SELECT id FROM agencies WHERE code = '{code}'"))[0].get(0)
}

fn company(app: &TestApp, n: u32) -> Uuid {
    app.sql(&format!("SELECT subject_id FROM subject_identifiers WHERE scheme = 'uscc' AND value = '{}' AND known_to IS NULL", party(n)))[0]
        .get(0)
}

fn notice(subject: Uuid, agency: Uuid, key: &str) -> NewMessage {
    NewMessage {
        subject_id: subject,
        agency_id: agency,
        topic: TOPIC,
        about_kind: "list_entry",
        about_id: ENTRY,
        key: key.to_owned(),
        body: json!({ "list": "serious_illegality", "review_by": "2026-12-01" }),
        due_on: Some("2026-12-01".parse().unwrap()),
        receipt: true,
    }
}

/// Sends messages as another domain does, in a transaction of its own.
fn send(app: &TestApp, all: &[NewMessage]) -> Vec<Sent> {
    let now = app.clock.now();
    let work = app.app.db.write(async |tx| {
        let sent = messages::send(tx, all, now).await?;
        tx.mark_recorded();
        Ok(sent)
    });
    app.block_on(work).unwrap()
}

fn withdraw(app: &TestApp, topic: Option<&str>, about: &[Uuid]) -> usize {
    let now = app.clock.now();
    let work = app.app.db.write(async |tx| {
        let withdrawn = messages::withdraw(tx, topic, about, now).await?;
        tx.mark_recorded();
        Ok(withdrawn)
    });
    app.block_on(work).unwrap()
}

fn topics(messages: &[Value]) -> Vec<String> {
    messages.iter().map(|m| text(&m["topic"])).collect()
}

fn listed(caller: &Caller, query: &str) -> Vec<Value> {
    caller.get(&format!("/v1/agency-messages?{query}")).ok()["items"].as_array().unwrap().clone()
}

fn behind(caller: &Caller, after: &str) -> Vec<Value> {
    caller.get(&format!("/v1/inbox?limit=200&after={after}")).ok()["messages"].as_array().unwrap().clone()
}

fn acknowledge(caller: &Caller, id: Uuid, said: &str) -> crate::support::Answer {
    caller.post(&format!("/v1/agency-messages/{id}/acknowledge"), &json!({ "text": said }))
}

/// The court puts the facts of a case right, and its entry follows.
fn correct(app: &TestApp, court: &Caller, n: u32, facts: &str) {
    let rows = app.sql(&format!(
        "SELECT subject_id::text, record_id::text FROM record_versions
          WHERE item = 'judgment_defaulter' AND known_to IS NULL AND data->>'CASE_CODE' LIKE '%执{n}号'"
    ));
    let (subject, record) = (rows[0].get::<_, String>(0), rows[0].get::<_, String>(1));
    let correction = json!({ "fields": { "DISRUPT_TYPE": facts }, "reason": "更正" });
    court.post(&format!("/v1/subjects/{subject}/records/{record}/correct"), &correction).ok();
    app.settle();
}

/// An agency that was told one thing acts on what is not so any more, unless it is told again. Who has nothing yet, or goes on with nothing, is not bothered.
#[test]
fn who_holds_a_directive_learns_that_its_entry_was_restated() {
    let app = push::app(|_| {});
    let court = app.provider("lf-court");
    let receiver = Receiver::start();
    endpoint(&app.login(Role::SecurityAdmin), "lf-water", &receiver.url(), "hmac_sha256");
    list(&app, &court, &defaulter(1));
    assert_eq!(deliver(&app), 1);
    let key = |code: &str| app.key(code, Role::Consumer);
    let (housing, reform, transport) = (key("lf-housing"), key("lf-reform"), key("lf-transport"));
    let (executed, of_housing) = take(&housing, None, 2);
    let (messages, of_reform) = take(&reform, None, 2);
    let (goes_on, declined) = (text(&messages[0]["id"]), text(&messages[1]["id"]));
    act(&reform, &goes_on, "accept", &json!({})).ok();
    act(&reform, &declined, "decline", &json!({ "reason": "不在本单位职责内" })).ok();

    app.at("2026-11-24T02:00:00Z");
    correct(&app, &court, 1, "违反财产报告制度");
    let (updates, of_housing) = take(&housing, Some(&of_housing), 2);
    for update in &updates {
        assert_eq!((&update["topic"], &update["entry"]["facts"]), (&json!("directive.update"), &json!("违反财产报告制度")), "{update}");
        assert_eq!(update["reminder"], json!({ "kind": "updated", "due_on": "2026-11-24" }));
        assert_eq!((&update["directive"]["state"], &update["directive"]["suspended"]), (&json!("delivered"), &json!(false)));
        assert_ne!(update["id"], update["directive"]["id"], "a receiver that keeps ids would take it for a repetition");
    }
    let about = |messages: &[Value]| messages.iter().map(|m| text(&m["directive"]["id"])).collect::<BTreeSet<_>>();
    assert_eq!(about(&updates), about(&executed));
    assert_eq!(behind(&housing, &of_housing), Vec::<Value>::new());
    let (updates, of_reform) = take(&reform, Some(&of_reform), 1);
    assert_eq!((topics(&updates), about(&updates)), (vec!["directive.update".to_owned()], BTreeSet::from([goes_on])));
    assert_eq!(behind(&reform, &of_reform), Vec::<Value>::new(), "what was declined is not told again");
    let (first, of_transport) = take(&transport, None, 2);
    assert_eq!(topics(&first), ["directive.execute"; 2]);
    assert!(first.iter().all(|m| m["entry"]["facts"] == "违反财产报告制度"), "it learns it from the directive itself");
    assert_eq!(behind(&transport, &of_transport), Vec::<Value>::new());

    assert_eq!(deliver(&app), 1);
    let received = receiver.received();
    let [sent, update] = &received[..] else { panic!("{:?}", receiver.ids()) };
    let body = update.json();
    assert_eq!((&body["type"], &body["data"]["topic"]), (&json!("directive.update"), &json!("directive.update")));
    assert_eq!((&body["data"]["directive"]["id"], &body["data"]["id"]), (&json!(sent.id()), &json!(update.id())));
    assert_eq!((&body["data"]["reminder"]["kind"], &body["data"]["entry"]["facts"]), (&json!("updated"), &json!("违反财产报告制度")));

    // Twice on a day is twice.
    let updated = "SELECT count(*) FROM directive_reminders WHERE kind = 'updated'";
    assert_eq!(app.count(updated), 4);
    correct(&app, &court, 1, "有履行能力而拒不履行");
    assert_eq!(app.count(updated), 10, "two agencies with two, one with one, and transport has its two now");
    assert_eq!(take(&housing, Some(&of_housing), 2).0[0]["entry"]["facts"], "有履行能力而拒不履行");
    assert_eq!(deliver(&app), 1);

    // Once it is lifted there is nothing to say about it any more.
    take_back(&app, &court, 1);
    app.settle();
    let (whole, end) = take(&housing, None, 4);
    assert_eq!(topics(&whole), ["directive.execute", "directive.execute", "directive.release", "directive.release"]);
    assert_eq!(behind(&housing, &end), Vec::<Value>::new());
}

/// What is sent by several, or again, must not come twice, nor out of order, nor to others; and what has to be acknowledged is, once, by whom it concerns.
#[test]
fn a_message_arrives_once_in_its_place_and_is_acknowledged_by_its_agency_only() {
    let app = TestApp::new();
    list_defaulters(&app, 1, 1);
    let (subject, water, housing) = (company(&app, 1), agency(&app, "lf-water"), agency(&app, "lf-housing"));
    let first = notice(subject, water, "1");
    let sent = send(&app, &[first.clone(), first.clone()]);
    assert_eq!(sent, [Sent { subject_id: subject, agency_id: water, id: sent[0].id, about_id: ENTRY }]);
    assert_eq!(send(&app, std::slice::from_ref(&first)), Vec::<Sent>::new());
    app.clock.advance(Duration::seconds(1));
    let bare = NewMessage { receipt: false, due_on: None, ..notice(subject, water, "2") };
    let others = send(&app, &[bare, first.clone(), notice(subject, housing, "1")]);
    assert_eq!(others.iter().map(|s| s.agency_id).collect::<Vec<_>>(), [water, housing]);
    let (first, second, of_housing) = (sent[0].id, others[0].id, others[1].id);
    app.clock.advance(Duration::seconds(1));
    list_defaulters(&app, 2, 1);

    let consumer = app.key("lf-water", Role::Consumer);
    let (messages, end) = take(&consumer, None, 4);
    assert_eq!(topics(&messages), ["directive.execute", TOPIC, TOPIC, "directive.execute"]);
    let shown = &messages[1];
    assert_eq!((&shown["id"], &shown["about"]), (&json!(first), &json!({ "kind": "list_entry", "id": ENTRY })));
    assert_eq!((&shown["subject"]["name"], &shown["subject"]["uscc"]), (&json!("廊坊市试验1商贸有限公司"), &json!(party(1))));
    assert_eq!((&shown["subject"]["id"], &shown["subject"]["document"]), (&json!(subject), &Value::Null));
    assert_eq!(
        (&shown["body"]["review_by"], &shown["due_on"], &shown["receipt"]),
        (&json!("2026-12-01"), &json!("2026-12-01"), &json!(true))
    );
    assert_eq!((&shown["issued_at"], &shown["acknowledged_at"]), (&json!("2026-11-23T02:00:00Z"), &Value::Null));
    assert_eq!((&messages[2]["id"], &messages[2]["due_on"], &messages[2]["receipt"]), (&json!(second), &Value::Null, &json!(false)));
    assert_eq!(behind(&consumer, &end), Vec::<Value>::new());
    assert_eq!(take(&consumer, None, 4).0, messages, "from the beginning, in the same places");
    let delivered = "SELECT count(*) FROM agency_messages WHERE delivered_at = '2026-11-23T02:00:02Z'";
    assert_eq!(app.count(delivered), 2);
    let told = "SELECT sum((detail->>'count')::bigint)::bigint FROM audit_entries WHERE action = 'agency_messages.deliver'";
    assert_eq!(app.count(told), 2);

    // Who only provides finds them too.
    let ids = |items: &[Value]| items.iter().map(|m| text(&m["id"])).collect::<Vec<_>>();
    let provider = app.provider("lf-water");
    assert_eq!(ids(&listed(&provider, "")), [second.to_string(), first.to_string()]);
    assert_eq!(ids(&listed(&provider, "open=true")), [first.to_string()]);
    assert_eq!(ids(&listed(&provider, "open=false")), [second.to_string()]);
    assert_eq!(listed(&provider, "topic=list.something_else"), Vec::<Value>::new());
    let page = provider.get("/v1/agency-messages?limit=1").ok();
    let next = listed(&provider, &format!("limit=1&cursor={}", text(&page["next"])));
    assert_eq!((ids(page["items"].as_array().unwrap()), ids(&next)), (vec![second.to_string()], vec![first.to_string()]));
    assert_eq!(app.count(told), 2, "nothing new was handed out");
    let shown = listed(&app.login_at(Role::Approver, Some("lf-housing")), "");
    assert_eq!((ids(&shown), &shown[0]["delivered_at"]), (vec![of_housing.to_string()], &json!("2026-11-23T02:00:02Z")));
    assert_eq!((app.count(delivered), app.count(told)), (3, 3), "reading them there delivers them");
    assert_eq!(listed(&app.provider("lf-tax"), ""), Vec::<Value>::new());
    provider.get(&format!("/v1/agency-messages?agency_id={housing}")).problem(403, "forbidden");
    for query in ["topic=x", "topic=list.%00", "open=x", "page=2"] {
        provider.get(&format!("/v1/agency-messages?{query}")).problem(400, "malformed_request");
    }
    provider.get("/v1/agency-messages?cursor=x").problem(400, "bad_cursor");
    let office = app.login(Role::CreditOffice);
    assert_eq!(listed(&office, "").len(), 3);
    assert_eq!(ids(&listed(&office, &format!("agency_id={housing}"))), [of_housing.to_string()]);

    // Neither a stranger, nor without words, nor with a number in them, nor where none is asked.
    for stranger in [app.provider("lf-housing"), app.provider("lf-tax")] {
        acknowledge(&stranger, first, "已处理").problem(404, "message_not_found");
    }
    acknowledge(&provider, Uuid::nil(), "已处理").problem(404, "message_not_found");
    for said in [String::new(), " \n".to_owned(), "\u{7}".to_owned(), "长".repeat(5_000), format!("已通知{}", resident_id(1))] {
        assert_eq!(acknowledge(&provider, first, &said).problem(422, "bad_feedback")["field"], "text");
    }
    acknowledge(&provider, second, "已处理").problem(422, "message_needs_no_receipt");
    office.post(&format!("/v1/agency-messages/{first}/acknowledge"), &json!({ "text": "x" })).problem(403, "forbidden");
    let unsaid = "SELECT count(*) FROM agency_messages WHERE acknowledged_at IS NOT NULL";
    assert_eq!(app.count(unsaid), 0, "nothing was stored");
    let done = acknowledge(&provider, first, "已重新认定").ok();
    assert_eq!((&done["id"], &done["acknowledged_at"]), (&json!(first), &json!("2026-11-23T02:00:02Z")));
    app.clock.advance(Duration::seconds(60));
    assert_eq!(acknowledge(&consumer, first, " 已重新认定 ").ok(), done, "the same again is the same");
    acknowledge(&consumer, first, "另有情况").problem(409, "message_acknowledged");
    assert_eq!(app.count(unsaid), 1);
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'agency_message.acknowledge' AND subject_id IS NOT NULL"), 1);
    assert_eq!(
        app.count("SELECT count(*) FROM audit_entries WHERE detail::text LIKE '%已重新认定%'"),
        0,
        "the words stay with the message"
    );
    assert_eq!(listed(&provider, "open=true"), Vec::<Value>::new());
    let shown = listed(&provider, "open=false");
    assert_eq!((&shown[1]["acknowledgement"], &shown[1]["acknowledged_by"]), (&json!("已重新认定"), &done["acknowledged_by"]));
    assert_eq!(take(&consumer, None, 2).0[1]["acknowledged_at"], done["acknowledged_at"]);
    assert!(app.count("SELECT count(*) FROM access_log WHERE action = 'agency_messages.list' AND outcome = 'granted'") >= 8);
}

/// A message says whom it is about, and of a person no more than it needs.
#[test]
fn a_person_is_told_by_the_first_character_only() {
    let app = TestApp::new();
    let (court, number) = (app.provider("lf-court"), resident_id(1));
    let person = defaulter(1).set(0, "姓名/名称", "李试验").set(0, "类型", "自然人").set(0, "证件号码", &number);
    court.push("judgment_defaulter", "v1", &person.csv()).ok();
    app.settle();
    let subject: Uuid = app.sql("SELECT id FROM subjects WHERE kind = 'natural_person'")[0].get(0);
    let sent = send(&app, &[notice(subject, agency(&app, "lf-tax"), "1")]);
    let (messages, _) = take(&app.key("lf-tax", Role::Consumer), None, 1);
    let office = app.login(Role::CreditOffice);
    for shown in [&messages[0], &listed(&office, "")[0], &listed(&app.provider("lf-tax"), "")[0]] {
        assert_eq!((&shown["id"], &shown["subject"]["name"]), (&json!(sent[0].id), &json!("李*")), "{shown}");
        assert_eq!((&shown["subject"]["kind"], &shown["subject"]["uscc"]), (&json!("natural_person"), &Value::Null));
        assert!(!shown.to_string().contains("试验") && !shown.to_string().contains(&number), "{shown}");
    }
}

/// What is over before anybody had it must reach nobody; what somebody has cannot be taken from them.
#[test]
fn what_was_withdrawn_before_anybody_had_it_is_never_shown() {
    let app = TestApp::new();
    list_defaulters(&app, 1, 1);
    let subject = company(&app, 1);
    let of_water = notice(subject, agency(&app, "lf-water"), "1");
    let sent = send(&app, &[of_water.clone(), notice(subject, agency(&app, "lf-housing"), "1")]);
    let housing = app.key("lf-housing", Role::Consumer);
    take(&housing, None, 3);
    assert_eq!(withdraw(&app, Some("list.something_else"), &[ENTRY]), 0);
    assert_eq!(withdraw(&app, None, &[Uuid::nil()]), 0);
    assert_eq!(withdraw(&app, Some(TOPIC), &[Uuid::nil(), ENTRY]), 1, "the one that nobody had");
    assert_eq!(withdraw(&app, None, &[ENTRY]), 0);
    list_defaulters(&app, 2, 1);

    let water = app.key("lf-water", Role::Consumer);
    let (messages, end) = take(&water, None, 2);
    assert_eq!(topics(&messages), ["directive.execute"; 2]);
    assert_eq!(behind(&water, &end), Vec::<Value>::new());
    let provider = app.provider("lf-water");
    assert_eq!(listed(&provider, ""), Vec::<Value>::new());
    acknowledge(&provider, sent[0].id, "已处理").problem(404, "message_not_found");
    let office = app.login(Role::CreditOffice);
    let withdrawn = |id: Uuid| {
        let all = listed(&office, "");
        all.iter().find(|m| m["id"] == json!(id)).unwrap()["withdrawn_at"].clone()
    };
    assert_eq!((withdrawn(sent[0].id), withdrawn(sent[1].id)), (json!("2026-11-23T02:00:00Z"), Value::Null));
    assert_eq!(listed(&office, "open=true").len(), 1, "what was withdrawn waits for nobody");
    assert_eq!(topics(&take(&housing, None, 3).0)[2], TOPIC);

    // It comes up again: that is said anew.
    let anew = send(&app, &[of_water]);
    assert_eq!(anew.len(), 1);
    let (messages, _) = take(&water, Some(&end), 1);
    assert_eq!(messages[0]["id"], json!(anew[0].id));
}

/// Withdrawing and reading at the same time: each message is one or the other, and nobody sees what was withdrawn.
#[test]
fn of_a_reader_and_a_withdrawal_at_once_one_comes_first() {
    const COUNT: u128 = 60;
    let app = TestApp::new();
    list_defaulters(&app, 1, 1);
    let (subject, water) = (company(&app, 1), agency(&app, "lf-water"));
    let about = |n: u128| Uuid::from_u128(1000 + n);
    let all: Vec<NewMessage> = (0..COUNT).map(|n| NewMessage { about_id: about(n), ..notice(subject, water, &format!("{n}")) }).collect();
    assert_eq!(send(&app, &all).len(), all.len());
    let (consumer, provider) = (app.key("lf-water", Role::Consumer), app.provider("lf-water"));
    fn ids(items: &[Value]) -> Vec<String> {
        items.iter().filter(|m| m["topic"] == TOPIC).map(|m| text(&m["id"])).collect()
    }
    let seen: BTreeSet<String> = std::thread::scope(|scope| {
        let pulling = scope.spawn(|| {
            let (mut seen, mut after) = (Vec::new(), String::new());
            for _ in 0..20 {
                let page = consumer.get(&format!("/v1/inbox?limit=2{after}")).ok();
                seen.extend(ids(page["messages"].as_array().unwrap()));
                after = format!("&after={}", text(&page["next"]));
            }
            seen
        });
        let listing = scope.spawn(|| {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            for _ in 0..20 {
                let page = provider.get(&format!("/v1/agency-messages?limit=2{cursor}")).ok();
                seen.extend(ids(page["items"].as_array().unwrap()));
                let Some(next) = page["next"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            seen
        });
        for n in 0..COUNT / 2 {
            withdraw(&app, None, &[about(n), about(COUNT - 1 - n)]);
        }
        pulling.join().unwrap().into_iter().chain(listing.join().unwrap()).collect()
    });
    let rows = app.sql("SELECT id::text FROM agency_messages WHERE delivered_at IS NOT NULL");
    let delivered: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(seen.is_subset(&delivered), "{seen:?} {delivered:?}");
    let withdrawn = app.count("SELECT count(*) FROM agency_messages WHERE withdrawn_at IS NOT NULL");
    assert_eq!(usize::try_from(withdrawn).unwrap() + delivered.len(), all.len(), "nothing is neither, nothing is both");
    // From the beginning: what was delivered and nothing else, behind the one directive.
    let (whole, end) = take(&consumer, None, 1 + delivered.len());
    assert_eq!(ids(&whole).into_iter().collect::<BTreeSet<_>>(), delivered);
    assert_eq!(behind(&consumer, &end), Vec::<Value>::new());
}

/// A receiver that chokes on one kind of message must not keep sanctions and releases from an agency, nor a sanction that waits keep a word about
/// something else.
#[test]
fn a_message_and_a_directive_do_not_hold_each_other_back() {
    let app = push::app(|s| s.dispatch.webhook_retry_seconds = vec![60]);
    let (court, admin) = (app.provider("lf-court"), app.login(Role::SecurityAdmin));
    let receiver = Receiver::start();
    let (id, _) = endpoint(&admin, "lf-water", &receiver.url(), "hmac_sha256");
    let case = |n: u32| defaulter(1).set(0, "案号", &format!("（2026）冀10执{n}号"));
    list(&app, &court, &case(901));
    assert_eq!(deliver(&app), 1);
    let (subject, water) = (company(&app, 1), agency(&app, "lf-water"));
    let one = |key: &str| send(&app, &[notice(subject, water, key)])[0].id;
    let chokes_on = |kind: &'static str| {
        receiver.answers_by(move |got| if got.json()["type"] == kind { "500 Internal Server Error".to_owned() } else { ok(got) });
    };

    // While it is tried again, and when it has been set aside.
    chokes_on(TOPIC);
    let failing = one("1");
    assert_eq!(deliver(&app), 1);
    list(&app, &court, &case(902));
    assert_eq!(deliver(&app), 1, "the directive does not wait");
    app.clock.set(next_attempt(&app).unwrap());
    assert_eq!(deliver(&app), 1);
    assert_eq!((messages_in(&app, "dead"), messages_in(&app, "delivered")), (1, 2));
    list(&app, &court, &case(903));
    assert_eq!(deliver(&app), 1, "nor does this one");
    let dead = admin.get(&format!("/v1/webhook-endpoints/{id}/messages")).ok()["items"].clone();
    assert_eq!((&dead[0]["id"], &dead[0]["topic"], &dead[0]["directive_id"]), (&json!(failing), &json!(TOPIC), &Value::Null), "{dead}");
    assert_eq!(app.count("SELECT count(*) FROM agency_messages WHERE delivered_at IS NOT NULL"), 1, "the agency may have it");

    // A directive that waits for its next attempt.
    chokes_on("directive.execute");
    list(&app, &court, &case(904));
    assert_eq!(deliver(&app), 1);
    let turn = next_attempt(&app);
    assert!(turn.is_some());
    let told = one("2");
    assert_eq!(deliver(&app), 1, "the message does not wait");
    assert_eq!(next_attempt(&app), turn, "and hurries nothing");
    let got = receiver.received().pop().unwrap();
    assert_eq!((got.id(), &got.json()["type"]), (told.to_string(), &json!(TOPIC)));
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'agency_message.push'"), 2);

    // The body is that of the inbox.
    let (messages, _) = take(&app.key("lf-water", Role::Consumer), None, 6);
    assert_eq!(topics(&messages), ["directive.execute", TOPIC, "directive.execute", "directive.execute", "directive.execute", TOPIC]);
    assert_eq!(got.json()["data"], messages[5]);

    // What was withdrawn, or acknowledged before it was sent, is not sent.
    one("3");
    assert_eq!(withdraw(&app, None, &[ENTRY]), 1);
    assert_eq!((deliver(&app), messages_in(&app, "cancelled")), (0, 1));
    let known = one("4");
    acknowledge(&app.provider("lf-water"), known, "已处理").ok();
    assert_eq!((deliver(&app), messages_in(&app, "cancelled")), (1, 2));
    assert_eq!(receiver.ids().iter().filter(|id| **id == known.to_string()).count(), 0);

    // Another answer, and what was set aside goes out by hand.
    receiver.answers("200 OK");
    admin.post(&format!("/v1/webhook-endpoints/{id}/replay"), &json!({})).ok();
    app.until(&format!("SELECT count(*) FROM push_messages WHERE id = '{failing}' AND state = 'delivered'"));
    for (statement, refusal) in [
        ("UPDATE push_messages SET directive_id = NULL WHERE directive_id IS NOT NULL", "push_messages_directive_by_topic"),
        ("UPDATE push_messages SET directive_id = id WHERE directive_id IS NULL", "push_messages_directive_by_topic"),
    ] {
        assert!(app.sql_refused(statement).contains(refusal), "{statement}");
    }
}

/// An agency that gets an endpoint gets there what waits in its inbox, messages too, but not what was withdrawn.
#[test]
fn a_new_endpoint_gets_the_messages_that_wait() {
    let app = push::app(|_| {});
    list(&app, &app.provider("lf-court"), &defaulter(1));
    let (subject, water) = (company(&app, 1), agency(&app, "lf-water"));
    let gone = NewMessage { about_id: Uuid::nil(), ..notice(subject, water, "gone") };
    let sent = send(&app, &[notice(subject, water, "1"), gone]);
    assert_eq!(withdraw(&app, None, &[Uuid::nil()]), 1);
    assert_eq!(app.count("SELECT count(*) FROM push_messages"), 0);
    let receiver = Receiver::start();
    endpoint(&app.login(Role::SecurityAdmin), "lf-water", &receiver.url(), "hmac_sha256");
    until_delivered(&app, 2);
    let kinds: BTreeSet<String> = receiver.received().iter().map(|got| text(&got.json()["type"])).collect();
    assert_eq!(kinds, BTreeSet::from(["directive.execute".to_owned(), TOPIC.to_owned()]));
    assert!(receiver.ids().contains(&sent[0].id.to_string()));
}

/// Whoever comes to the database around the program must not rewrite what an agency was told.
#[test]
fn the_database_keeps_what_was_told() {
    let app = TestApp::new();
    list_defaulters(&app, 1, 1);
    let (subject, water) = (company(&app, 1), agency(&app, "lf-water"));
    let told = send(&app, &[notice(subject, water, "1")])[0].id;
    let kept = "is not allowed";
    let refused = |statement: &str, refusal: &str| {
        let said = app.sql_refused(statement);
        assert!(said.contains(refusal), "{statement}: {said}");
    };
    for statement in [
        "DELETE FROM agency_messages",
        "TRUNCATE agency_messages",
        "UPDATE agency_messages SET body = '{}'",
        "UPDATE agency_messages SET agency_id = gen_random_uuid()",
        "UPDATE agency_messages SET receipt = false",
        "UPDATE agency_messages SET due_on = NULL",
        "UPDATE agency_messages SET issued_order = 1",
        "UPDATE agency_messages SET topic = 'list.other'",
    ] {
        refused(statement, kept);
    }
    refused("UPDATE agency_messages SET acknowledged_at = now()", "agency_messages_acknowledged_whole");
    let provider = app.provider("lf-water");
    assert_eq!(listed(&provider, "").len(), 1);
    acknowledge(&provider, told, "已处理").ok();
    for statement in [
        "UPDATE agency_messages SET delivered_at = NULL",
        "UPDATE agency_messages SET delivered_at = delivered_at + interval '1 second'",
        "UPDATE agency_messages SET acknowledgement = '另有情况'",
        "UPDATE agency_messages SET acknowledged_at = NULL, acknowledged_by = NULL, acknowledgement = NULL",
    ] {
        refused(statement, kept);
    }
    refused("UPDATE agency_messages SET withdrawn_at = now()", "agency_messages_withdrawn_unseen");
    let insert = |columns: &str, values: &str| {
        format!(
            "INSERT INTO agency_messages (subject_id, id, agency_id, about_kind, about_id, body, receipt, created_at, {columns})
             SELECT subject_id, gen_random_uuid(), agency_id, about_kind, about_id, body, false, now(), {values} FROM agency_messages"
        )
    };
    for topic in ["directive.execute", "list", "List.due", "list.due.soon"] {
        refused(&insert("topic, message_key", &format!("'{topic}', 'x'")), "agency_messages_topic_of_no_directive");
    }
    refused(&insert("topic, message_key", "topic, message_key"), "agency_messages_once");
    refused(
        &insert("topic, message_key, acknowledged_at, acknowledged_by, acknowledgement", "topic, 'x', now(), 'x', 'x'"),
        "agency_messages_acknowledged_as_asked",
    );
}
