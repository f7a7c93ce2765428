//! The change feed, read in commit order (D4). A running number is taken when a row is written but shows when its transaction commits,
//! so "everything after the last number I saw" skips rows. The feed is therefore read in order of (transaction, number), and only up to
//! the oldest transaction still running.

use chrono::{DateTime, Utc};
use credence_core::problem::Result;
use credence_db::{Db, DbResult, Tx};
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
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

#[derive(QueryableByName)]
struct Place {
    #[diesel(sql_type = BigInt)]
    xid: i64,
    #[diesel(sql_type = BigInt)]
    entry_id: i64,
}

/// How far a reader has come; the beginning when it never read.
pub async fn place(db: &Db, reader: &str) -> Result<Position> {
    let found: Option<Place> = diesel::sql_query("SELECT xid, entry_id FROM feed_readers WHERE reader = $1")
        .bind::<Text, _>(reader)
        .get_result(&mut db.read().await?)
        .await
        .optional()
        .db()?;
    Ok(found.map_or_else(Position::default, |p| Position { xid: p.xid, id: p.entry_id }))
}

/// Moves a reader on, never back: two workers may follow the same feed, and the slower one must not undo the place of the other. That it moved is no
/// change of anything that is audited.
pub async fn move_to(tx: &mut Tx<'_>, reader: &str, to: Position, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO feed_readers AS r (reader, xid, entry_id, moved_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (reader) DO UPDATE SET xid = excluded.xid, entry_id = excluded.entry_id, moved_at = excluded.moved_at
          WHERE (r.xid, r.entry_id) < (excluded.xid, excluded.entry_id)",
    )
    .bind::<Text, _>(reader)
    .bind::<BigInt, _>(to.xid)
    .bind::<BigInt, _>(to.id)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    tx.mark_recorded();
    Ok(())
}

/// Puts a reader that counts something else than the feed where it stands.
pub async fn stand_at(tx: &mut Tx<'_>, reader: &str, at: Position, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "INSERT INTO feed_readers (reader, xid, entry_id, moved_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (reader) DO UPDATE SET xid = excluded.xid, entry_id = excluded.entry_id, moved_at = excluded.moved_at",
    )
    .bind::<Text, _>(reader)
    .bind::<BigInt, _>(at.xid)
    .bind::<BigInt, _>(at.id)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    tx.mark_recorded();
    Ok(())
}
