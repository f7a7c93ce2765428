//! `credence serve` and `credence migrate`.

use super::config::apply_shipped;
use super::{Context, Failure};
use crate::app::App;
use crate::environment::Environment;
use crate::server;
use clap::{Args, ValueEnum};
use credence_core::clock::SystemClock;
use serde_json::json;
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::watch;

#[derive(Args)]
pub(super) struct Serve {
    /// What this process does
    #[arg(long, value_enum, default_value = "all")]
    role: Role,
    /// Address and port to listen on, instead of those of the settings
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// API and workers
    All,
    /// The API only
    Api,
    /// The workers only
    Work,
}

/// Brings a private database up to date, and makes sure that there is a configuration.
pub(super) async fn prepare(env: Environment) -> Result<(Environment, App), Failure> {
    env.ensure_schema().await?;
    if env.cluster.is_some() {
        apply_shipped(&env).await?;
    }
    let app = App::assemble(&env, Arc::new(SystemClock)).await?;
    Ok((env, app))
}

pub(super) async fn run(context: &Context, command: Serve) -> Result<ExitCode, Failure> {
    let address = command.listen.clone().unwrap_or_else(|| context.settings.server.listen.clone());
    // The port first: a mistake there should not cost the start of a database.
    let listener = if command.role == Role::Work { None } else { Some(bind(&address)?) };
    let (mut env, app) = prepare(context.open().await?).await?;
    let (stop, stopping) = watch::channel(false);
    let workers = if command.role == Role::Api { Vec::new() } else { server::work(&app, stopping) };
    let running = match listener {
        Some(listener) => Some(server::serve(app, listener).map_err(|e| e.to_string())?),
        None => None,
    };
    let url = running.as_ref().map(|r| format!("http://{}", r.address));
    context.print(&json!({ "state": "ready", "url": url }), || match &url {
        Some(url) => format!("ready at {url} (API browser at {url}/docs/); Ctrl-C stops"),
        None => "workers ready; Ctrl-C stops".to_owned(),
    });
    server::stop_signal().await;
    tracing::info!("stopping");
    let _ = stop.send(true);
    if let Some(running) = running {
        running.stop().await;
    }
    for worker in workers {
        let _ = worker.await;
    }
    env.close();
    Ok(ExitCode::SUCCESS)
}

/// Binds a listener with a message that helps.
pub(super) fn bind(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|e| {
        Failure::new("cannot_listen", format!("cannot listen on {address}: {e}; choose another with --listen or [server] listen"))
    })
}

pub(super) async fn migrate(context: &Context) -> Result<ExitCode, Failure> {
    let mut env = context.open().await?;
    let applied = credence_db::migrate(env.db.url()).await?;
    context.print(&json!({ "applied": applied }), || if applied.is_empty() { "nothing to do".to_owned() } else { applied.join("\n") });
    env.close();
    Ok(ExitCode::SUCCESS)
}
