//! Typical cases 典型案例: feedback worth telling. Before anybody reads a case, what is known to identify somebody is covered in it
//! ([`cover`]); proposer and reviewer see the very text that will be published.

use chrono::{DateTime, Utc};
use credence_core::identifiers::uscc::{Uscc, UsccRules};
use credence_core::identifiers::{self, person};
use credence_core::problem::{Kind, Problem, ProblemType, Result};
use credence_names::normalise;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::ops::Range;
use utoipa::ToSchema;
use uuid::Uuid;

/// The feedback is another agency's, or there is none.
pub static CASE_FEEDBACK_NOT_FOUND: ProblemType = ProblemType {
    code: "case_feedback_not_found",
    kind: Kind::NotFound,
    zh: "未找到该反馈，或不属于本单位；请核对反馈编号",
    en: "there is no such feedback of this agency; check the id",
};
/// The feedback has a case already.
pub static CASE_EXISTS: ProblemType = ProblemType {
    code: "case_exists",
    kind: Kind::Conflict,
    zh: "该反馈已有待审或已发布的典型案例；如需改写，请先由信用办退回或撤下原案例",
    en: "there is a proposed or published case of this feedback; to word it anew, have the credit office refuse or withdraw that one first",
};
/// The entry under it was wrongly made.
pub static CASE_GROUND_CORRECTED: ProblemType = ProblemType {
    code: "case_ground_corrected",
    kind: Kind::Conflict,
    zh: "所依据的名单条目因列入错误已更正，不能作为案例；请选用其他反馈",
    en: "the list entry it rests on was made wrongly and has been corrected, so there is no case to tell; choose other feedback",
};
/// A text is empty.
pub static CASE_TEXT_MISSING: ProblemType = ProblemType {
    code: "case_text_missing",
    kind: Kind::Unprocessable,
    zh: "field 不能为空；请填写后重试",
    en: "`field` must not be empty; write it and try again",
};
/// A text is too long.
pub static CASE_TEXT_TOO_LONG: ProblemType = ProblemType {
    code: "case_text_too_long",
    kind: Kind::Unprocessable,
    zh: "field 超过 max 个字符；请精简后重试",
    en: "`field` is longer than `max` characters; shorten it and try again",
};
/// A text holds what cannot be seen.
pub static CASE_TEXT_UNSEEN: ProblemType = ProblemType {
    code: "case_text_unseen",
    kind: Kind::Unprocessable,
    zh: "field 含有控制字符或不可见字符（正文可换行，标题不可）；请删去后重试",
    en: "`field` holds control or invisible characters (a body may have line breaks, a title may not); take them out and try again",
};
/// A text still names somebody.
pub static CASE_NAMES_SOMEBODY: ProblemType = ProblemType {
    code: "case_names_somebody",
    kind: Kind::Unprocessable,
    zh: "field 中的名称写法无法自动遮盖；请改写该处后重试",
    en: "a name in `field` is written in a way that cannot be covered; word that place differently and try again",
};
/// There is no such case.
pub static CASE_NOT_FOUND: ProblemType = ProblemType {
    code: "case_not_found",
    kind: Kind::NotFound,
    zh: "未找到该典型案例；请核对案例编号",
    en: "there is no such case; check the id",
};
/// Reviewed already.
pub static CASE_NOT_PROPOSED: ProblemType = ProblemType {
    code: "case_not_proposed",
    kind: Kind::Conflict,
    zh: "该案例已审核（现状态见 state），不能再次审核；请刷新后查看",
    en: "the case was reviewed already (`state` says how); load it again",
};
/// Not published, or no more.
pub static CASE_NOT_PUBLISHED: ProblemType = ProblemType {
    code: "case_not_published",
    kind: Kind::Conflict,
    zh: "该案例未在发布（现状态见 state），无需撤下；请刷新后查看",
    en: "the case is not published (`state` says what it is), so there is nothing to withdraw; load it again",
};
/// The proposer does not review.
pub static CASE_OF_ONES_OWN: ProblemType = ProblemType {
    code: "case_of_ones_own",
    kind: Kind::Forbidden,
    zh: "案例的提出人不能审核或撤下该案例；请由另一名工作人员处理",
    en: "whoever proposed a case neither reviews nor withdraws it; have a colleague do so",
};
/// Not a state or kind of cases.
pub static CASE_FILTER_UNKNOWN: ProblemType = ProblemType {
    code: "case_filter_unknown",
    kind: Kind::Unprocessable,
    zh: "筛选参数 filter 的值只能是 known 所列之一；请修改后重试",
    en: "the filter `filter` takes one of `known`; change it and try again",
};

/// States of a case.
pub const STATES: [&str; 4] = ["proposed", "published", "refused", "withdrawn"];
/// Kinds of a case.
pub const KINDS: [&str; 2] = ["incentive", "sanction"];

/// A case as its proposer and the reviewers see it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CaseView {
    /// The case.
    pub case_id: Uuid,
    /// `proposed`, `published`, `refused` or `withdrawn`.
    pub state: String,
    /// `incentive` or `sanction`.
    pub kind: String,
    /// Title, as it is or would be published.
    pub title: String,
    /// Text, as it is or would be published.
    pub body: String,
    /// Agency whose feedback it is.
    pub agency: Option<String>,
    /// Measure that was carried out.
    pub measure: Option<String>,
    /// The feedback.
    pub feedback_id: Uuid,
    /// The directive it answers.
    pub directive_id: Uuid,
    /// Whether the list entry under it was made wrongly: then it is not shown to the public in any state.
    pub ground_corrected: bool,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: DateTime<Utc>,
    /// Who reviewed it.
    pub reviewed_by: Option<String>,
    /// When.
    pub reviewed_at: Option<DateTime<Utc>>,
    /// What was said at the review, or when it was withdrawn.
    pub review_reason: Option<String>,
    /// When it was published.
    pub published_at: Option<DateTime<Utc>>,
    /// When it was withdrawn.
    pub withdrawn_at: Option<DateTime<Utc>>,
}

/// A case as everybody sees it: nothing leads from it to the subject.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PublicCase {
    /// Title.
    pub title: String,
    /// Text.
    pub body: String,
    /// `incentive` or `sanction`.
    pub kind: String,
    /// Agency that acted.
    pub agency: Option<String>,
    /// Measure it carried out.
    pub measure: Option<String>,
    /// When it was published.
    pub published_at: DateTime<Utc>,
}

/// What a reviewer does with a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Publishes what was proposed.
    Publish,
    /// Refuses what was proposed.
    Refuse,
    /// Takes what was published off again.
    Withdraw,
}

impl Step {
    /// State it needs.
    pub fn needs(self) -> &'static str {
        match self {
            Self::Publish | Self::Refuse => "proposed",
            Self::Withdraw => "published",
        }
    }

    /// State it leads to.
    pub fn leads_to(self) -> &'static str {
        match self {
            Self::Publish => "published",
            Self::Refuse => "refused",
            Self::Withdraw => "withdrawn",
        }
    }

    /// What the change log calls it.
    pub fn action(self) -> &'static str {
        match self {
            Self::Publish => "typical_case.publish",
            Self::Refuse => "typical_case.refuse",
            Self::Withdraw => "typical_case.withdraw",
        }
    }

    /// The problem when the case is in another state.
    pub fn missed(self) -> &'static ProblemType {
        match self {
            Self::Publish | Self::Refuse => &CASE_NOT_PROPOSED,
            Self::Withdraw => &CASE_NOT_PUBLISHED,
        }
    }
}

/// Whether a character shows nothing or changes how others show: between the characters of a name it would keep the name from being found.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A text as it is kept: trimmed, with plain line breaks where it may have any.
///
/// # Errors
/// When it is empty, too long, or holds what cannot be seen.
pub fn sound_text(field: &str, text: &str, lines: bool, chars_max: usize) -> Result<String> {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::new(&CASE_TEXT_MISSING).with("field", field));
    }
    if text.chars().count() > chars_max {
        return Err(Problem::new(&CASE_TEXT_TOO_LONG).with("field", field).with("max", chars_max));
    }
    if text.chars().any(|c| is_unseen(c) && !(lines && c == '\n')) {
        return Err(Problem::new(&CASE_TEXT_UNSEEN).with("field", field));
    }
    Ok(text.to_owned())
}

/// What is known to identify the subject of a case and the persons about it. Names of one character and numbers of fewer than five are too
/// common in texts to be looked for.
#[derive(Clone, Default)]
pub struct Known {
    /// Names the organisation has or had.
    pub organisations: Vec<String>,
    /// Names of natural persons: the subject's, where it is one, and of those responsible for the organisation.
    pub persons: Vec<String>,
    /// Numbers of the organisation: its code and others.
    pub codes: Vec<String>,
    /// Numbers of documents of persons.
    pub documents: Vec<String>,
}

/// Characters of the shortest name looked for.
const NAME_CHARS_MIN: usize = 2;
/// Characters of the shortest number looked for; no document has fewer.
const NUMBER_CHARS_MIN: usize = 5;
/// Rounds with readable covers. Where a cover, or what it comes to stand beside, makes up a name again (an enterprise called 某企业), plain
/// boxes follow.
const READABLE_ROUNDS: usize = 4;
/// A cover that is part of no name.
const BOX: char = '□';

/// What an organisation is called once its name is covered, by the last characters of the name.
const KINDS_OF_ORGANISATION: &[(&[&str], &str)] = &[
    (&["公司", "企业", "集团", "厂"], "某企业"),
    (&["合作社"], "某合作社"),
    (&["医院", "卫生院", "诊所"], "某医疗机构"),
    (&["大学", "学院", "学校", "中学", "小学", "幼儿园"], "某学校"),
    (&["事务所"], "某事务所"),
    (&["协会", "商会", "学会", "联合会", "基金会"], "某社会组织"),
    (&["银行", "支行", "分行", "信用社"], "某金融机构"),
    (&["店", "行", "经营部", "超市", "馆"], "某商户"),
];

fn organisation_cover(name: &str) -> &'static str {
    // 合伙企业(有限合伙) is told by what stands before the bracket.
    let stem = if name.ends_with(')') { name.rsplit_once('(').map_or(name, |(stem, _)| stem) } else { name };
    let kind = KINDS_OF_ORGANISATION.iter().find(|(ends, _)| ends.iter().any(|end| stem.ends_with(end)));
    kind.map_or("某单位", |(_, word)| word)
}

/// A number of an organisation covered: the first four characters stay, which say who registered it and where.
fn cover_code(code: &str) -> String {
    if code.chars().count() < 9 {
        return person::mask(code);
    }
    code.chars().take(4).chain("****".chars()).collect()
}

fn cover_mobile(number: &str) -> Option<String> {
    let mobile = number.len() == 11 && number.starts_with('1') && number.as_bytes().get(1).is_some_and(|b| (b'3'..=b'9').contains(b));
    if mobile { Some(format!("{}****{}", number.get(..3)?, number.get(7..)?)) } else { None }
}

/// The cover of a run of digits and capitals that is a number of somebody by its make.
fn cover_run(run: &str) -> Option<String> {
    let digits = run.bytes().all(|b| b.is_ascii_digit());
    match run.len() {
        11 if digits => cover_mobile(run),
        13 if digits => run.strip_prefix("86").and_then(cover_mobile).map(|covered| format!("86{covered}")),
        15 if digits => person::widen(run).filter(|number| person::is_resident_id(number)).map(|_| person::mask(run)),
        18 => Uscc::parse(run, &UsccRules::default()).is_ok().then(|| cover_code(run)),
        _ => None,
    }
}

/// A text in a form in which different writings are the same, with the character that each of its bytes came from.
struct Folded {
    text: String,
    origin: Vec<usize>,
}

impl Folded {
    fn of(text: &[char], fold: impl Fn(&str) -> String) -> Self {
        let (mut folded, mut buffer) = (Self { text: String::new(), origin: Vec::new() }, [0; 4]);
        for (at, c) in text.iter().enumerate() {
            folded.text.push_str(&fold(&*c.encode_utf8(&mut buffer)));
            folded.origin.resize(folded.text.len(), at);
        }
        folded
    }

    /// The characters behind a range of bytes.
    fn behind(&self, bytes: &Range<usize>) -> Option<Range<usize>> {
        let first = self.origin.get(bytes.start)?;
        let last = self.origin.get(bytes.end.checked_sub(1)?)?;
        Some(*first..*last + 1)
    }

    /// Every place of a word.
    fn places(&self, word: &str) -> Vec<Range<usize>> {
        self.text.match_indices(word).filter_map(|(at, found)| self.behind(&(at..at + found.len()))).collect()
    }
}

/// Runs of bytes of a sort.
fn runs(text: &str, belongs: impl Fn(u8) -> bool) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.bytes().enumerate().filter(|(_, b)| belongs(*b)) {
        match found.last_mut() {
            Some(run) if run.end == at => run.end = at + 1,
            _ => found.push(at..at + 1),
        }
    }
    found
}

/// Characters to be covered, and by what.
type Hit = (Range<usize>, String);

/// Numbers that are somebody's by their make, whoever's: documents, mobile numbers, codes of organisations.
fn numbers_by_make(folded: &Folded, hits: &mut Vec<Hit>) {
    let mut cover = |bytes: Range<usize>, by: &dyn Fn(&str) -> Option<String>| {
        let covered = folded.text.get(bytes.clone()).and_then(by);
        hits.extend(folded.behind(&bytes).zip(covered));
    };
    for bytes in person::find_in_text(&folded.text) {
        cover(bytes, &|number: &str| Some(person::mask(number)));
    }
    for bytes in runs(&folded.text, |b| b.is_ascii_digit()) {
        cover(bytes, &cover_run);
    }
    for bytes in runs(&folded.text, |b| b.is_ascii_digit() || b.is_ascii_uppercase()) {
        cover(bytes, &cover_run);
    }
}

fn words(given: &[String], fold: impl Fn(&str) -> String, chars_min: usize) -> impl Iterator<Item = String> {
    let folded = given.iter().map(move |word| fold(word.as_str()));
    folded.filter(move |word| word.chars().count() >= chars_min && word.chars().any(char::is_alphanumeric))
}

fn hits(text: &[char], known: &Known) -> Vec<Hit> {
    let mut hits = Vec::new();
    let names = Folded::of(text, normalise);
    for name in words(&known.organisations, normalise, NAME_CHARS_MIN) {
        let cover = organisation_cover(&name);
        hits.extend(names.places(&name).into_iter().map(|place| (place, cover.to_owned())));
    }
    for name in words(&known.persons, normalise, NAME_CHARS_MIN) {
        let cover: String = name.chars().take(1).chain(['某']).collect();
        hits.extend(names.places(&name).into_iter().map(|place| (place, cover.clone())));
    }
    // Numbers once as they stand apart, once with the spaces and hyphens between their groups left out.
    let apart = Folded::of(text, |c| Some(identifiers::normalise(c)).filter(|folded| !folded.is_empty()).unwrap_or_else(|| " ".to_owned()));
    let joined = Folded::of(text, identifiers::normalise);
    for code in words(&known.codes, identifiers::normalise, NUMBER_CHARS_MIN) {
        hits.extend(joined.places(&code).into_iter().map(|place| (place, cover_code(&code))));
        // Characters 9 to 17 of a code are the older organisation code, and identify alike.
        if let Some(inner) = code.get(8..17).filter(|_| code.len() == 18) {
            hits.extend(joined.places(inner).into_iter().map(|place| (place, cover_code(inner))));
        }
    }
    for number in words(&known.documents, identifiers::normalise, NUMBER_CHARS_MIN) {
        hits.extend(joined.places(&number).into_iter().map(|place| (place, person::mask(&number))));
    }
    numbers_by_make(&apart, &mut hits);
    if hits.is_empty() {
        numbers_by_make(&joined, &mut hits);
    }
    hits
}

/// The text with everything covered that is known to identify somebody, however it is written (full width, other brackets, spaces between):
/// organisations become 某企业 and the like, persons their first character and 某, numbers keep a few characters. Documents, mobile numbers
/// and codes of organisations are covered whoever's they are. A text without any of it stays as it is, and so does a covered one. What only
/// people recognise (a short form of a name, an address, a unique event) is for the proposer and the reviewer to see.
pub fn cover(text: &str, known: &Known) -> String {
    let mut covered: Vec<char> = text.chars().collect();
    let mut round = 0;
    loop {
        let mut found = hits(&covered, known);
        if found.is_empty() {
            return covered.into_iter().collect();
        }
        // At one place the longest first; what overlaps it waits for the next round.
        found.sort_by_key(|(place, _)| (place.start, Reverse(place.end)));
        let (mut next, mut at) = (Vec::<char>::with_capacity(covered.len()), 0);
        for (place, cover) in found {
            if place.start < at {
                continue;
            }
            next.extend(covered.get(at..place.start).unwrap_or_default());
            if round < READABLE_ROUNDS {
                next.extend(cover.chars());
            } else {
                // A box takes the place of at least one character that is none, so this comes to an end.
                next.push(BOX);
            }
            at = place.end;
        }
        next.extend(covered.get(at..).unwrap_or_default());
        covered = next;
        round += 1;
    }
}

/// Whether a name is still found once the text is looked at as a whole. [`cover`] looks at characters one by one; a letter whose accent is a
/// character of its own escapes it.
pub fn names_somebody(text: &str, known: &Known) -> bool {
    let whole = normalise(text);
    let given = [&known.organisations, &known.persons];
    given.into_iter().any(|names| words(names, normalise, NAME_CHARS_MIN).any(|name| whole.contains(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known() -> Known {
        let texts = |list: &[&str]| list.iter().map(|t| (*t).to_owned()).collect();
        Known {
            organisations: texts(&["廊坊市宏达建材（集团）有限公司", "廊坊宏达建材厂"]),
            persons: texts(&["王伟", "阿卜杜拉·买买提"]),
            codes: texts(&["91110000710925462X", "131000000012345"]),
            documents: texts(&["E12345678"]),
        }
    }

    fn covered(text: &str) -> String {
        cover(text, &known())
    }

    #[test]
    fn names_are_covered_however_they_are_written() {
        for (text, expected) in [
            ("廊坊市宏达建材(集团)有限公司受罚", "某企业受罚"),
            ("廊坊市 宏达建材〔集团〕\n有限公司受罚", "某企业受罚"),
            ("原名廊坊宏达建材厂。", "原名某企业。"),
            ("负责人王 伟、王　伟与王伟", "负责人王某、王某与王某"),
            ("阿卜杜拉•买买提到场", "阿某到场"),
            ("王某伟不在其列", "王某伟不在其列"),
        ] {
            assert_eq!(covered(text), expected);
        }
    }

    #[test]
    fn numbers_are_covered_whoevers_they_are() {
        for (text, expected) in [
            ("代码91110000710925462X。", "代码9111****。"),
            ("代码９１１１００００７１０９２５４６２ｘ", "代码9111****"),
            ("组织机构代码71092546-2", "组织机构代码7109****"),
            ("注册号131000000012345号", "注册号1310****号"),
            ("护照E12345678", "护照*******78"),
            ("身份证11010519491231002x，电话13812345678", "身份证110105********002X，电话138****5678"),
            ("身份证110105 19491231 002X", "身份证110105********002X"),
            ("旧证110105491231002", "旧证110105*****1002"),
            ("电话138-1234-5678或+8613912345678", "电话138****5678或+86139****5678"),
            ("电话13812345678 13912345678", "电话138****5678 139****5678"),
            ("罚款138123元，2026年11月24日，案号〔2026〕冀10执1381号", "罚款138123元，2026年11月24日，案号〔2026〕冀10执1381号"),
        ] {
            assert_eq!(covered(text), expected);
        }
    }

    #[test]
    fn organisations_are_told_by_the_end_of_their_names() {
        for (name, word) in [
            ("廊坊甲乙投资合伙企业(有限合伙)", "某企业"),
            ("腾讯科技(深圳)有限公司", "某企业"),
            ("某县第一小学", "某学校"),
            ("永清县种植专业合作社", "某合作社"),
            ("张三烟酒商行", "某商户"),
            ("市档案局", "某单位"),
        ] {
            assert_eq!(organisation_cover(name), word, "{name}");
        }
    }

    #[test]
    fn a_name_that_its_cover_makes_up_again_is_boxed() {
        let known = Known { organisations: vec!["某企业".to_owned()], persons: vec!["某某".to_owned()], ..Known::default() };
        assert_eq!(cover("某企业与某某", &known), "□与□");
        // Two characters of the cover and one beside it.
        let known = Known { organisations: vec!["甲公司".to_owned(), "企业乙".to_owned()], ..Known::default() };
        let covered = cover("甲公司乙", &known);
        assert!(!covered.contains("企业乙") && !covered.contains("甲公司"), "{covered}");
    }

    #[test]
    fn an_accent_of_its_own_is_noticed() {
        let known = Known { persons: vec!["Ren\u{e9}".to_owned()], ..Known::default() };
        let text = cover("Rene\u{301}", &known);
        assert!(names_somebody(&text, &known), "{text}");
        assert!(!names_somebody(&cover("Ren\u{e9}", &known), &known));
    }

    #[test]
    fn texts_are_trimmed_bounded_and_plain() {
        assert_eq!(sound_text("body", " 一\r\n二 ", true, 10).unwrap(), "一\n二");
        for (text, lines, code) in [
            (" \n ", true, "case_text_missing"),
            ("一二三四五六七八九十一", true, "case_text_too_long"),
            ("一\n二", false, "case_text_unseen"),
            ("一\t二", true, "case_text_unseen"),
            ("王\u{200b}伟", true, "case_text_unseen"),
            ("王\u{2060}伟", true, "case_text_unseen"),
            ("一\0", true, "case_text_unseen"),
        ] {
            assert_eq!(sound_text("body", text, lines, 10).unwrap_err().code(), code, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_known_survives_and_covering_twice_is_covering_once(
            organisation in "[廊坊宏达某企业单位公司商户A（]{2,6}",
            person in "[王伟某企业单位·]{2,4}",
            code in "[0-9A-H]{5,18}",
            document in "[0-9X]{5,18}",
            gaps in proptest::collection::vec("[廊坊宏达王伟某企业单位公司AB0-9 （）*□。，\n]{0,8}", 5),
        ) {
            let known = Known {
                organisations: vec![organisation.clone()],
                persons: vec![person.clone()],
                codes: vec![code.clone()],
                documents: vec![document.clone()],
            };
            let [a, b, c, d, e] = <[String; 5]>::try_from(gaps).unwrap();
            let text = format!("{a}{organisation}{b}{person}{c}{code}{d}{document}{e}");
            let covered = cover(&text, &known);
            prop_assert!(!names_somebody(&covered, &known), "{covered}");
            let numbers = identifiers::normalise(&covered);
            prop_assert!(!numbers.contains(&code) && !numbers.contains(&document), "{covered}");
            prop_assert_eq!(cover(&covered, &known), covered);
        }

        #[test]
        fn a_text_that_names_nobody_stays(text in "[一二三甲乙丙某局依法。，（）0-9\n]{0,9}[元年月日号某局，]{0,40}") {
            prop_assert_eq!(covered(&text), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let once = covered(&text);
            prop_assert_eq!(covered(&once), once);
        }
    }
}
