//! The one query behind an evaluation. Its dimensions are words of this file, chosen by an enum; no text of a caller is ever part of it.

use crate::model::evaluation::Dimension;
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::DbResult;
use credence_db::schema::regions;
use diesel::pg::Pg;
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
    pub reported_late: i64,
    #[diesel(sql_type = BigInt)]
    pub overdue: i64,
    #[diesel(sql_type = BigInt)]
    pub releases: i64,
    #[diesel(sql_type = BigInt)]
    pub released_unanswered: i64,
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
               (d.first_feedback_at AT TIME ZONE INTERVAL '8 hours')::date > d.first_feedback_by AS reported_late,
               d.ended_at IS NULL AND d.due_on < $3 AS overdue,
               r.id IS NOT NULL AS released,
               d.state = 'released' AND d.responded_at IS NULL AND (d.ended_at AT TIME ZONE INTERVAL '8 hours')::date <= d.respond_by AS unanswered,
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
           AND d.issued_at >= $1 AND d.issued_at < $2";

const FIGURES: &str = "count(*) AS issued,
           count(*) FILTER (WHERE delivered) AS delivered,
           count(*) FILTER (WHERE responded) AS responded,
           count(*) FILTER (WHERE declined) AS declined,
           count(*) FILTER (WHERE reported) AS reported,
           count(*) FILTER (WHERE responded_late) AS responded_late,
           count(*) FILTER (WHERE reported_late) AS reported_late,
           count(*) FILTER (WHERE overdue) AS overdue,
           count(*) FILTER (WHERE released) AS releases,
           count(*) FILTER (WHERE unanswered) AS released_unanswered,
           count(*) FILTER (WHERE lifted) AS releases_completed,
           count(*) FILTER (WHERE lifted_late) AS released_late,
           count(*) FILTER (WHERE lift_overdue) AS release_overdue,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY response_days) AS response_days_median,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY response_days) AS response_days_p90,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY feedback_days) AS feedback_days_median,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY feedback_days) AS feedback_days_p90,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY release_days) AS release_days_median";

/// The conditions of the filters that are given, in the order in which [`figures`] binds their values. One that is not given is left out rather than
/// written as "or is null": the plan is made once for all values, and such a condition would keep it from every index.
fn conditions(asked: &Asked<'_>) -> String {
    let filters = [
        ("d.agency_id = $n", asked.agency.is_some()),
        ("d.memorandum = $n", asked.memorandum.is_some()),
        ("d.measure = $n", asked.measure.is_some()),
        ("a.region = ANY ($n)", asked.regions.is_some()),
    ];
    let given = filters.into_iter().filter(|(_, given)| *given);
    (5..).zip(given).map(|(at, (condition, _))| format!(" AND {}", condition.replace("$n", &format!("${at}")))).collect()
}

/// The statement for what is asked, with the total of everything as its first line.
fn statement(asked: &Asked<'_>) -> String {
    let by = asked.by;
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
        "{COHORT}{})
    SELECT {}, GROUPING ({keys}) > 0 AS total, {FIGURES}
      FROM cohort GROUP BY GROUPING SETS (({keys}), ()) ORDER BY total DESC LIMIT $4",
        conditions(asked),
        columns.join(", ")
    )
}

/// Figures by the dimensions, the total first, then lines in no order.
pub(crate) async fn figures(conn: &mut AsyncPgConnection, asked: &Asked<'_>) -> Result<Vec<Row>> {
    let mut query = diesel::sql_query(statement(asked))
        .into_boxed::<Pg>()
        .bind::<Timestamptz, _>(asked.from)
        .bind::<Timestamptz, _>(asked.until)
        .bind::<Date, _>(asked.today)
        .bind::<BigInt, _>(asked.rows_max);
    if let Some(agency) = asked.agency {
        query = query.bind::<SqlUuid, _>(agency);
    }
    for text in [asked.memorandum, asked.measure].into_iter().flatten() {
        query = query.bind::<Text, _>(text.to_owned());
    }
    if let Some(regions) = asked.regions {
        query = query.bind::<Array<Text>, _>(regions.to_vec());
    }
    query.load(conn).await.db()
}

/// Names of divisions by code.
pub(crate) async fn region_names(conn: &mut AsyncPgConnection) -> Result<HashMap<String, String>> {
    let rows: Vec<(String, String)> = regions::table.select((regions::code, regions::name)).load(conn).await.db()?;
    Ok(rows.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(by: &[Dimension]) -> Asked<'_> {
        Asked {
            by,
            from: DateTime::UNIX_EPOCH,
            until: DateTime::UNIX_EPOCH,
            today: NaiveDate::MIN,
            agency: None,
            memorandum: None,
            measure: None,
            regions: None,
            rows_max: 1,
        }
    }

    #[test]
    fn every_column_is_there_and_only_what_is_asked_groups() {
        let sql = statement(&asked(&[Dimension::Month, Dimension::Agency]));
        assert!(sql.contains(
            "SELECT agency, NULL::text AS memorandum, NULL::text AS measure, NULL::text AS region, month, GROUPING (month, agency)"
        ));
        assert!(sql.contains("GROUPING SETS ((month, agency), ())"));
        let sql = statement(&asked(&[Dimension::Region]));
        assert!(sql.contains("SELECT NULL::uuid AS agency, NULL::text AS memorandum, NULL::text AS measure, region, NULL::text AS month"));
    }

    #[test]
    fn only_filters_that_are_given_are_conditions_and_their_numbers_follow_each_other() {
        let plain = asked(&[Dimension::Agency]);
        assert_eq!(conditions(&plain), "");
        let regions = ["131000".to_owned()];
        let some = Asked { measure: Some("m"), regions: Some(regions.as_slice()), ..plain };
        assert_eq!(conditions(&some), " AND d.measure = $5 AND a.region = ANY ($6)");
        let all = Asked { agency: Some(Uuid::nil()), memorandum: Some("x"), ..some };
        assert_eq!(conditions(&all), " AND d.agency_id = $5 AND d.memorandum = $6 AND d.measure = $7 AND a.region = ANY ($8)");
        assert!(statement(&all).contains("d.issued_at < $2 AND d.agency_id = $5"));
    }
}
