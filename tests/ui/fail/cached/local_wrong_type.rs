use cache_runtime::cached;

#[cached("users", local = id)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
