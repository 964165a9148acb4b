//! What the numbers were measured on.

/// Cores, memory and processor.
pub(crate) fn shape() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = read("/proc/meminfo");
    let kib: f64 = field(&memory, "MemTotal:")
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    let processor = read("/proc/cpuinfo");
    let model = field(&processor, "model name").map_or("unknown processor", |text| {
        text.trim_start_matches([' ', ':'])
    });
    format!(
        "{cores} cores ({model}), {:.0} GiB of memory",
        kib / 1_048_576.0
    )
}

/// The load average of the last minute.
pub(crate) fn load() -> String {
    read("/proc/loadavg")
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Seconds of processor time that this thread had.
pub(crate) fn processor_time() -> f64 {
    let nanos = read("/proc/thread-self/schedstat");
    let nanos = nanos.split(' ').next().and_then(|text| text.parse().ok());
    nanos.map_or(f64::NAN, |nanos: f64| nanos / 1e9)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line[name.len()..].trim())
}
