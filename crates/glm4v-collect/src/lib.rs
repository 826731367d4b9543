//! The inputs of a bulk job: images and videos from many places, listed in a fixed order and read one by one.
//!
//! [`list`] takes [`Input`]s and returns a [`Listing`], an iterator of [`Entry`]s. It keeps little in memory: the names in
//! the folders that it is in, and nothing for each entry. An [`Entry`] has an id, and a location that says where its
//! content is. [`Entry::to_json_line`] and [`EntryReader`] save entries in a file and read them again. [`IdSet`] checks
//! that ids are unique. [`MediaReader`] opens an entry.
//!
//! ```
//! use glm4v_collect::{FetchLimits, IdSet, Input, ListOptions, Media, MediaReader, list};
//!
//! # let dir = std::env::temp_dir().join("glm4v-collect-doc");
//! # std::fs::create_dir_all(dir.join("pets"))?;
//! # std::fs::write(dir.join("pets/cat.gif"), b"GIF89a")?;
//! # let folder = dir.join("pets");
//! let inputs = [Input::named(folder), Input::named("data:image/gif;base64,R0lGODlh")];
//! let (mut ids, mut names) = (IdSet::default(), Vec::<String>::new());
//! let reader = MediaReader::new(&FetchLimits::default());
//! for entry in list(inputs, ListOptions::default()) {
//!     let entry = entry?;
//!     ids.insert(&entry, |first| names[first as usize].clone())?;
//!     match reader.read(&entry)? {
//!         Media::Path(path) => println!("{}: a file, {}", entry.id, path.display()),
//!         Media::Bytes(bytes) => println!("{}: {} bytes", entry.id, bytes.len()),
//!     }
//!     names.push(entry.name);
//! }
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What becomes an entry
//!
//! | Input | Entries | Default id |
//! |---|---|---|
//! | a file | the file | its path as given, with `/` |
//! | a folder | each image and video in it; with [`ListOptions::recursive`] also in its subfolders | the path below the folder, with `/` |
//! | a folder, with [`ListOptions::frames`] | one video, whose frames are the images in the folder | its path as given |
//! | a pattern such as `**/*.png` | each image and video that matches | the path |
//! | a tar archive that is named or matches a pattern | each image and video in it | `ARCHIVE/MEMBER`, without the extensions |
//! | an http or https URL | the URL | the URL |
//! | a data URI | the URI | `data:` and a hash of the URI |
//! | [`Input::List`] | those of each line | those of each line |
//! | [`Input::Manifest`] | one a row | the column of ids, or the path or URL in the row |
//!
//! The first bytes of a file decide whether it is an image or a video. Inside a folder or an archive, other files are
//! left alone and counted in [`Ignored`]. A file that the caller names must be an image, a video or a tar archive.
//! Entries of a folder are in the bytewise order of their names, with each subfolder at its place.
//!
//! What cannot be listed is an error, or becomes an entry that fails when it is read: see [`Failures`].
//!
//! # Names that are not Unicode
//!
//! Ids are strings. A byte of a name that is not UTF-8 becomes `%` and two hexadecimal digits. Locations keep the exact
//! path. In JSON, a path is a string if it is Unicode. Otherwise it is `{"bytes": [...]}` on Unix, and
//! `{"wide": [...]}` (UTF-16) on Windows.
//!
//! # URLs
//!
//! A URL is fetched when its entry is read. [`FetchLimits`] has the limits. Every address that a host name resolves to must
//! be public ([`is_public`]), also after each redirect. The connection goes to an address that was judged, so a name that
//! resolves differently a moment later changes nothing. Proxies are not used.

mod address;
mod content;
mod data_uri;
mod entry;
mod error;
#[cfg(feature = "http")]
mod fetch;
mod ids;
mod ignored;
mod input;
mod limits;
mod lines;
mod listing;
mod manifest;
mod media;
mod path_text;
mod url;

pub use address::is_public;
pub use content::is_archive;
pub use entry::{Entry, EntryReader, Location};
pub use error::CollectError;
pub use ids::IdSet;
pub use ignored::Ignored;
pub use input::{Failures, Input, ListOptions, Manifest, ManifestFormat};
pub use limits::FetchLimits;
pub use listing::{Listing, list};
pub use media::{Media, MediaReader};
