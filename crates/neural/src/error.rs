//! Errors of a job.

/// Why a network was not trained. Every variant names the job.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NeuralError {
    /// A hyperparameter is out of range.
    #[error("{job}: {key} is {value}; {expected}")]
    Parameter {
        /// Name of the job.
        job: String,
        /// Name of the parameter.
        key: &'static str,
        /// Its value.
        value: String,
        /// What to give instead.
        expected: &'static str,
    },
    /// There are no training rows.
    #[error("{job}: no rows to train on")]
    NoRows {
        /// Name of the job.
        job: String,
    },
    /// There are no validation rows, but early stopping needs them.
    #[error("{job}: no rows to validate on")]
    NoValidation {
        /// Name of the job.
        job: String,
    },
    /// A row does not belong to the job's symbol, or is outside the table.
    #[error("{job}: row {row} is outside the job's rows {from} to {to}")]
    Row {
        /// Name of the job.
        job: String,
        /// The row.
        row: u32,
        /// The first row of the symbol.
        from: u32,
        /// One past its last row.
        to: u32,
    },
    /// There are more or fewer names than features.
    #[error("{job}: {names} names for {features} features")]
    Features {
        /// Name of the job.
        job: String,
        /// Number of names.
        names: usize,
        /// Number of features.
        features: usize,
    },
    /// There is not one label per row and head.
    #[error("{job}: {labels} labels for {rows} rows of {heads} heads")]
    Labels {
        /// Name of the job.
        job: String,
        /// Number of labels.
        labels: usize,
        /// Number of rows.
        rows: usize,
        /// Number of heads.
        heads: usize,
    },
    /// A label does not suit its head.
    #[error("{job}: the label of row {row} is {value}; {expected}")]
    Label {
        /// Name of the job.
        job: String,
        /// The row.
        row: u32,
        /// The label.
        value: f32,
        /// What to give instead.
        expected: &'static str,
    },
    /// The loss or a parameter became infinite or not a number.
    #[error("{job}: the loss is not a finite number in epoch {epoch}; try a smaller learning_rate")]
    Diverged {
        /// Name of the job.
        job: String,
        /// The epoch, counted from 0.
        epoch: u32,
    },
    /// Burn or its device failed.
    #[error("{job}: Burn failed on {device}: {reason}; free some of its memory, or use --device cpu")]
    Backend {
        /// Name of the job.
        job: String,
        /// The device, as Burn names it.
        device: String,
        /// What was reported.
        reason: String,
    },
    /// Training was cancelled.
    #[error("{job}: cancelled")]
    Cancelled {
        /// Name of the job.
        job: String,
    },
}
