//! ```text
//! impl P::Event for WorkspaceUpdated {
//!     fn targets(&self) -> Vec<P::Target> {
//!         let Self { workspace_id, .. } = self;
//!         vec![P::Target::from(dashboard::pattern(Some(workspace_id.clone()), None)), …]
//!     }
//!     fn all_targets() -> Vec<P::Target> {
//!         vec![P::Target::from(dashboard::__any()), …]
//!     }
//! }
//! ```

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::target::{Emitter, list, patterns};
use super::{ours, private};
use crate::mentions::Names;
use crate::model::{Argument, Event, Target};

pub(crate) fn expand(event: &Event) -> TokenStream {
    let private = private(event.runtime.as_ref());
    let emitter = Emitter::new(&private);
    let targets = list(event.targets.iter().map(|target| emitter.target(target)));
    let all = event.targets.iter();
    let all = list(all.map(|target| emitter.unknown(target, |_| true)));
    let used: Names = event.targets.iter().flat_map(names).collect();
    let fields = event.event.fields();
    let fields = fields
        .iter()
        .filter(|field| used.contains(&field.unraw().to_string()));
    let name = event.event.input.ident.unraw().to_string();
    let name = ours!(::core::concat!(::core::module_path!(), "::", #name));
    let patterns = patterns(&private, &name, &event.targets);
    implement(
        event,
        &ours!(#patterns let Self { #(#fields,)* .. } = self; #targets),
        &all,
    )
}

/// Stands beside a mistake, so that nothing else in the program turns red.
pub(crate) fn stand_in(event: &Event) -> TokenStream {
    let nothing = ours!(::core::unimplemented!());
    implement(event, &nothing, &nothing)
}

fn implement(event: &Event, targets: &TokenStream, all: &TokenStream) -> TokenStream {
    let private = private(event.runtime.as_ref());
    let item = &event.event.item;
    let conditions = event.event.conditions();
    let name = &event.event.input.ident;
    let (params, arguments, clause) = event.event.input.generics.split_for_impl();
    let implementation = ours! {
        #(#conditions)*
        #[automatically_derived]
        impl #params #private::Event for #name #arguments #clause {
            fn targets(&self) -> ::std::vec::Vec<#private::Target> { #targets }

            fn all_targets() -> ::std::vec::Vec<#private::Target> { #all }
        }
    };
    quote!(#item #implementation)
}

/// What a target mentions.
fn names(target: &Target) -> Names {
    match target {
        Target::Pattern(text) | Target::Tag(text) => {
            let names = text.parts.iter().flat_map(|part| &part.names);
            names.cloned().collect()
        }
        Target::Call(call) => call.arguments.iter().flat_map(Argument::names).collect(),
        Target::Event(event) => event.value.names.clone(),
    }
}
