use std::path::PathBuf;

use anyhow::Result;

use crate::release::Release;

/// A photo of a phone: 12 megapixels.
const LARGE: [u32; 2] = [4000, 3000];
/// Photos as people send them: 0.3 to 2 megapixels, in several shapes.
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
/// How often each of these is read in one batch.
const ROUNDS: usize = 8;

/// Files that both sides read, and their name in the table.
pub(super) type Named<T> = (String, T);

/// The image in every size of `sizes`, `WIDTHxHEIGHT`.
pub(super) fn scaled(release: &Release, sizes: &[String]) -> Result<Vec<Named<PathBuf>>> {
    let scaled = |size: &String| Ok((size.clone(), release.scaled(size)?));
    sizes.iter().map(scaled).collect()
}

/// Batches of JPEGs as cameras write them. Only their preprocessing is timed.
pub(super) fn jpegs(release: &Release) -> Result<Vec<Named<Vec<PathBuf>>>> {
    let jpeg = |[width, height]: [u32; 2]| {
        let file = format!("jpeg-{width}x{height}.jpg");
        release.made(&file, "tile", &[&width.to_string(), &height.to_string()])
    };
    let [width, height] = LARGE;
    let large = (format!("{width}x{height} JPEG"), vec![jpeg(LARGE)?]);
    let sizes = SIZES.map(jpeg).into_iter().collect::<Result<Vec<_>>>()?;
    let many: Vec<PathBuf> = std::iter::repeat_n(sizes, ROUNDS).flatten().collect();
    let name = format!("{} JPEGs of 0.3 to 2 megapixels", many.len());
    Ok(vec![large, (name, many)])
}
