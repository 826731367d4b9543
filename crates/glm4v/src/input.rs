use std::path::Path;

use glm4v_config::GridThw;
use glm4v_preprocess::{
    Clip, ClipInfo, Held, Media, MediaInfo, MediaOptions, Patches, PreprocessError, reading_clip,
    resizing,
};
use image::DynamicImage;

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
}

/// The frames taken of a clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Frames {
    /// The whole clip.
    pub info: ClipInfo,
    /// The frames taken, counted from 0; see [`Clip::frames_indices`].
    pub indices: Vec<usize>,
    /// The seconds that the prompt names for each temporal patch; see [`Clip::timestamps`].
    pub timestamps: Vec<f64>,
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
        match Media::open(path, options)? {
            Media::Still(picture) => Ok(Input {
                height: picture.height() as usize,
                width: picture.width() as usize,
                patches: self.still(picture, path)?,
                frames: None,
                warnings: Vec::new(),
            }),
            Media::Clip(source) => {
                let (height, width) = source.size();
                let clip = self.video()?.read(&source)?;
                let Clip {
                    patches,
                    frames_indices,
                    timestamps,
                    ..
                } = clip;
                Ok(Input {
                    patches,
                    height,
                    width,
                    frames: Some(Frames {
                        info: source.info().clone(),
                        indices: frames_indices,
                        timestamps,
                    }),
                    warnings: source.warnings().to_vec(),
                })
            }
        }
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
        match Media::probe(path, options)? {
            MediaInfo::Still {
                height,
                width,
                decoding,
            } => {
                let grid = self.grid(height, width).map_err(in_file(path))?;
                let held = self.held((height, width), grid, None);
                Ok(InputInfo {
                    held: Held {
                        before_rows: held.before_rows.max(decoding),
                        ..held
                    },
                    grid,
                    height,
                    width,
                    frames: None,
                })
            }
            MediaInfo::Clip(source) => {
                let (video, info) = (self.video()?, source.info());
                let named = |error: PreprocessError| in_file(path)(error.into());
                let indices = video.sample_frames(info).map_err(named)?;
                let (height, width) = source.size();
                let grid = video.grid(indices.len(), height, width).map_err(named)?;
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
        let config = self.config();
        let patch = config.patch_size;
        let (from, to) = ((height, width), (grid.h * patch, grid.w * patch));
        let Some(frames) = frames else {
            return resizing(from, to);
        };
        let threads = rayon::current_num_threads();
        Held {
            before_rows: 0,
            beside_rows: reading_clip(frames, config.temporal_patch_size, from, to, threads),
        }
    }

    fn still(&self, picture: DynamicImage, path: &Path) -> Result<Patches, Error> {
        self.images(&[picture]).map_err(in_file(path))
    }
}

/// Names the file in an error of preprocessing.
fn in_file(path: &Path) -> impl Fn(Error) -> Error {
    |error| match error {
        Error::Preprocess(source) => Error::Preprocess(PreprocessError::File {
            path: path.to_owned(),
            source: source.into(),
        }),
        error => error,
    }
}
