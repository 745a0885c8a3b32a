//! Models that run.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Instant;

use headscope::view::ViewData;
use headscope::{AnyModel, AttnPoint, Encoding, Error, Input, Sites, engine};
use headscope_cli::{Audience, ModelArgs, Terminal};
use pyo3::prelude::*;

use crate::download::Download;
use crate::interrupt::{interruptible, watched};
use crate::trace::Trace;
use crate::{HeadscopeError, of_facade, refuse};

/// A model with what prepares its input.
#[pyclass(frozen, module = "headscope._headscope")]
pub struct Model(Arc<AnyModel>);

#[pymethods]
impl Model {
    /// Finds a model as the command does, downloads it where that is needed and allowed, and loads it. Of a download
    /// `show(said, file, bytes, size)` is told; without it a terminal, if standard error is one.
    #[new]
    #[pyo3(signature = (name, revision=None, threads=None, offline=false, show=None))]
    fn new(
        py: Python<'_>,
        name: String,
        revision: Option<String>,
        threads: Option<u16>,
        offline: bool,
        show: Option<Py<PyAny>>,
    ) -> PyResult<Model> {
        let args = ModelArgs { model: name, revision, threads, offline };
        let download = Arc::new(Download::default());
        let audience: Arc<dyn Audience> = match show.is_none() && io::stderr().is_terminal() {
            true => Arc::new(Terminal),
            false => Arc::clone(&download) as _,
        };
        let load = move || -> anyhow::Result<AnyModel> {
            let compute = headscope_cli::compute_on(args.threads)?;
            Ok(AnyModel::load(&headscope_cli::find_before(&*audience, &args)?, &compute)?)
        };
        let model = watched(py, load, download.teller(show))?.map_err(refuse)?;
        Ok(Model(Arc::new(model)))
    }

    /// Which model it is, as JSON.
    #[getter]
    fn card(&self) -> String {
        serde_json::to_string(self.engine().card()).expect("plain structs serialize")
    }

    /// How a text or a pair is cut into tokens, as JSON.
    fn encode(&self, text: &str, second: Option<&str>) -> PyResult<String> {
        let encoding = match &*self.0 {
            AnyModel::Text(model) => model.encode(text, second, false).map_err(refuse)?,
            AnyModel::Image(_) => return Err(self.sees()),
        };
        Ok(serde_json::to_string(&encoding).expect("plain structs serialize"))
    }

    /// Runs a text, a pair, or a text with its target; of a model that sees, the image at that path. Records the
    /// sites that match, or what a view needs with values and hidden states.
    #[pyo3(signature = (text, second=None, sites=None, truncate=false))]
    fn trace(
        &self,
        py: Python<'_>,
        text: String,
        second: Option<String>,
        sites: Option<String>,
        truncate: bool,
    ) -> PyResult<Trace> {
        if matches!(*self.0, AnyModel::Image(_)) && second.is_some() {
            return Err(self.sees());
        }
        self.run(py, sites, move |model| match model {
            AnyModel::Text(model) => model.input(&text, second.as_deref(), truncate),
            AnyModel::Image(model) => model.read(&text),
        })
    }

    /// Runs token ids as they are.
    #[pyo3(signature = (ids, decoder_ids=None, sites=None))]
    fn trace_ids(
        &self,
        py: Python<'_>,
        ids: Vec<u32>,
        decoder_ids: Option<Vec<u32>>,
        sites: Option<String>,
    ) -> PyResult<Trace> {
        if matches!(*self.0, AnyModel::Image(_)) {
            return Err(self.sees());
        }
        self.run(py, sites, move |model| {
            let AnyModel::Text(model) = model else { unreachable!("images were refused above") };
            let target = decoder_ids.map(|ids| model.tokenizer().ids(&ids)).transpose()?;
            Ok(Input { target, ..Input::from(model.tokenizer().ids(&ids)?) })
        })
    }
}

impl Model {
    fn engine(&self) -> &engine::Model {
        engine_of(&self.0)
    }

    fn sees(&self) -> PyErr {
        let id = &self.engine().card().id;
        HeadscopeError::new_err(format!("{id} reads one image; give the path of a png or jpeg file alone"))
    }

    fn run(
        &self,
        py: Python<'_>,
        sites: Option<String>,
        input: impl FnOnce(&AnyModel) -> Result<Input, Error> + Send + 'static,
    ) -> PyResult<Trace> {
        let model = Arc::clone(&self.0);
        let pass = move || -> Result<Trace, Error> {
            let start = Instant::now();
            let input = input(&model)?;
            let engine = engine_of(&model);
            let sites = match sites {
                Some(globs) => engine.sites(&globs)?,
                None => usual_sites(engine, &input)?,
            };
            let mut trace = engine.trace(input, &sites)?;
            let ms = start.elapsed().as_secs_f64() * 1e3;
            if let AnyModel::Text(model) = &*model {
                trace.predictions = model.predictions(&trace);
            }
            Ok(Trace::new(trace, Some(engine.compute().clone()), Some(ms)))
        };
        interruptible(py, pass)?.map_err(of_facade)
    }
}

fn engine_of(model: &AnyModel) -> &engine::Model {
    match model {
        AnyModel::Text(model) => model.engine(),
        AnyModel::Image(model) => model.engine(),
    }
}

/// What a view needs, the values, and what enters each block.
fn usual_sites(model: &engine::Model, input: &Input) -> Result<Sites, Error> {
    let tokens = input.text.len().max(input.target.as_ref().map_or(0, Encoding::len));
    let points = [ViewData::points(tokens), vec![AttnPoint::V]].concat();
    Ok(Sites::of_attention(model, &points).and(model.sites("*resid_pre")?))
}
