//! `huracan backtest --sweep`: trades thousands of settings over all symbols, and writes a table and a page.

mod lists;
mod page;
mod scores;

use std::path::{Path, PathBuf};

use crate::polars::prelude::*;
use rayon::prelude::*;
use serde_json::{Value, json};

use self::lists::Lists;
use super::backtest::Models;
use super::{candles, table};
use crate::arith;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::features;
use crate::files::write_atomic;
use crate::health::free_memory;
use crate::settings::Settings;
use crate::shadow::Rules;
use crate::shadow::sweep::{self, Grid, LEAST_DAYS, Setting, SettingMetrics, Surface, Task};
use crate::ui::Ui;

/// Fewest trades of a setting that may be called the best: with fewer, its figures are mostly luck.
pub const FEWEST_TRADES: u64 = 30;
/// Settings shown on the terminal.
const SHOWN: usize = 10;

/// The arguments of a sweep. Lists are text as on the command line.
#[derive(Debug)]
pub struct Request<'a> {
    /// Folder of candle files.
    pub candles: &'a Path,
    /// Table of scores or sides; without it the models of the workdir, or the consensus, decide.
    pub signals: Option<&'a Path>,
    /// Whether rejected models decide too.
    pub include_rejected: bool,
    /// Least absolute scores that are signals; none spreads them over the scores.
    pub thresholds: Option<&'a str>,
    /// Stop distances, multiples of the ATR.
    pub stops: &'a str,
    /// Take distances, multiples of the ATR.
    pub takes: &'a str,
    /// Longest holds, bars.
    pub holds: &'a str,
    /// A folder, or the table itself (.csv or .parquet); the page is written beside it.
    pub out: &'a Path,
}

/// The result of a sweep.
pub struct Swept {
    /// The result as JSON.
    pub answer: Value,
    /// Column names of `rows`.
    pub heading: Vec<&'static str>,
    /// The best settings as text.
    pub rows: Vec<Vec<String>>,
    /// How far the best settings can be trusted, and where the files are.
    pub remarks: Vec<String>,
}

/// Trades every setting of the grid over a folder's candles, and writes all results as a table and as a page.
///
/// # Errors
/// Exit code 2 for lists that cannot be used or a grid too large for the free memory, 3 for bad candles or signals.
pub fn run(settings: &Settings, workdir: &Path, request: &Request<'_>, ui: &Ui) -> Result<Swept, CommandFailure> {
    // Before the candles are read, so that a wrong list is reported at once.
    let lists = Lists::parse(request).or_exit(Code::Usage)?;
    let panel = candles::read_panel(request.candles, settings)?;
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
    let models = Models { workdir, include_rejected: request.include_rejected };
    let compute = settings.open_device(workdir)?;
    let atr = features::device::atr_14_on(&compute, &panel)?;
    let scores = scores::scores(settings, &compute, &panel, request.signals, models, &atr, &rules)?;
    super::fallback::warn_if_lost(&compute);
    let grid = lists.grid(&scores.values).or_exit(Code::Usage)?;
    check_memory(&grid, &panel)?;
    if !scores.unused.is_empty() {
        ui.message(&format!("{} of the signals are not used: the grid sets stops and takes", scores.unused.join(", ")));
    }

    let windows: Vec<_> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
    let task = Task { panel: &panel, scores: &scores.values, atr: &atr, windows: &windows, rules: &rules, grid: &grid };
    let step = ui.step("sweep", Some(grid.len() as u64));
    let settings_of = |share: usize, of: usize| grid.len() * share / of;
    let surface = sweep::sweep(task, &|done, of| {
        step.advance((settings_of(done, of) - settings_of(done - 1, of)) as u64);
    })
    .or_exit(Code::Usage)?;
    step.note(&format!("{} symbols × {} bars", panel.symbols.len(), panel.bars));
    let seconds = step.done();

    let judged: Vec<SettingMetrics> = (0..grid.len()).into_par_iter().map(|setting| surface.metrics(setting)).collect();
    let view = View::new(&surface, &judged);
    let (out, page) = output_paths(request.out);
    table::write(&out, frame(&grid, &judged)?).or_exit(Code::Failed)?;
    let about = page::About {
        simulated: panel.simulated,
        symbols: panel.symbols.len(),
        timeframe: panel.timeframe.to_string(),
        days: surface.days,
        decided_by: scores.decided_by,
    };
    write_atomic(&page, page::render(&grid, &judged, &view, &about)?.as_bytes()).or_exit(Code::Failed)?;

    let bars: usize = panel.ranges.iter().map(ExactSizeIterator::len).sum();
    let signals = scores.values.iter().filter(|score| score.abs() >= grid.thresholds[0] && **score != 0.0).count();
    let answer = json!({
        "simulated": panel.simulated,
        "symbols": panel.symbols.len(),
        "decided_by": scores.decided_by,
        "signals": signals,
        "settings": grid.len(),
        "trades": judged.iter().map(|one| one.trades).sum::<u64>(),
        "seconds": seconds,
        "bar_settings_per_s": (bars * grid.len()) as f64 / seconds,
        "share_above_costs": view.share_above_costs,
        "median_net_bps": finite(view.median_net_bps),
        "best": view.order.first().map(|&best| best_json(grid.setting(best), &judged[best])),
        "t_by_luck": view.t_by_luck,
        "neighbours_t": finite(view.neighbours_t),
        "out": out,
        "page": page,
    });
    let rows = view.order.iter().take(SHOWN).map(|&at| row(grid.setting(at), &judged[at])).collect();
    let remarks = view.remarks(&grid, &judged, &out, &page, panel.simulated);
    Ok(Swept { answer, heading: HEADING.to_vec(), rows, remarks })
}

/// Summary of all settings.
pub(crate) struct View {
    /// Settings with enough trades, best t-statistic first.
    pub order: Vec<usize>,
    /// Share of the settings with trades whose mean trade is above 0.
    pub share_above_costs: f64,
    /// Median over the settings of the mean trade, net, basis points.
    pub median_net_bps: f64,
    /// √(2 ln N): roughly the t-statistic of the best of N unrelated worthless settings.
    pub t_by_luck: f64,
    /// Mean t-statistic of the settings one step away from the best in one list.
    pub neighbours_t: f64,
    /// Symbols on which the best setting made money, and symbols that it traded.
    pub symbols_won: (usize, usize),
}

impl View {
    fn new(surface: &Surface, judged: &[SettingMetrics]) -> Self {
        let grid = &surface.grid;
        let counts = |one: &SettingMetrics| one.trades >= FEWEST_TRADES && one.t_statistic.is_finite();
        let mut order: Vec<usize> = (0..judged.len()).filter(|&at| counts(&judged[at])).collect();
        order.sort_by(|&a, &b| judged[b].t_statistic.total_cmp(&judged[a].t_statistic).then(a.cmp(&b)));
        let mut net: Vec<f64> = judged.iter().map(|one| one.net_bps).filter(|net| !net.is_nan()).collect();
        net.sort_by(f64::total_cmp);
        let above = net.iter().filter(|net| **net > 0.0).count();
        let (mut neighbours_t, mut symbols_won) = (f64::NAN, (0, 0));
        if let Some(&best) = order.first() {
            let near: Vec<f64> =
                neighbours(grid, best).into_iter().map(|at| judged[at].t_statistic).filter(|t| t.is_finite()).collect();
            neighbours_t = near.iter().sum::<f64>() / near.len() as f64;
            let own = (0..surface.symbols).map(|symbol| surface.by_symbol[symbol * grid.len() + best]);
            for tally in own.filter(|tally| tally.trades > 0) {
                symbols_won.0 += usize::from(tally.net > 0);
                symbols_won.1 += 1;
            }
        }
        Self {
            share_above_costs: above as f64 / net.len().max(1) as f64,
            median_net_bps: net.get(net.len() / 2).copied().unwrap_or(f64::NAN),
            t_by_luck: (2.0 * arith::ln(judged.len() as f64)).sqrt(),
            neighbours_t,
            symbols_won,
            order,
        }
    }

    /// The remarks for the terminal.
    pub fn remarks(
        &self,
        grid: &Grid,
        judged: &[SettingMetrics],
        out: &Path,
        page: &Path,
        simulated: bool,
    ) -> Vec<String> {
        let mut remarks = Vec::new();
        if simulated {
            remarks.push("SIMULATED MARKET: these prices are invented.".to_owned());
        }
        match self.order.first() {
            Some(&best) => {
                remarks.push(format!(
                    "The best of {} settings. The best of many settings looks better than it is: of {} unrelated settings \
                     without any edge, the luckiest would have a t of about {:.1} (less here, since settings overlap).",
                    grid.len(),
                    grid.len(),
                    self.t_by_luck
                ));
                remarks.push(format!(
                    "Its t is {:.1}; one step away in one list the mean t is {:.1}; it earned money on {} of {} symbols. \
                     Of all settings, {:.0} % earn more than they cost; the median setting makes {:.1} bps per trade.",
                    judged[best].t_statistic,
                    self.neighbours_t,
                    self.symbols_won.0,
                    self.symbols_won.1,
                    100.0 * self.share_above_costs,
                    self.median_net_bps
                ));
                remarks.push("Test it on candles that had no part in the choice before you trust it.".to_owned());
            }
            None => remarks.push(format!(
                "No setting made {FEWEST_TRADES} trades on {LEAST_DAYS} days: lower --thresholds, or give more candles or signals."
            )),
        }
        remarks.push(format!("All settings: {}. Heat maps: {}.", out.display(), page.display()));
        remarks
    }
}

/// Settings one step away in one list.
fn neighbours(grid: &Grid, setting: usize) -> Vec<usize> {
    let lengths = [grid.thresholds.len(), grid.stop_atr.len(), grid.take_atr.len(), grid.max_hold.len()];
    let mut found = Vec::new();
    let mut stride = 1;
    for length in lengths.into_iter().rev() {
        let index = setting / stride % length;
        if index > 0 {
            found.push(setting - stride);
        }
        if index + 1 < length {
            found.push(setting + stride);
        }
        stride *= length;
    }
    found
}

fn check_memory(grid: &Grid, panel: &crate::bars::Panel) -> Result<(), CommandFailure> {
    let threads = rayon::current_num_threads();
    let (symbols, days) = (panel.symbols.len(), sweep::days(panel));
    let needed = sweep::memory_bytes(grid, symbols, panel.bars, days, threads);
    let free = free_memory();
    if needed <= free {
        return Ok(());
    }
    let gib = |bytes: u64| bytes as f64 / 2f64.powi(30);
    let message = format!(
        "{} settings over {symbols} symbols and {days} days need {:.1} GiB of memory, but only {:.1} GiB are free; \
         give shorter lists, or sweep them in parts",
        grid.len(),
        gib(needed),
        gib(free)
    );
    Err(CommandFailure::new(Code::Usage, message))
}

/// Paths of the table and of the page.
fn output_paths(out: &Path) -> (PathBuf, PathBuf) {
    let ending = out.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    if matches!(ending.as_str(), "csv" | "parquet") {
        (out.to_owned(), out.with_extension("html"))
    } else {
        (out.join("sweep.csv"), out.join("sweep.html"))
    }
}

const HEADING: [&str; 12] = [
    "threshold",
    "stop, ATR",
    "take, ATR",
    "hold, bars",
    "trades",
    "win rate",
    "net, bps",
    "costs, bps",
    "held, bars",
    "profit factor",
    "t",
    "worst fall, bps",
];

/// A setting as a row of text, for the terminal and the page.
pub(crate) fn row(setting: Setting, one: &SettingMetrics) -> Vec<String> {
    vec![
        lists::threshold_text(setting.threshold),
        lists::distance_text(setting.stop_atr),
        lists::distance_text(setting.take_atr),
        lists::hold_text(setting.max_hold),
        one.trades.to_string(),
        format!("{:.1} %", 100.0 * one.win_rate),
        format!("{:.2}", one.net_bps),
        format!("{:.2}", one.cost_bps),
        format!("{:.1}", one.hold_bars),
        format!("{:.2}", one.profit_factor),
        format!("{:.2}", one.t_statistic),
        format!("{:.0}", one.worst_fall_bps),
    ]
}

fn best_json(setting: Setting, one: &SettingMetrics) -> Value {
    json!({
        "threshold": lists::threshold(setting.threshold),
        "stop_atr": setting.stop_atr,
        "take_atr": setting.take_atr,
        "max_hold_bars": (setting.max_hold != lists::NO_LIMIT).then_some(setting.max_hold),
        "trades": one.trades,
        "win_rate": one.win_rate,
        "net_bps": one.net_bps,
        "profit_factor": finite(one.profit_factor),
        "t_statistic": one.t_statistic,
        "worst_fall_bps": one.worst_fall_bps,
    })
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// One row per setting, in the order of the grid. Undefined figures are null.
fn frame(grid: &Grid, judged: &[SettingMetrics]) -> PolarsResult<DataFrame> {
    let settings: Vec<Setting> = (0..grid.len()).map(|at| grid.setting(at)).collect();
    let own = |name: &str, pick: fn(&Setting) -> f64| {
        Column::new(name.into(), settings.iter().map(pick).collect::<Vec<f64>>())
    };
    let figure = |name: &str, pick: fn(&SettingMetrics) -> f64| {
        Column::new(name.into(), judged.iter().map(pick).map(finite).collect::<Vec<Option<f64>>>())
    };
    let holds = settings.iter().map(|s| (s.max_hold != lists::NO_LIMIT).then_some(s.max_hold as i64));
    let columns = vec![
        own("threshold", |s| lists::threshold(s.threshold)),
        own("stop_atr", |s| s.stop_atr),
        own("take_atr", |s| s.take_atr),
        Column::new("max_hold_bars".into(), holds.collect::<Vec<_>>()),
        Column::new("trades".into(), judged.iter().map(|one| one.trades as i64).collect::<Vec<_>>()),
        figure("win_rate", |one| one.win_rate),
        figure("net_bps", |one| one.net_bps),
        figure("gross_bps", |one| one.gross_bps),
        figure("cost_bps", |one| one.cost_bps),
        figure("deviation_bps", |one| one.deviation_bps),
        figure("hold_bars", |one| one.hold_bars),
        figure("total_net_bps", |one| one.total_net_bps),
        figure("profit_factor", |one| one.profit_factor),
        figure("t_statistic", |one| one.t_statistic),
        figure("worst_fall_bps", |one| one.worst_fall_bps),
    ];
    DataFrame::new(judged.len(), columns)
}
