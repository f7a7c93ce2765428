//! Logging in, staying logged in, opening accounts, giving keys.

mod account_life;
mod subject_accounts;

use crate::directory::Directory;
use crate::model::{
    ACCOUNT_LOCKED, AGENCY_UNKNOWN, AccountView, ApiKeyCreated, Jwk, JwkSet, LOGIN_REFUSED, NewAccount, NewApiKey, PASSWORD_WEAK,
    ROLES_CONFLICT, TOKEN_REFUSED, TOKEN_REUSED, Tokens, USERNAME_TAKEN,
};
use crate::password;
use crate::store::{self, AccountInsert, KeyInsert, Login};
use crate::tokens::{self, SigningKeys};
use chrono::{DateTime, Duration, Utc};
use credence_audit::{Change, record};
use credence_core::actor::{Actor, Credential, Role};
use credence_core::clock::Clock;
use credence_core::crypto::{KeyRing, random, sha256};
use credence_core::identifiers::person::find_in_text;
use credence_core::ids::{AccountId, AgencyId, SubjectId};
use credence_core::problem::{NOT_FOUND, Problem, Result};
use credence_core::settings;
use credence_db::{Db, Tx};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// Everything identity needs.
#[derive(Clone)]
pub struct Identity {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Keys for sealed values.
    pub ring: KeyRing,
    /// Keys that sign tokens.
    pub signing: SigningKeys,
    /// Agencies and regions.
    pub directory: Directory,
    /// Settings.
    pub settings: settings::Identity,
}

/// Prefix by which a key is told from a token.
pub const KEY_PREFIX: &str = "crd_";

impl Identity {
    fn token_life(&self) -> Duration {
        Duration::minutes(self.settings.access_token_minutes)
    }

    /// Loads the signing keys, making the first, or the next when the newest has served its time.
    pub async fn prepare(&self) -> Result<()> {
        let now = self.clock.now();
        let newest = store::newest_signing_key(&mut *self.db.read().await?).await?;
        if newest.is_none_or(|at| at + Duration::days(self.settings.signing_key_days) < now) {
            self.rotate_signing_key(&Actor::system("signing-key-rotation")).await?;
        }
        self.signing.load(&self.db, &self.ring).await
    }

    /// Makes a new signing key; tokens of the one before stay good until they expire.
    pub async fn rotate_signing_key(&self, actor: &Actor) -> Result<String> {
        let now = self.clock.now();
        let kid = self
            .db
            .write(async |tx| {
                let kid = tokens::rotate(tx, &self.ring, now, self.token_life()).await?;
                record(tx, actor, Change::new("signing_key.rotate", "signing_key", Uuid::nil()).with(json!({ "kid": kid })), now).await?;
                Ok(kid)
            })
            .await?;
        self.signing.load(&self.db, &self.ring).await?;
        Ok(kid)
    }

    /// The public keys of everything the platform ever signed, as a JWK set.
    pub async fn public_keys(&self) -> Result<JwkSet> {
        let keys = store::public_keys(&mut *self.db.read().await?).await?;
        Ok(JwkSet { keys: keys.into_iter().map(|(kid, public)| Jwk::ed25519(kid, &public)).collect() })
    }

    /// Logs in with name and password.
    pub async fn login(&self, username: &str, password: String) -> Result<Tokens> {
        let now = self.clock.now();
        // What cannot be a username is not looked up: the database takes no NUL, and the answer is that of an unknown name anyway.
        let found = if check_username(username).is_ok() { store::login(&mut *self.db.read().await?, username).await? } else { None };
        if let Some(account) = &found {
            refuse_locked(account, now)?;
        }
        let hash = found.as_ref().filter(|a| a.active).map(|a| a.password_hash.clone());
        let good = password::verify(&self.settings, password, hash).await?;
        let Some(account) = found else { return Err(Problem::new(&LOGIN_REFUSED)) };
        let actor = Actor { credential: Credential::Account(AccountId(account.id)), ..Actor::system(username) };
        if !good {
            self.count_wrong_password(&actor, "login.refused", account.id, now).await?;
            return Err(Problem::new(&LOGIN_REFUSED));
        }
        self.db
            .write(async |tx| {
                let accepted = store::accept_password(tx, account.id, &account.password_hash).await?;
                let epoch = accepted.ok_or_else(|| Problem::new(&LOGIN_REFUSED))?;
                record(tx, &actor, Change::new("login", "account", account.id), now).await?;
                self.issue(tx, account.id, epoch, Uuid::now_v7(), now).await
            })
            .await
    }

    /// Counts a wrong password towards the lock and writes it down, although what it was given for is refused.
    async fn count_wrong_password(&self, actor: &Actor, action: &str, account: Uuid, now: DateTime<Utc>) -> Result<()> {
        let lock_until = now + Duration::minutes(self.settings.lockout_minutes);
        self.db
            .write(async |tx| {
                let count = store::count_failure(tx, account, self.settings.lockout_attempts, lock_until).await?;
                record(tx, actor, Change::new(action, "account", account).with(json!({ "in_a_row": count })), now).await
            })
            .await
    }

    async fn issue(&self, tx: &mut Tx<'_>, account: Uuid, epoch: i32, family: Uuid, now: DateTime<Utc>) -> Result<Tokens> {
        let refresh_token = hex::encode(random::<32>().map_err(Problem::internal)?);
        let until = now + Duration::days(self.settings.refresh_token_days);
        store::insert_refresh_token(tx, family, account, &sha256(refresh_token.as_bytes()), now, until).await?;
        let access_token = self.signing.sign(account, epoch, now, self.token_life())?;
        Ok(Tokens { access_token, expires_in: self.token_life().num_seconds(), refresh_token, token_type: "Bearer".to_owned() })
    }

    /// Exchanges a refresh token for the next pair. The second use of one ends its login.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens> {
        let now = self.clock.now();
        let hash = sha256(refresh_token.as_bytes());
        // A reuse has to be written down although it is refused, so the refusal leaves the transaction as a value.
        self.db
            .write(async |tx| {
                let Some(token) = store::refresh_token(tx, &hash).await? else { return Err(Problem::new(&TOKEN_REFUSED)) };
                let actor = Actor { credential: Credential::Account(AccountId(token.account)), ..Actor::system("refresh") };
                if token.used {
                    store::revoke_family(tx, token.family, now).await?;
                    record(tx, &actor, Change::new("refresh_token.reused", "account", token.account), now).await?;
                    return Ok(Err(Problem::new(&TOKEN_REUSED)));
                }
                let Some(epoch) = token.epoch.filter(|_| !token.revoked && token.expires_at > now) else {
                    return Err(Problem::new(&TOKEN_REFUSED));
                };
                store::mark_refresh_token_used(tx, token.id, now).await?;
                record(tx, &actor, Change::new("refresh_token.rotate", "account", token.account), now).await?;
                self.issue(tx, token.account, epoch, token.family, now).await.map(Ok)
            })
            .await?
    }

    /// Ends the login a refresh token belongs to. An unknown token is no error: the caller wanted it gone, and it is.
    pub async fn logout(&self, refresh_token: &str) -> Result<()> {
        let now = self.clock.now();
        let hash = sha256(refresh_token.as_bytes());
        self.db
            .write(async |tx| {
                let Some(token) = store::refresh_token(tx, &hash).await? else {
                    tx.mark_recorded();
                    return Ok(());
                };
                store::revoke_family(tx, token.family, now).await?;
                let actor = Actor { credential: Credential::Account(AccountId(token.account)), ..Actor::system("logout") };
                record(tx, &actor, Change::new("logout", "account", token.account), now).await
            })
            .await
    }

    /// The actor behind a bearer credential: an access token or an API key.
    pub async fn authenticate(&self, bearer: &str) -> Result<Actor> {
        let now = self.clock.now();
        if let Some(key) = bearer.strip_prefix(KEY_PREFIX) {
            return self.authenticate_key(key, now).await;
        }
        let claims = match self.signing.verify(bearer, now)? {
            Some(claims) => claims,
            None => {
                // Another node may have rotated.
                self.signing.load(&self.db, &self.ring).await?;
                self.signing.verify(bearer, now)?.ok_or_else(|| Problem::new(&TOKEN_REFUSED))?
            }
        };
        let row = store::account(&mut *self.db.read().await?, claims.sub).await?;
        let row = row.filter(|row| row.epoch == claims.epoch).ok_or_else(|| Problem::new(&TOKEN_REFUSED))?;
        Ok(Actor {
            credential: Credential::Account(AccountId(claims.sub)),
            label: row.username,
            agency: row.agency.map(AgencyId),
            region: row.region,
            roles: row.roles.iter().filter_map(|r| Role::from_code(r)).collect(),
            items: None,
            regions: None,
            subjects: row.subjects.into_iter().map(SubjectId).collect(),
        })
    }

    async fn authenticate_key(&self, key: &str, now: DateTime<Utc>) -> Result<Actor> {
        let refused = || Problem::new(&TOKEN_REFUSED);
        let (id, secret) = key.split_once('_').ok_or_else(refused)?;
        let id = Uuid::parse_str(id).map_err(|_| refused())?;
        let row = store::api_key(&mut *self.db.read().await?, id, now).await?.ok_or_else(refused)?;
        // Both sides are hashes of 256 random bits: comparing them tells an attacker nothing by its time.
        if row.secret_hash != sha256(secret.as_bytes()) {
            return Err(refused());
        }
        let snapshot = self.directory.get(&self.db, now).await?;
        Ok(Actor {
            credential: Credential::ApiKey(id),
            label: row.label,
            agency: Some(AgencyId(row.agency)),
            region: row.region,
            roles: Role::from_code(&row.role).into_iter().collect(),
            items: row.items,
            regions: row.regions.map(|r| snapshot.regions_within(&r)),
            subjects: Vec::new(),
        })
    }

    fn check_password(&self, username: &str, password: &str) -> Result<()> {
        let min = self.settings.password_chars_min;
        if password.chars().count() < min || password.to_lowercase() == username.to_lowercase() {
            return Err(Problem::new(&PASSWORD_WEAK).with("min", min));
        }
        Ok(())
    }

    /// Opens an account.
    pub async fn open_account(&self, actor: &Actor, new: NewAccount) -> Result<AccountView> {
        let now = self.clock.now();
        self.check_password(&new.username, &new.password)?;
        check_username(&new.username)?;
        check_text("display_name", &new.display_name)?;
        check_roles(&new.roles, new.agency.is_some())?;
        let directory = self.directory.reload(&self.db, now).await?;
        let agency = match &new.agency {
            Some(code) => Some(directory.by_code(code).ok_or_else(|| Problem::new(&AGENCY_UNKNOWN))?.id),
            None => None,
        };
        let password_hash = password::hash(&self.settings, new.password).await?;
        let id = Uuid::now_v7();
        let roles: Vec<&'static str> = new.roles.iter().map(|r| r.code()).collect();
        self.db
            .write(async |tx| {
                let insert = AccountInsert {
                    id,
                    username: &new.username,
                    display_name: &new.display_name,
                    password_hash: &password_hash,
                    agency,
                    identity_papers: None,
                    roles: roles.clone(),
                };
                store::insert_account(tx, insert, &actor.label, now, || Problem::new(&USERNAME_TAKEN)).await?;
                record(tx, actor, Change::new("account.open", "account", id).with(json!({ "roles": roles, "agency": new.agency })), now)
                    .await
            })
            .await?;
        let roles = roles.into_iter().map(str::to_owned).collect();
        Ok(AccountView { id, username: new.username, display_name: new.display_name, agency: new.agency, roles, locked: false })
    }

    /// All accounts.
    pub async fn accounts(&self) -> Result<Vec<AccountView>> {
        let now = self.clock.now();
        let rows = store::list_accounts(&mut *self.db.read().await?).await?;
        Ok(rows
            .into_iter()
            .map(|(id, username, display_name, agency, roles, locked)| AccountView {
                id,
                username,
                display_name,
                agency,
                roles,
                locked: locked.is_some_and(|until| until > now),
            })
            .collect())
    }

    /// Makes an API key; the secret is in the answer and nowhere else.
    pub async fn create_api_key(&self, actor: &Actor, new: NewApiKey) -> Result<ApiKeyCreated> {
        let now = self.clock.now();
        if !matches!(new.role, Role::Provider | Role::Consumer) {
            return Err(Problem::new(&ROLES_CONFLICT));
        }
        check_text("label", &new.label)?;
        for item in new.items.iter().flatten() {
            check_text("items", item)?;
        }
        for region in new.regions.iter().flatten() {
            check_text("regions", region)?;
        }
        let agency =
            self.directory.reload(&self.db, now).await?.by_code(&new.agency).map(|a| a.id).ok_or_else(|| Problem::new(&AGENCY_UNKNOWN))?;
        let id = Uuid::now_v7();
        let secret = hex::encode(random::<32>().map_err(Problem::internal)?);
        let expires_at = new.valid_days.map(|days| now + Duration::days(days.clamp(1, 3660)));
        self.db
            .write(async |tx| {
                let insert = KeyInsert {
                    id,
                    agency,
                    label: &new.label,
                    secret_hash: &sha256(secret.as_bytes()),
                    role: new.role.code(),
                    items: new.items.clone(),
                    regions: new.regions.clone(),
                    expires_at,
                };
                store::insert_api_key(tx, insert, &actor.label, now).await?;
                let detail = json!({ "agency": new.agency, "label": new.label, "role": new.role.code(), "items": new.items, "regions": new.regions });
                record(tx, actor, Change::new("api_key.create", "api_key", id).with(detail), now).await
            })
            .await?;
        Ok(ApiKeyCreated { id, key: format!("{KEY_PREFIX}{}_{secret}", id.simple()) })
    }

    /// Revokes a key at once.
    pub async fn revoke_api_key(&self, actor: &Actor, id: Uuid) -> Result<()> {
        let now = self.clock.now();
        self.db
            .write(async |tx| {
                if !store::revoke_api_key(tx, id, now).await? {
                    return Err(Problem::new(&NOT_FOUND));
                }
                record(tx, actor, Change::new("api_key.revoke", "api_key", id), now).await
            })
            .await
    }
}

fn refuse_locked(account: &Login, now: DateTime<Utc>) -> Result<()> {
    match account.locked_until.filter(|until| *until > now) {
        Some(until) => Err(Problem::new(&ACCOUNT_LOCKED).with("retry_after_seconds", (until - now).num_seconds().max(1))),
        None => Ok(()),
    }
}

/// Refuses what the database cannot keep and what no log may hold.
fn check_text(field: &str, text: &str) -> Result<()> {
    if text.chars().any(char::is_control) || !find_in_text(text).is_empty() {
        return Err(Problem::malformed(
            format!("{field} 含有控制字符或居民身份证号码；请删去后重试"),
            format!("`{field}` holds a control character or a resident ID number; take it out and try again"),
        ));
    }
    Ok(())
}

/// The same for a text without which the act cannot be answered for.
fn check_stated(field: &str, text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Problem::malformed(format!("{field} 不能为空；请填写"), format!("`{field}` cannot be empty; state it")));
    }
    check_text(field, text)
}

fn check_username(username: &str) -> Result<()> {
    let good = (3..=64).contains(&username.len()) && username.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if good {
        Ok(())
    } else {
        Err(Problem::malformed("用户名为 3-64 个字母、数字或 . - _", "a username has 3 to 64 letters, digits or . - _"))
    }
}

fn check_roles(roles: &[Role], has_agency: bool) -> Result<()> {
    let separate = |role: &Role| matches!(role, Role::PlatformAdmin | Role::SecurityAdmin | Role::Auditor);
    let separated = roles.iter().filter(|r| separate(r)).count();
    let bad = roles.is_empty()
        || roles.contains(&Role::Subject)
        || (separated > 0 && roles.len() > 1)
        || (separated == 0 && !has_agency)
        || (separated > 0 && has_agency);
    if bad { Err(Problem::new(&ROLES_CONFLICT)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_administrators_exclude_each_other_and_everything_else() {
        use Role::*;
        assert!(check_roles(&[Provider, Consumer], true).is_ok());
        assert!(check_roles(&[Auditor], false).is_ok());
        for (roles, agency) in [
            (vec![], true),
            (vec![Subject], false),
            (vec![Auditor, SecurityAdmin], false),
            (vec![Auditor, Provider], true),
            (vec![Auditor], true),
            (vec![Provider], false),
        ] {
            assert!(check_roles(&roles, agency).is_err(), "{roles:?}");
        }
    }
}
