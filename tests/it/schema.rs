//! The schema: goes up, down and up again to the same; every table and column says what it is; no foreign key without an index.

use crate::support::{empty_database, run};
use credence_db::{migrate, names, revert_all};

const SHAPE: &str = "
    SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT tgname || ' ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT proname || ' ' || md5(prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT coalesce(objsubid::text, '') || ' ' || description FROM pg_description d JOIN pg_class c ON c.oid = d.objoid AND c.relnamespace = 'public'::regnamespace
    ORDER BY 1";

async fn texts(url: &str, query: &str) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn migrations_go_up_down_and_up_again_to_the_same_schema() {
    let url = empty_database("updown");
    run(async {
        let all = names().unwrap();
        assert_eq!(migrate(&url).await.unwrap().len(), all.len());
        let first = texts(&url, SHAPE).await;
        assert_eq!(revert_all(&url).await.unwrap().len(), all.len());
        let left = texts(&url, SHAPE).await;
        assert!(left.iter().all(|line| line.contains("__diesel")), "a down leaves something behind: {left:?}");
        migrate(&url).await.unwrap();
        assert_eq!(texts(&url, SHAPE).await, first);
        assert_eq!(migrate(&url).await.unwrap(), Vec::<String>::new());
    });
}

#[test]
fn every_table_and_column_is_commented_and_every_foreign_key_indexed() {
    let url = empty_database("comments");
    run(async {
        migrate(&url).await.unwrap();
        let silent = texts(
            &url,
            "SELECT c.relname || coalesce('.' || a.attname, '') FROM pg_class c
               LEFT JOIN LATERAL (SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                                  UNION ALL SELECT NULL, 0) a ON true
              WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE '\\_\\_%'
                AND coalesce(CASE WHEN a.attnum = 0 THEN obj_description(c.oid) ELSE col_description(c.oid, a.attnum) END, '') = ''",
        )
        .await;
        assert_eq!(silent, Vec::<String>::new());
        let unindexed = texts(
            &url,
            "SELECT conname::text FROM pg_constraint f WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND NOT EXISTS
                (SELECT 1 FROM pg_index i WHERE i.indrelid = f.conrelid AND (i.indkey::int2[])[0:array_length(f.conkey, 1) - 1] = f.conkey)",
        )
        .await;
        assert_eq!(unindexed, Vec::<String>::new());
        let unnamed = texts(&url, "SELECT conname::text FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND conname ~ '_check[0-9]*$'").await;
        assert_eq!(unnamed, Vec::<String>::new());
    });
}

#[test]
fn the_database_refuses_incoherent_rows_by_itself() {
    let app = crate::support::TestApp::new();
    for (statement, constraint) in [
        ("INSERT INTO subjects (id, kind, state, created_at) VALUES (gen_random_uuid(), 'legal_entity', 'confirmed', now())", "subjects_confirmed_has_time"),
        ("INSERT INTO subjects (id, kind, state, created_at) VALUES (gen_random_uuid(), 'ghost', 'provisional', now())", "subjects_kind_known"),
        (
            "WITH s AS (INSERT INTO subjects (id, kind, state, created_at) VALUES (gen_random_uuid(), 'natural_person', 'provisional', now()) RETURNING id)
             INSERT INTO subject_identifiers (id, subject_id, scheme, value, status, source, known_from) SELECT gen_random_uuid(), id, 'resident_id', '11010519491231002X', 'current', 'x', now() FROM s",
            "subject_identifiers_persons_sealed",
        ),
        (
            "WITH b AS (INSERT INTO submission_batches (id, agency_id, item, item_version, feed, state, submitted_by, created_at) VALUES (gen_random_uuid(), gen_random_uuid(), 'x', 1, 'x', 'open', 'x', now()) RETURNING id)
             INSERT INTO batch_files (id, batch_id, round, state, file_name, format, body_sha256, size_bytes, header, received_at, rows_done) SELECT gen_random_uuid(), id, 1, 'loading', '', '', '', 0, '{}', now(), 5 FROM b",
            "batch_files_every_row_has_a_verdict",
        ),
    ] {
        assert!(app.sql_refused(statement).contains(constraint), "{constraint}");
    }
}
