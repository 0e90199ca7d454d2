//! Drawdowns of an equity curve: depth and recovery time.

use serde::Serialize;

use huracan_bars::DAY_MS;

/// Summary of the drawdowns of an equity curve; all 0 if equity never fell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Drawdowns {
    /// Largest fall from a peak, as a share of the peak, 0 to 1.
    pub max: f64,
    /// Mean depth of the drawdowns, each measured from its peak to its lowest point.
    pub average: f64,
    /// Longest time from a peak until it was reached again, or until the end of the curve, days.
    pub longest_recovery_days: f64,
}

/// Computes the drawdowns of an equity curve of `(time in ms, equity)` points, ascending in time.
pub fn drawdowns(curve: &[(i64, f64)]) -> Drawdowns {
    let Some(&(mut peak_time, mut peak)) = curve.first() else { return Drawdowns::default() };
    let (mut depths, mut depth, mut longest) = (Vec::new(), 0.0_f64, 0_i64);
    for &(time, equity) in curve {
        if equity >= peak {
            if depth > 0.0 {
                depths.push(depth);
                longest = longest.max(time - peak_time);
            }
            (peak, peak_time, depth) = (equity, time, 0.0);
        } else {
            depth = depth.max(1.0 - equity / peak);
        }
    }
    if depth > 0.0 {
        depths.push(depth);
        longest = longest.max(curve.last().map_or(0, |last| last.0) - peak_time);
    }
    Drawdowns {
        max: depths.iter().copied().fold(0.0, f64::max),
        average: super::returns::mean(&depths),
        longest_recovery_days: longest as f64 / DAY_MS as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_mean_and_recovery_match_the_curve() {
        let curve: Vec<(i64, f64)> = [100.0, 90.0, 80.0, 100.0, 110.0, 99.0, 105.0]
            .iter()
            .enumerate()
            .map(|(d, &e)| (d as i64 * DAY_MS, e))
            .collect();
        let d = drawdowns(&curve);
        assert!((d.max - 0.2).abs() < 1e-12 && (d.average - 0.15).abs() < 1e-12);
        assert_eq!(d.longest_recovery_days, 3.0);
        assert_eq!(drawdowns(&[]), Drawdowns::default());
    }
}
