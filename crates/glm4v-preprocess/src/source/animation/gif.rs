mod frames;

use super::Contents;
use super::bytes::Bytes;
pub(super) use frames::GifFrames;

const EXTENSION: u8 = 0x21;
const FRAME: u8 = 0x2c;
const END: u8 = 0x3b;
/// The extension that says how long the next frame is shown.
const CONTROL: u8 = 0xf9;
/// ffmpeg's, in hundredths of a second: less than the first counts as the second.
const SHORTEST: u16 = 2;
const UNBELIEVED: u16 = 10;

pub(super) fn contents(gif: &[u8]) -> Option<Contents> {
    let mut rest = Bytes(gif);
    let [.., w0, w1, h0, h1, flags, _, _] = rest.array::<13>()?;
    let sides = [[w0, w1], [h0, h1]].map(u16::from_le_bytes);
    rest.take(palette_bytes(flags))?;
    let mut delays = Vec::new();
    let ended = blocks(&mut rest, &mut delays).is_some();
    let cut = format!(
        "the GIF is cut off or damaged after {} frames",
        delays.len()
    );
    Some(Contents {
        size: (sides[0].into(), sides[1].into()),
        delays,
        warning: (!ended).then_some(cut),
    })
}

/// Walks to the end of the file, if it has one.
fn blocks(rest: &mut Bytes, delays: &mut Vec<f64>) -> Option<()> {
    let mut hundredths = 0;
    loop {
        match rest.byte() {
            Some(EXTENSION) => {
                let label = rest.byte()?;
                let first = sub_blocks(rest)?;
                if let (CONTROL, &[_, low, high, ..]) = (label, first) {
                    hundredths = u16::from_le_bytes([low, high]);
                }
            }
            Some(FRAME) => {
                let [.., flags] = rest.array::<9>()?;
                rest.take(palette_bytes(flags) + 1)?;
                sub_blocks(rest)?;
                let believed = Some(hundredths).filter(|&delay| delay >= SHORTEST);
                delays.push(f64::from(believed.unwrap_or(UNBELIEVED)) / 100.0);
                hundredths = 0;
            }
            // Many a writer leaves the end out.
            Some(END) | None => return Some(()),
            Some(_) => return None,
        }
    }
}

/// Walks over a chain of sub-blocks; the first of them.
fn sub_blocks<'a>(rest: &mut Bytes<'a>) -> Option<&'a [u8]> {
    let length = rest.byte()?;
    let first = rest.take(length.into())?;
    let mut length = length;
    while length > 0 {
        length = rest.byte()?;
        rest.take(length.into())?;
    }
    Some(first)
}

fn palette_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 {
        return 0;
    }
    3 << ((flags & 7) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A screen of 3 × 2, and frames with these delays.
    fn gif(delays: &[u8]) -> Vec<u8> {
        let mut bytes = b"GIF89a\x03\0\x02\0\x80\0\0abcdef".to_vec();
        for &delay in delays {
            bytes.extend([0x21, 0xf9, 4, 0, delay, 0, 0, 0]);
            bytes.extend([0x2c, 0, 0, 0, 0, 3, 0, 2, 0, 0, 2, 2, 0x84, 0x51, 0]);
        }
        bytes
    }

    #[test]
    fn frames_are_counted_and_timed_without_their_pixels() {
        let whole = [gif(&[5, 2, 1, 0]), vec![END]].concat();
        let contents = contents(&whole).unwrap();
        assert_eq!(contents.size, (3, 2));
        assert_eq!(contents.delays, [0.05, 0.02, 0.1, 0.1]);
        assert_eq!(contents.warning, None);
    }

    #[test]
    fn a_cut_leaves_the_whole_frames() {
        let whole = gif(&[5, 5]);
        let first = 13 + 6 + 8 + 15;
        // Between the delay and the frame nothing is missing that was begun.
        for length in (first + 1..whole.len()).filter(|&length| length != first + 8) {
            let contents = contents(&whole[..length]).unwrap();
            assert_eq!(contents.delays, [0.05]);
            assert!(contents.warning.unwrap().contains("after 1 frames"));
        }
        assert_eq!(contents(&whole).unwrap().warning, None);
        assert_eq!(contents(&whole[..12]), None);
    }
}
