use cache_runtime::cached;

#[cached("users", refresh_ahead = "10s")]
async fn user(id: u64) -> u64 {
    id
}

#[cached("names", refresh_ahead = true)]
async fn name(id: u64) -> u64 {
    id
}

fn main() {}
