//! Progress of a run on standard error: progress bars on a terminal, plain lines elsewhere.
//!
//! Standard output is for results only.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::text::duration;
use crate::trainer::Observer;

/// The progress bars on the screen, which must be hidden while something else is printed.
static ON_SCREEN: OnceLock<MultiProgress> = OnceLock::new();

/// Prints a line on standard error without breaking a progress bar. A closed pipe is not an error.
pub fn print_line(text: &str) {
    let print = || {
        let _ = writeln!(io::stderr().lock(), "{text}");
    };
    match ON_SCREEN.get() {
        Some(bars) => bars.suspend(print),
        None => print(),
    }
}

/// Whether to use colours on `stream`: it is a terminal, and neither `NO_COLOR` nor `TERM=dumb` is set.
pub fn colours(stream: &impl IsTerminal) -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    stream.is_terminal() && !no_color && !dumb
}

enum Mode {
    Bars { bars: MultiProgress, colour: bool },
    Lines,
    Nothing,
}

/// The output of one run. Clones share it.
#[derive(Clone)]
pub struct Ui {
    mode: Arc<Mode>,
    seconds: Arc<Mutex<Vec<(String, f64)>>>,
    /// The step that began last.
    newest: Arc<Mutex<Weak<Inner>>>,
    json: bool,
}

/// Progress of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Name of the step.
    pub step: String,
    /// Items done.
    pub done: u64,
    /// Items to do, if they are counted.
    pub total: Option<u64>,
}

impl Ui {
    /// Progress bars on a terminal, plain lines elsewhere. With `json`, standard output is left to the JSON result.
    pub fn new(json: bool) -> Self {
        let stderr = io::stderr();
        let mode = if stderr.is_terminal() {
            let bars =
                ON_SCREEN.get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
            Mode::Bars { bars: bars.clone(), colour: colours(&stderr) }
        } else {
            Mode::Lines
        };
        Self::with(mode, json)
    }

    /// Prints nothing, but times the steps.
    pub fn hidden() -> Self {
        Self::with(Mode::Nothing, true)
    }

    fn with(mode: Mode, json: bool) -> Self {
        Self { mode: Arc::new(mode), seconds: Arc::default(), newest: Arc::default(), json }
    }

    /// Begins a step of `total` items. Without a total it only shows that it is working.
    pub fn step(&self, name: &str, total: Option<u64>) -> Step {
        let bar = match &*self.mode {
            Mode::Bars { bars, colour } => {
                let bar = bars.add(match total {
                    Some(total) => ProgressBar::new(total),
                    None => ProgressBar::no_length(),
                });
                bar.set_style(style(total.is_some(), *colour));
                bar.set_prefix(name.to_owned());
                bar.enable_steady_tick(Duration::from_millis(200));
                Some(bar)
            }
            Mode::Lines => {
                let of = total.map(|n| format!(" ({n})")).unwrap_or_default();
                print_line(&format!("{name}{of} …"));
                None
            }
            Mode::Nothing => None,
        };
        let step = Arc::new(Inner {
            ui: self.clone(),
            name: name.to_owned(),
            bar,
            count: AtomicU64::new(0),
            total: AtomicU64::new(total.unwrap_or(UNKNOWN)),
            note: Mutex::default(),
            begun: Instant::now(),
            ended: AtomicBool::new(false),
        });
        *lock(&self.newest) = Arc::downgrade(&step);
        Step(step)
    }

    /// Progress of the current step; none between steps.
    pub fn progress(&self) -> Option<Progress> {
        let step = lock(&self.newest).upgrade().filter(|step| !step.ended.load(Ordering::Acquire))?;
        let total = Some(step.total.load(Ordering::Relaxed)).filter(|total| *total != UNKNOWN);
        Some(Progress { step: step.name.clone(), done: step.count.load(Ordering::Relaxed), total })
    }

    /// Prints a line on standard error, unless the output is hidden.
    pub fn message(&self, text: &str) {
        if !matches!(*self.mode, Mode::Nothing) {
            print_line(text);
        }
    }

    /// Seconds per finished step, in the order in which they finished.
    pub fn seconds(&self) -> Vec<(String, f64)> {
        lock(&self.seconds).clone()
    }

    /// Prints the result on standard output, or with `--json` on standard error.
    pub fn result(&self, text: &str) {
        if matches!(*self.mode, Mode::Nothing) {
            return;
        }
        if self.json {
            print_line(text);
        } else {
            let _ = writeln!(io::stdout().lock(), "{text}");
        }
    }
}

fn style(counted: bool, colour: bool) -> ProgressStyle {
    let (bar, name, dim) = if colour { (".cyan/dim", ".bold", ".dim") } else { ("", "", "") };
    let template = if counted {
        format!(
            "{{prefix:12{name}}} {{bar:24{bar}}} {{pos:>5}}/{{len:<5}} {{elapsed:>4{dim}}}, {{eta}} left  {{wide_msg{dim}}}"
        )
    } else {
        format!("{{prefix:12{name}}} {{spinner}} {{pos:>5}} {{elapsed:>4{dim}}}  {{wide_msg{dim}}}")
    };
    let plain = ProgressStyle::default_bar();
    plain.clone().template(&template).unwrap_or(plain).progress_chars("━╸─")
}

/// The total of a step that has none.
const UNKNOWN: u64 = u64::MAX;

/// One step. Clones may advance it from any thread. It ends with [`Step::done`], or when the last clone is dropped.
#[derive(Clone)]
pub struct Step(Arc<Inner>);

struct Inner {
    ui: Ui,
    name: String,
    bar: Option<ProgressBar>,
    count: AtomicU64,
    total: AtomicU64,
    note: Mutex<String>,
    begun: Instant,
    ended: AtomicBool,
}

impl Step {
    /// Counts further items as done.
    pub fn advance(&self, by: u64) {
        self.0.count.fetch_add(by, Ordering::Relaxed);
        if let Some(bar) = &self.0.bar {
            bar.inc(by);
        }
    }

    /// Sets the number of items, if it becomes known later.
    pub fn total(&self, total: u64) {
        self.0.total.store(total, Ordering::Relaxed);
        if let (Some(bar), Mode::Bars { colour, .. }) = (&self.0.bar, &*self.0.ui.mode) {
            bar.set_length(total);
            bar.set_style(style(true, *colour));
        }
    }

    /// Shows what is being worked on. The line of a finished step shows the last note.
    pub fn note(&self, text: &str) {
        let line = text.lines().next().unwrap_or("");
        line.clone_into(&mut lock(&self.0.note));
        if let Some(bar) = &self.0.bar {
            bar.set_message(line.to_owned());
        }
    }

    /// Ends the step and prints one line: name, count, time, last note. Returns the seconds. Further calls print nothing.
    pub fn done(&self) -> f64 {
        self.0.end(true)
    }
}

/// Every trained model advances the step.
impl Observer for Step {
    fn models_done(&self, count: u64) {
        self.advance(count);
    }

    fn note(&self, text: &str) {
        Step::note(self, text);
    }
}

impl Inner {
    fn end(&self, finished: bool) -> f64 {
        let seconds = self.begun.elapsed().as_secs_f64();
        if self.ended.swap(true, Ordering::AcqRel) {
            return seconds;
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        lock(&self.ui.seconds).push((self.name.clone(), seconds));
        self.ui.message(&self.line(finished, seconds));
        seconds
    }

    fn line(&self, finished: bool, seconds: f64) -> String {
        let count = match self.count.load(Ordering::Relaxed) {
            0 => String::new(),
            n => format!("{n} in "),
        };
        let note = lock(&self.note);
        let note = if note.is_empty() { String::new() } else { format!("  {note}") };
        let mark = if finished { "✓" } else { "✗" };
        format!("{mark} {:<12} {count}{}{note}", self.name, duration(seconds))
    }
}

impl Drop for Inner {
    /// A step that was not ended before was left by an error or a panic.
    fn drop(&mut self) {
        self.end(false);
    }
}

/// Locks a mutex, also after a panic of another thread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_can_be_advanced_from_any_thread_and_are_timed_once() {
        let ui = Ui::hidden();
        let step = ui.step("features", Some(40));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let step = step.clone();
                scope.spawn(move || (0..10).for_each(|_| step.advance(1)));
            }
        });
        let progress = Progress { step: "features".into(), done: 40, total: Some(40) };
        assert_eq!(ui.progress(), Some(progress));
        step.note("ETH-USDT\nsecond line");
        assert_eq!(step.0.count.load(Ordering::Relaxed), 40);
        assert_eq!(step.0.line(true, 3.25), "✓ features     40 in 3.2 s  ETH-USDT");
        step.done();
        step.done();
        assert_eq!(ui.progress(), None);
        drop(step);
        drop(ui.step("labels", None));
        let seconds = ui.seconds();
        assert_eq!(seconds.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["features", "labels"]);
    }

    #[test]
    fn bars_have_valid_templates() {
        for (counted, colour) in [(true, true), (true, false), (false, true), (false, false)] {
            let bar = ProgressBar::hidden();
            bar.set_style(style(counted, colour));
            bar.set_prefix("features");
            bar.tick();
        }
        assert!(ProgressStyle::with_template("{bar:24.cyan/dim} {elapsed:>4.dim}").is_ok());
    }
}
