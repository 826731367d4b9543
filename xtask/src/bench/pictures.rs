use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Args;
use crate::shell;

const PHOTO: &str = "tests/images/coffee-336.jpg";
/// What a phone takes: 12 megapixels.
const LARGE: [u32; 2] = [4000, 3000];
/// What is sent: 0.3 to 2 megapixels, in several shapes.
const SIZES: [[u32; 2]; 8] = [
    [640, 480],
    [1632, 1224],
    [600, 800],
    [1280, 960],
    [1080, 1350],
    [1024, 768],
    [480, 640],
    [1200, 1600],
];
/// How often each of these, one after another.
const ROUNDS: usize = 8;

/// What both sides read, and its name in the table.
pub(super) type Named<T> = (String, T);

/// The photo in every size asked for.
pub(super) fn photos(args: &Args, release: &Path, work: &Path) -> Result<Vec<Named<PathBuf>>> {
    let photo = |size: &String| {
        let sides = size.split_once('x');
        let (width, height) = sides.with_context(|| format!("{size}: expected WIDTHxHEIGHT"))?;
        if size == "336x336" {
            return Ok((size.clone(), shell::root().join(PHOTO)));
        }
        let file = work.join(format!("photo-{size}.png"));
        Ok((size.clone(), made(release, "scale", [width, height], file)?))
    };
    args.size.iter().map(photo).collect()
}

/// Batches of JPEGs as cameras make them, whose preprocessing is timed alone.
pub(super) fn jpegs(release: &Path, work: &Path) -> Result<Vec<Named<Vec<PathBuf>>>> {
    let jpeg = |[width, height]: [u32; 2]| {
        let file = work.join(format!("jpeg-{width}x{height}.jpg"));
        let sides = [width, height].map(|side| side.to_string());
        made(release, "tile", sides.each_ref().map(String::as_str), file)
    };
    let [width, height] = LARGE;
    let large = (format!("{width}x{height} JPEG"), vec![jpeg(LARGE)?]);
    let sizes = SIZES.map(jpeg).into_iter().collect::<Result<Vec<_>>>()?;
    let many: Vec<PathBuf> = std::iter::repeat_n(sizes, ROUNDS).flatten().collect();
    let name = format!("{} JPEGs of 0.3 to 2 megapixels", many.len());
    Ok(vec![large, (name, many)])
}

/// A picture that the program `bench` makes of the photo, once.
fn made(release: &Path, verb: &str, sides: [&str; 2], file: PathBuf) -> Result<PathBuf> {
    if !file.exists() {
        let mut make = Command::new(release.join("bench"));
        make.arg(verb).arg(shell::root().join(PHOTO)).args(sides);
        shell::run(make.arg(&file))?;
    }
    Ok(file)
}
