//! Directives 联合奖惩任务: one subject, one measure, one agency, and the releases 解除 that lift them. [`states`] says what leads from which state
//! to which, [`reckoning`] counts days and tells how far an entry has come; here is what is handed out, said and answered.

pub mod reckoning;
pub mod states;

pub use reckoning::{Overdue, Progress, next_cycle, release_text, working_days_back, working_days_late};
pub use states::{Act, DirectiveKind, DirectiveState, Turn, after};

use super::messages::InboxMessage;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use credence_core::problem::{Kind, Problem, ProblemType, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// No such directive, or somebody else's.
pub static DIRECTIVE_NOT_FOUND: ProblemType = ProblemType {
    code: "directive_not_found",
    kind: Kind::NotFound,
    zh: "没有该任务，或不属于本单位；请核对编号",
    en: "there is no such directive of this agency; check the id",
};
/// The state does not allow it.
pub static DIRECTIVE_WRONG_STATE: ProblemType = ProblemType {
    code: "directive_wrong_state",
    kind: Kind::Conflict,
    zh: "任务的种类（kind）或现状态（state）不允许此操作，未作更改；请查看 GET /v1/directives/{directive_id} 后再操作",
    en: "the directive's `kind` or present `state` does not allow this, and nothing was changed; look at GET /v1/directives/{directive_id} first",
};
/// It was lifted.
pub static DIRECTIVE_RELEASED: ProblemType = ProblemType {
    code: "directive_released",
    kind: Kind::Conflict,
    zh: "该任务已解除，不再签收或反馈；请停止执行，并在收到的解除任务中填报解除情况",
    en: "this directive was released, so nothing is accepted or reported under it any more; stop the measure and complete the release you received",
};
/// Its ground is being reviewed.
pub static DIRECTIVE_HELD: ProblemType = ProblemType {
    code: "directive_held",
    kind: Kind::Conflict,
    zh: "任务的认定依据正在复核，暂缓执行，未作更改；请待认定单位处理后再操作",
    en: "the ground of this directive is being reviewed, so it is held and nothing was changed; try again once the competent authority has decided",
};
/// Nobody received it yet.
pub static DIRECTIVE_NOT_DELIVERED: ProblemType = ProblemType {
    code: "directive_not_delivered",
    kind: Kind::Conflict,
    zh: "任务尚未送达本单位；请先从 GET /v1/inbox 接收，再作答复",
    en: "the directive was not delivered yet; fetch it from GET /v1/inbox first, then answer it",
};
/// Said already.
pub static DUPLICATE_FEEDBACK: ProblemType = ProblemType {
    code: "duplicate_feedback",
    kind: Kind::Conflict,
    zh: "同样的反馈已提交过，未重复登记；如系新的周期或新的情况，请写明起止时间或新的内容",
    en: "the same feedback was given already and was not taken twice; if it is about a new period, state `started_on`, `ended_on` or what is new",
};
/// What it rests on has ended.
pub static ENTRY_EXPIRED: ProblemType = ProblemType {
    code: "entry_expired",
    kind: Kind::Conflict,
    zh: "任务所依据的名单条目已退出或已到期，不能再签收或反馈；请等待并办理解除任务",
    en: "the list entry under this directive has ended or expired, so nothing is accepted or reported any more; wait for the release and complete it",
};
/// A declined directive says why.
pub static DECLINE_REASON_MISSING: ProblemType = ProblemType {
    code: "decline_reason_missing",
    kind: Kind::Unprocessable,
    zh: "答复不适用须说明理由；请填写 reason",
    en: "declining a directive needs a reason; give `reason`",
};
/// A field of a feedback or reason cannot be taken.
pub static BAD_FEEDBACK: ProblemType = ProblemType {
    code: "bad_feedback",
    kind: Kind::Unprocessable,
    zh: "数据项 field 不符合要求（见 reason_zh），未登记；请修改后重新提交",
    en: "`field` cannot be taken for the `reason` given, and nothing was stored; change it and send it again",
};
/// An attachment that is not there, or another agency's.
pub static ATTACHMENT_UNKNOWN: ProblemType = ProblemType {
    code: "attachment_unknown",
    kind: Kind::Unprocessable,
    zh: "附件不存在或不属于本单位；请先用 POST /v1/attachments 上传，再填写其编号",
    en: "an attachment does not exist or is not this agency's; upload it with POST /v1/attachments and give its id",
};
/// A check that is not there, another agency's, or about somebody else.
pub static CHECK_UNKNOWN: ProblemType = ProblemType {
    code: "check_unknown",
    kind: Kind::Unprocessable,
    zh: "没有该核查，或不是本单位对该主体所作的核查；请核对 check_id 或将其留空",
    en: "there is no such check of this agency about this subject; correct `check_id` or leave it out",
};

/// Another call of the agency is waiting at its inbox.
pub static INBOX_BUSY: ProblemType = ProblemType {
    code: "inbox_busy",
    kind: Kind::TooMany,
    zh: "本单位已有一个收件箱请求在等待新消息；请待其返回后再试，或不带 wait 读取",
    en: "another call of this agency is waiting at its inbox already; try again when that has ended, or read without `wait`",
};

/// Where a reader of an inbox is: the last message it has dealt with. Messages are in the order in which what put them out was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct InboxPosition {
    /// Its transaction.
    pub xid: i64,
    /// Its number.
    pub id: i64,
}

/// A page of an inbox.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InboxPage {
    /// Messages, in order. The same message may come again: its `id` tells.
    pub messages: Vec<InboxMessage>,
    /// Pass it as `after` once the messages are stored.
    pub next: String,
    /// Seconds for which the call waited for something new.
    pub waited: f64,
}

/// A message of a directive to its agency, pulled or pushed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DirectiveMessage {
    /// Id of the directive, reminder or update: a message that was dealt with is known by it.
    pub id: Uuid,
    /// `directive.execute`, `directive.release`, `directive.reminder` or `directive.update`.
    pub topic: String,
    /// The directive.
    pub directive: MessageDirective,
    /// Whom it is about.
    pub subject: MessageSubject,
    /// What it rests on.
    pub entry: MessageEntry,
    /// What is reminded of; of a reminder or update only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder: Option<MessageReminder>,
}

/// The directive of a message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MessageDirective {
    /// Id, for accepting, declining and feedback.
    pub id: Uuid,
    /// `execute` or `release`.
    pub kind: String,
    /// State when the message was made; `released` when it was lifted since.
    pub state: String,
    /// The directive that a release lifts.
    pub releases: Option<Uuid>,
    /// Under which memorandum.
    pub memorandum: MessageMemorandum,
    /// Which measure.
    pub measure: MessageMeasure,
    /// Whether feedback is given again in every cycle.
    pub continuing: bool,
    /// Whether its ground is in doubt or has fallen: do not act on it until it is told otherwise; no deadline runs meanwhile.
    pub suspended: bool,
    /// Last day to accept or decline.
    pub respond_by: Option<NaiveDate>,
    /// Last day for the next feedback; of a release, for lifting the measure.
    pub feedback_by: Option<NaiveDate>,
    /// When it was put out.
    pub issued_at: Option<DateTime<Utc>>,
}

/// The memorandum of a message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MessageMemorandum {
    /// Code.
    pub code: String,
    /// Name.
    pub name: Option<String>,
}

/// The measure of a message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MessageMeasure {
    /// Code.
    pub code: String,
    /// Version that was applied.
    pub version: i32,
    /// Name.
    pub name: Option<String>,
    /// What it consists of.
    pub content: Option<String>,
    /// 1, 2 or 3.
    pub class: Option<u8>,
    /// Whether it has to be carried out.
    pub mandatory: Option<bool>,
    /// `incentive` or `sanction`.
    pub direction: Option<String>,
    /// Laws and articles.
    #[serde(default)]
    pub legal_basis: Vec<String>,
}

/// The subject of a message, as far as the agency may see it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MessageSubject {
    /// Id.
    pub id: Uuid,
    /// `legal_entity`, `other_organisation` or `natural_person`.
    pub kind: Option<String>,
    /// Present name.
    pub name: Option<String>,
    /// Unified social credit code of an organisation.
    pub uscc: Option<String>,
    /// Document number of a person, covered; never the whole.
    pub document: Option<String>,
}

/// The list entry of a message, as far as the agency may see it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MessageEntry {
    /// Id.
    pub id: Uuid,
    /// Code of the list.
    pub list: Option<String>,
    /// Its name.
    pub list_name: Option<String>,
    /// `commendation`, `serious_dishonesty`, `judgment_default`, `abnormal_operation` or `watch`.
    pub kind: Option<String>,
    /// Competent authority 认定单位.
    pub authority: Option<String>,
    /// Law and article.
    pub legal_basis: Option<String>,
    /// Facts and reasons.
    pub facts: Option<String>,
    /// First day on the list.
    pub listed_on: Option<NaiveDate>,
    /// Last day on the list.
    pub expires_on: Option<NaiveDate>,
    /// Number of the legal document under it.
    pub ground_document: Option<String>,
    /// `sound`, or `questioned` while the authority reviews the ground.
    pub ground_state: Option<String>,
    /// 异议处理中: a dispute about the entry, or about the record under it, runs.
    #[serde(default)]
    pub disputed: bool,
}

/// What a reminder 催办 is about, or an update.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MessageReminder {
    /// `due_soon` or `overdue`; `updated` when the entry was restated or its ground confirmed.
    pub kind: String,
    /// The last day it is about; of an update, the day on which that happened.
    pub due_on: NaiveDate,
}

/// A directive as it is read.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DirectiveView {
    /// Id.
    pub id: Uuid,
    /// The joint action it belongs to.
    pub action_id: Uuid,
    /// `execute` or `release`.
    pub kind: String,
    /// The directive that a release lifts.
    pub releases: Option<Uuid>,
    /// Code of the memorandum.
    pub memorandum: String,
    /// Its name.
    pub memorandum_name: Option<String>,
    /// Code of the measure.
    pub measure: String,
    /// Its name.
    pub measure_name: Option<String>,
    /// Who carries it out.
    pub agency_id: Uuid,
    /// Name of that agency.
    pub agency: Option<String>,
    /// Whether feedback is given again in every cycle.
    pub continuing: bool,
    /// Whether its ground is in doubt or has fallen: do not act on it until it is told otherwise.
    pub suspended: bool,
    /// `proposed`, `issued`, `delivered`, `accepted`, `declined`, `reported`, `held`, `cancelled`, `released` or `completed`.
    pub state: String,
    /// Last day for what is asked of the agency now.
    pub due_on: Option<NaiveDate>,
    /// Last day to accept or decline.
    pub respond_by: Option<NaiveDate>,
    /// Last day for the next feedback; of a release, for lifting the measure.
    pub feedback_by: Option<NaiveDate>,
    /// Whether that day is over.
    pub overdue: bool,
    /// Working days since.
    pub overdue_working_days: u32,
    /// Rules and versions that set the days.
    pub rules: String,
    /// When it was put out for delivery.
    pub issued_at: Option<DateTime<Utc>>,
    /// When it was first handed out.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When it was accepted or declined.
    pub responded_at: Option<DateTime<Utc>>,
    /// Why it was declined.
    pub response_reason: Option<String>,
    /// First feedback.
    pub first_feedback_at: Option<DateTime<Utc>>,
    /// Latest feedback.
    pub last_feedback_at: Option<DateTime<Utc>>,
    /// When it was cancelled, released or completed.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whom it is about.
    pub subject: MessageSubject,
    /// What it rests on.
    pub entry: MessageEntry,
    /// What the agency reported, oldest first; of a single directive only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Vec<FeedbackView>>,
}

/// What an agency reported 执行反馈.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FeedbackView {
    /// Id.
    pub id: Uuid,
    /// The check at which the measure was applied.
    pub check_id: Option<Uuid>,
    /// Begin of the measure 开始时间.
    pub started_on: Option<NaiveDate>,
    /// End of the measure 结束时间.
    pub ended_on: Option<NaiveDate>,
    /// Measure carried out 执行措施.
    pub measure_text: Option<String>,
    /// What was done 执行内容.
    pub content: Option<String>,
    /// Field 所在领域.
    pub field_area: Option<String>,
    /// Kind 奖惩类型代码: `incentive` or `sanction`.
    pub kind_code: String,
    /// Effect 成效.
    pub effect: Option<String>,
    /// Status 状态 as the agency words it.
    pub status: Option<String>,
    /// Attachments.
    pub attachments: Vec<Uuid>,
    /// Name of the account or key.
    pub given_by: String,
    /// When.
    pub given_at: DateTime<Utc>,
}

/// What became of a directive that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DirectiveActed {
    /// The directive.
    pub id: Uuid,
    /// Its state now.
    pub state: String,
    /// Last day for what is asked next; absent when nothing is.
    pub due_on: Option<NaiveDate>,
    /// The feedback that was stored.
    pub feedback_id: Option<Uuid>,
}

/// Why a directive does not apply.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Declining {
    /// In words.
    #[serde(default)]
    pub reason: String,
}

/// What was done, or of a release, what was lifted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFeedback {
    /// Begin of the measure 开始时间.
    #[serde(default)]
    pub started_on: Option<NaiveDate>,
    /// End of the measure 结束时间.
    #[serde(default)]
    pub ended_on: Option<NaiveDate>,
    /// Measure carried out 执行措施; the name of the directive's measure when absent.
    #[serde(default)]
    pub measure_text: Option<String>,
    /// What was done 执行内容.
    #[serde(default)]
    pub content: String,
    /// Field 所在领域.
    #[serde(default)]
    pub field_area: String,
    /// Kind 奖惩类型代码, `incentive` or `sanction`; that of the measure when absent.
    #[serde(default)]
    pub kind_code: Option<String>,
    /// Effect 成效.
    #[serde(default)]
    pub effect: String,
    /// Status 状态 as the agency words it.
    #[serde(default)]
    pub status: String,
    /// The check at which the measure was applied, where there was one.
    #[serde(default)]
    pub check_id: Option<Uuid>,
    /// Attachments of the own agency.
    #[serde(default)]
    pub attachments: Vec<Uuid>,
}

/// No measure began or will end outside these years; a day far beyond is a slip of the pen.
const YEARS: std::ops::RangeInclusive<i32> = 1949..=9999;

/// A field that cannot be taken, and why in both languages.
fn bad(field: &str, zh: impl Into<String>, en: impl Into<String>) -> Problem {
    Problem::new(&BAD_FEEDBACK).with("field", field).with("reason_zh", zh.into()).with("reason", en.into())
}

/// A text without blanks around it, not longer than allowed and without control characters other than the end of a line.
///
/// # Errors
/// [`BAD_FEEDBACK`] with the field.
pub fn plain_text(field: &str, text: &str, chars_max: usize) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > chars_max {
        return Err(bad(field, format!("超过 {chars_max} 个字符"), format!("longer than {chars_max} characters")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\r') {
        return Err(bad(field, "含有控制字符", "holds a control character"));
    }
    Ok(text.to_owned())
}

impl NewFeedback {
    /// The feedback in its normal form: texts trimmed, attachments in order and each once. What is said the same way twice is then the same.
    ///
    /// # Errors
    /// [`BAD_FEEDBACK`] with the first field that cannot be taken.
    pub fn checked(mut self, chars_max: usize, attachments_max: usize) -> Result<Self> {
        for (field, text) in [
            ("content", &mut self.content),
            ("field_area", &mut self.field_area),
            ("effect", &mut self.effect),
            ("status", &mut self.status),
        ] {
            *text = plain_text(field, text, chars_max)?;
        }
        if self.content.is_empty() {
            return Err(bad("content", "必须填写做了什么", "it has to say what was done"));
        }
        let measure = self.measure_text.take().map(|text| plain_text("measure_text", &text, chars_max)).transpose()?;
        self.measure_text = measure.filter(|text| !text.is_empty());
        if self.kind_code.as_deref().is_some_and(|code| !["incentive", "sanction"].contains(&code)) {
            return Err(bad("kind_code", "只能是 incentive 或 sanction", "it is incentive or sanction"));
        }
        for (field, day) in [("started_on", self.started_on), ("ended_on", self.ended_on)] {
            if day.is_some_and(|day| !YEARS.contains(&day.year())) {
                return Err(bad(field, "日期的年份不合理", "the year of the date makes no sense"));
            }
        }
        if self.started_on.zip(self.ended_on).is_some_and(|(started, ended)| ended < started) {
            return Err(bad("ended_on", "结束时间早于开始时间", "it ends before it begins"));
        }
        self.attachments.sort_unstable();
        self.attachments.dedup();
        if self.attachments.len() > attachments_max {
            return Err(bad("attachments", format!("附件超过 {attachments_max} 个"), format!("more than {attachments_max} attachments")));
        }
        Ok(self)
    }

    /// The same with what was left out taken from the measure.
    ///
    /// # Errors
    /// [`BAD_FEEDBACK`] when the measure is no longer known and the feedback does not say it either.
    pub fn completed_from(mut self, measure_name: Option<&str>, direction: Option<&str>) -> Result<Self> {
        if self.measure_text.is_none() {
            self.measure_text = measure_name.map(str::to_owned);
        }
        if self.kind_code.is_none() {
            self.kind_code = direction.map(str::to_owned);
        }
        match (&self.measure_text, &self.kind_code) {
            (None, _) => Err(bad("measure_text", "必须填写执行措施", "it has to name the measure")),
            (_, None) => Err(bad("kind_code", "必须填写 incentive 或 sanction", "it has to say incentive or sanction")),
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(content: &str) -> NewFeedback {
        NewFeedback { content: content.to_owned(), ..NewFeedback::default() }
    }

    fn refused(feedback: NewFeedback) -> String {
        let problem = feedback.checked(20, 2).unwrap_err();
        assert_eq!(problem.code(), "bad_feedback");
        problem.details["field"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_feedback_is_brought_into_its_normal_form() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let feedback = NewFeedback {
            content: "  已暂停\n补贴申请 ".into(),
            measure_text: Some("  ".into()),
            attachments: vec![b, a, b],
            ..NewFeedback::default()
        };
        let checked = feedback.checked(20, 2).unwrap();
        assert_eq!((checked.content.as_str(), &checked.measure_text, &checked.attachments), ("已暂停\n补贴申请", &None, &vec![a, b]));
        let whole = checked.completed_from(Some("限制申请财政性资金项目"), Some("sanction")).unwrap();
        assert_eq!((whole.measure_text.as_deref(), whole.kind_code.as_deref()), (Some("限制申请财政性资金项目"), Some("sanction")));
    }

    #[test]
    fn what_cannot_be_taken_is_refused_by_its_field() {
        let day = |text: &str| Some(text.parse::<NaiveDate>().unwrap());
        assert_eq!(refused(said(" \n ")), "content");
        assert_eq!(refused(said(&"长".repeat(21))), "content");
        assert_eq!(refused(said("响铃\u{7}")), "content");
        assert_eq!(refused(NewFeedback { status: "\0".into(), ..said("x") }), "status");
        assert_eq!(refused(NewFeedback { kind_code: Some("3".into()), ..said("x") }), "kind_code");
        assert_eq!(refused(NewFeedback { started_on: day("2026-03-02"), ended_on: day("2026-03-01"), ..said("x") }), "ended_on");
        assert_eq!(refused(NewFeedback { started_on: day("0202-03-02"), ..said("x") }), "started_on");
        assert_eq!(refused(NewFeedback { attachments: (1..=3).map(Uuid::from_u128).collect(), ..said("x") }), "attachments");
        assert_eq!(said("x").completed_from(None, Some("sanction")).unwrap_err().details["field"], "measure_text");
        assert_eq!(said("x").completed_from(Some("m"), None).unwrap_err().details["field"], "kind_code");
    }
}
