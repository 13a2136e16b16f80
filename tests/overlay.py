"""An overlay filesystem in a mount namespace of its own, of which nobody else sees anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

USER = ("--user", "--map-root-user")
"""With a user namespace too, as for one who is not root."""
_MOUNT = """
mount -t tmpfs tmpfs "$1"
( cd "$1" && mkdir lower upper work merged && cp -r "$2" lower/models &&
  mount -t overlay overlay -o "lowerdir=lower,upperdir=upper,workdir=work$3" merged )
shift 3
exec "$@"
"""


def on_overlay(
    place: Path, models: Path, words: Sequence[str], namespaces: Sequence[str] = USER, option: str = ""
) -> list[str]:
    """The command that runs `words` where `place`/merged/models is a copy of a repository in the lower layer.

    Args:
        place: An empty directory.
        models: What the lower layer gets, as in an image.
        words: The command.
        namespaces: Beside that of the mounts. With `USER` no directory of the lower layer takes or loses another,
            unless `option` is `,userxattr`.
        option: More options of the mount, with a comma before them.
    """
    shell = ["sh", "-ec", _MOUNT, "sh", str(place), str(models), option]
    return ["unshare", *namespaces, "--mount", *shell, *words]
