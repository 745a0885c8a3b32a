"""What is installed: the import, the command, the types."""

import json
import subprocess
import sys
from importlib.metadata import requires
from importlib.resources import files

import headscope


def run(*args: str, **kwargs) -> subprocess.CompletedProcess:
    return subprocess.run(args, capture_output=True, text=True, timeout=120, **kwargs)


def test_the_import_brings_nothing_large_along():
    code = "import sys, headscope; print([m for m in ('numpy', 'torch', 'IPython', 'dataclasses') if m in sys.modules])"
    assert run(sys.executable, "-c", code).stdout.strip() == "[]"


def test_numpy_is_all_it_requires():
    assert [one for one in requires("headscope") if "extra" not in one] == ["numpy>=1.23"]


def test_it_is_typed():
    names = {file.name for file in files(headscope).iterdir()}
    assert {"py.typed", "_headscope.pyi"} <= names


def test_the_command_is_there_twice():
    for command in ([sys.executable, "-m", "headscope"], [str(_scripts() / "headscope")]):
        done = run(*command, "tokens", "A cat", "--json")
        assert done.returncode == 0, done.stderr
        assert [token["piece"] for token in json.loads(done.stdout)["tokens"]] == [
            "[CLS]",
            "a",
            "cat",
            "[SEP]",
        ]
        refused = run(*command, "tokens")
        assert (refused.returncode, refused.stdout) == (2, "") and "TEXT A" in refused.stderr
    assert (
        run(sys.executable, "-m", "headscope", "--version").stdout == f"headscope {headscope.__version__}\n"
    )


def test_the_command_writes_a_page(tmp_path):
    done = run(sys.executable, "-m", "headscope", "A cat", "-o", str(tmp_path / "view.html"))
    assert done.returncode == 0, done.stderr
    assert "<main data-headscope" in (tmp_path / "view.html").read_text()


def _scripts():
    from pathlib import Path

    return Path(sys.executable).parent
