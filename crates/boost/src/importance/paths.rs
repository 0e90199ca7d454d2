//! The paths of a tree, prepared for the SHAP values of many rows.

use super::quadrature::{Point, gauss_legendre};
use crate::{Child, Tree};

/// Points of the quadrature that are computed side by side.
pub const LANES: usize = 4;

/// One number per point.
pub type Lanes = [f64; LANES];

/// One step of a walk that visits the whole tree, left before right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// Down an edge to a node.
    Down(u32),
    /// Down an edge to a leaf with this output, and back.
    Leaf(u32, f64),
    /// Back up an edge from a node.
    Up(u32),
}

/// The edge from a node to one of its children.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// Feature of the node's split.
    pub feature: u32,
    /// Threshold of the node's split.
    pub threshold: f64,
    /// Whether missing values go left at the node.
    pub missing_left: bool,
    /// Whether this is the edge to the left child.
    pub to_left: bool,
    /// The nearest edge above with the same feature; 0 if there is none.
    pub above: u32,
    /// Share of the node's rows that take this edge.
    pub share: f64,
    /// Product of the shares of this edge and of all edges above with the same feature.
    cover: f64,
}

/// How an edge changes the products at the points, for a row that `[leaves the path here, follows it]`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Factors {
    /// The factor of the edge, divided by that of the edge above with the same feature.
    pub scale: [Lanes; 2],
    /// What the leaves below contribute to the feature for a product of 1, less what they contribute through the edge above;
    /// times the weight of the point.
    pub gain: [Lanes; 2],
}

/// A tree as a walk; a tree of one leaf has no steps.
///
/// Edge 0 is a virtual edge to the root, which all rows take.
#[derive(Debug, Default)]
pub struct Paths {
    /// The edges, and before them the virtual one.
    pub edges: Vec<Edge>,
    /// The walk.
    pub steps: Vec<Step>,
    /// Factors of every edge, for [`LANES`] points at a time; all points together integrate the tree's polynomials exactly.
    pub factors: Vec<Vec<Factors>>,
    /// Most edges from the root to a node.
    pub depth: usize,
    /// Mean output, with leaves weighted by the share of rows that reach them.
    pub expected: f64,
}

impl Paths {
    /// The paths of a tree over `features` features.
    pub fn new(tree: &Tree, features: usize) -> Self {
        if tree.split_feature.is_empty() {
            return Self { expected: tree.leaf_value[0], ..Self::default() };
        }
        let (mut paths, distinct) = Self::laid_out(tree, features);
        // The polynomial of a leaf and a feature has one factor per other feature on the path.
        let mut points = gauss_legendre(distinct.div_ceil(2));
        // Points of weight 0 fill the last lanes.
        points.resize(points.len().next_multiple_of(LANES), Point { at: 0.5, rest: 0.5, weight: 0.0 });
        paths.factors = points
            .chunks_exact(LANES)
            .map(|points| paths.edges.iter().map(|edge| paths.factors_of(edge, points)).collect())
            .collect();
        paths
    }

    /// The walk without factors, and the largest number of features on one path.
    fn laid_out(tree: &Tree, features: usize) -> (Self, usize) {
        // Not recursive: a tree read from a file can be deeper than a thread's stack.
        enum Visit {
            Down { node: usize, to_left: bool, reach: f64 },
            Up(u32),
        }
        let mut paths = Self { edges: vec![NO_EDGE], ..Self::default() };
        let mut last = vec![0; features];
        let (mut depth, mut distinct, mut most_distinct) = (0, 0, 0);
        let children = |node, reach| [false, true].map(|to_left| Visit::Down { node, to_left, reach });
        let mut visits = Vec::from(children(0, 1.0));
        while let Some(visit) = visits.pop() {
            match visit {
                Visit::Down { node, to_left, reach } => {
                    let id = paths.edges.len() as u32;
                    let edge = paths.edge(tree, node, to_left, &last);
                    paths.edges.push(edge);
                    let first = edge.above == 0;
                    most_distinct = most_distinct.max(distinct + usize::from(first));
                    let reach = reach * edge.share;
                    match if to_left { tree.left[node] } else { tree.right[node] } {
                        Child::Leaf(leaf) => {
                            let value = tree.leaf_value[leaf as usize];
                            paths.expected += reach * value;
                            paths.steps.push(Step::Leaf(id, value));
                        }
                        Child::Node(next) => {
                            paths.steps.push(Step::Down(id));
                            last[edge.feature as usize] = id;
                            distinct += usize::from(first);
                            depth += 1;
                            paths.depth = paths.depth.max(depth);
                            visits.push(Visit::Up(id));
                            visits.extend(children(next as usize, reach));
                        }
                    }
                }
                Visit::Up(id) => {
                    paths.steps.push(Step::Up(id));
                    let Edge { feature, above, .. } = paths.edges[id as usize];
                    last[feature as usize] = above;
                    distinct -= usize::from(above == 0);
                    depth -= 1;
                }
            }
        }
        (paths, most_distinct)
    }

    fn edge(&self, tree: &Tree, node: usize, to_left: bool, last: &[u32]) -> Edge {
        let [left, right] = [tree.left[node], tree.right[node]].map(|child| match child {
            Child::Node(node) => f64::from(tree.node_count[node as usize]),
            Child::Leaf(leaf) => f64::from(tree.leaf_count[leaf as usize]),
        });
        // The sum of the children, not the node's count: shares then add up to 1 even if the counts of a file do not.
        let rows = left + right;
        let share = if rows == 0.0 { 0.5 } else { (if to_left { left } else { right }) / rows };
        let feature = tree.split_feature[node];
        let above = last[feature as usize];
        Edge {
            feature,
            threshold: tree.threshold[node],
            missing_left: tree.missing_left[node],
            to_left,
            above,
            share,
            cover: self.edges[above as usize].cover * share,
        }
    }

    /// The factors of an edge at `points`, for a row that is still on the path above.
    ///
    /// The factor of a feature at t is t·hot + (1 − t)·cover, where hot is 1 for a row that follows all of the path's splits on
    /// the feature, and otherwise 0. The contribution of the feature is the leaf's product times (hot − cover)/factor: this is
    /// (1 − cover)/factor while the row follows the path, and −1/(1 − t) once it does not, whatever the cover.
    fn factors_of(&self, edge: &Edge, points: &[Point]) -> Factors {
        let above = self.edges[edge.above as usize].cover;
        let mut factors = Factors::default();
        for (lane, &Point { at, rest, weight }) in points.iter().enumerate() {
            let [before, after] = [above, edge.cover].map(|cover| at + rest * cover);
            let [gain_before, gain_after] = [(above, before), (edge.cover, after)].map(|(c, f)| (1.0 - c) / f);
            factors.scale[1][lane] = after / before;
            factors.gain[1][lane] = weight * (gain_after - gain_before);
            factors.scale[0][lane] = rest * edge.cover / before;
            factors.gain[0][lane] = weight * (-1.0 / rest - gain_before);
        }
        factors
    }
}

const NO_EDGE: Edge =
    Edge { feature: 0, threshold: 0.0, missing_left: false, to_left: false, above: 0, share: 1.0, cover: 1.0 };
