//! The answer to a connection that is one too many.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long such a connection is kept, at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// Whatever was asked for: a client knows how to read this, and comes back.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nCache-Control: no-store\r\n\
    Content-Type: application/json\r\nConnection: close\r\nContent-Length: 35\r\n\r\n\
    {\"error\":\"temporarily_unavailable\"}";

/// Says 503 and hangs up.
pub(super) async fn refuse(mut socket: TcpStream) {
    let farewell = async {
        socket.write_all(BUSY).await?;
        socket.shutdown().await?;
        // Closed with something unread, the other end might lose the answer too.
        let mut rest = [0; 1024];
        while socket.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Either way it is over.
    drop(tokio::time::timeout(PATIENCE, farewell).await);
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_length_is_that_of_the_body() {
        let text = std::str::from_utf8(super::BUSY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
