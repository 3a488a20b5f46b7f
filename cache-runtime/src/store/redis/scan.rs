//! Walking through names in small steps, and what needs it: listing keys, and clearing everything.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::Cmd;

use super::Redis;
use super::nodes::{Node, Place, standing};
use crate::key::{Key, Pattern, Target, is_of_key};
use crate::store::{Mark, StoreError};

/// Names that the server looks at in one step.
const STEP: usize = 1000;

/// Domains that are made old in one round trip.
pub(super) const DOMAINS: usize = 100;

/// Of a cursor: the place of the node among all masters stands above the cursor of its own, which counts its buckets, and in later servers its slots too.
const NODE_BITS: u32 = 54;

/// Walks through a cluster that was changing: what moves once between two nodes is found by one of two.
const WALKS: usize = 2;

impl Redis {
    /// One step through all names of one node that fit `names`, a glob; done when the next cursor is 0. `SCAN` returns whatever is there from its beginning
    /// to its end, and may return it twice.
    async fn scan_node(
        &self,
        node: &Arc<Node>,
        cursor: u64,
        names: &str,
        patience: Duration,
    ) -> Result<(u64, Vec<String>), StoreError> {
        let mut scan = Cmd::new();
        scan.arg("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(names)
            .arg("COUNT")
            .arg(STEP);
        let scan = &scan;
        let place = Place::Node(node.clone());
        let (next, found): (u64, Vec<Vec<u8>>) = self
            .attempt(place, patience, move |live| async move {
                scan.query_async(&mut live.connection()).await
            })
            .await?;
        // A name that is no text is not ours.
        let found = found.into_iter().map(String::from_utf8);
        Ok((next, found.filter_map(Result::ok).collect()))
    }

    /// The same through one node after the other: for listings, which may leave out what moves meanwhile.
    async fn scan(
        &self,
        cursor: u64,
        names: &str,
        patience: Duration,
    ) -> Result<(u64, Vec<String>), StoreError> {
        let masters = self.masters(patience).await?;
        let at = (cursor >> NODE_BITS) as usize;
        let Some(node) = masters.get(at) else {
            return Ok((0, Vec::new()));
        };
        let own = cursor & ((1 << NODE_BITS) - 1);
        let (next, found) = self.scan_node(node, own, names, patience).await?;
        let next = match next {
            0 if at + 1 < masters.len() => (at as u64 + 1) << NODE_BITS,
            0 => 0,
            next => (at as u64) << NODE_BITS | next,
        };
        Ok((next, found))
    }

    /// All masters. Those of a cluster are waited for when nothing is known of it yet.
    pub(super) async fn masters(&self, patience: Duration) -> Result<Vec<Arc<Node>>, StoreError> {
        match tokio::time::timeout(patience, self.nodes.all()).await {
            Ok(masters) => masters.map_err(|_| StoreError::Unreachable),
            Err(_) => Err(StoreError::TimedOut),
        }
    }

    /// A walk through all names that fit `names`, in steps of `patience` each.
    pub(super) fn walk(&self, names: String, patience: Duration) -> Walk<'_> {
        Walk {
            redis: self,
            names,
            patience,
            walks: 0,
            standing: None,
            left: Vec::new(),
            at: None,
        }
    }

    /// Which slots each master has, as it says itself; `None` while any is on its way. A single server always has all.
    async fn standing(&self, patience: Duration) -> Result<Option<Vec<String>>, StoreError> {
        if !self.nodes.is_cluster() {
            return Ok(Some(Vec::new()));
        }
        let mut command = redis::cmd("CLUSTER");
        command.arg("NODES");
        let command = &command;
        let masters = self.masters(patience).await?;
        let each = masters.into_iter().map(|node| {
            self.attempt(Place::Node(node), patience, move |live| async move {
                command.query_async::<String>(&mut live.connection()).await
            })
        });
        let told = try_join_all(each).await?;
        Ok(told.iter().map(|told| standing(told)).collect())
    }

    /// One step through the keys that `pattern` matches, or through all of them.
    pub(crate) async fn keys(
        &self,
        cursor: u64,
        pattern: Option<&Pattern>,
        patience: Duration,
    ) -> Result<(u64, Vec<String>), StoreError> {
        let Some(pattern) = pattern else {
            let (next, mut names) = self.entries(cursor, patience).await?;
            for name in &mut names {
                name.drain(..self.prefix.len());
            }
            return Ok((next, names));
        };
        let names = format!("{}{pattern}", glob(&self.prefix));
        let (next, found) = self.scan(cursor, &names, patience).await?;
        // A glob's `*` runs over `:`, a pattern's does not.
        let keys = found.iter().filter_map(|name| {
            let key = name.strip_prefix(self.prefix.as_str())?;
            pattern.matches(key).then(|| key.to_owned())
        });
        Ok((next, keys.collect()))
    }

    /// Makes everything under the prefix old. Whatever is current lies in a domain that has generations, and had them when it was loaded: those
    /// that are there when this begins are all. Then the entries are removed, which frees their memory; without a prefix they are left to expire.
    pub(super) async fn clear(&self, mark: Mark, patience: Duration) -> Result<(), StoreError> {
        let generations = format!("{}%gen", self.prefix);
        let names = format!("{}%gen*:*", glob(&self.prefix));
        let mut domains = Vec::new();
        let mut walk = self.walk(names, patience);
        while let Some(found) = walk.next().await? {
            let domain = |name: String| {
                let name = name.strip_prefix(&generations)?;
                let (_, domain) = name.split_once(':')?;
                Some(Pattern::domain(domain))
            };
            domains.extend(found.into_iter().filter_map(domain));
        }
        let mut domains: Vec<Target> = domains.into_iter().map(Target::from).collect();
        let mut seen = HashSet::new();
        domains.retain(|domain| seen.insert(domain.clone()));
        for domains in domains.chunks(DOMAINS) {
            Box::pin(self.invalidate(domains, mark, patience)).await?;
        }
        if self.prefix.is_empty() {
            return Ok(());
        }
        let mut walk = self.walk(self.all_names(), patience);
        while let Some(mut found) = walk.next().await? {
            self.keep_entries(&mut found);
            self.unlink(&found, patience).await?;
        }
        Ok(())
    }

    /// One step through the names of all entries. Without a prefix there are none, as names that are not ours stand among them.
    pub(super) async fn entries(
        &self,
        cursor: u64,
        patience: Duration,
    ) -> Result<(u64, Vec<String>), StoreError> {
        if self.prefix.is_empty() {
            return Ok((0, Vec::new()));
        }
        let (next, mut found) = self.scan(cursor, &self.all_names(), patience).await?;
        self.keep_entries(&mut found);
        Ok((next, found))
    }

    /// All names under the prefix, as a glob.
    pub(super) fn all_names(&self) -> String {
        format!("{}*", glob(&self.prefix))
    }

    /// A cache may have a prefix that begins with this one: its own names stay too.
    pub(super) fn keep_entries(&self, names: &mut Vec<String>) {
        names.retain(|name| name[self.prefix.len()..].split(':').all(is_of_key));
    }

    /// Lets the entry of `key` live for so long from now on; whether there is one.
    pub(crate) async fn expire(
        &self,
        key: &Key,
        life: Duration,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        let life = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
        let entry = self.entry(key.as_str());
        let expire = &Cmd::pexpire(&entry, life.max(1));
        self.attempt(self.place(&entry), patience, move |live| async move {
            expire.query_async(&mut live.connection()).await
        })
        .await
    }
}

/// A walk through names: whatever is there from its beginning to its end is met, also where a slot moves once from one node to another meanwhile.
pub(super) struct Walk<'a> {
    redis: &'a Redis,
    names: String,
    patience: Duration,
    /// Those that have begun.
    walks: usize,
    /// Who had what when the last one began.
    standing: Option<Vec<String>>,
    /// Nodes that it has not been at yet.
    left: Vec<Arc<Node>>,
    /// Where it is.
    at: Option<(Arc<Node>, u64)>,
}

impl Walk<'_> {
    /// The next names; `None` at the end. Safe to drop: then a step is made again.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<String>>, StoreError> {
        loop {
            let Some((node, cursor)) = self.at.clone() else {
                if !self.begin().await? {
                    return Ok(None);
                }
                continue;
            };
            let step = self
                .redis
                .scan_node(&node, cursor, &self.names, self.patience);
            let (next, found) = step.await?;
            self.at = match next {
                0 => self.left.pop().map(|node| (node, 0)),
                next => Some((node, next)),
            };
            if !found.is_empty() {
                return Ok(Some(found));
            }
        }
    }

    /// Begins the first walk, or another one after a walk during which slots have moved; whether there is one to make.
    async fn begin(&mut self) -> Result<bool, StoreError> {
        if self.walks == WALKS {
            return Ok(false);
        }
        let standing = self.redis.standing(self.patience).await?;
        if self.walks > 0 && standing.is_some() && standing == self.standing {
            return Ok(false);
        }
        let mut masters = self.redis.masters(self.patience).await?;
        self.at = masters.pop().map(|node| (node, 0));
        self.left = masters;
        self.standing = standing;
        self.walks += 1;
        Ok(self.at.is_some())
    }
}

/// `text` as a glob that matches it alone.
pub(super) fn glob(text: &str) -> String {
    text.chars()
        .flat_map(|c| "*?[]\\".contains(c).then_some('\\').into_iter().chain([c]))
        .collect()
}
