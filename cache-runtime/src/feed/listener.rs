//! Who reads along, and hears of nothing but what it may.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use super::Feed;
use crate::key::Pattern;
use crate::sync::atomic::Ordering;
use crate::sync::lock;

/// What a listener is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// What these name is old.
    Patterns(BTreeSet<String>),
    /// Something was missed: anything may be old.
    Everything,
}

/// One reader of a feed. It keeps nothing but its place.
#[derive(Debug)]
pub(crate) struct Listener {
    feed: Arc<Feed>,
    next: watch::Receiver<u64>,
    hears: Vec<Pattern>,
    /// The number of what it reads next; `None` when it does not know what it has missed.
    place: Option<u64>,
}

impl Feed {
    /// From now on somebody may listen.
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Release);
    }
}

impl Listener {
    /// Listens from now on, for what `hears` names; or from where one left off that [had read](Self::place) so far.
    pub(crate) fn new(feed: &Arc<Feed>, hears: Vec<Pattern>, left_off: Option<&str>) -> Self {
        let epoch = format!("{:016x}-", feed.epoch);
        let left_off = left_off.and_then(|id| id.strip_prefix(&epoch)?.parse().ok());
        Self {
            feed: feed.clone(),
            next: feed.next.subscribe(),
            hears,
            place: left_off,
        }
    }

    /// What was told since it was asked last, once there is something. Safe to drop at any time.
    pub(crate) async fn told(&mut self) -> Told {
        loop {
            match self.read() {
                Told::Patterns(patterns) if patterns.is_empty() => {}
                told => return told,
            }
            let place = self.place.unwrap_or_default();
            // It lives as long as the feed, which is held here.
            let _ = self.next.wait_for(|next| *next > place).await;
        }
    }

    /// How far it has read, for who comes back; nothing before it has been told what it missed.
    pub(crate) fn place(&self) -> Option<String> {
        let place = self.place?;
        Some(format!("{:016x}-{place}", self.feed.epoch))
    }

    /// What it hears of.
    pub(crate) fn hears(&self) -> &[Pattern] {
        &self.hears
    }

    fn read(&mut self) -> Told {
        let told = {
            // The connection to Redis waits for this lock: what takes time comes after it.
            let ring = lock(&self.feed.ring);
            let place = self.place.replace(ring.next);
            place.and_then(|place| ring.since(place))
        };
        let Some(told) = told else {
            return Told::Everything;
        };
        let heard = told.iter().flat_map(|pattern| named(&self.hears, pattern));
        Told::Patterns(heard.map(|heard| heard.as_str().to_owned()).collect())
    }
}

/// What is told of `old` to who hears of `hears`. The old pattern's own name only where all that it can spell lies inside: the name of one that reaches
/// further may tell who somebody else's customers are.
fn named<'a>(hears: &'a [Pattern], old: &'a Pattern) -> impl Iterator<Item = &'a Pattern> {
    let inside = hears.iter().any(|hears| hears.includes(old));
    let touched = hears
        .iter()
        .filter(move |hears| !inside && hears.meets(old));
    inside.then_some(old).into_iter().chain(touched)
}

#[cfg(test)]
mod tests {
    use super::super::MOST;
    use super::*;
    use crate::key::Target;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).expect(text)
    }

    fn feed() -> Arc<Feed> {
        let feed = Feed::new();
        feed.open();
        Arc::new(feed)
    }

    fn listener(feed: &Arc<Feed>, hears: &[&str]) -> Listener {
        let hears = hears.iter().map(|hears| pattern(hears)).collect();
        let mut listener = Listener::new(feed, hears, None);
        assert_eq!(
            listener.read(),
            Told::Everything,
            "nothing is known at first"
        );
        listener
    }

    fn tell(feed: &Feed, text: &str) {
        feed.tell(&[Target::from(pattern(text))]);
    }

    fn patterns<const N: usize>(all: [&str; N]) -> Told {
        Told::Patterns(all.map(str::to_owned).into())
    }

    #[test]
    fn nothing_is_told_beyond_what_is_heard() {
        let feed = feed();
        let mut listener = listener(&feed, &["users:7:*", "boards:*:7"]);
        for (old, heard) in [
            ("users:7:profile", Some("users:7:profile")),
            ("users:7:*", Some("users:7:*")),
            ("users:8:*", None),
            ("users:8:profile", None),
            ("users:7", None),
            ("others", None),
            // Their names reach further, and `acme` may be nobody whom 7 knows.
            ("users:*", Some("users:7:*")),
            ("users:*:acme", Some("users:7:*")),
            ("users:7*:acme", Some("users:7:*")),
            ("boards:acme:*", Some("boards:*:7")),
            ("boards:acme:7", Some("boards:acme:7")),
            ("boards:acme:8", None),
        ] {
            tell(&feed, old);
            assert_eq!(
                listener.read(),
                Told::Patterns(heard.map(str::to_owned).into_iter().collect()),
                "{old}"
            );
        }
    }

    #[test]
    fn who_is_slow_or_cannot_know_is_told_so() {
        let feed = feed();
        let mut listener = listener(&feed, &["a:*"]);
        (0..MOST).for_each(|_| tell(&feed, "a:1"));
        assert_eq!(
            listener.read(),
            patterns(["a:1"]),
            "one name, however often"
        );
        (0..=MOST).for_each(|_| tell(&feed, "a:1"));
        assert_eq!(listener.read(), Told::Everything);
        feed.tell(&[Target::Tags]);
        assert_eq!(listener.read(), Told::Everything);
        feed.reset();
        assert_eq!(listener.read(), Told::Everything);
        assert_eq!(listener.read(), patterns([]));
        assert!(lock(&feed.ring).told.capacity() <= 2 * MOST);
    }

    #[test]
    fn who_comes_back_hears_what_it_has_missed() {
        let feed = feed();
        let mut before = listener(&feed, &["a:*"]);
        tell(&feed, "a:1");
        before.read();
        let place = before.place().expect("it has read");
        tell(&feed, "a:2");
        let back = |place: &str| Listener::new(&feed, vec![pattern("a:*")], Some(place)).read();
        assert_eq!(back(&place), patterns(["a:2"]));
        for unknown in [
            "",
            "7",
            "0000000000000000-1",
            &format!("{place}0000"),
            &format!("{place}-"),
        ] {
            assert_eq!(back(unknown), Told::Everything, "{unknown}");
        }
        feed.reset();
        assert_eq!(back(&place), Told::Everything);
    }
}
