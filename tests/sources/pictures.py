"""Thirty photographs in files: those that scikit-image ships, and some of them as cameras and editors write them."""

from importlib.resources import files
from pathlib import Path

from PIL import ExifTags, Image

from tritonrepo.export import photographs

COUNT = 30
MORE = (
    "cell.png", "color.png", "grass.png", "horse.png", "ihc.png", "microaneurysms.png", "moon.png",
    "motorcycle_right.png", "page.png", "text.png",
)  # fmt: skip
"""Beside those of `photographs.BUNDLED`."""


def few() -> list[Image.Image]:
    """Six of them, RGB."""
    return [photographs.read(path).convert("RGB") for path in photographs.find()[:6]]


def write(folder: Path) -> list[Path]:
    """Write the odd ones; all COUNT paths."""
    shipped = [*photographs.find(), *(Path(str(files("skimage") / "data" / name)) for name in MORE)]
    cat, rocket = (Image.open(shipped[photographs.BUNDLED.index(name)]) for name in ("chelsea.png", "rocket.jpg"))
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    rocket.save(folder / "progressive.jpg", quality=60, progressive=True)
    rocket.resize((223, 341)).save(folder / "tall.jpg", quality=95, subsampling=0)
    rocket.crop((0, 0, 640, 37)).save(folder / "flat.webp", quality=80)
    rocket.resize((40, 31)).save(folder / "tiny.png")
    cat.save(folder / "turned.jpg", exif=turned)
    cat.convert("L").save(folder / "grey.jpg")
    cat.convert("CMYK").save(folder / "cmyk.jpg")
    cat.quantize(64).save(folder / "palette.png")
    paths = [*shipped, *sorted(folder.iterdir())]
    assert len(paths) == COUNT
    return paths
