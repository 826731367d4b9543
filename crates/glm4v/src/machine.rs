//! How much memory there is.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes that this process may come to hold in all: what it holds now, and what the machine and the process's control
/// group have left, each with its swap. `None` where the system does not say; it does on Linux.
#[must_use]
pub fn available_memory() -> Option<u64> {
    let status = read("/proc/self/status")?;
    let swapped = field(&status, "VmSwap:").unwrap_or(0);
    let held = field(&status, "VmRSS:")?.saturating_add(swapped);
    let memory = read("/proc/meminfo")?;
    let swap = field(&memory, "SwapFree:").unwrap_or(0);
    let available = field(&memory, "MemAvailable:")?;
    let groups = groups().into_iter();
    let left = groups.map(|group| left_in_group(&group, available, swap));
    let machine = available.saturating_add(swap);
    Some(held.saturating_add(left.fold(machine, u64::min)))
}

/// The directories of the process's control group and of those around it. A machine may have both versions of the
/// interface at once, and the memory controller in either.
fn groups() -> Vec<PathBuf> {
    let own = read("/proc/self/cgroup").unwrap_or_default();
    own.lines().flat_map(groups_of).collect()
}

/// Those of one line of `/proc/self/cgroup`: `0::/PATH`, or `NUMBER:memory:/PATH` in the first version.
fn groups_of(line: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let (root, own) = match line.splitn(3, ':').collect::<Vec<_>>()[..] {
        ["0", "", own] => (root.to_owned(), own),
        [_, controllers, own] if controllers.split(',').any(|name| name == "memory") => {
            (root.join("memory"), own)
        }
        _ => return Vec::new(),
    };
    // The last is the root: in a container, the path is often the host's, and the root is the group.
    let own = Path::new(own.trim_start_matches('/'));
    own.ancestors().map(|group| root.join(group)).collect()
}

/// What a group has left of its memory, or of the machine's `available` memory where it has no limit, and of the machine's
/// free `swap` what it may use.
fn left_in_group(group: &Path, available: u64, swap: u64) -> u64 {
    let number = |name: &str| read(group.join(name))?.trim().parse::<u64>().ok();
    let left = |limit: &str, used: &str| Some(number(limit)?.saturating_sub(number(used)?));
    let stat = read(group.join("memory.stat"));
    let files = stat.map_or(0, |stat| cached(&stat));
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"));
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"));
    let memory = match (limit, used) {
        (Some(limit), Some(used)) => limit.saturating_sub(used.saturating_sub(files)),
        _ => available,
    };
    let swapped = left("memory.swap.max", "memory.swap.current").unwrap_or(u64::MAX);
    let with_swap = memory.saturating_add(swap.min(swapped));
    // The first version limits memory and swap together.
    let both = left("memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes");
    let both = both.map_or(u64::MAX, |left| left.saturating_add(files));
    with_swap.min(both)
}

/// Bytes of files and of the kernel's own caches in memory, which make room where it is needed. The first version counts
/// a group's children under names of their own.
fn cached(stat: &str) -> u64 {
    let names = match stat.contains("total_inactive_file ") {
        true => ["total_inactive_file", "total_active_file", ""],
        false => ["inactive_file", "active_file", "slab_reclaimable"],
    };
    let fields = stat.lines().filter_map(|line| line.split_once(' '));
    let files = fields.filter(|(name, _)| names.contains(name));
    files
        .filter_map(|(_, bytes)| bytes.trim().parse::<u64>().ok())
        .sum()
}

/// The bytes of a field that is given in kB.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_in_kib() {
        let text = "MemTotal:       24 kB\nMemAvailable:    7 kB\nHugePages_Total: 3\n";
        assert_eq!(field(text, "MemAvailable:"), Some(7 * 1024));
        assert_eq!(field(text, "HugePages_Total:"), None);
        assert_eq!(field(text, "SwapFree:"), None);
    }

    #[test]
    fn a_group_leaves_its_limit_less_what_cannot_make_room() {
        let group = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(group.path().join(name), text).unwrap();
        assert_eq!(left_in_group(group.path(), 9999, 0), 9999);
        write("memory.max", "1000\n");
        write("memory.current", "700\n");
        assert_eq!(left_in_group(group.path(), 9999, 0), 300);
        write(
            "memory.stat",
            "anon 400\ninactive_file 200\nactive_file 50\n",
        );
        assert_eq!(left_in_group(group.path(), 9999, 0), 550);
        write(
            "memory.stat",
            "inactive_file 1\nactive_file 2\ntotal_inactive_file 100\ntotal_active_file 20\n",
        );
        assert_eq!(left_in_group(group.path(), 9999, 0), 420);
        write("memory.max", "max\n");
        assert_eq!(left_in_group(group.path(), 9999, 0), 9999);
    }

    #[test]
    fn a_group_swaps_as_far_as_it_may_and_there_is_room() {
        let group = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(group.path().join(name), text).unwrap();
        write("memory.max", "1000");
        write("memory.current", "700");
        assert_eq!(left_in_group(group.path(), 9999, 50), 350);
        write("memory.swap.current", "10");
        write("memory.swap.max", "max");
        assert_eq!(left_in_group(group.path(), 9999, 50), 350);
        write("memory.swap.max", "40");
        assert_eq!(left_in_group(group.path(), 9999, 50), 330);
        write("memory.swap.max", "0");
        assert_eq!(left_in_group(group.path(), 9999, 50), 300);
        write("memory.max", "max");
        assert_eq!(left_in_group(group.path(), 9999, 50), 9999);
    }

    #[test]
    fn the_first_version_limits_memory_and_swap_together() {
        let group = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(group.path().join(name), text).unwrap();
        write("memory.limit_in_bytes", "1000");
        write("memory.usage_in_bytes", "700");
        write("memory.memsw.limit_in_bytes", "1100");
        write("memory.memsw.usage_in_bytes", "760");
        assert_eq!(left_in_group(group.path(), 9999, 500), 340);
        assert_eq!(left_in_group(group.path(), 9999, 10), 310);
        write("memory.stat", "total_inactive_file 100\n");
        assert_eq!(left_in_group(group.path(), 9999, 500), 440);
    }

    #[test]
    fn groups_are_those_around_it_in_both_versions() {
        let paths = |line| -> Vec<String> {
            let groups = groups_of(line).into_iter();
            groups.map(|group| group.display().to_string()).collect()
        };
        assert_eq!(
            paths("0::/a/b"),
            ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup/"]
        );
        assert_eq!(
            paths("9:cpu,memory:/job"),
            ["/sys/fs/cgroup/memory/job", "/sys/fs/cgroup/memory/"]
        );
        assert!(paths("3:cpuset:/job").is_empty() && paths("").is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_holds_something_of_a_machine_with_more() {
        let held = field(&read("/proc/self/status").unwrap(), "VmRSS:").unwrap();
        assert!(available_memory().unwrap() > held);
    }
}
