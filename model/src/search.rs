//! Runs a search.

use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::config::Config;
use crate::world::{Action, FRESH, Protocol};

/// What a search found.
#[derive(Debug)]
pub struct Outcome {
    /// Different states that were searched.
    pub states: usize,
    /// The longest way to one of them.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// How the promise was broken, if it was.
    pub trace: Option<Vec<Action>>,
}

/// Searches all states. Callers that are alike count as one, which makes its traces hard to follow.
pub fn prove(config: Config, progress: impl FnMut(usize, Duration)) -> Outcome {
    search(Protocol { config, alike: true }, progress)
}

/// Searches for the shortest way to break the promise.
pub fn counterexample(config: Config, progress: impl FnMut(usize, Duration)) -> Outcome {
    let alike = false;
    search(Protocol { config, alike }, progress)
}

/// Breadth first, so that what is found is as short as can be.
fn search(protocol: Protocol, mut progress: impl FnMut(usize, Duration)) -> Outcome {
    const GLANCE: Duration = Duration::from_millis(20);
    let began = Instant::now();
    let finish = HasDiscoveries::AnyFailures;
    let mut search = protocol.checker().finish_when(finish).spawn_bfs();
    let handles = search.handles();
    while !handles.iter().all(|handle| handle.is_finished()) {
        std::thread::sleep(GLANCE);
        progress(search.unique_state_count(), began.elapsed());
    }
    for handle in handles {
        handle.join().expect("the search does not panic");
    }
    Outcome {
        states: search.unique_state_count(),
        depth: search.max_depth(),
        took: began.elapsed(),
        trace: search.discovery(FRESH).map(|path| path.into_actions()),
    }
}
