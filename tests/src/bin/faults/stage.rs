//! A server, the way to it, and what can be done to both.

use std::net::TcpListener;
use std::time::Duration;

use cache_tests::{Direction, Proxy, RedisServer};
use tokio::task::JoinHandle;

use crate::kind::Kind;

/// How long a fault lasts that ends by itself.
const PAUSE: Duration = Duration::from_secs(2);

/// Where one fault happens.
#[derive(Debug)]
pub(crate) struct Stage {
    kind: Kind,
    server: RedisServer,
    proxy: Proxy,
    stranger: TcpListener,
    cutting: Option<JoinHandle<()>>,
}

impl Stage {
    pub(crate) async fn new(kind: Kind) -> Self {
        let builder = match kind {
            Kind::WrongPassword => RedisServer::builder().password("right"),
            // Without slots it answers CLUSTERDOWN to everything that names a key.
            Kind::ClusterDown => RedisServer::builder().config("cluster-enabled", "yes"),
            _ => RedisServer::builder(),
        };
        let server = builder.start().await;
        let proxy = Proxy::start(server.port()).await;
        Self {
            kind,
            stranger: TcpListener::bind("127.0.0.1:0").expect("a free port"),
            cutting: None,
            server,
            proxy,
        }
    }

    /// Where the cache is to look for Redis.
    pub(crate) fn url(&self) -> String {
        match self.kind {
            Kind::Nobody => "redis://127.0.0.1:1".to_owned(),
            Kind::Stranger => {
                let address = self.stranger.local_addr().expect("a bound port");
                format!("redis://{address}")
            }
            Kind::WrongPassword => {
                format!("redis://:wrong@127.0.0.1:{}", self.server.port())
            }
            Kind::SilentlyDead | Kind::Slow | Kind::Cut | Kind::Corrupt => self.proxy.url(),
            _ => self.server.url(),
        }
    }

    /// From now on it is wrong. `keys` are those that are stored.
    pub(crate) async fn begin(&mut self, keys: &[String]) {
        match self.kind {
            Kind::Killed => self.server.kill(),
            Kind::Stopped => self.server.pause(),
            Kind::Paused => {
                let mut pause = redis::cmd("CLIENT");
                pause.arg("PAUSE").arg(PAUSE.as_millis() as u64).arg("ALL");
                self.tell(&pause).await;
            }
            Kind::SilentlyDead => self.hold(true),
            Kind::Slow => self
                .proxy
                .delay(Direction::ToClient, Duration::from_millis(300)),
            Kind::Cut => self.cutting = Some(self.cut_again_and_again()),
            Kind::Corrupt => self.proxy.corrupt(Direction::ToClient, 0.1),
            Kind::OutOfMemory => self.set("maxmemory", "1").await,
            Kind::Replica => {
                let mut replica = redis::cmd("REPLICAOF");
                replica.arg("127.0.0.1").arg(1);
                self.tell(&replica).await;
            }
            Kind::ForeignBytes => {
                for key in keys {
                    self.tell(redis::cmd("SET").arg(key).arg("\u{1}\u{2}foreign"))
                        .await;
                }
            }
            Kind::Nobody | Kind::Stranger | Kind::WrongPassword | Kind::ClusterDown => {}
        }
    }

    /// It is right again.
    pub(crate) async fn end(&mut self) {
        match self.kind {
            Kind::Killed => self.server.restart().await,
            Kind::Stopped => self.server.resume(),
            Kind::SilentlyDead => self.hold(false),
            Kind::Slow => self.proxy.delay(Direction::ToClient, Duration::ZERO),
            Kind::Cut => self.stop_cutting(),
            Kind::Corrupt => self.proxy.corrupt(Direction::ToClient, 0.0),
            Kind::OutOfMemory => self.set("maxmemory", "0").await,
            Kind::Replica => {
                self.tell(redis::cmd("REPLICAOF").arg("NO").arg("ONE"))
                    .await;
            }
            Kind::Paused
            | Kind::ForeignBytes
            | Kind::Nobody
            | Kind::Stranger
            | Kind::WrongPassword
            | Kind::ClusterDown => {}
        }
    }

    fn hold(&self, held: bool) {
        for direction in Direction::BOTH {
            self.proxy.hold(direction, held);
        }
    }

    fn cut_again_and_again(&self) -> JoinHandle<()> {
        let cutter = self.proxy.cutter();
        tokio::spawn(async move {
            loop {
                cutter.cut();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }

    fn stop_cutting(&mut self) {
        if let Some(cutting) = self.cutting.take() {
            cutting.abort();
        }
    }

    async fn set(&self, name: &str, value: &str) {
        self.tell(redis::cmd("CONFIG").arg("SET").arg(name).arg(value))
            .await;
    }

    async fn tell(&self, command: &redis::Cmd) {
        let mut connection = self.server.connection().await;
        let () = command
            .query_async(&mut connection)
            .await
            .expect("the server answers");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop_cutting();
    }
}
