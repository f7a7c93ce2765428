//! Batch checks 信用审查: one matter, many subjects, a file of results.

use super::checks::{AskedSubject, CheckedKind};
use chrono::{DateTime, Utc};
use credence_core::problem::{Kind, ProblemType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Nobody to ask about.
pub static CHECK_BATCH_EMPTY: ProblemType = ProblemType {
    code: "check_batch_empty",
    kind: Kind::Unprocessable,
    zh: "名单为空；请在 subjects 中列出要核查的主体",
    en: "there is nobody to check; list the subjects in `subjects`",
};
/// Too many subjects.
pub static CHECK_BATCH_TOO_MANY: ProblemType = ProblemType {
    code: "check_batch_too_many",
    kind: Kind::TooLarge,
    zh: "一次批量核查最多 limit 个主体；请拆分后分批提交",
    en: "one batch check takes at most `limit` subjects; split it",
};
/// The body is too large.
pub static CHECK_BATCH_BODY_TOO_LARGE: ProblemType = ProblemType {
    code: "check_batch_body_too_large",
    kind: Kind::TooLarge,
    zh: "正文超过大小上限 limit_bytes；请拆分后分批提交",
    en: "the body is larger than `limit_bytes`; split the batch",
};
/// The result is not there yet.
pub static CHECK_BATCH_NOT_COMPLETED: ProblemType = ProblemType {
    code: "check_batch_not_completed",
    kind: Kind::Conflict,
    zh: "批量核查尚未完成（已完成 rows_done，共 rows_total）；请稍后再下载结果",
    en: "the batch check is not completed yet (`rows_done` of `rows_total`); download the result later",
};

/// A subject of a batch check. It holds numbers of persons, so it is never written to a log.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckBatchSubject {
    /// Sort of subject.
    pub kind: CheckedKind,
    /// Unified social credit code, of an organisation.
    #[serde(default)]
    pub uscc: Option<String>,
    /// Its name, to be compared. A person is not found under a name it never had.
    #[serde(default)]
    pub name: Option<String>,
    /// Kind of document of a person, e.g. 身份证.
    #[serde(default)]
    pub document_kind: Option<String>,
    /// Its number.
    #[serde(default)]
    pub document_number: Option<String>,
    /// The sender's own reference, given back in the result: no number of a person.
    #[serde(default, rename = "ref")]
    pub reference: Option<String>,
}

impl CheckBatchSubject {
    /// The subject as a single check asks about it.
    pub fn asked(&self) -> AskedSubject {
        AskedSubject {
            kind: self.kind,
            uscc: self.uscc.clone(),
            name: self.name.clone(),
            document_kind: self.document_kind.clone(),
            document_number: self.document_number.clone(),
        }
    }
}

/// A batch check. Numbers of persons travel in the body only.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckBatchRequest {
    /// Name of the review 审查名称.
    pub name: String,
    /// Administrative matter 办件事项, a value of the code set `matter`.
    pub matter: String,
    /// What the answers are for.
    pub purpose: String,
    /// Number of the case they all belong to; the name of the review where there is none.
    #[serde(default)]
    pub case_no: Option<String>,
    /// Whom it is about.
    pub subjects: Vec<CheckBatchSubject>,
}

/// A batch check and how far it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CheckBatchView {
    /// Id.
    pub id: Uuid,
    /// Name of the review.
    pub name: String,
    /// The matter.
    pub matter: String,
    /// Purpose stated.
    pub purpose: String,
    /// `queued`, `running` or `completed`.
    pub state: String,
    /// Subjects asked about.
    pub rows_total: i32,
    /// Subjects with an answer, or with a problem that prevented one.
    pub rows_done: i32,
    /// Answers with a measure to apply; each obliges to a feedback.
    pub hits: i64,
    /// Subjects that could not be checked; the result says why.
    pub problems: i64,
    /// Name of the account or key.
    pub submitted_by: String,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// When the last subject had its answer.
    pub finished_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_of_a_batch_is_asked_about_as_a_single_one() {
        let row = serde_json::json!({ "kind": "organisation", "uscc": "91110000710925462X", "name": "某公司", "ref": "A-1" });
        let row: CheckBatchSubject = serde_json::from_value(row).unwrap();
        assert_eq!(row.reference.as_deref(), Some("A-1"));
        let asked = serde_json::to_value(row.asked()).unwrap();
        assert_eq!((&asked["uscc"], &asked["name"]), (&"91110000710925462X".into(), &"某公司".into()));
        assert!(serde_json::from_value::<CheckBatchSubject>(serde_json::json!({ "kind": "organisation", "reference": "x" })).is_err());
    }
}
