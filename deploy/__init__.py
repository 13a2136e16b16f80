"""What runs the official image: Docker Compose's parts, the files for Kubernetes and KServe, and what fills them in.

It needs the extra `deploy` where it writes YAML. The files for Kubernetes and KServe are in this folder, once: as they
are, for kustomize, and copied beside an overlay by `tritonrepo manifests`.
"""
