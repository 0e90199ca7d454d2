//! Whether a device computes what the CPU does: a small launch for `doctor`.

use huracan_base::arith;

use crate::{EngineError, Kernel, Shape, Stage};

const ARITHMETIC: Kernel = Kernel { file: "selftest", name: "selftest_arithmetic", barriers: false };

/// Numbers that are computed.
const COUNT: usize = 1000;
/// Results per number: logarithm, exponential, sigmoid, root, rounded value, exponent.
const RESULTS: usize = 6;
const SEED: u64 = 7;

impl Stage<'_> {
    /// Compiles and launches a kernel, and compares its results with the CPU's. Returns how many are equal, and how many there
    /// are.
    ///
    /// # Errors
    /// [`EngineError`] if the device fails anywhere on the way.
    pub fn self_test(&self) -> Result<(usize, usize), EngineError> {
        let numbers: Vec<f64> =
            (0..COUNT).map(|i| arith::uniform(arith::draw(SEED, 0, i as u64)) * 20.0 - 10.0).collect();
        let input = self.upload(&numbers)?;
        let (mut out, mut draws) = (self.zeros::<f64>(COUNT * RESULTS)?, self.zeros::<u64>(COUNT * 2)?);
        let launch = self.launch(&ARITHMETIC, Shape::one_thread_each(COUNT, 128)).read(&input).write(&mut out);
        // SAFETY: a thread per number; further ones return. It writes the six results and two draws of its number.
        unsafe { launch.write(&mut draws).value(SEED).value(COUNT as u32).run() }?;
        let found = self.download(&out)?;
        let expected = numbers.iter().flat_map(|&x| {
            [
                arith::ln(x),
                arith::exp(x),
                arith::sigmoid(x),
                x.abs().sqrt(),
                arith::round_to_i64(x) as f64,
                f64::from(arith::exponent_above(x)),
            ]
        });
        let same = |(found, expected): (&f64, f64)| {
            found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan())
        };
        Ok((found.iter().zip(expected).filter(|&pair| same(pair)).count(), found.len()))
    }
}
