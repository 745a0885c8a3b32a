//! candle as a peer of `cargo xtask bench`: `bench-candle serve FOLDER` or `bench-candle once FOLDER ID,…`.
//!
//! candle-transformers' models do not return attention patterns, so the passes are written here with
//! candle's own operations, and every softmax is kept. Weights are widened to f32. The number of
//! threads is `RAYON_NUM_THREADS`; the protocol is that of `benches/serve.py`.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write, stdin};
use std::time::Instant;

use candle_core::{D, DType, Device, IndexOp, Result, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};
use candle_nn::rotary_emb::rope;
use candle_nn::{
    Embedding, LayerNorm, Linear, Module, VarBuilder, embedding, layer_norm, linear, linear_no_bias,
};

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", folder] => serve(&Model::open(folder)?),
        ["once", folder, ids] => {
            let ids = ids.split(',').map(str::parse).collect::<std::result::Result<Vec<u32>, _>>()?;
            let (_, patterns) = Model::open(folder)?.forward(&ids)?;
            assert!(!patterns.is_empty());
            Ok(())
        }
        _ => Err("usage: bench-candle serve FOLDER | once FOLDER ID,…".into()),
    }
}

/// Answers one line with one line, until there are no more.
fn serve(model: &Model) -> std::result::Result<(), Box<dyn Error>> {
    println!(
        "ready f32, gemm {}",
        if std::is_x86_feature_detected!("avx512f") { "with AVX-512" } else { "" }
    );
    let mut ids = Vec::new();
    for line in stdin().lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("tokens", n) => {
                let n: u32 = n.parse()?;
                ids = (0..n).map(|i| 1000 + i * 7919 % (model.vocabulary - 1000)).collect();
                println!("ok");
            }
            ("run", _) => {
                let start = Instant::now();
                let kept = model.forward(&ids)?;
                println!("{}", start.elapsed().as_secs_f64());
                drop(kept);
            }
            ("dump", path) => {
                let (hidden, patterns) = model.forward(&ids)?;
                let mut out = BufWriter::new(File::create(path)?);
                for pattern in &patterns {
                    write_rows(pattern, &mut out)?;
                }
                write_rows(&hidden.unsqueeze(0)?, &mut out)?;
                out.flush()?;
                println!("ok");
            }
            _ => return Err(format!("unknown line {line:?}").into()),
        }
    }
    Ok(())
}

/// Of `[heads, tokens, any]`, about 64 rows of each head.
fn write_rows(values: &Tensor, out: &mut impl Write) -> std::result::Result<(), Box<dyn Error>> {
    let (heads, tokens, _) = values.dims3()?;
    for head in 0..heads {
        for row in (0..tokens).step_by(tokens.div_ceil(64)) {
            for value in values.i((head, row))?.to_vec1::<f32>()? {
                out.write_all(&value.to_le_bytes())?;
            }
        }
    }
    Ok(())
}

struct Model {
    vocabulary: u32,
    network: Network,
}

enum Network {
    Bert(Bert),
    Llama(Llama),
}

impl Model {
    fn open(folder: &str) -> std::result::Result<Model, Box<dyn Error>> {
        let config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(format!("{folder}/config.json"))?)?;
        let file = format!("{folder}/model.safetensors");
        // SAFETY: nobody writes the file while it is measured.
        let weights = unsafe { VarBuilder::from_mmaped_safetensors(&[file], DType::F32, &Device::Cpu)? };
        let size = |name: &str| config[name].as_u64().ok_or(format!("no {name}")).map(|n| n as usize);
        let vocabulary = size("vocab_size")? as u32;
        let network = match config["model_type"].as_str() {
            Some("bert") => Network::Bert(Bert::load(&size, config["layer_norm_eps"].as_f64(), &weights)?),
            Some("llama") => {
                let theta =
                    config["rope_parameters"]["rope_theta"].as_f64().or(config["rope_theta"].as_f64());
                Network::Llama(Llama::load(&size, config["rms_norm_eps"].as_f64(), theta, &weights)?)
            }
            other => return Err(format!("no model_type {other:?} here").into()),
        };
        Ok(Model { vocabulary, network })
    }

    /// The last hidden state `[tokens, width]`, and of every layer the pattern `[heads, tokens, tokens]`.
    fn forward(&self, ids: &[u32]) -> Result<(Tensor, Vec<Tensor>)> {
        let ids = Tensor::new(ids, &Device::Cpu)?;
        match &self.network {
            Network::Bert(model) => model.forward(&ids),
            Network::Llama(model) => model.forward(&ids),
        }
    }
}

type Size<'a> = &'a dyn Fn(&str) -> std::result::Result<usize, String>;
type Loaded<T> = std::result::Result<T, Box<dyn Error>>;

/// `[tokens, heads · d]` as `[heads, tokens, d]`, in memory of its own.
fn by_head(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (tokens, width) = x.dims2()?;
    x.reshape((tokens, heads, width / heads))?.transpose(0, 1)?.contiguous()
}

/// The way back.
fn by_token(z: &Tensor) -> Result<Tensor> {
    z.transpose(0, 1)?.flatten_from(1)
}

struct Bert {
    heads: usize,
    words: Embedding,
    positions: Embedding,
    segments: Embedding,
    norm: LayerNorm,
    blocks: Vec<BertBlock>,
}

struct BertBlock {
    qkv: [Linear; 3],
    attn_out: Linear,
    attn_norm: LayerNorm,
    mlp_in: Linear,
    mlp_out: Linear,
    mlp_norm: LayerNorm,
}

impl Bert {
    fn load(size: Size, eps: Option<f64>, w: &VarBuilder) -> Loaded<Bert> {
        let (width, mlp, eps) =
            (size("hidden_size")?, size("intermediate_size")?, eps.ok_or("no layer_norm_eps")?);
        let table = |name: &str, rows| embedding(rows, width, w.pp("embeddings").pp(name));
        let block = |i: usize| -> Result<BertBlock> {
            let w = w.pp("encoder.layer").pp(i);
            let projection = |name: &str| linear(width, width, w.pp("attention.self").pp(name));
            Ok(BertBlock {
                qkv: [projection("query")?, projection("key")?, projection("value")?],
                attn_out: linear(width, width, w.pp("attention.output.dense"))?,
                attn_norm: layer_norm(width, eps, w.pp("attention.output.LayerNorm"))?,
                mlp_in: linear(width, mlp, w.pp("intermediate.dense"))?,
                mlp_out: linear(mlp, width, w.pp("output.dense"))?,
                mlp_norm: layer_norm(width, eps, w.pp("output.LayerNorm"))?,
            })
        };
        Ok(Bert {
            heads: size("num_attention_heads")?,
            words: table("word_embeddings", size("vocab_size")?)?,
            positions: table("position_embeddings", size("max_position_embeddings")?)?,
            segments: table("token_type_embeddings", size("type_vocab_size")?)?,
            norm: layer_norm(width, eps, w.pp("embeddings.LayerNorm"))?,
            blocks: (0..size("num_hidden_layers")?).map(block).collect::<Result<_>>()?,
        })
    }

    fn forward(&self, ids: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let tokens = ids.elem_count();
        let positions = self.positions.embeddings().narrow(0, 0, tokens)?;
        let segment = self.segments.embeddings().narrow(0, 0, 1)?;
        let x = (self.words.forward(ids)? + positions)?.broadcast_add(&segment)?;
        let mut x = self.norm.forward(&x)?;
        let mut patterns = Vec::new();
        for block in &self.blocks {
            let [q, k, v] = &block.qkv;
            let (q, k) = (by_head(&q.forward(&x)?, self.heads)?, by_head(&k.forward(&x)?, self.heads)?);
            let v = by_head(&v.forward(&x)?, self.heads)?;
            let scale = (q.dim(D::Minus1)? as f64).powf(-0.5);
            let pattern = softmax_last_dim(&((q * scale)?.matmul(&k.t()?)?))?;
            let z = by_token(&pattern.matmul(&v)?)?;
            patterns.push(pattern);
            x = block.attn_norm.forward(&(x + block.attn_out.forward(&z)?)?)?;
            let hidden = block.mlp_in.forward(&x)?.gelu_erf()?;
            x = block.mlp_norm.forward(&(x + block.mlp_out.forward(&hidden)?)?)?;
        }
        Ok((x, patterns))
    }
}

struct Llama {
    heads: usize,
    key_heads: usize,
    theta: f64,
    eps: f32,
    words: Embedding,
    blocks: Vec<LlamaBlock>,
    norm: Tensor,
}

struct LlamaBlock {
    attn_norm: Tensor,
    qkv: [Linear; 3],
    attn_out: Linear,
    mlp_norm: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Llama {
    fn load(size: Size, eps: Option<f64>, theta: Option<f64>, w: &VarBuilder) -> Loaded<Llama> {
        let (width, mlp) = (size("hidden_size")?, size("intermediate_size")?);
        let (heads, key_heads) = (size("num_attention_heads")?, size("num_key_value_heads")?);
        let d_head = width / heads;
        let w = w.pp("model");
        let block = |i: usize| -> Result<LlamaBlock> {
            let w = w.pp("layers").pp(i);
            let attn = |name: &str, out| linear_no_bias(width, out, w.pp("self_attn").pp(name));
            Ok(LlamaBlock {
                attn_norm: w.get(width, "input_layernorm.weight")?,
                qkv: [
                    attn("q_proj", width)?,
                    attn("k_proj", key_heads * d_head)?,
                    attn("v_proj", key_heads * d_head)?,
                ],
                attn_out: attn("o_proj", width)?,
                mlp_norm: w.get(width, "post_attention_layernorm.weight")?,
                gate: linear_no_bias(width, mlp, w.pp("mlp.gate_proj"))?,
                up: linear_no_bias(width, mlp, w.pp("mlp.up_proj"))?,
                down: linear_no_bias(mlp, width, w.pp("mlp.down_proj"))?,
            })
        };
        Ok(Llama {
            heads,
            key_heads,
            theta: theta.ok_or("no rope_theta")?,
            eps: eps.ok_or("no rms_norm_eps")? as f32,
            words: embedding(size("vocab_size")?, width, w.pp("embed_tokens"))?,
            blocks: (0..size("num_hidden_layers")?).map(block).collect::<Result<_>>()?,
            norm: w.get(width, "norm.weight")?,
        })
    }

    fn forward(&self, ids: &Tensor) -> Result<(Tensor, Vec<Tensor>)> {
        let tokens = ids.elem_count();
        let mut x = self.words.forward(ids)?;
        let (cos, sin) = self.rotations(tokens, x.dim(1)? / self.heads)?;
        let causal: Vec<f32> = (0..tokens * tokens)
            .map(|i| if i % tokens > i / tokens { f32::NEG_INFINITY } else { 0.0 })
            .collect();
        let causal = Tensor::from_vec(causal, (tokens, tokens), &Device::Cpu)?;
        let mut patterns = Vec::new();
        for block in &self.blocks {
            let input = rms_norm(&x, &block.attn_norm, self.eps)?;
            let [q, k, v] = &block.qkv;
            let q = by_head(&q.forward(&input)?, self.heads)?;
            let k = by_head(&k.forward(&input)?, self.key_heads)?;
            let v = by_head(&v.forward(&input)?, self.key_heads)?;
            let scale = (q.dim(D::Minus1)? as f64).powf(-0.5);
            let q = (rope(&q.unsqueeze(0)?, &cos, &sin)?.squeeze(0)? * scale)?;
            let k = self.shared(&rope(&k.unsqueeze(0)?, &cos, &sin)?.squeeze(0)?)?;
            let pattern = softmax_last_dim(&q.matmul(&k.t()?)?.broadcast_add(&causal)?)?;
            let z = by_token(&pattern.matmul(&self.shared(&v)?)?)?;
            patterns.push(pattern);
            x = (x + block.attn_out.forward(&z)?)?;
            let input = rms_norm(&x, &block.mlp_norm, self.eps)?;
            let hidden = (silu(&block.gate.forward(&input)?)? * block.up.forward(&input)?)?;
            x = (x + block.down.forward(&hidden)?)?;
        }
        Ok((rms_norm(&x, &self.norm, self.eps)?, patterns))
    }

    /// Each key head once for every query head that shares it.
    fn shared(&self, x: &Tensor) -> Result<Tensor> {
        let (key_heads, tokens, d_head) = x.dims3()?;
        let group = self.heads / key_heads;
        x.unsqueeze(1)?.expand((key_heads, group, tokens, d_head))?.reshape((self.heads, tokens, d_head))
    }

    /// Cosines and sines, `[tokens, d_head / 2]` each.
    fn rotations(&self, tokens: usize, d_head: usize) -> Result<(Tensor, Tensor)> {
        let half = d_head / 2;
        let angle = |i: usize| (i / half) as f64 * self.theta.powf(-((i % half) as f64) / half as f64);
        let table = |f: fn(f64) -> f64| {
            let values: Vec<f32> = (0..tokens * half).map(|i| f(angle(i)) as f32).collect();
            Tensor::from_vec(values, (tokens, half), &Device::Cpu)
        };
        Ok((table(f64::cos)?, table(f64::sin)?))
    }
}
