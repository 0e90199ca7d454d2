//! How much work each stage gets: that of a whole night on a GPU, elsewhere what takes minutes.

use serde::Serialize;

use super::Stage;
use crate::engine::Device;
use crate::exit::{Code, CommandFailure};

/// Depth of the trees.
pub const MAX_DEPTH: u32 = 6;
const HOURS_PER_DAY: usize = 24;

/// Sizes of all stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Symbols of the simulated market.
    pub symbols: usize,
    /// Days of its 1h candles.
    pub days: u32,
    /// Small boosting jobs.
    pub jobs: usize,
    /// Training rows of each small job.
    pub job_rows: usize,
    /// Trees of each small job.
    pub job_rounds: u32,
    /// Training rows of the large boosting job.
    pub large_rows: usize,
    /// Trees of the large boosting job.
    pub large_rounds: u32,
    /// Models that predict.
    pub predict_models: usize,
    /// Rows that each of them predicts.
    pub predict_rows: usize,
    /// Configurations of signals and rules to trade.
    pub configurations: usize,
    /// Symbols of the whole walk-forward.
    pub train_symbols: usize,
    /// Bytes copied to measure the bandwidth.
    pub copy_bytes: usize,
}

/// The full sizes, which a GPU gets.
pub const FULL: Sizes = Sizes {
    symbols: 500,
    days: 365,
    jobs: 4096,
    job_rows: 2880,
    job_rounds: 100,
    large_rows: 2_000_000,
    large_rounds: 100,
    predict_models: 256,
    predict_rows: 100_000,
    configurations: 64,
    train_symbols: 500,
    copy_bytes: 2 << 30,
};

impl Sizes {
    /// The sizes for a device. The `quick` ones only show that everything works.
    pub fn of(device: Device, quick: bool) -> Self {
        let few_days = if quick { 160 } else { FULL.days };
        match device {
            Device::Cuda(_) if !quick => FULL,
            Device::Cuda(_) => Self {
                symbols: 50,
                days: few_days,
                jobs: 512,
                large_rows: 150_000,
                predict_models: 32,
                configurations: 16,
                train_symbols: 50,
                copy_bytes: 512 << 20,
                ..FULL
            },
            Device::Cpu => Self {
                symbols: if quick { 4 } else { 40 },
                days: few_days,
                jobs: if quick { 4 } else { 72 },
                job_rounds: if quick { 10 } else { FULL.job_rounds },
                large_rows: if quick { 10_000 } else { 250_000 },
                large_rounds: if quick { 5 } else { FULL.large_rounds },
                predict_models: if quick { 2 } else { 12 },
                predict_rows: if quick { 5000 } else { 20_000 },
                configurations: if quick { 2 } else { 8 },
                train_symbols: if quick { 1 } else { 8 },
                copy_bytes: if quick { 64 << 20 } else { 512 << 20 },
                ..FULL
            },
            Device::Emulated => Self {
                symbols: if quick { 3 } else { 8 },
                days: few_days,
                jobs: if quick { 2 } else { 8 },
                job_rounds: if quick { 2 } else { 10 },
                large_rows: if quick { 6000 } else { 20_000 },
                large_rounds: if quick { 1 } else { 5 },
                predict_models: 2,
                predict_rows: if quick { 2000 } else { 20_000 },
                configurations: 2,
                train_symbols: 1,
                copy_bytes: if quick { 16 << 20 } else { 64 << 20 },
                ..FULL
            },
        }
    }

    /// Bars per symbol.
    pub fn bars(&self) -> usize {
        self.days as usize * HOURS_PER_DAY
    }

    /// Small jobs per symbol, and bars from the start of one job's window to the next.
    pub fn windows(&self) -> (usize, usize) {
        let per_symbol = self.jobs.div_ceil(self.symbols.max(1)).max(1);
        (per_symbol, (self.bars().saturating_sub(1 + self.job_rows)) / per_symbol)
    }

    /// Checks that the market is large enough for these stages.
    ///
    /// # Errors
    /// Exit code 2 if it is not.
    pub fn check(&self, stages: &[Stage]) -> Result<(), CommandFailure> {
        let usage = |message: String| Err(CommandFailure::new(Code::Usage, message));
        let (per_symbol, step) = self.windows();
        let windowed = [Stage::Bins, Stage::Boost, Stage::Predict];
        if step == 0 && stages.iter().any(|stage| windowed.contains(stage)) {
            return usage(format!(
                "{} symbols of {} days are too few for {per_symbol} windows of {} rows per symbol: give more --symbols or \
                 --days, or fewer --jobs or --rows",
                self.symbols, self.days, self.job_rows
            ));
        }
        let rows = self.symbols * (self.bars() - 1);
        if self.large_rows > rows && stages.contains(&Stage::Large) {
            return usage(format!(
                "--large-rows {} is more than the {rows} rows of {} symbols × {} days: give more --symbols or --days",
                self.large_rows, self.symbols, self.days
            ));
        }
        Ok(())
    }
}

/// A number, and the full size if that is larger: `72 of 4,096`.
pub fn of(actual: usize, full: usize) -> String {
    let text = |n: usize| crate::text::thousands(n as u64);
    if actual >= full { text(actual) } else { format!("{} of {}", text(actual), text(full)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_its_own_market() {
        for device in [Device::Cpu, Device::Emulated, Device::cuda(0)] {
            for quick in [false, true] {
                let sizes = Sizes::of(device, quick);
                sizes.check(&Stage::ALL).unwrap();
                let (per_symbol, step) = sizes.windows();
                assert!(per_symbol * sizes.symbols >= sizes.jobs);
                assert!((per_symbol - 1) * step + sizes.job_rows < sizes.bars(), "{device} {quick}");
            }
        }
        assert!(Sizes { days: 120, ..FULL }.check(&Stage::ALL).unwrap_err().error.to_string().contains("--days"));
        assert!(
            Sizes { large_rows: 5_000_000, ..FULL }
                .check(&Stage::ALL)
                .unwrap_err()
                .error
                .to_string()
                .contains("--large-rows")
        );
    }

    #[test]
    fn a_smaller_size_names_the_full_one() {
        assert_eq!(of(72, 4096), "72 of 4,096");
        assert_eq!((of(2880, 2880), of(500, 40)), ("2,880".to_owned(), "500".to_owned()));
    }
}
