//! Entries as cases of redress deal with them: what a case can be about, and the exit that follows from its decision, in the transaction of the case.

use super::{Lists, Ready};
use crate::model::{ENTRY_NOT_FOUND, LIST_IS_MIRRORED, OFFICIAL_NEEDED};
use crate::store::entries::{self, Entry, person};
use credence_core::Actor;
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

pub use crate::store::projection::EntryTarget;

/// What an exit needs to know before its transaction begins; see [`Lists::exit_ready`].
pub struct ExitReady(Ready);

impl Lists {
    /// Looks up what [`Self::exit_in`] needs; nothing in its transaction waits for another connection then.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn exit_ready(&self) -> Result<ExitReady> {
        Ok(ExitReady(self.ready().await?))
    }

    /// Takes an entry off its list in the caller's transaction, with all that rests on it, as [`Self::exit`] does in its own. The caller has made sure that
    /// the actor may decide about the entry, and wakes whoever pushes messages once it has committed.
    ///
    /// # Errors
    /// When the cause or the reason is unusable, the actor is no official, there is no such entry, its list is a mirror, or it is not listed any more.
    pub async fn exit_in(&self, tx: &mut Tx<'_>, ready: &ExitReady, actor: &Actor, entry: Uuid, cause: &str, reason: &str) -> Result<()> {
        let reason = self.exit_reason(cause, reason)?;
        if person(actor).is_none() {
            return Err(Problem::new(&OFFICIAL_NEEDED));
        }
        let entry: Entry = entries::lock(tx, entry).await?.ok_or_else(|| Problem::new(&ENTRY_NOT_FOUND))?;
        if entry.keeping == "mirror" {
            return Err(Problem::new(&LIST_IS_MIRRORED).with("list", entry.list));
        }
        self.exit_entry(tx, &ready.0, actor, entry, (cause, reason)).await
    }
}

/// An entry as a case can be about it, in whatever state; none when there is no such entry.
///
/// # Errors
/// When the database cannot be read.
pub async fn entry_target(conn: &mut AsyncPgConnection, entry_id: Uuid) -> Result<Option<EntryTarget>> {
    crate::store::projection::target(conn, entry_id).await
}

/// Every entry about a subject, in whatever state, newest first. Those that were merged into it have their own.
///
/// # Errors
/// When the database cannot be read.
pub async fn entry_targets(conn: &mut AsyncPgConnection, subject: Uuid) -> Result<Vec<EntryTarget>> {
    crate::store::projection::targets(conn, subject).await
}
