//! The items of a HEIF file: images, parts of them, and metadata.

use std::collections::BTreeMap;

use super::boxes::{Reader, boxes, find};

/// The kinds of an auxiliary image that has the transparency of another, as AVIF and HEIF name it.
const ALPHA: [&[u8]; 2] = [
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0",
    b"urn:mpeg:hevc:2015:auxid:1\0",
];

/// The items that the box `meta` describes.
pub(super) struct Items<'a> {
    file: &'a [u8],
    /// Data that are in `meta` itself.
    inner: &'a [u8],
    pub(super) primary: u64,
    items: BTreeMap<u64, Item>,
    /// Kinds and contents of the properties that items share.
    properties: Vec<([u8; 4], &'a [u8])>,
    references: Vec<Reference>,
}

#[derive(Default)]
struct Item {
    kind: [u8; 4],
    is_inner: bool,
    /// Offsets and lengths of its data.
    extents: Vec<(u64, u64)>,
    /// Indices of its properties.
    properties: Vec<usize>,
}

struct Reference {
    kind: [u8; 4],
    from: u64,
    to: Vec<u64>,
}

impl<'a> Items<'a> {
    pub(super) fn read(file: &'a [u8]) -> Option<Self> {
        let mut meta = Reader(find(file, b"meta")?);
        meta.version()?;
        let meta = meta.0;
        let properties = find(meta, b"iprp")?;
        let mut items = Self {
            file,
            inner: find(meta, b"idat").unwrap_or_default(),
            primary: primary(find(meta, b"pitm")?)?,
            items: BTreeMap::new(),
            properties: boxes(find(properties, b"ipco")?).collect(),
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
            data.extend(rest.get(..length)?);
            // Extents can overlap, but an item has no more data than the file.
            if data.len() > source.len() {
                return None;
            }
        }
        Some(data)
    }

    /// The content of the first property of a kind.
    pub(super) fn property(&self, item: u64, kind: &[u8; 4]) -> Option<&'a [u8]> {
        let properties = self.items.get(&item)?.properties.iter();
        let mut properties = properties.filter_map(|&index| self.properties.get(index));
        properties
            .find(|(found, _)| found == kind)
            .map(|(_, body)| *body)
    }

    /// The items to which an item refers.
    pub(super) fn referred(&self, item: u64, kind: &[u8; 4]) -> &[u64] {
        let mut references = self.references.iter();
        let found = references.find(|found| found.kind == *kind && found.from == item);
        found.map_or(&[], |found| &found.to)
    }

    /// The data of the metadata of a kind that describe an item.
    pub(super) fn description(&self, item: u64, kind: &[u8; 4]) -> Option<Vec<u8>> {
        let mut describes = self.references.iter().filter(|found| {
            found.kind == *b"cdsc"
                && found.to.contains(&item)
                && self.kind(found.from) == Some(*kind)
        });
        self.data(describes.next()?.from)
    }

    /// Whether another image has the transparency of an item.
    pub(super) fn has_alpha(&self, item: u64) -> bool {
        let mut references = self.references.iter();
        references.any(|found| {
            let refers = found.kind == *b"auxl" && found.to.contains(&item);
            let auxiliary = self.property(found.from, b"auxC");
            let kind = auxiliary.and_then(|body| body.get(4..));
            refers && kind.is_some_and(|kind| ALPHA.iter().any(|alpha| kind.starts_with(alpha)))
        })
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
            self.items.entry(id).or_default().kind = kind;
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
                let index = reader.number(wide)? & ((1 << bits) - 1);
                let item = self.items.entry(id).or_default();
                item.properties.extend((index as usize).checked_sub(1));
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

fn primary(body: &[u8]) -> Option<u64> {
    let mut reader = Reader(body);
    let (version, _) = reader.version()?;
    reader.number(if version == 0 { 2 } else { 4 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of one item, whose extents have no bits.
    fn places(count: u16) -> Option<Vec<(u64, u64)>> {
        let mut items = Items {
            file: &[],
            inner: &[],
            primary: 7,
            items: BTreeMap::new(),
            properties: Vec::new(),
            references: Vec::new(),
        };
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
}
