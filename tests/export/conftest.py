"""Tests of what exports are made of."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _quick(quick_exports: None) -> None:
    """Conversions to ONNX are many here."""
