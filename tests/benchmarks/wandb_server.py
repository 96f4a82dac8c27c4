"""A small W&B on this machine: the few calls that the real client makes for us, kept in memory.

Runs (created, streamed, finished, listed by filter and page), their files, saved views, one sweep.
Whatever else the client asks for is an error of the test: `WandbServer.unanswered` names it.
"""

import gzip
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote

ENTITY = "ada"
KEY = "f" * 40
REFUSED = {"CreateArtifact", "OrganizationCoreWeaveOrganizationID"}
"""What the client goes on without: artifacts (a table is one too, beside the run's file), and
what its agent asks for itself."""
OPERATION = re.compile(r"(?:query|mutation)\s+(\w+)")
PAGE = 2
"""Runs of a page, whatever the client asks for: every project has several."""


class WandbServer:
    def __init__(self):
        self.runs = {}
        self.views = []
        self.projects = []
        self.commands = []
        self.sweep = ""
        self.asked = []
        self.unanswered = []
        self.url = ""

    def settings(self):
        """Variables with which the client talks to this server and to nobody else."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY, "WANDB_ERROR_REPORTING": "false"}

    def add_run(self, run_id, files=(), config=None, **fields):
        """A run that somebody has put there, whatever it holds."""
        run = self._run(run_id)
        run |= {"config": json.dumps({key: {"value": v} for key, v in (config or {}).items()})}
        run |= fields
        run["files"] |= dict(files)
        self._project("whatwhere")
        return run

    # What is asked by HTTP.

    def answer(self, method, path, body):
        if path == "/graphql":
            asked = json.loads(body)
            name = asked.get("operationName") or OPERATION.search(asked["query"])[1]
            self.asked.append(name)
            found = getattr(self, f"do_{name}", None)
            if found is None:
                self.unanswered += [name] if name not in REFUSED else []
                return 400, json.dumps({"errors": [{"message": f"no {name} here"}]}).encode()
            return 200, json.dumps({"data": found(**(asked.get("variables") or {}))}).encode()
        if path.endswith("/file_stream"):
            self._stream(path.split("/")[-2], json.loads(body))
            return 200, b"{}"
        if path.startswith("/store/"):
            _, _, run_id, name = path.partition("?")[0].split("/", 3)
            files = self.runs[unquote(run_id)]["files"]
            if method == "PUT":
                files[unquote(name)] = body
                return 200, b""
            return 200, files[unquote(name)]
        return 200, b"{}"  # the client's own statistics

    def _stream(self, run_id, sent):
        run = self.runs[run_id]
        files = sent.get("files") or {}
        for line in files.get("wandb-history.jsonl", {}).get("content", []):
            run["history"].append(json.loads(line))
        for line in files.get("wandb-summary.json", {}).get("content", []):
            run["summaryMetrics"] = line
        if sent.get("complete"):
            run["exitcode"] = sent.get("exitcode", 0)
            run["state"] = "failed" if run["exitcode"] else "finished"

    # Who is there.

    def do_Viewer(self):
        return {
            "viewer": {
                **{"id": "u", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}"},
                "teams": {"edges": []},
            }
        }

    def do_ServerFeaturesQuery(self, **_):
        return {"serverInfo": {"features": []}}

    def do_GetDefaultEntity(self):
        return {"viewer": {"id": "u", "entity": ENTITY}}

    def do_GetProjects(self, **_):
        nodes = [
            {"id": name, "name": name, "entityName": ENTITY, "createdAt": "", "isBenchmark": False}
            | {"__typename": "Project", "user": None}
            for name in self.projects
        ]
        page = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
        return {"models": {"pageInfo": page, "edges": [{"node": node} for node in nodes]}}

    def do_ProjectInternalId(self, projectName, **_):
        return {"project": self._known(projectName, {"id": "p1", "internalId": "17"})}

    # Runs.

    def do_UpsertBucket(self, name, project="whatwhere", **given):
        new = name not in self.runs
        run = self._run(name)
        self._project(project)
        names = {"groupName": "group", "sweep": "sweepName"}
        for key, value in given.items():
            if value not in (None, []) and key not in ("id", "entity"):
                run[names.get(key, key)] = value
        bucket = {key: run.get(key) for key in ("id", "name", "displayName", "description")}
        bucket |= {"config": run["config"], "sweepName": run["sweepName"]}
        bucket |= {"historyLineCount": len(run["history"])}
        owner = {"id": "e1", "name": ENTITY}
        bucket |= {"project": {"id": "p1", "name": project, "entity": owner}}
        return {"upsertBucket": {"bucket": bucket, "inserted": new}}

    def do_RunResumeStatus(self, name, **_):
        return {"model": {"id": "p1", "name": "whatwhere", "entity": None, "bucket": None}}

    def do_CreateRunFiles(self, run, files, **_):
        places = [{"name": name, "uploadUrl": self._address(run, name)} for name in files]
        return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": places}}

    def do_Runs(self, project, filters="{}", cursor=None, **_):
        found = [run for run in self.runs.values() if self._fits(run, json.loads(filters))]
        start = int(cursor or 0)
        page = found[start : start + PAGE]
        edges = [
            {"node": self._node(run), "cursor": str(start + place + 1)}
            for place, run in enumerate(page)
        ]
        more = start + PAGE < len(found)
        runs = {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": more}}
        listed = {"internalId": "17", "runCount": len(found), "readOnly": False, "runs": runs}
        return {"project": self._known(project, listed)}

    def do_RunFiles(self, project, name, fileNames=(), **_):
        files = self.runs[name]["files"]
        wanted = [key for key in files if not fileNames or key in fileNames]
        # A server may answer with other files than it was asked for.
        wanted += [key for key in files if ".." in key and key not in wanted]
        edges = [{"node": self._file(name, key), "cursor": key} for key in wanted]
        page = {"endCursor": None, "hasNextPage": False}
        run = {"fileCount": len(edges), "files": {"edges": edges, "pageInfo": page}}
        return {"project": {"internalId": "17", "run": run}}

    # Saved views: workspaces and reports.

    def do_View(self, projectName, viewType, viewName, **_):
        return self._views(projectName, viewType, viewName)

    def do_ProjectViews(self, project, viewType="runs", viewName=None, **_):
        return self._views(project, viewType, viewName)

    def do_UpsertView2(self, **given):
        return self._save(**given)

    def do_upsertView(self, **given):
        return self._save(**given)

    def _save(self, *, id=None, projectName, entityName, **given):
        view = next((view for view in self.views if view["id"] == id), None) if id else None
        inserted = view is None
        if view is None:
            view = {"id": f"view{len(self.views)}"}
            self.views.append(view)
        view |= given | {"updatedAt": "2026-01-01T00:00:00", "createdAt": "2026-01-01T00:00:00"}
        project = {"id": "p1", "name": projectName, "entityName": entityName}
        return {"upsertView": {"view": view | {"project": project}, "inserted": inserted}}

    def _views(self, project, kind, name):
        found = [view for view in self.views if view["type"] == kind]
        found = [view for view in found if name in (None, view["name"])]
        edges = [{"node": view | {"user": None}, "cursor": view["id"]} for view in found]
        page = {"endCursor": None, "hasNextPage": False}
        return {"project": self._known(project, {"allViews": {"edges": edges, "pageInfo": page}})}

    # A sweep, whose agent is given what `commands` holds.

    def do_SweepWithRuns(self, **_):
        sweep = {"id": "s1", "name": "s1", "config": self.sweep, "state": "RUNNING"}
        return {"project": {"sweep": sweep | {"runs": {"edges": []}}}}

    def do_CreateAgent(self, **_):
        return {"createAgent": {"agent": {"id": "agent"}}}

    def do_Heartbeat(self, runState, **_):
        given = [] if json.loads(runState) else self.commands[:1]
        if given:
            self.commands.pop(0)
        heartbeat = {"agent": {"id": "agent"}, "commands": json.dumps(given)}
        return {"agentHeartbeat": heartbeat}

    # Help.

    def _run(self, run_id):
        return self.runs.setdefault(
            run_id,
            {
                **{"id": f"run-{run_id}", "name": run_id, "displayName": run_id, "tags": []},
                **{"config": "{}", "summaryMetrics": "{}", "history": [], "files": {}},
                **{"state": "running", "group": None, "jobType": None, "sweepName": None},
            },
        )

    def _project(self, name):
        if name not in self.projects:
            self.projects.append(name)

    def _known(self, project, found):
        return found if project in self.projects else None

    def _node(self, run):
        shown = {"commit": None, "readOnly": False, "createdAt": "2026-01-01T00:00:00Z"}
        shown |= {"heartbeatAt": None, "description": None, "notes": None}
        shown |= {"user": {"name": ENTITY, "username": ENTITY}, "projectId": "17"}
        shown |= {"systemMetrics": "{}", "historyKeys": None}
        hidden = ("history", "files")
        shown |= {key: value for key, value in run.items() if key not in hidden}
        return shown | {"historyLineCount": len(run["history"])}

    def _fits(self, run, filters):
        config = json.loads(run["config"])
        found = {f"config.{key}": item["value"] for key, item in config.items()}
        found["jobType"] = run["jobType"]
        return all(found.get(key) == wanted for key, wanted in filters.items())

    def _file(self, run_id, name):
        address, size = self._address(run_id, name), len(self.runs[run_id]["files"][name])
        shown = {"id": name, "name": name, "url": address, "directUrl": address}
        return shown | {"sizeBytes": size, "mimetype": "", "updatedAt": None, "md5": ""}

    def _address(self, run_id, name):
        return f"{self.url}/store/{quote(run_id, safe='')}/{quote(name, safe='')}"


@contextmanager
def served():
    """A server that answers while the block runs."""
    server = WandbServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            code, said = server.answer(self.command, self.path, body)
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
