//! Access tokens: short-lived JWTs signed with Ed25519 (EdDSA, RFC 8037). The newest key signs; keys not retired verify, found by `kid`, so
//! a rotation interrupts nobody. The same keys sign documents that the platform answers for. A document says in its header what it is and never
//! passes as a token; whoever keeps one verifies it with the public keys, which are given out for ever.

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
/// What the header of an access token says it is. Tokens of older versions of the program say it too; another type is another thing.
const TOKEN_TYPE: &str = "JWT";
/// What a type may have before it.
const APPLICATION: &str = "application/";

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

impl Key {
    fn open(ring: &KeyRing, kid: String, public: &[u8], sealed: &[u8]) -> Result<Self> {
        let der = ring.open(kid.as_bytes(), sealed).map_err(Problem::internal)?;
        let decoding = DecodingKey::from_ed_components(&BASE64_URL_SAFE_NO_PAD.encode(public)).map_err(Problem::internal)?;
        Ok(Self { kid, encoding: EncodingKey::from_ed_der(&der), decoding })
    }
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
        let keys = rows.into_iter().map(|(kid, public, sealed)| Key::open(ring, kid, &public, &sealed)).collect::<Result<Vec<_>>>()?;
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

    /// Signs a document as a compact JWS (RFC 7515). `typ` says in its header what it is, e.g. `credence-check+jwt`; the payload is the document
    /// itself and nothing else.
    pub fn sign_document(&self, typ: &str, document: &serde_json::Value) -> Result<String> {
        if is_token(Some(typ)) {
            return Err(Problem::internal(format!("a document of type {typ} would pass as an access token")));
        }
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.first().ok_or_else(|| Problem::internal("no signing key"))?;
        let header = Header { typ: Some(typ.to_owned()), kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, document, &key.encoding).map_err(Problem::internal)
    }

    /// Reads a token; refuses a wrong signature, an unknown key, another algorithm, a document of another type, and a time outside its life by
    /// `now`. `None` says that the key is not known here, which a reload may change.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Option<Claims>> {
        let refused = || Problem::new(&TOKEN_REFUSED);
        let header = decode_header(token).map_err(|_| refused())?;
        if !is_token(header.typ.as_deref()) {
            return Err(refused());
        }
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

/// Whether something signed with this type in its header may be an access token. RFC 7515 has the type compared without regard to case, and
/// `application/` may stand before it.
fn is_token(typ: Option<&str>) -> bool {
    let Some(typ) = typ else { return true };
    let bare = typ.get(..APPLICATION.len()).filter(|head| head.eq_ignore_ascii_case(APPLICATION)).and(typ.get(APPLICATION.len()..));
    bare.unwrap_or(typ).eq_ignore_ascii_case(TOKEN_TYPE)
}

/// Makes and stores a new signing key, and retires keys whose tokens are all gone.
pub async fn rotate(tx: &mut Tx<'_>, ring: &KeyRing, now: DateTime<Utc>, token_life: Duration) -> Result<String> {
    let key = generate(ring)?;
    store::insert_signing_key(tx, &key, now).await?;
    store::retire_signing_keys(tx, now - token_life, now).await?;
    Ok(key.kid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_core::crypto::Suite;
    use serde_json::{Value, json};

    fn keys() -> SigningKeys {
        let ring = KeyRing::from_seed([7; 32], Suite::Intl);
        let NewKey { kid, public, sealed } = generate(&ring).unwrap();
        let keys = SigningKeys::default();
        keys.0.write().unwrap().push(Key::open(&ring, kid, &public, &sealed).unwrap());
        keys
    }

    fn now() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-04-01T08:00:00Z").unwrap().to_utc()
    }

    fn claims() -> Value {
        json!({ "iss": ISSUER, "sub": Uuid::nil(), "epoch": 0, "iat": now().timestamp() - 1, "exp": now().timestamp() + 60 })
    }

    #[test]
    fn a_document_never_passes_as_a_token() {
        let keys = keys();
        let token = keys.sign(Uuid::nil(), 0, now(), Duration::minutes(5)).unwrap();
        assert!(keys.verify(&token, now()).unwrap().is_some());
        // Even one that says all that a token says.
        let document = keys.sign_document("credence-check+jwt", &claims()).unwrap();
        assert_eq!(keys.verify(&document, now()).unwrap_err().code(), "token_refused");
        for typ in ["JWT", "jwt", "application/jwt", "Application/JWT"] {
            assert_eq!(keys.sign_document(typ, &claims()).unwrap_err().code(), "internal", "{typ}");
        }
    }

    #[test]
    fn only_tokens_and_what_has_no_type_pass_as_tokens() {
        let keys = keys();
        let signed = |typ: Option<&str>| {
            let held = keys.0.read().unwrap();
            let header = Header { typ: typ.map(str::to_owned), kid: Some(held[0].kid.clone()), ..Header::new(Algorithm::EdDSA) };
            encode(&header, &claims(), &held[0].encoding).unwrap()
        };
        for typ in [None, Some("JWT"), Some("jwt")] {
            assert!(keys.verify(&signed(typ), now()).is_ok(), "{typ:?}");
        }
        for typ in ["at+jwt", "credence-check+jwt", ""] {
            assert!(keys.verify(&signed(Some(typ)), now()).is_err(), "{typ}");
        }
    }

    #[test]
    fn a_document_is_the_payload_and_names_its_key() {
        let keys = keys();
        let document = json!({ "check_id": "1", "result": "none", "lists": [] });
        let signed = keys.sign_document("credence-check+jwt", &document).unwrap();
        let header = decode_header(&signed).unwrap();
        assert_eq!((header.typ.as_deref(), header.alg), (Some("credence-check+jwt"), Algorithm::EdDSA));
        let held = keys.0.read().unwrap();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let key = held.iter().find(|k| Some(&k.kid) == header.kid.as_ref()).unwrap();
        assert_eq!(decode::<Value>(&signed, &key.decoding, &validation).unwrap().claims, document);
        let (head, signature) = signed.rsplit_once('.').unwrap();
        let flipped = if signature.starts_with('A') { "B" } else { "A" };
        assert!(decode::<Value>(&format!("{head}.{flipped}{}", &signature[1..]), &key.decoding, &validation).is_err());
    }
}
