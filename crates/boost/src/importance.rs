//! Feature importance: for one prediction (SHAP values), and over many rows.

mod paths;
mod permutation;
mod quadrature;
mod shap;

pub use permutation::{PermutationImportance, permutation_importance};
pub use shap::contributions;

/// Mean |SHAP value| of each feature over rows, summed over classes: how far a feature moves the raw score.
///
/// `contributions` are those of [`contributions`](fn@contributions), `[rows × classes × (features + 1)]`. The result is
/// `[features]`, in the unit of the raw score, and 0 without rows.
///
/// # Panics
/// The contributions are not whole rows.
pub fn mean_absolute_contributions(contributions: &[f64], classes: usize, features: usize) -> Vec<f64> {
    let per_row = classes * (features + 1);
    assert!(contributions.len().is_multiple_of(per_row), "{} contributions in rows of {per_row}", contributions.len());
    let mut mean = vec![0.0; features];
    for class in contributions.chunks_exact(features + 1) {
        mean.iter_mut().zip(class).for_each(|(sum, value)| *sum += value.abs());
    }
    let rows = (contributions.len() / per_row).max(1) as f64;
    mean.iter_mut().for_each(|sum| *sum /= rows);
    mean
}

#[cfg(test)]
mod tests;
