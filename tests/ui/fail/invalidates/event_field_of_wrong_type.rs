use cache_runtime::invalidates;

#[invalidates("users:{id}")]
struct Renamed {
    id: u64,
}

#[invalidates(event = Renamed { id })]
async fn rename(id: String) {
    drop(id);
}

fn main() {}
