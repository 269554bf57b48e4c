"""How each server is started: the labs, the floor, and the distribution's servers."""

import glob
import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import replace

from . import pythons
from .servers import Spec

PYTHON = "/usr/bin/python3"  # the distribution's, for which its packages are
BENCH = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
PEERS = os.path.join(BENCH, "peers")
APPS = os.path.join(BENCH, "apps")  # the labs' own, for an experiment
PROGRAMS = ("lab1", "lab2", "lab3", "floor")
LATER_LABS = ("lab4", "lab5")
REPORT_WORKERS = 8

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
    python = pythons.ask(os.path.abspath(bin_dir))
    return {
        "lab1": _lab("lab1", python),
        "lab2": _lab("lab2", python, workers=REPORT_WORKERS),
        "lab3": _lab("lab3", python),
        "native": _lab("lab3", python, path="/native"),
        "floor": Spec("floor", (os.path.join(python.bin_dir, "floor"),)),
    }


def later_labs(bin_dir, wanted=LATER_LABS):
    """Labs 4 and 5, those of them that are wanted: lab5 with one worker, in the isolation that is its
    default there."""
    python = pythons.ask(os.path.abspath(bin_dir))
    return {lab: _lab(lab, python, workers=1 if lab == "lab5" else None) for lab in wanted}


def lab5_name(isolation, workers):
    """lab5 with some number of workers: `isolation` is threads, interpreters or processes."""
    one = {"processes": "process"}.get(isolation, isolation[:-1])
    return f"lab5, {workers} {isolation if workers > 1 else one}"


def isolations(python):
    """What lab5's workers can be on this interpreter."""
    found = re.match(r"3\.(\d+)", python.about.get("version", ""))
    own_gils = found is not None and int(found[1]) >= 12 and not python.free_threaded
    return ("threads", *(["interpreters"] if own_gils else []), "processes")


def lab5_on(python, workers):
    """lab5 on one of a run's interpreters, in every isolation, by its keys in the run."""
    specs = {}
    for isolation in isolations(python):
        for count in workers:
            name = f"{lab5_name(isolation, count)} on {python.name}"
            spec = _lab("lab5", python, count)
            specs[name] = replace(spec, name=name,
                                  command=(*spec.command, "--isolation", isolation))
    return specs


def lab2_name(workers):
    """lab2 with some number of loops, where a run has several."""
    return f"lab2, {workers} loop{'s' if workers > 1 else ''}"


def labs_on(python, workers=(REPORT_WORKERS,)):
    """The labs on one of a run's interpreters, by their keys in the run: lab2 by its plain name if
    it has one number of workers only."""
    names = {"lab1": None, "lab3": None}
    names |= {lab2_name(n) if len(workers) > 1 else "lab2": n for n in workers}
    return {f"{name} on {python.name}": replace(_lab(name[:4], python, count),
                                                name=f"{name} on {python.name}")
            for name, count in names.items()}


def labs_taken_apart(python):
    """The labs that say where their requests' time goes, by their keys in the run: those of
    labs_on(), and labs 4 and 5 where they are there. lab5 is as it is by default on this
    interpreter."""
    specs = labs_on(python)
    for lab in set(LATER_LABS) & set(programs_in(python.bin_dir)):
        name = f"{lab} on {python.name}"
        specs[name] = replace(_lab(lab, python), name=name)
    return specs


def immortal_name(server):
    """A lab whose loops have no reference counts."""
    return f"{server}, immortal"


def immortal_labs_on(python):
    """lab1 and lab2 with the app that makes their loops immortal."""
    specs = {}
    for server, workers in (("lab1", None), (lab2_name(REPORT_WORKERS), REPORT_WORKERS)):
        name = f"{immortal_name(server)} on {python.name}"
        spec = _lab(server[:4], python, workers)
        specs[name] = replace(spec, name=name, cwd=APPS,
                              command=(*spec.command, "--app", "immortal:app"))
    return specs


def _lab(program, python, workers=None, path="/"):
    command = (os.path.abspath(os.path.join(python.bin_dir, program)), "--port", "0")
    if workers:
        command += ("--workers", str(workers))
    return Spec(program if path == "/" else path, command, path=path,
                free_threaded=python.free_threaded)


def programs_in(bin_dir):
    """What is measured by most scripts, and those of the later labs that are there: an early
    hand-out hasn't got them."""
    return (*PROGRAMS, *(lab for lab in LATER_LABS if not missing_programs(bin_dir, (lab,))))


def missing_programs(bin_dir, programs=PROGRAMS):
    return [p for p in programs if not os.access(os.path.join(bin_dir, p), os.X_OK)]


def fingerprint(*bin_dirs, programs=PROGRAMS):
    """Changes when what is measured does: a run is not continued across such a change."""
    files = [os.path.join(folder, program) for folder in bin_dirs for program in programs]
    files += sorted(glob.glob(os.path.join(BENCH, "..", "handlers", "*.py")))
    files += sorted(glob.glob(os.path.join(PEERS, "*.py")) + glob.glob(os.path.join(APPS, "*.py")))
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


def nginx_program():
    """None if it isn't installed."""
    return shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")


def _nginx():
    program = nginx_program()
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
