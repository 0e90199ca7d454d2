//! Structures and constants that the host and the kernels share. The structures are the twins of those in
//! `kernels/{bins.cu,boost.cuh,boost_levels.cuh,predict.cu}`, where their fields are described.

use huracan_engine::{Element, ElementKind};

pub use crate::bins::MAX_CUTS;
pub use crate::codes::{GROUP_BINS, LANES};
pub use crate::predict::MISSING_RIGHT;

/// Words of 32 bits that mark features, one bit each.
pub const MARK_WORDS: usize = 256;
/// No feature, no node.
pub const NONE: u32 = u32::MAX;
/// Marks a child that is a leaf.
pub const LEAF: u32 = 1 << 31;

/// [`JobArgs::objective`] for log loss.
pub const BINARY: u32 = 0;
/// [`JobArgs::objective`] for squared error.
pub const REGRESSION: u32 = 1;
/// [`JobArgs::objective`] for the Huber loss.
pub const HUBER: u32 = 2;

/// Bit of [`JobArgs::weighted`]: training rows have weights.
pub const TRAIN_WEIGHTS: u32 = 1;
/// Bit of [`JobArgs::weighted`]: validation rows have weights.
pub const VALID_WEIGHTS: u32 = 2;

macro_rules! shared {
    ($($(#[$doc:meta])* pub struct $name:ident { $(pub $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq)]
            #[repr(C)]
            pub struct $name { $(pub $field: $type,)* }

            const _: () = assert!(size_of::<$name>() == 0 $(+ size_of::<$type>())*, "no padding");

            // SAFETY: it consists of numbers only, without padding, as is asserted above.
            unsafe impl Element for $name { const KIND: ElementKind = ElementKind::Structure; }
        )*
    };
}

shared! {
    /// A set of rows that is to be binned.
    pub struct BinRows {
        pub rows: u64,
        pub columns: u64,
        pub train_rows: u32,
        pub valid_rows: u32,
        pub max_bin: u32,
        pub keys: u32,
    }

    /// A set of rows whose codes are laid out in groups.
    pub struct PackRows {
        pub columns: u64,
        pub train_codes: u64,
        pub valid_codes: u64,
        pub order: u64,
        pub group_bins: u64,
        pub train_rows: u32,
        pub valid_rows: u32,
        pub groups: u32,
        pub padding: u32,
    }

    /// A set of rows in bins. Twin of `BoostRows`.
    pub struct Rows {
        pub train_codes: u64,
        pub valid_codes: u64,
        pub first_group: u32,
        pub groups: u32,
        pub features: u32,
        pub train_rows: u32,
        pub valid_rows: u32,
        pub padding: u32,
    }

    /// A group of features. Twin of `BoostGroup`.
    pub struct Group {
        pub first_cut: [u64; LANES],
        pub cuts: [u32; LANES],
        pub feature: [u32; LANES],
        pub bins: u32,
        pub any_missing: u32,
    }

    /// The arguments of a job. Twin of `BoostJob`.
    pub struct JobArgs {
        pub seed: u64,
        pub labels: u64,
        pub weights: u64,
        pub scratch_f64: u64,
        pub scratch_u32: u64,
        pub parts: u64,
        pub nodes: u64,
        pub leaves: u64,
        pub trees: u64,
        pub base: f64,
        pub rate: f64,
        pub l2: f64,
        pub min_child_hessian: f64,
        pub min_split_gain: f64,
        pub subsample: f64,
        pub delta: f64,
        pub valid_total: f64,
        pub rows: u32,
        pub objective: u32,
        pub averaged: u32,
        pub rounds: u32,
        pub max_depth: u32,
        pub patience: u32,
        pub min_rounds: u32,
        pub features_a_tree: u32,
        pub features_a_node: u32,
        pub weighted: u32,
        pub node_capacity: u32,
        pub leaf_capacity: u32,
    }

    /// A split. Twin of `BoostNode`.
    pub struct TreeNode {
        pub feature: u32,
        pub bin: u32,
        pub missing_left: u32,
        pub group: u32,
        pub lane: u32,
        pub left: u32,
        pub right: u32,
        pub gain: f32,
        pub value: f32,
        pub hessian: i32,
        pub count: u32,
    }

    /// A leaf. Twin of `BoostLeaf`.
    pub struct TreeLeaf {
        pub value: f32,
        pub hessian: i32,
        pub count: u32,
    }

    /// Units of a tree's sums, and its numbers of nodes and leaves. Twin of `BoostTree`.
    pub struct TreeSize {
        pub gradient_unit: f64,
        pub hessian_unit: f64,
        pub nodes: u32,
        pub leaves: u32,
    }

    /// The outcome of a job. Twin of `BoostOutcome`.
    pub struct Outcome {
        pub trees: u32,
        pub losses: u32,
        pub best_round: u32,
    }

    /// A split of a tree that predicts.
    pub struct PredictNode {
        pub cut: f32,
        pub feature: u32,
        pub left: u32,
        pub right: u32,
    }

    /// A tree that predicts.
    pub struct PredictTree {
        pub nodes: u64,
        pub leaves: u64,
        pub root: u32,
        pub padding: u32,
    }

    /// A forest and the rows that it predicts. Twin of `PredictJob`.
    pub struct PredictArgs {
        pub trees: u64,
        pub base: u64,
        pub rows: u64,
        pub scores: u64,
        pub shared_by: f64,
        pub tree_count: u32,
        pub classes: u32,
        pub row_count: u32,
        pub padding: u32,
    }

    /// A node of the current level. Twin of `BoostPart`.
    pub struct Part {
        pub path: u64,
        pub from: u32,
        pub to: u32,
        pub gradient: i32,
        pub hessian: i32,
        pub parent: u32,
        pub padding: u32,
    }

    /// A tree that is kept, and where it goes. Twin of `BoostKeptTree`.
    pub struct KeptTree {
        pub from_node: u64,
        pub to_node: u64,
        pub from_leaf: u64,
        pub to_leaf: u64,
        pub nodes: u32,
        pub leaves: u32,
    }

    /// A piece of listed work. Twin of `BoostTile`.
    pub struct Tile {
        pub job: u32,
        pub of: u32,
        pub from: u32,
        pub to: u32,
    }

    /// Further arguments of a large job. Twin of `BoostLevelJob`.
    pub struct LevelArgs {
        pub found: u64,
        pub splits: u64,
        pub histograms: u64,
        pub slots: u32,
        pub first_tile: u32,
    }

    /// A node of the current level, with its histograms. Twin of `BoostLevelPart`.
    pub struct LevelPart {
        pub part: Part,
        pub slot: u32,
        pub parent: u32,
        pub sibling: u32,
        pub searched: u32,
    }

    /// The best split of a node by some features. Twin of `BoostFound`.
    pub struct Found {
        pub score: f32,
        pub feature: u32,
        pub split: u32,
        pub place: u32,
        pub gradient: i32,
        pub hessian: i32,
        pub next: u32,
        pub missing: u32,
    }

    /// A node that is split. Twin of `BoostSplit`.
    pub struct Split {
        pub part: u32,
        pub node: u32,
        pub first_tile: u32,
        pub lefts: u32,
        pub gradient: i32,
        pub hessian: i32,
    }

    /// The state of a large job between launches. Twin of `BoostState`.
    pub struct State {
        pub greatest_gradient: u64,
        pub greatest_hessian: u64,
        pub greatest_loss: u64,
        pub losses: u64,
        pub gradient_unit: f64,
        pub hessian_unit: f64,
        pub best_loss: f64,
        pub best_round: u32,
        pub trees: u32,
        pub noted: u32,
        pub padding: u32,
        pub running: u32,
        pub drawn: u32,
        pub gradient: i32,
        pub hessian: i32,
        pub width: u32,
        pub splits: u32,
        pub nodes: u32,
        pub leaves: u32,
    }
}

impl Group {
    /// A group without features.
    pub const EMPTY: Self =
        Self { first_cut: [0; LANES], cuts: [0; LANES], feature: [NONE; LANES], bins: 0, any_missing: 0 };
}
