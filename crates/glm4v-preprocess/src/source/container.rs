use crate::codec::ImageCodec;

/// The names of the supported video formats, for errors.
pub(crate) const NAMES: &str = "MP4, MOV, MKV, WebM, AVI, MPEG-TS, MPEG-PS, FLV, Ogg, WMV";

/// Bytes 4 to 8 of an ISO base media file, such as MP4 and MOV: the kind of its first box.
const ISO_BOXES: [&[u8; 4]; 7] = [
    b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot",
];
/// Brands of that format that contain one image, and not a video.
const ISO_IMAGES: [&[u8; 4]; 6] = [b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif"];
/// Packets of an MPEG transport stream have 188 bytes, or 192 with a time of 4 bytes before each.
const TS_PACKETS: [(usize, usize); 2] = [(0, 188), (4, 192)];
const TS_MARK: u8 = 0x47;
const ASF: &[u8] = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11";

/// ffmpeg's name for the format of a video file that starts with `magic`.
///
/// ffmpeg must never detect the format itself: it would read a text file as a playlist, and open the files in it.
pub(crate) fn demuxer(magic: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, mark: &[u8]| {
        magic
            .get(offset..)
            .is_some_and(|rest| rest.starts_with(mark))
    };
    if ISO_BOXES.iter().any(|&mark| at(4, mark)) {
        let image = at(4, b"ftyp") && ISO_IMAGES.iter().any(|&brand| at(8, brand));
        return (!image).then_some("mov");
    }
    let marked = |&(start, length): &(usize, usize)| {
        (0..3).all(|packet| magic.get(start + packet * length) == Some(&TS_MARK))
    };
    Some(match magic {
        _ if at(0, b"\x1a\x45\xdf\xa3") => "matroska",
        _ if at(0, b"RIFF") && at(8, b"AVI ") => "avi",
        _ if at(0, b"FLV\x01") => "flv",
        _ if at(0, b"OggS") => "ogg",
        _ if at(0, b"\x00\x00\x01\xba") => "mpeg",
        _ if at(0, ASF) => "asf",
        // The mark of packets is a letter G, and one GIF in thousands has this letter where packets would begin.
        _ if TS_PACKETS.iter().any(marked) && ImageCodec::detect(magic).is_none() => "mpegts",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_is_known_by_its_first_bytes() {
        assert_eq!(demuxer(b"\0\0\0\x20ftypisom"), Some("mov"));
        assert_eq!(demuxer(b"\0\0\0\x08wide\0\0\0\0mdat"), Some("mov"));
        assert_eq!(demuxer(b"\x1a\x45\xdf\xa3"), Some("matroska"));
        assert_eq!(demuxer(b"RIFF....AVI LIST"), Some("avi"));
        assert_eq!(demuxer(b"OggS\0"), Some("ogg"));
        let mut stream = vec![0; 400];
        for start in [0, 188, 376] {
            stream[start] = TS_MARK;
        }
        assert_eq!(demuxer(&stream), Some("mpegts"));
        stream.splice(..0, [0; 4]);
        assert_eq!(demuxer(&stream), None);
    }

    #[test]
    fn an_image_with_the_marks_of_a_transport_stream_is_no_video() {
        for (start, image) in [
            (0, b"GIF89a".as_slice()),
            (4, b"RIFFG\x10\0\0WEBPVP8 "),
            (4, b"II*\0G\0\0\0"),
            (4, b"BM\0\0G\0\0\0"),
        ] {
            let mut bytes = vec![TS_MARK; 1024];
            bytes[..image.len()].copy_from_slice(image);
            assert_eq!(bytes[start], TS_MARK);
            assert_eq!(demuxer(&bytes), None, "{}", image.escape_ascii());
        }
    }

    #[test]
    fn images_texts_and_sounds_are_refused() {
        for magic in [
            b"".as_slice(),
            b"RIFF....WEBPVP8 ",
            b"RIFF....WAVEfmt ",
            b"\0\0\0\x20ftypavif",
            b"#EXTM3U\nhttp://example.com/a.ts",
            b"ffconcat version 1.0\nfile /etc/passwd",
            b"G",
        ] {
            assert_eq!(demuxer(magic), None, "{}", magic.escape_ascii());
        }
    }
}
