//! Traces that cannot be read, and files that cannot be written.

use super::*;

#[test]
fn files_that_are_no_trace() {
    let room = Room::with_model();
    let (model, good) = (room.at("model"), room.at("good.safetensors"));
    headscope(&["trace", "the cat", "-m", &model, "-o", &good]).succeeded();
    let whole = fs::read(&good).unwrap();
    let (header, data) = split(&whole);
    let cut = whole[..whole.len() - 4].to_vec();
    let changed = |edit: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut header = header.clone();
        edit(&mut header);
        join(&header, &data)
    };
    let meta = |key: &'static str, value: &'static str| changed(&|h| h["__metadata__"][key] = value.into());
    const PATTERN: &str = "blocks.0.attn.pattern";
    let long = |n: usize| {
        let token = r#"{"id":1,"piece":"a","span":null,"segment":0,"special":false,"mask":true}"#;
        format!(r#"{{"text":"","parts":[],"tokens":[{}]}}"#, vec![token; n].join(","))
    };
    let with_tokens = |n: usize| {
        let mut header = header.clone();
        header.retain(|name, _| name == "__metadata__");
        header["__metadata__"]["encoding"] = long(n).into();
        for (i, point) in ["k", "q"].into_iter().enumerate() {
            let offsets = [i * 12 * n, (i + 1) * 12 * n];
            let entry = json!({ "dtype": "F32", "shape": [3, n, 1], "data_offsets": offsets });
            header.insert(format!("blocks.0.attn.{point}"), entry);
        }
        join(&header, &vec![0; 24 * n])
    };
    let (again, traces) = (Some("write it again"), Some("headscope trace"));
    let rows: Vec<(Vec<u8>, &[&str], Option<&str>)> = vec![
        (vec![], &["is not a whole safetensors file: it has 0 bytes"], Some("cut short")),
        (cut, &["is not a whole safetensors file", "bytes of tensors, but"], Some("cut short")),
        (
            fs::read(room.path("model/model.safetensors")).unwrap(),
            &["is no headscope trace", "\"pt\""],
            traces,
        ),
        (b"just some text, longer than that".to_vec(), &["not a whole safetensors file"], Some("cut short")),
        (changed(&|h| drop(h.remove("__metadata__"))), &["its metadata has no \"format\""], traces),
        (meta("format", "headscope-trace/2"), &["format is \"headscope-trace/2\"; expected"], traces),
        (meta("card", "{}"), &["its card does not parse: missing field `id`"], traces),
        (meta("encoding", "["), &["its encoding does not parse"], traces),
        (meta("rules", "{}"), &["its rules does not parse"], traces),
        (meta("rules", "[]"), &[PATTERN, "belongs to an attention block without a rule"], again),
        (
            changed(&|h| h[PATTERN]["shape"] = json!([3, 2, 8])),
            &[PATTERN, "[3, 2, 8]; expected [3, 4, 4]"],
            again,
        ),
        (changed(&|h| h[PATTERN]["dtype"] = json!("I32")), &[PATTERN, "is I32 at byte 0"], again),
        (
            changed(&|h| {
                let entry = h.remove(PATTERN).unwrap();
                h.insert("blocks.0.pattern".into(), entry);
            }),
            &["blocks.0.pattern is no site of a model"],
            again,
        ),
        (with_tokens(20_000), &["the trace has 20000 tokens; at most 16384 can be shown"], None),
    ];
    let file = room.at("bad.safetensors");
    for (bytes, expected, help) in rows {
        fs::write(&file, bytes).unwrap();
        let args = ["open", &file, "-o", &room.at("out/view.html")];
        in_shell(LITTLE_MEMORY, &args).failed(&[expected, &[][..]].concat(), help);
        assert!(room.names("out").is_empty());
    }
    headscope(&["trace", "the cat", "--sites", "embed", "-m", &model, "-o", &file]).succeeded();
    headscope(&["open", &file])
        .failed(&["the trace holds no attention"], Some("--sites 'blocks.*.attn.pattern'"));
    headscope(&["open", &room.at("none")]).failed(&["cannot read", "none: No such file"], None);
    headscope(&["open", &model]).failed(&["cannot read", "model: Is a directory"], None);
}

#[cfg(unix)]
#[test]
fn outputs_that_cannot_be_written() {
    let room = Room::with_model();
    let model = room.at("model");
    fs::create_dir(room.path("folder.out")).unwrap();
    let (in_none, in_file) = (room.at("none/t"), room.at("model/vocab.txt/t"));
    let folder = room.at("folder.out");
    let rows: &[(&str, &str, Option<&str>)] = &[
        (&in_none, "No such file or directory", Some("in a folder that exists")),
        (&in_file, "Not a directory", None),
        (&folder, "Is a directory", Some("name a file; this is a folder")),
        ("/dev/full", "No space left on device", Some("make room there")),
    ];
    let before = room.names("model");
    for (out, expected, help) in rows {
        let expected = [&format!("cannot write {out}: "), *expected];
        headscope(&["trace", "the cat", "-m", &model, "-o", out]).failed(&expected, *help);
        headscope(&["the cat", "-m", &model, "-o", out]).failed(&expected, *help);
    }
    assert_eq!(room.names(""), ["folder.out", "model", "out"]);
    assert_eq!((room.names("model"), room.names("folder.out").len()), (before, 0));
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    let room = Room::with_model();
    let (model, file) = (room.at("model"), room.at("out/file"));
    fs::write(&file, "old").unwrap();
    // A limit on the size of files stands in for a full disk, which only root can make.
    let small = r#"trap '' XFSZ; ulimit -f 2; exec "$0" "$@""#;
    for args in [
        &["trace", "the cat", "--sites", "*", "-m", &model, "-o", &file][..],
        &["the cat", "-m", &model, "-o", &file],
    ] {
        in_shell(small, args)
            .failed(&["cannot write", "out/file: File too large"], Some("nothing half-written was left"));
        assert_eq!((room.names("out"), fs::read(&file).unwrap()), (vec!["file".to_owned()], b"old".to_vec()));
    }
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let room = Room::with_model();
    let link = room.path("out/link");
    std::os::unix::fs::symlink("../target", &link).unwrap();
    for _ in 0..2 {
        headscope(&["trace", "the cat", "-m", &room.at("model"), "-o", link.to_str().unwrap()]).succeeded();
        assert!(link.is_symlink() && Trace::open(room.path("target")).is_ok());
    }
    assert_eq!(
        (room.names("out"), room.names("")),
        (vec!["link".to_owned()], ["model", "out", "target"].map(String::from).to_vec())
    );
}
