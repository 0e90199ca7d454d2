//! Portfolio and risk: position sizes, caps and circuit breakers of an account, applied in the order of events over all
//! symbols.
//!
//! Trades are simulated independently of each other. Here one account is offered them in time order. It sizes each trade
//! down to the tightest cap, or refuses it with a reason; a trade on which it cannot decide, because the symbol has a
//! position already, is skipped. Circuit breakers stop trading or reduce later sizes. An approved order is a
//! [`RiskApproved`], which only this crate can construct.
//!
//! Events within a bar are processed in this order: exits at the open; entries at that open, the greatest merit first
//! ([`Offer::merit`]); exits within the bar; exits at the close; marks at the close. A day ends at midnight UTC, and a
//! bar belongs to the day of its open.

mod breakers;
mod defence;
mod follow;
mod ledger;
mod limits;
mod money;
mod offer;
mod order;
mod params;
mod portfolio;
mod recent_high;
mod standing;

pub use breakers::{Breaker, BreakerEvent};
pub use defence::{defence_mode, mean_volatility};
pub use follow::{follow, follow_without_breakers};
pub use ledger::{Ledger, PeakUse, TakenTrade};
pub use limits::{BreakerLimits, Limits};
pub use money::Money;
pub use offer::Offer;
pub use order::{MIN_NOTIONAL, MIN_SIZE_SHARE, Order, Refusal, RiskApproved, RiskRefused, SizeLimit};
pub use params::RiskParams;
pub use standing::{Held, Standing, Streak, is_in_defence};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
