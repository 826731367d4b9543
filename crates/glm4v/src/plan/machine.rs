use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System};

/// Bytes of host memory that this process can use in all: what it uses now, and what its machine and its control group have
/// left. Swap does not count. `None` where the system does not report it, as in a browser.
#[must_use]
pub fn available_memory() -> Option<u64> {
    let id = sysinfo::get_current_pid().ok()?;
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let memory = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), false, memory);
    let process = system.process(id)?;
    let used = process.memory();
    let machine = used.saturating_add(system.available_memory());
    // In a container the path of the group is often that of the host, and only the root of the groups can be read.
    let group = process.cgroup_limits().or_else(|| system.cgroup_limits());
    let group = group.map(|group| {
        // Caches of files also count for a group, but the kernel frees them.
        let others = group.rss.saturating_sub(used);
        group.total_memory.saturating_sub(others)
    });
    Some(group.map_or(machine, |group| group.min(machine)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_less_than_it_can() {
        let available = available_memory().unwrap();
        let status = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total = status.split_whitespace().nth(1).unwrap();
        assert!(available > 1 << 20);
        assert!(available <= 1024 * total.parse::<u64>().unwrap());
    }
}
