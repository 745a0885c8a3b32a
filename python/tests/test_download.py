"""Models that come from a Hub: what is shown meanwhile, and where nothing is."""

import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from hub import ID, Hub
from nbclient import NotebookClient

import headscope as hs
from headscope import _headscope

LOAD = f"import headscope; print(headscope.Model({ID!r}).card['id'])"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with Hub() as hub:
        for name, value in {**hub.environment, "HF_HOME": str(tmp_path / "cache")}.items():
            monkeypatch.setenv(name, value)
        yield hub


def test_who_asks_is_told_how_far_it_is(hub):
    told = []
    model = _headscope.Model(ID, show=lambda *news: told.append(news))
    assert '"someone/tiny"' in model.card
    on_their_way = [(done, size) for _, file, done, size in told if file == "model.safetensors"]
    assert len({done for done, _ in on_their_way}) >= 3 and on_their_way == sorted(on_their_way)
    assert all(0 <= done <= size for done, size in on_their_way)
    assert told[-1][0].startswith(f"downloaded {ID} (3 files, ") and told[-1][1] is None
    again = []
    _headscope.Model(ID, show=lambda *news: again.append(news))
    assert again == []


def test_what_shows_it_may_fail(hub):
    def show(*_):
        raise RuntimeError("the notebook has gone")

    with pytest.raises(RuntimeError, match="has gone"):
        _headscope.Model(ID, show=show)


def test_a_notebook_shows_it_in_one_output(hub, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LOAD)])
    shown = []

    class Client(NotebookClient):
        def process_message(self, message, cell, cell_index):
            if message["msg_type"] in ("display_data", "update_display_data"):
                shown.append(message["content"]["data"]["text/html"])
            return super().process_message(message, cell, cell_index)

    Client(notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert any('<progress value="' in html and "model.safetensors: " in html for html in shown)
    display, stream = notebook.cells[0].outputs
    assert display["data"]["text/plain"].startswith(f"downloaded {ID} (3 files, ")
    assert (stream["name"], stream["text"]) == ("stdout", f"{ID}\n")


def test_a_script_is_not_bothered(hub):
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ID}\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="pty is of Unix")
def test_a_terminal_has_the_commands_bar(hub):
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-c", LOAD], stdout=subprocess.PIPE, stderr=theirs, env=environment
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux says so that the other side is closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    assert process.communicate(timeout=60)[0].decode() == f"{ID}\n"
    assert b"model.safetensors" in seen and f"downloaded {ID}".encode() in seen


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no timer")
def test_ctrl_c_gets_away_from_it(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    with Hub(steps=10, pause=1) as hub:
        for name, value in {**hub.environment, "HF_HOME": str(tmp_path / "cache")}.items():
            monkeypatch.setenv(name, value)
        start = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            with pytest.raises(KeyboardInterrupt):
                hs.Model(ID)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        assert time.monotonic() - start < 3
