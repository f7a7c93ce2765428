//! The shape of a file.

use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Kind, ProblemType};
use credence_subjects::model::{Event, Identifier, Name};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// The viewer may see nothing of a person without saying why or showing authorisation.
pub static PURPOSE_NEEDED: ProblemType = ProblemType {
    code: "purpose_needed",
    kind: Kind::Unprocessable,
    zh: "查询自然人须说明用途（purpose）；窗口代查和授权类信息还须填写主体书面授权编号（authorisation）",
    en: "a query about a natural person needs a `purpose`; at the hall, and for authorised information, also the reference of the person's written `authorisation`",
};
/// A section that does not exist.
pub static SECTION_UNKNOWN: ProblemType = ProblemType {
    code: "section_unknown",
    kind: Kind::Malformed,
    zh: "没有这个栏目；可用栏目见 sections",
    en: "there is no such section; see `sections`",
};
/// Days that cannot be asked about.
pub static BAD_AS_OF: ProblemType = ProblemType {
    code: "bad_as_of",
    kind: Kind::Malformed,
    zh: "as_of 与 known_at 不能晚于当前时间",
    en: "`as_of` and `known_at` cannot lie in the future",
};

/// Sections in the order of the national report, with the text shown for an empty one.
pub const SECTIONS: [(&str, &str, &str); 9] = [
    ("registration", "登记注册基本信息", "Registration"),
    ("administrative_licence", "行政许可", "Administrative licences"),
    ("administrative_penalty", "行政处罚", "Administrative penalties"),
    ("commendation", "诚实守信", "Commendations"),
    ("serious_dishonesty", "严重失信", "Serious dishonesty"),
    ("abnormal_operation", "经营异常", "Abnormal operation"),
    ("commitment", "信用承诺", "Commitments"),
    ("judicial", "司法判决", "Judicial decisions"),
    ("other", "其他信息", "Other"),
];

/// What an empty section says (national report).
pub const EMPTY: &str = "查询期内无相关信息";

/// Text of a section of which the viewer may be told only a part.
pub const PARTIAL: &str = "本部分仅含查询人有权查询的信息";

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Day for which statements are asked; today when absent.
    pub as_of: Option<NaiveDate>,
    /// Instant whose knowledge is asked; now when absent.
    pub known_at: Option<DateTime<Utc>>,
    /// One section only.
    pub section: Option<String>,
    /// Where the section goes on.
    pub after: Option<(NaiveDate, Uuid)>,
    /// Statements per section.
    pub limit: i64,
}

/// A subject's file.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileView {
    /// Whom it is about.
    pub subject: SubjectView,
    /// Day for which it speaks.
    pub as_of: NaiveDate,
    /// Instant whose knowledge it gives; absent when it is what is known now.
    pub known_at: Option<DateTime<Utc>>,
    /// What the reader has to know about the answer.
    pub notes: Vec<String>,
    /// Every section, also the empty ones.
    pub sections: Vec<SectionView>,
    /// For every item that occurs: its name, the names of its fields, and the fields that this viewer is not shown.
    pub items: BTreeMap<String, ItemLabels>,
    /// For every agency that occurs: its name.
    pub providers: BTreeMap<Uuid, String>,
}

/// Whom a file is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubjectView {
    /// Stable id; public for organisations, given to the entitled for persons.
    pub id: Uuid,
    /// `legal_entity`, `other_organisation` or `natural_person`.
    pub kind: String,
    /// `provisional` until registration data confirms it.
    pub state: String,
    /// 登记状态.
    pub standing: Option<String>,
    /// Division it is registered in.
    pub area_code: Option<String>,
    /// The name on the day asked about; a person's is masked.
    pub name: Option<String>,
    /// Names, present one first. Of organisations only.
    pub names: Vec<Name>,
    /// Numbers. Of organisations only.
    pub identifiers: Vec<Identifier>,
    /// What happened to it.
    pub events: Vec<Event>,
    /// Subjects that are read through this one after a merge.
    pub merged_subjects: Vec<Uuid>,
}

/// A section.
#[derive(Debug, Serialize, ToSchema)]
pub struct SectionView {
    /// Code.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// How many statements this viewer may see.
    pub total: i64,
    /// 查询期内无相关信息, when there is none.
    pub empty: Option<String>,
    /// Said when the catalogue has more under this heading than this viewer may be told, whatever is held of this subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
    /// Newest first.
    pub statements: Vec<StatementView>,
    /// Cursor of the next page of this section; absent on the last.
    pub next: Option<String>,
}

/// A statement.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementView {
    /// The record, stable through its versions.
    pub record_id: Uuid,
    /// This version.
    pub version_id: Uuid,
    /// Catalogue item.
    pub item: String,
    /// Version of the item it was checked against.
    pub item_version: i32,
    /// Who provided it.
    pub provider: Uuid,
    /// Batch it came with.
    pub batch_id: Uuid,
    /// `active`, `ended`, `disputed`, …
    pub state: String,
    /// Under dispute: to be read with that mark.
    pub disputed: bool,
    /// What its subject states against it 异议记载, where a dispute ended without it being ascertained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objection: Option<String>,
    /// Whether it is in force on the day asked about.
    pub in_force: bool,
    /// Received after its deadline (迟报).
    pub late: bool,
    /// Day of the decision.
    pub decided_on: Option<NaiveDate>,
    /// First day it holds.
    pub valid_from: Option<NaiveDate>,
    /// Last day it holds.
    pub valid_to: Option<NaiveDate>,
    /// Last day it is public, by the rules of today and what its provider sent; absent when it has no such end.
    pub public_until: Option<NaiveDate>,
    /// Since when the platform holds this version.
    pub known_from: DateTime<Utc>,
    /// Until when it held it; absent for the present version.
    pub known_to: Option<DateTime<Utc>>,
    /// Fields of this statement not shown to this viewer, where they are others than the item's `withheld`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Vec<String>>,
    /// Field codes and values this viewer may see.
    #[schema(value_type = Object)]
    pub data: Map<String, Value>,
}

/// Names of an item and its fields.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemLabels {
    /// Name of the item.
    pub name: String,
    /// Field code to Chinese name.
    pub fields: BTreeMap<String, String>,
    /// Fields not shown to this viewer.
    pub withheld: Vec<String>,
}
