"""How each server is started: the labs, the floor, and the distribution's servers."""

import os
import shutil
import subprocess
import sys
import tempfile

from .servers import Spec

PYTHON = "/usr/bin/python3"  # the distribution's, for which its packages are
PEERS = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "peers"))

_NGINX_CONFIG = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type "text/plain; charset=utf-8";
    server {{
        listen 127.0.0.1:{{port}} backlog=1024;
        location / {{ return 200 "Hello, World!"; }}
    }}
}}
"""

# name: (module that must be there, package that has it, arguments to python3)
_PYTHON_PEERS = {
    "uvicorn (uvloop, httptools)": (
        ["uvicorn", "uvloop", "httptools"],
        "uvicorn python3-uvloop python3-httptools",
        "-m uvicorn asgi_app:app --host 127.0.0.1 --port {port} --loop uvloop --http httptools "
        "--no-access-log --log-level warning",
    ),
    "uvicorn (asyncio, h11)": (
        ["uvicorn", "h11"],
        "uvicorn",
        "-m uvicorn asgi_app:app --host 127.0.0.1 --port {port} --loop asyncio --http h11 "
        "--no-access-log --log-level warning",
    ),
    "aiohttp": (["aiohttp"], "python3-aiohttp", "aiohttp_app.py {port}"),
    "gunicorn (gthread)": (
        ["gunicorn"],
        "gunicorn",
        "-m gunicorn wsgi_app:app -k gthread -w 1 --threads 4 --keep-alive 60 -b 127.0.0.1:{port} "
        "--log-level warning",
    ),
    "waitress": (
        ["waitress"],
        "python3-waitress",
        "-m waitress --host 127.0.0.1 --port {port} --connection-limit 1000 wsgi_app:app",
    ),
    "hypercorn": (
        ["hypercorn"],
        "hypercorn",
        "-m hypercorn asgi_app:app -b 127.0.0.1:{port} -w 1 --log-level warning",
    ),
}


def labs(bin_dir):
    """The three labs, lab2 with the report's 8 workers, and what they are held against."""

    def lab(name, *options, path="/", label=None):
        command = [os.path.abspath(os.path.join(bin_dir, name)), "--port", "0", *options]
        return Spec(label or name, command, path)

    return {
        "lab1": lab("lab1"),
        "lab2": lab("lab2", "--workers", "8"),
        "lab3": lab("lab3"),
        "native": lab("lab3", path="/native", label="/native"),
        "floor": Spec("floor", [os.path.abspath(os.path.join(bin_dir, "floor"))]),
    }


class Peers:
    """The distribution's servers. A context manager: nginx needs a folder while it runs."""

    def __init__(self, wanted=None):
        self.wanted = wanted  # names, or None for all
        self.missing = []  # lines for the user
        self._folder = tempfile.TemporaryDirectory(prefix="looplab-nginx-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def specs(self):
        """What is installed, by name."""
        found = {}
        if self._wants("nginx"):
            nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
            if nginx:
                found["nginx"] = self._nginx(nginx)
            else:
                self.missing.append("nginx is missing: apt-get install nginx-light")
        for name, (modules, package, arguments) in _PYTHON_PEERS.items():
            if not self._wants(name):
                continue
            if _importable(modules):
                found[name] = Spec(name, [PYTHON, *arguments.split()], cwd=PEERS)
            else:
                self.missing.append(f"{name} is missing: apt-get install {package}")
        for line in self.missing:
            print(line, file=sys.stderr)
        return found

    def _wants(self, name):
        return self.wanted is None or name in self.wanted

    def _nginx(self, program):
        """A configuration of its own: nothing of the system's is read or written."""
        path = os.path.join(self._folder.name, "nginx.conf")
        text = _NGINX_CONFIG.format(folder=self._folder.name)
        script = (
            f"sed 's/{{port}}/'$1'/' {path} >{path}.$1 && exec {program} -e stderr "
            f"-p {self._folder.name} -c {path}.$1"
        )
        with open(path, "w") as file:
            file.write(text.replace("{{port}}", "{port}"))
        return Spec("nginx", ["/bin/sh", "-c", script.replace("{port}", "[{]port[}]"), "sh", "{port}"])


def _importable(modules):
    code = "import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))"
    return subprocess.run([PYTHON, "-c", code, *modules], capture_output=True).returncode == 0
