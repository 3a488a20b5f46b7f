use cache_runtime::cached;

#[cached("users")]
async unsafe fn user(id: u64) -> u64 {
    id
}

fn main() {}
