//! The commands of the console. Each prints for people, or with `--json` for programs; errors go to standard error with the way out.

mod admin;
mod config;
mod demo;
mod push;
mod serve;
mod tools;

pub use config::apply as config_apply;
pub use push::Client;

use crate::environment::{Environment, default_data_dir};
use clap::{Parser, Subcommand};
use credence_core::settings::Settings;
use credence_db::cluster::Durability;
use std::path::PathBuf;
use std::process::ExitCode;

/// Shares a city's public credit information: departments push licences, penalties and lists; anyone entitled reads a subject's file.
#[derive(Parser)]
#[command(name = "credence", version, about, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// Settings that go over the defaults (config/default.toml lists every key)
    #[arg(long, global = true, value_name = "FILE", env = "CREDENCE_CONFIG")]
    config: Option<PathBuf>,
    /// Folder for keys, uploads and the private database [default: /var/lib/credence for root, else ~/.local/state/credence]
    #[arg(long, global = true, value_name = "FOLDER", env = "CREDENCE_DATA")]
    data_dir: Option<PathBuf>,
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
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
    /// Serve a demonstration city: made on first start, kept afterwards
    Demo(demo::Demo),
    /// Push a file of rows to a server, as a department does
    Push(push::Push),
    /// Look at unified social credit codes; needs no database
    #[command(subcommand)]
    Code(tools::Code),
    /// Count working days; needs no database
    #[command(subcommand)]
    Calendar(tools::Calendar),
    /// Accounts, keys, agencies and other things of the operator
    #[command(subcommand)]
    Admin(admin::Admin),
}

/// What a command needs of the surroundings.
struct Context {
    settings: Settings,
    data_dir: PathBuf,
    json: bool,
}

impl Context {
    async fn open(&self) -> Result<Environment, String> {
        let url = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
        Environment::open(self.settings.clone(), &self.data_dir, url, Durability::Full).await
    }

    /// The private database of the data folder, whatever the environment names: for what must not touch anybody's real data.
    async fn open_private(&self) -> Result<Environment, String> {
        let mut settings = self.settings.clone();
        settings.database.url.clear();
        Environment::open(settings, &self.data_dir, None, Durability::Full).await
    }

    /// Prints a value as JSON, or the text for people.
    #[expect(clippy::print_stdout, reason = "the output of a command")]
    fn print(&self, value: &impl serde::Serialize, text: impl FnOnce() -> String) {
        if self.json {
            println!("{}", serde_json::to_string(value).unwrap_or_default());
        } else {
            println!("{}", text().trim_end());
        }
    }
}

/// Runs the program. Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 3 some rows of a push were refused.
#[expect(clippy::print_stderr, reason = "errors of a command")]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("CREDENCE_LOG").unwrap_or_else(|_| "warn,credence=info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let settings = match Settings::load(cli.config.as_deref(), std::env::vars()) {
        Ok(settings) => settings,
        Err(e) => {
            eprintln!("credence: {e}");
            return ExitCode::from(2);
        }
    };
    let context = Context { settings, data_dir: cli.data_dir.unwrap_or_else(default_data_dir), json: cli.json };
    let result = match cli.command {
        Command::Code(command) => Ok(tools::code(&context, &command)),
        Command::Calendar(command) => Ok(tools::calendar(&context, &command)),
        Command::Push(command) => push::run(&context, &command),
        Command::Serve(command) => block_on(serve::run(&context, command)),
        Command::Migrate => block_on(serve::migrate(&context)),
        Command::Config(command) => block_on(config::run(&context, command)),
        Command::Demo(command) => block_on(demo::run(&context, command)),
        Command::Admin(command) => block_on(admin::run(&context, command)),
    };
    result.unwrap_or_else(|e| {
        eprintln!("credence: {e}");
        ExitCode::FAILURE
    })
}

fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    // actix wants its own system; it brings a tokio runtime with it.
    actix_web::rt::System::new().block_on(work)
}
