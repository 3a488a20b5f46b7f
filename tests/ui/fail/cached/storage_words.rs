//! How values are stored is said in words that are known, and in one way.

use cache_runtime::cached;

#[cached("a", codec = messagepack)]
async fn a_codec(id: u64) -> u64 {
    id
}

#[cached("b", compress = "zstd")]
async fn a_compression(id: u64) -> u64 {
    id
}

#[cached("c", encrypt = aes)]
async fn a_switch(id: u64) -> u64 {
    id
}

#[cached("d", encrypt = on, sign = on)]
async fn two_at_once(id: u64) -> u64 {
    id
}

#[cached("e", compression = zstd)]
async fn another_name(id: u64) -> u64 {
    id
}

#[cached("f", encrypt)]
async fn without_a_value(id: u64) -> u64 {
    id
}

fn main() {}
