use cache_runtime::cached;

#[cached("users", single_flight = fleat)]
async fn user(id: u64) -> u64 {
    id
}

#[cached("names", single_flight = true)]
async fn name(id: u64) -> u64 {
    id
}

fn main() {}
