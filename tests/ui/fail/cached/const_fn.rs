use cache_runtime::cached;

#[cached("users")]
const fn user(id: u64) -> u64 {
    id
}

fn main() {}
