use cache_runtime::cached;

#[cached("users", encrypt = on)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
