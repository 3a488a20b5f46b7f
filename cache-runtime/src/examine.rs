//! Looking at a server rather than at answers: what tools need, `cachectl` first.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::by_hand::Everything;
use crate::cache::Cache;
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::store::Store;
use crate::store::redis::Redis;

/// What the server of a cache says of itself, and how it is spoken to. No user and no password is in it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ServerFacts {
    /// Host and port, or the path of a socket.
    pub address: String,
    /// Whether it is on this machine, by its address.
    pub local: bool,
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// Whether it was shown a password.
    pub password: bool,
    /// The cache's prefix, without the `:` at its end.
    pub prefix: String,
    /// Whether it did an invalidation of this process and would not push it to the others.
    pub pushes_refused: bool,
    /// The fields of `INFO`.
    pub info: BTreeMap<String, String>,
}

/// What an entry takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Weight {
    /// Of its value; `None` for what is no string, and so not the cache's.
    pub bytes: Option<u64>,
    /// Whether it has no expiry, as nothing of this library.
    pub lasting: bool,
}

/// # Looking at the server
///
/// With the feature `cli`. All of it fails for a cache without Redis, with [`ErrorKind::Invalid`]; is safe to drop; and is not counted.
///
/// Errors are those of [`try_get`](Self::try_get).
///
/// ```no_run
/// # use cache_runtime::Cache;
/// # async fn example() -> Result<(), cache_runtime::Error> {
/// let cache = Cache::current();
/// let facts = cache.try_server_facts().await?;
/// println!("{} in {:?}: {:?}", facts.address, cache.try_ping().await?, facts.info.get("redis_version"));
/// # Ok(())
/// # }
/// ```
impl Cache {
    /// How long one `PING` takes, without the wait for a connection.
    ///
    /// # Errors
    /// See above.
    pub async fn try_ping(&self) -> Result<Duration, Error> {
        Ok(self.redis()?.ping(self.engine.patience.operation).await?)
    }

    /// What the server says of itself, and how it is spoken to.
    ///
    /// # Errors
    /// See above.
    pub async fn try_server_facts(&self) -> Result<ServerFacts, Error> {
        Ok(self.redis()?.facts(self.engine.patience.operation).await?)
    }

    /// What each of `keys` takes, in their order, without reading it. One round trip: give it some hundreds at most.
    ///
    /// # Errors
    /// See above.
    pub async fn try_weigh(&self, keys: &[Key]) -> Result<Vec<Weight>, Error> {
        let patience = self.engine.patience.operation;
        Ok(self.redis()?.weigh(keys, patience).await?)
    }

    /// Whether this instance hears of the others' invalidations, as its near cache has to; it listens from now on.
    ///
    /// # Errors
    /// See above.
    pub async fn try_listen(&self) -> Result<bool, Error> {
        Ok(self.redis()?.listen(self.engine.patience.operation).await?)
    }

    /// Removes every name under the cache's prefix, also generations, locks, counters and queues: for a prefix that nobody uses any more, such as a
    /// test's. Whoever does use it may be answered with what is old; [`clear`](Self::clear) is for that.
    ///
    /// # Errors
    /// See above; and for a cache without a prefix, since that would be everything in the database.
    pub async fn try_erase(&self, Everything: Everything) -> Result<(), Error> {
        let redis = self.redis()?;
        if !redis.has_prefix() {
            let message = "a cache without a prefix is not erased";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(redis.erase(self.engine.patience.background).await?)
    }

    fn redis(&self) -> Result<&Redis, Error> {
        match self.engine.reachable()? {
            Store::Redis(redis) => Ok(redis),
            Store::Memory(_) => Err(Error::new(ErrorKind::Invalid, "the cache has no server")),
        }
    }
}
