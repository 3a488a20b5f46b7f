use cache_runtime::cached;

#[cached("users", single_flight = off, lock = "5s")]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
