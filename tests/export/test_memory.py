"""What `memory.kept` saves: the kernel does not clear the pages of a freed tensor's successor."""

import json
import platform
import subprocess
import sys

import pytest

PAGES = 16_384
"""In 64 MiB."""
SCRIPT = """
import json, resource
from pathlib import Path
from tritonrepo.export import memory
memory.use_huge_pages()
import torch

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

def pages_of_one():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(4096, 4096)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def cleared():  # of several tensors one after the other, for the first finds nothing that is kept
    return min(pages_of_one() for _ in range(6))

start = resident()
found = {"before": cleared()}
with memory.kept():
    found["inside"] = cleared()
    found["held"] = resident() - start
found["left"] = resident() - start
found["after"] = cleared()
print(json.dumps(found))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_is_kept_inside_and_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["inside"] == 0
    assert found["before"] > 20, "a huge page each 2 MiB, or a small one each 4 KiB"
    assert found["after"] > 20
    assert found["held"] > PAGES
    assert found["left"] < PAGES
