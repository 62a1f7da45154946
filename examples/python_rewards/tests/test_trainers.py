# SPDX-License-Identifier: MIT
"""The call shapes of trainers, called as the trainers call them."""

import inspect
import math
import os
import pickle
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

import rlvr_rewards as rewards
from completions import completion_of, synthetic_rows, well_formed

RIGHT, SWAPPED = well_formed("Cause-Effect(e1,e2)"), well_formed("Cause-Effect(e2,e1)")
GOLD = "Cause-Effect(e1,e2)"


class Trl(unittest.TestCase):
    def call_as_trainer(self, function, inputs, completions):
        """Every column but prompt and completion goes in by its name; None becomes nan; the name goes into metrics."""
        self.assertFalse(inspect.iscoroutinefunction(function))
        self.assertIsInstance(function.__name__, str)
        keys = [key for key in inputs[0] if key not in ("prompt", "completion")]
        columns = {key: [example[key] for example in inputs] for key in keys}
        result = function(prompts=[example["prompt"] for example in inputs], completions=completions,
                          completion_ids=[[1, 2]] * len(completions), trainer_state=object(), **columns)
        self.assertEqual(len(result), len(completions))
        return [math.nan if value is None else float(value) for value in result]

    def test_texts(self):
        function = rewards.trl(rewards.r1_re(), gold="label")
        inputs = [{"prompt": "p", "label": GOLD}, {"prompt": "p", "label": GOLD}, {"prompt": "q", "label": None}]
        found = self.call_as_trainer(function, inputs, [RIGHT, SWAPPED, RIGHT])
        self.assertEqual(found[:2], [3.0, -0.5])
        self.assertTrue(math.isnan(found[2]))
        self.assertEqual(function.__name__, "r1_re")
        self.assertIsNone(function(["q"], [RIGHT], label=[None])[0])
        self.assertTrue(all(type(value) is float for value in function(["p"] * 2, [RIGHT, SWAPPED], label=[GOLD] * 2)))

    def test_chat_messages(self):
        function = rewards.trl(rewards.r1_re(), gold="label", name="relation")
        chats = [
            [{"role": "assistant", "content": RIGHT}],
            [{"role": "assistant", "content": [{"type": "text", "text": SWAPPED}]}],
            [{"role": "assistant", "content": "<think>look it up"}, {"role": "tool", "content": "<answer>"},
             {"role": "assistant", "content": "</think>" + f"<answer>{GOLD}</answer>"}],
            [{"role": "assistant", "content": SWAPPED}, {"role": "assistant", "content": RIGHT}],
            [{"role": "assistant", "content": None, "tool_calls": []}],
        ]
        inputs = [{"prompt": [{"role": "user", "content": "?"}], "label": GOLD}] * len(chats)
        self.assertEqual(self.call_as_trainer(function, inputs, chats), [3.0, -0.5, 3.0, -3.0, -3.0])
        self.assertEqual(function.__name__, "relation")

    def test_prefill_and_columns(self):
        cut = RIGHT.removeprefix("<think>")
        self.assertEqual(rewards.trl(rewards.r1_re(), prefill="<think>")(["p"], [cut], gold=[GOLD]), [3.0])
        by_column = rewards.trl(rewards.r1_re(), prefill_column="begun")
        self.assertEqual(by_column(["p"] * 2, [cut, RIGHT], gold=[GOLD] * 2, begun=["<think>", ""]), [3.0, 3.0])
        self.assertEqual(rewards.trl(rewards.format(), gold=None)(prompts=["p"], completions=[RIGHT]), [1.0])
        with self.assertRaisesRegex(ValueError, "r1_re: found columns .*'label'.*, expected 'gold' among them"):
            rewards.trl(rewards.r1_re())(["p"], [RIGHT], label=[GOLD])

    def test_triples_of_a_data_set(self):
        function = rewards.trl(rewards.triples(), gold="facts")
        facts = [[["Paris", "capital of", "France"]], [{"subject": "a", "relation": "b", "object": "c"}], []]
        answers = [well_formed("Paris | capital of | France"), well_formed("a | b | c"), well_formed("")]
        self.assertEqual(function(["p"] * 3, answers, facts=facts), [3.0, 3.0, 3.0])


class Verl(unittest.TestCase):
    def test_signature_and_values(self):
        compute_score = rewards.verl(rewards.r1_re())
        self.assertEqual(compute_score.__name__, "compute_score")
        self.assertEqual(list(inspect.signature(compute_score).parameters)[:4],
                         ["data_source", "solution_str", "ground_truth", "extra_info"])
        found = compute_score(data_source="semeval2010", solution_str=RIGHT, ground_truth=GOLD, extra_info={"index": 7})
        self.assertEqual((found, type(found)), (3.0, float))
        self.assertEqual(compute_score("semeval2010", SWAPPED, GOLD), -0.5)
        self.assertEqual(pickle.loads(pickle.dumps(compute_score))("semeval2010", SWAPPED, GOLD), -0.5)

    def test_what_cannot_be_scored(self):
        compute_score = rewards.verl(rewards.r1_re())
        with self.assertRaisesRegex(rewards.RewardError, "gold label 'Nonsense' is no label"):
            compute_score("semeval2010", RIGHT, "Nonsense")
        with self.assertRaisesRegex(rewards.RewardError, "not_applicable"):
            compute_score("semeval2010", RIGHT, None)
        self.assertEqual(rewards.verl(rewards.r1_re(), missing=-3)("semeval2010", RIGHT, None), -3.0)

    def test_details_always_have_the_same_keys(self):
        compute_score = rewards.verl(rewards.r1_re(), details=["format", "metric"])
        right, broken = (compute_score("semeval2010", text, GOLD) for text in (RIGHT, "?"))
        self.assertEqual(list(right), list(broken))
        self.assertEqual((right["score"], right["format"], right["metric"], right["passed"]), (3.0, 1.0, 2.0, 1.0))
        self.assertEqual((broken["score"], broken["reward_class"], broken["passed"]), (-3.0, "bad_format", 0.0))
        self.assertTrue(math.isnan(broken["metric"]))

    def test_data_sources(self):
        by_source = {"semeval2010": rewards.r1_re(), "facts": rewards.triples()}
        compute_score = rewards.verl(by_source)
        self.assertEqual(compute_score("facts", well_formed("a | b | c"), [["a", "b", "c"]]), 3.0)
        with self.assertRaisesRegex(ValueError, "found data source 'gsm8k', expected one of .*'facts', 'semeval2010'"):
            compute_score("gsm8k", RIGHT, GOLD)
        batched = rewards.verl_batch(by_source)
        found = batched(data_sources=["facts", "semeval2010", "facts", "semeval2010"],
                        solution_strs=[well_formed("a | b | c"), SWAPPED, "?", RIGHT],
                        ground_truths=["a | b | c", GOLD, "a | b | c", GOLD], extra_infos=[None] * 4)
        self.assertEqual(found, [3.0, -0.5, -3.0, 3.0])

    def test_batch_equals_single_calls(self):
        rows = synthetic_rows()
        texts, golds = [row.get("prefill", "") + completion_of(row) for row in rows], [row["gold"] for row in rows]
        sources, extras = ["semeval2010"] * len(rows), [{"index": i} for i in range(len(rows))]
        for settings in ({}, {"details": ["format"]}):
            batch = rewards.verl_batch(rewards.r1_re(), **settings)
            single = rewards.verl(rewards.r1_re(), **settings)
            self.assertEqual(
                batch(data_sources=sources, solution_strs=texts, ground_truths=golds, extra_infos=extras),
                [single(*arguments) for arguments in zip(sources, texts, golds, extras)])
        with self.assertRaisesRegex(ValueError, "1 data sources, 2 solutions and 1 ground truths"):
            batch(data_sources=["x"], solution_strs=texts[:2], ground_truths=golds[:1])


if __name__ == "__main__":
    unittest.main()
