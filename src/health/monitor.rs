//! Checks that are repeated, each with its own timeout.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::task::JoinHandle;

use super::{Check, Status};

/// A component and how to check it.
pub struct Probe {
    component: String,
    remedy: String,
    check: Box<dyn Fn() -> BoxFuture<'static, Check> + Send + Sync>,
    /// A check that has not finished yet, and when it was started.
    pending: Option<(JoinHandle<Check>, Instant)>,
}

impl Probe {
    /// A probe with an asynchronous check. `remedy` is the one for a check that does not finish in time.
    pub fn new<F>(component: &str, remedy: &str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Check> + Send + 'static,
    {
        Self {
            component: component.to_owned(),
            remedy: remedy.to_owned(),
            check: Box::new(move || check().boxed()),
            pending: None,
        }
    }

    /// A probe with a check that blocks its thread. It runs on a thread for blocking work.
    pub fn blocking(component: &str, remedy: &str, check: impl Fn() -> Check + Clone + Send + Sync + 'static) -> Self {
        let name = component.to_owned();
        Self::new(component, remedy, move || {
            let (check, name) = (check.clone(), name.clone());
            async move {
                tokio::task::spawn_blocking(move || std::panic::catch_unwind(AssertUnwindSafe(check)))
                    .await
                    .ok()
                    .and_then(Result::ok)
                    .unwrap_or_else(|| broken(&name))
            }
        })
    }

    /// Checks the component. If the previous check has not finished yet, waits for that one instead.
    async fn run(&mut self, limit: Duration) -> Check {
        let (mut task, since) = self.pending.take().unwrap_or_else(|| (tokio::spawn((self.check)()), Instant::now()));
        match tokio::time::timeout(limit, &mut task).await {
            Ok(Ok(check)) => check,
            Ok(Err(_)) => broken(&self.component),
            Err(_) => {
                self.pending = Some((task, since));
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
        if let Some((task, _)) = self.pending.take() {
            task.abort();
        }
    }
}

fn broken(component: &str) -> Check {
    Check::new(component, Status::Failed, "the check itself panicked").with_remedy("report it, with logs/error.log")
}

/// Checks all components concurrently, for `limit` at most. The checks are in the order of the probes.
pub async fn run_probes(probes: &mut [Probe], limit: Duration) -> Vec<Check> {
    join_all(probes.iter_mut().map(|probe| probe.run(limit))).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const SOON: Duration = Duration::from_millis(60);

    fn healthy(component: &str) -> Probe {
        let name = component.to_owned();
        Probe::new(component, "", move || {
            let name = name.clone();
            async move { Check::new(&name, Status::Healthy, "here") }
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_check_that_hangs_is_reported_and_delays_no_other() {
        let started = Arc::new(AtomicUsize::new(0));
        let (a, b) = (started.clone(), started.clone());
        let hangs = Probe::new("exchange", "check the network", move || {
            a.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        });
        // Blocks its thread, like a dead network disk.
        let stuck = Probe::blocking("disk", "mount it again", move || {
            b.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(600));
            Check::new("disk", Status::Healthy, "back")
        });
        let mut probes = [hangs, stuck, healthy("database")];
        for round in 1..=2 {
            let begun = Instant::now();
            let checks = run_probes(&mut probes, SOON).await;
            assert!(begun.elapsed() < SOON * 4, "{:?}", begun.elapsed());
            let found: Vec<_> = checks.iter().map(|c| (c.component.as_str(), c.status)).collect();
            let expected = [("exchange", Status::Failed), ("disk", Status::Failed), ("database", Status::Healthy)];
            assert_eq!(found, expected, "round {round}");
            assert!(checks[0].message.starts_with("no answer in "), "{}", checks[0].message);
            assert_eq!(checks[1].remedy.as_deref(), Some("mount it again"));
            assert!(checks[0].latency_ms.unwrap() >= round as f64 * 59.0, "the silence is measured from its start");
        }
        // A check that hangs is not started again.
        assert_eq!(started.load(Ordering::Relaxed), 2);
        // A component that recovers is healthy again.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(run_probes(&mut probes[1..2], SOON).await[0].message, "back");
    }

    #[tokio::test]
    async fn a_check_that_panics_is_a_failure_of_its_component() {
        let mut probes = [
            Probe::new("remote", "", || async { panic!("a bug") }),
            Probe::blocking("memory", "", || panic!("a bug")),
            healthy("gpu"),
        ];
        let checks = run_probes(&mut probes, Duration::from_secs(5)).await;
        assert_eq!(
            checks.iter().map(|c| c.status).collect::<Vec<_>>(),
            [Status::Failed, Status::Failed, Status::Healthy]
        );
        assert_eq!((checks[0].component.as_str(), checks[1].component.as_str()), ("remote", "memory"));
    }
}
