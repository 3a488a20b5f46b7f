//! The replicas of one master, each with a connection of its own.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use redis::Client;

use super::Node;
use crate::store::redis::link::{Role, Settings};
use crate::store::redis::sentinel::Place;
use crate::store::redis::server;

/// Those that are known at present.
pub(in crate::store::redis) struct Replicas {
    /// Of the master: as whom, and over TLS or not.
    client: Client,
    settings: Arc<Settings>,
    nodes: ArcSwap<Vec<(Place, Arc<Node>)>>,
}

impl Replicas {
    pub(super) fn new(client: Client, settings: Arc<Settings>) -> Self {
        Self {
            client,
            settings,
            nodes: ArcSwap::default(),
        }
    }

    /// From now on the master has these. Connections to those that it had before are kept.
    pub(in crate::store::redis) fn adopt(&self, mut places: Vec<Place>) {
        places.sort_unstable();
        places.dedup();
        let before = self.nodes.load();
        let known = before.iter().map(|(place, _)| place);
        if known.eq(&places) {
            return;
        }
        let nodes = places.into_iter().filter_map(|place| {
            let kept = before.iter().find(|(known, _)| *known == place);
            let node = match kept {
                Some((_, node)) => node.clone(),
                None => self.node(&place)?,
            };
            Some((place, node))
        });
        self.nodes.store(Arc::new(nodes.collect()));
    }

    fn node(&self, place: &Place) -> Option<Arc<Node>> {
        let info = server::elsewhere(self.client.get_connection_info(), place);
        let client = Client::open(info).ok()?;
        Some(Node::new(client, self.settings.clone(), Role::Replica))
    }

    /// One that is connected, by chance. What is found not to be connected begins to connect; nobody waits for it.
    pub(in crate::store::redis) fn pick(&self) -> Option<Arc<Node>> {
        let nodes = self.nodes.load();
        let first = match nodes.len() {
            0 => return None,
            all => fastrand::usize(..all),
        };
        let (before, after) = nodes.split_at(first);
        let mut each = after.iter().chain(before);
        let picked = each.find(|(_, node)| node.link.is_live());
        picked.map(|(_, node)| node.clone())
    }

    /// How many are connected.
    pub(in crate::store::redis) fn connected(&self) -> usize {
        let nodes = self.nodes.load();
        let connected = nodes.iter().filter(|(_, node)| node.link.has_connection());
        connected.count()
    }
}

impl fmt::Debug for Replicas {
    /// Hosts and ports; never a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.nodes.load();
        let places = nodes
            .iter()
            .map(|((host, port), _)| format!("{host}:{port}"));
        f.debug_tuple("Replicas")
            .field(&places.collect::<Vec<_>>())
            .finish()
    }
}
