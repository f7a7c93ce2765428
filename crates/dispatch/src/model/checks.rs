//! The check 红黑名单核查 that an approval system makes before it decides: what is asked, what is answered, and what came of it.

use chrono::{DateTime, NaiveDate, Utc};
use credence_catalog::lists::ListKind;
use credence_core::problem::{Kind, ProblemType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// No such matter.
pub static MATTER_UNKNOWN: ProblemType = ProblemType {
    code: "matter_unknown",
    kind: Kind::Unprocessable,
    zh: "没有该办件事项；可用事项见 matters，如确需增加请联系信用办",
    en: "there is no such administrative matter; see `matters`, and ask the credit office if one is missing",
};
/// Something that has to be stated was left blank.
pub static CHECK_INCOMPLETE: ProblemType = ProblemType {
    code: "check_incomplete",
    kind: Kind::Unprocessable,
    zh: "必填内容为空（见 field）；核查须写明办件事项、办件编号和用途，请填写",
    en: "a required text is blank (see `field`): a check states its matter, case number and purpose; fill it in",
};
/// A text that no log may hold.
pub static CHECK_TEXT_REFUSED: ProblemType = ProblemType {
    code: "check_text_refused",
    kind: Kind::Unprocessable,
    zh: "field 过长（上限 limit 个字符）、含控制字符或含居民身份证号码；请修改后重试",
    en: "`field` is longer than `limit` characters, or holds a control character or a resident ID number; change it and try again",
};
/// The subject cannot be told from what is given.
pub static CHECK_SUBJECT_INCOMPLETE: ProblemType = ProblemType {
    code: "check_subject_incomplete",
    kind: Kind::Unprocessable,
    zh: "核查对象填写不全：组织填写 uscc，自然人填写 document_kind 和 document_number，两类不能混填；请改正",
    en: "the subject is not stated: give `uscc` for an organisation, `document_kind` and `document_number` for a natural person, and not both",
};
/// The check did not return such a measure.
pub static MEASURE_UNKNOWN: ProblemType = ProblemType {
    code: "measure_unknown",
    kind: Kind::Unprocessable,
    zh: "反馈的措施不在本次核查返回的措施之内（可填措施见 returned），或未填写措施；请核对",
    en: "the measures are not among those this check returned (see `returned`), or none is named; check them",
};
/// Why a measure was not applied, or not yet, has to be said.
pub static FEEDBACK_REASON_MISSING: ProblemType = ProblemType {
    code: "reason_missing",
    kind: Kind::Unprocessable,
    zh: "不适用或办理中须说明理由；请填写 reason",
    en: "`not_applicable` and `pending` need a reason; give `reason`",
};
/// A check without a hit obliges to nothing.
pub static NO_FEEDBACK_OWED: ProblemType = ProblemType {
    code: "no_feedback_owed",
    kind: Kind::Conflict,
    zh: "本次核查没有返回适用措施，无需反馈；请核对核查编号",
    en: "this check returned no measure, so no feedback is owed; check the id",
};
/// It was given already.
pub static FEEDBACK_DUPLICATE: ProblemType = ProblemType {
    code: "duplicate_feedback",
    kind: Kind::Conflict,
    zh: "本次核查已经反馈，以先前的反馈为准，未作更改；请用 GET /v1/checks/{check_id} 查看",
    en: "feedback on this check was given before and stands; nothing was changed. See it at GET /v1/checks/{check_id}",
};

/// What the header of a signed answer says it is.
pub const ANSWER_TYPE: &str = "credence-check+jwt";

/// 免责说明.
pub const DISCLAIMER_ZH: &str = "本结果依据各认定单位和信息提供单位截至核查时提供的信息生成，仅供所述办件事项和用途使用。名单的列入、移出和措施的实施由有权机关依法决定，平台不作认定。\
                                 标注复核中的条目，复核完成前不得据以采取措施。对结果有异议的，可向认定单位或平台提出。";
/// The same in English.
pub const DISCLAIMER_EN: &str = "This answer rests on what the competent authorities and information providers had supplied by the time of the check. It may be used \
                                 for the stated matter and purpose only. Authorities list, remove and act by law; the platform decides nothing. No measure may rest on \
                                 an entry marked as under review. Objections go to the competent authority or to the platform.";

/// Sort of subject asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckedKind {
    /// A legal entity or other organisation.
    Organisation,
    /// A natural person.
    NaturalPerson,
}

/// Whom a check is about. It holds numbers of persons, so it is never written to a log.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskedSubject {
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
}

/// A check. Numbers of persons travel in the body only.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// Whom it is about.
    pub subject: AskedSubject,
    /// Administrative matter 办件事项, a value of the code set `matter`.
    pub matter: String,
    /// Number of the case in the caller's system 办件编号.
    pub case_no: String,
    /// What the answer is for.
    pub purpose: String,
}

/// What was found, over all lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// On no list that the caller may be told of.
    None,
    /// 红名单 only.
    Red,
    /// 黑名单 or 失信被执行人 only.
    Black,
    /// 重点关注 only.
    Focus,
    /// 经营异常 only.
    Abnormal,
    /// Lists of several colours.
    Mixed,
}

impl CheckResult {
    /// What entries of these colours come to.
    pub fn of(colours: impl IntoIterator<Item = CheckColour>) -> Self {
        let mut colours = colours.into_iter();
        let Some(first) = colours.next() else { return Self::None };
        if colours.any(|colour| colour != first) {
            return Self::Mixed;
        }
        match first {
            CheckColour::Red => Self::Red,
            CheckColour::Black => Self::Black,
            CheckColour::Focus => Self::Focus,
            CheckColour::Abnormal => Self::Abnormal,
        }
    }

    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Red => "red",
            Self::Black => "black",
            Self::Focus => "focus",
            Self::Abnormal => "abnormal",
            Self::Mixed => "mixed",
        }
    }

    /// As people read it.
    pub fn zh(self) -> &'static str {
        match self {
            Self::None => "无",
            Self::Red => "红名单",
            Self::Black => "黑名单",
            Self::Focus => "重点关注",
            Self::Abnormal => "经营异常",
            Self::Mixed => "多类名单",
        }
    }
}

/// Colour of a list, the word approval systems know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckColour {
    /// 红.
    Red,
    /// 黑.
    Black,
    /// 重点关注.
    Focus,
    /// 经营异常.
    Abnormal,
}

impl CheckColour {
    /// The colour of a kind of list.
    pub fn of(kind: ListKind) -> Self {
        match kind {
            ListKind::Commendation => Self::Red,
            ListKind::SeriousDishonesty | ListKind::JudgmentDefault => Self::Black,
            ListKind::AbnormalOperation => Self::Abnormal,
            ListKind::Watch => Self::Focus,
        }
    }
}

/// Whom the answer is about.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CheckedSubject {
    /// Stable id; absent when the platform knows nobody by what was given, or has nothing to say about a person in this matter.
    pub id: Option<Uuid>,
    /// As asked.
    pub kind: CheckedKind,
    /// The name on file, as the caller may see it.
    pub name: Option<String>,
    /// The code on file, of an organisation.
    pub uscc: Option<String>,
    /// The subject was never known by the name given: make sure that code and name belong together.
    pub name_mismatch: bool,
}

/// A measure that applies to this matter at this agency.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CheckedMeasure {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// What it consists of.
    pub content: String,
    /// 1, 2 or 3.
    pub class: u8,
    /// `incentive` or `sanction`.
    pub direction: String,
    /// Whether it has to be applied.
    pub mandatory: bool,
    /// Law and article.
    pub legal_basis: Vec<String>,
    /// Code of the memorandum that brings it.
    pub memorandum: String,
    /// Its name.
    pub memorandum_name: String,
    /// Last day; absent when it has no fixed end.
    pub expires_on: Option<NaiveDate>,
    /// The agency's own directive to carry it out, where it has one.
    pub directive_id: Option<Uuid>,
}

/// A list the subject stands on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CheckedEntry {
    /// Code of the list.
    pub list: String,
    /// Its name.
    pub name: String,
    /// `commendation`, `serious_dishonesty`, `judgment_default`, `abnormal_operation` or `watch`.
    pub kind: String,
    /// Its colour.
    pub colour: CheckColour,
    /// The entry.
    pub entry_id: Uuid,
    /// Competent authority 认定单位; of a mirrored list, the provider.
    pub authority: String,
    /// Law and article.
    pub legal_basis: String,
    /// Facts, as the caller may see them.
    pub facts: Option<String>,
    /// Number of the legal document under it.
    pub ground_document: Option<String>,
    /// First day on the list.
    pub listed_on: NaiveDate,
    /// Last day; absent when it has no fixed end.
    pub expires_on: Option<NaiveDate>,
    /// The record under it changed and the authority has not decided yet: no measure may rest on it.
    pub under_review: bool,
    /// 异议处理中: a dispute about the entry, or about the record under it, runs; to be read with that mark.
    #[serde(default)]
    pub disputed: bool,
    /// Of a mirrored list: its source has not been heard of for longer than it should.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<bool>,
    /// Measures that apply to this matter at this agency.
    pub measures: Vec<CheckedMeasure>,
}

/// The answer to a check.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CheckAnswer {
    /// Id, to be given with the feedback.
    pub check_id: Uuid,
    /// When it was answered.
    pub at: DateTime<Utc>,
    /// Code of the agency that asked.
    pub agency: String,
    /// Its name.
    pub agency_name: String,
    /// The matter.
    pub matter: String,
    /// Number of the case.
    pub case_no: String,
    /// Purpose stated.
    pub purpose: String,
    /// Whom it is about.
    pub subject: CheckedSubject,
    /// What was found, over all lists.
    pub result: CheckResult,
    /// List by list. Of natural persons only what brings a measure.
    pub lists: Vec<CheckedEntry>,
    /// Whether the agency has to report what came of it.
    pub feedback_required: bool,
    /// By when.
    pub feedback_by: Option<NaiveDate>,
    /// Rule and version that set that day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback_rule: Option<String>,
    /// 免责说明.
    pub disclaimer_zh: String,
    /// The same in English.
    pub disclaimer_en: String,
}

impl CheckAnswer {
    /// Whether any measure applies.
    pub fn hit(&self) -> bool {
        self.lists.iter().any(|entry| !entry.measures.is_empty())
    }

    /// Codes of the measures that apply, each once.
    pub fn measures(&self) -> Vec<&str> {
        let mut codes: Vec<&str> = self.lists.iter().flat_map(|entry| &entry.measures).map(|m| m.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

/// An answer with its signature.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SignedCheck {
    /// The answer.
    #[serde(flatten)]
    pub answer: CheckAnswer,
    /// All of it but this member, as a compact JWS of type `credence-check+jwt`; the keys are at `GET /v1/keys`.
    pub signed: String,
}

/// How a check with a hit went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// Measures were applied.
    Applied,
    /// None had to be.
    NotApplicable,
    /// The case is not decided yet.
    Pending,
}

impl CheckOutcome {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NotApplicable => "not_applicable",
            Self::Pending => "pending",
        }
    }

    /// State of the check's feedback after it.
    pub fn state(self) -> &'static str {
        match self {
            Self::Applied | Self::NotApplicable => "given",
            Self::Pending => "pending",
        }
    }
}

/// What came of a check.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckFeedbackRequest {
    /// How it went on.
    pub outcome: CheckOutcome,
    /// Codes of the measures applied, of those the check returned.
    #[serde(default)]
    pub measures: Vec<String>,
    /// Why not, or why not yet.
    #[serde(default)]
    pub reason: Option<String>,
    /// What was done in the case.
    #[serde(default)]
    pub result: Option<String>,
}

/// A feedback as it was taken.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CheckFeedbackView {
    /// Id.
    pub feedback_id: Uuid,
    /// The check.
    pub check_id: Uuid,
    /// `applied`, `not_applicable` or `pending`.
    pub outcome: String,
    /// Measures applied.
    pub measures: Vec<String>,
    /// Why not, or why not yet.
    pub reason: Option<String>,
    /// What was done in the case.
    pub result: Option<String>,
    /// When it was given.
    pub given_at: DateTime<Utc>,
}

/// A check as it was answered, and what came of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CheckRecord {
    /// The answer, as it was given then.
    #[serde(flatten)]
    pub check: SignedCheck,
    /// `none`, `owed`, `pending` or `given`.
    pub feedback_state: String,
    /// The feedback is owed and its day is over.
    pub overdue: bool,
    /// An entry that the answer names is not what it says any more 名单状态已变更: check again before anything rests on it.
    pub changed: bool,
    /// Every feedback, oldest first.
    pub feedback: Vec<CheckFeedbackView>,
}

/// A check in a list of checks; whom it was about is in the check itself.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CheckSummary {
    /// Id.
    pub check_id: Uuid,
    /// When it was answered.
    pub at: DateTime<Utc>,
    /// Code of the agency that asked.
    pub agency: Option<String>,
    /// The matter.
    pub matter: String,
    /// Number of the case.
    pub case_no: String,
    /// Batch check it was part of.
    pub check_batch_id: Option<Uuid>,
    /// What was found.
    pub result: String,
    /// Whether any measure applies.
    pub hit: bool,
    /// Last day for the feedback.
    pub feedback_by: Option<NaiveDate>,
    /// `none`, `owed`, `pending` or `given`.
    pub feedback_state: String,
    /// The feedback is owed and its day is over.
    pub overdue: bool,
}

/// A page of checks.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckPage {
    /// With `owed=true` the most urgent first, otherwise the newest.
    pub items: Vec<CheckSummary>,
    /// Where the next page begins; absent on the last.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_colours_are_mixed_and_one_is_itself() {
        use CheckColour::{Abnormal, Black, Focus, Red};
        for (colours, result) in [
            (vec![], CheckResult::None),
            (vec![Red], CheckResult::Red),
            (vec![Black, Black], CheckResult::Black),
            (vec![Focus], CheckResult::Focus),
            (vec![Abnormal, Abnormal], CheckResult::Abnormal),
            (vec![Black, Focus, Black], CheckResult::Mixed),
        ] {
            assert_eq!(CheckResult::of(colours.clone()), result, "{colours:?}");
            assert_eq!(serde_json::to_value(result).unwrap(), result.code());
        }
    }

    #[test]
    fn unknown_members_of_a_question_are_refused() {
        let asked = serde_json::json!({ "kind": "organisation", "uscc": "x", "uscc2": "x" });
        assert!(serde_json::from_value::<AskedSubject>(asked).is_err());
    }
}
