//! Logging in and staying logged in, against somebody who guesses, steals and replays.

use crate::support::builders::{party, penalties, person_penalty, resident_id};
use crate::support::{Answer, Caller, PASSWORD, TestApp};
use credence_core::{Actor, Role};
use credence_identity::Identity;
use credence_identity::model::NewAccount;
use credence_identity::tokens::SigningKeys;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NEW_PASSWORD: &str = "wrong donkey staple";

fn account(app: &TestApp, username: &str) {
    let new = NewAccount {
        username: username.into(),
        display_name: username.into(),
        password: PASSWORD.into(),
        agency: None,
        roles: vec![Role::Auditor],
    };
    app.block_on(app.app.identity.open_account(&Actor::system("test"), new)).unwrap();
}

fn login(app: &TestApp, username: &str, password: &str) -> Answer {
    app.anonymous().post("/v1/sessions", &json!({ "username": username, "password": password }))
}

fn refresh(app: &TestApp, tokens: &Value) -> Answer {
    app.anonymous().post("/v1/sessions/refresh", &json!({ "refresh_token": tokens["refresh_token"] }))
}

fn bearer(app: &TestApp, tokens: &Value) -> Caller {
    Caller::new(&app.url, Some(tokens["access_token"].as_str().unwrap().to_owned()))
}

fn id_of(app: &TestApp, username: &str) -> String {
    app.sql(&format!("SELECT id::text FROM accounts WHERE username = '{username}'"))[0].get(0)
}

/// Two organisations and a person, with the ids of their subjects.
fn subjects(app: &TestApp) -> (String, String, String) {
    let provider = app.provider("lf-amr");
    provider.push("administrative_penalty_organisation", "v2", &penalties(1, 2).csv()).ok();
    provider.push("administrative_penalty_person", "v2", &person_penalty(5).csv()).ok();
    let organisation = |n: u32| {
        let file = app.anonymous().get(&format!("/v1/subjects/{}/file", party(n))).ok();
        file["subject"]["id"].as_str().unwrap().to_owned()
    };
    let person = app.sql("SELECT id::text FROM subjects WHERE kind = 'natural_person'")[0].get(0);
    (organisation(1), organisation(2), person)
}

#[test]
fn guessing_locks_the_account_for_a_while_and_tells_nothing() {
    let app = TestApp::new();
    account(&app, "alice");
    let unknown = login(&app, "nobody", "x").problem(401, "login_refused");
    for _ in 0..5 {
        let wrong = login(&app, "alice", "wrong").problem(401, "login_refused");
        assert_eq!(wrong["title"], unknown["title"], "an unknown name and a wrong password look the same");
    }
    let locked = login(&app, "alice", PASSWORD);
    assert_eq!(locked.header("retry-after"), "900");
    locked.problem(429, "account_locked");
    app.at("2026-11-23T02:15:01Z");
    login(&app, "alice", PASSWORD).ok();
    // One right password forgets the wrong ones.
    for _ in 0..4 {
        login(&app, "alice", "wrong").problem(401, "login_refused");
    }
    login(&app, "alice", PASSWORD).ok();
    login(&app, "alice", "wrong").problem(401, "login_refused");
    login(&app, "alice", PASSWORD).ok();
}

#[test]
fn guesses_in_parallel_count_too() {
    let app = TestApp::new();
    account(&app, "bob");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| login(&app, "bob", "wrong"));
        }
    });
    login(&app, "bob", PASSWORD).problem(429, "account_locked");
    let security = app.login(Role::SecurityAdmin);
    let id = app.sql("SELECT id::text FROM accounts WHERE username = 'bob'")[0].get::<_, String>(0);
    assert_eq!(security.post(&format!("/v1/accounts/{id}/unlock"), &json!({})).status, 204);
    login(&app, "bob", PASSWORD).ok();
}

#[test]
fn a_refresh_token_used_twice_ends_the_login() {
    let app = TestApp::new();
    account(&app, "carol");
    let first = login(&app, "carol", PASSWORD).ok();
    let refresh = |token: &serde_json::Value| app.anonymous().post("/v1/sessions/refresh", &json!({ "refresh_token": token }));
    let second = refresh(&first["refresh_token"]).ok();
    let third = refresh(&second["refresh_token"]).ok();
    refresh(&first["refresh_token"]).problem(401, "refresh_token_reused");
    refresh(&third["refresh_token"]).problem(401, "token_refused");
    // Another login of the same person is untouched; logging out ends only its own.
    let other = login(&app, "carol", PASSWORD).ok();
    let gone = login(&app, "carol", PASSWORD).ok();
    assert_eq!(app.anonymous().post("/v1/sessions/logout", &json!({ "refresh_token": gone["refresh_token"] })).status, 204);
    refresh(&gone["refresh_token"]).problem(401, "token_refused");
    refresh(&other["refresh_token"]).ok();
    refresh(&json!("made up")).problem(401, "token_refused");
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'refresh_token.reused'"), 1);
}

#[test]
fn access_tokens_expire_and_survive_a_rotation_of_keys() {
    let app = TestApp::new();
    account(&app, "dave");
    let token = login(&app, "dave", PASSWORD).ok()["access_token"].as_str().unwrap().to_owned();
    let me = |token: &str| Caller::new(&app.url, Some(token.to_owned())).get("/v1/me");
    assert_eq!(me(&token).ok()["label"], "dave");
    let kid = app.block_on(app.app.identity.rotate_signing_key(&Actor::system("test"))).unwrap();
    let newer = login(&app, "dave", PASSWORD).ok()["access_token"].as_str().unwrap().to_owned();
    assert_eq!((me(&token).status, me(&newer).status), (200, 200), "{kid}");
    app.at("2026-11-23T02:15:01Z");
    me(&token).problem(401, "token_refused");
    for forged in ["", "x.y.z", &token[..token.len() - 3], "crd_00000000000000000000000000000000_x"] {
        me(forged).problem(401, "token_refused");
    }
    // An unsigned token with the right words in it.
    let none = "eyJhbGciOiJub25lIiwia2lkIjoieCJ9.eyJpc3MiOiJjcmVkZW5jZSJ9.";
    me(none).problem(401, "token_refused");
}

#[test]
fn a_key_is_shown_once_stored_hashed_and_dies_when_revoked_or_old() {
    let app = TestApp::new();
    let security = app.login(Role::SecurityAdmin);
    let created =
        security.post("/v1/api-keys", &json!({ "agency": "lf-amr", "label": "nightly", "role": "provider", "valid_days": 30 })).ok();
    let (id, key) = (created["id"].as_str().unwrap(), created["key"].as_str().unwrap().to_owned());
    let secret = key.rsplit('_').next().unwrap();
    assert_eq!(app.count(&format!("SELECT count(*) FROM api_keys k WHERE k::text LIKE '%{secret}%'")), 0);
    assert_eq!(app.count(&format!("SELECT count(*) FROM audit_entries e WHERE e::text LIKE '%{secret}%'")), 0);
    let me = || Caller::new(&app.url, Some(key.clone())).get("/v1/me");
    assert_eq!(me().ok()["agency"], "lf-amr");
    app.at("2026-12-23T02:00:01Z");
    me().problem(401, "token_refused");
    app.at("2026-11-23T02:00:00Z");
    assert_eq!(security.delete(&format!("/v1/api-keys/{id}")).status, 204);
    me().problem(401, "token_refused");
    security.delete(&format!("/v1/api-keys/{id}")).problem(404, "not_found");
}

#[test]
fn accounts_are_opened_within_the_rules() {
    let app = TestApp::new();
    let security = app.login(Role::SecurityAdmin);
    let open = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut body =
            json!({ "username": "erin", "display_name": "Erin", "password": PASSWORD, "agency": "lf-amr", "roles": ["provider"] });
        change(&mut body);
        security.post("/v1/accounts", &body)
    };
    open(&|b| b["password"] = json!("short")).problem(422, "password_weak");
    open(&|b| b["agency"] = json!("none")).problem(422, "agency_unknown");
    open(&|b| b["roles"] = json!(["auditor", "provider"])).problem(422, "roles_conflict");
    open(&|b| b["roles"] = json!(["subject"])).problem(422, "roles_conflict");
    open(&|b| b["roles"] = json!(["king"])).problem(400, "malformed_request");
    open(&|b| b["username"] = json!("a b")).problem(400, "malformed_request");
    open(&|_| {}).ok();
    open(&|_| {}).problem(409, "username_taken");
    assert!(security.get("/v1/accounts").ok()["accounts"].as_array().unwrap().iter().any(|a| a["username"] == "erin"));
}

#[test]
fn problems_speak_the_callers_language() {
    let app = TestApp::new();
    let title = |language: &str| {
        app.anonymous().header("Accept-Language", language).get("/v1/me").problem(401, "unauthenticated")["title"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(title("zh-CN").starts_with("需要登录"));
    assert!(title("en-GB,en;q=0.9").starts_with("log in first"));
    let lost = app.anonymous().get("/v1/nowhere").problem(404, "not_found");
    assert!(lost["request_id"].as_str().is_some_and(|id| id.len() == 36));
    app.anonymous().post_bytes("/v1/sessions", "application/json", b"{").problem(400, "malformed_request");
}

#[test]
fn a_new_password_needs_the_old_one_and_ends_every_other_login() {
    let app = TestApp::new();
    account(&app, "frank");
    let (here, there) = (login(&app, "frank", PASSWORD).ok(), login(&app, "frank", PASSWORD).ok());
    let change = |current: &str, new: &str| bearer(&app, &here).post("/v1/me/password", &json!({ "current": current, "new": new }));
    change(PASSWORD, "short").problem(422, "password_weak");
    change(PASSWORD, "Frank").problem(422, "password_weak");
    change("wrong", NEW_PASSWORD).problem(422, "current_password_wrong");
    assert_eq!(bearer(&app, &there).get("/v1/me").ok()["label"], "frank", "what was refused changes nothing");
    let now = change(PASSWORD, NEW_PASSWORD).ok();
    for old in [&here, &there] {
        bearer(&app, old).get("/v1/me").problem(401, "token_refused");
        refresh(&app, old).problem(401, "token_refused");
    }
    assert_eq!(bearer(&app, &now).get("/v1/me").ok()["label"], "frank");
    assert_eq!(bearer(&app, &refresh(&app, &now).ok()).get("/v1/me").status, 200);
    login(&app, "frank", PASSWORD).problem(401, "login_refused");
    login(&app, "frank", NEW_PASSWORD).ok();
    // A key has no password, and nobody has one without logging in.
    let body = json!({ "current": PASSWORD, "new": NEW_PASSWORD });
    app.provider("lf-amr").post("/v1/me/password", &body).problem(403, "forbidden");
    app.anonymous().post("/v1/me/password", &body).problem(401, "unauthenticated");
    assert_eq!(app.count(&format!("SELECT count(*) FROM audit_entries e WHERE e::text LIKE '%{NEW_PASSWORD}%'")), 0);
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'account.change_password'"), 1);
}

#[test]
fn guessing_the_current_password_locks_like_guessing_at_the_login() {
    let app = TestApp::new();
    account(&app, "grace");
    let stolen = app.log_in("grace");
    let change = |current: &str| stolen.post("/v1/me/password", &json!({ "current": current, "new": NEW_PASSWORD }));
    for _ in 0..3 {
        login(&app, "grace", "wrong").problem(401, "login_refused");
    }
    for _ in 0..2 {
        change("wrong").problem(422, "current_password_wrong");
    }
    assert_eq!(change(PASSWORD).problem(429, "account_locked")["retry_after_seconds"], 900);
    login(&app, "grace", PASSWORD).problem(429, "account_locked");
    app.at("2026-11-23T02:15:01Z");
    login(&app, "grace", PASSWORD).ok();
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'account.password_refused'"), 2);
}

#[test]
fn a_reset_password_replaces_the_lost_one_and_throws_everybody_out() {
    let app = TestApp::new();
    account(&app, "heidi");
    let tokens = login(&app, "heidi", PASSWORD).ok();
    for _ in 0..5 {
        login(&app, "heidi", "wrong").problem(401, "login_refused");
    }
    let security = app.login(Role::SecurityAdmin);
    let path = format!("/v1/accounts/{}/reset-password", id_of(&app, "heidi"));
    let reset = |new: &str, reason: &str| security.post(&path, &json!({ "new_password": new, "reason": reason }));
    reset(NEW_PASSWORD, " ").problem(400, "malformed_request");
    reset("short", "遗忘").problem(422, "password_weak");
    bearer(&app, &tokens).get("/v1/me").ok();
    assert_eq!(reset(NEW_PASSWORD, "遗忘").status, 204);
    bearer(&app, &tokens).get("/v1/me").problem(401, "token_refused");
    refresh(&app, &tokens).problem(401, "token_refused");
    login(&app, "heidi", PASSWORD).problem(401, "login_refused");
    let again = login(&app, "heidi", NEW_PASSWORD).ok();
    bearer(&app, &again).get("/v1/me").ok();
    let nobody = format!("/v1/accounts/{}/reset-password", uuid::Uuid::now_v7());
    security.post(&nobody, &json!({ "new_password": NEW_PASSWORD, "reason": "x" })).problem(404, "not_found");
    let kept = "SELECT count(*) FROM audit_entries WHERE action = 'account.reset_password' AND detail->>'reason' = '遗忘'";
    assert_eq!(app.count(kept), 1);
}

#[test]
fn a_closed_account_is_out_at_once_and_nobody_closes_their_own() {
    let app = TestApp::new();
    account(&app, "ivan");
    let tokens = login(&app, "ivan", PASSWORD).ok();
    let security = app.login(Role::SecurityAdmin);
    let close = |id: &str, reason: &str| security.post(&format!("/v1/accounts/{id}/close"), &json!({ "reason": reason }));
    let ivan = id_of(&app, "ivan");
    close(&ivan, "").problem(400, "malformed_request");
    close(&ivan, "离\u{0}职").problem(400, "malformed_request");
    let own: String = app.sql("SELECT account_id::text FROM account_roles WHERE role = 'security_admin'")[0].get(0);
    close(&own, "离职").problem(403, "cannot_close_own");
    let reset = json!({ "new_password": "another battery staple", "reason": "x" });
    security.post(&format!("/v1/accounts/{own}/reset-password"), &reset).problem(403, "cannot_reset_own");
    assert_eq!(bearer(&app, &tokens).get("/v1/me").status, 200, "what was refused changes nothing");
    assert_eq!(close(&ivan, "离职").status, 204);
    bearer(&app, &tokens).get("/v1/me").problem(401, "token_refused");
    refresh(&app, &tokens).problem(401, "token_refused");
    let closed = login(&app, "ivan", PASSWORD).problem(401, "login_refused");
    assert_eq!(closed["title"], login(&app, "nobody", PASSWORD).json()["title"], "a closed account looks like none");
    close(&ivan, "离职").problem(404, "not_found");
    let reset = json!({ "new_password": NEW_PASSWORD, "reason": "x" });
    security.post(&format!("/v1/accounts/{ivan}/reset-password"), &reset).problem(404, "not_found");
    assert!(!security.get("/v1/accounts").ok()["accounts"].as_array().unwrap().iter().any(|a| a["username"] == "ivan"));
    let row = &app.sql("SELECT state, close_reason, closed_by LIKE 'security_admin-%' FROM accounts WHERE username = 'ivan'")[0];
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1), row.get::<_, bool>(2)), ("closed", "离职", true));
    assert!(app.sql_refused("UPDATE accounts SET closed_at = now() WHERE state = 'active'").contains("accounts_closing_is_whole"));
}

#[test]
fn no_login_slips_through_while_its_account_is_closed() {
    let app = &TestApp::new();
    account(app, "mallory");
    let logins: Vec<Value> = (0..6).map(|_| login(app, "mallory", PASSWORD).ok()).collect();
    let security = app.login(Role::SecurityAdmin);
    let path = format!("/v1/accounts/{}/close", id_of(app, "mallory"));
    std::thread::scope(|scope| {
        for tokens in &logins {
            scope.spawn(move || refresh(app, tokens));
            scope.spawn(move || login(app, "mallory", PASSWORD));
        }
        scope.spawn(|| assert_eq!(security.post(&path, &json!({ "reason": "离职" })).status, 204));
    });
    let alive =
        "SELECT count(*) FROM refresh_tokens t JOIN accounts a ON a.id = t.account_id WHERE a.state = 'closed' AND t.revoked_at IS NULL";
    assert_eq!(app.count(alive), 0);
}

#[test]
fn an_account_is_opened_only_for_whom_the_papers_fit() {
    let app = TestApp::new();
    let (organisation, _, person) = subjects(&app);
    let clerk = app.login(Role::Clerk);
    let open = |change: &dyn Fn(&mut Value)| {
        let mut body = json!({ "username": "li-shiyan", "password": PASSWORD, "person_name": "李试验", "document_kind": "身份证",
            "document_number": resident_id(5), "subject_id": person, "capacity": "self", "evidence": "本人到场" });
        change(&mut body);
        clerk.post("/v1/subject-accounts", &body)
    };
    open(&|b| b["document_number"] = json!(resident_id(6))).problem(422, "papers_do_not_match");
    let passport = |b: &mut Value| {
        b["document_kind"] = json!("护照");
        b["document_number"] = json!("E12345678");
    };
    open(&passport).problem(422, "papers_do_not_match");
    open(&|b| b["subject_id"] = json!(organisation)).problem(422, "papers_do_not_match");
    for capacity in ["agent", "legal_representative"] {
        open(&|b| b["capacity"] = json!(capacity)).problem(422, "capacity_mismatch");
    }
    let wrong = open(&|b| b["document_number"] = json!("11010519491231002Y")).problem(400, "malformed_request");
    assert_eq!(wrong["rule"], "person_document_check_char");
    open(&|b| b["document_kind"] = json!("工作证")).problem(400, "malformed_request");
    open(&|b| b["evidence"] = json!(" ")).problem(400, "malformed_request");
    open(&|b| b["evidence"] = json!(format!("身份证{}", resident_id(5)))).problem(400, "malformed_request");
    open(&|b| b["subject_id"] = json!(uuid::Uuid::now_v7())).problem(404, "subject_not_found");
    assert_eq!(app.count("SELECT count(*) FROM account_subjects"), 0);
    // However the clerk writes the number, it is the same person.
    let number = resident_id(5);
    open(&|b| b["document_number"] = json!(format!("{} {}", &number[..6], number[6..].to_lowercase()))).ok();
    assert_eq!(app.log_in("li-shiyan").get("/v1/me").ok()["subjects"], json!([person]));
}

#[test]
fn a_binding_needs_the_papers_the_account_was_opened_with_and_its_end_holds_at_once() {
    let app = TestApp::new();
    let (first, second, person) = subjects(&app);
    let clerk = app.login(Role::Clerk);
    let papers = |number: String, subject: &str, capacity: &str| json!({ "document_kind": "身份证", "document_number": number, "subject_id": subject, "capacity": capacity, "evidence": "营业执照" });
    let mut new = papers(resident_id(9), &first, "agent");
    new["username"] = json!("zhang-san");
    new["password"] = json!(PASSWORD);
    new["person_name"] = json!("张试验");
    let account = clerk.post("/v1/subject-accounts", &new).ok()["id"].as_str().unwrap().to_owned();
    let bind = |body: &Value| clerk.post(&format!("/v1/subject-accounts/{account}/bindings"), body);
    // Somebody else at the counter, and what cannot be bound.
    bind(&papers(resident_id(8), &second, "legal_representative")).problem(422, "papers_do_not_match");
    bind(&papers(resident_id(9), &second, "self")).problem(422, "capacity_mismatch");
    bind(&papers(resident_id(9), &person, "agent")).problem(422, "capacity_mismatch");
    bind(&papers(resident_id(9), &first, "agent")).problem(409, "already_bound");
    bind(&papers("1".into(), &second, "agent")).problem(400, "malformed_request");
    bind(&papers(resident_id(9), &uuid::Uuid::now_v7().to_string(), "agent")).problem(404, "subject_not_found");
    let mut silent = papers(resident_id(9), &second, "agent");
    silent["evidence"] = json!("");
    bind(&silent).problem(400, "malformed_request");
    // An account of an agency has no papers to compare.
    let colleague = app.sql("SELECT account_id::text FROM account_roles WHERE role = 'clerk'")[0].get::<_, String>(0);
    let path = format!("/v1/subject-accounts/{colleague}/bindings");
    clerk.post(&path, &papers(resident_id(9), &second, "agent")).problem(404, "not_found");

    let subject = app.log_in("zhang-san");
    let bound = || subject.get("/v1/me").ok()["subjects"].as_array().unwrap().iter().map(Value::to_string).collect::<BTreeSet<_>>();
    let of = |ids: &[&String]| ids.iter().map(|id| json!(id).to_string()).collect::<BTreeSet<_>>();
    assert_eq!(bound(), of(&[&first]));
    let view = bind(&papers(resident_id(9), &second, "legal_representative")).ok();
    assert_eq!((&view["subject_id"], &view["capacity"]), (&json!(second), &json!("legal_representative")));
    assert_eq!(bound(), of(&[&first, &second]));
    let accesses = || subject.get(&format!("/v1/me/subjects/{second}/accesses"));
    assert_eq!(accesses().ok()["accesses"], json!([]), "a query is not shown to itself");
    assert_eq!(accesses().ok()["accesses"][0]["action"], "own.accesses");

    let end = |reason: &str| clerk.post(&format!("/v1/subject-accounts/{account}/bindings/{second}/end"), &json!({ "reason": reason }));
    end(" ").problem(400, "malformed_request");
    assert_eq!(end("不再任法定代表人").status, 204);
    assert_eq!(bound(), of(&[&first]), "the token of before knows it too");
    accesses().problem(404, "not_found");
    end("再次").problem(404, "not_found");
    let kept =
        "SELECT count(*) FROM account_subjects WHERE end_reason = '不再任法定代表人' AND ended_by LIKE 'clerk-%' AND evidence = '营业执照'";
    assert_eq!(app.count(kept), 1);
    bind(&papers(resident_id(9), &second, "agent")).ok();
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'account.bind_subject'"), 2);
    assert_eq!(app.count("SELECT count(*) FROM audit_entries WHERE action = 'account.end_binding'"), 1);
    assert_eq!(app.count(&format!("SELECT count(*) FROM audit_entries e WHERE e::text LIKE '%{}%'", resident_id(9))), 0);
}

#[test]
fn a_control_character_is_refused_before_the_database_sees_it() {
    let app = TestApp::new();
    account(&app, "judy");
    for username in ["judy\u{0}", "\u{0}", "ju\u{7}dy", "judy\n"] {
        login(&app, username, PASSWORD).problem(401, "login_refused");
    }
    login(&app, "judy", "\u{0}").problem(401, "login_refused");
    refresh(&app, &json!({ "refresh_token": "\u{0}" })).problem(401, "token_refused");
    let security = app.login(Role::SecurityAdmin);
    let new = |username: &str, display_name: &str| {
        let body = json!({ "username": username, "display_name": display_name, "password": PASSWORD, "roles": ["auditor"] });
        security.post("/v1/accounts", &body)
    };
    new("kar\u{0}l", "Karl").problem(400, "malformed_request");
    new("karl", "Kar\u{0}l").problem(400, "malformed_request");
    new("karl", "Karl").ok();
    for (label, item) in [("x\u{0}", "x"), ("x", "x\u{0}")] {
        let key = json!({ "agency": "lf-amr", "label": label, "role": "provider", "items": [item] });
        security.post("/v1/api-keys", &key).problem(400, "malformed_request");
    }
}

#[test]
fn another_node_follows_a_new_signing_key_and_drops_a_retired_one() {
    let app = TestApp::new();
    account(&app, "kim");
    let here = &app.app.identity;
    // The same database, and signing keys of its own; a node loads them anew every few seconds.
    let there = Identity { signing: SigningKeys::default(), ..here.clone() };
    let follow = || app.block_on(there.signing.load(&app.app.db, &here.ring)).unwrap();
    let token = |node: &Identity| app.block_on(node.login("kim", PASSWORD.into())).unwrap().access_token;
    let holds = |node: &Identity, token: &str| app.block_on(node.authenticate(token)).is_ok();
    follow();
    let old = token(&there);
    let kid = app.block_on(here.rotate_signing_key(&Actor::system("test"))).unwrap();
    assert!(holds(here, &old), "a rotation interrupts nobody");
    // The old key leaked.
    app.sql(&format!("UPDATE signing_keys SET retired_at = now() WHERE kid <> '{kid}'"));
    assert!(holds(&there, &old), "the node has not looked yet");
    follow();
    assert!(!holds(&there, &old));
    let new = token(&there);
    assert!(holds(&there, &new) && holds(here, &new));
}

#[test]
fn the_auditor_reads_who_changed_what_and_leaves_a_trace() {
    let app = TestApp::new();
    let (organisation, ..) = subjects(&app);
    let security = app.login(Role::SecurityAdmin);
    for username in ["lee", "max", "ned"] {
        let body = json!({ "username": username, "display_name": username, "password": PASSWORD, "roles": ["auditor"] });
        security.post("/v1/accounts", &body).ok();
    }
    let lee = id_of(&app, "lee");
    assert_eq!(security.post(&format!("/v1/accounts/{lee}/close"), &json!({ "reason": "离职" })).status, 204);
    let opened = json!({ "username": "wang-wu", "password": PASSWORD, "person_name": "王试验", "document_kind": "身份证",
        "document_number": resident_id(9), "subject_id": organisation, "capacity": "agent", "evidence": "授权委托书" });
    app.login(Role::Clerk).post("/v1/subject-accounts", &opened).ok();

    let auditor = app.login(Role::Auditor);
    let read = |query: &str| auditor.get(&format!("/v1/audit/changes?{query}"));
    let actions = |page: &Value| -> Vec<String> {
        page["changes"].as_array().unwrap().iter().map(|c| c["action"].as_str().unwrap().to_owned()).collect()
    };
    let of_lee = read(&format!("entity=account&entity_id={lee}")).ok();
    assert_eq!(actions(&of_lee), ["account.close", "account.open"]);
    let close = &of_lee["changes"][0];
    assert_eq!((&close["detail"]["reason"], &close["actor_kind"]), (&json!("离职"), &json!("account")));
    assert_eq!(actions(&read(&format!("subject_id={organisation}")).ok())[0], "account.open_for_subject");
    // By the actor's name and by its id, page by page, without gaps.
    let all = ["account.close", "account.open", "account.open", "account.open", "login"];
    for actor in [close["actor"].as_str().unwrap(), close["actor_id"].as_str().unwrap()] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        for expected in [2, 2, 1] {
            let page = read(&format!("actor={actor}&limit=2{cursor}")).ok();
            assert_eq!(page["changes"].as_array().unwrap().len(), expected);
            seen.extend(actions(&page));
            cursor = page["next"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
        }
        assert_eq!((seen, cursor.as_str()), (all.map(str::to_owned).to_vec(), ""));
        assert!(read(&format!("actor={actor}&limit=5")).ok()["next"].is_null(), "a full last page says that it is the last");
    }
    read("actor=%00").problem(400, "malformed_request");
    read("cursor=xx").problem(400, "bad_cursor");
    read("limit=0").problem(400, "bad_limit");
    read("who=x").problem(400, "malformed_request");
    // The auditor is looked at too.
    let first = |page: Value| (page["accesses"][0]["action"].clone(), page["accesses"][0]["outcome"].clone());
    assert_eq!(first(auditor.get("/v1/audit/accesses").ok()), (json!("audit.changes"), json!("refused")));
    assert_eq!(first(auditor.get("/v1/audit/accesses").ok()), (json!("audit.accesses"), json!("granted")));
    assert_eq!(app.count(&format!("SELECT count(*) FROM access_log WHERE action = 'audit.changes' AND subject_id = '{organisation}'")), 1);
    security.get("/v1/audit/changes").problem(403, "forbidden");
}
