"""A checkpoint's tensors into a module, strictly: every key is accounted for."""

from collections.abc import Mapping
from re import fullmatch

from torch import Tensor, nn

from tritonrepo.client.text import first_line
from tritonrepo.export.checkpoint_file import Tensors, some
from tritonrepo.export.errors import WeightsError

PREFIXES = ("module.", "model.", "_orig_mod.")
"""What DataParallel, Lightning and torch.compile put before each key, in whatever order."""
UNUSED = ("num_batches_tracked", "n_averaged")
"""The step counters of BatchNorm and of an average of weights: some checkpoints lack them, and evaluation never reads
them."""


def size(module: nn.Module) -> int:
    """Bytes of the tensors that a checkpoint has to give."""
    return sum(value.nbytes for value in module.state_dict().values() if isinstance(value, Tensor))


def fit(module: nn.Module, found: Tensors) -> None:
    """Copy a checkpoint's tensors into `module`.

    Takes off PREFIXES, and renames the `layerN` of NVIDIA's 20.06.0 checkpoints, where the network has no such name
    itself.

    Raises:
        WeightsError: It is not of this network; missing, unexpected and misshapen keys are listed by name.
    """
    expected = module.state_dict()
    state = _named(found, expected)
    if problems := _problems(state, expected):
        problems += _elsewhere(found, expected)
        raise WeightsError(f"{found.path}: not a checkpoint of this network\n" + "\n".join(problems))
    try:
        module.load_state_dict({**expected, **state})
    except RuntimeError as exc:  # sparse or quantised tensors, or some without data
        raise WeightsError(f"{found.path}: its tensors cannot be copied into the network: {first_line(exc)}") from exc


def fits(module: nn.Module, found: Tensors) -> bool:
    """Whether every key of the checkpoint and of the network has its like."""
    expected = module.state_dict()
    return not _problems(_named(found, expected), expected)


def classes(module: nn.Module, found: Tensors) -> int | None:
    """How many classes a checkpoint's head has, where it fits the network but for the head.

    The head is what differs in its first dimension alone, always by the same two numbers: a weight and its bias, or
    several heads of one size.

    Returns:
        None where it fits as it is, or does not fit for another reason.
    """
    expected = module.state_dict()
    state = _named(found, expected)
    if _missing(state, expected) or state.keys() - expected.keys():
        return None
    apart = [(state[key], expected[key]) for key in state if state[key].shape != expected[key].shape]
    if any(value.ndim == 0 or value.shape[1:] != wanted.shape[1:] for value, wanted in apart):
        return None
    sizes = {(value.shape[0], wanted.shape[0]) for value, wanted in apart}
    return sizes.pop()[0] if len(sizes) == 1 else None


def _named(found: Tensors, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by the network's own names, as far as it has them, in its shapes where these say the same."""
    values = {key: value for key, value in found.values.items() if key != UNUSED[1] or key in expected}
    names = {key: _canonical(key, expected) for key in values}
    state = {names[key]: value for key, value in values.items()}
    if len(state) < len(values):
        twice = [key for key in values if key != names[key] and names[key] in values]
        raise WeightsError(f"{found.path}: holds these keys twice, with a prefix and without: {some(twice)}")
    return {key: _shaped(value, expected[key]) if key in expected else value for key, value in state.items()}


def _canonical(key: str, expected: Mapping[str, Tensor]) -> str:
    """The network's name for a key: as it stands, if the network has it; else without what was put before it."""
    bare = key
    while bare not in expected and (prefix := next((one for one in PREFIXES if bare.startswith(one)), None)):
        bare = bare.removeprefix(prefix)
    if bare not in expected and (match := fullmatch(r"layer(\d+)\.(.*)", bare)):
        return f"layers.{int(match[1]) - 1}.{match[2]}"
    return bare


def _shaped(value: Tensor, expected: Tensor) -> Tensor:
    """Squeeze-excitation weights come as Linear `[out, in]` or as 1x1 Conv2d `[out, in, 1, 1]`: the same numbers."""
    if value.shape == (*expected.shape, 1, 1) or (*value.shape, 1, 1) == expected.shape:
        return value.reshape(expected.shape)
    return value


def _missing(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    return [key for key in expected if key not in state and not key.endswith(UNUSED)]


def _problems(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    unexpected = [key for key in state if key not in expected]
    misshapen = [
        f"{key} is {list(state[key].shape)}, expected {list(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    kinds = (("missing", _missing(state, expected)), ("unexpected", unexpected), ("misshapen", misshapen))
    return [f"  {kind} ({len(keys)}): {some(keys)}" for kind, keys in kinds if keys]


def _elsewhere(found: Tensors, expected: Mapping[str, Tensor]) -> list[str]:
    """Where the network is a part of what was saved, under a name that is none of PREFIXES: that name."""
    wanted = [key for key in expected if not key.endswith(UNUSED)]
    starts = [key.removesuffix(wanted[0]) for key in found.values if key.endswith(f".{wanted[0]}")] if wanted else []
    part = next((start for start in starts if all(start + key in found.values for key in wanted)), "")
    return [f"  all its keys are there below {part} Save that part alone: its own state_dict()"] if part else []
