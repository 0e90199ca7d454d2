//! The metrics that a schedule serves to Prometheus between two runs, on the port that a run uses.

use std::path::Path;
use std::sync::Arc;

use crate::settings::Settings;
use crate::{commands, health, secret, ui};
use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;

/// The metrics page between two runs; none if no port is set or it cannot be opened.
pub struct IdleMetrics(Option<JoinHandle<()>>);

impl IdleMetrics {
    /// Serves how the last run went and when the next one starts. A port that cannot be opened, or a brain that cannot be
    /// read, is only reported.
    pub async fn serve(settings: &Settings, workdir: &Path, next: DateTime<Utc>) -> Self {
        let port = match u16::try_from(settings.health.metrics_port).unwrap_or_default() {
            0 => return Self(None),
            port => port,
        };
        let last = commands::last(settings, workdir).await.unwrap_or_else(|failure| {
            let why = secret::redact(failure.error.to_string());
            ui::print_line(&format!("the metrics leave out the last run: {why}"));
            None
        });
        let last = last.map(|metrics| health::prometheus(&metrics)).unwrap_or_default();
        let page = last + &health::prometheus_next_start(next);
        match health::listen(port, Arc::new(move || page.clone())).await {
            Ok((_, serving)) => Self(Some(tokio::spawn(serving))),
            Err(error) => {
                ui::print_line(&format!(
                    "no metrics: 127.0.0.1:{port}: {error}; choose another port with health.metrics_port"
                ));
                Self(None)
            }
        }
    }

    /// Closes the port, so that the run can open it.
    pub async fn end(self) {
        if let Some(serving) = self.0 {
            serving.abort();
            // The result is only that it was aborted.
            let _ = serving.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_port_is_free_for_the_run_as_soon_as_the_wait_ends() {
        let home = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut settings = Settings::defaults();
        settings.health.metrics_port = port.into();
        for _ in 0..3 {
            let metrics = IdleMetrics::serve(&settings, home.path(), Utc::now()).await;
            assert!(TcpListener::bind(("127.0.0.1", port)).is_err());
            metrics.end().await;
            TcpListener::bind(("127.0.0.1", port)).unwrap();
        }
    }
}
