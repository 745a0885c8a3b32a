//! ViT (arXiv 2010.11929): an encoder whose tokens are the patches of an image. A linear map takes each patch
//! to a vector, a learned vector says where it was, and each block normalises before it attends.

use headscope_trace::{AttentionRule, Attn, Point, Tensor};

use super::{Family, ImageLimits, Limits, Network};
use crate::EngineError;
use crate::config::{Area, Config};
use crate::input::Input;
use crate::kernels::Activation;
use crate::nn::{HeadLayout, LayerScale, Linear, Norm, Patches, PlaceTable, attend, gated};
use crate::probe::Pass;
use crate::weights::{At, Weights};

pub(super) const FAMILY: Family = Family {
    model_type: "vit",
    about: "ViT, from an image: google/vit, DINO",
    load: |config, weights| {
        let shape = Shape::read(config, 1e-12, 16)?;
        let w = weights.root("vit");
        let classifier = Classifier::load(weights, &[("classifier", Reads::Token(0))], shape.width)?;
        Ok(Box::new(Vit::load(shape, &w, classifier)?))
    },
};

/// ViT, or a relative that differs in its special tokens, its MLP, its names, or in scaling what it adds.
pub(super) struct Shape {
    pub width: usize,
    pub heads: HeadLayout,
    pub eps: f32,
    pub n_layers: usize,
    pub qkv_bias: bool,
    pub mlp: MlpShape,
    pub layer_scale: bool,
    pub image: ImageLimits,
    /// The tensors of the special tokens.
    pub specials: &'static [&'static str],
    /// The rows and columns of its table of positions.
    pub grid: [usize; 2],
    /// The norms before attention and before the MLP.
    pub norms: [&'static str; 2],
}

pub(super) enum MlpShape {
    Plain(usize, Activation),
    SwiGlu(usize),
}

pub(super) struct Vit {
    image: ImageLimits,
    patches: Patches,
    /// The special tokens in their places, `[specials, width]`.
    specials: Vec<f32>,
    places: PlaceTable,
    blocks: Vec<Block>,
    norm: Norm,
    classifier: Classifier,
}

struct Block {
    rule: AttentionRule,
    heads: HeadLayout,
    attn_norm: Norm,
    qkv: Linear,
    attn_out: Output,
    mlp_norm: Norm,
    mlp_in: Linear,
    activation: Activation,
    gated: bool,
    mlp_out: Output,
}

/// The last map of a sublayer, whose result is scaled in some relatives.
struct Output(Linear, Option<LayerScale>);

/// Scores for the whole image: the mean of some linear maps, each of what it reads.
pub(super) struct Classifier(Vec<(Linear, Reads)>);

/// What a classifier reads of the last hidden states.
#[derive(Clone, Copy)]
pub(super) enum Reads {
    /// One special token.
    Token(usize),
    /// The first token, and behind it the mean of all patches.
    FirstAndMean,
}

impl Shape {
    pub(super) fn read(config: &Config, eps: f32, patch: usize) -> Result<Shape, EngineError> {
        let (width, n_heads) = (config.size("hidden_size", 768)?, config.size("num_attention_heads", 12)?);
        let d_head = match config.given("head_dim")? {
            None => width / n_heads, // what is left over is not seen
            Some(d_head) => d_head,
        };
        if d_head == 0 || d_head.checked_mul(3).and_then(|width| n_heads.checked_mul(width)).is_none() {
            let detail = format!("is {n_heads}; expected from 1 to the {width} of hidden_size");
            return Err(config.fault("num_attention_heads", detail));
        }
        let Area(size) = config.get("image_size", Area([224; 2]))?;
        let Area(patch) = config.get("patch_size", Area([patch; 2]))?;
        let grid = [size[0] / patch[0], size[1] / patch[1]];
        if grid.contains(&0) {
            let detail =
                format!("is {} x {}; the image is smaller: {} x {}", patch[1], patch[0], size[1], size[0]);
            return Err(config.fault("patch_size", detail));
        }
        Ok(Shape {
            width,
            heads: HeadLayout { n_heads, n_key_heads: n_heads, d_head },
            eps: config.eps("layer_norm_eps", eps)?,
            n_layers: config.size("num_hidden_layers", 12)?,
            qkv_bias: config.get("qkv_bias", true)?,
            mlp: MlpShape::Plain(
                config.size("intermediate_size", 3072)?,
                config.activation("hidden_act", "gelu")?,
            ),
            layer_scale: false,
            image: ImageLimits {
                channels: config.size("num_channels", 3)?,
                size,
                any_size: false,
                patch,
                specials: &["[CLS]"],
            },
            specials: &["cls_token"],
            grid,
            norms: ["layernorm_before", "layernorm_after"],
        })
    }
}

impl Vit {
    pub(super) fn load(shape: Shape, w: &At<'_>, classifier: Classifier) -> Result<Vit, EngineError> {
        let (width, image) = (shape.width, shape.image);
        let embeddings = w.at("embeddings");
        let [patch_height, patch_width] = image.patch;
        let n_places = shape.specials.len() + shape.grid[0] * shape.grid[1];
        let mut places = embeddings.values("position_embeddings", &[1, n_places, width])?;
        let patch_places = places.split_off(shape.specials.len() * width);
        for (name, place) in shape.specials.iter().zip(places.chunks_exact_mut(width)) {
            let token = embeddings.values(name, &[1, 1, width])?;
            place.iter_mut().zip(token).for_each(|(place, token)| *place += token);
        }
        let layer =
            |i| if w.at("layers.0").exists() { w.at("layers").at(i) } else { w.at("encoder.layer").at(i) };
        Ok(Vit {
            image,
            patches: Patches {
                projection: embeddings
                    .at("patch_embeddings.projection")
                    .linear_over(width, &[image.channels, patch_height, patch_width])?,
                patch: image.patch,
            },
            specials: places,
            places: PlaceTable { values: patch_places, grid: shape.grid, width },
            blocks: (0..shape.n_layers).map(|i| Block::load(&shape, &layer(i))).collect::<Result<_, _>>()?,
            norm: w.at("layernorm").layer_norm(width, shape.eps)?,
            classifier,
        })
    }

    /// `[channels, height, width]` → `[specials + patches, width]`
    fn embed(&self, pixels: &Tensor, pass: &Pass<'_>) -> Tensor {
        let grid = self.image.grid(pixels.shape()[1], pixels.shape()[2]);
        let patches = self.patches.forward(pixels, pass);
        let places = self.places.stretched([grid.rows, grid.columns]);
        let mut x = pass.blank(&[grid.first + grid.len(), self.places.width]);
        let (specials, rest) = x.values_mut().split_at_mut(self.specials.len());
        specials.copy_from_slice(&self.specials);
        for ((out, patch), place) in rest.iter_mut().zip(patches.iter()).zip(places.iter()) {
            *out = patch + place;
        }
        x
    }
}

impl Block {
    /// Checkpoints of before transformers 5, and those that it writes, have the longer names.
    fn load(shape: &Shape, w: &At<'_>) -> Result<Block, EngineError> {
        let &Shape { width, heads, eps, qkv_bias, .. } = shape;
        let HeadLayout { n_heads, d_head, .. } = heads;
        let attn = w.at("attention");
        let (attn_in, names, attn_out) = match attn.has_any(&["q_proj", "o_proj"]) {
            true => (attn.clone(), ["q_proj", "k_proj", "v_proj"], attn.at("o_proj")),
            false => (attn.at("attention"), ["query", "key", "value"], attn.at("output.dense")),
        };
        let mlp = w.at("mlp");
        let short = mlp.has_any(&["fc1", "fc2"]);
        let (d_mlp, activation, is_gated) = match shape.mlp {
            MlpShape::Plain(d_mlp, activation) => (d_mlp, activation, false),
            MlpShape::SwiGlu(d_mlp) => (d_mlp, Activation::Silu, true),
        };
        let (mlp_in, mlp_out) = match shape.mlp {
            MlpShape::Plain(..) if short => (mlp.at("fc1").linear_over(d_mlp, &[width])?, mlp.at("fc2")),
            MlpShape::Plain(..) => {
                (w.at("intermediate.dense").linear_over(d_mlp, &[width])?, w.at("output.dense"))
            }
            MlpShape::SwiGlu(_) if mlp.has_any(&["gate_proj", "down_proj"]) => {
                let gate_up = [("gate_proj", d_mlp), ("up_proj", d_mlp)];
                (mlp.stacked(&gate_up, width, true)?, mlp.at("down_proj"))
            }
            MlpShape::SwiGlu(_) => {
                (mlp.at("weights_in").linear_over(2 * d_mlp, &[width])?, mlp.at("weights_out"))
            }
        };
        let scale = |name| -> Result<Option<LayerScale>, EngineError> {
            let factors = || w.at(name).vector("lambda1", width).map(LayerScale);
            shape.layer_scale.then(factors).transpose()
        };
        Ok(Block {
            rule: AttentionRule::full((d_head as f64).sqrt().recip(), n_heads),
            heads,
            attn_norm: w.at(shape.norms[0]).layer_norm(width, eps)?,
            qkv: attn_in.stacked(&names.map(|name| (name, n_heads * d_head)), width, qkv_bias)?,
            attn_out: Output(attn_out.linear_over(width, &[n_heads * d_head])?, scale("layer_scale1")?),
            mlp_norm: w.at(shape.norms[1]).layer_norm(width, eps)?,
            mlp_in,
            activation,
            gated: is_gated,
            mlp_out: Output(mlp_out.linear_over(width, &[d_mlp])?, scale("layer_scale2")?),
        })
    }

    /// `[tokens, width]` → `[tokens, width]`
    fn forward(&self, x: Tensor, pass: &mut Pass<'_>) -> Tensor {
        let x = pass.tap(Point::ResidPre, x);
        let qkv = self.qkv.forward(&self.attn_norm.forward(&x, pass), pass); // [tokens, 3 · heads · d_head]
        let [q, k, v] = self.heads.split(&qkv);
        let z = attend(&self.rule, q, k, v, pass); // [tokens, heads · d_head]
        let x = self.attn_out.add_to(&x, &z, Point::AttnOut, pass);
        let x = pass.tap(Point::ResidMid, x);

        let normed = self.mlp_norm.forward(&x, pass);
        let hidden = match self.gated {
            true => gated(&self.mlp_in, self.activation, &normed, pass),
            false => self.mlp_in.activate(&normed, self.activation, pass),
        }; // [tokens, d_mlp]
        let x = self.mlp_out.add_to(&x, &hidden, Point::MlpOut, pass);
        pass.tap(Point::ResidPost, x)
    }
}

impl Output {
    fn add_to(&self, residual: &Tensor, x: &Tensor, point: Point, pass: &mut Pass<'_>) -> Tensor {
        let Output(linear, scale) = self;
        match scale {
            None => linear.add_to(residual, x, point, pass),
            Some(scale) => scale.add_to(residual, linear.forward(x, pass), point, pass),
        }
    }
}

impl Classifier {
    /// The maps of these names, if the checkpoint has the first; as many labels as it scores.
    pub(super) fn load(
        weights: &Weights,
        heads: &[(&str, Reads)],
        width: usize,
    ) -> Result<Classifier, EngineError> {
        let root = weights.at("");
        let rows = |head: &At<'_>| head.rows("weight").or_else(|| head.rows("bias"));
        let labels = heads.first().and_then(|(name, _)| rows(&root.at(name)));
        let head = |labels: usize, (name, reads): (&str, Reads)| {
            let n_in = match reads {
                Reads::Token(_) => width,
                Reads::FirstAndMean => 2 * width,
            };
            Ok((root.at(name).linear_over(labels, &[n_in])?, reads))
        };
        let heads = labels.map_or(Ok(Vec::new()), |labels| heads.iter().map(|h| head(labels, *h)).collect());
        Ok(Classifier(heads?))
    }

    /// `[tokens, width]` → `[1, labels]`
    fn forward(&self, x: &Tensor, specials: usize, pass: &Pass<'_>) -> Tensor {
        let scores = self.0.iter().map(|(linear, reads)| linear.forward(&reads.row(x, specials), pass));
        let sum = scores.reduce(|mut sum, scores| {
            sum.values_mut().iter_mut().zip(scores.iter()).for_each(|(sum, score)| *sum += score);
            sum
        });
        let mut mean = sum.unwrap_or_else(|| Tensor::zeros([1, 0]));
        mean.values_mut().iter_mut().for_each(|score| *score /= self.0.len() as f32);
        mean
    }
}

impl Reads {
    /// One row of what is read.
    fn row(self, x: &Tensor, specials: usize) -> Tensor {
        let (tokens, width) = (x.shape()[0], x.shape()[1]);
        let row = match self {
            Reads::Token(token) => x.row(token).to_vec(),
            Reads::FirstAndMean => {
                let sum = |i| (specials..tokens).map(|token| f64::from(x.row(token)[i])).sum::<f64>();
                let mean = (0..width).map(|i| (sum(i) / (tokens - specials) as f64) as f32);
                x.row(0).iter().copied().chain(mean).collect()
            }
        };
        Tensor::new([1, row.len()], row)
    }
}

/// The longest an image of any size may become.
const MOST_TOKENS: usize = 1 << 14;

impl Network for Vit {
    fn limits(&self) -> Limits {
        let tokens = self.image.specials.len() + self.places.grid[0] * self.places.grid[1];
        let tokens = if self.image.any_size { MOST_TOKENS.max(tokens) } else { tokens };
        Limits { tokens, vocabulary: tokens, segments: None }
    }

    fn image(&self) -> Option<ImageLimits> {
        Some(self.image)
    }

    fn rules(&self) -> Vec<(Attn, AttentionRule)> {
        let rule = |(layer, block): (usize, &Block)| (Attn::block(layer), block.rule.clone());
        self.blocks.iter().enumerate().map(rule).collect()
    }

    fn has_logits(&self) -> bool {
        !self.classifier.0.is_empty()
    }

    fn forward(&self, input: &Input, pass: &mut Pass<'_>) {
        let Some(pixels) = &input.pixels else { return }; // checked before the pass
        let x = self.embed(pixels, pass);
        let mut x = pass.tap(Point::Embed, x);

        for (layer, block) in self.blocks.iter().enumerate() {
            pass.enter(layer);
            x = block.forward(x, pass);
        }

        let x = pass.tap(Point::LastHidden, self.norm.forward(&x, pass));
        if self.has_logits() && pass.wants(Point::Logits) {
            pass.tap(Point::Logits, self.classifier.forward(&x, self.image.specials.len(), pass));
        }
    }
}
