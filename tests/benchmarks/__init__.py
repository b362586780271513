"""`make bench`: hubcheck compared with what a user would run instead, in the same run, as ratios.

Whole processes are measured: wall time, CPU time and peak resident memory. The results are for people; they fail no
build. `groups.py` says how a part of the benchmarks is written, and `table.py` prints and keeps what was measured.
"""
