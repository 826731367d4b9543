//! Files in the format of a video that contain only sound.

/// The first brand of MP4 files with sound only.
const ISO_BRANDS: [&[u8; 4]; 5] = [b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "];
/// How the first packet of a stream of sound begins in an Ogg file.
const OGG_CODECS: [&[u8]; 5] = [
    b"\x01vorbis",
    b"OpusHead",
    b"\x7fFLAC",
    b"Speex   ",
    b"\x80kate\0\0\0",
];
/// A description of the other streams of an Ogg file.
const OGG_SKELETON: &[u8] = b"fishead\0";
const OGG_HEADER: usize = 27;
const MATROSKA_TRACKS: &[u8] = b"\x16\x54\xae\x6b";
/// The type of a track: the element's name, its length and its value.
const MATROSKA_VIDEO: &[u8] = b"\x83\x81\x01";
const MATROSKA_AUDIO: &[u8] = b"\x83\x81\x02";
/// The type of a stream, in ASF files.
const ASF_AUDIO: &[u8] = b"\x40\x9e\x69\xf8\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";
const ASF_VIDEO: &[u8] = b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b";

/// Whether a file that `demuxer` of ffmpeg reads contains only sound. `false` if its first bytes do not tell.
pub(super) fn is_audio(demuxer: &str, start: &[u8]) -> bool {
    match demuxer {
        "mov" => start.get(8..12).is_some_and(|brand| {
            start[4..].starts_with(b"ftyp") && ISO_BRANDS.iter().any(|known| brand == *known)
        }),
        "ogg" => has_ogg_audio_only(start).unwrap_or(false),
        "matroska" => matroska_tracks(start)
            .is_some_and(|tracks| has_only(tracks, MATROSKA_AUDIO, MATROSKA_VIDEO)),
        "asf" => asf_header(start).is_some_and(|header| has_only(header, ASF_AUDIO, ASF_VIDEO)),
        _ => false,
    }
}

fn has_only(bytes: &[u8], audio: &[u8], video: &[u8]) -> bool {
    find(bytes, audio).is_some() && find(bytes, video).is_none()
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The first pages of an Ogg file begin its streams, one page for each. `None` if there are more than `start` has.
fn has_ogg_audio_only(start: &[u8]) -> Option<bool> {
    let (mut rest, mut has_audio) = (start, false);
    loop {
        let header = rest
            .get(..OGG_HEADER)
            .filter(|header| header.starts_with(b"OggS"))?;
        let begins_stream = header[5] & 2 != 0;
        if !begins_stream {
            return Some(has_audio);
        }
        let lengths = rest.get(OGG_HEADER..OGG_HEADER + usize::from(header[26]))?;
        let length: usize = lengths.iter().copied().map(usize::from).sum();
        let (packet, others) = rest[OGG_HEADER + lengths.len()..].split_at_checked(length)?;
        if OGG_CODECS.iter().any(|codec| packet.starts_with(codec)) {
            has_audio = true;
        } else if !packet.starts_with(OGG_SKELETON) {
            return Some(false);
        }
        rest = others;
    }
}

/// The list of tracks of a Matroska file, if all of it is in `start`.
fn matroska_tracks(start: &[u8]) -> Option<&[u8]> {
    let rest = &start[find(start, MATROSKA_TRACKS)? + MATROSKA_TRACKS.len()..];
    // The number of leading zeros tells how many bytes the length has.
    let bytes = rest.first()?.leading_zeros() as usize + 1;
    let (length, content) = rest.split_at_checked(bytes)?;
    let mask = 0xff_u32 >> bytes;
    let first = u64::from(u32::from(length[0]) & mask);
    let length = length[1..]
        .iter()
        .fold(first, |length, byte| length << 8 | u64::from(*byte));
    content.get(..usize::try_from(length).ok()?)
}

/// The header of an ASF file, if all of it is in `start`.
fn asf_header(start: &[u8]) -> Option<&[u8]> {
    let size = start.get(16..)?.first_chunk::<8>()?;
    start.get(..usize::try_from(u64::from_le_bytes(*size)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of an Ogg file with one short packet.
    fn page(begins_stream: bool, packet: &[u8]) -> Vec<u8> {
        let mut page = b"OggS".to_vec();
        page.extend([0, if begins_stream { 2 } else { 0 }]);
        page.extend([0; 20]);
        page.extend([1, packet.len() as u8]);
        page.extend(packet);
        page
    }

    fn ogg(packets: &[&[u8]]) -> Vec<u8> {
        let pages = packets.iter().map(|packet| page(true, packet));
        [pages.collect::<Vec<_>>().concat(), page(false, b"data")].concat()
    }

    fn matroska(tracks: &[u8]) -> Vec<u8> {
        let length = [0x40, tracks.len() as u8];
        [
            b"\x1a\x45\xdf\xa3.matroska",
            MATROSKA_TRACKS,
            &length,
            tracks,
        ]
        .concat()
    }

    fn asf(streams: &[&[u8]]) -> Vec<u8> {
        let streams = streams.concat();
        let size = (24 + streams.len() as u64).to_le_bytes();
        [&[0; 16][..], &size, &streams].concat()
    }

    #[test]
    fn sound_without_a_video() {
        for (demuxer, start) in [
            ("mov", b"\0\0\0\x1cftypM4A \0\0\0\0".to_vec()),
            ("ogg", ogg(&[b"OpusHead\x01"])),
            ("ogg", ogg(&[OGG_SKELETON, b"\x01vorbis"])),
            ("matroska", matroska(b"..\x83\x81\x02..")),
            ("asf", asf(&[ASF_AUDIO])),
        ] {
            assert!(is_audio(demuxer, &start), "{demuxer}");
        }
    }

    #[test]
    fn a_video_with_sound_and_a_start_that_does_not_tell() {
        let cut = |mut start: Vec<u8>| {
            start.truncate(start.len() - 40);
            start
        };
        for (demuxer, start) in [
            ("mov", b"\0\0\0\x20ftypisom\0\0\0\0M4A ".to_vec()),
            ("mov", b"\0\0\0\x08moov".to_vec()),
            ("ogg", ogg(&[b"\x80theora", b"\x01vorbis"])),
            ("ogg", ogg(&[b"\x01vorbis", b"\x80theora"])),
            ("ogg", cut(ogg(&[b"\x01vorbis"]))),
            ("ogg", b"OggS".to_vec()),
            ("matroska", matroska(b"\x83\x81\x02.\x83\x81\x01")),
            ("matroska", matroska(b"\x83\x81\x02")[..16].to_vec()),
            ("asf", asf(&[ASF_AUDIO, ASF_VIDEO])),
            ("asf", asf(&[ASF_AUDIO])[..30].to_vec()),
            ("avi", Vec::new()),
        ] {
            assert!(
                !is_audio(demuxer, &start),
                "{demuxer} {}",
                start.escape_ascii()
            );
        }
    }
}
