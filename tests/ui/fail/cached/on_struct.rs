use cache_runtime::cached;

#[cached("users")]
struct User;

fn main() {}
