//! Where uploads wait. An upload may hold personal numbers, so it rests sealed (invariant 7): blocks of [`BLOCK`] bytes, each sealed for its
//! own place. A block that was changed, moved, left out or put at the end too early does not open. Blocks have one size, so a reader can
//! jump, as spreadsheets need.

use chrono::{DateTime, Utc};
use credence_core::crypto::KeyRing;
use credence_core::problem::{Problem, Result};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

/// Bytes of an upload that are sealed together.
const BLOCK: usize = 1 << 16;
/// What sealing adds: key id, nonce, tag.
const SEAL: usize = 1 + 12 + 16;
const SEALED_BLOCK: usize = BLOCK + SEAL;

/// Where a block belongs: its upload, its number, and whether the upload ends with it.
fn place(upload: Uuid, number: u64, last: bool) -> [u8; 25] {
    let mut place = [0; 25];
    let parts = upload.as_bytes().iter().chain(&number.to_be_bytes()).copied().chain([u8::from(last)]).collect::<Vec<u8>>();
    place.copy_from_slice(&parts);
    place
}

/// A folder of uploads and the keys that open them.
#[derive(Debug, Clone)]
pub struct Spool {
    dir: PathBuf,
    keys: KeyRing,
}

impl Spool {
    /// The spool in a folder, which need not exist yet.
    pub fn new(dir: PathBuf, keys: KeyRing) -> Self {
        Self { dir, keys }
    }

    /// A place for a new upload.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub async fn create(&self) -> Result<Writer> {
        tokio::fs::create_dir_all(&self.dir).await.map_err(Problem::internal)?;
        let id = Uuid::now_v7();
        let upload = Upload { path: self.path(id), id, keys: self.keys.clone() };
        let file = tokio::fs::File::create_new(&upload.path).await.map_err(Problem::internal)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).await.map_err(Problem::internal)?;
        Ok(Writer { upload, file, pending: Vec::with_capacity(BLOCK), blocks: 0 })
    }

    /// The upload with an id.
    pub fn upload(&self, id: Uuid) -> Upload {
        Upload { path: self.path(id), id, keys: self.keys.clone() }
    }

    /// Removes an upload; whether there was one.
    pub async fn remove(&self, id: Uuid) -> bool {
        tokio::fs::remove_file(self.path(id)).await.is_ok()
    }

    /// Uploads in the folder, each with the instant at which it began to arrive, as its id tells.
    ///
    /// # Errors
    /// When the folder cannot be read; one that is not there is empty.
    pub async fn ids(&self) -> Result<Vec<(Uuid, DateTime<Utc>)>> {
        let mut found = Vec::new();
        let mut dir = match tokio::fs::read_dir(&self.dir).await {
            Ok(dir) => dir,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(e) => return Err(Problem::internal(e)),
        };
        while let Some(entry) = dir.next_entry().await.map_err(Problem::internal)? {
            let name = entry.file_name();
            let id = name.to_str().and_then(|n| n.strip_suffix(".upload")).and_then(|n| Uuid::parse_str(n).ok());
            let began = id.and_then(|id| id.get_timestamp()).and_then(|t| DateTime::from_timestamp(i64::try_from(t.to_unix().0).ok()?, 0));
            found.extend(id.zip(began));
        }
        Ok(found)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, id: Uuid) -> PathBuf {
        self.dir.join(format!("{}.upload", id.simple()))
    }
}

/// Seals an upload as it arrives.
pub struct Writer {
    upload: Upload,
    file: tokio::fs::File,
    pending: Vec<u8>,
    blocks: u64,
}

impl Writer {
    /// Takes the next piece.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            // A full block is written only when more follows: the last one is sealed as the last.
            if self.pending.len() == BLOCK {
                self.block(false).await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    async fn block(&mut self, last: bool) -> Result<()> {
        let place = place(self.upload.id, self.blocks, last);
        let sealed = self.upload.keys.seal(&place, &self.pending).map_err(Problem::internal)?;
        self.file.write_all(&sealed).await.map_err(Problem::internal)?;
        self.blocks += 1;
        self.pending.clear();
        Ok(())
    }

    /// Ends the upload; when this returns it is on disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub async fn finish(mut self) -> Result<Upload> {
        if !self.pending.is_empty() {
            self.block(true).await?;
        }
        self.file.flush().await.map_err(Problem::internal)?;
        self.file.sync_all().await.map_err(Problem::internal)?;
        Ok(self.upload)
    }

    /// Gives the upload up.
    pub async fn discard(self) {
        drop(self.file);
        self.upload.discard().await;
    }
}

/// A whole upload.
#[derive(Debug, Clone)]
pub struct Upload {
    path: PathBuf,
    id: Uuid,
    keys: KeyRing,
}

impl Upload {
    /// Its id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Opens it for reading from the start.
    ///
    /// # Errors
    /// When it is not there.
    pub fn open(&self) -> io::Result<Reader> {
        let file = std::fs::File::open(&self.path)?;
        let stored = file.metadata()?.len();
        let sealed_block = SEALED_BLOCK as u64;
        let blocks = stored.div_ceil(sealed_block);
        // Every block adds the same, and the last holds at least one byte: a file that ends inside a seal was cut.
        if (1..=SEAL as u64).contains(&(stored % sealed_block)) {
            return Err(unreadable("the upload was cut"));
        }
        let size = stored.saturating_sub(blocks * SEAL as u64);
        Ok(Reader { file, upload: self.clone(), blocks, size, at: 0, open: None, sealed: Vec::new() })
    }

    /// Reads it through, for parsers that do not say whether the file or its storage was at fault.
    ///
    /// # Errors
    /// When a block does not open.
    pub fn verify(&self) -> io::Result<()> {
        io::copy(&mut self.open()?, &mut io::sink()).map(drop)
    }

    /// Removes it.
    pub async fn discard(self) {
        let _ = tokio::fs::remove_file(&self.path).await;
    }
}

/// Reads an upload, one opened block in memory.
pub struct Reader {
    file: std::fs::File,
    upload: Upload,
    blocks: u64,
    size: u64,
    at: u64,
    open: Option<(u64, Vec<u8>)>,
    sealed: Vec<u8>,
}

impl Reader {
    /// Bytes of the upload.
    pub fn size(&self) -> u64 {
        self.size
    }

    fn block(&mut self, number: u64) -> io::Result<&[u8]> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
            self.open = None;
            self.file.seek(SeekFrom::Start(number * SEALED_BLOCK as u64)).map_err(unreadable)?;
            self.sealed.clear();
            (&mut self.file).take(SEALED_BLOCK as u64).read_to_end(&mut self.sealed).map_err(unreadable)?;
            let place = place(self.upload.id, number, number + 1 == self.blocks);
            let plain = self.upload.keys.open(&place, &self.sealed).map_err(unreadable)?;
            self.open = Some((number, plain));
        }
        Ok(self.open.as_ref().map(|(_, plain)| plain.as_slice()).unwrap_or_default())
    }
}

/// Our fault, not the sender's: carried through the parsers as a problem of its own, so that the load is tried again instead of the file being
/// refused.
fn unreadable(cause: impl std::fmt::Display) -> io::Error {
    io::Error::other(Problem::internal(format!("spool: {cause}")))
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let (number, from) = (self.at / BLOCK as u64, usize::try_from(self.at % BLOCK as u64).unwrap_or(0));
        let rest = self.block(number)?.get(from..).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credence_core::crypto::Suite;
    use proptest::prelude::*;

    fn spool(dir: &Path) -> Spool {
        Spool::new(dir.to_owned(), KeyRing::from_seed([5; 32], Suite::Intl))
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    fn store(spool: &Spool, pieces: &[&[u8]]) -> Upload {
        run(async {
            let mut writer = spool.create().await.unwrap();
            for piece in pieces {
                writer.write(piece).await.unwrap();
            }
            writer.finish().await.unwrap()
        })
    }

    fn read(upload: &Upload) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        upload.open()?.read_to_end(&mut all)?;
        Ok(all)
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn what_was_written_is_read_whatever_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let spool = spool(dir.path());
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 17] {
            let bytes = content(length);
            let upload = store(&spool, &bytes.chunks(70_001).collect::<Vec<_>>());
            assert_eq!(upload.open().unwrap().size(), length as u64);
            assert!(read(&upload).unwrap() == bytes, "{length} bytes");
        }
    }

    #[test]
    fn nothing_of_it_lies_in_the_clear() {
        let dir = tempfile::tempdir().unwrap();
        let spool = spool(dir.path());
        let number = b"11010519491231002X";
        store(&spool, &[&number.repeat(5_000)]);
        let file = std::fs::read_dir(spool.dir()).unwrap().next().unwrap().unwrap();
        let stored = std::fs::read(file.path()).unwrap();
        assert!(!stored.windows(number.len()).any(|w| w == number));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_changed_moved_cut_or_foreign_upload_does_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let spool = spool(dir.path());
        let upload = store(&spool, &[&content(3 * BLOCK)]);
        let whole = std::fs::read(&upload.path).unwrap();
        let mut attempts: Vec<(&str, Vec<u8>)> = Vec::new();
        let mut changed = whole.clone();
        changed[SEALED_BLOCK + 100] ^= 1;
        attempts.push(("changed", changed));
        attempts.push(("cut at a block", whole[..2 * SEALED_BLOCK].to_vec()));
        attempts.push(("cut inside a block", whole[..whole.len() - 5].to_vec()));
        for cut in 0..=SEAL + 2 {
            attempts.push(("cut about the end of a block", whole[..SEALED_BLOCK + cut].to_vec()));
        }
        attempts.push((
            "blocks exchanged",
            [&whole[SEALED_BLOCK..2 * SEALED_BLOCK], &whole[..SEALED_BLOCK], &whole[2 * SEALED_BLOCK..]].concat(),
        ));
        for (what, bytes) in attempts {
            std::fs::write(&upload.path, bytes).unwrap();
            assert!(read(&upload).is_err(), "{what}");
        }
        let other = store(&spool, &[b"other"]);
        std::fs::write(&other.path, &whole).unwrap();
        assert!(read(&other).is_err(), "of another upload");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Jumping about reads the same as jumping about in the plain bytes.
        #[test]
        fn jumping_reads_what_lies_there(length in 0usize..200_000, jumps in prop::collection::vec((0u64..220_000, 1usize..90_000), 1..8)) {
            let dir = tempfile::tempdir().unwrap();
            let bytes = content(length);
            let upload = store(&spool(dir.path()), &[&bytes]);
            let (mut ours, mut plain) = (upload.open().unwrap(), io::Cursor::new(&bytes));
            for (to, count) in jumps {
                ours.seek(SeekFrom::Start(to)).unwrap();
                plain.seek(SeekFrom::Start(to)).unwrap();
                let (mut a, mut b) = (Vec::new(), Vec::new());
                (&mut ours).take(count as u64).read_to_end(&mut a).unwrap();
                (&mut plain).take(count as u64).read_to_end(&mut b).unwrap();
                prop_assert!(a == b);
            }
        }
    }
}
