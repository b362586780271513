"""Running modules: in processes of their own, since a module is a program from a stranger."""
