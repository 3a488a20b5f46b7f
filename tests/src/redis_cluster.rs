use std::collections::BTreeMap;
use std::time::Duration;

use crc::{CRC_16_XMODEM, Crc};
use futures_util::future::join_all;
use redis::{FromRedisValue, RedisResult};

use crate::{RedisServer, RedisServerBuilder, eventually};

const MASTERS: usize = 3;
const SLOTS: u16 = 16_384;

/// A Redis Cluster of one's own: three masters and a replica of each, joined by commands, without `redis-cli`.
///
/// The nodes 0 to 2 begin as masters of a third of the slots each, and 3 to 5 as their replicas. Slots that nobody serves take away their own keys alone
/// (`cluster-require-full-coverage no`). Starting takes some two seconds.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

/// A slot that is on its way from one node to another, by their numbers.
#[derive(Debug, Clone, Copy)]
#[must_use = "it stays on its way until it is ended"]
pub struct Moving {
    /// Its number.
    pub slot: u16,
    /// Who serves it until it has moved.
    pub from: usize,
    /// Who serves it then.
    pub to: usize,
}

impl RedisCluster {
    /// With failures that are found after one second.
    ///
    /// # Panics
    /// When it can't be started.
    pub async fn start() -> Self {
        Self::start_with(RedisServer::builder(), Duration::from_secs(1)).await
    }

    /// With `settings` of each node, and a time after which a node that does not answer has failed.
    ///
    /// # Panics
    /// When it can't be started.
    pub async fn start_with(settings: RedisServerBuilder, node_timeout: Duration) -> Self {
        let settings = settings
            .in_cluster()
            .config(
                "cluster-node-timeout",
                &node_timeout.as_millis().to_string(),
            )
            .config("cluster-require-full-coverage", "no")
            .config("cluster-replica-validity-factor", "0")
            .config("cluster-allow-replica-migration", "no")
            .config("repl-diskless-sync-delay", "0");
        let nodes = (0..2 * MASTERS).map(|_| settings.clone().start());
        let cluster = Self {
            nodes: join_all(nodes).await,
        };
        for number in 0..cluster.nodes.len() {
            // Else they would have to agree on it first.
            cluster
                .must(number, &format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1))
                .await;
        }
        for (number, range) in thirds().into_iter().enumerate() {
            let [first, last] = range;
            cluster
                .must(number, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"))
                .await;
        }
        for node in &cluster.nodes[1..] {
            let (port, bus) = (node.port(), node.bus_port().expect("a node of a cluster"));
            cluster
                .must(0, &format!("CLUSTER MEET 127.0.0.1 {port} {bus}"))
                .await;
        }
        for number in MASTERS..2 * MASTERS {
            let master = cluster.id(number - MASTERS).await;
            eventually("the master is known to its replica", async || {
                let replicate = format!("CLUSTER REPLICATE {master}");
                cluster.try_tell::<()>(number, &replicate).await.is_ok()
            })
            .await;
        }
        cluster.settled().await;
        cluster
    }

    /// Of all nodes, for a cache.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// All nodes, by their numbers.
    #[must_use]
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// One of them, to kill and to restart it.
    pub fn node_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.nodes[number]
    }

    /// Waits until all nodes that are up agree on who serves what, are well, and each master that is up has its replica in step if that is up too.
    ///
    /// # Panics
    /// When they don't within half a minute.
    pub async fn settled(&self) {
        eventually("the nodes of the cluster agree", async || {
            let up = (0..self.nodes.len()).filter(|number| self.nodes[*number].is_up());
            let views = join_all(up.map(|number| self.view(number))).await;
            views[0].is_some() && views.iter().all(|view| *view == views[0])
        })
        .await;
    }

    /// Who serves which ranges, as a node sees it when it and the cluster are well.
    async fn view(&self, number: usize) -> Option<Vec<String>> {
        let info: String = self.try_tell(number, "CLUSTER INFO").await.ok()?;
        let replication: String = self.try_tell(number, "INFO replication").await.ok()?;
        let nodes: String = self.try_tell(number, "CLUSTER NODES").await.ok()?;
        let is_lost =
            replication.contains("role:slave") && !replication.contains("master_link_status:up");
        if !info.contains("cluster_state:ok") || is_lost || nodes.contains("handshake") {
            return None;
        }
        let known = nodes.lines().count();
        let mut owners: Vec<_> = nodes
            .lines()
            .filter_map(|line| {
                let words: Vec<_> = line.split(' ').collect();
                let flags = words[2].replace("myself,", "");
                // Slots that are on their way are told by their own nodes alone.
                let slots = words[8..].iter().filter(|slot| !slot.starts_with('['));
                let slots = slots.copied().collect::<Vec<_>>().join(" ");
                (!flags.contains("fail")).then(|| format!("{} {flags} {slots}", words[0]))
            })
            .collect();
        owners.sort();
        (known == self.nodes.len()).then_some(owners)
    }

    /// The number of the node that serves a slot, as most recently agreed.
    ///
    /// # Panics
    /// When nobody does.
    pub async fn master_of(&self, slot: u16) -> usize {
        type Range = (u16, u16, (String, u16, String));
        let ranges: Vec<redis::Value> = self.tell(self.any(), "CLUSTER SLOTS").await;
        let read = |range: redis::Value| -> Option<Range> {
            let redis::Value::Array(mut parts) = range else {
                return None;
            };
            parts.truncate(3);
            if let Some(redis::Value::Array(node)) = parts.get_mut(2) {
                node.truncate(3);
            }
            redis::from_redis_value(redis::Value::Array(parts)).ok()
        };
        let owner = ranges
            .into_iter()
            .filter_map(read)
            .find(|(first, last, _)| (*first..=*last).contains(&slot));
        let (_, _, (_, port, _)) = owner.expect("the slot is served");
        let number = self.nodes.iter().position(|node| node.port() == port);
        number.expect("it is one of the nodes")
    }

    /// The number of the node that replicates a master.
    ///
    /// # Panics
    /// When none does.
    pub async fn replica_of(&self, master: usize) -> usize {
        let id = self.id(master).await;
        for number in 0..self.nodes.len() {
            if self.nodes[number].is_up() {
                let nodes: String = self.tell(number, "CLUSTER NODES").await;
                let own = nodes.lines().find(|line| line.contains("myself"));
                let own: Vec<_> = own.unwrap_or_default().split(' ').collect();
                if own.get(3) == Some(&id.as_str()) {
                    return number;
                }
            }
        }
        panic!("node {master} has a replica");
    }

    /// A slot is about to move to another node: what is not there any more is asked for at the other one.
    pub async fn begin_moving(&self, slot: u16, to: usize) -> Moving {
        let from = self.master_of(slot).await;
        let (source, target) = (self.id(from).await, self.id(to).await);
        self.must(to, &format!("CLUSTER SETSLOT {slot} IMPORTING {source}"))
            .await;
        self.must(from, &format!("CLUSTER SETSLOT {slot} MIGRATING {target}"))
            .await;
        Moving { slot, from, to }
    }

    /// Moves some of the slot's names; whether there were any.
    pub async fn move_names(&self, moving: Moving, most: usize) -> bool {
        let Moving { slot, from, to } = moving;
        let names: Vec<String> = self
            .tell(from, &format!("CLUSTER GETKEYSINSLOT {slot} {most}"))
            .await;
        if names.is_empty() {
            return false;
        }
        let mut migrate = redis::cmd("MIGRATE");
        migrate
            .arg(("127.0.0.1", self.nodes[to].port(), "", 0, 5000, "KEYS"))
            .arg(names);
        let mut connection = self.nodes[from].connection().await;
        let moved: RedisResult<String> = migrate.query_async(&mut connection).await;
        moved.unwrap_or_else(|error| panic!("MIGRATE of slot {slot}: {error}"));
        true
    }

    /// From now on the other node serves the slot.
    pub async fn end_moving(&self, moving: Moving) {
        while self.move_names(moving, 100).await {}
        let target = self.id(moving.to).await;
        // The new owner first, so that there is one at any time.
        for number in [moving.to, moving.from] {
            self.must(
                number,
                &format!("CLUSTER SETSLOT {} NODE {target}", moving.slot),
            )
            .await;
        }
    }

    /// A replica takes its master's place, in agreement with it.
    pub async fn fail_over(&self, master: usize) -> usize {
        let replica = self.replica_of(master).await;
        self.must(replica, "CLUSTER FAILOVER").await;
        self.is_promoted(replica).await;
        replica
    }

    /// A replica takes its master's place, whatever the others say: what it has not heard is lost.
    pub async fn take_over(&self, replica: usize) {
        self.must(replica, "CLUSTER FAILOVER TAKEOVER").await;
        self.is_promoted(replica).await;
    }

    /// A replica hears nothing any more: restarted, it has what it has now. (One that is paused finds the rest in its buffers when it goes on.)
    pub async fn hold_back(&mut self, replica: usize) {
        self.must(replica, "SAVE").await;
        self.nodes[replica].kill();
    }

    /// Waits until a node is a master.
    pub async fn is_promoted(&self, number: usize) {
        eventually("the replica is promoted", async || {
            let role: RedisResult<String> = self.try_tell(number, "INFO replication").await;
            role.is_ok_and(|info| info.contains("role:master"))
        })
        .await;
    }

    /// What each node did since `CONFIG RESETSTAT`, by command.
    pub async fn commandstats(&self) -> Vec<BTreeMap<String, u64>> {
        join_all(self.nodes.iter().map(RedisServer::commandstats)).await
    }

    /// The answer of a node.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn tell<T: FromRedisValue>(&self, number: usize, command: &str) -> T {
        let answer = self.try_tell(number, command).await;
        answer.unwrap_or_else(|error| panic!("{command} at node {number}: {error}"))
    }

    async fn must(&self, number: usize, command: &str) {
        let said: String = self.tell(number, command).await;
        assert_eq!(said, "OK", "{command}");
    }

    async fn try_tell<T: FromRedisValue>(&self, number: usize, command: &str) -> RedisResult<T> {
        let mut words = command.split(' ');
        let mut sent = redis::cmd(words.next().unwrap_or_default());
        sent.arg(words.collect::<Vec<_>>());
        let mut connection = self.nodes[number].connection().await;
        sent.query_async(&mut connection).await
    }

    async fn id(&self, number: usize) -> String {
        self.tell(number, "CLUSTER MYID").await
    }

    /// One that is up.
    fn any(&self) -> usize {
        let up = self.nodes.iter().position(RedisServer::is_up);
        up.expect("a node is up")
    }
}

/// The slot of a name, as `CLUSTER KEYSLOT` tells it.
#[must_use]
pub fn slot_of(name: &str) -> u16 {
    let inner = name
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    let tag = inner.map_or(name, |(tag, _)| if tag.is_empty() { name } else { tag });
    Crc::<u16>::new(&CRC_16_XMODEM).checksum(tag.as_bytes()) % SLOTS
}

fn thirds() -> [[u16; 2]; MASTERS] {
    let masters = MASTERS as u16;
    let begin = |third: u16| (u32::from(SLOTS) * u32::from(third) / u32::from(masters)) as u16;
    std::array::from_fn(|third| [begin(third as u16), begin(third as u16 + 1) - 1])
}
