//! The procedure of a list entry as pure rules, and what can go wrong in it. The database holds the same rules (`list_entries_guard` and the CHECK
//! constraints of `list_entries`), so that no way around this code leads around them.

use chrono::{DateTime, Months, NaiveDate, Utc};
use credence_core::problem::{Kind, ProblemType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// No such list.
pub static LIST_UNKNOWN: ProblemType = ProblemType {
    code: "list_unknown",
    kind: Kind::NotFound,
    zh: "没有该名单，或该名单当前不在有效期内；可用名单见 GET /v1/lists",
    en: "there is no such list, or it is not in force today; GET /v1/lists tells those that are",
};
/// No such entry.
pub static ENTRY_NOT_FOUND: ProblemType = ProblemType {
    code: "entry_not_found",
    kind: Kind::NotFound,
    zh: "没有该名单条目；请核对编号",
    en: "there is no such list entry; check the id",
};
/// A mirrored list is not kept here.
pub static LIST_IS_MIRRORED: ProblemType = ProblemType {
    code: "list_is_mirrored",
    kind: Kind::Conflict,
    zh: "该名单为镜像名单，由来源单位维护，本平台不列入、不移出；请向来源单位报送",
    en: "this list mirrors its source, which alone lists and removes; report to the source",
};
/// Another authority's business.
pub static NOT_COMPETENT: ProblemType = ProblemType {
    code: "not_competent",
    kind: Kind::Forbidden,
    zh: "本单位不是该名单的认定单位，不能办理；请由 authority_kinds 所列单位办理",
    en: "this agency is not the competent authority of the list; an agency of the kinds in `authority_kinds` has to act",
};
/// A person has to act, not a program.
pub static OFFICIAL_NEEDED: ProblemType = ProblemType {
    code: "official_needed",
    kind: Kind::Forbidden,
    zh: "名单程序须由认定单位工作人员登录办理，不能使用接口密钥；请使用个人账号",
    en: "the procedure of a list is run by officials who log in, never by an API key; use an account",
};
/// The list does not take such subjects.
pub static SUBJECT_KIND_REFUSED: ProblemType = ProblemType {
    code: "subject_kind_refused",
    kind: Kind::Unprocessable,
    zh: "该名单不适用于此类主体；请核对名单的 subject_kinds",
    en: "the list is not about subjects of this kind; see its `subject_kinds`",
};
/// A text is missing or unusable.
pub static BAD_TEXT: ProblemType = ProblemType {
    code: "bad_text",
    kind: Kind::Unprocessable,
    zh: "字段 field 不能为空、不能超过 max 个字符，也不能含控制字符；请修改",
    en: "`field` may not be empty, longer than `max` characters, or hold control characters; change it",
};
/// A text with the number of a person's document.
pub static NUMBER_IN_TEXT: ProblemType = ProblemType {
    code: "personal_number_in_text",
    kind: Kind::Unprocessable,
    zh: "字段 field 含有自然人证件号码，名单文书公开且长期保存，不得写入；请删去号码",
    en: "`field` holds the number of a person's document, which may not stand in what lists show and keep; take the number out",
};
/// A measure that the list does not bring.
pub static MEASURE_UNKNOWN: ProblemType = ProblemType {
    code: "measure_unknown",
    kind: Kind::Unprocessable,
    zh: "措施 measure 不在该名单所适用的、现行有效的备忘录之中，未公布的措施不得采取；可选措施见 measures",
    en: "`measure` is in no memorandum in force for this list, and what was not published may not be applied; `measures` are those that are",
};
/// A dishonesty listing has to say what it brings.
pub static MEASURES_MISSING: ProblemType = ProblemType {
    code: "measures_missing",
    kind: Kind::Unprocessable,
    zh: "列入该名单须写明将采取的措施；请从 measures 中选择填写",
    en: "an entry on this list has to name the measures it brings; choose from `measures`",
};
/// No document under it.
pub static GROUND_MISSING: ProblemType = ProblemType {
    code: "ground_missing",
    kind: Kind::Unprocessable,
    zh: "须以在库的生效法律文书为认定依据，且其目录条目在 items 之列；请填写 ground_record_id",
    en: "the entry has to rest on an effective legal document of record, of one of `items`; give `ground_record_id`",
};
/// The document is not in effect.
pub static GROUND_NOT_IN_EFFECT: ProblemType = ProblemType {
    code: "ground_not_in_effect",
    kind: Kind::Conflict,
    zh: "认定依据已被更正、撤回或尚未生效，不能据此办理；请核对文书，或先确认依据仍然成立",
    en: "the document under the entry was corrected, withdrawn or is not in effect; check it, or confirm first that the ground stands",
};
/// There is an entry already.
pub static ENTRY_EXISTS: ProblemType = ProblemType {
    code: "entry_exists",
    kind: Kind::Conflict,
    zh: "该主体在此名单上已有未结的条目；请在原条目上办理",
    en: "the subject has an open entry on this list already; go on with that one",
};
/// The step does not follow the state.
pub static ENTRY_WRONG_STATE: ProblemType = ProblemType {
    code: "entry_wrong_state",
    kind: Kind::Conflict,
    zh: "条目现处 state 状态，不能办理此步骤，未作更改；请刷新后再看",
    en: "the entry is in state `state`, which this step does not follow; nothing was changed. Look at it again",
};
/// The entry has ended.
pub static ENTRY_ENDED: ProblemType = ProblemType {
    code: "entry_ended",
    kind: Kind::Conflict,
    zh: "条目已退出、期满或终止，不能再办理，未作更改；如有新的依据请另行提出",
    en: "the entry has ended or expired and nothing more can be done about it; propose a new one if there is a new ground",
};
/// Dates against their order.
pub static BAD_DAY: ProblemType = ProblemType {
    code: "bad_day",
    kind: Kind::Unprocessable,
    zh: "日期不合顺序：field 应在 earliest 与 latest 之间；请核对",
    en: "`field` has to lie between `earliest` and `latest`; check the date",
};
/// Decided before the notice.
pub static BEFORE_NOTICE: ProblemType = ProblemType {
    code: "before_notice",
    kind: Kind::Conflict,
    zh: "该日期早于告知书送达之日（served_on），程序不成立；请核对日期",
    en: "the day lies before the notice was served (`served_on`), which the procedure does not allow; check the date",
};
/// Decided before the answer.
pub static BEFORE_ANSWER: ProblemType = ProblemType {
    code: "before_answer",
    kind: Kind::Conflict,
    zh: "决定日期早于陈述申辩的答复之日，程序不成立；请核对日期",
    en: "the decision would come before the answer to the objection, which the procedure does not allow; check the date",
};
/// The window is still open.
pub static WINDOW_OPEN: ProblemType = ProblemType {
    code: "objection_window_open",
    kind: Kind::Conflict,
    zh: "陈述申辩期（公示期）至 objection_until 届满，期满或异议答复后方可决定；请届时再办",
    en: "the window for objections runs until `objection_until`; decide after it has run out or the objection was answered",
};
/// The window is over.
pub static WINDOW_CLOSED: ProblemType = ProblemType {
    code: "objection_window_closed",
    kind: Kind::Conflict,
    zh: "陈述申辩期（公示期）已于 objection_until 届满；如仍有异议，请依法申请异议处理、行政复议或提起行政诉讼",
    en: "the window for objections ended on `objection_until`; a dispute, an administrative review or a court is the way now",
};
/// The objection waits for its answer.
pub static OBJECTION_UNANSWERED: ProblemType = ProblemType {
    code: "objection_unanswered",
    kind: Kind::Conflict,
    zh: "主体的陈述申辩尚未答复，不能决定；请先核实并答复",
    en: "the subject's objection has not been answered; check and answer it first",
};
/// The proposer decides.
pub static SAME_OFFICIAL: ProblemType = ProblemType {
    code: "same_official",
    kind: Kind::Conflict,
    zh: "提出人不得自行决定；请由本单位另一名审批人决定",
    en: "whoever proposed an entry does not decide on it; another official of the authority has to",
};
/// Decided already.
pub static ALREADY_DECIDED: ProblemType = ProblemType {
    code: "already_decided",
    kind: Kind::Conflict,
    zh: "该条目已作出决定，不再重复决定，未作更改；请查看现有决定",
    en: "the entry was decided already and is not decided twice; look at the decision",
};
/// A red entry is in the way of itself.
pub static RED_BLOCKED: ProblemType = ProblemType {
    code: "red_blocked",
    kind: Kind::Conflict,
    zh: "该主体有在期的失信记录或在列的失信名单（见 blocked_by），不得列入守信激励名单",
    en: "the subject has an active adverse record or stands on a list of dishonesty (see `blocked_by`), and is not commended",
};
/// Not a cause for this way out.
pub static BAD_EXIT: ProblemType = ProblemType {
    code: "bad_exit",
    kind: Kind::Unprocessable,
    zh: "退出原因须为 repair、revocation 或 correction；期满与随源移出由系统按日历和来源记录",
    en: "the cause has to be repair, revocation or correction; expiry and leaving the source are recorded as they happen",
};
/// Nothing to confirm.
pub static GROUND_IS_SOUND: ProblemType = ProblemType {
    code: "ground_is_sound",
    kind: Kind::Conflict,
    zh: "该条目的认定依据未处于复核之中；无需确认",
    en: "the ground of this entry is not being reviewed; there is nothing to confirm",
};

/// State of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// 拟列入: proposed, the subject was not told yet.
    Draft,
    /// 已告知: the notice was served (a commendation: announced), the window runs.
    Noticed,
    /// 异议审查: the subject objected.
    ObjectionReview,
    /// 已决定: decided, not yet on the list.
    Decided,
    /// 在列.
    Listed,
    /// 已退出.
    Exited,
    /// 终止: given up before it was listed.
    Dropped,
}

impl EntryState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Draft, Self::Noticed, Self::ObjectionReview, Self::Decided, Self::Listed, Self::Exited, Self::Dropped];

    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Noticed => "noticed",
            Self::ObjectionReview => "objection_review",
            Self::Decided => "decided",
            Self::Listed => "listed",
            Self::Exited => "exited",
            Self::Dropped => "dropped",
        }
    }

    /// The reverse of [`Self::code`].
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }
}

/// A step of the procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// 告知 / 公示.
    Notice,
    /// 陈述申辩.
    Object,
    /// 陈述申辩 by the subject itself, after the authority had entered one for it; see [`objecting`].
    ObjectAgain,
    /// 答复. An objection that is found right ends the entry.
    Answer {
        /// Found right.
        upheld: bool,
    },
    /// 决定.
    Decide,
    /// 列入.
    List,
    /// 移出.
    Exit,
    /// 终止.
    Drop,
}

/// The state after a step; `None` when the step does not follow the state.
pub fn after(state: EntryState, step: Step) -> Option<EntryState> {
    use EntryState::{Decided, Draft, Dropped, Exited, Listed, Noticed, ObjectionReview};
    Some(match (state, step) {
        (Draft, Step::Notice) => Noticed,
        (Noticed, Step::Object) => ObjectionReview,
        (ObjectionReview, Step::ObjectAgain) => ObjectionReview,
        (ObjectionReview, Step::Answer { upheld: true }) => Dropped,
        (ObjectionReview, Step::Answer { upheld: false }) => ObjectionReview,
        (Noticed | ObjectionReview, Step::Decide) => Decided,
        (Decided, Step::List) => Listed,
        (Listed, Step::Exit) => Exited,
        (Draft | Noticed | ObjectionReview | Decided, Step::Drop) => Dropped,
        _ => return None,
    })
}

/// Which step an objection is. What the authority entered for the subject does not take from it to speak for itself, once, whatever was answered
/// meanwhile; `recorded` says of the objection there is whether the subject entered it.
pub fn objecting(by_subject: bool, recorded: Option<bool>) -> Step {
    if by_subject && recorded == Some(false) { Step::ObjectAgain } else { Step::Object }
}

/// The text of an objection to which the subject adds its own: what was stated for it, what was answered to that, and its own words. The database
/// takes no other (`list_entries_guard`), so that neither is lost.
pub fn stated_again(stated: &str, answered: Option<&str>, own: &str) -> String {
    let answered = answered.map(|answer| format!("\n\n（此前答复：{answer}）")).unwrap_or_default();
    format!("{stated}{answered}\n\n{own}")
}

/// What deciding depends on.
#[derive(Debug, Clone, Copy)]
pub struct ToDecide {
    /// Who proposed.
    pub proposed_by: Option<Uuid>,
    /// Who decides.
    pub decided_by: Uuid,
    /// Day of the decision.
    pub decided_on: NaiveDate,
    /// Day the notice was served.
    pub served_on: NaiveDate,
    /// Last day of the window.
    pub objection_until: NaiveDate,
    /// Whether there is an objection.
    pub objected: bool,
    /// Whether the subject entered it itself: only then does its answer shorten the window.
    pub by_subject: bool,
    /// Day on which it was answered.
    pub answered_on: Option<NaiveDate>,
    /// Today.
    pub today: NaiveDate,
}

/// Whether a decision may be entered; the problem otherwise.
pub fn may_decide(facts: ToDecide) -> Result<(), &'static ProblemType> {
    if facts.proposed_by == Some(facts.decided_by) {
        return Err(&SAME_OFFICIAL);
    }
    if facts.decided_on < facts.served_on {
        return Err(&BEFORE_NOTICE);
    }
    if facts.decided_on > facts.today {
        return Err(&BAD_DAY);
    }
    match (facts.objected, facts.answered_on) {
        (true, None) => Err(&OBJECTION_UNANSWERED),
        (true, Some(day)) if facts.decided_on < day => Err(&BEFORE_ANSWER),
        (true, Some(_)) if facts.by_subject => Ok(()),
        _ if facts.decided_on > facts.objection_until => Ok(()),
        _ => Err(&WINDOW_OPEN),
    }
}

/// The last day of an entry that is listed on a day for so many months: by the calendar, clamped to the month's end; it ends at the end of that day.
pub fn last_day(listed_on: NaiveDate, months: u32) -> Option<NaiveDate> {
    listed_on.checked_add_months(Months::new(months))
}

/// A responsible person 责任人, noted with the organisation (上海条例 art. 33, 浙江条例 art. 27, 河南条例 art. 35).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Responsible {
    /// Name.
    pub name: String,
    /// In which capacity.
    pub capacity: Capacity,
}

/// In which capacity a person answers for an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// 法定代表人.
    LegalRepresentative,
    /// 主要负责人.
    Principal,
    /// 实际控制人.
    Controller,
}

/// A responsible person as proposed; the number of a document is sealed at once and never shown.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewResponsible {
    /// Name.
    pub name: String,
    /// In which capacity.
    pub capacity: Capacity,
    /// Kind of document, e.g. 身份证.
    pub document_kind: Option<String>,
    /// Its number.
    pub document_number: Option<String>,
}

/// An entry as an official proposes it 拟列入.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEntry {
    /// Code of the list.
    pub list: String,
    /// The organisation, by its unified social credit code.
    pub uscc: Option<String>,
    /// Or any subject by its id.
    pub subject_id: Option<Uuid>,
    /// Facts and reasons, as the subject is told.
    pub facts: String,
    /// Law and article.
    pub legal_basis: String,
    /// Codes of the measures it will bring.
    #[serde(default)]
    pub measures: Vec<String>,
    /// The record that is the legal document under it.
    pub ground_record_id: Option<Uuid>,
    /// Responsible persons.
    #[serde(default)]
    pub responsible: Vec<NewResponsible>,
}

/// How a notice was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeMethod {
    /// 直接送达.
    Direct,
    /// 留置送达.
    Left,
    /// 委托送达.
    Entrusted,
    /// 邮寄送达.
    Post,
    /// 电子送达.
    Electronic,
    /// 公告送达.
    Public,
    /// 公示, of a commendation.
    Announcement,
}

impl NoticeMethod {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Left => "left",
            Self::Entrusted => "entrusted",
            Self::Post => "post",
            Self::Electronic => "electronic",
            Self::Public => "public",
            Self::Announcement => "announcement",
        }
    }
}

/// The notice 告知书 that was served, or the announcement 公示 of a commendation.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNotice {
    /// Its number.
    pub notice_no: String,
    /// Day it was served; a commendation is announced on the day it is entered.
    pub served_on: NaiveDate,
    /// How.
    pub method: NoticeMethod,
    /// Reference of the proof of service 送达回证.
    pub proof: String,
}

/// What the subject states 陈述申辩.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewObjection {
    /// In its words.
    pub text: String,
    /// Day it came, when it is entered for the subject; today when the subject enters it itself.
    pub received_on: Option<NaiveDate>,
}

/// What the authority answers.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAnswer {
    /// Whether the objection was found right; the entry then ends.
    pub upheld: bool,
    /// In words.
    pub answer: String,
}

/// The decision 列入决定.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDecision {
    /// Number of the decision.
    pub decision_no: String,
    /// Its day.
    pub decided_on: NaiveDate,
}

/// A reason in words.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// In words.
    pub reason: String,
}

/// Leaving a list by decision of the authority.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExit {
    /// `repair` 修复, `revocation` 撤销, `correction` 更正 (the entry was wrong).
    pub cause: String,
    /// Why.
    pub reason: String,
}

/// One step as it was taken.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// `propose`, `notice`, `object`, `answer`, `decide`, `list`, `mirror`, `question`, `confirm_ground`, `exit`, `drop`.
    pub step: String,
    /// State before.
    pub from_state: Option<String>,
    /// State after.
    pub to_state: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: name of the account or job.
    pub by: String,
    /// Particulars.
    pub detail: serde_json::Value,
}

/// The procedure of an entry, for those who answer for it and for its subject.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the names are those of the requests that brought them")]
pub struct ProcedureView {
    pub proposed_at: DateTime<Utc>,
    pub notice_no: Option<String>,
    pub served_on: Option<NaiveDate>,
    pub notice_method: Option<String>,
    pub notice_proof: Option<String>,
    pub notice_rule: Option<String>,
    pub objection_until: Option<NaiveDate>,
    pub objection_received_on: Option<NaiveDate>,
    pub objection: Option<String>,
    pub objection_by_subject: Option<bool>,
    pub objection_answer: Option<String>,
    pub objection_upheld: Option<bool>,
    pub ground_record_id: Option<Uuid>,
    pub steps: Vec<StepView>,
}

/// An entry as a viewer may see it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    /// Id.
    pub id: Uuid,
    /// Whom it is about.
    pub subject_id: Uuid,
    /// Name, masked where the viewer may not see it.
    pub subject_name: Option<String>,
    /// Unified social credit code of an organisation.
    pub uscc: Option<String>,
    /// Code of the list.
    pub list: String,
    /// Name of the list.
    pub list_name: String,
    /// `commendation`, `serious_dishonesty`, `judgment_default`, `abnormal_operation` or `watch`.
    pub kind: String,
    /// `native` or `mirror`.
    pub keeping: String,
    /// State; `exited` also when its last day is over.
    pub state: String,
    /// Competent authority.
    pub authority: String,
    /// Facts and reasons.
    pub facts: Option<String>,
    /// Law and article.
    pub legal_basis: String,
    /// Number of the legal document under it.
    pub ground_document: Option<String>,
    /// Whether the ground is being reviewed by the authority.
    pub under_review: bool,
    /// Last day for the authority to decide about it.
    pub ground_review_by: Option<NaiveDate>,
    /// 异议处理中: a dispute about the entry, or about the record under it, runs.
    #[serde(default)]
    pub disputed: bool,
    /// Codes of the measures it brings.
    pub measures: Vec<String>,
    /// How it can be left.
    pub exit_conditions: String,
    /// Responsible persons.
    pub responsible: Vec<Responsible>,
    /// Number of the decision.
    pub decision_no: Option<String>,
    /// Day of the decision.
    pub decided_on: Option<NaiveDate>,
    /// First day on the list.
    pub listed_on: Option<NaiveDate>,
    /// Last day on the list; absent when it has no fixed end.
    pub expires_on: Option<NaiveDate>,
    /// Rule and version that set the last day.
    pub period_rule: Option<String>,
    /// `expiry`, `repair`, `revocation`, `correction`, `negative_record` or `source`.
    pub exit_cause: Option<String>,
    /// Why it left.
    pub exit_reason: Option<String>,
    /// Day it left.
    pub exited_on: Option<NaiveDate>,
    /// Steps and evidence, for those entitled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub procedure: Option<ProcedureView>,
    /// What became of its directives and releases, for those entitled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub progress: Option<serde_json::Value>,
}

/// A public notice.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NoticeView {
    /// Id.
    pub id: Uuid,
    /// The entry.
    pub entry_id: Uuid,
    /// `announcement`, `listing`, `exit` or `correction`.
    pub kind: String,
    /// Name as published.
    pub subject_name: String,
    /// What was published, in Chinese.
    pub body: String,
    /// When.
    pub published_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(n: i64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + chrono::Duration::days(n)
    }

    #[test]
    fn no_step_leads_out_of_an_end_or_around_notice_and_decision() {
        use EntryState::*;
        let steps = [
            Step::Notice,
            Step::Object,
            Step::ObjectAgain,
            Step::Answer { upheld: true },
            Step::Answer { upheld: false },
            Step::Decide,
            Step::List,
            Step::Exit,
            Step::Drop,
        ];
        for step in steps {
            assert_eq!(after(Exited, step), None);
            assert_eq!(after(Dropped, step), None);
        }
        // Every way from a draft to the list goes through a notice and a decision: without either it is never reached.
        for missing in [Step::Notice, Step::Decide] {
            let mut reached = vec![Draft];
            let mut at = 0;
            while at < reached.len() {
                for step in steps.into_iter().filter(|s| *s != missing) {
                    if let Some(next) = after(reached[at], step).filter(|next| !reached.contains(next)) {
                        reached.push(next);
                    }
                }
                at += 1;
            }
            assert!(!reached.contains(&Listed), "listed without {missing:?}");
        }
    }

    #[test]
    fn the_subject_speaks_for_itself_once_after_the_authority_spoke_for_it() {
        use EntryState::*;
        for state in EntryState::ALL {
            for recorded in [None, Some(true), Some(false)] {
                // Nobody but the subject adds anything, and nothing is added to its own.
                assert_eq!(after(state, objecting(false, recorded)).is_some(), state == Noticed);
                let own = after(state, objecting(true, recorded)).is_some();
                let allowed = if recorded == Some(false) { state == ObjectionReview } else { state == Noticed };
                assert_eq!(own, allowed, "{state:?} {recorded:?}");
            }
        }
        assert_eq!(stated_again("甲", None, "乙"), "甲\n\n乙");
        assert_eq!(stated_again("甲", Some("丙"), "乙"), "甲\n\n（此前答复：丙）\n\n乙");
    }

    #[test]
    fn a_period_ends_by_the_calendar() {
        assert_eq!(last_day("2026-08-31".parse().unwrap(), 3), Some("2026-11-30".parse().unwrap()));
        assert_eq!(last_day("2024-02-29".parse().unwrap(), 12), Some("2025-02-28".parse().unwrap()));
        assert_eq!(last_day(NaiveDate::MAX, 1), None);
    }

    proptest! {
        /// Whatever the facts, a decision that passes is another official's, not before the notice, not in the future, and either the window had run
        /// out or the objection was answered; and what passes none of the refusals is not refused.
        #[test]
        fn a_decision_passes_exactly_when_the_procedure_was_kept(
            same in any::<bool>(), served in 0i64..10, window in 0i64..10, decided in 0i64..30, today in 0i64..30, objected in any::<bool>(),
            by_subject in any::<bool>(), answered in proptest::option::of(0i64..30)
        ) {
            let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
            let facts = ToDecide {
                proposed_by: Some(a), decided_by: if same { a } else { b }, decided_on: day(decided), served_on: day(served),
                objection_until: day(served + window), objected, by_subject, answered_on: answered.filter(|_| objected).map(day), today: day(today),
            };
            let over = decided > served + window;
            let heard = if objected { answered.is_some_and(|day| decided >= day && (by_subject || over)) } else { over };
            let kept = !same && decided >= served && decided <= today && heard;
            prop_assert_eq!(may_decide(facts).is_ok(), kept);
        }
    }
}
