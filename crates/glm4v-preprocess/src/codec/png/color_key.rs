use super::chunks::find;

const GRAY: u8 = 0;
const RGB: u8 = 2;
const PALETTE: u8 = 3;

/// The colour key: the one colour, or the one palette entry, that is transparent.
///
/// It is the colour that Pillow finds. Pillow does not scale the key of gray with 2 or 4 bits, and takes the low byte
/// of each sample. A palette has a key only where one entry is transparent and all others are opaque.
pub(super) fn color_key(png: &[u8]) -> Option<[u8; 3]> {
    let header = find(png, b"IHDR")?;
    let (depth, color_type) = (*header.get(8)?, *header.get(9)?);
    let clear = find(png, b"tRNS")?;
    match (color_type, depth) {
        (GRAY, 1) => clear.starts_with(&[0, 0]).then_some([0; 3]),
        (GRAY, 2..=8) => Some([u8::try_from(samples::<1>(clear)?[0]).unwrap_or(u8::MAX); 3]),
        (RGB, _) => Some(samples::<3>(clear)?.map(|sample| sample as u8)),
        (PALETTE, _) => {
            let index = clear.iter().position(|&alpha| alpha == 0)?;
            let solid = clear.iter().filter(|&&alpha| alpha == u8::MAX).count();
            let (colors, _) = find(png, b"PLTE")?.as_chunks::<3>();
            let color = colors.get(index).copied();
            if solid + 1 == clear.len() {
                color
            } else {
                None
            }
        }
        _ => None,
    }
}

fn samples<const N: usize>(data: &[u8]) -> Option<[u16; N]> {
    let (pairs, _) = data.as_chunks::<2>();
    let samples: &[[u8; 2]; N] = pairs.first_chunk()?;
    Some(samples.map(u16::from_be_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(depth: u8, color_type: u8, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let header = [0, 0, 0, 1, 0, 0, 0, 1, depth, color_type, 0, 0, 0];
        let mut bytes = vec![0; 8];
        for (kind, data) in [(b"IHDR", &header[..])].iter().chain(chunks) {
            bytes.extend((data.len() as u32).to_be_bytes());
            bytes.extend([kind.as_slice(), data, &[0; 4]].concat());
        }
        bytes
    }

    #[test]
    fn keys_of_gray_and_rgb() {
        let key = |depth, color_type, data| color_key(&png(depth, color_type, &[(b"tRNS", data)]));
        assert_eq!(key(8, GRAY, &[0, 7]), Some([7; 3]));
        assert_eq!(key(8, GRAY, &[1, 0]), Some([255; 3]));
        assert_eq!(key(1, GRAY, &[0, 1]), None);
        assert_eq!(key(8, RGB, &[0, 1, 0, 2, 1, 3]), Some([1, 2, 3]));
        assert_eq!(key(8, RGB, &[0, 1]), None);
    }

    #[test]
    fn a_palette_has_a_key_where_one_entry_is_clear_and_the_rest_solid() {
        let key = |alphas| {
            let chunks: [(&[u8; 4], &[u8]); 2] =
                [(b"PLTE", &[1, 2, 3, 4, 5, 6]), (b"tRNS", alphas)];
            color_key(&png(8, PALETTE, &chunks))
        };
        assert_eq!(key(&[255, 0]), Some([4, 5, 6]));
        assert_eq!(key(&[0]), Some([1, 2, 3]));
        assert_eq!(key(&[0, 0]), None);
        assert_eq!(key(&[128, 0]), None);
    }

    #[test]
    fn damage_is_no_key() {
        let whole = png(8, RGB, &[(b"tRNS", &[0; 6])]);
        for length in 0..whole.len() - 4 {
            assert_eq!(color_key(&whole[..length]), None);
        }
        assert_eq!(color_key(&whole), Some([0; 3]));
    }
}
