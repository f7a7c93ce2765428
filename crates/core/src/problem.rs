//! What went wrong, in words a person can act on. A domain declares its problems as [`ProblemType`] constants; the web crate turns a
//! [`Problem`] into an RFC 9457 answer. Nothing here knows HTTP; [`Kind`] says what sort of trouble it is.

use serde_json::{Map, Value};

/// The sort of trouble, which decides the HTTP status (see docs/API.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be read: 400.
    Malformed,
    /// Nobody is logged in: 401.
    Unauthenticated,
    /// The caller may know it exists but may not do this: 403.
    Forbidden,
    /// There is none, or the caller may not know: 404.
    NotFound,
    /// The thing is in another state than this needs: 409.
    Conflict,
    /// Larger than a stated limit: 413.
    TooLarge,
    /// A kind of content that is not taken: 415.
    UnsupportedContent,
    /// Readable, but against a rule: 422.
    Unprocessable,
    /// Too often or too many at once: 429.
    TooMany,
    /// Try again later: 503.
    Unavailable,
    /// Our fault: 500.
    Internal,
}

/// One kind of problem: its stable code, and what it says in both languages. `zh` and `en` end with the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemType {
    /// Stable, in snake case; callers may rely on it.
    pub code: &'static str,
    /// What sort of trouble.
    pub kind: Kind,
    /// Chinese text with the way out.
    pub zh: &'static str,
    /// English text with the way out.
    pub en: &'static str,
}

/// A problem that happened: its type, particulars for the caller, and what only the operator's log may see.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Which kind.
    pub of: &'static ProblemType,
    /// Particulars, shown to the caller as members of the problem document. Boxed to keep `Result` small.
    pub details: Box<Map<String, Value>>,
    /// The cause, for the log only.
    pub internal: Option<Box<str>>,
}

/// What almost every function of the domains returns.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

/// Something failed that the caller can do nothing about.
pub static INTERNAL: ProblemType = ProblemType {
    code: "internal",
    kind: Kind::Internal,
    zh: "系统内部错误，操作未生效；请稍后重试，若仍出现请将 request_id 告知平台运维",
    en: "an internal error; nothing was changed. Try again later, and give the request_id to the operator if it stays",
};
/// The database cannot be reached or is stopping.
pub static UNAVAILABLE: ProblemType = ProblemType {
    code: "unavailable",
    kind: Kind::Unavailable,
    zh: "服务暂不可用，操作未生效；请稍后重试",
    en: "the service is not available at the moment; nothing was changed. Try again shortly",
};
/// No usable credentials.
pub static UNAUTHENTICATED: ProblemType = ProblemType {
    code: "unauthenticated",
    kind: Kind::Unauthenticated,
    zh: "需要登录：请在 Authorization 头中提供有效的访问令牌或接口密钥",
    en: "log in first: give a valid access token or API key in the Authorization header",
};
/// The role does not allow it.
pub static FORBIDDEN: ProblemType = ProblemType {
    code: "forbidden",
    kind: Kind::Forbidden,
    zh: "当前账号无此权限；如确有职责需要，请联系本单位安全管理员授权",
    en: "this account may not do that; ask your security administrator if your duty requires it",
};
/// No such thing, or not for this caller.
pub static NOT_FOUND: ProblemType = ProblemType {
    code: "not_found",
    kind: Kind::NotFound,
    zh: "未找到该资源；请核对地址与编号",
    en: "there is no such resource; check the address and the id",
};
/// A parameter or the body cannot be read.
pub static MALFORMED: ProblemType = ProblemType {
    code: "malformed_request",
    kind: Kind::Malformed,
    zh: "请求无法解析；请按 reason 所述修改参数或正文",
    en: "the request cannot be read; change the parameter or body as `reason` says",
};

impl Problem {
    /// A problem of a kind, with no particulars yet.
    pub fn new(of: &'static ProblemType) -> Self {
        Self { of, details: Box::default(), internal: None }
    }

    /// Adds a particular the caller may see.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    /// Our fault; `cause` goes to the log and to nobody else.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self { internal: Some(cause.to_string().into()), ..Self::new(&INTERNAL) }
    }

    /// A parameter or body that cannot be read, with the reason in both languages.
    pub fn malformed(reason_zh: impl Into<String>, reason_en: impl Into<String>) -> Self {
        Self::new(&MALFORMED).with("reason_zh", reason_zh.into()).with("reason", reason_en.into())
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.of.code
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.of.code, self.of.en)?;
        for (key, value) in self.details.iter() {
            write!(f, "; {key}={value}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
