//! actix plumbing shared by the domains' routes: problems as RFC 9457 answers, who is calling, entity tags, and answers that are given
//! again under an `Idempotency-Key`.

mod caller;
mod etag;
pub mod idempotency;
mod problem;

pub use caller::{Caller, MaybeCaller, set_actor};
pub use etag::with_etag;
pub use problem::{ApiError, ApiResult, ProblemBody, extractor_errors, localise};
