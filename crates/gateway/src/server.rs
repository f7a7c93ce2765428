//! Serving and working until told to stop.

use crate::app::App;
use crate::routes;
use actix_web::dev::ServerHandle;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App as HttpApp, HttpServer};
use credence_core::Actor;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A running server.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
    follow: JoinHandle<()>,
}

impl Running {
    /// Lets running requests end, then stops.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        let _ = self.task.await;
        self.follow.abort();
    }
}

/// Starts the HTTP server on a listener.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(app: App, listener: TcpListener) -> std::io::Result<Running> {
    let address = listener.local_addr()?;
    let settings = app.settings.server.clone();
    let followed = app.clone();
    let mut server = HttpServer::new(move || {
        HttpApp::new().wrap(Compress::default()).wrap(from_fn(credence_web::localise)).configure(|config| routes::mount(config, &app))
    })
    .keep_alive(Duration::from_secs(settings.keep_alive_seconds))
    .shutdown_timeout(settings.shutdown_seconds)
    .disable_signals();
    if settings.workers > 0 {
        server = server.workers(settings.workers);
    }
    let server = server.listen(listener)?.run();
    let follow = tokio::spawn(follow_configuration(followed));
    let handle = server.handle();
    let task = tokio::spawn(server);
    Ok(Running { address, handle, task, follow })
}

/// How soon another process's `config apply` holds here.
const FOLLOW_CONFIGURATION: Duration = Duration::from_secs(1);

/// At every which look the signing keys are read too: so many seconds after another process made or retired one, it holds here.
const FOLLOW_KEYS_EVERY_LOOKS: u32 = 5;

async fn follow_configuration(app: App) {
    for look in (1..=FOLLOW_KEYS_EVERY_LOOKS).cycle() {
        tokio::time::sleep(FOLLOW_CONFIGURATION).await;
        if let Err(problem) = app.catalog.configuration.fresh(&app.db).await {
            tracing::warn!(code = problem.code(), cause = problem.internal.as_deref(), "cannot look for a newer configuration");
        }
        if look == FOLLOW_KEYS_EVERY_LOOKS
            && let Err(problem) = app.identity.signing.load(&app.db, &app.identity.ring).await
        {
            tracing::warn!(code = problem.code(), cause = problem.internal.as_deref(), "cannot look for newer signing keys");
        }
    }
}

/// Starts the workers: jobs, and what has to be looked after from time to time.
pub fn work(app: &App, stopping: watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let worker = app.worker();
    let poll = Duration::from_millis(app.settings.jobs.poll_milliseconds);
    vec![
        tokio::spawn(worker.run(stopping.clone())),
        tokio::spawn(app.lists.clone().run(stopping.clone(), poll)),
        tokio::spawn(app.redress.clone().run(stopping.clone(), poll)),
        tokio::spawn(credence_dispatch::service::push::run(app.dispatch.clone(), stopping.clone(), poll)),
        tokio::spawn(remind(app.clone(), stopping.clone())),
        tokio::spawn(look_after(app.clone(), stopping)),
    ]
}

/// How often the program looks for directives that are due.
const REMIND: Duration = Duration::from_secs(60);

async fn remind(app: App, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        if let Err(problem) = credence_dispatch::service::reminders::remind(&app.dispatch).await {
            tracing::warn!(code = problem.code(), cause = problem.internal.as_deref(), "cannot look for directives that are due");
        }
        tokio::select! {
            () = tokio::time::sleep(REMIND) => {}
            _ = stopping.changed() => {}
        }
    }
}

/// How often the program looks after signing keys, spool and idempotency keys.
const LOOK_AFTER: Duration = Duration::from_secs(3600);

async fn look_after(app: App, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        if let Err(problem) = app.identity.prepare().await {
            tracing::warn!(code = problem.code(), cause = problem.internal.as_deref(), "cannot look after the signing keys");
        }
        match credence_records::service::receive::clean_spool(&app.records).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(spool.removed = removed, actor = Actor::system("spool").label, "old uploads removed"),
            Err(problem) => tracing::warn!(code = problem.code(), cause = problem.internal.as_deref(), "cannot clean the spool"),
        }
        let forget = app.clock.now() - chrono::Duration::days(app.settings.query.idempotency_keep_days);
        if let Err(problem) = credence_web::idempotency::forget(&app.db, forget).await {
            tracing::warn!(code = problem.code(), cause = problem.internal.as_deref(), "cannot forget old idempotency keys");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AFTER) => {}
            _ = stopping.changed() => {}
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
