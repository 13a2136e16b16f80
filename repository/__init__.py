"""What a model repository is: layout, config.pbtxt, manifest, labels, versions, its only writer, its examiner."""

if __name__ != "tritonrepo.repository":
    raise ImportError("import it as tritonrepo.repository: no module has two names")
