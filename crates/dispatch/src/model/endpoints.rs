//! Endpoints that directives are pushed to, and the messages on their way there.

use chrono::{DateTime, Utc};
use credence_core::problem::{Kind, ProblemType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// No such endpoint.
pub static ENDPOINT_NOT_FOUND: ProblemType = ProblemType {
    code: "webhook_endpoint_not_found",
    kind: Kind::NotFound,
    zh: "没有该推送端点；请核对编号",
    en: "there is no such webhook endpoint; check the id",
};
/// The agency has one already.
pub static ENDPOINT_EXISTS: ProblemType = ProblemType {
    code: "webhook_endpoint_exists",
    kind: Kind::Conflict,
    zh: "该单位已有未关闭的推送端点，一个单位只能有一个；请先关闭原端点再新建，未送达的消息会转到新端点",
    en: "the agency has a webhook endpoint that is not closed, and one is all it gets; close that one first: what it did not deliver goes on to the new one",
};
/// The address cannot be used.
pub static BAD_ENDPOINT_URL: ProblemType = ProblemType {
    code: "bad_endpoint_url",
    kind: Kind::Unprocessable,
    zh: "推送地址不可用，原因见 reason_zh；请改用形如 https://主机[:端口]/路径 的地址",
    en: "the address cannot be used, see `reason`; give one like https://host[:port]/path",
};
/// The address leads where nothing may be sent.
pub static TARGET_REFUSED: ProblemType = ProblemType {
    code: "webhook_target_refused",
    kind: Kind::Unprocessable,
    zh: "推送地址指向本机、内网或保留网段，已拒绝；请改用可公开到达的地址，或请平台运维将该网段列入 webhook_allowed_networks",
    en: "the address leads to this machine, a private or a reserved network and is refused; give one that is reachable publicly, or ask the operator to list the network in webhook_allowed_networks",
};
/// It is closed for good.
pub static ENDPOINT_CLOSED: ProblemType = ProblemType {
    code: "webhook_endpoint_closed",
    kind: Kind::Conflict,
    zh: "该推送端点已关闭，不能再更改；请为该单位新建端点",
    en: "this webhook endpoint is closed and cannot be changed any more; make a new one for the agency",
};
/// There is no such agency.
pub static ENDPOINT_AGENCY_UNKNOWN: ProblemType = ProblemType {
    code: "webhook_agency_unknown",
    kind: Kind::Unprocessable,
    zh: "没有该单位代码；请从 GET /v1/agencies 中选用单位代码",
    en: "there is no agency with this code; take a code from GET /v1/agencies",
};
/// No such message at this endpoint.
pub static MESSAGE_NOT_FOUND: ProblemType = ProblemType {
    code: "webhook_message_not_found",
    kind: Kind::NotFound,
    zh: "该推送端点没有此消息；请核对 message_id",
    en: "there is no such message at this webhook endpoint; check `message_id`",
};
/// The message was not set aside.
pub static MESSAGE_NOT_DEAD: ProblemType = ProblemType {
    code: "webhook_message_not_dead",
    kind: Kind::Conflict,
    zh: "该消息未被搁置（现状态见 state），无需重放；请只对搁置（dead）的消息重放",
    en: "the message was not set aside (its state is `state`), so there is nothing to replay; replay messages that are `dead` only",
};

/// How messages to an endpoint are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// HMAC-SHA-256 with a shared secret (`v1`).
    HmacSha256,
    /// Ed25519; the receiver holds the public key only (`v1a`).
    Ed25519,
}

impl Scheme {
    /// Stable code, as in the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac_sha256",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::HmacSha256, Self::Ed25519].into_iter().find(|scheme| scheme.code() == code)
    }
}

/// State of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// On its way.
    Waiting,
    /// The receiver has it.
    Delivered,
    /// Set aside after the last attempt; a person has to look.
    Dead,
    /// What it tells of is over or was withdrawn, or its endpoint was closed.
    Cancelled,
}

impl MessageState {
    /// Stable code, as in the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An endpoint to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEndpoint {
    /// Code of the agency whose directives go there.
    pub agency: String,
    /// Address: https, no user name, no fragment. No personal data.
    pub url: String,
    /// How messages are signed.
    pub scheme: Scheme,
    /// What receives there.
    pub description: String,
}

/// What to change the key into.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// Scheme of the new key; that of the present one when absent.
    pub scheme: Option<Scheme>,
}

/// What to send once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// One message; every one that was set aside when absent.
    pub message_id: Option<Uuid>,
}

/// A key of an endpoint, without what must stay secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyView {
    /// Its id.
    pub id: Uuid,
    /// Its scheme.
    pub scheme: String,
    /// Since when it signs.
    pub created_at: DateTime<Utc>,
    /// When it stops signing; absent for the newest.
    pub retires_at: Option<DateTime<Utc>>,
}

/// An endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndpointView {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub agency_id: Uuid,
    /// Code of that agency; absent when the agency has ended.
    pub agency: Option<String>,
    /// Address.
    pub url: String,
    /// `active`, `paused` or `closed`.
    pub state: String,
    /// What receives there.
    pub description: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// Keys that sign at present, newest first.
    pub keys: Vec<KeyView>,
    /// Messages on their way.
    pub waiting: i64,
    /// Messages set aside after their last attempt.
    pub dead: i64,
}

/// A key as it is shown once, to whoever made it.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyShown {
    /// Id of the endpoint.
    pub endpoint_id: Uuid,
    /// Id of the key.
    pub key_id: Uuid,
    /// Its scheme.
    pub scheme: Scheme,
    /// For `hmac_sha256` the shared secret (`whsec_` and base64), never shown again; for `ed25519` the public key (`whpk_` and base64).
    pub key: String,
    /// Until when the key before it signs beside it; absent for the first.
    pub previous_retires_at: Option<DateTime<Utc>>,
}

/// An attempt to deliver a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptView {
    /// When.
    pub at: DateTime<Utc>,
    /// HTTP status of the answer; absent when there was none.
    pub status: Option<i32>,
    /// Why there was none.
    pub error: Option<String>,
    /// Milliseconds until the answer or the failure.
    pub took_ms: i32,
}

/// A message and what was tried with it.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageView {
    /// Its id, the `webhook-id` of every attempt.
    pub id: Uuid,
    /// `directive.execute`, `directive.release`, `directive.reminder` or `directive.update`; the topic of an agency message.
    pub topic: String,
    /// The directive concerned; absent of an agency message.
    pub directive_id: Option<Uuid>,
    /// `waiting`, `delivered`, `dead` or `cancelled`.
    pub state: String,
    /// Attempts since it was put here or replayed.
    pub attempts: i32,
    /// When the next attempt is due, or the last one was; the year 9999 says that it is held back by a message that was set aside.
    pub next_at: DateTime<Utc>,
    /// When it was put here.
    pub created_at: DateTime<Utc>,
    /// When it was delivered, set aside or cancelled.
    pub settled_at: Option<DateTime<Utc>>,
    /// Every attempt, oldest first.
    pub tries: Vec<AttemptView>,
}

/// How many messages go out once more.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// Messages that were set aside and wait again.
    pub replayed: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_what_callers_write() {
        for scheme in [Scheme::HmacSha256, Scheme::Ed25519] {
            assert_eq!(serde_json::to_value(scheme).unwrap(), scheme.code());
            assert_eq!(Scheme::from_code(scheme.code()), Some(scheme));
        }
        for state in [MessageState::Waiting, MessageState::Delivered, MessageState::Dead, MessageState::Cancelled] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.code());
        }
        assert!(serde_json::from_str::<Scheme>("\"md5\"").is_err());
    }
}
