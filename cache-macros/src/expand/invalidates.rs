//! ```text
//! async fn rename(db: &PgPool, workspace_id: &str) -> Result<(), DbError> {
//!     static __CACHE_SITE: P::Site = P::Site::new("app::rename", "");
//!     let __cache_invalidation = P::Invalidation::new(&__CACHE_SITE)
//!         .targets(vec![P::Target::from(dashboard::pattern(Some(workspace_id), None)), …]);
//!     let __cache_load = pin!(async move { … });
//!     let __cache_returned = { let probe = P::probe(&__cache_load); P::returned(&probe, (&&&&probe).shape()) };
//!     P::invalidating(__cache_invalidation, __cache_returned, __cache_load).await
//! }
//! ```

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::target::{Emitter, list, patterns};
use super::{
    Probe, about, at, computed, full_name, handle, literal, load, ours, private, with_body,
};
use crate::model::Invalidates;

pub(crate) fn expand(invalidates: &Invalidates) -> TokenStream {
    with_body(&invalidates.function, &body(invalidates))
}

fn body(invalidates: &Invalidates) -> TokenStream {
    let private = private(invalidates.runtime.as_ref());
    let name = full_name(&invalidates.function);
    let mut emitter = Emitter::new(&private);
    let (later, now): (Vec<_>, Vec<_>) = invalidates
        .targets
        .iter()
        .partition(|target| target.mentions_result());
    let now = list(now.into_iter().map(|target| emitter.target(target)));
    let in_doubt = (!later.is_empty()).then(|| {
        let in_doubt = later
            .iter()
            .map(|target| emitter.unknown(target, |part| part.mentions_result()));
        let in_doubt = list(in_doubt);
        ours!(.in_doubt(#in_doubt))
    });
    let from_result = (!later.is_empty()).then(|| {
        let later = list(later.into_iter().map(|target| emitter.later(target)));
        ours!(.targets(&|__cache_answer| #later))
    });
    let before = emitter.before;
    let handle = invalidates
        .cache
        .as_ref()
        .map(|expr| handle(&invalidates.function, expr, &private));
    let options = options(invalidates);
    let load = load(&invalidates.function);
    let returned = about(
        &invalidates.function,
        invalidates.runtime.as_ref(),
        "returned",
        &Probe::Load,
    );
    let refuse = invalidates.refuse.map(refuse);
    let patterns = patterns(&private, &name, &invalidates.targets);
    ours! {
        static __CACHE_SITE: #private::Site = #private::Site::new(#name, "");
        #patterns
        #(#before)*
        #handle
        let __cache_invalidation = #private::Invalidation::new(&__CACHE_SITE)
            #options .targets(#now) #in_doubt;
        #load
        let __cache_returned = #returned;
        #private::invalidating(__cache_invalidation, __cache_returned #from_result #refuse, __cache_load).await
    }
}

/// When and how the targets are cleared.
fn options(invalidates: &Invalidates) -> TokenStream {
    let cache = invalidates
        .cache
        .as_ref()
        .map(|_| ours!(.cache(__cache_handle)));
    let always = invalidates.always.then(|| ours!(.always()));
    let times = [
        (&invalidates.crash_safe, "crash_safe"),
        (&invalidates.hold_off, "hold_off"),
    ];
    let times = times
        .iter()
        .filter_map(|(time, setter)| literal(time, setter).or_else(|| computed(time, setter)));
    ours!(#cache #always #(#times)*)
}

/// `on_unreachable = fail`; a `From` that is missing is underlined there.
pub(super) fn refuse(fail: Span) -> TokenStream {
    quote_spanned! {at(fail)=>
        .refuse(&|__cache_error| ::core::result::Result::Err(::core::convert::From::from(__cache_error)))
    }
}
