"""Which model a stub serves."""

import pytest

from tritonrepo.serve.stubs import read_model

STUB = "/tmp/triton-serve-x/backends/python/triton_python_backend_stub"
REST = ["triton-serve-x5e5f", "1048576", "1048576", "31197", "/tmp/triton-serve-x/backends/python", "336"]


@pytest.mark.parametrize(
    ("artifact", "instance", "model"),
    [
        ("/srv/models/net_onnx/3/model.onnx", "net_onnx_0_0", "net_onnx"),
        ("/tmp/triton-serve-x/tmp/folderkp6lJS/3/model.onnx", "net_onnx_0_0", "net_onnx"),
        ("/tmp/triton-serve-x/tmp/folderkp6lJS/3/model.onnx", "net_2_1_10_3", "net_2_1"),
        ("/srv/models/folder_of_mine/1/model.py", "folder_of_mine_0_0", "folder_of_mine"),
    ],
)
def test_a_stub_says_which_model_it_serves(artifact: str, instance: str, model: str) -> None:
    assert read_model([STUB, artifact, *REST, instance, "/tmp/triton-serve-x/backends/onnxruntime"]) == model


@pytest.mark.parametrize("words", [[], ["sleep", "1"], [STUB], ["/usr/bin/python3", "/srv/net/1/model.py"]])
def test_other_processes_are_no_stubs(words: list[str]) -> None:
    assert read_model(words) == ""
