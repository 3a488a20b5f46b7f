use cache_runtime::invalidates;

#[invalidates("users:{id}")]
struct Other {
    id: u64,
}

#[invalidates(event = Other { id })]
struct Renamed {
    id: u64,
}

fn main() {}
