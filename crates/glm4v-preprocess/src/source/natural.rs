use std::cmp::Ordering;

/// Orders names as people do: numbers by their value, everything else by its characters.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one, other);
    while let (Some(left), Some(right)) = (ones.chars().next(), others.chars().next()) {
        let order = if left.is_ascii_digit() && right.is_ascii_digit() {
            by_value(take_digits(&mut ones), take_digits(&mut others))
        } else {
            ones = &ones[left.len_utf8()..];
            others = &others[right.len_utf8()..];
            left.cmp(&right)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    // Names that differ in leading zeros only have an order too.
    (ones.len().cmp(&others.len())).then_with(|| one.cmp(other))
}

fn take_digits<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    *text = rest;
    digits
}

fn by_value(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_by_their_value() {
        let sorted = [
            "10.png",
            "a",
            "frame",
            "frame1.png",
            "frame2.png",
            "frame02.png",
            "frame10.png",
            "frame10a.png",
            "frame99999999999999999999998.png",
            "frame99999999999999999999999.png",
            "rahmen-ü2",
            "rahmen-ü10",
        ];
        let mut names = sorted;
        names.reverse();
        names.sort_by(|one, other| compare(one, other));
        // "02" and "2" are of one value: the name decides.
        let mut expected = sorted;
        expected.swap(4, 5);
        assert_eq!(names, expected);
    }
}
