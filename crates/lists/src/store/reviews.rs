//! Questioned grounds, and what has been said about them. What was said stands in `agency_messages`, which is read here and written by `dispatch`.

use chrono::NaiveDate;
use credence_core::problem::Result;
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// A native entry whose ground is questioned.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Questioned {
    #[diesel(sql_type = SqlUuid)]
    pub subject_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub list: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    /// The authority that has to decide.
    #[diesel(sql_type = SqlUuid)]
    pub agency_id: Uuid,
    #[diesel(sql_type = Text)]
    pub region: String,
    /// The version of the record it rested on when it was questioned.
    #[diesel(sql_type = SqlUuid)]
    pub ground_version_id: Uuid,
    /// Last day to decide.
    #[diesel(sql_type = Date)]
    pub ground_review_by: NaiveDate,
    /// What is owed about it: `due`, `overdue`, `escalated`.
    #[diesel(sql_type = Array<Text>)]
    pub kinds: Vec<String>,
}

impl Questioned {
    /// What makes messages about this questioning one: a ground that is confirmed and questioned again on the same day rests on another version then.
    /// [`owed`] writes the same.
    pub(crate) fn key(&self) -> String {
        format!("{}:{}:{}", self.id, self.ground_version_id, self.ground_review_by)
    }

    /// How far a sweep has come with it.
    pub(crate) fn swept(&self) -> Swept {
        Swept { review_by: self.ground_review_by, entry_id: self.id }
    }
}

/// Which last days call for which reminder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Horizon {
    /// The day: what had to be decided before it is overdue.
    pub today: NaiveDate,
    /// What has to be decided from today up to here is due.
    pub soon_until: NaiveDate,
    /// What had to be decided up to here goes to the credit office; none when there is no such office.
    pub escalated_until: Option<NaiveDate>,
}

/// How far a sweep has come: the last entry it looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Swept {
    review_by: NaiveDate,
    entry_id: Uuid,
}

/// Entries after a sweep's last about which a reminder is owed, with the kinds: `$1` today, `$2` and `$3` the ends of the horizon, `$4` and `$5` the last.
/// Of what is over nobody is reminded, though it has not left yet.
const OWED: &str = "SELECT e.subject_id, e.id, e.list, e.state, e.agency_id, e.region, e.ground_version_id, e.ground_review_by, o.kinds
      FROM list_entries e
     CROSS JOIN LATERAL (
           SELECT array_agg(k.kind) AS kinds
             FROM (VALUES ('due', e.ground_review_by >= $1), ('overdue', e.ground_review_by < $1),
                          ('escalated', e.ground_review_by < $1 AND e.ground_review_by <= $3)) AS k (kind, fits)
            WHERE k.fits AND NOT EXISTS (
                  SELECT 1 FROM agency_messages m
                   WHERE m.subject_id = e.subject_id AND m.topic = 'list.ground_review_' || k.kind AND m.withdrawn_at IS NULL
                     AND m.message_key = format('%s:%s:%s', e.id, e.ground_version_id, to_char(e.ground_review_by, 'YYYY-MM-DD')))) o
     WHERE e.ground_state = 'questioned' AND e.ground_version_id IS NOT NULL AND e.ground_review_by <= $2
       AND (e.expires_on IS NULL OR e.expires_on >= $1) AND (e.ground_review_by, e.id) > ($4, $5) AND o.kinds IS NOT NULL";

#[derive(QueryableByName)]
struct Exists {
    #[diesel(sql_type = Bool)]
    found: bool,
}

/// Whether any reminder is owed at all.
pub(crate) async fn any_owed(conn: &mut AsyncPgConnection, horizon: &Horizon) -> Result<bool> {
    let after = Swept::default();
    let exists: Exists = diesel::sql_query(format!("SELECT EXISTS ({OWED}) AS found"))
        .bind::<Date, _>(horizon.today)
        .bind::<Date, _>(horizon.soon_until)
        .bind::<Nullable<Date>, _>(horizon.escalated_until)
        .bind::<Date, _>(after.review_by)
        .bind::<SqlUuid, _>(after.entry_id)
        .get_result(conn)
        .await
        .db()?;
    Ok(exists.found)
}

/// The next entries after a sweep's last about which a reminder is owed, at most `limit`, locked so that none is decided about meanwhile; those that
/// somebody is deciding about, or another sweep has, are left to them.
pub(crate) async fn owed(tx: &mut Tx<'_>, horizon: &Horizon, after: Swept, limit: i64) -> Result<Vec<Questioned>> {
    diesel::sql_query(format!("{OWED} ORDER BY e.ground_review_by, e.id LIMIT $6 FOR UPDATE OF e SKIP LOCKED"))
        .bind::<Date, _>(horizon.today)
        .bind::<Date, _>(horizon.soon_until)
        .bind::<Nullable<Date>, _>(horizon.escalated_until)
        .bind::<Date, _>(after.review_by)
        .bind::<SqlUuid, _>(after.entry_id)
        .bind::<BigInt, _>(limit)
        .load(tx.conn())
        .await
        .db()
}
