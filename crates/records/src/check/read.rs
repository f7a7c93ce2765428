//! One field: from a cell to a value of the field's type, or an issue that says what to do.

use super::write::cover_numbers;
use super::{Basis, Value};
use crate::cell::{self, Cell, DecimalFault};
use crate::model::{Issue, Severity};
use chrono::NaiveDate;
use credence_catalog::Item;
use credence_catalog::configuration::Configuration;
use credence_catalog::model::{CodeSet, CodeValue, Field, FieldType, Role};
use credence_core::identifiers::uscc::{Uscc, UsccError, UsccRules};
use credence_core::identifiers::{OrganisationCode, RegistrationNumber, UsccWarning, person};
use std::borrow::Cow;

const VALUE_CHARS_SHOWN: usize = 60;
/// A fine of more than 100 million yuan is more likely yuan in a field of 万元.
const SUSPICIOUS_WAN_YUAN_DIGITS: usize = 5;

/// The checks of one row under way.
pub(super) struct Run<'r> {
    pub(super) item: &'r Item,
    pub(super) configuration: &'r Configuration,
    pub(super) issues: Vec<Issue>,
    pub(super) sealed: &'r [bool],
    pub(super) rules: &'r UsccRules,
}

/// Whether values of this type are numbers that identify.
fn identifies(of_type: FieldType) -> bool {
    matches!(
        of_type,
        FieldType::Uscc
            | FieldType::OrganisationCode
            | FieldType::RegistrationNumber
            | FieldType::PersonDocument
            | FieldType::AnySubjectCode
    )
}

/// Spreadsheets hold numbers with fifteen digits; of an eighteen-digit code typed as a number the rest is made up, and one in thirty such
/// ruins passes the check character. Saved as CSV it shows as `9.1131E+17`.
fn digits_were_lost(cell: &Cell) -> bool {
    match cell {
        Cell::Number(text) => text.bytes().filter(u8::is_ascii_digit).count() > 15,
        Cell::Text(text) => {
            let text = text.trim();
            text.split_once(['E', 'e']).is_some_and(|(mantissa, exponent)| {
                mantissa.contains('.')
                    && mantissa.parse::<f64>().is_ok()
                    && exponent.strip_prefix('+').is_some_and(|e| e.parse::<u16>().is_ok())
            })
        }
        _ => false,
    }
}

/// A sender's text as issues may show it: numbers of persons covered, also those written with spaces or in full width, and only then
/// cut, so that no number is cut in two and shown in part.
fn shown(text: &str) -> String {
    let compact = cell::compact(text);
    let hidden_by_writing = person::find_in_text(&compact).len() > person::find_in_text(text).len();
    cut(&cover_numbers(if hidden_by_writing { compact.as_str() } else { text }))
}

fn cut(text: &str) -> String {
    text.chars().take(VALUE_CHARS_SHOWN).collect()
}

impl<'r> Run<'r> {
    /// An issue about the row as a whole. Where the messages quote the value, they quote what may be shown of it.
    pub(super) fn whole(&mut self, rule: &str, severity: Severity, value: &str, zh: String, en: String) {
        let shown = shown(value);
        let quoting = |message: String| if shown == value { message } else { message.replace(value, &shown) };
        let (message_zh, message_en) = (quoting(zh), quoting(en));
        self.issues.push(Issue {
            field: String::new(),
            field_name: String::new(),
            rule: rule.to_owned(),
            severity,
            value: shown,
            message_zh,
            message_en,
        });
    }

    /// What issues may show of a field's value.
    fn shown_of(&self, at: usize, value: &str) -> String {
        let may_be_a_persons = |f: &Field| matches!(f.of_type, FieldType::PersonDocument | FieldType::AnySubjectCode);
        let hide = self.sealed.get(at).copied().unwrap_or(true) || self.item.fields.get(at).is_none_or(may_be_a_persons);
        if hide { cut(&person::mask(value)) } else { shown(value) }
    }

    pub(super) fn issue(&mut self, at: usize, rule: &str, severity: Severity, value: &str, zh: impl Into<String>, en: impl Into<String>) {
        let Some(field) = self.item.fields.get(at) else { return };
        let value = self.shown_of(at, value);
        self.issues.push(Issue {
            field: field.code.clone(),
            field_name: field.name.clone(),
            rule: rule.to_owned(),
            severity,
            value,
            message_zh: zh.into(),
            message_en: en.into(),
        });
    }

    pub(super) fn error(&mut self, at: usize, rule: &str, value: &str, zh: impl Into<String>, en: impl Into<String>) {
        self.issue(at, rule, Severity::Error, value, zh, en);
    }

    pub(super) fn warn(&mut self, at: usize, rule: &str, value: &str, zh: impl Into<String>, en: impl Into<String>) {
        self.issue(at, rule, Severity::Warning, value, zh, en);
    }

    pub(super) fn read<'c>(&mut self, at: usize, field: &'r Field, cell: &'c Cell, basis: &'r Basis) -> Option<Value<'c>>
    where
        'r: 'c,
    {
        let text = cell.text();
        if text.is_empty() {
            return None;
        }
        if identifies(field.of_type) && digits_were_lost(cell) {
            self.error(
                at,
                "digits_lost",
                &text,
                "代码被表格软件当作数字保存，末几位已丢失；请将该列设为文本格式后重新填写",
                "a spreadsheet program stored the code as a number and its last digits are gone; make the column text and enter it again",
            );
            return None;
        }
        match field.of_type {
            FieldType::Text => self.text(at, field, text),
            FieldType::Date => self.date(at, field, cell, &text, basis.received_on),
            FieldType::Decimal => self.decimal(at, field, cell, &text),
            FieldType::Integer => {
                let compact = cell::compact(&text);
                let whole = compact.strip_suffix(".0").unwrap_or(&compact);
                if whole.is_empty() || whole.len() > 18 || !whole.bytes().all(|b| b.is_ascii_digit()) {
                    self.error(at, "integer_format", &text, "应为非负整数；请改为数字", "a whole number of zero or more is expected");
                    return None;
                }
                Some(Value::Text(whole.to_owned().into()))
            }
            FieldType::Code => self.code(at, field, &text),
            FieldType::Codes => self.codes(at, field, &text),
            FieldType::Uscc => self.uscc(at, field, &text).map(Value::Code),
            FieldType::OrganisationCode => match OrganisationCode::parse(&text) {
                Ok(code) => Some(Value::Text(code.as_str().to_owned().into())),
                Err(_) => {
                    self.error(
                        at,
                        "organisation_code",
                        &text,
                        "组织机构代码应为9位且校验位正确；请核对",
                        "an organisation code has nine characters with a correct check character",
                    );
                    None
                }
            },
            FieldType::RegistrationNumber => match RegistrationNumber::parse(&text) {
                Ok(number) => Some(Value::Text(number.as_str().to_owned().into())),
                Err(_) => {
                    self.error(
                        at,
                        "registration_number",
                        &text,
                        "工商注册号格式或校验位不符；请按营业执照核对",
                        "the registration number's form or check digit is wrong; compare it with the licence",
                    );
                    None
                }
            },
            // Beside a column for the codes of persons and organisations, rows about organisations may hold anything there: then the check
            // waits for `subject`.
            FieldType::PersonDocumentKind if self.item.with_role(Role::SubjectCode).is_some() => self.text(at, field, text),
            FieldType::PersonDocumentKind => {
                if self.configuration.person_rules(basis.received_on).kind(&cell::compact(&text)).is_none() {
                    self.unknown_document_kind(at, &text);
                    return None;
                }
                Some(Value::Text(text))
            }
            // Which document it is is told by another field, so its check waits for `subject`; here only the shape.
            FieldType::PersonDocument | FieldType::AnySubjectCode => {
                if text.chars().count() > 50 {
                    self.error(at, "text_too_long", &text, "证件号码过长；请核对", "the number is too long; check it");
                    return None;
                }
                Some(Value::Text(text))
            }
        }
    }

    fn text<'c>(&mut self, at: usize, field: &Field, text: Cow<'c, str>) -> Option<Value<'c>> {
        let length = text.chars().count();
        if length > field.max_chars {
            let (max, over) = (field.max_chars, length - field.max_chars);
            self.error(
                at,
                "text_too_long",
                &text,
                format!("超过{max}个字（多{over}个字）；请缩短"),
                format!("longer than {max} characters by {over}; shorten it"),
            );
            return None;
        }
        if let Some(bad) = text.chars().find(|c| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || *c == '\u{fffd}') {
            let code = u32::from(bad);
            self.error(
                at,
                "text_control_char",
                &text,
                format!("含有不可见的控制字符 U+{code:04X}；请删除"),
                format!("holds the control character U+{code:04X}; remove it"),
            );
            return None;
        }
        Some(Value::Text(text))
    }

    pub(super) fn unknown_document_kind(&mut self, at: usize, text: &str) {
        self.error(
            at,
            "person_document_kind",
            text,
            "证件类型不在允许的范围内；请按填报说明选择",
            "this kind of document is not known; choose one from the instructions",
        );
    }

    pub(super) fn date<'c>(&mut self, at: usize, field: &Field, cell: &Cell, text: &str, today: NaiveDate) -> Option<Value<'c>> {
        let Some(day) = cell::date(cell) else {
            self.error(
                at,
                "date_format",
                text,
                "不是有效日期；请写作 2026-01-31、2026/1/31、20260131 或 2026年1月31日",
                "not a date; write 2026-01-31, 2026/1/31, 20260131 or 2026年1月31日",
            );
            return None;
        };
        if field.not_after_today && day > today {
            self.error(
                at,
                "date_in_future",
                text,
                format!("日期晚于今天（{today}）；请核对"),
                format!("the date lies after today ({today}); check it"),
            );
            return None;
        }
        Some(Value::Day(day))
    }

    pub(super) fn decimal<'c>(&mut self, at: usize, field: &Field, cell: &Cell, text: &str) -> Option<Value<'c>> {
        let unit = field.unit.as_deref();
        let digits = field.digits.unwrap_or([18, 6]);
        let number = cell::fifteen_digits(cell);
        match cell::decimal(number.as_deref().unwrap_or(text), digits, unit) {
            Ok(number) => {
                if unit == Some("万元") && number.split('.').next().is_some_and(|whole| whole.len() >= SUSPICIOUS_WAN_YUAN_DIGITS) {
                    self.warn(
                        at,
                        "amount_unit_suspect",
                        text,
                        "金额超过1亿元，请核对单位是否为万元（2000元应填0.2）",
                        "more than 100 million yuan; check that the unit is 万元 (2,000 yuan is 0.2)",
                    );
                }
                Some(Value::Text(number.into()))
            }
            Err(fault) => {
                let unit = unit.unwrap_or("无");
                let (rule, zh, en) = match fault {
                    DecimalFault::Format => {
                        ("decimal_format", "不是数字；请只填数字".to_owned(), "not a number; give digits only".to_owned())
                    }
                    DecimalFault::WrongUnit => (
                        "decimal_unit",
                        format!("单位应为{unit}；请换算后填写，2000元填0.2"),
                        format!("the unit is {unit}; convert it, 2,000 yuan is 0.2"),
                    ),
                    DecimalFault::Negative => {
                        ("decimal_negative", "不能为负数；请核对".to_owned(), "cannot be negative; check it".to_owned())
                    }
                    DecimalFault::Digits => {
                        let [all, after] = digits;
                        (
                            "decimal_digits",
                            format!("位数过多：整数部分不超过{}位，小数不超过{after}位", all.saturating_sub(after)),
                            format!("too many digits: at most {} before and {after} after the point", all.saturating_sub(after)),
                        )
                    }
                };
                self.error(at, rule, text, zh, en);
                None
            }
        }
    }

    pub(super) fn set(&self, field: &Field) -> Option<&'r CodeSet> {
        field.code_set.as_ref().and_then(|set| self.configuration.code_sets.get(set))
    }

    pub(super) fn code<'c>(&mut self, at: usize, field: &Field, text: &str) -> Option<Value<'c>>
    where
        'r: 'c,
    {
        let set = self.set(field)?;
        let compact = cell::compact(text);
        let found = set.find(text).or_else(|| set.find(&compact)).or_else(|| set.find(compact.strip_suffix(".0").unwrap_or(&compact)));
        let allowed = |value: &CodeValue| field.allowed.as_ref().is_none_or(|allowed| allowed.contains(&value.value));
        if let Some(value) = found.filter(|v| allowed(v)) {
            return Some(Value::List(vec![value.value.as_str()]));
        }
        if let Some((value, addition)) = set.find_with_text(text).filter(|(v, _)| allowed(v)) {
            return self.text(at, field, value.with_text(addition).into());
        }
        self.not_in_set(at, field, set, text);
        None
    }

    pub(super) fn codes<'c>(&mut self, at: usize, field: &Field, text: &str) -> Option<Value<'c>>
    where
        'r: 'c,
    {
        let set = self.set(field)?;
        match set.split(text).or_else(|_| set.split(&cell::compact(text))) {
            Ok(values) => Some(Value::List(values.into_iter().map(|v| v.value.as_str()).collect())),
            Err(part) => {
                self.not_in_set(at, field, set, &part);
                None
            }
        }
    }

    pub(super) fn not_in_set(&mut self, at: usize, field: &Field, set: &CodeSet, text: &str) {
        let allowed = field.allowed.clone().unwrap_or_else(|| set.values.iter().map(|v| v.value.clone()).collect()).join("、");
        let shown = self.shown_of(at, text);
        self.error(
            at,
            "code_unknown",
            text,
            format!("「{shown}」不在代码集「{}」中；可用：{allowed}", set.name),
            format!("`{shown}` is not in the code set {}; allowed: {allowed}", set.code),
        );
    }

    pub(super) fn uscc(&mut self, at: usize, field: &Field, text: &str) -> Option<Uscc> {
        match Uscc::parse(text, self.rules) {
            Ok((code, warnings)) => {
                let stands = self.warnings_of_code(at, text, &warnings, field.role == Some(Role::SubjectUscc));
                stands.then_some(code)
            }
            Err(UsccError::Length { found: 15 }) if RegistrationNumber::parse(text).is_ok_and(|n| n.as_str().len() == 15) => {
                self.error(at, "uscc_legacy_number", text, "这是15位注册号，不是统一社会信用代码；请填18位代码，旧号填入工商注册号一列", "this is a 15-digit registration number, not a unified social credit code; give the 18-character code and put the old number into its own column");
                None
            }
            Err(error) => {
                self.error(at, error.code(), text, error.zh(), error.en());
                None
            }
        }
    }

    /// Writes down what is odd about a code, and says whether it may stand: so many oddities about a subject's code that it looks made up
    /// refuse the row (`id.uscc.quarantine_if_warnings`; 123456789012345678 has two).
    pub(super) fn warnings_of_code(&mut self, at: usize, text: &str, warnings: &[UsccWarning], of_subject: bool) -> bool {
        for warning in warnings {
            self.warn(at, warning.code(), text, warning.zh(), warning.en());
        }
        let (n, limit) = (warnings.len(), self.rules.quarantine_if_warnings);
        let doubtful = of_subject && limit > 0 && n >= limit;
        if doubtful {
            self.error(
                at,
                "uscc_doubtful",
                text,
                format!("该代码有{n}处疑点，疑为编造或误写；请对照证照核对"),
                format!("{n} things about this code are odd, so it looks made up or mistyped; compare it with the licence"),
            );
        }
        !doubtful
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_covered_before_it_is_cut() {
        let number = "11010519491231002X";
        let covered = "110105********002X";
        for (text, expected) in [
            ("打板子".to_owned(), "打板子".to_owned()),
            (number.to_owned(), covered.to_owned()),
            ("110105 19491231 002X".to_owned(), covered.to_owned()),
            ("１１０１０５１９４９１２３１００２Ｘ".to_owned(), covered.to_owned()),
            (format!("当事人 {number}"), format!("当事人 {covered}")),
            (format!("{}{number}", "长".repeat(50)), format!("{}110105****", "长".repeat(50))),
            ("长".repeat(5000), "长".repeat(VALUE_CHARS_SHOWN)),
        ] {
            assert_eq!(shown(&text), expected, "{text}");
        }
    }
}
