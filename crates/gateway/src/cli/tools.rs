//! The two small tools that need neither a database nor settings.

use super::{Console, Failure};
use crate::shipped::Files;
use chrono::{Datelike, NaiveDate};
use clap::Subcommand;
use credence_catalog::Document;
use credence_core::clock::{Clock, SystemClock};
use credence_core::identifiers::uscc::{AUTHORITIES, Uscc, UsccRules};
use credence_rulebook::{Rule, Rulebook};
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::ExitCode;

/// The most working days that are counted: about four hundred years.
const WORKING_DAYS_MAX: i64 = 100_000;
/// So many years without a calendar are named; the rest is counted.
const YEARS_NAMED_MAX: usize = 3;

#[derive(Subcommand)]
pub(super) enum Code {
    /// Check codes: exit 0 when all are valid (warnings are printed), 1 when one is refused
    Check {
        /// Codes as written; full-width forms, spaces and hyphens are normalised first
        #[arg(required = true, value_name = "CODE")]
        codes: Vec<String>,
    },
}

#[derive(Subcommand)]
pub(super) enum Calendar {
    /// Print the N-th working day after DATE, which itself is not counted
    ///
    /// Prints nothing but the date. Years whose calendar is not published are counted Monday to Friday, and standard error says so.
    Add {
        /// Day, YYYY-MM-DD
        date: NaiveDate,
        /// How many working days, 0 to 100000
        #[arg(value_parser = clap::value_parser!(u32).range(0..=WORKING_DAYS_MAX))]
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

pub(super) fn code(console: Console, command: &Code) -> ExitCode {
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
    let (values, texts): (Vec<Value>, Vec<String>) = codes.iter().map(|raw| check(raw, &rules)).unzip();
    console.print(&values, || texts.join("\n"));
    if values.iter().all(|v| v.get("valid") == Some(&Value::Bool(true))) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check(raw: &str, rules: &UsccRules) -> (Value, String) {
    let refused = |rule: &str, zh: String, en: String| {
        let text = format!("{raw}: refused [{rule}] {zh} / {en}");
        (json!({ "input": raw, "valid": false, "rule": rule, "message_zh": zh, "message_en": en }), text)
    };
    match Uscc::parse(raw, rules) {
        Err(error) => refused(error.code(), error.zh(), error.en()),
        Ok((code, warnings)) if rules.quarantine_if_warnings > 0 && warnings.len() >= rules.quarantine_if_warnings => {
            let zh: Vec<&str> = warnings.iter().map(|w| w.zh()).collect();
            let en: Vec<&str> = warnings.iter().map(|w| w.en()).collect();
            let (mut value, text) = refused(
                "uscc_doubtful",
                format!("有{}处可疑，不像真实代码：{}", zh.len(), zh.join("；")),
                format!("{} things are odd about it, so it looks made up: {}", en.len(), en.join("; ")),
            );
            if let Some(object) = value.as_object_mut() {
                let list: Vec<&str> = warnings.iter().map(|w| w.code()).collect();
                object.insert("code".to_owned(), code.as_str().into());
                object.insert("warnings".to_owned(), list.into());
            }
            (value, text)
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

pub(super) fn calendar(console: Console, command: &Calendar) -> Result<ExitCode, Failure> {
    let Calendar::Add { date, n } = command;
    let calendar = rulebook().calendar;
    let counted = calendar
        .add_working_days(*date, *n)
        .ok_or_else(|| Failure::new("date_out_of_range", "the count leaves the calendar of dates; begin with an earlier DATE"))?;
    let mut missing = Vec::new();
    if counted.provisional {
        let first = date.succ_opt().unwrap_or(*date).year();
        missing.extend((first..=counted.date.year()).filter(|year| !calendar.years().any(|known| known.year == *year)));
        console.note(&format!(
            "no calendar is published here for {}: counted Monday to Friday there, which is provisional; count again once it is out",
            named(&missing)
        ));
    }
    let value = json!({ "date": counted.date, "provisional": counted.provisional, "years_without_calendar": missing });
    console.print(&value, || counted.date.to_string());
    Ok(ExitCode::SUCCESS)
}

fn named(years: &[i32]) -> String {
    let list: Vec<String> = years.iter().take(YEARS_NAMED_MAX).map(i32::to_string).collect();
    match years.len().saturating_sub(YEARS_NAMED_MAX) {
        0 => list.join(", "),
        more => format!("{} and {more} more years", list.join(", ")),
    }
}
