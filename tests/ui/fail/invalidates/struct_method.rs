use cache_runtime::invalidates;

#[invalidates(self.users.user(id))]
struct Renamed {
    id: u64,
}

fn main() {}
