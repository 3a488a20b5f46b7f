//! Who serves which slot, as a node of the cluster tells it.

use std::fmt;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, Value};

use super::{Node, Slot};
use crate::store::redis::link::field;
use crate::store::redis::sentinel::Place;

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Address {
    /// As a redirection names it: `host:port`. Without a host it is that of the node which said so.
    pub(super) fn parse(text: &str, said_by: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Self::of(host, port.parse().ok()?, said_by))
    }

    pub(super) fn place(&self) -> Place {
        (self.host.clone(), self.port)
    }

    fn of(host: &str, port: u16, said_by: &str) -> Self {
        let host = match host.trim_matches(['[', ']']) {
            "" | "?" => said_by,
            host => host,
        };
        Self {
            host: host.to_owned(),
            port,
        }
    }
}

/// Who serves which slot.
#[derive(Debug, Clone)]
pub(super) struct Map {
    /// Of each slot the place of its node.
    owners: Vec<Option<u16>>,
    /// In the order of their addresses.
    nodes: Vec<(Address, Arc<Node>)>,
    /// Masters and replicas.
    peers: Vec<Address>,
}

impl Map {
    pub(super) fn of(told: &Told, mut node: impl FnMut(&Address) -> Option<Arc<Node>>) -> Self {
        let mut addresses: Vec<_> = told.ranges.iter().map(|range| &range.2).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let nodes: Vec<_> = addresses
            .into_iter()
            .filter_map(|address| Some((address.clone(), node(address)?)))
            .collect();
        let mut map = Self {
            owners: vec![None; 1 << 14],
            nodes,
            peers: told.peers.clone(),
        };
        for (first, last, address) in &told.ranges {
            let place = map.place(address);
            if let Some(slots) = map.owners.get_mut(usize::from(*first)..=usize::from(*last)) {
                slots.fill(place);
            }
        }
        map
    }

    pub(super) fn owner(&self, slot: Slot) -> Option<&(Address, Arc<Node>)> {
        let place = (*self.owners.get(usize::from(slot.0))?)?;
        self.nodes.get(usize::from(place))
    }

    /// From now on `node` serves `slot`.
    pub(super) fn note(&mut self, slot: u16, address: &Address, node: &Arc<Node>) {
        let place = self.place(address).or_else(|| {
            self.nodes.push((address.clone(), node.clone()));
            self.place(address)
        });
        if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
            *owner = place;
        }
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &(Address, Arc<Node>)> {
        self.nodes.iter()
    }

    /// Whoever can be asked about the cluster.
    pub(super) fn peers(&self) -> impl Iterator<Item = &Address> {
        self.peers.iter()
    }

    pub(super) fn node(&self, address: &Address) -> Option<&Arc<Node>> {
        let place = self.place(address)?;
        Some(&self.nodes[usize::from(place)].1)
    }

    fn place(&self, address: &Address) -> Option<u16> {
        let place = self.nodes.iter().position(|(known, _)| known == address)?;
        u16::try_from(place).ok()
    }

    /// Whether both say the same of each slot.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let addresses = |map: &Self| {
            map.nodes
                .iter()
                .map(|(address, _)| address.clone())
                .collect::<Vec<_>>()
        };
        self.owners == other.owners && addresses(self) == addresses(other)
    }
}

/// What a node tells of the cluster.
#[derive(Debug)]
pub(super) struct Told {
    /// Rises with each change that the cluster agrees on.
    pub(super) epoch: u64,
    /// First and last slot, and who serves them.
    ranges: Vec<(u16, u16, Address)>,
    peers: Vec<Address>,
    /// Masters, and who replicates them.
    replicas: Vec<(Address, Address)>,
}

impl Told {
    /// What `CLUSTER INFO` and `CLUSTER SLOTS` say. A node that is cut off from the others does not know who serves what.
    pub(super) fn read(info: &str, slots: Value, said_by: &str) -> Result<Self, RedisError> {
        if field(info, "cluster_state") != Some("ok") {
            return Err((ErrorKind::Client, "the cluster is down").into());
        }
        let unreadable = || {
            RedisError::from((
                ErrorKind::Client,
                "what the cluster says of its slots cannot be read",
            ))
        };
        let epoch = field(info, "cluster_current_epoch").and_then(|epoch| epoch.parse().ok());
        let Value::Array(slots) = slots else {
            return Err(unreadable());
        };
        let (mut peers, mut replicas) = (Vec::new(), Vec::new());
        let ranges = slots.into_iter().map(|range| {
            let (first, last, master, others) = one(range, said_by)?;
            peers.push(master.clone());
            peers.extend_from_slice(&others);
            replicas.extend(others.into_iter().map(|replica| (master.clone(), replica)));
            Some((first, last, master))
        });
        let ranges: Option<Vec<_>> = ranges.collect();
        peers.sort_unstable();
        peers.dedup();
        Ok(Self {
            epoch: epoch.unwrap_or_default(),
            ranges: ranges
                .filter(|ranges| !ranges.is_empty())
                .ok_or_else(unreadable)?,
            peers,
            replicas,
        })
    }

    pub(super) fn replicas_of(&self, master: &Address) -> impl Iterator<Item = &Address> {
        let replicas = self.replicas.iter();
        replicas.filter_map(move |(of, replica)| (of == master).then_some(replica))
    }
}

/// `[first, last, [host, port, …], replicas…]`.
fn one(range: Value, said_by: &str) -> Option<(u16, u16, Address, Vec<Address>)> {
    let Value::Array(range) = range else {
        return None;
    };
    let [Value::Int(first), Value::Int(last), nodes @ ..] = &range[..] else {
        return None;
    };
    let address = |node: &Value| {
        let Value::Array(node) = node else {
            return None;
        };
        let [host, Value::Int(port), ..] = &node[..] else {
            return None;
        };
        let host: Option<String> = redis::from_redis_value_ref(host).ok()?;
        let port = u16::try_from(*port).ok()?;
        Some(Address::of(&host.unwrap_or_default(), port, said_by))
    };
    let (master, replicas) = nodes.split_first()?;
    Some((
        u16::try_from(*first).ok()?,
        u16::try_from(*last).ok()?,
        address(master)?,
        replicas.iter().filter_map(address).collect(),
    ))
}

/// What one master says of itself in `CLUSTER NODES`: its slots and their epoch. `None` while a slot is on its way to or from it.
pub(in crate::store::redis) fn standing(nodes: &str) -> Option<String> {
    let own = nodes.lines().find(|line| line.contains("myself"))?;
    // id, address, flags, master, ping, pong, epoch, link, slots…
    let mut words = own.split(' ');
    let (id, flags) = (words.next()?, words.nth(1)?);
    let (epoch, slots) = (words.nth(3)?, words.skip(1).collect::<Vec<_>>());
    let settled = slots.iter().all(|slot| !slot.starts_with('['));
    settled.then(|| format!("{id} {flags} {epoch} {}", slots.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_tells_is_read() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), bulk("id")]);
        let range =
            |first, last, master| Value::Array(vec![Value::Int(first), Value::Int(last), master]);
        let slots = Value::Array(vec![
            Value::Array(vec![
                Value::Int(0),
                Value::Int(99),
                node(bulk("10.0.0.7"), 7001),
                node(bulk("10.0.0.8"), 7003),
            ]),
            range(100, 100, node(Value::Nil, 7002)),
            range(200, 16_383, node(bulk(""), 7002)),
        ]);
        let info = "cluster_state:ok\r\ncluster_current_epoch:6\r\n";
        let told = Told::read(info, slots.clone(), "seed").unwrap();
        assert_eq!(told.epoch, 6);
        let here = Address {
            host: "seed".to_owned(),
            port: 7002,
        };
        assert_eq!(told.ranges[1], (100, 100, here.clone()));
        assert_eq!(told.ranges[2], (200, 16_383, here));
        let master = &told.ranges[0].2;
        assert_eq!(master.to_string(), "10.0.0.7:7001");
        let replicas: Vec<_> = told.replicas_of(master).map(Address::to_string).collect();
        assert_eq!(replicas, ["10.0.0.8:7003"]);
        for (info, slots) in [
            ("cluster_state:fail\r\n", slots),
            (info, Value::Nil),
            (info, Value::Array(vec![])),
            (info, Value::Array(vec![range(0, 1, node(bulk("a"), -1))])),
            (info, Value::Array(vec![Value::Int(1)])),
        ] {
            Told::read(info, slots, "seed").expect_err("not to be believed");
        }
    }

    #[test]
    fn a_master_that_gives_a_slot_away_does_not_stand_still() {
        let own = |slots: &str| {
            format!(
                "b 127.0.0.1:2@12 slave a 0 0 1 connected\na 127.0.0.1:1@11 myself,master - 0 0 7 connected {slots}\n"
            )
        };
        let standing = |slots: &str| standing(&own(slots));
        assert_eq!(
            standing("0-5 9"),
            Some("a myself,master 7 0-5 9".to_owned())
        );
        assert_ne!(standing("0-5"), standing("0-5 9"));
        assert_eq!(standing("0-5 [9->-b]"), None);
    }

    #[test]
    fn redirections_are_read() {
        let parse = |text| Address::parse(text, "here").map(|address| address.to_string());
        assert_eq!(parse("10.0.0.7:1").as_deref(), Some("10.0.0.7:1"));
        assert_eq!(parse(":1").as_deref(), Some("here:1"));
        assert_eq!(parse("::1:7000").as_deref(), Some("::1:7000"));
        assert_eq!(parse("nonsense"), None);
    }
}
