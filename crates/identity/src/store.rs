//! Every SQL statement about regions, agencies, accounts, tokens and keys.

use crate::directory::Agency;
use crate::regions::{AgencyEntry, Region};
use crate::tokens::NewKey;
use chrono::{DateTime, Utc};
use credence_core::problem::{Problem, Result};
use credence_db::schema::{account_roles, account_subjects, accounts, agencies, api_keys, refresh_tokens, regions, signing_keys};
use credence_db::{DbResult, Tx};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

pub(crate) async fn agencies(conn: &mut AsyncPgConnection) -> Result<Vec<Agency>> {
    type Row = (Uuid, String, String, String, String, String);
    let rows: Vec<Row> = agencies::table
        .filter(agencies::state.eq("active"))
        .select((agencies::id, agencies::code, agencies::name, agencies::uscc, agencies::region_code, agencies::kind))
        .load(conn)
        .await
        .db()?;
    Ok(rows.into_iter().map(|(id, code, name, uscc, region, kind)| Agency { id, code, name, uscc, region, kind }).collect())
}

pub(crate) async fn region_parents(conn: &mut AsyncPgConnection) -> Result<Vec<(String, Option<String>)>> {
    regions::table.select((regions::code, regions::parent_code)).load(conn).await.db()
}

pub(crate) async fn upsert_regions(tx: &mut Tx<'_>, all: &[Region]) -> Result<()> {
    for region in all {
        let parent = (!region.parent.is_empty()).then_some(&region.parent);
        let values = (regions::name.eq(&region.name), regions::level.eq(&region.level), regions::parent_code.eq(parent));
        diesel::insert_into(regions::table)
            .values((regions::code.eq(&region.code), values))
            .on_conflict(regions::code)
            .do_update()
            .set(values)
            .execute(tx.conn())
            .await
            .db()?;
    }
    Ok(())
}

pub(crate) async fn upsert_agency(tx: &mut Tx<'_>, agency: &AgencyEntry, now: DateTime<Utc>) -> Result<Uuid> {
    let values = (
        agencies::name.eq(&agency.name),
        agencies::uscc.eq(&agency.uscc),
        agencies::region_code.eq(&agency.region),
        agencies::kind.eq(&agency.kind),
    );
    diesel::insert_into(agencies::table)
        .values((agencies::id.eq(Uuid::now_v7()), agencies::code.eq(&agency.code), agencies::created_at.eq(now), values))
        .on_conflict(agencies::code)
        .do_update()
        .set(values)
        .returning(agencies::id)
        .get_result(tx.conn())
        .await
        .db()
}

/// What a login, or a change of password, looks at.
pub(crate) struct Login {
    pub id: Uuid,
    pub username: String,
    pub password_hash: String,
    pub active: bool,
    pub locked_until: Option<DateTime<Utc>>,
}

type LoginRow = (Uuid, String, String, String, Option<DateTime<Utc>>);

fn login_of((id, username, password_hash, state, locked_until): LoginRow) -> Login {
    Login { id, username, password_hash, active: state == "active", locked_until }
}

pub(crate) async fn login(conn: &mut AsyncPgConnection, username: &str) -> Result<Option<Login>> {
    let row: Option<LoginRow> = accounts::table
        .filter(accounts::username.eq(username))
        .select((accounts::id, accounts::username, accounts::password_hash, accounts::state, accounts::locked_until))
        .first(conn)
        .await
        .optional()
        .db()?;
    Ok(row.map(login_of))
}

pub(crate) async fn login_by_id(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<Login>> {
    let row: Option<LoginRow> = accounts::table
        .filter(accounts::id.eq(id))
        .select((accounts::id, accounts::username, accounts::password_hash, accounts::state, accounts::locked_until))
        .first(conn)
        .await
        .optional()
        .db()?;
    Ok(row.map(login_of))
}

/// Counts a wrong password and locks at the limit, in one statement, so that guesses in parallel count too. Returns the count.
pub(crate) async fn count_failure(tx: &mut Tx<'_>, id: Uuid, limit: i32, lock_until: DateTime<Utc>) -> Result<i32> {
    use diesel::dsl::sql;
    use diesel::sql_types::{Integer, Nullable, Timestamptz};
    diesel::update(accounts::table.find(id))
        .set((
            accounts::failed_logins.eq(accounts::failed_logins + 1),
            accounts::locked_until.eq(sql::<Nullable<Timestamptz>>("CASE WHEN failed_logins + 1 >= ")
                .bind::<Integer, _>(limit)
                .sql(" THEN ")
                .bind::<Timestamptz, _>(lock_until)
                .sql(" ELSE locked_until END")),
        ))
        .returning(accounts::failed_logins)
        .get_result(tx.conn())
        .await
        .db()
}

/// Forgets wrong passwords after the right one, and holds the account until the transaction ends: whoever ends its logins waits, and then
/// ends those that this transaction makes too. Returns the number that access tokens carry; `None` when the account was closed or the
/// password changed after it was looked up.
pub(crate) async fn accept_password(tx: &mut Tx<'_>, id: Uuid, password_hash: &str) -> Result<Option<i32>> {
    diesel::update(accounts::table.find(id).filter(accounts::state.eq("active")).filter(accounts::password_hash.eq(password_hash)))
        .set((accounts::failed_logins.eq(0), accounts::locked_until.eq(None::<DateTime<Utc>>)))
        .returning(accounts::session_epoch)
        .get_result(tx.conn())
        .await
        .optional()
        .db()
}

/// Gives an account another password, unlocks it and ends all its logins: its refresh tokens are revoked, and its access tokens carry a
/// number that is over. Returns the new number; `None` when there is no such account, or it is closed.
pub(crate) async fn set_password(tx: &mut Tx<'_>, id: Uuid, password_hash: &str, now: DateTime<Utc>) -> Result<Option<i32>> {
    let epoch: Option<i32> = diesel::update(accounts::table.find(id).filter(accounts::state.eq("active")))
        .set((
            accounts::password_hash.eq(password_hash),
            accounts::failed_logins.eq(0),
            accounts::locked_until.eq(None::<DateTime<Utc>>),
            accounts::session_epoch.eq(accounts::session_epoch + 1),
        ))
        .returning(accounts::session_epoch)
        .get_result(tx.conn())
        .await
        .optional()
        .db()?;
    revoke_tokens(tx, id, now).await?;
    Ok(epoch)
}

/// Closes an account and revokes its refresh tokens; its access tokens fail because nobody is behind them. `false` when there is no such
/// account, or it is closed already.
pub(crate) async fn close_account(tx: &mut Tx<'_>, id: Uuid, reason: &str, by: &str, now: DateTime<Utc>) -> Result<bool> {
    let closed = diesel::update(accounts::table.find(id).filter(accounts::state.eq("active")))
        .set((accounts::state.eq("closed"), accounts::closed_at.eq(now), accounts::closed_by.eq(by), accounts::close_reason.eq(reason)))
        .execute(tx.conn())
        .await
        .db()?;
    revoke_tokens(tx, id, now).await?;
    Ok(closed == 1)
}

async fn revoke_tokens(tx: &mut Tx<'_>, account: Uuid, now: DateTime<Utc>) -> Result<()> {
    diesel::update(refresh_tokens::table.filter(refresh_tokens::account_id.eq(account)).filter(refresh_tokens::revoked_at.is_null()))
        .set(refresh_tokens::revoked_at.eq(now))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

pub(crate) async fn clear_failures(tx: &mut Tx<'_>, id: Uuid) -> Result<usize> {
    diesel::update(accounts::table.find(id))
        .set((accounts::failed_logins.eq(0), accounts::locked_until.eq(None::<DateTime<Utc>>)))
        .execute(tx.conn())
        .await
        .db()
}

/// An account as the middleware needs it.
pub(crate) struct AccountRow {
    pub username: String,
    pub agency: Option<Uuid>,
    pub region: String,
    pub epoch: i32,
    pub roles: Vec<String>,
    pub subjects: Vec<Uuid>,
}

pub(crate) async fn account(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<AccountRow>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        username: String,
        #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Uuid>)]
        agency: Option<Uuid>,
        #[diesel(sql_type = diesel::sql_types::Text)]
        region: String,
        #[diesel(sql_type = diesel::sql_types::Integer)]
        epoch: i32,
        #[diesel(sql_type = diesel::sql_types::Array<diesel::sql_types::Text>)]
        roles: Vec<String>,
        #[diesel(sql_type = diesel::sql_types::Array<diesel::sql_types::Uuid>)]
        subjects: Vec<Uuid>,
    }
    let row: Option<Row> = diesel::sql_query(
        "SELECT a.username, a.agency_id AS agency, coalesce(g.region_code, '') AS region, a.session_epoch AS epoch,
                ARRAY(SELECT role FROM account_roles WHERE account_id = a.id) AS roles,
                ARRAY(SELECT subject_id FROM account_subjects WHERE account_id = a.id AND ended_at IS NULL) AS subjects
           FROM accounts a LEFT JOIN agencies g ON g.id = a.agency_id WHERE a.id = $1 AND a.state = 'active'",
    )
    .bind::<diesel::sql_types::Uuid, _>(id)
    .get_result(conn)
    .await
    .optional()
    .db()?;
    Ok(row.map(|r| AccountRow {
        username: r.username,
        agency: r.agency,
        region: r.region,
        epoch: r.epoch,
        roles: r.roles,
        subjects: r.subjects,
    }))
}

/// A new account.
pub(crate) struct AccountInsert<'a> {
    pub id: Uuid,
    pub username: &'a str,
    pub display_name: &'a str,
    pub password_hash: &'a str,
    pub agency: Option<Uuid>,
    pub identity_papers: Option<Vec<u8>>,
    pub roles: Vec<&'static str>,
}

pub(crate) async fn insert_account(
    tx: &mut Tx<'_>,
    new: AccountInsert<'_>,
    by: &str,
    now: DateTime<Utc>,
    taken: impl FnOnce() -> Problem,
) -> Result<()> {
    diesel::insert_into(accounts::table)
        .values((
            accounts::id.eq(new.id),
            accounts::username.eq(new.username),
            accounts::display_name.eq(new.display_name),
            accounts::password_hash.eq(new.password_hash),
            accounts::agency_id.eq(new.agency),
            accounts::identity_papers.eq(new.identity_papers),
            accounts::created_at.eq(now),
            accounts::created_by.eq(by),
        ))
        .execute(tx.conn())
        .await
        .on_constraint("accounts_username_unique", taken)?;
    let roles: Vec<_> = new.roles.iter().map(|role| (account_roles::account_id.eq(new.id), account_roles::role.eq(*role))).collect();
    diesel::insert_into(account_roles::table).values(roles).execute(tx.conn()).await.db()?;
    Ok(())
}

/// A new binding of an account to a subject.
pub(crate) struct BindingInsert<'a> {
    pub account: Uuid,
    pub subject: Uuid,
    pub capacity: &'a str,
    pub evidence: &'a str,
}

pub(crate) async fn bind_subject(
    tx: &mut Tx<'_>,
    new: BindingInsert<'_>,
    by: &str,
    now: DateTime<Utc>,
    bound: impl FnOnce() -> Problem,
) -> Result<()> {
    diesel::insert_into(account_subjects::table)
        .values((
            account_subjects::id.eq(Uuid::now_v7()),
            account_subjects::account_id.eq(new.account),
            account_subjects::subject_id.eq(new.subject),
            account_subjects::capacity.eq(new.capacity),
            account_subjects::evidence.eq(new.evidence),
            account_subjects::bound_by.eq(by),
            account_subjects::bound_at.eq(now),
        ))
        .execute(tx.conn())
        .await
        .on_constraint("account_subjects_one_open", bound)?;
    Ok(())
}

/// Ends a binding that holds; `false` when there is none.
pub(crate) async fn end_binding(tx: &mut Tx<'_>, account: Uuid, subject: Uuid, reason: &str, by: &str, now: DateTime<Utc>) -> Result<bool> {
    let open = account_subjects::table
        .filter(account_subjects::account_id.eq(account))
        .filter(account_subjects::subject_id.eq(subject))
        .filter(account_subjects::ended_at.is_null());
    let ended = diesel::update(open)
        .set((account_subjects::ended_at.eq(now), account_subjects::ended_by.eq(by), account_subjects::end_reason.eq(reason)))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(ended == 1)
}

/// The sealed papers an open account was opened with; only subjects' accounts have them.
pub(crate) async fn identity_papers(tx: &mut Tx<'_>, account: Uuid) -> Result<Option<Vec<u8>>> {
    let papers: Option<Option<Vec<u8>>> = accounts::table
        .find(account)
        .filter(accounts::state.eq("active"))
        .select(accounts::identity_papers)
        .first(tx.conn())
        .await
        .optional()
        .db()?;
    Ok(papers.flatten())
}

/// Accounts with their agency's code and roles.
pub(crate) async fn list_accounts(
    conn: &mut AsyncPgConnection,
) -> Result<Vec<(Uuid, String, String, Option<String>, Vec<String>, Option<DateTime<Utc>>)>> {
    type Row = (Uuid, String, String, Option<Uuid>, Option<DateTime<Utc>>);
    let rows: Vec<Row> = accounts::table
        .filter(accounts::state.eq("active"))
        .order(accounts::username)
        .select((accounts::id, accounts::username, accounts::display_name, accounts::agency_id, accounts::locked_until))
        .load(conn)
        .await
        .db()?;
    let roles: Vec<(Uuid, String)> = account_roles::table.select((account_roles::account_id, account_roles::role)).load(conn).await.db()?;
    let codes: Vec<(Uuid, String)> = agencies::table.select((agencies::id, agencies::code)).load(conn).await.db()?;
    Ok(rows
        .into_iter()
        .map(|(id, username, display, agency, locked)| {
            let code = agency.and_then(|a| codes.iter().find(|(c, _)| *c == a)).map(|(_, code)| code.clone());
            let roles = roles.iter().filter(|(account, _)| *account == id).map(|(_, role)| role.clone()).collect();
            (id, username, display, code, roles, locked)
        })
        .collect())
}

pub(crate) async fn insert_refresh_token(
    tx: &mut Tx<'_>,
    family: Uuid,
    account: Uuid,
    hash: &[u8],
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<()> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::id.eq(Uuid::now_v7()),
            refresh_tokens::family_id.eq(family),
            refresh_tokens::account_id.eq(account),
            refresh_tokens::token_hash.eq(hash),
            refresh_tokens::issued_at.eq(now),
            refresh_tokens::expires_at.eq(until),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// A refresh token as found.
pub(crate) struct RefreshToken {
    pub id: Uuid,
    pub family: Uuid,
    pub account: Uuid,
    /// The number that access tokens of the account carry; none when the account is closed.
    pub epoch: Option<i32>,
    pub expires_at: DateTime<Utc>,
    pub used: bool,
    pub revoked: bool,
}

/// Finds a refresh token and locks it. Its account is held first, in the order of those who end all logins of an account: they wait for
/// this transaction and then end what it issues too, and nobody waits in a circle.
pub(crate) async fn refresh_token(tx: &mut Tx<'_>, hash: &[u8]) -> Result<Option<RefreshToken>> {
    type Row = (Uuid, Uuid, DateTime<Utc>, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let owner: Option<Uuid> = refresh_tokens::table
        .filter(refresh_tokens::token_hash.eq(hash))
        .select(refresh_tokens::account_id)
        .first(tx.conn())
        .await
        .optional()
        .db()?;
    let Some(account) = owner else { return Ok(None) };
    let (state, epoch): (String, i32) =
        accounts::table.find(account).for_share().select((accounts::state, accounts::session_epoch)).first(tx.conn()).await.db()?;
    let row: Option<Row> = refresh_tokens::table
        .filter(refresh_tokens::token_hash.eq(hash))
        .for_update()
        .select((
            refresh_tokens::id,
            refresh_tokens::family_id,
            refresh_tokens::expires_at,
            refresh_tokens::used_at,
            refresh_tokens::revoked_at,
        ))
        .first(tx.conn())
        .await
        .optional()
        .db()?;
    Ok(row.map(|(id, family, expires_at, used, revoked)| RefreshToken {
        id,
        family,
        account,
        epoch: (state == "active").then_some(epoch),
        expires_at,
        used: used.is_some(),
        revoked: revoked.is_some(),
    }))
}

pub(crate) async fn mark_refresh_token_used(tx: &mut Tx<'_>, id: Uuid, now: DateTime<Utc>) -> Result<()> {
    diesel::update(refresh_tokens::table.find(id)).set(refresh_tokens::used_at.eq(now)).execute(tx.conn()).await.db()?;
    Ok(())
}

pub(crate) async fn revoke_family(tx: &mut Tx<'_>, family: Uuid, now: DateTime<Utc>) -> Result<()> {
    diesel::update(refresh_tokens::table.filter(refresh_tokens::family_id.eq(family)).filter(refresh_tokens::revoked_at.is_null()))
        .set(refresh_tokens::revoked_at.eq(now))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// A new key.
pub(crate) struct KeyInsert<'a> {
    pub id: Uuid,
    pub agency: Uuid,
    pub label: &'a str,
    pub secret_hash: &'a [u8],
    pub role: &'a str,
    pub items: Option<Vec<String>>,
    pub regions: Option<Vec<String>>,
    pub expires_at: Option<DateTime<Utc>>,
}

pub(crate) async fn insert_api_key(tx: &mut Tx<'_>, new: KeyInsert<'_>, by: &str, now: DateTime<Utc>) -> Result<()> {
    // Arrays of the database may hold NULL, which diesel's types say too.
    let list = |texts: Option<Vec<String>>| texts;
    diesel::insert_into(api_keys::table)
        .values((
            api_keys::id.eq(new.id),
            api_keys::agency_id.eq(new.agency),
            api_keys::label.eq(new.label),
            api_keys::secret_hash.eq(new.secret_hash),
            api_keys::role.eq(new.role),
            api_keys::items.eq(list(new.items)),
            api_keys::regions.eq(list(new.regions)),
            api_keys::created_by.eq(by),
            api_keys::created_at.eq(now),
            api_keys::expires_at.eq(new.expires_at),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// A key as the middleware needs it.
pub(crate) struct ApiKeyRow {
    pub agency: Uuid,
    pub region: String,
    pub label: String,
    pub secret_hash: Vec<u8>,
    pub role: String,
    pub items: Option<Vec<String>>,
    pub regions: Option<Vec<String>>,
}

pub(crate) async fn api_key(conn: &mut AsyncPgConnection, id: Uuid, now: DateTime<Utc>) -> Result<Option<ApiKeyRow>> {
    type Row = (Uuid, String, String, Vec<u8>, String, Option<Vec<String>>, Option<Vec<String>>);
    let row: Option<Row> = api_keys::table
        .inner_join(agencies::table.on(agencies::id.eq(api_keys::agency_id)))
        .filter(api_keys::id.eq(id))
        .filter(api_keys::revoked_at.is_null())
        .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now)))
        .filter(agencies::state.eq("active"))
        .select((
            api_keys::agency_id,
            agencies::region_code,
            api_keys::label,
            api_keys::secret_hash,
            api_keys::role,
            api_keys::items,
            api_keys::regions,
        ))
        .first(conn)
        .await
        .optional()
        .db()?;
    Ok(row.map(|(agency, region, label, secret_hash, role, items, regions)| ApiKeyRow {
        agency,
        region,
        label,
        secret_hash,
        role,
        items,
        regions,
    }))
}

pub(crate) async fn revoke_api_key(tx: &mut Tx<'_>, id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    let rows = diesel::update(api_keys::table.find(id).filter(api_keys::revoked_at.is_null()))
        .set(api_keys::revoked_at.eq(now))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(rows == 1)
}

/// Keys that verify, newest first: kid, public half, sealed private half.
pub(crate) async fn signing_keys(conn: &mut AsyncPgConnection) -> Result<Vec<(String, Vec<u8>, Vec<u8>)>> {
    signing_keys::table
        .filter(signing_keys::retired_at.is_null())
        .order((signing_keys::active_from.desc(), signing_keys::kid))
        .select((signing_keys::kid, signing_keys::public_key, signing_keys::sealed_private))
        .load(conn)
        .await
        .db()
}

/// The public half of every key there ever was, newest first: what was signed with one verifies for ever.
pub(crate) async fn public_keys(conn: &mut AsyncPgConnection) -> Result<Vec<(String, Vec<u8>)>> {
    signing_keys::table
        .order((signing_keys::active_from.desc(), signing_keys::kid))
        .select((signing_keys::kid, signing_keys::public_key))
        .load(conn)
        .await
        .db()
}

pub(crate) async fn newest_signing_key(conn: &mut AsyncPgConnection) -> Result<Option<DateTime<Utc>>> {
    signing_keys::table.select(diesel::dsl::max(signing_keys::active_from)).first(conn).await.db()
}

pub(crate) async fn insert_signing_key(tx: &mut Tx<'_>, key: &NewKey, now: DateTime<Utc>) -> Result<()> {
    diesel::insert_into(signing_keys::table)
        .values((
            signing_keys::kid.eq(&key.kid),
            signing_keys::public_key.eq(&key.public),
            signing_keys::sealed_private.eq(&key.sealed),
            signing_keys::active_from.eq(now),
        ))
        .execute(tx.conn())
        .await
        .db()?;
    Ok(())
}

/// Retires every key but the newest two that began to sign before `before`: no living token carries them.
pub(crate) async fn retire_signing_keys(tx: &mut Tx<'_>, before: DateTime<Utc>, now: DateTime<Utc>) -> Result<()> {
    diesel::sql_query(
        "UPDATE signing_keys SET retired_at = $2 WHERE retired_at IS NULL AND active_from < $1
            AND kid NOT IN (SELECT kid FROM signing_keys WHERE retired_at IS NULL ORDER BY active_from DESC LIMIT 2)",
    )
    .bind::<diesel::sql_types::Timestamptz, _>(before)
    .bind::<diesel::sql_types::Timestamptz, _>(now)
    .execute(tx.conn())
    .await
    .db()?;
    Ok(())
}
