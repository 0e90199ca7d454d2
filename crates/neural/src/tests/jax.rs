//! The same network in JAX, with the same initial weights (`benches/peers/neural_jax.py reference`).

use serde::Deserialize;

use super::super::adamw::{AdamW, clip};
use super::super::layers::{self, Shape};
use super::super::step::{self, Workspace};
use super::HEADS;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
pub struct Case {
    pub window: usize,
    pub width: usize,
    pub blocks: usize,
    pub features: usize,
    pub smoothing: f32,
    pub rate: f32,
    pub decay: f64,
    pub clip: f64,
    pub initial: Vec<f32>,
    pub inputs: Vec<f32>,
    pub labels: Vec<f32>,
    /// Before each of 50 steps.
    pub losses: Vec<f64>,
}

pub fn cases() -> Vec<Case> {
    let reference: Reference = serde_json::from_str(include_str!("jax.json")).unwrap();
    assert_eq!(reference.cases.iter().map(|case| case.window).collect::<Vec<_>>(), [1, 8]);
    reference.cases
}

#[test]
fn fifty_steps_have_the_losses_of_jax() {
    for case in cases() {
        let shape = Shape { window: case.window, width: case.width, blocks: case.blocks };
        let layers = layers::layers(shape, case.features, HEADS.len());
        let rows = case.labels.len() / HEADS.len();
        let mut parameters = case.initial;
        assert_eq!(parameters.len(), layers::count(&layers));
        let mut optimiser = AdamW::new((vec![0.0; parameters.len()], vec![0.0; parameters.len()]), 0, case.decay);
        let mut work = Workspace::default();
        (work.inputs, work.labels) = (case.inputs, case.labels);
        assert_eq!(case.losses.len(), 50);
        for (step, want) in case.losses.iter().enumerate() {
            let mut losses = [0.0; 3];
            step::forward(&layers, &parameters, &mut work, rows, None);
            step::backward(&layers, &HEADS, &parameters, &mut work, rows, case.smoothing, &mut losses);
            let found = losses.iter().sum::<f64>() / (rows * HEADS.len()) as f64;
            assert!((found - want).abs() < 1e-4, "window {}, step {step}: {found}, in JAX {want}", case.window);
            let gradient = &mut work.gradient[..parameters.len()];
            clip(gradient, case.clip);
            optimiser.step(&layers, &mut parameters, gradient, case.rate);
        }
    }
}
