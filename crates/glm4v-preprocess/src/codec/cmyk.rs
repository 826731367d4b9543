/// Inks as RGB, as Pillow converts them: 0 is no ink.
pub(super) fn cmyk_to_rgb([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    let light = u32::from(u8::MAX - black);
    [cyan, magenta, yellow].map(|ink| {
        let absorbed = (u32::from(ink) * light + 127) / 255;
        (light - absorbed) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_dims_the_other_inks() {
        assert_eq!(cmyk_to_rgb([0, 0, 0, 0]), [255, 255, 255]);
        assert_eq!(cmyk_to_rgb([0, 0, 0, 255]), [0, 0, 0]);
        assert_eq!(cmyk_to_rgb([255, 0, 204, 0]), [0, 255, 51]);
        assert_eq!(cmyk_to_rgb([255, 0, 204, 155]), [0, 100, 20]);
    }
}
