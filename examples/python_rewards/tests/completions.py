# SPDX-License-Identifier: MIT
"""Completions for the tests, and what the program r1_re says of them."""

import base64
import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

RELATIONS = ("Cause-Effect", "Component-Whole", "Content-Container", "Entity-Destination", "Entity-Origin",
             "Instrument-Agency", "Member-Collection", "Message-Topic", "Product-Producer")
LABELS = [name + side for name in RELATIONS for side in ("(e1,e2)", "(e2,e1)")] + ["Other"]


def well_formed(answer, think="e1 names the storm, e2 the damage"):
    return f"<think>{think}</think><answer>{answer}</answer>"


def synthetic_rows(count=300):
    """Rows as `r1_re reward` reads them: right, wrong and near-miss answers in whole and broken forms."""
    random_source = random.Random(2010)
    tags = ["<think>", "</think>", "<answer>", "</answer>"]
    rows = []
    for i in range(count):
        gold = random_source.choice(LABELS)
        answer = random_source.choice([
            gold, gold, f" {gold}\n", gold.replace("e1,e2", "e2,e1"), random_source.choice(LABELS), gold.lower(),
            gold.split("(")[0], gold.replace("(", " ( "), gold + ".", "", gold + " or Other",
            gold.replace("-", "\u2010")])
        pieces = [tags[0], random_source.choice(["why", " \n", "", "\u200b", "Grüße 中文 \U0001f600", "a < b"]),
                  tags[1], random_source.choice(["", "\n", " "]), tags[2], answer, tags[3], random_source.choice(["", "\n"])]
        damage = random_source.randrange(10)
        if damage == 0:
            del pieces[random_source.randrange(len(pieces))]
        elif damage == 1:
            pieces.insert(random_source.randrange(len(pieces) + 1), random_source.choice(tags))
        elif damage == 2:
            pieces.insert(random_source.randrange(len(pieces) + 1), "The answer is:")
        elif damage == 3:
            random_source.shuffle(pieces)
        row = {"id": f"s{i}", "gold": gold, "completion": "".join(pieces)}
        if damage == 4:
            row["prefill"], row["completion"] = "<think>", "".join(pieces[1:])
        rows.append(row)
    return rows


def shared_file(name):
    """A path in the folder of larger reference data; skips the test where there is none."""
    folder = os.environ.get("RLVR_SHARED_DIR")
    path = pathlib.Path(folder or "") / name
    if not folder or not path.exists():
        raise unittest.SkipTest(f"{name} is not here (RLVR_SHARED_DIR)")
    return path


def read_rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def completion_of(row):
    """The completion of a row, str or bytes."""
    if "completion" in row:
        return row["completion"]
    if "completion_b64" in row:
        return base64.b64decode(row["completion_b64"])
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in row["completion_parts"])


def judge_by_program(rows, *guideline):
    """What `r1_re reward` prints for the rows; skips the test where the program is not built."""
    program = os.environ.get("R1_RE_PROGRAM")
    if not program:
        raise unittest.SkipTest("the program r1_re is not built (R1_RE_PROGRAM)")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        result = subprocess.run([program, "reward", *(guideline or ("--task", "semeval2010")), "--input", path],
                                check=True, capture_output=True, encoding="utf-8", timeout=120)
    return [json.loads(line) for line in result.stdout.splitlines()]
