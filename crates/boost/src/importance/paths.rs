//! A tree's paths, prepared for the SHAP values of many rows.

use super::quadrature::{Point, gauss_legendre};
use crate::{Child, Tree};

/// Points of the quadrature that are worked on side by side.
pub const LANES: usize = 4;

/// One number a point.
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

/// The way from a node to one of its children.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    pub feature: u32,
    pub threshold: f64,
    pub missing_left: bool,
    pub to_left: bool,
    /// The nearest edge above that asks for the same feature; 0 where there is none.
    pub above: u32,
    /// Share of the node's rows that go this way.
    pub share: f64,
    /// Product of the shares of this edge and of all edges above that ask for its feature.
    cover: f64,
}

/// What an edge does to the products at the points, `[left, followed]`: the row leaves the path here, or stays on it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Factors {
    /// The edge's factor over that of the edge above which asks for the same feature.
    pub scale: [Lanes; 2],
    /// What the leaves below give to the feature for a product of 1, less what the edge above gives for them; weighed.
    pub gain: [Lanes; 2],
}

/// A tree as a walk; a tree of one leaf has no steps.
///
/// Edge 0 stands for what is above the root: a path that no split has divided.
#[derive(Debug, Default)]
pub struct Paths {
    pub edges: Vec<Edge>,
    pub steps: Vec<Step>,
    /// Factors of every edge at [`LANES`] points each; together they integrate this tree's polynomials exactly.
    pub factors: Vec<Vec<Factors>>,
    /// Most edges from the root to a node.
    pub depth: usize,
    /// Mean output, leaves weighed by the share of rows that reach them.
    pub expected: f64,
}

impl Paths {
    /// Of a tree over `features` features.
    pub fn new(tree: &Tree, features: usize) -> Self {
        if tree.split_feature.is_empty() {
            return Self { expected: tree.leaf_value[0], ..Self::default() };
        }
        let (mut paths, distinct) = Self::laid_out(tree, features);
        // The polynomial of a leaf and a feature has a factor for each other feature on the path.
        let mut points = gauss_legendre(distinct.div_ceil(2));
        // Points that weigh nothing fill the last lanes.
        points.resize(points.len().next_multiple_of(LANES), Point { at: 0.5, rest: 0.5, weight: 0.0 });
        paths.factors = points
            .chunks_exact(LANES)
            .map(|points| paths.edges.iter().map(|edge| paths.factors_of(edge, points)).collect())
            .collect();
        paths
    }

    /// The walk without factors, and the most features that one path asks for.
    fn laid_out(tree: &Tree, features: usize) -> (Self, usize) {
        // On a stack of its own: a tree read from a text can be deeper than a thread's.
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
        // The children's own sum, not the node's count: shares add up to 1 even where a text's counts do not.
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

    /// What an edge does at `points`, where the row is still on the path above.
    ///
    /// A feature's factor at t is t·hot + (1 − t)·cover, hot being 1 for a row that follows all of the path's splits on it
    /// and 0 for others. It gets (hot − cover) over this factor of what a leaf's product is: (1 − cover)/factor while the
    /// row follows, and −1/(1 − t) once it does not, whatever the cover.
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
