use cache_runtime::invalidates;

#[invalidates("users:*")]
struct Users;

fn main() {}
