use cache_runtime::invalidates;

struct Id(Raw);

struct Raw;

#[invalidates("users:{id}", tag = "users:{id.0}")]
struct Renamed {
    id: Id,
}

fn main() {}
