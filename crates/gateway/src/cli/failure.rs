//! Why a command failed: a code for programs, a text with the way out for people.

use credence_core::problem::Problem;
use serde_json::{Map, Value, json};
use std::fmt;

/// Exit code of a command that failed or was refused.
const FAILED: u8 = 1;
/// Exit code of wrong usage.
const USAGE: u8 = 2;

/// Why a command failed.
#[derive(Debug, Clone)]
pub struct Failure {
    code: String,
    /// English, with the way out.
    message: String,
    /// Chinese, where the server or a domain has words for it.
    message_zh: Option<String>,
    /// Particulars. Boxed to keep `Result` small.
    details: Box<Map<String, Value>>,
    exit: u8,
    /// Whether the same call may succeed a moment later: the server is away, restarting or too busy.
    passing: bool,
}

impl Failure {
    /// A failure with a stable code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), message_zh: None, details: Box::default(), exit: FAILED, passing: false }
    }

    /// Arguments that cannot be read.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { exit: USAGE, ..Self::new("usage", message) }
    }

    /// Settings that cannot be read: nothing was tried, as with wrong arguments.
    pub(super) fn settings(message: impl Into<String>) -> Self {
        Self { exit: USAGE, ..Self::new("bad_settings", message) }
    }

    /// What a server answered instead of what was asked for.
    pub(super) fn answered(url: &str, status: u16, body: &[u8]) -> Self {
        // 408, 425 and 429 ask to come again; every other 4xx is definite.
        let passing = status >= 500 || matches!(status, 408 | 425 | 429);
        let problem: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let Some(code) = problem.get("code").and_then(Value::as_str) else {
            let text = format!("{url} answered HTTP {status}, not as a Credence server does; check the address and what stands before it");
            return Self { passing, ..Self::new("bad_answer", text) };
        };
        let said = |language: &str| problem.get("messages").and_then(|m| m.get(language)).and_then(Value::as_str);
        let title = problem.get("title").and_then(Value::as_str);
        let known = ["type", "code", "title", "messages"];
        let details = problem.iter().filter(|(key, _)| !known.contains(&key.as_str())).map(|(key, value)| (key.clone(), value.clone()));
        Self {
            message_zh: said("zh").or(title).map(str::to_owned),
            details: Box::new(details.collect()),
            passing,
            ..Self::new(code, said("en").or(title).unwrap_or_default())
        }
    }

    /// Says whether the same call may succeed a moment later.
    pub(super) fn passing(self, passing: bool) -> Self {
        Self { passing, ..self }
    }

    /// Adds a particular.
    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    /// Says first what was being done, and how things stand.
    pub(super) fn amid(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The text for people in one line, without particulars.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn is_passing(&self) -> bool {
        self.passing
    }

    pub(super) fn exit(&self) -> u8 {
        self.exit
    }

    /// What is printed for programs.
    pub(super) fn document(&self) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), self.code.as_str().into());
        error.insert("message".to_owned(), self.message.as_str().into());
        if let Some(zh) = &self.message_zh {
            error.insert("message_zh".to_owned(), zh.as_str().into());
        }
        if !self.details.is_empty() {
            error.insert("details".to_owned(), Value::Object((*self.details).clone()));
        }
        json!({ "error": error })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message_zh {
            Some(zh) => write!(f, "[{}] {zh}\n  {}", self.code, self.message)?,
            None => f.write_str(&self.message)?,
        }
        for (key, value) in self.details.iter() {
            match value {
                // The code says it; and the request's id helps nobody but where the fault is the server's.
                _ if key == "status" || (key == "request_id" && !self.passing) => {}
                Value::String(text) => write!(f, "\n  {key}: {text}")?,
                Value::Array(list) => {
                    write!(f, "\n  {key}:")?;
                    for entry in list {
                        match entry.as_str() {
                            Some(text) => write!(f, "\n    {text}")?,
                            None => write!(f, "\n    {entry}")?,
                        }
                    }
                }
                other => write!(f, "\n  {key}: {other}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new("failed", message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::new("failed", message)
    }
}

impl From<Problem> for Failure {
    /// The console belongs to the operator, who may see the cause.
    fn from(problem: Problem) -> Self {
        let message = match problem.internal.as_deref() {
            Some(cause) => format!("{} ({cause})", problem.of.en),
            None => problem.of.en.to_owned(),
        };
        Self { message_zh: Some(problem.of.zh.to_owned()), details: problem.details, ..Self::new(problem.of.code, message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_keeps_its_code_its_words_and_its_particulars() {
        let body = json!({ "type": "/problems/header_unknown", "code": "header_unknown", "status": 422, "title": "有无法识别的列",
            "messages": { "zh": "有无法识别的列", "en": "unknown columns" }, "request_id": "r", "columns": ["甲", "乙"] });
        let failure = Failure::answered("http://x", 422, body.to_string().as_bytes());
        assert_eq!((failure.code(), failure.is_passing(), failure.exit()), ("header_unknown", false, 1));
        assert_eq!(failure.to_string(), "[header_unknown] 有无法识别的列\n  unknown columns\n  columns:\n    甲\n    乙");
        let document = failure.document();
        assert_eq!(document["error"]["message"], "unknown columns");
        assert_eq!(document["error"]["message_zh"], "有无法识别的列");
        assert_eq!(document["error"]["details"], json!({ "status": 422, "request_id": "r", "columns": ["甲", "乙"] }));
    }

    #[test]
    fn only_a_definite_refusal_is_final() {
        for (status, passing) in [(400, false), (401, false), (404, false), (408, true), (429, true), (500, true), (503, true)] {
            let failure = Failure::answered("http://x", status, b"<html>");
            assert_eq!((failure.code(), failure.is_passing()), ("bad_answer", passing), "{status}");
        }
    }
}
