//! Agency messages 工作消息: what an agency is told beside directives. Whoever has something to tell says it with a topic of its own; here is what is
//! the same of all of them.

use super::directives::{DirectiveMessage, MessageSubject};
use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Kind, ProblemType};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// No such message, or somebody else's.
pub static MESSAGE_NOT_FOUND: ProblemType = ProblemType {
    code: "message_not_found",
    kind: Kind::NotFound,
    zh: "没有该工作消息，或不属于本单位，或已撤回；请查看 GET /v1/agency-messages 后核对编号",
    en: "there is no such message to this agency, or it was withdrawn; look at GET /v1/agency-messages and check the id",
};
/// It was acknowledged with other words.
pub static MESSAGE_ACKNOWLEDGED: ProblemType = ProblemType {
    code: "message_acknowledged",
    kind: Kind::Conflict,
    zh: "该工作消息已回执，回执内容不再更改；如有新的情况，请联系信用办",
    en: "this message was acknowledged already, and what was said stays; tell the credit office what is new",
};
/// Nothing is asked of the agency.
pub static MESSAGE_NEEDS_NO_RECEIPT: ProblemType = ProblemType {
    code: "message_needs_no_receipt",
    kind: Kind::Unprocessable,
    zh: "该工作消息无需回执，未作登记；只对 receipt 为 true 的消息回执",
    en: "this message needs no receipt and nothing was stored; acknowledge messages whose `receipt` is true only",
};

/// What is to be told to an agency.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// Whom it is about.
    pub subject_id: Uuid,
    /// Who is told.
    pub agency_id: Uuid,
    /// Domain and occasion, as `list.ground_questioned`; never that of a directive.
    pub topic: &'static str,
    /// Kind of the thing it is about, as `list_entry`.
    pub about_kind: &'static str,
    /// Id of that thing.
    pub about_id: Uuid,
    /// What makes it one message: under the same topic and key an agency is told once about a subject.
    pub key: String,
    /// Particulars, as the topic has them; no name, number or other identifier of a person.
    pub body: Value,
    /// Last day for what is asked.
    pub due_on: Option<NaiveDate>,
    /// Whether the agency has to acknowledge it.
    pub receipt: bool,
}

/// A message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Whom it is about.
    pub subject_id: Uuid,
    /// Who is told.
    pub agency_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// Id of the thing it is about.
    pub about_id: Uuid,
}

/// Whether a text can be a topic at all.
pub fn is_topic(text: &str) -> bool {
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    text.split_once('.').is_some_and(|(domain, occasion)| word(domain) && word(occasion))
}

/// A message of an inbox: of a directive, or of none.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum InboxMessage {
    /// A directive, a release, a reminder or an update of one: its `topic` begins with `directive.`.
    Directive(Box<DirectiveMessage>),
    /// Anything else.
    Message(Box<AgencyMessage>),
}

impl InboxMessage {
    /// The message, if it is one of a directive.
    pub fn directive(&self) -> Option<&DirectiveMessage> {
        match self {
            Self::Directive(message) => Some(message.as_ref()),
            Self::Message(_) => None,
        }
    }
}

/// What an agency is told beside directives 工作消息, pulled or pushed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AgencyMessage {
    /// Id: a message that was dealt with is known by it.
    pub id: Uuid,
    /// Domain and occasion, as `list.ground_questioned`.
    pub topic: String,
    /// The thing it is about.
    pub about: MessageAbout,
    /// Whom it is about; a person by the first character of the name only.
    pub subject: MessageSubject,
    /// Last day for what is asked.
    pub due_on: Option<NaiveDate>,
    /// Whether the agency has to acknowledge it 回执.
    pub receipt: bool,
    /// Particulars, as the topic has them.
    pub body: Value,
    /// When it was sent.
    pub issued_at: DateTime<Utc>,
    /// When the agency acknowledged it.
    pub acknowledged_at: Option<DateTime<Utc>>,
}

/// The thing that a message is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageAbout {
    /// Kind, as `list_entry`.
    pub kind: String,
    /// Id.
    pub id: Uuid,
}

/// A message as it is looked up, with what became of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AgencyMessageView {
    /// The message.
    #[serde(flatten)]
    pub message: AgencyMessage,
    /// Who is told.
    pub agency_id: Uuid,
    /// Name of that agency.
    pub agency: Option<String>,
    /// When it was first shown or pushed.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Name of the account or key that acknowledged it.
    pub acknowledged_by: Option<String>,
    /// What the agency did, in its words.
    pub acknowledgement: Option<String>,
    /// When it was withdrawn, before anybody had it; shown to those who supervise.
    pub withdrawn_at: Option<DateTime<Utc>>,
}

/// What was done about a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// In words; no number of a person.
    #[serde(default)]
    pub text: String,
}

/// A receipt that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledged {
    /// The message.
    pub id: Uuid,
    /// When it was acknowledged first.
    pub acknowledged_at: DateTime<Utc>,
    /// Name of the account or key.
    pub acknowledged_by: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_topic_is_a_domain_and_an_occasion() {
        assert!(is_topic("list.ground_questioned") && is_topic("a.b"));
        for text in ["", ".", "list", "list.", ".due", "list.a.b", "List.due", "list.due1", "list. due", "list.due\0", "名单.到期"] {
            assert!(!is_topic(text), "{text}");
        }
    }

    #[test]
    fn what_was_written_is_read_as_what_it_is() {
        let subject = json!({ "id": Uuid::nil(), "kind": null, "name": null, "uscc": null, "document": null });
        let message = json!({
            "id": Uuid::nil(), "topic": "list.due", "about": { "kind": "list_entry", "id": Uuid::nil() }, "subject": subject,
            "due_on": "2026-12-01", "receipt": true, "body": { "list": "x" }, "issued_at": "2026-11-23T02:00:00Z", "acknowledged_at": null,
        });
        let read: InboxMessage = serde_json::from_value(message.clone()).unwrap();
        assert!(matches!(read, InboxMessage::Message(_)) && read.directive().is_none());
        assert_eq!(serde_json::to_value(&read).unwrap(), message);
    }
}
