//! What a pull brings, from where, and for whom.

use super::*;

#[test]
fn pull_fills_the_cache_as_python_does() {
    let (room, hub) = hub(honest);
    let ran = run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    let folder = snapshot(&room, "");
    assert_eq!(PathBuf::from(ran.text().trim_end()), folder.parent().unwrap().join(COMMIT));
    assert!(ran.stderr.contains("downloaded org/tiny (3 files"), "{}", ran.stderr);
    is_whole(&room);
    for file in ["config.json", "vocab.txt", WEIGHTS] {
        let bytes = fs::read(room.path("model").join(file)).unwrap();
        assert_eq!(fs::read(snapshot(&room, file)).unwrap(), bytes);
        #[cfg(unix)]
        assert_eq!(
            fs::read_link(snapshot(&room, file)).unwrap(),
            PathBuf::from("../../blobs").join(etag(file, &bytes))
        );
    }
    assert_eq!(hub.read(), ["config.json", "vocab.txt", WEIGHTS], "what no model needs is not downloaded");

    // Again: one question, no file.
    let before = hub.seen().len();
    let again = run(&room, &hub, &["pull", "org/tiny", "--json"]).succeeded();
    assert!(again.stderr.contains("org/tiny is up to date"), "{}", again.stderr);
    let json = again.json();
    assert_eq!((&json["commit"], &json["revision"]), (&json!(COMMIT), &json!("main")));
    assert_eq!(json["files"][2], json!({ "file": WEIGHTS, "size": weights(&room).len(), "downloaded": 0 }));
    assert_eq!(hub.seen().len(), before + 1);
}

#[test]
fn a_model_is_downloaded_once_and_runs_without_a_network_then() {
    let (room, hub) = hub(honest);
    let out = room.at("out/t.safetensors");
    let trace = ["trace", "the cat", "-m", "org/tiny", "-o", &out];
    let first = run(&room, &hub, &trace).succeeded();
    assert!(first.stderr.starts_with(&format!("asking {} for org/tiny at main", hub.endpoint())));
    assert!(first.stderr.contains("downloaded org/tiny (3 files") && first.stdout.is_empty());
    let asked = hub.seen().len();
    for args in
        [&trace[..], &["tokens", "the cat", "-m", "org/tiny"], &["the cat", "-m", "org/tiny", "-o", &out]]
    {
        let ran = run(&room, &hub, args).succeeded();
        assert!(!ran.stderr.contains("asking"), "{}", ran.stderr);
    }
    assert_eq!(hub.seen().len(), asked, "what is in the cache is not asked for");

    // What has been removed is fetched again, and that alone.
    fs::remove_file(snapshot(&room, WEIGHTS)).unwrap();
    fs::remove_file(room.path(REPO).join("blobs").join(sha256(&weights(&room)))).unwrap();
    run(&room, &hub, &trace).succeeded();
    assert_eq!(hub.read()[3..], [WEIGHTS]);
    // A cache without weights and without a network is as it was.
    fs::remove_file(snapshot(&room, WEIGHTS)).unwrap();
    let offline = finish(hub.command(&room.at("home"), &trace).arg("--offline"));
    offline.failed(&["has no model.safetensors"], Some("config.json"));
}

#[test]
fn offline_means_no_request() {
    let (room, hub) = hub(honest);
    let tokens = ["tokens", "the cat", "-m", "org/tiny"];
    let flag = finish(hub.command(&room.at("home"), &tokens).arg("--offline"));
    flag.failed(&["no model \"org/tiny\"", "--offline forbids the network"], Some("headscope pull org/tiny"));
    for name in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
        let ran = finish(hub.command(&room.at("home"), &tokens).env(name, "1"));
        ran.failed(&["no model \"org/tiny\"", name], Some("headscope pull org/tiny"));
        let pull = finish(hub.command(&room.at("home"), &["pull", "org/tiny"]).env(name, "1"));
        pull.failed(&[name, "forbids the network"], Some(&format!("{name}=0")));
    }
    for wrong in ["../tiny", "org/tiny/sub", "a b", ""] {
        run(&room, &hub, &["tokens", "the cat", "-m", wrong])
            .failed(&["there is no folder", wrong], Some("ORG/NAME"));
        run(&room, &hub, &["pull", wrong]).failed(&["there is no folder", wrong], Some("ORG/NAME"));
    }
    run(&room, &hub, &["pull", "org/tiny", "--revision", "../x"])
        .failed(&["\"../x\" is no branch, tag or commit"], Some("--revision"));
    assert!(hub.seen().is_empty());
}

#[test]
fn revisions() {
    let (room, hub) = hub(honest);
    for revision in ["v1.0", "refs/pr/1", COMMIT] {
        run(&room, &hub, &["pull", "org/tiny", "--revision", revision]).succeeded();
        let asked = hub.seen().into_iter().rfind(|seen| seen.path.starts_with("/api/")).unwrap().path;
        assert_eq!(asked, format!("/api/models/org/tiny/revision/{}", revision.replace('/', "%2F")));
        let before = hub.seen().len();
        run(&room, &hub, &["tokens", "the cat", "-m", "org/tiny", "--revision", revision]).succeeded();
        assert_eq!(hub.seen().len(), before);
    }
    assert_eq!(room.names(&format!("{REPO}/snapshots")), [COMMIT]);
    let listing = run(&room, &hub, &["models", "--json"]).succeeded().json();
    let row = &listing["models"][1];
    assert_eq!((&row["id"], &row["supported"]), (&json!("org/tiny"), &json!(true)));
    assert_eq!(row["revisions"], json!(["refs/pr/1", "v1.0"]));
    assert_eq!(row["commit"], json!(COMMIT));
}

/// The token goes to the Hub, and nowhere else.
#[test]
fn the_token_stays_with_the_hub() {
    let (room, hub) = hub(honest);
    fs::create_dir_all(room.path("home")).unwrap();
    fs::write(room.path("home/token"), "hf_secret_file\n").unwrap();
    run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    let seen = hub.seen();
    assert!(seen.iter().any(|seen| seen.elsewhere));
    for seen in &seen {
        let expected = (!seen.elsewhere).then_some("Bearer hf_secret_file");
        assert_eq!(seen.token.as_deref(), expected, "{seen:?}");
    }
    finish(hub.command(&room.at("other"), &["pull", "org/tiny"]).env("HF_TOKEN", "hf_secret")).succeeded();
    assert_eq!(hub.seen()[seen.len()].token.as_deref(), Some("Bearer hf_secret"));
}

#[test]
fn shards_come_with_their_index() {
    let room = Room::with_model();
    let index = json!({ "weight_map": { "a": "model-1.safetensors", "b": "model-2.safetensors" } });
    let read = |file: &str| fs::read(room.path("model").join(file)).unwrap();
    let files = |index: serde_json::Value| {
        BTreeMap::from([
            ("config.json".into(), read("config.json")),
            ("vocab.txt".into(), read("vocab.txt")),
            ("model.safetensors.index.json".into(), index.to_string().into_bytes()),
            ("model-1.safetensors".into(), vec![1; 10]),
            ("model-2.safetensors".into(), vec![2; 10]),
            ("model-3.safetensors".into(), vec![3; 10]),
        ])
    };
    let hub = Hub::serve("org/tiny", files(index), honest);
    let ran = run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    assert!(ran.stderr.contains("(5 files"), "{}", ran.stderr);
    assert_eq!(
        hub.read()[2..],
        ["model.safetensors.index.json", "model-1.safetensors", "model-2.safetensors"]
    );

    for (shard, expected) in
        [("../x", "puts a into \"../x\""), ("none.safetensors", "none.safetensors of org/tiny")]
    {
        let hub = Hub::serve("org/tiny", files(json!({ "weight_map": { "a": shard } })), honest);
        let ran = finish(&mut hub.command(&room.at(&format!("home-{}", shard.len())), &["pull", "org/tiny"]));
        assert_eq!(ran.code, Some(1));
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
}

#[test]
fn gguf_files_are_chosen_by_name() {
    let room = Room::new();
    let files =
        ["a-q4.gguf", "b-q8.gguf", "README.md"].map(|name| (name.to_owned(), name.as_bytes().to_vec()));
    let hub = Hub::serve("org/tiny", BTreeMap::from(files), honest);
    fails_simply(run(&room, &hub, &["pull", "org/tiny"]), "a-q4.gguf, b-q8.gguf", "org/tiny:a-q4.gguf");
    fails_simply(
        run(&room, &hub, &["pull", "org/tiny:c.gguf"]),
        "has no file \"c.gguf\"",
        "a-q4.gguf, b-q8.gguf",
    );
    fails_simply(run(&room, &hub, &["pull", "org/tiny:../c.gguf"]), "\"../c.gguf\" is refused", "");
    let ran = run(&room, &hub, &["pull", "org/tiny:b-q8.gguf"]).succeeded();
    assert_eq!(fs::read(ran.text().trim_end()).unwrap(), b"b-q8.gguf");
    assert_eq!(hub.read(), ["b-q8.gguf"]);
    let before = hub.seen().len();
    let listing = run(&room, &hub, &["models", "--json"]).succeeded().json();
    assert_eq!(listing["models"][1]["id"], json!("org/tiny:b-q8.gguf"));
    // It is looked at where it is, not asked for again.
    let ran = run(&room, &hub, &["tokens", "the cat", "-m", "org/tiny:b-q8.gguf"]);
    assert!(
        ran.code == Some(1) && ran.stderr.contains("b-q8.gguf"),
        "nine letters are no model: {}",
        ran.stderr
    );
    assert_eq!(hub.seen().len(), before);
}

#[track_caller]
fn fails_simply(ran: Outcome, expected: &str, help: &str) {
    assert_eq!(ran.code, Some(1));
    let (error, advice) = ran.stderr.rsplit_once("help: ").unwrap();
    assert!(error.contains(expected) && advice.contains(help), "{}", ran.stderr);
}

/// Gigabytes of a model that cannot be run are not downloaded first.
#[test]
fn a_family_that_is_not_supported_is_refused_early() {
    let room = Room::with_model();
    support::edit_json(&room.path("model/config.json"), |config| {
        config["model_type"] = "no_such_family".into();
    });
    let hub = Hub::of("org/tiny", &room.path("model"), honest);
    fails_simply(
        run(&room, &hub, &["pull", "org/tiny"]),
        "model_type is \"no_such_family\"",
        "headscope models",
    );
    assert_eq!(hub.read(), ["config.json"]);
}

/// What headscope writes, Python reads without a network, and the other way round.
#[cfg(unix)]
#[test]
fn python_shares_the_cache() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let can = Command::new(&python).args(["-c", "import huggingface_hub"]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        return eprintln!("skipped: {python} has no huggingface_hub");
    }
    let (room, hub) = hub(honest);
    let python = |home: &str, offline: &str, script: &str| {
        let inner = hub.command(&room.at(home), &[]);
        let mut command = Command::new(&python);
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("HF_HUB_OFFLINE", offline).env("HF_HUB_DISABLE_XET", "1").args(["-c", script]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    let found = python(
        "home",
        "1",
        "import huggingface_hub as h\n\
         print(h.snapshot_download('org/tiny'))\n\
         print(h.hf_hub_download('org/tiny', 'model.safetensors'))\n\
         r, = h.scan_cache_dir().repos; v, = r.revisions\n\
         print(r.repo_id, v.commit_hash, sorted(v.refs), len(v.files), len(h.scan_cache_dir().warnings))",
    );
    let expected = format!(
        "{}\n{}\norg/tiny {COMMIT} ['main'] 3 0\n",
        snapshot(&room, "").parent().unwrap().join(COMMIT).display(),
        snapshot(&room, WEIGHTS).display()
    );
    assert_eq!(found, expected);

    let fetch = "import huggingface_hub as h\n\
                 for f in ['config.json', 'vocab.txt', 'model.safetensors']: h.hf_hub_download('org/tiny', f)";
    python("python", "0", fetch);
    let before = hub.seen().len();
    let out = room.at("out/t.safetensors");
    let args = ["trace", "the cat", "-m", "org/tiny", "-o", &out];
    finish(&mut hub.command(&room.at("python"), &args)).succeeded();
    assert_eq!(hub.seen().len(), before, "what Python downloaded is not asked for");
    let listed = finish(&mut hub.command(&room.at("python"), &["models", "--json"])).succeeded().json();
    assert_eq!(listed["models"][1]["revisions"], json!(["main"]));
}
