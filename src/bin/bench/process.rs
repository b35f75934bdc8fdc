//! What the operating system knows of a process (`/proc`).

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;

/// The kernel counts processor time in hundredths of a second wherever `/proc` is read.
const TICK_MS: f64 = 10.0;

/// One process's line of `/proc/PID/stat`.
struct Stat {
    parent: u32,
    /// Its own, in ticks.
    own: u64,
    /// Of its children that ended.
    children: u64,
}

fn stat(pid: u32) -> anyhow::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    // The name stands in brackets and may hold anything: fields are counted from its end.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    let parent = u32::try_from(number(1))?;
    Ok(Stat { parent, own: number(11) + number(12), children: number(13) + number(14) })
}

fn milliseconds(ticks: u64) -> f64 {
    f64::from(u32::try_from(ticks).unwrap_or(u32::MAX)) * TICK_MS
}

/// Processor time of one process so far, in milliseconds.
pub(super) fn cpu_ms(pid: u32) -> anyhow::Result<f64> {
    Ok(milliseconds(stat(pid)?.own))
}

/// Processor time of a process and all below it so far, those that ended included, in milliseconds.
pub(super) fn tree_cpu_ms(root: u32) -> anyhow::Result<f64> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        // One that ended meanwhile is counted among its parent's children.
        if let Some(Ok(pid)) = name.to_str().map(str::parse::<u32>)
            && let Ok(stat) = stat(pid)
        {
            all.insert(pid, stat);
        }
    }
    let below = |mut pid: u32| {
        while pid > 1 {
            if pid == root {
                return true;
            }
            pid = all.get(&pid).map_or(0, |stat| stat.parent);
        }
        false
    };
    let ticks = all.iter().filter(|(pid, _)| below(**pid)).map(|(_, stat)| stat.own + stat.children).sum();
    Ok(milliseconds(ticks))
}

/// The parent of a process.
pub(super) fn parent(pid: u32) -> anyhow::Result<u32> {
    Ok(stat(pid)?.parent)
}

/// A line of `/proc/PID/status` that counts memory (`VmHWM` is the peak, `VmRSS` the present), in MiB.
pub(super) fn memory_mib(pid: u32, line: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid}"))?;
    let value = text.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kib = value.and_then(|value| value.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(kib.with_context(|| format!("{line} of process {pid}"))? / 1024.0)
}
