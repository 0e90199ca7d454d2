//! What each column adds to a prediction of a finished model.

use super::predict::CalibratedModel;
use crate::boost::{Forest, Table};
use crate::decide::Head;
use crate::trainer::{CalibratedTrees, Family, FamilyModels};

/// Why a prediction has no contributions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoContributions {
    /// What a column adds to a network is not known.
    #[error(
        "networks take part in its head '{head}', and what a column adds to them is not known; leave --contributions out, \
         choose a --head without networks, or train with models.kind=gbdt or models.kind=forest"
    )]
    Networks {
        /// The head.
        head: Head,
    },
    /// A mean of probabilities is no sum of log odds.
    #[error(
        "its head '{head}' is the mean of the probabilities of several families, to which no shares add up; leave \
         --contributions out, choose another --head, or train with models.kind=gbdt or models.kind=forest"
    )]
    Mean {
        /// The head.
        head: Head,
    },
}

impl CalibratedModel {
    /// What each column adds to the prediction of a head: see [`CalibratedTrees::contributions`].
    ///
    /// # Errors
    /// A prediction that is no sum of shares.
    ///
    /// # Panics
    /// The table has other columns than the model, or a row is outside it.
    pub fn contributions(&self, head: Head, table: Table<'_>, rows: &[u32]) -> Result<Vec<f64>, NoContributions> {
        let trees = |family: Family| -> Option<&Forest> {
            match family {
                Family::Gbdt => self.bundle.heads.get(&head),
                _ => self.bundle.other_families.get(&family).and_then(FamilyModels::trees)?.get(&head),
            }
        };
        let mix = self.bundle.mix.get(&head).map_or(&[Family::Gbdt][..], Vec::as_slice);
        let families: Option<Vec<&Forest>> = mix.iter().map(|family| trees(*family)).collect();
        let families = families.ok_or(NoContributions::Networks { head })?;
        if families.len() > 1 && head != Head::EdgeBps {
            return Err(NoContributions::Mean { head });
        }
        let own = trees(Family::Own);
        let calibration = self.calibration.head(head);
        Ok(CalibratedTrees { head, families, own, calibration, atr_share: self.atr_share }.contributions(table, rows))
    }
}
