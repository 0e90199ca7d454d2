//! Reads LightGBM's model text as a forest.

use std::collections::HashMap;
use std::str::FromStr;

use super::{
    BASE_SCORE, CATEGORICAL, DEFAULT_LEFT, FIRST_VALUES, MISSING_NAN, MISSING_NONE, MISSING_SHIFT, MISSING_ZERO,
    OWN_NAMES, VALIDATION_LOSS, lightgbm_feature_names,
};
use crate::boost::{Child, Forest, Objective, Tree, ZERO_THRESHOLD};

/// Header line, without a value, of a forest whose trees are averaged.
const AVERAGED: &str = "average_output";
/// LightGBM treats values within this distance of zero as zero.
const ZERO: f64 = ZERO_THRESHOLD as f64;

/// A text that is not a model, or a model that a forest cannot represent.
///
/// `section` is the part of the text: `header`, `tree N`, `trees` or `parameters`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LightgbmError {
    /// The first line is not that of a model.
    #[error("not a LightGBM model text: its first line must be 'tree'")]
    NotAModel,
    /// The format has an unknown version.
    #[error("model text of version '{version}'; only v3 and v4 can be read: save the model with LightGBM 4")]
    Version {
        /// The version found.
        version: String,
    },
    /// A line is missing.
    #[error("{section}: '{key}' is missing; the text is incomplete")]
    Missing {
        /// Part of the text.
        section: String,
        /// Key of the line.
        key: String,
    },
    /// The text has no end.
    #[error("the text ends before 'end of trees'; it was truncated")]
    CutOff,
    /// A value is not a number of the expected type.
    #[error("{section}: '{key}' holds '{text}', which is not a number of the expected type")]
    Number {
        /// Part of the text.
        section: String,
        /// Key of the line.
        key: String,
        /// The value, at most 40 characters.
        text: String,
    },
    /// A line has too many or too few values.
    #[error("{section}: '{key}' has {found} values, {expected} are expected")]
    Length {
        /// Part of the text.
        section: String,
        /// Key of the line.
        key: String,
        /// Number of values found.
        found: usize,
        /// Number of values expected.
        expected: usize,
    },
    /// A forest cannot represent the model.
    #[error("{section}: {what} cannot be read; {remedy}")]
    Unsupported {
        /// Part of the text.
        section: String,
        /// The unsupported feature.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Values contradict each other or are out of range.
    #[error("{section}: {reason}")]
    Malformed {
        /// Part of the text.
        section: String,
        /// What is wrong.
        reason: String,
    },
}

/// Reads a model text of LightGBM (v3, v4) or of [`to_lightgbm`](super::to_lightgbm).
///
/// Supported objectives are binary, multiclass, and the regressions that predict the plain sum of trees, or their
/// mean in a random forest: `quantile` and `huber` as such, `regression_l1`, `fair` and `mape` as
/// [`Objective::Regression`]. A missing value goes the same way as in LightGBM: the default way if the split's
/// missing type is NaN, the way of 0 if it is None.
///
/// # Errors
/// A damaged text, and what a [`Forest`] cannot represent: categorical splits, linear trees, other objectives, and
/// splits that send zeros another way than their threshold does.
pub fn from_lightgbm(text: &str) -> Result<Forest, LightgbmError> {
    let mut lines = text.lines().map(|line| line.strip_suffix('\r').unwrap_or(line));
    if lines.next() != Some("tree") {
        return Err(LightgbmError::NotAModel);
    }
    let mut blocks = split_blocks(&mut lines)?.into_iter();
    let parameters = parameters(lines);
    // The first block always exists: it is the header.
    let header = blocks.next().unwrap_or_else(|| Block { section: "header".to_owned(), entries: HashMap::new() });
    let version = header.get("version")?;
    if !["v3", "v4"].contains(&version) {
        return Err(LightgbmError::Version { version: version.to_owned() });
    }
    let objective = objective(&header, &parameters)?;
    let features = feature_names(&header)?;
    let mut trees = blocks.map(|block| read_tree(&block, features.len())).collect::<Result<Vec<_>, _>>()?;
    let per_round = objective.trees_per_round();
    if trees.is_empty() || trees.len() % per_round != 0 {
        let reason = format!("{} trees, which is not a whole number of rounds of {per_round}", trees.len());
        return Err(LightgbmError::Malformed { section: header.section, reason });
    }
    let base_score = take_base_score(&header, &mut trees, per_round)?;
    let validation_loss =
        if header.entries.contains_key(VALIDATION_LOSS) { header.values(VALIDATION_LOSS)? } else { vec![] };
    let averaged = header.entries.contains_key(AVERAGED);
    Ok(Forest { objective, features, base_score, averaged, trees, validation_loss })
}

/// `key=value` lines of the header or of one tree.
struct Block<'a> {
    section: String,
    entries: HashMap<&'a str, &'a str>,
}

/// The blocks up to the end of the trees; the following lines stay in `lines`.
fn split_blocks<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<Vec<Block<'a>>, LightgbmError> {
    let mut blocks = vec![Block { section: "header".to_owned(), entries: HashMap::new() }];
    for line in lines {
        if line == "end of trees" {
            return Ok(blocks);
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if key == "Tree" {
            if value.parse() != Ok(blocks.len() - 1) {
                let reason = format!("found '{line}' where Tree={} is expected", blocks.len() - 1);
                return Err(LightgbmError::Malformed { section: "trees".to_owned(), reason });
            }
            blocks.push(Block { section: format!("tree {value}"), entries: HashMap::new() });
        } else if let Some(block) = blocks.last_mut().filter(|_| !key.is_empty()) {
            block.entries.insert(key, value);
        }
    }
    Err(LightgbmError::CutOff)
}

/// `[key: value]` lines of the section after the trees; empty if the section is missing.
fn parameters<'a>(lines: impl Iterator<Item = &'a str>) -> Block<'a> {
    let section = lines.skip_while(|line| *line != "parameters:").take_while(|line| *line != "end of parameters");
    let entries = section.filter_map(|line| line.strip_prefix('[')?.strip_suffix(']')?.split_once(": ")).collect();
    Block { section: "parameters".to_owned(), entries }
}

impl<'a> Block<'a> {
    fn get(&self, key: &str) -> Result<&'a str, LightgbmError> {
        let missing = || LightgbmError::Missing { section: self.section.clone(), key: key.to_owned() };
        self.entries.get(key).copied().ok_or_else(missing)
    }

    fn value<T: FromStr>(&self, key: &str) -> Result<T, LightgbmError> {
        let text = self.get(key)?;
        text.trim().parse().map_err(|_| self.bad_number(key, text))
    }

    fn values<T: FromStr>(&self, key: &str) -> Result<Vec<T>, LightgbmError> {
        let parse = |text: &str| text.parse().map_err(|_| self.bad_number(key, text));
        self.get(key)?.split_ascii_whitespace().map(parse).collect()
    }

    fn values_exactly<T: FromStr>(&self, key: &str, expected: usize) -> Result<Vec<T>, LightgbmError> {
        let values = self.values(key)?;
        let error = || LightgbmError::Length {
            section: self.section.clone(),
            key: key.to_owned(),
            found: values.len(),
            expected,
        };
        if values.len() == expected { Ok(values) } else { Err(error()) }
    }

    /// Values that describe a tree but do not affect its predictions: zeros if the text omits them.
    fn optional<T: FromStr + Default + Clone>(&self, key: &str, expected: usize) -> Result<Vec<T>, LightgbmError> {
        match self.entries.get(key) {
            None | Some(&"") => Ok(vec![T::default(); expected]),
            Some(_) => self.values_exactly(key, expected),
        }
    }

    fn bad_number(&self, key: &str, text: &str) -> LightgbmError {
        let text = text.chars().take(40).collect();
        LightgbmError::Number { section: self.section.clone(), key: key.to_owned(), text }
    }

    fn malformed<T>(&self, reason: String) -> Result<T, LightgbmError> {
        Err(LightgbmError::Malformed { section: self.section.clone(), reason })
    }

    fn unsupported<T>(&self, what: String, remedy: &'static str) -> Result<T, LightgbmError> {
        Err(LightgbmError::Unsupported { section: self.section.clone(), what, remedy })
    }
}

fn objective(header: &Block, parameters: &Block) -> Result<Objective, LightgbmError> {
    const REMEDY: &str = "train with objective binary, regression, quantile, huber or multiclass";
    let line = header.get("objective")?;
    let mut words = line.split_ascii_whitespace();
    let name = words.next().unwrap_or("");
    let options: HashMap<&str, &str> = words.map(|word| word.split_once(':').unwrap_or((word, ""))).collect();
    let objective = match name {
        "binary" if options.get("sigmoid").is_none_or(|s| s.parse() == Ok(1.0)) => Objective::Binary,
        "multiclass" => Objective::Multiclass { classes: header.value("num_class")? },
        _ if options.contains_key("sqrt") => return header.unsupported(format!("objective '{line}'"), REMEDY),
        "quantile" => match parameters.value("alpha")? {
            alpha if alpha > 0.0 && alpha < 1.0 => Objective::Quantile { alpha },
            alpha => return parameters.malformed(format!("alpha is {alpha}; quantile needs a value between 0 and 1")),
        },
        "huber" => match parameters.value("alpha")? {
            delta if delta > 0.0 && f64::is_finite(delta) => Objective::Huber { delta },
            delta => return parameters.malformed(format!("alpha is {delta}; huber needs a value above 0")),
        },
        "regression" | "regression_l1" | "fair" | "mape" => Objective::Regression,
        _ => return header.unsupported(format!("objective '{line}'"), REMEDY),
    };
    if objective == (Objective::Multiclass { classes: 0 }) {
        return header.malformed("a multiclass model of 0 classes".to_owned());
    }
    let per_round: usize = header.value("num_tree_per_iteration")?;
    if per_round != objective.trees_per_round() {
        let reason = format!("{per_round} trees per round do not fit objective '{line}'");
        return header.malformed(reason);
    }
    Ok(objective)
}

fn feature_names(header: &Block) -> Result<Vec<String>, LightgbmError> {
    let names: Vec<String> = header.values("feature_names")?;
    let last: usize = header.value("max_feature_idx")?;
    // A forest without features also has index 0.
    if names.len() != last + 1 && !(names.is_empty() && last == 0) {
        let (section, key) = (header.section.clone(), "feature_names".to_owned());
        return Err(LightgbmError::Length { section, key, found: names.len(), expected: last + 1 });
    }
    let Some(own) = header.entries.get(OWN_NAMES) else { return Ok(names) };
    match serde_json::from_str::<Vec<String>>(own) {
        Ok(own) if lightgbm_feature_names(&own) == names => Ok(own),
        _ => header.malformed(format!("{OWN_NAMES} contradicts feature_names; delete the line")),
    }
}

fn read_tree(block: &Block, features: usize) -> Result<Tree, LightgbmError> {
    const REMEDY: &str = "encode categories as numbers, and train with linear_tree=false";
    let leaves: usize = block.value("num_leaves")?;
    if leaves == 0 {
        return block.malformed("a tree without leaves".to_owned());
    }
    if block.entries.get("is_linear").is_some_and(|&v| v != "0") {
        return block.unsupported("a linear tree".to_owned(), REMEDY);
    }
    let decisions: Vec<u8> = if leaves == 1 { vec![] } else { block.values_exactly("decision_type", leaves - 1)? };
    if block.value::<usize>("num_cat")? != 0 || decisions.iter().any(|d| d & CATEGORICAL != 0) {
        return block.unsupported("a categorical split".to_owned(), REMEDY);
    }
    let nodes = leaves - 1;
    let inner = |key: &str| if nodes == 0 { Ok(vec![]) } else { block.values_exactly::<f64>(key, nodes) };
    let children = |key: &str| -> Result<Vec<Child>, LightgbmError> {
        let indices: Vec<i64> = if nodes == 0 { vec![] } else { block.values_exactly(key, nodes)? };
        indices.into_iter().map(|index| child(block, index, nodes)).collect()
    };
    let threshold = inner("threshold")?;
    let tree = Tree {
        split_feature: if nodes == 0 { vec![] } else { block.values_exactly("split_feature", nodes)? },
        missing_left: missing_left(block, &decisions, &threshold)?,
        threshold,
        left: children("left_child")?,
        right: children("right_child")?,
        split_gain: block.optional("split_gain", nodes)?,
        node_value: block.optional("internal_value", nodes)?,
        node_weight: block.optional("internal_weight", nodes)?,
        node_count: block.optional("internal_count", nodes)?,
        leaf_value: block.values_exactly("leaf_value", leaves)?,
        leaf_weight: block.optional("leaf_weight", leaves)?,
        leaf_count: block.optional("leaf_count", leaves)?,
    };
    check_tree(block, &tree, features)?;
    Ok(tree)
}

fn child(block: &Block, index: i64, nodes: usize) -> Result<Child, LightgbmError> {
    let number = u32::try_from(if index < 0 { -1 - index } else { index }).ok();
    let last = if index < 0 { nodes } else { nodes - 1 };
    match number.filter(|&number| number as usize <= last) {
        Some(leaf) if index < 0 => Ok(Child::Leaf(leaf)),
        Some(node) => Ok(Child::Node(node)),
        None => block.malformed(format!("child {index} does not exist")),
    }
}

fn missing_left(block: &Block, decisions: &[u8], threshold: &[f64]) -> Result<Vec<bool>, LightgbmError> {
    let mut out = Vec::with_capacity(decisions.len());
    for (node, (&decision, &cut)) in decisions.iter().zip(threshold).enumerate() {
        let default_left = decision & DEFAULT_LEFT != 0;
        out.push(match decision >> MISSING_SHIFT {
            MISSING_NAN => default_left,
            MISSING_NONE => 0.0 <= cut,
            MISSING_ZERO if if default_left { ZERO <= cut } else { cut < -ZERO } => default_left,
            MISSING_ZERO => {
                let what = format!("node {node}, which sends zeros another way than its threshold does,");
                return block.unsupported(what, "train with zero_as_missing=false");
            }
            other => return block.malformed(format!("node {node} has missing type {other}")),
        });
    }
    Ok(out)
}

/// Rejects invalid numbers and children that do not form a tree; a cycle would never end in a leaf.
fn check_tree(block: &Block, tree: &Tree, features: usize) -> Result<(), LightgbmError> {
    if let Some(&feature) = tree.split_feature.iter().find(|&&f| f as usize >= features) {
        return block.malformed(format!("a split on feature {feature}, but the model has {features} features"));
    }
    if tree.threshold.iter().any(|cut| cut.is_nan()) {
        return block.malformed("a threshold that is not a number".to_owned());
    }
    if let Some(value) = tree.leaf_value.iter().find(|value| !value.is_finite()) {
        return block.malformed(format!("a leaf value of {value}"));
    }
    let mut reached = vec![false; tree.split_feature.len()];
    let mut leaves = vec![false; tree.leaf_value.len()];
    let mut open = vec![if reached.is_empty() { Child::Leaf(0) } else { Child::Node(0) }];
    while let Some(at) = open.pop() {
        let seen = match at {
            Child::Node(node) => &mut reached[node as usize],
            Child::Leaf(leaf) => &mut leaves[leaf as usize],
        };
        if std::mem::replace(seen, true) {
            return block.malformed(format!("{at:?} is reached twice"));
        }
        if let Child::Node(node) = at {
            open.extend([tree.left[node as usize], tree.right[node as usize]]);
        }
    }
    // No node is reached twice; the tree is complete if all were reached.
    if reached.contains(&false) || leaves.contains(&false) {
        return block.malformed("some nodes or leaves cannot be reached from the root".to_owned());
    }
    Ok(())
}

/// Removes the base score from the first round's trees, to the bit, using the header lines of our own.
fn take_base_score(header: &Block, trees: &mut Vec<Tree>, per_round: usize) -> Result<Vec<f64>, LightgbmError> {
    if !header.entries.contains_key(BASE_SCORE) {
        return Ok(vec![0.0; per_round]);
    }
    let base: Vec<f64> = header.values_exactly(BASE_SCORE, per_round)?;
    let mut values = header.values::<f64>(FIRST_VALUES)?.into_iter();
    let contradiction =
        || header.malformed(format!("{BASE_SCORE} and {FIRST_VALUES} contradict the trees; delete both lines"));
    if values.len() == 0 {
        let constant = |(tree, base): (&Tree, &f64)| tree.split_feature.is_empty() && tree.leaf_value[0] == *base;
        if trees.len() != per_round || !trees.iter().zip(&base).all(constant) {
            return contradiction();
        }
        trees.clear();
        return Ok(base);
    }
    for (tree, base) in trees.iter_mut().zip(&base) {
        for written in tree.leaf_value.iter_mut().chain(&mut tree.node_value) {
            match values.next() {
                Some(value) if value + base == *written => *written = value,
                _ => return contradiction(),
            }
        }
    }
    if values.next().is_some() { contradiction() } else { Ok(base) }
}
