//! The tracks of an image sequence, of which the first frame is shown.

use super::boxes::{Reader, boxes, find};
use super::items::{Items, is_alpha};

/// Bytes of the description of a frame's coding, in front of its properties.
const SAMPLE_ENTRY: usize = 78;

pub(super) struct Track<'a> {
    pub(super) id: u64,
    /// (width, height).
    pub(super) size: (u32, u32),
    /// The track that has the transparency by which the colours of this one are multiplied.
    pub(super) multiplied_by: Option<u64>,
    /// The track that this one adds something to.
    auxiliary_for: Option<u64>,
    /// Kinds and contents.
    pub(super) properties: Vec<([u8; 4], &'a [u8])>,
    /// The AV1 data of the first frame; `None` if they are cut off.
    pub(super) data: Option<&'a [u8]>,
    /// The box that lists its metadata.
    meta: Option<&'a [u8]>,
    /// Read for the track that is shown.
    pub(super) metadata: Option<Items<'a>>,
}

/// The first track of AV1 frames, and the one with its transparency.
pub(super) fn tracks<'a>(file: &'a [u8]) -> Option<(Track<'a>, Option<Track<'a>>)> {
    let movie = boxes(find(file, b"moov")?);
    let bodies = movie.filter(|(kind, _)| kind == b"trak");
    let tracks = bodies.filter_map(|(_, body)| Track::read(file, body));
    let mut tracks: Vec<_> = tracks.collect();
    let first = tracks
        .iter()
        .position(|track| track.auxiliary_for.is_none())?;
    let mut color = tracks.remove(first);
    color.metadata = color.meta.and_then(|meta| Items::read(file, meta));
    let alpha = tracks.into_iter().find(|track| {
        let kind = track.property(b"auxi");
        // Early encoders left out the kind.
        track.auxiliary_for == Some(color.id) && kind.is_none_or(is_alpha)
    });
    Some((color, alpha))
}

impl<'a> Track<'a> {
    /// `None` for other tracks than of AV1 frames.
    fn read(file: &'a [u8], body: &'a [u8]) -> Option<Self> {
        let (id, size) = header(find(body, b"tkhd")?)?;
        let media = find(find(body, b"mdia")?, b"minf")?;
        let table = find(media, b"stbl")?;
        let references = find(body, b"tref").unwrap_or_default();
        let referred = |kind| {
            let id = Reader(find(references, kind)?).number(4)?;
            Some(id).filter(|&id| id != 0)
        };
        let (place, length) = first_frame(table)?;
        let data = || {
            let start = usize::try_from(place).ok()?;
            let end = start.checked_add(usize::try_from(length).ok()?)?;
            file.get(start..end)
        };
        Some(Self {
            id,
            size,
            multiplied_by: referred(b"prem"),
            auxiliary_for: referred(b"auxl"),
            properties: properties(table)?,
            data: data(),
            meta: find(body, b"meta"),
            metadata: None,
        })
    }

    /// The content of the first property of a kind.
    pub(super) fn property(&self, kind: &[u8; 4]) -> Option<&'a [u8]> {
        let mut properties = self.properties.iter();
        let found = properties.find(|(found, _)| found == kind);
        found.map(|(_, body)| *body)
    }
}

/// The number of a track, which is not 0, and its size.
fn header(body: &[u8]) -> Option<(u64, (u32, u32))> {
    let mut reader = Reader(body);
    let times = match reader.version()? {
        (0, _) => 4,
        (1, _) => 8,
        _ => return None,
    };
    reader.take(2 * times)?;
    let id = reader.number(4)?;
    // Its duration, its place among the others, and a matrix.
    reader.take(4 + times + 52)?;
    // 16 bits behind the point.
    let mut side = || Some((reader.number(4)? >> 16) as u32);
    let size = (side()?, side()?);
    Some((id, size)).filter(|(id, _)| *id != 0)
}

/// The properties of AV1 frames.
fn properties(table: &[u8]) -> Option<Vec<([u8; 4], &[u8])>> {
    let mut reader = Reader(find(table, b"stsd")?);
    reader.version()?;
    let _count = reader.number(4)?;
    let entry = find(reader.0, b"av01")?;
    Some(boxes(entry.get(SAMPLE_ENTRY..)?).collect())
}

/// The place and length of the first frame.
fn first_frame(table: &[u8]) -> Option<(u64, u64)> {
    let first = |kind, bytes| {
        let mut reader = Reader(find(table, kind)?);
        reader.version()?;
        let _count = reader.number(4)?;
        reader.number(bytes)
    };
    let place = first(b"stco", 4).or_else(|| first(b"co64", 8))?;
    let mut sizes = Reader(find(table, b"stsz")?);
    sizes.version()?;
    let length = match sizes.number(4)? {
        // Every frame has its own length.
        0 => {
            let _count = sizes.number(4)?;
            sizes.number(4)?
        }
        length => length,
    };
    Some((place, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = body.len() as u32 + 8;
        [&size.to_be_bytes(), &kind[..], body].concat()
    }

    /// A track of one frame of 4 bytes.
    fn track(id: u8, references: &[u8], place: u32) -> Vec<u8> {
        let header = [
            &[0; 12][..],
            &[0, 0, 0, id],
            &[0; 60],
            &[0, 6, 0, 0, 0, 5, 0, 0],
        ];
        let entry = [&[0; SAMPLE_ENTRY][..], &a_box(b"irot", &[1])].concat();
        let described = [&[0; 8][..], &a_box(b"av01", &entry)].concat();
        let table = [
            a_box(b"stsd", &described),
            a_box(b"stsz", &[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1]),
            a_box(
                b"stco",
                &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &place.to_be_bytes()].concat(),
            ),
        ];
        let media = a_box(b"minf", &a_box(b"stbl", &table.concat()));
        let body = [
            a_box(b"tkhd", &header.concat()),
            a_box(b"tref", references),
            a_box(b"mdia", &media),
        ];
        a_box(b"trak", &body.concat())
    }

    #[test]
    fn the_first_track_and_its_transparency() {
        let alpha = track(2, &a_box(b"auxl", &[0, 0, 0, 1]), 12);
        let color = track(1, &a_box(b"prem", &[0, 0, 0, 2]), 8);
        let movie = [a_box(b"trak", b"audio"), alpha, color].concat();
        let file = [a_box(b"mdat", b"frame123"), a_box(b"moov", &movie)].concat();
        let (color, alpha) = tracks(&file).unwrap();
        assert_eq!((color.id, color.size), (1, (6, 5)));
        assert_eq!(color.data, Some(&b"fram"[..]));
        assert_eq!(color.property(b"irot"), Some(&[1][..]));
        assert_eq!(color.multiplied_by, Some(2));
        assert_eq!(alpha.map(|alpha| alpha.id), Some(2));
    }

    #[test]
    fn frames_beyond_the_file_are_none() {
        let movie = track(1, &[], 9999);
        let file = a_box(b"moov", &movie);
        assert_eq!(tracks(&file).map(|(color, _)| color.data), Some(None));
        assert!(tracks(&a_box(b"moov", &a_box(b"trak", b""))).is_none());
    }
}
