//! Checks that are made again and again, each with a time-out of its own.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::task::JoinHandle;

use super::{Check, Status};

/// One component and the way to look at it.
pub struct Probe {
    component: String,
    remedy: String,
    ask: Box<dyn Fn() -> BoxFuture<'static, Check> + Send + Sync>,
    /// A question that is still without an answer, and when it was asked.
    asked: Option<(JoinHandle<Check>, Instant)>,
}

impl Probe {
    /// A probe that awaits; `remedy` is said when there is no answer in time.
    pub fn new<F>(component: &str, remedy: &str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Check> + Send + 'static,
    {
        Self {
            component: component.to_owned(),
            remedy: remedy.to_owned(),
            ask: Box::new(move || ask().boxed()),
            asked: None,
        }
    }

    /// A probe that holds its thread: it gets one where nothing else waits for it.
    pub fn blocking(component: &str, remedy: &str, ask: impl Fn() -> Check + Clone + Send + Sync + 'static) -> Self {
        let name = component.to_owned();
        Self::new(component, remedy, move || {
            let (ask, name) = (ask.clone(), name.clone());
            async move {
                tokio::task::spawn_blocking(move || std::panic::catch_unwind(AssertUnwindSafe(ask)))
                    .await
                    .ok()
                    .and_then(Result::ok)
                    .unwrap_or_else(|| broken(&name))
            }
        })
    }

    /// The component's state; one that has not answered yet is not asked a second time, but waited for.
    async fn look(&mut self, limit: Duration) -> Check {
        let (mut task, since) = self.asked.take().unwrap_or_else(|| (tokio::spawn((self.ask)()), Instant::now()));
        match tokio::time::timeout(limit, &mut task).await {
            Ok(Ok(check)) => check,
            Ok(Err(_)) => broken(&self.component),
            Err(_) => {
                self.asked = Some((task, since));
                let message = format!("no answer in {:.1} s", since.elapsed().as_secs_f64());
                Check::new(&self.component, Status::Failed, message)
                    .with_remedy(self.remedy.clone())
                    .with_latency(since.elapsed())
            }
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some((task, _)) = self.asked.take() {
            task.abort();
        }
    }
}

fn broken(component: &str) -> Check {
    Check::new(component, Status::Failed, "the check itself broke").with_remedy("report it, with logs/error.log")
}

/// Looks at all components at once; takes as long as the slowest, and `limit` at most. Checks are in the order of
/// the probes.
pub async fn look_at_all(probes: &mut [Probe], limit: Duration) -> Vec<Check> {
    join_all(probes.iter_mut().map(|probe| probe.look(limit))).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const SOON: Duration = Duration::from_millis(60);

    fn well(component: &str) -> Probe {
        let name = component.to_owned();
        Probe::new(component, "", move || {
            let name = name.clone();
            async move { Check::new(&name, Status::Healthy, "here") }
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_check_that_hangs_is_reported_and_holds_up_no_other() {
        let asked = Arc::new(AtomicUsize::new(0));
        let (a, b) = (asked.clone(), asked.clone());
        let hangs = Probe::new("exchange", "check the network", move || {
            a.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        });
        // Hangs without ever giving its thread back, as a dead network disk does.
        let stuck = Probe::blocking("disk", "mount it again", move || {
            b.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(600));
            Check::new("disk", Status::Healthy, "back")
        });
        let mut probes = [hangs, stuck, well("database")];
        for round in 1..=2 {
            let begun = Instant::now();
            let checks = look_at_all(&mut probes, SOON).await;
            assert!(begun.elapsed() < SOON * 4, "{:?}", begun.elapsed());
            let told: Vec<_> = checks.iter().map(|c| (c.component.as_str(), c.status)).collect();
            let expected = [("exchange", Status::Failed), ("disk", Status::Failed), ("database", Status::Healthy)];
            assert_eq!(told, expected, "round {round}");
            assert!(checks[0].message.starts_with("no answer in "), "{}", checks[0].message);
            assert_eq!(checks[1].remedy.as_deref(), Some("mount it again"));
            assert!(checks[0].latency_ms.unwrap() >= round as f64 * 59.0, "the silence is measured from its start");
        }
        // Silence is waited for, not answered with ever more questions.
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        // A component that comes back is well again.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(look_at_all(&mut probes[1..2], SOON).await[0].message, "back");
    }

    #[tokio::test]
    async fn a_check_that_panics_is_a_failure_of_its_component() {
        let mut probes = [
            Probe::new("remote", "", || async { panic!("a bug") }),
            Probe::blocking("memory", "", || panic!("a bug")),
            well("gpu"),
        ];
        let checks = look_at_all(&mut probes, Duration::from_secs(5)).await;
        assert_eq!(
            checks.iter().map(|c| c.status).collect::<Vec<_>>(),
            [Status::Failed, Status::Failed, Status::Healthy]
        );
        assert_eq!((checks[0].component.as_str(), checks[1].component.as_str()), ("remote", "memory"));
    }
}
