use cache_runtime::invalidates;

#[invalidates("users:*")]
trait Users {}

fn main() {}
