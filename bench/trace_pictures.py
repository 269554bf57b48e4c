#!/usr/bin/env python3
"""Records a short trace of each lab and keeps of it one request, for the report's pictures of where
a request goes; `make trace-pictures`.

Each lab is traced twice: with one request at a time, and with 100 connections of wrk. The request
of the median time is kept, with its hops and with what the threads did meanwhile.
"""

import argparse
import http.client
import os
import sys
import tempfile

from driver import catalogue, results, session, wrk
from driver.servers import Server, ServerError, Spec
from picture import traced

LABS = ("lab1", "lab2", "lab3", "lab4", "lab5")
REQUESTS = 200
LOADED_SECONDS = 1


def one_at_a_time(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(REQUESTS):
        connection.request("GET", "/")
        connection.getresponse().read()
    connection.close()


def loaded(server):
    wrk.run(server.url, LOADED_SECONDS)


LOADS = dict(zip(traced.LOADS, (one_at_a_time, loaded)))


def trace(lab, load, bin_dir):
    """A block: the request that is kept."""
    with tempfile.TemporaryDirectory(prefix="looplab-") as folder:
        file = os.path.join(folder, "trace.json")
        arguments = ("--workers", str(catalogue.REPORT_WORKERS)) if lab == "lab2" else ()
        program = os.path.abspath(os.path.join(bin_dir, lab))
        spec = Spec(lab, (program, "--port", "0", *arguments, f"--trace={file}"))
        server = Server(spec)
        try:
            LOADS[load](server)
        finally:
            server.stop()
        return {"lab": lab, "load": load, **traced.typical(traced.read(file))}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", required=True, metavar="DIR", help="where the labs are")
    parsed = parser.parse_args()
    labs = [lab for lab in LABS if os.access(os.path.join(parsed.bin_dir, lab), os.X_OK)]
    blocks = []
    for lab in labs:
        for load in LOADS:
            blocks.append(trace(lab, load, parsed.bin_dir))
            print(f"{lab}, {load}: {blocks[-1]['total_us']:,.0f} µs, the median of "
                  f"{blocks[-1]['requests']:,}")
    data = {"kind": "traces", "environment": results.environment(parsed.bin_dir), "blocks": blocks}
    trouble = results.save(results.RECORDS["traces"], data)
    if trouble:
        raise ServerError(trouble)
    return 0


if __name__ == "__main__":
    session.run_script(main)
