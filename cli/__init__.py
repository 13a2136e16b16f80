"""The one command: a module a verb, which parses, calls one function of a room, presents, and returns the status."""

if __name__ != "tritonrepo.cli":
    raise ImportError("import it as tritonrepo.cli: no module has two names")
