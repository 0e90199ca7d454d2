//! Boosted trees and random forests: one model, or one per group in one batch.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use huracan::boost::{
    BoostJob, BoostParams, Forest, Objective, PredictJob, Table, contributions, device::predict_on,
    device::raw_scores_on, device::train_on,
};
use huracan::commands::boost::groups;
use huracan::commands::fallback::warn_if_lost;
use huracan::engine::{Compute, Device, DeviceChoice};
use huracan::models::{from_lightgbm, to_lightgbm};
use numpy::PyArray1;
use pyo3::exceptions::{PyIndexError, PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;
use serde_json::Value;

use crate::errors::{HuracanError, UsageError, bad_data, exception};
use crate::matrix::{Matrix, vector};
use crate::work::{self, Signs};

/// Devices that are open, by their names; the CPU needs none, so that a forked child never waits here.
static DEVICES: Mutex<Option<HashMap<String, Arc<Compute>>>> = Mutex::new(None);

/// Opens a device, once: `cpu`, `auto`, `cuda`, `cuda:N`, `emulated`.
fn device(name: &str) -> PyResult<Arc<Compute>> {
    if !["cpu", "auto"].contains(&name) {
        work::refuse_after_fork("a device other than the CPU")?;
        let devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = devices.as_ref().and_then(|known| known.get(name)) {
            return Ok(Arc::clone(open));
        }
    }
    let usage = |error: &dyn std::fmt::Display| UsageError::new_err(format!("the device '{name}': {error}"));
    let choice: DeviceChoice = name.parse().map_err(|error| usage(&error))?;
    let chosen = choice.resolve().map_err(|error| usage(&error))?;
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    let compute = Compute::open(chosen, &cache.join("huracan/kernels"), false);
    let compute = Arc::new(compute.map_err(|error| HuracanError::new_err(error.to_string()))?);
    if compute.device() != Device::Cpu {
        let mut devices = DEVICES.lock().unwrap_or_else(PoisonError::into_inner);
        devices.get_or_insert_default().insert(name.to_owned(), Arc::clone(&compute));
    }
    Ok(compute)
}

/// Rows of a caller's table: values, and per row the label, the weight and the place of its group.
struct Rows {
    values: Matrix,
    labels: Vec<f32>,
    weights: Vec<f32>,
    groups: Vec<u32>,
}

type RowsIn<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>);

impl Rows {
    fn of((values, labels, weights, groups): RowsIn<'_>) -> PyResult<Self> {
        let values = Matrix::of(&values)?;
        let labels: Vec<f32> = vector(&labels, "labels")?;
        let weights: Vec<f32> = weights.map_or(Ok(Vec::new()), |weights| vector(&weights, "weights"))?;
        let groups: Vec<u32> = groups.map_or(Ok(Vec::new()), |groups| vector(&groups, "groups"))?;
        let fits = |length: usize, may_be_empty: bool| length == values.rows || (may_be_empty && length == 0);
        if !(fits(labels.len(), false) && fits(weights.len(), true) && fits(groups.len(), true)) {
            let (rows, labels, weights, groups) = (values.rows, labels.len(), weights.len(), groups.len());
            let text = format!("{rows} rows, but {labels} labels, {weights} weights and {groups} groups");
            return Err(PyValueError::new_err(text));
        }
        Ok(Self { values, labels, weights, groups })
    }

    fn group_of(&self, row: usize) -> usize {
        self.groups.get(row).map_or(0, |&group| group as usize)
    }
}

/// What the parameters of one job follow from besides those of all: its rows.
#[derive(Debug, Clone, Copy)]
struct ByRows {
    /// Fewest rows of a leaf, as rows of the mean Hessian before the first tree; 0 asks for none.
    rows_in_leaf: f64,
    /// Fewest rows of a bin on average; 0 asks for none.
    rows_in_bin: f64,
}

impl ByRows {
    /// The parameters of a job with these labels and weights.
    fn apply(self, params: &BoostParams, labels: &[f32], weights: &[f32]) -> BoostParams {
        let mut own = params.clone();
        let weight = |row: usize| weights.get(row).map_or(1.0, |&weight| f64::from(weight));
        let total: f64 = (0..labels.len()).map(weight).sum();
        let rows = labels.len() as f64;
        if self.rows_in_leaf > 0.0 && total > 0.0 {
            let spread = |share: f64| share * (1.0 - share);
            let of_class =
                |class: f32| (0..labels.len()).filter(|&row| labels[row] == class).map(weight).sum::<f64>() / total;
            let hessian = match own.objective {
                Objective::Binary => spread(of_class(1.0)),
                Objective::Multiclass { classes } => {
                    (0..classes).map(|class| spread(of_class(class as f32))).sum::<f64>() / f64::from(classes)
                }
                Objective::Regression | Objective::Quantile { .. } | Objective::Huber { .. } => 1.0,
            };
            let least = self.rows_in_leaf * hessian * total / rows;
            own.min_child_hessian = own.min_child_hessian.max(least);
        }
        if self.rows_in_bin > 0.0 {
            let bins = (rows / self.rows_in_bin).ceil().max(f64::from(LEAST_BINS));
            own.max_bin = own.max_bin.min(bins as u32);
        }
        own
    }
}

/// Fewest bins that few rows lead to.
const LEAST_BINS: u32 = 15;

/// One model, read when it is first needed.
struct Entry {
    name: String,
    forest: OnceLock<Arc<Forest>>,
}

/// Trained models by group; without groups there is one.
#[pyclass(frozen, module = "huracan._huracan")]
pub struct Models {
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
    file: Option<groups::OneFile>,
    parameters: Vec<Value>,
}

impl Models {
    fn of(models: Vec<(String, Forest)>, parameters: Vec<Value>) -> Self {
        let entries = models.into_iter().map(|(name, forest)| Entry { name, forest: OnceLock::from(Arc::new(forest)) });
        Self::with(entries.collect(), None, parameters)
    }

    fn with(entries: Vec<Entry>, file: Option<groups::OneFile>, parameters: Vec<Value>) -> Self {
        let places = entries.iter().enumerate().map(|(place, entry)| (entry.name.clone(), place)).collect();
        Self { entries, places, file, parameters }
    }

    fn forest(&self, place: usize) -> PyResult<&Arc<Forest>> {
        let entry =
            self.entries.get(place).ok_or_else(|| PyIndexError::new_err(format!("there is no model {place}")))?;
        if let Some(known) = entry.forest.get() {
            return Ok(known);
        }
        let file = self.file.as_ref().ok_or_else(|| HuracanError::new_err("a model is neither here nor in a file"))?;
        let read = file.forest(&entry.name).map_err(exception)?;
        Ok(entry.forest.get_or_init(|| Arc::new(read)))
    }

    fn text_of(&self, place: usize) -> PyResult<String> {
        let parameters = self.parameters.get(place).cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        Ok(to_lightgbm(self.forest(place)?, &parameters))
    }
}

/// Trains one model per name in one batch. See `huracan.HuracanClassifier` for what the parameters mean.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the package names them")]
pub fn fit(
    py: Python<'_>,
    train: RowsIn<'_>,
    valid: Option<RowsIn<'_>>,
    names: Vec<String>,
    features: Vec<String>,
    params: &str,
    rows_in_leaf: f64,
    rows_in_bin: f64,
    threads: usize,
    on: &str,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Models> {
    let params: BoostParams = serde_json::from_str(params).map_err(|error| UsageError::new_err(error.to_string()))?;
    let train = Rows::of(train)?;
    let valid = valid.map(Rows::of).transpose()?;
    for rows in [Some(&train), valid.as_ref()].into_iter().flatten() {
        if rows.values.columns != features.len() {
            let text = format!("{} columns, but {} names of features", rows.values.columns, features.len());
            return Err(PyValueError::new_err(text));
        }
        if rows.groups.iter().any(|&group| group as usize >= names.len()) {
            return Err(PyValueError::new_err("a row's group has no name"));
        }
    }
    let compute = device(on)?;
    let by_rows = ByRows { rows_in_leaf, rows_in_bin };
    let total = names.len();
    work::run(py, threads, progress.as_ref(), total, move |signs| {
        train_all(&compute, &train, valid.as_ref(), names, &features, &params, by_rows, signs)
    })
}

#[expect(clippy::too_many_arguments, reason = "they are those of `fit`")]
fn train_all(
    compute: &Compute,
    train: &Rows,
    valid: Option<&Rows>,
    names: Vec<String>,
    features: &[String],
    params: &BoostParams,
    by_rows: ByRows,
    signs: &Signs,
) -> PyResult<Models> {
    let mut values = train.values.values();
    if let Some(valid) = valid {
        values.to_mut().extend_from_slice(&valid.values.values());
    }
    let mut jobs: Vec<BoostJob> =
        names.iter().map(|name| BoostJob { name: name.clone(), ..BoostJob::default() }).collect();
    for row in 0..train.labels.len() {
        let job = &mut jobs[train.group_of(row)];
        job.train.push(row as u32);
        job.train_labels.push(train.labels[row]);
        job.train_weights.extend(train.weights.get(row));
    }
    for (valid, row) in valid.iter().flat_map(|valid| (0..valid.labels.len()).map(move |row| (valid, row))) {
        let job = &mut jobs[valid.group_of(row)];
        job.valid.push((train.labels.len() + row) as u32);
        job.valid_labels.push(valid.labels[row]);
        job.valid_weights.extend(valid.weights.get(row));
    }
    for job in &mut jobs {
        job.params = by_rows.apply(params, &job.train_labels, &job.train_weights);
    }
    params.check("fit").map_err(|error| UsageError::new_err(error.to_string()))?;
    let table = Table { values: &values, features: features.len() };
    let (trained, _) = train_on(compute, table, features, &jobs, &|| signs.keep_going(), &|_| signs.advance())
        .map_err(|error| HuracanError::new_err(error.to_string()))?;
    warn_if_lost(compute);
    let faults: Vec<String> = trained.iter().filter_map(|one| one.as_ref().err().map(ToString::to_string)).collect();
    if !faults.is_empty() {
        return Err(bad_data(faults.join("\n")));
    }
    let parameters = jobs.iter().map(|job| serde_json::to_value(&job.params).unwrap_or_default()).collect();
    let forests = names.into_iter().zip(trained).filter_map(|(name, forest)| Some((name, forest.ok()?))).collect();
    Ok(Models::of(forests, parameters))
}

/// How Python makes an object again: a callable, and its arguments, here names, texts and parameters.
type Reduced<'py> = (Bound<'py, PyAny>, (Vec<String>, Vec<String>, Vec<String>));

#[pymethods]
impl Models {
    /// The models of LightGBM's texts, by name; `parameters` are the JSON of each, or empty.
    #[staticmethod]
    fn from_texts(py: Python<'_>, names: Vec<String>, texts: Vec<String>, parameters: Vec<String>) -> PyResult<Self> {
        let read = py.detach(|| texts.iter().map(|text| from_lightgbm(text)).collect::<Result<Vec<_>, _>>());
        let forests = read.map_err(bad_data)?;
        let parameters: Result<Vec<Value>, _> = parameters.iter().map(|json| serde_json::from_str(json)).collect();
        Ok(Self::of(names.into_iter().zip(forests).collect(), parameters.map_err(bad_data)?))
    }

    /// The models of a file of all groups. Each is read when it is first needed.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let file = work::run(py, 0, None, 1, move |_| groups::OneFile::open(&path).map_err(exception))?;
        let entries = file.names().map(|name| Entry { name: name.to_owned(), forest: OnceLock::new() }).collect();
        Ok(Self::with(entries, Some(file), Vec::new()))
    }

    /// Writes all models to one file, `….jsonl`, or to a folder of `{name}.txt`.
    fn save(slf: &Bound<'_, Self>, path: PathBuf) -> PyResult<()> {
        let own = slf.clone().unbind();
        work::run(slf.py(), 0, None, 1, move |_| {
            let own = own.get();
            // Read first, so that a model that cannot be read is an error and not left out.
            (0..own.entries.len()).try_for_each(|place| own.forest(place).map(drop))?;
            let names: Vec<&str> = own.entries.iter().map(|entry| entry.name.as_str()).collect();
            groups::write(&path, &names, |place| own.text_of(place).ok()).map_err(exception)
        })
    }

    fn __len__(&self) -> usize {
        self.entries.len()
    }

    /// Pickles and copies are LightGBM's texts, which keep every bit.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        let py = slf.py();
        let (own, kind) = (slf.get(), slf.get_type());
        let texts =
            py.detach(|| (0..own.entries.len()).map(|place| own.text_of(place)).collect::<PyResult<Vec<_>>>())?;
        let names = own.entries.iter().map(|entry| entry.name.clone()).collect();
        let parameters = own.parameters.iter().map(Value::to_string).collect();
        Ok((kind.getattr("from_texts")?, (names, texts, parameters)))
    }

    /// Names of the models.
    #[getter]
    fn names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.entries.iter().map(|entry| entry.name.as_str()))
    }

    /// The place of a name.
    fn place(&self, name: &str) -> PyResult<usize> {
        self.places.get(name).copied().ok_or_else(|| PyKeyError::new_err(format!("there is no model of '{name}'")))
    }

    /// Names of the features that a model was trained on.
    fn features(&self, place: usize) -> PyResult<Vec<String>> {
        Ok(self.forest(place)?.features.clone())
    }

    /// Number of a model's outputs for a row.
    fn outputs(&self, place: usize) -> PyResult<usize> {
        Ok(self.forest(place)?.objective.trees_per_round())
    }

    /// A model as LightGBM's text.
    fn text(&self, place: usize) -> PyResult<String> {
        self.text_of(place)
    }

    /// One model by itself.
    fn alone(&self, place: usize) -> PyResult<Self> {
        let forest = Arc::clone(self.forest(place)?);
        let entry = Entry { name: self.entries[place].name.clone(), forest: OnceLock::from(forest) };
        Ok(Self::with(vec![entry], None, self.parameters.get(place).cloned().into_iter().collect()))
    }

    /// SHA-256 of a model's trees.
    fn digest(&self, place: usize) -> PyResult<String> {
        Ok(self.forest(place)?.digest())
    }

    /// Rounds that a model kept.
    fn rounds(&self, place: usize) -> PyResult<usize> {
        Ok(self.forest(place)?.rounds())
    }

    /// Validation loss of a model after each round.
    fn validation_loss(&self, place: usize) -> PyResult<Vec<f64>> {
        Ok(self.forest(place)?.validation_loss.clone())
    }

    /// Total gain of each feature's splits in a model.
    fn gain_importance<'py>(&self, py: Python<'py>, place: usize) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(PyArray1::from_vec(py, self.forest(place)?.gain_importance()))
    }

    /// Number of each feature's splits in a model.
    fn split_importance<'py>(&self, py: Python<'py>, place: usize) -> PyResult<Bound<'py, PyArray1<u64>>> {
        Ok(PyArray1::from_vec(py, self.forest(place)?.split_importance()))
    }

    /// Predictions `[rows × outputs]`, row by row. `groups` is the place of each row's model; without it there is one model.
    #[pyo3(signature = (values, groups, raw, threads, on, progress=None))]
    fn predict<'py>(
        slf: &Bound<'py, Self>,
        values: &Bound<'py, PyAny>,
        groups: Option<&Bound<'py, PyAny>>,
        raw: bool,
        threads: usize,
        on: &str,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let py = slf.py();
        let asked = Asked::of(slf, values, groups)?;
        let compute = device(on)?;
        let out = work::run(py, threads, progress, 1, move |_| {
            let values = asked.values.values();
            let table = Table { values: &values, features: asked.values.columns };
            let jobs = asked.jobs();
            let of_jobs = if raw { raw_scores_on(&compute, table, &jobs) } else { predict_on(&compute, table, &jobs) };
            let of_jobs = of_jobs.map_err(|error| HuracanError::new_err(error.to_string()))?;
            warn_if_lost(&compute);
            Ok(asked.scattered(&of_jobs, asked.outputs))
        })?;
        Ok(PyArray1::from_vec(py, out))
    }

    /// Exact SHAP values `[rows × outputs × (features + 1)]` in units of the raw score; the last one is the base.
    #[pyo3(signature = (values, groups, threads))]
    fn contributions<'py>(
        slf: &Bound<'py, Self>,
        values: &Bound<'py, PyAny>,
        groups: Option<&Bound<'py, PyAny>>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let py = slf.py();
        let asked = Asked::of(slf, values, groups)?;
        let out = work::run(py, threads, None, 1, move |_| {
            let values = asked.values.values();
            let table = Table { values: &values, features: asked.values.columns };
            let of_jobs: Vec<Vec<f64>> =
                asked.jobs().iter().map(|job| contributions(job.forest, table, job.rows)).collect();
            Ok(asked.scattered(&of_jobs, asked.outputs * (asked.values.columns + 1)))
        })?;
        Ok(PyArray1::from_vec(py, out))
    }
}

/// Rows to predict, and the forest of each.
struct Asked {
    values: Matrix,
    forests: Vec<Arc<Forest>>,
    /// Row numbers of each forest.
    rows: Vec<Vec<u32>>,
    outputs: usize,
}

impl Asked {
    fn of(models: &Bound<'_, Models>, values: &Bound<'_, PyAny>, groups: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let own = models.get();
        let values = Matrix::of(values)?;
        let all = || (0..values.rows as u32).collect::<Vec<u32>>();
        let mut of_places: Vec<Vec<u32>> = Vec::new();
        match groups {
            None if own.entries.len() == 1 => of_places.push(all()),
            None => {
                return Err(PyValueError::new_err("there are many models: say by groups which one predicts each row"));
            }
            Some(groups) => {
                let groups: Vec<u32> = vector(groups, "groups")?;
                if groups.len() != values.rows {
                    let text = format!("{} rows, but {} groups", values.rows, groups.len());
                    return Err(PyValueError::new_err(text));
                }
                of_places.resize_with(own.entries.len(), Vec::new);
                for (row, &group) in groups.iter().enumerate() {
                    let rows =
                        of_places.get_mut(group as usize).ok_or_else(|| PyIndexError::new_err("no such model"))?;
                    rows.push(row as u32);
                }
            }
        }
        let (mut forests, mut rows) = (Vec::new(), Vec::new());
        for (place, of_place) in of_places.into_iter().enumerate() {
            if !of_place.is_empty() {
                forests.push(Arc::clone(own.forest(place)?));
                rows.push(of_place);
            }
        }
        let outputs = match forests.first() {
            Some(first) => first.objective.trees_per_round(),
            None => own.forest(0)?.objective.trees_per_round(),
        };
        for forest in &forests {
            if forest.features.len() != values.columns {
                let text = format!("{} columns, but a model of {} features", values.columns, forest.features.len());
                return Err(PyValueError::new_err(text));
            }
            if forest.objective.trees_per_round() != outputs {
                return Err(PyValueError::new_err("the models have different numbers of outputs"));
            }
        }
        Ok(Self { values, forests, rows, outputs })
    }

    fn jobs(&self) -> Vec<PredictJob<'_>> {
        self.forests.iter().zip(&self.rows).map(|(forest, rows)| PredictJob { forest, rows }).collect()
    }

    /// Results of jobs, `width` per row, at the places of their rows.
    fn scattered(&self, of_jobs: &[Vec<f64>], width: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.values.rows * width];
        for (own, rows) in of_jobs.iter().zip(&self.rows) {
            for (own, &row) in own.chunks_exact(width).zip(rows) {
                out[row as usize * width..][..width].copy_from_slice(own);
            }
        }
        out
    }
}
