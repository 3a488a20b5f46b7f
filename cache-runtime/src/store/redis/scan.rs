//! Walking through names in small steps, and what needs it: listing keys, and clearing everything.

use std::time::Duration;

use redis::Cmd;

use super::Redis;
use crate::key::{Key, Pattern, Target, is_of_key};
use crate::store::{Mark, StoreError};

/// Names that the server looks at in one step.
const STEP: usize = 1000;

/// Domains that are made old in one round trip.
pub(super) const DOMAINS: usize = 100;

impl Redis {
    /// One step through all names that fit `names`, a glob; done when the next cursor is 0. `SCAN` returns whatever is there from its beginning
    /// to its end, and may return it twice.
    pub(super) async fn scan(
        &self,
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
        let (next, found): (u64, Vec<Vec<u8>>) = self
            .attempt(patience, move |live| async move {
                scan.query_async(&mut live.connection()).await
            })
            .await?;
        // A name that is no text is not ours.
        let found = found.into_iter().map(String::from_utf8);
        Ok((next, found.filter_map(Result::ok).collect()))
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
        let generations = format!("{}%gen:", self.prefix);
        let names = format!("{}%gen:*", glob(&self.prefix));
        let mut domains = Vec::new();
        self.walk(&names, patience, |found| {
            let found = found.into_iter();
            domains.extend(
                found.filter_map(|name| name.strip_prefix(&generations).map(Pattern::domain)),
            );
        })
        .await?;
        let domains: Vec<Target> = domains.into_iter().map(Target::from).collect();
        for domains in domains.chunks(DOMAINS) {
            Box::pin(self.invalidate(domains, mark, patience)).await?;
        }
        let mut cursor = 0;
        loop {
            let (next, entries) = self.entries(cursor, patience).await?;
            if !entries.is_empty() {
                self.unlink(&entries, patience).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
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
        let names = format!("{}*", glob(&self.prefix));
        let (next, mut found) = self.scan(cursor, &names, patience).await?;
        // A cache may have a prefix that begins with this one: its own names stay too.
        found.retain(|name| name[self.prefix.len()..].split(':').all(is_of_key));
        Ok((next, found))
    }

    async fn walk(
        &self,
        names: &str,
        patience: Duration,
        mut each: impl FnMut(Vec<String>),
    ) -> Result<(), StoreError> {
        let mut cursor = 0;
        loop {
            let (next, found) = self.scan(cursor, names, patience).await?;
            each(found);
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Lets the entry of `key` live for so long from now on; whether there is one.
    pub(crate) async fn expire(
        &self,
        key: &Key,
        life: Duration,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        let life = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
        let expire = &Cmd::pexpire(self.entry(key.as_str()), life.max(1));
        self.attempt(patience, move |live| async move {
            expire.query_async(&mut live.connection()).await
        })
        .await
    }
}

/// `text` as a glob that matches it alone.
pub(super) fn glob(text: &str) -> String {
    text.chars()
        .flat_map(|c| "*?[]\\".contains(c).then_some('\\').into_iter().chain([c]))
        .collect()
}
