//! A real S3 server for tests: moto's, from PyPI (`pip install 'moto[server]'`).
#![allow(dead_code, reason = "each test program uses its own part")]

pub mod faulty;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const BUCKET: &str = "huracan-test";

/// A server that ends with the test.
pub struct Moto {
    process: Child,
    pub port: u16,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts moto with an empty bucket; none, said aloud, where it is not installed.
pub fn moto() -> Option<Moto> {
    let installed = Command::new("python3")
        .args(["-c", "import moto.server"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !installed {
        crate::skip::skip("moto is not installed; run scripts/setup-python, or pip install 'moto[server]'");
        return None;
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let process = Command::new("python3")
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let moto = Moto { process, port };
    let begun = Instant::now();
    while request(port, "PUT", &format!("/{BUCKET}")).is_none_or(|answer| !answer.contains(" 200 ")) {
        assert!(begun.elapsed() < Duration::from_secs(60), "moto does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
    Some(moto)
}

/// A bare request, signed with nothing: moto lets anyone in.
pub fn request(port: u16, method: &str, path: &str) -> Option<String> {
    request_with(port, method, path, "")
}

/// The same with a body; a binary answer is shown as far as it is text.
pub fn request_with(port: u16, method: &str, path: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=k/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, \
         Signature=0\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
