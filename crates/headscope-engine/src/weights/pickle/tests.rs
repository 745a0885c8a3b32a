//! Checkpoints that torch wrote, and pickles that nobody should obey.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::safetensors;
use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/pickles").join(name)
}

fn owned(bytes: Vec<u8>) -> Bytes {
    Bytes::Owned(Arc::new(bytes))
}

/// Every tensor's name, dtype, shape and bytes.
fn content(mut entries: Vec<Entry>) -> Vec<(String, String, Vec<usize>, Vec<u8>)> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let content = |entry: Entry| {
        let bytes = entry.bytes[entry.range].to_vec();
        (entry.name, entry.dtype, entry.shape, bytes)
    };
    entries.into_iter().map(content).collect()
}

#[test]
fn tensors_are_those_that_safetensors_hold() {
    let bert = fixture("../bert-one-head/model.safetensors");
    let views = fixture("views.safetensors");
    for (name, expected) in [
        ("bert-zip.bin", &bert),
        ("bert-legacy.bin", &bert),
        ("views-zip.bin", &views),
        ("views-legacy.bin", &views),
    ] {
        let found = content(entries(&Bytes::map(&fixture(name)).unwrap()).unwrap());
        let expected = content(safetensors::entries(&Bytes::map(expected).unwrap()).unwrap());
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn only_views_are_copied() {
    for name in ["views-zip.bin", "views-legacy.bin"] {
        let entries = entries(&Bytes::map(&fixture(name)).unwrap()).unwrap();
        let copied = entries.iter().filter(|entry| matches!(entry.bytes, Bytes::Owned(_)));
        let mut copied: Vec<&str> = copied.map(|entry| entry.name.as_str()).collect();
        copied.sort_unstable();
        assert_eq!(copied, ["columns", "half_transposed", "rows", "transposed", "turned"], "{name}");
    }
}

/// A pickle of protocol 2 with this body.
fn pickle(body: &[u8]) -> Vec<u8> {
    [b"\x80\x02", body, b"."].concat()
}

/// A file in the format before PyTorch 1.6 whose state dict this body makes, with one storage of six floats.
fn legacy(body: &[u8]) -> Vec<u8> {
    let numbers: Vec<u8> = (0..6u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
    [
        &pickle(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"),
        &pickle(b"M\xe9\x03"),
        &pickle(b"}X\x0d\x00\x00\x00little_endian\x88s"),
        &pickle(body),
        &pickle(b"]X\x01\x00\x00\x000a"),
        &6u64.to_le_bytes()[..],
        &numbers,
    ]
    .concat()
}

/// `{"w": tensor}`, a view of the storage of six floats.
fn view(offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let storage =
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQ";
    let rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n";
    [b"}X\x01\x00\x00\x00w", &rebuild[..], b"(", storage, offset, shape, strides, b"\x89}tRs"].concat()
}

#[test]
fn a_pickle_written_by_hand_is_read() {
    let file = legacy(&view(b"K\x01", b"K\x02K\x02\x86", b"K\x01K\x02\x86"));
    let [(name, dtype, shape, bytes)] = &content(entries(&owned(file)).unwrap())[..] else { panic!() };
    let numbers = bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four));
    assert_eq!((name.as_str(), dtype.as_str(), &shape[..]), ("w", "F32", &[2, 2][..]));
    assert_eq!(numbers.collect::<Vec<_>>(), [1.0, 3.0, 2.0, 4.0]);
}

#[test]
fn what_is_asked_for_is_named() {
    let rows: &[(&[u8], &str)] = &[
        (b"cos\nsystem\nX\x04\x00\x00\x00echo\x85R", "os.system"),
        (b"cposix\nsystem\n", "posix.system"),
        (b"cbuiltins\neval\n", "builtins.eval"),
        (b"c__builtin__\nexec\n", "builtins.exec"),
        (b"X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93", "os.system"),
        (b"ctorch\nload\n", "torch.load"),
        (b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n", "torch._utils._rebuild_tensor_v2.__globals__"),
        (b"ctransformers.models.bert\nBertModel\n", "transformers.models.bert.BertModel"),
        (b"cnumpy.core.multiarray\n_reconstruct\n", "numpy.core.multiarray._reconstruct"),
        (b"c\x1b[2J\nx\n", "\\u{1b}[2J.x"),
    ];
    for (body, asks) in rows {
        for file in [legacy(body), pickle(body)] {
            match entries(&owned(file)) {
                Err(Fault::Asks(found)) => assert_eq!(found, *asks),
                other => panic!("{asks}: {:?}", other.err()),
            }
        }
    }
    for name in ["command-zip.bin", "command-legacy.bin"] {
        match entries(&Bytes::map(&fixture(name)).unwrap()) {
            Err(Fault::Asks(found)) => assert_eq!(found, "posix.system", "{name}"),
            other => panic!("{name}: {:?}", other.err()),
        }
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let huge = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    let far = [b"K\x02", &huge[..], b"\x86"].concat();
    let rows: &[(Vec<u8>, &str)] = &[
        (
            view(b"K\x00", b"K\x07\x85", b"K\x01\x85"),
            "tensor w of shape [7] reaches out of storage 0, which holds 6",
        ),
        (view(b"K\x05", b"K\x02\x85", b"K\x01\x85"), "reaches out of storage 0"),
        (view(b"K\x00", b"K\x02K\x02\x86", b"K\x05K\x01\x86"), "reaches out of storage 0"),
        (view(huge, b"K\x01\x85", b"K\x01\x85"), "reaches out of storage 0"),
        (view(b"K\x00", &far, b"K\x01K\x01\x86"), "reaches out of storage 0"),
        (view(b"K\x00", b"K\x02K\x02\x86", &far), "reaches out of storage 0"),
        (view(b"K\x00", &far, b"K\x00K\x00\x86"), "repeats its 6 numbers"),
        (view(b"K\x00", b"K\x03K\x03\x86", b"K\x00K\x01\x86"), "repeats its 6 numbers"),
        (view(b"K\x00", b"J\xff\xff\xff\xff\x85", b"K\x01\x85"), "a size is something else"),
        (view(b"K\x00", b"K\x01\x85", b"K\x01K\x01\x86"), "as many strides as axes"),
        (view(b"J\xff\xff\xff\xff", b"K\x01\x85", b"K\x01\x85"), "an offset is something else"),
        (b"K\x01".to_vec(), "storage 0 belongs to no tensor"),
        (b"h\x05".to_vec(), "nothing was kept as 5 (at 2 of its pickle)"),
        (b"s".to_vec(), "an instruction wants a value that is not there"),
        (b"\x87".to_vec(), "an instruction wants a value that is not there"),
        (b"I5\n".to_vec(), "instruction 0x49 ('I') is none that torch writes"),
        (b"}(K\x01u".to_vec(), "expected keys and values"),
        (b"K\x01K\x02a".to_vec(), "expected a list"),
        (b"K\x01K\x02R".to_vec(), "what is called is something else"),
        (b"K\x01Q".to_vec(), "a storage is something else"),
        (b"X\xff\xff\xff\xffx".to_vec(), "within an instruction"),
        (b")".repeat(1 << 22), "more than 4194304 instructions"),
    ];
    for (body, expected) in rows {
        match entries(&owned(legacy(body))) {
            Err(Fault::Damaged(found)) => assert!(found.contains(expected), "{found}; expected {expected}"),
            other => panic!("{expected}: {:?}", other.err()),
        }
    }
}

#[test]
fn copies_take_no_more_memory_than_the_file() {
    // A thousand names for one transposed view, which is kept as 1.
    let whole = view(b"K\x00", b"K\x02K\x03\x86", b"K\x01K\x02\x86");
    let tensor = whole.strip_prefix(b"}X\x01\x00\x00\x00w").and_then(|rest| rest.strip_suffix(b"s")).unwrap();
    let mut body = [b"}X\x05\x00\x00\x00first", tensor, b"q\x01s"].concat();
    for i in 0..1000 {
        body.extend([b"X\x04\x00\x00\x00", format!("{i:04}").as_bytes(), b"h\x01s"].concat());
    }
    match entries(&owned(legacy(&body))) {
        Err(Fault::Damaged(found)) => assert!(found.contains("more memory than the file"), "{found}"),
        other => panic!("{:?}", other.map(|entries| entries.len()).ok()),
    }
}

/// Reads whatever there is, and all of its bytes.
fn read(bytes: Vec<u8>) -> bool {
    entries(&owned(bytes)).is_ok_and(|entries| !content(entries).is_empty())
}

#[test]
fn no_damage_is_a_panic() {
    for name in ["views-zip.bin", "views-legacy.bin", "command-zip.bin"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for len in 0..whole.len() {
            let mut cut = whole.clone();
            cut.truncate(len);
            // What is behind the last storage's bytes, nobody misses.
            let _ = read(cut);
        }
        let mut damaged = whole.clone();
        for at in 0..whole.len() {
            for flip in [0x01, 0x10, 0x80, 0xff] {
                damaged[at] ^= flip;
                let _ = read(damaged.clone());
                damaged[at] ^= flip;
            }
        }
    }
}

#[test]
fn every_cut_is_an_error() {
    for name in ["bert-zip.bin", "bert-legacy.bin"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for len in (0..whole.len()).step_by(7) {
            assert!(entries(&owned(whole[..len].to_vec())).is_err(), "{name}: {len} bytes");
        }
    }
}

/// A zip file of stored entries.
fn zip(files: &[(&str, &[u8])], change: impl Fn(usize, &mut [u8])) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (i, (name, bytes)) in files.iter().enumerate() {
        let sizes = [(bytes.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
        let header = out.len() as u32;
        out.extend([b"PK\x03\x04", &[0; 14][..], &sizes, &(name.len() as u32).to_le_bytes()].concat());
        out.extend([name.as_bytes(), bytes].concat());
        let mut entry =
            [b"PK\x01\x02", &[0; 16][..], &sizes, &(name.len() as u32).to_le_bytes(), &[0; 10]].concat();
        entry.extend([&header.to_le_bytes(), name.as_bytes()].concat());
        change(i, &mut entry);
        directory.extend(entry);
    }
    let (count, at) = ((files.len() as u16).to_le_bytes(), (out.len() as u32).to_le_bytes());
    let len = (directory.len() as u32).to_le_bytes();
    out.extend(directory);
    out.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &len, &at, &[0; 2]].concat());
    out
}

#[test]
fn zip_files_are_checked() {
    let state = pickle(&view(b"K\x00", b"K\x06\x85", b"K\x01\x85"));
    let numbers = [0u8; 24];
    let files: &[(&str, &[u8])] =
        &[("m/data.pkl", &state), ("m/data/0", &numbers), ("m/byteorder", b"little")];
    assert!(read(zip(files, |_, _| ())));
    let changed = |at: usize, value: u8| {
        zip(files, move |i, entry| {
            if i == 1 {
                entry[at] = value;
            }
        })
    };
    let big = &[("m/data.pkl", &state[..]), ("m/data/0", &numbers), ("m/byteorder", b"big")];
    let rows: &[(Vec<u8>, &str)] = &[
        (zip(&files[..1], |_, _| ()), "lies in storage 0, which is missing"),
        (zip(&[("m/data.pkl", &pickle(b"K\x01"))], |_, _| ()), "holds no dict of tensors"),
        (zip(&files[1..], |_, _| ()), "does not hold one data.pkl"),
        (zip(&[files[0], ("n/data.pkl", b"")], |_, _| ()), "does not hold one data.pkl"),
        (zip(&[files[0], files[1], files[1]], |_, _| ()), "entry m/data/0 is there twice"),
        (zip(big, |_, _| ()), "are not little-endian"),
        (changed(8, 1), "entry m/data/0 is encrypted"),
        (changed(10, 8), "entry m/data/0 is compressed"),
        (changed(20, 1), "entry m/data/0 is compressed"),
        (changed(42, 1), "entry m/data/0 has no header at"),
        (changed(45, 0x7f), "beyond the end of the file"),
        (changed(0, 0), "its directory ends at entry 1 of 3"),
        (changed(29, 0x40), "its directory ends at entry 1 of 3"),
        (b"PK\x03\x04".to_vec(), "too short"),
        ([b"PK\x03\x04", &[0; 40][..]].concat(), "no zip directory at its end"),
    ];
    for (file, expected) in rows {
        match entries(&owned(file.clone())) {
            Err(Fault::Damaged(found)) => assert!(found.contains(expected), "{found}; expected {expected}"),
            other => panic!("{expected}: {:?}", other.err()),
        }
    }
}
