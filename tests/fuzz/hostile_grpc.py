"""A gRPC server that answers as a test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from tritonclient.grpc import service_pb2

from tritonrepo.client.connection import Connection
from tritonrepo.client.transport import Transport, open_transport

Handle = Callable[[grpc.ServicerContext], bytes]


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers every method with the same bytes, whatever they are."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._handle(context))


@contextmanager
def serving(answer: bytes | Handle, deadline: float = 5.0) -> Iterator[Transport]:
    """A transport to a server that gives this answer."""
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool, options=[("grpc.max_send_message_length", -1)])
        handle: Handle = (lambda context: answer) if isinstance(answer, bytes) else answer
        server.add_generic_rpc_handlers((_Handler(handle),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        transport = open_transport(f"127.0.0.1:{port}", Connection("grpc", deadline=deadline))
        try:
            yield transport
        finally:
            transport.close()
            server.stop(None).wait()


def answer(shape: list[int], data: list[bytes], datatype: str = "FP32", name: str = "OUTPUT__0") -> bytes:
    message = service_pb2.ModelInferResponse(model_name="net", model_version="1", raw_output_contents=data)
    message.outputs.add(name=name, datatype=datatype, shape=shape)
    return bytes(message.SerializeToString())
