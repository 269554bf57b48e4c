#!/usr/bin/env python3
"""Hold many idle keep-alive connections at once, and say what each costs in resident memory.

    idle.py --bin-dir FOLDER [--connections 10000] [--record]

Each connection has had one request answered. nginx beside it, if it is installed. PASS if all
connections are held, and by lab3 for at most half a KiB each, about what they cost nginx. The other
labs have the same connections; what their other threads' allocators and their loops keep is in the
figure, and not in the verdict. Exit status 1 if something fails. The figures are stored in
bench/results/, with --record as those for the documents.
"""

import argparse
import dataclasses
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))

from driver import catalogue, held_up, memory, results  # noqa: E402
from driver.servers import ServerError  # noqa: E402


def specs(bin_dir, connections):
    room = connections + 100
    labs = {**catalogue.labs(bin_dir), "lab4": catalogue.lab4(bin_dir),
            "lab5": catalogue.lab5(bin_dir)}
    for name in ("lab1", "lab2", "lab3", "lab4", "lab5"):
        spec = labs[name]
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
    parser.add_argument("--record", action="store_true", help="store them for the documents")
    options = parser.parse_args()
    blocks, failed = [], False
    for name, spec in specs(options.bin_dir, options.connections):
        is_lab = name != catalogue.NGINX
        try:
            found = memory.measure(spec, connections=options.connections, repeats=1)[0]
        except ServerError as error:
            print(f"{'FAIL' if is_lab else '-   '}  {error}")
            failed |= is_lab
            continue
        blocks.append({"server": name, **found})
        verdict = held_up.idle_verdict(blocks[-1])
        print(f"{verdict:4}  {name}: {options.connections:,} idle connections held,"
              f" {found['bytes_each']:,.0f} bytes of resident memory each")
        failed |= verdict == "FAIL"
    trouble = results.save(
        results.name_of("idle", options.record),
        {"kind": "idle", "environment": results.environment(options.bin_dir), "blocks": blocks})
    if trouble:
        print(trouble)
    return int(failed or bool(trouble))


if __name__ == "__main__":
    sys.exit(main())
