//! The agencies and regions, small and read by everybody: a snapshot in memory, renewed when it is older than a few seconds or an id is
//! missing in it.

use crate::store;
use chrono::{DateTime, Duration, Utc};
use credence_core::problem::Result;
use credence_db::Db;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use uuid::Uuid;

/// An agency.
#[derive(Debug, Clone)]
pub struct Agency {
    /// Id.
    pub id: Uuid,
    /// Short code.
    pub code: String,
    /// Official name.
    pub name: String,
    /// Its USCC.
    pub uscc: String,
    /// Region it serves.
    pub region: String,
    /// Kind of organ.
    pub kind: String,
}

/// A snapshot.
#[derive(Debug, Default)]
pub struct Snapshot {
    agencies: HashMap<Uuid, Agency>,
    parents: HashMap<String, Option<String>>,
}

impl Snapshot {
    /// The agency with an id.
    pub fn agency(&self, id: Uuid) -> Option<&Agency> {
        self.agencies.get(&id)
    }

    /// The agency with a code.
    pub fn by_code(&self, code: &str) -> Option<&Agency> {
        self.agencies.values().find(|a| a.code == code)
    }

    /// All agencies.
    pub fn agencies(&self) -> impl Iterator<Item = &Agency> {
        self.agencies.values()
    }

    /// Whether it is a region the platform serves.
    pub fn is_region(&self, code: &str) -> bool {
        self.parents.contains_key(code)
    }

    fn ancestors<'a>(&'a self, region: &'a str) -> impl Iterator<Item = &'a str> {
        // Divisions have four levels; the bound only guards against a circle.
        std::iter::successors(Some(region), |r| self.parents.get(*r).and_then(|p| p.as_deref())).take(8)
    }

    /// Whether `region` is `of` or lies within it.
    pub fn is_within(&self, region: &str, of: &str) -> bool {
        self.ancestors(region).any(|r| r == of)
    }

    /// Agencies above and below a region: those whose statements its agencies see for their duty.
    pub fn lineage(&self, region: &str) -> Vec<Uuid> {
        self.agencies.values().filter(|a| self.is_within(region, &a.region) || self.is_within(&a.region, region)).map(|a| a.id).collect()
    }

    /// Regions within the given ones, themselves included.
    pub fn regions_within(&self, of: &[String]) -> Vec<String> {
        self.parents.keys().filter(|r| of.iter().any(|o| self.is_within(r, o))).cloned().collect()
    }
}

/// The shared directory.
#[derive(Clone, Default)]
pub struct Directory(Arc<RwLock<Held>>);

/// A snapshot and when it was read; before the first there is an empty one without a time.
type Held = (Option<DateTime<Utc>>, Arc<Snapshot>);

/// How long a snapshot is believed; an agency that is entered is known everywhere after so long.
const FRESH_FOR_SECONDS: i64 = 5;

impl Directory {
    /// A snapshot at most a few seconds old.
    pub async fn get(&self, db: &Db, now: DateTime<Utc>) -> Result<Arc<Snapshot>> {
        {
            let held = self.0.read().unwrap_or_else(PoisonError::into_inner);
            if held.0.is_some_and(|at| (now - at).abs() < Duration::seconds(FRESH_FOR_SECONDS)) {
                return Ok(Arc::clone(&held.1));
            }
        }
        self.reload(db, now).await
    }

    /// A snapshot read just now.
    pub async fn reload(&self, db: &Db, now: DateTime<Utc>) -> Result<Arc<Snapshot>> {
        let mut conn = db.read().await?;
        let agencies = store::agencies(&mut conn).await?.into_iter().map(|a| (a.id, a)).collect();
        let parents = store::region_parents(&mut conn).await?.into_iter().collect();
        let snapshot = Arc::new(Snapshot { agencies, parents });
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (Some(now), Arc::clone(&snapshot));
        Ok(snapshot)
    }
}
