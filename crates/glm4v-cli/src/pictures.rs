use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use glm4v::{GridThw, OpenOptions, Processor};
use image::DynamicImage;
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::PictureArgs;
use crate::console::Console;
use crate::layout;

/// Pictures that were read.
pub(crate) struct Pictures {
    /// Their pixels.
    pub(crate) pixels: Vec<DynamicImage>,
    paths: Vec<PathBuf>,
    /// The grids that they will be resized to, in patches.
    grids: Vec<GridThw>,
    merge: usize,
}

impl Pictures {
    /// Reads all pictures on all cores; of several that fail, the first is the error.
    pub(crate) fn read(
        args: PictureArgs,
        processor: &Processor,
        console: &Console,
    ) -> Result<Self> {
        let options = OpenOptions {
            exif_orientation: !args.no_exif,
            ..OpenOptions::default()
        };
        let bar = console.progress("reading pictures", Some(args.inputs.len()));
        let results: Vec<_> = args
            .inputs
            .par_iter()
            .map(|path| {
                let picture = open(path, &options, processor);
                bar.inc(1);
                picture
            })
            .collect();
        let pictures: Result<Vec<_>> = results.into_iter().collect();
        let (pixels, grids) = pictures?.into_iter().unzip();
        Ok(Self {
            pixels,
            paths: args.inputs,
            grids,
            merge: processor.config().merge_size,
        })
    }

    /// Consecutive batches of at most `patches` patches; a larger picture is a batch of its own.
    pub(crate) fn batches(&self, patches: usize) -> Vec<Range<usize>> {
        let mut batches = Vec::new();
        let (mut first, mut size) = (0, 0);
        for (index, grid) in self.grids.iter().enumerate() {
            if index > first && size + grid.num_patches() > patches {
                batches.push(first..index);
                (first, size) = (index, 0);
            }
            size += grid.num_patches();
        }
        batches.push(first..self.grids.len());
        batches
    }

    /// The grids, in the order of the pictures.
    pub(crate) fn grids(&self) -> &[GridThw] {
        &self.grids
    }

    /// A line for each picture, and what they come to.
    pub(crate) fn table(&self) -> String {
        let mut rows = vec![["picture", "width×height", "grid t×h×w", "tokens"].map(str::to_owned)];
        rows.extend(self.items().map(|(path, pixels, grid)| {
            [
                path.display().to_string(),
                format!("{}×{}", pixels.width(), pixels.height()),
                grid.to_string(),
                grid.num_tokens(self.merge).to_string(),
            ]
        }));
        layout::table(&rows)
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let row = |(path, pixels, grid): (&PathBuf, &DynamicImage, &GridThw)| {
            json!({
                "file": path.to_string_lossy(),
                "width": pixels.width(),
                "height": pixels.height(),
                "grid_thw": <[usize; 3]>::from(*grid),
                "tokens": grid.num_tokens(self.merge),
            })
        };
        self.items().map(row).collect()
    }

    fn items(&self) -> impl Iterator<Item = (&PathBuf, &DynamicImage, &GridThw)> {
        let pictures = self.paths.iter().zip(&self.pixels).zip(&self.grids);
        pictures.map(|((path, pixels), grid)| (path, pixels, grid))
    }
}

fn open(
    path: &Path,
    options: &OpenOptions,
    processor: &Processor,
) -> Result<(DynamicImage, GridThw)> {
    if path.is_dir() {
        bail!(
            "{}: is a directory; name the pictures in it",
            path.display()
        );
    }
    let pixels = glm4v::open(path, options)?;
    let grid = processor
        .grid(pixels.height() as usize, pixels.width() as usize)
        .with_context(|| path.display().to_string())?;
    Ok((pixels, grid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_filled_in_order() {
        let batches = |patches: &[usize]| {
            let grid = |&patches| GridThw::new(1, 1, patches);
            let pictures = Pictures {
                pixels: Vec::new(),
                paths: Vec::new(),
                grids: patches.iter().map(grid).collect(),
                merge: 1,
            };
            pictures.batches(10)
        };
        assert_eq!(batches(&[4, 6, 1]), [0..2, 2..3]);
        assert_eq!(batches(&[99, 1, 99]), [0..1, 1..2, 2..3]);
    }
}
