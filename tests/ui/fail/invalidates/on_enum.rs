use cache_runtime::invalidates;

#[invalidates("users:{id}")]
enum Renamed {
    User { id: u64 },
    Team { id: u64 },
}

#[invalidates(event = Renamed::User { id }, event = Renamed::Team { id: result })]
async fn rename(id: u64) -> u64 {
    id
}

fn main() {}
