//! Models that see: an image in place of a text.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod support;

use std::fs;

use headscope::Trace;
use support::{Room, edit_json, headscope, repository};

fn fixture(path: &str) -> String {
    repository().join("fixtures").join(path).to_str().unwrap().to_owned()
}

#[test]
fn an_image_is_traced_with_its_patches_as_tokens() {
    let room = Room::new();
    let (image, out) = (fixture("images/rgb.png"), room.at("t.safetensors"));
    let rows = [
        ("vit", "[CLS] r0c0 r0c1 r0c2 r1c0 r1c1 r1c2 r2c0 r2c1 r2c2", None),
        ("vit-classifier", "[CLS] r0c0 r0c1 r0c2 r1c0 r1c1 r1c2 r2c0 r2c1 r2c2", Some(5)),
        ("deit-no-teacher", "[CLS] [DIST] r0c0 r0c1 r0c2 r1c0 r1c1 r1c2 r2c0 r2c1 r2c2", Some(3)),
    ];
    for (model, expected, labels) in rows {
        headscope(&["trace", &image, "-m", &fixture(model), "-o", &out]).succeeded();
        let trace = Trace::open(&out).unwrap();
        let pieces: Vec<&str> = trace.encoding.tokens.iter().map(|token| token.piece.as_str()).collect();
        assert_eq!(pieces.join(" "), expected, "{model}");
        assert_eq!(trace.encoding.text, "rgb.png");
        let logits = trace.get("logits".parse().unwrap());
        assert_eq!(logits.map(|logits| logits.shape().to_vec()), labels.map(|n| vec![1, n]), "{model}");
        let picture = trace.picture.as_ref().unwrap();
        assert_eq!((picture.grid.rows, picture.grid.columns), (3, 3));
        assert_eq!(picture.rgb.len(), picture.height * picture.width * 3);
    }
}

#[test]
fn tokens_and_pages_are_of_the_patches_too() {
    let room = Room::new();
    let (image, model) = (fixture("images/photo.jpg"), fixture("deit"));
    let table = headscope(&["tokens", &image, "-m", &model]).succeeded();
    assert!(table.text().contains("[DIST]") && table.text().lines().last().unwrap().ends_with("r2c2"));
    let json = headscope(&["tokens", &image, "-m", &model, "--json"]).succeeded().json();
    assert_eq!(json["tokens"].as_array().unwrap().len(), 11);

    let (trace, page) = (room.at("t.safetensors"), room.at("view.html"));
    headscope(&[&image, "-m", &model, "-o", &page]).succeeded();
    headscope(&["trace", &image, "-m", &model, "-o", &trace]).succeeded();
    headscope(&["open", &trace, "-o", &page]).succeeded();
    assert!(fs::read_to_string(page).unwrap().contains("</html>"));
}

#[test]
fn a_preprocessor_of_the_folder_is_obeyed() {
    let room = Room::with("dinov2");
    let (image, model, out) = (fixture("images/rgb.png"), room.at("model"), room.at("t.safetensors"));
    let config = r#"{"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 20},
        "crop_size": {"height": 15, "width": 29}}"#;
    fs::write(room.path("model/preprocessor_config.json"), config).unwrap();
    headscope(&["trace", &image, "-m", &model, "-o", &out]).succeeded();
    let grid = Trace::open(&out).unwrap().picture.unwrap().grid;
    assert_eq!((grid.rows, grid.columns, grid.first), (2, 4, 1));

    fs::write(room.path("model/preprocessor_config.json"), config.replace("29", "6")).unwrap();
    headscope(&["trace", &image, "-m", &model, "-o", &out]).failed(
        &["the image is 6 x 15 (3 channels)", "at least 7 x 7 pixels"],
        Some("preprocessor_config.json"),
    );
}

#[test]
fn what_does_not_go_together_is_refused_by_name() {
    let room = Room::with_model();
    let (image, vit, bert) = (fixture("images/rgb.png"), fixture("vit"), room.at("model"));
    let out = room.at("out/t.safetensors");
    let trace = |args: &[&str]| headscope(&[args, &["-o", &out]].concat());

    trace(&["trace", "the cat", "-m", &vit])
        .failed(&["vit reads images", r#"no file "the cat""#], Some("png"));
    trace(&["trace", &image, &image, "-m", &vit])
        .failed(&["reads one image; two were given"], Some("one png"));
    trace(&["trace", &image, "-m", &bert])
        .failed(&["rgb.png is an image", "reads texts"], Some("headscope models"));
    trace(&["trace", "--ids", "1,2", "-m", &vit])
        .failed(&["reads images; no image was given"], Some("png or jpeg"));
    headscope(&["tokens", "the cat", "-m", &vit]).failed(&["reads images"], Some("png"));
    trace(&["trace", &fixture("README.md"), "-m", &vit]).failed(&["README.md is no image"], Some("png"));

    let cut = room.at("cut.png");
    fs::write(&cut, &fs::read(&image).unwrap()[..900]).unwrap();
    trace(&["trace", &cut, "-m", &vit]).failed(&["cut.png is not a whole png"], Some("copy it again"));
    assert!(room.names("out").is_empty());
}

#[test]
fn configurations_that_cannot_be_are_refused() {
    let rows = [
        ("vit", "patch_size", "23", "patch_size is 23 x 23; the image is smaller: 21 x 21"),
        ("vit", "image_size", "[21]", "image_size is [21]; expected a size from 1 to 65536"),
        ("vit", "hidden_act", r#""mish""#, r#"hidden_act is "mish""#),
        ("dinov2", "num_register_tokens", "4", "num_register_tokens is 4; supported is 0"),
        ("dinov2", "image_size", "[21, 14]", "image_size makes 6 patches; expected a square number"),
        ("dinov2", "mlp_ratio", "0", "mlp_ratio is 0; expected a number above 0"),
        ("deit", "model_type", r#""dinov2_with_registers""#, r#"model_type is "dinov2_with_registers""#),
    ];
    for (fixture_name, key, value, expected) in rows {
        let room = Room::with(fixture_name);
        edit_json(&room.path("model/config.json"), |config| config[key] = value.parse().unwrap());
        let (image, model, out) = (fixture("images/rgb.png"), room.at("model"), room.at("out/t"));
        let ran = headscope(&["trace", &image, "-m", &model, "-o", &out]);
        assert_eq!(ran.code, Some(1));
        assert!(ran.stderr.contains(expected), "{}\nexpected: {expected}", ran.stderr);
    }
}
