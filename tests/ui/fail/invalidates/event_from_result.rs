use cache_runtime::invalidates;

#[invalidates("users:{id}")]
struct Renamed {
    id: u64,
}

fn renamed(id: u64) -> Renamed {
    Renamed { id }
}

#[invalidates(event = renamed(result))]
async fn rename(id: u64) -> u64 {
    id
}

fn main() {}
