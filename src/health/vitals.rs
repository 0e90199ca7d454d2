//! How a run does at this moment, as Prometheus reads it.

use std::fmt::Write;

use chrono::{DateTime, Utc};

use super::{Check, Status, SystemStatus};

/// What is known of a run, while it works or after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Vitals {
    pub status: SystemStatus,
    pub started: DateTime<Utc>,
    pub finished: Option<DateTime<Utc>>,
    /// Of the models that were judged so far.
    pub approved: u64,
    pub rejected: u64,
    /// Symbols that a step failed for.
    pub failures: u64,
    /// Bars missing from the candles in use.
    pub data_gaps: u64,
    /// The newest of every component.
    pub checks: Vec<Check>,
    /// When the newest run before this one ended that lost no symbol.
    pub last_success: Option<DateTime<Utc>>,
    /// Seconds of every step that has ended.
    pub seconds: Vec<(String, f64)>,
    pub resident_bytes: Option<u64>,
    pub peak_bytes: Option<u64>,
}

/// The state of a run that says that it works, though nobody does.
pub const CUT_OFF: &str = "cut_off";

/// States of a run. At work it tells the first two itself; how it ended is told between the runs of a schedule.
const STATES: [&str; 7] = ["running", "syncing", "done", "partial", "failed", "interrupted", CUT_OFF];

const STATUSES: [Status; 4] = [Status::Off, Status::Healthy, Status::Degraded, Status::Failed];

/// The metrics in Prometheus's text format 0.0.4.
pub fn prometheus(vitals: &Vitals) -> String {
    let mut page = Page(String::new());
    let status = &vitals.status;
    let run = [("version", env!("CARGO_PKG_VERSION")), ("run_id", &status.run_id), ("device", &status.device)];
    page.metric("huracan_run_info", "The run at work, or the last one.", [(&run[..], 1.0)]);
    page.metric("huracan_simulated", "1 where prices are invented.", [plain(flag(status.simulated))]);
    let states = STATES.map(|state| ([("state", state)], flag(state == status.state)));
    page.metric("huracan_run_state", "1 for the state that the run is in.", states.iter().map(|(l, v)| (&l[..], *v)));
    let step = [("step", status.step.as_str())];
    page.metric("huracan_step", "1 for the step at hand.", [(&step[..], 1.0)]);
    let done = status.done.map(|done| (&step[..], done as f64));
    page.metric("huracan_step_done", "Things that the step has done.", done);
    let total = status.total.map(|total| (&step[..], total as f64));
    page.metric("huracan_step_total", "Things that the step has to do.", total);
    let seconds: Vec<_> = vitals.seconds.iter().map(|(step, seconds)| ([("step", step.as_str())], *seconds)).collect();
    let seconds = seconds.iter().map(|(labels, value)| (&labels[..], *value));
    page.metric("huracan_step_seconds", "Seconds that a finished step took.", seconds);
    let models = [([("verdict", "approved")], vitals.approved), ([("verdict", "rejected")], vitals.rejected)];
    let models = models.iter().map(|(labels, count)| (&labels[..], *count as f64));
    page.metric("huracan_models", "Models trained, by verdict.", models);
    page.metric("huracan_symbols_failed", "Symbols that a step failed for.", [plain(vitals.failures as f64)]);
    page.metric("huracan_data_gap_bars", "Bars missing from the candles in use.", [plain(vitals.data_gaps as f64)]);
    components(&mut page, &vitals.checks);
    let resident = vitals.resident_bytes.map(|bytes| plain(bytes as f64));
    page.metric("huracan_resident_memory_bytes", "Memory that the process holds.", resident);
    let peak = vitals.peak_bytes.map(|bytes| plain(bytes as f64));
    page.metric("huracan_peak_memory_bytes", "Most memory that the process has held at once.", peak);
    let started = [plain(seconds_of(vitals.started))];
    page.metric("huracan_run_started_timestamp_seconds", "When the run started.", started);
    let finished = vitals.finished.map(|time| plain(seconds_of(time)));
    page.metric("huracan_run_finished_timestamp_seconds", "When the run ended.", finished);
    let success = vitals.last_success.map(|time| plain(seconds_of(time)));
    page.metric("huracan_last_success_timestamp_seconds", "When the newest whole run ended.", success);
    page.0
}

/// When the schedule starts the next run.
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
    page.metric("huracan_component_status", "1 for the status that a component is in.", states);
    let each = |value: fn(&Check) -> Option<f64>| -> Vec<_> {
        checks.iter().filter_map(|check| Some(([("component", check.component.as_str())], value(check)?))).collect()
    };
    let latency = each(|check| check.latency_ms.map(|ms| ms / 1000.0));
    let help = "Time that the component's last answer took.";
    page.metric("huracan_component_latency_seconds", help, latency.iter().map(|(l, v)| (&l[..], *v)));
    let errors = each(|check| Some(check.error_rate));
    let help = "Share of the component's checks of the day that failed.";
    page.metric("huracan_component_error_ratio", help, errors.iter().map(|(l, v)| (&l[..], *v)));
    let checked = each(|check| Some(seconds_of(check.timestamp)));
    let help = "When the component was last looked at.";
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
    /// One gauge with its samples; nothing is written where there are none.
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
        let mut write = |part: std::fmt::Arguments| text.write_fmt(part).expect("a String takes whatever is written");
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

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn example() -> Vitals {
        let time: DateTime<Utc> = "2025-11-08T02:00:00.250Z".parse().unwrap();
        let mut check = Check::new("database", Status::Degraded, "slow").with_remedy("look at it");
        (check.timestamp, check.latency_ms, check.error_rate) = (time, Some(12.5), 0.25);
        Vitals {
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
    fn the_page_says_what_is_known_and_leaves_out_what_is_not() {
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
    fn after_the_run_the_page_says_how_it_ended_and_when_the_next_one_starts() {
        let mut vitals = example();
        vitals.status.state = CUT_OFF.into();
        vitals.finished = Some(vitals.started);
        let page = prometheus(&vitals) + &prometheus_next_start(vitals.started);
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
