//! What lists show to everybody: current entries, page by page, and notices.

use super::entries::{COLUMNS, Entry, FROM, PUBLIC};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use credence_db::DbResult;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where a page of current entries ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// First day on the list.
    pub listed_on: NaiveDate,
    /// The entry.
    pub id: Uuid,
}

/// A day after every day: the first page begins there, so that every page is one walk along the index.
const LAST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(9999, 12, 31) {
    Some(day) => day,
    None => NaiveDate::MAX,
};

/// Current entries of a list on a day, newest first. `search` is part of the normal form of an organisation's name, or its code: persons are not
/// found by it, since whom it finds would tell what the masked name does not.
pub(crate) async fn current(
    conn: &mut AsyncPgConnection,
    list: &str,
    today: NaiveDate,
    search: Option<(&str, &str)>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<Entry>> {
    let public = PUBLIC.replace("$today", "$2");
    diesel::sql_query(format!(
        "SELECT {COLUMNS} FROM {FROM}
          WHERE e.list = $1 AND e.state = 'listed' AND (e.expires_on IS NULL OR e.expires_on >= $2) AND {public}
            AND ($3 IS NULL OR s.kind <> 'natural_person' AND (strpos(n.name_normal, $3) > 0 OR u.value = $4))
            AND (e.listed_on, e.id) < ($5, $6)
          ORDER BY e.listed_on DESC, e.id DESC LIMIT $7"
    ))
    .bind::<Text, _>(list)
    .bind::<Date, _>(today)
    .bind::<Nullable<Text>, _>(search.map(|s| s.0))
    .bind::<Nullable<Text>, _>(search.map(|s| s.1))
    .bind::<Date, _>(after.map_or(LAST_DAY, |p| p.listed_on))
    .bind::<SqlUuid, _>(after.map_or(Uuid::max(), |p| p.id))
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    list: String,
    #[diesel(sql_type = BigInt)]
    entries: i64,
}

/// How many current entries each list has on a day.
pub(crate) async fn counts(conn: &mut AsyncPgConnection, today: NaiveDate) -> Result<Vec<(String, i64)>> {
    let public = PUBLIC.replace("$today", "$1");
    let rows: Vec<Counted> = diesel::sql_query(format!(
        "SELECT e.list, count(*) AS entries FROM list_entries e
          WHERE e.state = 'listed' AND (e.expires_on IS NULL OR e.expires_on >= $1) AND {public} GROUP BY e.list"
    ))
    .bind::<Date, _>(today)
    .load(conn)
    .await
    .db()?;
    Ok(rows.into_iter().map(|r| (r.list, r.entries)).collect())
}

#[derive(QueryableByName)]
struct Fed {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    at: Option<DateTime<Utc>>,
}

/// Since when a mirror is known to show what its source says: the newest whole list that was settled, where its source sends whole lists, else the
/// newest file that was loaded to its end.
pub(crate) async fn last_fed(conn: &mut AsyncPgConnection, item: &str) -> Result<Option<DateTime<Utc>>> {
    let fed: Fed = diesel::sql_query(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM submission_batches WHERE item = $1 AND whole)
                THEN (SELECT max(absences_at) FROM submission_batches WHERE item = $1 AND whole AND state = 'open')
                ELSE (SELECT f.finished_at FROM submission_batches b JOIN batch_files f ON f.batch_id = b.id
                       WHERE b.item = $1 AND b.state = 'open' AND f.state = 'completed' ORDER BY b.id DESC LIMIT 1) END AS at",
    )
    .bind::<Text, _>(item)
    .get_result(conn)
    .await
    .db()?;
    Ok(fed.at)
}

#[derive(QueryableByName)]
struct Unread {
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
}

/// When the oldest entry of the change feed was written that a reader has not dealt with; none when it is up to date.
pub(crate) async fn oldest_unread(conn: &mut AsyncPgConnection, reader: &str) -> Result<Option<DateTime<Utc>>> {
    let found: Option<Unread> = diesel::sql_query(
        "SELECT f.at FROM change_feed f
          WHERE (f.xid, f.id) > (coalesce((SELECT xid FROM feed_readers WHERE reader = $1), 0)::text::xid8,
                                 coalesce((SELECT entry_id FROM feed_readers WHERE reader = $1), 0))
          ORDER BY f.xid, f.id LIMIT 1",
    )
    .bind::<Text, _>(reader)
    .get_result(conn)
    .await
    .optional()
    .db()?;
    Ok(found.map(|f| f.at))
}

/// A notice as it was published.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Notice {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub entry_id: Uuid,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub subject_name: String,
    #[diesel(sql_type = Text)]
    pub body: String,
    #[diesel(sql_type = Timestamptz)]
    pub published_at: DateTime<Utc>,
}

/// Notices of a list that are still shown, newest first. That somebody was listed is shown as long as it is so, and an announcement as long as its
/// entry may still be decided or is listed.
pub(crate) async fn notices(
    conn: &mut AsyncPgConnection,
    list: &str,
    today: NaiveDate,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Notice>> {
    let public = PUBLIC.replace("$today", "$2");
    diesel::sql_query(format!(
        "SELECT n.id, n.entry_id, n.kind, n.subject_name, n.body, n.published_at FROM list_notices n
           JOIN list_entries e ON e.subject_id = n.subject_id AND e.id = n.entry_id
          WHERE n.list = $1 AND (n.published_until IS NULL OR n.published_until >= $2) AND ($3 IS NULL OR n.id < $3)
            AND CASE n.kind WHEN 'listing' THEN e.state = 'listed' AND (e.expires_on IS NULL OR e.expires_on >= $2) AND {public}
                            WHEN 'announcement' THEN e.state IN ('noticed', 'objection_review', 'decided') ELSE true END
          ORDER BY n.id DESC LIMIT $4"
    ))
    .bind::<Text, _>(list)
    .bind::<Date, _>(today)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
    .db()
}
