//! Subjects as the rest of the program sees them.

use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::{Kind, ProblemType};
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// There is no subject with this code or id.
pub static SUBJECT_NOT_FOUND: ProblemType = ProblemType {
    code: "subject_not_found",
    kind: Kind::NotFound,
    zh: "平台没有该主体的任何信息；请核对统一社会信用代码",
    en: "the platform holds nothing about this subject; check the code",
};
/// The code is not one.
pub static BAD_USCC: ProblemType = ProblemType {
    code: "bad_uscc",
    kind: Kind::Malformed,
    zh: "统一社会信用代码不正确，原因见 reason_zh",
    en: "this is not a unified social credit code; `reason` says why",
};
/// A merge that makes no sense.
pub static BAD_MERGE: ProblemType = ProblemType {
    code: "bad_merge",
    kind: Kind::Conflict,
    zh: "两个主体不能合并：二者相同、已合并、存在循环或类别不同（自然人与组织）；请核对",
    en: "these subjects cannot be merged: they are the same, merged already, in a circle, or a person and an organisation",
};
/// Nothing to take back.
pub static NOT_MERGED: ProblemType =
    ProblemType {
        code: "not_merged", kind: Kind::Conflict, zh: "该合并已经撤销；无需再次撤销", en: "this merge was taken back already"
    };
/// The code belongs to another subject.
pub static CODE_TAKEN: ProblemType = ProblemType {
    code: "code_taken",
    kind: Kind::Conflict,
    zh: "新代码已属于另一主体；如为同一主体请使用合并",
    en: "the new code belongs to another subject; if they are one, merge them",
};

/// A subject's own row.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Stable id.
    pub id: Uuid,
    /// `legal_entity`, `other_organisation` or `natural_person`.
    pub kind: String,
    /// `provisional` or `confirmed`.
    pub state: String,
    /// The subject it is read through.
    pub merged_into: Option<Uuid>,
}

/// A number of an organisation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Identifier {
    /// `uscc`, `org_code`, `registration_no`, …
    pub scheme: String,
    /// The number.
    pub value: String,
    /// `current`, `former` or `erroneous`.
    pub status: String,
    /// First day it was the subject's.
    pub valid_from: Option<NaiveDate>,
    /// Last day it was the subject's.
    pub valid_to: Option<NaiveDate>,
}

/// A name in a subject's history.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Name {
    /// The name as written.
    pub name: String,
    /// Whether registration data states it.
    pub confirmed: bool,
    /// First day.
    pub valid_from: Option<NaiveDate>,
    /// Last day; absent for the present name.
    pub valid_to: Option<NaiveDate>,
    /// When the platform learnt it.
    pub known_from: DateTime<Utc>,
}

/// Something that happened to a subject.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Id.
    pub id: Uuid,
    /// `rename`, `absorption`, `code_change`, …
    pub kind: String,
    /// Day.
    pub happened_on: NaiveDate,
    /// The other subject, by its code or id.
    pub other_subject_id: Option<Uuid>,
    /// Before.
    pub from_value: Option<String>,
    /// After.
    pub to_value: Option<String>,
    /// What it rests on; absent for who may not see it.
    pub basis: Option<String>,
}

/// A new event.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// On which day.
    pub happened_on: NaiveDate,
    /// Successor, predecessor or part.
    pub other_subject_id: Option<Uuid>,
    /// For `rename`, the new name; for `code_change`, the new code; otherwise what it became.
    pub to_value: Option<String>,
    /// For `code_change`: the former code was wrongly issued (重错码) rather than replaced.
    #[serde(default)]
    pub former_erroneous: bool,
    /// Registration record or document it rests on.
    pub basis: String,
}

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// 更名.
    Rename,
    /// 迁移.
    Relocation,
    /// 类型变更.
    TypeChange,
    /// 吸收合并.
    Absorption,
    /// 新设合并.
    Consolidation,
    /// 分立.
    Division,
    /// 注销.
    Cancellation,
    /// 吊销: the licence is gone, the subject exists.
    Revocation,
    /// 撤销登记.
    RegistrationAnnulled,
    /// 换码.
    CodeChange,
    /// 个转企.
    IndividualToEnterprise,
}

impl EventKind {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Rename => "rename",
            Self::Relocation => "relocation",
            Self::TypeChange => "type_change",
            Self::Absorption => "absorption",
            Self::Consolidation => "consolidation",
            Self::Division => "division",
            Self::Cancellation => "cancellation",
            Self::Revocation => "revocation",
            Self::RegistrationAnnulled => "registration_annulled",
            Self::CodeChange => "code_change",
            Self::IndividualToEnterprise => "individual_to_enterprise",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::deserialize(StrDeserializer::<serde::de::value::Error>::new(code)).ok()
    }

    /// 登记状态 that follows from it, where one does.
    pub fn standing(self) -> Option<&'static str> {
        match self {
            Self::Cancellation => Some("注销"),
            Self::Revocation => Some("吊销"),
            Self::RegistrationAnnulled => Some("撤销"),
            _ => None,
        }
    }
}
