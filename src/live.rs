//! What would be done now: the decision on the newest closed bar of every coin, sized for an account.
//!
//! The models, the rules and the arithmetic are those of a run and of `backtest`; only the order of the work is another. A backtest
//! computes every bar of a history at once, a live market keeps what the bars before left and adds one.

mod account;
mod answer;
mod decision;
mod error;
mod lots;
mod market;
mod models;
mod seen;
mod table;
mod terms;

pub use account::{Account, AccountError};
pub use answer::{Action, Answer, answer};
pub use decision::Decision;
pub use error::LiveError;
pub use market::LiveMarket;
pub use models::LiveModels;
pub use table::{answer_table, counts, decision_columns, wait_name};
pub use terms::{Terms, TermsError};
