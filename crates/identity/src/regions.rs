//! Regions and agencies as configuration documents: `config/regions.toml`, and an agencies file that an operator (or the demo) applies.

use crate::store;
use chrono::{DateTime, Utc};
use credence_audit::{Change, record};
use credence_core::Actor;
use credence_core::identifiers::uscc::{Uscc, UsccRules};
use credence_core::problem::{Problem, Result};
use credence_db::Tx;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// A division.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// GB/T 2260 code.
    pub code: String,
    /// Chinese name.
    pub name: String,
    /// `city`, `county`, `township` or `village`.
    pub level: String,
    /// Division it belongs to; empty for the city.
    pub parent: String,
}

/// `config/regions.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regions {
    /// The divisions, parents before children.
    pub regions: Vec<Region>,
}

/// An agency to be entered or changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgencyEntry {
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

/// Enters or updates the divisions.
pub async fn apply_regions(tx: &mut Tx<'_>, actor: &Actor, text: &str, now: DateTime<Utc>) -> Result<usize> {
    let regions: Regions = toml::from_str(text)
        .map_err(|e| Problem::malformed(format!("regions.toml：{}", e.message()), format!("regions.toml: {}", e.message())))?;
    store::upsert_regions(tx, &regions.regions).await?;
    record(tx, actor, Change::new("regions.apply", "regions", Uuid::nil()).with(json!({ "regions": regions.regions.len() })), now).await?;
    Ok(regions.regions.len())
}

/// Enters or updates agencies, found by their code.
pub async fn apply_agencies(tx: &mut Tx<'_>, actor: &Actor, agencies: &[AgencyEntry], now: DateTime<Utc>) -> Result<()> {
    for agency in agencies {
        if let Err(e) = Uscc::parse(&agency.uscc, &UsccRules::default()) {
            return Err(Problem::malformed(format!("{}：{}", agency.code, e.zh()), format!("{}: {}", agency.code, e.en())));
        }
        let id = store::upsert_agency(tx, agency, now).await?;
        record(
            tx,
            actor,
            Change::new("agency.apply", "agency", id).with(json!({ "code": agency.code, "region": agency.region, "kind": agency.kind })),
            now,
        )
        .await?;
    }
    Ok(())
}
