//! `credence admin`: what an operator does at the console.

use super::serve::prepare;
use super::{Context, Failure};
use crate::routes;
use clap::Subcommand;
use credence_core::{Actor, Role};
use credence_identity::model::{NewAccount, NewApiKey};
use credence_identity::regions::{AgencyEntry, apply_agencies};
use serde::Deserialize;
use serde_json::json;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum Admin {
    /// Open an account; the password is read from standard input
    AddAccount {
        /// Login name: 3 to 64 letters, digits or . - _
        username: String,
        /// Roles, separated by commas: platform_admin, security_admin, auditor, credit_office, provider, approver, consumer, clerk
        #[arg(long, value_delimiter = ',', required = true)]
        roles: Vec<String>,
        /// Code of the agency; none for the two administrators and the auditor
        #[arg(long, value_name = "CODE")]
        agency: Option<String>,
        /// Name that colleagues see [default: the login name]
        #[arg(long)]
        name: Option<String>,
    },
    /// Make an API key; it is printed once and never again
    AddKey {
        /// Code of the agency
        agency: String,
        /// What the key is for, in words for people
        #[arg(long, value_name = "TEXT")]
        label: String,
        /// Role of the key: provider or consumer
        #[arg(long, default_value = "provider")]
        role: String,
        /// Catalogue items the key is limited to, separated by commas [default: every item of the agency]
        #[arg(long, value_delimiter = ',')]
        items: Option<Vec<String>>,
        /// Region codes the key is limited to, separated by commas [default: no limit]
        #[arg(long, value_delimiter = ',')]
        regions: Option<Vec<String>>,
        /// Days the key works [default: until it is revoked]
        #[arg(long, value_name = "DAYS")]
        valid_days: Option<i64>,
    },
    /// Enter or update agencies from a TOML file
    ///
    /// The file is a list of [[agencies]] with code, name, uscc, region and kind.
    ApplyAgencies {
        /// TOML file of agencies
        file: PathBuf,
    },
    /// Make a new token-signing key; tokens signed before stay good until they expire
    RotateSigningKey,
    /// Print the OpenAPI document; needs no database
    Openapi,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgenciesFile {
    agencies: Vec<AgencyEntry>,
}

fn role(text: &str) -> Result<Role, Failure> {
    let unknown = || Failure::new("role_unknown", format!("there is no role `{text}`; roles are {}", Role::ALL.map(Role::code).join(", ")));
    Role::from_code(text).ok_or_else(unknown)
}

pub(super) async fn run(context: &Context, command: Admin) -> Result<ExitCode, Failure> {
    if let Admin::Openapi = command {
        let text = routes::openapi_text()?;
        context.print(&serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default(), || text);
        return Ok(ExitCode::SUCCESS);
    }
    let (mut env, app) = prepare(context.open().await?).await?;
    let actor = Actor::system("console");
    match command {
        Admin::Openapi => {}
        Admin::AddAccount { username, roles, agency, name } => {
            let mut password = String::new();
            std::io::stdin().read_to_string(&mut password).map_err(|e| e.to_string())?;
            let roles = roles.iter().map(|r| role(r)).collect::<Result<_, _>>()?;
            let display_name = name.unwrap_or_else(|| username.clone());
            let new = NewAccount { username, display_name, password: password.trim_end_matches(['\r', '\n']).to_owned(), agency, roles };
            let account = app.identity.open_account(&actor, new).await?;
            context.print(&account, || format!("account {} opened", account.username));
        }
        Admin::AddKey { agency, label, role: of, items, regions, valid_days } => {
            let new = NewApiKey { agency, label, role: role(&of)?, items, regions, valid_days };
            let created = app.identity.create_api_key(&actor, new).await?;
            context.print(&created, || created.key.clone());
        }
        Admin::ApplyAgencies { file } => {
            let text = std::fs::read_to_string(&file).map_err(|e| Failure::new("file_unreadable", format!("{}: {e}", file.display())))?;
            let parsed: AgenciesFile = toml::from_str(&text).map_err(|e| format!("{}: {}", file.display(), e.message()))?;
            let now = app.clock.now();
            app.db.write(async |tx| apply_agencies(tx, &actor, &parsed.agencies, now).await).await?;
            let n = parsed.agencies.len();
            context.print(&json!({ "agencies": n }), || format!("{n} agencies entered or updated"));
        }
        Admin::RotateSigningKey => {
            let kid = app.identity.rotate_signing_key(&actor).await?;
            context.print(&json!({ "kid": kid }), || format!("signing with {kid} from now on"));
        }
    }
    env.close();
    Ok(ExitCode::SUCCESS)
}
