"""How long the decoders of pictures take, beside the longest that the client expects of them.

    python -m benchmarks.decoding

Noise, one colour and a chessboard in each format; the time of one core, and that of the largest picture of the kind.
What is estimated above `MAX_SECONDS` is refused.
"""

import io
import time
from typing import Any

import numpy as np
from PIL import Image

from tritonrepo.client.images import MAX_PIXELS, MAX_SECONDS, longest_decoding, open_image, to_rgb

WIDTH, HEIGHT = 1200, 800
FORMATS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("JPEG", {"quality": 75}),
    ("JPEG", {"quality": 100, "subsampling": 0}),
    ("JPEG", {"quality": 75, "progressive": True}),
    ("PNG", {}),
    ("WEBP", {"quality": 100, "method": 0}),
    ("WEBP", {"lossless": True, "method": 0}),
    ("GIF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "lzma"}),
    ("TIFF", {"compression": "jpeg", "quality": 100}),
    ("JPEG2000", {}),
    ("JPEG2000", {"codeblock_size": (4, 4), "num_resolutions": 1}),
    ("JPEG2000", {"irreversible": True, "quality_mode": "rates", "quality_layers": [20]}),
    ("AVIF", {"speed": 10, "quality": 75}),
    ("AVIF", {"speed": 10, "quality": 100, "subsampling": "4:4:4"}),
)


def pictures() -> dict[str, Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    chess = (np.indices((HEIGHT, WIDTH)).sum(0) % 2 * 255).astype(np.uint8)
    colour = Image.new("RGB", (WIDTH, HEIGHT), (10, 200, 30))
    return {"noise": Image.fromarray(noise), "one colour": colour, "chessboard": Image.fromarray(chess).convert("RGB")}


def measure(data: bytes) -> float:
    """Seconds of one core, the least of three."""
    found = []
    for _ in range(3):
        begin = time.process_time()
        to_rgb(open_image(data))
        found.append(time.process_time() - begin)
    return min(found)


def main() -> None:
    scale = MAX_PIXELS / (WIDTH * HEIGHT)
    print("| format | picture | bytes a pixel | ns a pixel | the largest, s | its estimate, s | |")
    print("| --- | --- | --: | --: | --: | --: | --- |")
    for format_, options in FORMATS:
        words = ", ".join(f"{name} {value}" for name, value in options.items())
        for name, picture in pictures().items():
            buffer = io.BytesIO()
            picture.save(buffer, format_, **options)
            size, seconds = len(buffer.getvalue()), measure(buffer.getvalue())
            scans = 10 if options.get("progressive") else 1 if format_ == "JPEG" else 0
            longest = longest_decoding(format_, MAX_PIXELS, int(size * scale), scans)
            cells = [f"{size / WIDTH / HEIGHT:.2f}", f"{1e9 * seconds / WIDTH / HEIGHT:.0f}", f"{seconds * scale:.1f}"]
            fate = "refused" if longest > MAX_SECONDS else ""
            print(f"| {format_} {words} | {name} | {' | '.join(cells)} | {longest:.1f} | {fate} |")


if __name__ == "__main__":
    main()
