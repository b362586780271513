"""Read rules, contracts of signatures and examples from their files. Imports module and util.

`rules` and `contract` read TOML files, shipped ones and those of users; `contract` also applies one to a module.
"""
