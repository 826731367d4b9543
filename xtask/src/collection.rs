use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::release::Release;
use crate::shell;

/// Arguments that say where the programs and the generated images are.
#[derive(clap::Args)]
pub(crate) struct CollectionArgs {
    /// Take the programs `glm4v` and `collection` from this folder, and build nothing
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// The folder for images and results [default: a folder in the build folder]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

/// The programs, and a folder for generated images and for results.
pub(crate) struct Collection {
    programs: PathBuf,
    pub(crate) work: PathBuf,
}

/// Generated images.
pub(crate) struct Images {
    pub(crate) folder: PathBuf,
    /// A file with the names of the damaged ones.
    pub(crate) damaged: PathBuf,
}

impl CollectionArgs {
    /// Builds the programs if need be, and creates the folder.
    pub(crate) fn open(&self) -> Result<Collection> {
        let programs = match &self.programs {
            Some(programs) => programs.clone(),
            None => Release::build(["flex"])?.programs,
        };
        let work = match &self.work {
            Some(work) => work.clone(),
            None => shell::target_dir()?.join("soak"),
        };
        fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
        Ok(Collection { programs, work })
    }
}

impl Collection {
    pub(crate) fn program(&self, name: impl AsRef<Path>) -> Command {
        Command::new(self.programs.join(name))
    }

    /// So many images. They are made once.
    pub(crate) fn images(&self, count: u32) -> Result<Images> {
        let images = Images {
            folder: self.work.join(format!("images-{count}")),
            damaged: self.work.join(format!("damaged-{count}.txt")),
        };
        // The list is written last.
        if !images.damaged.exists() {
            let mut make = self.program("collection");
            make.arg("make").arg(&images.folder).arg(count.to_string());
            shell::run(make.arg(&images.damaged))?;
        }
        Ok(images)
    }
}
