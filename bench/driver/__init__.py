"""The experiment's driver: everything behind reproduce.py, measure.py and peers.py.

    wrk.py         runs the load generator and reads its report
    servers.py     starts and stops what is measured, and reads its CPU time
    blocks.py      interleaved blocks, the guard against other load, progress, resuming
    stats.py       medians, ratios within rounds, bootstrap intervals
    results.py     what is stored: environment, raw figures
    catalogue.py   the labs and their peers: how each is started
    tables.py      the tables for terminal and documents
"""
