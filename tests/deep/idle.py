#!/usr/bin/env python3
"""Hold many idle keep-alive connections at once, and say what each costs in resident memory.

    idle.py --bin-dir FOLDER [--connections 10000]

Each connection has had one request answered. nginx beside it, if it is installed. PASS if all
connections are held, and by lab3 for at most half a KiB each, about what they cost nginx. Labs 1 and 2
have the same connections; what their other threads' allocators keep is in the figure, and not in the
verdict. Exit status 1 if something fails.
"""

import argparse
import dataclasses
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))

from driver import catalogue, memory  # noqa: E402
from driver.servers import ServerError  # noqa: E402

TARGET = {"lab3": 512}  # bytes


def specs(bin_dir, connections):
    room = connections + 100
    for name in ("lab1", "lab2", "lab3"):
        spec = catalogue.labs(bin_dir)[name]
        yield name, dataclasses.replace(
            spec, command=(*spec.command, f"--max-connections={room}", "--keepalive-timeout=600"))
    nginx = catalogue.peers([catalogue.NGINX])[0].get(catalogue.NGINX)
    if nginx:
        files = {name: text.replace("worker_connections 8192", f"worker_connections {room}")
                 .replace("worker_rlimit_nofile 16384", f"worker_rlimit_nofile {room + 100}")
                 for name, text in nginx.files.items()}
        yield catalogue.NGINX, dataclasses.replace(nginx, files=files)
    else:
        print("nginx is left out, as it isn't installed (tools/deps.sh --bench)")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--connections", type=int, default=10000)
    options = parser.parse_args()
    failed = False
    for name, spec in specs(options.bin_dir, options.connections):
        is_lab = name != catalogue.NGINX
        try:
            found = memory.measure(spec, connections=options.connections, repeats=1)[0]
        except ServerError as error:
            print(f"{'FAIL' if is_lab else '-   '}  {error}")
            failed |= is_lab
            continue
        target = TARGET.get(name)
        holds = target is None or found["bytes_each"] <= target
        verdict = "-   " if not is_lab else "PASS" if holds else "FAIL"
        print(f"{verdict}  {name}: {options.connections:,} idle connections held,"
              f" {found['bytes_each']:,.0f} bytes of resident memory each"
              f"{f' (target: at most {target})' if target else ''}")
        failed |= not holds
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
