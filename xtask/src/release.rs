//! Programs and checkpoints of full size, for what compares or times them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::shell;

/// The full-size tower that is compared and timed unless another is named.
pub(crate) const PRESET: &str = "glm-4.1v-9b";
/// The image that is encoded.
pub(crate) const IMAGE: &str = "tests/images/coffee-336.jpg";

/// The variable that names a folder of programs built before.
const PROGRAMS: &str = "GLM4V_PROGRAMS";

/// Optimised programs, and a folder for what they make.
pub(crate) struct Release {
    /// The folder of the programs.
    pub(crate) programs: PathBuf,
    /// The folder of checkpoints, images and embeddings.
    pub(crate) work: PathBuf,
}

impl Release {
    /// Builds the programs with these features and no others: backends and `autotune`. An index after a colon is
    /// ignored.
    ///
    /// Where the variable [`PROGRAMS`] names a folder, nothing is built: its subfolder named after the features, as in
    /// `cuda-autotune`, has the programs. So a machine without Rust can run what another built.
    pub(crate) fn build<'a>(features: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let names: Vec<&str> = features
            .into_iter()
            .filter_map(|feature| feature.split(':').next())
            .collect();
        if let Some(folder) = std::env::var_os(PROGRAMS) {
            return Self::prebuilt(Path::new(&folder), &names.join("-"));
        }
        let features: Vec<String> = names
            .into_iter()
            .flat_map(|name| [format!("glm4v-tests/{name}"), format!("glm4v-cli/{name}")])
            .collect();
        let mut command = shell::cargo(["build", "--release", "--quiet", "--bins"]);
        command.args(["--package", "glm4v-tests", "--package", "glm4v-cli"]);
        command.args(["--no-default-features", "--features", &features.join(",")]);
        shell::run(&mut command)?;
        let target = shell::target_dir()?;
        Self::open(target.join("release"), target.join("full"))
    }

    fn prebuilt(folder: &Path, features: &str) -> Result<Self> {
        let programs = folder.join(features);
        ensure!(
            programs.is_dir(),
            "{PROGRAMS} is {}, which has no folder {features}",
            folder.display()
        );
        Self::open(programs, folder.join("full"))
    }

    fn open(programs: PathBuf, work: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
        Ok(Self { programs, work })
    }

    /// A command that starts one of the programs: `glm4v`, `bench`, `parity`.
    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(self.programs.join(name))
    }

    /// A random checkpoint in bf16. The same preset gives the same weights each time.
    pub(crate) fn checkpoint(&self, preset: &str) -> Result<PathBuf> {
        let checkpoint = self.work.join(preset);
        if !checkpoint.exists() {
            let mut init = self.program("glm4v");
            init.args(["init", "--preset", preset, "--seed", "1"]);
            init.args(["--dtype", "bf16", "-o"]).arg(&checkpoint);
            shell::run(&mut init)?;
        }
        Ok(checkpoint)
    }

    /// The first blocks of the full-size tower, and the rest of the checkpoint with them.
    pub(crate) fn first_blocks(&self, preset: &str, count: u32) -> Result<PathBuf> {
        let checkpoint = self.work.join(format!("{preset}-{count}-blocks"));
        if !checkpoint.exists() {
            let mut make = self.program("bench");
            make.args(["first-blocks", preset, &count.to_string()]);
            shell::run(make.arg(&checkpoint))?;
        }
        Ok(checkpoint)
    }

    /// The image in another size, `WIDTHxHEIGHT`.
    pub(crate) fn scaled(&self, size: &str) -> Result<PathBuf> {
        if size == "336x336" {
            return Ok(image());
        }
        let sides = size.split_once('x');
        let (width, height) = sides.with_context(|| format!("{size}: expected WIDTHxHEIGHT"))?;
        self.made(&format!("photo-{size}.png"), "scale", &[width, height])
    }

    /// A file that the program `bench` makes from the image, once: `bench VERB IMAGE ARGUMENTS FILE`.
    pub(crate) fn made(&self, file: &str, verb: &str, arguments: &[&str]) -> Result<PathBuf> {
        let file = self.work.join(file);
        if !file.exists() {
            let mut make = self.program("bench");
            make.arg(verb).arg(image()).args(arguments).arg(&file);
            shell::run(&mut make)?;
        }
        Ok(file)
    }
}

/// The image that is encoded.
pub(crate) fn image() -> PathBuf {
    shell::root().join(IMAGE)
}

/// Makes a program use so many threads.
pub(crate) fn set_threads(command: &mut Command, threads: Option<usize>) {
    if let Some(threads) = threads {
        command.env("RAYON_NUM_THREADS", threads.to_string());
    }
}

/// Writes `new` between the marks `<!-- name: begin -->` and `<!-- name: end -->` of a file.
pub(crate) fn replace_between_marks(file: &Path, name: &str, new: &str) -> Result<()> {
    let (before, _, after) = split_at_marks(file, name)?;
    std::fs::write(file, before + new + &after).with_context(|| file.display().to_string())
}

/// Writes rows of a table between the marks of [`replace_between_marks`]. A row takes the place of the one with the same first
/// cell, or is added below. Other rows stay.
pub(crate) fn replace_rows(file: &Path, name: &str, head: &str, new: &[String]) -> Result<()> {
    let (_, old, _) = split_at_marks(file, name)?;
    replace_between_marks(file, name, &with_rows(&old, head, new))
}

fn with_rows(old: &str, head: &str, new: &[String]) -> String {
    let first_cell = |row: &str| row.split('|').nth(1).map(str::to_owned);
    let old = old.lines().skip(head.lines().count());
    let mut rows: Vec<String> = old.map(str::to_owned).collect();
    for row in new {
        match rows
            .iter_mut()
            .find(|old| first_cell(old) == first_cell(row))
        {
            Some(old) => old.clone_from(row),
            None => rows.push(row.clone()),
        }
    }
    format!("{head}{}\n", rows.join("\n"))
}

/// A file's text up to the first mark, between the marks, and from the second mark on.
fn split_at_marks(file: &Path, name: &str) -> Result<(String, String, String)> {
    let [begin, end] = ["begin", "end"].map(|mark| format!("<!-- {name}: {mark} -->\n"));
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let missing = || format!("{}: no line {begin} or no line {end}", file.display());
    let begins = text.find(&begin).with_context(missing)? + begin.len();
    let length = text[begins..].find(&end).with_context(missing)?;
    let (before, rest) = text.split_at(begins);
    let (between, after) = rest.split_at(length);
    Ok((before.to_owned(), between.to_owned(), after.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_table_are_replaced_and_added() {
        let head = "| A | B |\n|---|---|\n";
        let old = format!("{head}| `a` | 1 |\n| `b` | 2 |\n");
        let new = ["| `b` | 3 |", "| `c` | 4 |"].map(str::to_owned);
        let expected = format!("{head}| `a` | 1 |\n| `b` | 3 |\n| `c` | 4 |\n");
        assert_eq!(with_rows(&old, head, &new), expected);
    }
}
