//! What passed, as JSON: one half rests in the clear, the other is sealed.

use super::Value;
use super::read::Run;
use crate::cell::Cell;
use crate::header::{Header, Target};
use credence_catalog::model::Role;
use credence_core::identifiers::person;

impl Run<'_> {
    /// Writes both halves of the record: what may rest in the clear, and what is sealed.
    pub(super) fn write(&mut self, values: &[Option<Value<'_>>], header: &Header, cells: &[Cell]) -> (String, Option<String>) {
        let mut data = String::with_capacity(1024);
        let mut sealed = String::new();
        data.push('{');
        for at in 0..self.item.fields.len() {
            let (Some(field), Some(Some(value))) = (self.item.fields.get(at), values.get(at)) else { continue };
            if self.sealed.get(at).copied().unwrap_or(true) {
                member(&mut sealed, &field.code, value);
                continue;
            }
            if let Value::Text(text) = value
                && holds_personal_number(field.role, text)
            {
                member(&mut sealed, &field.code, value);
                let covered = if field.role == Some(Role::SubjectTaxNo) { person::mask(text) } else { cover_numbers(text) };
                member(&mut data, &field.code, &Value::Text(covered.into()));
                self.warn(
                    at,
                    "personal_number_in_text",
                    "",
                    "文字中含有身份证号码，已加密保存并遮盖；今后请勿在正文中填写",
                    "the text holds a resident ID number; it is stored encrypted and covered. Please leave such numbers out of texts",
                );
                continue;
            }
            member(&mut data, &field.code, value);
        }
        data.push('}');
        for (column, target) in header.targets.iter().enumerate() {
            if let (Target::Extra(code), Some(cell)) = (target, cells.get(column)) {
                let text = cell.text();
                if !text.is_empty() {
                    member(&mut sealed, code, &Value::Text(text));
                }
            }
        }
        let sealed = (!sealed.is_empty()).then(|| format!("{{{sealed}}}"));
        (data, sealed)
    }
}

/// Whether a text holds a person's number: a resident ID anywhere, or a tax number of an individual business, which begins with its
/// owner's (15, 18 or 20 characters).
fn holds_personal_number(role: Option<Role>, text: &str) -> bool {
    if !person::find_in_text(text).is_empty() {
        return true;
    }
    let begins = |n: usize| text.get(..n).map(str::to_uppercase);
    role == Some(Role::SubjectTaxNo)
        && (begins(18).is_some_and(|id| !person::find_in_text(&id).is_empty())
            || text.len() == 15 && person::widen(text).is_some_and(|id| person::is_resident_id(&id)))
}

fn member(out: &mut String, code: &str, value: &Value<'_>) {
    if !out.is_empty() && !out.ends_with('{') {
        out.push(',');
    }
    push_text(out, code);
    out.push(':');
    match value {
        Value::Text(text) => push_text(out, text),
        Value::Day(day) => push_text(out, &day.to_string()),
        Value::Code(code) => push_text(out, code.as_str()),
        Value::List(list) if list.len() == 1 => push_text(out, list.first().copied().unwrap_or_default()),
        Value::List(list) => {
            out.push('[');
            for (at, text) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_text(out, text);
            }
            out.push(']');
        }
    }
}

/// A JSON string. NUL, which PostgreSQL's JSON cannot hold, never gets here: control characters are refused before.
fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Personal numbers in a text, covered.
pub(super) fn cover_numbers(text: &str) -> String {
    let mut covered = text.to_owned();
    for range in person::find_in_text(text) {
        if let Some(number) = text.get(range.clone()) {
            covered.replace_range(range, &person::mask(number));
        }
    }
    covered
}
