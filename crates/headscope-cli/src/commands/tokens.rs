//! `headscope tokens "TEXT"`: how a text is cut.

use std::fmt::Write;

use anyhow::Result;
use headscope::{AnyModel, Encoding, Error};

use super::{look, print, printable};
use crate::args::TokensArgs;
use crate::source;

pub fn run(args: &TokensArgs) -> Result<()> {
    let encoding = encoding(args)?;
    if args.json {
        return print(&format!("{}\n", serde_json::to_string_pretty(&encoding)?));
    }
    print(&table(&encoding))
}

fn encoding(args: &TokensArgs) -> Result<Encoding> {
    let (files, pair) = (source::find(&args.model)?, args.pair.as_deref());
    let tokenizer = match files.tokenizer() {
        Ok(tokenizer) => tokenizer,
        // A model that sees has none, and how it cuts images stands in its configuration.
        Err(error) => match AnyModel::load(&files, &source::compute(&args.model)?) {
            Ok(AnyModel::Image(model)) => return look::tokens(&model, &args.text, pair),
            _ => return Err(error.into()),
        },
    };
    source::no_image(&args.model.model, &[Some(&args.text), pair])?;
    Ok(tokenizer.encode(&args.text, pair).map_err(Error::from)?)
}

/// The piece comes last, since its width on a terminal is anyone's guess.
fn table(encoding: &Encoding) -> String {
    let mut out = String::from("position      id  segment  mask  special        span  piece\n");
    for (position, token) in encoding.tokens.iter().enumerate() {
        let span = token.span.as_ref().map_or("-".into(), |span| format!("{}..{}", span.start, span.end));
        let special = if token.special { "yes" } else { "-" };
        let _ = writeln!(
            out,
            "{position:>8} {id:>7} {segment:>8} {mask:>5} {special:>8} {span:>11}  {piece}",
            id = token.id,
            segment = token.segment,
            mask = u8::from(token.mask),
            piece = printable(&token.piece),
        );
    }
    out
}
