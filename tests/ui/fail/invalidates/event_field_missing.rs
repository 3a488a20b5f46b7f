use cache_runtime::invalidates;

#[invalidates("users:{id}")]
struct Renamed {
    id: u64,
}

#[invalidates(event = Renamed { id, name })]
async fn rename(id: u64, name: String) {
    drop((id, name));
}

fn main() {}
