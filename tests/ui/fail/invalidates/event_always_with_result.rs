use cache_runtime::invalidates;

#[invalidates("users:{id}")]
struct Renamed {
    id: u64,
}

#[invalidates(event = Renamed { id: result }, on = always)]
async fn rename(id: u64) -> u64 {
    id
}

fn main() {}
