//! The hottest keys are remembered beyond this process, so that the next one can be warmed by them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Engine;
use crate::sync::{Mutex, lock};

/// They are told to Redis no more often than this, while there are calls.
const PAUSE: Duration = Duration::from_secs(30);

/// When they were told last.
#[derive(Debug)]
pub(crate) struct Remembering(Mutex<Instant>);

impl Remembering {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Whether it is time again; the next one who asks is told no.
    fn is_due(&self) -> bool {
        let mut last = lock(&self.0);
        let due = last.elapsed() >= PAUSE;
        if due {
            *last = Instant::now();
        }
        due
    }
}

impl Engine {
    /// Sees to it in the background that the hottest keys are remembered, now and then.
    pub(super) fn remember_now_and_then(self: &Arc<Self>) {
        if self.store.is_shared() && !self.store.is_away() && self.remembering.is_due() {
            let engine = self.clone();
            self.background
                .see_to(async move { engine.remember_hottest().await });
        }
    }

    /// Adds what was called since the last time to what the fleet remembers. What cannot be delivered is forgotten: what is hot will be called again.
    ///
    /// Safe to drop at any time.
    pub(crate) async fn remember_hottest(&self) {
        let patience = self.patience.background;
        for function in self.register.functions() {
            let Some(analysis) = &function.analysis else {
                continue;
            };
            let called = analysis.take_calls();
            if called.is_empty() {
                continue;
            }
            let template = function.site.template;
            if let Err(error) = self.store.remember(template, &called, patience).await {
                tracing::debug!(function = function.site.function, %error, "hottest keys not remembered");
                return;
            }
        }
    }

    /// The hottest keys of `template`, the hottest first: as the fleet remembers them, and then as this process has seen them.
    pub(crate) async fn hottest(&self, template: &str, most: usize) -> Vec<String> {
        if most == 0 {
            return Vec::new();
        }
        let remembered = self.store.hottest(template, most, self.patience.background);
        let mut keys = remembered.await.unwrap_or_else(|error| {
            tracing::debug!(keys = template, %error, "hottest keys not recalled");
            Vec::new()
        });
        let functions = self.register.functions();
        let mut seen: Vec<_> = functions
            .iter()
            .filter(|function| function.site.template == template)
            .filter_map(|function| function.analysis.as_ref())
            .flat_map(|analysis| analysis.hottest(most))
            .collect();
        seen.sort_by_key(|hot| std::cmp::Reverse(hot.calls));
        for hot in seen {
            if keys.len() < most && !keys.contains(&hot.key) {
                keys.push(hot.key);
            }
        }
        keys
    }
}
