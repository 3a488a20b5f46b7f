use std::marker::PhantomData;

use cache_runtime::cached;

trait Table {
    const ROWS: u64;
}

#[cached("count", "1m")]
async fn count<T: Table>(org: u32) -> u64 {
    u64::from(org) + T::ROWS
}

#[cached("page", key = id)]
async fn page<U, const N: u64>(id: u64, _: PhantomData<U>) -> u64 {
    id + N
}

#[cached("filled", key = id)]
async fn filled<const N: usize>(id: u8) -> Vec<[u8; N]> {
    vec![[id; N]]
}

async fn callers<T: Table>() {
    count::invalidate(1).await;
    page::invalidate(1).await;
}

fn main() {}
