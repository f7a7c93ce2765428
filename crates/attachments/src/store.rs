//! SQL of attachments.

use crate::model::AttachmentView;
use chrono::{DateTime, Utc};
use credence_core::problem::Result;
use credence_db::schema::attachments;
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

/// Whose an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// An agency's.
    Agency(Uuid),
    /// A subject's, which uploaded it for itself.
    Subject(Uuid),
}

impl Owner {
    fn parts(self) -> (Option<Uuid>, Option<Uuid>) {
        match self {
            Self::Agency(id) => (Some(id), None),
            Self::Subject(id) => (None, Some(id)),
        }
    }
}

/// A row to be.
pub(crate) struct NewAttachment<'a> {
    pub id: Uuid,
    pub owner: Owner,
    pub account_id: Option<Uuid>,
    pub file_name: &'a str,
    pub media_type: &'a str,
    pub size_bytes: i64,
    pub sha256: &'a [u8],
    pub uploaded_by: &'a str,
}

pub(crate) async fn insert(tx: &mut Tx<'_>, new: &NewAttachment<'_>, now: DateTime<Utc>) -> Result<()> {
    let (agency, subject) = new.owner.parts();
    diesel::insert_into(attachments::table)
        .values((
            attachments::id.eq(new.id),
            attachments::agency_id.eq(agency),
            attachments::subject_id.eq(subject),
            attachments::account_id.eq(new.account_id),
            attachments::file_name.eq(new.file_name),
            attachments::media_type.eq(new.media_type),
            attachments::size_bytes.eq(new.size_bytes),
            attachments::sha256.eq(new.sha256),
            attachments::uploaded_by.eq(new.uploaded_by),
            attachments::uploaded_at.eq(now),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

#[derive(QueryableByName)]
struct Bytes {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// Bytes that an agency or a subject uploaded from one instant on and before another.
pub(crate) async fn bytes_between(
    conn: &mut AsyncPgConnection,
    owner: Owner,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<i64> {
    let (of, id) = match owner {
        Owner::Agency(id) => ("agency_id", id),
        Owner::Subject(id) => ("subject_id", id),
    };
    let sum: Bytes = diesel::sql_query(format!(
        "SELECT coalesce(sum(size_bytes), 0)::bigint AS bytes FROM attachments WHERE {of} = $1 AND uploaded_at >= $2 AND uploaded_at < $3"
    ))
    .bind::<SqlUuid, _>(id)
    .bind::<Timestamptz, _>(from)
    .bind::<Timestamptz, _>(until)
    .get_result(conn)
    .await
    .db()?;
    Ok(sum.bytes)
}

/// Lets one upload of an agency or subject at a time add to what it has, until the transaction ends: two could not both take the last of the room.
pub(crate) async fn lock_uploads(tx: &mut Tx<'_>, owner: Owner) -> Result<()> {
    let (Owner::Agency(id) | Owner::Subject(id)) = owner;
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind::<Text, _>(format!("attachments/{id}"))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// A row as stored.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub id: Uuid,
    pub agency_id: Option<Uuid>,
    pub file_name: String,
    pub media_type: String,
    pub size_bytes: i64,
    pub sha256: Vec<u8>,
    pub uploaded_by: String,
    pub uploaded_at: DateTime<Utc>,
}

impl Stored {
    /// As it is told.
    pub fn view(&self) -> AttachmentView {
        AttachmentView {
            id: self.id,
            file_name: self.file_name.clone(),
            media_type: self.media_type.clone(),
            size_bytes: self.size_bytes,
            sha256: hex::encode(&self.sha256),
            uploaded_by: self.uploaded_by.clone(),
            uploaded_at: self.uploaded_at,
        }
    }
}

pub(crate) async fn find(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<Stored>> {
    type Row = (Option<Uuid>, String, String, i64, Vec<u8>, String, DateTime<Utc>);
    let row: Option<Row> = attachments::table
        .find(id)
        .select((
            attachments::agency_id,
            attachments::file_name,
            attachments::media_type,
            attachments::size_bytes,
            attachments::sha256,
            attachments::uploaded_by,
            attachments::uploaded_at,
        ))
        .first(conn)
        .await
        .optional()
        .db()?;
    Ok(row.map(|(agency_id, file_name, media_type, size_bytes, sha256, uploaded_by, uploaded_at)| Stored {
        id,
        agency_id,
        file_name,
        media_type,
        size_bytes,
        sha256,
        uploaded_by,
        uploaded_at,
    }))
}

/// Whether it is a paper of a case: such a paper is for those whom the case concerns.
pub(crate) async fn is_paper(conn: &mut AsyncPgConnection, id: Uuid) -> Result<bool> {
    #[derive(QueryableByName)]
    struct Named {
        #[diesel(sql_type = Bool)]
        named: bool,
    }
    let found: Named = diesel::sql_query("SELECT EXISTS (SELECT 1 FROM redress_papers WHERE attachment_id = $1) AS named")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .db()?;
    Ok(found.named)
}

/// How many of these are this agency's or subject's.
pub(crate) async fn count_of(conn: &mut AsyncPgConnection, owner: Owner, ids: &[Uuid]) -> Result<i64> {
    let query = attachments::table.filter(attachments::id.eq_any(ids.to_vec())).into_boxed();
    let query = match owner {
        Owner::Agency(id) => query.filter(attachments::agency_id.eq(id)),
        Owner::Subject(id) => query.filter(attachments::subject_id.eq(id)),
    };
    query.count().get_result(conn).await.db()
}
