# SPDX-License-Identifier: MIT
"""The rewards themselves: agreement with the program r1_re, composition, texts of any bytes, threads."""

import json
import math
import os
import pathlib
import pickle
import signal
import sys
import threading
import time
import unittest
import warnings

sys.path.insert(0, os.path.dirname(__file__))

import rlvr_rewards as rewards
from completions import LABELS, completion_of, judge_by_program, read_rows, shared_file, synthetic_rows, well_formed

GENERAL = pathlib.Path(__file__).parents[2] / "r1_re" / "data" / "general_guideline.json"


class AgreementWithTheProgram(unittest.TestCase):
    def compare(self, rows, expected, reward):
        found = reward.breakdown([completion_of(row) for row in rows], [row["gold"] for row in rows],
                                 [row.get("prefill", "") for row in rows])
        values = reward.score([completion_of(row) for row in rows], [row["gold"] for row in rows],
                              [row.get("prefill", "") for row in rows])
        self.assertEqual(len(found), len(expected))
        for row, result, value, theirs in zip(rows, found, values, expected):
            with self.subTest(id=row["id"]):
                self.assertEqual(theirs["id"], row["id"])
                self.assertEqual(result["class"], theirs["reward_class"])
                self.assertEqual(result["reward"], theirs["reward"])
                self.assertEqual(value, theirs["reward"])

    def test_synthetic_completions(self):
        rows = synthetic_rows()
        expected = judge_by_program(rows)
        self.compare(rows, expected, rewards.r1_re("semeval2010"))
        self.assertEqual({row["reward_class"] for row in expected},
                         {"correct", "wrong_direction", "wrong_label", "invalid_label", "bad_format"})

    def test_adversarial_completions(self):
        rows = [row for row in read_rows(shared_file("adversarial/visible.jsonl")) if row["kind"] == "completion"]
        self.assertGreater(len(rows), 50)
        self.compare(rows, judge_by_program(rows), rewards.r1_re())
        found = rewards.r1_re().breakdown([completion_of(row) for row in rows], [row["gold"] for row in rows],
                                          [row.get("prefill") for row in rows])
        for row, result in zip(rows, found):
            self.assertEqual(result["class"], row["expected"]["reward_class"], row["id"])

    def test_guideline_file(self):
        reward = rewards.r1_re(GENERAL)
        labels = rewards.Guideline(GENERAL).labels
        rows = [{"id": str(i), "gold": labels[i % len(labels)], "completion": well_formed(labels[i // len(labels)])}
                for i in range(len(labels) ** 2)]
        self.compare(rows, judge_by_program(rows, "--guideline", str(GENERAL)), reward)


class Numbers(unittest.TestCase):
    RIGHT, SWAPPED = well_formed("Cause-Effect(e1,e2)"), well_formed("Cause-Effect(e2,e1)")
    TALK = "Sure! " + RIGHT

    def score(self, reward, *completions, gold="Cause-Effect(e1,e2)"):
        return reward.score(list(completions), gold)

    def test_published_and_chosen_numbers(self):
        self.assertEqual(self.score(rewards.r1_re(), self.RIGHT, self.SWAPPED, self.TALK), [3, -0.5, -3])
        self.assertEqual(self.score(rewards.r1_re_robustness(), self.RIGHT, self.SWAPPED, self.TALK), [3, -1, -3])
        chosen = rewards.r1_re(format_right=0.25, format_wrong=-7, metric_right=4, metric_wrong=-0.125)
        self.assertEqual(self.score(chosen, self.RIGHT, self.SWAPPED, self.TALK), [4.25, 0.125, -7])
        self.assertEqual(self.score(rewards.r1_re(directed=False), self.SWAPPED), [3])
        unknown = well_formed("Nothing")
        self.assertEqual(self.score(rewards.r1_re(), unknown), [-3])
        self.assertEqual(self.score(rewards.r1_re(invalid_label_is_format_failure=False), unknown), [-0.5])

    def test_policies(self):
        bare = "<answer>Cause-Effect(e1,e2)</answer>"
        self.assertEqual(self.score(rewards.r1_re(policy="lenient"), self.TALK, bare), [3, -3])
        self.assertEqual(self.score(rewards.r1_re(policy="answer_only"), self.TALK, bare), [-3, 3])
        tags = {"think_open": "[T]", "think_close": "[/T]", "answer_open": "[A]", "answer_close": "[/A]"}
        renamed = "[T]why[/T][A]Cause-Effect(e1,e2)[/A]"
        self.assertEqual(self.score(rewards.r1_re(policy=tags), renamed, self.RIGHT), [3, -3])

    def test_simple_rewards(self):
        self.assertEqual(rewards.format().score([self.RIGHT, self.TALK, well_formed("x")]), [1, -3, 1])
        self.assertEqual(rewards.relation_format().score([self.RIGHT, self.TALK, well_formed("x")]), [1, -3, -3])
        self.assertEqual(self.score(rewards.relation_match(right=1, wrong=0), self.RIGHT, self.SWAPPED), [1, 0])

    def test_triples(self):
        gold = [("Paris", "capital of", "France"), ["Rome", "capital of", "Italy"]]
        right = well_formed("Rome | capital of | Italy\nParis|capital of|France")
        half = well_formed("Paris | capital of | France")  # entities and triples: recall 1/2, precision 1, F1 2/3
        reward = rewards.triples()
        as_text = "Paris | capital of | France\nRome | capital of | Italy"
        as_dicts = [dict(zip(("subject", "relation", "object"), each)) for each in gold]
        for form in (gold, as_text, as_dicts):
            found = reward.score([right, half, "nothing"], [form] * 3)
            self.assertEqual((found[0], found[2]), (3, -3))
            self.assertAlmostEqual(found[1], 1 + 2 * 2 / 3, places=14)
        self.assertEqual(reward.score([well_formed("")], [[]]), [3])

    def test_composition(self):
        staged = rewards.stages(rewards.relation_format(), rewards.relation_match())
        both = rewards.sum([(0.5, staged, "task"), (2, rewards.format(right=1, wrong=0))])
        row, swapped, talk = both.breakdown([self.RIGHT, self.SWAPPED, self.TALK], "Cause-Effect(e1,e2)")
        self.assertEqual([row["reward"], swapped["reward"], talk["reward"]], [0.5 * 3 + 2, 0.5 * -0.5 + 2, -1.5])
        self.assertEqual(row["parts"], {"task": 3, "task/format": 1, "task/metric": 2, "format": 1})
        self.assertEqual((row["class"], row["passed"], row["status"]), ("correct", True, "value"))
        self.assertIn("instead of Cause-Effect(e1,e2)", swapped["diagnosis"])
        rows = synthetic_rows(100)
        texts, golds = [completion_of(each) for each in rows], [each["gold"] for each in rows]
        self.assertEqual(staged.score(texts, golds), rewards.r1_re().score(texts, golds))
        match = rewards.relation_match()
        self.assertEqual(self.score(rewards.clamp(match, -1, 1), self.RIGHT, self.SWAPPED), [1, -1])
        self.assertEqual(self.score(rewards.scale(match, 2, 0.5), self.RIGHT, self.SWAPPED), [4.5, -2.5])
        self.assertEqual(self.score(rewards.piecewise(match, [(-2, 0), (0, 1), (4, 5)]), self.RIGHT, self.SWAPPED),
                         [3, 0.25])
        gated = rewards.only_if(rewards.format(), match, otherwise=-9)
        self.assertEqual(self.score(gated, self.RIGHT, self.SWAPPED, self.TALK), [2, -1.5, -9])
        for count in range(1, 7):
            members = [rewards.named(f"m{i}", rewards.format(right=i)) for i in range(1, count + 1)]
            weighted = rewards.sum([(10, member) for member in members])
            self.assertEqual(self.score(weighted, self.RIGHT), [10 * count * (count + 1) / 2])
            self.assertEqual(self.score(rewards.stages(*members), self.RIGHT), [count * (count + 1) / 2])

    def test_pickle_and_repr(self):
        reward = rewards.sum([(1, rewards.r1_re(GENERAL, policy="lenient"), "task"), (0.5, rewards.format())])
        again = pickle.loads(pickle.dumps(reward))
        texts, gold = [well_formed("Makes(e1,e2)"), "x " + well_formed("Makes(e2,e1)")], "Makes(e1,e2)"
        self.assertEqual(again.breakdown(texts, gold), reward.breakdown(texts, gold))
        self.assertIn("policy='lenient'", repr(reward))


class NoReward(unittest.TestCase):
    def test_none_is_not_zero(self):
        text = well_formed("Other")
        self.assertEqual(rewards.r1_re().score([text, text], ["Other", None]), [3, None])
        row = rewards.r1_re().breakdown([text], [None])[0]
        self.assertEqual((row["reward"], row["status"], row["class"]), (None, "not_applicable", "not_applicable"))
        with self.assertWarnsRegex(RuntimeWarning, "1 of 2 .*gold label 'Nonsense' is no label"):
            self.assertEqual(rewards.r1_re().score([text, text], ["Nonsense", "Other"]), [None, 3])
        with self.assertRaisesRegex(rewards.RewardError, "Nonsense"):
            rewards.r1_re().score([text], ["Nonsense"], on_error="raise")
        self.assertEqual(rewards.triples().breakdown([text], ["no triple"])[0]["status"], "error")
        self.assertEqual(rewards.r1_re().breakdown([text], [[("a", "b", "c")]])[0]["status"], "error")
        overflow = rewards.scale(rewards.scale(rewards.format(), 1e308), 1e308)
        self.assertEqual(overflow.breakdown([text])[0]["status"], "error")

    def test_wrong_settings(self):
        reward, nan = rewards.format(), math.nan
        for make, message in [
            (lambda: rewards.r1_re(metric_right=nan), "metric_right is nan, expected a finite number"),
            (lambda: rewards.r1_re(metric_right="much"), "metric_right: found 'much'"),
            (lambda: rewards.r1_re(policy="severe"), "found 'severe', expected one of strict"),
            (lambda: rewards.r1_re(policy={"text_outside": True}), "unknown key 'text_outside'"),
            (lambda: rewards.r1_re(policy={"think_open": ""}), "a tag is empty"),
            (lambda: rewards.r1_re(policy={"think_open": "<answer>"}), "told apart"),
            (lambda: rewards.r1_re(None), "r1_re: no guideline"),
            (lambda: rewards.r1_re({"name": "empty", "relations": []}), "no relation, expected at least one"),
            (lambda: rewards.r1_re({"name": "x", "relation": []}), "unknown field"),
            (lambda: rewards.clamp(reward, 1, 0), "low must not exceed high"),
            (lambda: rewards.piecewise(reward, []), "no point"),
            (lambda: rewards.piecewise(reward, [(1, 1), (0, 0)]), "strictly increasing"),
            (lambda: rewards.sum([]), "0 rewards, expected at least one"),
            (lambda: rewards.sum([(1, reward), (2, reward)]), "two rewards are named 'format'"),
            (lambda: rewards.sum([(nan, reward)]), "weight is nan"),
            (lambda: rewards.sum([reward]), "term 0"),
            (lambda: rewards.stages(reward, len), "found <built-in function len>"),
            (lambda: rewards.named("", reward), "an empty name"),
            (lambda: reward.score("one text"), "expected a list"),
            (lambda: reward.score(["a"], ["x", "y"]), "1 completions and 2 gold answers"),
            (lambda: reward.score(["a"], threads=-1), "threads: found -1"),
            (lambda: reward.score(["a"], on_error="ignore"), "found 'ignore'"),
            (lambda: rewards.triples().score(["a"], [[("s", "r")]]), "has 2 fields"),
        ]:
            with self.subTest(message=message), self.assertRaises(ValueError) as raised:
                make()
            self.assertIn(message, str(raised.exception))
        with self.assertRaises(FileNotFoundError):
            rewards.r1_re("no/such/guideline.json")
        with self.assertRaisesRegex(TypeError, r"completions\[1\] is a int|expected a text"):
            reward._core.score(["a", 7], [None] * 2, [""] * 2, 1)


class AnyBytes(unittest.TestCase):
    def test_surrogates_and_invalid_utf8(self):
        raw = b"<think>\xff\xfe\xc0\x80</think><answer>Other</answer>"
        texts = [raw, raw.decode("utf-8", "surrogateescape"), well_formed("Other", "\ud800 lone"),
                 well_formed("Other", "\udc80 and \ud800"), well_formed("Other", "nul \0 byte"),
                 well_formed("Other\0"), well_formed("\u202eOther"), well_formed("Othe\udcff"), "", b""]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = rewards.r1_re().breakdown(texts, "Other")
        classes = [row["class"] for row in found]
        self.assertEqual(classes, ["correct"] * 5 + ["invalid_label"] * 3 + ["bad_format"] * 2)
        self.assertEqual(found[0], found[1])
        self.assertIn("\\xff", found[7]["diagnosis"])
        json.dumps(found).encode("utf-8")

    def test_names_beyond_ascii(self):
        guide = {"name": "Küche", "relations": [{"name": "Gehört-zu"}, {"name": "無", "directed": False}]}
        self.assertEqual(rewards.Guideline(guide).labels, ["Gehört-zu(e1,e2)", "Gehört-zu(e2,e1)", "無"])
        reward = rewards.named("größe", rewards.r1_re(guide))
        found = rewards.sum([(1, reward)]).breakdown([well_formed("無"), well_formed("Gehört-zu(e2,e1)")], "無")
        self.assertEqual([row["reward"] for row in found], [3, -0.5])
        self.assertEqual(found[0]["parts"]["größe"], 3)
        self.assertIn("Gehört-zu(e2,e1) instead of 無", found[1]["diagnosis"])


class Threads(unittest.TestCase):
    def test_results_do_not_depend_on_threads(self):
        rows = synthetic_rows() * 10
        texts, golds = [completion_of(row) for row in rows], [row["gold"] for row in rows]
        expected = rewards.r1_re().breakdown(texts, golds, threads=1)
        for count in (0, 2, 3, 16):
            self.assertEqual(rewards.r1_re().breakdown(texts, golds, threads=count), expected)

    def test_calls_from_several_python_threads(self):
        rows = synthetic_rows(200)
        texts, golds = [completion_of(row) for row in rows], [row["gold"] for row in rows]
        reward = rewards.sum([(1, rewards.r1_re(), "task"), (0.5, rewards.format())])
        expected, found = reward.score(texts, golds), []

        def work():
            for _ in range(10):
                found.append(reward.score(texts, golds, threads=2))

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(found, [expected] * 40)

    def test_other_python_threads_run_while_scoring(self):
        # With the lock held, the ticker could not tick between the begin and the end of the compiled call: the interval
        # after which the interpreter itself takes turns is longer than the test.
        texts = [well_formed("Other", "<" * 4_000_000)] * 40
        core, arguments = rewards.r1_re()._core, (texts, ["Other"] * len(texts), [""] * len(texts), 1)
        ticks, stop = [], threading.Event()

        def tick():
            while not stop.is_set():
                ticks.append(time.monotonic())
                time.sleep(0.001)

        interval = sys.getswitchinterval()
        ticker = threading.Thread(target=tick)
        try:
            sys.setswitchinterval(100)
            ticker.start()
            while not ticks:
                time.sleep(0.001)
            begin = time.monotonic()
            values, failures, _ = core.score(*arguments)
            end = time.monotonic()
        finally:
            stop.set()
            sys.setswitchinterval(interval)
            ticker.join()
        self.assertEqual((values, failures), ([3.0] * len(texts), 0))
        self.assertGreater(sum(1 for at in ticks if begin < at < end), 2, f"none in {end - begin} s")

    @unittest.skipUnless(hasattr(signal, "pthread_kill"), "signals of POSIX")
    def test_signals_are_answered_while_scoring(self):
        # Ctrl-C is a signal whose handler runs inside the compiled call, between portions.  One handler may run before
        # the call and one behind it; more than two must have run within.
        texts = ["a" * 4_000_000] * 280
        core, arguments = rewards.format()._core, (texts, [None] * len(texts), [""] * len(texts), 1)
        handled, stop = [], threading.Event()

        def send():
            while not stop.is_set():
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
                time.sleep(0.001)

        before = signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(time.monotonic()))
        sender = threading.Thread(target=send)
        try:
            sender.start()
            begin = time.monotonic()
            core.score(*arguments)
            end = time.monotonic()
        finally:
            stop.set()
            sender.join()
            signal.signal(signal.SIGUSR1, before)
        self.assertGreater(sum(1 for at in handled if begin < at < end), 2)

    @unittest.skipUnless(hasattr(signal, "pthread_kill"), "signals of POSIX")
    def test_ctrl_c_ends_the_call(self):
        texts = ["a" * 4_000_000] * 280
        main = threading.main_thread().ident
        killer = threading.Timer(0.02, signal.pthread_kill, (main, signal.SIGINT))
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores SIGINT
        try:
            with self.assertRaises(KeyboardInterrupt):
                killer.start()
                for _ in range(200):
                    rewards.format().score(texts)
        finally:
            killer.join()
            signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    unittest.main()
