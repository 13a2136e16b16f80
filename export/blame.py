"""What an exception of a framework says, in a line, and which line of the user's code it comes from."""

import sys
import traceback
from pathlib import Path

FRAMEWORKS = {"numpy", "onnx", "onnx_ir", "onnxruntime", "onnxscript", "torch", "tritonrepo"}
LONGEST = 500
"""Characters of a message; some hold a whole tensor, and say what is wrong before it or after."""


def gist(exc: BaseException) -> str:
    """The reason in a line.

    It is the first paragraph, since advice and details follow; where a message begins with tracebacks, as
    TorchScript's do, it is the last line.
    """
    paragraph = str(exc).strip().split("\n\n")[0]
    text = str(exc).strip().splitlines()[-1] if "Traceback" in str(exc) else paragraph
    line = " ".join(text.split()) or type(exc).__name__
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"


def where(exc: BaseException) -> str:
    """` (FILE, line N: CODE)` of the innermost line that is neither a framework's nor Python's; empty if there is none.

    The user's line is what can be changed, and a framework's traceback hides it among a hundred of its own.
    """
    found = ""
    for frame, number in traceback.walk_tb(exc.__traceback__):
        path, module = Path(frame.f_code.co_filename), str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if module not in FRAMEWORKS and module not in sys.stdlib_module_names and path.is_file():
            code = traceback.FrameSummary(str(path), number, frame.f_code.co_name).line
            found = f" ({path.name}, line {number}: {code})"
    return found


def explain(exc: Exception, tool: str) -> str:
    """Why `tool` cannot convert a module, by the innermost cause: its own message is a page about how to file a bug."""
    while exc.__cause__ is not None and isinstance(exc.__cause__, Exception):
        exc = exc.__cause__
    if "data-dependent" in str(exc) or type(exc).__name__ == "DataDependentOutputException":
        return (
            "the module takes a branch or a number from a tensor's values, and a graph has one way for "
            f"all{where(exc)}. Compute it with tensors, as torch.where does"
        )
    return f"{tool} cannot convert the module: {type(exc).__name__}: {gist(exc)}{where(exc)}"
