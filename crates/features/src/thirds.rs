//! Whether an entry is in the lower, the middle or the upper third of the recent entries of its series.

// These constants have twins of the same name in `kernels/features.cu`; a test in `device.rs` compares them.

/// Entries that an entry is ranked among, itself included.
pub const THIRDS_WINDOW: usize = 250;
/// Fewest entries that suffice, at the start of a series.
pub const THIRDS_MIN_ENTRIES: usize = 50;
/// Parts that the entries are cut into.
pub const THIRDS: usize = 3;

/// Buckets of entries by size: 32 per octave, over 64 octaves. Entries beyond fall into the first or the last one.
const BUCKETS: usize = 64 * PER_OCTAVE;
const PER_OCTAVE: usize = 1 << OCTAVE_BITS;
const OCTAVE_BITS: u32 = 5;
/// Exponent of the first octave: 2⁻⁴⁴.
const FIRST_OCTAVE: usize = 1023 - 44;

/// The third of the last 250 entries (fewer at the start, at least 50) that each entry of a series of numbers ≥ 0 lies
/// in: 0 below their 1/3 quantile, 1 below the 2/3 quantile, else 2; NaN where there are too few.
///
/// The quantile interpolates between order statistics, q = x₍h₎ with h = p(m − 1). An entry with c values at most as
/// large as itself, itself included, lies below q exactly if c − 1 < h, so that nothing needs to be sorted. And c is
/// only counted where the entry is in the same bucket as the quantile.
#[derive(Clone)]
pub struct Thirds {
    /// Every entry since the last [`Self::forget`], and at least those of a window.
    entries: Vec<f64>,
    /// The bucket of each of them.
    buckets: Vec<u16>,
    /// Entries of the window in each bucket.
    counts: Box<[u16; BUCKETS]>,
    quantiles: [Quantile; 2],
}

/// The bucket that holds the entry number `rank` (from 0) of a full window.
#[derive(Clone, Copy)]
struct Quantile {
    rank: usize,
    bucket: usize,
    /// Entries in the buckets below.
    below: usize,
}

impl Thirds {
    /// No entry yet.
    pub fn new() -> Self {
        let quantile = |k: usize| Quantile { rank: (k * (THIRDS_WINDOW - 1)).div_ceil(THIRDS), bucket: 0, below: 0 };
        Self {
            entries: Vec::new(),
            buckets: Vec::new(),
            counts: Box::new([0; BUCKETS]),
            quantiles: [quantile(1), quantile(2)],
        }
    }

    /// Drops every entry.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.buckets.clear();
        self.counts.fill(0);
        for quantile in &mut self.quantiles {
            (quantile.bucket, quantile.below) = (0, 0);
        }
    }

    /// Drops the entries that no later one is compared with.
    pub fn forget(&mut self) {
        let old = self.entries.len().saturating_sub(THIRDS_WINDOW);
        self.entries.drain(..old);
        self.buckets.drain(..old);
    }

    /// Appends entries and stores the third that each is in.
    #[inline(always)]
    pub fn extend(&mut self, entries: &[f64], out: &mut [f64]) {
        let first = self.entries.len();
        self.entries.extend_from_slice(entries);
        self.buckets.extend(entries.iter().map(|&entry| bucket(entry)));
        let whole = first.clamp(THIRDS_WINDOW, self.entries.len().max(THIRDS_WINDOW));
        let (early, out) = out[..entries.len()].split_at_mut((whole - first).min(entries.len()));
        for (t, slot) in (first..).zip(early) {
            self.counts[usize::from(self.buckets[t])] += 1;
            *slot = third_of_last(&self.entries[..=t]);
        }
        if out.is_empty() {
            return;
        }
        let windows = self.entries[whole + 1 - THIRDS_WINDOW..].array_windows::<THIRDS_WINDOW>();
        let (leaving, entering) = (&self.buckets[whole - THIRDS_WINDOW..], &self.buckets[whole..]);
        let counts = &mut *self.counts;
        let mut quantiles = self.quantiles;
        for (((slot, window), &leaves), &enters) in out.iter_mut().zip(windows).zip(leaving).zip(entering) {
            let (leaves, enters) = (usize::from(leaves) % BUCKETS, usize::from(enters) % BUCKETS);
            counts[leaves] -= 1;
            counts[enters] += 1;
            let mut third = 0;
            for quantile in &mut quantiles {
                quantile.below -= usize::from(leaves < quantile.bucket);
                quantile.below += usize::from(enters < quantile.bucket);
                quantile.follow(counts);
                third += u8::from(!quantile.is_above(enters, window));
            }
            *slot = f64::from(third);
        }
        self.quantiles = quantiles;
    }
}

/// The third of at most [`THIRDS_WINDOW`] entries that the last one is in.
fn third_of_last(entries: &[f64]) -> f64 {
    let last = entries.len() - 1;
    if entries.len() < THIRDS_MIN_ENTRIES {
        return f64::NAN;
    }
    let rank = at_most(entries, entries[last]).saturating_sub(1);
    f64::from(u8::from(THIRDS * rank >= last) + u8::from(THIRDS * rank >= 2 * last))
}

impl Quantile {
    /// Moves to the bucket that now holds the entry.
    #[inline(always)]
    fn follow(&mut self, counts: &[u16; BUCKETS]) {
        while self.below > self.rank {
            self.bucket -= 1;
            self.below -= usize::from(counts[self.bucket % BUCKETS]);
        }
        loop {
            let here = usize::from(counts[self.bucket % BUCKETS]);
            if self.below + here > self.rank {
                break;
            }
            self.below += here;
            self.bucket += 1;
        }
    }

    /// Whether the quantile is above the newest entry of the window, which is in bucket `own`.
    #[inline(always)]
    fn is_above(&self, own: usize, window: &[f64; THIRDS_WINDOW]) -> bool {
        if own == self.bucket { at_most(window, window[THIRDS_WINDOW - 1]) <= self.rank } else { own < self.bucket }
    }
}

/// The bucket of an entry; ascends with the entry.
#[inline(always)]
fn bucket(entry: f64) -> u16 {
    let top = (entry.to_bits() >> (52 - OCTAVE_BITS)) as i64;
    (top - (FIRST_OCTAVE * PER_OCTAVE) as i64).clamp(0, BUCKETS as i64 - 1) as u16
}

/// Number of entries that are at most `value`.
#[inline(always)]
fn at_most(x: &[f64], value: f64) -> usize {
    x.iter().map(|&v| if v <= value { 1 } else { 0 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirds_are_those_of_interpolated_quantiles() {
        let mut x: Vec<f64> =
            (0..700).map(|i| huracan_base::arith::uniform(huracan_base::arith::draw(3, 1, i)) - 0.3).collect();
        x[100..120].fill(0.25);
        x[300..600].iter_mut().enumerate().for_each(|(i, v)| *v += 0.01 * i as f64);
        let quantile = |w: &[f64], p: f64| {
            let mut w = w.to_vec();
            w.sort_by(f64::total_cmp);
            let h = p * (w.len() - 1) as f64;
            let j = h.floor() as usize;
            w[j] + (h - j as f64) * (w[(j + 1).min(w.len() - 1)] - w[j])
        };
        let mut got = vec![0.0; x.len()];
        let mut thirds = Thirds::new();
        // In chunks of unequal length.
        let mut from = 0;
        for len in [1, 48, 130, 256, 256, 9] {
            thirds.extend(&x[from..from + len], &mut got[from..]);
            from += len;
        }
        assert_eq!(from, x.len());
        for (t, got) in got.into_iter().enumerate() {
            let w = &x[(t + 1).saturating_sub(THIRDS_WINDOW)..=t];
            if w.len() < THIRDS_MIN_ENTRIES {
                assert!(got.is_nan());
                continue;
            }
            // In windows of 3k + 1 entries the quantile is an entry itself, and p = 1/3 in binary may round either way.
            if w.len() % 3 != 1 {
                let want =
                    f64::from(u8::from(x[t] >= quantile(w, 1.0 / 3.0)) + u8::from(x[t] >= quantile(w, 2.0 / 3.0)));
                assert_eq!(got, want, "bar {t}");
            }
        }
    }
}
