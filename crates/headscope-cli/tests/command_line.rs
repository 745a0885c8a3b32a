//! The contract of the command line: what goes in, what comes out, and where.
#![allow(clippy::unwrap_used)] // a test's helpers are tests too

mod support;

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use headscope::{Attn, Trace};
use sha2::{Digest, Sha256};
use support::{PAIR, Room, command, edit_json, finish, headscope, in_shell, repository};

/// Traces with the tiny model of `room`, and reads the file.
fn trace(room: &Room, args: &[&str]) -> Trace {
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    let ran = headscope(&[&["trace", "-m", &model, "-o", &file], args].concat()).succeeded();
    assert!(ran.stdout.is_empty(), "data went to the file");
    assert!(ran.stderr.starts_with(&format!("wrote {file}: ")), "{}", ran.stderr);
    assert_eq!(room.names("out"), ["t.safetensors"]);
    Trace::open(&file).unwrap()
}

fn sites(trace: &Trace) -> String {
    trace.values().map(|(site, _)| site.to_string()).collect::<Vec<_>>().join(" ")
}

fn page(room: &Room, args: &[&str]) -> String {
    let file = room.at("out/view.html");
    let ran = headscope(&[&["-o", &file], args].concat()).succeeded();
    assert!(ran.stdout.is_empty());
    fs::read_to_string(file).unwrap()
}

#[test]
fn usage_errors_exit_with_2_and_say_how_it_goes() {
    let rows: &[(&[&str], &str)] = &[
        (&[], "headscope --help"),
        (&["--nonsense"], "unexpected argument"),
        (&["the", "cat", "sat"], "a text of several words stands in quotes"),
        (&["trace", "the cat"], "--output"),
        (&["trace", "-o", "t"], "<TEXT A>"),
        (&["trace", "--ids", "1,-2", "-o", "t"], "-2 is not in 0..=4294967295"),
        (&["trace", "--ids", "1", "--truncate", "-o", "t"], "cannot be used with"),
        (&["the cat", "--threads", "0"], "0 is not in 1..=1024"),
        (&["the cat", "--port", "65536"], "65536 is not in 0..=65535"),
        (&["the cat", "--layer", "-1"], "unexpected argument"),
        (&["the cat", "--view", "pie"], "possible values: head"),
        (&["the cat", "the dog", "--target", "a mat"], "cannot be used with"),
        (&["trace", "a", "--target", "b", "--decoder-ids", "1", "-o", "t"], "cannot be used with"),
        (&["trace", "--decoder-ids", "1", "-o", "t"], "<TEXT A>"),
        (&["the cat", "--part", "middle"], "possible values: encoder, decoder, cross"),
        (&["open"], "<t.safetensors>"),
        (&["figure", "the cat"], "--output"),
        (&["figure", "-o", "fig.svg"], "<TEXT A>"),
        (&["figure", "the cat", "--trace", "t", "-o", "fig.svg"], "cannot be used with"),
        (&["figure", "the cat", "--view", "pie", "-o", "fig.svg"], "possible values: head, matrix"),
        (&["figure", "the", "cat", "sat", "-o", "fig.svg"], "a text of several words stands in quotes"),
        (&["tokens"], "<TEXT A>"),
        (&["pull"], "<ID[:FILE.gguf]>"),
    ];
    for (args, expected) in rows {
        let ran = headscope(args);
        assert_eq!((ran.code, ran.stdout.as_slice()), (Some(2), &b""[..]), "{args:?}");
        assert!(ran.stderr.contains(expected), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn help_goes_to_stdout_and_lists_what_works() {
    for args in [&["--help"][..], &["-h"], &["help"]] {
        let help = headscope(args).succeeded();
        for command in
            ["trace", "open", "figure", "tokens", "models", "pull", "--view", "--truncate", "Examples:"]
        {
            assert!(help.text().contains(command), "{command}");
        }
        for later in ["heads ", "completions", "Surplus", "[MORE]"] {
            assert!(!help.text().contains(later), "{later}");
        }
        assert!(!help.text().contains('\u{1b}'), "no escape codes into a pipe");
    }
    assert!(headscope(&["trace", "--help"]).succeeded().text().contains("*attn.pattern"));
    assert_eq!(headscope(&["--version"]).text(), concat!("headscope ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn shells_complete_the_commands() {
    for (shell, expected) in
        [("bash", "complete -F"), ("zsh", "#compdef headscope"), ("fish", "complete -c headscope")]
    {
        let script = headscope(&["completions", shell]).succeeded();
        assert!(script.text().contains(expected) && script.text().contains("revision"), "{shell}");
    }
}

#[test]
fn trace_records_patterns_and_last_hidden() {
    let room = Room::with_model();
    let trace = trace(&room, &PAIR);
    assert_eq!(
        sites(&trace),
        "blocks.0.attn.pattern blocks.1.attn.pattern blocks.2.attn.pattern last_hidden"
    );
    let pieces: Vec<&str> = trace.encoding.tokens.iter().map(|token| token.piece.as_str()).collect();
    assert_eq!(pieces.join(" "), "[CLS] the cat sat on the mat [SEP] the dog played in the park [SEP]");
    assert_eq!(trace.encoding.texts().collect::<Vec<_>>(), PAIR);
    assert_eq!(trace.pattern(Attn::block(2), 2).unwrap().shape(), [15, 15]);
    assert!(trace.card.row_sum_error.unwrap() < 1e-6);
    assert_eq!(
        (trace.card.id.as_str(), trace.card.family.as_str(), trace.card.dtype.as_str()),
        (room.at("model").as_str(), "bert", "f32")
    );
}

#[test]
fn sites_are_picked_by_name() {
    let room = Room::with_model();
    let rows = [
        ("blocks.1.attn.q", "blocks.1.attn.q last_hidden"),
        (
            "embed, blocks.0.resid_*",
            "embed blocks.0.resid_pre blocks.0.resid_mid blocks.0.resid_post last_hidden",
        ),
        ("*.lse", "blocks.0.attn.lse blocks.1.attn.lse blocks.2.attn.lse last_hidden"),
        ("last_hidden", "last_hidden"),
    ];
    for (globs, expected) in rows {
        assert_eq!(sites(&trace(&room, &["the cat", "--sites", globs])), expected, "{globs}");
    }
    assert_eq!(trace(&room, &["the cat", "--sites", "*"]).values().count(), 3 * 12 + 4);
    room.model("model", "bert-masked-lm");
    assert_eq!(sites(&trace(&room, &["the cat", "--sites", "embed"])), "embed last_hidden logits");
}

#[test]
fn ids_skip_the_tokenizer_and_add_nothing() {
    let room = Room::with_model();
    let with = trace(&room, &["--ids", "2,5,96,3"]);
    fs::remove_file(room.path("model/vocab.txt")).unwrap();
    let without = trace(&room, &["--ids", "2,5", "--ids", "96,3"]);
    assert_eq!(with.pattern(Attn::block(0), 1), without.pattern(Attn::block(0), 1));
    let tokens = |trace: &Trace| {
        let tokens = trace.encoding.tokens.iter();
        tokens.map(|token| (token.id, token.piece.clone(), token.segment)).collect::<Vec<_>>()
    };
    let named =
        |names: [&str; 4]| [2, 5, 96, 3].into_iter().zip(names).map(|(id, n)| (id, n.into(), 0)).collect();
    let expected: Vec<_> = named(["[CLS]", "the", "<96>", "[SEP]"]);
    assert_eq!(tokens(&with), expected);
    let expected: Vec<_> = named(["<2>", "<5>", "<96>", "<3>"]);
    assert_eq!(tokens(&without), expected);
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let room = Room::with_model();
    let bytes = |threads| {
        trace(&room, &[PAIR[0], PAIR[1], "--sites", "*", "--threads", threads]);
        fs::read(room.path("out/t.safetensors")).unwrap()
    };
    let one = bytes("1");
    assert!(["2", "3", "8"].into_iter().all(|threads| bytes(threads) == one));
}

#[test]
fn the_instruction_set_can_be_forced() {
    let room = Room::with_model();
    let best = trace(&room, &PAIR);
    let (model, file) = (room.at("model"), room.at("out/t.safetensors"));
    let args = ["trace", PAIR[0], PAIR[1], "-m", &model, "-o", &file];
    finish(command().args(args).env("HEADSCOPE_ISA", "portable")).succeeded();
    let portable = Trace::open(&file).unwrap();
    assert_eq!(portable.card.kernel, "portable, f32");
    for (site, value) in best.values() {
        let pairs = value.iter().zip(portable.get(site).unwrap().iter());
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-4), "{site}");
    }
    for wrong in ["mmx", ""] {
        finish(command().args(args).env("HEADSCOPE_ISA", wrong))
            .failed(&["HEADSCOPE_ISA", "portable", &format!("`{wrong}`")], None);
    }
}

#[test]
fn a_page_stands_on_its_own() {
    let room = Room::with_model();
    let page = page(&room, &PAIR);
    assert!(page.len() <= 900_000, "{} bytes", page.len());
    let policy = page.split(r#"http-equiv="Content-Security-Policy" content=""#).nth(1).unwrap();
    let policy = policy.split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    // Of what a policy calls unsafe it allows to compile WebAssembly, not JavaScript.
    assert!(!policy.replace("'wasm-unsafe-eval'", "").contains("unsafe"), "{policy}");
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    for (open, close) in [("<script type=\"module\" async>", "</script>"), ("<style>", "</style>")] {
        let inlined = page.split(open).nth(1).unwrap().split(close).next().unwrap();
        assert!(policy.contains(&format!("'sha256-{}'", hash(inlined))), "{open}");
    }
    // The only addresses are names of XML's dialects, which nobody fetches.
    let addresses = page.match_indices("://").map(|(at, _)| &page[at..page.len().min(at + 13)]);
    assert!(addresses.into_iter().all(|address| address.starts_with("://www.w3.org")));
}

#[test]
fn view_layer_and_head_reach_the_page() {
    let room = Room::with_model();
    let model = room.at("model");
    let with = |args: &[&str]| page(&room, &[&["the cat", "-m", &model], args].concat());
    assert!(with(&[]).contains(r#"data-focus="{}""#));
    let page = with(&["--view", "head", "--layer", "2", "--head", "1"]);
    let focus = r#"data-focus="{&quot;view&quot;:&quot;head&quot;,&quot;layer&quot;:2,&quot;head&quot;:1}""#;
    assert!(page.contains(focus));
    for (args, expected) in [
        (["--layer", "3"], "there is no layer 3 to show; the trace has 0, 1, 2"),
        (["--head", "3"], "there is no head 3; the trace has heads 0 to 2"),
    ] {
        let file = room.at("out/none.html");
        headscope(&[&["the cat", "-m", &model, "-o", &file], &args[..]].concat()).failed(&[expected], None);
    }
    assert_eq!(room.names("out"), ["view.html"]);
}

#[test]
fn hostile_texts_stay_texts() {
    let room = Room::with_model();
    for text in ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\u{202e}\"'&<!--"] {
        let page = page(&room, &[text, "the cat", "-m", &room.at("model")]);
        assert!(!page.contains("<img") && !page.contains("alert(1)</script>"), "{text}");
        // The component, the overview, and the model's three blocks.
        assert_eq!(page.matches("<script").count(), 5, "{text}");
    }
}

#[test]
fn a_text_may_be_called_like_a_command() {
    let room = Room::with_model();
    let page = page(&room, &["-m", &room.at("model"), "--", "trace", "open"]);
    assert!(page.contains("<title>trace | open · headscope</title>"));
}

#[test]
fn saved_traces_open_without_a_model() {
    let room = Room::with_model();
    let model = room.at("model");
    for sites in ["*.attn.pattern", "blocks.1.attn.q,blocks.1.attn.k", "blocks.2.attn.*"] {
        trace(&room, &["the cat", "the dog", "--sites", sites]);
        fs::remove_dir_all(&model).unwrap();
        let file = room.at("out/view.html");
        headscope(&["open", &room.at("out/t.safetensors"), "-o", &file]).succeeded();
        let page = fs::read_to_string(&file).unwrap();
        assert!(page.contains("<title>the cat | the dog · headscope</title>"), "{sites}");
        fs::remove_file(room.path("out/view.html")).unwrap();
        room.model("model", "bert");
    }
    // Layers are counted as the model counts them; the page counts those it shows.
    let (file, out) = (room.at("out/t.safetensors"), room.at("out/view.html"));
    headscope(&["open", &file, "--layer", "2", "-o", &out]).succeeded();
    assert!(fs::read_to_string(&out).unwrap().contains(r#"data-focus="{&quot;layer&quot;:0}""#));
    headscope(&["open", &file, "--layer", "0", "-o", &out])
        .failed(&["there is no layer 0 to show; the trace has 2"], None);
}

#[test]
fn tokens_are_listed() {
    let room = Room::with_model();
    let model = room.at("model");
    let table = headscope(&["tokens", "The cats", "park", "-m", &model]).succeeded();
    let expected = "\
position      id  segment  mask  special        span  piece
       0       2        0     1      yes           -  [CLS]
       1       5        0     1        -        0..3  the
       2       6        0     1        -        4..7  cat
       3      15        0     1        -        7..8  ##s
       4       3        0     1      yes           -  [SEP]
       5      14        1     1        -       9..13  park
       6       3        1     1      yes           -  [SEP]
";
    assert_eq!((table.text(), table.stderr.as_str()), (expected, ""));
    let json = headscope(&["tokens", "The cats", "park", "-m", &model, "--json"]).succeeded().json();
    assert_eq!(json["parts"], serde_json::json!([[0, 8], [9, 13]]));
    assert_eq!(json["tokens"][3]["piece"], "##s");
}

#[test]
fn a_terminal_is_not_obeyed() {
    let room = Room::with_model();
    let unknown = "\u{1b}[2J\u{202e}\u{7}";
    let vocabulary = fs::read_to_string(room.path("model/vocab.txt")).unwrap();
    fs::write(room.path("model/vocab.txt"), vocabulary.replace("[UNK]", unknown)).unwrap();
    let options = serde_json::json!({ "unk_token": unknown }).to_string();
    fs::write(room.path("model/tokenizer_config.json"), options).unwrap();
    let table = headscope(&["tokens", "zebra", "-m", &room.at("model")]).succeeded();
    assert!(table.text().contains(r"\u{1b}[2J\u{202e}\u{7}"), "{}", table.text());
    assert!(!table.text().contains(['\u{1b}', '\u{202e}', '\u{7}']));

    edit_json(&room.path("model/config.json"), |config| config["hidden_act"] = "\u{1b}[31m".into());
    headscope(&["the cat", "-m", &room.at("model")]).failed(&["hidden_act", "supported are gelu"], None);
    headscope(&["open", &room.at("\u{1b}[31mnone")]).failed(&[r"\u{1b}[31mnone"], None);
}

/// Lays a model out as Python's `huggingface_hub` does.
#[cfg(unix)]
fn cache(room: &Room, id: &str, commit: &str, fixture: &str) {
    use std::os::unix::fs::symlink;
    let repo = format!("hf/hub/models--{}", id.replace('/', "--"));
    room.model(&format!("{repo}/blobs"), fixture);
    for folder in ["refs", &format!("snapshots/{commit}")] {
        fs::create_dir_all(room.path(&repo).join(folder)).unwrap();
    }
    fs::write(room.path(&repo).join("refs/main"), commit).unwrap();
    for file in ["config.json", "model.safetensors", "vocab.txt"] {
        let blob = Path::new("../../blobs").join(file);
        symlink(blob, room.path(&repo).join("snapshots").join(commit).join(file)).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn the_shared_cache_is_used() {
    let room = Room::with_model();
    cache(&room, "org/tiny", "abc123", "bert");
    cache(&room, "org/other", "def456", "bert");
    let config = room.path("hf/hub/models--org--other/blobs/config.json");
    edit_json(&config, |config| config["model_type"] = "gpt9".into());
    let run =
        |args: &[&str]| finish(command().args(args).env("HF_HOME", room.at("hf")).env("HF_HUB_OFFLINE", "1"));

    let listing = run(&["models", "--json"]).succeeded().json();
    let models: Vec<_> = listing["models"].as_array().unwrap().iter().collect();
    let row = |i: usize| (models[i]["id"].as_str().unwrap(), models[i]["supported"].as_bool().unwrap());
    assert_eq!([row(0), row(1), row(2)], [("gte-small", true), ("org/other", false), ("org/tiny", true)]);
    assert_eq!(listing["families"][0]["family"], "bert");
    let table = run(&["models"]).succeeded();
    for expected in [
        "gte-small",
        "embedded",
        "org/tiny",
        "in the cache at main, not supported: config.json: model_type is \"gpt9\"",
        &room.at("hf/hub"),
    ] {
        assert!(table.text().contains(expected), "{}", table.text());
    }

    let file = room.at("out/t.safetensors");
    for (more, revision) in
        [(&[][..], None), (&["--revision", "abc123"], Some("abc123")), (&["--offline"], None)]
    {
        run(&[&["trace", "the cat", "-m", "org/tiny", "-o", &file], more].concat()).succeeded();
        let card = Trace::open(&file).unwrap().card;
        assert_eq!((card.id.as_str(), card.revision.as_deref()), ("org/tiny", revision));
    }
    fs::remove_file(&file).unwrap();
    let rows: &[(&[&str], &[&str], &str)] = &[
        (&["-m", "org/none"], &["no model \"org/none\"", "hf/hub"], "headscope pull org/none"),
        (
            &["-m", "org/tiny", "--revision", "v9"],
            &["\"org/tiny\" at revision \"v9\""],
            "headscope pull org/tiny --revision v9",
        ),
        (&["-m", "org/other"], &["model_type is \"gpt9\"", "supported are bert"], "headscope models"),
        (&["-m", "../tiny"], &["there is no folder \"../tiny\""], "config.json"),
        (&["-m", "org/tiny/sub"], &["there is no folder \"org/tiny/sub\""], "ORG/NAME"),
    ];
    for (args, expected, help) in rows {
        run(&[&["trace", "the cat", "-o", &file], *args].concat()).failed(expected, Some(help));
    }
    // A download that broke off: the snapshot has no weights yet.
    fs::remove_file(room.path("hf/hub/models--org--tiny/snapshots/abc123/model.safetensors")).unwrap();
    run(&["trace", "the cat", "-m", "org/tiny", "-o", &file])
        .failed(&["abc123 has no model.safetensors"], Some("config.json"));
    assert!(room.names("out").is_empty());
}

#[cfg(unix)]
#[test]
fn a_reader_may_leave_early() {
    let room = Room::with_model();
    for args in [
        &["tokens", "the cat", "-m", &room.at("model")][..],
        &["models", "--json"],
        &["trace", "the cat", "--sites", "*", "-m", &room.at("model"), "-o", "/dev/stdout"],
    ] {
        let ran = in_shell(r#"set -o pipefail; "$0" "$@" | true"#, args);
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("error"), "{}", ran.stderr);
        // Nor does it matter that nobody reads what is said besides.
        let ran = in_shell(r#""$0" "$@" >/dev/null 2>/dev/full"#, args);
        assert_eq!(ran.code, Some(0), "{args:?}");
        let ran = in_shell(r#""$0" "$@" >&- 2>&-"#, args);
        assert_ne!(ran.code, Some(101), "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn data_can_go_to_stdout() {
    let room = Room::with_model();
    let model = room.at("model");
    let ran = headscope(&["trace", "the cat", "-m", &model, "-o", "/dev/stdout"]).succeeded();
    assert_eq!(Trace::read(&ran.stdout, "stdout").unwrap().encoding.len(), 4);
    let ran = headscope(&["the cat", "-m", &model, "-o", "/dev/stdout"]).succeeded();
    assert!(ran.text().starts_with("<!doctype html>") && ran.text().ends_with("</html>\n"));
}

#[cfg(target_os = "linux")]
#[test]
fn no_colour_means_none() {
    let binary = env!("CARGO_BIN_EXE_headscope");
    for (script, expected) in
        [("--help", "Usage"), ("--nonsense", "unexpected"), ("open /nowhere/t", "error: ")]
    {
        let line = format!("{binary} {script}");
        let mut terminal = std::process::Command::new("script");
        terminal.args(["-qec", &line, "/dev/null"]).env("NO_COLOR", "1").env("TERM", "xterm-256color");
        let Ok(output) = terminal.output() else {
            return eprintln!("skipped: no `script` to make a terminal with");
        };
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.contains(expected) && !shown.contains('\u{1b}'), "{shown:?}");
    }
}

#[test]
fn the_embedded_model_and_its_folder_agree() {
    let room = Room::with_model();
    let (file, folder) = (room.at("out/t.safetensors"), repository().join("models/gte-small"));
    let trace = |args: &[&str]| {
        headscope(&[&["trace", PAIR[0], PAIR[1], "-o", &file], args].concat()).succeeded();
        Trace::open(&file).unwrap()
    };
    let (embedded, read) = (trace(&[]), trace(&["-m", folder.to_str().unwrap()]));
    assert_eq!(embedded.card.id, "gte-small");
    assert_eq!(embedded.card.hash, read.card.hash);
    assert!(embedded.values().eq(read.values()));
    let cat_to_sat = embedded.pattern(Attn::block(1), 11).unwrap().row(2)[3];
    assert!((cat_to_sat - 0.990).abs() < 1e-3, "{cat_to_sat}");
}
