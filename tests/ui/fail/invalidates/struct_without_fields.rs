use cache_runtime::invalidates;

#[invalidates("users:{id}")]
struct Renamed;

fn main() {}
