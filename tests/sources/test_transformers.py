"""Image classifiers of transformers from directories in its own layout, held to its own image processors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tr
from PIL import Image

from tests.sources.loading import PATHS, gate, load
from tests.sources.networks import CLASSES, SIDE, convnext, swin, vit
from tritonrepo.client.errors import MissingError, UsageError
from tritonrepo.client.preprocess import preprocess
from tritonrepo.export import photographs
from tritonrepo.export.errors import VerificationError, WeightsError
from tritonrepo.export.gate import preparation

ATTENTIONS = 1e-6
"""The attention that is written out adds up in another order than the fused one; these logits are below 1."""


def mobilevit() -> Any:
    return tr.MobileViTForImageClassification(tr.MobileViTConfig(image_size=64, num_labels=CLASSES))


MODELS: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    "ViT": (vit, lambda: tr.ViTImageProcessor(size=SIDE), "resize to 64 (bilinear), / 255, mean"),
    "ViT, lanczos": (vit, lambda: tr.ViTImageProcessor(size=SIDE, resample=1), "resize to 64 (lanczos)"),
    "ViT, not normalised": (vit, lambda: tr.ViTImageProcessor(size=SIDE, do_normalize=False), "/ 255, RGB NCHW"),
    "ConvNeXt under 384": (
        convnext,
        lambda: tr.ConvNextImageProcessor(size={"shortest_edge": 65}, crop_pct=0.9),
        "short side 72 (bicubic), crop 65",
    ),
    "ConvNeXt from 384": (
        convnext, lambda: tr.ConvNextImageProcessor(size={"shortest_edge": 384}), "resize to 384 (bicubic)",
    ),
    "Swin": (swin, lambda: tr.ViTImageProcessor(size=SIDE, resample=3), "resize to 64 (bicubic)"),
    "EfficientNet's processor": (
        vit,
        lambda: tr.EfficientNetImageProcessor(size=SIDE, resample=0, rescale_factor=1 / 127.5, rescale_offset=True),
        "resize to 64 (nearest), / 127.5 - 1, mean",
    ),
    "crop of odd rest": (
        vit,
        lambda: tr.DeiTImageProcessor(size={"height": 71, "width": 75}, crop_size=SIDE),
        "resize to 71x75 (bicubic), crop 64",
    ),
    "crop larger than the picture": (
        vit,
        lambda: tr.DeiTImageProcessor(size={"height": 61, "width": 75}, crop_size=SIDE),
        "resize to 61x75 (bicubic), crop 64",
    ),
    "MobileViT, BGR": (
        mobilevit,
        lambda: tr.MobileViTImageProcessor(size={"shortest_edge": 74}, crop_size=SIDE),
        "short side 74 (bicubic), crop 64, / 255, BGR NCHW",
    ),
    "one channel": (
        lambda: vit(num_channels=1),
        lambda: tr.ViTImageProcessor(size=SIDE, image_mean=[0.1307], image_std=[0.3081]),
        "resize to 64 (bilinear), / 255, mean (0.1307), std (0.3081), L NCHW",
    ),
}  # fmt: skip


def saved(path: Path, model: Any, processor: Any) -> str:
    model.save_pretrained(path)
    processor.save_pretrained(path)
    return f"hf:{path}"


def changed(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("name", MODELS)
def test_a_classifier_comes_from_its_directory(name: str, tmp_path: Path) -> None:
    model, processor, said = MODELS[name]
    own = model().eval()
    loaded = load(saved(tmp_path / "mine", own, processor()))
    assert (loaded.spec.name, loaded.weights.source, loaded.weights.trained) == ("mine", "transformers mine", True)
    assert said in str(loaded.spec.preprocessing)
    assert gate(loaded) <= 1e-6
    images = torch.randn(2, *loaded.spec.image_shape)
    with torch.no_grad():
        assert torch.allclose(loaded.module(images), own(pixel_values=images).logits, rtol=0, atol=ATTENTIONS)


def test_the_difference_of_its_resize_of_tensors_is_known(tmp_path: Path) -> None:
    """Of a grey level or two, each of 1 / 127.5 here; the gate would refuse it as a contract."""
    transform = load(saved(tmp_path, vit(), tr.ViTImageProcessor(size=SIDE))).transform
    assert transform is not None
    apart = preparation.apart_on_tensors(transform, PATHS)
    assert apart is not None
    assert 1 / 128 < apart < 3 / 127


def test_names_are_those_of_the_head_where_somebody_gave_them(tmp_path: Path) -> None:
    named = vit(id2label=dict(enumerate(["ant", "bee", "cat", "dog", "eel"])))
    assert load(saved(tmp_path / "a", named, tr.ViTImageProcessor(size=SIDE))).spec.labels == (
        "ant", "bee", "cat", "dog", "eel",
    )  # fmt: skip
    assert load(saved(tmp_path / "b", vit(), tr.ViTImageProcessor(size=SIDE))).spec.labels == ()


def test_several_labels_are_independent_scores(tmp_path: Path) -> None:
    own = vit(problem_type="multi_label_classification").eval()
    loaded = load(saved(tmp_path, own, tr.ViTImageProcessor(size=SIDE)))
    assert loaded.spec.scores == "independent"
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(loaded.module(images), own(pixel_values=images).logits.sigmoid(), rtol=0, atol=ATTENTIONS)


def test_the_whole_is_the_librarys_own_pipeline(tmp_path: Path) -> None:
    """From the picture to the probabilities."""
    name = saved(tmp_path, vit(), tr.ViTImageProcessor(size=SIDE))
    loaded = load(name)
    processor = tr.AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    model = tr.AutoModelForImageClassification.from_pretrained(tmp_path).eval()
    for path in PATHS:
        picture = photographs.read(path).convert("RGB")
        with torch.no_grad():
            expected = model(**processor(picture, return_tensors="pt")).logits.softmax(-1)
            images = torch.from_numpy(preprocess(picture, loaded.spec.preprocessing)[None])
            assert float((loaded.module(images).softmax(-1) - expected).abs().max()) <= 1e-5


@pytest.mark.parametrize(
    ("processor", "sentence"),
    [
        (lambda: tr.ViTImageProcessor(size={"shortest_edge": 64}), "step 1 (resize) keeps the aspect"),
        (
            lambda: tr.ViTImageProcessor(size={"shortest_edge": 64, "longest_edge": 99}),
            "size: a shortest_edge with a longest_edge",
        ),
        (lambda: tr.ViTImageProcessor(size=SIDE, do_pad=True), "do_pad: it pads at the right"),
        (lambda: tr.ViTImageProcessor(do_resize=False), "no step says the size of the tensor"),
        (lambda: tr.PerceiverImageProcessor(), "of its own, and no rule here knows what it does"),
    ],
)
def test_what_a_contract_cannot_say_is_refused_by_its_name(
    processor: Callable[[], Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        load(saved(tmp_path, vit(), processor()))
    assert sentence in str(caught.value)


def test_a_directory_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=f"--model hf:{tmp_path}: "):
        load(f"hf:{tmp_path}")
    vit().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="its image processor cannot be had"):
        load(f"hf:{tmp_path}")


def test_a_picture_with_one_channel_is_repeated_for_a_network_of_three(tmp_path: Path) -> None:
    loaded = load(saved(tmp_path, vit(), tr.ViTImageProcessor(size=SIDE)))
    grey = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (64, 1)))
    assert loaded.transform is not None
    assert np.array_equal(loaded.transform.run(grey), preprocess(grey, loaded.spec.preprocessing))


@pytest.mark.parametrize("make", [vit, convnext, swin])
def test_another_head_comes_with_the_checkpoint(make: Callable[[], Any], tmp_path: Path) -> None:
    """As Lightning saves a network that is `self.model`; the names of the old head go with it."""
    own = make()
    own.config.id2label = dict(enumerate(["ant", "bee", "cat", "dog", "eel"]))
    name = saved(tmp_path / "mine", own, tr.ViTImageProcessor(size=SIDE))
    own.config.num_labels = 3
    source = type(own)(own.config)
    torch.save(
        {"state_dict": {f"model.{key}": value for key, value in source.state_dict().items()}}, tmp_path / "a.ckpt"
    )
    loaded = load(name, str(tmp_path / "a.ckpt"))
    assert (loaded.spec.labels, loaded.origins.classes) == ((), "those of the head in a.ckpt")
    images = torch.randn(2, *loaded.spec.image_shape)
    with torch.no_grad():
        expected = source.eval()(pixel_values=images).logits
        assert torch.allclose(loaded.module(images), expected, rtol=0, atol=ATTENTIONS)
        assert load(name, "seeded", classes=4).module(images).shape == (2, 4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_weights_are_told(dtype: torch.dtype, tmp_path: Path) -> None:
    notices: list[str] = []
    name = saved(tmp_path, vit().to(dtype), tr.ViTImageProcessor(size=SIDE))
    loaded = load(name, notice=notices.append)
    assert f"parameters of {dtype} are made float32, in which every model is exported" in notices
    assert {value.dtype for value in loaded.module.parameters()} == {torch.float32}
    assert {value.dtype for value in load(name, "seeded").module.parameters()} == {torch.float32}


def test_a_head_that_transformers_would_make_up_is_refused(tmp_path: Path) -> None:
    """It only warns, and the head is random."""
    tr.ViTModel(vit().config).save_pretrained(tmp_path)
    tr.ViTImageProcessor(size=SIDE).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"its weights lack classifier\.bias, classifier\.weight, .* would make up"):
        load(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": None}, "ViTImageProcessorPil: do_resize is on, and says nothing of size"),
        ({"resample": None}, "do_resize is on, and says nothing of resample"),
        ({"image_mean": None}, "do_normalize is on, and says nothing of image_mean"),
        ({"do_center_crop": True, "crop_size": None}, "do_center_crop is on, and says nothing of crop_size"),
        ({"rescale_factor": 0}, "says what cannot be used: ZeroDivisionError"),
        ({"resample": 9}, "says what cannot be used: ValueError: 9 is not a valid Resampling"),
        ({"size": "big"}, "its image processor cannot be had: Could not convert size"),
    ],
)
def test_a_processor_that_makes_no_sense_is_a_sentence(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    name = saved(tmp_path, vit(), tr.ViTImageProcessor(size=SIDE))
    changed(tmp_path / "preprocessor_config.json", **changes)
    with pytest.raises(UsageError) as caught:
        load(name)
    assert f"--model {name}: " in str(caught.value)
    assert sentence in str(caught.value)


def test_a_default_processor_that_fails_is_a_sentence(tmp_path: Path) -> None:
    """The one on pictures takes a mean that the one on tensors does not."""
    name = saved(tmp_path, vit(), tr.ViTImageProcessor(size=SIDE))
    changed(tmp_path / "preprocessor_config.json", image_mean="0.5")
    transform = load(name).transform
    assert transform is not None
    with pytest.raises(VerificationError, match=r"transformers .* fails on \w+\.png: TypeError"):
        preparation.apart_on_tensors(transform, PATHS)


def test_a_configuration_of_another_head_is_refused_by_its_shapes(tmp_path: Path) -> None:
    name = saved(tmp_path, vit(), tr.ViTImageProcessor(size=SIDE))
    changed(tmp_path / "config.json", id2label={"0": "ant", "1": "bee"})
    with pytest.raises(WeightsError, match=r"do not fit its config\.json: classifier\.\w+ is \[5.*\], expected \[2"):
        load(name)


def test_a_regression_is_no_classifier(tmp_path: Path) -> None:
    name = saved(tmp_path, vit(problem_type="regression"), tr.ViTImageProcessor(size=SIDE))
    with pytest.raises(UsageError, match=r"problem_type in config\.json is regression; its outputs are no classes"):
        load(name)


def test_a_gap_in_the_names_is_told_with_its_file(tmp_path: Path) -> None:
    name = saved(tmp_path, vit(), tr.ViTImageProcessor(size=SIDE))
    changed(tmp_path / "config.json", id2label={"0": "a", "1": "b", "2": "c", "3": "d", "5": "e"})
    with pytest.raises(UsageError, match=f"--model {name}: config.json: id2label: index 4 is missing"):
        load(name)


def test_a_directory_that_cannot_be_an_id_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"there is no directory {tmp_path}/none"):
        load(f"hf:{tmp_path}/none")
