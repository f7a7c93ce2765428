//! What can be done with attachments: keep one, read one, ask whose they are.

use crate::model::{ATTACHMENT_EMPTY, ATTACHMENT_TOO_LARGE, ATTACHMENT_TYPE_REFUSED, ATTACHMENTS_DAY_FULL, AttachmentView, clean_name};
use crate::sniff;
use crate::store::{self, NewAttachment};
use bytes::Bytes;
use chrono::{DateTime, Duration, NaiveTime, Utc};
use credence_audit::{Change, record};
use credence_core::actor::Credential;
use credence_core::clock::{Clock, china_date};
use credence_core::crypto::{KeyRing, sha256};
use credence_core::problem::{NOT_FOUND, Problem, Result};
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

/// Contents that may be kept.
struct Checked {
    media_type: &'static str,
    hash: [u8; 32],
    sealed: Vec<u8>,
}

impl Attachments {
    /// Opens the store in a folder of the data folder, making it when it is not there. Whoever keeps objects elsewhere puts another store in.
    ///
    /// # Errors
    /// When the folder cannot be made or used.
    pub fn open(db: Db, clock: Arc<dyn Clock>, keys: KeyRing, data_dir: &Path, settings: &settings::Attachments) -> Result<Self> {
        let dir = data_dir.join(&settings.dir);
        let unusable = |e: &dyn std::fmt::Display| Problem::internal(format!("{}: {e}", dir.display()));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|e| unusable(&e))?;
        // A row says that its contents are safe, so they have to be on disk before it is there.
        let store = LocalFileSystem::new_with_prefix(&dir).map_err(|e| unusable(&e))?.with_fsync(true);
        let uploads = Arc::new(Semaphore::new(settings.parallel_max));
        Ok(Self { db, clock, keys, store: Arc::new(store), settings: settings.clone(), uploads })
    }

    /// Keeps an attachment for the actor's agency.
    ///
    /// The contents are stored before the row is: should the process die in between, an object stays that no row knows. It is sealed, nobody can ask
    /// for it, and it does no harm; the other way round a row would promise what is not there.
    ///
    /// A virus scanner belongs between the look at the kind of content and the sealing: the one place where the contents are whole, plain, and
    /// not yet anybody's to read.
    ///
    /// # Errors
    /// When size, name or kind of content are not taken, or when the agency has uploaded as much as it may on a day.
    pub async fn put(&self, actor: &Actor, file_name: &str, bytes: Vec<u8>) -> Result<AttachmentView> {
        let agency_id = actor.agency()?.0;
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
        let used = store::bytes_between(&mut *self.db.read().await?, agency_id, day).await?;
        self.room(used, size_bytes, now)?;
        let id = Uuid::now_v7();
        let this = self.clone();
        let checked = tokio::task::spawn_blocking(move || this.check(id, &bytes)).await.map_err(Problem::internal)??;
        let Checked { media_type, hash, sealed } = checked;
        let payload = PutPayload::from_bytes(Bytes::from(sealed));
        self.store.put_opts(&object(id), payload, PutOptions::default()).await.map_err(Problem::internal)?;

        let account_id = if let Credential::Account(account) = actor.credential { Some(account.0) } else { None };
        let kept = self
            .db
            .write(async |tx| {
                store::lock_uploads(tx, agency_id).await?;
                let used = store::bytes_between(tx.conn(), agency_id, day).await?;
                self.room(used, size_bytes, now)?;
                let new = NewAttachment {
                    id,
                    agency_id,
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
                record(tx, actor, Change::new("attachment.upload", "attachment", id).with(detail), now).await
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

    fn check(&self, id: Uuid, bytes: &[u8]) -> Result<Checked> {
        let media_type = sniff::media_type(bytes);
        if !self.settings.media_types.iter().any(|allowed| allowed == media_type) {
            let refused = Problem::new(&ATTACHMENT_TYPE_REFUSED).with("found", media_type);
            return Err(refused.with("allowed", self.settings.media_types.clone()));
        }
        let sealed = self.keys.seal(&place(id), bytes).map_err(Problem::internal)?;
        Ok(Checked { media_type, hash: sha256(bytes), sealed })
    }

    /// Whether an agency may upload so much more on the day of this instant.
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

    /// An attachment of the actor's own agency, or any for those who supervise. What belongs to another agency does not exist for it.
    ///
    /// # Errors
    /// When there is none for this actor, or its contents are not what was uploaded.
    pub async fn get(&self, actor: &Actor, id: Uuid) -> Result<(AttachmentView, Vec<u8>)> {
        let stored = store::find(&mut *self.db.read().await?, id).await?;
        let own = |agency: Option<Uuid>| actor.agency.is_some_and(|a| agency == Some(a.0));
        let stored = stored.filter(|s| own(s.agency_id) || actor.may(Permission::SuperviseJointAction));
        let stored = stored.ok_or_else(|| Problem::new(&NOT_FOUND))?;
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
        let ids: Vec<Uuid> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        Ok(store::count_of(conn, agency, &ids).await? == i64::try_from(ids.len()).unwrap_or(i64::MAX))
    }
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
