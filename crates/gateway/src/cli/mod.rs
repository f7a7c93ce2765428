//! The commands of the console. Each prints for people, or with `--json` for programs. Notes and errors for people go to standard error;
//! for programs an error is a JSON document on standard output, so that they read one place only: standard error has the log as well.

mod admin;
mod client;
mod config;
mod demo;
mod failure;
mod push;
mod rules;
mod serve;
mod tools;

pub use client::Client;
pub use config::apply as config_apply;
pub use failure::Failure;

use crate::environment::{Environment, default_data_dir};
use clap::{Parser, Subcommand};
use credence_core::settings::Settings;
use credence_db::cluster::Durability;
use std::path::PathBuf;
use std::process::ExitCode;

/// What every command's help ends with.
const ENDINGS: &str = "\
Exit codes: 0 done; 1 failed or refused; 2 wrong usage or settings; 3 some rows of a push were refused.
With --json an error is printed to standard output too, as {\"error\": {\"code\", \"message\", …}}.";

/// Shares a city's public credit information: departments push licences, penalties and lists; anyone entitled reads a subject's file.
#[derive(Parser)]
#[command(name = "credence", version, about, propagate_version = true, max_term_width = 100, after_help = ENDINGS)]
struct Cli {
    /// File of settings that go over the defaults; config/default.toml lists every key
    #[arg(long, global = true, value_name = "FILE", env = "CREDENCE_CONFIG", help_heading = "Options of every command")]
    config: Option<PathBuf>,
    /// Folder for keys, uploads and the private database [default: /var/lib/credence for root, else ~/.local/state/credence]
    #[arg(long, global = true, value_name = "FOLDER", env = "CREDENCE_DATA", help_heading = "Options of every command")]
    data_dir: Option<PathBuf>,
    /// Print JSON for programs instead of text for people, errors included
    #[arg(long, global = true, help_heading = "Options of every command")]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API and run the workers until Ctrl-C
    Serve(serve::Serve),
    /// Bring the database's schema up to date
    Migrate,
    /// Check or apply the catalogue, code sets, rules, disclosure table and regions
    #[command(subcommand)]
    Config(config::Config),
    /// Tell what changed rules would do to the records that are stored
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Serve a demonstration city: made on first start, kept afterwards
    Demo(demo::Demo),
    /// Push a file of rows to a server, as a department does
    Push(push::Push),
    /// Check unified social credit codes; needs no database and no settings
    #[command(subcommand)]
    Code(tools::Code),
    /// Count working days; needs no database and no settings
    #[command(subcommand)]
    Calendar(tools::Calendar),
    /// Open accounts, make keys, enter agencies and do what else an operator does at the console
    #[command(subcommand)]
    Admin(admin::Admin),
}

/// How a command speaks.
#[derive(Debug, Clone, Copy)]
struct Console {
    json: bool,
}

impl Console {
    /// Prints a value as JSON, or the text for people.
    #[expect(clippy::print_stdout, reason = "the output of a command")]
    fn print(self, value: &impl serde::Serialize, text: impl FnOnce() -> String) {
        if self.json {
            println!("{}", serde_json::to_string(value).unwrap_or_default());
        } else {
            println!("{}", text().trim_end());
        }
    }

    /// Says something to people that is no result.
    #[expect(clippy::print_stderr, reason = "a note of a command")]
    fn note(self, text: &str) {
        eprintln!("credence: {text}");
    }

    /// Says why a command failed.
    #[expect(clippy::print_stdout, reason = "the output of a command")]
    fn fail(self, failure: &Failure) -> ExitCode {
        if self.json {
            println!("{}", failure.document());
        } else {
            self.note(&failure.to_string());
        }
        ExitCode::from(failure.exit())
    }
}

/// What a command needs of the surroundings.
struct Context {
    settings: Settings,
    data_dir: PathBuf,
    console: Console,
}

impl Context {
    async fn open(&self) -> Result<Environment, Failure> {
        let url = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
        Ok(Environment::open(self.settings.clone(), &self.data_dir, url, Durability::Full).await?)
    }

    /// The private database of the data folder, whatever the environment names: for what must not touch anybody's real data.
    async fn open_private(&self) -> Result<Environment, Failure> {
        let mut settings = self.settings.clone();
        settings.database.url.clear();
        Ok(Environment::open(settings, &self.data_dir, None, Durability::Full).await?)
    }

    fn print(&self, value: &impl serde::Serialize, text: impl FnOnce() -> String) {
        self.console.print(value, text);
    }
}

/// Runs the program. Exit codes: 0 done, 1 failed or refused, 2 wrong usage or settings, 3 some rows of a push were refused.
pub fn run() -> ExitCode {
    let Cli { config, data_dir, json, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unparsed(&error),
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("CREDENCE_LOG").unwrap_or_else(|_| "warn,credence=info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let console = Console { json };
    // A variable that is no text cannot be a setting.
    let variables = || std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let context = || -> Result<Context, Failure> {
        let settings = Settings::load(config.as_deref(), variables()).map_err(Failure::settings)?;
        Ok(Context { settings, data_dir: data_dir.unwrap_or_else(default_data_dir), console })
    };
    let result = match command {
        // These ask for no settings: a mistake in them is the server's, and must not stop a department.
        Command::Code(command) => Ok(tools::code(console, &command)),
        Command::Calendar(command) => tools::calendar(console, &command),
        Command::Push(command) => push::run(console, &command),
        Command::Serve(command) => context().and_then(|context| block_on(serve::run(&context, command))),
        Command::Migrate => context().and_then(|context| block_on(serve::migrate(&context))),
        Command::Config(command) => context().and_then(|context| block_on(config::run(&context, command))),
        Command::Rules(command) => context().and_then(|context| block_on(rules::run(&context, command))),
        Command::Demo(command) => context().and_then(|context| block_on(demo::run(&context, command))),
        Command::Admin(command) => context().and_then(|context| block_on(admin::run(&context, command))),
    };
    result.unwrap_or_else(|failure| console.fail(&failure))
}

/// Help and version, or arguments that cannot be read.
fn unparsed(error: &clap::Error) -> ExitCode {
    // Nothing was parsed, so whether JSON is wanted is seen from the arguments as they stand.
    let console = Console { json: std::env::args_os().any(|argument| argument == "--json") };
    if console.json && error.use_stderr() {
        let text = error.render().to_string();
        let text = text.trim();
        return console.fail(&Failure::usage(text.strip_prefix("error: ").unwrap_or(text)));
    }
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // actix wants its own system; it brings a tokio runtime with it.
    actix_web::rt::System::new().block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_every_argument_is_explained() {
        fn look(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "{path}");
            for argument in command.get_arguments().filter(|a| !["help", "version"].contains(&a.get_id().as_str())) {
                assert!(argument.get_help().is_some(), "{path} {}", argument.get_id());
            }
            for below in command.get_subcommands().filter(|c| c.get_name() != "help") {
                look(below, &format!("{path} {}", below.get_name()));
            }
        }
        let mut command = Cli::command();
        command.build();
        look(&command, "credence");
    }
}
