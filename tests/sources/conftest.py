"""These tests need timm, torchvision and transformers, whose torch is another than ours: `make test-sources`."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("timm") and find_spec("transformers") else ["test_*.py"]
