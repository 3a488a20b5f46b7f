//! ```text
//! async fn rename(db: &PgPool, agent_id: Uuid, name: &str) -> Result<Agent, DbError> {
//!     static __CACHE_SITE: P::Site = P::Site::new("app::rename", "");
//!     let __cache_update_0 = agent::__update(agent_id.clone());
//!     let __cache_load = pin!(async move { … });
//!     let __cache_returned = { let probe = P::probe(&__cache_load); P::returned(&probe, (&&&&probe).shape()) };
//!     P::updating(&__CACHE_SITE, __cache_returned.update(__cache_update_0), __cache_load).await
//! }
//! ```

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};

use super::invalidates::refuse;
use super::target::{argument, member};
use super::{Probe, about, full_name, load, ours, private, with_body};
use crate::model::Updates;

pub(crate) fn expand(updates: &Updates) -> TokenStream {
    with_body(&updates.function, &body(updates))
}

fn body(updates: &Updates) -> TokenStream {
    let Updates {
        function, runtime, ..
    } = updates;
    let private = private(runtime.as_ref());
    let name = full_name(function);
    let (before, after): (Vec<_>, Vec<_>) = updates
        .targets
        .iter()
        .enumerate()
        .map(|(at, target)| {
            let arguments = target.arguments.iter();
            let arguments = arguments.map(|given| argument(given).tokens);
            let (span, update) = member(target, "update", arguments);
            let local = format_ident!("__cache_update_{at}", span = Span::mixed_site());
            // A value of another type is underlined where the function is named.
            let after = quote_spanned!(span=> .update(#local));
            (ours!(let #local = #update;), after)
        })
        .unzip();
    let load = load(function);
    let returned = about(function, runtime.as_ref(), "returned", &Probe::Load);
    let refuse = updates.refuse.map(refuse);
    ours! {
        static __CACHE_SITE: #private::Site = #private::Site::new(#name, "");
        #(#before)*
        #load
        let __cache_returned = #returned;
        #private::updating(&__CACHE_SITE, __cache_returned #refuse #(#after)*, __cache_load).await
    }
}
