//! What runs while calls fail.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::tree;
use crate::shell;

/// A command, and what its files must look like.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// For the table.
    pub(super) title: &'static str,
    /// The arguments, in the folder of the run.
    pub(super) args: &'static [&'static str],
    /// Whether the model comes from a hub on the loopback interface.
    pub(super) has_hub: bool,
    /// Whether an older output is there before.
    pub(super) replaces: bool,
    /// A folder whose files appear together.
    pub(super) whole: Option<&'static str>,
}

/// What must be true of a file after a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// It is absent, or as without a fault.
    Same,
    /// It is as without a fault, up to some byte.
    Prefix,
    /// It has a temporary name. It may stay only where it could not be removed.
    Temporary,
    /// It is not an output.
    Other,
}

const fn encode(
    name: &'static str,
    title: &'static str,
    args: &'static [&'static str],
) -> Scenario {
    Scenario {
        name,
        title,
        args,
        has_hub: false,
        replaces: false,
        whole: None,
    }
}

pub(super) const SCENARIOS: [Scenario; 10] = [
    encode(
        "file",
        "`encode` to a new .safetensors file",
        &[
            "encode",
            "in/a.png",
            "in/b.jpg",
            "-m",
            "model",
            "-o",
            "out/e.safetensors",
        ],
    ),
    Scenario {
        replaces: true,
        ..encode(
            "replace",
            "`encode` to a .npy file that exists",
            &["encode", "in/a.png", "-m", "model", "-o", "out/e.npy"],
        )
    },
    encode(
        "parquet",
        "a job with Parquet shards",
        &[
            "encode",
            "in",
            "-m",
            "model",
            "-o",
            "out/job/",
            "--shard-size",
            "4K",
            "--on-error",
            "stop",
        ],
    ),
    encode(
        "shards",
        "a job with safetensors shards",
        &[
            "encode",
            "in",
            "-m",
            "model",
            "-o",
            "out/job/",
            "--format",
            "safetensors",
            "--on-error",
            "stop",
        ],
    ),
    encode(
        "cache",
        "`encode` with a cache of embeddings",
        &[
            "encode",
            "in/a.png",
            "in/b.jpg",
            "-m",
            "model",
            "--cache",
            "out/cache",
            "-o",
            "out/e.safetensors",
        ],
    ),
    encode(
        "preprocess",
        "`preprocess`",
        &[
            "preprocess",
            "in/a.png",
            "-m",
            "model",
            "-o",
            "out/rows.safetensors",
        ],
    ),
    encode(
        "export-gguf",
        "`export` to .gguf",
        &["export", "model", "-o", "out/tower.gguf"],
    ),
    encode(
        "export-safetensors",
        "`export` to .safetensors",
        &[
            "export",
            "model",
            "-o",
            "out/tower.safetensors",
            "--type",
            "f16",
        ],
    ),
    encode(
        "init",
        "`init`",
        &["init", "--preset", "tiny", "-o", "out/new"],
    ),
    Scenario {
        has_hub: true,
        whole: Some("out/towers/models/models--zai-org--tiny/snapshots/"),
        ..encode("fetch", "`fetch` from a hub", &["fetch", "zai-org/tiny"])
    },
];

impl Scenario {
    /// Fills the empty folder of a run.
    pub(super) fn prepare(&self, dir: &Path) -> Result<()> {
        let root = shell::root();
        for folder in ["in", "out", "tmp"] {
            fs::create_dir(dir.join(folder)).with_context(|| dir.display().to_string())?;
        }
        let images = [
            ("rgb-60x83.png", "a.png"),
            ("jpeg-420.jpg", "b.jpg"),
            ("plain.gif", "c.gif"),
        ];
        for (from, to) in images {
            let from = root.join("tests/images").join(from);
            fs::copy(&from, dir.join("in").join(to)).with_context(|| from.display().to_string())?;
        }
        if !self.has_hub {
            tree::copy(&root.join("tests/golden/patch14-f32"), &dir.join("model"))?;
        }
        if self.replaces {
            fs::write(dir.join("out/e.npy"), OLDER)?;
        }
        Ok(())
    }

    /// What must be true of the file `name`.
    pub(super) fn rule(&self, name: &str) -> Rule {
        let last = name.rsplit('/').next().unwrap_or(name);
        let is_temporary =
            last.ends_with(".tmp") || name.contains("/.glm4v-") || last.starts_with(".tmp");
        let is_ours = name.starts_with("out/") || name.starts_with("tmp/");
        // The rows of a shard that is not finished stay until the job goes on.
        let is_state = last == "lock"
            || last.ends_with(".rows")
            || name.contains("/.locks/")
            || name.contains("/unfinished/");
        match (is_ours, is_temporary) {
            (false, _) => Rule::Other,
            (true, true) => Rule::Temporary,
            (true, false) if is_state => Rule::Other,
            (true, false) if last == "journal.jsonl" => Rule::Prefix,
            (true, false) => Rule::Same,
        }
    }
}

/// An older output.
pub(super) const OLDER: &[u8] = b"an older file";
