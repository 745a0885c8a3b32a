//! Files and processors against Pillow and transformers' image processors, to the bit.
//!
//! `fixtures/images/expected.json` is written by `python fixtures/make.py images`.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use headscope_image::{Image, Processor};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Expected {
    decoded: BTreeMap<String, Decoded>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Decoded {
    height: usize,
    width: usize,
    rgb: String,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    file: String,
    config: Value,
    shape: Vec<usize>,
    shown: String,
    /// The first eight pixels and the last.
    ends: Vec<f32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/images")
}

fn expected() -> Expected {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn files_are_decoded_as_by_pillow() {
    for (name, expected) in expected().decoded {
        let image = Image::open(folder().join(&name)).unwrap();
        assert_eq!((image.height, image.width), (expected.height, expected.width), "{name}");
        let wanted: Vec<u8> = (0..expected.rgb.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&expected.rgb[i..i + 2], 16).unwrap())
            .collect();
        let worst = image.rgb.iter().zip(&wanted).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert_eq!(worst, 0, "{name} is up to {worst} off");
    }
}

#[test]
fn processors_do_what_transformers_does() {
    for case in expected().cases {
        let Case { name, file, config, shape, shown, ends } = case;
        let processor = Processor::read(config.to_string().as_bytes(), &name).unwrap();
        let prepared = processor.prepare(&Image::open(folder().join(file)).unwrap()).unwrap();
        assert_eq!(prepared.pixels.shape(), shape, "{name}");
        assert!(hex(&prepared.shown.rgb) == shown, "{name}: other pixels");
        let n = prepared.pixels.len();
        let found = [&prepared.pixels[..8], &prepared.pixels[n - 8..]].concat();
        assert_eq!(found, ends, "{name}");
    }
}
