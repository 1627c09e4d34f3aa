"""A Hub on this machine: the endpoints for repositories, commits and LFS that the real client speaks to."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

TOKEN = "hf_valid"
CATEGORIES = {"image-segmentation"}
SIZES = {"n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M"}
LICENSES = {"other", "apache-2.0", "cc0-1.0", "cc-by-4.0", "mit"}


class HubServer:
    """Repositories in memory. `drop` lists requests ("PUT /lfs") that break off, each as often as it stands
    there; after `token_lives` requests the token counts as expired."""

    def __init__(self) -> None:
        self.repos: dict[str, dict] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.drop: list[str] = []
        self.token_lives: int | None = None
        self.read_only = False
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.endpoint = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def files(self, repo: str) -> dict[str, bytes]:
        return self.repos[repo]["files"]

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *line) -> None:
                pass

            def do_POST(self) -> None:
                self.answer("POST")

            def do_GET(self) -> None:
                self.answer("GET")

            def do_PUT(self) -> None:
                self.answer("PUT")

            def answer(self, verb: str) -> None:
                path = self.path.partition("?")[0]
                length = int(self.headers.get("Content-Length") or 0)
                wanted = next((own for own in hub.drop if f"{verb} {path}".startswith(own)), None)
                if wanted:
                    hub.drop.remove(wanted)
                    self.rfile.read(length // 2)
                    self.close_connection = True
                    self.connection.close()
                    return
                status, content = hub.respond(verb, path, self.rfile.read(length), self.headers)
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

    def respond(self, verb: str, path: str, body: bytes, headers) -> tuple[int, object]:
        parts = path.strip("/").split("/")
        self.requests[f"{verb} /{parts[0]}"] += 1
        if parts[0] == "lfs":  # as on the Hub, the address itself is the permission
            if hashlib.sha256(body).hexdigest() != parts[1]:
                return 400, {"error": "the content is not that of its name"}
            self.objects[parts[1]] = body
            return 200, {}
        if path == "/api/validate-yaml":
            asked = json.loads(body)
            return validated(asked["content"], asked["repoType"])
        if self.token_lives is not None:
            self.token_lives -= 1
        expired = self.token_lives is not None and self.token_lives < 0
        if expired or headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid username or password."}
        if path == "/api/repos/create":
            if self.read_only:
                return 403, {"error": "You don't have the rights to create a dataset under this namespace"}
            return self.created(json.loads(body))
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {"objects": [self.instruction(own) for own in json.loads(body)["objects"]]}
        repo = "/".join(parts[2:4])
        if repo not in self.repos:
            return 404, {"error": "Repository not found"}
        action = parts[4] if len(parts) > 4 else ""
        if action == "preupload":
            return 200, {"files": [upload_mode(own) for own in json.loads(body)["files"]]}
        if action == "commit":
            return self.committed(repo, [json.loads(line) for line in body.splitlines()])
        if action == "tree":
            files = self.files(repo)
            return 200, [
                {"type": "file", "path": name, "size": len(files[name]), "oid": "0" * 40} for name in files
            ]
        return 200, {"id": repo, "private": self.repos[repo]["private"], "sha": "0" * 40, "tags": []}

    def created(self, asked: dict) -> tuple[int, object]:
        repo = f"{asked['organization']}/{asked['name']}"
        kind = asked.get("type", "model")
        address = {"url": f"{self.endpoint}/{'datasets/' if kind == 'dataset' else ''}{repo}"}
        if repo in self.repos:
            return 409, address
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.repos[repo] = {**address, "private": private, "files": {}, "commits": 0}
        return 200, address

    def instruction(self, wanted: dict) -> dict:
        if wanted["oid"] in self.objects:
            return wanted
        return wanted | {"actions": {"upload": {"href": f"{self.endpoint}/lfs/{wanted['oid']}"}}}

    def committed(self, repo: str, lines: list[dict]) -> tuple[int, object]:
        files = dict(self.files(repo))
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.objects:
                    return 400, {"error": f"no content for {value['path']}"}
                files[value["path"]] = self.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        self.repos[repo]["files"] = files
        self.repos[repo]["commits"] += 1
        oid = f"{self.repos[repo]['commits']:040x}"
        address = self.repos[repo]["url"]
        return 200, {"commitUrl": f"{address}/commit/{oid}", "commitOid": oid}


def upload_mode(asked: dict) -> dict:
    large = asked["path"].endswith((".parquet", ".png", ".safetensors"))
    return {"path": asked["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}


def validated(content: str, kind: str) -> tuple[int, object]:
    """The Hub's checks of a card, those of the fields that we write."""
    data = yaml.safe_load(content.split("---")[1])
    errors = model_errors(data) if kind == "model" else dataset_errors(data)
    found = [{"message": f'"{name}" is not valid'} for name in errors]
    return (400 if errors else 200), {"errors": found, "warnings": []}


def model_errors(data: dict) -> list[str]:
    errors = []
    if data.get("pipeline_tag") not in CATEGORIES:
        errors.append("pipeline_tag")
    if data.get("license") not in LICENSES:
        errors.append("license")
    for model in data.get("model-index", ()):
        if not all({"task", "dataset", "metrics"} <= set(result) for result in model["results"]):
            errors.append("model-index")
    return errors


def dataset_errors(data: dict) -> list[str]:
    errors = []
    if not set(data.get("task_categories", ())) <= CATEGORIES:
        errors.append("task_categories")
    if data.get("license") not in LICENSES:
        errors.append("license")
    if data.get("size_categories") not in SIZES:
        errors.append("size_categories")
    if not isinstance(data.get("configs"), list) or not isinstance(data.get("dataset_info"), dict):
        errors.append("configs and dataset_info")
    return errors
