//! Portfolio and risk: what an account would have made of unit trades, decided in the order of events over all symbols.
//!
//! Shadow trades know nothing of each other. Here one account meets them as they come: it sizes each one, cuts it down to
//! the tightest cap, or refuses it with a reason; and circuit breakers stop or shrink what follows. An order exists only as
//! [`RiskApproved`], which nothing outside this room can make.
//!
//! Within a bar the order is: exits at the open; entries at that open, symbols in the panel's order; exits within the
//! bar; exits at the close; marks at the close. A day ends at midnight UTC and a bar belongs to the day of its open.

mod breakers;
mod defence;
mod follow;
mod ledger;
mod limits;
mod money;
mod order;
mod params;
mod portfolio;

pub use breakers::{Breaker, BreakerEvent};
pub use defence::{defence_mode, mean_volatility};
pub use follow::{follow, follow_alone};
pub use ledger::{Ledger, Peaks, Taken};
pub use limits::{BreakerLimits, Limits};
pub use money::Money;
pub use order::{Bound, LEAST_NOTIONAL, LEAST_SHARE, Order, Refusal, RiskApproved, RiskRefused};
pub use params::RiskParams;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
