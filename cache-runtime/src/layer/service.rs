//! The service that a layer makes of another one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::asked::{Asked, Manner};
use super::body::CacheBody;
use super::told::Told;
use super::{Options, conditional};
use crate::queries::{Tally, tallied};
use crate::source::Observations;
use crate::{scope, source};

/// What [`CacheLayer`](crate::CacheLayer) makes of a service.
#[derive(Debug, Clone)]
pub struct CacheService<S> {
    inner: S,
    options: Arc<Options>,
}

impl<S> CacheService<S> {
    pub(super) fn new(inner: S, options: Arc<Options>) -> Self {
        Self { inner, options }
    }
}

impl<S, Q, B> Service<Request<Q>> for CacheService<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Send,
{
    type Response = Response<CacheBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let began = Instant::now();
        let (parts, body) = request.into_parts();
        let asked = Asked::of(&parts, &self.options);
        let work = self.inner.call(Request::from_parts(parts, body));
        let options = self.options.clone();
        Box::pin(async move {
            let tally = Arc::new(Tally::default());
            let (response, seen) = tallied(tally.clone(), observed(asked.manner, work)).await;
            let told = Told::of(&seen, asked.manner);
            let mut response = response?;
            if asked.is_read() {
                told.caching(&options, &mut response);
            }
            let mut response = conditional::answer(&asked, options.tagged, response).await;
            if options.diagnostics {
                told.diagnostics(response.headers_mut());
                told.times(response.headers_mut(), began.elapsed(), tally.total());
            }
            Ok(response)
        })
    }
}

/// Runs `work`, and tells what its calls of cached functions were answered from.
async fn observed<F: Future>(manner: Manner, work: F) -> (F::Output, Observations) {
    match manner {
        Manner::Usual => source::observe(work).await,
        Manner::Reload => source::observe(scope::reloading(work)).await,
        Manner::Bypass => source::observe(scope::bypassing(work)).await,
    }
}
