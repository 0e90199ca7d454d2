//! Names of devices, as settings choose them and as a run computes on them.

use std::fmt;
use std::str::FromStr;

use crate::cuda;

/// Most GPUs that a run can use, and one more than the highest number of one.
const MOST_CARDS: usize = 64;

/// GPUs by their numbers: the driver's, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cards(u64);

impl Cards {
    /// One GPU.
    ///
    /// # Panics
    /// If its number is 64 or more.
    pub const fn one(index: usize) -> Self {
        assert!(index < MOST_CARDS, "GPUs have numbers below 64");
        Self(1 << index)
    }

    /// These GPUs; none if a number is 64 or more, or there is none.
    pub fn of(indices: impl IntoIterator<Item = usize>) -> Option<Self> {
        let all = indices.into_iter().try_fold(0, |all, index| (index < MOST_CARDS).then(|| all | 1_u64 << index))?;
        (all != 0).then_some(Self(all))
    }

    /// Their numbers, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..MOST_CARDS).filter(move |index| self.0 >> index & 1 == 1)
    }

    /// The one with the lowest number.
    pub fn first(self) -> usize {
        self.0.trailing_zeros() as usize
    }
}

impl fmt::Display for Cards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cuda")?;
        self.iter()
            .enumerate()
            .try_for_each(|(place, index)| write!(f, "{}{index}", if place == 0 { ':' } else { ',' }))
    }
}

/// The value of `--device` or `engine.device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// `auto`: the program chooses, see [`DeviceChoice::resolve`].
    Auto,
    /// `cpu`
    Cpu,
    /// `cuda`: every GPU that can run the kernels.
    AllCards,
    /// `cuda:N` or `cuda:N,M`: the GPUs with these numbers.
    Cards(Cards),
    /// `emulated`
    Emulated,
}

/// The device that a run computes on, or several GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The CPU, through each stage's own code.
    Cpu,
    /// These GPUs. An [`Engine`](crate::Engine) has one of them.
    Cuda(Cards),
    /// The kernels compiled as C++, run on all CPU threads.
    Emulated,
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The text is not the name of a device.
    #[error("choose one of: auto, cpu, cuda, cuda:N, cuda:N,M, emulated")]
    Unknown,
    /// This machine does not have the device, or cannot run kernels on it: the device, and the reason.
    #[error("{0} cannot be used: {1}; use --device cpu or auto")]
    Unavailable(DeviceChoice, String),
    /// The program was built without the feature `emulated`.
    #[error("this build has no emulated device; build with `--features emulated` (or `--features full`)")]
    NotBuilt,
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::AllCards),
            "emulated" => Ok(Self::Emulated),
            _ => {
                let indices = text.strip_prefix("cuda:").ok_or(DeviceError::Unknown)?;
                let indices: Result<Vec<usize>, _> = indices.split(',').map(str::parse).collect();
                indices.ok().and_then(Cards::of).map(Self::Cards).ok_or(DeviceError::Unknown)
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::AllCards => f.write_str("cuda"),
            Self::Cards(cards) => cards.fmt(f),
            Self::Emulated => f.write_str("emulated"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(cards) => cards.fmt(f),
            Self::Emulated => f.write_str("emulated"),
        }
    }
}

impl DeviceChoice {
    /// Whether GPUs are asked for.
    pub fn is_cuda(self) -> bool {
        matches!(self, Self::AllCards | Self::Cards(_))
    }

    /// The device to compute on. `auto` is always the CPU: a GPU is used only if it is named. `cuda` leaves out GPUs that cannot
    /// run the kernels.
    ///
    /// # Errors
    /// [`DeviceError`] if this machine or this build does not have the named device.
    pub fn resolve(self) -> Result<Device, DeviceError> {
        let unavailable = |why| DeviceError::Unavailable(self, why);
        match self {
            Self::Auto | Self::Cpu => Ok(Device::Cpu),
            Self::Emulated if cfg!(feature = "emulated") => Ok(Device::Emulated),
            Self::Emulated => Err(DeviceError::NotBuilt),
            Self::AllCards => {
                let found = cuda::gpus().map_err(unavailable)?;
                // What is wrong with the first one is said where none can be used.
                let mut reason = "the driver finds no GPU".to_owned();
                let mut usable = Vec::new();
                for gpu in found.iter().rev() {
                    match cuda::usable(gpu.index) {
                        Ok(()) => usable.push(gpu.index),
                        Err(why) => {
                            tracing::warn!("GPU {} is not used: {why}", gpu.index);
                            reason = why;
                        }
                    }
                }
                Cards::of(usable).map(Device::Cuda).ok_or_else(|| unavailable(reason))
            }
            Self::Cards(cards) => {
                cards.iter().try_for_each(cuda::usable).map(|()| Device::Cuda(cards)).map_err(unavailable)
            }
        }
    }
}

impl Device {
    /// One GPU.
    ///
    /// # Panics
    /// As [`Cards::one`].
    pub const fn cuda(index: usize) -> Self {
        Self::Cuda(Cards::one(index))
    }

    /// Whether it has GPUs.
    pub fn is_cuda(self) -> bool {
        matches!(self, Self::Cuda(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_are_read_and_written() {
        for name in ["auto", "cpu", "cuda", "cuda:0", "cuda:7", "cuda:0,2", "cuda:1,3,63", "emulated"] {
            assert_eq!(name.parse::<DeviceChoice>().unwrap().to_string(), name);
        }
        assert_eq!("cuda:2,0,2".parse::<DeviceChoice>().unwrap().to_string(), "cuda:0,2");
        for name in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:0,", "cuda:64", "cuda0", "CPU", "cuda:0;1"] {
            assert_eq!(name.parse::<DeviceChoice>(), Err(DeviceError::Unknown), "{name}");
        }
    }

    #[test]
    fn cards_are_a_set_in_ascending_order() {
        let cards = Cards::of([5, 0, 2, 5]).unwrap();
        assert_eq!(cards.iter().collect::<Vec<_>>(), [0, 2, 5]);
        assert_eq!((cards.first(), Cards::one(63).first()), (0, 63));
        assert_eq!((Cards::of([]), Cards::of([64])), (None, None));
        assert_eq!(Device::Cuda(cards).to_string(), "cuda:0,2,5");
    }
}
