use image::metadata::Orientation;

use super::alpha::{Alpha, to_full_range};
use super::boxes::find;
use super::coding::Coding;
use super::frame::Frame;
use super::items::{Items, Metadata, Transparency};
use super::tracks::{Track, tracks};
use super::{failed, whole_frame};
use crate::PreprocessError;
use crate::codec::orientation::orientation_beside_transforms;

/// What a file shows.
pub(super) enum Contents<'a> {
    /// The main item.
    Still(Items<'a>),
    /// The first frame of a track. Another track can have its transparency.
    Sequence(Box<Track<'a>>, Option<Box<Track<'a>>>),
}

impl<'a> Contents<'a> {
    pub(super) fn read(file: &'a [u8]) -> Result<Self, PreprocessError> {
        if is_sequence(file)
            && let Some((color, alpha)) = tracks(file)
        {
            return Ok(Self::Sequence(Box::new(color), alpha.map(Box::new)));
        }
        let items = find(file, b"meta").and_then(|meta| Items::read(file, meta));
        let items = items.ok_or_else(|| failed("the list of its images is damaged or cut off"))?;
        Ok(Self::Still(items))
    }

    /// (width, height).
    pub(super) fn size(&self) -> Result<(u32, u32), PreprocessError> {
        match self {
            Self::Still(items) => items.size(items.primary),
            Self::Sequence(color, _) => Ok(color.size),
        }
    }

    /// The sizes of all frames that are decoded. A part of a grid can be larger than what is shown of it.
    pub(super) fn sizes(&self) -> Vec<(u32, u32)> {
        match self {
            Self::Still(items) => {
                let alpha = match items.transparency(items.primary) {
                    Transparency::Absent | Transparency::Straight => None,
                    Transparency::Multiplied(alpha) => Some(alpha),
                };
                let shown = [items.primary].into_iter().chain(alpha);
                let parts = shown.clone().flat_map(|item| items.referred(item, b"dimg"));
                let sizes = parts.copied().chain(shown);
                sizes.filter_map(|item| items.size(item).ok()).collect()
            }
            Self::Sequence(color, alpha) => {
                let tracks = [color].into_iter().chain(alpha);
                tracks.map(|track| track.size).collect()
            }
        }
    }

    pub(super) fn frame(&self) -> Result<Frame, PreprocessError> {
        match self {
            Self::Still(items) => whole_frame(items, items.primary),
            Self::Sequence(color, _) => track_frame(color),
        }
    }

    /// The transparency of a frame. It is decoded only if it changes the colours.
    pub(super) fn alpha(&self, color: &Frame) -> Result<Alpha, PreprocessError> {
        let mut alpha = match self {
            Self::Still(items) => match items.transparency(items.primary) {
                Transparency::Absent => return Ok(Alpha::Absent),
                Transparency::Straight => return Ok(Alpha::Straight),
                Transparency::Multiplied(alpha) => whole_frame(items, alpha)?,
            },
            Self::Sequence(_, None) => return Ok(Alpha::Absent),
            Self::Sequence(track, Some(alpha)) if track.multiplied_by != Some(alpha.id) => {
                return Ok(Alpha::Straight);
            }
            Self::Sequence(_, Some(alpha)) => track_frame(alpha)?,
        };
        if (alpha.size, alpha.bits) != (color.size, color.bits) {
            return Err(failed("the image and its transparency do not fit together"));
        }
        let mut plane = alpha.planes.swap_remove(0);
        if !alpha.coding.full_range {
            for sample in &mut plane.samples {
                *sample = to_full_range(*sample, alpha.bits);
            }
        }
        Ok(Alpha::Multiplied(plane))
    }

    /// The coding that the file names. It goes before the one in its frames.
    pub(super) fn coding(&self) -> Option<Coding> {
        let named = |(kind, body): ([u8; 4], &[u8])| {
            let is_coding = kind == *b"colr";
            is_coding.then(|| Coding::in_property(body)).flatten()
        };
        match self {
            Self::Still(items) => items.properties(items.primary).find_map(named),
            Self::Sequence(color, _) => color.properties.iter().copied().find_map(named),
        }
    }

    /// The properties `irot` and `imir` go before EXIF and XMP, as in Pillow.
    pub(super) fn orientation(&self) -> Orientation {
        let property = |kind| match self {
            Self::Still(items) => items.property(items.primary, kind),
            Self::Sequence(color, _) => color.property(kind),
        };
        let first = |kind| property(kind).and_then(|body| body.first().copied());
        let (turns, mirror) = (first(b"irot").unwrap_or(0) & 3, first(b"imir"));
        // As EXIF numbers them.
        let transform = match (turns, mirror.map(|axis| axis & 1)) {
            (0, None) => 1,
            (1, None) => 8,
            (2, None) => 3,
            (_, None) => 6,
            (0, Some(1)) | (2, Some(0)) => 2,
            (0 | 2, Some(_)) => 4,
            (1, Some(0)) | (3, Some(1)) => 5,
            (_, Some(_)) => 7,
        };
        if transform != 1 {
            return Orientation::from_exif(transform).expect("1 to 8 are orientations");
        }
        let metadata = |kind| match self {
            Self::Still(items) => items.metadata(Some(items.primary), kind),
            Self::Sequence(color, _) => color.metadata.as_ref()?.metadata(None, kind),
        };
        let (exif, xmp) = (metadata(Metadata::Exif), metadata(Metadata::Xmp));
        // An offset is before the EXIF.
        let exif = exif.as_deref().and_then(|exif| exif.get(4..));
        orientation_beside_transforms(exif, xmp.as_deref())
    }
}

/// Whether the file is a sequence in the first place, by its brands. Such a file can also have a still image.
fn is_sequence(file: &[u8]) -> bool {
    let brands = find(file, b"ftyp").unwrap_or_default();
    let (brands, _) = brands.as_chunks::<4>();
    // The second one is a version.
    let [main, _, others @ ..] = brands else {
        return false;
    };
    main == b"avis" || (main != b"avif" && others.contains(b"avis"))
}

fn track_frame(track: &Track) -> Result<Frame, PreprocessError> {
    let data = track.data;
    let data = data.ok_or_else(|| failed("the data of its first frame are cut off"))?;
    Frame::decode(data.to_vec(), track.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brands_tell_sequences_from_stills() {
        for (brands, expected) in [
            (&b"avis\0\0\0\0avifmif1"[..], true),
            (b"avif\0\0\0\0avismif1", false),
            (b"msf1\0\0\0\0avismif1", true),
            (b"mif1\0\0\0\0avifmiaf", false),
            (b"avis", false),
        ] {
            let size = (brands.len() as u32 + 8).to_be_bytes();
            let file = [&size[..], b"ftyp", brands].concat();
            assert_eq!(is_sequence(&file), expected, "{}", brands.escape_ascii());
        }
    }
}
