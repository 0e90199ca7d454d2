//! Turns distances into votes.

/// Clamps to [−1, 1].
#[inline(always)]
pub fn bounded(x: f64) -> f64 {
    let x = if x > 1.0 { 1.0 } else { x };
    if x < -1.0 { -1.0 } else { x }
}

/// A distance as a share of the distance of a full vote, clamped; 0 where that distance is 0, because nothing moves.
#[inline(always)]
pub fn graded(distance: f64, full: f64) -> f64 {
    let share = bounded(distance / full);
    if full == 0.0 { 0.0 } else { share }
}

/// 1 at and above `high`, −1 at and below `low`, linear in between.
#[inline(always)]
pub fn between(value: f64, low: f64, high: f64) -> f64 {
    let middle = (low + high) * 0.5;
    bounded((value - middle) / (high - middle))
}

/// Fades linearly from 1 at age 0 to 0 at age `bars`.
#[inline(always)]
pub fn faded(age: usize, bars: usize) -> f64 {
    if age < bars { 1.0 - age as f64 / bars as f64 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_are_linear_between_their_bounds() {
        assert_eq!([-9.0, -1.0, 0.5, 1.0, f64::INFINITY].map(bounded), [-1.0, -1.0, 0.5, 1.0, 1.0]);
        assert_eq!([graded(1.0, 4.0), graded(-9.0, 4.0), graded(3.0, 0.0)], [0.25, -1.0, 0.0]);
        assert_eq!(
            [20.0, 30.0, 40.0, 50.0, 70.0, 90.0].map(|x| between(x, 30.0, 70.0)),
            [-1.0, -1.0, -0.5, 0.0, 1.0, 1.0]
        );
        assert_eq!([0, 1, 4, 5].map(|age| faded(age, 4)), [1.0, 0.75, 0.0, 0.0]);
        assert!(bounded(f64::NAN).is_nan() && graded(f64::NAN, 1.0).is_nan() && graded(1.0, f64::NAN).is_nan());
    }
}
