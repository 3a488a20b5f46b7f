use cache_runtime::invalidates;

#[invalidates("users:*")]
union Renamed {
    id: u64,
}

fn main() {}
