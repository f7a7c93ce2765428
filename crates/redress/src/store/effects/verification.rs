//! The look at the data that proves effects: what must not be seen anywhere any more, asked of records and lists and not of receipts.

use super::Counted;
use chrono::{DateTime, NaiveDate, Utc};
use credence_audit::effects::Effect;
use credence_core::problem::{Problem, Result};
use credence_db::DbResult;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Date, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// What must not be seen anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    /// Records that are repaired or shielded now.
    Hidden,
    /// Records that a case deleted.
    Deleted,
    /// Entries that left their list by decision.
    Delisted,
}

/// Something that must not be seen anywhere.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct GoneRow {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    /// Where it stands among those of its sort.
    #[diesel(sql_type = SqlUuid)]
    pub place: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    target: String,
    #[diesel(sql_type = SqlUuid)]
    target_id: Uuid,
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = Timestamptz)]
    happened_at: DateTime<Utc>,
}

impl GoneRow {
    /// It, as projections are asked about it.
    pub(crate) fn effect(self) -> Effect {
        Effect {
            id: self.place,
            subject_id: self.subject_id,
            kind: self.kind,
            target: self.target,
            target_id: self.target_id,
            source: self.source,
            happened_at: self.happened_at,
        }
    }
}

/// What must not be seen anywhere, asked of records and lists themselves, in order after a place (subject, place), at most `limit`.
pub(crate) async fn gone(conn: &mut AsyncPgConnection, of: Gone, after: (Uuid, Uuid), limit: i64) -> Result<Vec<GoneRow>> {
    let query = match of {
        Gone::Hidden => {
            "SELECT v.subject_id, v.id AS place, v.state AS kind, 'record' AS target, v.record_id AS target_id, v.item AS source,
                    (SELECT min(h.known_from) FROM record_versions h
                      WHERE h.subject_id = v.subject_id AND h.record_id = v.record_id AND h.state = v.state) AS happened_at
               FROM record_versions v WHERE v.known_to IS NULL AND v.state IN ('repaired', 'shielded') AND (v.subject_id, v.id) > ($1, $2)
              ORDER BY v.subject_id, v.id LIMIT $3"
        }
        Gone::Deleted => {
            "SELECT l.subject_id, l.id AS place, 'withdrawn' AS kind, 'record' AS target, l.target_id, v.item AS source,
                    (SELECT min(h.known_from) FROM record_versions h
                      WHERE h.subject_id = v.subject_id AND h.record_id = v.record_id AND h.state = v.state) AS happened_at
               FROM redress_lines l
               JOIN record_versions v ON v.subject_id = l.subject_id AND v.record_id = l.target_id AND v.known_to IS NULL AND v.state = 'withdrawn'
              WHERE l.target = 'record' AND l.outcome = 'deleted' AND (l.subject_id, l.id) > ($1, $2) ORDER BY l.subject_id, l.id LIMIT $3"
        }
        Gone::Delisted => {
            "SELECT subject_id, id AS place, 'delisted' AS kind, 'entry' AS target, id AS target_id, list AS source, exited_at AS happened_at
               FROM list_entries
              WHERE keeping = 'native' AND state = 'exited' AND exit_cause IN ('repair', 'revocation', 'correction') AND (subject_id, id) > ($1, $2)
              ORDER BY subject_id, id LIMIT $3"
        }
    };
    diesel::sql_query(query).bind::<SqlUuid, _>(after.0).bind::<SqlUuid, _>(after.1).bind::<BigInt, _>(limit).load(conn).await.db()
}

/// How many of these have no effect, or one that is not settled and lacks one of the projections.
pub(crate) async fn unfollowed(conn: &mut AsyncPgConnection, targets: &[Effect], codes: &[&str]) -> Result<usize> {
    let counted: Counted = diesel::sql_query(
        "SELECT count(*) AS n FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS t (subject_id, target_id, kind)
          WHERE NOT EXISTS (
              SELECT 1 FROM effects e WHERE e.subject_id = t.subject_id AND e.target_id = t.target_id AND e.kind = t.kind
                 AND (e.settled_at IS NOT NULL OR NOT EXISTS (
                     SELECT 1 FROM unnest($4::text[]) AS p (code) WHERE NOT EXISTS (
                         SELECT 1 FROM effect_followups f WHERE f.subject_id = e.subject_id AND f.effect_id = e.id
                            AND f.recipient_kind = 'projection' AND f.recipient = p.code))))",
    )
    .bind::<Array<SqlUuid>, _>(targets.iter().map(|t| t.subject_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(targets.iter().map(|t| t.target_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(targets.iter().map(|t| t.kind.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(codes)
    .get_result(conn)
    .await
    .db()?;
    usize::try_from(counted.n).map_err(Problem::internal)
}

/// A projection that waits for somebody about a target.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Waiting {
    #[diesel(sql_type = SqlUuid)]
    pub target_id: Uuid,
    #[diesel(sql_type = Date)]
    pub until: NaiveDate,
}

/// About which of these targets a projection waits for somebody, and until when: about none of which anything is left that waits for nobody.
pub(crate) async fn waiting(conn: &mut AsyncPgConnection, targets: &[Effect], projection: &str) -> Result<Vec<Waiting>> {
    diesel::sql_query(
        "SELECT e.target_id, max((f.receipt ->> 'waits_until')::date) AS until
           FROM unnest($1::uuid[], $2::uuid[]) AS t (subject_id, target_id)
           JOIN effects e ON e.subject_id = t.subject_id AND e.target_id = t.target_id
           JOIN effect_followups f ON f.subject_id = e.subject_id AND f.effect_id = e.id AND f.recipient_kind = 'projection' AND f.recipient = $3
          WHERE f.state = 'open' GROUP BY e.target_id HAVING NOT bool_or(f.receipt ->> 'waits_until' IS NULL)",
    )
    .bind::<Array<SqlUuid>, _>(targets.iter().map(|t| t.subject_id).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(targets.iter().map(|t| t.target_id).collect::<Vec<_>>())
    .bind::<Text, _>(projection)
    .load(conn)
    .await
    .db()
}
