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

/// Searches all states. `progress` is told every ten seconds. States that differ in nothing that matters count as one, which makes
/// its traces hard to follow.
pub fn prove(config: Config, progress: impl FnMut(usize, Duration)) -> Outcome {
    let reduced = true;
    search(Protocol { config, reduced }, progress)
}

/// Searches for the shortest way to break the promise.
pub fn counterexample(config: Config, progress: impl FnMut(usize, Duration)) -> Outcome {
    let reduced = false;
    search(Protocol { config, reduced }, progress)
}

/// Breadth first, so that what is found is as short as can be.
fn search(protocol: Protocol, mut progress: impl FnMut(usize, Duration)) -> Outcome {
    const GLANCE: Duration = Duration::from_millis(20);
    const PROGRESS: Duration = Duration::from_secs(10);
    let began = Instant::now();
    let finish = HasDiscoveries::AnyFailures;
    let mut search = protocol.checker().finish_when(finish).spawn_bfs();
    let handles = search.handles();
    let mut told = Duration::ZERO;
    while !handles.iter().all(|handle| handle.is_finished()) {
        std::thread::sleep(GLANCE);
        if began.elapsed() - told > PROGRESS {
            told = began.elapsed();
            progress(search.unique_state_count(), told);
        }
    }
    for handle in handles {
        handle.join().expect("the search does not panic");
    }
    Outcome {
        states: search.unique_state_count(),
        depth: search.max_depth(),
        took: began.elapsed(),
        trace: search.discovery(FRESH).map(stateright::Path::into_actions),
    }
}
