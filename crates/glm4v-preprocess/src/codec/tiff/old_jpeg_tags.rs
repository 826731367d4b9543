use crate::codec::directory::Directory;

const HEADER_OFFSET: u16 = 513;
const HEADER_BYTES: u16 = 514;
const RESTART_INTERVAL: u16 = 515;
const QUANTIZATION_TABLES: u16 = 519;
const DC_TABLES: u16 = 520;
const AC_TABLES: u16 = 521;
const SUBSAMPLING: u16 = 530;

/// What the tags say of the stream.
#[derive(Debug)]
pub(super) struct OldJpeg {
    /// (offset, length) of the start of the stream, or of all of it.
    pub(super) header: Option<(u64, Option<u64>)>,
    pub(super) restart_interval: u16,
    /// Where the tables of each sample are.
    pub(super) quantization: Vec<u64>,
    pub(super) dc: Vec<u64>,
    pub(super) ac: Vec<u64>,
    /// (columns, rows) of pixels that share their colour, where the stream has no header that says it.
    pub(super) subsampling: (u8, u8),
}

impl OldJpeg {
    pub(super) fn read(directory: &Directory) -> Self {
        let offsets = |tag| directory.integers(tag).iter().take(3).collect();
        let short = |tag| {
            directory
                .integer(tag)
                .and_then(|value| value.try_into().ok())
        };
        let sampling: Vec<u64> = directory.integers(SUBSAMPLING).iter().take(2).collect();
        let bytes = directory.integer(HEADER_BYTES);
        let header = directory.integer(HEADER_OFFSET);
        Self {
            header: header
                .filter(|&offset| offset > 0)
                .map(|offset| (offset, bytes.filter(|&bytes| bytes > 0))),
            restart_interval: short(RESTART_INTERVAL).unwrap_or(0),
            quantization: offsets(QUANTIZATION_TABLES),
            dc: offsets(DC_TABLES),
            ac: offsets(AC_TABLES),
            subsampling: match sampling[..] {
                [columns @ (1 | 2 | 4), rows @ (1 | 2 | 4)] => (columns as u8, rows as u8),
                _ => (2, 2),
            },
        }
    }
}
