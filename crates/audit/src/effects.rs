//! Effects follow causes (invariant 8). When a record or a list entry is corrected, withdrawn, repaired or shielded, everything that shows it has to follow,
//! and it has to be shown that it did. Whatever shows records, or something that rests on them, is a [`Projection`]; the program registers all of them in
//! one place, and redress asks each for a receipt. A new projection joins by being registered.

use chrono::{DateTime, NaiveDate, Utc};
use credence_core::problem::Result;
use futures_util::future::BoxFuture;
use serde_json::Value;
use uuid::Uuid;

/// A change that has to take effect everywhere.
#[derive(Debug, Clone)]
pub struct Effect {
    /// Its id.
    pub id: Uuid,
    /// Whom it is about.
    pub subject_id: Uuid,
    /// `repaired`, `shielded`, `unshielded`, `corrected`, `withdrawn`, `stopped` or `delisted`.
    pub kind: String,
    /// `record` or `entry`.
    pub target: String,
    /// The record or entry.
    pub target_id: Uuid,
    /// Catalogue item of the record, or list of the entry.
    pub source: String,
    /// When it was decided.
    pub happened_at: DateTime<Utc>,
}

impl Effect {
    /// Whether nobody may see the target any more: it was repaired, withdrawn, shielded or delisted. After a correction it is shown, as corrected.
    pub fn hides(&self) -> bool {
        matches!(self.kind.as_str(), "repaired" | "shielded" | "withdrawn" | "delisted")
    }
}

/// How far a projection is with an effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Places that still show what is no longer so; 0 when the effect is there.
    pub shown: i64,
    /// Somebody outside of the program has to act first, until this day: the authority about a questioned ground, say.
    pub waits_until: Option<NaiveDate>,
    /// Particulars for the receipt, without personal identifiers.
    pub detail: Value,
}

/// Whatever shows records or rests on them.
pub trait Projection: Send + Sync {
    /// Stable code, also the recipient's name in receipts.
    fn code(&self) -> &'static str;

    /// Its name for people, in Chinese.
    fn name(&self) -> &'static str;

    /// Does what is to be done for an effect and looks whether it is there. May be called again: done twice, it comes to the same.
    fn settle<'a>(&'a self, effect: &'a Effect) -> BoxFuture<'a, Result<Standing>>;

    /// Of these targets (subject, record or entry) those that it still shows although they were repaired, shielded, withdrawn or delisted: the proof that
    /// nothing was forgotten, asked of the data and not of receipts.
    fn still_shown<'a>(&'a self, targets: &'a [Effect]) -> BoxFuture<'a, Result<Vec<Uuid>>>;
}
