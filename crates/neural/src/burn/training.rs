//! A batch of jobs from its first to its last epoch.

use ::burn::tensor::Tensor;
use ::burn::tensor::backend::{AutodiffBackend, Backend};
use rayon::prelude::*;

use super::adamw::{AdamW, Rates, by_job, clip};
use super::feed::{Feed, Fixed, Part, masks};
use super::graph;
use super::member::Member;
use super::parameters::{Parameters, places, to_host};
use super::plan::Batch;
use crate::layers::{self, Layer};
use crate::{Network, NeuralError, NeuralJob, Observer, State};
use huracan_base::Table;

/// A job's place among all jobs, and what has come of it.
pub type Outcome = (usize, Result<Network, NeuralError>);

pub struct Training<'a, B: AutodiffBackend> {
    device: B::Device,
    features: &'a [String],
    observer: &'a dyn Observer,
    layers: Vec<Layer>,
    members: Vec<Member<'a>>,
    fixed: Fixed<B::InnerBackend>,
    validation: Vec<Feed<B::InnerBackend>>,
    parameters: Parameters<B::InnerBackend>,
    best: Parameters<B::InnerBackend>,
    optimiser: AdamW<B::InnerBackend>,
    done: Vec<Outcome>,
}

impl<'a, B: AutodiffBackend> Training<'a, B> {
    /// With all that the batch's jobs need on the device; none for a batch without jobs.
    pub fn new(
        device: &B::Device,
        table: Table<'_>,
        features: &'a [String],
        jobs: &'a [NeuralJob],
        batch: &Batch,
        observer: &'a dyn Observer,
    ) -> Option<Self> {
        let job = &jobs[*batch.jobs.first()?];
        let (shape, heads) = (job.params.shape, job.heads.len());
        let layers = layers::layers(shape, table.features, heads);
        let count = layers::count(&layers);
        let mut members: Vec<Member<'a>> =
            batch.jobs.par_iter().map(|&place| Member::new(table, &jobs[place], place, &batch.rows)).collect();
        let states = members.iter_mut().map(|member| {
            let job = member.job;
            let begin = || {
                let values = member.prepared.initial(job);
                [values.clone(), values, vec![0.0; count], vec![0.0; count]]
            };
            observer.state(job).filter(|state| state.fits(count)).map_or_else(begin, |state| {
                member.progress = state.progress;
                [state.parameters, state.best, state.first, state.second]
            })
        });
        let mut all = [const { Vec::new() }; 4];
        states.for_each(|state| all.iter_mut().zip(state).for_each(|(all, values)| all.push(values)));
        let [parameters, best, first, second] = all.map(|networks| Parameters::upload(&layers, &networks, device));
        let fixed = Fixed::upload(batch.rows.upload(table, device), &members, job, device);
        let validation = validation(&members, heads, device);
        let (optimiser, done) = (AdamW { first, second }, Vec::new());
        let device = device.clone();
        Some(Self { device, features, observer, layers, members, fixed, validation, parameters, best, optimiser, done })
    }

    /// Trains until no job goes on.
    pub fn run(mut self) -> Vec<Outcome> {
        loop {
            let going = self.going();
            if going.is_empty() {
                break;
            }
            if !self.observer.wants_more() {
                for at in going {
                    let job = self.members[at].job.name.clone();
                    self.members[at].error = Some(NeuralError::Stopped { job });
                }
                break;
            }
            if 2 * going.len() < self.members.len() {
                self.keep(&going);
            }
            let losses = self.epoch();
            self.take_in(&losses);
        }
        self.keep(&[]);
        self.done
    }

    /// Places of the members that go on.
    fn going(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|&at| self.members[at].goes_on()).collect()
    }

    /// Goes once through each job's training rows, in orders of their own, and then through the validation rows. Losses of
    /// each job's heads, summed over the rows of training and of validation, and whether its parameters are numbers,
    /// `[jobs, 2 × heads + 1]`. It waits for the device.
    fn epoch(&mut self) -> Vec<f32> {
        let orders: Vec<Vec<u32>> = self.members.par_iter().map(Member::order).collect();
        let (jobs, heads) = (self.members.len(), self.heads());
        let batch = self.members.first().map_or(1, |member| member.job.params.batch as usize);
        let steps = orders.iter().map(|order| order.len().div_ceil(batch)).max().unwrap_or(0);
        let mut train = Tensor::zeros([jobs, 1, heads], &self.device);
        for step in 0..steps {
            let seen = |order: &'_ Vec<u32>| step * batch..((step + 1) * batch).min(order.len()).max(step * batch);
            let seen: Vec<&[u32]> = orders.iter().map(|order| order.get(seen(order)).unwrap_or(&[])).collect();
            train = train + self.step(step as u64, &seen);
        }
        let mut valid = Tensor::zeros([jobs, 1, heads], &self.device);
        for feed in &self.validation {
            valid = valid + graph::losses(&self.layers, &self.parameters, &self.fixed, feed);
        }
        let fault = self.parameters.fault();
        to_host(Tensor::cat([train, valid].into_iter().chain(fault).collect(), 2))
    }

    /// One step of the jobs that see rows in it; each head's loss, summed over them, `[jobs, 1, heads]`.
    fn step(&mut self, number: u64, seen: &[&[u32]]) -> Tensor<B::InnerBackend, 3> {
        let (device, heads) = (&self.device, self.heads());
        let part = |(member, seen): (&'_ Member<'a>, &&'_ [u32])| {
            (member.job, (!seen.is_empty()).then(|| member.steps() + number))
        };
        let steps: Vec<(&NeuralJob, Option<u64>)> = self.members.iter().zip(seen).map(part).collect();
        let parts: Vec<Part<'_>> = self
            .members
            .iter()
            .zip(seen)
            .map(|(member, seen)| Part { member, rows: &member.job.train, labels: &member.labels, seen })
            .collect();
        let feed = Feed::upload(&parts, heads, device);
        let masks = match &self.fixed.masks {
            Some(all) => masks(all, &self.layers, feed.rows(), &steps, device),
            None => Vec::new(),
        };
        let each = seen.iter().map(|seen| 1.0 / (seen.len().max(1) * heads) as f32).collect();
        let each = by_job(each, device);
        let (losses, gradient) = graph::gradient::<B>(&self.layers, &self.parameters, &self.fixed, &feed, masks, each);
        let gradient = clip(gradient, &self.fixed.limits);
        let rates = Rates::upload(&steps, device);
        let nothing = || Parameters(Vec::new());
        let parameters = std::mem::replace(&mut self.parameters, nothing());
        let optimiser = std::mem::replace(&mut self.optimiser, AdamW { first: nothing(), second: nothing() });
        (self.optimiser, self.parameters) = optimiser.step(parameters, gradient, &rates);
        losses
    }

    /// Takes in an epoch's losses, keeps the best parameters, and tells the observer.
    fn take_in(&mut self, losses: &[f32]) {
        let (jobs, heads) = (self.members.len(), self.heads());
        let going = self.going();
        let mut best = vec![false; jobs];
        for &at in &going {
            let losses = &losses[at * (2 * heads + 1)..][..2 * heads + 1];
            best[at] = self.members[at].add(&losses[..heads], &losses[heads..2 * heads], losses[2 * heads]);
        }
        if best.iter().any(|&best| best) {
            let best = by_job(best.into_iter().map(|best| f32::from(u8::from(best))).collect(), &self.device)
                .greater_elem(0.5);
            let old = std::mem::replace(&mut self.best, Parameters(Vec::new()));
            let values = old.0.into_iter().zip(&self.parameters.0);
            let newer = values.map(|(old, new)| old.mask_where(best.clone().expand(new.shape()), new.clone()));
            self.best = Parameters(newer.collect());
        }
        for at in going {
            let member = &self.members[at];
            if member.error.is_none() {
                self.observer.epoch(member.job, &member.progress, &|| self.state(at));
            }
        }
    }

    /// What a member's training would go on from. It waits for the device.
    fn state(&self, at: usize) -> State {
        let jobs = places(&[at], &self.device);
        let own = |values: &Parameters<B::InnerBackend>| values.select(&jobs).download(&self.layers).swap_remove(0);
        State {
            progress: self.members[at].progress.clone(),
            parameters: own(&self.parameters),
            best: own(&self.best),
            first: own(&self.optimiser.first),
            second: own(&self.optimiser.second),
        }
    }

    /// Lets go of all members but some, whose places rise, and notes what has come of them.
    fn keep(&mut self, kept: &[usize]) {
        let gone: Vec<usize> = (0..self.members.len()).filter(|at| kept.binary_search(at).is_err()).collect();
        let mut best = match gone.is_empty() {
            true => Vec::new(),
            false => self.best.select(&places(&gone, &self.device)).download(&self.layers),
        }
        .into_iter();
        let members = std::mem::take(&mut self.members);
        for (at, member) in members.into_iter().enumerate() {
            if kept.binary_search(&at).is_ok() {
                self.members.push(member);
            } else {
                let place = member.place;
                self.done.push((place, member.result(self.features, best.next().unwrap_or_default())));
            }
        }
        let Some(first) = self.members.first() else { return };
        let jobs = places(kept, &self.device);
        for values in [&mut self.parameters, &mut self.best, &mut self.optimiser.first, &mut self.optimiser.second] {
            *values = values.select(&jobs);
        }
        self.fixed = Fixed::upload(self.fixed.table.clone(), &self.members, first.job, &self.device);
        self.validation = validation(&self.members, self.heads(), &self.device);
    }

    fn heads(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }
}

/// The validation rows of all members, a batch's rows each.
fn validation<B: Backend>(members: &[Member<'_>], heads: usize, device: &B::Device) -> Vec<Feed<B>> {
    let rows = members.iter().map(|member| member.job.valid.len()).max().unwrap_or(0) as u32;
    let batch = members.first().map_or(1, |member| member.job.params.batch);
    let one = |from: u32| {
        let seen: Vec<u32> = (from..rows.min(from + batch)).collect();
        let part = |member| {
            let member: &Member<'_> = member;
            let left = (member.job.valid.len() as u32).saturating_sub(from) as usize;
            (member, left.min(seen.len()))
        };
        let parts: Vec<Part<'_>> = members
            .iter()
            .map(part)
            .map(|(member, count)| Part {
                member,
                rows: &member.job.valid,
                labels: &member.prepared.valid_labels,
                seen: &seen[..count],
            })
            .collect();
        Feed::upload(&parts, heads, device)
    };
    (0..rows).step_by(batch as usize).map(one).collect()
}
