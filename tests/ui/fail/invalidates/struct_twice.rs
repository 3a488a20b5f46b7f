use cache_runtime::invalidates;

#[invalidates("users:{id}")]
#[invalidates("teams:{id}")]
struct Renamed {
    id: u64,
}

#[invalidates(event = Renamed { id })]
async fn rename(id: u64) {
    let _ = id;
}

fn main() {}
