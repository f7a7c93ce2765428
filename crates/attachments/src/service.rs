//! What can be done with attachments: keep one, read one, ask whose they are.

use crate::model::{
    ATTACHMENT_EMPTY, ATTACHMENT_INFECTED, ATTACHMENT_TOO_LARGE, ATTACHMENT_TYPE_REFUSED, ATTACHMENTS_DAY_FULL, AttachmentView, clean_name,
};
use crate::scan::{self, Found};
use crate::store::{self, NewAttachment, Owner, Stored};
use crate::{s3, sniff};
use bytes::Bytes;
use chrono::{DateTime, Duration, NaiveTime, Utc};
use credence_audit::{Change, record};
use credence_core::actor::Credential;
use credence_core::clock::{Clock, china_date};
use credence_core::crypto::{KeyRing, sha256};
use credence_core::problem::{NOT_FOUND, Problem, Result};
use credence_core::settings::AttachmentStore;
use credence_core::{Actor, Permission, settings};
use credence_db::Db;
use diesel_async::AsyncPgConnection;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutOptions, PutPayload};
use serde_json::json;
use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Everything attachments need.
#[derive(Clone)]
pub struct Attachments {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Keys for the contents.
    pub keys: KeyRing,
    /// Where the sealed contents are.
    pub store: Arc<dyn ObjectStore>,
    /// Limits.
    pub settings: settings::Attachments,
    /// Places for uploads at the same time in this process.
    pub uploads: Arc<Semaphore>,
}

/// Name of an attachment's object.
fn object(id: Uuid) -> ObjectPath {
    ObjectPath::from(id.to_string())
}

/// Place of sealed contents: they open only under their own id.
fn place(id: Uuid) -> [u8; 16] {
    *id.as_bytes()
}

/// Begin and end of a day in China (UTC+8).
fn china_day(now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let begins = china_date(now).and_time(NaiveTime::MIN).and_utc() - Duration::hours(8);
    (begins, begins + Duration::days(1))
}

/// A folder as store, made when it is not there.
fn folder(data_dir: &Path, settings: &settings::Attachments) -> Result<LocalFileSystem> {
    let dir = data_dir.join(&settings.dir);
    let unusable = |e: &dyn std::fmt::Display| Problem::internal(format!("{}: {e}", dir.display()));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|e| unusable(&e))?;
    // A row says that its contents are safe, so they have to be on disk before it is there.
    Ok(LocalFileSystem::new_with_prefix(&dir).map_err(|e| unusable(&e))?.with_fsync(true))
}

impl Attachments {
    /// Opens the store that the settings want: a folder of the data folder, which is made when it is not there, or a bucket.
    ///
    /// # Errors
    /// When the folder cannot be made or used, or the bucket's settings are incomplete. Whether the bucket answers shows with the first upload.
    pub fn open(db: Db, clock: Arc<dyn Clock>, keys: KeyRing, data_dir: &Path, settings: &settings::Attachments) -> Result<Self> {
        let store: Arc<dyn ObjectStore> = match settings.store {
            AttachmentStore::Local => Arc::new(folder(data_dir, settings)?),
            AttachmentStore::S3 => s3::bucket(settings)?,
        };
        let uploads = Arc::new(Semaphore::new(settings.parallel_max));
        Ok(Self { db, clock, keys, store, settings: settings.clone(), uploads })
    }

    /// Keeps an attachment for the actor's agency.
    ///
    /// # Errors
    /// When size, name or kind of content are not taken, a virus is found or cannot be looked for, or when the agency has uploaded as much as it may on a
    /// day.
    pub async fn put(&self, actor: &Actor, file_name: &str, bytes: Vec<u8>) -> Result<AttachmentView> {
        let agency = actor.agency()?.0;
        self.keep(actor, Owner::Agency(agency), file_name, bytes).await
    }

    /// Keeps an attachment for a subject; that the actor acts for it was checked by the caller.
    ///
    /// # Errors
    /// As those of [`Self::put`].
    pub async fn put_for_subject(&self, actor: &Actor, subject: Uuid, file_name: &str, bytes: Vec<u8>) -> Result<AttachmentView> {
        self.keep(actor, Owner::Subject(subject), file_name, bytes).await
    }

    /// Keeps an attachment.
    ///
    /// The contents are stored before the row is: should the process die in between, an object stays that no row knows. It is sealed, nobody can ask
    /// for it, and it does no harm; the other way round a row would promise what is not there.
    async fn keep(&self, actor: &Actor, owner: Owner, file_name: &str, bytes: Vec<u8>) -> Result<AttachmentView> {
        let file_name = clean_name(file_name)?;
        if bytes.is_empty() {
            return Err(Problem::new(&ATTACHMENT_EMPTY));
        }
        if bytes.len() > self.settings.size_bytes_max {
            return Err(self.too_large());
        }
        let size_bytes = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let now = self.clock.now();
        let day = china_day(now);
        // Asked without a lock, so that what is refused is not worked on and written first; what counts is asked again below.
        let used = store::bytes_between(&mut *self.db.read().await?, owner, day).await?;
        self.room(used, size_bytes, now)?;
        let id = Uuid::now_v7();
        let bytes = Bytes::from(bytes);
        let media_type = self.look(bytes.clone()).await?;
        // Here the contents are whole, plain, and not yet anybody's to read.
        if scan::scan(&self.settings, &bytes).await? == Found::Infected {
            tracing::warn!(actor = actor.label, media_type, "an infected attachment was refused");
            return Err(Problem::new(&ATTACHMENT_INFECTED));
        }
        let keys = self.keys.clone();
        let sealing = tokio::task::spawn_blocking(move || {
            let sealed = keys.seal(&place(id), &bytes).map_err(Problem::internal)?;
            Ok::<_, Problem>((sha256(&bytes), sealed))
        });
        let (hash, sealed) = sealing.await.map_err(Problem::internal)??;
        let payload = PutPayload::from_bytes(Bytes::from(sealed));
        self.store.put_opts(&object(id), payload, PutOptions::default()).await.map_err(Problem::internal)?;

        let account_id = if let Credential::Account(account) = actor.credential { Some(account.0) } else { None };
        let kept = self
            .db
            .write(async |tx| {
                store::lock_uploads(tx, owner).await?;
                let used = store::bytes_between(tx.conn(), owner, day).await?;
                self.room(used, size_bytes, now)?;
                let new = NewAttachment {
                    id,
                    owner,
                    account_id,
                    file_name: &file_name,
                    media_type,
                    size_bytes,
                    sha256: &hash,
                    uploaded_by: &actor.label,
                };
                store::insert(tx, &new, now).await?;
                // The name is the sender's and may hold anything, so the log goes without it.
                let detail = json!({ "media_type": media_type, "size_bytes": size_bytes });
                let change = Change::new("attachment.upload", "attachment", id).with(detail);
                let change = if let Owner::Subject(subject) = owner { change.about(subject) } else { change };
                record(tx, actor, change, now).await
            })
            .await;
        if let Err(problem) = kept {
            // Nothing else is known to have left no row: of a commit that broke off nobody can say, and its contents stay.
            if problem.code() == ATTACHMENTS_DAY_FULL.code {
                let _ = self.store.delete(&object(id)).await;
            }
            return Err(problem);
        }
        Ok(AttachmentView {
            id,
            file_name,
            media_type: media_type.to_owned(),
            size_bytes,
            sha256: hex::encode(hash),
            uploaded_by: actor.label.clone(),
            uploaded_at: now,
        })
    }

    /// The kind of content, when it is taken.
    async fn look(&self, bytes: Bytes) -> Result<&'static str> {
        let media_type = tokio::task::spawn_blocking(move || sniff::media_type(&bytes)).await.map_err(Problem::internal)?;
        if self.settings.media_types.iter().any(|allowed| allowed == media_type) {
            return Ok(media_type);
        }
        Err(Problem::new(&ATTACHMENT_TYPE_REFUSED).with("found", media_type).with("allowed", self.settings.media_types.clone()))
    }

    /// Whether an agency or subject may upload so much more on the day of this instant.
    fn room(&self, used: i64, more: i64, now: DateTime<Utc>) -> Result<()> {
        let limit = self.settings.bytes_per_day_max;
        if used.saturating_add(more) <= limit {
            return Ok(());
        }
        let (_, ends) = china_day(now);
        let problem = Problem::new(&ATTACHMENTS_DAY_FULL).with("limit_bytes", limit).with("used_bytes", used);
        Err(problem.with("retry_after_seconds", (ends - now).num_seconds() + 1))
    }

    /// The problem of contents beyond the limit.
    pub(crate) fn too_large(&self) -> Problem {
        Problem::new(&ATTACHMENT_TOO_LARGE).with("limit_bytes", self.settings.size_bytes_max)
    }

    /// An attachment of the actor's own agency, or of any for those who supervise. What belongs to another agency does not exist for it. Papers of cases are
    /// read through their case by whom it concerns, and by nobody who only supervises.
    ///
    /// # Errors
    /// When there is none for this actor, or its contents are not what was uploaded.
    pub async fn get(&self, actor: &Actor, id: Uuid) -> Result<(AttachmentView, Vec<u8>)> {
        let unknown = || Problem::new(&NOT_FOUND);
        let stored = {
            let mut conn = self.db.read().await?;
            let stored = store::find(&mut conn, id).await?.filter(|stored| stored.agency_id.is_some()).ok_or_else(unknown)?;
            let own = actor.agency.is_some_and(|agency| stored.agency_id == Some(agency.0));
            if !own && (!actor.may(Permission::SuperviseJointAction) || store::is_paper(&mut conn, id).await?) {
                return Err(unknown());
            }
            stored
        };
        self.opened(stored).await
    }

    /// Any attachment: for those who have found out that it is the asker's to read.
    ///
    /// # Errors
    /// When there is none, or its contents are not what was uploaded.
    pub async fn read(&self, id: Uuid) -> Result<(AttachmentView, Vec<u8>)> {
        let stored = store::find(&mut *self.db.read().await?, id).await?;
        self.opened(stored.ok_or_else(|| Problem::new(&NOT_FOUND))?).await
    }

    async fn opened(&self, stored: Stored) -> Result<(AttachmentView, Vec<u8>)> {
        let id = stored.id;
        let found = self.store.get_opts(&object(id), GetOptions::default()).await.map_err(Problem::internal)?;
        let sealed = found.bytes().await.map_err(Problem::internal)?;
        let keys = self.keys.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let plain = keys.open(&place(id), &sealed).map_err(Problem::internal)?;
            Ok::<_, Problem>((sha256(&plain), plain))
        });
        let (hash, plain) = opened.await.map_err(Problem::internal)??;
        if stored.sha256 != hash {
            return Err(Problem::internal(format!("attachment {id}: the contents are not those that were uploaded")));
        }
        Ok((stored.view(), plain))
    }

    /// Whether every one of these attachments is there and the agency's own.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn owned(&self, conn: &mut AsyncPgConnection, agency: Uuid, ids: &[Uuid]) -> Result<bool> {
        all_of(conn, Owner::Agency(agency), ids).await
    }

    /// Whether every one of these attachments is there and was uploaded for this subject.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn owned_by_subject(&self, conn: &mut AsyncPgConnection, subject: Uuid, ids: &[Uuid]) -> Result<bool> {
        all_of(conn, Owner::Subject(subject), ids).await
    }
}

async fn all_of(conn: &mut AsyncPgConnection, owner: Owner, ids: &[Uuid]) -> Result<bool> {
    let ids: Vec<Uuid> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    Ok(store::count_of(conn, owner, &ids).await? == i64::try_from(ids.len()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_chinas() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        let day = (at("2026-11-22T16:00:00Z"), at("2026-11-23T16:00:00Z"));
        for instant in ["2026-11-22T16:00:00Z", "2026-11-23T02:00:00Z", "2026-11-23T15:59:59Z"] {
            assert_eq!(china_day(at(instant)), day, "{instant}");
        }
        assert_eq!(china_day(at("2026-11-23T16:00:00Z")).0, day.1);
    }
}
