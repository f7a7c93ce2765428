//! Words of attachments: what is said about one, and what refuses it.

use chrono::{DateTime, Utc};
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

/// The name of a file without the folders it lay in on the sender's machine.
///
/// # Errors
/// When nothing is left of it, or it cannot be shown as it is.
pub fn clean_name(given: &str) -> Result<String> {
    let name = given.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let shown = !name.chars().any(|c| c.is_control() || turns_text(c));
    if !shown || name.chars().all(|c| c == '.') || name.chars().count() > NAME_CHARS_MAX {
        return Err(Problem::new(&ATTACHMENT_NAME_REFUSED));
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
}
