//! Executes the walk-throughs under `docs/`: what stands there is what the program does. A block
//!
//! ```text
//! @amr-official 2026-09-21 09:00
//! POST /v1/list-entries
//! { "list": "…" }
//! 201
//! { "id": "{{entry}}", "state": "draft" }
//! ```
//!
//! says who calls, when (in China), what is sent and what comes back. What comes back has to hold at least what is written; `{{name}}` takes a
//! value the first time it is met and has to be that value from then on. `UPLOAD path name` sends a small PDF of that name. A line `wait` instead of a request lets the background work of that moment end.

use crate::support::TestApp;
use serde_json::Value;
use std::collections::BTreeMap;

/// One block.
struct Step {
    line: usize,
    caller: String,
    at: String,
    method: String,
    path: String,
    body: String,
    status: u16,
    expected: Option<Value>,
}

/// The steps of a document.
fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        if line.trim() != "```http" {
            continue;
        }
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, l)| l.trim() != "```").collect();
        let head = block.iter().position(|(_, l)| l.starts_with('@')).expect("a block says who calls");
        let (line, who) = block[head];
        let (caller, at) = who[1..].split_once(' ').unwrap_or_else(|| panic!("line {}: `@caller day time`", line + 1));
        let (_, request) = block[head + 1];
        let (method, path) = request.split_once(' ').unwrap_or((request, ""));
        let rest = &block[head + 2..];
        let status_at = rest.iter().position(|(_, l)| l.len() == 3 && l.parse::<u16>().is_ok());
        let (body, status, expected) = match status_at {
            None => (String::new(), 0, String::new()),
            Some(at) => (
                rest[..at].iter().map(|(_, l)| *l).collect::<Vec<_>>().join("\n"),
                rest[at].1.parse().expect("status"),
                rest[at + 1..].iter().map(|(_, l)| *l).collect::<Vec<_>>().join("\n"),
            ),
        };
        let expected = (!expected.trim().is_empty())
            .then(|| serde_json::from_str(&expected).unwrap_or_else(|e| panic!("line {}: {e}: {expected}", line + 1)));
        steps.push(Step {
            line: line + 1,
            caller: caller.to_owned(),
            at: at.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            body,
            status,
            expected,
        });
    }
    steps
}

type Known = BTreeMap<String, Value>;

fn fill(text: &str, known: &Known) -> String {
    known.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{{{name}}}}}"), value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_str())
    })
}

/// Whether `found` holds at least what `wanted` says; takes up names on the way.
fn holds(wanted: &Value, found: &Value, known: &mut Known) -> Result<(), String> {
    match (wanted, found) {
        (Value::String(text), _) if text.starts_with("{{") && text.ends_with("}}") => {
            let name = &text[2..text.len() - 2];
            match known.get(name) {
                Some(value) if value != found => Err(format!("{name} was {value} and is {found}")),
                _ => {
                    known.insert(name.to_owned(), found.clone());
                    Ok(())
                }
            }
        }
        (Value::Object(wanted), Value::Object(found)) => wanted
            .iter()
            .try_for_each(|(key, value)| holds(value, found.get(key).unwrap_or(&Value::Null), known).map_err(|e| format!("{key}: {e}"))),
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            wanted.iter().zip(found).enumerate().try_for_each(|(at, (w, f))| holds(w, f, known).map_err(|e| format!("[{at}]: {e}")))
        }
        _ if wanted == found => Ok(()),
        _ => Err(format!("expected {wanted}, found {found}")),
    }
}

/// Runs a document. `callers` are the logins it names; `anybody` has none.
pub fn execute(app: &TestApp, document: &str, callers: &BTreeMap<&str, String>, mut known: Known) -> Known {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("root").join("docs").join(document);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let steps = steps(&text);
    assert!(steps.len() > 5, "{document} has nothing to execute");
    for step in steps {
        let place = format!("{document}, line {}", step.line);
        app.at(&format!("{}:00+08:00", step.at.replace(' ', "T")));
        if step.method == "wait" {
            app.settle();
            continue;
        }
        let caller = match step.caller.as_str() {
            "anybody" => app.anonymous(),
            name => app.log_in(callers.get(name).unwrap_or_else(|| panic!("{place}: who is {name}?"))),
        };
        let (path, body) = (fill(&step.path, &known), fill(&step.body, &known));
        assert!(!path.contains("{{") && !body.contains("{{"), "{place}: {path} {body}");
        let answer = match (step.method.as_str(), path.starts_with("/v1/batches")) {
            ("GET", _) => caller.get(&path),
            ("POST", true) => caller.post_bytes(&path, "application/octet-stream", body.as_bytes()),
            ("POST", false) if body.trim().is_empty() => caller.post_bytes(&path, "application/json", b"{}"),
            ("POST", false) => {
                let json: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{place}: {e}: {body}"));
                caller.post(&path, &json)
            }
            // `UPLOAD path name`: a small PDF of that name.
            ("UPLOAD", _) => {
                let (path, name) = path.split_once(' ').unwrap_or_else(|| panic!("{place}: UPLOAD path name"));
                caller.post_bytes(&format!("{path}?file_name={name}"), "application/octet-stream", b"%PDF-1.4\n% proof of payment\n%%EOF\n")
            }
            (method, _) => panic!("{place}: {method}"),
        };
        let shown = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert_eq!(answer.status, step.status, "{place}: {} {path}: {shown}", step.method);
        if let Some(wanted) = step.expected {
            let wanted: Value = wanted;
            holds(&wanted, &answer.json(), &mut known).unwrap_or_else(|e| panic!("{place}: {} {path}: {e}\n{shown}", step.method));
        }
    }
    known
}
