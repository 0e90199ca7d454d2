//! What a schedule tells Prometheus between two runs, on the port on which a run tells of itself.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use huracan::settings::Settings;
use huracan::{commands, health, secret, ui};
use tokio::task::JoinHandle;

/// The page, while it is served.
pub struct Between(Option<JoinHandle<()>>);

impl Between {
    /// Serves how the last run went and when the next one starts, where a port is set. A port that cannot be had, or a brain
    /// that cannot be asked, is said and left.
    pub async fn serve(settings: &Settings, workdir: &Path, next: DateTime<Utc>) -> Self {
        let port = match u16::try_from(settings.health.metrics_port).unwrap_or_default() {
            0 => return Self(None),
            port => port,
        };
        let last = commands::last(settings, workdir).await.unwrap_or_else(|failure| {
            let why = secret::redact(failure.error.to_string());
            ui::print_line(&format!("the metrics do not tell of the last run: {why}"));
            None
        });
        let told = last.map(|vitals| health::prometheus(&vitals)).unwrap_or_default();
        let page = told + &health::prometheus_next_start(next);
        match health::listen(port, Arc::new(move || page.clone())).await {
            Ok((_, serving)) => Self(Some(tokio::spawn(serving))),
            Err(error) => {
                ui::print_line(&format!("no metrics: 127.0.0.1:{port}: {error}; health.metrics_port chooses another"));
                Self(None)
            }
        }
    }

    /// Gives the port back, for the run to take.
    pub async fn end(self) {
        if let Some(serving) = self.0 {
            serving.abort();
            // Aborted, as it was told to be.
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
            let between = Between::serve(&settings, home.path(), Utc::now()).await;
            assert!(TcpListener::bind(("127.0.0.1", port)).is_err());
            between.end().await;
            TcpListener::bind(("127.0.0.1", port)).unwrap();
        }
    }
}
