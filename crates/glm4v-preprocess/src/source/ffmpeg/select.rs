//! Tells ffmpeg which frames to pass on, in few words.

/// A run of as many frames is worth a leaf of its own; other frames share one if they are as near. A leaf's frames are
/// bits of a number: `bitand` takes 32 of them on Windows, one for the sign.
const BITS: usize = 30;
/// A command line on Windows has 32,767 characters.
const LONGEST: usize = 24_000;
/// What a leaf adds to the tree that holds it.
const BRANCH: usize = "if(lt(n,12345678),,)".len();

/// The frames that ffmpeg passes on: those at the indices, as far as the expression is not too long; from there on all.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) expression: String,
    exact: Vec<usize>,
    /// From the first to the last of those that are passed on unasked.
    rest: std::ops::Range<usize>,
}

impl Selection {
    /// Of `indices` in order, which may repeat.
    pub(crate) fn new(indices: &[usize]) -> Self {
        Self::within(indices, LONGEST)
    }

    fn within(indices: &[usize], longest: usize) -> Self {
        let mut exact = indices.to_vec();
        exact.dedup();
        let mut leaves = leaves(&exact);
        let mut length = 0;
        let surplus = leaves.iter().position(|leaf| {
            length += leaf.text.len() + BRANCH;
            length > longest
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

/// An expression that is right from the frame `first` up to the next leaf's.
struct Leaf {
    first: usize,
    text: String,
}

fn leaves(mut indices: &[usize]) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    while let Some(&first) = indices.first() {
        let run = (first..)
            .zip(indices)
            .take_while(|(at, index)| at == *index);
        let run = run.count();
        let near = indices.partition_point(|&index| index < first + BITS);
        let (taken, text) = match (run, near) {
            (BITS.., _) => (run, format!("lte(n,{})", first + run - 1)),
            (_, 1) => (1, format!("eq(n,{first})")),
            _ => (near, block(first, &indices[..near])),
        };
        leaves.push(Leaf { first, text });
        indices = &indices[taken..];
    }
    leaves
}

/// The power is taken of no more than `BITS`: beyond what an integer holds, ffmpeg's answer depends on the machine.
fn block(first: usize, indices: &[usize]) -> String {
    let bits: u32 = indices.iter().map(|index| 1 << (index - first)).sum();
    format!("bitand({bits},2^min(n-{first},{BITS}))")
}

/// Halves the leaves again and again, so that a frame takes few steps; before the first leaf nothing is passed on.
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
    fn one_leaf_for_a_frame_a_run_or_a_few_that_are_near() {
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
    fn what_is_too_long_is_passed_on_whole() {
        let indices: Vec<usize> = (0..10_000).map(|step| step * 31).collect();
        let selection = Selection::new(&indices);
        assert!(selection.expression.len() <= LONGEST);
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
    fn what_is_sampled_of_long_clips_is_exact() {
        let indices: Vec<usize> = (0..640).map(|step| step * 999_999 / 639).collect();
        assert_eq!(Selection::new(&indices).count(), 640);
    }
}
