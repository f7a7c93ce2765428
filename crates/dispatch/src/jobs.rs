//! Handlers of the jobs of joint action.

use crate::service::{Dispatch, check_batches};
use credence_core::problem::Problem;
use credence_jobs::Handler;

/// Batch checks.
pub fn handlers(dispatch: &Dispatch) -> Vec<Handler> {
    let checking = dispatch.clone();
    vec![Handler {
        kind: check_batches::CHECK_BATCH_JOB,
        run: Box::new(move |payload, lease| {
            let dispatch = checking.clone();
            Box::pin(async move {
                let job: check_batches::CheckBatchJob = serde_json::from_value(payload).map_err(Problem::internal)?;
                check_batches::run(&dispatch, &job, &lease).await
            })
        }),
    }]
}
