"""A Vision Transformer of the size of ViT-S/16 with random weights from a fixed seed: a load for the benchmarks."""

import torch
from torch import Tensor, nn

from tritonrepo.export import ModelSpec

WIDTH, DEPTH, HEADS, PATCH, SIDE = 384, 12, 6, 16, 224
"""Of ViT-S/16: Touvron et al. 2021, "Training data-efficient image transformers", table 1 (DeiT-S)."""


class Block(nn.Module):
    """Attention and a perceptron, each after a normalisation and beside what goes past them."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention, self.before_perceptron = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query_key_value, self.joined = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.perceptron = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, tokens: Tensor) -> Tensor:
        """FP32 `[N, tokens, WIDTH]` to the same."""
        split = self.query_key_value(self.before_attention(tokens)).unflatten(2, (3, HEADS, WIDTH // HEADS))
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        heads = nn.functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.joined(heads.transpose(1, 2).flatten(2))
        seen: Tensor = self.perceptron(self.before_perceptron(tokens))
        return tokens + seen


class VisionTransformer(nn.Module):
    """FP32 `[N, 3, 224, 224]` to logits `[N, 1000]`, from the mean of the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.places = nn.Parameter(torch.randn(1, (SIDE // PATCH) ** 2, WIDTH) * 0.02)
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.last, self.classes = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 1000)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.places
        scores: Tensor = self.classes(self.last(self.blocks(tokens)).mean(1))
        return scores


def vit_s16() -> tuple[nn.Module, ModelSpec]:
    """Untrained: its speed is that of ViT-S/16, and its labels mean nothing."""
    torch.manual_seed(0)
    return VisionTransformer().eval(), ModelSpec("vit_s16", trained=False)
