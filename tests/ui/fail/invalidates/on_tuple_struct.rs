use cache_runtime::invalidates;

#[invalidates("users:{0}")]
struct Renamed(u64);

fn main() {}
