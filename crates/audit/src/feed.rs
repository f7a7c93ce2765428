//! The change feed, read in commit order (D4). A running number is taken when a row is written but shows when its transaction commits,
//! so "everything after the last number I saw" skips rows. The feed is therefore read in order of (transaction, number), and only up to
//! the oldest transaction still running.

use credence_core::problem::Result;
use credence_db::{Db, DbResult};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where a reader is: the last entry it has dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Position {
    /// Its transaction.
    pub xid: i64,
    /// Its number within the feed.
    pub id: i64,
}

/// One entry.
#[derive(Debug, Clone, QueryableByName)]
pub struct FeedEntry {
    /// Transaction.
    #[diesel(sql_type = BigInt)]
    pub xid: i64,
    /// Number.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// Kind of change.
    #[diesel(sql_type = Text)]
    pub topic: String,
    /// Subject concerned.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub subject_id: Option<Uuid>,
    /// Thing that changed.
    #[diesel(sql_type = SqlUuid)]
    pub object_id: Uuid,
    /// Particulars.
    #[diesel(sql_type = Jsonb)]
    pub payload: serde_json::Value,
}

impl FeedEntry {
    /// The position after dealing with this entry.
    pub fn position(&self) -> Position {
        Position { xid: self.xid, id: self.id }
    }
}

/// The next entries after `after`, at most `limit`; empty when the reader is up to date.
pub async fn read(db: &Db, after: Position, limit: i64) -> Result<Vec<FeedEntry>> {
    let mut conn = db.read().await?;
    diesel::sql_query(
        "SELECT xid::text::bigint AS xid, id, topic, subject_id, object_id, payload FROM change_feed
          WHERE (xid, id) > ($1::text::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot())
          ORDER BY xid, id LIMIT $3",
    )
    .bind::<Text, _>(after.xid.to_string())
    .bind::<BigInt, _>(after.id)
    .bind::<BigInt, _>(limit)
    .load(&mut conn)
    .await
    .db()
}
