//! A Dropbox on loopback that behaves as its documentation says, and misbehaves as its users tell: real connections,
//! seeded faults. It notes every content that ever was visible under a path.
#![allow(dead_code)]

mod faults;
mod files;
mod http;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::json;

pub use faults::{Fault, Faults};
pub use files::{Files, content_hash};
use http::{Answer, Asked};

pub const REFRESH_TOKEN: &str = "refresh-token-of-a-test";
pub const CLIENT_ID: &str = "client-id-of-a-test";
pub const CLIENT_SECRET: &str = "client-secret-of-a-test";

/// The server; it ends when this is dropped.
pub struct Dropbox {
    port: u16,
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
}

pub struct State {
    pub files: Files,
    pub faults: Faults,
    pub requests: u64,
    /// Requests by the end of their path.
    pub calls: BTreeMap<String, u64>,
    /// Faults that were made, by kind.
    pub failures: BTreeMap<String, u64>,
    /// Requests that did their work though the client was not told so.
    pub answers_lost: u64,
    /// Requests that began before the time that a Retry-After named, less what was under way.
    pub impatient: u64,
    pub renewals: u64,
    closed_until: Option<(Instant, Instant)>,
    token: String,
}

/// A request that began so soon after a Retry-After may have been under way.
const UNDER_WAY: Duration = Duration::from_millis(400);

impl Dropbox {
    pub fn start(faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State {
            files: Files::default(),
            faults,
            requests: 0,
            calls: BTreeMap::new(),
            failures: BTreeMap::new(),
            answers_lost: 0,
            impatient: 0,
            renewals: 0,
            closed_until: None,
            token: "none was granted".into(),
        }));
        let over = Arc::new(AtomicBool::new(false));
        let (shared, ends) = (state.clone(), over.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), shared) = (stream, shared.clone()) else { continue };
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { port, state, over }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Dropbox {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Answers one connection until it ends, or a fault ends it.
fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let _ = stream.set_nodelay(true);
    while let Some(asked) = http::read(&mut stream) {
        let fault = {
            let mut state = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            state.next_fault(&asked)
        };
        let answer = {
            let mut state = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            match fault {
                Some(fault) if !fault.does_the_work() => state.refuse(fault),
                _ => {
                    state.answers_lost += u64::from(fault.is_some_and(Fault::loses_the_answer));
                    state.answer(&asked)
                }
            }
        };
        let hang = state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).faults.hang;
        let goes_on = match fault {
            None | Some(Fault::Limited | Fault::Broken | Fault::Gone | Fault::Expired) => {
                http::write(&mut stream, &answer)
            }
            Some(Fault::CutBefore | Fault::CutAfter) => false,
            Some(Fault::CutWithin) => {
                http::write_half(&mut stream, &answer);
                false
            }
            Some(Fault::Slow) => http::write_slowly(&mut stream, &answer),
            Some(Fault::Hanging) => {
                std::thread::sleep(hang);
                false
            }
            Some(Fault::WrongJson) => http::write(&mut stream, &Answer::json(200, &json!("<html>a proxy</html>"))),
        };
        if !goes_on {
            return;
        }
    }
}

impl State {
    /// A client that was killed cannot know what it was asked to wait for.
    pub fn forget_the_pause(&mut self) {
        self.closed_until = None;
    }

    fn next_fault(&mut self, asked: &Asked) -> Option<Fault> {
        self.requests += 1;
        *self.calls.entry(asked.path.clone()).or_default() += 1;
        if let Some((told, until)) = self.closed_until
            && asked.begun > told + UNDER_WAY
            && asked.begun < until
        {
            self.impatient += 1;
        }
        let fault = self.faults.next(self.requests, asked)?;
        *self.failures.entry(format!("{fault:?}")).or_default() += 1;
        Some(fault)
    }

    fn refuse(&mut self, fault: Fault) -> Answer {
        match fault {
            Fault::Limited => {
                let wait = self.faults.retry_after();
                if wait > 0 {
                    let now = Instant::now();
                    self.closed_until = Some((now, now + Duration::from_secs(wait)));
                }
                let error = json!({ "reason": { ".tag": "too_many_requests" }, "retry_after": wait });
                let mut answer = Answer::json(429, &json!({ "error_summary": "too_many_requests/..", "error": error }));
                answer.headers.push(("Retry-After".into(), wait.to_string()));
                answer
            }
            Fault::Gone => Answer::text(503, "<html>503 upstream is gone</html>"),
            Fault::Expired => {
                self.token = "none is good".into();
                expired()
            }
            _ => Answer::text(500, "internal error"),
        }
    }

    fn answer(&mut self, asked: &Asked) -> Answer {
        if asked.path == "/oauth2/token" {
            return self.renew(asked);
        }
        if asked.header("authorization") != Some(&format!("Bearer {}", self.token)) {
            return expired();
        }
        match asked.path.strip_prefix("/2/files/") {
            Some(endpoint) => self.files.answer(endpoint, asked),
            None => Answer::text(404, "no such endpoint"),
        }
    }

    fn renew(&mut self, asked: &Asked) -> Answer {
        let form = String::from_utf8_lossy(&asked.body).into_owned();
        let right = form.contains("grant_type=refresh_token")
            && form.contains(&format!("refresh_token={REFRESH_TOKEN}"))
            && form.contains(&format!("client_id={CLIENT_ID}"))
            && form.contains(&format!("client_secret={CLIENT_SECRET}"));
        if !right {
            let told = json!({ "error": "invalid_grant", "error_description": "refresh token is invalid" });
            return Answer::json(400, &told);
        }
        self.renewals += 1;
        self.token = format!("access-{}", self.renewals);
        Answer::json(200, &json!({ "access_token": self.token, "expires_in": 14400, "token_type": "bearer" }))
    }
}

fn expired() -> Answer {
    let told = json!({ "error_summary": "expired_access_token/..", "error": { ".tag": "expired_access_token" } });
    Answer::json(401, &told)
}
