//! Whether a series is in the lower, the middle or the upper third of its recent past.

/// Entries that an entry is judged among, and the fewest that suffice.
const WINDOW: usize = 250;
const LEAST: usize = 50;

/// Buckets that entries fall into by size: 32 an octave, over 64 octaves; all beyond share the first and the last.
const BUCKETS: usize = 64 * PER_OCTAVE;
const PER_OCTAVE: usize = 1 << OCTAVE_BITS;
const OCTAVE_BITS: u32 = 5;
/// Exponent of the first octave: entries from 2⁻⁴⁴ on have a bucket of their own.
const FIRST_OCTAVE: usize = 1023 - 44;

/// Where each entry of a series of numbers ≥ 0 stands among its last 250 (fewer at the start, at least 50): 0 below
/// their 1/3 quantile, 1 below the 2/3 quantile, else 2; NaN where there are fewer.
///
/// The quantile interpolates between order statistics, q = x₍h₎ with h = p(m − 1): an entry with c values at
/// most as great as itself, itself included, lies below q just if c − 1 < h, which needs no sorting. Nor does it
/// need counting where another bucket than the entry's own holds the quantile.
pub struct Thirds {
    /// Every entry so far, and its bucket.
    entries: Vec<f64>,
    buckets: Vec<u16>,
    /// Entries of the window in each bucket.
    counts: Box<[u16; BUCKETS]>,
    quantiles: [Quantile; 2],
}

/// The bucket that holds the window's entry number `rank` (from 0), the window being whole.
#[derive(Clone, Copy)]
struct Quantile {
    rank: usize,
    bucket: usize,
    /// Entries in the buckets before.
    before: usize,
}

impl Thirds {
    pub fn new() -> Self {
        let quantile = |thirds: usize| Quantile { rank: (thirds * (WINDOW - 1)).div_ceil(3), bucket: 0, before: 0 };
        Self {
            entries: Vec::new(),
            buckets: Vec::new(),
            counts: Box::new([0; BUCKETS]),
            quantiles: [quantile(1), quantile(2)],
        }
    }

    /// Forgets every entry.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.buckets.clear();
        self.counts.fill(0);
        for quantile in &mut self.quantiles {
            (quantile.bucket, quantile.before) = (0, 0);
        }
    }

    /// Takes the next entries and stores where each stands.
    #[inline(always)]
    pub fn next(&mut self, entries: &[f64], out: &mut [f64]) {
        let first = self.entries.len();
        self.entries.extend_from_slice(entries);
        self.buckets.extend(entries.iter().map(|&entry| bucket(entry)));
        let whole = first.clamp(WINDOW, self.entries.len().max(WINDOW));
        let (early, out) = out[..entries.len()].split_at_mut((whole - first).min(entries.len()));
        for (t, slot) in (first..).zip(early) {
            self.counts[usize::from(self.buckets[t])] += 1;
            *slot = among(&self.entries[..=t]);
        }
        if out.is_empty() {
            return;
        }
        let windows = self.entries[whole + 1 - WINDOW..].array_windows::<WINDOW>();
        let (leaving, entering) = (&self.buckets[whole - WINDOW..], &self.buckets[whole..]);
        let counts = &mut *self.counts;
        let mut quantiles = self.quantiles;
        for (((slot, window), &leaves), &enters) in out.iter_mut().zip(windows).zip(leaving).zip(entering) {
            let (leaves, enters) = (usize::from(leaves) % BUCKETS, usize::from(enters) % BUCKETS);
            counts[leaves] -= 1;
            counts[enters] += 1;
            let mut passed = 0;
            for quantile in &mut quantiles {
                quantile.before -= usize::from(leaves < quantile.bucket);
                quantile.before += usize::from(enters < quantile.bucket);
                quantile.settle(counts);
                passed += u8::from(!quantile.is_above(enters, window));
            }
            *slot = f64::from(passed);
        }
        self.quantiles = quantiles;
    }
}

/// Where the last of at most [`WINDOW`] entries stands among them.
fn among(entries: &[f64]) -> f64 {
    let last = entries.len() - 1;
    if entries.len() < LEAST {
        return f64::NAN;
    }
    let rank = at_most(entries, entries[last]).saturating_sub(1);
    f64::from(u8::from(3 * rank >= last) + u8::from(3 * rank >= 2 * last))
}

impl Quantile {
    /// Moves on to the bucket that holds the entry now.
    #[inline(always)]
    fn settle(&mut self, counts: &[u16; BUCKETS]) {
        while self.before > self.rank {
            self.bucket -= 1;
            self.before -= usize::from(counts[self.bucket % BUCKETS]);
        }
        loop {
            let here = usize::from(counts[self.bucket % BUCKETS]);
            if self.before + here > self.rank {
                break;
            }
            self.before += here;
            self.bucket += 1;
        }
    }

    /// Whether the quantile is above the window's newest entry, which is in bucket `own`.
    #[inline(always)]
    fn is_above(&self, own: usize, window: &[f64; WINDOW]) -> bool {
        if own == self.bucket { at_most(window, window[WINDOW - 1]) <= self.rank } else { own < self.bucket }
    }
}

/// Ascending with the entry.
#[inline(always)]
fn bucket(entry: f64) -> u16 {
    let top = (entry.to_bits() >> (52 - OCTAVE_BITS)) as i64;
    (top - (FIRST_OCTAVE * PER_OCTAVE) as i64).clamp(0, BUCKETS as i64 - 1) as u16
}

/// How many entries are at most `value`.
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
        // In unequal parts.
        let mut from = 0;
        for part in [1, 48, 130, 256, 256, 9] {
            thirds.next(&x[from..from + part], &mut got[from..]);
            from += part;
        }
        assert_eq!(from, x.len());
        for (t, got) in got.into_iter().enumerate() {
            let w = &x[(t + 1).saturating_sub(WINDOW)..=t];
            if w.len() < LEAST {
                assert!(got.is_nan());
                continue;
            }
            // Windows of 3k + 1 entries put an entry on the quantile itself, where binary thirds round either way.
            if w.len() % 3 != 1 {
                let want =
                    f64::from(u8::from(x[t] >= quantile(w, 1.0 / 3.0)) + u8::from(x[t] >= quantile(w, 2.0 / 3.0)));
                assert_eq!(got, want, "bar {t}");
            }
        }
    }
}
