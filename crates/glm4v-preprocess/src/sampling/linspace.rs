/// `count` numbers from `start` to `stop`, both included: `numpy.linspace` 2.4, in its order of rounding.
pub(super) fn linspace(start: f64, stop: f64, count: usize) -> impl Iterator<Item = f64> {
    let steps = count.saturating_sub(1);
    let step = (stop - start) / steps as f64;
    (0..count).map(move |index| match index {
        0 => start,
        _ if index == steps => stop,
        _ => index as f64 * step + start,
    })
}

/// The same of integers, rounded down: `numpy.linspace(.., dtype=int)`.
pub(super) fn linspace_floor(start: usize, stop: usize, count: usize) -> Vec<usize> {
    linspace(start as f64, stop as f64, count)
        .map(|value| value.floor() as usize)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_included() {
        let values: Vec<f64> = linspace(1.0, 2.0, 5).collect();
        assert_eq!(values, [1.0, 1.25, 1.5, 1.75, 2.0]);
        assert_eq!(linspace(0.0, 9.0, 1).collect::<Vec<_>>(), [0.0]);
        assert_eq!(linspace(0.0, 9.0, 0).count(), 0);
    }

    #[test]
    fn integers_are_rounded_down() {
        assert_eq!(linspace_floor(0, 7, 4), [0, 2, 4, 7]);
        assert_eq!(linspace_floor(3, 3, 3), [3, 3, 3]);
    }
}
