"""Every layer in INT8 first; while the gate does not pass, the layers that lose most go back to FP32."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import onnx

from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate import rounding
from tritonrepo.export.int8.calibration import FEWEST, Calibration
from tritonrepo.export.int8.graph import Quantiser, session
from tritonrepo.export.int8.sensitivity import Sensitivity, measure
from tritonrepo.repository.manifest import Rounded
from tritonrepo.repository.spec import INPUT_NAME, OUTPUT_NAME
from tritonrepo.repository.tolerance import INT8

SHARES = (0.0, 0.06, 0.12, 0.25, 0.5)
"""Of the layers that stay in FP32, one try after the other. With more of them INT8 is hardly faster."""
SECONDS = 240.0
"""After so long no other try begins."""
SHOWN = 5


@dataclass(frozen=True)
class Quantised:
    """A graph that passed.

    Attributes:
        model: With Q/DQ nodes.
        made: What the manifest says of it.
        kept: The names of the nodes that stay in FP32.
    """

    model: onnx.ModelProto
    made: Rounded
    kept: tuple[str, ...]


def search(source: Path, calibration: Calibration, name: str, *, symmetric: bool = False) -> Quantised:
    """The graph with the fewest layers in FP32, of a few tries, that loses no more than the limits.

    Args:
        source: The FP32 graph, a file of ONNX.
        calibration: On what ranges are measured, and what judges.
        name: Of the format, for messages.
        symmetric: As TensorRT wants it. It is then judged without ONNX Runtime's kernels, which would overflow.

    Raises:
        VerificationError: None does; the message names the layers that lose most.
    """
    started = time.monotonic()
    quantiser = Quantiser(source, calibration.images, symmetric=symmetric)
    found = measure(quantiser.model, quantiser.quantise(), calibration.images[:FEWEST])
    shifts = {layer: one.shift for layer, one in found.items() if one.shift is not None}
    worst_first = sorted(found, key=lambda layer: found[layer].loss, reverse=True)
    if not worst_first:
        raise VerificationError(f"{name}: the network has no layer that can be computed in INT8")
    best: rounding.Loss | None = None
    for share in SHARES:
        kept = tuple(worst_first[: math.ceil(share * len(worst_first))])
        model = quantiser.quantise(kept, shifts)
        loss = _judge(model, calibration, exact=symmetric)
        if loss.passes():
            names = tuple(quantiser.layers[layer] for layer in kept)
            return Quantised(model, Rounded(calibration.source, len(worst_first), names), kept)
        if best is None or loss.divergence < best.divergence:
            best = loss
        if time.monotonic() - started > SECONDS:
            break
    raise VerificationError(_refusal(name, str(best), found, quantiser.layers, worst_first, calibration.source))


def _judge(model: onnx.ModelProto, calibration: Calibration, *, exact: bool) -> rounding.Loss:
    runner = session(model, exact=exact)
    values = rounding.run(lambda images: runner.run([OUTPUT_NAME], {INPUT_NAME: images})[0], calibration.unseen.images)
    return rounding.measure(values, calibration.unseen)


def _refusal(
    name: str, loss: str, found: dict[str, Sensitivity], names: dict[str, str], worst_first: list[str], source: str
) -> str:
    layers = ", ".join(f"{names[layer]} ({found[layer].loss:.2g})" for layer in worst_first[:SHOWN])
    return (
        f"{name}: loses too much in INT8, also with the worst half of the layers in FP32: {loss}; {INT8.words}. The "
        f"layers that lose most, as a share of their output's power: {layers}. The ranges were measured on {source}; "
        "more photographs like those that the model will see may help: --calibration DIR"
    )
