"""Reports for people and programs: one renderer for each format, templates, and details for the HTML page.

A renderer has `render(report)`, which yields the text in pieces. Imports engine, checks, probe, graph, module and util.
"""
