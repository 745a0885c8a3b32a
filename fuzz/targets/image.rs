//! Decoding a png or a jpeg, and preparing it.
#![no_main]

use headscope::image::{Image, Processor, Usual};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = Image::decode(bytes, "fuzz") else { return };
    let _ = Processor::usual(Usual::Dinov2, [28, 28]).prepare(&image);
});
