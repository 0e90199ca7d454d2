//! `huracan signal`: what would be done now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Value, json};

use super::{candles, table};
use crate::bars::Panel;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::kill;
use crate::live::{Account, Answer, LiveMarket, LiveModels, Terms, TermsError, answer, answer_table, counts};
use crate::settings::{Purpose, Settings, check_combinations};
use crate::text::time_text;

/// When a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// At this time, milliseconds since 1970 UTC.
    At(i64),
    /// When the newest bar closes.
    Newest,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self::At(Utc::now().timestamp_millis())
    }

    /// The time, unless it follows from the candles.
    pub fn at_ms(self) -> Option<i64> {
        match self {
            Self::At(at_ms) => Some(at_ms),
            Self::Newest => None,
        }
    }

    /// The moment that a text names: `newest`, or a time as in `2026-11-30T10:00Z`; without a zone it is UTC.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "newest" {
            return Ok(Self::Newest);
        }
        let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis());
        let plain = text.trim_end_matches('Z');
        let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
        let utc = || formats.iter().find_map(|format| NaiveDateTime::parse_from_str(plain, format).ok());
        match zoned.ok().or_else(|| utc().map(|time| time.and_utc().timestamp_millis())) {
            Some(time_ms) => Ok(Self::At(time_ms)),
            None => Err(format!("'{text}' is no time; give one like 2026-11-30T10:00Z, or newest")),
        }
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The workdir, whose kill switch counts.
    pub workdir: &'a Path,
    /// Folder of candles.
    pub candles: &'a Path,
    /// Folder of models; that of the workdir without one.
    pub models: Option<&'a Path>,
    /// Account file.
    pub account: Option<&'a Path>,
    /// When it is asked.
    pub moment: Moment,
    /// Where the table is written.
    pub out: Option<&'a Path>,
}

/// What is answered.
pub struct Answered {
    /// One entry per coin.
    pub answers: Vec<Answer>,
    /// For `--json`.
    pub json: Value,
}

/// Decides on the newest closed bar of every coin.
///
/// # Errors
/// Bad candles, models or account; candles that are stale altogether; a file that cannot be written.
pub fn run(settings: &Settings, request: &Request<'_>) -> Result<Answered, CommandFailure> {
    let folder = request.models.map_or_else(|| request.workdir.join("models"), Path::to_owned);
    let account = request.account.map(Account::read).transpose().or_exit(Code::BadData)?;
    let models = load(&folder)?;
    let (terms, settings) = terms(settings, &models)?;
    let panel = candles::read_panel_until(request.candles, &settings, request.moment.at_ms())?;
    let simulated = panel.simulated;
    let killed = is_killed(request.workdir, &models);
    let market = begin(panel, models, terms, request.moment)?;
    let answers =
        answer(&market, account.as_ref(), killed).map_err(|reason| CommandFailure::new(Code::BadData, reason))?;
    let frame = answer_table(&answers, simulated)?;
    let actions: serde_json::Map<String, Value> =
        counts(&answers).into_iter().map(|(action, count)| (action.to_owned(), count.into())).collect();
    let mut json = json!({
        "simulated": simulated,
        "bar": time_text(market.newest_ms()),
        "closed": time_text(market.newest_ms() + market.panel().timeframe.ms()),
        "actions": actions,
        "signals": table::rows(&frame)?,
    });
    if let Some(out) = request.out {
        table::write(out, frame).or_exit(Code::Failed)?;
        json["out"] = json!(out);
    }
    Ok(Answered { answers, json })
}

/// Loads the approved models of a folder.
///
/// # Errors
/// As [`LiveModels::load`].
pub fn load(folder: &Path) -> Result<Arc<LiveModels>, CommandFailure> {
    Ok(Arc::new(LiveModels::load(folder).or_exit(Code::BadData)?))
}

/// The rules that models were judged by, and the settings by which their candles are read.
///
/// # Errors
/// As [`Terms::of`].
pub fn terms(settings: &Settings, models: &LiveModels) -> Result<(Terms, Settings), CommandFailure> {
    let all = || models.approved.iter().map(|model| &model.bundle.metadata);
    let terms = Terms::of(all(), settings).map_err(|fault| {
        let code = if matches!(fault, TermsError::Setting { .. }) { Code::Usage } else { Code::BadData };
        CommandFailure::new(code, fault)
    })?;
    let mut settings = settings.clone();
    settings.market.kind = terms.market_type;
    (settings.labels, settings.decide) = (terms.labels.clone(), terms.decide.clone());
    (settings.costs, settings.risk) = (terms.costs.clone(), terms.risk.clone());
    check_combinations(&settings, Purpose::Tables).or_exit(Code::Usage)?;
    let mut gaps = all().filter_map(|metadata| Some((&metadata.symbol, metadata.inputs.as_ref()?.max_gap_bars)));
    if let Some((one, bars)) = gaps.next() {
        if let Some((other, _)) = gaps.find(|(_, other)| *other != bars) {
            let (one, other, section) = (one.clone(), other.clone(), "market.max_gap_bars");
            return Err(CommandFailure::new(Code::BadData, TermsError::Different { one, other, section }));
        }
        if !settings.explicit.contains("market.max_gap_bars") {
            settings.market.max_gap_bars = bars;
        }
    }
    Ok((terms, settings))
}

/// The market of a history at a moment, by the rules of its models.
///
/// # Errors
/// As [`LiveMarket::new`].
pub fn begin(
    panel: Panel,
    models: Arc<LiveModels>,
    terms: Terms,
    moment: Moment,
) -> Result<LiveMarket, CommandFailure> {
    super::backtest::warn_of_missing_inputs(&panel, models.approved.iter());
    let at_ms = match moment {
        Moment::At(at_ms) => at_ms,
        Moment::Newest => panel.time_ms(panel.bars),
    };
    LiveMarket::new(panel, models, terms, at_ms).or_exit(Code::BadData)
}

/// Whether the kill switch of the workdir is on, or that of a workdir of the models.
pub fn is_killed(workdir: &Path, models: &LiveModels) -> bool {
    std::iter::once(workdir).chain(models.workdirs.iter().map(PathBuf::as_path)).any(|own| kill::status(own).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_in_utc() {
        let at = |text: &str| Moment::parse(text);
        let want = Ok(Moment::At(1_796_032_800_000));
        for text in [
            "2026-11-30T10:00Z",
            "2026-11-30T10:00",
            "2026-11-30 10:00:00",
            "2026-11-30T10:00:00.000Z",
            "2026-11-30T11:00:00+01:00",
        ] {
            assert_eq!(at(text), want, "{text}");
        }
        assert_eq!(at("newest"), Ok(Moment::Newest));
        assert!(at("soon").unwrap_err().starts_with("'soon' is no time"));
    }
}
