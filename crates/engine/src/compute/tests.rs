//! Tests of the choice between devices and the CPU.

use super::*;
use crate::Rows;
use crate::memory::Requirement;

fn with_full_memory(fallback: bool) -> Compute {
    Compute::with_engine(Engine::emulated(7, 100).unwrap(), fallback)
}

fn job(stage: &Stage<'_>) -> Result<&'static str, EngineError> {
    stage.batches(Requirement { fixed_bytes: 0, job_bytes: 1000 }, 1).map(|_| "device")
}

#[test]
fn a_full_device_ends_the_run_unless_the_cpu_may_take_over() {
    let strict = with_full_memory(false);
    assert!(matches!(strict.run("labels", job, || "cpu"), Err(EngineError::TooLarge { stage: "labels", .. })));
    assert_eq!(strict.fallback_reason(), None);
    let lenient = with_full_memory(true);
    assert_eq!(lenient.run("labels", job, || "cpu"), Ok("cpu"));
    assert!(lenient.fallback_reason().unwrap().starts_with("labels: one job needs 1000 bytes"));
    // The device is not used again.
    assert_eq!(lenient.run("shadow", |_| unreachable!(), || "cpu"), Ok("cpu"));
    let with_space = Compute::with_engine(Engine::emulated(7, 10_000).unwrap(), true);
    assert_eq!(with_space.run("labels", job, || "cpu"), Ok("device"));
    assert_eq!(Compute::cpu().run("labels", |_| unreachable!(), || "cpu"), Ok("cpu"));
}

#[test]
fn a_bug_in_the_program_never_falls_back() {
    let launch_missing_kernel = |stage: &Stage<'_>| -> Result<(), EngineError> {
        let missing = crate::Kernel { file: "selftest", name: "missing", barriers: false };
        // SAFETY: nothing runs, because there is no kernel with this name.
        unsafe { stage.launch(&missing, crate::Shape::one_thread_each(1, 1)).run() }
    };
    let compute = with_full_memory(true);
    let result = compute.run("test", launch_missing_kernel, || ());
    assert!(matches!(result, Err(EngineError::Kernel { kernel: "missing", .. })));
    assert_eq!(compute.fallback_reason(), None);
}

#[test]
fn a_missing_gpu_falls_back_when_it_is_opened() {
    let count = crate::gpus().map_or(0, |gpus| gpus.len());
    let cache = std::env::temp_dir();
    assert!(Compute::open(Device::cuda(count), &cache, false).is_err());
    let compute = Compute::open(Device::cuda(count), &cache, true).unwrap();
    assert!(compute.fallback_reason().unwrap().contains("opening the device"));
    assert_eq!(compute.device(), Device::cuda(count));
}

const ITEMS: usize = 20;

/// Doubles numbers in place, and returns which items were done together.
fn doubled(
    compute: &Compute,
    job_bytes: u64,
    on_device: impl Fn(&Stage<'_>, &Range<usize>) -> Result<(), EngineError> + Sync,
) -> Result<Vec<(&'static str, Range<usize>)>, EngineError> {
    let mut values: Vec<usize> = (0..ITEMS).collect();
    let double = |range: Range<usize>, work: &mut Rows<'_, usize>| {
        assert_eq!(work.values, range.collect::<Vec<_>>());
        work.values.iter_mut().for_each(|value| *value *= 2);
    };
    let items = Items { costs: &[1; ITEMS], memory: Requirement { fixed_bytes: 0, job_bytes } };
    let work = Rows { values: &mut values, per_item: 1 };
    let found = compute.share(
        "test",
        items,
        work,
        |stage, range, work| {
            stage.batches(items.memory, range.len())?;
            on_device(stage, &range)?;
            double(range.clone(), work);
            Ok(("device", range))
        },
        |range, work| {
            double(range.clone(), work);
            ("cpu", range)
        },
    )?;
    assert!(values.iter().enumerate().all(|(item, &value)| value == 2 * item), "{values:?}");
    let covered: Vec<usize> = found.iter().flat_map(|(_, range)| range.clone()).collect();
    assert_eq!(covered, (0..ITEMS).collect::<Vec<_>>());
    Ok(found)
}

fn devices(memory: &[u64], fallback: bool) -> Compute {
    let open = |(seed, &bytes): (usize, &u64)| Engine::emulated(seed as u64, bytes).unwrap();
    Compute::with_engines(memory.iter().enumerate().map(open).collect(), fallback)
}

fn failing(stage: &Stage<'_>) -> EngineError {
    let (action, reason) = ("computing".into(), "it is gone".into());
    let kind = crate::FaultKind::DeviceLost;
    EngineError::Fault { device: stage.device(), stage: "test", action, reason, remedy: "wait", kind }
}

#[test]
fn items_are_shared_out_and_come_back_in_their_order() {
    for count in [1, 2, 3, 8] {
        let found = doubled(&devices(&vec![1 << 20; count], false), 1, |_, _| Ok(())).unwrap();
        assert_eq!(found.len(), count);
        assert!(found.iter().all(|(by, range)| *by == "device" && range.len() >= ITEMS / count), "{found:?}");
    }
    let compute = devices(&[1 << 20, 1 << 20], false);
    let nothing = Items { costs: &[], memory: Requirement { fixed_bytes: 0, job_bytes: 1 } };
    assert_eq!(compute.share("test", nothing, (), |_, range, ()| Ok(range.len()), |_, ()| 1), Ok(vec![0]));
    assert_eq!(doubled(&Compute::cpu(), 1, |_, _| unreachable!()), Ok(vec![("cpu", 0..ITEMS)]));
}

#[test]
fn a_device_that_fails_leaves_its_part_to_the_others_and_the_last_one_to_the_cpu() {
    for fallback in [false, true] {
        let compute = devices(&[1 << 20, 1 << 20, 1 << 20], fallback);
        let first_fails = |stage: &Stage<'_>, range: &Range<usize>| {
            if range.start == 0 && range.len() < ITEMS / 2 && compute.losses().is_empty() {
                return Err(failing(stage));
            }
            Ok(())
        };
        let found = doubled(&compute, 1, first_fails).unwrap();
        assert!(found.len() == 4 && found.iter().all(|(by, _)| *by == "device"), "{found:?}");
        assert_eq!((compute.losses().len(), compute.fallback_reason()), (1, None));
        assert!(compute.loss_reason().unwrap().contains("it is gone"));
        assert_eq!(doubled(&compute, 1, |_, _| Ok(())).unwrap().len(), 2);
        let all = doubled(&compute, 1, |stage, _| Err(failing(stage)));
        if fallback {
            assert!(all.unwrap().iter().all(|(by, _)| *by == "cpu"));
            assert!(compute.fallback_reason().is_some());
        } else {
            assert!(all.unwrap_err().to_string().contains("it is gone"));
        }
    }
}

#[test]
fn a_device_that_is_too_small_for_a_stage_is_used_for_the_next_one() {
    let compute = devices(&[100, 1 << 20], false);
    // It has no room, so it gets nothing.
    assert_eq!(doubled(&compute, 1000, |_, _| Ok(())), Ok(vec![("device", 0..ITEMS)]));
    // It said that it has room, and has not.
    let lacking = |stage: &Stage<'_>, _: &Range<usize>| {
        if stage.limits()?.free_bytes <= 100 { stage.batches(REQUIREMENT, 1).map(|_| ()) } else { Ok(()) }
    };
    let found = doubled(&compute, 1, lacking).unwrap();
    assert!(found.len() == 2 && found.iter().all(|(by, _)| *by == "device"), "{found:?}");
    assert_eq!(compute.losses(), []);
    assert_eq!(doubled(&compute, 1, |_, _| Ok(())).unwrap().len(), 2);
}

const REQUIREMENT: Requirement = Requirement { fixed_bytes: 0, job_bytes: 1000 };

#[test]
fn a_bug_on_one_of_several_devices_ends_the_run() {
    let compute = devices(&[1 << 20, 1 << 20], true);
    let bug = |_: &Stage<'_>, range: &Range<usize>| match range.start {
        0 => Ok(()),
        _ => Err(EngineError::ForeignBuffer { stage: "test", action: "none" }),
    };
    assert_eq!(doubled(&compute, 1, bug), Err(EngineError::ForeignBuffer { stage: "test", action: "none" }));
    assert_eq!(compute.losses(), []);
}

#[test]
fn a_thread_of_the_pool_uses_the_devices_in_turn() {
    let compute = devices(&[1 << 20, 1 << 20], false);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let in_pool = |_: &Stage<'_>, _: &Range<usize>| {
        assert!(rayon::current_thread_index().is_some(), "another thread would wait for this one");
        Ok(())
    };
    assert_eq!(pool.install(|| doubled(&compute, 1, in_pool)).unwrap().len(), 2);
}

#[test]
fn what_no_device_can_do_the_cpu_does_and_that_is_known() {
    let too_large = |stage: &Stage<'_>, _: &Range<usize>| stage.batches(REQUIREMENT, 1).map(|_| ());
    let strict = devices(&[100, 200], false);
    assert!(matches!(doubled(&strict, 1, too_large), Err(EngineError::TooLarge { .. })));
    assert_eq!(strict.losses(), []);
    let lenient = devices(&[100, 200], true);
    assert!(doubled(&lenient, 1, too_large).unwrap().iter().all(|(by, _)| *by == "cpu"));
    assert_eq!((lenient.losses().len(), lenient.devices_left()), (2, 0));
    assert!(lenient.fallback_reason().unwrap().contains("one job needs 1000 bytes"));
    assert_eq!(lenient.heir(), "the CPU");
}

#[test]
fn devices_work_at_the_same_time() {
    let compute = devices(&[1 << 20, 1 << 20], false);
    // Neither goes on before the other is there.
    let both = std::sync::Barrier::new(2);
    let meets = |_: &Stage<'_>, _: &Range<usize>| {
        both.wait();
        Ok(())
    };
    assert_eq!(doubled(&compute, 1, meets).unwrap().len(), 2);
}
