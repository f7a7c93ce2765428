//! The two small tools that need no database.

use super::Context;
use crate::shipped::Files;
use chrono::NaiveDate;
use clap::Subcommand;
use credence_catalog::Document;
use credence_core::clock::{Clock, SystemClock};
use credence_core::identifiers::uscc::{AUTHORITIES, Uscc, UsccRules};
use credence_rulebook::{Rule, Rulebook};
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Codes.
#[derive(Subcommand)]
pub(super) enum Code {
    /// Check codes: exit 0 when all are valid (warnings are printed), 1 when one is refused
    Check {
        /// Codes as written; full-width forms, spaces and hyphens are normalised first
        #[arg(required = true, value_name = "CODE")]
        codes: Vec<String>,
    },
}

/// The calendar.
#[derive(Subcommand)]
pub(super) enum Calendar {
    /// Print the N-th working day after DATE, which itself is not counted
    Add {
        /// Day, YYYY-MM-DD
        date: NaiveDate,
        /// How many working days
        n: u32,
    },
}

fn rulebook() -> Rulebook {
    let folder = Files::shipped().folder();
    let of = |kind: &'static str| folder.documents.iter().filter(move |d: &&Document| d.kind == kind).map(|d| &d.body);
    Rulebook::new(
        of("rule").filter_map(|b| Rule::deserialize(b).ok()),
        of("calendar").filter_map(|b| serde_json::from_value(b.clone()).ok()),
    )
}

pub(super) fn code(context: &Context, command: &Code) -> ExitCode {
    let Code::Check { codes } = command;
    let (book, today) = (rulebook(), SystemClock.today());
    let areas = book.rule("id.uscc.areas", today).and_then(|r| r.value.as_array());
    let rules = UsccRules {
        placeholders: book.texts("id.uscc.placeholders", today).into_iter().map(str::to_owned).collect(),
        areas: areas.into_iter().flatten().filter_map(|v| v.as_u64().and_then(|n| u32::try_from(n).ok())).collect(),
        quarantine_if_warnings: book
            .number("id.uscc.quarantine_if_warnings", today)
            .and_then(|(n, _)| usize::try_from(n).ok())
            .unwrap_or(1),
    };
    let mut all_valid = true;
    for raw in codes {
        let (value, text) = check(raw, &rules);
        all_valid &= value.get("valid") == Some(&Value::Bool(true));
        context.print(&value, || text);
    }
    if all_valid { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check(raw: &str, rules: &UsccRules) -> (Value, String) {
    match Uscc::parse(raw, rules) {
        Err(error) => {
            let value = json!({ "input": raw, "valid": false, "rule": error.code(), "message_zh": error.zh(), "message_en": error.en() });
            (value, format!("{raw}: refused [{}] {} / {}", error.code(), error.zh(), error.en()))
        }
        Ok((code, warnings)) if rules.quarantine_if_warnings > 0 && warnings.len() >= rules.quarantine_if_warnings => {
            let list: Vec<&str> = warnings.iter().map(|w| w.code()).collect();
            let value = json!({ "input": raw, "code": code.as_str(), "valid": false, "rule": "uscc_doubtful", "warnings": list });
            (value, format!("{raw}: refused [uscc_doubtful] {} things are odd about it: {}", list.len(), list.join(", ")))
        }
        Ok((code, warnings)) => {
            let authority =
                AUTHORITIES.iter().find(|(c, ..)| code.category().starts_with(*c)).map(|(_, name, _)| *name).unwrap_or_default();
            let list: Vec<Value> =
                warnings.iter().map(|w| json!({ "rule": w.code(), "message_zh": w.zh(), "message_en": w.en() })).collect();
            let value = json!({ "input": raw, "code": code.as_str(), "valid": true, "authority": authority, "area": code.area(), "org_code": code.org_code(), "warnings": list });
            let mut text = format!("{code}: valid ({authority}, area {}, organisation code {})", code.area(), code.org_code());
            for warning in warnings {
                text.push_str(&format!("\n{code}: warning [{}] {} / {}", warning.code(), warning.zh(), warning.en()));
            }
            (value, text)
        }
    }
}

#[expect(clippy::print_stderr, reason = "a warning of a command")]
pub(super) fn calendar(context: &Context, command: &Calendar) -> ExitCode {
    let Calendar::Add { date, n } = command;
    match rulebook().calendar.add_working_days(*date, *n) {
        Some(counted) => {
            if counted.provisional {
                eprintln!("credence: a year without a published calendar was counted Monday to Friday; count again once it is out");
            }
            context.print(&json!({ "date": counted.date, "provisional": counted.provisional }), || counted.date.to_string());
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("credence: the count leaves the calendar of dates");
            ExitCode::FAILURE
        }
    }
}
