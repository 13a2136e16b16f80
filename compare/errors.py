"""What can go wrong in a comparison beside the client's errors."""

from __future__ import annotations

from collections.abc import Mapping

from tritonrepo.client.errors import ModelUnavailableError


class NothingMeasuredError(ModelUnavailableError):
    """Not one model could be measured."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        """Say why.

        Args:
            reasons: Model, or cell -> why it was not measured; empty if there was none.
        """
        why = " ".join(f"{name}: {reason}." for name, reason in reasons.items())
        nothing = "no model is ready on this server: export one with `tritonrepo export`"
        super().__init__(f"no model can be measured. {why}" if why else nothing)
