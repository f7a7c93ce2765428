//! Passwords: Argon2id (RFC 9106) in PHC form, at the cost set in the settings. Hashing runs on the blocking pool: it is meant to be slow.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use credence_core::problem::{Problem, Result};
use credence_core::settings;

fn argon2(cost: &settings::Identity) -> Result<Argon2<'static>> {
    let params = Params::new(cost.argon2_memory_kib, cost.argon2_passes, cost.argon2_lanes, None).map_err(Problem::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes a password.
pub async fn hash(cost: &settings::Identity, password: String) -> Result<String> {
    let argon2 = argon2(cost)?;
    tokio::task::spawn_blocking(move || argon2.hash_password(password.as_bytes()).map(|h| h.to_string()).map_err(Problem::internal))
        .await
        .map_err(Problem::internal)?
}

/// Whether the password is the hashed one. With no hash (no such account) it takes as long and says no.
pub async fn verify(cost: &settings::Identity, password: String, hash: Option<String>) -> Result<bool> {
    let argon2 = argon2(cost)?;
    tokio::task::spawn_blocking(move || match hash {
        Some(hash) => PasswordHash::new(&hash).map(|h| argon2.verify_password(password.as_bytes(), &h).is_ok()).map_err(Problem::internal),
        None => argon2.hash_password(password.as_bytes()).map(|_| false).map_err(Problem::internal),
    })
    .await
    .map_err(Problem::internal)?
}
