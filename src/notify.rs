//! Sends a run's milestones by Telegram from a background task: a run never waits for it and never fails because of it.

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
use telegram::{Client, Timing};

/// Most messages that wait; further ones are dropped and counted.
const QUEUE_LENGTH: usize = 256;
/// Longest message in UTF-16 units, somewhat below Telegram's limit of 4096.
const MAX_UNITS: usize = 4000;

/// How many milestones were delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Milestones that arrived. Several may share one message.
    pub sent: u64,
    /// Milestones given up after all retries.
    pub failed: u64,
    /// Milestones that found the queue full, or were still waiting at the end.
    pub dropped: u64,
}

/// A handle by which a background task sends milestones. It does not keep the notifier open.
#[derive(Debug, Clone)]
pub struct NotifierHandle {
    queue: Option<(mpsc::WeakSender<String>, Arc<Counts>)>,
}

impl NotifierHandle {
    /// The same as [`Notifier::send`]. Does nothing once the notifier is closed.
    pub fn send(&self, milestone: &Milestone) {
        if let Some((sender, counts)) = &self.queue
            && let Some(sender) = sender.upgrade()
        {
            enqueue(&sender, counts, milestone);
        }
    }
}

fn enqueue(sender: &mpsc::Sender<String>, counts: &Counts, milestone: &Milestone) {
    counts.accepted.fetch_add(1, Ordering::Relaxed);
    if sender.try_send(milestone.text()).is_err() {
        counts.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// Queues milestones for a background task that sends them. Switched off, it ignores them.
#[derive(Debug)]
pub struct Notifier {
    queue: Option<Queue>,
}

#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<String>,
    task: JoinHandle<()>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Notifier {
    /// A notifier that sends nothing.
    pub fn off() -> Self {
        Self { queue: None }
    }

    /// Starts the background task on the current tokio runtime. Off without a token or a chat.
    pub fn start(settings: &settings::Notify, access: Option<&Access>) -> Self {
        Self::start_with(settings, access, Timing::default())
    }

    fn start_with(settings: &settings::Notify, access: Option<&Access>, timing: Timing) -> Self {
        let chat = settings.telegram.chat_id.trim();
        let Some(access) = access.filter(|_| !chat.is_empty()) else { return Self::off() };
        let client = match Client::new(access, chat, timing) {
            Ok(client) => client,
            Err(error) => {
                tracing::warn!("notifications are off: {error}");
                return Self::off();
            }
        };
        let counts = Arc::new(Counts::default());
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        let task = tokio::spawn(deliver(client, receiver, counts.clone()));
        Self { queue: Some(Queue { sender, task, counts }) }
    }

    /// Whether milestones are sent at all.
    pub fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Queues a milestone. Returns at once, whatever Telegram does.
    pub fn send(&self, milestone: &Milestone) {
        if let Some(queue) = &self.queue {
            enqueue(&queue.sender, &queue.counts, milestone);
        }
    }

    /// A handle for a background task.
    pub fn handle(&self) -> NotifierHandle {
        NotifierHandle { queue: self.queue.as_ref().map(|queue| (queue.sender.downgrade(), queue.counts.clone())) }
    }

    /// Sends what is queued, within `limit`, and returns the counts.
    pub async fn close(self, limit: Duration) -> Delivered {
        let Some(queue) = self.queue else { return Delivered::default() };
        drop(queue.sender);
        let mut task = queue.task;
        if tokio::time::timeout(limit, &mut task).await.is_err() {
            task.abort();
        }
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (sent, failed) = (read(&queue.counts.sent), read(&queue.counts.failed));
        Delivered { sent, failed, dropped: read(&queue.counts.accepted) - sent - failed }
    }
}

async fn deliver(client: Client, mut receiver: mpsc::Receiver<String>, counts: Arc<Counts>) {
    // A line that no longer fitted into the previous message.
    let mut pending: Option<String> = None;
    loop {
        let first = match pending.take() {
            Some(text) => text,
            None => match receiver.recv().await {
                Some(text) => text,
                None => return,
            },
        };
        // Everything queued meanwhile goes into the same message: many symbols must not become many messages.
        let (mut message, mut milestones) = (shortened(first), 1);
        while let Ok(next) = receiver.try_recv() {
            let next = shortened(next);
            if units(&message) + 1 + units(&next) > MAX_UNITS {
                pending = Some(next);
                break;
            }
            message.push('\n');
            message.push_str(&next);
            milestones += 1;
        }
        match client.send(&message).await {
            Ok(()) => counts.sent.fetch_add(milestones, Ordering::Relaxed),
            Err(error) => {
                tracing::warn!("a notification was given up: {error}");
                counts.failed.fetch_add(milestones, Ordering::Relaxed)
            }
        };
        if pending.is_none() && receiver.is_closed() && receiver.is_empty() {
            return;
        }
        tokio::time::sleep(client.timing.spacing).await;
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn shortened(text: String) -> String {
    if units(&text) <= MAX_UNITS {
        return text;
    }
    let mut left = MAX_UNITS - 1;
    let mut short: String = text
        .chars()
        .take_while(|c| {
            let fits = c.len_utf16() <= left;
            left = left.saturating_sub(c.len_utf16());
            fits
        })
        .collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests;
