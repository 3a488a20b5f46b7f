//! A body of which a part, or all, may have been read already.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body of an answer that has come through a [`CacheLayer`](crate::CacheLayer).
pub struct CacheBody<B: Body<Data = Bytes>> {
    read: VecDeque<Result<Frame<Bytes>, B::Error>>,
    rest: Option<B>,
}

impl<B: Body<Data = Bytes> + Unpin> CacheBody<B> {
    /// Nothing.
    pub(super) fn empty() -> Self {
        Self {
            read: VecDeque::new(),
            rest: None,
        }
    }

    /// All of `body`, when its next frame is asked for.
    pub(super) fn untouched(body: B) -> Self {
        Self {
            read: VecDeque::new(),
            rest: Some(body),
        }
    }

    /// Reads `body` to its end, or until it turns out to be longer than `most` bytes. Its failure is told when the answer's reader comes to it.
    pub(super) async fn read(body: B, most: usize) -> Self {
        let mut this = Self::untouched(body);
        let mut size = 0;
        while size <= most
            && let Some(rest) = &mut this.rest
        {
            match poll_fn(|cx| Pin::new(&mut *rest).poll_frame(cx)).await {
                Some(frame) => {
                    size += frame.as_ref().map_or(0, length);
                    if frame.is_err() {
                        this.rest = None;
                    }
                    this.read.push_back(frame);
                }
                None => this.rest = None,
            }
        }
        this
    }

    /// Its bytes, when all of it was read.
    pub(super) fn whole(&self) -> Option<impl Iterator<Item = &Bytes>> {
        let whole = self.rest.is_none() && self.read.iter().all(Result::is_ok);
        let frames = self.read.iter().flatten();
        whole.then(|| frames.filter_map(Frame::data_ref))
    }
}

fn length(frame: &Frame<Bytes>) -> usize {
    frame.data_ref().map_or(0, Bytes::len)
}

impl<B: Body<Data = Bytes> + Unpin> Body for CacheBody<B>
where
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(frame) = self.read.pop_front() {
            return Poll::Ready(Some(frame));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let read: usize = self.read.iter().flatten().map(length).sum();
        let read = read as u64;
        let rest = match &self.rest {
            Some(rest) => rest.size_hint(),
            None => SizeHint::with_exact(0),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(read + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(read + upper);
        }
        hint
    }
}

impl<B: Body<Data = Bytes>> fmt::Debug for CacheBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBody").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    /// Gives these frames, and says that it is as long as it likes.
    struct Frames(VecDeque<Result<Frame<Bytes>, &'static str>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Poll::Ready(self.0.pop_front())
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(3)
        }
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    /// What a reader gets of `frames` when up to `most` bytes of them were read, and whether those were all.
    async fn through(
        frames: impl IntoIterator<Item = Result<Frame<Bytes>, &'static str>>,
        most: usize,
    ) -> (bool, Vec<Result<String, &'static str>>) {
        let frames = Frames(frames.into_iter().collect());
        let mut body = CacheBody::read(frames, most).await;
        let whole = body.whole().is_some();
        let mut got = Vec::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            got.push(frame.map(|frame| match frame.into_data() {
                Ok(data) => String::from_utf8(data.to_vec()).expect("text"),
                Err(_) => "trailers".to_owned(),
            }));
        }
        (whole, got)
    }

    #[tokio::test]
    async fn whatever_was_read_a_reader_gets_all() {
        let ok = |text: &str| Ok(text.to_owned());
        let (whole, got) = through([data("ab"), data("c")], 3).await;
        assert_eq!((whole, got), (true, vec![ok("ab"), ok("c")]));
        // It is longer than it said.
        let (whole, got) = through([data("ab"), data("cd"), data("e")], 3).await;
        assert_eq!((whole, got), (false, vec![ok("ab"), ok("cd"), ok("e")]));
        let (whole, got) = through([data("ab"), Err("gone")], 3).await;
        assert_eq!((whole, got), (false, vec![ok("ab"), Err("gone")]));
        let trailers = Ok(Frame::trailers(HeaderMap::new()));
        let (whole, got) = through([data("abc"), trailers], 3).await;
        assert_eq!((whole, got), (true, vec![ok("abc"), ok("trailers")]));
    }

    #[tokio::test]
    async fn its_size_is_known_as_before() {
        let frames = || Frames([data("ab"), data("c")].into());
        assert_eq!(CacheBody::untouched(frames()).size_hint().exact(), Some(3));
        let read = CacheBody::read(frames(), 3).await;
        assert_eq!(
            (read.size_hint().exact(), read.is_end_stream()),
            (Some(3), false)
        );
        let empty = CacheBody::<Frames>::empty();
        assert_eq!(
            (empty.size_hint().exact(), empty.is_end_stream()),
            (Some(0), true)
        );
    }
}
