"""What the log of a polling server says of its models; the lines are those of Triton 2.51."""

import pytest

from tritonrepo.serve.changes import Changes
from tritonrepo.serve.models import READY, UNAVAILABLE, ModelStatus

STACK = r"\n\nAt:\n  /tmp/backends/onnxruntime/model.py(114): load_session\n"
BROKEN = f"Internal: ConfigurationError: unable to load model 'm': Protobuf parsing failed.{STACK}"


def loading(version: int, name: str = "m") -> str:
    return f'I1125 22:46:54.652537 2049 model_lifecycle.cc:472] "loading: {name}:{version}"'


def made(name: str = "m") -> str:
    what = f"TRITONBACKEND_ModelInstanceInitialize: {name}_0_0 (CPU device 0)"
    return f'I1126 09:29:28.227055 5301 python_be.cc:2249] "{what}"'


def loaded(name: str = "m") -> str:
    return f"I1125 22:46:55.417284 2049 model_lifecycle.cc:839] \"successfully loaded '{name}'\""


def unloaded(version: int) -> str:
    return f"I1125 22:46:56.631247 2049 model_lifecycle.cc:624] \"successfully unloaded 'm' version {version}\""


def refused(version: int, reason: str = BROKEN) -> list[str]:
    return [
        loading(version),
        f'E1125 22:46:59.256154 2049 backend_model.cc:692] "ERROR: Failed to create instance: {reason}"',
        f"E1125 22:46:59.256246 2049 model_lifecycle.cc:642] \"failed to load 'm' version {version}: {reason}\"",
        "I1125 22:46:59.256264 2049 model_lifecycle.cc:777] \"failed to load 'm'\"",
    ]


UNREADABLE = (
    "E1125 22:47:09.995872 2049 model_repository_manager.cc:1460] \"Poll failed for model directory 'm': failed to "
    'read text proto from /models/m/config.pbtxt"'
)
REFUSAL = "m: version 3 cannot be served: unable to load model 'm': Protobuf parsing failed."


@pytest.mark.parametrize(
    ("lines", "ready", "sentences"),
    [
        ([loading(2), loaded(), unloaded(1)], [2], ["m: version 2 took over from 1"]),
        ([loading(10), loading(9), loaded()], [9, 10], ["m: versions 9, 10 took over from 1"]),
        ([loading(1), loading(2), loaded()], [1, 2], ["m: version 2 ready, beside 1"]),
        ([loading(1), made(), loaded(), unloaded(1)], [1], ["m: version 1 loaded again"]),
        ([loading(1), loaded()], [1], []),
        ([loading(1), made("other"), loaded()], [1], []),
        ([loading(1), made(), loaded(), loading(1), loaded()], [1], ["m: version 1 loaded again"]),
        (
            [loading(1), loading(2), loaded(), loading(2), loaded(), unloaded(1)],
            [2],
            ["m: version 2 ready, beside 1", "m: version 1 given up; version 2 still served"],
        ),
        ([unloaded(1)], [], ["m: version 1 gone"]),
        ([unloaded(1), loading(1), loaded()], [], ["m: version 1 gone", "m: version 1 ready"]),
        ([loading(1, "new:er"), loaded("new:er")], [1], ["new:er: version 1 ready"]),
        ([*refused(3), *refused(3)], [1], [f"{REFUSAL}; version 1 still served"]),
        (
            [*refused(3), *refused(3, "Invalid argument: other")],
            [1],
            [
                f"{REFUSAL}; version 1 still served",
                "m: version 3 cannot be served: Invalid argument: other; version 1 still served",
            ],
        ),
        (
            [*refused(3), loading(1), made(), loaded(), *refused(3)],
            [1],
            [
                f"{REFUSAL}; version 1 still served",
                "m: version 1 loaded again",
                f"{REFUSAL}; version 1 still served",
            ],
        ),
        ([*refused(3), unloaded(1)], [], [f"{REFUSAL}; version 1 still served", "m: version 1 gone"]),
        (
            [UNREADABLE, UNREADABLE],
            [1],
            [
                "m: cannot be read: failed to read text proto from /models/m/config.pbtxt; version 1 still served",
            ],
        ),
        (
            ['I1125 22:46:55.417284 2049 server.cc:345] "Timeout 30: Found 1 live models"', "| tiny | 1 | READY |", ""],
            [1],
            [],
        ),
    ],
)
def test_changes_are_told_once(lines: list[str], ready: list[int], sentences: list[str]) -> None:
    changes = Changes([ModelStatus("m", "1", "onnxruntime", 8, READY, "")], lambda _, version: int(version) in ready)
    assert [sentence for line in lines if (sentence := changes.read(line))] == sentences


def test_what_the_table_said_is_not_told_again() -> None:
    status = ModelStatus("m", "3", "onnxruntime", 8, UNAVAILABLE, "unable to load model 'm': Protobuf parsing failed.")
    changes = Changes([status], lambda *_: False)
    assert [changes.read(line) for line in refused(3)] == [""] * 4
    assert [changes.read(line) for line in (loading(3), loaded())] == ["", "m: version 3 ready"]
