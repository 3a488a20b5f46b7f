//! Events: structs that name targets, and functions that let them happen.
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic
)]

use std::fmt::Display;

use cache_runtime::{Cache, Event, Target, cached, invalidates};
use serde::{Deserialize, Serialize};

/// A row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Agent {
    /// Its number.
    pub id: u64,
    /// Whose it is.
    pub owner: String,
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

/// Where goals are read.
#[derive(Debug)]
pub struct Goals;

impl Goals {
    /// Reads one.
    #[cached("goals", key = (id, std::any::type_name::<Self>()))]
    pub async fn of(id: u64) -> u64 {
        id
    }
}

/// Every kind of target.
#[invalidates(
    agent(agent.id),
    agents(&agent.owner, _),
    agents(owner, *page),
    owned(agent.owner.clone(), page + 1),
    owned(_, 7),
    Goals::of(agent.id),
    "agents:{agent.id}:{type}:*",
    patterns = ["boards:*", "boards:{page}"],
    tag = "all",
    tag = "owner:{agent.owner}",
    crate = cache_runtime,
)]
#[derive(Clone, Debug)]
pub struct AgentChanged {
    /// The row.
    pub agent: Agent,
    /// Its page.
    pub page: u32,
    /// Its owner.
    pub owner: &'static str,
    /// What it is.
    pub r#type: u8,
    /// What nothing names.
    #[cfg(not(any()))]
    pub note: String,
    /// What is not there.
    #[cfg(any())]
    pub never: Never,
}

#[invalidates(agents(owner, _), "agents:{owner}")]
struct Borrowed<'a> {
    owner: &'a str,
}

#[invalidates("rows:{id}:list", tag = "rows:{id}")]
#[derive(Clone)]
struct Generic<T, const M: usize>
where
    T: Serialize + Clone,
{
    id: T,
    #[allow(dead_code)]
    bytes: [u8; M],
}

#[invalidates("everything:*")]
struct Unit;

#[invalidates("result:{result}", agent(result))]
struct Results {
    result: u64,
}

#[cfg(any())]
mod never {}

#[invalidates("gone:*")]
#[cfg(any())]
struct Gone(Never);

/// By hand.
#[derive(Debug)]
enum Happened {
    Renamed { id: u64, owner: String },
    Moved(String),
}

impl Event for Happened {
    fn targets(&self) -> Vec<Target> {
        match self {
            Self::Renamed { id, owner } => vec![
                agent::key(*id).into(),
                agents::pattern(Some(owner), None).into(),
            ],
            Self::Moved(owner) => vec![agents::pattern(Some(owner), None).into()],
        }
    }

    fn all_targets() -> Vec<Target> {
        vec![
            agent::pattern(None).into(),
            agents::pattern(None, None).into(),
        ]
    }
}

fn renamed(owner: String) -> Happened {
    Happened::Moved(owner)
}

#[invalidates(event = Results { result: id })]
async fn one(id: u64) -> Result<(), String> {
    if id == 0 { Err(String::new()) } else { Ok(()) }
}

#[invalidates(
    "boards:*",
    event = Happened::Renamed { id, owner },
    event = Happened::Moved(owner),
    event = renamed(owner),
    event = Unit,
    event = Borrowed { owner: name },
    event = Borrowed { owner: &owner },
    event = Generic { id: (owner, id), bytes: [1, 2] },
    event = change,
    event = &change,
    event = seen,
    event = AgentChanged { page: 2, ..change },
    agent(id),
)]
async fn many(
    id: u64,
    owner: String,
    name: &str,
    change: AgentChanged,
    seen: &AgentChanged,
) -> Option<String> {
    drop(change);
    let _ = (id, name, seen);
    Some(owner)
}

#[invalidates(
    "boards:{result.id}",
    event = Results { result: result.id },
    event = Happened::Renamed { id: result.id, owner },
    event = Borrowed { owner: result.owner.as_str() },
    event = Generic::<(Agent, String, u8), 2> { id: (result.clone(), owner, 1), bytes: [1, 2] },
    event = Unit,
    crash_safe = "30s",
)]
async fn created(owner: String, name: &str) -> Result<Agent, String> {
    Ok(Agent {
        id: name.len() as u64,
        owner,
    })
}

#[invalidates(event = Generic { id: tenant.to_string(), bytes: [0] }, on = always)]
async fn of_any(tenant: impl Display + Send) -> u64 {
    tenant.to_string().len() as u64
}

/// A service.
#[derive(Debug)]
struct Service {
    tenant: String,
}

impl Service {
    #[invalidates(event = Borrowed { owner: &self.tenant }, event = self.changed(id), event = Results { result: id })]
    async fn change(&self, id: u64) -> Result<u64, String> {
        if id == 0 {
            Err(self.tenant.clone())
        } else {
            Ok(id)
        }
    }

    #[invalidates(event = Happened::Renamed { id: *result, owner: self.tenant.clone() })]
    async fn create(&self) -> Result<u64, String> {
        if self.tenant.is_empty() {
            Err(String::new())
        } else {
            Ok(1)
        }
    }

    fn changed(&self, id: u64) -> Happened {
        Happened::Renamed {
            id,
            owner: self.tenant.clone(),
        }
    }
}

macro_rules! event {
    ($name:ident, $field:ident) => {
        #[invalidates("made:{other}:{x}", agents(other, _), agent($field))]
        struct $name {
            $field: u64,
            x: u32,
            other: &'static str,
        }
    };
}

event!(Made, given);

#[invalidates(event = Made { given: id, x: 1, other: "a" })]
async fn made(id: u64) {
    let _ = id;
}

fn names<E: Event>(event: &E) -> Vec<String> {
    event.targets().iter().map(ToString::to_string).collect()
}

fn all<E: Event>() -> Vec<String> {
    E::all_targets().iter().map(ToString::to_string).collect()
}

fn is_send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn works() {
    let agent = || Agent {
        id: 3,
        owner: "o".to_owned(),
    };
    let change = || AgentChanged {
        agent: agent(),
        page: 1,
        owner: "p",
        r#type: 9,
        note: String::new(),
    };
    assert_eq!(
        names(&change()),
        [
            "agents:3",
            "agents:list:o:*",
            "agents:list:p:1",
            "agents:owned:o:2",
            "agents:owned:*:7",
            &format!(
                "goals:3:{}",
                std::any::type_name::<Goals>().replace(':', "%3A")
            ),
            "agents:3:9:*",
            "boards:*",
            "boards:1",
            "tag all",
            "tag owner:o",
        ]
    );
    assert_eq!(
        all::<AgentChanged>(),
        [
            "agents:*",
            "agents:list:*:*",
            "agents:list:*:*",
            "agents:owned:*:*",
            "agents:owned:*:*",
            "goals:*:*",
            "agents:*:*:*",
            "boards:*",
            "boards:*",
            "tag all",
            "all tags",
        ]
    );
    assert_eq!(names(&Unit), ["everything:*"]);
    assert_eq!(names(&Results { result: 4 }), ["result:4", "agents:4"]);
    assert_eq!(all::<Borrowed<'_>>(), ["agents:list:*:*", "agents:*"]);
    assert_eq!(all::<Generic<u8, 2>>(), ["rows:*:list", "all tags"]);
    let _ = is_send(one(1)).await;
    let _ = is_send(many(1, String::new(), "a", change(), &change())).await;
    let _ = is_send(created(String::new(), "a")).await;
    let _ = is_send(of_any(1)).await;
    let service = Service {
        tenant: String::new(),
    };
    let _ = is_send(service.change(1)).await;
    let _ = is_send(service.create()).await;
    is_send(made(1)).await;
    Cache::current().emit(change()).await;
}
