"""torchvision's networks and their preprocessing, held to torchvision's own transforms."""

import argparse
from pathlib import Path

import pytest
import torch
import torchvision
from torchvision.models import get_model
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from tests.sources.loading import gate, load
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.preprocess import Preprocessing
from tritonrepo.export import photographs
from tritonrepo.export.errors import VerificationError
from tritonrepo.export.gate import preparation
from tritonrepo.export.sources import of_torchvision
from tritonrepo.export.sources.loaded import Transform


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_v2_s", "swin_t"])
def test_a_network_comes_by_its_name(name: str) -> None:
    loaded = load(f"torchvision:{name}", "seeded")
    assert loaded.spec.name == name
    assert loaded.weights.trained is False
    assert gate(loaded) <= 1e-6
    with torch.no_grad():
        assert loaded.module(torch.zeros(2, *loaded.spec.image_shape)).shape == (2, 1000)


def test_the_weights_say_how_images_are_prepared() -> None:
    first, second = (load(f"torchvision:resnet50:IMAGENET1K_V{number}", "seeded").spec for number in (1, 2))
    assert (first.preprocessing, second.preprocessing) == (Preprocessing(), Preprocessing(resize=232))


def test_its_own_state_dict_fits_though_its_names_look_like_nvidias(tmp_path: Path) -> None:
    source = get_model("resnet18", weights=None)
    torch.save(source.state_dict(), tmp_path / "a.pth")
    loaded = load("torchvision:resnet18", str(tmp_path / "a.pth"))
    assert (loaded.weights.source, loaded.weights.trained) == ("file a.pth", True)
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in loaded.module.state_dict().items())


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (ImageClassification(crop_size=224, interpolation=InterpolationMode.BICUBIC), "interpolation bicubic"),
        (ImageClassification(crop_size=224, mean=(0.5, 0.5, 0.5)), "the source's mean is another"),
        (ImageClassification(crop_size=224, resize_size=258), "the size 258x258"),
    ],
)
def test_another_transform_is_refused(own: ImageClassification, sentence: str) -> None:
    with pytest.raises(VerificationError, match=sentence):
        gate((of_torchvision._transform(own), Preprocessing()))


def test_tensors_that_are_resized_are_told_from_pictures() -> None:
    own = ImageClassification(crop_size=224)
    as_tensors = Transform(
        "torchvision on tensors",
        lambda picture: own(torchvision.transforms.functional.pil_to_tensor(picture.convert("RGB"))).numpy(),
    )
    with pytest.raises(VerificationError, match="as where the source resizes tensors"):
        preparation.check(as_tensors, Preprocessing(), photographs.find()[:1])


def test_what_cannot_be_had_is_named() -> None:
    with pytest.raises(UsageError, match=r"has no such classifier; near: resnet18, resnet1"):
        load("torchvision:resnet118", "seeded")
    with pytest.raises(UsageError, match=r"there are no such weights; take IMAGENET1K_V1, IMAGENET1K_V2"):
        load("torchvision:resnet50:V3", "seeded")
    with pytest.raises(
        MissingError, match=r"--model torchvision:squeezenet1_1: .*; give its weights with --weights FILE"
    ):
        load("torchvision:squeezenet1_1")  # no network here


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "swin_t"])
def test_another_head_comes_with_the_checkpoint(name: str, tmp_path: Path) -> None:
    """Of torchvision's training script, which keeps its averages as a model of its own."""
    source = get_model(name, weights=None, num_classes=7)
    averaged = torch.optim.swa_utils.AveragedModel(get_model(name, weights=None, num_classes=7))
    content = {"model": source.state_dict(), "model_ema": averaged.state_dict(), "args": argparse.Namespace(lr=0.1)}
    torch.save(content, tmp_path / "a.pth")
    for ema, expected in ((False, source), (True, averaged.module)):
        loaded = load(f"torchvision:{name}", str(tmp_path / "a.pth"), ema=ema)
        assert (loaded.spec.labels, loaded.origins.classes) == ((), "those of the head in a.pth")
        state = expected.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in loaded.module.state_dict().items())
    with torch.no_grad():
        assert load(f"torchvision:{name}", "seeded", classes=5).module(torch.zeros(1, 3, 224, 224)).shape == (1, 5)


def test_networks_are_built_as_for_their_weights(tmp_path: Path) -> None:
    """Where torchvision builds them otherwise for none: a checkpoint was trained on from these weights."""
    for name in ("googlenet", "inception_v3"):
        assert vars(load(f"torchvision:{name}", "seeded").module)["transform_input"] is True
    source = get_model("googlenet", weights=None, aux_logits=False, init_weights=False, num_classes=7)
    torch.save(source.state_dict(), tmp_path / "a.pth")
    assert load("torchvision:googlenet", str(tmp_path / "a.pth")).origins.classes == "those of the head in a.pth"
    large = load("torchvision:vit_b_16:IMAGENET1K_SWAG_E2E_V1", "seeded")
    assert large.spec.image_shape == (3, 384, 384)
    assert vars(large.module)["image_size"] == 384
