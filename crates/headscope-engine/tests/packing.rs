//! A pass does not show whether its weights were packed.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use headscope_engine::{Checkpoint, Compute, EngineError, Isa, Model};
use headscope_trace::{Encoding, Trace};

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
            let run = model.run(&text, &mut ());
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
