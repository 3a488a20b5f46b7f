//! What nobody else would notice of a connection that works: that it leads to a server which is not the master any more, or whose history is another one.
//!
//! - The sentinels name another master, while the old one still serves: for seconds at each failover that is asked for, and as long as it is cut off from them.
//! - The server was turned into a replica, and maybe back.
//! - A server's replication id changes while it runs: when its first replica attaches, and an hour after its last one has left. It is part of the stamps, so that
//!   instances that connected before and after would replace each other's entries for ever.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{pending, try_join};

use super::{Live, Role, Shared, described_unsaid, field};
use crate::store::redis::sentinel::{Place, Sentinels, Told};
use crate::store::redis::server;
use crate::sync::atomic::Ordering;

/// How long it may take until what nobody tells is noticed, with the time of the question.
const EVERY: Duration = Duration::from_secs(1);

/// How long ago a replica may have been heard of, in seconds: `min-replicas-max-lag`, as it usually is.
const LAG: u64 = 10;

pub(super) const REPLICA: &str = "the server is a replica";
const MASTER: &str = "the server is no replica";
const LOST: &str = "the replica has lost its master";
pub(super) const ALONE: &str = "neither most of the sentinels nor a replica know it for the master";

impl Shared {
    /// Returns when `live` is given up here. Where an operation gives it up, this task is ended.
    pub(super) async fn watch(&self, live: &Arc<Live>) {
        loop {
            let told = async {
                match self.sentinels() {
                    Some(sentinels) => sentinels.news().await,
                    None => pending().await,
                }
            };
            // Whichever is first.
            let _ = tokio::time::timeout(EVERY, told).await;
            if let Err(why) = self.confirm(live).await {
                self.give_up(live, &why);
                return;
            }
        }
    }

    /// Whoever says where this server is.
    pub(super) fn sentinels(&self) -> Option<&Sentinels> {
        let sentinels = self.settings.sentinels.as_ref();
        sentinels.filter(|_| self.role != Role::Replica)
    }

    /// Why the server is none for this, by what it says of its replication.
    pub(super) fn unfit(&self, replication: &str) -> Option<&'static str> {
        let is_master = field(replication, "role") == Some("master");
        let follows = field(replication, "master_link_status") == Some("up");
        match self.role {
            Role::Replica if is_master => Some(MASTER),
            Role::Replica if !follows => Some(LOST),
            Role::Replica => None,
            _ => (!is_master).then_some(REPLICA),
        }
    }

    pub(super) fn note_followers(&self, replication: &str) {
        if let Some(replicas) = &self.followers {
            replicas.adopt(followers(replication).collect());
        }
    }

    /// Who is the master, where there are sentinels. They have half of the time that there is for connecting.
    pub(super) async fn ask_sentinels(&self) -> Result<Option<Told>, &'static str> {
        match self.sentinels() {
            Some(sentinels) => sentinels
                .ask(self.settings.connect_timeout / 2)
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// Why `live` cannot be relied on any more.
    async fn confirm(&self, live: &Live) -> Result<(), String> {
        let by_sentinels = async {
            let Ok(told) = self.ask_sentinels().await else {
                return Ok(false); // which is no reason yet
            };
            let elsewhere =
                |told: &Told| !server::place(&live.address).is_some_and(|at| told.is_at(at));
            if told.as_ref().is_some_and(elsewhere) {
                return Err("the sentinels name another master".to_owned());
            }
            Ok(told.is_none_or(|told| told.by_most))
        };
        let (by_sentinels, by_replicas) = try_join(by_sentinels, self.examine(live)).await?;
        if by_sentinels || by_replicas {
            return Ok(());
        }
        Err(ALONE.to_owned())
    }

    /// Whether a replica follows the server, which must be what it was.
    async fn examine(&self, live: &Live) -> Result<bool, String> {
        let mut connection = live.connection();
        let mut info = redis::cmd("INFO");
        info.arg("replication");
        let asked = async {
            self.settings.control.suffer().await?;
            info.query_async(&mut connection).await
        };
        let replication: String =
            match tokio::time::timeout(self.settings.connect_timeout, asked).await {
                Ok(Ok(replication)) => {
                    live.failures.store(0, Ordering::Relaxed);
                    replication
                }
                Ok(Err(error)) if error.is_io_error() || error.is_unrecoverable_error() => {
                    return Err(described_unsaid(&error));
                }
                // It cannot say so now, as while it loads; operations find out whether it serves.
                Ok(Err(_)) => return Ok(true),
                // As an operation that gets none.
                Err(_) => {
                    let failures = live.failures.fetch_add(1, Ordering::Relaxed) + 1;
                    return match failures < self.settings.threshold {
                        true => Ok(true),
                        false => Err("no answer to what its role is".to_owned()),
                    };
                }
            };
        if let Some(unfit) = self.unfit(&replication) {
            return Err(unfit.to_owned());
        }
        self.note_followers(&replication);
        let history = field(&replication, "master_replid").unwrap_or_default();
        if !live.incarnation.is_empty() && history != live.history {
            return Err("the server's replication id is another one".to_owned());
        }
        Ok(is_followed(&replication))
    }
}

/// Whether a replica has lately been heard of.
pub(super) fn is_followed(replication: &str) -> bool {
    followers(replication).next().is_some()
}

/// The replicas that have lately been heard of, by what `INFO replication` says: `slave0:ip=…,port=…,state=online,offset=…,lag=0`.
fn followers(replication: &str) -> impl Iterator<Item = Place> {
    let replicas = replication.lines().filter_map(|line| {
        let (name, fields) = line.trim_end().split_once(':')?;
        name.starts_with("slave").then_some(fields)
    });
    replicas.filter_map(|fields| {
        let of = |name: &str| {
            let fields = fields.split(',').filter_map(|field| field.split_once('='));
            fields.into_iter().find(|(known, _)| *known == name)
        };
        let (_, host) = of("ip")?;
        let lag: u64 = of("lag")?.1.parse().ok()?;
        let is_fresh = of("state")?.1 == "online" && lag <= LAG;
        let place = (host.to_owned(), of("port")?.1.parse().ok()?);
        is_fresh.then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::{followers, is_followed};

    #[test]
    fn replicas_that_are_there_are_counted() {
        let one = |state, lag, more| {
            format!(
                "role:master\r\nslave0:ip=::1,port=6380,state={state},offset=14,lag={lag}{more}\r\n"
            )
        };
        let known: Vec<_> = followers(&one("online", 0, "")).collect();
        assert_eq!(known, [("::1".to_owned(), 6380)]);
        assert!(is_followed(&one("online", 0, "")) && is_followed(&one("online", 10, "")));
        // Valkey says more.
        assert!(is_followed(&one("online", 1, ",type=replica")));
        assert!(!is_followed(&one("online", 11, "")) && !is_followed(&one("wait_bgsave", 0, "")));
        assert!(!is_followed(
            "role:master\r\nconnected_slaves:0\r\nmaster_replid:0"
        ));
    }
}
