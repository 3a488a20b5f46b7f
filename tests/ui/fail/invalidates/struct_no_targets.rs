use cache_runtime::invalidates;

#[invalidates()]
struct Renamed {
    id: u64,
}

fn main() {}
