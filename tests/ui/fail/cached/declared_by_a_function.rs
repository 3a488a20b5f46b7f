use cache_runtime::cached;

#[cached("agents")]
async fn agent(id: u64) -> u64 {
    id
}

#[cached(agent(id))]
async fn another(id: u64) -> u64 {
    id
}

fn main() {}
