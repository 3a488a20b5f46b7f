use cache_runtime::{cache_keys, cached, ttl};

cache_keys! {
    agent(id: u64) = "agents:{id}", ttl = ttl::HOUR;
}

#[cached(agent(id), namespace = "a", ttl = "1m", version = 2, key = id)]
async fn twice(id: u64) -> u64 {
    id
}

#[cached(agent(id), "1h")]
async fn bare(id: u64, forgotten: u64) -> u64 {
    id + forgotten
}

#[cached(agent(_))]
async fn hole(#[skip] id: u64) -> u64 {
    id
}

fn main() {}
