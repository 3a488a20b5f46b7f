use cache_runtime::cached;

struct Users;

#[cached("users")]
impl Users {}

fn main() {}
