//! Shares a stage's items out among several devices: how many each of them gets.

use std::ops::Range;

use crate::memory::{self, Requirement};
use crate::{EngineError, Stage};

/// The items of a stage that can be computed on different devices, such as jobs or symbols.
#[derive(Clone, Copy)]
pub struct Items<'a> {
    /// What each of them costs, in any unit.
    pub costs: &'a [u64],
    /// The memory that they need on a device.
    pub memory: Requirement,
}

/// What the work on some items writes to, which can be divided with them.
pub trait Divide: Sized + Send {
    /// The part of the first `items` items, and the rest.
    fn divide(self, items: usize) -> (Self, Self);
}

impl Divide for () {
    fn divide(self, _: usize) -> ((), ()) {
        ((), ())
    }
}

/// A slice with as many values for each item.
pub struct Rows<'a, T> {
    /// The values of all items, one after the other.
    pub values: &'a mut [T],
    /// Values of one item.
    pub per_item: usize,
}

impl<T: Send> Divide for Rows<'_, T> {
    fn divide(self, items: usize) -> (Self, Self) {
        let (first, rest) = self.values.split_at_mut(items * self.per_item);
        (Self { values: first, per_item: self.per_item }, Self { values: rest, per_item: self.per_item })
    }
}

/// How much a device does in a time, and how many items fit its memory at once.
#[derive(Debug, Clone, Copy)]
struct Capacity {
    speed: f64,
    room: f64,
}

/// The items that each of the devices gets, in the order of the devices: as much of the cost as its part of all devices' speed.
/// If all items fit the devices' memory together, none gets much more than fits its own.
///
/// # Errors
/// The first device that does not respond, by its place, with its fault.
pub(crate) fn shares(items: Items<'_>, stages: &[Stage<'_>]) -> Result<Vec<Range<usize>>, (usize, EngineError)> {
    let mut devices = Vec::with_capacity(stages.len());
    for (place, stage) in stages.iter().enumerate() {
        let limits = stage.limits().map_err(|error| (place, error))?;
        let room = memory::usable(limits.free_bytes).saturating_sub(items.memory.fixed_bytes);
        devices.push(Capacity {
            speed: f64::from(limits.multiprocessors) * limits.clock_hz,
            room: room as f64 / items.memory.job_bytes.max(1) as f64,
        });
    }
    Ok(cut(items.costs, &quotas(items.costs.len(), &devices)))
}

/// The part of the items, of 1, that each device gets.
fn quotas(items: usize, devices: &[Capacity]) -> Vec<f64> {
    let all: f64 = devices.iter().map(|device| device.speed).sum();
    let by_speed: Vec<f64> = devices.iter().map(|device| device.speed / all).collect();
    let rooms: Vec<f64> = devices.iter().map(|device| device.room / items.max(1) as f64).collect();
    if rooms.iter().sum::<f64>() < 1.0 {
        return by_speed;
    }
    let mut quotas = by_speed;
    let mut full = vec![false; devices.len()];
    // What does not fit one device goes to those that have room; they may be full then.
    while let Some(next) = (0..devices.len()).find(|&k| !full[k] && quotas[k] > rooms[k]) {
        full[next] = true;
        quotas[next] = rooms[next];
        let rest = 1.0 - (0..devices.len()).filter(|&k| full[k]).map(|k| quotas[k]).sum::<f64>();
        let others: Vec<usize> = (0..devices.len()).filter(|&k| !full[k]).collect();
        let speed: f64 = others.iter().map(|&k| devices[k].speed).sum();
        others.iter().for_each(|&k| quotas[k] = rest * devices[k].speed / speed);
    }
    quotas
}

/// Cuts the items where their costs reach the quotas.
fn cut(costs: &[u64], quotas: &[f64]) -> Vec<Range<usize>> {
    let all = costs.iter().map(|&cost| cost.max(1) as f64).sum::<f64>();
    let (mut out, mut start, mut before, mut reached) = (Vec::with_capacity(quotas.len()), 0, 0.0, 0.0);
    for (k, quota) in quotas.iter().enumerate() {
        reached += quota * all;
        let mut end = start;
        // An item belongs to the device within whose quota its middle lies.
        while end < costs.len() && (k + 1 == quotas.len() || before + costs[end].max(1) as f64 / 2.0 <= reached) {
            before += costs[end].max(1) as f64;
            end += 1;
        }
        out.push(start..end);
        start = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: f64 = 1e9;

    fn device(speed: f64, room: f64) -> Capacity {
        Capacity { speed, room }
    }

    #[test]
    fn devices_get_items_by_their_speed_and_the_items_cost() {
        let equal = quotas(8, &[device(2.0, LARGE); 4]);
        assert_eq!(equal, [0.25; 4]);
        assert_eq!(cut(&[1; 8], &equal), [0..2, 2..4, 4..6, 6..8]);
        assert_eq!(cut(&[5, 1, 1, 1, 1, 1, 5, 5], &equal), [0..1, 1..6, 6..7, 7..8]);
        let unequal = quotas(8, &[device(3.0, LARGE), device(1.0, LARGE)]);
        assert_eq!(cut(&[7; 8], &unequal), [0..6, 6..8]);
    }

    #[test]
    fn few_items_leave_devices_without_any_and_none_is_lost() {
        for devices in 1..9 {
            for items in 0..20 {
                let costs: Vec<u64> = (0..items).map(|item| item * 7 % 5).collect();
                let found = cut(&costs, &quotas(costs.len(), &vec![device(1.0, LARGE); devices]));
                assert_eq!(found.len(), devices);
                let items: Vec<usize> = found.into_iter().flatten().collect();
                assert_eq!(items, (0..costs.len()).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_device_with_little_memory_gets_what_fits_it_if_the_others_have_room() {
        let found = quotas(100, &[device(1.0, 10.0), device(1.0, 200.0), device(1.0, 200.0)]);
        assert_eq!(found, [0.1, 0.45, 0.45]);
        // The second one is full as well once it has what did not fit the first.
        let found = quotas(100, &[device(1.0, 10.0), device(1.0, 40.0), device(1.0, 200.0)]);
        assert!(found.iter().zip([0.1, 0.4, 0.5]).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        // All need several batches: then only the speed counts.
        assert_eq!(quotas(100, &[device(1.0, 1.0), device(1.0, 40.0)]), [0.5, 0.5]);
        assert_eq!(quotas(100, &[device(1.0, 0.0), device(1.0, 100.0)]), [0.0, 1.0]);
    }

    #[test]
    fn rows_are_divided_with_their_items() {
        let mut values: Vec<u32> = (0..12).collect();
        let (first, rest) = Rows { values: &mut values, per_item: 3 }.divide(1);
        assert_eq!((first.values.len(), rest.values.len()), (3, 9));
        assert_eq!((rest.values[0], rest.per_item), (3, 3));
    }
}
