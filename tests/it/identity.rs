//! Logging in and staying logged in, against somebody who guesses, steals and replays.

use crate::support::{Caller, PASSWORD, TestApp};
use credence_core::{Actor, Role};
use credence_identity::model::NewAccount;
use serde_json::json;

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

fn login(app: &TestApp, username: &str, password: &str) -> crate::support::Answer {
    app.anonymous().post("/v1/sessions", &json!({ "username": username, "password": password }))
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
