//! Tools of the integration tests: servers that are real, and waiting that doesn't guess.

mod browser;
mod certificates;
mod clock;
mod eventually;
#[cfg(doctest)]
mod guide;
mod postgres_server;
mod proxy;
mod redis_cluster;
mod redis_sentinel;
mod redis_server;
mod service;
mod uncalled;

pub use browser::Browser;
pub use certificates::{Authority, Certified};
pub use clock::Clock;
pub use eventually::eventually;
pub use postgres_server::PostgresServer;
pub use proxy::{Cutter, Direction, Proxy};
pub use redis_cluster::{Moving, RedisCluster, slot_of};
pub use redis_sentinel::RedisSentinels;
pub use redis_server::{RedisServer, RedisServerBuilder};
pub use service::Service;
