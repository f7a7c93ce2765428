//! Trainings, and the commitments that are public.

use crate::model::trainings::{CommitmentView, NewTraining};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Problem, Result};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// Who records a training: the agency and the account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By {
    pub agency: Uuid,
    pub account: Uuid,
}

/// Keeps a training. `exists` is the problem when it was recorded before.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    (subject, id): (Uuid, Uuid),
    new: &NewTraining,
    hours: Option<&str>,
    by: By,
    exists: impl FnOnce() -> Problem,
    now: DateTime<Utc>,
) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO repair_trainings (subject_id, id, kind, held_on, organiser, hours, certificate_no, agency_id, recorded_by, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6::numeric, $7, $8, $9, $10)",
    )
    .bind::<SqlUuid, _>(subject)
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(new.kind.code())
    .bind::<Date, _>(new.held_on)
    .bind::<Text, _>(&new.organiser)
    .bind::<Nullable<Text>, _>(hours)
    .bind::<Nullable<Text>, _>(new.certificate_no.as_deref())
    .bind::<SqlUuid, _>(by.agency)
    .bind::<SqlUuid, _>(by.account)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .on_constraint("repair_trainings_once", exists)?;
    Ok(())
}

/// Subjects that stand on a list of serious dishonesty on a day, and those of them that took part in a training or interview since they were listed.
/// Subjects that were merged count as the one they are read through.
pub(crate) async fn indicator(conn: &mut AsyncPgConnection, on: NaiveDate) -> Result<(i64, i64)> {
    #[derive(QueryableByName)]
    struct Counted {
        #[diesel(sql_type = BigInt)]
        listed: i64,
        #[diesel(sql_type = BigInt)]
        trained: i64,
    }
    let counted: Counted = diesel::sql_query(
        "WITH RECURSIVE heads AS (
             SELECT s.id AS member, s.id, s.merged_into, 0 AS depth FROM subjects s
             WHERE s.id IN (SELECT subject_id FROM list_entries WHERE kind = 'serious_dishonesty' AND listed_on <= $1
                            UNION SELECT subject_id FROM repair_trainings WHERE held_on <= $1)
             UNION ALL SELECT h.member, s.id, s.merged_into, h.depth + 1 FROM heads h JOIN subjects s ON s.id = h.merged_into WHERE h.depth < 32),
         head AS (SELECT member, id FROM heads WHERE merged_into IS NULL),
         listed AS (
             SELECT h.id, min(e.listed_on) AS since FROM list_entries e JOIN head h ON h.member = e.subject_id
             WHERE e.kind = 'serious_dishonesty' AND e.state IN ('listed', 'exited') AND e.listed_on <= $1
                 AND (e.exited_on IS NULL OR e.exited_on > $1) AND (e.expires_on IS NULL OR e.expires_on >= $1)
             GROUP BY h.id)
         SELECT count(*) AS listed, count(*) FILTER (WHERE EXISTS (
                    SELECT 1 FROM repair_trainings t JOIN head h ON h.member = t.subject_id
                    WHERE h.id = l.id AND t.held_on BETWEEN l.since AND $1)) AS trained
           FROM listed l",
    )
    .bind::<Date, _>(on)
    .get_result(conn)
    .await
    .db()?;
    Ok((counted.listed, counted.trained))
}

#[derive(QueryableByName)]
struct Commitment {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    subject_id: Uuid,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    uscc: Option<String>,
    #[diesel(sql_type = Text)]
    text: String,
    #[diesel(sql_type = Date)]
    given_on: NaiveDate,
    #[diesel(sql_type = Date)]
    published_until: NaiveDate,
}

/// Commitments of organisations that are public on a day, newest first. What natural persons promise is not public: no law says so.
pub(crate) async fn commitments(
    conn: &mut AsyncPgConnection,
    on: NaiveDate,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<CommitmentView>> {
    let rows: Vec<Commitment> = diesel::sql_query(
        "SELECT c.id, c.subject_id, n.name, u.value AS uscc, c.text, c.given_on, c.published_until
           FROM redress_commitments c JOIN subjects s ON s.id = c.subject_id AND s.kind <> 'natural_person'
           LEFT JOIN LATERAL (SELECT name FROM subject_names WHERE subject_id = c.subject_id AND known_to IS NULL
                               ORDER BY valid_to DESC NULLS FIRST, confirmed DESC, id DESC LIMIT 1) n ON true
           LEFT JOIN LATERAL (SELECT value FROM subject_identifiers WHERE subject_id = c.subject_id AND scheme = 'uscc' AND known_to IS NULL
                                 AND value IS NOT NULL ORDER BY status, value LIMIT 1) u ON true
          WHERE c.published_until >= $1 AND ($2::uuid IS NULL OR c.id < $2)
          ORDER BY c.id DESC LIMIT $3",
    )
    .bind::<Date, _>(on)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()?;
    let view = |row: Commitment| CommitmentView {
        id: row.id,
        subject_id: row.subject_id,
        subject_name: row.name,
        uscc: row.uscc,
        text: row.text,
        given_on: row.given_on,
        until: row.published_until,
    };
    Ok(rows.into_iter().map(view).collect())
}
