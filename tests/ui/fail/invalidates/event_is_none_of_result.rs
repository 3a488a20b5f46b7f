use cache_runtime::invalidates;

struct Renamed {
    id: u64,
}

#[invalidates(event = Renamed { id: result })]
async fn rename(id: u64) -> u64 {
    id
}

fn main() {}
