use super::boxes::Reader;

/// (x, y) of red, green, blue and white, by their number: table 2 in ITU-T H.273.
type Primaries = [(f32, f32); 4];
const BT709: Primaries = [(0.64, 0.33), (0.3, 0.6), (0.15, 0.06), D65];
const D65: (f32, f32) = (0.3127, 0.329);
/// Illuminant C, a white of old television.
const C: (f32, f32) = (0.31, 0.316);
const SMPTE170: Primaries = [(0.63, 0.34), (0.31, 0.595), (0.155, 0.07), D65];

/// How colours are coded: numbers of ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    pub(super) primaries: u64,
    pub(super) matrix: u64,
    pub(super) full_range: bool,
}

/// How RGB became the planes of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Transform {
    /// Green, blue and red themselves.
    Identity,
    /// Brightness, and the differences of blue and red to it.
    Differences(Weights),
    /// Brightness, and differences of green and orange.
    GreenOrange,
    /// The same with integers, which have two bits more than the colours.
    GreenOrangeReversible,
}

/// The parts of the colours in the brightness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weights {
    pub(super) red: f32,
    pub(super) green: f32,
    pub(super) blue: f32,
}

impl Coding {
    /// The coding of a file that tells nothing about it.
    pub(super) const UNTOLD: Self = Self {
        primaries: 2,
        matrix: 2,
        full_range: true,
    };

    /// The coding in a property `colr`. Other kinds of it have a colour profile.
    pub(super) fn in_property(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        if reader.take(4)? != b"nclx" {
            return None;
        }
        let primaries = reader.number(2)?;
        let _transfer = reader.number(2)?;
        Some(Self {
            primaries,
            matrix: reader.number(2)?,
            full_range: reader.number(1)? >> 7 == 1,
        })
    }

    /// `None` for those that libavif refuses. It counts a matrix without a number as BT.601.
    pub(super) fn transform(self, bits: u32) -> Option<Transform> {
        let weights = |red, blue| Some(Transform::Differences(Weights::new(red, blue)));
        match self.matrix {
            0 => Some(Transform::Identity),
            1 => weights(0.2126, 0.0722),
            2 | 5 | 6 | 15 => weights(0.299, 0.114),
            4 => weights(0.3, 0.11),
            7 => weights(0.212, 0.087),
            8 if self.full_range => Some(Transform::GreenOrange),
            9 => weights(0.2627, 0.0593),
            12 => Some(Transform::Differences(Weights::of_primaries(
                self.primaries,
            ))),
            16 if self.full_range && bits == 10 => Some(Transform::GreenOrangeReversible),
            _ => None,
        }
    }
}

impl Weights {
    fn new(red: f32, blue: f32) -> Self {
        Self {
            red,
            green: 1.0 - red - blue,
            blue,
        }
    }

    /// Equations 32 to 37 of ITU-T H.273.
    fn of_primaries(number: u64) -> Self {
        let [red, green, blue, white] = primaries(number).map(|(x, y)| [x, y, 1.0 - (x + y)]);
        let (across_red, across_blue) = (cross(green, blue), cross(red, green));
        let volume =
            red[0] * across_red[0] + green[0] * cross(blue, red)[0] + blue[0] * across_blue[0];
        let part = |color: [f32; 3], across: [f32; 3]| {
            let of_white = white[0] * across[0] + white[1] * across[1] + white[2] * across[2];
            color[1] * of_white / (white[1] * volume)
        };
        Self::new(part(red, across_red), part(blue, across_blue))
    }
}

fn cross(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [
        a[1] * b[2] - b[1] * a[2],
        b[0] * a[2] - a[0] * b[2],
        a[0] * b[1] - b[0] * a[1],
    ]
}

fn primaries(number: u64) -> Primaries {
    match number {
        4 => [(0.67, 0.33), (0.21, 0.71), (0.14, 0.08), C],
        5 => [(0.64, 0.33), (0.29, 0.6), (0.15, 0.06), D65],
        6 | 7 => SMPTE170,
        8 => [(0.681, 0.319), (0.243, 0.692), (0.145, 0.049), C],
        9 => [(0.708, 0.292), (0.17, 0.797), (0.131, 0.046), D65],
        10 => [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.3333, 0.3333)],
        11 => [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.314, 0.351)],
        12 => [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06), D65],
        22 => [(0.63, 0.34), (0.295, 0.605), (0.155, 0.077), D65],
        // libavif takes unknown ones as BT.709 too.
        _ => BT709,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transform(primaries: u64, matrix: u64, full_range: bool, bits: u32) -> Option<Transform> {
        let coding = Coding {
            primaries,
            matrix,
            full_range,
        };
        coding.transform(bits)
    }

    #[test]
    fn weights_of_primaries_are_near_those_of_their_matrix() {
        for (primaries, matrix) in [(1, 1), (2, 1), (9, 9), (99, 1)] {
            let derived = transform(primaries, 12, true, 8);
            let named = transform(primaries, matrix, true, 8);
            let (Some(Transform::Differences(derived)), Some(Transform::Differences(named))) =
                (derived, named)
            else {
                panic!("no weights");
            };
            assert!((derived.red - named.red).abs() < 1e-3, "{primaries}");
            assert!((derived.blue - named.blue).abs() < 1e-3, "{primaries}");
            assert!((derived.red + derived.green + derived.blue - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn matrices_without_a_linear_transform_are_refused() {
        for matrix in [3, 10, 11, 13, 14, 17, 18, 255] {
            assert_eq!(transform(1, matrix, true, 10), None, "{matrix}");
        }
        assert_eq!(transform(1, 8, true, 8), Some(Transform::GreenOrange));
        assert_eq!(transform(1, 8, false, 8), None);
        assert_eq!(transform(1, 16, true, 8), None);
        let reversible = Some(Transform::GreenOrangeReversible);
        assert_eq!(transform(1, 16, true, 10), reversible);
    }

    #[test]
    fn a_property_names_a_coding_or_has_a_profile() {
        let coding = Coding {
            primaries: 9,
            matrix: 12,
            full_range: true,
        };
        let named = Coding::in_property(b"nclx\0\x09\0\x10\0\x0c\x80");
        assert_eq!(named, Some(coding));
        assert_eq!(Coding::in_property(b"prof\0\x09\0\x10\0\x0c\x80"), None);
        assert_eq!(Coding::in_property(b"nclx\0\x09"), None);
    }
}
