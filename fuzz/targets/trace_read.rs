//! Any bytes as a trace: read, measured, made into a page.
#![no_main]

use headscope::Trace;
use headscope::view::render::html;
use headscope::view::{Focus, ViewData};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(trace) = Trace::read(bytes, "fuzz") else { return };
    if trace.encoding.len() > 256 {
        return; // slow rather than wrong
    }
    let mut again = Vec::new();
    trace.write(&mut again).unwrap();
    assert!(Trace::read(&again, "again").is_ok(), "what was read can be written and read");
    if let Ok(data) = ViewData::new(trace) {
        let _ = html::standalone(&data, &Focus::default());
    }
});
