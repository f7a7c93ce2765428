//! How entries follow the records under them, for many subjects in one statement each.

use super::entries::{COLUMNS, Entry, FROM};
use super::reviews::Questioned;
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

#[derive(QueryableByName)]
struct Of {
    #[diesel(sql_type = Text)]
    item: String,
}

/// Item of a batch.
pub(crate) async fn item_of_batch(conn: &mut AsyncPgConnection, batch: Uuid) -> Result<Option<String>> {
    let found: Option<Of> = diesel::sql_query("SELECT item FROM submission_batches WHERE id = $1")
        .bind::<SqlUuid, _>(batch)
        .get_result(conn)
        .await
        .optional()
        .db()?;
    Ok(found.map(|f| f.item))
}

/// Subjects that rows of a batch are about: read once, by the batch, which the planner would otherwise pass over for the order of the key.
pub(crate) async fn subjects_of_batch(conn: &mut AsyncPgConnection, batch: Uuid, (first_row, last_row): (i64, i64)) -> Result<Vec<Uuid>> {
    let rows: Vec<Id> = diesel::sql_query(
        "WITH touched AS MATERIALIZED (SELECT subject_id FROM record_versions WHERE batch_id = $1 AND row_no BETWEEN $2 AND $3)
         SELECT DISTINCT subject_id AS id FROM touched ORDER BY 1",
    )
    .bind::<SqlUuid, _>(batch)
    .bind::<BigInt, _>(first_row)
    .bind::<BigInt, _>(last_row)
    .load(conn)
    .await
    .db()?;
    Ok(rows.into_iter().map(|r| r.id).collect())
}

/// Subjects with native entries that rows of a batch are about. There are few entries and many rows, so the entries lead.
pub(crate) async fn native_subjects_of_batch(conn: &mut AsyncPgConnection, batch: Uuid) -> Result<Vec<Uuid>> {
    let rows: Vec<Id> = diesel::sql_query(
        "SELECT DISTINCT e.subject_id AS id FROM list_entries e
          WHERE e.keeping = 'native' AND e.state NOT IN ('exited', 'dropped')
            AND EXISTS (SELECT 1 FROM record_versions v WHERE v.subject_id = e.subject_id AND v.batch_id = $1 OFFSET 0)
         UNION
         SELECT DISTINCT v.subject_id FROM list_entries e
           JOIN subject_merges m ON e.subject_id IN (m.from_subject_id, m.into_subject_id) AND m.unmerged_at IS NULL
           JOIN record_versions v ON v.subject_id IN (m.from_subject_id, m.into_subject_id) AND v.batch_id = $1
          WHERE e.keeping = 'native' AND e.state NOT IN ('exited', 'dropped')",
    )
    .bind::<SqlUuid, _>(batch)
    .load(conn)
    .await
    .db()?;
    Ok(rows.into_iter().map(|r| r.id).collect())
}

/// Subjects that a mirror may have to show or show no more, in order, after one: those with records of its item, and those who stand on it.
pub(crate) async fn subjects_of_mirror(conn: &mut AsyncPgConnection, list: &str, item: &str, after: Uuid, limit: i64) -> Result<Vec<Uuid>> {
    let rows: Vec<Id> = diesel::sql_query(
        "(SELECT DISTINCT subject_id AS id FROM record_versions WHERE item = $2 AND known_to IS NULL AND subject_id > $3 ORDER BY 1 LIMIT $4)
         UNION (SELECT DISTINCT subject_id FROM list_entries WHERE list = $1 AND state = 'listed' AND subject_id > $3 ORDER BY 1 LIMIT $4)
         ORDER BY 1 LIMIT $4",
    )
    .bind::<Text, _>(list)
    .bind::<Text, _>(item)
    .bind::<SqlUuid, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()?;
    Ok(rows.into_iter().map(|r| r.id).collect())
}

/// These subjects and all that are read together with them through standing merges.
pub(crate) async fn families(tx: &mut Tx<'_>, subjects: &[Uuid]) -> Result<Vec<Uuid>> {
    let rows: Vec<Id> = diesel::sql_query(
        "WITH RECURSIVE one AS (
             SELECT unnest($1::uuid[]) AS id
             UNION
             SELECT CASE WHEN m.from_subject_id = one.id THEN m.into_subject_id ELSE m.from_subject_id END
               FROM one JOIN subject_merges m ON one.id IN (m.from_subject_id, m.into_subject_id) AND m.unmerged_at IS NULL)
         SELECT id FROM one",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .load(tx.conn())
    .await
    .db()?;
    Ok(rows.into_iter().map(|r| r.id).collect())
}

/// A mirror, as its statements need it.
pub(crate) struct Mirror<'a> {
    pub list: &'a str,
    pub version: i32,
    pub kind: &'a str,
    pub item: &'a str,
    pub legal_basis: &'a str,
    pub facts_field: Option<&'a str>,
    pub document_field: Option<&'a str>,
    pub subject_kinds: Vec<&'static str>,
    /// Whether it is in force; one that is not shows nothing.
    pub in_force: bool,
}

/// What a mirror should show on a day of some subjects: the present versions of its item that hold, about subjects it takes. A list that is not in
/// force shows nothing.
fn wanted(mirror: &Mirror<'_>) -> String {
    let kinds: Vec<String> = mirror.subject_kinds.iter().map(|kind| format!("'{kind}'")).collect();
    format!(
        "SELECT v.subject_id, v.record_id, v.id, v.agency_id, v.data, v.decided_on, v.valid_from, v.valid_to, v.known_from
           FROM record_versions v
          WHERE v.subject_id = ANY ($1) AND v.item = $2 AND v.known_to IS NULL AND v.state IN ('active', 'disputed')
            AND (v.valid_to IS NULL OR v.valid_to >= $3) AND {}
            AND EXISTS (SELECT 1 FROM subjects k WHERE k.id = v.subject_id AND k.kind IN ({}) OFFSET 0)",
        mirror.in_force,
        kinds.join(", ")
    )
}

/// An entry of a mirror that came or went.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Moved {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub region: String,
    #[diesel(sql_type = Text)]
    pub cause: String,
}

/// Takes off a mirror what its source does not say any more: corrected away (`correction`), repaired (`repair`), over (`expiry`), gone (`source`).
pub(crate) async fn leave(
    tx: &mut Tx<'_>,
    mirror: &Mirror<'_>,
    subjects: &[Uuid],
    today: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Vec<Moved>> {
    diesel::sql_query(format!(
        "WITH wanted AS ({}),
         gone AS (
             UPDATE list_entries e SET state = 'exited', exited_on = $3, exited_at = $4, ground_state = 'sound', ground_review_by = NULL,
                    exit_cause = c.cause, exit_reason = c.reason
               FROM list_entries o
               LEFT JOIN record_versions p ON p.subject_id = o.subject_id AND p.record_id = o.ground_record_id AND p.known_to IS NULL
               CROSS JOIN LATERAL (SELECT CASE WHEN p.state = 'withdrawn' THEN 'correction' WHEN p.state = 'repaired' THEN 'repair'
                                               WHEN p.valid_to < $3 AND p.change <> 'absent' THEN 'expiry'
                                               ELSE 'source' END AS cause,
                                          coalesce(p.reason, CASE WHEN p.valid_to < $3 THEN '期满' ELSE '来源已移出' END) AS reason) c
              WHERE e.subject_id = o.subject_id AND e.id = o.id AND o.subject_id = ANY ($1) AND o.list = $5 AND o.keeping = 'mirror' AND o.state = 'listed'
                AND e.state = 'listed' AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.subject_id = o.subject_id AND w.record_id = o.ground_record_id)
          RETURNING e.subject_id, e.id, e.region, e.exit_cause AS cause, e.exit_reason),
         step AS (
             INSERT INTO list_entry_steps (subject_id, entry_id, id, step, from_state, to_state, at, actor_label, detail)
             SELECT subject_id, id, uuid_v7($6), 'exit', 'listed', 'exited', $4, 'mirror', jsonb_build_object('cause', cause, 'reason', exit_reason) FROM gone)
         SELECT subject_id, id, region, cause FROM gone",
        wanted(mirror)
    ))
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Text, _>(mirror.item)
    .bind::<Date, _>(today)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(mirror.list)
    .bind::<BigInt, _>(now.timestamp_millis())
    .load(tx.conn())
    .await
    .db()
}

/// Lets entries of a mirror say what the present versions under them say. Returns those that changed.
pub(crate) async fn restate(
    tx: &mut Tx<'_>,
    mirror: &Mirror<'_>,
    subjects: &[Uuid],
    today: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Vec<Moved>> {
    diesel::sql_query(format!(
        "WITH wanted AS ({}),
         changed AS (
             UPDATE list_entries e SET ground_version_id = w.id, expires_on = w.valid_to, listed_on = coalesce(w.decided_on, w.valid_from, e.listed_on),
                    facts = coalesce(w.data ->> $6, ''), ground_document = w.data ->> $7, agency_id = w.agency_id
               FROM (SELECT w.*, o.id AS entry_id FROM wanted w CROSS JOIN LATERAL (
                         SELECT o.id FROM list_entries o
                          WHERE o.subject_id = w.subject_id AND o.list = $5 AND o.ground_record_id = w.record_id AND o.keeping = 'mirror'
                            AND o.state = 'listed' AND o.ground_version_id <> w.id OFFSET 0) o) w
              WHERE e.subject_id = w.subject_id AND e.id = w.entry_id
          RETURNING e.subject_id, e.id, w.id AS version)
         INSERT INTO list_entry_steps (subject_id, entry_id, id, step, from_state, to_state, at, actor_label, detail)
         SELECT subject_id, id, uuid_v7($8), 'mirror', 'listed', 'listed', $4, 'mirror', jsonb_build_object('version_id', version) FROM changed
      RETURNING subject_id, entry_id AS id, '' AS region, '' AS cause",
        wanted(mirror)
    ))
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Text, _>(mirror.item)
    .bind::<Date, _>(today)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(mirror.list)
    .bind::<Nullable<Text>, _>(mirror.facts_field)
    .bind::<Nullable<Text>, _>(mirror.document_field)
    .bind::<BigInt, _>(now.timestamp_millis())
    .load(tx.conn())
    .await
    .db()
}

/// Puts on a mirror what its source says and it does not show yet.
pub(crate) async fn enter(
    tx: &mut Tx<'_>,
    mirror: &Mirror<'_>,
    subjects: &[Uuid],
    today: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Vec<Moved>> {
    diesel::sql_query(format!(
        "WITH wanted AS ({}),
         made AS (
             INSERT INTO list_entries (subject_id, id, list, list_version, kind, keeping, state, agency_id, region, facts, legal_basis, ground_record_id,
                    ground_version_id, ground_document, proposed_at, listed_on, listed_at, expires_on)
             SELECT w.subject_id, uuid_v7($8), $5, $9::int, $10, 'mirror', 'listed', w.agency_id, coalesce(r.code, a.region_code), coalesce(w.data ->> $6, ''), $11,
                    w.record_id, w.id, w.data ->> $7, $4, coalesce(w.decided_on, w.valid_from, $3), $4, w.valid_to
               FROM wanted w JOIN agencies a ON a.id = w.agency_id
               LEFT JOIN LATERAL (SELECT area_code FROM subject_profiles p WHERE p.subject_id = w.subject_id AND p.known_to IS NULL AND p.area_code IS NOT NULL
                                   ORDER BY p.valid_to DESC NULLS FIRST, p.id DESC LIMIT 1) p ON true
               LEFT JOIN regions r ON r.code = p.area_code
              WHERE NOT EXISTS (SELECT 1 FROM list_entries e WHERE e.subject_id = w.subject_id AND e.list = $5 AND e.ground_record_id = w.record_id
                                   AND e.keeping = 'mirror' AND e.state = 'listed' OFFSET 0)
             ON CONFLICT DO NOTHING
          RETURNING subject_id, id, region),
         step AS (
             INSERT INTO list_entry_steps (subject_id, entry_id, id, step, to_state, at, actor_label)
             SELECT subject_id, id, uuid_v7($8), 'mirror', 'listed', $4, 'mirror' FROM made)
         SELECT subject_id, id, region, '' AS cause FROM made",
        wanted(mirror)
    ))
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Text, _>(mirror.item)
    .bind::<Date, _>(today)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(mirror.list)
    .bind::<Nullable<Text>, _>(mirror.facts_field)
    .bind::<Nullable<Text>, _>(mirror.document_field)
    .bind::<BigInt, _>(now.timestamp_millis())
    .bind::<BigInt, _>(i64::from(mirror.version))
    .bind::<Text, _>(mirror.kind)
    .bind::<Text, _>(mirror.legal_basis)
    .load(tx.conn())
    .await
    .db()
}

/// Entries by their ids.
pub(crate) async fn entries(tx: &mut Tx<'_>, ids: &[(Uuid, Uuid)]) -> Result<Vec<Entry>> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = ids.iter().copied().unzip();
    diesel::sql_query(format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE (e.subject_id, e.id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) ORDER BY e.id"
    ))
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(tx.conn())
    .await
    .db()
}

/// An entry that moved on to the present version of its document.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Onward {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = SqlUuid)]
    pub version_id: Uuid,
}

/// Lets native entries rest on the present version of their document where all that was decided about it is that its publicity ends: it says what it said,
/// in the state it had. Returns them.
pub(crate) async fn move_on(tx: &mut Tx<'_>, subjects: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Onward>> {
    diesel::sql_query(
        "WITH onward AS (
             UPDATE list_entries e SET ground_version_id = p.id
               FROM record_versions o, record_versions p
              WHERE e.subject_id = ANY ($1) AND e.keeping = 'native' AND e.ground_state = 'sound'
                AND e.state IN ('noticed', 'objection_review', 'decided', 'listed')
                AND o.subject_id = e.subject_id AND o.id = e.ground_version_id AND o.known_to IS NOT NULL
                AND p.subject_id = e.subject_id AND p.record_id = e.ground_record_id AND p.known_to IS NULL AND p.change = 'stopped'
                AND p.content_hash = o.content_hash AND p.state = o.state
          RETURNING e.subject_id, e.id, e.state, p.id AS version_id),
         step AS (
             INSERT INTO list_entry_steps (subject_id, entry_id, id, step, from_state, to_state, at, actor_label, detail)
             SELECT subject_id, id, uuid_v7($3), 'move_on', state, state, $2, 'records', jsonb_build_object('version_id', version_id) FROM onward)
         SELECT subject_id, id, state, version_id FROM onward",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(now.timestamp_millis())
    .load(tx.conn())
    .await
    .db()
}

/// Which of these entries rest on a record that was withdrawn by the decision about a case.
pub(crate) async fn deleted_by_case(tx: &mut Tx<'_>, entries: &[(Uuid, Uuid)]) -> Result<Vec<Uuid>> {
    let (subjects, ids): (Vec<Uuid>, Vec<Uuid>) = entries.iter().copied().unzip();
    let rows: Vec<Id> = diesel::sql_query(
        "SELECT e.id FROM unnest($1::uuid[], $2::uuid[]) AS k (subject_id, id) JOIN list_entries e ON e.subject_id = k.subject_id AND e.id = k.id
          WHERE EXISTS (SELECT 1 FROM redress_lines l
                         WHERE l.subject_id = e.subject_id AND l.target = 'record' AND l.target_id = e.ground_record_id AND l.outcome = 'deleted')",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Array<SqlUuid>, _>(ids)
    .load(tx.conn())
    .await
    .db()?;
    Ok(rows.into_iter().map(|r| r.id).collect())
}

/// Questions native entries whose document is not any more what they rest on, and returns those that are listed and those that are in procedure.
pub(crate) async fn question(
    tx: &mut Tx<'_>,
    subjects: &[Uuid],
    now: DateTime<Utc>,
    review_by: &[(String, NaiveDate)],
) -> Result<Vec<Questioned>> {
    let (lists, days): (Vec<&str>, Vec<NaiveDate>) = review_by.iter().map(|(list, day)| (list.as_str(), *day)).unzip();
    diesel::sql_query(
        "WITH questioned AS (
             UPDATE list_entries e SET ground_state = 'questioned', ground_review_by = r.day
               FROM unnest($3::text[], $4::date[]) AS r (list, day)
              WHERE e.subject_id = ANY ($1) AND r.list = e.list AND e.keeping = 'native' AND e.ground_version_id IS NOT NULL AND e.ground_state = 'sound'
                AND e.state IN ('noticed', 'objection_review', 'decided', 'listed')
                AND NOT EXISTS (SELECT 1 FROM record_versions v WHERE v.subject_id = e.subject_id AND v.id = e.ground_version_id AND v.known_to IS NULL)
          RETURNING e.subject_id, e.id, e.list, e.state, e.agency_id, e.region, e.ground_version_id, e.ground_review_by),
         step AS (
             INSERT INTO list_entry_steps (subject_id, entry_id, id, step, from_state, to_state, at, actor_label)
             SELECT subject_id, id, uuid_v7($5), 'question', state, state, $2, 'records' FROM questioned)
         SELECT subject_id, id, list, state, agency_id, region, ground_version_id, ground_review_by, '{}'::text[] AS kinds FROM questioned",
    )
    .bind::<Array<SqlUuid>, _>(subjects)
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Text>, _>(lists)
    .bind::<Array<Date>, _>(days)
    .bind::<BigInt, _>(now.timestamp_millis())
    .load(tx.conn())
    .await
    .db()
}

/// Entries whose last day is over, locked, at most `limit`; those that another worker is ending are left to it.
pub(crate) async fn expired(tx: &mut Tx<'_>, today: NaiveDate, limit: i64) -> Result<Vec<Entry>> {
    diesel::sql_query(format!(
        "SELECT {COLUMNS} FROM {FROM} WHERE e.state = 'listed' AND e.expires_on < $1 ORDER BY e.expires_on, e.id LIMIT $2 FOR UPDATE OF e SKIP LOCKED"
    ))
    .bind::<Date, _>(today)
    .bind::<BigInt, _>(limit)
    .load(tx.conn())
    .await
    .db()
}
