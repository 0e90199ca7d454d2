//! Sums of gradients and Hessians by feature and bin, and the best split that they show.

use super::MISSING;

/// Sums over one bin, in quantised units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    pub gradient: i64,
    pub hessian: i64,
}

impl Sums {
    fn plus(self, other: Self) -> Self {
        Self { gradient: self.gradient + other.gradient, hessian: self.hessian + other.hessian }
    }

    pub fn minus(self, other: Self) -> Self {
        Self { gradient: self.gradient - other.gradient, hessian: self.hessian - other.hessian }
    }
}

/// `[features drawn × 256]`; the last bin holds missing values.
pub type Histogram = Vec<[Sums; 256]>;

/// Adds up the bins of `rows`; `features` are those drawn, in order.
pub fn build(
    out: &mut Histogram,
    codes: &[u8],
    width: usize,
    features: &[u32],
    rows: &[u32],
    gradient: &[i32],
    hessian: &[i32],
) {
    out.iter_mut().for_each(|bins| bins.fill(Sums::default()));
    let all = features.len() == width;
    for &row in rows {
        let row = row as usize;
        let (g, h) = (i64::from(gradient[row]), i64::from(hessian[row]));
        let codes = &codes[row * width..(row + 1) * width];
        if all {
            for (bins, &code) in out.iter_mut().zip(codes) {
                let bin = &mut bins[code as usize];
                bin.gradient += g;
                bin.hessian += h;
            }
        } else {
            for (bins, &feature) in out.iter_mut().zip(features) {
                let bin = &mut bins[codes[feature as usize] as usize];
                bin.gradient += g;
                bin.hessian += h;
            }
        }
    }
}

/// Turns the parent's histogram into that of the other child.
pub fn subtract(parent: &mut Histogram, child: &Histogram) {
    for (parent, child) in parent.iter_mut().zip(child) {
        for (p, c) in parent.iter_mut().zip(child) {
            p.gradient -= c.gradient;
            p.hessian -= c.hessian;
        }
    }
}

/// What a split must satisfy, and the size of the quantised units.
#[derive(Debug, Clone, Copy)]
pub struct SplitRules {
    pub gradient_unit: f32,
    pub hessian_unit: f32,
    pub l2: f32,
    /// In quantised units, at least 1: no child is empty.
    pub min_child_hessian: i64,
    pub min_split_gain: f32,
}

/// The best split of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// Place of the feature among those drawn.
    pub drawn: usize,
    /// Bins `0 ..= bin` go left.
    pub bin: usize,
    pub missing_left: bool,
    pub gain: f32,
    pub left: Sums,
    pub right: Sums,
}

impl SplitRules {
    /// G²/(H + λ), in f32.
    fn score(&self, sums: Sums) -> f32 {
        let g = sums.gradient as f32 * self.gradient_unit;
        let h = sums.hessian as f32 * self.hessian_unit;
        g * g / (h + self.l2)
    }
}

/// Finds the split with the greatest gain; of equals the first by feature, then bin, then missing right.
///
/// `bins` are the numbers of bins of the features drawn, missing apart.
pub fn best_split(histogram: &Histogram, bins: &[usize], total: Sums, rules: &SplitRules) -> Option<Split> {
    let parent = rules.score(total);
    let mut best: Option<Split> = None;
    let mut best_score = parent + rules.min_split_gain;
    for (drawn, (sums, &bins)) in histogram.iter().zip(bins).enumerate() {
        let missing = sums[MISSING as usize];
        let any_missing = missing != Sums::default();
        // Without missing values the last bin would leave nothing on the right.
        let last = if any_missing { bins } else { bins - 1 };
        let mut below = Sums::default();
        for (bin, &here) in sums[..last].iter().enumerate() {
            // An empty bin repeats the split before it.
            if here == Sums::default() {
                continue;
            }
            below = below.plus(here);
            let mut consider = |left: Sums, missing_left: bool| {
                let right = total.minus(left);
                if left.hessian < rules.min_child_hessian || right.hessian < rules.min_child_hessian {
                    return;
                }
                let score = rules.score(left) + rules.score(right);
                if score > best_score {
                    best_score = score;
                    // What was never seen missing goes with the heavier child.
                    let missing_left = if any_missing { missing_left } else { left.hessian >= right.hessian };
                    best = Some(Split { drawn, bin, missing_left, gain: score - parent, left, right });
                }
            };
            consider(below, false);
            if any_missing {
                consider(below.plus(missing), true);
            }
        }
    }
    if let Some(split) = &mut best {
        split.bin = middle_of_gap(&histogram[split.drawn], split.bin, bins[split.drawn]);
    }
    best
}

/// Bins without rows may go either way: the split is laid in their middle, so that neither side claims what
/// the node has not seen.
fn middle_of_gap(sums: &[Sums; 256], bin: usize, bins: usize) -> usize {
    match (bin + 1..bins).find(|&next| sums[next] != Sums::default()) {
        Some(next) => bin + (next - 1 - bin) / 2,
        None => bins - 1,
    }
}
