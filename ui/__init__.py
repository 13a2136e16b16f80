"""A page in the browser: pictures dropped there, and what every served model says of them side by side."""

if __name__ != "tritonrepo.ui":
    raise ImportError("import it as tritonrepo.ui: no module has two names")
