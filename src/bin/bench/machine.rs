//! Where the figures were measured.

use std::fs;

/// Cores, processor, kernel, memory, and how idle it was.
pub(super) fn describe() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let meminfo = read("/proc/meminfo");
    let memory = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let memory: u64 = memory.and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
    vec![
        format!("{cores} cores, {}", model.map_or("unknown processor", |(_, name)| name.trim())),
        format!("kernel {}", read("/proc/sys/kernel/osrelease").trim()),
        format!("memory {} GiB", memory >> 20),
        // What else runs on the machine is in every figure.
        format!(
            "load average when it began: {}",
            read("/proc/loadavg").split(' ').next().unwrap_or_default()
        ),
    ]
}
