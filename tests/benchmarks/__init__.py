"""`make bench`: hubcheck measured beside what a user would run instead, in one run, as ratios.

Measured are whole processes: wall seconds by the clock, resident memory as the system accounts for it.
Nothing here fails a build; the figures are for people.
"""
