"""A search that is over, with known figures."""

from __future__ import annotations

from tests.compare.reports import cell
from tritonrepo.compare.tuning.knobs import Knobs
from tritonrepo.compare.tuning.outcome import Tuned
from tritonrepo.compare.tuning.space import Arm
from tritonrepo.compare.tuning.verdict import hold

NOW, BEST = Arm("net_onnx", Knobs(1, None, 500_000)), Arm("net_onnx", Knobs(2, 1, 0, (2,), "openvino"))
QUICK, BEATEN = Arm("net_onnx", Knobs(1, 1)), Arm("net_onnx", Knobs(2, None))
CELLS = {
    NOW: cell("a", rates=(10, 10.1, 9.9), latency=500),
    BEST: cell("b", rates=(30, 30.1, 29.9), latency=100),
    QUICK: cell("c", rates=(20, 20.1, 19.9), latency=50),
    BEATEN: cell("d", rates=(19, 19.1, 18.9), latency=60),
}
VERDICT = hold(CELLS[NOW], CELLS[BEST], None)
TUNED = Tuned(NOW, NOW, BEST, VERDICT, CELLS, {}, {}, 61.25, 2)
