"""The engine in Python: the transport that `classify` uses, under the load generator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version

from tritonrepo.client.contract import ModelContract
from tritonrepo.client.errors import RequestError, TritonRepoError
from tritonrepo.client.transport import Answer, Inference, Transport
from tritonrepo.compare.cells import Setting, Window, is_stable
from tritonrepo.compare.counters import read_counters, split_between
from tritonrepo.compare.inputs import Inputs
from tritonrepo.compare.load import closed_loop, open_loop, schedule

MOST_WARM_UPS = 6
"""A cell that is not stable after so many warm-up windows is measured as it is, and marked."""
MOST_IN_FLIGHT = 128


class PythonEngine:
    """Every model gets the same batches in the same order."""

    name = "python"

    def __init__(
        self,
        transport: Transport,
        contracts: Mapping[str, ModelContract],
        inputs: Inputs,
        distribution: str = "constant",
        server_memory: Callable[[], float | None] = lambda: None,
        seed: int = 0,
    ) -> None:
        """Send nothing yet.

        Args:
            transport: To the server.
            contracts: By model.
            inputs: What every model gets.
            distribution: Of an open loop's requests.
            server_memory: Reads the server's memory (MiB) after each window, where it can be read.
            seed: Of random times.
        """
        self.version = f"tritonclient {version('tritonclient')}"
        self._transport = transport
        self._contracts = contracts
        self._inputs = inputs
        self._distribution = distribution
        self._server_memory = server_memory
        self._seed, self._windows = seed, Counter[Setting]()

    def warm_up(self, setting: Setting, seconds: float, stability: float) -> float:
        """Run a closed loop; see `Engine`."""
        windows: list[Window] = []
        with closed_loop(partial(self._send, setting), setting.concurrency or 1) as loop:
            loop.settle()
            while len(windows) < MOST_WARM_UPS and not is_stable(windows, stability):
                windows.append(loop.record(seconds))
                if not windows[-1].requests:
                    raise RequestError(next(iter(windows[-1].failures)))
        return windows[-1].average

    def close(self) -> None:
        """Do nothing: it keeps nothing."""

    def window(self, setting: Setting, seconds: float) -> Window:
        """Run the loop that the setting asks for; see `Engine`."""
        send = partial(self._send, setting)
        if setting.request_rate is not None:
            before = self._counters(setting)
            # Each window has other random times, or its scatter would lack what they do; every model has the same.
            self._windows[setting] += 1
            due = schedule(setting.request_rate, seconds, self._distribution, (self._seed, self._windows[setting]))
            window = open_loop(send, due, MOST_IN_FLIGHT)
            return self._with_server(window, setting, before)
        with closed_loop(send, setting.concurrency or 1) as loop:
            loop.settle()
            before = self._counters(setting)
            window = loop.record(seconds)
            # While the load goes on, so that the counters cover nothing but full load.
            return self._with_server(window, setting, before)

    def _with_server(self, window: Window, setting: Setting, before: Counter[str] | None) -> Window:
        after = self._counters(setting)
        split = split_between(before, after) if before and after else None
        return replace(window, split=split, server_memory=self._server_memory())

    def _counters(self, setting: Setting) -> Counter[str] | None:
        """None where the server does not tell; what is wrong with it, the requests will say."""
        try:
            return read_counters(self._transport, setting.model)
        except TritonRepoError:
            return None

    def _send(self, setting: Setting, number: int) -> Answer:
        contract = self._contracts[setting.model]
        batch = self._inputs.batch(number, setting.batch_size)
        tensor = batch if contract.batched else batch[0]
        expected = setting.batch_size * contract.classes
        return self._transport.infer(
            Inference(contract.name, contract.input.name, contract.output.name, tensor, expected=expected)
        )
