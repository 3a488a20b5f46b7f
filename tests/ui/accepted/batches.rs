//! Functions of many keys.
#![deny(warnings)]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cache_runtime::{Cache, cache_keys, cached, ttl};

mod keys {
    use super::{cache_keys, ttl};
    cache_keys! {
        pub row(tenant: &str, id: u64) = "rows:{tenant}:{id}", ttl = ttl::SHORT;
    }
}

#[derive(Clone)]
struct Db;

type Answer<T> = Result<T, std::fmt::Error>;

/// One.
#[cached("agents", "1h", none_ttl = "1m", key = id)]
async fn agent(#[skip] db: &Db, id: u64) -> Answer<Option<String>> {
    let _ = db;
    Ok(Some(id.to_string()))
}

/// Many; an alias of `Result`, and a parameter that the body takes with it.
#[cached(agent(ids), batch = ids, skip(db, label))]
async fn agents(db: &Db, mut label: String, ids: &[u64]) -> Answer<HashMap<u64, String>> {
    let _ = db;
    label.push('x');
    if ids.is_empty() {
        return Err(std::fmt::Error);
    }
    Ok(ids.iter().map(|id| (*id, format!("{label}{id}"))).collect())
}

#[cached(keys::row(tenant, ids), batch = ids)]
async fn rows(tenant: &str, mut ids: Vec<u64>) -> Vec<Option<Arc<String>>> {
    ids.reverse();
    ids.iter()
        .map(|_| Some(Arc::new(tenant.to_owned())))
        .collect()
}

struct Repository {
    cache: Cache,
    tenant: u64,
}

impl Repository {
    #[cached("goals", key = (self.tenant, ids), batch = ids, cache = self.cache, local = "1s", cache_if = |goal| *goal > 1, ttl_with = |_| ttl::SHORT)]
    pub async fn goals<'a>(&'a self, ids: &'a [u32]) -> BTreeMap<u32, u64> {
        ids.iter().map(|id| (*id, self.tenant)).collect()
    }
}

fn needs_send<F: Future + Send>(_: F) {}

#[test]
fn works() {
    let repository = Repository {
        cache: Cache::current(),
        tenant: 1,
    };
    needs_send(agents(&Db, String::new(), &[1]));
    needs_send(rows("a", vec![1]));
    needs_send(repository.goals(&[1]));
}
