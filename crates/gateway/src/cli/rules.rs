//! `credence rules diff`.

use super::{Context, Failure};
use crate::shipped::Files;
use chrono::NaiveDate;
use clap::Subcommand;
use credence_catalog::{BAD_CONFIG, Configuration, Document, held};
use credence_core::clock::{Clock, SystemClock};
use credence_core::problem::Problem;
use credence_db::pending;
use credence_identity::Directory;
use credence_redress::service::rules_diff::{Comparison, RulesDiff, Sample, Shift, WindowView};
use credence_rulebook::diff::Difference;
use credence_rulebook::{CalendarYear, Rule, Rulebook};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::process::ExitCode;

/// What stands for the rules that the database holds.
const CURRENT: &str = "current";

#[derive(Subcommand)]
pub(super) enum Rules {
    /// Tell over the stored records who would be affected by changed rules, and how; nothing is changed
    ///
    /// OLD and NEW are configuration folders, or `current` for the rules that the database holds. NEW is laid over OLD as `config apply` would: its rules and
    /// calendar years replace their own versions, what it does not have stays. Only rules and calendars are compared; items are those that the database holds.
    Diff {
        /// The rules to begin with: a configuration folder, or `current`
        old: String,
        /// The rules thought of: a configuration folder, or `current`
        new: String,
        /// Day on which records are looked at, YYYY-MM-DD [default: today]
        #[arg(long, value_name = "DATE")]
        on: Option<NaiveDate>,
    },
}

pub(super) async fn run(context: &Context, command: Rules) -> Result<ExitCode, Failure> {
    let Rules::Diff { old, new, on } = command;
    // Folders are read before anything is opened: a wrong path is said at once.
    let (from, to) = (Source::read(&old)?, Source::read(&new)?);
    let mut env = context.open().await?;
    // A dry run changes nothing: not even the schema of the private cluster, which other commands bring up to date by themselves.
    let lacking = pending(env.db.url()).await?;
    if lacking > 0 {
        env.close();
        let text = format!("the database lacks {lacking} migrations, and a dry run changes nothing: run `credence migrate` first");
        return Err(Failure::new("migrations_pending", text));
    }
    let held = held(&env.db).await?;
    let (rules, years) = from.documents(&held)?;
    let old = Rulebook::new(rules, years);
    let (rules, years) = to.documents(&held)?;
    let new = old.overlaid(rules, years);
    let (clock, configuration) = (SystemClock, Configuration::load(&env.db).await?);
    let directory = Directory::default().get(&env.db, clock.now()).await?;
    let comparison = Comparison {
        configuration: &configuration,
        directory: &directory,
        old: &old,
        new: &new,
        on: on.unwrap_or_else(|| clock.today()),
        samples_max: context.settings.redress.diff_samples_max,
    };
    let found = comparison.run(&env.db).await?;
    context.print(&found, || text(&found));
    env.close();
    Ok(ExitCode::SUCCESS)
}

/// Where rules come from.
enum Source {
    Current,
    Folder(Files),
}

impl Source {
    fn read(named: &str) -> Result<Self, Failure> {
        if named == CURRENT {
            return Ok(Self::Current);
        }
        let files = Files::read(Path::new(named)).map_err(|e| Failure::new("file_unreadable", e))?;
        let has_rules = files.folder().documents.iter().any(|d| d.kind == "rule" || d.kind == "calendar");
        // A folder without rules, but with files that cannot be read, is told with their faults.
        if !has_rules && files.folder().faults().is_empty() {
            let text = format!("{named} holds no rules; name the folder that has rules/ in it, or `{CURRENT}` for what the database holds");
            return Err(Failure::new("no_configuration", text));
        }
        Ok(Self::Folder(files))
    }

    /// The rules and calendar years, after the checks of `config apply`.
    fn documents(&self, held: &[Document]) -> Result<(Vec<Rule>, Vec<CalendarYear>), Failure> {
        match self {
            Self::Current => Ok((parsed(held, "rule")?, parsed(held, "calendar")?)),
            Self::Folder(files) => {
                let folder = files.folder();
                let faults = folder.faults_beside(held);
                if !faults.is_empty() {
                    return Err(Problem::new(&BAD_CONFIG).with("faults", faults).into());
                }
                Ok((parsed(&folder.documents, "rule")?, parsed(&folder.documents, "calendar")?))
            }
        }
    }
}

fn parsed<T: DeserializeOwned>(documents: &[Document], kind: &str) -> Result<Vec<T>, Failure> {
    let of_kind = documents.iter().filter(|d| d.kind == kind);
    of_kind.map(|d| T::deserialize(&d.body).map_err(|e| Failure::new("failed", format!("{kind} {}: {e}", d.code)))).collect()
}

/// What was found, for people.
fn text(found: &RulesDiff) -> String {
    let mut text = format!("{} rules differ", found.rules.len());
    for change in &found.rules {
        let sign = match change.change {
            Difference::Added => '+',
            Difference::Changed => '~',
            Difference::Removed => '-',
        };
        text.push_str(&format!("\n  {sign} {}", change.rule));
    }
    text.push_str(&format!(
        "\n{} of {} records would be affected on {}; {} would no longer be public, {} would be public again",
        found.affected, found.records_looked_at, found.on, found.no_longer_public, found.public_again
    ));
    text.push_str(&format!("\n{} of {} entries of lists would be affected", found.entries_affected, found.entries_looked_at));
    let class = |class: &Option<String>| class.clone().unwrap_or_else(|| "none".to_owned());
    for line in &found.by_change {
        text.push_str(&format!(
            "\n  {}: {} {} {} -> {}, last public day {}, repair {}",
            line.count,
            line.target,
            line.item,
            class(&line.class_from),
            class(&line.class_to),
            shift(line.last_public_day),
            shift(line.earliest_repair_day)
        ));
    }
    if !found.samples.is_empty() {
        text.push_str("\nsome of them (subject, record or entry: last public day, first day of repair):");
    }
    for Sample { subject_id, target, id, from, to, .. } in &found.samples {
        let day = |day: Option<NaiveDate>, none: &str| day.map_or_else(|| none.to_owned(), |day| day.to_string());
        let window = |w: &Option<WindowView>| match w {
            Some(w) => {
                let last = if w.published { day(w.last_public_day, "no end") } else { "not published".to_owned() };
                let repair = if w.repairable { day(w.earliest_repair_day, "any day") } else { "never".to_owned() };
                format!("{last} {repair}")
            }
            None => "none".to_owned(),
        };
        text.push_str(&format!("\n  {subject_id} {target} {id}: {} -> {}", window(from), window(to)));
    }
    text.push_str(&format!("\n{} deadlines of open cases would move", found.open_cases.len()));
    for moved in &found.open_cases {
        let (case_no, rule) = (&moved.case_no, &moved.rule);
        text.push_str(&format!("\n  {case_no} {} ({rule}): {} -> {}", moved.clock, moved.due_on_from, moved.due_on_to));
    }
    text
}

fn shift(shift: Shift) -> &'static str {
    match shift {
        Shift::Earlier => "earlier",
        Shift::Same => "the same",
        Shift::Later => "later",
    }
}
