//! What this machine is, as far as the system tells.

use std::fs;
use std::thread::available_parallelism;

/// Cores that we may use.
pub fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Whether the processor multiplies bf16. Where it does not, PyTorch takes 19 s for what takes 2 s in f32.
pub fn multiplies_bf16() -> bool {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    ["avx512_bf16", "amx_bf16"].into_iter().any(|flag| has_flag(&cpu, flag))
}

fn has_flag(cpu: &str, flag: &str) -> bool {
    field(cpu, "flags").unwrap_or_default().split(' ').any(|f| f == flag)
}

/// The processor, its caches and the memory, in a sentence.
pub fn description() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = field(&cpu, "model name").unwrap_or(std::env::consts::ARCH);
    let known = ["avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16"];
    let has: Vec<&str> = known.into_iter().filter(|flag| has_flag(&cpu, flag)).collect();
    let cache = fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index3/size").unwrap_or_default();
    let cache = match cache.trim() {
        "" => String::new(),
        size => format!(", third-level cache {size}"),
    };
    let system = std::env::consts::OS;
    format!(
        "{} cores of {name} ({}){cache}, {:.0} GiB of memory, {system}",
        cores(),
        has.join(", "),
        memory("MemTotal") / f64::from(1 << 30)
    )
}

/// Bytes of memory that a program could still get; all there is where the system does not say.
pub fn free_memory() -> f64 {
    memory("MemAvailable")
}

fn memory(entry: &str) -> f64 {
    let table = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = field(&table, entry).and_then(|value| value.split(' ').next()?.parse().ok());
    kib.map_or(f64::INFINITY, |kib: f64| kib * 1024.0)
}

/// The value in the first line `name : value`.
fn field<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    let pairs = table.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let table = "model\t\t: 1\nmodel name\t: A  B\nMemTotal:  12 kB\n";
        assert_eq!(field(table, "model name"), Some("A  B"));
        assert_eq!(field(table, "MemTotal"), Some("12 kB"));
        assert_eq!(field(table, "flags"), None);
        assert!(has_flag("flags\t\t: fpu avx2 amx_bf16\n", "avx2"));
        assert!(!has_flag("flags\t\t: fpu avx512_bf16\n", "bf16"));
    }
}
