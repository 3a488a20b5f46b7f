use cache_runtime::cached;

#[cached("users", local = 99999999999999999999)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
