//! The calibration in a model's files.

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{FORMAT, OLDER_FORMATS, RawBundle};
use crate::decide::{Calibration, Head, HeadCalibration};
use crate::trainer::Mix;

/// SHA-256 (hex) of what makes predictions of raw scores: the calibration and the mix.
pub fn calibration_digest(calibration: &Calibration, mix: &Mix) -> String {
    crate::text::hex(&Sha256::digest(json!({ "calibration": calibration.heads, "mix": mix }).to_string()))
}

/// The calibration of a pickle, which its format demands or rules out.
pub(super) fn read_calibration(raw: &RawBundle) -> Result<Option<Calibration>, String> {
    if raw.calibration.is_empty() {
        let older = OLDER_FORMATS[usize::from(!raw.mix.is_empty())];
        return if raw.format == older {
            Ok(None)
        } else {
            let reads = format!("this program reads '{FORMAT}' with a calibration, and older ones without");
            Err(format!("its format is '{}', {reads}", raw.format))
        };
    }
    if raw.format != FORMAT {
        return Err(format!("its format is '{}', but it has a calibration, which belongs to '{FORMAT}'", raw.format));
    }
    let head =
        |head: Head| raw.calibration.get(&head).copied().ok_or(format!("the calibration lacks the head '{head}'"));
    let [long, short, edge] = Head::ALL.map(head);
    let calibration = Calibration { heads: [long?, short?, edge?] };
    if !calibration.heads.iter().all(HeadCalibration::is_valid) {
        return Err("the calibration holds a number that is not finite, or a slope or reach below 0".to_owned());
    }
    Ok(Some(calibration))
}
