//! `watch`: the server live, on a terminal or as a line of JSON each time.

mod moment;
mod view;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use cache_runtime::Cache;
use clap::Args;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use self::moment::{History, Watcher};
use crate::failure::{Failure, Verdict};
use crate::output::Output;
use crate::signal;

/// How soon a key that was pressed is noticed.
const POLL: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often the server is asked; at least 100 ms.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = often)]
    every: Duration,
}

/// Ends by itself only where the server cannot be reached at the beginning; what happens to it later is shown.
pub(crate) async fn run(
    cache: &Cache,
    options: &Options,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let on_terminal = out.is_terminal && io::stdin().is_terminal();
    if !out.is_json && !on_terminal {
        let problem = "watch draws on a terminal, and this is none; --json writes a line a second";
        return Err(Failure::usage(problem));
    }
    cache.try_ping().await?;
    let mut ticks = tokio::time::interval(options.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watcher = Watcher::new(cache);
    let watching = async {
        if out.is_json {
            lines(&mut watcher, ticks, out).await
        } else {
            // Its terminal is restored when this is dropped.
            draw(&mut watcher, ticks, &mut Screen::open()?).await
        }
    };
    tokio::select! {
        ended = watching => ended?,
        () = signal::end() => {}
    }
    Ok(Verdict::Yes)
}

async fn lines(
    watcher: &mut Watcher,
    mut ticks: Interval,
    out: &mut Output,
) -> Result<(), Failure> {
    loop {
        ticks.tick().await;
        out.json(&watcher.look().await)?;
        out.finish()?;
    }
}

async fn draw(
    watcher: &mut Watcher,
    mut ticks: Interval,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let mut history = History::default();
    // Kept over the ticks, so that no key is lost in one that is given up.
    let mut key = pressed();
    loop {
        tokio::select! {
            _ = ticks.tick() => history.push(watcher.look().await),
            ended = &mut key => {
                if ended.map_err(io::Error::other)?? {
                    return Ok(());
                }
                key = pressed();
            }
        }
        screen.0.draw(|frame| view::draw(frame, &history))?;
    }
}

/// Whether a key that ends it is pressed within `POLL`. Whatever else comes, such as another size, draws anew.
fn pressed() -> JoinHandle<io::Result<bool>> {
    tokio::task::spawn_blocking(|| {
        Ok(event::poll(POLL)? && matches!(event::read()?, Event::Key(key) if ends(key)))
    })
}

fn ends(key: KeyEvent) -> bool {
    let held = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => true,
        // In raw mode it is a key, and no signal.
        KeyCode::Char('c') => held,
        _ => false,
    }
}

/// The terminal, as it was before once this is dropped; after a panic too.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn often(text: &str) -> Result<Duration, String> {
    let time = crate::time(text)?;
    (time >= Duration::from_millis(100))
        .then_some(time)
        .ok_or_else(|| "at least 100 ms, so that watching does not burden the server".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_and_ctrl_c_end_it() {
        assert!(ends(KeyCode::Char('q').into()));
        assert!(ends(KeyEvent::new(
            KeyCode::Char('c'),
            KeyModifiers::CONTROL
        )));
        assert!(!ends(KeyCode::Char('c').into()));
    }
}
