"""What a kept result depends on, so that a later run knows whether it still holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tritonrepo.client.options import Options


@dataclass(frozen=True)
class Basis:
    """What one result was made of, beside the model and its version.

    Attributes:
        settings: The options that change predictions.
        contract: A digest of the contract and the labels; empty where the model was not asked.
        file: The file's size and time of change, or that it could not be read; empty for what is no file.
    """

    settings: str
    contract: str = ""
    file: str = ""

    @classmethod
    def of(cls, options: Options, contract: str, file: str) -> Basis:
        """That of a result of this run."""
        orientation = "exif" if options.orient else "ignored"
        return cls(f"decode:{options.decode},orientation:{orientation},{_chosen(options)}", contract, file)

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())

    @classmethod
    def parse(cls, text: str) -> Basis:
        """Read what `str` gave.

        Raises:
            ValueError: It is something else.
        """
        values = dict(part.split("=", 1) for part in text.split(" "))
        if values.keys() != {"settings", "contract", "file"}:
            raise ValueError(f"not what a result depends on: {text!r}")
        return cls(**values)


def _chosen(options: Options) -> str:
    """Which classes a result has."""
    if options.threshold is not None:
        return f"threshold:{float(options.threshold)}"
    return f"top:{options.top}" + ("-by-server" if options.server_top else "")
