"""The frame of the scripts that measure: options, signals, errors, exit status."""

import argparse
import os
import signal
import sys
import textwrap
import time
from dataclasses import asdict

from . import catalogue, procfs, pythons, reports, results, wrk
from .blocks import Run
from .servers import ServerError

_EXIT_STATUS_OF_PROGRAMS = """
exit status:
  0    measured, shown and stored
  1    a program is missing or failed, or nothing could be stored
  2    wrong options
  130  interrupted
"""


def exit_status(passes="", fails="", stored=True):
    """The end of a script's help. passes: what else 0 says; fails: what else 1 does."""
    done = "measured, shown" + " and stored" * stored
    trouble = "a program is missing, a server failed or answered wrong, or nothing could be stored"
    return f"""
exit status:
  0    {', and '.join(filter(None, (done, passes)))}
  1    {', '.join(filter(None, (fails, trouble)))}
  2    wrong options
  130  interrupted; what was measured is kept, and the same command again continues with it
"""


def whole_number(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return value


def parser(description, rounds, seconds, epilog=exit_status(), several_pythons=False):
    """The options that all scripts share; some measure programs of several interpreters."""
    options = argparse.ArgumentParser(
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = options
    if several_pythons:
        where = options.add_mutually_exclusive_group(required=True)
        where.add_argument("--python", action="append", type=pythons.named_folder, default=[],
                           metavar="NAME=DIR",
                           help="where an interpreter's programs are; again for each other one")
    where.add_argument("--bin-dir", required=not several_pythons, metavar="DIR",
                       help="where the programs are")
    options.add_argument("--rounds", type=whole_number, metavar="N",
                         help=f"blocks per configuration [{rounds}]")
    options.add_argument("--seconds", type=whole_number, metavar="N",
                         help=f"length of a block [{seconds}]")
    options.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True,
                         help="continue an interrupted run of the same programs")
    return options


def parser_of_programs(description, rounds, what):
    """The options of a script that runs small programs and no server, and keeps nothing of a run
    that is interrupted. what: `rounds` of what"""
    options = argparse.ArgumentParser(
        description=description, epilog=_EXIT_STATUS_OF_PROGRAMS,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--bin-dir", required=True, metavar="DIR", help="where the programs are")
    options.add_argument("--rounds", type=whole_number, default=rounds, metavar="N",
                         help=f"{what} [{rounds}]")
    return options


def options_of_several(description, kind, epilog=exit_status(), more=()):
    """The options of a script that measures several interpreters, with as many rounds as a run for
    the record has. more: its own options, as (name, what add_argument takes)."""
    rounds, seconds = results.ENOUGH[kind]
    options = parser(description, rounds, seconds, epilog, several_pythons=True)
    for name, what in more:
        options.add_argument(name, **what)
    parsed = options.parse_args()
    if not parsed.python:
        options.error("which interpreters? --python NAME=DIR, once for each")
    parsed.rounds = parsed.rounds or rounds
    parsed.seconds = parsed.seconds or seconds
    return parsed


def note_plan(run, where=""):
    """How much is to be measured, and until when."""
    todo = run.todo()
    end = time.localtime(time.time() + run.planned_seconds(todo))
    longer = any(run.seconds_of(c) > run.seconds for _, c in todo)
    note(f"{len(todo)} blocks of {run.seconds} s{' or more' * longer}{where}, "
         f"until about {time.strftime('%H:%M', end)}")


def check_programs(bin_dir, programs=catalogue.PROGRAMS, command="make measured"):
    """Before anything else: what is needed is there."""
    missing = catalogue.missing_programs(bin_dir, programs)
    if missing:
        raise ServerError(f"no {', '.join(missing)} in {bin_dir}: `{command}` builds them")
    wrk.check_installed()
    if procfs.two_cpus() is None:
        note("only one CPU here: wrk and the server share it, so `pinned` means nothing")


def check_pythons(named_folders, programs=catalogue.PROGRAMS):
    """The interpreters of a run with several: each has its programs, and says what it is."""
    names = [name for name, _ in named_folders]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ServerError(f"{twice} is there twice: an interpreter has one column")
    found = []
    for name, folder in named_folders:
        check_programs(folder, programs)
        found.append(pythons.ask(folder, name))
        if not found[-1].about:
            raise ServerError(f"{folder}/lab3 --version doesn't say which Python is in it")
        note(f"  {name}: {pythons.describe(found[-1].about)}")
    return found


def note(line):
    print(line, file=sys.stderr, flush=True)


def print_wrapped(*paragraphs):
    for paragraph in filter(None, paragraphs):
        print(textwrap.fill(paragraph, 100, break_on_hyphens=False), flush=True)


def run_script(main):
    """Call main() and end with the status that it returns, or with the one for what went wrong."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # a polite kill is Ctrl-C: servers are stopped
        signal.signal(number, signal.default_int_handler)
    try:
        status = main()
    except KeyboardInterrupt:
        note("interrupted")
        status = 130
    except (ServerError, wrk.WrkError) as error:
        note_problem(error)
        status = 1
    sys.exit(status)


def note_problem(error):
    note(f"{os.path.basename(sys.argv[0])}: {error}")


def new_run(kind, specs, configurations, parsed, programs=catalogue.PROGRAMS, **more):
    """A Run that continues an interrupted one if it may."""
    folders = [folder for _, folder in getattr(parsed, "python", [])] or [parsed.bin_dir]
    folders += [parsed.before_dir] if hasattr(parsed, "before_dir") else []
    fingerprint = catalogue.fingerprint(*folders, programs=programs)
    partial = f"partial-{kind}.json"
    run = Run(specs, configurations, parsed.rounds, parsed.seconds, partial, fingerprint, **more)
    done = run.resume() if parsed.resume else 0
    if done:
        note(f"continuing: {done} blocks are measured, {len(run.todo())} to go "
             "(--no-resume starts anew)")
    return run


def conduct(run, kind, store_as, environment, show, afterwards=None, about=None):
    """Measure; show what there is, however it ended; store it if it is whole. Returns
    (data, exit status). `about` is stored as it is; `afterwards` measures what comes in no blocks
    and returns it for storing."""
    extra, problem, interrupted = {}, None, False
    try:
        run.measure()
        extra = afterwards() if afterwards else {}
    except KeyboardInterrupt:
        interrupted = True
    except (ServerError, wrk.WrkError) as error:
        problem = error
    data = stored_form(run, kind, environment, {**(about or {}), **extra})
    if reports.figures_of(data).rounds or not run.configurations:
        show(data)
    if interrupted:
        return data, _interrupted(run)
    if problem:
        note_problem(problem)
        return data, 1
    return data, _store(run, store_as, data)


def stored_form(run, kind, environment, extra):
    data = {
        "kind": kind,
        "environment": environment,
        "connections": wrk.CONNECTIONS,
        "rounds": run.rounds,
        "seconds": run.seconds,
        "configurations": [asdict(c) for c in run.configurations],
        "left_out": run.left_out,
        **extra,
    }
    figures = reports.figures_of({**data, "blocks": run.blocks})
    data["summary"] = figures.summary() if figures.rounds else {}
    return {**data, "blocks": run.blocks}


def _interrupted(run):
    total = len(run.blocks) + len(run.todo())
    note(f"interrupted: {len(run.blocks)} of {total} blocks are measured and kept; "
         "the same command again continues")
    return 130


def _store(run, name, data):
    trouble = results.save(name, data, run.folder)
    if trouble:
        note(trouble)
        return 1
    run.forget_partial()
    print(f"Every figure is in {os.path.relpath(os.path.join(run.folder, name))}")
    return 0
