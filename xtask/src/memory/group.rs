use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Starts a program in the group whose folder is the first argument.
const START: &str = r#"echo $$ > "$0/cgroup.procs" && exec "$@""#;

/// A control group of Linux, in which all processes together have limited memory. It is removed on drop.
pub(super) struct Group {
    folder: PathBuf,
    /// The file for the limit of memory.
    limit: &'static str,
    /// The file for the limit of swap, and what that limit counts.
    swap: (&'static str, Swap),
}

#[derive(Clone, Copy)]
enum Swap {
    /// Memory and swap together have the limit of memory.
    Together,
    /// Swap has a limit of its own.
    Own,
}

impl Group {
    /// A group beside that of this process. This needs the permission to make one, which root has in most containers.
    pub(super) fn create() -> Result<Self> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let root = Path::new("/sys/fs/cgroup");
        let path = |controller: &str| {
            own.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let controllers = fields.next()?;
                let found = controllers.split(',').any(|name| name == controller);
                found.then(|| fields.next())?
            })
        };
        // Version 1 has a tree for each controller, and version 2 has one tree.
        let (parent, limit, swap) = match path("memory") {
            Some(path) => {
                let parent = root.join("memory").join(path.trim_start_matches('/'));
                let swap = ("memory.memsw.limit_in_bytes", Swap::Together);
                (parent, "memory.limit_in_bytes", swap)
            }
            None => {
                let path = path("").context("/proc/self/cgroup names no group")?;
                let own = root.join(path.trim_start_matches('/'));
                let parent = own.parent().filter(|parent| parent.starts_with(root));
                let parent = parent.unwrap_or(root).to_owned();
                (parent, "memory.max", ("memory.swap.max", Swap::Own))
            }
        };
        let folder = parent.join(format!("glm4v-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let group = Self {
            folder,
            limit,
            swap,
        };
        group.set(u64::MAX >> 1)?;
        Ok(group)
    }

    /// Limits the memory of processes that start from now on.
    pub(super) fn set(&self, bytes: u64) -> Result<()> {
        let write = |file: &str, bytes: u64| {
            let path = self.folder.join(file);
            fs::write(&path, bytes.to_string()).with_context(|| path.display().to_string())
        };
        let (swap, kind) = self.swap;
        let has_swap = self.folder.join(swap).exists();
        match kind {
            Swap::Own if has_swap => write(swap, 0)?,
            // Neither limit may be above the other, not even for a moment.
            Swap::Together if has_swap => {
                write(self.limit, 1 << 20).ok();
                write(swap, bytes)?;
            }
            Swap::Own | Swap::Together => {}
        }
        write(self.limit, bytes)
    }

    /// A command that runs `program` in this group.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", START]).arg(&self.folder).arg(program);
        command
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        fs::remove_dir(&self.folder).ok();
    }
}
