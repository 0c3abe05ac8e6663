//! A body that is written while it is sent: the work goes on as fast as the client takes what it writes, and ends when
//! the client is gone. No task of its own is needed.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

/// Pieces that may wait for the client.
const WAITING: usize = 4;

/// What the work writes to.
pub(crate) type Out = mpsc::Sender<Bytes>;

/// Work, and what it has written.
pub(crate) struct Driven {
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    written: mpsc::Receiver<Bytes>,
}

impl Driven {
    /// A body that this work writes.
    pub(crate) fn new<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce(Out) -> F) -> Self {
        let (out, written) = mpsc::channel(WAITING);
        Self { work: Some(Box::pin(work(out))), written }
    }
}

impl Stream for Driven {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // What is written goes first, so that the work has room when it is polled.
        if let Poll::Ready(Some(piece)) = self.written.poll_recv(context) {
            return Poll::Ready(Some(Ok(piece)));
        }
        if let Some(work) = &mut self.work
            && work.as_mut().poll(context).is_ready()
        {
            self.work = None;
        }
        self.written.poll_recv(context).map(|piece| piece.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn everything_that_the_work_writes_comes_out_in_its_order() {
        let body = Driven::new(|out| async move {
            for number in 0..100_u8 {
                out.send(Bytes::copy_from_slice(&[number])).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let pieces: Vec<_> = body.map(|piece| piece.unwrap()[0]).collect().await;
        assert_eq!(pieces, (0..100).collect::<Vec<u8>>());
    }

    #[tokio::test]
    async fn the_work_is_not_ahead_of_the_client_by_more_than_a_few_pieces() {
        let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = count.clone();
        let mut body = Driven::new(|out| async move {
            while out.send(Bytes::from_static(b"x")).await.is_ok() {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        });
        for _ in 0..10 {
            assert!(body.next().await.is_some());
        }
        assert!(count.load(std::sync::atomic::Ordering::Relaxed) <= 10 + WAITING);
    }
}
