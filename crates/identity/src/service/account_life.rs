//! What happens to an account between its opening and its end: another password, unlocking, closing.

use super::{Identity, check_stated, refuse_locked};
use crate::model::{CANNOT_CLOSE_OWN, CANNOT_RESET_OWN, CURRENT_PASSWORD_WRONG, Tokens};
use crate::password;
use crate::store;
use credence_audit::{Change, record};
use credence_core::actor::{Actor, Credential};
use credence_core::ids::AccountId;
use credence_core::problem::{FORBIDDEN, NOT_FOUND, Problem, Result};
use serde_json::json;
use uuid::Uuid;

impl Identity {
    /// Replaces the own password. A wrong current one counts towards the lock like a wrong login. Every login of the account ends, access
    /// tokens included; the caller goes on with the tokens in the answer.
    pub async fn change_password(&self, actor: &Actor, current: String, new: String) -> Result<Tokens> {
        let now = self.clock.now();
        let Credential::Account(AccountId(id)) = actor.credential else { return Err(Problem::new(&FORBIDDEN)) };
        let found = store::login_by_id(&mut *self.db.read().await?, id).await?;
        let account = found.filter(|a| a.active).ok_or_else(|| Problem::new(&NOT_FOUND))?;
        refuse_locked(&account, now)?;
        self.check_password(&account.username, &new)?;
        if !password::verify(&self.settings, current, Some(account.password_hash.clone())).await? {
            self.count_wrong_password(actor, "account.password_refused", id, now).await?;
            return Err(Problem::new(&CURRENT_PASSWORD_WRONG));
        }
        let password_hash = password::hash(&self.settings, new).await?;
        self.db
            .write(async |tx| {
                // Somebody else may have replaced it meanwhile: then what was compared is no longer the current one.
                if store::accept_password(tx, id, &account.password_hash).await?.is_none() {
                    return Err(Problem::new(&CURRENT_PASSWORD_WRONG));
                }
                let epoch = store::set_password(tx, id, &password_hash, now).await?.ok_or_else(|| Problem::new(&NOT_FOUND))?;
                record(tx, actor, Change::new("account.change_password", "account", id), now).await?;
                self.issue(tx, id, epoch, Uuid::now_v7(), now).await
            })
            .await
    }

    /// Gives an account a password in place of one that was lost or is no longer trusted. Its logins end at once.
    pub async fn reset_password(&self, actor: &Actor, id: Uuid, new_password: String, reason: &str) -> Result<()> {
        let now = self.clock.now();
        if actor.credential == Credential::Account(AccountId(id)) {
            return Err(Problem::new(&CANNOT_RESET_OWN));
        }
        check_stated("reason", reason)?;
        let found = store::login_by_id(&mut *self.db.read().await?, id).await?;
        let account = found.filter(|a| a.active).ok_or_else(|| Problem::new(&NOT_FOUND))?;
        self.check_password(&account.username, &new_password)?;
        let password_hash = password::hash(&self.settings, new_password).await?;
        self.db
            .write(async |tx| {
                store::set_password(tx, id, &password_hash, now).await?.ok_or_else(|| Problem::new(&NOT_FOUND))?;
                let change = Change::new("account.reset_password", "account", id);
                record(tx, actor, change.with(json!({ "reason": reason.trim() })), now).await
            })
            .await
    }

    /// Closes an account for good: nobody logs in with it, and what was issued to it stops at once.
    pub async fn close_account(&self, actor: &Actor, id: Uuid, reason: &str) -> Result<()> {
        let now = self.clock.now();
        if actor.credential == Credential::Account(AccountId(id)) {
            return Err(Problem::new(&CANNOT_CLOSE_OWN));
        }
        check_stated("reason", reason)?;
        let reason = reason.trim();
        self.db
            .write(async |tx| {
                if !store::close_account(tx, id, reason, &actor.label, now).await? {
                    return Err(Problem::new(&NOT_FOUND));
                }
                record(tx, actor, Change::new("account.close", "account", id).with(json!({ "reason": reason })), now).await
            })
            .await
    }

    /// Unlocks an account before its time.
    pub async fn unlock(&self, actor: &Actor, id: Uuid) -> Result<()> {
        let now = self.clock.now();
        self.db
            .write(async |tx| {
                if store::clear_failures(tx, id).await? == 0 {
                    return Err(Problem::new(&NOT_FOUND));
                }
                record(tx, actor, Change::new("account.unlock", "account", id), now).await
            })
            .await
    }
}
