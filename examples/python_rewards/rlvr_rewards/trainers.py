# SPDX-License-Identifier: MIT
"""Rewards in the call shapes of trainers.  The results are objects with a `__name__`, callable and picklable."""

from collections.abc import Mapping

from . import Reward, RewardError, _number, _reward


class _Trl:
    def __init__(self, reward, gold, prefill, prefill_column, threads, on_error, name):
        self.reward = reward
        self.gold = gold
        self.prefill = prefill
        self.prefill_column = prefill_column
        self.threads = threads
        self.on_error = on_error
        self.__name__ = name

    def __call__(self, prompts=None, completions=None, **columns):
        if completions is None:
            raise ValueError(f"{self.__name__}: no completions, expected a list")
        golds = None if self.gold is None else self._column(columns, self.gold, "gold")
        prefills = self.prefill
        if self.prefill_column is not None:
            prefills = self._column(columns, self.prefill_column, "prefill_column")
        return self.reward.score(completions, golds, prefills, self.threads, self.on_error)

    def _column(self, columns, name, setting):
        if name in columns:
            return list(columns[name])
        raise ValueError(f"{self.__name__}: found columns {sorted(columns)}, expected {name!r} among them "
                         f"({setting}=None if the reward needs none)")


def trl(reward, *, gold="gold", prefill="", prefill_column=None, threads=0, on_error="none", name=None):
    """A reward function of TRL: f(prompts, completions, **columns) -> list[float | None].

    gold: the dataset's column with the gold answers; None: there is none.
    prefill: what every prompt wrote of the response already; prefill_column: a column that says it for each.
    name: `__name__` of the result, in TRL's metrics; by default the reward's.
    """
    reward = _reward("trl", reward)
    return _Trl(reward, gold, prefill, prefill_column, threads, on_error, name or reward.name or "reward")


class _Verl:
    def __init__(self, rewards, missing, details, prefill, threads, name):
        self.rewards = rewards
        self.missing = missing
        self.details = details
        self.prefill = prefill
        self.threads = threads
        self.__name__ = name

    def _reward_of(self, data_source):
        if isinstance(self.rewards, Reward):
            return self.rewards
        if data_source not in self.rewards:
            raise ValueError(f"{self.__name__}: found data source {data_source!r}, "
                             f"expected one of {sorted(map(str, self.rewards))}")
        return self.rewards[data_source]

    def _results(self, reward, texts, golds):
        results = []
        for row in reward.breakdown(texts, golds, self.prefill, self.threads):
            score = row["reward"]
            if score is None:
                if self.missing is None:
                    raise RewardError(f"{reward.name}: no reward ({row['status']}): {row['diagnosis']}")
                score = self.missing
            if self.details is None:
                results.append(score)
                continue
            result = {"score": score, "reward_class": row["class"], "passed": float(row["passed"]),
                      "diagnosis": row["diagnosis"]}
            result.update((name, row["parts"].get(name, float("nan"))) for name in self.details)
            results.append(result)
        return results


class _VerlSample(_Verl):
    def __call__(self, data_source, solution_str, ground_truth, extra_info=None, **other):
        return self._results(self._reward_of(data_source), [solution_str], [ground_truth])[0]


class _VerlBatch(_Verl):
    def __call__(self, data_sources, solution_strs, ground_truths, extra_infos=None, **other):
        sources, texts, golds = list(data_sources), list(solution_strs), list(ground_truths)
        if not len(sources) == len(texts) == len(golds):
            raise ValueError(f"{self.__name__}: {len(sources)} data sources, {len(texts)} solutions and {len(golds)} "
                             "ground truths, expected as many of each")
        places = {}  # of each reward's samples
        for place, source in enumerate(sources):
            places.setdefault(id(self._reward_of(source)), []).append(place)
        results = [None] * len(texts)
        for chosen in places.values():
            reward = self._reward_of(sources[chosen[0]])
            scored = self._results(reward, [texts[i] for i in chosen], [golds[i] for i in chosen])
            for place, result in zip(chosen, scored):
                results[place] = result
        return results


def _make(kind, rewards, missing, details, prefill, threads, name):
    if isinstance(rewards, Mapping):
        rewards = {source: _reward(f"{name}: {source}", reward) for source, reward in rewards.items()}
    else:
        rewards = _reward(name, rewards)
    if missing is not None:
        missing = _number(f"{name}: missing", missing)
    if isinstance(details, str):
        raise ValueError(f"{name}: details is {details!r}, expected a list of names of parts")
    return kind(rewards, missing, None if details is None else list(details), prefill, threads, name)


def verl(rewards, *, missing=None, details=None, prefill="", threads=0, name="compute_score"):
    """A reward function of verl: compute_score(data_source, solution_str, ground_truth, extra_info=None) -> float.

    rewards: a reward, or a dict from data sources to rewards.
    missing: the score of what can't be scored (verl has no None); None: RewardError.
    details: names of parts; the result is then a dict with score, reward_class, passed, diagnosis and these parts
    (nan where a part was not reached): always the same keys, as verl's logging wants it.
    """
    return _make(_VerlSample, rewards, missing, details, prefill, threads, name)


def verl_batch(rewards, *, missing=None, details=None, prefill="", threads=0, name="compute_score"):
    """The same for verl's batched reward managers:
    compute_score(data_sources, solution_strs, ground_truths, extra_infos=None) -> list, scored in parallel."""
    return _make(_VerlBatch, rewards, missing, details, prefill, threads, name)
