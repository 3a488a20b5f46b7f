//! When and how what is written is cleared, and the near cache.
#![deny(warnings, clippy::all, clippy::pedantic)]

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, cached, invalidates};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Agent {
    id: u64,
}

/// What may go wrong.
#[derive(Debug)]
enum Failure {
    Cache,
}

impl From<cache_runtime::Error> for Failure {
    fn from(_: cache_runtime::Error) -> Self {
        Self::Cache
    }
}

type Answer<T> = Result<T, Failure>;

struct Settings {
    near: Duration,
    lease: Duration,
}

const LAG: Duration = Duration::from_millis(500);

#[cached("near", "10m", local = "10s")]
async fn near(id: u64) -> Result<Agent, Failure> {
    Ok(Agent { id })
}

#[cached("near:seconds", local = 10)]
async fn seconds(id: u64) -> Option<Agent> {
    Some(Agent { id })
}

#[cached("near:same", ttl = "10s", local = 10)]
async fn same(id: u64) -> Arc<str> {
    id.to_string().into()
}

#[cached("near:computed", key = id, local = settings.near, skip(settings))]
async fn computed(settings: &Settings, id: u64) -> Vec<Agent> {
    let _ = settings;
    vec![Agent { id }]
}

#[cached("near:given", skip(time), local = time)]
async fn given(id: u64, time: Duration) -> u64 {
    let _ = time;
    id
}

#[cached("near:off", local = off)]
async fn off(id: u64) -> Distant {
    Distant(id)
}

/// What may not be cloned.
#[derive(Serialize, Deserialize)]
struct Distant(u64);

#[cached("near:generic", key = (id, std::any::type_name::<T>()), local = "1s")]
async fn generic<
    T: Serialize + serde::de::DeserializeOwned + Clone + Default + Send + Sync + 'static,
>(
    id: u64,
) -> Option<T> {
    (id > 0).then(T::default)
}

impl Settings {
    #[cached("near:method", key = id, skip(self), local = self.near)]
    pub async fn method(&self, id: u64) -> u64 {
        id
    }

    #[invalidates(self.method(id), crash_safe = self.lease, on_unreachable = fail)]
    async fn write(&self, id: u64) -> Result<(), Failure> {
        let _ = id;
        Ok(())
    }
}

#[invalidates(near(id), on_unreachable = fail)]
async fn refused(id: u64) -> Result<(), Failure> {
    if id == 0 { Err(Failure::Cache) } else { Ok(()) }
}

#[invalidates(near(result.id), "near:*", on_unreachable = fail, crash_safe = "30s", hold_off = "500ms", on = success)]
async fn aliased(id: u64) -> Answer<Agent> {
    Ok(Agent { id })
}

#[invalidates(near(id), on_unreachable = fail)]
async fn boxed(id: u64) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    Ok(id)
}

#[invalidates(near(id), on_unreachable = fail)]
async fn optional(id: u64) -> Result<Option<Agent>, cache_runtime::Error> {
    Ok((id > 0).then_some(Agent { id }))
}

#[invalidates(near(id), on_unreachable = queue, crash_safe = 30, hold_off = LAG, on = always)]
async fn queued(id: u64) {
    let _ = id;
}

#[invalidates(near(id), crash_safe = lease, hold_off = settings.lease / 2, cache = cache)]
async fn times(settings: Settings, lease: Duration, cache: &Cache, id: u64) -> u64 {
    let Settings { .. } = settings;
    let _ = (lease, cache);
    id
}

fn is_send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn works() {
    let settings = || Settings {
        near: LAG,
        lease: LAG,
    };
    let _ = is_send(near(1)).await.map(|agent| agent.id);
    near::put(1, Agent { id: 1 }).await;
    let _ = (
        near::peek(1).await,
        near::refresh(1).await,
        seconds(1).await,
        same(1).await,
    );
    let _ = (
        is_send(computed(&settings(), 1)).await,
        given(1, LAG).await,
        off(1).await.0,
    );
    computed::put(&settings(), 1, Vec::new()).await;
    given::put(1, LAG, 1_u64).await;
    let _ = (
        given::peek(1, LAG).await,
        off::peek(1).await,
        generic::<u8>(1).await,
    );
    generic::put::<u8>(1, 1_u8).await;
    let _ = (
        settings().method(1).await,
        is_send(settings().write(1)).await,
    );
    let _ = (
        is_send(refused(1)).await,
        is_send(aliased(1)).await,
        is_send(boxed(1)).await,
        optional(1).await,
    );
    is_send(queued(1)).await;
    let _ = is_send(times(settings(), LAG, &Cache::current(), 1)).await;
}
