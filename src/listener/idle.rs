//! A connection on which nobody says anything is closed: without a limit, whoever opens many and keeps still would shut
//! out everybody else. (HTTP/1.1 has a limit of its own between requests; HTTP/2 has none.)

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Ends with an error when no byte has come or gone for a while.
pub(super) struct Idle<S> {
    stream: S,
    limit: Duration,
    /// When a byte came or went last.
    busy_at: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl<S> Idle<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, busy_at: Instant::now(), alarm: Box::pin(sleep(limit)) }
    }

    /// Ready when it has been still for too long. The alarm is set anew when it rings, not with every byte.
    fn poll_still(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.alarm.as_mut().poll(context));
            let until = self.busy_at + self.limit;
            if until <= Instant::now() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.alarm.as_mut().reset(until);
        }
    }

    /// Notes that bytes went, or looks whether there were none for too long.
    fn noting<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(done) => {
                self.busy_at = Instant::now();
                Poll::Ready(done)
            }
            Poll::Pending => self.poll_still(context).map(Err),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Idle<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.noting(context, polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Idle<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noting(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.noting(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_connection_on_which_nobody_speaks_ends() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = Idle::new(ours, Duration::from_millis(5));
        theirs.write_all(b"x").await.expect("it is taken");
        assert_eq!(ours.read_u8().await.expect("a byte"), b'x');
        let error = ours.read_u8().await.expect_err("nobody speaks");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// An alarm that was set before the last byte is set anew.
    #[tokio::test]
    async fn one_that_speaks_goes_on() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let mut ours = Idle::new(ours, Duration::from_secs(3600));
        ours.alarm.as_mut().reset(Instant::now());
        let set_anew = std::future::poll_fn(|context| {
            assert!(ours.poll_still(context).is_pending(), "it is not still");
            let far = ours.alarm.deadline() > Instant::now() + Duration::from_secs(60);
            if far { Poll::Ready(()) } else { Poll::Pending }
        });
        set_anew.await;
    }
}
