"""FP16 TensorRT engines: which library builds them, how one is built, and how one is run.

The precision comes from the ONNX graph: the network is strongly typed, which is the one way that TensorRT 10 and 11
share. Every function that builds takes the TensorRT module, `tensorrt` on a host with a GPU or `tensorrt_rtx_bindings`
without one: the same code, with NVIDIA's real parser and compiler, is what the tests run. To load and run an engine
needs a GPU: `session` and `library.environment` have not run on one in this repository's CI.
"""
