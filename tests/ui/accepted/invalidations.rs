//! Targets of every kind.
#![deny(warnings, clippy::all, clippy::pedantic)]

use std::sync::LazyLock;

use cache_runtime::{Cache, cached, invalidates};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Agent {
    id: u64,
    owner: String,
}

#[cached("agents")]
async fn agent(id: u64) -> Option<Agent> {
    let _ = id;
    None
}

#[cached("agents:list", key = (owner, page))]
async fn agents(owner: &str, page: u32) -> Vec<Agent> {
    let _ = (owner, page);
    Vec::new()
}

#[cached("agents:owned", key = (owner, page))]
async fn owned(owner: String, page: u32) -> Vec<Agent> {
    let _ = (owner, page);
    Vec::new()
}

#[cached("whole")]
async fn whole(agent: Agent) -> u64 {
    agent.id
}

#[invalidates("agents:list:*", "agents:{id}")]
async fn plain(id: u64) {
    let _ = id;
}

/// What cuts inside a segment refuses all loads on their way in a store of this process, also those of the other modules in the default cache.
static APART: LazyLock<Cache> = LazyLock::new(|| Cache::builder().build().expect("a cache"));

#[invalidates(patterns = ["agents:list:*", "agents:{agent.id}", "agents:ws12*"], tag = "a", tag = "b:{agent.owner}", cache = APART)]
async fn listed(agent: Agent) -> u64 {
    drop(agent);
    1
}

#[invalidates(agents(&agent.owner, _), owned(owner, _), owned(_, 1), whole(agent), agent(agent.id), on = always)]
async fn moved(agent: Agent, owner: String) -> Result<Agent, String> {
    drop(owner);
    Ok(agent)
}

#[invalidates(agent(result.id), agents(&result.owner, page), owned(owner, page + 1), owned(result.owner.clone(), page), "agents:{owner}:{result.id}", on = success)]
async fn created(owner: String, page: u32) -> Result<Agent, String> {
    Ok(Agent {
        id: u64::from(page),
        owner,
    })
}

#[invalidates("agents:{result}")]
async fn removed(id: u64) -> Option<u64> {
    Some(id)
}

#[invalidates("agents:{result.0}:{name}")]
async fn pair(name: &str) -> (u64, &str) {
    (1, name)
}

#[invalidates(agents("a", _))]
async fn opaque(id: u64) -> impl Iterator<Item = u64> {
    std::iter::once(id)
}

#[invalidates(agent(result))]
async fn shadowed(result: u64) -> u64 {
    result
}

async fn outer(owner: String) -> usize {
    #[cached("nested", key = owner)]
    async fn nested(owner: &str) -> usize {
        owner.len()
    }

    #[invalidates(nested(&owner))]
    async fn change(owner: String) {
        drop(owner);
    }

    change(owner.clone()).await;
    nested::invalidate(&owner).await;
    nested(&owner).await
}

macro_rules! reader {
    ($name:ident, $id:ident) => {
        #[cached("made", key = "{id}:{other}")]
        async fn $name(id: u32, other: u32) -> u32 {
            id + other
        }

        #[invalidates($name($id, _), $name(result, other), "made:{other}:{result}")]
        async fn writer($id: u32, other: u32) -> u32 {
            $id + other
        }
    };
}

reader!(made, given);

#[tokio::test]
async fn works() {
    let new = || Agent {
        id: 1,
        owner: String::new(),
    };
    plain(1).await;
    let _ = listed(new()).await;
    let _ = moved(new(), String::new()).await;
    let _ = created(String::new(), 1).await;
    let _ = removed(1).await;
    let _ = pair("a").await;
    let _ = opaque(1).await.count();
    let _ = shadowed(1).await;
    let _ = outer(String::new()).await;
    let _ = (made(1, 2).await, writer(1, 2).await);
    let _ = (
        agent(1).await,
        agents("", 1).await,
        owned(String::new(), 1).await,
        whole(new()).await,
    );
}
