//! headscope as a peer: each line on stdin is answered by one on stdout, as `benches/serve.py` does.

use std::fs::File;
use std::io::{self, BufWriter, Write, stdin};
use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use headscope::engine::{Checkpoint, Model};
use headscope::{AttnPoint, Choice, Compute, Encoding, Input, Point, Recorder, Site, Tensor};

use crate::limits;

/// Loads the model and answers until there are no more lines.
pub fn serve(folder: &str, compute: &Compute) -> Result<()> {
    let model = Model::load(&Checkpoint::open(folder)?, compute)?;
    model.pack();
    println!("ready {}, {}", model.card().dtype, compute.isa());
    let mut text = Input::from(Encoding::from_ids(&[], |_| String::new()));
    for line in stdin().lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("tokens", n) => {
                text = ids(n.parse()?, model.limits().vocabulary as u32);
                println!("ok");
            }
            ("run", _) => {
                let start = Instant::now();
                let kept = run(&model, &text)?;
                println!("{}", start.elapsed().as_secs_f64());
                drop(kept);
            }
            ("dump", path) => {
                dump(&run(&model, &text)?, path).with_context(|| format!("writing {path}"))?;
                println!("ok");
            }
            ("write", n) => {
                let start = Instant::now();
                let each = |_| ControlFlow::Continue(());
                let written = model.generate(text.clone(), n.parse()?, Choice::Greedy, each)?;
                let secs = start.elapsed().as_secs_f64();
                let ids: Vec<String> = written.iter().map(u32::to_string).collect();
                println!("{secs} {}", ids.join(" "));
            }
            ("peak", _) => println!("{}", limits::peak(compute)),
            ("read", bytes) => println!("{}", limits::read(compute, bytes.parse()?)),
            _ => bail!("unknown line {line:?}"),
        }
    }
    Ok(())
}

/// The same ids as every peer.
fn ids(n: u32, vocabulary: u32) -> Input {
    let ids: Vec<u32> = (0..n).map(|i| 1000 + i * 7919 % (vocabulary - 1000)).collect();
    Encoding::from_ids(&ids, |id| id.to_string()).into()
}

/// Every pattern and the last hidden state, in the order of the pass.
fn run(model: &Model, text: &Input) -> Result<Vec<Tensor>> {
    let picked = |site: Site| matches!(site.point, Point::Attn(AttnPoint::Pattern) | Point::LastHidden);
    let mut recorder = Recorder::new(picked);
    model.run(text, &mut recorder)?;
    let (hidden, mut patterns): (Vec<_>, Vec<_>) =
        recorder.values.into_iter().partition(|(site, _)| site.point == Point::LastHidden);
    patterns.extend(hidden);
    Ok(patterns.into_iter().map(|(_, value)| value).collect())
}

/// Of each head's rows, and of the hidden state's, about 64, as little-endian f32.
fn dump(values: &[Tensor], path: &str) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for value in values {
        let tokens = value.shape()[value.shape().len() - 2];
        let rows = value.len() / value.shape().last().copied().unwrap_or(1);
        for row in (0..rows).filter(|row| row % tokens % tokens.div_ceil(64) == 0) {
            for number in value.row(row) {
                out.write_all(&number.to_le_bytes())?;
            }
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_holds_every_second_row_of_128() {
        let pattern = Tensor::new([2, 128, 3], (0..2 * 128 * 3).map(|i| i as f32).collect::<Vec<_>>());
        let hidden = Tensor::new([128, 5], vec![0.5; 128 * 5]);
        let path = std::env::temp_dir().join(format!("headscope-bench-{}.dump", std::process::id()));
        dump(&[pattern, hidden], &path.display().to_string()).expect("a place for temporary files");
        let bytes = std::fs::read(&path).expect("just written");
        std::fs::remove_file(&path).expect("just read");
        assert_eq!(bytes.len(), 4 * (2 * 64 * 3 + 64 * 5));
        // The second row that is kept is row 2 of the first head.
        assert_eq!(bytes[12..16], 6.0f32.to_le_bytes());
    }
}
