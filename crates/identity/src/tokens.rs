//! Access tokens: short-lived JWTs signed with Ed25519 (EdDSA, RFC 8037). The newest key signs; keys not retired verify, found by `kid`, so
//! a rotation interrupts nobody.

use crate::model::TOKEN_REFUSED;
use crate::store;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use credence_core::crypto::{KeyRing, random};
use credence_core::problem::{Problem, Result};
use credence_db::{Db, Tx};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError, RwLock};
use uuid::Uuid;

const ISSUER: &str = "credence";

/// What an access token says. Roles and bindings are looked up, so that taking one away works at once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    iss: String,
    /// Account id.
    pub sub: Uuid,
    /// How often all logins of the account had been ended before; a token of an earlier number does not hold. Absent in tokens of older
    /// versions of the program.
    #[serde(default)]
    pub epoch: i32,
    /// Not before this second.
    iat: i64,
    /// Not after this second.
    exp: i64,
}

struct Key {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// The keys in use.
#[derive(Clone, Default)]
pub struct SigningKeys(Arc<RwLock<Vec<Key>>>);

/// A new key, as stored.
pub(crate) struct NewKey {
    pub kid: String,
    pub public: Vec<u8>,
    pub sealed: Vec<u8>,
}

/// Makes a key; the private half leaves this function sealed only.
pub(crate) fn generate(ring: &KeyRing) -> Result<NewKey> {
    let private = SigningKey::from_bytes(&random::<32>().map_err(Problem::internal)?);
    let kid = BASE64_URL_SAFE_NO_PAD.encode(random::<9>().map_err(Problem::internal)?);
    let der = private.to_pkcs8_der().map_err(Problem::internal)?;
    let sealed = ring.seal(kid.as_bytes(), der.as_bytes()).map_err(Problem::internal)?;
    Ok(NewKey { kid, public: private.verifying_key().to_bytes().to_vec(), sealed })
}

impl SigningKeys {
    /// Loads the keys, newest first.
    pub async fn load(&self, db: &Db, ring: &KeyRing) -> Result<()> {
        let rows = store::signing_keys(&mut *db.read().await?).await?;
        let keys = rows
            .into_iter()
            .map(|(kid, public, sealed)| {
                let der = ring.open(kid.as_bytes(), &sealed).map_err(Problem::internal)?;
                let decoding = DecodingKey::from_ed_components(&BASE64_URL_SAFE_NO_PAD.encode(public)).map_err(Problem::internal)?;
                Ok(Key { kid, encoding: EncodingKey::from_ed_der(&der), decoding })
            })
            .collect::<Result<Vec<_>>>()?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Whether any key is loaded.
    pub fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Signs a token for an account.
    pub fn sign(&self, account: Uuid, epoch: i32, now: DateTime<Utc>, life: Duration) -> Result<String> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.first().ok_or_else(|| Problem::internal("no signing key"))?;
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let claims = Claims { iss: ISSUER.to_owned(), sub: account, epoch, iat: now.timestamp(), exp: (now + life).timestamp() };
        encode(&header, &claims, &key.encoding).map_err(Problem::internal)
    }

    /// Reads a token; refuses a wrong signature, an unknown key, another algorithm, and a time outside its life by `now`. `None` says
    /// that the key is not known here, which a reload may change.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Option<Claims>> {
        let refused = || Problem::new(&TOKEN_REFUSED);
        let header = decode_header(token).map_err(|_| refused())?;
        let kid = header.kid.ok_or_else(refused)?;
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(key) = keys.iter().find(|k| k.kid == kid) else { return Ok(None) };
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        // The library would ask the machine's clock; the program's own clock decides.
        validation.validate_exp = false;
        let claims = decode::<Claims>(token, &key.decoding, &validation).map_err(|_| refused())?.claims;
        let second = now.timestamp();
        if second < claims.iat || second > claims.exp { Err(refused()) } else { Ok(Some(claims)) }
    }
}

/// Makes and stores a new signing key, and retires keys whose tokens are all gone.
pub async fn rotate(tx: &mut Tx<'_>, ring: &KeyRing, now: DateTime<Utc>, token_life: Duration) -> Result<String> {
    let key = generate(ring)?;
    store::insert_signing_key(tx, &key, now).await?;
    store::retire_signing_keys(tx, now - token_life, now).await?;
    Ok(key.kid)
}
