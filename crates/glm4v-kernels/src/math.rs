//! Transcendental functions in f32, without branches, so that loops over them vectorise.

use crate::isa::mul_add;

/// The sum of this and a number below 2²² has the nearest integer in its lowest bits.
pub(crate) const ROUNDING: f32 = 12_582_912.0;
/// The upper bits of ln 2. They are so few that a product with an exponent is exact.
const LN_2_UPPER: f32 = 0.693_359_4;
const LN_2_LOWER: f32 = -2.121_944_4e-4;

/// eˣ within 2 units in the last place; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp<const FUSED: bool>(x: f32) -> f32 {
    // These comparisons are false for NaN, which stays.
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = mul_add::<FUSED>(x, std::f32::consts::LOG2_E, ROUNDING);
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUNDING.to_bits() as i32);
    let rounded = shifted - ROUNDING;
    let rest = mul_add::<FUSED>(rounded, -LN_2_UPPER, x);
    let rest = mul_add::<FUSED>(rounded, -LN_2_LOWER, rest);

    // Taylor's series to the seventh power. Up to ln 2 / 2 its error is below 6e-9.
    let series = [
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let sum = polynomial::<FUSED, 8>(rest, series);
    // In two steps, since 2¹²⁸ and numbers below 2⁻¹²⁶ have no exponent.
    let half = exponent >> 1;
    sum * power_of_two(half) * power_of_two(exponent.wrapping_sub(half))
}

/// erf(x) within 5e-7 of itself; NaN stays NaN.
#[inline(always)]
pub(crate) fn erf<const FUSED: bool>(x: f32) -> f32 {
    // Past 4 it differs from 1 by 2e-8.
    let x = if x < -4.0 { -4.0 } else { x };
    let x = if x > 4.0 { 4.0 } else { x };
    let square = x * x;
    x * polynomial::<FUSED, 7>(square, ERF_ABOVE) / polynomial::<FUSED, 6>(square, ERF_BELOW)
}

/// erf(x) / x as a quotient of polynomials in x², highest power first. The fit has the least relative error over [0, 4]: 2e-9.
const ERF_ABOVE: [f32; 7] = [
    -1.320_083_3e-8,
    4.684_47e-6,
    3.796_004e-4,
    3.849_707_2e-3,
    5.431_707_1e-2,
    1.852_063_1e-1,
    std::f32::consts::FRAC_2_SQRT_PI,
];
const ERF_BELOW: [f32; 6] = [
    6.310_771e-5,
    1.307_578_3e-3,
    1.546_224_9e-2,
    1.139_594_7e-1,
    4.974_682_3e-1,
    1.0,
];

#[inline(always)]
fn polynomial<const FUSED: bool, const N: usize>(x: f32, factors: [f32; N]) -> f32 {
    let mut sum = 0.0;
    for factor in factors {
        sum = mul_add::<FUSED>(sum, x, factor);
    }
    sum
}

#[inline(always)]
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits((exponent.wrapping_add(127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Isa, Job};

    struct Exp<'a>(&'a mut [f32]);

    impl Job for Exp<'_> {
        type Output = ();

        #[inline(always)]
        fn run<const FUSED: bool>(self) {
            for x in self.0 {
                *x = exp::<FUSED>(*x);
            }
        }
    }

    #[test]
    fn exp_is_within_two_units() {
        for isa in Isa::available() {
            let inputs: Vec<f32> = (0..400_000).map(|i| -87.3 + i as f32 * 4.4e-4).collect();
            let mut found = inputs.clone();
            isa.run(Exp(&mut found));
            for (x, found) in inputs.into_iter().zip(found) {
                let exact = f64::from(x).exp();
                if exact > f64::from(f32::MAX) {
                    continue;
                }
                let unit = f64::from((exact as f32).next_up() - exact as f32);
                let error = (f64::from(found) - exact).abs() / unit;
                assert!(error <= 2.0, "{isa}: exp({x}) is off by {error} units");
            }
        }
    }

    #[test]
    fn exp_at_the_ends() {
        for isa in Isa::available() {
            let mut x = [
                f32::NEG_INFINITY,
                -1e30,
                -100.0,
                -0.0,
                90.0,
                f32::INFINITY,
                f32::NAN,
            ];
            isa.run(Exp(&mut x));
            assert_eq!(x[..2], [0.0, 0.0]);
            assert!((x[2] - 3.78e-44).abs() <= 2e-45);
            assert_eq!(x[3..6], [1.0, f32::INFINITY, f32::INFINITY]);
            assert!(x[6].is_nan());
        }
    }
}
