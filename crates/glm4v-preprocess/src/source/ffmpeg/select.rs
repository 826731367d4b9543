//! The expression of ffmpeg's `select` filter for a list of frames, kept short.

/// Consecutive frames, at least this many, have a leaf of their own. Other frames share a leaf if they are this near:
/// they are the bits of a number, and `bitand` takes 32 bits on Windows, with the sign.
const BITS: usize = 30;
/// Most characters of the expression. A command line on Windows has 32,767.
const MAX_LENGTH: usize = 24_000;
/// Characters that a leaf adds to the tree.
const BRANCH: usize = "if(lt(n,12345678),,)".len();

/// The frames that ffmpeg passes on: the requested ones, up to the length of the expression, and all frames after
/// that.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) expression: String,
    exact: Vec<usize>,
    /// The frames that are passed on without a choice.
    rest: std::ops::Range<usize>,
}

impl Selection {
    /// Selects `indices`, which are in order and may repeat.
    pub(crate) fn new(indices: &[usize]) -> Self {
        Self::within(indices, MAX_LENGTH)
    }

    fn within(indices: &[usize], max_length: usize) -> Self {
        let mut exact = indices.to_vec();
        exact.dedup();
        let mut leaves = leaves(&exact);
        let mut length = 0;
        let surplus = leaves.iter().position(|leaf| {
            length += leaf.text.len() + BRANCH;
            length > max_length
        });
        let mut rest = 0..0;
        if let Some(surplus) = surplus {
            let first = leaves[surplus].first;
            rest = first..exact.last().map_or(first, |last| last + 1);
            exact.retain(|&index| index < first);
            leaves.truncate(surplus);
            leaves.push(Leaf {
                first,
                text: "1".into(),
            });
        }
        Self {
            expression: tree(&leaves),
            exact,
            rest,
        }
    }

    /// How many frames are passed on.
    pub(crate) fn count(&self) -> usize {
        self.exact.len() + self.rest.len()
    }

    /// Their indices.
    pub(crate) fn indices(&self) -> impl Iterator<Item = usize> + use<> {
        self.exact.clone().into_iter().chain(self.rest.clone())
    }
}

/// An expression for the frames from `first` up to the next leaf.
struct Leaf {
    first: usize,
    text: String,
}

fn leaves(mut indices: &[usize]) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    while let Some(&first) = indices.first() {
        let consecutive = (first..)
            .zip(indices)
            .take_while(|(at, index)| at == *index);
        let consecutive = consecutive.count();
        let near = indices.partition_point(|&index| index < first + BITS);
        let (count, text) = match (consecutive, near) {
            (BITS.., _) => (consecutive, format!("lte(n,{})", first + consecutive - 1)),
            (_, 1) => (1, format!("eq(n,{first})")),
            _ => (near, block(first, &indices[..near])),
        };
        leaves.push(Leaf { first, text });
        indices = &indices[count..];
    }
    leaves
}

/// The exponent is at most `BITS`: beyond the range of an integer, ffmpeg's result depends on the machine.
fn block(first: usize, indices: &[usize]) -> String {
    let bits: u32 = indices.iter().map(|index| 1 << (index - first)).sum();
    format!("bitand({bits},2^min(n-{first},{BITS}))")
}

/// A binary tree of the leaves, so that a frame takes few steps. Before the first leaf, no frame is passed on.
fn tree(leaves: &[Leaf]) -> String {
    fn branch(leaves: &[Leaf]) -> String {
        match leaves {
            [] => "0".into(),
            [leaf] => leaf.text.clone(),
            _ => {
                let (left, right) = leaves.split_at(leaves.len() / 2);
                format!(
                    "if(lt(n,{}),{},{})",
                    right[0].first,
                    branch(left),
                    branch(right)
                )
            }
        }
    }
    match leaves.first() {
        Some(leaf) if leaf.first > 0 => format!("gte(n,{})*{}", leaf.first, branch(leaves)),
        _ => branch(leaves),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expression(indices: &[usize]) -> String {
        Selection::new(indices).expression
    }

    #[test]
    fn one_leaf_for_one_frame_consecutive_frames_or_near_frames() {
        assert_eq!(expression(&[]), "0");
        assert_eq!(expression(&[0]), "eq(n,0)");
        assert_eq!(expression(&[7, 7]), "gte(n,7)*eq(n,7)");
        let all: Vec<usize> = (0..5000).collect();
        assert_eq!(expression(&all), "lte(n,4999)");
        assert_eq!(
            expression(&[0, 2, 3, 29]),
            "bitand(536870925,2^min(n-0,30))"
        );
        assert_eq!(
            expression(&[0, 30, 61]),
            "if(lt(n,30),eq(n,0),if(lt(n,61),eq(n,30),eq(n,61)))"
        );
    }

    #[test]
    fn frames_beyond_the_length_are_all_passed_on() {
        let indices: Vec<usize> = (0..10_000).map(|step| step * 31).collect();
        let selection = Selection::new(&indices);
        assert!(selection.expression.len() <= MAX_LENGTH);
        let passed: Vec<usize> = selection.indices().collect();
        assert_eq!(passed.len(), selection.count());
        assert!(passed.is_sorted() && passed.last() == indices.last());
        assert!(
            indices
                .iter()
                .all(|index| passed.binary_search(index).is_ok())
        );
        let short = Selection::within(&[1, 40, 80, 85], 40);
        assert_eq!(short.indices().collect::<Vec<_>>()[..3], [1, 40, 41]);
    }

    #[test]
    fn the_sampled_frames_of_long_videos_are_exact() {
        let indices: Vec<usize> = (0..640).map(|step| step * 999_999 / 639).collect();
        assert_eq!(Selection::new(&indices).count(), 640);
    }
}
