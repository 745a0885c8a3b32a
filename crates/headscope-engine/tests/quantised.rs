//! Quantised weights: the numbers that ggml gives them, to the bit, wherever they are widened.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod support;

use std::path::Path;

use headscope_engine::kernels::{Arena, AsStored, Dtype, Epilogue, Linear, Stored};
use headscope_trace::Header;
use support::{bits, each_isa, numbers};

/// Of each quantised dtype, blocks and the numbers that gguf-py makes of them.
fn recorded() -> Vec<(Dtype, Vec<u8>, Vec<f32>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/quantised/blocks.safetensors");
    let file = std::fs::read(path).unwrap();
    let header = Header::read(&file).unwrap();
    let bytes = |name: String| {
        let tensor = header.tensors.iter().find(|tensor| tensor.name == name).unwrap();
        file[tensor.bytes.clone()].to_vec()
    };
    let quantised = Dtype::NAMES.iter().filter(|(_, dtype)| dtype.is_quantised());
    let of_dtype = |(name, dtype): &(&str, Dtype)| {
        let numbers = bytes(format!("{name}.numbers"));
        let numbers = numbers.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
        (*dtype, bytes(format!("{name}.blocks")), numbers)
    };
    quantised.map(of_dtype).collect()
}

/// A matrix whose rows are the recorded blocks, each `n_in` numbers long and turned a little further.
fn matrix(dtype: Dtype, blocks: &[u8], n_out: usize, n_in: usize) -> Vec<u8> {
    let (_, block) = dtype.block();
    let row = dtype.bytes(n_in);
    let mut cycle = blocks.chunks(block).cycle();
    let mut bytes = Vec::new();
    for _ in 0..n_out {
        let blocks: Vec<u8> = cycle.by_ref().take(row / block).flatten().copied().collect();
        bytes.extend(blocks);
        cycle.next();
    }
    bytes
}

#[test]
fn numbers_are_those_of_ggml() {
    let recorded = recorded();
    assert_eq!(recorded.len(), 8);
    for (dtype, blocks, expected) in recorded {
        let stored = Stored { dtype, bytes: &blocks };
        assert_eq!(stored.len(), expected.len(), "{dtype:?}");
        assert_eq!(bits(&stored.to_f32()), bits(&expected), "{dtype:?}");
        // Any range, whole blocks or not.
        for (from, to) in [(0, 1), (5, 40), (31, 97), (64, 64), (1, expected.len()), (130, 190)] {
            let mut out = vec![f32::NAN; to - from];
            stored.widen(from..to, &mut out);
            assert_eq!(bits(&out), bits(&expected[from..to]), "{dtype:?} {from}..{to}");
        }
    }
}

#[test]
fn products_are_those_of_the_widened_weights() {
    for (dtype, blocks, _) in recorded() {
        let (block, _) = dtype.block();
        for (n_out, n_in, rows) in
            [(1, block, 1), (50, 3 * block, 7), (100, 5 * block, 17), (48, 8 * block, 300)]
        {
            let bytes = matrix(dtype, &blocks, n_out, n_in);
            let weight = Stored { dtype, bytes: &bytes };
            let wide: Vec<u8> = weight.to_f32().into_iter().flat_map(f32::to_le_bytes).collect();
            let wide = Stored { dtype: Dtype::F32, bytes: &wide };
            let x = numbers(rows * n_in, 3);
            for compute in each_isa() {
                let run = |weight: Stored<'_>, pack: bool| {
                    let layer = Linear::in_place(vec![(weight, n_out)], n_in, None);
                    if pack {
                        layer.make_panels(&compute, &Arena::default());
                    }
                    let mut out = vec![f32::NAN; rows * n_out];
                    assert!(layer.forward(&compute, &x, rows, Epilogue::Store, &mut out));
                    bits(&out)
                };
                let expected = run(wide, true);
                let at = format!("{dtype:?} [{n_out}, {n_in}], {rows} rows, {}", compute.isa());
                assert!(run(weight, false) == expected, "{at}");
                assert!(run(weight, true) == expected, "{at}: asked to be packed");
            }
        }
    }
}

#[test]
fn rows_of_different_dtypes_stand_in_one_panel() {
    let recorded = recorded();
    let n_in = 512;
    let parts: Vec<(Dtype, Vec<u8>)> =
        recorded.iter().map(|(dtype, blocks, _)| (*dtype, matrix(*dtype, blocks, 7, n_in))).collect();
    let floats: Vec<u8> = numbers(7 * n_in, 5).into_iter().flat_map(f32::to_le_bytes).collect();
    let mut weights: Vec<(Stored<'_>, usize)> =
        parts.iter().map(|(dtype, bytes)| (Stored { dtype: *dtype, bytes }, 7)).collect();
    weights.insert(3, (Stored { dtype: Dtype::F32, bytes: &floats }, 7));
    let wide: Vec<u8> =
        weights.iter().flat_map(|(weight, _)| weight.to_f32()).flat_map(f32::to_le_bytes).collect();
    let x = numbers(5 * n_in, 3);
    for compute in each_isa() {
        let run = |layer: Linear<Stored<'_>>| {
            let mut out = vec![f32::NAN; 5 * layer.n_out()];
            layer.forward(&compute, &x, 5, Epilogue::Store, &mut out);
            bits(&out)
        };
        let wide = (Stored { dtype: Dtype::F32, bytes: &wide }, 63);
        assert!(
            run(Linear::in_place(weights.clone(), n_in, None))
                == run(Linear::in_place(vec![wide], n_in, None))
        );
    }
}

#[test]
fn scales_that_are_not_finite_are_found() {
    for (dtype, blocks, _) in recorded() {
        for compute in each_isa() {
            assert!(Stored { dtype, bytes: &blocks }.all_finite(&compute), "{dtype:?}");
            let (_, size) = dtype.block();
            // The places of halves: wherever NaN there makes a number so, it must be found.
            for at in 0..size - 1 {
                let mut damaged = blocks.clone();
                damaged[at..at + 2].copy_from_slice(&[0x00, 0x7e]);
                let stored = Stored { dtype, bytes: &damaged };
                let finite = stored.to_f32().iter().all(|number| number.is_finite());
                assert_eq!(stored.all_finite(&compute), finite, "{dtype:?} at {at}");
            }
        }
    }
}

#[test]
fn a_table_is_looked_up_row_by_row() {
    for (dtype, blocks, expected) in recorded() {
        let stored = Stored { dtype, bytes: &blocks };
        let (width, _) = dtype.block();
        for row in 0..expected.len() / width {
            assert_eq!(
                bits(&stored.row(row, width).to_f32()),
                bits(&expected[row * width..(row + 1) * width])
            );
        }
    }
}
