"""Compare the served models: how fast, how stable, how well they agree, and which one to take."""

if __name__ != "tritonrepo.compare":
    raise ImportError("import it as tritonrepo.compare: no module has two names")
