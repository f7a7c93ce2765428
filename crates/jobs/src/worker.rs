//! The worker: takes due jobs, renews their lease while they run, gives them back when they fail.

use crate::store;
use chrono::Duration;
use credence_core::clock::Clock;
use credence_core::problem::{Kind, Problem, Result};
use credence_db::Db;
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Whether the job that runs under it may still go on. Long work asks before each of its commits.
#[derive(Clone)]
pub struct Lease {
    /// The taking's id.
    pub id: Uuid,
    lost: Arc<AtomicBool>,
    stopping: watch::Receiver<bool>,
}

impl Lease {
    /// A lease held by the process outside the worker, for work done inside a call.
    pub fn in_call(id: Uuid) -> Self {
        Self { id, lost: Arc::default(), stopping: watch::channel(false).1 }
    }

    /// `false` once the lease was lost or the program is stopping: stop at the next safe point.
    pub fn may_go_on(&self) -> bool {
        !self.lost.load(Ordering::Relaxed) && !*self.stopping.borrow()
    }
}

/// How a handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The work is done.
    Done,
    /// The program is stopping or the lease was lost; the rest is for the next taker.
    Interrupted,
}

type Work = Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>;

/// Runs jobs of one kind. It may be run twice for the same job and must then do no more than once.
pub struct Handler {
    /// The kind.
    pub kind: &'static str,
    /// Payload and lease in, future out.
    pub run: Box<dyn Fn(Value, Lease) -> Work + Send + Sync>,
}

/// Runs the registered handlers.
pub struct Worker {
    db: Db,
    clock: Arc<dyn Clock>,
    handlers: Vec<Handler>,
    lease_for: Duration,
    poll: std::time::Duration,
    attempts_max: i32,
    parallel: usize,
    wake: Arc<Notify>,
}

impl Worker {
    /// A worker over these handlers; `wake` spares it the wait when this process enqueues something.
    pub fn new(db: Db, clock: Arc<dyn Clock>, settings: &credence_core::settings::Jobs, handlers: Vec<Handler>, wake: Arc<Notify>) -> Self {
        Self {
            db,
            clock,
            handlers,
            lease_for: Duration::seconds(settings.lease_seconds),
            poll: std::time::Duration::from_millis(settings.poll_milliseconds),
            attempts_max: settings.attempts_max,
            parallel: settings.parallel,
            wake,
        }
    }

    /// Works until `stopping` turns true, then lets running jobs reach a safe point.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        let worker = Arc::new(self);
        let mut running = JoinSet::new();
        while !*stopping.borrow() {
            while running.try_join_next().is_some() {}
            if running.len() < worker.parallel {
                match worker.take().await {
                    Ok(Some((job, lease))) => {
                        let worker = Arc::clone(&worker);
                        let stopping = stopping.clone();
                        running.spawn(async move { worker.run_one(job, lease, stopping).await });
                        continue;
                    }
                    Ok(None) => {}
                    Err(problem) => tracing::warn!(code = problem.code(), cause = problem.internal.as_deref(), "cannot look for jobs"),
                }
            }
            tokio::select! {
                () = worker.wake.notified() => {}
                () = tokio::time::sleep(worker.poll) => {}
                Some(_) = running.join_next() => {}
                _ = stopping.changed() => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Runs every job that is due, in this task, until none is left; for tests and for the demo's setup.
    pub async fn drain(&self) -> Result<usize> {
        let mut done = 0;
        while let Some((job, lease)) = self.take().await? {
            let (_keep, stopping) = watch::channel(false);
            self.run_one(job, lease, stopping).await;
            done += 1;
        }
        Ok(done)
    }

    async fn take(&self) -> Result<Option<(store::Taken, Uuid)>> {
        let kinds: Vec<&str> = self.handlers.iter().map(|h| h.kind).collect();
        let lease = Uuid::now_v7();
        let mut conn = self.db.read().await?;
        Ok(store::take(&mut conn, &kinds, lease, self.clock.now(), self.lease_for).await?.map(|job| (job, lease)))
    }

    async fn run_one(&self, job: store::Taken, lease_id: Uuid, stopping: watch::Receiver<bool>) {
        let Some(handler) = self.handlers.iter().find(|h| h.kind == job.kind) else { return };
        let lost = Arc::new(AtomicBool::new(false));
        let lease = Lease { id: lease_id, lost: Arc::clone(&lost), stopping };
        let mut work = (handler.run)(job.payload.clone(), lease);
        let third = std::time::Duration::from_millis(u64::try_from(self.lease_for.num_milliseconds() / 3).unwrap_or(1000).max(50));
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                () = tokio::time::sleep(third) => {
                    if !self.renew(job.id, lease_id).await {
                        lost.store(true, Ordering::Relaxed);
                    }
                }
            }
        };
        if let Err(problem) = self.settle(&job, lease_id, result).await {
            // The lease runs out by itself and the job is tried again.
            tracing::warn!(job.id = %job.id, job.kind, code = problem.code(), cause = problem.internal.as_deref(), "cannot settle job");
        }
    }

    async fn renew(&self, job: Uuid, lease: Uuid) -> bool {
        let Ok(mut conn) = self.db.read().await else { return false };
        store::renew(&mut conn, job, lease, self.lease_for).await.unwrap_or(false)
    }

    async fn settle(&self, job: &store::Taken, lease: Uuid, result: Result<Outcome>) -> Result<()> {
        let now = self.clock.now();
        let mut conn = self.db.read().await?;
        match result {
            Ok(Outcome::Done) => store::finish(&mut conn, job.id, lease, "done", None, now).await,
            Ok(Outcome::Interrupted) => store::give_back(&mut conn, job.id, lease, "interrupted", now).await,
            Err(problem) => {
                let text = error_text(&problem);
                tracing::error!(job.id = %job.id, job.kind, job.attempts, error = text, "job failed");
                if job.attempts >= self.attempts_max && problem.of.kind != Kind::Unavailable {
                    store::finish(&mut conn, job.id, lease, "failed", Some(&text), now).await
                } else {
                    let wait = Duration::seconds(1 << job.attempts.clamp(0, 10));
                    store::give_back(&mut conn, job.id, lease, &text, now + wait).await
                }
            }
        }
    }
}

fn error_text(problem: &Problem) -> String {
    problem.internal.as_deref().map_or_else(|| problem.to_string(), |cause| format!("{}: {cause}", problem.code()))
}
