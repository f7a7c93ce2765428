//! SIGKILL anywhere in the fan-out of effects: on restart it completes, exactly once. The database lets the program come to a row and no
//! further, so that no kill comes too late.

use crate::durability::{Server, command};
use crate::support::TestApp;
use crate::support::builders::{party, penalties};
use credence_core::crypto::sha256;
use credence_core::{Actor, Clock, Role};
use credence_records::service::redress::{Because, repair};
use serde_json::json;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

const RECORDS: u32 = 30;

/// A row in whose transaction the program is killed.
struct Inside(
    /// Table, event, and which rows.
    [&'static str; 3],
    /// What is counted.
    &'static str,
    /// How many of it there are when the program is killed on the way to that row, and when at it.
    [u32; 2],
);

const EFFECTS: &str = "effects";
const RECEIPTS: &str = "effect_followups WHERE state = 'done'";
const BY_AGENCIES: &str = "effect_followups WHERE state = 'done' AND recipient_kind = 'agency'";
const SETTLED: &str = "effects WHERE settled_at IS NOT NULL";

/// While effects begin and projections are asked.
const FOLLOWED: [Inside; 7] = [
    Inside(["effects", "INSERT", "true"], EFFECTS, [1, 4]),
    Inside(["agency_messages", "INSERT", "NEW.topic = 'record.repaired'"], EFFECTS, [7, 10]),
    Inside(["effect_followups", "INSERT", "NEW.recipient_kind = 'agency'"], EFFECTS, [12, 15]),
    Inside(["audit_entries", "INSERT", "NEW.action = 'effect.begin'"], EFFECTS, [17, 20]),
    Inside(["feed_readers", "INSERT", "NEW.reader = 'effects'"], EFFECTS, [22, 25]),
    Inside(["effect_followups", "UPDATE", "NEW.state = 'done'"], RECEIPTS, [10, 40]),
    Inside(["audit_entries", "INSERT", "NEW.action = 'effect.follow_up'"], RECEIPTS, [70, 100]),
];

/// While the receipts of agencies are taken.
const ACKNOWLEDGED: [Inside; 3] = [
    Inside(["effect_followups", "UPDATE", "NEW.state = 'done' AND NEW.recipient_kind = 'agency'"], BY_AGENCIES, [5, 15]),
    Inside(["effects", "UPDATE", "NEW.settled_at IS NOT NULL"], SETTLED, [9, 12]),
    Inside(["audit_entries", "INSERT", "NEW.action = 'effect.settle'"], SETTLED, [16, 20]),
];

/// Effects have read the feed to its end, and nobody but an agency owes anything.
const AT_REST: &str = "NOT EXISTS (SELECT 1 FROM change_feed f WHERE NOT EXISTS
        (SELECT 1 FROM feed_readers r WHERE r.reader = 'effects' AND (r.xid, r.entry_id) >= (f.xid::text::bigint, f.id)))
    AND NOT EXISTS (SELECT 1 FROM effect_followups f LEFT JOIN agency_messages m ON m.subject_id = f.subject_id AND m.id = f.message_id
         WHERE f.state = 'open' AND (f.message_id IS NULL OR m.acknowledged_at IS NOT NULL))";

/// Somebody stands at the gate, and cannot pass.
const AT_GATE: &str = "EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = 7 AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

/// Shuts the gate as long as the connection lives. Who stood there when it was open last has gone through to the end of its transaction.
fn shut_gate(app: &TestApp) -> tokio_postgres::Client {
    app.block_on(async {
        let (client, connection) = tokio_postgres::connect(&app.db_url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
        client
    })
}

/// The folder of the program beside the test's server, with the same keys.
fn folder(app: &TestApp) -> PathBuf {
    let dir = app.dir.path().join("program");
    std::fs::create_dir(&dir).unwrap();
    let entry = |id: u8, key: [u8; 32]| {
        let master = key.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        format!("id = {id}\nsuite = \"intl\"\nmaster = \"{master}\"\n")
    };
    let text = format!("[index]\n{}[[seal]]\n{}", entry(0, sha256(&[42; 32])), entry(1, [42; 32]));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join("keys.toml")).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    dir
}

/// The program on the test's database, when a condition holds there; or when it has nothing left to do, which whoever counts will see.
fn running_until(app: &TestApp, dir: &Path, condition: &str) -> Server {
    let mut command = command(dir);
    command.env("DATABASE_URL", &app.db_url).env("CREDENCE__DATABASE__POOL_SIZE", "4").env("CREDENCE__SERVER__WORKERS", "2");
    let server = Server::serve(command);
    app.until(&format!("SELECT (({condition}) OR ({AT_REST}))::int::bigint"));
    server
}

/// Kills the program twice: wherever it is on the way to a row, and in the transaction of that row.
fn kill_twice(app: &TestApp, dir: &Path, at: &Inside) {
    let Inside([table, event, row], counted, reached) = *at;
    let [way, there] = reached.map(|n| format!("SELECT count(*) >= {n} FROM {counted}"));
    let argument = there.replace('\'', "''");
    app.sql(&format!("CREATE TRIGGER stall BEFORE {event} ON {table} FOR EACH ROW WHEN ({row}) EXECUTE FUNCTION stall('{argument}')"));
    for (condition, is_inside) in [(format!("({way})"), false), (AT_GATE.to_owned(), true)] {
        let gate = shut_gate(app);
        let server = running_until(app, dir, &condition);
        let waiting = app.count(&format!("SELECT ({AT_GATE})::int::bigint"));
        server.kill();
        drop(gate);
        assert!(!is_inside || waiting == 1, "killed outside of {event} of {table}");
    }
    // Waits for the transaction whose program is dead.
    app.sql(&format!("DROP TRIGGER stall ON {table}"));
    assert_eq!(torn(app), 0, "after {event} of {table}");
}

/// How many effects are there in part, or with something twice.
fn torn(app: &TestApp) -> i64 {
    let projections = app.app.redress.projections.len();
    let of = "WHERE f.subject_id = e.subject_id AND f.effect_id = e.id AND";
    let said = |action: &str| format!("(SELECT count(*) FROM audit_entries a WHERE a.action = '{action}' AND a.object_id = e.id::text)");
    app.count(&format!(
        "SELECT count(*) FROM effects e
          WHERE (SELECT count(*) FROM effect_followups f {of} f.recipient_kind = 'projection') <> {projections}
             OR (SELECT count(*) FROM effect_followups f {of} f.recipient_kind <> 'projection') <> 2
             OR (SELECT count(*) FROM effect_followups f JOIN agency_messages m ON m.subject_id = f.subject_id AND m.id = f.message_id
                  {of} m.agency_id::text = f.recipient AND m.message_key = e.id::text AND m.about_id = e.target_id) <> 2
             OR (SELECT count(*) FROM agency_messages m WHERE m.subject_id = e.subject_id AND m.topic = 'record.repaired') <> 2
             OR (SELECT count(*) FROM effect_followups f {of} f.state = 'done') <> {}
             OR (SELECT count(*) FROM effect_followups f {of} f.state = 'open') = 0 AND e.settled_at IS NULL
             OR (e.settled_at IS NOT NULL)::int <> {} OR {} <> 1",
        said("effect.follow_up"),
        said("effect.settle"),
        said("effect.begin")
    ))
}

#[test]
fn killed_anywhere_in_the_fan_out_every_effect_is_completed_once() {
    let app = TestApp::with(|s| s.jobs.poll_milliseconds = 3_600_000);
    let (dir, agencies) = (folder(&app), ["lf-reform", "lf-water"].map(|code| app.key(code, Role::Consumer)));
    app.provider("lf-amr").push("administrative_penalty_organisation", "v2", &penalties(1, RECORDS).csv()).ok();
    for agency in &agencies {
        for n in 1..=RECORDS {
            agency.get(&format!("/v1/subjects/{}/file?purpose=review", party(n))).ok();
        }
    }
    app.at("2026-11-23T02:05:00Z");
    let records = app.sql("SELECT subject_id, record_id FROM record_versions WHERE known_to IS NULL ORDER BY record_id");
    let because = Because { case_id: Uuid::nil(), line_id: Uuid::nil(), reason: "已履行全部义务" };
    let (actor, now) = (Actor::system("test"), app.clock.now());
    for row in &records {
        let (subject, record): (Uuid, Uuid) = (row.get(0), row.get(1));
        let work = app.app.db.write(async |tx| repair(tx, &actor, subject, record, &because, now).await.map(|_| ()));
        app.block_on(work).unwrap();
    }
    assert_eq!(records.len(), usize::try_from(RECORDS).unwrap());
    assert_eq!(app.count("SELECT count(*) FROM effects"), 0, "nothing follows but by the program");
    app.sql(
        "CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE there boolean;
         BEGIN EXECUTE TG_ARGV[0] INTO there; IF there THEN PERFORM pg_advisory_xact_lock_shared(7); END IF; RETURN NEW; END $$",
    );

    for at in &FOLLOWED {
        kill_twice(&app, &dir, at);
    }
    running_until(&app, &dir, AT_REST).kill();
    let (effects, projections) = (i64::from(RECORDS), i64::try_from(app.app.redress.projections.len()).unwrap());
    assert_eq!(app.count(&format!("SELECT count(*) FROM {RECEIPTS} AND recipient_kind = 'projection'")), effects * projections);

    for agency in &agencies {
        let open = agency.get("/v1/agency-messages?open=true&topic=record.repaired&limit=100").ok();
        assert_eq!(open["items"].as_array().unwrap().len(), records.len(), "each is told of each once");
        for message in open["items"].as_array().unwrap() {
            let path = format!("/v1/agency-messages/{}/acknowledge", message["id"].as_str().unwrap());
            agency.post(&path, &json!({ "text": "已停止使用" })).ok();
        }
    }
    for at in &ACKNOWLEDGED {
        kill_twice(&app, &dir, at);
    }
    running_until(&app, &dir, AT_REST).kill();

    // The proof reads the feed to its end: nothing comes of that any more.
    let proof = app.block_on(app.app.redress.verify()).unwrap();
    assert_eq!((proof.targets, proof.without_effect, proof.overdue), (records.len(), 0, 0));
    assert!(proof.still_shown.is_empty() && proof.waiting.is_empty(), "{proof:?}");
    assert_eq!(torn(&app), 0);
    for (query, wanted) in [
        ("count(*) FROM effects", effects),
        ("count(DISTINCT target_id) FROM effects WHERE kind = 'repaired' AND settled_at IS NOT NULL", effects),
        ("count(*) FROM effect_followups", effects * (projections + 2)),
        ("count(*) FROM effect_followups WHERE state = 'done'", effects * (projections + 2)),
        ("count(*) FROM agency_messages WHERE topic = 'record.repaired'", effects * 2),
        ("count(*) FROM audit_entries WHERE action = 'effect.begin'", effects),
        ("count(*) FROM audit_entries WHERE action = 'effect.follow_up'", effects * (projections + 2)),
        ("count(*) FROM audit_entries WHERE action = 'effect.settle'", effects),
    ] {
        assert_eq!(app.count(&format!("SELECT {query}")), wanted, "{query}");
    }
}
