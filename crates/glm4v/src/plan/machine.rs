use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of host memory that this process can use in all: the memory in use, and the free memory of its machine and
/// control group. Swap counts too. `None` where the system does not report it. Linux does.
#[must_use]
pub fn available_memory() -> Option<u64> {
    let status = read("/proc/self/status")?;
    let swapped = field(&status, "VmSwap:").unwrap_or(0);
    let used = field(&status, "VmRSS:")?.saturating_add(swapped);
    let memory = read("/proc/meminfo")?;
    let swap = field(&memory, "SwapFree:").unwrap_or(0);
    let available = field(&memory, "MemAvailable:")?;
    let groups = groups().into_iter();
    let left = groups.map(|group| left_in_group(&group, available, swap));
    let machine = available.saturating_add(swap);
    Some(used.saturating_add(left.fold(machine, u64::min)))
}

/// The directories of the process's control group and of its ancestors. A machine can have both versions of the interface
/// at once, with the memory controller in either.
fn groups() -> Vec<PathBuf> {
    let own = read("/proc/self/cgroup").unwrap_or_default();
    own.lines().flat_map(groups_of).collect()
}

/// The directories of one line of `/proc/self/cgroup`: `0::/PATH`, or `NUMBER:memory:/PATH` in version 1.
fn groups_of(line: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let (root, own) = match line.splitn(3, ':').collect::<Vec<_>>()[..] {
        ["0", "", own] => (root.to_owned(), own),
        [_, controllers, own] if controllers.split(',').any(|name| name == "memory") => {
            (root.join("memory"), own)
        }
        _ => return Vec::new(),
    };
    // The last directory is the root. In a container the path is often that of the host, and the root is the group.
    let own = Path::new(own.trim_start_matches('/'));
    own.ancestors().map(|group| root.join(group)).collect()
}

/// Bytes that a group has left. Without a limit of its own, it has the `available` memory and the free `swap` of the machine.
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
    // Version 1 limits memory and swap together.
    let both = left("memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes");
    let both = both.map_or(u64::MAX, |left| left.saturating_add(files));
    with_swap.min(both)
}

/// Bytes of caches in memory, which the kernel frees when memory is needed. Version 1 has separate names for totals with
/// child groups.
fn cached(stat: &str) -> u64 {
    let names = match stat.contains("total_inactive_file ") {
        true => &["total_inactive_file", "total_active_file"][..],
        false => &["inactive_file", "active_file", "slab_reclaimable"],
    };
    let fields = stat.lines().filter_map(|line| line.split_once(' '));
    let files = fields.filter(|(name, _)| names.contains(name));
    let bytes = files.filter_map(|(_, bytes)| bytes.trim().parse::<u64>().ok());
    bytes.sum()
}

/// The bytes of a field in kB.
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
    fn a_group_has_left_its_limit_minus_what_cannot_be_freed() {
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
    fn swap_counts_up_to_the_limit_of_the_group() {
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
    fn version_1_limits_memory_and_swap_together() {
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
    fn all_ancestors_count_in_both_versions() {
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
    fn this_process_uses_less_than_it_can() {
        let used = field(&read("/proc/self/status").unwrap(), "VmRSS:").unwrap();
        assert!(available_memory().unwrap() > used);
    }
}
