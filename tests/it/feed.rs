//! The change feed and the two logs: nothing skipped, nothing changed afterwards, no write without its entry.

use crate::support::TestApp;
use crate::support::builders::penalty;
use credence_audit::feed::{Position, move_to, place, read};
use credence_audit::{Change, record};
use credence_core::Actor;
use uuid::Uuid;

const ITEM: &str = "administrative_penalty_organisation";

#[test]
fn a_number_taken_early_and_committed_late_is_not_skipped() {
    let app = TestApp::new();
    let now = app.app.clock.now();
    let actor = Actor::system("test");
    app.block_on(async {
        let db = &app.app.db;
        let start = read(db, Position::default(), 1000).await.unwrap().last().map(|e| e.position()).unwrap_or_default();
        let (early, late) = (Uuid::now_v7(), Uuid::now_v7());
        let mut first = db.bulk().await.unwrap();
        let mut slow = first.begin().await.unwrap();
        credence_audit::record_bulk(&mut slow, &actor, Change::new("test.slow", "test", early), now).await.unwrap();
        // A second write starts later, takes a higher number, and commits first.
        db.write(async |tx| record(tx, &actor, Change::new("test.fast", "test", late), now).await).await.unwrap();
        let seen = read(db, start, 1000).await.unwrap();
        assert!(seen.is_empty(), "the reader waits for the older transaction: {seen:?}");
        slow.commit().await.unwrap();
        let seen: Vec<Uuid> = read(db, start, 1000).await.unwrap().iter().map(|e| e.object_id).collect();
        assert_eq!(seen, [early, late]);
    });
}

#[test]
fn a_reader_never_goes_back() {
    let app = TestApp::new();
    let now = app.app.clock.now();
    let db = &app.app.db;
    app.block_on(async {
        assert_eq!(place(db, "test").await.unwrap(), Position::default());
        for (to, stands) in [((7, 9), (7, 9)), ((7, 8), (7, 9)), ((6, 99), (7, 9)), ((8, 1), (8, 1))] {
            db.write(async |tx| move_to(tx, "test", Position { xid: to.0, id: to.1 }, now).await).await.unwrap();
            assert_eq!(place(db, "test").await.unwrap(), Position { xid: stands.0, id: stands.1 });
        }
    });
}

#[test]
fn a_write_without_a_change_entry_does_not_commit() {
    let app = TestApp::new();
    let outcome = app.block_on(app.app.db.write(async |tx| {
        use diesel_async::SimpleAsyncConnection;
        tx.conn().batch_execute("UPDATE agencies SET name = 'x'").await.unwrap();
        Ok(())
    }));
    assert_eq!(outcome.unwrap_err().code(), "internal");
    assert_eq!(app.count("SELECT count(*) FROM agencies WHERE name = 'x'"), 0);
    app.block_on(async {
        let mut bulk = app.app.db.bulk().await.unwrap();
        let tx = bulk.begin().await.unwrap();
        tx.raw().execute("UPDATE agencies SET name = 'y'", &[]).await.unwrap();
        assert!(tx.commit().await.is_err());
    });
    assert_eq!(app.count("SELECT count(*) FROM agencies WHERE name = 'y'"), 0);
}

#[test]
fn logs_and_versions_cannot_be_rewritten_even_by_hand() {
    let app = TestApp::new();
    app.provider("lf-amr").push(ITEM, "v2", &penalty(1).csv()).ok();
    let file = app.login(credence_core::Role::Consumer).get(&format!("/v1/subjects/{}/file", crate::support::builders::party(1))).ok();
    let events = format!("/v1/subjects/{}/events", file["subject"]["id"].as_str().unwrap());
    let rename =
        serde_json::json!({ "kind": "rename", "happened_on": "2026-11-01", "to_value": "新名有限公司", "basis": "登记机关变更通知" });
    app.login(credence_core::Role::CreditOffice).post(&events, &rename).ok();
    for statement in [
        "UPDATE audit_entries SET action = 'x'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "DELETE FROM change_feed",
        "UPDATE change_feed SET topic = 'x'",
        "DELETE FROM access_log",
        "UPDATE access_log SET purpose = 'x'",
        "TRUNCATE access_log",
        "DELETE FROM record_versions",
        "UPDATE record_versions SET data = '{}'",
        "UPDATE record_versions SET known_to = now(), state = 'withdrawn'",
        "TRUNCATE record_versions",
        "DELETE FROM config_documents",
        "UPDATE subject_events SET basis = 'x'",
        "UPDATE subject_events SET taken_back_at = now(), to_value = 'x'",
        "DELETE FROM subject_events",
        "TRUNCATE subject_events",
    ] {
        let message = app.sql_refused(statement);
        assert!(message.contains("is not allowed"), "{statement}: {message}");
    }
    let closed = app.sql_refused("WITH c AS (UPDATE record_versions SET known_to = known_from RETURNING 1) SELECT 1 FROM c; UPDATE record_versions SET known_to = NULL");
    assert!(closed.contains("is not allowed"), "a closed version stays closed: {closed}");
}
