//! ```text
//! let __cache_load = P::batch_load(&ids, |__cache_ids| {
//!     let db = Clone::clone(&db);
//!     async move { let ids = &__cache_ids[..]; … }
//! });
//! let __cache_stored = P::stored_batch(&__cache_load);
//! let __cache_call = P::batch_call(&ids, |__cache_id| { let ids = Clone::clone(__cache_id); P::Call::new(…) });
//! P::batch(None, ids, __cache_call, __cache_stored, __cache_stored.rules(), __cache_load).await
//! ```

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;

use super::cached::{Use, call, key, rules};
use super::{at, ours, private, private_at, return_edge};
use crate::model::{Batch, Cached, Time};

/// The body's answer, once the site and the cache's handle are there.
pub(super) fn answer(cached: &Cached, batch: &Batch) -> TokenStream {
    let private = private(cached.runtime.as_ref());
    let load = load(cached, batch, &private);
    let stored = stored(cached);
    let rules = rules(cached);
    let (ids, key, call) = (
        &batch.name,
        key(cached, &private),
        call(cached, &private, Use::Call),
    );
    let handle = match &cached.cache {
        Some(_) => ours!(::core::option::Option::Some(__cache_handle)),
        None => ours!(::core::option::Option::None),
    };
    // In the place of the answer's type, where one that is no batch's has been underlined already.
    let span = place(cached);
    let batch = private_at(cached.runtime.as_ref(), span);
    let answer = quote_spanned! {span=>
        #batch::batch(#handle, #ids, __cache_call, __cache_stored, __cache_stored.rules() #rules, __cache_load).await
    };
    ours! {
        #load
        let __cache_stored = #stored;
        let __cache_call = #private::batch_call(&#ids, |__cache_id| {
            let #ids = ::core::clone::Clone::clone(__cache_id);
            let __cache_key = #key;
            #call
        });
        #answer
    }
}

/// The body as a function of the keys that are to be loaded.
fn load(cached: &Cached, batch: &Batch, private: &TokenStream) -> TokenStream {
    let (ids, body) = (&batch.name, &cached.function.body);
    let edge = return_edge(cached.function.answer());
    let copies = batch
        .copied
        .iter()
        // As the body may have declared it.
        .map(
            |name| ours!(#[allow(unused_mut)] let mut #name = ::core::clone::Clone::clone(&#name);),
        );
    let given = match batch.slice {
        true => ours!(let #ids = &__cache_ids[..];),
        false => ours!(#[allow(unused_mut)] let mut #ids = __cache_ids;),
    };
    ours! {
        let __cache_load = #private::batch_load(&#ids, |__cache_ids| {
            #(#copies)*
            async move { #given #edge #body }
        });
    }
}

/// In the place of the answer's type, so that one that is no batch's is underlined there.
fn stored(cached: &Cached) -> TokenStream {
    let span = place(cached);
    let private = private_at(cached.runtime.as_ref(), span);
    let entry = match cached.local {
        Time::Default => "stored_batch",
        _ => "stored_batch_near",
    };
    let entry = Ident::new(entry, span);
    quote_spanned!(span=> #private::#entry(&__cache_load))
}

fn place(cached: &Cached) -> Span {
    let answer = cached.function.answer();
    answer.map_or_else(Span::mixed_site, |answer| at(answer.span()))
}
