//! The one query behind an evaluation. Its dimensions are words of this file, chosen by an enum; no text of a caller is ever part of it.

use crate::model::evaluation::Dimension;
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::DbResult;
use credence_db::schema::regions;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Double, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use std::collections::HashMap;
use uuid::Uuid;

/// What is asked of the store.
pub(crate) struct Asked<'a> {
    pub by: &'a [Dimension],
    /// Issued from this instant on.
    pub from: DateTime<Utc>,
    /// And before this one.
    pub until: DateTime<Utc>,
    /// The day by which something is overdue.
    pub today: NaiveDate,
    pub agency: Option<Uuid>,
    pub memorandum: Option<&'a str>,
    pub measure: Option<&'a str>,
    /// Divisions of entries.
    pub regions: Option<&'a [String]>,
    /// Lines read, that of the total among them.
    pub rows_max: i64,
}

/// A line, and the total of all lines.
#[derive(Debug, QueryableByName)]
pub(crate) struct Row {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub agency: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    pub memorandum: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub measure: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub region: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub month: Option<String>,
    #[diesel(sql_type = Bool)]
    pub total: bool,
    #[diesel(sql_type = BigInt)]
    pub issued: i64,
    #[diesel(sql_type = BigInt)]
    pub delivered: i64,
    #[diesel(sql_type = BigInt)]
    pub responded: i64,
    #[diesel(sql_type = BigInt)]
    pub declined: i64,
    #[diesel(sql_type = BigInt)]
    pub reported: i64,
    #[diesel(sql_type = BigInt)]
    pub responded_late: i64,
    #[diesel(sql_type = BigInt)]
    pub overdue: i64,
    #[diesel(sql_type = BigInt)]
    pub releases: i64,
    #[diesel(sql_type = BigInt)]
    pub releases_completed: i64,
    #[diesel(sql_type = BigInt)]
    pub released_late: i64,
    #[diesel(sql_type = BigInt)]
    pub release_overdue: i64,
    #[diesel(sql_type = Nullable<Double>)]
    pub response_days_median: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    pub response_days_p90: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    pub feedback_days_median: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    pub feedback_days_p90: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    pub release_days_median: Option<f64>,
}

/// One line for each directive. China is eight hours ahead of UTC all year, so its days need no table of time zones.
const COHORT: &str = "
    WITH cohort AS (
        SELECT d.agency_id AS agency, d.memorandum, d.measure, a.region,
               to_char(d.issued_at AT TIME ZONE INTERVAL '8 hours', 'YYYY-MM') AS month,
               d.delivered_at IS NOT NULL AS delivered,
               d.responded_at IS NOT NULL AS responded,
               d.responded_at IS NOT NULL AND d.response_reason IS NOT NULL AS declined,
               d.first_feedback_at IS NOT NULL AS reported,
               (d.responded_at AT TIME ZONE INTERVAL '8 hours')::date > d.respond_by AS responded_late,
               d.ended_at IS NULL AND d.due_on < $3 AS overdue,
               r.id IS NOT NULL AS released,
               r.state = 'completed' AS lifted,
               r.state = 'completed' AND (r.ended_at AT TIME ZONE INTERVAL '8 hours')::date > r.feedback_by AS lifted_late,
               r.state <> 'completed' AND r.feedback_by < $3 AS lift_overdue,
               extract(epoch FROM d.responded_at - d.issued_at)::double precision / 86400 AS response_days,
               extract(epoch FROM d.first_feedback_at - d.issued_at)::double precision / 86400 AS feedback_days,
               CASE WHEN r.state = 'completed' THEN extract(epoch FROM r.ended_at - r.issued_at)::double precision / 86400 END AS release_days
          FROM directives d
          JOIN joint_actions a ON a.subject_id = d.subject_id AND a.id = d.action_id
          LEFT JOIN directives r ON r.subject_id = d.subject_id AND r.releases = d.id AND r.kind = 'release'
         WHERE d.kind = 'execute' AND d.state NOT IN ('held', 'cancelled')
           AND d.issued_at >= $1 AND d.issued_at < $2
           AND ($4::uuid IS NULL OR d.agency_id = $4)
           AND ($5::text IS NULL OR d.memorandum = $5)
           AND ($6::text IS NULL OR d.measure = $6)
           AND ($7::text[] IS NULL OR a.region = ANY ($7)))";

const FIGURES: &str = "count(*) AS issued,
           count(*) FILTER (WHERE delivered) AS delivered,
           count(*) FILTER (WHERE responded) AS responded,
           count(*) FILTER (WHERE declined) AS declined,
           count(*) FILTER (WHERE reported) AS reported,
           count(*) FILTER (WHERE responded_late) AS responded_late,
           count(*) FILTER (WHERE overdue) AS overdue,
           count(*) FILTER (WHERE released) AS releases,
           count(*) FILTER (WHERE lifted) AS releases_completed,
           count(*) FILTER (WHERE lifted_late) AS released_late,
           count(*) FILTER (WHERE lift_overdue) AS release_overdue,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY response_days) AS response_days_median,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY response_days) AS response_days_p90,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY feedback_days) AS feedback_days_median,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY feedback_days) AS feedback_days_p90,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY release_days) AS release_days_median";

/// The statement for some dimensions, with the total of everything as its first line.
fn statement(by: &[Dimension]) -> String {
    let columns: Vec<String> = Dimension::ALL
        .into_iter()
        .map(|dimension| match dimension {
            asked if by.contains(&asked) => asked.code().to_owned(),
            Dimension::Agency => "NULL::uuid AS agency".to_owned(),
            other => format!("NULL::text AS {}", other.code()),
        })
        .collect();
    let keys = by.iter().map(|dimension| dimension.code()).collect::<Vec<_>>().join(", ");
    // Of the total every key is rolled up; GROUPING is a number with a bit for each key.
    format!(
        "{COHORT}
    SELECT {}, GROUPING ({keys}) > 0 AS total, {FIGURES}
      FROM cohort GROUP BY GROUPING SETS (({keys}), ()) ORDER BY total DESC LIMIT $8",
        columns.join(", ")
    )
}

/// Figures by the dimensions, the total first, then lines in no order.
pub(crate) async fn figures(conn: &mut AsyncPgConnection, asked: &Asked<'_>) -> Result<Vec<Row>> {
    diesel::sql_query(statement(asked.by))
        .bind::<Timestamptz, _>(asked.from)
        .bind::<Timestamptz, _>(asked.until)
        .bind::<Date, _>(asked.today)
        .bind::<Nullable<SqlUuid>, _>(asked.agency)
        .bind::<Nullable<Text>, _>(asked.memorandum)
        .bind::<Nullable<Text>, _>(asked.measure)
        .bind::<Nullable<Array<Text>>, _>(asked.regions)
        .bind::<BigInt, _>(asked.rows_max)
        .load(conn)
        .await
        .db()
}

/// Names of divisions by code.
pub(crate) async fn region_names(conn: &mut AsyncPgConnection) -> Result<HashMap<String, String>> {
    let rows: Vec<(String, String)> = regions::table.select((regions::code, regions::name)).load(conn).await.db()?;
    Ok(rows.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_there_and_only_what_is_asked_groups() {
        let sql = statement(&[Dimension::Month, Dimension::Agency]);
        assert!(sql.contains(
            "SELECT agency, NULL::text AS memorandum, NULL::text AS measure, NULL::text AS region, month, GROUPING (month, agency)"
        ));
        assert!(sql.contains("GROUPING SETS ((month, agency), ())"));
        let sql = statement(&[Dimension::Region]);
        assert!(sql.contains("SELECT NULL::uuid AS agency, NULL::text AS memorandum, NULL::text AS measure, region, NULL::text AS month"));
    }
}
