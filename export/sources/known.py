"""NVIDIA's networks: their code is here, their weights are fetched."""

from tritonrepo.client.errors import UsageError
from tritonrepo.export import network, weights
from tritonrepo.export.options import Options, Watcher
from tritonrepo.export.sources.loaded import Loaded, Origins
from tritonrepo.export.sources.parameters import Filled, from_checkpoint
from tritonrepo.repository.spec import ModelSpec

PREPROCESSING = "ImageNet's conventions, by which NVIDIA trained it"


def load(name: str, options: Options, watcher: Watcher) -> Loaded:
    """A network of `network.ARCHITECTURES`, with NGC's weights where `--weights` names no others.

    Raises:
        UsageError: `--weights` is no word for it, or what is asked is not to be had of these weights.
        TritonRepoError: As `weights.load` or `from_checkpoint` raises it.
    """
    source = options.weights or "ngc"
    if source in weights.NVIDIAS or weights.seeds(source):
        filled = _ours(name, source, options, watcher)
    else:
        filled = from_checkpoint(
            name, lambda classes: network.build(name, classes or network.CLASSES), source, options, watcher.notice
        )
    spec = ModelSpec(name, trained=filled.weights.trained)
    return Loaded(filled.module, spec, filled.weights, Origins(PREPROCESSING, classes=filled.classes))


def _ours(name: str, source: str, options: Options, watcher: Watcher) -> Filled:
    weights.refuse_ema(options)
    classes = options.classes
    if classes is not None and not weights.seeds(source):
        raise UsageError(
            f"--classes {classes}: NVIDIA's checkpoint of {name} has {network.CLASSES} classes; give another with "
            "--weights FILE"
        )
    module, provenance = weights.load(name, source, watcher.progress, watcher.notice, classes or network.CLASSES)
    return Filled(module, provenance) if classes is None else Filled(module, provenance, "as --classes says")
