//! Look-ups whose bytes come from replicas.
//!
//! A replica lags: it may have an entry that the master has removed, and generations from before an invalidation that go with it. So nothing that it says decides
//! anything. The master is asked for the head of the entry, and for the generations, at the same time; two entries with one head are one entry
//! ([`Head`](crate::envelope::Head)), so bytes that begin with that head are what the master would have sent. Whatever else a replica has is as if it had not been asked.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{Either, select};

use super::Redis;
use super::many::{Entry, entries};
use super::nodes::{Node, Nodes, Slot};
use crate::envelope::HEADER;
use crate::observe::{Counter, ReplicaStats};
use crate::store::{Address, Seen, StoreError};

/// How often a replica was asked for the bytes of an entry that the master has, by what came of it.
#[derive(Debug, Default)]
pub(super) struct ReplicaReads {
    counts: [Counter; 3],
    /// What the recorder of metrics knows of them.
    #[cfg(feature = "metrics")]
    told: [Counter; 3],
}

#[derive(Clone, Copy)]
enum Outcome {
    /// It had them.
    Answered,
    /// It had another entry, or none.
    Behind,
    /// It did not answer in time.
    Silent,
}

impl ReplicaReads {
    fn count(&self, outcome: Outcome) {
        self.counts[outcome as usize].one();
    }

    #[cfg(feature = "metrics")]
    fn untold(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = ["answered", "behind", "silent"];
        let each = names.into_iter().zip(self.counts.iter().zip(&self.told));
        each.map(|(name, (count, told))| (name, count.untold(told)))
    }
}

/// One replica of each master that has any, for all of one look-up.
#[derive(Default)]
pub(super) struct Picked(Vec<(Arc<Node>, Option<Arc<Node>>)>);

impl Picked {
    /// The replica that is asked for what is in `slot`.
    pub(super) fn at(&mut self, nodes: &Nodes, slot: Slot) -> Option<Arc<Node>> {
        let master = nodes.known(slot)?;
        let known = self.0.iter().find(|(of, _)| Arc::ptr_eq(of, &master));
        if let Some((_, replica)) = known {
            return replica.clone();
        }
        let replica = master.replicas.as_ref()?.pick();
        self.0.push((master, replica.clone()));
        replica
    }
}

impl Redis {
    /// Entries as replicas have them where there are any, and as their masters have them else; and the stamps that they must carry, as masters say. Both are read
    /// after this was called. Replicas get half of `patience`, so that a master is asked in time for what they do not answer.
    pub(super) async fn read_vouched(
        &self,
        ats: &[Address<'_>],
        patience: Duration,
    ) -> Vec<Result<Seen, StoreError>> {
        let began = Instant::now();
        let mut picked = Picked::default();
        let vouched: Vec<bool> = ats
            .iter()
            .map(|at| picked.at(&self.nodes, self.slot_of(at)).is_some())
            .collect();
        let masters = pin!(self.read_masters(ats, &vouched, patience));
        if !vouched.contains(&true) {
            return masters.await;
        }
        let replicas = pin!(self.bodies(ats, picked, patience / 2));
        // Of what is not there the head is empty.
        let heads = async {
            let mut seen = masters.await;
            let heads = seen.iter_mut().zip(&vouched);
            let heads = heads.filter_map(|(seen, vouched)| seen.as_mut().ok().filter(|_| *vouched));
            for seen in heads {
                seen.entry.take_if(|head| head.is_empty());
            }
            seen
        };
        let is_found = |(seen, vouched): (&Result<Seen, _>, &bool)| {
            *vouched && matches!(seen, Ok(Seen { entry: Some(_), .. }))
        };
        let (mut seen, bodies) = match select(pin!(heads), replicas).await {
            Either::Left((seen, replicas)) => {
                if !seen.iter().zip(&vouched).any(is_found) {
                    // A miss waits for no replica.
                    return seen;
                }
                (seen, replicas.await)
            }
            Either::Right((bodies, heads)) => (heads.await, bodies),
        };
        let mut doubted = Vec::new();
        for (at, body) in bodies.into_iter().enumerate() {
            let Ok(Seen { entry, .. }) = &mut seen[at] else {
                continue;
            };
            let Some(head) = entry.as_ref().filter(|_| vouched[at]) else {
                continue;
            };
            let body = body.map(|(body, _)| body);
            let outcome = match body {
                Ok(Some(body)) if is_headed(&body, head) => {
                    *entry = Some(body);
                    self.replica_reads.count(Outcome::Answered);
                    continue;
                }
                Ok(_) => Outcome::Behind,
                Err(_) => Outcome::Silent,
            };
            self.replica_reads.count(outcome);
            doubted.push(at);
        }
        if !doubted.is_empty() {
            let again: Vec<_> = doubted.iter().map(|at| ats[*at]).collect();
            let left = patience.saturating_sub(began.elapsed());
            let whole = self.read_masters(&again, &[], left).await;
            for (at, whole) in doubted.into_iter().zip(whole) {
                seen[at] = whole;
            }
        }
        seen
    }

    /// What has become of it so far; `None` where no replicas are read.
    pub(crate) fn replicas(&self) -> Option<ReplicaStats> {
        if !self.reads_replicas() {
            return None;
        }
        let masters = self.nodes.known_masters();
        let replicas = masters.iter().filter_map(|node| node.replicas.as_ref());
        let [answered, behind, silent] = &self.replica_reads.counts;
        Some(ReplicaStats {
            connected: replicas.map(|replicas| replicas.connected()).sum(),
            answered: answered.count(),
            behind: behind.count(),
            silent: silent.count(),
        })
    }

    /// Each outcome, as metrics call it, and what has come of it since the last time; of nothing where no replicas are read.
    #[cfg(feature = "metrics")]
    pub(crate) fn untold_replica_reads(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let reads = self.reads_replicas().then_some(&self.replica_reads);
        reads.into_iter().flat_map(ReplicaReads::untold)
    }

    /// What replicas have under these keys, as far as they answer.
    async fn bodies(&self, ats: &[Address<'_>], picked: Picked, patience: Duration) -> Vec<Entry> {
        let commands = self.gets(ats, &[]);
        let replies = self.send_to_replicas(commands, picked, patience).await;
        entries(replies.into_iter(), ats.len())
    }
}

/// Whether `entry` begins with this head, which is shorter than usual where all of the entry is.
fn is_headed(entry: &Bytes, head: &Bytes) -> bool {
    entry[..entry.len().min(HEADER)] == head[..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_known_by_its_head() {
        let entry = Bytes::from([vec![7; HEADER], vec![1, 2, 3]].concat());
        assert!(is_headed(&entry, &entry.slice(..HEADER)));
        let short = Bytes::from_static(b"no envelope");
        assert!(is_headed(&short, &short));
        let mut other = entry.to_vec();
        other[HEADER - 1] = 8;
        for (entry, head) in [
            (&Bytes::from(other), &entry.slice(..HEADER)),
            (&entry, &short),
            (&entry, &entry.slice(..HEADER - 1)),
            (&short, &entry.slice(..HEADER)),
            (&Bytes::new(), &short),
        ] {
            assert!(!is_headed(entry, head), "{entry:?} {head:?}");
        }
    }
}
