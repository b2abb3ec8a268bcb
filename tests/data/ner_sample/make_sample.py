"""Write a small labelled Chinese named-entity sample: train.jsonl, dev.jsonl and test.jsonl.

Every sentence is a hand-written pattern of patterns.txt with its slots filled from the hand-written lists of
fillers.txt; nothing comes from a corpus. Places are real. Persons are put together from a surname and a given name,
organisations from a made-up stem and an ending. Dev and test are composed first; then no training sentence may contain
any of their entities, and some of their patterns are never used in training. The same seed always gives the same bytes.
"""

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

FOLDER = Path(__file__).resolve().parent
SEED = 0
SIZES = {"train": 9600, "dev": 300, "test": 400}
PLAIN_RATE = 0.1  # share of sentences that hold no entity
OWN_PATTERN_RATE = 0.15  # dev and test: share of sentences whose pattern is never used in training
HELD_OUT = 0.12  # share of places and stems that dev and test each get
PATTERNS_HELD_OUT = 0.07  # share of patterns that dev and test each get
OTHERS = 4  # a place leaves training only while more places than these hold each of its characters
COMPOUND_RATE = 0.12  # share of persons with a surname of two characters
LONG_GIVEN_RATE = 0.6  # share of persons with a given name of two characters
# The names in the sentences that run_scripts/quickstart.py shows: training must not contain them either.
SHOWN = ("王磊", "王喆", "李静", "慕容雪", "沈阳", "苏州", "杭州", "青岛", "南京", "临溪")
PERSON = "PER"  # the slot of a person
SLOT = re.compile(r"\{([A-Z]+)\}")
CHOICE = re.compile(r"<([^<>]*)>")


class Entity(TypedDict):
    """Character offsets, the end exclusive, and a label."""

    start: int
    end: int
    label: str


class Row(TypedDict):
    """One sentence and its entities."""

    text: str
    entities: list[Entity]


@dataclass
class Fillers:
    """What slots can be filled with.

    Attributes:
        parts: surnames and given names, by name.
        plain: words that are no entity, by slot.
        places: the places of one split, by slot.
        stems: the stems of one split, by kind.
        endings: by slot of an organisation, the kind of its stem and its endings.
    """

    parts: dict[str, list[str]] = field(default_factory=dict)
    plain: dict[str, list[str]] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    stems: dict[str, list[str]] = field(default_factory=dict)
    endings: dict[str, tuple[str, list[str]]] = field(default_factory=dict)

    def make(self, slot: str, rng: random.Random) -> tuple[str, str]:
        """Make one filler for a slot.

        Returns:
            The filler and its label; the label is empty where the filler is no entity.
        """
        if slot == PERSON:
            surname = rng.choice(self.parts["COMPOUND" if rng.random() < COMPOUND_RATE else "SURNAME"])
            length = 2 if rng.random() < LONG_GIVEN_RATE else 1
            return surname + "".join(rng.sample(self.parts["GIVEN"], length)), "PER"
        if slot in self.endings:
            kind, endings = self.endings[slot]
            return rng.choice(self.stems[kind]) + rng.choice(endings), "ORG"
        if slot in self.places:
            return rng.choice(self.places[slot]), "LOC"
        return rng.choice(self.plain[slot]), ""


def read_lines(name: str) -> list[str]:
    """Read the lines of a file next to this script, without its comments."""
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def divide(
    items: Sequence[str], held_out: float, rng: random.Random, shared: Counter[str] | None = None
) -> dict[str, list[str]]:
    """Shuffle items and divide them between the splits; what is shown goes to test.

    Args:
        items: what is divided.
        held_out: the share that dev and test each get.
        rng: the source of chance.
        shared: how many items hold each character. If it is given, an item only leaves training while more
            than OTHERS items hold each of its characters; the counts are brought up to date.
    """
    mixed = list(items)
    rng.shuffle(mixed)
    each = round(len(mixed) * held_out)
    splits: dict[str, list[str]] = {"train": [], "dev": [], "test": [item for item in mixed if item in SHOWN]}
    for item in mixed:
        if item in SHOWN:
            continue
        split = "dev" if len(splits["dev"]) < each else "test" if len(splits["test"]) < each else "train"
        if split != "train" and shared is not None:
            if any(shared[character] <= OTHERS for character in item):
                split = "train"
            else:
                shared.subtract(set(item))
        splits[split].append(item)
    return splits


def read_table() -> dict[str, dict[str, list[str]]]:
    """Read fillers.txt.

    Returns:
        Kind of list -> name of list -> its words.

    Raises:
        ValueError: If a word is listed twice.
    """
    table: dict[str, dict[str, list[str]]] = {}
    for line in read_lines("fillers.txt"):
        kind, name, *words = line.split(" ")
        table.setdefault(kind, {}).setdefault(name, []).extend(words)
    for kind, lists in table.items():
        every = [[word for words in lists.values() for word in words]] if kind == "LOC" else lists.values()
        if any(len(set(words)) != len(words) for words in every):
            raise ValueError(f"a word of {kind} is listed twice")
    return table


def read_fillers(rng: random.Random) -> dict[str, Fillers]:
    """Divide the places of fillers.txt, and all stems that its parts can make, between the splits.

    Returns:
        The fillers of every split.
    """
    table = read_table()
    parts, plain = table["part"], table["plain"]
    endings = {name: (words[0], words[1:]) for name, words in table["ORG"].items()}
    splits = {split: Fillers(parts=parts, plain=plain, endings=endings) for split in SIZES}
    places = {word for words in table["LOC"].values() for word in words}
    shared = Counter(character for place in sorted(places) for character in sorted(set(place)))
    for name, words in table["LOC"].items():
        for split, share in divide(words, HELD_OUT, rng, shared).items():
            splits[split].places[name] = share
    for kind in ("PLACE", "BRAND"):
        fronts, backs = parts[f"{kind}_FRONT"], parts[f"{kind}_BACK"]
        stems = [front + back for front in fronts for back in backs if front != back]
        for split, share in divide([stem for stem in stems if stem not in places], HELD_OUT, rng).items():
            splits[split].stems[kind] = share
    return splits


def read_patterns(rng: random.Random) -> dict[str, dict[str, list[str]]]:
    """Read patterns.txt and divide the patterns between the splits.

    Returns:
        Split -> patterns with entities, and split -> patterns without any.
    """
    table = read_table()
    entity_slots = {PERSON, *table["LOC"], *table["ORG"]}
    kinds: dict[str, list[str]] = {"entities": [], "plain": []}
    for pattern in read_lines("patterns.txt"):
        kinds["entities" if entity_slots & set(SLOT.findall(pattern)) else "plain"].append(pattern)
    return {kind: divide(patterns, PATTERNS_HELD_OUT, rng) for kind, patterns in kinds.items()}


def as_expression(pattern: str) -> str:
    """Write a pattern as a regular expression that matches every sentence made from it."""
    parts = re.split(r"(\{[A-Z]+\}|[<>|])", pattern)
    special = {"<": "(?:", ">": ")", "|": "|"}
    return "".join(special.get(part) or (".+" if SLOT.fullmatch(part) else re.escape(part)) for part in parts)


def fill(pattern: str, fillers: Fillers, rng: random.Random) -> Row:
    """Choose the alternatives of a pattern, fill every slot, no filler twice, and note where the entities lie."""
    pattern = CHOICE.sub(lambda match: rng.choice(match[1].split("|")), pattern)
    text, last = "", 0
    entities: list[Entity] = []
    used: set[str] = set()
    for match in SLOT.finditer(pattern):
        filler, label = fillers.make(match[1], rng)
        while filler in used:
            filler, label = fillers.make(match[1], rng)
        used.add(filler)
        text += pattern[last : match.start()]
        if label:
            entities.append({"start": len(text), "end": len(text) + len(filler), "label": label})
        text += filler
        last = match.end()
    return {"text": text + pattern[last:], "entities": entities}


def names(row: Row) -> list[str]:
    """The entities of a sentence as they are written."""
    return [row["text"][entity["start"] : entity["end"]] for entity in row["entities"]]


def make_sample() -> dict[str, list[Row]]:
    """Compose all three splits.

    No text occurs twice in or across them. No name has two labels. No test text contains a name of dev, and no training
    text one of dev, test or SHOWN.
    """
    rng = random.Random(SEED)
    fillers = read_fillers(rng)
    patterns = read_patterns(random.Random(SEED))
    seen: set[str] = set()
    labels: dict[str, str] = {}
    forbidden: set[str] = set()
    sample: dict[str, list[Row]] = {split: [] for split in SIZES}
    for split in ("dev", "test", "train"):
        rows = sample[split]
        forbidden |= {name for name in SHOWN if split == "train"}
        while len(rows) < SIZES[split]:
            kind = "plain" if len(rows) < SIZES[split] * PLAIN_RATE else "entities"
            source = split if rng.random() < OWN_PATTERN_RATE else "train"
            row = fill(rng.choice(patterns[kind][source]), fillers[split], rng)
            found = {name: entity["label"] for name, entity in zip(names(row), row["entities"], strict=True)}
            leaks = any(name in row["text"] for name in forbidden)
            clashes = any(labels.get(name, label) != label for name, label in found.items())
            if row["text"] in seen or leaks or clashes:
                continue
            seen.add(row["text"])
            labels.update(found)
            rows.append(row)
        forbidden.update(name for row in rows for name in names(row))
        rng.shuffle(rows)
    return sample


def main(argv: Sequence[str] | None = None) -> None:
    """Write the three files into the folder named on the command line, or next to this script."""
    parser = argparse.ArgumentParser(description="Write the named-entity sample.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder = parser.parse_args(argv).folder
    folder.mkdir(parents=True, exist_ok=True)
    sample = make_sample()
    for split, rows in sample.items():
        lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows]
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
    entities = sum(len(row["entities"]) for rows in sample.values() for row in rows)
    sys.stdout.write(f"{sum(map(len, sample.values()))} sentences, {entities} entities\n")


if __name__ == "__main__":
    main()
