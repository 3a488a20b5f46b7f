//! What of an answer is cached: the `T` of `Result<T, E>`, of `Option<T>`, of `Json<T>`, or all of it.
//!
//! The question is answered by the answer's type, never by how its name is spelled, so that an alias of `Result` is a `Result`.
//! Stable Rust has no specialization; instead the expansion writes `(&&&&probe).shape()`, and method look-up takes the
//! first of these traits that fits, with each `&` less (`autoref specialization`, described by D. Tolnay,
//! <https://github.com/dtolnay/case-studies/blob/master/autoref-specialization/README.md>).

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

/// What an answer holds.
#[derive(Debug)]
pub enum Look<'a, V> {
    /// A value that may be stored.
    Value(&'a V),
    /// `None`: stored only with `none_ttl`.
    Absent,
    /// `Err`: never stored.
    Failed,
}

/// How to take the value out of an answer `R` and put it back.
pub trait Shape<R>: Copy {
    /// What is stored.
    type Value;

    /// Looks into an answer.
    fn look(self, answer: &R) -> Look<'_, Self::Value>;

    /// The answer that holds `value`.
    fn found(self, value: Self::Value) -> R;

    /// The answer that holds nothing, where there is such an answer.
    fn absent(self) -> Option<R> {
        None
    }

    /// Whether a writing function that answers this has written: `Ok`, `Some`, or anything plain.
    fn succeeded(self, answer: &R) -> bool {
        matches!(self.look(answer), Look::Value(_))
    }
}

/// Asks for the shape of `R`.
#[derive(Debug)]
pub struct Probe<R>(PhantomData<fn() -> R>);

/// The probe for a future's answer.
pub fn probe<F: Future>(_: &F) -> Probe<F::Output> {
    Probe(PhantomData)
}

/// The probe for what a load that has not begun will answer.
pub fn probe_load<L: FnOnce() -> F, F: Future>(_: &L) -> Probe<F::Output> {
    Probe(PhantomData)
}

/// The probe for a type.
pub fn probe_type<R>() -> Probe<R> {
    Probe(PhantomData)
}

macro_rules! shape {
    ($(#[$meta:meta])* $name:ident<$($param:ident),+> for $answer:ty, value $value:ty,
     $looked:ident => $look:expr, $found:ident => $make:expr, absent $absent:expr $(, succeeded $succeeded:expr)?) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub struct $name;

        impl Copy for $name {}

        impl Clone for $name {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($param),+> Shape<$answer> for $name {
            type Value = $value;

            fn look(self, $looked: &$answer) -> Look<'_, $value> {
                $look
            }

            fn found(self, $found: $value) -> $answer {
                $make
            }

            fn absent(self) -> Option<$answer> {
                $absent
            }

            $(fn succeeded(self, answer: &$answer) -> bool {
                $succeeded(answer)
            })?
        }
    };
}

shape! {
    /// Any answer that is itself the value.
    Plain<T> for T, value T, answer => Look::Value(answer), value => value, absent None
}

shape! {
    /// `Option<T>`
    Optional<T> for Option<T>, value T,
    answer => answer.as_ref().map_or(Look::Absent, Look::Value), value => Some(value), absent Some(None)
}

shape! {
    /// `Result<T, E>`
    Fallible<T, E> for Result<T, E>, value T,
    answer => answer.as_ref().map_or(Look::Failed, Look::Value), value => Ok(value), absent None
}

shape! {
    /// `Result<Option<T>, E>`
    FallibleOptional<T, E> for Result<Option<T>, E>, value T,
    answer => match answer {
        Ok(Some(value)) => Look::Value(value),
        Ok(None) => Look::Absent,
        Err(_) => Look::Failed,
    },
    value => Ok(Some(value)), absent Some(Ok(None)), succeeded Result::is_ok
}

/// `Result<Option<Json<T>>, E>`, before everything else.
pub trait ViaDeep {
    /// The shape's type.
    type Shape;
    /// The shape.
    fn shape(&self) -> Self::Shape;
}

/// `Result<Option<T>, E>`, and `Json<T>` alone, in a `Result` or in an `Option`.
pub trait ViaNested {
    /// The shape's type.
    type Shape;
    /// The shape.
    fn shape(&self) -> Self::Shape;
}

impl<T, E> ViaNested for &&Probe<Result<Option<T>, E>> {
    type Shape = FallibleOptional;

    fn shape(&self) -> FallibleOptional {
        FallibleOptional
    }
}

/// `Result<T, E>` and `Option<T>`.
pub trait ViaResult {
    /// The shape's type.
    type Shape;
    /// The shape.
    fn shape(&self) -> Self::Shape;
}

impl<T, E> ViaResult for &Probe<Result<T, E>> {
    type Shape = Fallible;

    fn shape(&self) -> Fallible {
        Fallible
    }
}

impl<T> ViaResult for &Probe<Option<T>> {
    type Shape = Optional;

    fn shape(&self) -> Optional {
        Optional
    }
}

/// Everything else.
pub trait ViaPlain {
    /// The shape.
    fn shape(&self) -> Plain {
        Plain
    }
}

impl<R> ViaPlain for Probe<R> {}

/// How an `Err` of an answer `R` is given to all that wait for one load.
#[derive(Debug)]
pub struct Errors<R> {
    pub(crate) take: fn(&R) -> Option<SharedError>,
    pub(crate) give: fn(&SharedError) -> Option<R>,
}

/// An error that was taken out of an answer.
pub(crate) type SharedError = Arc<dyn Any + Send + Sync>;

impl<R> Copy for Errors<R> {}

impl<R> Clone for Errors<R> {
    fn clone(&self) -> Self {
        *self
    }
}

/// `Result<T, E>` with an error that can be cloned.
pub trait ViaError {
    /// The answer.
    type Answer;
    /// How its error is shared.
    fn errors(&self) -> Option<Errors<Self::Answer>>;
}

impl<T, E: Clone + Send + Sync + 'static> ViaError for &Probe<Result<T, E>> {
    type Answer = Result<T, E>;

    fn errors(&self) -> Option<Errors<Result<T, E>>> {
        Some(Errors {
            take: |answer| {
                let error = answer.as_ref().err()?;
                Some(Arc::new(error.clone()))
            },
            give: |error| error.downcast_ref::<E>().map(|error| Err(error.clone())),
        })
    }
}

/// Everything else.
pub trait ViaNoError {
    /// The answer.
    type Answer;
    /// Nothing is shared.
    fn errors(&self) -> Option<Errors<Self::Answer>> {
        None
    }
}

impl<R> ViaNoError for Probe<R> {
    type Answer = R;
}

#[cfg(feature = "axum")]
mod json {
    use axum::Json;

    use super::{IntoAnswer, Look, Probe, Shape, ViaDeep, ViaNested};

    shape! {
        /// `Json<T>`
        JsonAnswer<T> for Json<T>, value T, answer => Look::Value(&answer.0), value => Json(value), absent None
    }

    shape! {
        /// `Result<Json<T>, E>`
        FallibleJson<T, E> for Result<Json<T>, E>, value T,
        answer => answer.as_ref().map_or(Look::Failed, |json| Look::Value(&json.0)), value => Ok(Json(value)), absent None
    }

    shape! {
        /// `Option<Json<T>>`
        OptionalJson<T> for Option<Json<T>>, value T,
        answer => answer.as_ref().map_or(Look::Absent, |json| Look::Value(&json.0)), value => Some(Json(value)), absent Some(None)
    }

    macro_rules! via {
        ($($shape:ident<$($param:ident),+> for $answer:ty),*) => {$(
            impl<$($param),+> ViaNested for &&Probe<$answer> {
                type Shape = $shape;

                fn shape(&self) -> $shape {
                    $shape
                }
            }
        )*};
    }

    via!(JsonAnswer<T> for Json<T>, FallibleJson<T, E> for Result<Json<T>, E>, OptionalJson<T> for Option<Json<T>>);

    shape! {
        /// `Result<Option<Json<T>>, E>`
        FallibleOptionalJson<T, E> for Result<Option<Json<T>>, E>, value T,
        answer => match answer {
            Ok(Some(json)) => Look::Value(&json.0),
            Ok(None) => Look::Absent,
            Err(_) => Look::Failed,
        },
        value => Ok(Some(Json(value))), absent Some(Ok(None)), succeeded Result::is_ok
    }

    impl<T, E> ViaDeep for &&&Probe<Result<Option<Json<T>>, E>> {
        type Shape = FallibleOptionalJson;

        fn shape(&self) -> FallibleOptionalJson {
            FallibleOptionalJson
        }
    }

    impl<T> IntoAnswer<Json<T>> for T {
        fn into_answer(self) -> Json<T> {
            Json(self)
        }
    }

    impl<T, E> IntoAnswer<Result<Json<T>, E>> for T {
        fn into_answer(self) -> Result<Json<T>, E> {
            Ok(Json(self))
        }
    }

    impl<T, E> IntoAnswer<Result<Option<Json<T>>, E>> for T {
        fn into_answer(self) -> Result<Option<Json<T>>, E> {
            Ok(Some(Json(self)))
        }
    }

    impl<T> IntoAnswer<Option<Json<T>>> for T {
        fn into_answer(self) -> Option<Json<T>> {
            Some(Json(self))
        }
    }
}

/// What may be given to a companion's `put`: the whole answer, or the value inside it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an answer of this function",
    label = "expected `{R}`, or the value inside it"
)]
pub trait IntoAnswer<R> {
    /// The answer.
    fn into_answer(self) -> R;
}

impl<R> IntoAnswer<R> for R {
    fn into_answer(self) -> R {
        self
    }
}

impl<T, E> IntoAnswer<Result<T, E>> for T {
    fn into_answer(self) -> Result<T, E> {
        Ok(self)
    }
}

impl<T> IntoAnswer<Option<T>> for T {
    fn into_answer(self) -> Option<T> {
        Some(self)
    }
}

impl<T, E> IntoAnswer<Result<Option<T>, E>> for T {
    fn into_answer(self) -> Result<Option<T>, E> {
        Ok(Some(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Alias<T> = Result<T, std::fmt::Error>;

    macro_rules! shape_of {
        ($type:ty) => {
            (&&&&probe_type::<$type>()).shape()
        };
    }

    #[test]
    fn the_type_decides_not_its_name() {
        let _: Plain = shape_of!(u32);
        let _: Plain = shape_of!(Vec<Option<u32>>);
        let _: Optional = shape_of!(Option<u32>);
        let _: Fallible = shape_of!(Alias<u32>);
        let _: FallibleOptional = shape_of!(Alias<Option<u32>>);
    }

    #[test]
    fn a_generic_answer_is_plain_and_a_generic_result_a_result() {
        fn plain<T>() -> Plain {
            shape_of!(T)
        }
        fn fallible<T, E>() -> Fallible {
            shape_of!(Result<T, E>)
        }
        let (_, _) = (plain::<u32>(), fallible::<u32, ()>());
    }

    #[test]
    fn only_what_was_written_counts_as_success() {
        assert!(FallibleOptional.succeeded(&Alias::<Option<u32>>::Ok(None)));
        assert!(!Optional.succeeded(&None::<u32>));
        assert!(!Fallible.succeeded(&Alias::<u32>::Err(std::fmt::Error)));
        assert!(Plain.succeeded(&()));
    }

    #[cfg(feature = "axum")]
    #[test]
    fn what_stands_in_json_is_the_value() {
        use axum::Json;

        fn value<R, S: Shape<R, Value = u32>>(_: Probe<R>, _: S) {}

        macro_rules! holds_number {
            ($($type:ty),*) => {$(
                value(probe_type::<$type>(), shape_of!($type));
                let _: $type = 7_u32.into_answer();
            )*};
        }

        holds_number!(
            Json<u32>,
            Option<Json<u32>>,
            Alias<Json<u32>>,
            Alias<Option<Json<u32>>>
        );
    }
}
