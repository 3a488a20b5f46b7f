use cache_runtime::cached;

#[cached("users")]
extern "C" fn user(id: u64) -> u64 {
    id
}

fn main() {}
