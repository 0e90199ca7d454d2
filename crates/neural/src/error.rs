//! What can be wrong with a job.

/// A job that cannot be trained, with its name.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NeuralError {
    #[error("{job}: {key} is {value}; {expected}")]
    Parameter { job: String, key: &'static str, value: String, expected: &'static str },
    #[error("{job}: no rows to train on")]
    NoRows { job: String },
    #[error("{job}: no rows to validate on")]
    NoValidation { job: String },
    #[error("{job}: row {row} lies outside the job's rows {from} to {to}")]
    Row { job: String, row: u32, from: u32, to: u32 },
    #[error("{job}: {names} names for {features} features")]
    Features { job: String, names: usize, features: usize },
    #[error("{job}: {labels} labels for {rows} rows of {heads} heads")]
    Labels { job: String, labels: usize, rows: usize, heads: usize },
    #[error("{job}: the label of row {row} is {value}; {expected}")]
    Label { job: String, row: u32, value: f32, expected: &'static str },
    #[error("{job}: the loss is no number any more in epoch {epoch}; a smaller learning_rate may help")]
    Diverged { job: String, epoch: u32 },
    #[error("{job}: Burn on {device} gave up: {reason}; leave more of its memory free, or use --device cpu")]
    Backend { job: String, device: String, reason: String },
    #[error("{job}: stopped")]
    Stopped { job: String },
}
