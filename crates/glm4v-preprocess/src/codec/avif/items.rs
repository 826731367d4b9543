//! The items of a HEIF file: images, parts of them, and metadata.

use std::collections::{BTreeMap, BTreeSet};

use super::boxes::{Reader, boxes, find};
use super::failed;
use crate::PreprocessError;

/// The kinds of an auxiliary image that has the transparency of another, as AVIF and HEIF name it.
const ALPHA: [&[u8]; 2] = [
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0",
    b"urn:mpeg:hevc:2015:auxid:1\0",
];
/// The type of the content of an item with XMP.
const XMP: &[u8] = b"application/rdf+xml";
/// The properties that libavif knows. An item with another one is not shown if that one is essential.
const KNOWN: [&[u8; 4]; 13] = [
    b"a1lx", b"a1op", b"auxC", b"av1C", b"clap", b"clli", b"colr", b"imir", b"irot", b"ispe",
    b"lsel", b"pasp", b"pixi",
];

/// The items that a box `meta` describes.
pub(super) struct Items<'a> {
    file: &'a [u8],
    /// Data that are in `meta` itself.
    inner: &'a [u8],
    /// 0 is no item.
    pub(super) primary: u64,
    items: BTreeMap<u64, Item>,
    /// Kinds and contents of the properties that items share.
    properties: Vec<([u8; 4], &'a [u8])>,
    references: Vec<Reference>,
}

#[derive(Default)]
struct Item {
    kind: [u8; 4],
    metadata: Option<Metadata>,
    is_inner: bool,
    /// Offsets and lengths of its data.
    extents: Vec<(u64, u64)>,
    /// Indices of its properties.
    properties: Vec<usize>,
    /// A property that must be understood, and is not.
    unknown: Option<[u8; 4]>,
}

/// The transparency of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transparency {
    Absent,
    Straight,
    /// The colours of the item are multiplied by this one.
    Multiplied(u64),
}

/// Items that are no images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metadata {
    Exif,
    Xmp,
}

/// The boxes that list items: their names, places, properties and references.
const LISTS: [&[u8; 4]; 4] = [b"iinf", b"iloc", b"iprp", b"iref"];
/// Bytes of these boxes together, at most. The largest grid takes half of it.
const MAX_LIST_BYTES: usize = 8 << 20;

struct Reference {
    kind: [u8; 4],
    from: u64,
    to: Vec<u64>,
}

impl<'a> Items<'a> {
    /// The items of a file, or of a track in it, by the body of its box `meta`.
    pub(super) fn read(file: &'a [u8], meta: &'a [u8]) -> Option<Self> {
        let mut meta = Reader(meta);
        meta.version()?;
        let meta = meta.0;
        let list = |kind| find(meta, kind).map_or(0, <[u8]>::len);
        // In memory they are up to thirty times as large.
        if LISTS.iter().map(|&kind| list(kind)).sum::<usize>() > MAX_LIST_BYTES {
            return None;
        }
        let properties = find(meta, b"iprp").unwrap_or_default();
        let shared = find(properties, b"ipco").unwrap_or_default();
        let mut items = Self {
            file,
            inner: find(meta, b"idat").unwrap_or_default(),
            primary: find(meta, b"pitm").map_or(Some(0), primary)?,
            items: BTreeMap::new(),
            properties: boxes(shared).collect(),
            references: Vec::new(),
        };
        items.read_kinds(find(meta, b"iinf")?)?;
        items.read_places(find(meta, b"iloc")?)?;
        for (_, body) in boxes(properties).filter(|(kind, _)| kind == b"ipma") {
            items.read_properties(body)?;
        }
        if let Some(body) = find(meta, b"iref") {
            items.read_references(body)?;
        }
        Some(items)
    }

    pub(super) fn kind(&self, item: u64) -> Option<[u8; 4]> {
        self.items.get(&item).map(|item| item.kind)
    }

    /// The data of an item, from all its extents.
    pub(super) fn data(&self, item: u64) -> Option<Vec<u8>> {
        let item = self.items.get(&item)?;
        let source = if item.is_inner { self.inner } else { self.file };
        let mut data = Vec::new();
        for &(offset, length) in &item.extents {
            let rest = source.get(usize::try_from(offset).ok()?..)?;
            let length = match length {
                // To the end.
                0 => rest.len(),
                length => usize::try_from(length).ok()?,
            };
            // Extents can overlap, but an item has no more data than the file.
            if data.len() + length > source.len() {
                return None;
            }
            data.extend(rest.get(..length)?);
        }
        Some(data)
    }

    /// The bytes of an item's data, as its extents claim them.
    pub(super) fn claimed_bytes(&self, item: u64) -> u64 {
        let extents = self.items.get(&item).map(|item| item.extents.as_slice());
        let length = |&(offset, length): &(u64, u64)| match length {
            0 => (self.file.len() as u64).saturating_sub(offset),
            length => length,
        };
        let lengths = extents.unwrap_or_default().iter().map(length);
        lengths.fold(0, u64::saturating_add)
    }

    pub(super) const fn file_bytes(&self) -> u64 {
        self.file.len() as u64
    }

    /// A property that must be understood to show an item, and is not.
    pub(super) fn unknown_property(&self, item: u64) -> Option<[u8; 4]> {
        self.items.get(&item)?.unknown
    }

    /// The kinds and contents of the properties of an item.
    pub(super) fn properties(&self, item: u64) -> impl Iterator<Item = ([u8; 4], &'a [u8])> {
        let indices = self.items.get(&item).map(|item| item.properties.iter());
        let properties = indices.into_iter().flatten();
        properties.filter_map(|&index| self.properties.get(index).copied())
    }

    /// The content of the first property of a kind.
    pub(super) fn property(&self, item: u64, kind: &[u8; 4]) -> Option<&'a [u8]> {
        let mut properties = self.properties(item);
        let found = properties.find(|(found, _)| found == kind);
        found.map(|(_, body)| body)
    }

    /// (width, height) of an image.
    pub(super) fn size(&self, item: u64) -> Result<(u32, u32), PreprocessError> {
        let size = || {
            let mut reader = Reader(self.property(item, b"ispe")?);
            reader.version()?;
            Some((reader.number(4)? as u32, reader.number(4)? as u32))
        };
        size().ok_or_else(|| failed("an image without a size"))
    }

    /// The items to which an item refers.
    pub(super) fn referred(&self, item: u64, kind: &[u8; 4]) -> &[u64] {
        let mut references = self.references.iter();
        let found = references.find(|found| found.kind == *kind && found.from == item);
        found.map_or(&[], |found| &found.to)
    }

    /// The data of the metadata that describe an item, or in a track, the whole track.
    pub(super) fn metadata(&self, item: Option<u64>, wanted: Metadata) -> Option<Vec<u8>> {
        let is_wanted = |item: &Item| item.metadata == Some(wanted);
        let id = match item {
            Some(item) => {
                let mut references = self.references.iter();
                let found = references.find(|found| {
                    let describes = found.kind == *b"cdsc" && found.to.contains(&item);
                    describes && self.items.get(&found.from).is_some_and(is_wanted)
                });
                found?.from
            }
            None => *self.items.iter().find(|(_, item)| is_wanted(item))?.0,
        };
        self.data(id)
    }

    /// The images with transparency, by the items that they belong to.
    fn alphas(&self) -> BTreeMap<u64, u64> {
        let of_kind = |kind: &'static [u8; 4]| {
            let references = self.references.iter();
            references.filter(move |found| found.kind == *kind)
        };
        let thumbnails: BTreeSet<u64> = of_kind(b"thmb").map(|found| found.from).collect();
        let images = self.items.iter().filter(|(id, item)| {
            let is_image = [*b"av01", *b"grid"].contains(&item.kind);
            let is_shown = item.unknown.is_none() && !thumbnails.contains(id);
            let auxiliary = self.property(**id, b"auxC");
            is_image && is_shown && auxiliary.is_some_and(is_alpha)
        });
        let images: BTreeSet<u64> = images.map(|(&id, _)| id).collect();
        let mut alphas = BTreeMap::new();
        for found in of_kind(b"auxl").filter(|found| images.contains(&found.from)) {
            for &item in &found.to {
                alphas.entry(item).or_insert(found.from);
            }
        }
        alphas
    }

    /// The transparency of an item. That of a grid can also be that of all its parts, apart from each other.
    pub(super) fn transparency(&self, item: u64) -> Transparency {
        let alphas = self.alphas();
        let parts = self.referred(item, b"dimg");
        let is_grid = self.kind(item) == Some(*b"grid") && !parts.is_empty();
        match alphas.get(&item) {
            Some(&alpha) if self.referred(item, b"prem").last() == Some(&alpha) => {
                Transparency::Multiplied(alpha)
            }
            Some(_) => Transparency::Straight,
            None if is_grid && parts.iter().all(|part| alphas.contains_key(part)) => {
                Transparency::Straight
            }
            None => Transparency::Absent,
        }
    }

    fn read_kinds(&mut self, body: &[u8]) -> Option<()> {
        let mut reader = Reader(body);
        let (version, _) = reader.version()?;
        let _count = reader.number(if version == 0 { 2 } else { 4 })?;
        for (_, body) in boxes(reader.0).filter(|(kind, _)| kind == b"infe") {
            let mut reader = Reader(body);
            let (version, _) = reader.version()?;
            let id = reader.number(if version < 3 { 2 } else { 4 })?;
            let _protection = reader.number(2)?;
            let kind = *reader.take(4)?.first_chunk()?;
            let item = self.items.entry(id).or_default();
            (item.kind, item.metadata) = (kind, metadata(kind, reader.0));
        }
        Some(())
    }

    fn read_places(&mut self, body: &[u8]) -> Option<()> {
        let mut reader = Reader(body);
        let (version, _) = reader.version()?;
        let sizes = reader.number(2)?;
        let size = |place: u32| (sizes >> (12 - 4 * place) & 15) as usize;
        let (offset, length, base, index) = (size(0), size(1), size(2), size(3));
        let index = if version == 0 { 0 } else { index };
        let wide = if version < 2 { 2 } else { 4 };
        for _ in 0..reader.number(wide)? {
            let id = reader.number(wide)?;
            let construction = if version == 0 {
                0
            } else {
                reader.number(2)? & 15
            };
            let _data_reference = reader.number(2)?;
            let base = reader.number(base)?;
            let count = reader.number(2)?;
            // An extent without bits is the whole file. A short file could list millions of them, which would fill the memory.
            if count > 1 && index + offset + length == 0 {
                return None;
            }
            let mut extents = Vec::new();
            for _ in 0..count {
                reader.take(index)?;
                let offset = base.checked_add(reader.number(offset)?)?;
                extents.push((offset, reader.number(length)?));
            }
            let item = self.items.entry(id).or_default();
            (item.is_inner, item.extents) = (construction == 1, extents);
        }
        Some(())
    }

    fn read_properties(&mut self, body: &[u8]) -> Option<()> {
        let mut reader = Reader(body);
        let (version, flags) = reader.version()?;
        let (wide, bits) = if flags & 1 == 0 { (1, 7) } else { (2, 15) };
        for _ in 0..reader.number(4)? {
            let id = reader.number(if version == 0 { 2 } else { 4 })?;
            for _ in 0..reader.number(1)? {
                // The highest bit tells that the property is essential. Indices start at 1.
                let number = reader.number(wide)?;
                let index = (number & ((1 << bits) - 1)) as usize;
                let item = self.items.entry(id).or_default();
                let Some(index) = index.checked_sub(1) else {
                    continue;
                };
                item.properties.push(index);
                let kind = self.properties.get(index).map(|(kind, _)| *kind);
                let is_unknown = |kind: &[u8; 4]| number >> bits == 1 && !KNOWN.contains(&kind);
                item.unknown = item.unknown.or(kind.filter(is_unknown));
            }
        }
        Some(())
    }

    fn read_references(&mut self, body: &[u8]) -> Option<()> {
        let mut reader = Reader(body);
        let (version, _) = reader.version()?;
        let wide = if version == 0 { 2 } else { 4 };
        for (kind, body) in boxes(reader.0) {
            let mut reader = Reader(body);
            let from = reader.number(wide)?;
            let count = reader.number(2)?;
            let to = (0..count)
                .map(|_| reader.number(wide))
                .collect::<Option<_>>()?;
            self.references.push(Reference { kind, from, to });
        }
        Some(())
    }
}

/// Whether the content of a property `auxC` or `auxi` names transparency.
pub(super) fn is_alpha(body: &[u8]) -> bool {
    let kind = body.get(4..).unwrap_or_default();
    ALPHA.iter().any(|alpha| kind.starts_with(alpha))
}

/// `rest` is the name of an item, and the type of its content.
fn metadata(kind: [u8; 4], rest: &[u8]) -> Option<Metadata> {
    let content = rest.split(|&byte| byte == 0).nth(1);
    match &kind {
        b"Exif" => Some(Metadata::Exif),
        b"mime" if content == Some(XMP) => Some(Metadata::Xmp),
        _ => None,
    }
}

fn primary(body: &[u8]) -> Option<u64> {
    let mut reader = Reader(body);
    let (version, _) = reader.version()?;
    reader.number(if version == 0 { 2 } else { 4 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Items<'static> {
        Items {
            file: &[],
            inner: &[],
            primary: 7,
            items: BTreeMap::new(),
            properties: Vec::new(),
            references: Vec::new(),
        }
    }

    /// The places of one item, whose extents have no bits.
    fn places(count: u16) -> Option<Vec<(u64, u64)>> {
        let mut items = empty();
        let body = [
            &[0, 0, 0, 0, 0, 0, 0, 1, 0, 7, 0, 0][..],
            &count.to_be_bytes(),
        ]
        .concat();
        items.read_places(&body)?;
        items.items.remove(&7).map(|item| item.extents)
    }

    #[test]
    fn an_extent_without_bits_is_the_whole_file_and_there_is_one() {
        assert_eq!(places(0), Some(vec![]));
        assert_eq!(places(1), Some(vec![(0, 0)]));
        assert_eq!(places(u16::MAX), None);
    }

    #[test]
    fn long_lists_are_refused_before_they_take_memory() {
        let a_box = |kind: &[u8; 4], length: usize| {
            let size = length as u32 + 8;
            let body = vec![0; length];
            [&size.to_be_bytes()[..], kind, &body].concat()
        };
        let is_read = |length| {
            let lists = [a_box(b"iinf", length), a_box(b"iloc", 8)];
            Items::read(&[], &[&[0; 4][..], &lists.concat()].concat()).is_some()
        };
        assert!(is_read(MAX_LIST_BYTES - 8) && !is_read(MAX_LIST_BYTES - 7));
    }

    #[test]
    fn what_extents_claim_is_added_up() {
        let mut items = empty();
        items.file = &[0; 10];
        items.items.entry(7).or_default().extents = vec![(2, 3), (4, 0), (0, u64::MAX)];
        assert_eq!(items.claimed_bytes(7), u64::MAX);
        items.items.entry(7).or_default().extents.pop();
        assert_eq!(items.claimed_bytes(7), 9);
    }

    #[test]
    fn a_type_of_content_tells_xmp_from_other_texts() {
        let xmp = b"a name\0application/rdf+xml\0";
        assert_eq!(metadata(*b"mime", xmp), Some(Metadata::Xmp));
        assert_eq!(metadata(*b"mime", b"\0text/plain\0"), None);
        assert_eq!(metadata(*b"mime", b""), None);
        assert_eq!(metadata(*b"Exif", b"\0"), Some(Metadata::Exif));
        assert_eq!(metadata(*b"av01", xmp), None);
    }

    #[test]
    fn an_unknown_property_matters_if_it_is_essential() {
        let mut items = empty();
        items.properties = vec![(*b"ispe", &[]), (*b"clop", &[])];
        // Item 7 with both, item 8 with the second one as an essential one.
        let body = b"\0\0\0\0\0\0\0\x02\0\x07\x02\x81\x02\0\x08\x01\x82";
        items.read_properties(body).unwrap();
        assert_eq!(items.unknown_property(7), None);
        assert_eq!(items.unknown_property(8), Some(*b"clop"));
        assert_eq!(items.properties(7).count(), 2);
    }

    #[test]
    fn transparency_of_an_item_or_of_all_its_parts() {
        let mut items = empty();
        let alpha = [&[0; 4][..], ALPHA[0]].concat();
        items.properties = vec![(*b"auxC", alpha.leak())];
        let kinds = [(1, b"av01"), (2, b"av01"), (3, b"av01"), (7, b"grid")];
        for (id, kind) in kinds {
            items.items.entry(id).or_default().kind = *kind;
        }
        let refer = |kind: &[u8; 4], from, to: &[u64]| Reference {
            kind: *kind,
            from,
            to: to.to_vec(),
        };
        items.references = vec![refer(b"dimg", 7, &[1, 2]), refer(b"auxl", 3, &[1])];
        assert_eq!(items.transparency(1), Transparency::Absent);
        items.items.get_mut(&3).unwrap().properties = vec![0];
        assert_eq!(items.transparency(1), Transparency::Straight);
        assert_eq!(items.transparency(2), Transparency::Absent);
        assert_eq!(items.transparency(7), Transparency::Absent);
        items.references[0].to = vec![1];
        assert_eq!(items.transparency(7), Transparency::Straight);
        items.references.push(refer(b"prem", 1, &[3]));
        assert_eq!(items.transparency(1), Transparency::Multiplied(3));
    }
}
