//! Validation of jobs and hyperparameters before training.

use super::{BoostError, BoostJob, BoostParams, Ensemble, Growth, MAX_CELLS, MAX_CLASSES, Objective, Table};

/// Most leaves per tree.
const MAX_LEAVES: u32 = 1 << 16;

impl BoostJob {
    /// Checks the job, to be trained with `params`, against the table that holds its rows.
    ///
    /// # Errors
    /// The first fault: no features or rows, too many cells, lengths that differ, a row outside the table, a weight or label
    /// that is not allowed, or a hyperparameter out of range.
    pub fn check(&self, params: &BoostParams, table: Table<'_>) -> Result<(), BoostError> {
        let job = || self.name.clone();
        if table.features == 0 {
            return Err(BoostError::NoFeatures { job: job() });
        }
        if self.train.is_empty() {
            return Err(BoostError::NoRows { job: job() });
        }
        let parts = [
            (&self.train, &self.train_labels, &self.train_weights),
            (&self.valid, &self.valid_labels, &self.valid_weights),
        ];
        for (rows, labels, weights) in parts {
            let rows_count = rows.len();
            if rows_count as u64 * table.features as u64 > MAX_CELLS || rows_count > i32::MAX as usize {
                return Err(BoostError::Cells { job: job(), rows: rows_count, features: table.features });
            }
            if rows_count != labels.len() {
                return Err(BoostError::Lengths { job: job(), rows: rows_count, what: "labels", found: labels.len() });
            }
            if !weights.is_empty() && rows_count != weights.len() {
                return Err(BoostError::Lengths {
                    job: job(),
                    rows: rows_count,
                    what: "weights",
                    found: weights.len(),
                });
            }
            if let Some(&row) = rows.iter().find(|&&row| row as usize >= table.rows()) {
                return Err(BoostError::Row { job: job(), row, rows: table.rows() });
            }
            if let Some(row) = weights.iter().position(|w| !(*w >= 0.0 && w.is_finite())) {
                return Err(BoostError::Weight { job: job(), row, value: weights[row].to_string() });
            }
            if !weights.is_empty() && weights.iter().all(|&w| w == 0.0) {
                return Err(BoostError::NoWeight { job: job() });
            }
        }
        params.check(&self.name)?;
        let constraints = params.monotone.len();
        if constraints != 0 && constraints != table.features {
            return Err(BoostError::Monotone { job: job(), features: table.features, constraints });
        }
        self.check_labels(params.objective)
    }

    fn check_labels(&self, objective: Objective) -> Result<(), BoostError> {
        let expected = match objective {
            Objective::Binary => "a binary label is 0 or 1".to_owned(),
            Objective::Regression | Objective::Quantile { .. } | Objective::Huber { .. } => {
                "a label is a finite number".to_owned()
            }
            Objective::Multiclass { classes } => format!("a class is a whole number from 0 to {}", classes - 1),
        };
        let is_allowed = |label: f32| match objective {
            Objective::Binary => label == 0.0 || label == 1.0,
            Objective::Regression | Objective::Quantile { .. } | Objective::Huber { .. } => label.is_finite(),
            Objective::Multiclass { classes } => label >= 0.0 && label < classes as f32 && label.fract() == 0.0,
        };
        match self.train_labels.iter().chain(&self.valid_labels).enumerate().find(|(_, label)| !is_allowed(**label)) {
            None => Ok(()),
            Some((row, label)) => {
                Err(BoostError::Label { job: self.name.clone(), row, value: label.to_string(), expected })
            }
        }
    }
}

impl BoostParams {
    /// Checks every hyperparameter; `job` is the name that the error carries.
    ///
    /// # Errors
    /// [`BoostError::Parameter`] for the first one that is out of range or does not suit another one.
    pub fn check(&self, job: &str) -> Result<(), BoostError> {
        let fault =
            |key, value: String, expected| Err(BoostError::Parameter { job: job.to_owned(), key, value, expected });
        if self.rounds == 0 {
            return fault("rounds", "0".into(), "at least 1");
        }
        if !(2..=255).contains(&self.max_bin) {
            return fault("max-bin", self.max_bin.to_string(), "from 2 to 255");
        }
        match self.growth {
            Growth::Level if !(1..=20).contains(&self.max_depth) => {
                return fault("max-depth", self.max_depth.to_string(), "from 1 to 20");
            }
            Growth::Leaf if self.max_depth > 1000 => {
                return fault("max-depth", self.max_depth.to_string(), "from 1 to 1000, or 0 for no limit");
            }
            Growth::Leaf if !(2..=MAX_LEAVES).contains(&self.max_leaves) => {
                return fault("max-leaves", self.max_leaves.to_string(), "from 2 to 65536");
            }
            Growth::Level | Growth::Leaf => {}
        }
        let shares =
            [("subsample", self.subsample), ("colsample", self.colsample), ("colsample-node", self.colsample_node)];
        for (key, value) in shares {
            if !(value > 0.0 && value <= 1.0) {
                return fault(key, value.to_string(), "above 0, at most 1");
            }
        }
        for (key, value) in [("learning-rate", self.learning_rate), ("scale-pos-weight", self.scale_pos_weight)] {
            if !(value > 0.0 && value.is_finite()) {
                return fault(key, value.to_string(), "above 0");
            }
        }
        let penalties =
            [("l2", self.l2), ("min-child-hessian", self.min_child_hessian), ("min-split-gain", self.min_split_gain)];
        for (key, value) in penalties {
            if !(value >= 0.0 && value.is_finite()) {
                return fault(key, value.to_string(), "0 or more");
            }
        }
        if self.ensemble == Ensemble::Forest
            && self.subsample >= 1.0
            && self.colsample >= 1.0
            && self.colsample_node >= 1.0
        {
            let expected =
                "below 1 for a forest, unless --colsample or --colsample-node is; otherwise all its trees are the same";
            return fault("subsample", self.subsample.to_string(), expected);
        }
        self.check_objective(job)
    }

    fn check_objective(&self, job: &str) -> Result<(), BoostError> {
        let fault =
            |key, value: String, expected| Err(BoostError::Parameter { job: job.to_owned(), key, value, expected });
        if self.scale_pos_weight != 1.0 && self.objective != Objective::Binary {
            return fault("scale-pos-weight", self.scale_pos_weight.to_string(), "1 unless the objective is binary");
        }
        if let Some(other) = self.monotone.iter().find(|sign| !(-1..=1).contains(*sign)) {
            return fault("monotone", other.to_string(), "−1, 0 or 1");
        }
        match self.objective {
            Objective::Multiclass { classes } if !(2..=MAX_CLASSES).contains(&classes) => {
                fault("number of classes", classes.to_string(), "from 2 to 1000")
            }
            Objective::Quantile { alpha } if !(alpha > 0.0 && alpha < 1.0) => {
                fault("alpha", alpha.to_string(), "between 0 and 1")
            }
            Objective::Huber { delta } if !(delta > 0.0 && delta.is_finite()) => {
                fault("delta", delta.to_string(), "above 0")
            }
            // Leaf outputs are refitted to percentiles, one leaf at a time: nothing keeps neighbouring leaves in order.
            Objective::Quantile { .. } if self.monotone.iter().any(|&sign| sign != 0) => {
                fault("monotone", "given".into(), "left out with the quantile objective; use huber")
            }
            Objective::Binary
            | Objective::Regression
            | Objective::Multiclass { .. }
            | Objective::Quantile { .. }
            | Objective::Huber { .. } => Ok(()),
        }
    }
}
