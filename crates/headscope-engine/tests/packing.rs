//! A pass does not show whether its weights were packed.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use headscope_engine::{Checkpoint, Compute, EngineError, Isa, Model};
use headscope_trace::{Encoding, Trace};
#[cfg(target_os = "linux")]
use headscope_trace::{Section, Values, write_safetensors};

fn folder(fixture: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(fixture)
}

fn load(folder: &Path) -> Model {
    Model::load(&Checkpoint::open(folder).unwrap(), &Compute::new(2, Isa::detect())).unwrap()
}

fn traced(model: &Model) -> Trace {
    let text = Encoding::from_ids(&[3, 1, 4, 1, 5, 9, 2, 6], |id| id.to_string());
    model.trace(text, &model.sites("*").unwrap()).unwrap()
}

/// How many threads of this process are packing. None is known where there is no /proc.
fn packing_threads() -> usize {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let name =
        |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks
        .flatten()
        .filter(|task| task.path().exists())
        .map(name)
        .filter(|n| n.trim() == "headscope-pack")
        .count()
}

#[test]
fn packed_weights_change_no_bit() {
    for fixture in ["bert", "bert-f16", "bert-bf16", "bert-masked-lm", "bert-untied"] {
        let model = load(&folder(fixture));
        let in_place = traced(&model);
        model.pack();
        assert!(traced(&model) == in_place, "{fixture}: packed at once");
        let model = load(&folder(fixture));
        for pass in 0..40 {
            assert!(traced(&model) == in_place, "{fixture}: pass {pass}, packed meanwhile");
        }
    }
}

#[test]
fn packing_ends_with_the_model() {
    for passes in [0, 1, 2, 3] {
        let model = load(&folder("bert"));
        (0..passes).for_each(|_| drop(traced(&model)));
        drop(model);
    }
    // Other tests of this file have models of their own.
    let end = Instant::now() + Duration::from_secs(20);
    while packing_threads() > 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(packing_threads(), 0);
}

/// A BERT of 5 MB in a folder.
#[cfg(target_os = "linux")]
fn write_model(folder: &Path) {
    let (width, inner, layers) = (256, 1024, 2);
    let config = format!(
        r#"{{"model_type":"bert","hidden_size":{width},"intermediate_size":{inner},"num_hidden_layers":{layers},
        "num_attention_heads":4,"vocab_size":16,"max_position_embeddings":16}}"#
    );
    std::fs::write(folder.join("config.json"), config).unwrap();
    let mut tensors = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![16, width]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![16, width]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, width]),
    ];
    let mut pair = |path: String, shape: &[usize]| {
        tensors.push((format!("{path}.weight"), shape.to_vec()));
        tensors.push((format!("{path}.bias"), shape[..1].to_vec()));
    };
    pair("embeddings.LayerNorm".into(), &[width]);
    for at in (0..layers).map(|i| format!("encoder.layer.{i}")) {
        for part in ["self.query", "self.key", "self.value", "output.dense"] {
            pair(format!("{at}.attention.{part}"), &[width, width]);
        }
        pair(format!("{at}.attention.output.LayerNorm"), &[width]);
        pair(format!("{at}.intermediate.dense"), &[inner, width]);
        pair(format!("{at}.output.dense"), &[width, inner]);
        pair(format!("{at}.output.LayerNorm"), &[width]);
    }
    let wave: Vec<f32> = (0..width * inner).map(|i| (i as f32).sin() * 0.1).collect();
    let sections: Vec<Section<'_>> = tensors
        .into_iter()
        .map(|(name, shape)| {
            let values = Values::F32(&wave[..shape.iter().product()]);
            Section { name, shape, values }
        })
        .collect();
    let file = std::fs::File::create(folder.join("model.safetensors")).unwrap();
    write_safetensors(file, &Default::default(), &sections).unwrap();
}

/// KiB of a mapped file that are in this process's memory.
#[cfg(target_os = "linux")]
fn resident_kib(file: &Path) -> usize {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let map = maps.split_once(file.to_str().unwrap()).unwrap().1;
    let rss = map.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    rss.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn packed_weights_are_not_kept_twice() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    let file = folder.path().join("model.safetensors");
    let size = file.metadata().unwrap().len() as usize >> 10;
    // A model of its own: behind a second pass packing would begin, which gives pages back.
    let model = load(folder.path());
    let few = Encoding::from_ids(&[3, 1, 4], |id| id.to_string());
    model.run(&few.into(), &mut ()).unwrap();
    let in_place = resident_kib(&file);
    drop(model);
    let model = load(folder.path());
    let before = traced(&model);
    let copied = resident_kib(&file);
    model.pack();
    let packed = resident_kib(&file);
    assert!(copied * 4 < size, "{copied} of {size} KiB are mapped for a pass that copies weights");
    assert!(in_place * 10 > size * 9, "{in_place} of {size} KiB are read by a pass of few tokens");
    assert!(packed * 10 < size, "{packed} of {size} KiB stay");
    assert!(traced(&model) == before);
}

#[test]
fn a_weight_that_is_not_finite_is_named() {
    let copy = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(folder("bert").join(file), copy.path().join(file)).unwrap();
    }
    let path = copy.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    let header = headscope_trace::Header::read(&whole).unwrap();
    let text = Encoding::from_ids(&[3, 1, 4, 1, 5, 9, 2, 6], |id| id.to_string());
    let mut named = 0;
    for tensor in header.tensors.iter().filter(|tensor| tensor.shape.len() == 2) {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            // In the row of a token, position or segment that the text has.
            let row = if tensor.name.ends_with("word_embeddings.weight") { 3 } else { 0 };
            let at = tensor.bytes.start + 4 * row * tensor.shape[1];
            let mut damaged = whole.clone();
            damaged[at..at + 4].copy_from_slice(&bad.to_le_bytes());
            std::fs::write(&path, damaged).unwrap();
            let model = load(copy.path());
            let run = model.run(&text.clone().into(), &mut ());
            if tensor.name.contains("pooler") {
                run.unwrap(); // which nobody uses
                continue;
            }
            let Err(EngineError::Tensor { name, detail, .. }) = run else {
                panic!("{} with {bad}: {run:?}", tensor.name)
            };
            assert_eq!(name, tensor.name);
            assert!(detail.contains("holds NaN or infinite values"), "{detail}");
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}
