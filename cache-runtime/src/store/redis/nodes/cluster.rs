//! The masters of a cluster, and the watch over who serves what.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, RedisError, Value};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::map::{Address, Map, Told};
use super::{Node, Slot};
use crate::store::redis::link::{NotConnected, Role, Settings, described_unsaid};
use crate::store::redis::{pushes, server};
use crate::sync::{Mutex, lock};

/// How often the cluster is asked who serves what, also while nothing is wrong.
const WATCH: Duration = Duration::from_secs(5);
/// The least time between two questions; doubled up to the last while nobody answers, and while there are doubts and the answer stays the same.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Nodes that are asked at once: who is believed is the one that has heard of most changes.
const ASKED: usize = 3;
/// For how long the others are waited for when one has answered.
const OTHERS: Duration = Duration::from_millis(100);

pub(in crate::store::redis) struct Cluster {
    shared: Arc<Shared>,
    watching: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    seeds: Vec<Client>,
    settings: Arc<Settings>,
    /// Who serves what, as far as is known: each operation asks.
    map: ArcSwapOption<Map>,
    /// Whether the first question has ended, with an answer or without one. Until then it is worth waiting for, within the deadline.
    asked: watch::Sender<bool>,
    /// Nodes that were named by redirections, and are not on the map yet.
    strangers: Mutex<HashMap<Address, Arc<Node>>>,
    /// The connection that hears of invalidations. It has one of its own, so that a new home begins without any past.
    home: Mutex<Option<(Address, Arc<Node>)>>,
    doubts: Notify,
    /// Why nobody knows who serves what.
    why: Mutex<Option<String>>,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<Client>, settings: Arc<Settings>) -> Self {
        Self {
            shared: Arc::new(Shared {
                seeds,
                settings,
                map: ArcSwapOption::empty(),
                asked: watch::Sender::new(false),
                strangers: Mutex::default(),
                home: Mutex::new(None),
                doubts: Notify::new(),
                why: Mutex::new(None),
            }),
            watching: Mutex::new(None),
        }
    }

    /// The node that serves `slot`.
    pub(super) async fn serving(&self, slot: Slot) -> Result<Arc<Node>, NotConnected> {
        let map = self.map().await?;
        let Some((_, node)) = map.owner(slot) else {
            self.doubt();
            return Err(NotConnected);
        };
        Ok(node.clone())
    }

    pub(super) fn is_known(&self) -> bool {
        self.shared.map.load().is_some()
    }

    /// The same as far as it is known.
    pub(super) fn known(&self, slot: Slot) -> Option<Arc<Node>> {
        let map = self.shared.map.load();
        map.as_ref()?.owner(slot).map(|(_, node)| node.clone())
    }

    /// All masters that serve anything.
    pub(super) async fn masters(&self) -> Result<Vec<Arc<Node>>, NotConnected> {
        let map = self.map().await?;
        Ok(map.nodes().map(|(_, node)| node.clone()).collect())
    }

    /// The same as far as they are known.
    pub(super) fn known_masters(&self) -> Vec<Arc<Node>> {
        let map = self.shared.map.load();
        let nodes = map.iter().flat_map(|map| map.nodes());
        nodes.map(|(_, node)| node.clone()).collect()
    }

    /// The connection that hears of invalidations: to the node that counts them.
    pub(super) async fn home(&self) -> Result<Arc<Node>, NotConnected> {
        let map = self.map().await?;
        let name = pushes(&self.shared.settings.prefix);
        let Some((address, _)) = map.owner(Slot::of(name.as_bytes())) else {
            self.doubt();
            return Err(NotConnected);
        };
        let mut home = lock(&self.shared.home);
        match &*home {
            Some((at, node)) if at == address => Ok(node.clone()),
            _ => {
                let node = self
                    .shared
                    .new_node(address, Role::Home)
                    .ok_or(NotConnected)?;
                *home = Some((address.clone(), node.clone()));
                Ok(node)
            }
        }
    }

    /// The same where there is one already.
    pub(super) fn hearing(&self) -> Option<Arc<Node>> {
        lock(&self.shared.home)
            .as_ref()
            .map(|(_, node)| node.clone())
    }

    /// Where a redirection leads, and whether that node is just being given the slot. What has moved for good is noted.
    pub(super) fn redirected(&self, from: &Node, error: &RedisError) -> Option<(Arc<Node>, bool)> {
        let (address, slot) = error.redirect_node()?;
        let said_by = host(from.link.server().addr());
        let address = Address::parse(address, said_by)?;
        let node = self.shared.node(&address)?;
        let asked = error.code() == Some("ASK");
        if !asked {
            self.shared.map.rcu(|map| {
                let mut map = map.as_deref()?.clone();
                map.note(slot, &address, &node);
                Some(Arc::new(map))
            });
            self.doubt();
        }
        Some((node, asked))
    }

    /// What is known may be wrong: it is asked for again, in the background.
    pub(super) fn doubt(&self) {
        self.shared.doubts.notify_one();
        self.see_to_watching();
    }

    pub(super) fn is_away(&self) -> bool {
        if let Some(map) = &*self.shared.map.load() {
            let is_away = map.nodes().all(|(_, node)| node.link.is_down());
            if is_away {
                // They may come back elsewhere.
                self.doubt();
            }
            return is_away;
        }
        let is_away = *self.shared.asked.borrow();
        if is_away {
            // The runtime that asks may have ended.
            self.see_to_watching();
        }
        is_away
    }

    pub(super) fn why(&self) -> Option<String> {
        let Some(map) = self.shared.map.load_full() else {
            return lock(&self.shared.why).clone();
        };
        let mut down = map.nodes().filter(|(_, node)| node.link.is_down());
        down.find_map(|(address, node)| Some(format!("{address}: {}", node.link.why()?)))
    }

    /// What is known. Waits only for the very first answer; the caller sets the deadline.
    async fn map(&self) -> Result<Arc<Map>, NotConnected> {
        if let Some(map) = self.shared.map.load_full() {
            return Ok(map);
        }
        self.see_to_watching();
        let mut asked = self.shared.asked.subscribe();
        // It is there as long as this is.
        let _ = asked.wait_for(|asked| *asked).await;
        self.shared.map.load_full().ok_or(NotConnected)
    }

    /// One task at a time watches. It ends with the runtime that it was spawned on, and then another caller's runtime takes over.
    fn see_to_watching(&self) {
        let mut watching = lock(&self.watching);
        if watching.as_ref().is_none_or(JoinHandle::is_finished) {
            *watching = Some(tokio::spawn(self.shared.clone().watch()));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.watching).take() {
            task.abort();
        }
    }
}

impl fmt::Debug for Cluster {
    /// Hosts and ports; never a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seeds = self.shared.seeds.iter();
        let seeds = seeds.map(|seed| seed.get_connection_info().addr().to_string());
        f.debug_tuple("Cluster")
            .field(&seeds.collect::<Vec<_>>())
            .finish()
    }
}

impl Shared {
    /// Asks now and then who serves what, and soon when there is a doubt.
    async fn watch(self: Arc<Self>) {
        let mut wait = FIRST_WAIT;
        loop {
            let (is_known, has_changed) = match self.learn().await {
                Ok(told) => (true, self.adopt(&told)),
                Err(error) => {
                    self.cannot_learn(&error);
                    (false, false)
                }
            };
            if has_changed {
                wait = FIRST_WAIT;
            }
            // Up to a quarter more, so that a fleet does not ask in step.
            let jittered = |time: Duration| time.mul_f64(1.0 + fastrand::f64() / 4.0);
            tokio::time::sleep(jittered(wait)).await;
            wait = LAST_WAIT.min(wait * 2);
            let doubted = tokio::time::timeout(jittered(WATCH), self.doubts.notified());
            // Where nobody doubts, it is asked all the same.
            if is_known && doubted.await.is_err() {
                wait = FIRST_WAIT;
            }
        }
    }

    /// What the cluster tells of itself: of those that are asked at once, the one that has heard of most changes.
    async fn learn(&self) -> Result<Told, String> {
        let mut problem = None;
        for group in self.candidates().chunks(ASKED) {
            let mut answers: FuturesUnordered<_> = group.iter().map(|one| self.ask(one)).collect();
            let mut best: Option<Told> = None;
            let mut until = Instant::now() + self.settings.connect_timeout;
            while let Ok(Some(answer)) = tokio::time::timeout_at(until, answers.next()).await {
                match answer {
                    Ok(told) => {
                        until = until.min(Instant::now() + OTHERS);
                        if best.as_ref().is_none_or(|best| best.epoch < told.epoch) {
                            best = Some(told);
                        }
                    }
                    Err(error) => problem = Some(described_unsaid(&error)),
                }
            }
            if let Some(told) = best {
                return Ok(told);
            }
        }
        Err(problem.unwrap_or_else(|| "no answer within the connect timeout".to_owned()))
    }

    /// Whom to ask: those that are known, those that are down last of them; then the seeds.
    fn candidates(&self) -> Vec<Client> {
        let map = self.map.load_full();
        let peers = map.as_ref().map(|map| map.peers().cloned().collect());
        let mut known: Vec<Address> = peers.unwrap_or_default();
        fastrand::shuffle(&mut known);
        let is_down = |address: &Address| {
            let node = map.as_ref().and_then(|map| map.node(address));
            node.is_some_and(|node| node.link.is_down())
        };
        known.sort_by_key(is_down);
        let known = known.iter().filter_map(|address| self.client(address));
        known.chain(self.seeds.iter().cloned()).collect()
    }

    /// Over a connection of its own, as it may be a replica that is asked.
    async fn ask(&self, client: &Client) -> Result<Told, RedisError> {
        let address = client.get_connection_info().addr();
        #[cfg(feature = "tls")]
        crate::store::redis::tls::provide(address);
        // The deadline is the caller's.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let (info, slots): (String, Value) = redis::pipe()
            .cmd("CLUSTER")
            .arg("INFO")
            .cmd("CLUSTER")
            .arg("SLOTS")
            .query_async(&mut connection)
            .await
            .map_err(
                |error| match error.to_string().contains("cluster support disabled") {
                    true => (
                        ErrorKind::Client,
                        "the server is in no cluster: name it with redis or REDIS_URL",
                    )
                        .into(),
                    false => error,
                },
            )?;
        Told::read(&info, slots, host(address))
    }

    /// From now on it is as it is told; whether that is new.
    fn adopt(&self, told: &Told) -> bool {
        let mut strangers = std::mem::take(&mut *lock(&self.strangers));
        let before = self.map.load_full();
        let map = Map::of(told, |address| {
            let kept = before.as_ref().and_then(|map| map.node(address).cloned());
            kept.or_else(|| strangers.remove(address))
                .or_else(|| self.new_node(address, Role::Node))
        });
        for (address, node) in map.nodes() {
            if let Some(replicas) = &node.replicas {
                replicas.adopt(told.replicas_of(address).map(Address::place).collect());
            }
        }
        let changed = before.is_none_or(|before| !before.agrees(&map));
        let nodes = map.nodes().count();
        // What was noted meanwhile is noted again by the next one who is redirected.
        self.map.store(Some(Arc::new(map)));
        self.asked.send_replace(true);
        *lock(&self.why) = None;
        if changed {
            tracing::info!(
                nodes,
                epoch = told.epoch,
                "who serves what in the cluster of Redis is known anew"
            );
        }
        changed
    }

    fn cannot_learn(&self, error: &str) {
        *lock(&self.why) = Some(error.to_owned());
        let first = !self.asked.send_replace(true);
        if first {
            tracing::error!(
                error,
                "no node of the cluster of Redis can be asked; the sources answer until there is one"
            );
        } else {
            tracing::debug!(error, "no node of the cluster of Redis can be asked");
        }
    }

    /// The node at `address`, known or not.
    fn node(&self, address: &Address) -> Option<Arc<Node>> {
        let map = self.map.load();
        if let Some(node) = map.as_ref().and_then(|map| map.node(address)) {
            return Some(node.clone());
        }
        let mut strangers = lock(&self.strangers);
        if let Some(node) = strangers.get(address) {
            return Some(node.clone());
        }
        let node = self.new_node(address, Role::Node)?;
        strangers.insert(address.clone(), node.clone());
        Some(node)
    }

    fn new_node(&self, address: &Address, role: Role) -> Option<Arc<Node>> {
        Some(Node::new(
            self.client(address)?,
            self.settings.clone(),
            role,
        ))
    }

    /// A client of that node: as whom, and over TLS or not, as the first seed says.
    fn client(&self, address: &Address) -> Option<Client> {
        let info = self.seeds.first()?.get_connection_info();
        Client::open(server::elsewhere(info, &address.place())).ok()
    }
}

fn host(address: &ConnectionAddr) -> &str {
    match address {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => "127.0.0.1",
    }
}
