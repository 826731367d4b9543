//! How the pixels of a TIFF file are stored, from the tags of its directory.

use super::color::ColorModel;
use super::compression::Compression;
use super::photometric::is_rgb_or_ycbcr;
use super::predictor::Predictor;
use super::sample::SampleType;
use super::{failed, unsupported};
use crate::PreprocessError;
use crate::codec::DecodeLimits;
use crate::codec::byte_order::ByteOrder;
use crate::codec::directory::{Directory, Integers};

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const FILL_ORDER: u16 = 266;
const STRIP_OFFSETS: u16 = 273;
const SAMPLES: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTES: u16 = 279;
const PLANAR: u16 = 284;
const PREDICTOR: u16 = 317;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTES: u16 = 325;
const EXTRA_SAMPLES: u16 = 338;
const SAMPLE_FORMAT: u16 = 339;

/// Most samples of a pixel, as in Pillow.
const MAX_SAMPLES: u64 = 6;
const SEPARATE_PLANES: u64 = 2;
const LOW_BIT_FIRST: u64 = 2;
/// The kind of an extra sample.
const UNUSED: u64 = 0;
/// The compressed bytes of all strips or tiles, in file lengths, at most. More are there only if many have the same bytes: a
/// small file could then take hours.
const MAX_READS: u64 = 64;

/// The first image of a file.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) order: ByteOrder,
    /// (width, height).
    pub(super) size: (u32, u32),
    /// The first tells how all are stored: Pillow reads no images of mixed types.
    pub(super) sample: SampleType,
    /// Samples of a pixel, with alpha and unused ones.
    pub(super) samples: usize,
    pub(super) color: ColorModel,
    pub(super) compression: Compression,
    pub(super) predictor: Predictor,
    /// Whether the first pixel of a byte is in its lowest bit.
    pub(super) low_bit_first: bool,
    pub(super) chunks: Chunks<'a>,
}

/// Strips, or tiles.
#[derive(Debug)]
pub(super) struct Chunks<'a> {
    /// (width, height) of each. The last strip can be lower, unlike the last tile.
    pub(super) size: (u32, u32),
    tiled: bool,
    /// Chunks in a row of them.
    pub(super) across: usize,
    /// Chunks of one plane.
    per_plane: usize,
    /// 1, or the number of samples, each of which has chunks of its own.
    pub(super) planes: usize,
    /// Where each is in the file.
    offsets: Integers<'a>,
    bytes: Integers<'a>,
}

impl<'a> Layout<'a> {
    pub(super) fn read(
        directory: &Directory<'a>,
        limits: &DecodeLimits,
    ) -> Result<Self, PreprocessError> {
        let size = (
            side(directory, WIDTH, "width")?,
            side(directory, HEIGHT, "height")?,
        );
        limits.check_size(size, area(size).saturating_mul(3))?;
        let compression = Compression::read(directory)?;
        let samples = samples(directory, &compression)?;
        let sample = sample_type(directory, samples)?;
        let layout = Self {
            order: directory.order,
            size,
            sample,
            samples,
            color: ColorModel::read(directory, &compression, samples, sample)?,
            predictor: predictor(directory, &compression, sample)?,
            low_bit_first: directory.integer(FILL_ORDER) == Some(LOW_BIT_FIRST),
            chunks: Chunks::read(directory, &compression, size, samples)?,
            compression,
        };
        compression_fits(&layout)?;
        limits.check_size(size, layout.decoded_bytes())?;
        // A tile can be larger than the image.
        limits.check_size(layout.chunks.size, layout.chunk_bytes())?;
        layout.chunks.check_total(limits)?;
        Ok(layout)
    }

    /// Bytes of the pixels in RGB, or as the file has them, whichever are more.
    fn decoded_bytes(&self) -> u64 {
        area(self.size)
            .saturating_mul(3.max(self.samples as u64 * self.sample.bits().div_ceil(8) as u64))
    }

    /// Bytes of one chunk, uncompressed, with all planes.
    pub(super) fn chunk_bytes(&self) -> u64 {
        let samples = self.samples as u64 * u64::from(self.chunks.size.0);
        let row = (samples * self.sample.bits() as u64).div_ceil(8) + self.samples as u64;
        row.saturating_mul(self.chunks.size.1.into())
    }

    /// Samples of a pixel in one chunk.
    pub(super) fn chunk_samples(&self) -> usize {
        self.samples / self.chunks.planes
    }
}

impl<'a> Chunks<'a> {
    fn read(
        directory: &Directory<'a>,
        compression: &Compression,
        (width, height): (u32, u32),
        samples: usize,
    ) -> Result<Self, PreprocessError> {
        let (offsets, bytes) = match directory.contains(TILE_OFFSETS) {
            true => (TILE_OFFSETS, TILE_BYTES),
            false => (STRIP_OFFSETS, STRIP_BYTES),
        };
        // Old programs wrote the offsets of tiles as those of strips. Pillow reads such a file as strips if it is not
        // compressed.
        let tiled = offsets == TILE_OFFSETS
            || (!matches!(compression, Compression::None) && directory.contains(TILE_WIDTH));
        let size = if tiled {
            (
                side(directory, TILE_WIDTH, "tile width")?,
                side(directory, TILE_HEIGHT, "tile height")?,
            )
        } else {
            let rows = directory.integer(ROWS_PER_STRIP).unwrap_or(u64::MAX);
            (width, rows.min(height.into()) as u32)
        };
        if size.0 == 0 || size.1 == 0 {
            return Err(failed("strips or tiles without pixels"));
        }
        let across = width.div_ceil(size.0) as usize;
        let per_plane = across.saturating_mul(height.div_ceil(size.1) as usize);
        let separate = has_separate_planes(directory);
        let chunks = Self {
            size,
            tiled,
            across,
            per_plane,
            planes: if separate { samples } else { 1 },
            offsets: directory.integers(offsets),
            bytes: directory.integers(bytes),
        };
        // Of old JPEG, the one strip can be where another tag says.
        let may_be_elsewhere =
            matches!(compression, Compression::OldJpeg(_)) && chunks.per_plane == 1;
        if !may_be_elsewhere
            && chunks.offsets.len() < chunks.per_plane.saturating_mul(chunks.planes)
        {
            return Err(failed(
                "the file has fewer strips or tiles than its size needs",
            ));
        }
        Ok(chunks)
    }

    /// The left upper corner of each chunk of a plane, and its (width, height) without the part beyond the image.
    pub(super) fn areas(
        &self,
        image: (u32, u32),
    ) -> impl Iterator<Item = ((u32, u32), (u32, u32))> + use<> {
        let (size, across) = (self.size, self.across);
        (0..self.per_plane).map(move |index| {
            let x = (index % across) as u32 * size.0;
            let y = (index / across) as u32 * size.1;
            ((x, y), (size.0.min(image.0 - x), size.1.min(image.1 - y)))
        })
    }

    /// Refuses tiles that have far more pixels in all than an image may have: each tile is decoded whole.
    fn check_total(&self, limits: &DecodeLimits) -> Result<(), PreprocessError> {
        let pixels = area(self.size).saturating_mul(self.per_plane as u64);
        // Tiles reach beyond the right and the lower border.
        let limit = limits.max_decoded_pixels.saturating_mul(2);
        if pixels <= limit {
            return Ok(());
        }
        Err(PreprocessError::TooLarge {
            unit: "pixels",
            limit,
            found: format!("tiles of {pixels} pixels in all"),
        })
    }

    /// Refuses compressed strips or tiles that have the same bytes many times. `tables` are read with each of them.
    pub(super) fn check_reads(&self, file: &[u8], tables: &[u8]) -> Result<(), PreprocessError> {
        let count = self.per_plane * self.planes;
        let lengths = (0..count).map(|index| self.bytes_of(file, index).map_or(0, <[u8]>::len));
        let total: u64 = lengths.map(|length| (length + tables.len()) as u64).sum();
        match total <= MAX_READS.saturating_mul(file.len() as u64) {
            true => Ok(()),
            false => Err(failed("many strips or tiles share their bytes")),
        }
    }

    /// The most rows that a JPEG strip or tile may have. As in libtiff, only the last strip may have more than the others.
    pub(super) fn most_rows(&self, index: usize) -> u32 {
        match self.tiled || index + 1 < self.per_plane {
            true => self.size.1,
            false => u32::MAX,
        }
    }

    /// Rows that a chunk stores, of which `visible` are in the image.
    pub(super) fn stored_rows(&self, visible: u32) -> u32 {
        if self.tiled { self.size.1 } else { visible }
    }

    /// Rows of all strips, or of all tiles in a column of them.
    pub(super) fn rows_of_all(&self, height: u32) -> u32 {
        match self.tiled {
            true => height.div_ceil(self.size.1).saturating_mul(self.size.1),
            false => height,
        }
    }

    /// The bytes of all chunks that have some, in their order.
    pub(super) fn all_data<'b>(&self, file: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
        let is_given = |&index: &usize| self.offsets.get(index) != Some(0);
        let data = (0..self.per_plane).filter(is_given);
        data.filter_map(|index| self.bytes_of(file, index))
            .filter(|data| !data.is_empty())
    }

    /// The bytes of a chunk in the file. Without a usable length they reach to the end of the file.
    pub(super) fn data<'b>(
        &self,
        file: &'b [u8],
        plane: usize,
        index: usize,
    ) -> Result<&'b [u8], PreprocessError> {
        let data = self.bytes_of(file, plane * self.per_plane + index);
        data.ok_or_else(|| failed("a strip or tile starts behind the end of the file"))
    }

    /// The bytes of the chunk with this number, counted over all planes.
    fn bytes_of<'b>(&self, file: &'b [u8], index: usize) -> Option<&'b [u8]> {
        let start = usize::try_from(self.offsets.get(index)?).ok()?;
        let data = file.get(start..)?;
        let length = self.bytes.get(index).filter(|&length| length > 0);
        let length = length.unwrap_or(u64::MAX).min(data.len() as u64) as usize;
        Some(&data[..length])
    }
}

fn area((width, height): (u32, u32)) -> u64 {
    u64::from(width).saturating_mul(height.into())
}

fn side(directory: &Directory, tag: u16, name: &str) -> Result<u32, PreprocessError> {
    let side = directory.integer(tag).and_then(|side| side.try_into().ok());
    side.ok_or_else(|| failed(format!("no usable {name}")))
}

/// Samples of a pixel. In planes of their own, unused samples behind the others are not read, as in Pillow.
fn samples(directory: &Directory, compression: &Compression) -> Result<usize, PreprocessError> {
    let assumed = match compression {
        Compression::OldJpeg(_) => 3,
        Compression::Jpeg(_) if is_rgb_or_ycbcr(directory) => 3,
        Compression::None
        | Compression::PackBits
        | Compression::Lzw
        | Compression::Deflate
        | Compression::Zstandard
        | Compression::Fax(_)
        | Compression::Jpeg(_) => 1,
    };
    let samples = directory.integer(SAMPLES).unwrap_or(assumed);
    let extra = directory.integers(EXTRA_SAMPLES);
    let unused = match has_separate_planes(directory) && extra.iter().all(|kind| kind == UNUSED) {
        true => extra.len() as u64,
        false => 0,
    };
    match samples.saturating_sub(unused) {
        samples @ 1..=MAX_SAMPLES => Ok(samples as usize),
        _ => Err(unsupported(format!("{samples} samples a pixel"))),
    }
}

fn has_separate_planes(directory: &Directory) -> bool {
    directory.integer(PLANAR) == Some(SEPARATE_PLANES)
}

/// The type of all samples. The numbers of bits behind those of the samples say nothing.
fn sample_type(directory: &Directory, samples: usize) -> Result<SampleType, PreprocessError> {
    let same = |tag, default| {
        let values = directory.integers(tag);
        let first = values.get(0).unwrap_or(default);
        if values.iter().take(samples).all(|value| value == first) {
            return Ok(first);
        }
        Err(unsupported("samples of several types in one pixel".into()))
    };
    let (bits, format) = (same(BITS, 1)?, same(SAMPLE_FORMAT, 1)?);
    let name = || format!("samples of {bits} bits with the format {format}");
    SampleType::of(bits, format).ok_or_else(|| unsupported(name()))
}

fn predictor(
    directory: &Directory,
    compression: &Compression,
    sample: SampleType,
) -> Result<Predictor, PreprocessError> {
    if !compression.has_predictor() {
        return Ok(Predictor::None);
    }
    match (directory.integer(PREDICTOR).unwrap_or(1), sample.bits()) {
        (1, _) => Ok(Predictor::None),
        (2, 8 | 16 | 32) => Ok(Predictor::Horizontal),
        (3, 32) if sample == SampleType::Float => Ok(Predictor::Float),
        (predictor, bits) => Err(unsupported(format!(
            "predictor {predictor} with samples of {bits} bits"
        ))),
    }
}

/// Checks what the compressions need beyond the tags that each part reads.
fn compression_fits(layout: &Layout<'_>) -> Result<(), PreprocessError> {
    let (sample, samples) = (layout.sample, layout.chunk_samples());
    let has_planes = layout.chunks.planes != 1;
    let problem = match &layout.compression {
        Compression::Fax(_) if sample != SampleType::Bits(1) || samples != 1 => {
            Some("fax compression of other pixels than black and white")
        }
        Compression::Jpeg(_) if sample != SampleType::Byte || !matches!(samples, 1 | 3 | 4) => {
            Some(
                "JPEG compression of other pixels than gray, RGB, RGBA, CMYK and YCbCr with 8 bits",
            )
        }
        Compression::Jpeg(jpeg) if jpeg.is_ycbcr && (has_planes || samples == 4) => {
            Some("JPEG compression of YCbCr with alpha or in separate planes")
        }
        Compression::OldJpeg(_) if sample != SampleType::Byte || samples != 3 => {
            Some("old JPEG compression of other pixels than YCbCr with 8 bits")
        }
        // libtiff reads them wrong.
        Compression::OldJpeg(_) if layout.chunks.across != 1 => {
            Some("old JPEG compression of several tiles in a row")
        }
        Compression::None
        | Compression::PackBits
        | Compression::Lzw
        | Compression::Deflate
        | Compression::Zstandard
        | Compression::Fax(_)
        | Compression::Jpeg(_)
        | Compression::OldJpeg(_) => None,
    };
    let is_subsampled = layout.color.subsampling() != (1, 1);
    let of_planes =
        (is_subsampled && has_planes).then_some("subsampled colours in separate planes");
    match problem.or(of_planes) {
        Some(problem) => Err(unsupported(problem.into())),
        None => Ok(()),
    }
}
