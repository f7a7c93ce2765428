//! The words every other crate uses: identifiers as types, who is asking ([`Actor`]), what time it is ([`Clock`]),
//! what went wrong ([`Problem`]), how lists are paged, and the cryptographic suites. Nothing here touches a network or a disk,
//! save [`settings`], which reads one file.

pub mod actor;
pub mod clock;
pub mod crypto;
pub mod identifiers;
pub mod ids;
pub mod paging;
pub mod problem;
pub mod settings;

pub use actor::{Actor, Permission, Role};
pub use clock::{Clock, ManualClock, SystemClock};
pub use ids::{AccountId, AgencyId, BatchId, RecordId, SubjectId};
pub use problem::{Kind, Problem, ProblemType, Result};
pub use settings::Settings;
