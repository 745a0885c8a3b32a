//! The command line. It is a contract: scripts depend on it.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use headscope::view::{self, render::figure};
use headscope::{Choice, Generation};

/// What a newcomer may try first.
pub const EXAMPLES: &str = "\
Examples:
  headscope \"The cat sat on the mat\" \"The dog played in the park\"
  headscope \"The cat sat on the mat\" -o view.html
  headscope \"The cat sat on the mat\" -m google-bert/bert-base-uncased
  headscope trace \"The cat sat on the mat\" -o cat.safetensors
  headscope open cat.safetensors
  headscope figure \"The cat sat on the mat\" -o cat.svg
  headscope learn";

/// See what every attention head attends to.
#[derive(Debug, Parser)]
#[command(
    name = "headscope",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = format!("{EXAMPLES}\n\nA text that is also the name of a command is given after `--`: headscope -- trace")
)]
pub struct Cli {
    /// What to do; without one, the texts are run and shown.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Running and showing.
    #[command(flatten)]
    pub view: ViewArgs,
}

impl Cli {
    /// Reads the arguments of the program, its name first.
    ///
    /// # Errors
    /// What is wrong with them; or help, where that was asked for.
    pub fn read(args: &[OsString]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(args).and_then(Cli::check)
    }

    /// Refuses a third text, which is most often a first one without quotes.
    fn check(self) -> Result<Cli, clap::Error> {
        let surplus = match &self.command {
            None => &self.view.surplus,
            Some(Command::Trace(args)) => &args.surplus,
            Some(Command::Figure(args)) => &args.surplus,
            Some(Command::Tokens(args)) => &args.surplus,
            Some(Command::Learn(args)) => &args.surplus,
            Some(Command::Open(_) | Command::Models(_) | Command::Pull(_) | Command::Completions { .. }) => {
                return Ok(self);
            }
        };
        if surplus.more.is_empty() {
            return Ok(self);
        }
        let message = format!(
            "{} texts were given; expected one, or a pair\n\n  tip: a text of several words stands in quotes: \
             headscope \"The cat sat\" \"The dog played\"",
            2 + surplus.more.len()
        );
        Err(Cli::command().error(ErrorKind::TooManyValues, message))
    }
}

/// What makes a shell complete the command line.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "headscope", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// What there is besides running and showing.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a text and write what was seen to a safetensors file
    Trace(TraceArgs),
    /// Show a saved trace; needs no model
    Open(OpenArgs),
    /// Draw a head's attention, or several heads', into an SVG file
    Figure(FigureArgs),
    /// Learn how attention works, on your own sentences
    Learn(LearnArgs),
    /// Show how a text is cut into tokens
    Tokens(TokensArgs),
    /// List the families supported and the models at hand
    Models(ModelsArgs),
    /// Download a model from the Hugging Face Hub into its cache
    Pull(PullArgs),
    /// Print what makes a shell complete these commands
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Run and show.
#[derive(Debug, Args)]
pub struct ViewArgs {
    /// The text, or the first text of a pair
    #[arg(value_name = "TEXT A", required = true)]
    pub text: Option<String>,
    /// The second text of a pair; for a model with a decoder of its own, the target
    #[arg(value_name = "TEXT B")]
    pub pair: Option<String>,
    /// Words too many.
    #[command(flatten)]
    pub surplus: Surplus,
    /// What the decoder reads.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How to cut.
    #[command(flatten)]
    pub length: LengthArgs,
    /// How to continue.
    #[command(flatten)]
    pub generation: GenerateArgs,
    /// How to show.
    #[command(flatten)]
    pub page: PageArgs,
}

/// What the decoder of an encoder-decoder reads.
#[derive(Debug, Args)]
pub struct TargetArgs {
    /// What the decoder of an encoder-decoder reads, as a text: behind its start token, without the end mark
    #[arg(long, value_name = "TEXT", conflicts_with = "pair")]
    pub target: Option<String>,
    /// The same as token ids, which are run as they are
    #[arg(long, value_name = "0,1,2", conflicts_with_all = ["pair", "target"], value_delimiter = ',')]
    pub decoder_ids: Option<Vec<u32>>,
}

/// What comes of a text without quotes around it.
#[derive(Debug, Args)]
pub struct Surplus {
    /// More texts than a pair
    #[arg(hide = true, value_name = "MORE")]
    pub more: Vec<String>,
}

/// Which model runs, and how.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// The model: gte-small (embedded), a folder, a .gguf file, or a Hub id, which is downloaded if it is not in
    /// the cache
    #[arg(short, long, value_name = "ID|DIR|FILE.gguf", default_value = headscope_gte_small::ID)]
    pub model: String,
    /// The branch, tag or commit of a Hub id [default: main]
    #[arg(long, value_name = "R")]
    pub revision: Option<String>,
    /// How many threads compute [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Never use the network; models are read from folders and the cache alone
    #[arg(long)]
    pub offline: bool,
}

/// What happens to a text that is too long.
#[derive(Debug, Args)]
pub struct LengthArgs {
    /// Cut a text that is longer than the model takes, instead of refusing it
    #[arg(long)]
    pub truncate: bool,
}

/// Whether and how the model continues the text.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Let the model continue the text by up to N tokens, and look at all of it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub generate: Option<u32>,
    /// Choose tokens by chance, likely ones the more often the lower T is [default: always the likeliest]
    #[arg(long, value_name = "T", requires = "generate", value_parser = above_zero)]
    pub temperature: Option<f64>,
    /// By chance among the likeliest tokens that have this share of the probability
    #[arg(long, value_name = "P", requires = "generate", value_parser = share)]
    pub top_p: Option<f64>,
    /// Where chance begins: the same seed gives the same text [default: 0]
    #[arg(long, value_name = "N", requires = "generate")]
    pub seed: Option<u64>,
}

impl GenerateArgs {
    /// What was asked for, if anything was; any of the three settings makes it a matter of chance.
    pub fn read(&self) -> Option<Generation> {
        let GenerateArgs { generate, temperature, top_p, seed } = *self;
        let by_chance = temperature.is_some() || top_p.is_some() || seed.is_some();
        let sampled = Choice::Sampled {
            temperature: temperature.unwrap_or(1.0),
            top_p: top_p.unwrap_or(1.0),
            seed: seed.unwrap_or(0),
        };
        let choice = if by_chance { sampled } else { Choice::Greedy };
        Some(Generation { max_tokens: generate? as usize, choice })
    }
}

fn above_zero(text: &str) -> Result<f64, String> {
    number(text, |number| number > 0.0, "a number above 0")
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |number| number > 0.0 && number <= 1.0, "a number above 0, up to 1")
}

fn number(text: &str, fits: impl Fn(f64) -> bool, expected: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && fits(*number));
    number.ok_or_else(|| format!("expected {expected}"))
}

/// What is shown, and where.
#[derive(Debug, Args)]
pub struct PageArgs {
    /// Write one self-contained HTML file instead of serving, and exit
    #[arg(short, long, value_name = "view.html")]
    pub output: Option<PathBuf>,
    /// The view to begin with
    #[arg(long, value_enum)]
    pub view: Option<View>,
    /// The part of an encoder-decoder to begin with
    #[arg(long, value_enum)]
    pub part: Option<Part>,
    /// The layer to begin with, counted from 0
    #[arg(long, value_name = "N")]
    pub layer: Option<usize>,
    /// The head to begin with, counted from 0
    #[arg(long, value_name = "N")]
    pub head: Option<usize>,
    /// Where to show.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Where the app is.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The port to serve on [default: a free one]
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Do not open the browser
    #[arg(long)]
    pub no_browser: bool,
}

/// The views of the workbench.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum View {
    /// Tokens on both sides, curves between them
    Head,
    /// The table of tokens
    Tokens,
}

/// The parts of an encoder-decoder.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Part {
    /// The text's tokens, to each other
    Encoder,
    /// The target's tokens, to each other
    Decoder,
    /// The target's tokens, to the text's
    Cross,
}

impl From<Part> for view::Part {
    fn from(part: Part) -> view::Part {
        match part {
            Part::Encoder => view::Part::Encoder,
            Part::Decoder => view::Part::Decoder,
            Part::Cross => view::Part::Cross,
        }
    }
}

/// Run and write.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// The text, or the first text of a pair
    #[arg(value_name = "TEXT A", required_unless_present = "ids")]
    pub text: Option<String>,
    /// The second text of a pair; for a model with a decoder of its own, the target
    #[arg(value_name = "TEXT B")]
    pub pair: Option<String>,
    /// Words too many.
    #[command(flatten)]
    pub surplus: Surplus,
    /// What the decoder reads.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How to cut.
    #[command(flatten)]
    pub length: LengthArgs,
    /// How to continue.
    #[command(flatten)]
    pub generation: GenerateArgs,
    /// The file to write
    #[arg(short, long, value_name = "t.safetensors")]
    pub output: PathBuf,
    /// Which sites to record besides `last_hidden` and `logits`; * stands for any letters
    #[arg(long, value_name = "GLOB,…", default_value = "*attn.pattern")]
    pub sites: String,
    /// Token ids instead of a text: they are run as they are, nothing is added
    #[arg(long, value_name = "1,2,3", conflicts_with_all = ["text", "truncate", "generate"], value_delimiter = ',')]
    pub ids: Option<Vec<u32>>,
}

/// Draw.
#[derive(Debug, Args)]
pub struct FigureArgs {
    /// The text, or the first text of a pair
    #[arg(value_name = "TEXT A", required_unless_present = "trace")]
    pub text: Option<String>,
    /// The second text of a pair; for a model with a decoder of its own, the target
    #[arg(value_name = "TEXT B")]
    pub pair: Option<String>,
    /// Words too many.
    #[command(flatten)]
    pub surplus: Surplus,
    /// What the decoder reads.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How to cut.
    #[command(flatten)]
    pub length: LengthArgs,
    /// How to continue.
    #[command(flatten)]
    pub generation: GenerateArgs,
    /// A saved trace in place of a text; needs no model
    #[arg(long, value_name = "t.safetensors", conflicts_with_all = [
        "text", "model", "revision", "offline", "truncate", "generate", "target", "decoder_ids",
    ])]
    pub trace: Option<PathBuf>,
    /// The file to write
    #[arg(short, long, value_name = "fig.svg")]
    pub output: PathBuf,
    /// What to draw
    #[arg(long, value_enum, default_value = "head")]
    pub view: Drawing,
    /// The part of an encoder-decoder [default: the first that the trace has]
    #[arg(long, value_enum)]
    pub part: Option<Part>,
    /// The layer, counted from 0 [default: that of the head with the sharpest rows]
    #[arg(long, value_name = "N")]
    pub layer: Option<usize>,
    /// The head or heads, counted from 0 [default: the one with the sharpest rows]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub head: Vec<usize>,
    /// The place of a token, counted from 0, whose weights are strong while the others are faint
    #[arg(long, value_name = "N")]
    pub token: Option<usize>,
    /// The colours
    #[arg(long, value_enum, default_value = "light")]
    pub theme: Theme,
}

/// The views that figures are drawn of.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Drawing {
    /// Tokens on both sides, curves between them
    Head,
    /// A heat map; of several heads, beside each other
    Matrix,
}

impl From<Drawing> for figure::View {
    fn from(drawing: Drawing) -> figure::View {
        match drawing {
            Drawing::Head => figure::View::Head,
            Drawing::Matrix => figure::View::Matrix,
        }
    }
}

/// The colours of figures.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Theme {
    /// Dark ink on light paper
    Light,
    /// Light ink on dark paper
    Dark,
}

impl From<Theme> for figure::Theme {
    fn from(theme: Theme) -> figure::Theme {
        match theme {
            Theme::Light => figure::Theme::Light,
            Theme::Dark => figure::Theme::Dark,
        }
    }
}

/// Show what was saved.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// The trace
    #[arg(value_name = "t.safetensors")]
    pub file: PathBuf,
    /// How to show.
    #[command(flatten)]
    pub page: PageArgs,
}

/// Learn.
#[derive(Debug, Args)]
pub struct LearnArgs {
    /// Sentence A [default: The cat sat on the mat]
    #[arg(value_name = "TEXT A")]
    pub text: Option<String>,
    /// Sentence B [default: The dog played in the park]
    #[arg(value_name = "TEXT B")]
    pub pair: Option<String>,
    /// Words too many.
    #[command(flatten)]
    pub surplus: Surplus,
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// A model that writes from left to right, to set beside it in the chapter on BERT and GPT
    #[arg(long, value_name = "ID|DIR|FILE.gguf")]
    pub decoder: Option<String>,
    /// Write one self-contained HTML file instead of serving, and exit
    #[arg(short, long, value_name = "lesson.html")]
    pub output: Option<PathBuf>,
    /// Where to show.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// Cut into tokens.
#[derive(Debug, Args)]
pub struct TokensArgs {
    /// The text, or the first text of a pair
    #[arg(value_name = "TEXT A")]
    pub text: String,
    /// The second text of a pair
    #[arg(value_name = "TEXT B")]
    pub pair: Option<String>,
    /// Words too many.
    #[command(flatten)]
    pub surplus: Surplus,
    /// Which model.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// List models.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Download.
#[derive(Debug, Args)]
#[command(after_help = PULL_HELP)]
pub struct PullArgs {
    /// The Hub id, ORG/NAME; of a repository of GGUF files, one of them
    #[arg(value_name = "ID[:FILE.gguf]")]
    pub id: String,
    /// The branch, tag or commit [default: main]
    #[arg(long, value_name = "R")]
    pub revision: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

const PULL_HELP: &str = "\
Only what a model needs is downloaded: configuration, tokenizer, and weights in one form (safetensors, else a \
PyTorch checkpoint). An interrupted download goes on where it was. The folder is printed when all is there.

Environment: HF_HOME, HF_HUB_CACHE (where the cache is), HF_TOKEN, HF_TOKEN_PATH (private and gated models), \
HF_ENDPOINT (another Hub), HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT (seconds), HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_of_chance_make_it_one() {
        let read = |args: &[&str]| {
            let args = [&["headscope", "a"], args].concat();
            Cli::try_parse_from(args).unwrap().view.generation.read()
        };
        let generation = |choice| Some(Generation { max_tokens: 9, choice });
        let sampled = |temperature, top_p, seed| generation(Choice::Sampled { temperature, top_p, seed });
        assert_eq!(read(&[]), None);
        assert_eq!(read(&["--generate", "9"]), generation(Choice::Greedy));
        assert_eq!(read(&["--generate", "9", "--temperature", "0.5"]), sampled(0.5, 1.0, 0));
        assert_eq!(read(&["--generate", "9", "--top-p", "0.9", "--seed", "7"]), sampled(1.0, 0.9, 7));
    }

    #[test]
    fn texts_and_commands_are_told_apart() {
        let parse = |args: &[&str]| Cli::try_parse_from([&["headscope"], args].concat()).and_then(Cli::check);
        let view = parse(&["The cat", "The dog", "-m", "m", "--layer", "3"]).unwrap();
        assert!(view.command.is_none());
        assert_eq!(view.view.text.as_deref(), Some("The cat"));
        assert_eq!((view.view.model.model.as_str(), view.view.page.layer), ("m", Some(3)));

        assert!(matches!(parse(&["trace", "a", "-o", "t"]).unwrap().command, Some(Command::Trace(_))));
        let ids = parse(&["trace", "--ids", "5,6", "--decoder-ids", "0,7", "-o", "t"]).unwrap();
        let Some(Command::Trace(ids)) = ids.command else { panic!("a trace") };
        assert_eq!((ids.ids, ids.target.decoder_ids), (Some(vec![5, 6]), Some(vec![0, 7])));
        assert_eq!(parse(&["a", "--target", "b"]).unwrap().view.target.target.as_deref(), Some("b"));
        assert_eq!(parse(&["--", "trace"]).unwrap().view.text.as_deref(), Some("trace"));

        let usage = [
            &["a", "b", "c"][..],
            &["trace", "a", "b", "c", "-o", "t"],
            &["tokens", "a", "b", "c"],
            &["trace", "--ids", "1", "--truncate", "-o", "t"], // ids are taken as they are
            &["trace", "a"],                                   // nowhere to write
            &["trace", "-o", "t"],                             // nothing to run
            &["trace", "a", "--ids", "1", "-o", "t"],          // both
            &["trace", "--ids", "1,x", "-o", "t"],
            &["a", "b", "--target", "c"], // a third text
            &["a", "--target", "b", "--decoder-ids", "1"],
            &["trace", "a", "b", "--decoder-ids", "1", "-o", "t"],
            &["trace", "--decoder-ids", "1", "-o", "t"], // no text
            &["trace", "--ids", "1", "--decoder-ids", "", "-o", "t"],
            &["a", "--part", "middle"],
            &["a", "--threads", "0"],
            &["a", "--view", "nothing"],
            &["a", "--generate", "0"],
            &["a", "--temperature", "0.7"], // of what?
            &["a", "--generate", "9", "--temperature", "0"],
            &["a", "--generate", "9", "--top-p", "1.5"],
            &["a", "--generate", "9", "--top-p", "NaN"],
            &["trace", "--ids", "1", "--generate", "9", "-o", "t"],
            &["open"],
        ];
        for args in usage {
            assert_eq!(parse(args).unwrap_err().exit_code(), 2, "{args:?}");
        }
    }
}
