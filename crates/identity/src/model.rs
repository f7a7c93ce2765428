//! Words of identity and its problems.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use credence_core::Role;
use credence_core::problem::{Kind, Problem, ProblemType, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Wrong name or password; which one is not told.
pub static LOGIN_REFUSED: ProblemType = ProblemType {
    code: "login_refused",
    kind: Kind::Unauthenticated,
    zh: "用户名或密码不正确；多次错误后账号将暂时锁定",
    en: "wrong name or password; after several wrong ones the account is locked for a while",
};
/// Too many wrong passwords.
pub static ACCOUNT_LOCKED: ProblemType = ProblemType {
    code: "account_locked",
    kind: Kind::TooMany,
    zh: "账号因多次密码错误已锁定；请在 retry_after_seconds 秒后重试，或联系安全管理员解锁",
    en: "the account is locked after wrong passwords; try again after `retry_after_seconds`, or ask the security administrator",
};
/// The token is not or no longer good.
pub static TOKEN_REFUSED: ProblemType = ProblemType {
    code: "token_refused",
    kind: Kind::Unauthenticated,
    zh: "令牌或密钥无效、已过期或已撤销；请重新登录",
    en: "the token or key is not valid, has expired or was revoked; log in again",
};
/// A refresh token came a second time: it was stolen, or its owner lost the answer. Either way the login ends.
pub static TOKEN_REUSED: ProblemType = ProblemType {
    code: "refresh_token_reused",
    kind: Kind::Unauthenticated,
    zh: "刷新令牌被重复使用，为安全起见该登录已全部失效；请重新登录",
    en: "the refresh token was used twice, so this login has been ended for safety; log in again",
};
/// Name taken.
pub static USERNAME_TAKEN: ProblemType =
    ProblemType {
        code: "username_taken", kind: Kind::Conflict, zh: "用户名已存在；请换一个", en: "this username exists; choose another"
    };
/// Password too short.
pub static PASSWORD_WEAK: ProblemType = ProblemType {
    code: "password_weak",
    kind: Kind::Unprocessable,
    zh: "密码过短或与用户名相同；至少 min 个字符",
    en: "the password is too short or equals the username; at least `min` characters",
};
/// Roles that exclude each other.
pub static ROLES_CONFLICT: ProblemType = ProblemType {
    code: "roles_conflict",
    kind: Kind::Unprocessable,
    zh: "角色组合不允许：系统管理员、安全管理员、审计员三权分立且不兼业务角色；业务角色须有单位；主体角色由窗口开立",
    en: "these roles exclude each other: the three administrators are separate and hold no other role; other roles need an agency; subjects' accounts are opened at the hall",
};
/// No such agency.
pub static AGENCY_UNKNOWN: ProblemType = ProblemType {
    code: "agency_unknown",
    kind: Kind::Unprocessable,
    zh: "没有该单位代码；请核对",
    en: "there is no agency with this code",
};

/// The password that was to be replaced is another.
pub static CURRENT_PASSWORD_WRONG: ProblemType = ProblemType {
    code: "current_password_wrong",
    kind: Kind::Unprocessable,
    zh: "当前密码不正确；请核对后重试，多次错误后账号将暂时锁定；忘记密码请联系安全管理员重置",
    en: "the current password is wrong; check it and try again, after several wrong ones the account is locked for a while; if it is forgotten, ask the security administrator to reset it",
};
/// Nobody closes the account they are logged in with.
pub static CANNOT_CLOSE_OWN: ProblemType = ProblemType {
    code: "cannot_close_own",
    kind: Kind::Forbidden,
    zh: "不能注销自己的账号；请由另一位安全管理员办理",
    en: "nobody closes their own account; ask another security administrator",
};
/// The own password is changed with the present one.
pub static CANNOT_RESET_OWN: ProblemType = ProblemType {
    code: "cannot_reset_own",
    kind: Kind::Forbidden,
    zh: "不能重置自己的密码；请用 POST /v1/me/password 并提供当前密码",
    en: "nobody resets their own password; use POST /v1/me/password with the present one",
};
/// The papers are those of somebody else.
pub static PAPERS_DO_NOT_MATCH: ProblemType = ProblemType {
    code: "papers_do_not_match",
    kind: Kind::Unprocessable,
    zh: "出示的证件与该自然人主体或该账号开立时登记的证件不一致；请核对证件类型、号码与主体编号",
    en: "the papers are not those of this natural person, or not those the account was opened with; check kind and number of the document and the subject's id",
};
/// One acts as representative or agent for organisations only.
pub static CAPACITY_MISMATCH: ProblemType = ProblemType {
    code: "capacity_mismatch",
    kind: Kind::Unprocessable,
    zh: "身份与主体不符：法定代表人、代理人只能绑定组织；自然人以本人身份（self）开立自己的账号",
    en: "the capacity does not fit the subject: representatives and agents act for organisations; a natural person opens an account of its own as `self`",
};
/// The account acts for the subject already.
pub static ALREADY_BOUND: ProblemType = ProblemType {
    code: "already_bound",
    kind: Kind::Conflict,
    zh: "该账号已绑定此主体；如需更改身份请先结束原绑定",
    en: "the account is bound to this subject already; to change the capacity end that binding first",
};

/// A login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Login name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// Tokens of a login.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// For the `Authorization: Bearer` header; short-lived.
    pub access_token: String,
    /// Seconds the access token lives.
    pub expires_in: i64,
    /// Exchanged once for the next pair.
    pub refresh_token: String,
    /// Always `Bearer`.
    pub token_type: String,
}

/// A refresh token to exchange or to end.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The token.
    pub refresh_token: String,
}

/// A new account of an agency or of the platform.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// Login name.
    pub username: String,
    /// What colleagues see.
    pub display_name: String,
    /// First password.
    pub password: String,
    /// Code of the agency; none for administrators and the auditor.
    pub agency: Option<String>,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
}

/// An account.
#[derive(Serialize, ToSchema)]
pub struct AccountView {
    /// Id.
    pub id: Uuid,
    /// Login name.
    pub username: String,
    /// What colleagues see.
    pub display_name: String,
    /// Code of the agency.
    pub agency: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Whether too many wrong passwords locked it.
    pub locked: bool,
}

/// A new password in place of the own one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordRequest {
    /// The password as it is.
    pub current: String,
    /// The password as it shall be.
    pub new: String,
}

/// A new password for somebody who lost theirs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPasswordRequest {
    /// The password as it shall be.
    pub new_password: String,
    /// Why; no numbers.
    pub reason: String,
}

/// An account that nobody shall log in with any more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseAccountRequest {
    /// Why; no numbers.
    pub reason: String,
}

/// What a subject is to the person whose papers were shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// That person.
    Itself,
    /// Another natural person.
    AnotherPerson,
    /// An organisation.
    Organisation,
}

/// Capacity in which an account acts for a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// The person itself.
    #[serde(rename = "self")]
    Own,
    /// 法定代表人、负责人.
    LegalRepresentative,
    /// 代理人.
    Agent,
}

impl Binding {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Own => "self",
            Self::LegalRepresentative => "legal_representative",
            Self::Agent => "agent",
        }
    }

    /// Refuses a capacity in which nobody can act for such a subject.
    pub fn check(self, subject: Relation) -> Result<()> {
        match (self, subject) {
            (Self::Own, Relation::Itself) | (Self::LegalRepresentative | Self::Agent, Relation::Organisation) => Ok(()),
            (Self::Own, _) => Err(Problem::new(&PAPERS_DO_NOT_MATCH)),
            (Self::LegalRepresentative | Self::Agent, _) => Err(Problem::new(&CAPACITY_MISMATCH)),
        }
    }
}

/// A subject's account, opened at the hall against identity papers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubjectAccount {
    /// Login name.
    pub username: String,
    /// First password.
    pub password: String,
    /// Name on the papers.
    pub person_name: String,
    /// Kind of paper, e.g. 身份证.
    pub document_kind: String,
    /// Its number; stored encrypted.
    pub document_number: String,
    /// The subject the account may act for.
    pub subject_id: Uuid,
    /// In which capacity.
    pub capacity: Binding,
    /// What was shown besides: licence, power of attorney. No numbers.
    pub evidence: String,
}

/// A further organisation for the account of a subject, against the papers the account was opened with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBinding {
    /// Kind of paper, e.g. 身份证.
    pub document_kind: String,
    /// Its number; compared with the one that was recorded, and not kept.
    pub document_number: String,
    /// The organisation the account may act for besides.
    pub subject_id: Uuid,
    /// `legal_representative` or `agent`.
    pub capacity: Binding,
    /// What was shown besides: licence, power of attorney. No numbers.
    pub evidence: String,
}

/// A binding as it was made.
#[derive(Serialize, ToSchema)]
pub struct BindingView {
    /// The account.
    pub account_id: Uuid,
    /// The subject it may act for.
    pub subject_id: Uuid,
    /// In which capacity.
    pub capacity: Binding,
    /// Since when.
    pub bound_at: DateTime<Utc>,
}

/// A binding that shall end.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndBindingRequest {
    /// Why; no numbers.
    pub reason: String,
}

/// A new API key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// Code of the agency.
    pub agency: String,
    /// What it is for.
    pub label: String,
    /// `provider` or `consumer`.
    #[schema(value_type = String)]
    pub role: Role,
    /// Catalogue items it is limited to; absent is every item of the agency.
    pub items: Option<Vec<String>>,
    /// Region codes it is limited to; absent is no limit.
    pub regions: Option<Vec<String>>,
    /// Days it works; absent is until revoked.
    pub valid_days: Option<i64>,
}

/// A new key, with its secret for the only time.
#[derive(Serialize, ToSchema)]
pub struct ApiKeyCreated {
    /// Id, by which it can be revoked.
    pub id: Uuid,
    /// The key, for the `Authorization: Bearer` header. It is not shown again.
    pub key: String,
}

/// Who the caller is.
#[derive(Serialize, ToSchema)]
pub struct WhoAmI {
    /// Login name or key label.
    pub label: String,
    /// Code of the agency.
    pub agency: Option<String>,
    /// Name of the agency.
    pub agency_name: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Subjects the account may act for.
    pub subjects: Vec<Uuid>,
}

/// An agency as everybody may know it.
#[derive(Serialize, ToSchema)]
pub struct AgencyView {
    /// Id, as in statements and batches.
    pub id: Uuid,
    /// Short code.
    pub code: String,
    /// Official name.
    pub name: String,
    /// Its USCC.
    pub uscc: String,
    /// Region it serves.
    pub region: String,
    /// Kind of organ.
    pub kind: String,
}

/// A public key (RFC 7517, RFC 8037).
#[derive(Serialize, ToSchema)]
pub struct Jwk {
    /// Always `OKP`.
    pub kty: &'static str,
    /// Always `Ed25519`.
    pub crv: &'static str,
    /// The key, 32 bytes in base64url.
    pub x: String,
    /// Its id, as in the header of what it signed.
    pub kid: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub used_for: &'static str,
    /// Always `EdDSA`.
    pub alg: &'static str,
}

impl Jwk {
    /// An Ed25519 key from its 32 bytes.
    pub fn ed25519(kid: String, public: &[u8]) -> Self {
        Self { kty: "OKP", crv: "Ed25519", x: BASE64_URL_SAFE_NO_PAD.encode(public), kid, used_for: "sig", alg: "EdDSA" }
    }
}

/// Public keys, newest first.
#[derive(Serialize, ToSchema)]
pub struct JwkSet {
    /// Retired ones included: what they signed still verifies.
    pub keys: Vec<Jwk>,
}
