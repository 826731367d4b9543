use std::path::Path;

use glm4v_config::GridThw;
use glm4v_preprocess::{
    ClipInfo, Held, Media, MediaInfo, MediaOptions, Patches, Unread, reading_clip, resizing,
};
use rayon::prelude::*;

use crate::{Error, Processor};

/// A picture or clip, read and cut into patch rows.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its rows, and the one grid they belong to.
    pub patches: Patches,
    /// Rows of pixels of the source.
    pub height: usize,
    /// Columns of pixels of the source.
    pub width: usize,
    /// Of a clip, what was taken of it.
    pub frames: Option<Frames>,
    /// What makes the input doubtful.
    pub warnings: Vec<String>,
}

/// An input without its rows: what its header and its size tell.
#[derive(Clone, Debug, PartialEq)]
pub struct InputInfo {
    /// The grid that its rows will have.
    pub grid: GridThw,
    /// Rows of pixels of the source.
    pub height: usize,
    /// Columns of pixels of the source.
    pub width: usize,
    /// Of a clip, what will be taken of it.
    pub frames: Option<Frames>,
    /// What reading it will hold.
    pub held: Held,
    /// What makes the input doubtful.
    pub warnings: Vec<String>,
}

/// The frames taken of a clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Frames {
    /// The whole clip.
    pub info: ClipInfo,
    /// The frames taken, counted from 0; see [`crate::Clip::frames_indices`].
    pub indices: Vec<usize>,
    /// The seconds that the prompt names for each temporal patch; see [`crate::Clip::timestamps`].
    pub timestamps: Vec<f64>,
}

/// Several inputs, read into one batch.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The rows of all, in their order.
    pub patches: Patches,
    /// Each input apart from its rows.
    pub inputs: Vec<InputInfo>,
}

impl Processor {
    /// The patch rows of a file or folder: a picture, a video file, an animated picture, or a folder that holds a
    /// clip's frames. What it is, its content says.
    ///
    /// # Errors
    /// [`Error::Preprocess`], naming the file, for one that cannot be read or is refused; for a clip, those of
    /// [`Processor::video`].
    pub fn read(&self, path: impl AsRef<Path>, options: &MediaOptions) -> Result<Input, Error> {
        let path = path.as_ref();
        let source = Media::probe(path, options)?;
        let info = self.info(path, &source)?;
        Ok(Input {
            patches: Patches::read(&[self.unread(&source)?])
                .map_err(|error| in_file(path)(error.into()))?,
            height: info.height,
            width: info.width,
            frames: info.frames,
            warnings: info.warnings,
        })
    }

    /// [`Processor::read`] of any number of inputs into one batch. Their headers are looked at first, so that all cores
    /// then decode, resize and write each input's rows where they belong. The files of all pictures are in memory meanwhile.
    ///
    /// # Errors
    /// Those of [`Processor::read`]: of the first input that cannot be opened or is refused by its header, or else of the
    /// first that turns out to be damaged.
    pub fn read_all<P: AsRef<Path> + Sync>(
        &self,
        paths: &[P],
        options: &MediaOptions,
    ) -> Result<Batch, Error> {
        let probe = |path: &P| -> Result<(MediaInfo, InputInfo), Error> {
            let source = Media::probe(path, options)?;
            let info = self.info(path.as_ref(), &source)?;
            Ok((source, info))
        };
        let probed: Vec<_> = paths.par_iter().map(probe).collect();
        let probed = probed.into_iter().collect::<Result<Vec<_>, _>>()?;
        let (sources, inputs): (Vec<MediaInfo>, _) = probed.into_iter().unzip();
        let unread = sources.iter().map(|source| self.unread(source));
        let unread = unread.collect::<Result<Vec<_>, _>>()?;
        let patches = Patches::read(&unread)?;
        Ok(Batch { patches, inputs })
    }

    /// What [`Processor::read`] would read, without decoding a pixel: of a picture the header is looked at, of a clip
    /// what sampling its frames needs.
    ///
    /// # Errors
    /// As [`Processor::read`], but for damage that only decoding shows.
    pub fn probe(
        &self,
        path: impl AsRef<Path>,
        options: &MediaOptions,
    ) -> Result<InputInfo, Error> {
        let path = path.as_ref();
        self.info(path, &Media::probe(path, options)?)
    }

    fn info(&self, path: &Path, source: &MediaInfo) -> Result<InputInfo, Error> {
        match source {
            MediaInfo::Still(source) => {
                let (height, width) = source.size();
                let grid = self.grid(height, width).map_err(in_file(path))?;
                Ok(InputInfo {
                    grid,
                    held: source.held(self.resized(grid)),
                    height,
                    width,
                    frames: None,
                    warnings: Vec::new(),
                })
            }
            MediaInfo::Clip(source) => {
                let (indices, grid) = self.video()?.sampled(source)?;
                let ((height, width), info) = (source.size(), source.info());
                let held = self.held((height, width), grid, Some(indices.len()));
                Ok(InputInfo {
                    held: Held {
                        beside_rows: held.beside_rows + source.decoding(),
                        ..held
                    },
                    grid,
                    height,
                    width,
                    frames: Some(Frames {
                        info: info.clone(),
                        timestamps: info.prompt_timestamps(&indices, grid.t),
                        indices,
                    }),
                    warnings: source.warnings().to_vec(),
                })
            }
        }
    }

    /// What is held while a picture of (height, width) pixels is resized, or a clip of which `frames` frames are taken is
    /// read; decoding may hold more.
    #[must_use]
    pub fn held(
        &self,
        (height, width): (usize, usize),
        grid: GridThw,
        frames: Option<usize>,
    ) -> Held {
        let (from, to) = ((height, width), self.resized(grid));
        let Some(frames) = frames else {
            return resizing(from, to);
        };
        let temporal = self.config().temporal_patch_size;
        let threads = rayon::current_num_threads();
        Held {
            before_rows: 0,
            beside_rows: reading_clip(frames, temporal, from, to, threads),
        }
    }

    /// (height, width) in pixels of what is cut into patches.
    fn resized(&self, grid: GridThw) -> (usize, usize) {
        let patch = self.config().patch_size;
        (grid.h * patch, grid.w * patch)
    }

    fn unread<'a>(&'a self, source: &'a MediaInfo) -> Result<Unread<'a>, Error> {
        Ok(match source {
            MediaInfo::Still(source) => Unread::Still(self.image(), source),
            MediaInfo::Clip(source) => Unread::Clip(self.video()?, source),
        })
    }
}

/// Names the file in an error of preprocessing.
fn in_file(path: &Path) -> impl Fn(Error) -> Error {
    |error| match error {
        Error::Preprocess(source) => source.in_file(path).into(),
        error => error,
    }
}
