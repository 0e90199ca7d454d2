//! The vector instructions that the CPU computes with, as the environment chooses them.

use crate::Instructions;

/// The environment variable that names them.
const VARIABLE: &str = "HURACAN_INSTRUCTIONS";

/// Uses the instructions that `HURACAN_INSTRUCTIONS` names, if it is set.
///
/// # Errors
/// As [`Instructions::choose`], and if the variable is not text.
pub fn instructions_from_environment() -> Result<(), String> {
    let Some(name) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let name = name.to_str().ok_or_else(|| format!("{VARIABLE} is not text"))?;
    Instructions::choose(name).map_err(|why| format!("{VARIABLE}: {why}"))
}
