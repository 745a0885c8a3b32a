//! Seeded models under the names of Hugging Face: shapes are real, numbers are not.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

/// Writes `config.json` and `model.safetensors`.
pub fn make(name: &str, folder: &str) -> Result<()> {
    let folder = Path::new(folder);
    let (config, dtype, tensors) = match name {
        "bert-base" => (bert_base(512), Dtype::F32, bert_tensors(512)),
        "bert-base-2048" => (bert_base(2048), Dtype::F32, bert_tensors(2048)),
        "smollm-135m" => (smollm_135m(), Dtype::Bf16, llama_tensors()),
        _ => bail!("no model is called {name:?}; there are bert-base, bert-base-2048 and smollm-135m"),
    };
    fs::create_dir_all(folder)?;
    fs::write(folder.join("config.json"), serde_json::to_string_pretty(&config)?)?;
    // Renamed when whole: a file by that name is never a part of one.
    let part = folder.join("model.safetensors.tmp");
    write_safetensors(&part, dtype, &tensors)?;
    Ok(fs::rename(part, folder.join("model.safetensors"))?)
}

fn bert_base(positions: usize) -> Value {
    json!({
        "architectures": ["BertModel"], "model_type": "bert", "hidden_size": 768, "num_hidden_layers": 12,
        "num_attention_heads": 12, "intermediate_size": 3072, "hidden_act": "gelu", "vocab_size": 30522,
        "max_position_embeddings": positions, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0,
        "dtype": "float32",
    })
}

fn bert_tensors(positions: usize) -> Vec<Tensor> {
    let mut tensors = vec![
        weight("embeddings.word_embeddings", &[30522, 768]),
        weight("embeddings.position_embeddings", &[positions, 768]),
        weight("embeddings.token_type_embeddings", &[2, 768]),
    ];
    norm(&mut tensors, "embeddings.LayerNorm");
    for layer in 0..12 {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        for part in ["self.query", "self.key", "self.value", "output.dense"] {
            linear(&mut tensors, &name(&format!("attention.{part}")), 768, 768);
        }
        norm(&mut tensors, &name("attention.output.LayerNorm"));
        linear(&mut tensors, &name("intermediate.dense"), 3072, 768);
        linear(&mut tensors, &name("output.dense"), 768, 3072);
        norm(&mut tensors, &name("output.LayerNorm"));
    }
    tensors
}

fn smollm_135m() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 576,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64,
        "intermediate_size": 1536, "hidden_act": "silu", "vocab_size": 49152,
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "attention_bias": false, "mlp_bias": false, "tie_word_embeddings": true, "dtype": "bfloat16",
        "bos_token_id": 0, "eos_token_id": 0,
    })
}

fn llama_tensors() -> Vec<Tensor> {
    let mut tensors = vec![weight("model.embed_tokens", &[49152, 576])];
    for layer in 0..30 {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        tensors.push(ones(&name("input_layernorm"), 576));
        for (part, n_out, n_in) in [
            ("self_attn.q_proj", 576, 576),
            ("self_attn.k_proj", 192, 576),
            ("self_attn.v_proj", 192, 576),
            ("self_attn.o_proj", 576, 576),
            ("mlp.gate_proj", 1536, 576),
            ("mlp.up_proj", 1536, 576),
            ("mlp.down_proj", 576, 1536),
        ] {
            tensors.push(weight(&name(part), &[n_out, n_in]));
        }
        tensors.push(ones(&name("post_attention_layernorm"), 576));
    }
    tensors.push(ones("model.norm", 576));
    tensors
}

/// A tensor to be written; its numbers are spread by `std` around `mean`.
struct Tensor {
    name: String,
    shape: Vec<usize>,
    mean: f32,
    std: f32,
}

/// With this spread a row of a pattern is neither flat nor a single key.
const STD: f32 = 0.04;

fn weight(name: &str, shape: &[usize]) -> Tensor {
    Tensor { name: format!("{name}.weight"), shape: shape.to_vec(), mean: 0.0, std: STD }
}

fn ones(name: &str, width: usize) -> Tensor {
    Tensor { mean: 1.0, ..weight(name, &[width]) }
}

fn bias(name: &str, width: usize) -> Tensor {
    Tensor { name: format!("{name}.bias"), ..weight(name, &[width]) }
}

fn linear(tensors: &mut Vec<Tensor>, name: &str, n_out: usize, n_in: usize) {
    tensors.extend([weight(name, &[n_out, n_in]), bias(name, n_out)]);
}

fn norm(tensors: &mut Vec<Tensor>, name: &str) {
    tensors.extend([ones(name, 768), bias(name, 768)]);
}

#[derive(Clone, Copy)]
enum Dtype {
    F32,
    Bf16,
}

fn write_safetensors(path: &Path, dtype: Dtype, tensors: &[Tensor]) -> Result<()> {
    let (name, size) = match dtype {
        Dtype::F32 => ("F32", 4),
        Dtype::Bf16 => ("BF16", 2),
    };
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({ "format": "pt" })); // transformers asks for it
    let mut end = 0;
    for tensor in tensors {
        let start = end;
        end += tensor.shape.iter().product::<usize>() * size;
        let entry = json!({ "dtype": name, "shape": tensor.shape, "data_offsets": [start, end] });
        header.insert(tensor.name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(64) - header.len()));
    let mut out = BufWriter::with_capacity(1 << 20, fs::File::create(path)?);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    let mut random = Random(20);
    for Tensor { shape, mean, std, .. } in tensors {
        for _ in 0..shape.iter().product() {
            let x = mean + std * random.normal();
            match dtype {
                Dtype::F32 => out.write_all(&x.to_le_bytes())?,
                Dtype::Bf16 => out.write_all(&(((x.to_bits() + 0x8000) >> 16) as u16).to_le_bytes())?,
            }
        }
    }
    Ok(out.flush()?)
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Mean 0 and variance 1: the sum of four even numbers, which is nearly normal.
    fn normal(&mut self) -> f32 {
        let z = self.next();
        let sum: u32 = (0..4).map(|i| (z >> (16 * i)) as u32 & 0xffff).sum();
        (sum as f32 / 65536.0 - 2.0) * 3.0f32.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_as_a_normal_is_and_the_same_each_time() {
        let sample = || -> Vec<f32> {
            let mut random = Random(20);
            (0..100_000).map(|_| random.normal()).collect()
        };
        let numbers = sample();
        let mean = numbers.iter().sum::<f32>() / numbers.len() as f32;
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / numbers.len() as f32;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
        assert_eq!(numbers, sample());
    }
}
