"""The parts of the HTML page: the list of modules, what is drawn of each, and the blocks that a browser unpacks.

Imports the records of the engine; `report/html.py` puts the parts together.
"""
