"""What tuning changes in a configuration, and that it changes nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.compare.tuning.subjects import CONFIG, parse
from tritonrepo.client.errors import UsageError
from tritonrepo.compare.tuning.knobs import Knobs, read_knobs, with_knobs

RICH = Knobs(4, 2, 1500, (2, 4), "openvino")


@pytest.mark.parametrize("knobs", [Knobs(), RICH, replace(RICH, threads=None), replace(RICH, preferred=(1,))])
def test_what_is_written_is_read(knobs: Knobs) -> None:
    assert read_knobs(with_knobs(parse(CONFIG), knobs)) == knobs
    assert read_knobs(with_knobs(with_knobs(parse(CONFIG), RICH), knobs)) == knobs


def test_the_same_knobs_are_the_same_configuration() -> None:
    for config in (parse(CONFIG), with_knobs(parse(CONFIG), RICH)):
        assert with_knobs(config, read_knobs(config)) == config


def test_nothing_else_changes() -> None:
    changed = with_knobs(parse(CONFIG), RICH)
    assert changed == parse("""
        name: "net_onnx" backend: "onnxruntime" max_batch_size: 8
        instance_group { kind: KIND_AUTO count: 4 }
        dynamic_batching {
          default_queue_policy { max_queue_size: 256 } max_queue_delay_microseconds: 1500 preferred_batch_size: [2, 4]
        }
        optimization { execution_accelerators { cpu_execution_accelerator { name: "openvino" } } }
        parameters { key: "trained" value { string_value: "false" } }
        parameters { key: "intra_op_thread_count" value { string_value: "2" } }
        parameters { key: "inter_op_thread_count" value { string_value: "1" } }
    """)


def test_torchscript_has_parameters_of_its_own() -> None:
    config = parse(CONFIG.replace("onnxruntime", "pytorch"))
    changed = with_knobs(config, Knobs(threads=2))
    assert {key: one.string_value for key, one in changed.parameters.items()} == {
        "trained": "false",
        "INTRA_OP_THREAD_COUNT": "2",
    }
    assert read_knobs(changed).threads == 2


def test_another_accelerator_stays() -> None:
    config = with_knobs(parse(CONFIG), Knobs(accelerator="openvino"))
    config.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")
    plain = with_knobs(config, Knobs())
    assert [one.name for one in plain.optimization.execution_accelerators.gpu_execution_accelerator] == ["tensorrt"]
    assert not plain.optimization.execution_accelerators.cpu_execution_accelerator


def test_a_configuration_that_says_nothing_is_one_instance_on_every_core() -> None:
    assert read_knobs(parse('name: "net" backend: "onnxruntime" max_batch_size: 8')) == Knobs()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("instance_group { count: 1 }", "net_onnx has 2 instance groups"),
        ('parameters { key: "intra_op_thread_count" value { string_value: "two" } }', "is 'two', which is no whole"),
    ],
)
def test_what_cannot_be_tuned_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_knobs(parse(CONFIG + text))


def test_words_for_people() -> None:
    assert str(RICH) == "4 instances, 2 threads, delay 1.5 ms, batches of 2 4, openvino"
    assert str(Knobs()) == "1 instance, every core, delay 0 ms, batches of any size"
