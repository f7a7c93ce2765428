//! Handlers of the records domain's jobs.

use crate::service::{Records, absences, load, receive, undo};
use credence_core::problem::{Problem, Result};
use credence_jobs::Handler;
use serde_json::Value;
use uuid::Uuid;

fn id(payload: &Value, key: &str) -> Result<Uuid> {
    payload
        .get(key)
        .and_then(Value::as_str)
        .and_then(|text| Uuid::parse_str(text).ok())
        .ok_or_else(|| Problem::internal(format!("payload without {key}")))
}

/// Loading, ending what whole lists lack, and undoing.
pub fn handlers(records: &Records) -> Vec<Handler> {
    let (loading, ending, undoing) = (records.clone(), records.clone(), records.clone());
    vec![
        Handler {
            kind: receive::LOAD_JOB,
            run: Box::new(move |payload, lease| {
                let records = loading.clone();
                Box::pin(async move { load::run(&records, id(&payload, "file_id")?, &lease).await })
            }),
        },
        Handler {
            kind: absences::ABSENCES_JOB,
            run: Box::new(move |payload, lease| {
                let records = ending.clone();
                Box::pin(async move { absences::run(&records, id(&payload, "batch_id")?, &lease).await })
            }),
        },
        Handler {
            kind: undo::UNDO_JOB,
            run: Box::new(move |payload, lease| {
                let records = undoing.clone();
                Box::pin(async move {
                    let reason = payload.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned();
                    undo::run(&records, id(&payload, "batch_id")?, &reason, &lease).await
                })
            }),
        },
    ]
}
