//! Figures as files: of texts and of saved traces.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod support;

use std::fs;

use support::{Room, headscope};

fn figure(room: &Room, args: &[&str]) -> String {
    let file = room.at("out/fig.svg");
    let ran = headscope(&[&["figure", "-o", &file], args].concat()).succeeded();
    assert!(ran.stdout.is_empty(), "data went to the file");
    assert!(ran.stderr.starts_with(&format!("wrote {file} (")), "{}", ran.stderr);
    fs::read_to_string(file).unwrap()
}

#[test]
fn a_text_and_its_saved_trace_give_one_figure() {
    let room = Room::with_model();
    let (model, trace) = (room.at("model"), room.at("t.safetensors"));
    headscope(&["trace", "the cat sat", "a dog", "-m", &model, "-o", &trace]).succeeded();
    for how in [
        &["--layer", "1", "--head", "0,2", "--token", "1"][..],
        &["--view", "matrix", "--theme", "dark", "--head", "1"],
    ] {
        let of_text = figure(&room, &[&["the cat sat", "a dog", "-m", &model], how].concat());
        assert!(of_text.starts_with("<svg ") && of_text.contains(">cat</text>"), "{of_text}");
        assert_eq!(of_text, figure(&room, &[&["--trace", &trace], how].concat()));
    }
    let dark = figure(&room, &["--trace", &trace, "--theme", "dark"]);
    assert!(dark.contains("#131417") && !dark.contains("#fbfbf9"));
}

#[test]
fn a_part_of_two_stacks_is_drawn() {
    let room = Room::with("t5");
    let trace = room.at("t.safetensors");
    let ids = ["--ids", "5,6,7,8,1", "--decoder-ids", "0,9,10"];
    headscope(&[&["trace", "-m", &room.at("model"), "-o", &trace], &ids[..]].concat()).succeeded();
    for (part, title, rows, columns) in
        [("encoder", "Encoder", 5, 5), ("decoder", "Decoder", 3, 3), ("cross", "Cross", 3, 5)]
    {
        let svg = figure(&room, &["--trace", &trace, "--part", part, "--view", "matrix"]);
        assert!(svg.contains(&format!("<title>{title} layer 0, head ")), "{svg}");
        assert!(svg.contains(&format!("each of {rows} queries, a column for each of {columns} keys")));
    }
}

#[test]
fn what_cannot_be_drawn_is_said_before_anything_is_written() {
    let room = Room::with_model();
    let model = room.at("model");
    let fails = |args: &[&str], expected: &[&str], help: Option<&str>| {
        headscope(&[&["figure", "the cat", "-m", &model], args].concat()).failed(expected, help);
        assert!(room.names("out").is_empty());
    };
    for name in ["out/fig.png", "out/fig.pdf", "out/fig"] {
        let file = room.at(name);
        let help = format!("name it {}", room.at("out/fig.svg"));
        fails(&["-o", &file], &[&file, "figures are written as SVG"], Some(&help));
    }
    let file = room.at("out/fig.svg");
    fails(&["-o", &file, "--head", "9"], &["there is no head 9"], None);
    fails(&["-o", &file, "--layer", "9"], &["there is no layer 9"], None);
    fails(&["-o", &file, "--token", "9"], &["there is no token 9"], None);
    fails(&["-o", &file, "--part", "cross"], &["cross cannot be shown"], None);
}
