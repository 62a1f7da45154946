#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tests/golden_text/text_measures.tsv: figures of public packages on real texts.

    python3 -m venv venv
    venv/bin/pip install sacrebleu==2.6.0 rouge-score==0.1.2 nltk==3.10.4 Levenshtein==0.27.5 RapidFuzz==3.14.6 \
        scipy==1.17.1 scikit-learn==1.9.1
    venv/bin/python tests/peers/text_measures.py DATA tests/golden_text/text_measures.tsv

DATA holds gsm8k/test_first300.jsonl, gsm8k/train_first500.jsonl, math500/test.jsonl and
tabfact/smalltest_first200.jsonl (see the README beside the result).  Nothing is random.  The versions that ran are
written into the result.
"""
import difflib
import importlib.metadata
import json
import logging
import pathlib
import platform
import re
import string
import sys

import Levenshtein
import numpy as np
from nltk.stem.porter import PorterStemmer
from rapidfuzz.distance import LCSseq
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU
from scipy import stats
from sklearn import metrics

PACKAGES = ["sacrebleu", "rouge-score", "nltk", "Levenshtein", "RapidFuzz", "scipy", "scikit-learn"]

# Edge cases, written for this file.
MADE = [
    ("the cat sat on the mat", "the cat is on the mat"),
    ("", ""),
    ("", "nothing was said"),
    ("something was said", ""),
    ("same", "same"),
    ("two words", "two words more"),
    ("a b c d e f g h", "a b c d e f g h"),
    ("no match here", "wholly other text"),
    ("It cost 1,234.50 dollars, i.e. 3.5-4 times as much.", "It cost $1,234.50 (3.5-4x)."),
    ("a hyphen-\nated word, well-known, 1990-1995", "a hyphenated word, well known, 1990 - 1995"),
    ("&quot;AT&amp;T&quot; &lt;b&gt; <skipped> end", "\"AT&T\" <b> end"),
    ("ends in a hyphen-\n", "ends in a hyphen-"),
    ("...,,, .5 5. ,5 5, .,.", ". . . , , , .5 5. ,5 5,"),
    ("caf\u00e9 na\u00efve \u201cquoted\u201d \u2014 dash\u2026", "cafe naive \"quoted\" - dash..."),
    ("\u4e2d\u6587 \u0440\u0443\u0441\u0441\u043a\u0438\u0439", "\u4e2d\u6587\u6587 \u0440\u0443\u0441\u043a\u0438"),
    ("tab\tline\nno-break\u00a0space\u3000ideographic", "tab line no-break space ideographic"),
    ("the the the the the the the", "the cat is on the mat"),
    ("Running runners ran happily; skies were dying.", "The runner runs happy under a dying sky."),
    ("x" * 100 + "y" + "z" * 90, "w" + "x" * 80 + "z" * 99),
]


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def sentences(text):
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text) if part.strip()]


def real_pairs(data):
    gsm8k = read(data / "gsm8k/test_first300.jsonl")
    for record in gsm8k[:70]:  # neighbouring steps of a solution; the question's last sentence and the first step
        steps = [re.sub(r"<<.*?>>", "", step) for step in record["answer"].split("\n")]
        yield "gsm8k", sentences(record["question"])[-1], steps[0]
        for left, right in list(zip(steps, steps[1:]))[:1]:
            yield "gsm8k", left, right
    for record in read(data / "math500/test.jsonl")[:90]:
        parts = [part for part in sentences(record["solution"]) if len(part) < 400]
        if len(parts) >= 2:
            yield "math500", parts[0], parts[1]
    statements = read(data / "tabfact/smalltest_first200.jsonl")
    by_table = {}
    for record in statements:
        key = record["table_id"]
        by_table.setdefault(key, []).append(record["statement_normalised"])
    for rows in by_table.values():
        for left, right in list(zip(rows, rows[1:]))[:3]:
            yield "tabfact", left, right


def number(value):
    return "none" if value is None or not np.isfinite(value) else f"{float(value):.12g}"


def escape(text):
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def bleu(hypothesis, references, **options):
    return BLEU(**{"effective_order": True, **options}).sentence_score(hypothesis, references).score / 100


def sets(left, right):
    vocabulary = sorted(set(left) | set(right))
    if not vocabulary:
        return [1, 1, 1, 1]
    predicted = [word in set(left) for word in vocabulary]
    gold = [word in set(right) for word in vocabulary]
    options = {"zero_division": 0}
    return [
        metrics.precision_score(gold, predicted, **options),
        metrics.recall_score(gold, predicted, **options),
        metrics.f1_score(gold, predicted, **options),
        metrics.jaccard_score(gold, predicted, **options),
    ]


def squad_form(text):
    """The four steps of the SQuAD evaluation, from their description."""
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def pair_row(source, left, right):
    plain = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"]).score(right, left)
    stemmed = rouge_scorer.RougeScorer(["rouge2", "rougeL"], use_stemmer=True).score(right, left)
    longest = difflib.SequenceMatcher(None, left, right, autojunk=False).find_longest_match().size
    values = [
        bleu(left, [right]),
        bleu(left, [right], smooth_method="none"),
        bleu(left, [right], smooth_method="floor"),
        bleu(left, [right], smooth_method="add-k"),
        bleu(left, [right], smooth_method="exp", effective_order=False),
        bleu(left, [right], lowercase=True, smooth_method="floor", smooth_value=0.3),
        bleu(left, [right], tokenize="none", max_ngram_order=2),
        *plain["rouge1"], plain["rouge2"].fmeasure, *plain["rougeL"],
        stemmed["rouge2"].fmeasure, *stemmed["rougeL"],
        LCSseq.similarity(left, right), longest, Levenshtein.distance(left, right),
        LCSseq.similarity(left.split(), right.split()), Levenshtein.distance(left.split(), right.split()),
        *sets(left.split(), right.split()),
    ]
    return ["pair", source, escape(left), escape(right), *map(number, values)]


def rank_rows(data):
    records = read(data / "gsm8k/test_first300.jsonl") + read(data / "gsm8k/train_first500.jsonl")
    for begin in range(0, len(records), 12):
        group = records[begin : begin + 12]
        words = np.array([len(record["question"].split()) for record in group], dtype=float)
        steps = np.array([record["answer"].count("\n") for record in group], dtype=float)
        sums = np.array([record["answer"].count("<<") for record in group], dtype=float)
        for left, right in ((words, steps), (steps, sums)):
            gold, predicted = right[None, :], left[None, :]
            values = [
                stats.pearsonr(left, right).statistic,
                stats.spearmanr(left, right).statistic,
                stats.kendalltau(left, right).statistic,
                metrics.ndcg_score(gold, predicted),
                metrics.ndcg_score(gold, predicted, k=5),
                metrics.ndcg_score(2**gold - 1, predicted),
                metrics.ndcg_score(2**gold - 1, predicted, k=3),
            ]
            yield ["rank", "gsm8k", " ".join(map(number, left)), " ".join(map(number, right)), *map(number, values)]


def main():
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)  # it warns of the case without effective order
    data, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    rows = [["# " + " ".join(f"{name}=={importlib.metadata.version(name)}" for name in PACKAGES)]]
    rows.append([f"# python {platform.python_version()}"])
    pairs = list(real_pairs(data))
    rows += [pair_row(*pair) for pair in pairs]
    rows += [pair_row("made", *pair) for pair in MADE]

    hypotheses, golds = [pair[1] for pair in pairs], [pair[2] for pair in pairs]
    for options in ({}, {"lowercase": True, "smooth_method": "none"}):
        rows.append(["corpus", number(BLEU(**options).corpus_score(hypotheses, [golds]).score / 100)])
    for left, middle, right in list(zip(pairs, pairs[1:], pairs[2:]))[::6]:
        texts = [left[1], left[2], middle[2], right[1]]
        rows.append(["multi", number(bleu(texts[0], texts[1:])), *map(escape, texts)])

    rows += rank_rows(data)

    text = " ".join(record["question"] for record in read(data / "gsm8k/test_first300.jsonl"))
    text += " ".join(record["solution"] for record in read(data / "math500/test.jsonl")[:300])
    text += " ".join(record["statement_normalised"] for record in read(data / "tabfact/smalltest_first200.jsonl"))
    stemmer = PorterStemmer()
    for word in sorted(set(re.findall(r"[a-z0-9]+", text.lower()))):
        rows.append(["stem", word, stemmer.stem(word)])

    answers = [text for _, *both in pairs for text in both]
    rows += [["answer", escape(text), squad_form(text)] for text in answers[::6]]
    rows += [["answer", escape(text), squad_form(text)] for pair in MADE for text in pair if len(text) < 80]
    target.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8", newline="\n")
    kinds = [row[0] for row in rows]
    print({kind: kinds.count(kind) for kind in sorted(set(kinds)) if not kind.startswith("#")})
    print("\n".join(row[0] for row in rows[:2]), f"# {target.stat().st_size} bytes", sep="\n")


if __name__ == "__main__":
    main()
