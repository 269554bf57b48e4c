"""The experiment's driver: everything behind the scripts beside this folder.

    wrk.py          runs the load generator and reads its report
    procfs.py       what /proc says: CPU time, context switches, memory, other load
    servers.py      starts, checks and stops what is measured
    programs.py     runs a small program of ours that measures something
    pythons.py      the interpreters that labs embed: what each says that it is
    catalogue.py    the labs and their peers: how each is started
    blocks.py       the plan: interleaved blocks, repeated when disturbed, resumed when interrupted
    progress.py     what a run says while it runs
    results.py      what is stored: environment, raw figures
    stats.py        medians, ratios within rounds, bootstrap intervals
    figures.py      reads those out of stored blocks
    tables.py       lays out rows for terminal and documents
    cells.py        finds one figure of a table that is laid out, for prose
    regions.py      finds a function or struct in the code, for links
    reports.py      the tables themselves
    comparison.py   the tables of runs with several interpreters
    promises.py     the figures that the project promises, and their verdicts
    in_place.py     lab4, which starts a handler in place, beside those that don't
    before_after.py  two revisions beside each other: what became dearer
    held_up.py      the tables of what takes minutes: load with faults, idle connections
    work.py         other work than a hello, and its table
    crossing.py     from which wait on async serves more, and its tables
    scaled.py       more loops for handlers that compute, and its tables
    spinners.py     the ceiling over them: bare threads that compute
    steady.py       a constant rate of requests, and its table
    asking.py       handlers that ask another server, and their table
    constant_rate.py  the client of that, a program of its own
    taken_apart.py  labs that say where their requests' time goes, and the tables of that
    instrument.py   what that costs, and whether it adds up
    rungs.py        the ladder: rungs, parents, how each is started
    ladder_report.py  its tables
    pingpong.py     the floor under a hop
    known_costs.py  what single steps cost: the numbers to know
    by_hand.py      the tables of what no command measures
    offline.py      the ladder without sockets: CPU time, instructions
    memory.py       what an idle connection costs
    pipelining.py   does a server answer pipelined requests right?
    commands.py     the command that makes each kind of run
    session.py      a script's frame: options, signals, errors, exit status
"""
