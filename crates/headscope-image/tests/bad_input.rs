//! What is no image, or a damaged one, or too large; settings that are not understood: each is an error by name,
//! none a panic.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::path::{Path, PathBuf};

use headscope_image::{Image, Processor};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/images")
}

fn files() -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder()).unwrap().flatten().map(|entry| entry.path());
    let images = entries.filter(|path| path.extension().is_some_and(|e| e == "png" || e == "jpg"));
    images.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

fn error(bytes: &[u8]) -> String {
    Image::decode(bytes, "f").unwrap_err().to_string()
}

#[test]
fn what_is_no_image_is_said() {
    for bytes in [&b""[..], b"GIF89a", b"The cat sat on the mat", b"\x89PN"] {
        assert_eq!(error(bytes), "f is no image; expected a png or a jpeg");
    }
    assert!(Image::open(folder()).unwrap_err().to_string().starts_with("cannot read "));
}

#[test]
fn a_file_cut_short_is_no_image() {
    for (name, bytes) in files() {
        for len in (3..bytes.len() - 20).step_by(7) {
            let found = Image::decode(&bytes[..len], "f");
            assert!(found.is_err(), "{name}, {len} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn no_changed_byte_panics() {
    for (_, bytes) in files() {
        for at in (0..bytes.len()).step_by(2) {
            for flip in [0x01, 0xff] {
                let mut broken = bytes.clone();
                broken[at] ^= flip;
                let _ = Image::decode(&broken, "f"); // some changes are harmless; none may panic
            }
        }
    }
}

#[test]
fn an_image_that_claims_too_many_pixels_is_refused_before_any_is_read() {
    let mut png = std::fs::read(folder().join("rgb.png")).unwrap();
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]); // 65536 x 65536, with a checksum that is now wrong
    assert!(Image::decode(&png, "f").is_err());

    let mut jpeg = std::fs::read(folder().join("photo.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    assert_eq!(error(&jpeg), "f has 65535 x 65535 pixels; at most 67108864 are read");
    jpeg[frame + 1] = 0xc9; // arithmetic coding
    assert_eq!(error(&jpeg), "f is not a whole jpeg: its coding (SOF9) is not supported");
}

#[test]
fn settings_that_are_not_understood_are_refused_by_name() {
    let rows = [
        ("[]", "p: the file is no JSON object"),
        ("{}", "p: image_processor_type is missing; supported are ViTImageProcessor, DeiT"),
        (r#"{"image_processor_type": "SamImageProcessor"}"#, r#"is "SamImageProcessor"; supported are ViT"#),
        (r#"{"image_processor_type": "ViTImageProcessor", "do_pad": true}"#, "do_pad is true"),
        (
            r#"{"image_processor_type": "ViTImageProcessor", "resample": 0}"#,
            "resample is 0; supported are 1 (L",
        ),
        (
            r#"{"image_processor_type": "ViTImageProcessor", "do_resize": 1}"#,
            "do_resize is 1; expected true or",
        ),
        (
            r#"{"image_processor_type": "ViTImageProcessor", "size": {"longest_edge": 3}}"#,
            "expected height and",
        ),
        (
            r#"{"image_processor_type": "ViTImageProcessor", "size": 0}"#,
            "size is 0; expected height and width",
        ),
        (r#"{"image_processor_type": "ViTImageProcessor", "size": 4097}"#, "each from 1 to 4096"),
        (
            r#"{"image_processor_type": "ViTImageProcessor", "image_mean": [1, 2]}"#,
            "expected a number, or three",
        ),
        (r#"{"image_processor_type": "ViTImageProcessor", "image_std": [1, 0, 1]}"#, "image_std holds a 0"),
        (
            r#"{"image_processor_type": "ViTImageProcessor", "crop_pct": 0.9}"#,
            "crop_pct is 0.9; it is not supp",
        ),
        (
            r#"{"image_processor_type": "BitImageProcessor", "crop_size": {"shortest_edge": 9}}"#,
            "has shortest_edge",
        ),
    ];
    for (json, expected) in rows {
        let error = Processor::read(json.as_bytes(), "p").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}; expected {expected}");
    }
}

#[test]
fn older_names_of_settings_are_understood() {
    let rows = [
        r#"{"feature_extractor_type": "ViTFeatureExtractor", "size": 6}"#,
        r#"{"image_processor_type": "ViTImageProcessorFast", "size": [6, 6], "device": "cpu", "do_pad": null}"#,
        r#"{"image_processor_type": "ViTImageProcessor", "size": {"height": 6, "width": 6}, "image_mean": 0.5}"#,
    ];
    let image = Image::open(folder().join("rgb.png")).unwrap();
    let all = rows.map(|json| Processor::read(json.as_bytes(), "p").unwrap().prepare(&image).unwrap());
    assert_eq!(all[0].pixels.shape(), [3, 6, 6]);
    assert!(all.iter().all(|prepared| *prepared == all[0]));

    let bit = br#"{"feature_extractor_type": "BitImageProcessor", "size": 6, "do_center_crop": false}"#;
    let prepared = Processor::read(bit, "p").unwrap().prepare(&image).unwrap();
    assert_eq!(prepared.pixels.shape(), [3, 6, 8]); // 23 x 31, and one number is the shorter side
}

#[test]
fn a_thread_of_an_image_is_not_stretched_without_end() {
    let thread = Image { height: 1, width: 5000, rgb: vec![0; 15000] };
    let bit = Processor::read(br#"{"image_processor_type": "BitImageProcessor"}"#, "p").unwrap();
    let error = bit.prepare(&thread).unwrap_err();
    assert_eq!(error.to_string(), "5000 x 1 pixels become 1120000 x 224 by p; at most 16384 on a side");
    assert!(error.help().is_some());
}
