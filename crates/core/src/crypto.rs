//! One small interface, two suites (D10): international (AES-256-GCM, HMAC-SHA-256) and national (SM4-GCM, HMAC-SM3), as 密码法 and
//! GB/T 39786-2021 ask of government installations. A key ring holds several keys so that keys can be rotated: the newest seals,
//! any opens. The RustCrypto implementations are used as they are.

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, AesGcm};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

type Sm4Gcm = AesGcm<sm4::Sm4, U12>;

/// Which algorithms a key uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suite {
    /// AES-256-GCM and HMAC-SHA-256.
    Intl,
    /// SM4-GCM and HMAC-SM3.
    Sm,
}

/// One master key as the key file holds it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    id: u8,
    suite: Suite,
    /// 32 bytes in hexadecimal.
    master: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    /// The key of the blind index; never rotated without re-indexing, so it stands apart.
    index: KeyEntry,
    /// Sealing keys, newest last.
    seal: Vec<KeyEntry>,
}

/// The keys in use.
#[derive(Clone)]
pub struct KeyRing {
    index: (Suite, [u8; 32]),
    seal: Vec<(u8, Suite, [u8; 32])>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({} sealing keys)", self.seal.len())
    }
}

/// Why sealing or opening failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CryptoError {
    /// The key file is missing or cannot be read as one.
    KeyFile(String),
    /// The sealed value names a key that is not in the ring.
    UnknownKey(u8),
    /// The value was changed, belongs to another place, or is no sealed value.
    Corrupt,
    /// The system's source of randomness failed.
    Randomness,
}

impl std::fmt::Display for CryptoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::KeyFile(why) => write!(f, "key file: {why}"),
            Self::UnknownKey(id) => write!(f, "sealed with key {id}, which is not in the ring"),
            Self::Corrupt => f.write_str("sealed value is corrupt or out of place"),
            Self::Randomness => f.write_str("the system's source of randomness failed"),
        }
    }
}

impl std::error::Error for CryptoError {}

/// `N` random bytes from the system.
pub fn random<const N: usize>() -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| CryptoError::Randomness)?;
    Ok(bytes)
}

/// SHA-256, for content hashes that protect nothing.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn hmac(suite: Suite, key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // Every part is preceded by its length, so that ("ab","c") and ("a","bc") differ.
    fn feed<M: Mac>(mut mac: M, parts: &[&[u8]]) -> [u8; 32] {
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
        out
    }
    match suite {
        Suite::Intl => <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).map(|mac| feed(mac, parts)).unwrap_or_default(),
        Suite::Sm => <Hmac<sm3::Sm3> as hmac::KeyInit>::new_from_slice(key).map(|mac| feed(mac, parts)).unwrap_or_default(),
    }
}

impl KeyRing {
    /// Reads the key file; a file readable by others is refused.
    pub fn load(path: &Path) -> Result<Self, CryptoError> {
        use std::os::unix::fs::PermissionsExt;
        let fail = |why: String| CryptoError::KeyFile(format!("{}: {why}", path.display()));
        let mode = std::fs::metadata(path).map_err(|e| fail(e.to_string()))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(fail(format!("mode {:o} lets others read it; chmod 600", mode & 0o777)));
        }
        let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
        let file: KeyFile = toml::from_str(&text).map_err(|e| fail(e.message().to_owned()))?;
        let key = |entry: &KeyEntry| -> Result<[u8; 32], CryptoError> {
            hex::decode(&entry.master).ok().and_then(|b| b.try_into().ok()).ok_or_else(|| fail(format!("key {} is not 32 bytes", entry.id)))
        };
        if file.seal.is_empty() {
            return Err(fail("no sealing key".to_owned()));
        }
        let seal = file.seal.iter().map(|e| Ok((e.id, e.suite, key(e)?))).collect::<Result<_, _>>()?;
        Ok(Self { index: (file.index.suite, key(&file.index)?), seal })
    }

    /// Reads the key file, writing a fresh one (mode 600) when there is none.
    pub fn load_or_create(path: &Path, suite: Suite) -> Result<Self, CryptoError> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let fail = |why: String| CryptoError::KeyFile(format!("{}: {why}", path.display()));
        match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(fail(e.to_string())),
            Ok(mut file) => {
                let entry = |id| Ok(KeyEntry { id, suite, master: hex::encode(random::<32>()?) });
                let keys = KeyFile { index: entry(0)?, seal: vec![entry(1)?] };
                let text = toml::to_string(&keys).map_err(|e| fail(e.to_string()))?;
                file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| fail(e.to_string()))?;
            }
        }
        Self::load(path)
    }

    /// Keys derived from a fixed seed, for tests and for `--dry-run` tools that store nothing.
    pub fn from_seed(seed: [u8; 32], suite: Suite) -> Self {
        Self { index: (suite, sha256(&seed)), seal: vec![(1, suite, seed)] }
    }

    /// Seals `plain` so that it opens only in the same `place` (a table and row, say: moving a sealed value elsewhere makes it corrupt).
    /// Shape: key id, 12 bytes of nonce, ciphertext with tag.
    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (id, suite, master) = self.seal.last().ok_or(CryptoError::UnknownKey(0))?;
        let nonce = random::<12>()?;
        let payload = Payload { msg: plain, aad: place };
        let key = hmac(*suite, master, &[b"seal"]);
        let cipher = match suite {
            Suite::Intl => Aes256Gcm::new(&key.into()).encrypt(&nonce.into(), payload),
            Suite::Sm => Sm4Gcm::new_from_slice(key.split_at(16).0).map_err(|_| CryptoError::Corrupt)?.encrypt(&nonce.into(), payload),
        }
        .map_err(|_| CryptoError::Corrupt)?;
        let mut sealed = Vec::with_capacity(13 + cipher.len());
        sealed.push(*id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&cipher);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] made for the same place.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (id, rest) = sealed.split_first().ok_or(CryptoError::Corrupt)?;
        let (_, suite, master) = self.seal.iter().find(|(key, ..)| key == id).ok_or(CryptoError::UnknownKey(*id))?;
        let (nonce, cipher) = rest.split_at_checked(12).ok_or(CryptoError::Corrupt)?;
        let nonce: [u8; 12] = nonce.try_into().map_err(|_| CryptoError::Corrupt)?;
        let payload = Payload { msg: cipher, aad: place };
        let key = hmac(*suite, master, &[b"seal"]);
        match suite {
            Suite::Intl => Aes256Gcm::new(&key.into()).decrypt(&nonce.into(), payload),
            Suite::Sm => Sm4Gcm::new_from_slice(key.split_at(16).0).map_err(|_| CryptoError::Corrupt)?.decrypt(&nonce.into(), payload),
        }
        .map_err(|_| CryptoError::Corrupt)
    }

    /// The keyed index (blind index) of a value in a scheme: finds an identifier without holding it in the clear.
    pub fn index(&self, scheme: &str, value: &str) -> [u8; 32] {
        hmac(self.index.0, &self.index.1, &[b"index", scheme.as_bytes(), value.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_suites_seal_open_and_notice_changes() {
        for suite in [Suite::Intl, Suite::Sm] {
            let ring = KeyRing::from_seed([7; 32], suite);
            let sealed = ring.seal(b"place", "11010519491231002X".as_bytes()).unwrap();
            assert_eq!(ring.open(b"place", &sealed).unwrap(), b"11010519491231002X");
            assert_eq!(ring.open(b"elsewhere", &sealed), Err(CryptoError::Corrupt));
            for at in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert!(ring.open(b"place", &changed).is_err(), "byte {at} of {suite:?}");
            }
            assert_ne!(sealed, ring.seal(b"place", b"11010519491231002X").unwrap(), "a nonce is never used twice");
            assert_eq!(ring.open(b"place", &[]), Err(CryptoError::Corrupt));
        }
    }

    #[test]
    fn the_index_depends_on_key_scheme_and_value() {
        let ring = KeyRing::from_seed([1; 32], Suite::Intl);
        let other = KeyRing::from_seed([2; 32], Suite::Intl);
        assert_eq!(ring.index("resident_id", "1"), ring.index("resident_id", "1"));
        assert_ne!(ring.index("resident_id", "1"), other.index("resident_id", "1"));
        assert_ne!(ring.index("resident_id", "1"), ring.index("passport", "1"));
        assert_ne!(ring.index("ab", "c"), ring.index("a", "bc"));
    }
}
