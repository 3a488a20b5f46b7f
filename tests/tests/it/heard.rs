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
    /// The spans of this thread, by their ids, and those that it is in.
    static SPANS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static INSIDE: RefCell<Vec<span::Id>> = const { RefCell::new(Vec::new()) };
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
        let mut text = Text(format!("{} ", attributes.metadata().name()));
        attributes.record(&mut text);
        let id = SPANS.with_borrow_mut(|spans| {
            spans.push(text.0.clone());
            span::Id::from_u64(spans.len() as u64)
        });
        text.said(*attributes.metadata().level());
        id
    }

    fn record(&self, id: &span::Id, values: &span::Record<'_>) {
        let mut text = Text(Self::span(id));
        values.record(&mut text);
        SPANS.with_borrow_mut(|spans| spans[id.into_u64() as usize - 1] = text.0.clone());
        text.said(Level::DEBUG);
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let inside = INSIDE.with_borrow(|inside| inside.last().cloned());
        if let Some(id) = inside {
            text.0 += &format!("in {}", Self::span(&id));
        }
        text.said(*event.metadata().level());
    }

    fn enter(&self, id: &span::Id) {
        INSIDE.with_borrow_mut(|inside| inside.push(id.clone()));
    }

    fn exit(&self, _: &span::Id) {
        INSIDE.with_borrow_mut(Vec::pop);
    }
}

impl Ear {
    fn span(id: &span::Id) -> String {
        SPANS.with_borrow(|spans| spans[id.into_u64() as usize - 1].clone())
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl Text {
    fn said(self, level: Level) {
        SAID.with_borrow_mut(|said| {
            if let Some(said) = said {
                said.push((level, self.0));
            }
        });
    }
}
