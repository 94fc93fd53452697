//! A connection that the runtime watches only when it has to be waited for.
//!
//! Most clients have sent their one request by the time they are accepted, and go when they have its answer. To register
//! such a connection, be woken for it and take it out again costs more than to answer.

use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::os::unix::net::UnixStream as Unwatched;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// One connection.
pub(crate) struct Link {
    /// As it was accepted; it does not block.
    new: Option<Unwatched>,
    /// From when it has to be waited for.
    watched: Option<UnixStream>,
    /// Whether it was read. A second time it is watched first, and takes turns with the others.
    read: bool,
}

impl Link {
    /// `stream` does not block.
    pub(crate) const fn new(stream: Unwatched) -> Self {
        Self { new: Some(stream), watched: None, read: false }
    }

    fn watched(&mut self) -> Result<Pin<&mut UnixStream>> {
        if let Some(new) = self.new.take() {
            self.watched = Some(UnixStream::from_std(new)?);
        }
        self.watched.as_mut().map(Pin::new).ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

/// None where it has to be waited for.
fn at_once<T>(outcome: Result<T>) -> Option<Result<T>> {
    match outcome {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
        outcome => Some(outcome),
    }
}

impl AsyncRead for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let first = !std::mem::replace(&mut self.read, true);
        if let Some(mut new) = self.new.as_ref().filter(|_| first)
            && let Some(read) = at_once(new.read(buf.initialize_unfilled()))
        {
            return Poll::Ready(read.map(|length| buf.advance(length)));
        }
        self.watched()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        if let Some(mut new) = self.new.as_ref()
            && let Some(written) = at_once(new.write(buf))
        {
            return Poll::Ready(written);
        }
        self.watched()?.poll_write(cx, buf)
    }

    /// Nothing is kept back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.watched()?.poll_shutdown(cx))?;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn pair() -> (Link, Unwatched) {
        let (ours, theirs) = Unwatched::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Link::new(ours), theirs)
    }

    #[tokio::test]
    async fn what_has_come_is_read_and_answered_without_being_watched() {
        let (mut link, mut theirs) = pair();
        theirs.write_all(b"ask").unwrap();
        let mut bytes = [0; 8];
        assert_eq!(link.read(&mut bytes).await.unwrap(), 3);
        link.write_all(b"answer").await.unwrap();
        assert!(link.watched.is_none());
        drop(link);
        let mut answer = String::new();
        theirs.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "answer");
    }

    #[tokio::test]
    async fn what_is_still_to_come_or_to_be_taken_is_waited_for() {
        let (mut link, mut theirs) = pair();
        theirs.write_all(b"one").unwrap();
        let mut bytes = [0; 8];
        link.read_exact(&mut bytes[..3]).await.unwrap();
        let long = vec![7; 1 << 20];
        let other = std::thread::spawn(move || {
            theirs.write_all(b"two").unwrap();
            let mut taken = vec![0; 1 << 20];
            theirs.read_exact(&mut taken).unwrap();
            taken
        });
        link.read_exact(&mut bytes[..3]).await.unwrap();
        assert_eq!((&bytes[..3], link.new.is_none()), (&b"two"[..], true));
        link.write_all(&long).await.unwrap();
        assert_eq!(other.join().unwrap(), long);
        assert_eq!(link.read(&mut bytes).await.unwrap(), 0, "they have gone");
    }

    #[tokio::test]
    async fn whoever_sends_without_end_takes_turns_from_the_second_read_on() {
        let (mut link, mut theirs) = pair();
        theirs.write_all(&[0; 64]).unwrap();
        for watched in [false, true] {
            link.read_exact(&mut [0; 8]).await.unwrap();
            assert_eq!(link.watched.is_some(), watched);
        }
    }
}
