use cache_runtime::invalidates;

struct Renamed {
    id: u64,
}

#[invalidates(event = Renamed { id })]
async fn rename(id: u64) {
    drop(id);
}

fn main() {}
