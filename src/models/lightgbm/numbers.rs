//! Numbers as a model text has them.

use std::fmt::Write;

/// Values with a space between two.
pub(super) fn joined<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut out = String::new();
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        let _ = write!(out, "{value}");
    }
    out
}

/// The fewest digits that read back to the same bits, at most 17.
pub(super) fn number(x: f64) -> String {
    let plain = x == 0.0 || (1e-5..1e17).contains(&x.abs()) || !x.is_finite();
    if plain { format!("{x}") } else { format!("{x:e}") }
}
