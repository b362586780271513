"""What a project says about its modules: the configuration file, ignores, expected failures and the baseline.

Imports the engine's reports, the rulebook, modules' names and util.
"""
