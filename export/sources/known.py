"""NVIDIA's networks: their code is here, their weights are fetched."""

from tritonrepo.export import weights
from tritonrepo.export.options import Progress
from tritonrepo.export.sources.loaded import Loaded, Notice
from tritonrepo.repository.spec import ModelSpec


def load(name: str, source: str | None, progress: Progress, notice: Notice) -> Loaded:
    """A network of `network.ARCHITECTURES`; `source` is as in `weights.load`, and NGC without one. Raises as that."""
    module, provenance = weights.load(name, source or "ngc", progress, notice)
    return Loaded(module, ModelSpec(name, trained=provenance.trained), provenance)
