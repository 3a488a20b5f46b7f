//! A program whose keys do not all fit. Nothing of it is called but the check, which prints what it finds.
#![forbid(unsafe_code)]
#![expect(dead_code, reason = "what is not called is checked all the same")]
#![expect(clippy::print_stdout, reason = "a program that prints what it finds")]

use std::process::ExitCode;

use cache_runtime::{cache_keys, cached, invalidates, updates};
// Linked, so that it is checked.
use cache_tests as _;

mod keys {
    use super::cache_keys;

    cache_keys! {
        pub(crate) session(id: u64) = "sessions:{id}", ttl = "1h";
        pub(crate) agent(id: u64) = "agents:{id}", ttl = "1h";
    }
}

#[cached(keys::agent(id))]
async fn agent(id: u64) -> Option<u64> {
    Some(id)
}

#[cached(agent(ids), batch = ids)]
async fn agents(ids: &[u64]) -> Vec<Option<u64>> {
    ids.iter().map(|id| Some(*id)).collect()
}

#[cached(namespace = "agents", key = id)]
async fn another_agent(id: u64) -> Option<u64> {
    Some(id)
}

struct Boards<T>(T);

impl<T: Send + Sync> Boards<T> {
    #[cached(namespace = "boards", key = (team, page), skip(self))]
    pub(crate) async fn board(&self, team: &str, page: u32) -> usize {
        team.len() + page as usize
    }

    #[invalidates("boards:{team}:*", "board:{team}:*")]
    async fn change(&self, team: &str) {}

    #[updates(self.board(team, 0))]
    async fn store(&self, team: &str) -> usize {
        0
    }
}

trait Reads {
    async fn read<T: Send>(&self, id: u64) -> u64;
}

impl Reads for Boards<()> {
    #[cached(namespace = "read", key = id, skip(self, T))]
    async fn read<T: Send>(&self, id: u64) -> u64 {
        id
    }
}

#[invalidates(patterns = ["sessions:*", "session:*"], tag = "any")]
async fn log_out<T: Send>(user: T) {
    drop(user);
}

#[invalidates("read:{id}", "boards:*:1", "reed:{id}", "nowhere:*")]
struct Happened {
    id: u64,
}

fn main() -> ExitCode {
    match cache_runtime::check_keys() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            println!("{problems}");
            ExitCode::FAILURE
        }
    }
}
