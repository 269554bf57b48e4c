"""How each server is started: the labs, the floor, and the distribution's servers."""

import glob
import hashlib
import os
import shutil
import subprocess

from .servers import Spec

PYTHON = "/usr/bin/python3"  # the distribution's, for which its packages are
BENCH = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
PEERS = os.path.join(BENCH, "peers")
PROGRAMS = ("lab1", "lab2", "lab3", "floor")

NGINX = "nginx"
UVICORN = "uvicorn (uvloop, httptools)"

# One worker, as the others have, on a configuration of its own: nothing of the system's is used.
_NGINX_CONFIG = """
worker_processes 1;
worker_rlimit_nofile 16384;
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events { worker_connections 8192; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type "text/plain; charset=utf-8";
    server {
        listen 127.0.0.1:{port} backlog=1024;
        location / { return 200 "Hello, World!"; }
    }
}
"""

# name: (modules that must be there, packages that have them, arguments to python3)
_PYTHON_PEERS = {
    UVICORN: (
        ("uvicorn", "uvloop", "httptools"),
        "uvicorn python3-uvloop python3-httptools",
        "-m uvicorn asgi_app:app --host 127.0.0.1 --port {port} --loop uvloop --http httptools "
        "--no-access-log --log-level warning",
    ),
    "uvicorn (asyncio, h11)": (
        ("uvicorn", "h11"),
        "uvicorn",
        "-m uvicorn asgi_app:app --host 127.0.0.1 --port {port} --loop asyncio --http h11 "
        "--no-access-log --log-level warning",
    ),
    "aiohttp": (("aiohttp",), "python3-aiohttp", "aiohttp_app.py {port}"),
    "gunicorn (gthread)": (
        ("gunicorn",),
        "gunicorn",
        "-m gunicorn wsgi_app:app -k gthread -w 1 --threads 4 --keep-alive 60 "
        "-b 127.0.0.1:{port} --log-level warning",
    ),
    "waitress": (
        ("waitress",),
        "python3-waitress",
        "-m waitress --host 127.0.0.1 --port {port} --connection-limit 1000 wsgi_app:app",
    ),
    "hypercorn": (
        ("hypercorn",),
        "python3-hypercorn",
        "-m hypercorn asgi_app:reading_app -b 127.0.0.1:{port} -w 1 --log-level warning",
    ),
}


def labs(bin_dir):
    """The three labs, lab2 with the report's 8 workers, and what they are held against."""
    lab1, lab2, lab3, floor = (os.path.abspath(os.path.join(bin_dir, p)) for p in PROGRAMS)
    return {
        "lab1": Spec("lab1", (lab1, "--port", "0")),
        "lab2": Spec("lab2", (lab2, "--port", "0", "--workers", "8")),
        "lab3": Spec("lab3", (lab3, "--port", "0")),
        "native": Spec("/native", (lab3, "--port", "0"), path="/native"),
        "floor": Spec("floor", (floor,)),
    }


def missing_programs(bin_dir, programs=PROGRAMS):
    return [p for p in programs if not os.access(os.path.join(bin_dir, p), os.X_OK)]


def fingerprint(bin_dir, programs=PROGRAMS):
    """Changes when what is measured does: a run is not continued across such a change."""
    files = [os.path.join(bin_dir, program) for program in programs]
    files += sorted(glob.glob(os.path.join(BENCH, "..", "handlers", "*.py")))
    files += sorted(glob.glob(os.path.join(PEERS, "*.py")))
    digest = hashlib.sha256(_NGINX_CONFIG.encode() + repr(_PYTHON_PEERS).encode())
    for path in files:
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:16]


def peers(wanted=None):
    """The distribution's servers, or those of them that are wanted: (specs by name, a line for each
    that is missing)."""
    found, missing = {}, []
    for name in wanted or [NGINX, *_PYTHON_PEERS]:
        spec, package = _nginx() if name == NGINX else _python_peer(name)
        if spec:
            found[name] = spec
        else:
            missing.append(f"{name} is left out, as it isn't installed: apt-get install {package}")
    return found, missing


def _nginx():
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    command = (program, "-e", "stderr", "-p", "{folder}", "-c", "{folder}/nginx.conf")
    spec = Spec(NGINX, command, files={"nginx.conf": _NGINX_CONFIG})
    return spec if program else None, "nginx-light"


def _python_peer(name):
    modules, package, arguments = _PYTHON_PEERS[name]
    command = (PYTHON, *arguments.split())
    return Spec(name, command, cwd=PEERS) if _importable(modules) else None, package


def _importable(modules):
    code = "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"
    try:
        return subprocess.run([PYTHON, "-c", code, *modules], capture_output=True).returncode == 0
    except OSError:
        return False
