//! The first GPU, where there is one.

use super::*;
use crate::{Backend, train};

#[test]
fn a_gpu_trains_what_the_cores_train_and_its_absence_is_told() {
    let values = table(600);
    let table = Table { values: &values, features: FEATURES };
    let jobs = various(&values, 4);
    let backend = Backend::Cuda { index: 0, free_bytes: 1 << 30 };
    let outcomes = train(&backend, table, &names(), &jobs, &());
    for ((outcome, want), job) in outcomes.iter().zip(by_cores(&values, &jobs, &())).zip(&jobs) {
        match outcome {
            Ok(found) => {
                // Its products round to TF32.
                let (a, b) = (found.best().unwrap().loss(), want.unwrap().best().unwrap().loss());
                assert!((a - b).abs() < 0.03, "{}: {a}, {b}", job.name);
            }
            Err(error) => {
                let said = error.to_string();
                assert!(said.starts_with(&format!("{}: Burn on ", job.name)) && said.ends_with("or use --device cpu"));
                assert!(!said.contains("RecvError"), "what the device's thread said is lost: {said}");
                assert!(!std::path::Path::new("/dev/nvidia0").exists(), "there is a GPU: {said}");
            }
        }
    }
}
