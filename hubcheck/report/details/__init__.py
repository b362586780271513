"""What the HTML report shows beside the findings: signatures as diagrams, output histograms, input images.

May import engine, checks, probe, graph, module and util.
"""
