use cache_runtime::{cache_keys, cached, ttl};

cache_keys! {
    agent(agent_id: u64) = "agents:{agentid}", ttl = ttl::HOUR;
    forgotten(id: u64, page: u64) = "forgotten:{id}", ttl = "5min";
    no_ttl(id: u64) = "no_ttl:{id}";
    agent(id: u64) = "agents:by_id:{id}", ttl = 60;
    same(x: u64) = "no_ttl:{x}", ttl = 60, local = "1s";
    whole(id: u64) = "{id}", ttl = ttl::SHORT, version = "1";
}

#[cached(no_ttl(id))]
async fn shares(id: u64) -> u64 {
    id
}

fn main() {
    let _ = no_ttl(1);
}
