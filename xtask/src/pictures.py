"""Prints how many photographs of a directory we read, and how many zxing-cpp reads.

Exits with 1 if we read fewer than 97 % of the number that zxing-cpp reads."""

import importlib.metadata
import pathlib
import sys

import numpy
import zxingcpp
from PIL import Image

LEAST = 0.97


def theirs(picture):
    pixels = numpy.array(Image.open(picture).convert("L"))
    wanted = picture.with_suffix(".bytes").read_bytes()
    found = zxingcpp.read_barcodes(pixels, formats=zxingcpp.BarcodeFormat.QRCode)
    return any(code.bytes == wanted for code in found)


def main(directory):
    ours = dict(line.split() for line in (directory / "ours").read_text().splitlines())
    classes = {}
    for name, found in ours.items():
        count = classes.setdefault(name.split("-")[0], [0, 0, 0])
        count[0] += 1
        count[1] += found != "0"
        count[2] += theirs(directory / f"{name}.picture")
    total = [sum(column) for column in zip(*classes.values())]
    version = importlib.metadata.version("zxing-cpp")
    print(f"| class | photographs | matrix-qr | zxing-cpp {version} |\n|---|---|---|---|")
    for name, count in [*classes.items(), ("all", total)]:
        print(f"| {name} | {count[0]} | {count[1]} | {count[2]} |")
    return 0 if total[1] >= LEAST * total[2] > 0 else 1


sys.exit(main(pathlib.Path(sys.argv[1])))
