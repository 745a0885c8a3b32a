//! Downloads that break off, meet another, or find no room.

use super::*;

/// Interrupted from the keyboard, a download leaves what has come, and the next one goes on from there.
#[cfg(unix)]
#[test]
fn an_interrupted_download_goes_on() {
    let (room, hub) = hub(|seen, reply| match (seen.elsewhere, seen.from) {
        (true, None) => Reply { silence: Duration::from_secs(20), ..reply.cut_after(70_000) },
        _ => reply,
    });
    let mut child = hub
        .command(&room.at("home"), &["pull", "org/tiny"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while fs::metadata(partial(&room)).map_or(0, |found| found.len()) < 70_000 {
        assert!(start.elapsed() < Duration::from_secs(20), "it never came");
        std::thread::sleep(Duration::from_millis(10));
    }
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(!snapshot(&room, WEIGHTS).exists() && !room.path(REPO).join("refs/main").exists());
    let offline =
        finish(hub.command(&room.at("home"), &["tokens", "the cat", "-m", "org/tiny"]).arg("--offline"));
    offline.failed(&["no model \"org/tiny\""], Some("headscope pull"));

    let ran = run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    assert!(ran.stderr.contains("model.safetensors: going on after 70 KB"), "{}", ran.stderr);
    let last = hub.seen().into_iter().rfind(|seen| seen.elsewhere).unwrap();
    assert_eq!(last.from, Some(70_000));
    is_whole(&room);
}

#[test]
fn a_damaged_partial_is_downloaded_anew() {
    let (room, hub) = hub(honest);
    let whole = weights(&room);
    fs::create_dir_all(partial(&room).parent().unwrap()).unwrap();
    for (left, starts) in [
        (vec![7; 1000], vec![Some(1000), None]), // other bytes
        (vec![7; whole.len()], vec![None]),      // as many, other bytes
        (vec![7; whole.len() + 9], vec![None]),  // more than there are
        (whole.clone(), vec![]),                 // all there, but for its name
    ] {
        fs::write(partial(&room), left).unwrap();
        let before = hub.seen().len();
        let _ = fs::remove_file(snapshot(&room, WEIGHTS));
        let _ = fs::remove_file(room.path(REPO).join("blobs").join(sha256(&whole)));
        let ran = run(&room, &hub, &["pull", "org/tiny"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let from: Vec<_> = hub.seen()[before..].iter().filter(|s| s.elsewhere).map(|s| s.from).collect();
        assert_eq!(from, starts);
        is_whole(&room);
    }
}

#[test]
fn two_at_once_do_no_harm() {
    let (room, hub) = hub(|seen, reply| match seen.elsewhere {
        true => Reply { silence: Duration::from_millis(600), ..reply },
        false => reply,
    });
    let start = || {
        hub.command(&room.at("home"), &["pull", "org/tiny"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children = [start(), start(), start()];
    let mut said = String::new();
    for mut child in children {
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
    }
    is_whole(&room);
    let downloads = hub.seen().into_iter().filter(|seen| seen.elsewhere).count();
    assert_eq!(downloads, 1, "one of them downloaded, the others waited: {said}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_keeps_what_has_come_and_no_more() {
    let (room, hub) = hub(honest);
    // A limit on the size of files stands in for a full disk, which only root can make.
    let small = r#"trap '' XFSZ; ulimit -f 64; exec "$0" "$@""#;
    let mut shell = Command::new("bash");
    let inner = hub.command(&room.at("home"), &["pull", "org/tiny"]);
    shell.args(["-c", small]).arg(inner.get_program()).args(inner.get_args()).env_clear();
    shell
        .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("PATH", "/usr/bin:/bin");
    fails(
        &room,
        finish(&mut shell),
        &["cannot write", ".incomplete: File too large"],
        "make room there and run",
    );
    let kept = fs::metadata(partial(&room)).unwrap().len();
    assert!(kept <= 64 << 10, "{kept}");
    run(&room, &hub, &["pull", "org/tiny"]).succeeded();
    is_whole(&room);
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let (room, hub) = hub(honest);
    fs::write(room.path("home"), "a file, no folder").unwrap();
    let ran = run(&room, &hub, &["pull", "org/tiny"]);
    assert!(ran.stderr.contains("cannot write ") && ran.stderr.contains("HF_HUB_CACHE"), "{}", ran.stderr);
}
