//! `batch` names what holds the keys, and holds for all of them.

use std::collections::{HashMap, HashSet};

use cache_runtime::cached;

#[cached("a", batch = id)]
async fn one(id: u64) -> HashMap<u64, u64> {
    HashMap::from([(id, 1)])
}

#[cached("b", batch = ids)]
async fn no_list(ids: &HashSet<u64>) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, 1)).collect()
}

#[cached("c", key = tenant, skip(ids), batch = ids)]
async fn not_in_the_key(tenant: u64, ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, tenant)).collect()
}

#[cached("d", batch = ids, stale_if_error = "1h", single_flight = fleet)]
async fn stale(ids: &[u64]) -> Result<HashMap<u64, u64>, ()> {
    Ok(ids.iter().map(|id| (*id, 1)).collect())
}

#[cached("e", batch = ids, skip(connection))]
async fn used_up(connection: &mut u64, ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, *connection)).collect()
}

#[cached("f", batch = &ids[..])]
async fn no_name(ids: &[u64]) -> HashMap<u64, u64> {
    ids.iter().map(|id| (*id, 1)).collect()
}

fn main() {}
