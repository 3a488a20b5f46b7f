use cache_runtime::cached;

#[cached("users")]
mod users {}

fn main() {}
