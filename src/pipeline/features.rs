//! Step 5: computes the feature catalogue for every bar, and stores the newest days in the brain.

use serde_json::json;

use super::CommandFailure;
use super::day::Day;
use crate::bars::Panel;
use crate::brain::FeatureBlock;
use crate::features::{self, CATALOGUE, COUNT, Features};
use crate::settings::FeatureDays;

pub async fn compute(day: &mut Day, panel: &Panel) -> Result<Features, CommandFailure> {
    let step = day.begin("features", Some(panel.symbols.len() as u64)).await?;
    let features = tokio::task::block_in_place(|| features::device::compute_on(&day.services.compute, panel))?;
    let newest = match day.run.settings.brain.feature_days {
        FeatureDays::Newest(days) => panel.timeframe.bars_in_days(days),
        FeatureDays::All(_) => usize::MAX,
    };
    let names: Vec<&str> = CATALOGUE.iter().map(|feature| feature.name).collect();
    let bars: Vec<_> =
        panel.ranges.iter().map(|range| range.end.saturating_sub(newest).max(range.start)..range.end).collect();
    let times: Vec<Vec<i64>> = bars.iter().map(|bars| bars.clone().map(|bar| panel.time_ms(bar)).collect()).collect();
    let blocks: Vec<FeatureBlock<'_>> = bars
        .iter()
        .enumerate()
        .map(|(symbol, bars)| FeatureBlock {
            symbol: &panel.symbols[symbol],
            timestamps: &times[symbol],
            names: &names,
            values: &features.values
                [(symbol * panel.bars + bars.start) * COUNT..(symbol * panel.bars + bars.end) * COUNT],
        })
        .collect();
    let stored = day.services.brain.store_features(&day.run.row.run_id, day.run.simulated, &blocks).await?;
    step.advance(panel.symbols.len() as u64);
    step.note(&format!("{COUNT} features, {stored} values stored"));
    day.end(step, json!({ "stored": stored })).await?;
    Ok(features)
}
