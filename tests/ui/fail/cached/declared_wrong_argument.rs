use cache_runtime::{cache_keys, cached, ttl};

cache_keys! {
    agent(id: u64) = "agents:{id}", ttl = ttl::HOUR;
}

#[cached(agent(name))]
async fn wrong_type(name: &str) -> u64 {
    name.len() as u64
}

#[cached(agent(id, page))]
async fn wrong_number(id: u64, page: u64) -> u64 {
    id + page
}

fn main() {}
