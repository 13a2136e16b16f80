"""Follows a repository: loads what is new or changed, and gives up what is gone."""

import threading
from collections.abc import Callable
from contextlib import suppress

from tritonrepo.repository.errors import RepositoryError
from tritonrepo.serve.errors import ServeError
from tritonrepo.serve.models import RepositoryModel
from tritonrepo.serve.triton import TritonServer


class Follower:
    """Does what Triton's own polling does, for a server whose models are under control.

    Triton itself knows what has changed: to load what has not is nothing to it. Names that do not reach a stub whole
    are left out at each look.
    """

    def __init__(self, server: TritonServer, tell: Callable[[str], None], control: threading.Lock) -> None:
        """Prepare.

        Args:
            server: In the mode `explicit`.
            tell: Takes a sentence on what cannot be served, once. What Triton does is in its log.
            control: Held while a model is loaded.
        """
        self._server, self._tell, self._control = server, tell, control
        # What is left out now was shown with all that is served.
        models = server.source.models()
        self._told = {model.name: left_out(model) for model in models if model.left_out}
        # The first look asks for all the others: that is nothing to Triton for what has not changed since the start.
        self._loaded = {model.name: server.source.state(model) for model in models if model.translated}
        self._looking = threading.Lock()

    def look(self) -> None:
        """Bring the server up to the repository's state, unless another thread is at it."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            self._follow()
        except (RepositoryError, ServeError) as error:
            self._say("", str(error))
        else:
            self._told.pop("", None)
        finally:
            self._looking.release()

    def _follow(self) -> None:
        models, ready = self._server.source.models(), self._server.ready_versions()
        for model in models:
            if model.left_out:
                self._say(model.name, left_out(model))
                continue
            now = self._server.source.state(model)
            if now and model.name in ready and now == self._loaded.get(model.name):
                continue
            with self._control, suppress(ServeError):  # Why a version was refused stands in the log.
                self._server.load(model.name)
                self._loaded[model.name] = now
        for name in self._server.ready_versions().keys() - {model.name for model in models}:
            self._server.unload(name)

    def _say(self, about: str, sentence: str) -> None:
        if self._told.get(about) != sentence:
            self._told[about] = sentence
            self._tell(sentence)


def left_out(model: RepositoryModel) -> str:
    """Return a sentence on a model that is not loaded."""
    return f"{model.name}: left out: {model.left_out}"
