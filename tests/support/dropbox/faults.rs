//! What goes wrong, and how often: drawn from a seed by the number of the request.

use std::time::Duration;

use huracan::arith::{draw, uniform};

use super::http::Asked;

/// One request that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 429 with Retry-After.
    Limited,
    /// 500.
    Broken,
    /// 503 with a page of HTML.
    Gone,
    /// 401: the token ended before its time.
    Expired,
    /// The connection ends before anything is done.
    CutBefore,
    /// The connection ends after the work was done, without an answer.
    CutAfter,
    /// The connection ends in the middle of the answer.
    CutWithin,
    /// The answer comes in drops.
    Slow,
    /// The work is done, and no answer comes within the client's patience.
    Hanging,
    /// The work is done, and the answer is not what was agreed.
    WrongJson,
}

impl Fault {
    pub fn does_the_work(self) -> bool {
        matches!(self, Self::CutAfter | Self::CutWithin | Self::Slow | Self::Hanging | Self::WrongJson)
    }

    pub fn loses_the_answer(self) -> bool {
        self.does_the_work() && self != Self::Slow
    }
}

pub struct Faults {
    seed: u64,
    /// Share of requests that fail.
    pub share: f64,
    pub hang: Duration,
    /// How many 429 still ask for a whole second; the others ask for none.
    pub seconds_left: u32,
    /// Faults for the next requests of a path, before any that are drawn.
    pub next: Vec<(&'static str, Fault)>,
}

impl Faults {
    pub fn none() -> Self {
        Self::share(0, 0.0)
    }

    pub fn share(seed: u64, share: f64) -> Self {
        Self { seed, share, hang: Duration::from_millis(900), seconds_left: 6, next: Vec::new() }
    }

    pub(super) fn next(&mut self, request: u64, asked: &Asked) -> Option<Fault> {
        if let Some(at) = self.next.iter().position(|(path, _)| asked.path.ends_with(path)) {
            return Some(self.next.remove(at).1);
        }
        if uniform(draw(self.seed, request, 0)) >= self.share {
            return None;
        }
        let drawn = draw(self.seed, request, 1) % 100;
        let fault = match drawn {
            0..15 => Fault::Limited,
            15..30 => Fault::Broken,
            30..40 => Fault::Gone,
            40..50 => Fault::Expired,
            50..64 => Fault::CutBefore,
            64..76 => Fault::CutAfter,
            76..86 => Fault::CutWithin,
            86..91 => Fault::Slow,
            91..93 => Fault::Hanging,
            _ => Fault::WrongJson,
        };
        // There is no token yet that could have ended, and JSON only where JSON is agreed.
        let instead = match fault {
            Fault::Expired => asked.path == "/oauth2/token",
            Fault::WrongJson => asked.path.ends_with("/download"),
            _ => false,
        };
        Some(if instead { Fault::Broken } else { fault })
    }

    pub(super) fn retry_after(&mut self) -> u64 {
        let wait = u64::from(self.seconds_left > 0);
        self.seconds_left = self.seconds_left.saturating_sub(1);
        wait
    }
}
