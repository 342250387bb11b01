//! What the system says of this process, read from `/proc`. Where there is none, or it says
//! something else than expected, the figures are 0.

use std::ffi::OsString;
use std::fs;
use std::sync::OnceLock;

/// Kernel pages, in bytes, on every platform that we are built for.
const PAGE_BYTES: u64 = 4096;

/// Microseconds in one tick of the kernel's accounts: user space is always told hundredths.
const TICK_US: u64 = 10_000;

/// Processor time in microseconds, in steps of `TICK_US`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    pub user_us: u64,
    pub system_us: u64,
    /// Of children that have ended.
    pub children_user_us: u64,
    pub children_system_us: u64,
}

/// The arguments that the process was started with, the program's name first.
pub fn arguments() -> &'static [OsString] {
    static ARGUMENTS: OnceLock<Vec<OsString>> = OnceLock::new();
    ARGUMENTS.get_or_init(|| std::env::args_os().collect())
}

/// The number of cores this process may use, as it was at first: to ask costs a walk through
/// the control groups.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Processor time of the whole process.
pub fn cpu_time() -> CpuTime {
    parse_stat(&read("/proc/self/stat"))
}

/// Processor time of the process's first thread.
pub fn main_thread_cpu_time() -> CpuTime {
    let id = std::process::id();
    parse_stat(&read(&format!("/proc/self/task/{id}/stat")))
}

/// Memory of the process that is in RAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resident {
    pub bytes: u64,
    /// What of it are pages of files: the program and its libraries.
    pub file_bytes: u64,
}

pub fn resident() -> Resident {
    parse_statm(&read("/proc/self/statm"))
}

/// RAM of the machine.
pub fn system_memory_bytes() -> u64 {
    let meminfo = read("/proc/meminfo");
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|total| total.trim().trim_end_matches(" kB").parse().ok());
    kib.unwrap_or(0) * 1024
}

/// Name and release of the kernel, and the machine it runs on: "Linux 6.1.0 x86_64".
pub fn system_name() -> String {
    let kernel = read("/proc/sys/kernel/ostype");
    let release = read("/proc/sys/kernel/osrelease");
    let machine = std::env::consts::ARCH;
    format!("{} {} {machine}", kernel.trim(), release.trim())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn parse_statm(line: &str) -> Resident {
    let mut pages = line.split_whitespace().skip(1);
    let mut next_bytes = || {
        let pages: u64 = pages.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        pages * PAGE_BYTES
    };
    Resident {
        bytes: next_bytes(),
        file_bytes: next_bytes(),
    }
}

/// The line of `stat`: the name, in parentheses, may itself hold blanks and parentheses.
fn parse_stat(line: &str) -> CpuTime {
    let behind_name = line.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut ticks = behind_name.split_whitespace().skip(11);
    let mut next_us = || {
        let ticks: u64 = ticks.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        ticks * TICK_US
    };
    CpuTime {
        user_us: next_us(),
        system_us: next_us(),
        children_user_us: next_us(),
        children_system_us: next_us(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat() {
        let line = "7 (a b) c) S 1 7 7 0 -1 4194560 5 6 7 8 11 12 13 14 20 0 1 0 99 1000 2";
        let expect = CpuTime {
            user_us: 110_000,
            system_us: 120_000,
            children_user_us: 130_000,
            children_system_us: 140_000,
        };
        assert_eq!(parse_stat(line), expect);
        assert_eq!(parse_stat(""), CpuTime::default());
    }

    #[test]
    fn a_line_of_statm() {
        let expect = Resident {
            bytes: 8192,
            file_bytes: 4096,
        };
        assert_eq!(parse_statm("9 2 1 7 0 8 0"), expect);
        assert_eq!(parse_statm(""), Resident::default());
    }

    #[test]
    fn this_process_has_figures() {
        let resident = resident();
        assert!(resident.bytes > 100_000 && resident.file_bytes < resident.bytes);
        assert!(system_memory_bytes() > resident.bytes);
        assert!(system_name().starts_with("Linux "));
    }
}
