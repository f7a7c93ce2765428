//! Words of attachments: what is said about one, and what refuses it.

use chrono::{DateTime, Utc};
use credence_core::identifiers;
use credence_core::identifiers::person::find_in_text;
use credence_core::problem::{Kind, Problem, ProblemType, Result};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Larger than allowed.
pub static ATTACHMENT_TOO_LARGE: ProblemType = ProblemType {
    code: "attachment_too_large",
    kind: Kind::TooLarge,
    zh: "附件超过大小上限 limit_bytes；请压缩图片或拆分后上传",
    en: "the attachment is larger than `limit_bytes`; shrink its pictures or split it",
};
/// Not a kind of content that is taken.
pub static ATTACHMENT_TYPE_REFUSED: ProblemType = ProblemType {
    code: "attachment_type_refused",
    kind: Kind::UnsupportedContent,
    zh: "按内容判断，该文件的类型（found）不在允许范围（allowed）内，文件名不作依据；请另存为允许的类型后上传",
    en: "by its content the file is of the kind `found`, which is not among `allowed`; its name does not count. Save it as one of these",
};
/// Nothing in it.
pub static ATTACHMENT_EMPTY: ProblemType = ProblemType {
    code: "attachment_empty",
    kind: Kind::Unprocessable,
    zh: "附件没有内容；请核对所选文件后重新上传",
    en: "the attachment is empty; check the file and upload it again",
};
/// Its name cannot be kept.
pub static ATTACHMENT_NAME_REFUSED: ProblemType = ProblemType {
    code: "attachment_name_refused",
    kind: Kind::Malformed,
    zh: "附件名称（file_name）应为 1 至 200 个字符，不含控制字符与改变书写方向的字符；请改名后上传",
    en: "`file_name` has 1 to 200 characters, none of which controls or turns the direction of the text; rename the file",
};

/// Its name tells of a natural person. Names stand in logs, lists and addresses, so they are refused like other names that cannot be kept.
pub static ATTACHMENT_NAME_PERSONAL: ProblemType = ProblemType {
    code: "attachment_name_refused",
    kind: Kind::Malformed,
    zh: "附件名称含有居民身份证号码或手机号码，未保存；请在文件名中去掉该号码后上传",
    en: "the name of the file holds a resident ID or mobile number, and nothing was kept; take the number out of the name and upload it again",
};
/// As many uploads as the process takes are under way.
pub static TOO_MANY_UPLOADS: ProblemType = ProblemType {
    code: "too_many_uploads",
    kind: Kind::TooMany,
    zh: "正在上传的附件过多；请稍后再试",
    en: "too many attachments are being uploaded; try again in a moment",
};
/// The agency, or the subject, has uploaded as much as it may on a day.
pub static ATTACHMENTS_DAY_FULL: ProblemType = ProblemType {
    code: "attachments_day_full",
    kind: Kind::TooMany,
    zh: "本单位（主体）当日上传的附件总量已达上限（上限 limit_bytes，已用 used_bytes 字节），未保存；请压缩文件，或于次日（retry_after_seconds 秒后）再上传",
    en: "with this file the agency or subject would upload more than `limit_bytes` on one day (`used_bytes` are used), so nothing was kept; make it smaller, or \
         upload it tomorrow, after `retry_after_seconds`",
};
/// The virus scanner found something.
pub static ATTACHMENT_INFECTED: ProblemType = ProblemType {
    code: "attachment_infected",
    kind: Kind::Unprocessable,
    zh: "附件被检出病毒或恶意代码，未保存；请在本机杀毒后重新制作文件再上传",
    en: "a virus was found in the attachment and nothing was kept; clean the machine it came from, make the file anew and upload that",
};
/// The virus scanner did not come to a result.
pub static ATTACHMENT_SCAN_FAILED: ProblemType = ProblemType {
    code: "attachment_scan_failed",
    kind: Kind::Unavailable,
    zh: "病毒检查未能完成，附件未保存；请稍后再上传，仍不成功的请联系平台运维人员",
    en: "the attachment could not be looked at for viruses, so nothing was kept; upload it again later, and tell the operators when that fails too",
};

/// What is said about an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AttachmentView {
    /// Id, by which it is named elsewhere.
    pub id: Uuid,
    /// Name of the file.
    pub file_name: String,
    /// Kind of content, as found in the content itself.
    pub media_type: String,
    /// Size in bytes.
    pub size_bytes: i64,
    /// SHA-256 of the content, hexadecimal.
    pub sha256: String,
    /// Name of the account or key that uploaded it.
    pub uploaded_by: String,
    /// When it was uploaded.
    pub uploaded_at: DateTime<Utc>,
}

/// Most characters of a name.
const NAME_CHARS_MAX: usize = 200;

/// Whether a character shows nothing and turns what follows: `fdp.exe` can be made to look like `exe.pdf` with them.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether digits are a mobile number.
fn is_mobile(digits: &str) -> bool {
    digits.len() == 11 && digits.starts_with('1') && digits.as_bytes().get(1).is_some_and(|b| (b'3'..=b'9').contains(b))
}

/// Whether a text holds a mobile number: in one piece, with the code of the country before it, or in the groups in which people write it.
fn holds_mobile(text: &str) -> bool {
    let runs: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).collect();
    let whole = runs.iter().any(|run| is_mobile(run) || run.strip_prefix("86").is_some_and(is_mobile));
    whole
        || runs.windows(3).any(|groups| match groups {
            [first, second, third] if (first.len(), second.len(), third.len()) == (3, 4, 4) => {
                is_mobile(&format!("{first}{second}{third}"))
            }
            _ => false,
        })
}

/// Whether a name holds a number that is somebody's, however it is written (full width, spaces or hyphens between its groups).
fn tells_of_a_person(name: &str) -> bool {
    // Only a resident ID is also looked for in what stands joined: it has a check character, while a date beside a number passes for a mobile number.
    let apart: String = name
        .chars()
        .map(|c| Some(identifiers::normalise(&c.to_string())).filter(|folded| !folded.is_empty()).unwrap_or_else(|| " ".to_owned()))
        .collect();
    !find_in_text(&apart).is_empty() || !find_in_text(&identifiers::normalise(name)).is_empty() || holds_mobile(&apart)
}

/// The name of a file without the folders it lay in on the sender's machine.
///
/// # Errors
/// When nothing is left of it, when it cannot be shown as it is, or when it tells of a person.
pub fn clean_name(given: &str) -> Result<String> {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let shown = !name.chars().any(|c| c.is_control() || turns_text(c));
    if !shown || name.chars().all(|c| c == '.') || name.chars().count() > NAME_CHARS_MAX {
        return Err(Problem::new(&ATTACHMENT_NAME_REFUSED));
    }
    if tells_of_a_person(name) {
        return Err(Problem::new(&ATTACHMENT_NAME_PERSONAL));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_folders_and_nothing_else() {
        for (given, kept) in [
            ("处理决定.pdf", "处理决定.pdf"),
            ("C:\\Users\\x\\回执.docx", "回执.docx"),
            ("../../etc/passwd", "passwd"),
            (" a b.png ", "a b.png"),
        ] {
            assert_eq!(clean_name(given).unwrap(), kept);
        }
        assert_eq!(clean_name(&"长".repeat(200)).unwrap().chars().count(), 200);
        let long = "长".repeat(201);
        for given in ["", "  ", "a/", ".", "..", "a\nb.pdf", "a\0.pdf", "x\u{202e}fdp.exe", long.as_str()] {
            assert_eq!(clean_name(given).unwrap_err().code(), "attachment_name_refused", "{given:?}");
        }
    }

    #[test]
    fn a_name_with_a_persons_number_is_refused_in_every_writing_and_other_numbers_are_not() {
        for given in [
            "11010519491231002X.pdf",
            "张某11010519491231002x处理决定.pdf",
            "110105 19491231 002X.pdf",
            "１１０１０５１９４９１２３１００２Ｘ.pdf",
            "13912345678.pdf",
            "回执（139 1234 5678）.pdf",
            "回执139-1234-5678.pdf",
            "+86 13912345678.pdf",
            "8613912345678.pdf",
            "１３９１２３４５６７８.pdf",
        ] {
            let problem = clean_name(given).unwrap_err();
            assert_eq!((problem.code(), problem.of.zh), ("attachment_name_refused", ATTACHMENT_NAME_PERSONAL.zh), "{given}");
        }
        for given in [
            "91110000710925462X.pdf",
            "110105194912310021.pdf",
            "IMG_20261123_103011.jpg",
            "15-20261123-1.pdf",
            "（2026）冀1002执1234号.pdf",
            "12912345678.pdf",
            "139123456789.pdf",
            "139-1234-567.pdf",
        ] {
            assert_eq!(clean_name(given).unwrap(), given);
        }
    }
}
