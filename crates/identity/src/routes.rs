//! Logins, accounts, keys and the directory of agencies over HTTP.

use crate::model::{
    AccountView, AgencyView, ApiKeyCreated, ChangePasswordRequest, CloseAccountRequest, JwkSet, LoginRequest, NewAccount, NewApiKey,
    RefreshRequest, ResetPasswordRequest, Tokens, WhoAmI,
};
use crate::service::Identity;
use actix_web::http::header::{CACHE_CONTROL, CacheControl, CacheDirective};
use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use credence_core::Permission;
use credence_web::{ApiResult, Caller, ProblemBody, with_etag};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

/// Mounts the routes.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(login)
        .service(refresh)
        .service(logout)
        .service(who_am_i)
        .service(change_password)
        .service(list_agencies)
        .service(list_signing_keys)
        .service(list_accounts)
        .service(open_account)
        .service(unlock_account)
        .service(reset_password)
        .service(close_account)
        .service(create_api_key)
        .service(revoke_api_key);
}

#[derive(Serialize, ToSchema)]
struct AccountList {
    accounts: Vec<AccountView>,
}

#[derive(Serialize, ToSchema)]
struct AgencyList {
    agencies: Vec<AgencyView>,
}

fn secret<T: Serialize>(status: actix_web::http::StatusCode, body: &T) -> HttpResponse {
    HttpResponse::build(status).insert_header((CACHE_CONTROL, CacheControl(vec![CacheDirective::NoStore]).to_string())).json(body)
}

/// Log in.
#[utoipa::path(tag = "identity", request_body = LoginRequest, responses((status = 200, body = Tokens),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/sessions")]
async fn login(identity: web::Data<Identity>, body: web::Json<LoginRequest>) -> ApiResult<HttpResponse> {
    let LoginRequest { username, password } = body.into_inner();
    Ok(secret(actix_web::http::StatusCode::OK, &identity.login(&username, password).await?))
}

/// Exchange a refresh token for the next pair of tokens. Each works once.
#[utoipa::path(tag = "identity", request_body = RefreshRequest, responses((status = 200, body = Tokens),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/sessions/refresh")]
async fn refresh(identity: web::Data<Identity>, body: web::Json<RefreshRequest>) -> ApiResult<HttpResponse> {
    Ok(secret(actix_web::http::StatusCode::OK, &identity.refresh(&body.refresh_token).await?))
}

/// Log out: the refresh token and all that came from the same login stop working.
#[utoipa::path(tag = "identity", request_body = RefreshRequest, responses((status = 204),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/sessions/logout")]
async fn logout(identity: web::Data<Identity>, body: web::Json<RefreshRequest>) -> ApiResult<HttpResponse> {
    identity.logout(&body.refresh_token).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who the caller is.
#[utoipa::path(tag = "identity", security(("token" = [])), responses((status = 200, body = WhoAmI),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/me")]
async fn who_am_i(caller: Caller, identity: web::Data<Identity>) -> ApiResult<HttpResponse> {
    let directory = identity.directory.get(&identity.db, identity.clock.now()).await?;
    let agency = caller.0.agency.and_then(|id| directory.agency(id.0));
    Ok(HttpResponse::Ok().json(WhoAmI {
        label: caller.0.label.clone(),
        agency: agency.map(|a| a.code.clone()),
        agency_name: agency.map(|a| a.name.clone()),
        roles: caller.0.roles.iter().map(|r| r.code().to_owned()).collect(),
        subjects: caller.0.subjects.iter().map(|s| s.0).collect(),
    }))
}

/// Change the own password. Every login of the account ends, this one too: go on with the tokens in the answer. A wrong current password
/// counts towards the lock. Not for API keys.
#[utoipa::path(tag = "identity", security(("token" = [])), request_body = ChangePasswordRequest, responses((status = 200, body = Tokens),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/me/password")]
async fn change_password(caller: Caller, identity: web::Data<Identity>, body: web::Json<ChangePasswordRequest>) -> ApiResult<HttpResponse> {
    let ChangePasswordRequest { current, new } = body.into_inner();
    Ok(secret(actix_web::http::StatusCode::OK, &identity.change_password(&caller.0, current, new).await?))
}

/// The agencies that provide or use information.
#[utoipa::path(tag = "identity", responses((status = 200, body = AgencyList)))]
#[get("/agencies")]
async fn list_agencies(request: HttpRequest, identity: web::Data<Identity>) -> ApiResult<HttpResponse> {
    let directory = identity.directory.get(&identity.db, identity.clock.now()).await?;
    let mut agencies: Vec<AgencyView> = directory
        .agencies()
        .cloned()
        .map(|a| AgencyView { id: a.id, code: a.code, name: a.name, uscc: a.uscc, region: a.region, kind: a.kind })
        .collect();
    agencies.sort_by(|a, b| a.code.cmp(&b.code));
    with_etag(&request, &AgencyList { agencies })
}

/// The public keys with which answers of the platform are verified, as a JWK set (RFC 7517): every key that ever signed, retired ones included.
#[utoipa::path(tag = "identity", responses((status = 200, body = JwkSet), (status = 304)))]
#[get("/keys")]
async fn list_signing_keys(request: HttpRequest, identity: web::Data<Identity>) -> ApiResult<HttpResponse> {
    with_etag(&request, &identity.public_keys().await?)
}

/// All accounts.
#[utoipa::path(tag = "identity", security(("token" = [])), responses((status = 200, body = AccountList),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/accounts")]
async fn list_accounts(caller: Caller, identity: web::Data<Identity>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageAccounts)?;
    Ok(HttpResponse::Ok().json(AccountList { accounts: identity.accounts().await? }))
}

/// Open an account of an agency or of the platform.
#[utoipa::path(tag = "identity", security(("token" = [])), request_body = NewAccount, responses((status = 201, body = AccountView),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/accounts")]
async fn open_account(caller: Caller, identity: web::Data<Identity>, body: web::Json<NewAccount>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageAccounts)?;
    Ok(HttpResponse::Created().json(identity.open_account(&caller.0, body.into_inner()).await?))
}

/// Unlock an account that wrong passwords locked.
#[utoipa::path(tag = "identity", security(("token" = [])), responses((status = 204),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/accounts/{account_id}/unlock")]
async fn unlock_account(caller: Caller, identity: web::Data<Identity>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageAccounts)?;
    identity.unlock(&caller.0, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Give an account a new password in place of one that was lost. Its logins end at once.
#[utoipa::path(tag = "identity", security(("token" = [])), request_body = ResetPasswordRequest, responses((status = 204),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/accounts/{account_id}/reset-password")]
async fn reset_password(
    caller: Caller,
    identity: web::Data<Identity>,
    id: web::Path<Uuid>,
    body: web::Json<ResetPasswordRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageAccounts)?;
    let ResetPasswordRequest { new_password, reason } = body.into_inner();
    identity.reset_password(&caller.0, *id, new_password, &reason).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Close an account for good. Its logins end at once. Nobody closes their own.
#[utoipa::path(tag = "identity", security(("token" = [])), request_body = CloseAccountRequest, responses((status = 204),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/accounts/{account_id}/close")]
async fn close_account(
    caller: Caller,
    identity: web::Data<Identity>,
    id: web::Path<Uuid>,
    body: web::Json<CloseAccountRequest>,
) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageAccounts)?;
    identity.close_account(&caller.0, *id, &body.reason).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Make an API key. The key is in this answer and is never shown again.
#[utoipa::path(tag = "identity", security(("token" = [])), request_body = NewApiKey, responses((status = 201, body = ApiKeyCreated),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/api-keys")]
async fn create_api_key(caller: Caller, identity: web::Data<Identity>, body: web::Json<NewApiKey>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageAccounts)?;
    Ok(secret(actix_web::http::StatusCode::CREATED, &identity.create_api_key(&caller.0, body.into_inner()).await?))
}

/// Revoke an API key at once.
#[utoipa::path(tag = "identity", security(("token" = [])), responses((status = 204),
    (status = "4XX", body = ProblemBody, content_type = "application/problem+json")))]
#[delete("/api-keys/{key_id}")]
async fn revoke_api_key(caller: Caller, identity: web::Data<Identity>, id: web::Path<Uuid>) -> ApiResult<HttpResponse> {
    caller.0.require(Permission::ManageAccounts)?;
    identity.revoke_api_key(&caller.0, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
