//! What refuses a case or a step of one.

use credence_catalog::disclosure::cover_numbers;
use credence_core::problem::{Kind, ProblemType, Result};
use credence_dispatch::model::cases::sound_text;

/// There is no such case for this caller. Of a look-up by number and code it tells nothing of which of the two was wrong.
pub static CASE_NOT_FOUND: ProblemType = ProblemType {
    code: "case_not_found",
    kind: Kind::NotFound,
    zh: "未找到该办件，或查询码不符，或不属于您办理；请核对办件编号与查询码",
    en: "there is no such case, or the code does not open it, or it is not yours; check the number and the code",
};
/// There is no such line for this agency.
pub static CASE_LINE_NOT_FOUND: ProblemType = ProblemType {
    code: "case_line_not_found",
    kind: Kind::NotFound,
    zh: "未找到该办理事项，或不由本单位办理；请核对编号",
    en: "there is no such line of a case that this agency decides; check the id",
};
/// A key tried to handle a case.
pub static OFFICIAL_NEEDED: ProblemType = ProblemType {
    code: "official_needed",
    kind: Kind::Forbidden,
    zh: "异议与信用修复须由工作人员登录办理，不能使用接口密钥；请使用个人账号",
    en: "disputes and repair are handled by officials who log in, never by an API key; use an account",
};
/// It is decided or withdrawn, or in another state than the step needs.
pub static CASE_NOT_OPEN: ProblemType = ProblemType {
    code: "case_not_open",
    kind: Kind::Conflict,
    zh: "该办理事项的现状态（state）不允许此操作，未作更改；请刷新后查看",
    en: "in its state (`state`) this cannot be done, and nothing was changed; load it again",
};
/// The record or entry is not the subject's, or not one that it is shown.
pub static CASE_TARGET_UNKNOWN: ProblemType = ProblemType {
    code: "case_target_unknown",
    kind: Kind::Unprocessable,
    zh: "第 line 项所指的记录或名单条目不存在、不属于该主体，或已不在名单；请在本人信用档案中核对编号",
    en: "the record or entry of line `line` does not exist, is not this subject's, or is no longer listed; check the id in the own file",
};
/// Nothing to repair.
pub static REPAIR_NOT_NEEDED: ProblemType = ProblemType {
    code: "repair_not_needed",
    kind: Kind::Unprocessable,
    zh: "第 line 项不是失信信息，或已修复、已屏蔽，无需申请修复；请核对",
    en: "line `line` is about nothing adverse, or about what is repaired or shielded already, so there is nothing to repair; check it",
};
/// Before the minimum period is over.
pub static REPAIR_TOO_EARLY: ProblemType = ProblemType {
    code: "repair_too_early",
    kind: Kind::Unprocessable,
    zh: "第 line 项的最短公示期未满，最早可于 earliest_on 申请（依据见 rules）；请届时申请",
    en: "the minimum period of line `line` is not over: apply on `earliest_on` or later, as `rules` say",
};
/// Never repaired.
pub static REPAIR_NEVER: ProblemType = ProblemType {
    code: "repair_never",
    kind: Kind::Unprocessable,
    zh: "第 line 项依规定不予信用修复（依据见 rules）；如认为信息有误，请提出异议",
    en: "line `line` cannot be repaired, as `rules` say; if it is wrong, dispute it",
};
/// After false papers or a broken promise.
pub static REPAIR_BARRED: ProblemType = ProblemType {
    code: "repair_barred",
    kind: Kind::Unprocessable,
    zh: "该主体因提供虚假材料或违背承诺，至 until（含）不得申请信用修复；请在该日之后申请",
    en: "after false papers or a broken promise this subject may not apply for repair up to and with `until`; apply after that day",
};
/// A second case about the same thing.
pub static CASE_ALREADY_OPEN: ProblemType = ProblemType {
    code: "case_already_open",
    kind: Kind::Conflict,
    zh: "第 line 项已有办理中的办件（case_no），不能重复提出；请待其办结或先撤回",
    en: "about line `line` a case is open already (`case_no`); wait until it is closed, or withdraw it first",
};
/// Too many wrong codes.
pub static CASE_LOOKUP_LOCKED: ProblemType = ProblemType {
    code: "case_lookup_locked",
    kind: Kind::TooMany,
    zh: "查询码连续错误次数过多，该办件暂停查询；请在 retry_after_seconds 秒后重试，或到窗口凭身份证明查询",
    en: "too many wrong codes: this case is not opened by a code for `retry_after_seconds` more seconds; try again then, or ask at the counter",
};
/// No lines, or more than are taken.
pub static CASE_LINES_WRONG: ProblemType = ProblemType {
    code: "case_lines_wrong",
    kind: Kind::Unprocessable,
    zh: "每件申请须有 1 至 max 项，且同一记录只能出现一次；请修改 lines",
    en: "a case has 1 to `max` lines, none about the same thing as another; change `lines`",
};
/// A line that does not fit its case.
pub static CASE_LINE_UNFIT: ProblemType = ProblemType {
    code: "case_line_unfit",
    kind: Kind::Unprocessable,
    zh: "第 line 项填写不符：record_id、entry_id、item 须且只能填一项；异议须填 ground，遗漏（omission）填 item；修复不填 ground 与 wanted；请修改",
    en: "line `line` does not fit: give exactly one of `record_id`, `entry_id` and `item`; a dispute has a `ground`, and an omission names the `item`; repair \
         has neither `ground` nor `wanted`",
};
/// A field that the item does not have.
pub static CASE_FIELD_UNKNOWN: ProblemType = ProblemType {
    code: "case_field_unknown",
    kind: Kind::Unprocessable,
    zh: "第 line 项 wanted 中的字段 field 不属于该信息类别；请按目录填写字段代码",
    en: "`field`, wanted in line `line`, is no field of the item; use the codes of the catalogue",
};
/// Whose omission it is cannot be told.
pub static CASE_AGENCY_NEEDED: ProblemType = ProblemType {
    code: "case_agency_needed",
    kind: Kind::Unprocessable,
    zh: "第 line 项遗漏的信息应由哪个单位提供不能确定；请在 agency 中填写 known 所列单位代码之一",
    en: "it cannot be told who should have provided what line `line` misses; name one of `known` in `agency`",
};
/// A kind of paper that nobody knows.
pub static CASE_PAPER_UNKNOWN: ProblemType = ProblemType {
    code: "case_paper_unknown",
    kind: Kind::Unprocessable,
    zh: "材料种类 kind 不在 known 所列范围内；请修改",
    en: "`kind` is no kind of paper; use one of `known`",
};
/// Too many papers.
pub static CASE_PAPERS_TOO_MANY: ProblemType = ProblemType {
    code: "case_papers_too_many",
    kind: Kind::Unprocessable,
    zh: "每件申请的材料不能超过 max 份；请合并后提交",
    en: "a case has at most `max` papers; put some of them together",
};
/// An attachment of somebody else.
pub static CASE_ATTACHMENT_UNKNOWN: ProblemType = ProblemType {
    code: "case_attachment_unknown",
    kind: Kind::Unprocessable,
    zh: "所列附件不存在，或不是该主体（窗口代办时为本单位）上传；请先上传再引用",
    en: "one of the attachments does not exist, or was not uploaded by this subject (at the counter: by this agency); upload it first",
};
/// An agent without authorisation.
pub static CASE_AUTHORISATION_MISSING: ProblemType = ProblemType {
    code: "case_authorisation_missing",
    kind: Kind::Unprocessable,
    zh: "代理人申请须填写授权委托书编号（authorisation）；主体本人申请不填；请修改",
    en: "an agent gives the reference of the written authorisation in `authorisation`, and the subject itself gives none; change it",
};
/// A commitment where there is none.
pub static CASE_COMMITMENT_UNFIT: ProblemType = ProblemType {
    code: "case_commitment_unfit",
    kind: Kind::Unprocessable,
    zh: "仅信用修复申请附信用承诺，且每件一份；请去掉 commitment",
    en: "only an application for repair comes with a commitment, and with one; leave `commitment` out",
};
/// Nothing is brought.
pub static CASE_NOTHING_ADDED: ProblemType = ProblemType {
    code: "case_nothing_added",
    kind: Kind::Unprocessable,
    zh: "没有可补充的材料：papers 为空，或所列材料均已提交，且尚有材料未补齐；请核对 missing",
    en: "there is nothing to add: `papers` is empty, or all of them were handed in before, and what is `missing` is not there; check it",
};
/// After the last day for missing papers.
pub static CASE_COMPLETION_OVER: ProblemType = ProblemType {
    code: "case_completion_over",
    kind: Kind::Conflict,
    zh: "补正期限（complete_by）已过，该办件不再受理补正；请重新申请",
    en: "the last day for missing papers (`complete_by`) is over; apply anew",
};
/// Not a value of a filter.
pub static CASE_FILTER_UNKNOWN: ProblemType = ProblemType {
    code: "case_filter_unknown",
    kind: Kind::Unprocessable,
    zh: "筛选参数 filter 的值只能是 known 所列之一；请修改后重试",
    en: "the filter `filter` takes one of `known`; change it and try again",
};

/// A text as it is kept: trimmed, bounded, with nothing unseen in it, and with the numbers of persons covered. Whoever reads it again sees what was kept.
///
/// # Errors
/// When it is empty, too long, or holds what cannot be seen.
pub fn kept_text(field: &str, text: &str, chars_max: usize) -> Result<String> {
    Ok(cover_numbers(&sound_text(field, text, true, chars_max)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_holds_no_number_of_a_person_and_everything_else() {
        let kept = kept_text("statement", " 经办人11010519491231002X，\r\n处罚决定〔2025〕201号为10万元 ", 100).unwrap();
        assert!(!kept.contains("11010519491231002X") && kept.contains("经办人") && kept.ends_with("〔2025〕201号为10万元"), "{kept}");
        assert_eq!(kept_text("statement", "  ", 100).unwrap_err().code(), "case_text_missing");
        assert_eq!(kept_text("statement", "一二三", 2).unwrap_err().code(), "case_text_too_long");
    }
}
