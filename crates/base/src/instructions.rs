//! The vector instructions that the CPU's code is written for. All give the same bits.

use std::sync::OnceLock;

static USED: OnceLock<Instructions> = OnceLock::new();

/// A set of vector instructions, the slowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Instructions {
    /// No vector instructions but those that the compiler comes up with.
    Plain,
    /// SSE2, which every x86-64 has.
    Sse2,
    /// NEON, which every aarch64 has.
    Neon,
    /// AVX2, of x86-64.
    Avx2,
    /// AVX-512 with its F, BW, DQ and VL parts, of x86-64.
    Avx512,
}

impl Instructions {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Sse2, Self::Neon, Self::Avx2, Self::Avx512];

    /// The name for [`Self::choose`] and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sse2 => "sse2",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this processor has them.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2");
            match self {
                Self::Plain | Self::Sse2 => true,
                Self::Neon => false,
                Self::Avx2 => avx2,
                Self::Avx512 => {
                    avx2 && is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512bw")
                        && is_x86_feature_detected!("avx512dq")
                        && is_x86_feature_detected!("avx512vl")
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Plain || self == Self::Neon && cfg!(target_arch = "aarch64")
        }
    }

    /// Those that this processor has, the fastest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().rev().filter(|set| set.is_available()).collect()
    }

    /// Those that are used: the fastest, unless others were chosen. They do not change while the program runs.
    pub fn used() -> Self {
        *USED.get_or_init(|| Self::available()[0])
    }

    /// Chooses what is used, by its name. It must be called before anything is computed.
    ///
    /// # Errors
    /// A sentence for the user if there are no such instructions, this processor lacks them, or others are in use.
    pub fn choose(name: &str) -> Result<(), String> {
        let available = Self::available();
        let Some(chosen) = available.iter().find(|set| set.name() == name) else {
            let names: Vec<&str> = available.iter().map(|set| set.name()).collect();
            return Err(format!(
                "'{name}' is not an instruction set of this processor, which has {}",
                names.join(", ")
            ));
        };
        let used = *USED.get_or_init(|| *chosen);
        if used == *chosen { Ok(()) } else { Err(format!("the program already uses {}", used.name())) }
    }
}

/// Defines a function whose loops the compiler makes once for each set of vector instructions. It has a first argument that chooses
/// among them; of instructions that the processor lacks it runs the form for every processor. All give the same bits: vector lanes
/// do not change the operations, and nothing is fused. What the body calls has to be `#[inline(always)]`, or it is made for
/// no instructions but those that every processor has.
#[macro_export]
macro_rules! widest {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$attribute])*
        $visibility fn $name(instructions: $crate::Instructions, $($argument: $type),*) $(-> $out)? {
            #[inline(always)]
            fn body($($argument: $type),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,avx512f,avx512vl,avx512dq,avx512bw")]
                fn avx512($($argument: $type),*) $(-> $out)? {
                    body($($argument),*)
                }
                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) $(-> $out)? {
                    body($($argument),*)
                }
                match instructions {
                    // SAFETY: the processor has them.
                    $crate::Instructions::Avx512 if instructions.is_available() => return unsafe { avx512($($argument),*) },
                    // SAFETY: as above.
                    $crate::Instructions::Avx2 if instructions.is_available() => return unsafe { avx2($($argument),*) },
                    _ => {}
                }
            }
            let _ = instructions;
            body($($argument),*)
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith;

    widest! {
        fn functions(inputs: &[f64], out: &mut [[f64; 4]]) {
            for (out, &x) in out.iter_mut().zip(inputs) {
                let rounded = arith::round_to_i32(x.clamp(-1e9, 1e9));
                *out = [arith::exp(x), arith::ln(x), arith::sigmoid(x), f64::from(rounded) * 0.1 + x];
            }
        }
    }

    #[test]
    fn wide_loops_have_the_bits_of_single_calls() {
        let spread = |n: u64| {
            let magnitude = arith::exp((arith::uniform(arith::draw(1, 0, n)) - 0.5) * 1400.0);
            if arith::draw(1, 1, n).is_multiple_of(2) { magnitude } else { -magnitude }
        };
        let near = |n: u64| (arith::uniform(arith::draw(2, 0, n)) - 0.5) * 60.0;
        let special =
            [0.0, -0.0, 1.0, f64::MIN_POSITIVE, 5e-324, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 709.9, -745.2];
        let inputs: Vec<f64> = special.into_iter().chain((0..5000).map(spread)).chain((0..5000).map(near)).collect();
        for instructions in Instructions::ALL {
            let mut wide = vec![[0.0; 4]; inputs.len()];
            functions(instructions, &inputs, &mut wide);
            for (wide, &x) in wide.iter().zip(&inputs) {
                let rounded = arith::round_to_i32(x.clamp(-1e9, 1e9));
                let single = [arith::exp(x), arith::ln(x), arith::sigmoid(x), f64::from(rounded) * 0.1 + x];
                let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                assert!(wide.iter().zip(&single).all(same), "{x:e} with {instructions:?}: {wide:?} {single:?}");
            }
        }
    }

    #[test]
    fn plain_instructions_are_always_there_and_come_last() {
        let available = Instructions::available();
        assert_eq!(available.last(), Some(&Instructions::Plain));
        assert!(available.is_sorted_by(|a, b| a > b), "{available:?}");
        assert!(available.contains(&Instructions::used()));
    }

    #[test]
    fn what_is_used_does_not_change() {
        let used = Instructions::used();
        assert_eq!(Instructions::choose(used.name()), Ok(()));
        for other in Instructions::available().into_iter().filter(|&set| set != used) {
            assert!(Instructions::choose(other.name()).unwrap_err().starts_with("the program already uses"));
        }
        assert!(Instructions::choose("mmx").unwrap_err().ends_with("plain"));
        assert_eq!(Instructions::used(), used);
    }
}
