//! A proxy before an S3 server that lets requests fail as S3's do (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>):
//! seeded, by the number of the request.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use huracan::arith::{draw, uniform};

/// One request that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 500 InternalError; nothing was done.
    Broken,
    /// 503 SlowDown, sometimes with a Retry-After.
    SlowDown,
    /// The work is done, and the answer is a 500.
    BrokenAfter,
    /// The connection ends before anything is done.
    CutBefore,
    /// The work is done, and the connection ends without an answer.
    CutAfter,
    /// The connection ends in the middle of the answer.
    CutWithin,
    /// The answer comes in drops.
    Slow,
    /// The work is done, and no answer comes within the client's patience.
    Hanging,
}

pub const KINDS: usize = 8;

impl Fault {
    fn drawn(bits: u64) -> Self {
        match bits % 100 {
            0..20 => Self::Broken,
            20..40 => Self::SlowDown,
            40..52 => Self::BrokenAfter,
            52..64 => Self::CutBefore,
            64..76 => Self::CutAfter,
            76..86 => Self::CutWithin,
            86..95 => Self::Slow,
            _ => Self::Hanging,
        }
    }

    fn does_the_work(self) -> bool {
        !matches!(self, Self::Broken | Self::SlowDown | Self::CutBefore)
    }
}

/// Where an upload in parts stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    Begin,
    Part,
    End,
}

impl Point {
    fn is_of(self, head: &str) -> bool {
        let line = head.lines().next().unwrap_or_default();
        match self {
            Self::Begin => line.starts_with("POST") && line.contains("?uploads"),
            Self::Part => line.starts_with("PUT") && line.contains("partNumber="),
            Self::End => line.starts_with("POST") && line.contains("uploadId="),
        }
    }
}

/// The proxy; it ends when this is dropped.
pub struct Faulty {
    pub port: u16,
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
}

pub struct State {
    seed: u64,
    pub share: f64,
    pub hang: Duration,
    pub requests: u64,
    pub failures: BTreeMap<String, u64>,
    /// Faults for the next requests at a point of an upload in parts, before any that are drawn.
    pub next: Vec<(Point, Fault)>,
    /// Requests that changed something though the client was not told so.
    pub answers_lost: u64,
    /// Objects that the server took, again and again or not.
    pub stored: u64,
    retry_after_left: u32,
}

impl Faulty {
    pub fn before(server: u16, seed: u64, share: f64, hang: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            seed,
            share,
            hang,
            requests: 0,
            failures: BTreeMap::new(),
            next: Vec::new(),
            answers_lost: 0,
            stored: 0,
            retry_after_left: 4,
        }));
        let over = Arc::new(AtomicBool::new(false));
        let (shared, ends) = (state.clone(), over.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, shared.clone()) else { continue };
                std::thread::spawn(move || serve(stream, server, &shared));
            }
        });
        Self { port, state, over }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A message of HTTP/1: its first line and headers, and its body.
struct Message {
    head: String,
    body: Vec<u8>,
}

impl Message {
    fn header(&self, wanted: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).next()
    }

    fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }

    /// A request, whole; none where the client has gone, be it in the middle of one: that is never acted upon.
    fn asked(stream: &mut TcpStream) -> Option<Self> {
        let mut message = Self::begun(stream)?;
        let length = message.header("content-length").map_or(Some(0), |value| value.parse().ok())?;
        let mut piece = [0; 65536];
        while message.body.len() < length {
            match stream.read(&mut piece) {
                Ok(n) if n > 0 => message.body.extend_from_slice(&piece[..n]),
                _ => return None,
            }
        }
        assert!(message.body.len() == length, "the client sends a request before the last is answered");
        Some(message)
    }

    fn begun(stream: &mut TcpStream) -> Option<Self> {
        let (mut bytes, mut piece) = (Vec::new(), [0; 65536]);
        loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let body = bytes.split_off(end + 4);
                return Some(Self { head: String::from_utf8(bytes).ok()?, body });
            }
            match stream.read(&mut piece) {
                Ok(n) if n > 0 => bytes.extend_from_slice(&piece[..n]),
                _ => return None,
            }
        }
    }

    fn refusal(status: &str, code: &str, headers: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{code} of a test</Message>\
             <RequestId>1</RequestId></Error>"
        );
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        Self { head, body: body.into_bytes() }
    }
}

/// What the server answers, for a connection that stays.
fn forwarded(server: u16, asked: &Message) -> Message {
    let mut stream = TcpStream::connect(("127.0.0.1", server)).unwrap();
    let lines: Vec<&str> = asked.head.trim_end().lines().collect();
    let kept = lines.iter().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head: String = kept.map(|line| format!("{line}\r\n")).collect();
    stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).unwrap();
    stream.write_all(&asked.body).unwrap();
    let mut answer = Message::begun(&mut stream).expect("the server answers");
    stream.read_to_end(&mut answer.body).unwrap();
    assert!(answer.header("transfer-encoding").is_none(), "the server knows how long its answers are");
    let lines: Vec<&str> = answer.head.trim_end().lines().collect();
    let kept = lines.iter().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut head: String = kept.map(|line| format!("{line}\r\n")).collect();
    if answer.header("content-length").is_none() && !asked.head.starts_with("HEAD") {
        head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    Message { head: format!("{}\r\n", head.replacen("HTTP/1.0", "HTTP/1.1", 1)), body: answer.body }
}

/// Answers one connection until it ends, or a fault ends it.
fn serve(mut stream: TcpStream, server: u16, state: &Mutex<State>) {
    let _ = stream.set_nodelay(true);
    while let Some(asked) = Message::asked(&mut stream) {
        let (fault, hang) = {
            let mut state = locked(state);
            (state.next_fault(&asked.head), state.hang)
        };
        let answer = match fault {
            Some(fault) if !fault.does_the_work() => locked(state).refuse(fault),
            _ => {
                let answer = forwarded(server, &asked);
                let changes = !asked.head.starts_with("GET") && !asked.head.starts_with("HEAD");
                let mut state = locked(state);
                state.answers_lost += u64::from(changes && fault.is_some_and(|fault| fault != Fault::Slow));
                // A whole object by PUT, or the end of one that came in parts.
                let whole = asked.head.starts_with("PUT") && !Point::Part.is_of(&asked.head);
                state.stored += u64::from((whole || Point::End.is_of(&asked.head)) && answer.head.contains(" 200 "));
                answer
            }
        };
        let bytes = answer.bytes();
        let goes_on = match fault {
            None | Some(Fault::Broken | Fault::SlowDown) => stream.write_all(&bytes).is_ok(),
            Some(Fault::BrokenAfter) => {
                let refusal = Message::refusal("500 Internal Server Error", "InternalError", "");
                stream.write_all(&refusal.bytes()).is_ok()
            }
            Some(Fault::CutBefore | Fault::CutAfter) => false,
            Some(Fault::CutWithin) => {
                let _ = stream.write_all(&bytes[..bytes.len() - answer.body.len().div_ceil(2).max(1)]);
                false
            }
            Some(Fault::Slow) => bytes.chunks(bytes.len().div_ceil(5)).all(|piece| {
                std::thread::sleep(Duration::from_millis(20));
                stream.write_all(piece).is_ok()
            }),
            Some(Fault::Hanging) => {
                std::thread::sleep(hang);
                false
            }
        };
        if !goes_on {
            return;
        }
    }
}

impl State {
    fn next_fault(&mut self, head: &str) -> Option<Fault> {
        self.requests += 1;
        if let Some(at) = self.next.iter().position(|(point, _)| point.is_of(head)) {
            return Some(self.next.remove(at).1);
        }
        if uniform(draw(self.seed, self.requests, 0)) >= self.share {
            return None;
        }
        let fault = Fault::drawn(draw(self.seed, self.requests, 1));
        *self.failures.entry(format!("{fault:?}")).or_default() += 1;
        Some(fault)
    }

    fn refuse(&mut self, fault: Fault) -> Message {
        if fault != Fault::SlowDown {
            return Message::refusal("500 Internal Server Error", "InternalError", "");
        }
        let wait = self.retry_after_left > 0;
        self.retry_after_left = self.retry_after_left.saturating_sub(1);
        Message::refusal("503 Slow Down", "SlowDown", if wait { "Retry-After: 1\r\n" } else { "" })
    }
}
