//! Looking at a pass, and changing it.
//!
//! A [`Probe`] is asked whether it wants a site before the value is built, and shown the value
//! after; what it returns is what the pass goes on with. Recording, ablating, patching and steering
//! are all probes, and `(first, second)` is one too.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use headscope_trace::{Attn, AttnPoint, Point, Site, Stack, Tensor};

use crate::kernels::{Compute, Heads};
use crate::memory::{KeysValues, Memory};
use crate::shelf::Shelf;

/// Looks at the values of a pass, or rewrites them.
pub trait Probe {
    /// Whether the value at `site` should be built and shown.
    fn wants(&self, site: Site) -> bool {
        let _ = site;
        false
    }

    /// Sees a value, and returns the one to go on with.
    fn visit(&mut self, site: Site, value: Tensor) -> Tensor {
        let _ = site;
        value
    }
}

/// Looks at nothing.
impl Probe for () {}

/// The first probe, then the second on what the first returned.
impl<A: Probe, B: Probe> Probe for (A, B) {
    fn wants(&self, site: Site) -> bool {
        self.0.wants(site) || self.1.wants(site)
    }

    fn visit(&mut self, site: Site, value: Tensor) -> Tensor {
        let value = if self.0.wants(site) { self.0.visit(site, value) } else { value };
        if self.1.wants(site) { self.1.visit(site, value) } else { value }
    }
}

impl<P: Probe + ?Sized> Probe for &mut P {
    fn wants(&self, site: Site) -> bool {
        (**self).wants(site)
    }

    fn visit(&mut self, site: Site, value: Tensor) -> Tensor {
        (**self).visit(site, value)
    }
}

/// Keeps the value at every site that a rule picks.
pub struct Recorder<F> {
    picks: F,
    /// What was seen.
    pub values: BTreeMap<Site, Tensor>,
}

impl<F: Fn(Site) -> bool> Recorder<F> {
    /// A recorder of the sites for which `picks` is true.
    pub fn new(picks: F) -> Recorder<F> {
        Recorder { picks, values: BTreeMap::new() }
    }
}

impl<F: Fn(Site) -> bool> Probe for Recorder<F> {
    fn wants(&self, site: Site) -> bool {
        (self.picks)(site)
    }

    fn visit(&mut self, site: Site, value: Tensor) -> Tensor {
        self.values.insert(site, value.clone());
        value
    }
}

/// Rewrites the value at one site: ablation, patching, steering.
///
/// ```
/// use headscope_engine::{Edit, Probe};
/// use headscope_trace::{Site, Tensor};
///
/// let site: Site = "blocks.0.attn.z".parse()?;
/// let mut silence = Edit::at(site, |mut z: Tensor| {
///     z.values_mut().fill(0.0);
///     z
/// });
/// assert_eq!(*silence.visit(site, Tensor::new([1, 1, 2], vec![3.0, 4.0])), [0.0, 0.0]);
/// # Ok::<(), headscope_trace::TraceError>(())
/// ```
pub struct Edit<F> {
    site: Site,
    edit: F,
}

impl<F: FnMut(Tensor) -> Tensor> Edit<F> {
    /// An edit of the value at `site`, which must keep its shape.
    pub fn at(site: Site, edit: F) -> Edit<F> {
        Edit { site, edit }
    }
}

impl<F: FnMut(Tensor) -> Tensor> Probe for Edit<F> {
    fn wants(&self, site: Site) -> bool {
        site == self.site
    }

    fn visit(&mut self, _: Site, value: Tensor) -> Tensor {
        (self.edit)(value)
    }
}

/// One text on its way through the layers: where it is, who watches, what computes.
pub struct Pass<'a> {
    probe: &'a mut dyn Probe,
    /// Where arithmetic happens.
    pub compute: &'a Compute,
    /// Which keys may be attended to, of the text and of the decoder's; all when absent.
    padding: [Option<&'a [bool]>; 2],
    attn: Attn,
    memory: Option<&'a mut Memory>,
    finite: Cell<bool>,
    shelf: &'a Arc<Shelf>,
}

impl<'a> Pass<'a> {
    /// A pass at the bottom of a stack.
    pub(crate) fn new(
        probe: &'a mut dyn Probe,
        compute: &'a Compute,
        shelf: &'a Arc<Shelf>,
        padding: [Option<&'a [bool]>; 2],
        memory: Option<&'a mut Memory>,
    ) -> Pass<'a> {
        Pass { probe, compute, padding, attn: Attn::block(0), memory, finite: Cell::new(true), shelf }
    }

    /// A tensor that is about to be written whole: it may hold any numbers.
    pub fn blank(&self, shape: &[usize]) -> Tensor {
        self.shelf.blank(shape)
    }

    /// A tensor of zeros.
    pub fn zeros(&self, shape: &[usize]) -> Tensor {
        self.shelf.zeros(shape)
    }

    /// Notes that a product gave a number that is not finite: by a weight that is not, perhaps.
    pub(crate) fn found_not_finite(&self) {
        self.finite.set(false);
    }

    /// Whether all products gave finite numbers so far.
    pub(crate) fn is_finite(&self) -> bool {
        self.finite.get()
    }

    /// Enters a stack, in models of two.
    pub fn enter_stack(&mut self, stack: Stack) {
        self.attn = Attn { stack, layer: 0, cross: false };
    }

    /// Enters block `layer`, where tokens first attend to those of their own stack.
    pub fn enter(&mut self, layer: usize) {
        self.attn = Attn { layer, cross: false, ..self.attn };
    }

    /// Goes on to the attention of the current block to the encoder.
    pub fn cross(&mut self) {
        self.attn.cross = true;
    }

    /// The positions of `tokens` tokens, which continue what is known of the text already.
    pub fn positions(&self, tokens: usize) -> Range<usize> {
        let start = if self.attn.stack == Stack::Encoder { 0 } else { self.known() };
        start..start + tokens
    }

    /// The tokens that are remembered from passes before.
    fn known(&self) -> usize {
        self.memory.as_ref().map_or(0, |memory| memory.tokens)
    }

    /// What the encoder made of the text: remembered, or what `encode` makes of it now.
    pub fn encoded(&mut self, encode: impl FnOnce(&mut Self) -> Tensor) -> Tensor {
        if let Some(encoded) = self.memory.as_ref().and_then(|memory| memory.encoded.clone()) {
            return encoded;
        }
        let encoded = encode(self);
        if let Some(memory) = &mut self.memory {
            memory.encoded = Some(encoded.clone());
        }
        encoded
    }

    /// Whether keys and values of the current attention are remembered; those of an encoder do not change.
    pub(crate) fn remembers_block(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.knows(self.attn))
    }

    /// Keys and values of the current attention behind those that are remembered, if any are to be.
    pub(crate) fn remembered(&mut self, k: Heads<'_>, v: Heads<'_>) -> Option<KeysValues> {
        let memory = self.memory.as_mut().filter(|_| self.attn.stack != Stack::Encoder)?;
        Some(memory.extended(self.attn, k, v))
    }

    /// Gives back what [`remembered`](Pass::remembered) lent.
    pub(crate) fn remember(&mut self, block: KeysValues) {
        if let Some(memory) = &mut self.memory {
            memory.keep(self.attn, block);
        }
    }

    /// The rows of `x` whose scores over the vocabulary are wanted: of a text that is being continued,
    /// the last.
    pub(crate) fn scored(&self, x: &Tensor) -> Tensor {
        let (tokens, width) = (x.shape()[0], x.shape()[1]);
        match &self.memory {
            Some(_) => Tensor::new([1, width], x.row(tokens - 1).to_vec()),
            None => x.clone(),
        }
    }

    /// The position, among the keys, of the first of these queries.
    pub(crate) fn first_query(&self, queries: usize, keys: usize) -> usize {
        if self.attn.cross { 0 } else { keys - queries }
    }

    /// Which keys of the current attention may be attended to; all when absent.
    pub fn padding(&self) -> Option<&'a [bool]> {
        self.padding[usize::from(self.attn.key_stack() == Stack::Decoder)]
    }

    /// Whether the value at `point` of the current block is wanted.
    pub fn wants(&self, point: Point) -> bool {
        self.probe.wants(self.site(point))
    }

    /// Shows `value` to the probe if it wants it, and returns what to go on with.
    ///
    /// # Panics
    /// If an editing probe changed the shape.
    pub fn tap(&mut self, point: Point, value: Tensor) -> Tensor {
        self.tap_at(self.site(point), value)
    }

    fn tap_at(&mut self, site: Site, value: Tensor) -> Tensor {
        if !self.probe.wants(site) {
            return value;
        }
        let shape = value.shape().to_vec();
        let value = self.probe.visit(site, value);
        assert_eq!(value.shape(), shape, "a probe changed the shape of {site}");
        value
    }

    /// As [`wants`](Pass::wants), inside the current attention.
    pub fn wants_attn(&self, point: AttnPoint) -> bool {
        self.probe.wants(self.attn.site(point))
    }

    /// As [`tap`](Pass::tap), inside the current attention.
    ///
    /// # Panics
    /// If an editing probe changed the shape.
    pub fn tap_attn(&mut self, point: AttnPoint, value: Tensor) -> Tensor {
        self.tap_at(self.attn.site(point), value)
    }

    fn site(&self, point: Point) -> Site {
        Site::new(self.attn.stack, self.attn.layer, point)
    }
}
