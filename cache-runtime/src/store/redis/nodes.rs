//! Who serves what: one server, or the masters of a cluster.
//!
//! A cluster's nodes have one [`Link`] each, and are asked directly: freshness depends on who has answered, which a client that follows redirections on its own
//! does not tell. So each node has its own circuit, and one that is down takes away its own slots alone.

mod cluster;
mod connection;
mod map;
mod replicas;
mod slots;

use std::sync::Arc;

use redis::{Client, RedisError};

use self::cluster::Cluster;
pub(super) use self::connection::Connection;
pub(super) use self::map::standing;
pub(super) use self::replicas::Replicas;
pub(super) use self::slots::{Slot, Zone};
use super::link::{Link, Live, NotConnected, Role, Settings};
use super::looking::Lookups;
use super::server::{Reading, Servers};
use crate::store::TOGETHER;

/// All servers behind a cache.
#[derive(Debug)]
pub(super) enum Nodes {
    One(Arc<Node>),
    Cluster(Cluster),
}

/// A server, and what waits for it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) link: Link,
    pub(super) lookups: Arc<Lookups>,
    /// Of a master, where replicas are read.
    pub(super) replicas: Option<Arc<Replicas>>,
}

/// Where an operation is done.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Where the slot is served.
    Slot(Slot),
    /// At this node, whatever it serves: the operation names no key.
    Node(Arc<Node>),
    /// Where invalidations are counted and pushed, over the connection that hears of them.
    Home,
}

/// Where an attempt has got to.
pub(super) struct Reached {
    pub(super) node: Arc<Node>,
    pub(super) live: Arc<Live>,
    /// The node is just being given the slot.
    asked: bool,
}

/// A node that an attempt goes to.
pub(super) struct Target {
    pub(super) node: Arc<Node>,
    asked: bool,
}

impl Nodes {
    pub(super) fn new(servers: Servers, settings: Arc<Settings>) -> Self {
        match servers {
            Servers::One(client) => Self::One(Node::new(*client, settings, Role::Only)),
            Servers::Cluster(seeds) => Self::Cluster(Cluster::new(seeds, settings)),
        }
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// The slot of a name.
    pub(super) fn slot(&self, name: &[u8]) -> Slot {
        match self {
            Self::One(_) => Slot::ONLY,
            Self::Cluster(_) => Slot::of(name),
        }
    }

    /// The zone of keys in `slot`.
    pub(super) fn zone(&self, slot: Slot) -> Zone {
        match self {
            Self::One(_) => Zone::ONLY,
            Self::Cluster(_) => Zone::of(slot),
        }
    }

    /// All zones there are.
    pub(super) fn zones(&self) -> Vec<Zone> {
        match self {
            Self::One(_) => vec![Zone::ONLY],
            Self::Cluster(_) => Zone::all().collect(),
        }
    }

    /// The node at a place. Waits only while nothing is known of a cluster yet; the caller sets the deadline.
    pub(super) async fn at(&self, place: &Place) -> Result<Target, NotConnected> {
        let node = match (self, place) {
            (_, Place::Node(node)) | (Self::One(node), _) => node.clone(),
            (Self::Cluster(cluster), Place::Slot(slot)) => cluster.serving(*slot).await?,
            (Self::Cluster(cluster), Place::Home) => cluster.home().await?,
        };
        Ok(Target { node, asked: false })
    }

    /// All masters, in an order that stays the same while they do.
    pub(super) async fn all(&self) -> Result<Vec<Arc<Node>>, NotConnected> {
        match self {
            Self::One(node) => Ok(vec![node.clone()]),
            Self::Cluster(cluster) => cluster.masters().await,
        }
    }

    /// The same as far as they are known; takes no time.
    pub(super) fn known_masters(&self) -> Vec<Arc<Node>> {
        match self {
            Self::One(node) => vec![node.clone()],
            Self::Cluster(cluster) => cluster.known_masters(),
        }
    }

    /// Whether it is known who serves what.
    pub(super) fn is_known(&self) -> bool {
        match self {
            Self::One(_) => true,
            Self::Cluster(cluster) => cluster.is_known(),
        }
    }

    /// The node that serves `slot`, as far as is known; takes no time.
    pub(super) fn known(&self, slot: Slot) -> Option<Arc<Node>> {
        match self {
            Self::One(node) => Some(node.clone()),
            Self::Cluster(cluster) => cluster.known(slot),
        }
    }

    /// Where to go when `from` has answered that another node serves the slot.
    pub(super) fn redirected(&self, from: &Node, error: &RedisError) -> Option<Target> {
        let Self::Cluster(cluster) = self else {
            return None;
        };
        let (node, asked) = cluster.redirected(from, error)?;
        Some(Target { node, asked })
    }

    /// A node cannot be asked: another one may serve its slots by now.
    pub(super) fn doubt(&self) {
        if let Self::Cluster(cluster) = self {
            cluster.doubt();
        }
    }

    /// Whether it is known that nobody can be asked anything.
    pub(super) fn is_away(&self) -> bool {
        match self {
            Self::One(node) => node.link.is_down(),
            Self::Cluster(cluster) => cluster.is_away(),
        }
    }

    /// Why, where that is known.
    pub(super) fn why_away(&self) -> Option<String> {
        match self {
            Self::One(node) => node.link.why(),
            Self::Cluster(cluster) => cluster.why(),
        }
    }

    /// The connection that hears of invalidations, where there is one.
    pub(super) fn hearing(&self) -> Option<Arc<Node>> {
        match self {
            Self::One(node) => Some(node.clone()),
            Self::Cluster(cluster) => cluster.hearing(),
        }
    }
}

impl Node {
    fn new(client: Client, settings: Arc<Settings>, role: Role) -> Arc<Self> {
        let is_read =
            matches!(role, Role::Only | Role::Node) && settings.reading != Reading::Master;
        let replicas = is_read.then(|| Arc::new(Replicas::new(client.clone(), settings.clone())));
        if let (Some(replicas), Reading::At(places)) = (&replicas, &settings.reading) {
            replicas.adopt(places.clone());
        }
        // A cluster tells of them itself, by the addresses that are to be used.
        let told = role == Role::Only && settings.reading == Reading::Told;
        let followers = replicas.clone().filter(|_| told);
        Arc::new(Self {
            link: Link::new(client, settings, role, followers),
            lookups: Lookups::new(TOGETHER),
            replicas,
        })
    }
}

impl Target {
    pub(super) async fn reach(&self) -> Result<Reached, NotConnected> {
        Ok(Reached {
            live: self.node.link.live().await?,
            node: self.node.clone(),
            asked: self.asked,
        })
    }
}

impl Reached {
    /// A handle of the connection.
    pub(super) fn connection(&self) -> Connection {
        Connection {
            connection: self.live.connection(),
            asked: self.asked,
        }
    }

    /// Whether this connection hears of invalidations; see [`Live::listen`].
    pub(super) async fn listen(&self) -> bool {
        self.live.listen(&self.node.link).await
    }

    /// Asks for a proof that no push is outstanding; see [`Live::prove`].
    pub(super) async fn prove(&self) -> Result<(), RedisError> {
        self.live.prove(&self.node.link).await
    }

    /// See [`Live::hear_wakes`].
    pub(super) async fn hear_wakes(&self) {
        self.live.hear_wakes(&self.node.link).await;
    }
}
