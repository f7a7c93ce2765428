//! Signatures of the Standard Webhooks specification 1.0: what is signed is `{id}.{timestamp}.{body}`, and the header `webhook-signature` lists
//! the signature of every key in use, so that a receiver which has only one of them finds its own.

use crate::model::endpoints::Scheme;
use base64::{Engine, prelude::BASE64_STANDARD};
use credence_core::crypto::{KeyRing, random};
use credence_core::problem::{Problem, Result};
use ed25519_dalek::{Signature, Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// A key as it is when it signs: the shared secret, or the seed of the private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Its scheme.
    pub scheme: Scheme,
    secret: [u8; 32],
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.scheme.code())
    }
}

impl Key {
    /// Makes a key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate(scheme: Scheme) -> Result<Self> {
        Ok(Self { scheme, secret: random::<32>().map_err(Problem::internal)? })
    }

    /// Opens a stored key; it was sealed for the place of its own id.
    ///
    /// # Errors
    /// When it does not open there.
    pub fn open(ring: &KeyRing, id: Uuid, scheme: Scheme, sealed: &[u8]) -> Result<Self> {
        let secret = ring.open(id.as_bytes(), sealed).map_err(Problem::internal)?;
        Ok(Self { scheme, secret: secret.try_into().map_err(|_| Problem::internal("a webhook key is not 32 bytes"))? })
    }

    /// Seals it for storing under an id.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn seal(&self, ring: &KeyRing, id: Uuid) -> Result<Vec<u8>> {
        ring.seal(id.as_bytes(), &self.secret).map_err(Problem::internal)
    }

    /// What the receiver needs to verify: the shared secret, or the public key.
    pub fn shown(&self) -> String {
        match self.scheme {
            Scheme::HmacSha256 => format!("whsec_{}", BASE64_STANDARD.encode(self.secret)),
            Scheme::Ed25519 => format!("whpk_{}", BASE64_STANDARD.encode(SigningKey::from_bytes(&self.secret).verifying_key().to_bytes())),
        }
    }

    fn sign(&self, content: &[u8]) -> Result<String> {
        match self.scheme {
            Scheme::HmacSha256 => {
                let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.secret).map_err(Problem::internal)?;
                mac.update(content);
                Ok(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
            }
            Scheme::Ed25519 => {
                let signature: Signature = SigningKey::from_bytes(&self.secret).try_sign(content).map_err(Problem::internal)?;
                Ok(format!("v1a,{}", BASE64_STANDARD.encode(signature.to_bytes())))
            }
        }
    }
}

/// The value of `webhook-signature` for a message: one signature for each key, in the order of the keys.
///
/// # Errors
/// When there is no key, or one cannot sign.
pub fn signature(keys: &[Key], id: Uuid, timestamp: i64, body: &[u8]) -> Result<String> {
    if keys.is_empty() {
        return Err(Problem::internal("an endpoint has no key"));
    }
    let content = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    Ok(keys.iter().map(|key| key.sign(&content)).collect::<Result<Vec<_>>>()?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_core::crypto::Suite;
    use ed25519_dalek::{Verifier, VerifyingKey};

    const BODY: &str = r#"{"type":"directive.execute","timestamp":"2026-04-01T00:00:00Z","data":{"measure":"限制"}}"#;
    const AT: i64 = 1_775_001_600;

    fn id() -> Uuid {
        Uuid::parse_str("0190a1b2-0000-7000-8000-000000000001").unwrap()
    }

    fn key(scheme: Scheme, first: u8) -> Key {
        Key { scheme, secret: std::array::from_fn(|n| first + u8::try_from(n).unwrap()) }
    }

    // Reckoned apart from this program, with Python's hmac and cryptography, from the words of the specification: the key is the bytes 0 to 31,
    // and the text that is signed is "0190a1b2-0000-7000-8000-000000000001.1775001600." followed by BODY in UTF-8.
    const HMAC: &str = "v1,wDDT2SwMdu5FZExSme0U2p05kZUg03xyAMqCkRILcIQ=";
    const ED25519: &str = "v1a,xjT/ThCNiTVBZE277KhSnkx/sSI9lClHoWfod6DMmmbIc7ybNNKrEq3Bf4H8tINolDzYy1+spSGminDRBd+cDw==";

    #[test]
    fn both_schemes_sign_as_the_specification_says() {
        let (hmac, ed25519) = (key(Scheme::HmacSha256, 0), key(Scheme::Ed25519, 0));
        assert_eq!(hmac.shown(), "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        assert_eq!(ed25519.shown(), "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
        assert_eq!(signature(std::slice::from_ref(&hmac), id(), AT, BODY.as_bytes()).unwrap(), HMAC);
        assert_eq!(signature(std::slice::from_ref(&ed25519), id(), AT, BODY.as_bytes()).unwrap(), ED25519);
    }

    #[test]
    fn during_a_rotation_both_keys_sign_and_a_receiver_finds_its_own() {
        let keys = [key(Scheme::Ed25519, 100), key(Scheme::HmacSha256, 0)];
        let header = signature(&keys, id(), AT, BODY.as_bytes()).unwrap();
        let signatures: Vec<&str> = header.split(' ').collect();
        assert_eq!(signatures.len(), 2);
        assert_eq!(signatures[1], HMAC, "the old key signs as before");
        // The new one verifies with nothing but the public key that was shown.
        let shown = keys[0].shown();
        let public = BASE64_STANDARD.decode(shown.strip_prefix("whpk_").unwrap()).unwrap();
        let public = VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
        let bytes = BASE64_STANDARD.decode(signatures[0].strip_prefix("v1a,").unwrap()).unwrap();
        let signed = format!("{}.{AT}.{BODY}", id());
        let made = Signature::from_bytes(&bytes.try_into().unwrap());
        assert!(public.verify(signed.as_bytes(), &made).is_ok());
        assert!(public.verify(signed.replace("execute", "release").as_bytes(), &made).is_err());
        assert!(signature(&[], id(), AT, b"").is_err(), "nothing leaves unsigned");
    }

    #[test]
    fn a_stored_key_opens_in_its_own_place_only() {
        let ring = KeyRing::from_seed([3; 32], Suite::Intl);
        let (made, other) = (Key::generate(Scheme::HmacSha256).unwrap(), id());
        let place = Uuid::now_v7();
        let sealed = made.seal(&ring, place).unwrap();
        assert_eq!(Key::open(&ring, place, Scheme::HmacSha256, &sealed).unwrap(), made);
        assert!(Key::open(&ring, other, Scheme::HmacSha256, &sealed).is_err());
        assert_ne!(made, Key::generate(Scheme::HmacSha256).unwrap());
        assert_eq!(format!("{made:?}"), "Key(hmac_sha256)", "a key shows nothing of itself in a log");
    }
}
