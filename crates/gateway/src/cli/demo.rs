//! `credence demo`: a city to try things on. Made on the first start through the same uploads a department makes; kept afterwards.

use super::Context;
use super::push::Client;
use super::serve::{bind, prepare};
use crate::app::App;
use crate::environment::describe;
use crate::server;
use chrono::NaiveDate;
use clap::Args;
use credence_core::crypto::random;
use credence_core::{Actor, Role};
use credence_demo::{City, Defects, DemoAgency, Feed, write_csv};
use credence_identity::model::{Binding, NewAccount, NewApiKey, NewSubjectAccount};
use credence_identity::regions::{AgencyEntry, apply_agencies};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use tokio::sync::watch;

#[derive(Args)]
pub(super) struct Demo {
    /// Organisations of the city
    #[arg(long, default_value_t = 20_000)]
    organisations: usize,
    /// Rows of licences, penalties and lists
    #[arg(long, default_value_t = 200_000)]
    rows: usize,
    /// Address and port, over the settings
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Make the city and stop
    #[arg(long)]
    no_serve: bool,
}

/// The city is the same everywhere.
const SEED: u64 = 131_000;
/// Logins and examples of the city, written last: its presence says that the city is complete.
const CARD: &str = "demo.json";

/// What is printed at every start.
#[derive(Serialize, Deserialize)]
struct Card {
    password: String,
    accounts: Vec<(String, String)>,
    provider_key: String,
    example_uscc: String,
}

/// Which share of the rows a feed has, in thousandths, and which kinds of agencies push it.
const SHARES: [(Feed, usize); 8] = [
    (Feed::LicenceOrganisation, 440),
    (Feed::PenaltyOrganisation, 380),
    (Feed::PenaltyPerson, 40),
    (Feed::JudgmentDefaulter, 30),
    (Feed::AbnormalOperation, 40),
    (Feed::AGradeTaxpayer, 25),
    (Feed::Honour, 15),
    (Feed::CreditCommitment, 30),
];

pub(super) async fn run(context: &Context, demo: Demo) -> Result<ExitCode, String> {
    let address = demo.listen.clone().unwrap_or_else(|| context.settings.server.listen.clone());
    let listener = bind(&address)?;
    let inner = Context { settings: context.settings.clone(), data_dir: context.data_dir.join("demo"), json: context.json };
    let started = Instant::now();
    let (mut env, app) = prepare(inner.open_private().await?).await?;
    let (stop, stopping) = watch::channel(false);
    let workers = server::work(&app, stopping);
    let running = server::serve(app.clone(), listener).map_err(|e| e.to_string())?;
    let url = format!("http://{}", running.address);
    let card_path = inner.data_dir.join(CARD);
    let result = async {
        let card = match std::fs::read_to_string(&card_path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| format!("{}: {e}", card_path.display()))?,
            Err(_) => build(&app, &demo, &url, &inner.data_dir, &card_path, context.json).await?,
        };
        print(&inner, &card, &url, started);
        if !demo.no_serve {
            server::stop_signal().await;
        }
        Ok(ExitCode::SUCCESS)
    }
    .await;
    let _ = stop.send(true);
    running.stop().await;
    for worker in workers {
        let _ = worker.await;
    }
    env.close();
    result
}

#[expect(clippy::print_stderr, reason = "progress of a long command")]
fn say(quiet: bool, text: &str) {
    if !quiet {
        eprintln!("{text}");
    }
}

async fn build(app: &App, demo: &Demo, url: &str, data_dir: &Path, card_path: &Path, quiet: bool) -> Result<Card, String> {
    say(
        quiet,
        &format!("making the demonstration city: {} organisations, {} rows (once; later starts keep it)", demo.organisations, demo.rows),
    );
    let city = City::generate(SEED, demo.organisations);
    let actor = Actor::system("credence demo");
    let (now, today) = (app.clock.now(), app.clock.today());
    let entries: Vec<AgencyEntry> = city
        .agencies
        .iter()
        .map(|a| AgencyEntry {
            code: a.code.clone(),
            name: a.name.clone(),
            uscc: a.uscc.clone(),
            region: a.region.clone(),
            kind: a.kind.clone(),
        })
        .collect();
    app.db.write(async |tx| apply_agencies(tx, &actor, &entries, now).await).await.map_err(|e| describe(&e))?;
    app.identity.directory.reload(&app.db, now).await.map_err(|e| describe(&e))?;

    let mut provider_key = String::new();
    for (feed, agency, rows) in plan(app, &city, demo)? {
        let new = NewApiKey {
            agency: agency.code.clone(),
            label: format!("demo {}", feed.item()),
            role: Role::Provider,
            items: None,
            regions: None,
            valid_days: None,
        };
        let key = app.identity.create_api_key(&actor, new).await.map_err(|e| describe(&e))?.key;
        if matches!(feed, Feed::PenaltyOrganisation) && provider_key.is_empty() {
            provider_key.clone_from(&key);
        }
        let summary = push(&city, feed, agency, rows, today, url, &key, data_dir).await?;
        say(quiet, &format!("  {} from {}: {summary}", feed.item(), agency.name));
    }

    let password = hex::encode(random::<8>().map_err(|e| e.to_string())?);
    let accounts = open_accounts(app, &city, &actor, &password).await?;
    let example_uscc = city.organisations.first().map(|o| o.uscc.clone()).unwrap_or_default();
    let card = Card { password, accounts, provider_key, example_uscc };
    let text = serde_json::to_string_pretty(&card).map_err(|e| e.to_string())?;
    write_private(card_path, &text)?;
    Ok(card)
}

fn write_private(path: &Path, text: &str) -> Result<(), String> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)
}

/// Which agency pushes how many rows of which feed: registration first, so that most subjects are confirmed when the rest arrives.
fn plan<'c>(app: &App, city: &'c City, demo: &Demo) -> Result<Vec<(Feed, &'c DemoAgency, usize)>, String> {
    let configuration = app.catalog.configuration.get();
    let providers = |feed: Feed, most: usize| -> Result<Vec<&'c DemoAgency>, String> {
        let item = configuration.items.get(feed.item()).ok_or_else(|| format!("the catalogue has no item {}", feed.item()))?;
        let able = |a: &&DemoAgency| {
            item.item.provided_by(&a.kind) && (!item.item.provided_by("*") || !matches!(a.kind.as_str(), "court" | "credit_office"))
        };
        Ok(city.agencies.iter().filter(able).take(most).collect())
    };
    let mut plan = Vec::new();
    let registrar = providers(Feed::Registration, 1)?;
    plan.extend(registrar.first().map(|a| (Feed::Registration, *a, demo.organisations)));
    for (feed, share) in SHARES {
        let total = demo.rows * share / 1000;
        let agencies = providers(feed, if share > 100 { 12 } else { 1 })?;
        let each = total / agencies.len().max(1);
        plan.extend(agencies.into_iter().map(|a| (feed, a, each)));
    }
    Ok(plan)
}

#[expect(clippy::too_many_arguments, reason = "one upload in all its parts")]
async fn push(
    city: &City,
    feed: Feed,
    agency: &DemoAgency,
    rows: usize,
    today: NaiveDate,
    url: &str,
    key: &str,
    data_dir: &Path,
) -> Result<String, String> {
    let path = data_dir.join(format!("{}-{}.csv", agency.code, feed.item()));
    let file = std::fs::File::create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    write_csv(city, feed, agency, rows, SEED, today, Defects::measured(), BufWriter::new(file)).map_err(|e| e.to_string())?;
    let (url, key, name) = (url.to_owned(), key.to_owned(), path.clone());
    let batch = tokio::task::spawn_blocking(move || {
        let client = Client::new(&url, &key);
        let file = std::fs::File::open(&name).map_err(|e| e.to_string())?;
        let size = file.metadata().map_err(|e| e.to_string())?.len();
        let received = client.submit(&[("item", feed.item()), ("feed", feed.version()), ("file_name", "demo.csv")], file, size)?;
        let id = received.pointer("/batch/id").and_then(Value::as_str).ok_or("no batch")?.to_owned();
        client.wait(&id, &mut |_| {})
    })
    .await
    .map_err(|e| e.to_string())??;
    let _ = std::fs::remove_file(&path);
    if let Some(problem) = batch.pointer("/files/0/problem").filter(|p| !p.is_null()) {
        return Err(format!("{} was refused: {problem}", feed.item()));
    }
    let n = |key: &str| batch.pointer(&format!("/counts/{key}")).and_then(Value::as_i64).unwrap_or(0);
    let speed = batch.pointer("/files/0/rows_per_second").and_then(Value::as_f64).unwrap_or(0.0);
    Ok(format!(
        "{} accepted, {} with warnings, {} unchanged, {} new versions, {} refused; {speed:.0} rows/s",
        n("accepted"),
        n("accepted_with_warnings"),
        n("unchanged"),
        n("new_version"),
        n("refused")
    ))
}

async fn open_accounts(app: &App, city: &City, actor: &Actor, password: &str) -> Result<Vec<(String, String)>, String> {
    let of_kind = |kind: &str| city.agencies.iter().find(|a| a.kind == kind).or(city.agencies.first()).map(|a| a.code.clone());
    let staff = [
        ("platform-admin", "系统管理员 platform_admin", Role::PlatformAdmin, None),
        ("security-admin", "安全管理员 security_admin", Role::SecurityAdmin, None),
        ("auditor", "审计员 auditor", Role::Auditor, None),
        ("credit-office", "信用办 credit_office", Role::CreditOffice, of_kind("credit_office")),
        ("provider", "信息提供单位 provider", Role::Provider, of_kind("market_regulation")),
        ("consumer", "信息使用单位 consumer", Role::Consumer, of_kind("administrative_approval")),
        ("clerk", "大厅经办人 clerk", Role::Clerk, of_kind("credit_office")),
    ];
    let mut accounts = Vec::new();
    for (username, what, role, agency) in staff {
        let new = NewAccount {
            username: username.to_owned(),
            display_name: what.split(' ').next().unwrap_or(username).to_owned(),
            password: password.to_owned(),
            agency,
            roles: vec![role],
        };
        app.identity.open_account(actor, new).await.map_err(|e| describe(&e))?;
        accounts.push((username.to_owned(), what.to_owned()));
    }
    if let (Some(organisation), Some(person)) = (city.organisations.first(), city.persons.first()) {
        let subject = app.reports.organisation(&organisation.uscc).await.map_err(|e| describe(&e))?;
        let new = NewSubjectAccount {
            username: "subject".to_owned(),
            password: password.to_owned(),
            person_name: person.name.clone(),
            document_kind: "身份证".to_owned(),
            document_number: person.id_number.clone(),
            subject_id: subject.id,
            capacity: Binding::LegalRepresentative,
            evidence: "营业执照、法定代表人身份证".to_owned(),
        };
        app.identity.open_subject_account(actor, new).await.map_err(|e| describe(&e))?;
        accounts.push(("subject".to_owned(), format!("信用主体 subject（{}）", organisation.name)));
    }
    Ok(accounts)
}

fn print(context: &Context, card: &Card, url: &str, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    context.print(&json!({ "url": url, "password": card.password, "accounts": card.accounts, "provider_key": card.provider_key, "example_uscc": card.example_uscc }), || {
        let mut text = format!("\nready at {url} after {seconds:.1} s; API browser: {url}/docs/ ; Ctrl-C stops everything\n\nlogins (password of all: {})\n", card.password);
        for (name, what) in &card.accounts {
            text.push_str(&format!("  {name:<16} {what}\n"));
        }
        let (uscc, key, password) = (&card.example_uscc, &card.provider_key, &card.password);
        text.push_str(&format!(
            "\ntry\n\
             1  curl -s {url}/v1/subjects/{uscc}/file            # a company's public file\n\
             2  curl -s '{url}/v1/subjects/{uscc}/file?as_of=2025-01-01&section=administrative_penalty'\n\
             3  curl -sO {url}/v1/catalog/administrative_penalty_organisation/template.xlsx\n\
             4  curl -s {url}/v1/sessions -H 'Content-Type: application/json' -d '{{\"username\":\"provider\",\"password\":\"{password}\"}}'\n\
             5  CREDENCE_KEY={key} \\\n     credence push --item administrative_penalty_organisation --feed v2 --dry-run FILE.csv\n"
        ));
        text
    });
}
