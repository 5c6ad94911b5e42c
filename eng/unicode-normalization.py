#!/usr/bin/env python3
"""Regenerates src/Gateway.Model/Text/Unicode/normalization.bin from Python's copy of the Unicode Character Database.

Usage: python3 eng/unicode-normalization.py   (from the repository root)

All numbers are LEB128 variable-length integers, all code points ascend and are stored as differences.
    1  Unicode version: major, minor
    2  combining classes: number of runs, then per run  start difference, length, class
    3  decompositions: number of entries, then per entry  code point difference,
       (number of code points << 2) | (2 if it never composes back) | (1 if compatibility), the code points
Hangul syllables are left out: their decomposition is arithmetic (Unicode Standard, section 3.12).
"""
import pathlib
import unicodedata

out = bytearray()


def number(value):
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


for part in unicodedata.unidata_version.split(".")[:2]:
    number(int(part))

runs = []
for point in range(0x110000):
    combining = unicodedata.combining(chr(point))
    if not combining:
        continue
    if runs and runs[-1][0] + runs[-1][1] == point and runs[-1][2] == combining:
        runs[-1][1] += 1
    else:
        runs.append([point, 1, combining])
number(len(runs))
last = 0
for start, length, combining in runs:
    number(start - last)
    number(length)
    number(combining)
    last = start

entries = []
for point in range(0x110000):
    fields = unicodedata.decomposition(chr(point)).split()
    if not fields:
        continue
    compatibility = fields[0].startswith("<")
    points = [int(field, 16) for field in fields[compatibility:]]
    excluded = not compatibility and unicodedata.normalize("NFC", chr(point)) != chr(point)
    entries.append((point, compatibility, excluded, points))
number(len(entries))
last = 0
for point, compatibility, excluded, points in entries:
    number(point - last)
    number(len(points) << 2 | excluded << 1 | compatibility)
    for part in points:
        number(part)
    last = point

target = pathlib.Path("src/Gateway.Model/Text/Unicode/normalization.bin")
target.write_bytes(out)
print(f"{target}: {len(out)} bytes, {len(runs)} runs, {len(entries)} decompositions, Unicode {unicodedata.unidata_version}")
