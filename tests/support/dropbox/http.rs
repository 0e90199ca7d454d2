//! As much of HTTP/1.1 as the client speaks: bodies of a known length, connections that stay.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

pub struct Asked {
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub begun: Instant,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&String> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(status: u16, value: &Value) -> Self {
        let headers = vec![("Content-Type".into(), "application/json".into())];
        Self { status, headers, body: value.to_string().into_bytes() }
    }

    pub fn text(status: u16, text: &str) -> Self {
        Self { status, headers: vec![("Content-Type".into(), "text/html".into())], body: text.into() }
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} _\r\nContent-Length: {}\r\n", self.status, self.body.len());
        self.headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head + "\r\n"
    }

    fn bytes(&self) -> Vec<u8> {
        [self.head().as_bytes(), &self.body].concat()
    }
}

/// The next request; none where the client has gone, be it in the middle of one: that is never acted upon.
pub fn read(stream: &mut TcpStream) -> Option<Asked> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 65536]);
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut piece) {
            Ok(n) if n > 0 => bytes.extend_from_slice(&piece[..n]),
            _ => return None,
        }
    };
    let begun = Instant::now();
    let mut body = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes).ok()?;
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Some(0), |(_, value)| value.parse::<usize>().ok())?;
    while body.len() < length {
        match stream.read(&mut piece) {
            Ok(n) if n > 0 => body.extend_from_slice(&piece[..n]),
            _ => return None,
        }
    }
    assert!(body.len() == length, "the client sends a request before the last is answered");
    Some(Asked { path, headers, body, begun })
}

/// Whether the client took it.
pub fn write(stream: &mut TcpStream, answer: &Answer) -> bool {
    stream.write_all(&answer.bytes()).is_ok()
}

pub fn write_half(stream: &mut TcpStream, answer: &Answer) {
    let bytes = answer.bytes();
    let half = bytes.len() - answer.body.len().div_ceil(2);
    let _ = stream.write_all(&bytes[..half]);
}

pub fn write_slowly(stream: &mut TcpStream, answer: &Answer) -> bool {
    let bytes = answer.bytes();
    bytes.chunks(bytes.len().div_ceil(5)).all(|piece| {
        std::thread::sleep(Duration::from_millis(20));
        stream.write_all(piece).is_ok()
    })
}
