//! Serves the metrics to a Prometheus on this machine: HTTP/1.1, one response per connection.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Longest head of a request, bytes.
const MAX_HEAD: usize = 8 * 1024;
/// Time limit per connection.
const LIMIT: Duration = Duration::from_secs(5);
/// Connections served at once. Further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 16;

/// Makes the page for each request.
pub type PageMaker = Arc<dyn Fn() -> String + Send + Sync>;

/// Listens on 127.0.0.1 only. Port 0 takes any free port. Returns the address, and the server's future, which never ends.
///
/// # Errors
/// A port that is in use or not allowed.
pub async fn listen(port: u16, page: PageMaker) -> io::Result<(SocketAddr, impl Future<Output = ()> + Send)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    Ok((address, accept(listener, page)))
}

async fn accept(listener: TcpListener, page: PageMaker) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let page = page.clone();
                tokio::spawn(async move {
                    // A client that is slow or disconnects does not matter to the run.
                    let _ = tokio::time::timeout(LIMIT, answer(stream, page)).await;
                    drop(permit);
                });
            }
            // Usually too many open files, which passes.
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn answer(mut stream: TcpStream, page: PageMaker) -> io::Result<()> {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = request.windows(4).position(|piece| piece == b"\r\n\r\n") {
            break Some(&request[..end]);
        }
        if request.len() > MAX_HEAD || stream.read_buf(&mut request).await? == 0 {
            break None;
        }
    };
    let response = match head {
        Some(head) => respond(head, &page),
        None if request.len() > MAX_HEAD => plain("431 Request Header Fields Too Large", "", "", true),
        None => plain("400 Bad Request", "", "", true),
    };
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await?;
    // Closing with unread bytes would reset the connection, and the client might lose the response.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

fn respond(head: &[u8], page: &PageMaker) -> String {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let parts: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, version] = parts[..] else { return plain("400 Bad Request", "", "", true) };
    let host = lines.any(|line| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("host:")));
    if !version.starts_with("HTTP/1.") || (version == "HTTP/1.1" && !host) {
        return plain("400 Bad Request", "", "", true);
    }
    let body = method != "HEAD";
    if !matches!(method, "GET" | "HEAD") {
        return plain("405 Method Not Allowed", "Allow: GET, HEAD\r\n", "", true);
    }
    match target.split('?').next() {
        Some("/metrics") => {
            let kind = "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\nCache-Control: no-store\r\n";
            plain("200 OK", kind, &page(), body)
        }
        _ => plain("404 Not Found", "Content-Type: text/plain; charset=utf-8\r\n", "see /metrics\n", body),
    }
}

fn plain(status: &str, headers: &str, content: &str, body: bool) -> String {
    let shown = if body { content } else { "" };
    let length = content.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn send(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_request_gets_the_page_and_a_bad_one_an_error() {
        let (address, serving) = listen(0, Arc::new(|| "huracan_models 1\n".to_owned())).await.unwrap();
        assert!(address.ip().is_loopback());
        tokio::spawn(serving);
        // A client that sends nothing delays no other.
        let silent = TcpStream::connect(address).await.unwrap();
        let page = send(address, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{head}");
        assert!(head.contains("Content-Length: 17\r\n"), "{head}");
        assert_eq!(body, "huracan_models 1\n");
        let head = send(address, b"HEAD /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(head.contains("Content-Length: 17\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        let long = [b"GET /metrics HTTP/1.1\r\nX: ".as_slice(), &[b'a'; MAX_HEAD + 1]].concat();
        for (request, status) in [
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(), "404"),
            (b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "405"),
            (b"GET /metrics HTTP/1.1\r\n\r\n", "400"),
            (b"nonsense\r\n\r\n", "400"),
            (&long, "431"),
        ] {
            let answer = send(address, request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
        drop(silent);
    }
}
