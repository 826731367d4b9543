use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

#[cfg(feature = "http")]
use crate::fetch::Fetcher;
use crate::{CollectError, Entry, FetchLimits, Location, data_uri};

/// The content of an [`Entry`], for the caller to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// A file, or a folder of frames. It was not opened.
    Path(PathBuf),
    /// The bytes of an image file or a video file.
    Bytes(Vec<u8>),
}

/// Opens entries. Clones share connections to servers, and threads can share one reader.
///
/// ```
/// use glm4v_collect::{Entry, FetchLimits, Location, Media, MediaReader};
///
/// let reader = MediaReader::new(&FetchLimits::default());
/// let entry = Entry {
///     id: "dot".into(),
///     name: "dot".into(),
///     location: Location::Data("data:image/gif;base64,R0lGODlh".into()),
/// };
/// assert_eq!(reader.read(&entry)?, Media::Bytes(b"GIF89a".to_vec()));
/// # Ok::<(), glm4v_collect::CollectError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MediaReader {
    limits: FetchLimits,
    #[cfg(feature = "http")]
    fetcher: Fetcher,
}

impl MediaReader {
    /// A reader with these limits.
    #[must_use]
    pub fn new(limits: &FetchLimits) -> Self {
        Self {
            limits: limits.clone(),
            #[cfg(feature = "http")]
            fetcher: Fetcher::new(limits),
        }
    }

    /// The path of a file or a folder of frames, or the content of anything else.
    ///
    /// # Errors
    /// - [`CollectError::TooLarge`] for content beyond [`FetchLimits::max_bytes`],
    /// - [`CollectError::Io`] and [`CollectError::Archive`] for an archive that cannot be read or has changed,
    /// - [`CollectError::DataUri`] for a damaged data URI,
    /// - [`CollectError::NotListed`] for an entry that stands for something that could not be listed,
    /// - for a URL: [`CollectError::PrivateAddress`], [`CollectError::Redirect`], [`CollectError::Status`],
    ///   [`CollectError::Timeout`] and others. [`CollectError::is_temporary`] tells whether another attempt may succeed.
    pub fn read(&self, entry: &Entry) -> Result<Media, CollectError> {
        match &entry.location {
            Location::Path(path) | Location::FrameFolder(path) => Ok(Media::Path(path.clone())),
            Location::TarMember {
                archive,
                offset,
                size,
            } => self.read_member(entry, archive, *offset, *size),
            Location::Url(url) => self.fetch(url),
            Location::Data(uri) => data_uri::decode(uri, self.limits.max_bytes).map(Media::Bytes),
            Location::Failed(problem) => Err(CollectError::NotListed {
                problem: problem.clone(),
            }),
        }
    }

    fn read_member(
        &self,
        entry: &Entry,
        archive: &Path,
        offset: u64,
        size: u64,
    ) -> Result<Media, CollectError> {
        let limit = self.limits.max_bytes;
        if size > limit {
            return Err(CollectError::TooLarge {
                name: entry.name.clone(),
                limit,
            });
        }
        let read = || -> io::Result<_> {
            let mut file = File::open(archive)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(size).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(CollectError::io(archive))?;
        let found = bytes.len() as u64;
        if found < size {
            let name = &entry.name;
            return Err(CollectError::Archive {
                archive: archive.to_owned(),
                problem: format!(
                    "{name} has {size} bytes, and only {found} of them are there; the archive has changed since it was listed"
                ),
            });
        }
        Ok(Media::Bytes(bytes))
    }

    #[cfg(feature = "http")]
    fn fetch(&self, url: &str) -> Result<Media, CollectError> {
        self.fetcher.get(url).map(Media::Bytes)
    }

    #[cfg(not(feature = "http"))]
    fn fetch(&self, url: &str) -> Result<Media, CollectError> {
        Err(CollectError::NoFeature {
            name: crate::url::shown(url),
            what: "URLs",
            feature: "http",
        })
    }
}

impl Entry {
    /// Reads one entry: see [`MediaReader::read`]. A [`MediaReader`] is faster for several URLs of one server.
    ///
    /// # Errors
    /// Those of [`MediaReader::read`].
    pub fn read(&self, limits: &FetchLimits) -> Result<Media, CollectError> {
        MediaReader::new(limits).read(self)
    }
}
