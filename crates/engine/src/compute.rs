//! Chooses where stages compute, shares them out among several devices, and falls back to the CPU when all have failed.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::memory;
use super::share::{Divide, Items, shares};
use super::{Cards, Device, Engine, EngineError, Stage};

/// A stage that still lacks memory with this part of the device's is not tried again.
const LEAST_SHARE: u64 = 16;

/// The devices of a run, or the CPU.
///
/// If a device fails, the others do its part of that stage and of all later ones. If none is left and `engine.fallback` is set,
/// the CPU does. All give the same bits, so the results do not depend on when this happens, or on the number of devices.
pub struct Compute {
    device: Device,
    fallback: bool,
    /// None of them: the CPU computes.
    engines: Vec<RwLock<State>>,
}

enum State {
    Engine(Box<Engine>),
    /// The device failed and is not used any more.
    Lost(Loss),
}

/// A device that failed and is not used any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The device.
    pub device: Device,
    /// Its error.
    pub reason: String,
}

/// The places of devices that do not do a stage, and why.
type Refused = BTreeMap<usize, EngineError>;

/// The place of a device, and the items that it gets.
type Share = (usize, Range<usize>);

/// Some items of a stage, and what the work on them writes to.
struct Part<W> {
    items: Range<usize>,
    work: W,
}

impl Compute {
    /// Computes on the CPU only.
    pub fn cpu() -> Self {
        Self { device: Device::Cpu, fallback: false, engines: Vec::new() }
    }

    /// Opens `device`, which may be several GPUs. `cache` is the folder for compiled kernels; `fallback` lets the CPU take over
    /// if no device is left.
    ///
    /// # Errors
    /// [`EngineError`] if the device, or none of several, can be opened and `fallback` is false.
    pub fn open(device: Device, cache: &Path, fallback: bool) -> Result<Self, EngineError> {
        let each: Vec<Device> = match device {
            Device::Cuda(cards) => cards.iter().map(Device::cuda).collect(),
            other => vec![other],
        };
        let mut engines = Vec::with_capacity(each.len());
        let mut last = None;
        for own in each {
            match Engine::open(own, cache) {
                Ok(None) => return Ok(Self::cpu()),
                Ok(Some(engine)) => engines.push(State::Engine(Box::new(engine))),
                Err(error) if error.can_fall_back() => {
                    tracing::warn!("{error}");
                    engines.push(State::lost(own, &error));
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let none_left = engines.iter().all(|state| matches!(state, State::Lost(_)));
        match last.filter(|_| none_left && !fallback) {
            Some(error) => Err(error),
            None => Ok(Self { device, fallback, engines: engines.into_iter().map(RwLock::new).collect() }),
        }
    }

    /// Computes on an engine that is already open.
    pub fn with_engine(engine: Engine, fallback: bool) -> Self {
        Self::with_engines(vec![engine], fallback)
    }

    /// Computes on several engines that are already open; without one, on the CPU.
    pub fn with_engines(engines: Vec<Engine>, fallback: bool) -> Self {
        let device = together(&engines.iter().map(Engine::device).collect::<Vec<_>>());
        let open = |engine| RwLock::new(State::Engine(Box::new(engine)));
        Self { device, fallback, engines: engines.into_iter().map(open).collect() }
    }

    /// The requested device, also after it was lost.
    pub fn device(&self) -> Device {
        self.device
    }

    /// What does the work of lost devices, in words.
    pub fn heir(&self) -> String {
        let left: Vec<Device> =
            (0..self.engines.len()).filter_map(|place| self.state(place).engine().map(Engine::device)).collect();
        match together(&left) {
            Device::Cpu => "the CPU".to_owned(),
            device => device.to_string(),
        }
    }

    /// Number of devices that compute; 0 if the CPU does.
    pub fn devices_left(&self) -> usize {
        self.working(&Refused::new()).len()
    }

    /// The devices that failed.
    pub fn losses(&self) -> Vec<Loss> {
        let loss = |place| match &*self.state(place) {
            State::Lost(loss) => Some(loss.clone()),
            State::Engine(_) => None,
        };
        (0..self.engines.len()).filter_map(loss).collect()
    }

    /// What failed and why; none if nothing did. Of several devices it says which.
    pub fn loss_reason(&self) -> Option<String> {
        let losses = self.losses();
        let told = losses.iter().map(|loss| match self.engines.len() {
            1 => loss.reason.clone(),
            _ => format!("{}: {}", loss.device, loss.reason),
        });
        (!losses.is_empty()).then(|| told.collect::<Vec<_>>().join("; "))
    }

    /// Why the CPU took over from the devices; none if it did not.
    pub fn fallback_reason(&self) -> Option<String> {
        (self.losses().len() == self.engines.len()).then(|| self.loss_reason()).flatten()
    }

    /// Runs a stage on one device with `on_device`, or with `on_cpu` if there is none left.
    ///
    /// If the device has less memory than it said, the stage is run again, as if there were half as much, a quarter, and so on:
    /// its parts are then smaller. Only if that does not help, the device is given up.
    ///
    /// # Errors
    /// The device's error if there is no other and fall-back is not allowed; always if the error is a bug in the program.
    pub fn run<T>(
        &self,
        stage: &'static str,
        mut on_device: impl FnMut(&Stage<'_>) -> Result<T, EngineError>,
        on_cpu: impl FnOnce() -> T,
    ) -> Result<T, EngineError> {
        let mut refused = Refused::new();
        while let Some(place) = self.working(&refused).first().copied() {
            match self.on_engine(place, stage, &mut on_device) {
                Ok(result) => return Ok(result),
                Err(error) => self.give_up(place, error, &mut refused)?,
            }
        }
        Ok(on_cpu())
    }

    /// Runs `on_each` on every device that is left, one after the other, in the order of their numbers.
    ///
    /// # Errors
    /// As [`Self::run`], for any of them.
    pub fn on_each<T>(
        &self,
        stage: &'static str,
        mut on_each: impl FnMut(&Stage<'_>) -> Result<T, EngineError>,
    ) -> Result<Vec<T>, EngineError> {
        self.working(&Refused::new()).into_iter().map(|place| self.on_engine(place, stage, &mut on_each)).collect()
    }

    /// Shares a stage's items out among the devices, each of which runs `on_device` with the part that it got; with `on_cpu`, the
    /// CPU does what no device is left for. The results are in the order of the items.
    ///
    /// `work` is divided with the items, for what is written in place. A device that fails leaves its part to the others. What a
    /// part's results are must not depend on the other items of the part.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn share<W: Divide, T: Send>(
        &self,
        stage: &'static str,
        items: Items<'_>,
        work: W,
        on_device: impl Fn(&Stage<'_>, Range<usize>, &mut W) -> Result<T, EngineError> + Sync,
        on_cpu: impl Fn(Range<usize>, &mut W) -> T,
    ) -> Result<Vec<T>, EngineError> {
        let mut refused = Refused::new();
        let mut left = VecDeque::from([Part { items: 0..items.costs.len(), work }]);
        let mut done: Vec<(usize, T)> = Vec::new();
        while let Some(mut part) = left.pop_front() {
            let dealt = match self.working(&refused).as_slice() {
                [] => {
                    done.push((part.items.start, on_cpu(part.items.clone(), &mut part.work)));
                    continue;
                }
                [only] => vec![(*only, part)],
                [first, ..] if part.items.is_empty() => vec![(*first, part)],
                several => match self.shares(stage, items, part.items.clone(), several) {
                    // All were lost meanwhile, by another stage.
                    Ok(shares) if shares.is_empty() => {
                        left.push_front(part);
                        continue;
                    }
                    Ok(shares) => part.divide(shares),
                    Err((place, error)) => {
                        self.give_up(place, error, &mut refused)?;
                        left.push_front(part);
                        continue;
                    }
                },
            };
            let mut failures = Vec::new();
            for (place, part, result) in self.in_parallel(stage, dealt, &on_device) {
                match result {
                    Ok(result) => done.push((part.items.start, result)),
                    Err(error) => {
                        left.push_back(part);
                        failures.push((place, error));
                    }
                }
            }
            for (place, error) in failures {
                self.give_up(place, error, &mut refused)?;
            }
        }
        done.sort_by_key(|&(first, _)| first);
        Ok(done.into_iter().map(|(_, result)| result).collect())
    }

    /// Which of the items each device gets; one without any is left out.
    ///
    /// # Errors
    /// The device that does not respond, and its fault.
    fn shares(
        &self,
        stage: &'static str,
        items: Items<'_>,
        part: Range<usize>,
        places: &[usize],
    ) -> Result<Vec<Share>, (usize, EngineError)> {
        let states: Vec<_> = places.iter().map(|&place| (place, self.state(place))).collect();
        let (places, stages): (Vec<usize>, Vec<Stage<'_>>) =
            states.iter().filter_map(|(place, state)| Some((*place, state.engine()?.stage(stage)))).unzip();
        let own = Items { costs: &items.costs[part.clone()], ..items };
        let ranges = shares(own, &stages).map_err(|(at, error)| (places[at], error))?;
        let shift = |range: Range<usize>| part.start + range.start..part.start + range.end;
        Ok(places.into_iter().zip(ranges.into_iter().map(shift)).filter(|(_, range)| !range.is_empty()).collect())
    }

    /// Runs parts on their devices, at the same time.
    fn in_parallel<W: Divide, T: Send>(
        &self,
        stage: &'static str,
        parts: Vec<(usize, Part<W>)>,
        on_device: &(impl Fn(&Stage<'_>, Range<usize>, &mut W) -> Result<T, EngineError> + Sync),
    ) -> Vec<(usize, Part<W>, Result<T, EngineError>)> {
        let one = |(place, mut part): (usize, Part<W>)| {
            let items = part.items.clone();
            let result = self.on_engine(place, stage, |stage| on_device(stage, items.clone(), &mut part.work));
            (place, part, result)
        };
        // A thread of the pool must not wait for others that need the pool.
        if parts.len() == 1 || memory::is_in_pool() {
            return parts.into_iter().map(one).collect();
        }
        let one = &one;
        std::thread::scope(|scope| {
            let running: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || one(part))).collect();
            let ended = running.into_iter().map(std::thread::ScopedJoinHandle::join);
            ended.map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    }

    fn state(&self, place: usize) -> RwLockReadGuard<'_, State> {
        self.engines[place].read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The devices that were not lost and are not among the `refused`.
    fn working(&self, refused: &Refused) -> Vec<usize> {
        let works = |&place: &usize| self.state(place).engine().is_some() && !refused.contains_key(&place);
        (0..self.engines.len()).filter(works).collect()
    }

    /// Runs a stage on a device, with ever smaller parts if it lacks memory.
    fn on_engine<T>(
        &self,
        place: usize,
        stage: &'static str,
        mut on_device: impl FnMut(&Stage<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let state = self.state(place);
        let engine = match &*state {
            State::Engine(engine) => engine,
            State::Lost(loss) => return Err(loss.again(stage)),
        };
        let mut share = 1;
        let mut lacked = None;
        loop {
            match on_device(&engine.stage_with_share(stage, share)) {
                Err(error) if error.is_out_of_memory() && share < LEAST_SHARE => {
                    share *= 2;
                    tracing::warn!(stage, %error, "tried again with 1/{share} of the device's memory");
                    lacked.get_or_insert(error);
                    engine.stage(stage).release()?;
                }
                // That a job does not fit a part of the memory is not the cause.
                Err(error @ EngineError::TooLarge { .. }) => return Err(lacked.unwrap_or(error)),
                result => return result,
            }
        }
    }

    /// Gives a device up after an error: for good, or for this stage if it only cannot do that and there are others. If there are
    /// none, the CPU does this stage and all later ones, and all that were left are lost.
    ///
    /// # Errors
    /// The error, if it is a bug in the program, or no device is left and the CPU may not take over.
    fn give_up(&self, place: usize, error: EngineError, refused: &mut Refused) -> Result<(), EngineError> {
        if !error.can_fall_back() {
            return Err(error);
        }
        let can_go_on = error.leaves_the_device();
        refused.insert(place, error.clone());
        let is_last = self.working(refused).is_empty();
        if is_last && !self.fallback {
            return Err(error);
        }
        if can_go_on && !is_last {
            tracing::warn!("left to the other GPUs: {error}");
        } else if is_last {
            refused.iter().for_each(|(&place, error)| self.lose(place, error));
        } else {
            self.lose(place, &error);
        }
        Ok(())
    }

    fn lose(&self, place: usize, error: &EngineError) {
        let mut state = self.engines[place].write().unwrap_or_else(PoisonError::into_inner);
        if let State::Engine(engine) = &*state {
            tracing::warn!("a device was lost: {error}");
            *state = State::lost(engine.device(), error);
        }
    }
}

/// One name for several devices.
fn together(devices: &[Device]) -> Device {
    let numbers = devices.iter().filter_map(|device| match device {
        Device::Cuda(cards) => Some(cards.first()),
        _ => None,
    });
    Cards::of(numbers).map_or(devices.first().copied().unwrap_or(Device::Cpu), Device::Cuda)
}

impl<W: Divide> Part<W> {
    /// Divides a part that lies in neighbouring shares.
    fn divide(self, shares: Vec<Share>) -> Vec<(usize, Self)> {
        let mut rest = self.work;
        let mut parts = Vec::with_capacity(shares.len());
        for (place, items) in shares {
            let (work, others) = rest.divide(items.len());
            rest = others;
            parts.push((place, Self { items, work }));
        }
        parts
    }
}

impl State {
    fn lost(device: Device, error: &EngineError) -> Self {
        Self::Lost(Loss { device, reason: error.to_string() })
    }

    fn engine(&self) -> Option<&Engine> {
        match self {
            Self::Engine(engine) => Some(engine),
            Self::Lost(_) => None,
        }
    }
}

impl Loss {
    /// The error of a stage that meets the loss.
    fn again(&self, stage: &'static str) -> EngineError {
        EngineError::Fault {
            device: self.device,
            stage,
            action: "computing".into(),
            reason: self.reason.clone(),
            remedy: "or use --device cpu",
            kind: super::FaultKind::DeviceLost,
        }
    }
}

#[cfg(all(test, feature = "emulated"))]
mod tests;
