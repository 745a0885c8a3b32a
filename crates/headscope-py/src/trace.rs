//! Traces that are read, and pages and figures of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use headscope::engine;
use headscope::trace::Container;
use headscope::view::render::{figure, html};
use headscope::view::{Focus, Part, ViewData, metrics::METRICS};
use headscope::{Attn, AttnPoint, Compute, Error, Site, Tensor};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::array::Array;
use crate::interrupt::interruptible;
use crate::{HeadscopeError, of_facade, refuse};

/// What a model computed on one text.
#[pyclass(frozen, module = "headscope._headscope")]
pub struct Trace {
    trace: headscope::Trace,
    /// Computes patterns from queries and keys; started when first needed.
    compute: OnceLock<Compute>,
    traced_ms: Option<f64>,
    view: OnceLock<Arc<ViewData>>,
}

impl Trace {
    pub fn new(trace: headscope::Trace, compute: Option<Compute>, traced_ms: Option<f64>) -> Trace {
        let compute = compute.map(OnceLock::from).unwrap_or_default();
        Trace { trace, compute, traced_ms, view: OnceLock::new() }
    }

    fn compute(&self) -> PyResult<&Compute> {
        if self.compute.get().is_none() {
            let _ = self.compute.set(headscope_cli::compute_on(None).map_err(refuse)?);
        }
        Ok(self.compute.get().expect("it was just set"))
    }

    fn view(&self, py: Python<'_>) -> PyResult<Arc<ViewData>> {
        if let Some(view) = self.view.get() {
            return Ok(Arc::clone(view));
        }
        let (trace, compute, traced_ms) = (self.trace.clone(), self.compute()?.clone(), self.traced_ms);
        let prepare = move || -> Result<ViewData, Error> {
            let pattern = |trace: &_, attn, head| engine::pattern(&compute, trace, attn, head);
            let mut data = ViewData::with_patterns(trace, pattern)?;
            data.traced_ms = traced_ms;
            Ok(data)
        };
        let data = Arc::new(interruptible(py, prepare)?.map_err(of_facade)?);
        Ok(Arc::clone(self.view.get_or_init(|| data)))
    }
}

#[pymethods]
impl Trace {
    /// Reads a trace from a file.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Trace> {
        let trace = interruptible(py, move || headscope::Trace::open(path))?.map_err(of_facade)?;
        Ok(Trace::new(trace, None, None))
    }

    /// Makes a trace of the metadata of its file and of tensors: name, shape, little-endian 32-bit floats. They
    /// are asked for one by one, so that there are never two copies of all.
    #[staticmethod]
    fn assemble(metadata: BTreeMap<String, String>, tensors: &Bound<'_, PyAny>) -> PyResult<Trace> {
        let read = |tensor: PyResult<Bound<'_, PyAny>>| {
            let (name, shape, bytes): (String, Vec<usize>, Bound<'_, PyBytes>) = tensor?.extract()?;
            let numbers = bytes.as_bytes().chunks_exact(4);
            let values: Vec<f32> =
                numbers.map(|four| f32::from_le_bytes(four.try_into().expect("chunks of 4"))).collect();
            if shape.iter().product::<usize>() != values.len() {
                let found = values.len();
                let what = format!("{name} has {found} numbers, which is not what shape {shape:?} takes");
                return Err(HeadscopeError::new_err(what));
            }
            Ok((name, Tensor::new(shape, values)))
        };
        let tensors = tensors.try_iter()?.map(read).collect::<PyResult<Vec<_>>>()?;
        let parts = Container { metadata, tensors, bytes: Vec::new() };
        let trace = headscope::Trace::assemble(parts, "what was given").map_err(of_facade)?;
        Ok(Trace::new(trace, None, None))
    }

    /// Writes the trace to a file, whole or not at all.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| self.trace.save(path)).map_err(of_facade)
    }

    /// The metadata of its file.
    fn metadata(&self) -> BTreeMap<&'static str, String> {
        self.trace.metadata()
    }

    /// The names of what was recorded, in the order of a pass.
    fn sites(&self) -> Vec<String> {
        self.trace.values().map(|(site, _)| site.to_string()).collect()
    }

    /// The value recorded at a site.
    fn value(&self, site: &str) -> PyResult<Option<Array>> {
        let site: Site = site.parse().map_err(of_facade)?;
        Ok(self.trace.get(site).cloned().map(Array))
    }

    /// A head's weights, `[queries, keys]`: recorded, or computed from queries and keys.
    fn pattern(&self, py: Python<'_>, block: &str, head: usize) -> PyResult<Option<Array>> {
        let attn: Attn = block.parse().map_err(of_facade)?;
        if let Some(recorded) = self.trace.get(attn.site(AttnPoint::Pattern)) {
            return Ok((head < recorded.shape()[0]).then(|| Array(recorded.index(head))));
        }
        let compute = self.compute()?;
        Ok(py.detach(|| engine::pattern(compute, &self.trace, attn, head)).map(Array))
    }

    /// The blocks whose patterns are known.
    fn blocks(&self) -> Vec<String> {
        let blocks = self.trace.rules().iter().map(|(attn, _)| *attn);
        blocks.filter(|attn| self.trace.tells_patterns(*attn)).map(|attn| attn.to_string()).collect()
    }

    /// The names of the metrics, and their values, `[metrics, blocks, heads]`.
    fn metrics(&self, py: Python<'_>) -> PyResult<(Vec<&'static str>, Array)> {
        let values = self.view(py)?.metrics();
        Ok((METRICS.iter().map(|metric| metric.key).collect(), Array(values)))
    }

    /// What a page shows first, as it takes it from a server.
    fn overview<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.view(py)?.overview()))
    }

    /// What the scores of a head are made of, as a page takes it; `layer` is a place among the blocks.
    fn vectors<'py>(&self, py: Python<'py>, layer: usize, head: usize) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.view(py)?.vectors(layer, head).map_err(of_facade)?))
    }

    /// A page that shows it: whole, or `height` pixels high as the output of a cell.
    #[expect(clippy::too_many_arguments, reason = "Python names them")]
    #[pyo3(signature = (view=None, part=None, layer=None, heads=Vec::new(), theme=None, height=None))]
    fn page(
        &self,
        py: Python<'_>,
        view: Option<String>,
        part: Option<&str>,
        layer: Option<usize>,
        heads: Vec<usize>,
        theme: Option<String>,
        height: Option<u32>,
    ) -> PyResult<String> {
        let (data, part) = (self.view(py)?, part_of(part)?);
        let layer = layer.or((part.is_some() || !heads.is_empty()).then_some(0));
        let layer = layer.map(|layer| data.place_of(part, layer)).transpose().map_err(of_facade)?;
        let focus = Focus { view, layer, head: heads.first().copied(), heads, theme };
        data.check(&focus).map_err(of_facade)?;
        let write = move || match height {
            None => html::standalone(&data, &focus),
            Some(height) => html::framed(&data, &focus, height),
        };
        interruptible(py, write)
    }

    /// A figure of one layer's heads, as SVG.
    #[expect(clippy::too_many_arguments, reason = "Python names them")]
    #[pyo3(signature = (view, part=None, layer=None, heads=Vec::new(), token=None, dark=false))]
    fn figure(
        &self,
        py: Python<'_>,
        view: &str,
        part: Option<&str>,
        layer: Option<usize>,
        heads: Vec<usize>,
        token: Option<usize>,
        dark: bool,
    ) -> PyResult<String> {
        let (data, part) = (self.view(py)?, part_of(part)?);
        let view = match view {
            "head" => figure::View::Head,
            "matrix" => figure::View::Matrix,
            other => {
                let what = format!("there is no figure of a view {other:?}; expected head or matrix");
                return Err(HeadscopeError::new_err(what));
            }
        };
        let theme = if dark { figure::Theme::Dark } else { figure::Theme::Light };
        let settings = figure::Settings { view, part, layer, heads, token, theme };
        let figure = interruptible(py, move || figure::draw(&data, &settings))?.map_err(of_facade)?;
        Ok(figure.to_string())
    }
}

fn part_of(name: Option<&str>) -> PyResult<Option<Part>> {
    match name {
        None => Ok(None),
        Some("encoder") => Ok(Some(Part::Encoder)),
        Some("decoder") => Ok(Some(Part::Decoder)),
        Some("cross") => Ok(Some(Part::Cross)),
        Some(other) => {
            let what = format!("there is no part {other:?}; expected encoder, decoder or cross");
            Err(HeadscopeError::new_err(what))
        }
    }
}
