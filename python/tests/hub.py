"""A Hub on this machine with one tiny model, which takes its time over the weights."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ID = "someone/tiny"
COMMIT = "c0ffee00" * 5
FIXTURE = Path(__file__).parents[2] / "fixtures" / "bert"
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat"


class Hub:
    """Serves while the block lasts; sends the weights in `steps` parts, `pause` seconds apart."""

    def __init__(self, steps: int = 4, pause: float = 0.15):
        files = {name: (FIXTURE / name).read_bytes() for name in ("config.json", "model.safetensors")}
        files["vocab.txt"] = WORDS.replace(" ", "\n").encode()

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                self.answer(with_body=False)

            def do_GET(self):
                self.answer(with_body=True)

            def answer(self, with_body: bool) -> None:
                listing = {"sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
                name = self.path.rpartition("/")[2]
                listed = self.path.startswith("/api/models/")
                body = json.dumps(listing).encode() if listed else files.get(name)
                self.send_response(200 if body is not None else 404)
                body = body or b""
                self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if with_body:
                    slow = name.endswith(".safetensors")
                    part = -(-len(body) // steps) if slow else len(body)
                    for start in range(0, len(body), part or 1):
                        self.wfile.write(body[start : start + part])
                        self.wfile.flush()
                        time.sleep(pause if slow else 0)

            def log_message(self, *args) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.daemon_threads = True

    @property
    def environment(self) -> dict[str, str]:
        """What leads to it, and away from every other."""
        return {"HF_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}", "HF_HUB_OFFLINE": "0"}

    def __enter__(self) -> "Hub":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()
