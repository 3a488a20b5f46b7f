//! From the options of `#[invalidates]` and a type to the model of an event, or to all that is wrong with them.

use proc_macro2::{Ident, Span};

use super::target::{self, Place};
use crate::args::invalidates::InvalidatesArgs;
use crate::errors::Mistakes;
use crate::event::{EventType, Oddity};
use crate::model::Event;

/// Checks everything; the model counts only when no mistake was found.
pub(crate) fn check(
    args: InvalidatesArgs,
    event: EventType,
    attribute: Span,
    mistakes: &mut Mistakes,
) -> Event {
    shape(&event, mistakes);
    target::some(&args.targets, attribute, mistakes);
    no_options(&args, mistakes);
    let targets = match event.oddity() {
        // There are no fields that the targets could name.
        Some(_) => Vec::new(),
        None => Place::Event(&event).targets(args.targets, mistakes),
    };
    Event {
        runtime: args.runtime.map(|given| given.value),
        targets,
        event,
    }
}

/// Reports a second `#[invalidates]` on the type, which expands on its own.
pub(crate) fn twice(event: &EventType, mistakes: &mut Mistakes) -> bool {
    let Some(attr) = event.attribute("invalidates") else {
        return false;
    };
    mistakes.at(
        attr.path(),
        format!("`{}` has two `#[invalidates]`", event.input.ident),
        "name all targets in one: `#[invalidates(\"a:*\", \"b:*\")]`",
        "an event is one list of what it makes old, and half of it would be passed over",
    );
    true
}

fn shape(event: &EventType, mistakes: &mut Mistakes) {
    let name = &event.input.ident;
    match event.oddity() {
        Some(Oddity::Enum(data)) => mistakes.at(
            data.enum_token,
            format!("`{name}` is an enum, and each of its variants has fields of its own"),
            format!(
                "make a struct of each, or write `impl cache_runtime::Event for {name}` by hand"
            ),
            "a target that names a field would stand for nothing in the variants without it",
        ),
        Some(Oddity::Tuple(fields)) => mistakes.at(
            fields,
            format!("the fields of `{name}` have no names"),
            format!("name them: `struct {name} {{ workspace_id: u64 }}`"),
            "targets name fields, and a number would not tell what it is",
        ),
        None => {}
    }
}

/// An event says what is old, and no more: when and how it is cleared is a matter of whoever lets it happen.
fn no_options(args: &InvalidatesArgs, mistakes: &mut Mistakes) {
    let options: [(Option<&Ident>, _); 5] = [
        (
            args.on.as_ref().map(|given| &given.word),
            "an event has happened, whatever was answered",
        ),
        (
            args.on_unreachable.as_ref().map(|given| &given.word),
            "an event refuses no write",
        ),
        (
            args.crash_safe.as_ref().map(|given| &given.word),
            "an event has no body that could crash",
        ),
        (
            args.hold_off.as_ref().map(|given| &given.word),
            "how far readers lag behind is a matter of the write",
        ),
        (
            args.cache.as_ref().map(|given| &given.word),
            "an event is the same in every cache",
        ),
    ];
    for (word, why) in options {
        let Some(word) = word else { continue };
        let help = if word == "cache" {
            "put it on the function that lets the event happen, or call `emit` on the cache: `cache.emit(event)`".to_owned()
        } else {
            format!(
                "put `{word} = …` on the function that lets it happen: `#[invalidates(event = …, {word} = …)]`"
            )
        };
        mistakes.at(
            word,
            format!("`{word}` has no place on an event: {why}"),
            help,
            "passed over in silence, it would leave another policy than the one written",
        );
    }
}
