//! Weights: cut short, lying, too large, in shards.

use super::*;

#[test]
fn weights_that_are_cut_short() {
    let room = Room::with_model();
    let path = room.path("model/model.safetensors");
    let whole = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    let name = path.to_str().unwrap();
    for (len, expected) in [
        (0, "it has 0 bytes; the length of its header alone takes 8"),
        (7, "it has 7 bytes"),
        (8, "bytes, but 0 follow"),
        (header - 1, "its header should take"),
        (header, "bytes of tensors, but 0 follow"),
        (whole.len() / 2, "bytes of tensors, but "),
        (whole.len() - 1, "bytes of tensors, but "),
    ] {
        fs::write(&path, &whole[..len]).unwrap();
        refused(&room, &[name, "is not a whole safetensors file", expected], Some("cut short"));
    }
    fs::write(&path, [&whole[..], b"more"].concat()).unwrap();
    refused(&room, &[name, "bytes of tensors, but "], Some("download or copy it again"));
    fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 141168\n").unwrap();
    refused(&room, &[name, "it is a Git LFS pointer"], Some("cut short"));
}

#[test]
fn weights_whose_header_lies() {
    type Edit = fn(&mut serde_json::Map<String, Value>, &mut Vec<u8>);
    const NORM: &str = "embeddings.LayerNorm.weight"; // [36], 144..288
    let rows: &[(Edit, &[&str], &str)] = &[
        (
            |h, _| h[NORM]["data_offsets"] = json!([100, 244]),
            &[NORM, "lies at 100..244; expected"],
            "cut short",
        ),
        (|h, _| h[NORM]["data_offsets"] = json!([288, 144]), &["expected it to begin at"], "cut short"),
        (|h, _| h[NORM]["data_offsets"] = json!([0, 1u64 << 60]), &["expected"], "cut short"),
        (|h, _| h[NORM]["data_offsets"] = json!([-1, 144]), &["invalid value: integer `-1`"], "cut short"),
        (
            |h, _| h[NORM]["shape"] = json!([37]),
            &[NORM, "takes 144 bytes; F32 of shape [37] takes 148"],
            "cut short",
        ),
        (
            |h, _| h[NORM]["shape"] = json!([u64::MAX, 36]),
            &[NORM, "takes more than there can be"],
            "cut short",
        ),
        (
            |h, _| h[NORM]["shape"] = json!([6, 6]),
            &[NORM, "has shape [6, 6]; the configuration asks for [36]"],
            "both",
        ),
        (|h, _| h[NORM]["dtype"] = json!("I32"), &[NORM, "is I32; expected one of F32, F16, BF16"], "both"),
        (|h, _| h[NORM]["dtype"] = json!("F64"), &[NORM, "F64 of shape [36] takes 288"], "cut short"),
        (|h, _| h[NORM]["dtype"] = json!("F7"), &[NORM, "is F7; expected one of F32, F16, BF16"], "both"),
        (|h, _| h[NORM] = json!("weights"), &["its header does not parse"], "cut short"),
        (
            |h, _| {
                let entry = h.remove(NORM).unwrap();
                h.insert("embeddings.LayerNorm.wait".into(), entry);
            },
            &[NORM, "is missing; expected one of shape [36]"],
            "both",
        ),
        (|h, d| poke(h, d, NORM, f32::NAN), &[NORM, "holds NaN or infinite values"], "both"),
        (
            |h, d| poke(h, d, "encoder.layer.2.output.dense.weight", f32::INFINITY),
            &["encoder.layer.2.output.dense.weight", "holds NaN or infinite values"],
            "both",
        ),
    ];
    for (edit, expected, help) in rows {
        let room = Room::with_model();
        let path = room.path("model/model.safetensors");
        edit_tensors(&path, edit);
        in_little_memory(&room).failed(&[*expected, &[path.to_str().unwrap()]].concat(), Some(help));
        assert!(room.names("out").is_empty());
    }
}

/// Overwrites a tensor's first number.
fn poke(header: &serde_json::Map<String, Value>, data: &mut [u8], tensor: &str, value: f32) {
    let at = offset(header, tensor);
    data[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn weights_too_large_to_compute_with() {
    let room = Room::with_model();
    edit_tensors(&room.path("model/model.safetensors"), |header, data| {
        let at = offset(header, "embeddings.LayerNorm.weight");
        data[at..at + 36 * 4].copy_from_slice(&[f32::MAX; 36].map(f32::to_le_bytes).concat());
    });
    refused(&room, &[&room.at("model"), "gave values that are not finite"], Some("damaged"));
}

/// Cuts the weights of a folder in two files with an index, which `edit` may spoil.
fn shard(folder: &Path, edit: impl FnOnce(&mut Value)) {
    let (header, data) = split(&fs::read(folder.join("model.safetensors")).unwrap());
    let mut map = serde_json::Map::new();
    for (shard, layers) in [("a.safetensors", false), ("b.safetensors", true)] {
        let (mut part, mut bytes) = (serde_json::Map::new(), Vec::new());
        for (name, entry) in header.iter().filter(|(name, _)| *name != "__metadata__") {
            if name.starts_with("encoder") != layers {
                continue;
            }
            let range: [usize; 2] = serde_json::from_value(entry["data_offsets"].clone()).unwrap();
            let start = bytes.len();
            bytes.extend_from_slice(&data[range[0]..range[1]]);
            let mut entry = entry.clone();
            entry["data_offsets"] = json!([start, bytes.len()]);
            part.insert(name.clone(), entry);
            map.insert(name.clone(), shard.into());
        }
        fs::write(folder.join(shard), join(&part, &bytes)).unwrap();
    }
    let mut index = json!({ "metadata": { "total_size": data.len() }, "weight_map": map });
    edit(&mut index);
    fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
    fs::remove_file(folder.join("model.safetensors")).unwrap();
}

#[test]
fn weights_in_shards() {
    let room = Room::with_model();
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    let trace = || {
        headscope(&["trace", "the cat", "-m", &model, "-o", &file]).succeeded();
        let trace = Trace::open(&file).unwrap();
        fs::remove_file(&file).unwrap();
        trace
    };
    let whole = trace();
    shard(&room.path("model"), |_| ());
    assert!(trace().values().eq(whole.values()));

    let index = "model.safetensors.index.json";
    let tensor = "embeddings.LayerNorm.weight";
    let rows: [(Value, &[&str]); 6] = [
        (
            json!("../a.safetensors"),
            &[index, tensor, "\"../a.safetensors\"; expected a file of the same folder"],
        ),
        (json!("/etc/passwd"), &[index, tensor, "expected a file of the same folder"]),
        (json!(".."), &[index, "expected a file of the same folder"]),
        (json!(""), &[index, "expected a file of the same folder"]),
        (json!(3), &[index, tensor, "into 3; expected a file of the same folder"]),
        (json!("none.safetensors"), &["cannot read", "none.safetensors: No such file"]),
    ];
    for (shard_name, expected) in rows {
        let room = Room::with_model();
        shard(&room.path("model"), |index| index["weight_map"][tensor] = shard_name);
        refused(&room, expected, None);
    }
    let rows: [Spoiled<'_>; 4] = [
        (|m| write(m, "model.safetensors.index.json", "{"), &[index, "the file does not parse"], None),
        (|m| write(m, "model.safetensors.index.json", "[]"), &[index, "weight_map is missing"], None),
        (
            |m| write(m, "model.safetensors.index.json", "{\"weight_map\": {}}"),
            &[index, "weight_map is missing; expected tensors and their files"],
            None,
        ),
        (
            |m| {
                fs::copy(m.join("a.safetensors"), m.join("c.safetensors")).unwrap();
                edit_json(&m.join("model.safetensors.index.json"), |index| {
                    index["weight_map"]["more"] = "c.safetensors".into();
                });
            },
            &["c.safetensors: tensor embeddings.", "is in ", "a.safetensors too; expected one"],
            Some("download both again"),
        ),
    ];
    for (change, expected, help) in rows {
        let room = Room::with_model();
        shard(&room.path("model"), |_| ());
        change(&room.path("model"));
        refused(&room, expected, help);
    }
}
