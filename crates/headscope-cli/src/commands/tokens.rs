//! `headscope tokens "TEXT"`: how a text is cut.

use std::fmt::Write;

use anyhow::Result;
use headscope::{Encoding, Error};

use super::{print, printable};
use crate::args::TokensArgs;
use crate::source;

pub fn run(args: &TokensArgs) -> Result<()> {
    let tokenizer = source::find(&args.model)?.tokenizer()?;
    let encoding = tokenizer.encode(&args.text, args.pair.as_deref()).map_err(Error::from)?;
    if args.json {
        return print(&format!("{}\n", serde_json::to_string_pretty(&encoding)?));
    }
    print(&table(&encoding))
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
