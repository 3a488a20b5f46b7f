use cache_runtime::cached;

#[cached("users", companion = on)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
