use cache_runtime::cached;

#[cached("users", "5min")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
