mod frames;

use super::Contents;
use super::bytes::Bytes;
pub(super) use frames::WebpFrames;

/// The flag in the header that promises frames.
const ANIMATED: u8 = 2;
/// What browsers do not believe, and what they take in its place, in milliseconds.
const UNBELIEVED: u32 = 10;
const BELIEVED: u32 = 100;

/// `None` for a WebP that is not animated.
pub(super) fn contents(webp: &[u8]) -> Option<Contents> {
    let mut rest = Bytes(webp);
    let [.., l0, l1, l2, l3, _, _, _, _] = rest.array::<12>()?;
    let promised = u64::from(u32::from_le_bytes([l0, l1, l2, l3])) + 8;
    let (b"VP8X", header) = chunk(&mut rest)? else {
        return None;
    };
    if header.first()? & ANIMATED == 0 {
        return None;
    }
    let size = (number(header, 4)? + 1, number(header, 7)? + 1);
    let mut delays = Vec::new();
    while let Some((name, data)) = chunk(&mut rest) {
        if name == b"ANMF" {
            let delay = number(data, 12)?;
            let believed = if delay > UNBELIEVED { delay } else { BELIEVED };
            delays.push(f64::from(believed) / 1000.0);
        }
    }
    let count = delays.len();
    let cut = format!("the WebP is cut off after {count} frames");
    Some(Contents {
        size,
        delays,
        warning: (promised > webp.len() as u64).then_some(cut),
    })
}

/// The next chunk, if it is there to its end.
fn chunk<'a>(rest: &mut Bytes<'a>) -> Option<(&'a [u8; 4], &'a [u8])> {
    let name = rest.take(4)?.first_chunk()?;
    let length = u32::from_le_bytes(rest.array()?) as usize;
    let data = rest.take(length)?;
    if !length.is_multiple_of(2) {
        let _padding = rest.byte();
    }
    Some((name, data))
}

/// A number of three bytes.
fn number(data: &[u8], offset: usize) -> Option<u32> {
    let &[low, middle, high] = data.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes([low, middle, high, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let length = (data.len() as u32).to_le_bytes();
        [name.as_slice(), &length, data].concat()
    }

    fn webp(flags: u8, delays: &[u8]) -> Vec<u8> {
        let mut chunks = chunk(b"VP8X", &[flags, 0, 0, 0, 2, 0, 0, 1, 0, 0]);
        for &delay in delays {
            let mut frame = vec![0; 24];
            frame[12] = delay;
            chunks.extend(chunk(b"ANMF", &frame));
        }
        let length = (chunks.len() as u32 + 4).to_le_bytes();
        [b"RIFF".as_slice(), &length, b"WEBP", &chunks].concat()
    }

    #[test]
    fn frames_are_counted_and_timed_without_their_pixels() {
        let contents = contents(&webp(ANIMATED, &[50, 11, 10, 0])).unwrap();
        assert_eq!(contents.size, (3, 2));
        assert_eq!(contents.delays, [0.05, 0.011, 0.1, 0.1]);
        assert_eq!(contents.warning, None);
    }

    #[test]
    fn a_cut_leaves_the_whole_frames() {
        let whole = webp(ANIMATED, &[50, 50]);
        for length in whole.len() - 32..whole.len() {
            let contents = contents(&whole[..length]).unwrap();
            assert_eq!(contents.delays, [0.05]);
            assert!(contents.warning.is_some());
        }
    }

    #[test]
    fn a_still_is_none() {
        assert_eq!(contents(&webp(0, &[50, 50])), None);
        assert_eq!(contents(b"RIFF"), None);
    }
}
