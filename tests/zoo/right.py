"""Modules that are right, of many structures. `--model tests/zoo/right.py:NAME`."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from tests.zoo.cages import CLASSES, SIDE, WIDTH, Pair, head, keep, network, stem

RIGHT: dict[str, Callable[[], Pair]] = {}
right = keep(RIGHT)


class Made(nn.Module):
    """A module of parts and a function of them, where a class of its own would say no more."""

    def __init__(self, function: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x, **self.parts)


@right
def plain() -> nn.Module:
    return network()


@right
def adaptive_pools() -> nn.Module:
    return nn.Sequential(stem(), nn.AdaptiveMaxPool2d(4), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, CLASSES))


@right
def residual() -> nn.Module:
    def run(x: Tensor, first: nn.Module, block: nn.Module, last: nn.Module) -> Any:
        y = first(x)
        return last(F.relu(y + block(y)))

    return Made(run, first=stem(), block=nn.Conv2d(WIDTH, WIDTH, 3, padding=1), last=head())


@right
def dense_connections() -> nn.Module:
    def run(x: Tensor, first: nn.Module, grow: nn.Module, last: nn.Module) -> Any:
        y = first(x)
        return last(torch.cat([y, grow(y)], 1))

    return Made(run, first=stem(), grow=nn.Conv2d(WIDTH, 8, 3, padding=1), last=head(WIDTH + 8))


@right
def inception() -> nn.Module:
    def run(x: Tensor, first: nn.Module, a: nn.Module, b: nn.Module, last: nn.Module) -> Any:
        y = first(x)
        return last(torch.cat([a(y), b(y), F.max_pool2d(y, 3, 1, 1)], 1))

    parts = {"a": nn.Conv2d(WIDTH, 8, 1), "b": nn.Conv2d(WIDTH, 8, 5, padding=2)}
    return Made(run, first=stem(), last=head(WIDTH + 16), **parts)


@right
def grouped() -> nn.Module:
    return nn.Sequential(stem(), nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=4), nn.ReLU(), head())


@right
def depthwise() -> nn.Module:
    middle = (nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH), nn.Conv2d(WIDTH, WIDTH, 1), nn.Hardswish())
    return nn.Sequential(stem(), *middle, head())


@right
def dilated() -> nn.Module:
    padding = nn.Conv2d(WIDTH, WIDTH, 3, padding=2, dilation=2, padding_mode="reflect")
    return nn.Sequential(stem(), padding, nn.ELU(), head())


@right
def transposed() -> nn.Module:
    return nn.Sequential(stem(), nn.ConvTranspose2d(WIDTH, 8, 4, 2, 1), nn.PReLU(), head(8))


@right
def squeeze_and_excitation() -> nn.Module:
    def run(x: Tensor, first: nn.Module, squeeze: nn.Module, expand: nn.Module, last: nn.Module) -> Any:
        y = first(x)
        weights = torch.sigmoid(expand(F.silu(squeeze(y.mean((2, 3))))))
        return last(y * weights[:, :, None, None])

    return Made(run, first=stem(), squeeze=nn.Linear(WIDTH, 4), expand=nn.Linear(4, WIDTH), last=head())


@right
def activations() -> nn.Module:
    kinds = (
        nn.GELU(),
        nn.SiLU(),
        nn.Mish(),
        nn.Softplus(),
        nn.LeakyReLU(0.1),
        nn.Hardtanh(-3, 3),
        nn.SELU(),
        nn.Tanh(),
    )
    return nn.Sequential(stem(), *(part for kind in kinds for part in (nn.Conv2d(WIDTH, WIDTH, 1), kind)), head())


@right
def group_norm() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, WIDTH, 4, 4), nn.GroupNorm(4, WIDTH), nn.ReLU(), head())


@right
def instance_norm() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, WIDTH, 4, 4), nn.InstanceNorm2d(WIDTH, affine=True), nn.ReLU(), head())


@right
def layer_norm() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, WIDTH, 4, 4), nn.LayerNorm([WIDTH, 8, 8]), nn.ReLU(), head())


@right
def local_response_norm() -> nn.Module:
    return nn.Sequential(stem(), nn.LocalResponseNorm(4), nn.Conv2d(WIDTH, WIDTH, 3), nn.ReLU(), head())


@right
def weight_norm() -> nn.Module:
    return nn.Sequential(stem(), parametrizations.weight_norm(nn.Conv2d(WIDTH, WIDTH, 3)), nn.ReLU(), head())


@right
def old_weight_norm() -> nn.Module:
    """Keeps a tensor that is computed from others, which PyTorch refuses to copy."""
    layer = nn.Conv2d(WIDTH, WIDTH, 3)
    layer.register_parameter("weight_g", nn.Parameter(layer.weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1).detach()))
    layer.register_parameter("weight_v", nn.Parameter(layer.weight.detach().clone()))
    del layer._parameters["weight"]

    def recompute(module: Any, _: Any = None) -> None:
        length = module.weight_v.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        module.weight = module.weight_v * (module.weight_g / length)

    recompute(layer)
    layer.register_forward_pre_hook(recompute)
    return nn.Sequential(stem(), layer, nn.ReLU(), head())


@right
def spectral_norm() -> nn.Module:
    return nn.Sequential(stem(), parametrizations.spectral_norm(nn.Conv2d(WIDTH, WIDTH, 3)), nn.ReLU(), head())


@right
def channels_last() -> nn.Module:
    module: nn.Module = network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Made(lambda x, inside: inside(x.contiguous(memory_format=torch.channels_last)), inside=module)


@right
def half_checkpoint() -> nn.Module:
    return network().half()


@right
def bfloat16_checkpoint() -> nn.Module:
    return network().bfloat16()


@right
def double_checkpoint() -> nn.Module:
    return network().double()


@right
def lazy_layers() -> nn.Module:
    module = nn.Sequential(
        nn.LazyConv2d(WIDTH, 4, 4), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(CLASSES)
    )
    module.eval()(torch.zeros(2, 3, SIDE, SIDE))
    return module


class LazyTable(nn.Module):
    """Builds a table of positions at its first call, of a size that the pictures decide."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = stem(), head()
        self.table: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        if self.table is None:
            angles = torch.arange(y.shape[-1], dtype=torch.float32)
            self.table = torch.outer(angles.sin(), angles.cos())
        scores: Tensor = self.last(y * self.table)
        return scores


@right
def lazily_built_table() -> nn.Module:
    return LazyTable()


class TablesBySize(nn.Module):
    """Keeps one table for each size, as position encodings do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = stem(), head()
        self.tables: dict[int, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        side = int(y.shape[-1])
        if side not in self.tables:
            self.tables[side] = torch.linspace(0, 1, side)
        scores: Tensor = self.last(y + self.tables[side])
        return scores


@right
def tables_by_size() -> nn.Module:
    return TablesBySize()


@functools.lru_cache
def _window(side: int) -> Tensor:
    return torch.hann_window(side)


@right
def table_of_the_process() -> nn.Module:
    """The table belongs to no module."""
    return Made(lambda x, first, last: last(first(x) * _window(8)), first=stem(), last=head())


@right
def fourier() -> nn.Module:
    def run(x: Tensor, first: nn.Module, last: nn.Module) -> Any:
        spectrum = torch.fft.rfft2(first(x))
        return last(torch.log1p(spectrum.abs()))

    return Made(run, first=stem(), last=head())


@right
def complex_inside() -> nn.Module:
    def run(x: Tensor, first: nn.Module, last: nn.Module) -> Any:
        y = first(x)
        turned = torch.view_as_complex(y.reshape(y.shape[0], -1, 2)) * complex(math.cos(0.3), math.sin(0.3))
        return last(torch.view_as_real(turned).reshape(y.shape))

    return Made(run, first=stem(), last=head())


@right
def early_reshape() -> nn.Module:
    def run(x: Tensor, mix: nn.Module, last: nn.Module) -> Any:
        patches = x.reshape(x.shape[0], 3, 4, 8, 4, 8).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        return last(F.gelu(mix(patches)).mean(1))

    return Made(run, mix=nn.Linear(3 * 64, WIDTH), last=nn.Linear(WIDTH, CLASSES))


@right
def flattened_before_all() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, WIDTH), nn.ReLU(), nn.Linear(WIDTH, CLASSES))


class Attention(nn.Module):
    """Patches, a class token, positions, and attention in plain operators."""

    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.positions = nn.Parameter(torch.randn(1, 17, WIDTH))
        self.projections = nn.Linear(WIDTH, 3 * WIDTH)
        self.norm, self.last = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.token.expand(x.shape[0], -1, -1), y], 1) + self.positions
        q, k, v = self.projections(y).reshape(x.shape[0], 17, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = torch.einsum("nhqk,nhkd->nhqd", (torch.einsum("nhqd,nhkd->nhqk", q, k) / 2).softmax(-1), v)
        scores: Tensor = self.last(self.norm(y.transpose(1, 2).flatten(2))[:, 0])
        return scores


@right
def vision_transformer() -> nn.Module:
    return Attention(fused=False)


@right
def fused_attention() -> nn.Module:
    return Attention(fused=True)


@right
def multihead_attention() -> nn.Module:
    def run(x: Tensor, first: nn.Module, attention: nn.Module, last: nn.Module) -> Any:
        y = first(x).flatten(2).transpose(1, 2)
        return last((y + attention(y, y, y, need_weights=False)[0]).mean(1))

    parts = {"attention": nn.MultiheadAttention(WIDTH, 4, batch_first=True), "last": nn.Linear(WIDTH, CLASSES)}
    return Made(run, first=stem(), **parts)


@right
def transformer_encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 32, batch_first=True, norm_first=True)

    def run(x: Tensor, first: nn.Module, encoder: nn.Module, last: nn.Module) -> Any:
        return last(encoder(first(x).flatten(2).transpose(1, 2)).mean(1))

    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return Made(run, first=stem(), encoder=encoder, last=nn.Linear(WIDTH, CLASSES))


@right
def lstm_head() -> nn.Module:
    def run(x: Tensor, first: nn.Module, rows: nn.Module, last: nn.Module) -> Any:
        return last(rows(first(x).mean(3).transpose(1, 2))[0][:, -1])

    return Made(run, first=stem(), rows=nn.LSTM(WIDTH, WIDTH, batch_first=True), last=nn.Linear(WIDTH, CLASSES))


@right
def einsum_mixer() -> nn.Module:
    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = stem(), nn.Linear(WIDTH, CLASSES)
            self.mix = nn.ParameterList([torch.randn(64, 64) / 8, torch.randn(WIDTH, WIDTH) / 4])

        def forward(self, x: Tensor) -> Tensor:
            y = torch.einsum("ncp,pq->ncq", self.first(x).flatten(2), self.mix[0])
            scores: Tensor = self.last(torch.einsum("ncq,cd->nqd", y, self.mix[1]).relu().mean(1))
            return scores

    return Mixer()


@right
def buffers() -> nn.Module:
    class Scaled(nn.Module):
        mean: Tensor
        seen: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.inside = network()
            self.register_buffer("mean", torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1))
            self.register_buffer("seen", torch.tensor(True), persistent=False)

        def forward(self, x: Tensor) -> Tensor:
            if self.seen:  # of a constant: the same for every picture
                x = x - self.mean
            scores: Tensor = self.inside(x)
            return scores

    return Scaled()


@right
def tied_weights() -> nn.Module:
    """Two layers that are one."""
    shared = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
    return nn.Sequential(stem(), shared, nn.ReLU(), shared, nn.ReLU(), head())


@right
def interpolation() -> nn.Module:
    def run(x: Tensor, first: nn.Module, last: nn.Module) -> Any:
        small = F.interpolate(x, size=(16, 16), mode="bilinear", align_corners=False)
        return last(F.interpolate(first(small), scale_factor=2.0, mode="nearest"))

    return Made(run, first=stem(), last=head())


@right
def pixel_shuffle() -> nn.Module:
    return nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, WIDTH, 3), nn.ReLU(), nn.PixelShuffle(2), head(WIDTH // 4))


@right
def shuffled_channels() -> nn.Module:
    return nn.Sequential(stem(), nn.ChannelShuffle(4), nn.Conv2d(WIDTH, WIDTH, 3, groups=4), nn.ReLU(), head())


@right
def size_is_asked() -> nn.Module:
    """Branches on a shape that is always the same, and so does no harm."""

    def run(x: Tensor, inside: nn.Module) -> Any:
        if x.shape[2] != SIDE or x.size(1) != 3:
            x = F.interpolate(x, size=(SIDE, SIDE))
        return inside(x)

    return Made(run, inside=network())


@right
def values_are_checked() -> nn.Module:
    """Takes Python values of the data for errors and messages alone."""

    class Checked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = network()

        def forward(self, x: Tensor) -> Tensor:
            if torch.isnan(x).any():
                raise ValueError("not a number")
            scores: Tensor = self.inside(x)
            return scores

    return Checked()


@right
def changes_its_input() -> nn.Module:
    """In place, which is nobody's fault: every caller has a batch of its own."""

    def run(x: Tensor, inside: nn.Module) -> Any:
        x.sub_(0.1).mul_(2.0)
        return inside(x)

    return Made(run, inside=network())


@right
def masked_classes() -> nn.Module:
    def run(x: Tensor, inside: nn.Module) -> Any:
        scores: Tensor = inside(x)
        return scores.masked_fill(torch.tensor([False] * 7 + [True] * 3), -math.inf)

    return Made(run, inside=network())


class Offset(nn.Module):
    """Adds numbers to the scores of its network."""

    offset: Tensor

    def __init__(self, *numbers: float) -> None:
        super().__init__()
        self.inside = network()
        self.register_buffer("offset", torch.tensor(numbers))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.inside(x)
        return scores + self.offset


@right
def one_class_masked_by_a_number() -> nn.Module:
    return Offset(*[0.0] * 9, -1e4)


@right
def half_of_the_classes_masked_by_a_number() -> nn.Module:
    return Offset(*[0.0] * 5, *[-1e4] * 5)


@right
def most_classes_masked_by_a_number() -> nn.Module:
    return Offset(*[0.0] * 3, *[-1e9] * 7)


@right
def twin_classes() -> nn.Module:
    """Two classes are always equal: neither order of them is a disagreement."""
    return Made(lambda x, inside: inside(x)[:, [0, 1, 2, 3, 4, 4, 3, 2, 1, 0]], inside=network())


@right
def softmax_inside() -> nn.Module:
    return nn.Sequential(network(), nn.Softmax(1))


@right
def sharp_softmax_inside() -> nn.Module:
    return nn.Sequential(network(), Made(lambda x: torch.softmax(x * 50, 1)))


@right
def log_softmax_inside() -> nn.Module:
    return nn.Sequential(network(), nn.LogSoftmax(1))


@right
def sigmoid_inside() -> nn.Module:
    return nn.Sequential(network(), nn.Sigmoid())


@right
def rare_sigmoids_inside() -> nn.Module:
    return nn.Sequential(network(), Made(lambda x: torch.sigmoid(4 * x - 12)))


@right
def cosine_head() -> nn.Module:
    class Cosine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside, self.centres = network()[:-1], nn.Parameter(torch.randn(CLASSES, WIDTH))

        def forward(self, x: Tensor) -> Tensor:
            y = F.normalize(self.inside(x).mean((2, 3)), dim=1)
            return y @ F.normalize(self.centres, dim=1).T

    return Cosine()


@right
def test_time_augmentation() -> nn.Module:
    return Made(lambda x, inside: (inside(x) + inside(x.flip(3))) / 2, inside=network())


@right
def ensemble() -> nn.Module:
    return Made(lambda x, a, b: torch.stack([a(x), b(x)]).mean(0), a=network(), b=network())


@right
def mixture_of_experts() -> nn.Module:
    """Every picture has an expert of its own, chosen by tensors."""

    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.gate = network()[:-1], nn.Linear(WIDTH, 4)
            self.experts = nn.Parameter(torch.randn(4, WIDTH, CLASSES))

        def forward(self, x: Tensor) -> Tensor:
            y = self.first(x).mean((2, 3))
            chosen = F.one_hot(self.gate(y).argmax(1), 4).to(y.dtype)
            return torch.einsum("nw,ne,ewc->nc", y, chosen, self.experts)

    return Experts()


@right
def branch_by_tensors() -> nn.Module:
    """What a frozen branch should be written as."""

    def run(x: Tensor, inside: nn.Module) -> Any:
        scores: Tensor = inside(x)
        return torch.where(x.mean((1, 2, 3), keepdim=True)[:, :, 0, 0] < -1.5, scores.flip(1), scores)

    return Made(run, inside=network())


@right
def data_parallel() -> nn.Module:
    return nn.DataParallel(network())


@right
def compiled() -> nn.Module:
    return torch.compile(network())  # type: ignore[return-value]


@right
def compiled_in_place() -> nn.Module:
    module = network()
    module.compile()
    return module


@right
def any_number_of_inputs() -> nn.Module:
    class Open(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = network()

        def forward(self, *inputs: Tensor) -> Tensor:
            scores: Tensor = self.inside(inputs[0])
            return scores

    return Open()


@right
def by_numpy() -> nn.Module:
    """A trace cannot see what numpy does; an exporter may."""
    return Made(lambda x, inside: torch.from_numpy(np.tanh(inside(x).numpy())), inside=network())


@right
def checkpointed() -> nn.Module:
    """Recomputes activations in training, which leaves inference alone."""
    from torch.utils.checkpoint import checkpoint

    def run(x: Tensor, first: nn.Module, last: nn.Module) -> Any:
        y: Tensor = checkpoint(first, x, use_reentrant=False)
        scores: Tensor = last(y)
        return scores

    return Made(run, first=stem(), last=head())


@right
def dropout_in_training_alone() -> nn.Module:
    return nn.Sequential(stem(), nn.Dropout2d(0.5), head()[:-1], nn.Dropout(0.5), head()[-1])


class Square(torch.autograd.Function):
    """With a gradient of its own, of which a server has no use."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * gradients[0]


@right
def autograd_function() -> nn.Module:
    square: Any = Square.apply
    return Made(lambda x, first, last: last(square(first(x))), first=stem(), last=head())


@right
def a_lock() -> nn.Module:
    import threading

    module = network()
    module.lock = threading.Lock()  # type: ignore[assignment]
    return module
