//! Numbers as a page shows them.

/// Uses a typographic minus sign, and removes the sign of zero.
pub(crate) fn minus(text: String) -> String {
    let zero = !text.contains(|c| ('1'..='9').contains(&c));
    if zero { text.replace(['-', '+'], "") } else { text.replace('-', "−") }
}
