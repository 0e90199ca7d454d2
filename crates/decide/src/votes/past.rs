//! What recurrences carry from bar to bar, so that a new bar does not need the whole history.

/// The states of a coin's recurrences, in the order in which its voters compute them.
///
/// A recurrence asks for its state once, with [`Self::resume`], and leaves it once, with [`Self::leave`]. In a history from its
/// first bar on there is no state to begin with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// Bars before the first new one; those before it are there for the windows alone. 0 in a history from its first bar on.
    from: usize,
    states: Vec<f64>,
    /// Number of `states` that have been taken.
    taken: usize,
    left: Vec<f64>,
}

impl Past {
    /// The states to go on with, where the first new bar is number `from` of those that are given. That must be more than every
    /// warm-up, so that every recurrence has begun.
    pub fn resumed(self, from: usize) -> Self {
        Self { from, states: self.left, taken: 0, left: Vec::with_capacity(self.states.len()) }
    }

    /// The first new bar.
    pub fn from(&self) -> usize {
        self.from
    }

    /// The state of the next recurrence, of N numbers; none at the beginning of a history.
    pub fn resume<const N: usize>(&mut self) -> Option<[f64; N]> {
        let state = self.resume_many(N)?;
        Some(state.try_into().expect("N numbers"))
    }

    /// As [`Self::resume`], of any number of numbers.
    pub fn resume_many(&mut self, count: usize) -> Option<&[f64]> {
        if self.from == 0 {
            return None;
        }
        let state = &self.states[self.taken..self.taken + count];
        self.taken += count;
        Some(state)
    }

    /// Leaves the state after the last bar.
    pub fn leave(&mut self, state: &[f64]) {
        self.left.extend_from_slice(state);
    }
}
