"""A workspace of Census on loopback with syncs of every kind of source, in documented shapes."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PER_PAGE = 3


def sync(sync_id, source, label=None, **fields):
    """A sync as the API lists it; `source` is its source_attributes."""
    return {
        "id": sync_id,
        "label": label or f"sync {sync_id}",
        "status": "Ready",
        "paused": False,
        "operation": "upsert",
        "source_attributes": {"connection_id": 4, **source},
        "destination_attributes": {"connection_id": 9, "object": "Contact"},
        "mappings": [],
        "mode": {"type": "triggered", "triggers": {"schedule": {"frequency": "never"}}},
        **fields,
    }


def table(catalog, schema, name):
    return {
        "object": {
            "type": "table",
            "table_catalog": catalog,
            "table_schema": schema,
            "table_name": name,
        }
    }


def dataset(dataset_id):
    return {"object": {"type": "business_object_source", "dataset_id": dataset_id}}


def segment(segment_id, dataset_id):
    of_dataset = {"type": "filter_segment_source", "dataset_id": dataset_id}
    return {"filter_segment_id": segment_id, "object": of_dataset}


def cohort(cohort_id, dataset_id):
    return {
        "cohort_id": cohort_id,
        "object": {"type": "cohort_source", "dataset_id": dataset_id},
    }


def model(name, query, compiled_query=None):
    return {
        "object": {
            "type": "model",
            "id": 15,
            "name": name,
            "query": query,
            "compiled_query": compiled_query,
        }
    }


class Workspace:
    """What it answers; `faults` are HTTP statuses instead, by path below /api/v1."""

    def __init__(self, syncs, queries):
        self.lists = {
            "/syncs": syncs,
            "/sources": [{"id": 4, "name": "w", "label": "Warehouse", "type": "snowflake"}],
            "/destinations": [{"id": 9, "name": "Salesforce", "type": "salesforce"}],
        }
        self.datasets = {
            f"/datasets/{number}": {"id": number, "name": "d", "type": "sql", "query": query}
            for number, query in queries.items()
        }
        self.faults = {}
        self.url = ""

    def answer(self, path, query):
        """The HTTP status and the body for a path."""
        if path in self.faults:
            return self.faults[path], {"status": self.faults[path]}
        if path in self.datasets:
            return 200, {"status": "success", "data": self.datasets[path]}
        if path not in self.lists:
            return 404, {"status": 404}
        rows, page = self.lists[path], int(query.get("page", ["1"])[0])
        last = max(-(-len(rows) // PER_PAGE), 1)
        pagination = {
            "total_records": len(rows),
            "per_page": PER_PAGE,
            "prev_page": page - 1 or None,
            "page": page,
            "next_page": page + 1 if page < last else None,
            "last_page": last,
        }
        shown = rows[(page - 1) * PER_PAGE : page * PER_PAGE]
        return 200, {"status": "success", "data": shown, "pagination": pagination}


@contextmanager
def serving(workspace):
    """The workspace on a port of its own; `url` says where."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            url = urlsplit(self.path)
            path = url.path.removeprefix("/api/v1")
            status, body = workspace.answer(path, parse_qs(url.query))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        workspace.url = f"http://127.0.0.1:{server.server_port}"
        yield workspace
        server.shutdown()
        thread.join()
