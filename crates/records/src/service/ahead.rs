//! Looking ahead: while one chunk is written, a second connection asks the database about the next. What it says may be out of date by the time
//! it is used, in two ways. Chunks of the same load that committed after the look are known here ([`Recent`]): what they touched is asked again.
//! What others wrote is not: then the unique indexes of present versions and of present names, or a version or name that cannot be closed, stop the
//! chunk, and it is taken again with nothing seen before.

use super::chunk::{Chunk, Touched};
use crate::check::Checked;
use crate::store::bulk::{self, Present};
use credence_core::problem::Result;
use credence_db::Bulk;
use credence_subjects::matching::SubjectRef;
use credence_subjects::store::bulk::{Seen, look};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use uuid::Uuid;

/// What the database said about a chunk before its turn came. The default has seen nothing.
#[derive(Default)]
pub(super) struct Ahead {
    pub seen: Seen,
    pub present: HashMap<(Uuid, Uuid), Present>,
    /// Keys whose answer is out of date.
    stale: HashSet<(Uuid, Uuid)>,
    /// Chunks of the load that had committed when the look began.
    committed: u64,
}

impl Ahead {
    /// Whether the present version under a key has to be asked for.
    pub fn lacks(&self, key: &(Uuid, Uuid)) -> bool {
        !self.seen.knows(key.0) || self.stale.contains(key)
    }
}

/// Asks about chunks as they come and hands them on; without a connection it only hands them on. Ends when nobody wants more.
pub(super) async fn scout(
    connection: Option<Bulk>,
    auto_min_rule: u32,
    committed: Arc<AtomicU64>,
    mut chunks: mpsc::Receiver<Chunk>,
    ready: mpsc::Sender<(Chunk, Ahead)>,
) -> Result<()> {
    while let Some(chunk) = chunks.recv().await {
        let Some(connection) = &connection else {
            if ready.send((chunk, Ahead::default())).await.is_err() {
                return Ok(());
            }
            continue;
        };
        let before = committed.load(Ordering::Acquire);
        let rows: Vec<_> =
            chunk.rows.iter().filter_map(|r| if let Checked::Sound(row) = &r.checked { Some(row.as_ref()) } else { None }).collect();
        let refs: Vec<&SubjectRef> = rows.iter().map(|row| &row.subject).collect();
        let seen = look(connection.client(), &refs, auto_min_rule).await?;
        let keys: Vec<(Uuid, Uuid)> =
            rows.iter().filter_map(|row| Some((seen.subject(&row.subject)?, row.statement.business_key))).collect();
        let present = bulk::present(connection.client(), &keys).await?;
        let ahead = Ahead { seen, present, stale: HashSet::new(), committed: before };
        if ready.send((chunk, ahead)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// What the last chunks of a load touched, for as long as a look may have missed it.
#[derive(Default)]
pub(super) struct Recent {
    chunks: VecDeque<(u64, Touched)>,
}

impl Recent {
    /// Notes a chunk that committed as the `number`-th, from 0.
    pub fn note(&mut self, number: u64, touched: Touched) {
        self.chunks.push_back((number, touched));
    }

    /// Takes from a look what chunks changed that committed after it began. Looks come in the order of their chunks, so what this one saw, later
    /// ones saw too.
    pub fn refresh(&mut self, ahead: &mut Ahead) {
        self.chunks.retain(|(number, _)| *number >= ahead.committed);
        for (_, touched) in &self.chunks {
            for key in &touched.keys {
                ahead.present.remove(key);
                ahead.stale.insert(*key);
            }
            for subject in &touched.registered {
                ahead.seen.forget_names(*subject);
            }
        }
    }
}
