//! What the crate under test says, at every level.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, span};

/// What was said on this thread since it began to listen. A test that runs on one thread hears its background tasks too.
pub(crate) struct Heard(());

thread_local! {
    static SAID: RefCell<Option<Vec<(Level, String)>>> = const { RefCell::new(None) };
}

impl Heard {
    pub(crate) fn listen() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| tracing::subscriber::set_global_default(Ear).unwrap());
        SAID.set(Some(Vec::new()));
        Self(())
    }

    pub(crate) fn has(&self, level: Level, words: &[&str]) -> bool {
        SAID.with_borrow(|said| {
            said.iter().flatten().any(|(known, text)| {
                *known == level && words.iter().all(|word| text.contains(word))
            })
        })
    }

    /// All of it.
    pub(crate) fn text(&self) -> String {
        format!("{self:?}")
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SAID.with_borrow(|said| {
            for (level, text) in said.iter().flatten() {
                writeln!(f, "{level} {text}")?;
            }
            Ok(())
        })
    }
}

/// It is installed for the whole process: `tracing` caches for each callsite whether anybody is interested, and a subscriber of
/// one thread alone comes too late where another thread has been there before.
struct Ear;

impl Subscriber for Ear {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        ["cache_runtime", "cache::"]
            .iter()
            .any(|ours| metadata.target().starts_with(ours))
            && SAID.with_borrow(|said| said.is_some())
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut text = Text(String::new());
        attributes.record(&mut text);
        text.said(attributes.metadata());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        text.said(event.metadata());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl Text {
    fn said(self, metadata: &Metadata<'_>) {
        SAID.with_borrow_mut(|said| {
            if let Some(said) = said {
                said.push((*metadata.level(), self.0));
            }
        });
    }
}
