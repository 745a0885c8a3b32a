//! `headscope learn ["TEXT A" "TEXT B"]`: the lesson, on the reader's own sentences.

use anyhow::Result;
use headscope::view::Focus;
use headscope::view::render::html::{self, Sentences};
use headscope::{Compute, Model};

use super::write_file;
use crate::args::{LearnArgs, ModelArgs};
use crate::lesson::Teacher;
use crate::runner::{Given, Runner};
use crate::server::{self, Server};
use crate::source;

pub fn run(args: &LearnArgs) -> Result<()> {
    let compute = source::compute(&args.model)?;
    let model = load(&args.model, &compute)?;
    let decoder = args.decoder.as_ref().map(|name| {
        let args = ModelArgs { model: name.clone(), revision: None, ..args.model.clone() };
        load(&args, &compute)
    });
    let decoder = decoder.transpose()?;
    let sentences = sentences(args);
    let teacher = Teacher::new(&model, decoder.as_ref())?;
    if let Some(path) = &args.output {
        let scenes = teacher.scenes(&sentences)?;
        return write_file(path, &html::standalone_lesson(scenes, &teacher.syllabus(&sentences)));
    }
    let runner = Runner { model, truncate: false, generation: None };
    let [a, b] = &sentences.pair;
    let data = runner.view(Given { text: a, second: Some(b), ..Given::default() })?;
    let server = Server::new(data, Some(runner), compute, Focus::default()).with_lesson(sentences, decoder);
    server::serve(server, "/learn", &args.serve)
}

fn load(args: &ModelArgs, compute: &Compute) -> Result<Model> {
    Ok(Model::load(&source::find(args)?, compute)?)
}

/// The reader's sentences, or those that the lesson begins with.
fn sentences(args: &LearnArgs) -> Sentences {
    let mut sentences = Sentences::default();
    let given = [args.text.as_ref(), args.pair.as_ref()];
    for (sentence, given) in sentences.pair.iter_mut().zip(given) {
        if let Some(given) = given {
            sentence.clone_from(given);
        }
    }
    sentences
}
