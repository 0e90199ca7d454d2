//! Milestones told by Telegram, from a task of its own: a run never waits for it and never fails by it.

mod milestone;
mod telegram;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use milestone::Milestone;
pub use telegram::{Access, NotifyError};

use crate::settings;
use telegram::{Client, Pace};

/// Messages that wait at most; further ones are dropped and counted.
const WAITING: usize = 256;
/// Telegram's limit of one message, in UTF-16 units, with room to spare.
const LONGEST: usize = 4000;

/// What became of the messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Milestones that arrived; several may share one message.
    pub sent: u64,
    /// Milestones given up after all tries.
    pub failed: u64,
    /// Milestones that found the queue full, or were still waiting at the end.
    pub dropped: u64,
}

/// A way to the notifier for a task beside the run; it does not keep the notifier open.
#[derive(Debug, Clone)]
pub struct Teller {
    line: Option<(mpsc::WeakSender<String>, Arc<Counts>)>,
}

impl Teller {
    /// [`Notifier::tell`], while the notifier is open.
    pub fn tell(&self, milestone: &Milestone) {
        if let Some((sender, counts)) = &self.line
            && let Some(sender) = sender.upgrade()
        {
            hand_over(&sender, counts, milestone);
        }
    }
}

fn hand_over(sender: &mpsc::Sender<String>, counts: &Counts, milestone: &Milestone) {
    counts.taken.fetch_add(1, Ordering::Relaxed);
    if sender.try_send(milestone.text()).is_err() {
        counts.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// The way to whoever wants to hear; switched off, it takes milestones and does nothing.
#[derive(Debug)]
pub struct Notifier {
    line: Option<Line>,
}

#[derive(Debug)]
struct Line {
    sender: mpsc::Sender<String>,
    task: JoinHandle<()>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    taken: AtomicU64,
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Notifier {
    /// A notifier that says nothing.
    pub fn off() -> Self {
        Self { line: None }
    }

    /// Starts the background task, on the current tokio runtime; off without a token or a chat.
    pub fn start(settings: &settings::Notify, access: Option<&Access>) -> Self {
        Self::start_at(settings, access, Pace::default())
    }

    fn start_at(settings: &settings::Notify, access: Option<&Access>, pace: Pace) -> Self {
        let chat = settings.telegram.chat_id.trim();
        let Some(access) = access.filter(|_| !chat.is_empty()) else { return Self::off() };
        let client = match Client::new(access, chat, pace) {
            Ok(client) => client,
            Err(error) => {
                tracing::warn!("notifications are off: {error}");
                return Self::off();
            }
        };
        let counts = Arc::new(Counts::default());
        let (sender, receiver) = mpsc::channel(WAITING);
        let task = tokio::spawn(deliver(client, receiver, counts.clone(), pace));
        Self { line: Some(Line { sender, task, counts }) }
    }

    pub fn is_on(&self) -> bool {
        self.line.is_some()
    }

    /// Hands a milestone over; returns at once, whatever Telegram does.
    pub fn tell(&self, milestone: &Milestone) {
        if let Some(line) = &self.line {
            hand_over(&line.sender, &line.counts, milestone);
        }
    }

    /// A way to tell for a task beside the run.
    pub fn teller(&self) -> Teller {
        Teller { line: self.line.as_ref().map(|line| (line.sender.downgrade(), line.counts.clone())) }
    }

    /// Lets what waits be sent, for `patience` at most, and says what became of all.
    pub async fn close(self, patience: Duration) -> Delivered {
        let Some(line) = self.line else { return Delivered::default() };
        drop(line.sender);
        let mut task = line.task;
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            task.abort();
        }
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (sent, failed) = (read(&line.counts.sent), read(&line.counts.failed));
        Delivered { sent, failed, dropped: read(&line.counts.taken) - sent - failed }
    }
}

async fn deliver(client: Client, mut receiver: mpsc::Receiver<String>, counts: Arc<Counts>, pace: Pace) {
    let mut held: Option<String> = None;
    loop {
        let first = match held.take() {
            Some(text) => text,
            None => match receiver.recv().await {
                Some(text) => text,
                None => return,
            },
        };
        // What gathered meanwhile goes in the same message: many symbols must not become many messages.
        let (mut message, mut together) = (shortened(first), 1);
        while let Ok(next) = receiver.try_recv() {
            let next = shortened(next);
            if units(&message) + 1 + units(&next) > LONGEST {
                held = Some(next);
                break;
            }
            message.push('\n');
            message.push_str(&next);
            together += 1;
        }
        match client.send(&message).await {
            Ok(()) => counts.sent.fetch_add(together, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!("a notification was given up: {error}");
                counts.failed.fetch_add(together, Ordering::Relaxed)
            }
        };
        if held.is_none() && receiver.is_closed() && receiver.is_empty() {
            return;
        }
        tokio::time::sleep(pace.spacing).await;
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn shortened(text: String) -> String {
    if units(&text) <= LONGEST {
        return text;
    }
    let mut room = LONGEST - 1;
    let mut short: String = text
        .chars()
        .take_while(|c| {
            let fits = c.len_utf16() <= room;
            room = room.saturating_sub(c.len_utf16());
            fits
        })
        .collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests;
