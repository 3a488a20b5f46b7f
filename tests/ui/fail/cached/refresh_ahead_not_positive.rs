use cache_runtime::cached;

#[cached("users", refresh_ahead = 0)]
async fn user(id: u64) -> u64 {
    id
}

#[cached("names", refresh_ahead = -1.5)]
async fn name(id: u64) -> u64 {
    id
}

fn main() {}
