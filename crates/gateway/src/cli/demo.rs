//! `credence demo`: a city to try things on. Made on the first start through the same uploads a department makes and the same services its
//! officials use; kept afterwards. A first start that is stopped half-way is taken up by the next one.

mod card;
mod joint_action;
mod redress;

use super::client::Client;
use super::serve::{bind, prepare};
use super::{Context, Failure};
use crate::app::App;
use crate::server;
use card::{Card, Followed, Progress};
use chrono::NaiveDate;
use clap::Args;
use credence_core::crypto::random;
use credence_core::problem::Problem;
use credence_core::{Actor, Role};
use credence_demo::{City, Defects, DemoAgency, Feed, write_csv};
use credence_identity::model::{Binding, NewAccount, NewApiKey, NewSubjectAccount, USERNAME_TAKEN};
use credence_identity::regions::{AgencyEntry, apply_agencies};
use joint_action::Officials;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::sync::watch;

#[derive(Args)]
pub(super) struct Demo {
    /// Organisations of the city; looked at only when it is made
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    organisations: u32,
    /// Rows of licences, penalties and lists; looked at only when the city is made
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    rows: u32,
    /// Address and port to listen on, instead of those of the settings
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Make the city and stop, without serving it
    #[arg(long)]
    no_serve: bool,
}

/// The city is the same everywhere.
const SEED: u64 = 131_000;
/// The server is in this very process: when it does not answer for so long, it will not.
const AWAY_MAX: Duration = Duration::from_secs(30);
/// So many names are tried for an account.
const NAMES_MAX: u32 = 20;

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

/// Feeds that come before the lists: registers, and the documents that entries rest on. What the mirrors follow comes after them, and after the
/// entries that officials make, so that these lead the inboxes of the agencies instead of coming behind thousands of judgment defaulters.
fn comes_before_lists(feed: Feed) -> bool {
    matches!(feed, Feed::Registration | Feed::LicenceOrganisation | Feed::PenaltyOrganisation | Feed::PenaltyPerson)
}

pub(super) async fn run(context: &Context, demo: Demo) -> Result<ExitCode, Failure> {
    let address = demo.listen.clone().unwrap_or_else(|| context.settings.server.listen.clone());
    let listener = bind(&address)?;
    let inner = Context { settings: context.settings.clone(), data_dir: context.data_dir.join("demo"), console: context.console };
    let started = Instant::now();
    let (mut env, app) = prepare(inner.open_private().await?).await?;
    let (stop, stopping) = watch::channel(false);
    let workers = server::work(&app, stopping);
    let running = server::serve(app.clone(), listener).map_err(|e| e.to_string())?;
    let url = format!("http://{}", running.address);
    let result = async {
        let card = match Card::read(&inner.data_dir)? {
            Some(card) => card,
            None => build(&app, &demo, &url, &inner).await?,
        };
        // The first organisations and the agencies are the same in a city of any size, so the sample needs no more of it.
        let city = City::generate(SEED, 2);
        let sample = card::sample(&inner.data_dir, &city, example_provider(&app, &city)?)?;
        let followed = Followed::read(&inner.data_dir)?;
        card::print(&inner, &card, followed.as_ref(), &url, &sample, started.elapsed());
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
fn say(context: &Context, text: &str) {
    if !context.console.json {
        eprintln!("{text}");
    }
}

/// Makes the city, or goes on with it where an earlier start was stopped. Every step may come twice: agencies are entered or updated, a
/// file that was received is recognised, an account that is there stays, list entries and cases go on from the state they have, and keys are made
/// anew.
async fn build(app: &App, demo: &Demo, url: &str, context: &Context) -> Result<Card, Failure> {
    let data_dir = context.data_dir.as_path();
    let mut progress = match Progress::read(data_dir)? {
        Some(progress) => {
            say(context, "going on with the demonstration city where the start before this one was stopped");
            progress
        }
        None => Progress {
            today: app.clock.today(),
            organisations: demo.organisations,
            rows: demo.rows,
            password: hex::encode(random::<8>().map_err(|e| e.to_string())?),
            pushed: BTreeSet::new(),
        },
    };
    progress.save(data_dir)?;
    say(
        context,
        &format!(
            "making the demonstration city: {} organisations, {} rows (once; later starts keep it)",
            progress.organisations, progress.rows
        ),
    );
    let city = City::generate(SEED, usize::try_from(progress.organisations).unwrap_or(usize::MAX));
    let actor = Actor::system("credence demo");
    let now = app.clock.now();
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
    app.db.write(async |tx| apply_agencies(tx, &actor, &entries, now).await).await?;
    app.identity.directory.reload(&app.db, now).await?;

    let (before, after): (Vec<_>, Vec<_>) = plan(app, &city, &progress)?.into_iter().partition(|(feed, ..)| comes_before_lists(*feed));
    push_all(app, &city, before, &mut progress, url, context).await?;
    let accounts = open_accounts(app, &city, &actor, &progress.password).await?;
    let officials = Officials::log_in(app, &accounts, &progress.password).await?;
    joint_action::sanction(app, &city, &officials).await?;
    push_all(app, &city, after, &mut progress, url, context).await?;
    joint_action::followed(app).await?;
    joint_action::commend(app, &city, &officials).await?;
    say(context, &joint_action::summary(app).await?);
    let company = joint_action::logged_in(app, &accounts, "subject", &progress.password).await?;
    say(context, &redress::make(app, &city, &officials, company, progress.today, data_dir).await?);

    let provider_key = make_key(app, &actor, example_provider(app, &city)?, Feed::PenaltyOrganisation).await?;
    let example_uscc = city.organisations.first().map(|o| o.uscc.clone()).unwrap_or_default();
    let card = Card { password: progress.password, accounts: accounts.printed, provider_key, example_uscc };
    card.save(data_dir)?;
    Ok(card)
}

/// Pushes what was not pushed yet.
async fn push_all(
    app: &App,
    city: &City,
    files: Vec<(Feed, &DemoAgency, usize)>,
    progress: &mut Progress,
    url: &str,
    context: &Context,
) -> Result<(), Failure> {
    let (data_dir, actor) = (context.data_dir.as_path(), Actor::system("credence demo"));
    for (feed, agency, rows) in files {
        let file = format!("{} {}", agency.code, feed.item());
        if progress.pushed.contains(&file) {
            continue;
        }
        let key = make_key(app, &actor, agency, feed).await?;
        let summary = push(city, feed, agency, rows, progress.today, url, &key, data_dir).await?;
        say(context, &format!("  {} from {}: {summary}", feed.item(), agency.name));
        progress.pushed.insert(file);
        progress.save(data_dir)?;
    }
    Ok(())
}

async fn make_key(app: &App, actor: &Actor, agency: &DemoAgency, feed: Feed) -> Result<String, Failure> {
    let new = NewApiKey {
        agency: agency.code.clone(),
        label: format!("demo {}", feed.item()),
        role: Role::Provider,
        items: None,
        regions: None,
        valid_days: None,
    };
    Ok(app.identity.create_api_key(actor, new).await?.key)
}

/// The first agencies of the city that may push a feed.
fn providers<'c>(app: &App, city: &'c City, feed: Feed, most: usize) -> Result<Vec<&'c DemoAgency>, Failure> {
    let configuration = app.catalog.configuration.get();
    let item = configuration.items.get(feed.item()).ok_or_else(|| format!("the catalogue has no item {}", feed.item()))?;
    let able = |a: &&DemoAgency| {
        item.item.provided_by(&a.kind) && (!item.item.provided_by("*") || !matches!(a.kind.as_str(), "court" | "credit_office"))
    };
    Ok(city.agencies.iter().filter(able).take(most).collect())
}

/// The agency whose key is printed.
fn example_provider<'c>(app: &App, city: &'c City) -> Result<&'c DemoAgency, Failure> {
    let first = providers(app, city, Feed::PenaltyOrganisation, 1)?.first().copied();
    first.ok_or_else(|| "the city has no agency that provides penalties".into())
}

/// Which agency pushes how many rows of which feed: registration first, so that most subjects are confirmed when the rest arrives.
fn plan<'c>(app: &App, city: &'c City, progress: &Progress) -> Result<Vec<(Feed, &'c DemoAgency, usize)>, Failure> {
    let rows = usize::try_from(progress.rows).unwrap_or(usize::MAX);
    let mut plan = Vec::new();
    let registrar = providers(app, city, Feed::Registration, 1)?;
    plan.extend(registrar.first().map(|a| (Feed::Registration, *a, city.organisations.len())));
    for (feed, share) in SHARES {
        let total = rows * share / 1000;
        let most: usize = if share > 100 { 12 } else { 1 };
        // A file without rows would be refused, so no more agencies push than there are rows.
        let agencies = providers(app, city, feed, most.min(total))?;
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
) -> Result<String, Failure> {
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
        client.follow(&id, AWAY_MAX, &mut |_| {})
    })
    .await
    .map_err(|e| e.to_string())??;
    let _ = std::fs::remove_file(&path);
    if let Some(problem) = batch.pointer("/files/0/problem").filter(|p| !p.is_null()) {
        return Err(format!("{} was refused: {problem}", feed.item()).into());
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

/// Opens an account under a name, or under `name-2`, `name-3` … when somebody else has it. One that our password opens is of a start that
/// was stopped, and stays.
async fn open_account(app: &App, name: &str, password: &str, open: impl AsyncFn(String) -> Result<(), Problem>) -> Result<String, Failure> {
    for n in 1..=NAMES_MAX {
        let username = if n == 1 { name.to_owned() } else { format!("{name}-{n}") };
        match open(username.clone()).await {
            Ok(()) => return Ok(username),
            Err(problem) if problem.code() == USERNAME_TAKEN.code => {}
            Err(problem) => return Err(problem.into()),
        }
        if app.identity.login(&username, password.to_owned()).await.is_ok() {
            return Ok(username);
        }
    }
    Err(format!("every name from {name} to {name}-{NAMES_MAX} is taken").into())
}

/// The accounts of the city.
struct Accounts {
    /// Login names, and whose they are, as they are printed.
    printed: Vec<(String, String)>,
    /// The login name under the name it was asked for, which somebody else may have had.
    names: BTreeMap<&'static str, String>,
}

async fn open_accounts(app: &App, city: &City, actor: &Actor, password: &str) -> Result<Accounts, Failure> {
    let of_kind = |kind: &str| city.agencies.iter().find(|a| a.kind == kind).or(city.agencies.first()).map(|a| a.code.clone());
    let staff = [
        ("platform-admin", "系统管理员 platform_admin", Role::PlatformAdmin, None),
        ("security-admin", "安全管理员 security_admin", Role::SecurityAdmin, None),
        ("auditor", "审计员 auditor", Role::Auditor, None),
        ("credit-office", "信用办 credit_office", Role::CreditOffice, of_kind("credit_office")),
        ("provider", "信息提供单位 provider", Role::Provider, of_kind("market_regulation")),
        ("approver", "审批人 approver（同一单位，决定列入）", Role::Approver, of_kind("market_regulation")),
        ("consumer", "信息使用单位 consumer（行政审批）", Role::Consumer, of_kind("administrative_approval")),
        ("consumer-housing", "信息使用单位 consumer（住房城乡建设）", Role::Consumer, of_kind("housing")),
        ("consumer-water", "信息使用单位 consumer（水利，任务尚未接收）", Role::Consumer, of_kind("water")),
        ("clerk", "大厅经办人 clerk", Role::Clerk, of_kind("credit_office")),
    ];
    let mut accounts = Accounts { printed: Vec::new(), names: BTreeMap::new() };
    for (name, what, role, agency) in staff {
        let open = async |username: String| {
            let new = NewAccount {
                username,
                display_name: what.split(' ').next().unwrap_or(name).to_owned(),
                password: password.to_owned(),
                agency: agency.clone(),
                roles: vec![role],
            };
            app.identity.open_account(actor, new).await.map(drop)
        };
        let username = open_account(app, name, password, open).await?;
        accounts.names.insert(name, username.clone());
        accounts.printed.push((username, what.to_owned()));
    }
    if let (Some(organisation), Some(person)) = (city.organisations.first(), city.persons.first()) {
        let subject = app.reports.organisation(&organisation.uscc, &credence_reports::model::Question::default()).await?;
        let open = async |username: String| {
            let new = NewSubjectAccount {
                username,
                password: password.to_owned(),
                person_name: person.name.clone(),
                document_kind: "身份证".to_owned(),
                document_number: person.id_number.clone(),
                subject_id: subject.id,
                capacity: Binding::LegalRepresentative,
                evidence: "营业执照、法定代表人身份证".to_owned(),
            };
            let papers = app.catalog.configuration.get().person_document(&new.document_kind, &new.document_number, app.clock.today())?;
            app.identity.open_subject_account(actor, new, &papers).await.map(drop)
        };
        let what = format!("信用主体 subject（{}）", organisation.name);
        let username = open_account(app, "subject", password, open).await?;
        accounts.names.insert("subject", username.clone());
        accounts.printed.push((username, what));
    }
    Ok(accounts)
}
