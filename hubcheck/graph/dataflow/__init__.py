"""How values flow through a graph: bodies, calls, inlining, constants, dependence on the images, reachability."""
