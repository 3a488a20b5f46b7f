//! Writers whose answers are stored.
#![deny(warnings, clippy::all, clippy::pedantic)]

use axum::Json;
use axum::extract::Path;
use cache_runtime::{Cache, Error, cache_keys, cached, invalidates, updates};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Agent {
    id: u64,
    name: String,
}

struct Failed;

impl From<Error> for Failed {
    fn from(_: Error) -> Self {
        Self
    }
}

type Answer<T> = Result<T, Failed>;

#[cached("staff", key = id)]
async fn agent(id: u64) -> Answer<Option<Agent>> {
    let _ = id;
    Ok(None)
}

#[cached("staff:named", key = name, cache_if = move |agent: &Agent| agent.id > least, tags = ["least:{least}"])]
async fn named(name: String, #[skip] least: u64) -> Agent {
    Agent { id: least, name }
}

cache_keys! {
    declared(id: u64) = "declared:{id}", ttl = 60;
}

#[cached(declared(id))]
async fn shared(id: u64) -> Option<Agent> {
    let _ = id;
    None
}

#[cached("pages", key = (page, std::any::type_name::<T>()))]
async fn page<T: Clone + Send + Sync + Serialize + serde::de::DeserializeOwned>(
    page: u64,
) -> Option<T> {
    let _ = page;
    None
}

#[cached("handler", key = id)]
async fn handler(Path(id): Path<u64>) -> Result<Json<Agent>, String> {
    Err(id.to_string())
}

#[updates(agent(id), named(name, 0), shared(id), handler(id), page::<Agent>(id + 1))]
async fn rename(id: u64, name: String) -> Answer<Agent> {
    Ok(Agent { id, name })
}

#[updates(agent(given.id), on_unreachable = fail)]
#[invalidates("staff:named:*", agent(result.id))]
async fn whole(given: Agent) -> Answer<Option<Agent>> {
    Ok(Some(given))
}

#[invalidates(agent(result.id))]
#[updates(shared(given.id), on_unreachable = queue)]
async fn plain(given: Agent) -> Agent {
    given
}

#[updates(handler(id))]
async fn post(Path(id): Path<u64>, Json(agent): Json<Agent>) -> Json<Agent> {
    let _ = id;
    Json(agent)
}

#[updates(page::<T>(number))]
async fn generic<T: Clone + Send + Sync + Serialize + serde::de::DeserializeOwned>(
    number: u64,
    value: T,
) -> T {
    let _ = number;
    value
}

#[updates(agent(result))]
async fn parameter_of_that_name(result: u64) -> Agent {
    Agent {
        id: result,
        name: String::new(),
    }
}

struct Goals {
    cache: Cache,
    count: u64,
}

impl Goals {
    #[cached("goals", key = id, cache = self.cache)]
    pub(crate) async fn goal(&self, id: u64) -> Option<Agent> {
        let _ = id;
        None
    }

    #[cached("goals:of", key = id)]
    pub(crate) async fn of(id: u64) -> Option<u64> {
        Some(Self::ONE * id)
    }

    const ONE: u64 = 1;

    #[updates(self.goal(agent.id))]
    async fn set(&self, agent: Agent) -> Agent {
        agent
    }

    #[updates(self.goal(id))]
    async fn count(&mut self, id: u64) -> Agent {
        self.count += 1;
        Agent {
            id,
            name: self.count.to_string(),
        }
    }

    #[updates(Self::of(id), Goals::of(id + 1))]
    async fn set_of(&self, id: u64) -> u64 {
        id + self.count
    }
}

struct Service {
    goals: Goals,
}

trait Repository {
    async fn change(&self, id: u64) -> Agent;
}

impl Repository for Service {
    #[updates(self.goals.goal(id))]
    async fn change(&self, id: u64) -> Agent {
        Agent {
            id,
            name: String::new(),
        }
    }
}

macro_rules! writer {
    ($name:ident, $reader:ident, $id:ident) => {
        #[updates($reader($id))]
        async fn $name($id: u64) -> Agent {
            Agent {
                id: $id,
                name: String::new(),
            }
        }
    };
}

writer!(made, agent, number);

fn is_send<T: Send>(_: &T) {}

#[tokio::test]
async fn works() {
    let new = || Agent {
        id: 1,
        name: String::new(),
    };
    let call = rename(1, String::new());
    is_send(&call);
    assert!(call.await.is_ok());
    assert!(agent(1).await.is_ok_and(|agent| agent.is_some()));
    assert!(page::<Agent>(2).await.is_some());
    assert!(handler(Path(1)).await.is_ok());
    assert!(whole(new()).await.is_ok());
    let _ = plain(new()).await;
    let Json(_) = post(Path(1), Json(new())).await;
    let _ = generic(5, new()).await;
    assert!(page::<Agent>(5).await.is_some());
    let _ = parameter_of_that_name(7).await;
    let _ = made(1).await;
    let mut goals = Goals {
        cache: Cache::current(),
        count: 0,
    };
    let _ = goals.set(new()).await;
    let _ = goals.count(1).await;
    assert!(goals.goal(1).await.is_some());
    let _ = goals.set_of(1).await;
    assert!(Goals::of(2).await.is_some());
    let service = Service { goals };
    let call = service.change(9);
    is_send(&call);
    call.await;
    assert!(service.goals.goal(9).await.is_some());
}
