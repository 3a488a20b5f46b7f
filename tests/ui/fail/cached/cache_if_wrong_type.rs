use cache_runtime::cached;

#[cached("users", cache_if = |id| id + 1)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
