use cache_runtime::invalidates;

#[invalidates("users:{id}")]
struct Renamed {
    id: u64,
}

#[invalidates(event = Renamed { id: _ })]
async fn rename(id: u64) -> Result<(), String> {
    Err(id.to_string())
}

fn main() {}
