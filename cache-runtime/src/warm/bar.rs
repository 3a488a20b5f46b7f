//! How far warming has come, as a bar on a terminal.

use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::{SetReport, WarmingEnd};

/// The bar of one set. Dropped before its end, it is cleared.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Whether anybody would see it.
    pub(super) fn is_seen() -> bool {
        stderr().is_terminal()
    }

    /// On standard error; hidden where that is no terminal.
    pub(super) fn begin(set: &str, of: Option<usize>) -> Self {
        Self::on(ProgressDrawTarget::stderr(), set, of)
    }

    fn on(target: ProgressDrawTarget, set: &str, of: Option<usize>) -> Self {
        let template = match of {
            Some(_) => "{prefix} [{bar:30}] {pos}/{len}, {eta} left{msg}",
            None => "{prefix} {spinner} {pos}, {elapsed}{msg}",
        };
        let style = ProgressStyle::with_template(template).expect("its words are known");
        let bar = ProgressBar::with_draw_target(of.map(|of| of as u64), target)
            .with_style(style.progress_chars("=> "))
            .with_prefix(set.escape_debug().to_string());
        bar.tick();
        Self(bar)
    }

    pub(super) fn step(&self, set: &SetReport) {
        if set.failed > 0 {
            self.0.set_message(format!(", {} failed", set.failed));
        }
        self.0.set_position(set.done());
    }

    pub(super) fn end(&self, set: &SetReport, end: WarmingEnd) {
        self.step(set);
        self.0
            .abandon_with_message(format!(", {} failed, {end}", set.failed));
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    fn bar(of: Option<usize>) -> (Bar, InMemoryTerm) {
        let terminal = InMemoryTerm::new(5, 100);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        (Bar::on(target, "agents", of), terminal)
    }

    fn done(loaded: u64, failed: u64) -> SetReport {
        SetReport {
            loaded,
            failed,
            ..SetReport::new("agents".to_owned())
        }
    }

    #[test]
    fn a_bar_grows_and_stays_when_the_set_has_ended() {
        let (bar, terminal) = bar(Some(20));
        assert!(terminal.contents().starts_with("agents [ "), "{terminal:?}");
        bar.step(&done(10, 0));
        let half = terminal.contents();
        assert!(
            half.contains("[===============> ") && half.contains("] 10/20, "),
            "{half}"
        );
        bar.end(&done(18, 2), WarmingEnd::Complete);
        let end = terminal.contents();
        assert!(
            end.contains("20/20") && end.ends_with(", 2 failed, complete"),
            "{end}"
        );
        drop(bar);
        assert_eq!(terminal.contents(), end);
    }

    #[test]
    fn where_the_length_is_not_known_it_counts() {
        let (bar, terminal) = bar(None);
        bar.step(&done(7, 0));
        let text = terminal.contents();
        assert!(text.contains(" 7, "), "{text}");
        drop(bar);
        assert_eq!(terminal.contents(), "", "warming was dropped");
    }
}
