//! The metrics of a run, in Prometheus's text format.

use std::fmt::Write;

use chrono::{DateTime, Utc};

use super::{Check, Status, SystemStatus};

/// The metrics of a run, while it works or after it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunMetrics {
    /// The run and its step.
    pub status: SystemStatus,
    /// When the run started.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub finished: Option<DateTime<Utc>>,
    /// Models approved so far.
    pub approved: u64,
    /// Models rejected so far.
    pub rejected: u64,
    /// Symbols that failed in a step.
    pub failures: u64,
    /// Bars missing from the candles in use.
    pub data_gaps: u64,
    /// The newest check per component.
    pub checks: Vec<Check>,
    /// When the newest run before this one ended in which no symbol failed.
    pub last_success: Option<DateTime<Utc>>,
    /// Seconds per finished step.
    pub seconds: Vec<(String, f64)>,
    /// Resident memory of the process.
    pub resident_bytes: Option<u64>,
    /// Its peak.
    pub peak_bytes: Option<u64>,
}

/// State of a run that has not ended in the brain, but whose process is gone.
pub const CUT_OFF: &str = "cut_off";

/// States of a run. The run itself serves the first two, a schedule the others between two runs.
const STATES: [&str; 7] = ["running", "syncing", "done", "partial", "failed", "interrupted", CUT_OFF];

const STATUSES: [Status; 4] = [Status::Off, Status::Healthy, Status::Degraded, Status::Failed];

/// The metrics in Prometheus's text format 0.0.4.
pub fn prometheus(metrics: &RunMetrics) -> String {
    let mut page = Page(String::new());
    let status = &metrics.status;
    let run = [("version", env!("CARGO_PKG_VERSION")), ("run_id", &status.run_id), ("device", &status.device)];
    page.metric("huracan_run_info", "The current run, or the last one.", [(&run[..], 1.0)]);
    page.metric("huracan_simulated", "1 if the prices are simulated.", [plain(flag(status.simulated))]);
    let states = STATES.map(|state| ([("state", state)], flag(state == status.state)));
    page.metric("huracan_run_state", "1 for the state of the run.", states.iter().map(|(l, v)| (&l[..], *v)));
    let step = [("step", status.step.as_str())];
    page.metric("huracan_step", "1 for the current step.", [(&step[..], 1.0)]);
    let done = status.done.map(|done| (&step[..], done as f64));
    page.metric("huracan_step_done", "Items that the step has done.", done);
    let total = status.total.map(|total| (&step[..], total as f64));
    page.metric("huracan_step_total", "Items that the step has to do.", total);
    let seconds: Vec<_> = metrics.seconds.iter().map(|(step, seconds)| ([("step", step.as_str())], *seconds)).collect();
    let seconds = seconds.iter().map(|(labels, value)| (&labels[..], *value));
    page.metric("huracan_step_seconds", "Seconds that a finished step took.", seconds);
    let models = [([("verdict", "approved")], metrics.approved), ([("verdict", "rejected")], metrics.rejected)];
    let models = models.iter().map(|(labels, count)| (&labels[..], *count as f64));
    page.metric("huracan_models", "Models trained, by verdict.", models);
    page.metric("huracan_symbols_failed", "Symbols that failed in a step.", [plain(metrics.failures as f64)]);
    page.metric("huracan_data_gap_bars", "Bars missing from the candles in use.", [plain(metrics.data_gaps as f64)]);
    components(&mut page, &metrics.checks);
    let resident = metrics.resident_bytes.map(|bytes| plain(bytes as f64));
    page.metric("huracan_resident_memory_bytes", "Resident memory of the process.", resident);
    let peak = metrics.peak_bytes.map(|bytes| plain(bytes as f64));
    page.metric("huracan_peak_memory_bytes", "Peak resident memory of the process.", peak);
    let started = [plain(seconds_of(metrics.started))];
    page.metric("huracan_run_started_timestamp_seconds", "When the run started.", started);
    let finished = metrics.finished.map(|time| plain(seconds_of(time)));
    page.metric("huracan_run_finished_timestamp_seconds", "When the run ended.", finished);
    let success = metrics.last_success.map(|time| plain(seconds_of(time)));
    page.metric("huracan_last_success_timestamp_seconds", "When the last complete run ended.", success);
    page.0
}

/// The metric of the schedule's next start.
pub fn prometheus_next_start(at: DateTime<Utc>) -> String {
    let mut page = Page(String::new());
    let help = "When the next run starts.";
    page.metric("huracan_schedule_next_start_timestamp_seconds", help, [plain(seconds_of(at))]);
    page.0
}

fn components(page: &mut Page, checks: &[Check]) {
    let states: Vec<_> = checks
        .iter()
        .flat_map(|check| STATUSES.map(|status| (check, status)))
        .map(|(check, status)| {
            ([("component", check.component.as_str()), ("status", status.name())], flag(check.status == status))
        })
        .collect();
    let states = states.iter().map(|(labels, value)| (&labels[..], *value));
    page.metric("huracan_component_status", "1 for the status of the component.", states);
    let each = |value: fn(&Check) -> Option<f64>| -> Vec<_> {
        checks.iter().filter_map(|check| Some(([("component", check.component.as_str())], value(check)?))).collect()
    };
    let latency = each(|check| check.latency_ms.map(|ms| ms / 1000.0));
    let help = "Response time of the component's last check.";
    page.metric("huracan_component_latency_seconds", help, latency.iter().map(|(l, v)| (&l[..], *v)));
    let errors = each(|check| Some(check.error_rate));
    let help = "Share of the component's checks of the day that failed.";
    page.metric("huracan_component_error_ratio", help, errors.iter().map(|(l, v)| (&l[..], *v)));
    let checked = each(|check| Some(seconds_of(check.timestamp)));
    let help = "When the component was last checked.";
    page.metric("huracan_component_checked_timestamp_seconds", help, checked.iter().map(|(l, v)| (&l[..], *v)));
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn plain(value: f64) -> (&'static [(&'static str, &'static str)], f64) {
    (&[], value)
}

fn seconds_of(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

struct Page(String);

impl Page {
    /// Writes a gauge with its samples, or nothing if there are none.
    fn metric<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (&'a [(&'a str, &'a str)], f64)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let text = &mut self.0;
        let mut write = |part: std::fmt::Arguments| text.write_fmt(part).expect("writing to a String never fails");
        write(format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for (labels, value) in samples {
            write(format_args!("{name}"));
            for (at, (label, content)) in labels.iter().enumerate() {
                let open = if at == 0 { '{' } else { ',' };
                write(format_args!("{open}{label}=\"{}\"", escaped(content)));
            }
            write(format_args!("{} {value}\n", if labels.is_empty() { "" } else { "}" }));
        }
    }
}

/// The value of a label, escaped for the text format.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn example() -> RunMetrics {
        let time: DateTime<Utc> = "2025-11-08T02:00:00.250Z".parse().unwrap();
        let mut check = Check::new("database", Status::Degraded, "slow").with_remedy("look at it");
        (check.timestamp, check.latency_ms, check.error_rate) = (time, Some(12.5), 0.25);
        RunMetrics {
            status: SystemStatus {
                timestamp: time,
                run_id: "a \"run\"\\\n".into(),
                state: "running".into(),
                step: "train".into(),
                done: Some(71),
                total: Some(96),
                device: "cpu".into(),
                simulated: true,
            },
            started: time,
            finished: None,
            approved: 3,
            rejected: 5,
            failures: 1,
            data_gaps: 12,
            checks: vec![check],
            last_success: None,
            seconds: vec![("universe".into(), 0.25)],
            resident_bytes: Some(1 << 30),
            peak_bytes: None,
        }
    }

    #[test]
    fn the_page_shows_what_is_known_and_leaves_out_what_is_not() {
        let page = prometheus(&example());
        for line in [
            "huracan_run_state{state=\"running\"} 1",
            "huracan_run_state{state=\"syncing\"} 0",
            "huracan_step_done{step=\"train\"} 71",
            "huracan_step_total{step=\"train\"} 96",
            "huracan_step_seconds{step=\"universe\"} 0.25",
            "huracan_models{verdict=\"approved\"} 3",
            "huracan_component_status{component=\"database\",status=\"degraded\"} 1",
            "huracan_component_status{component=\"database\",status=\"healthy\"} 0",
            "huracan_component_latency_seconds{component=\"database\"} 0.0125",
            "huracan_component_error_ratio{component=\"database\"} 0.25",
            "huracan_data_gap_bars 12",
            "huracan_resident_memory_bytes 1073741824",
            "huracan_run_started_timestamp_seconds 1762567200.25",
        ] {
            assert!(page.lines().any(|found| found == line), "no '{line}' in\n{page}");
        }
        assert!(page.contains(r#"run_id="a \"run\"\\\n""#), "{page}");
        assert!(!page.contains("huracan_last_success") && !page.contains("huracan_peak_memory"), "{page}");
        assert!(page.ends_with('\n'));
    }

    #[test]
    fn after_the_run_the_page_shows_how_it_ended_and_when_the_next_one_starts() {
        let mut metrics = example();
        metrics.status.state = CUT_OFF.into();
        metrics.finished = Some(metrics.started);
        let page = prometheus(&metrics) + &prometheus_next_start(metrics.started);
        for line in [
            "huracan_run_state{state=\"running\"} 0",
            "huracan_run_state{state=\"cut_off\"} 1",
            "huracan_run_finished_timestamp_seconds 1762567200.25",
            "huracan_schedule_next_start_timestamp_seconds 1762567200.25",
        ] {
            assert!(page.lines().any(|found| found == line), "no '{line}' in\n{page}");
        }
    }
}
