# SPDX-License-Identifier: MIT
"""Rewards of rlvr for trainers that are written in Python.

    import rlvr_rewards as rewards

    reward = rewards.r1_re("semeval2010")
    reward.score(completions, labels)             # [3.0, -0.5, None, ...]
    reward.breakdown(completions, labels)         # class, parts and diagnosis of each

    rewards.trl(reward, gold="label")             # f(prompts, completions, **columns) -> list[float | None]
    rewards.verl(reward)                          # compute_score(data_source, solution_str, ground_truth, extra_info)
    rewards.verl_batch(reward)                    # the same for lists

Scoring runs in C++ threads while other Python threads go on.  A wrong setting raises ValueError.  No completion raises:
what can't be scored is None (or what `missing` of the verl functions says), never 0.
"""

import json
import os
import warnings
from collections.abc import Mapping

from . import _core


class RewardError(ValueError):
    """Some sample could not be scored, and the caller asked to hear of it."""


class Guideline:
    """The annotation guideline of a task: its labels are those that rewards know.

    source: "semeval2010"; or the path of a JSON file as `r1_re --guideline` reads it; or a dict of that form.
    """

    def __init__(self, source):
        if isinstance(source, Guideline):
            self._json, self._name = source._json, source._name
        elif isinstance(source, Mapping):
            self._json, self._name = json.dumps(dict(source)), "guideline"
        elif isinstance(source, str) and source == "semeval2010":
            self._json, self._name = None, source
        else:
            try:
                self._name = os.fsdecode(source)
            except TypeError:
                raise ValueError(f"guideline: found {source!r}, expected 'semeval2010', a path or a dict") from None
            with open(source, "rb") as file:
                self._json = file.read()
        self._build()

    def _build(self):
        if self._json is None:
            self._core = _core.guideline_of_semeval2010()
        else:
            self._core = _core.guideline_from_json(self._json, self._name)

    title = property(lambda self: self._core.title)
    labels = property(lambda self: self._core.labels, doc="Every label, in the guideline's order.")

    def __getstate__(self):
        return {"_json": self._json, "_name": self._name}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._build()

    def __repr__(self):
        return f"Guideline({self._name!r})"


_SWITCHES = ("text_outside_allowed", "empty_think_allowed", "think_optional")
_TAGS = {"think_open": "<think>", "think_close": "</think>", "answer_open": "<answer>", "answer_close": "</answer>"}
_POLICIES = {
    "strict": {},
    "lenient": {"text_outside_allowed": True},
    "answer_only": {"empty_think_allowed": True, "think_optional": True},
}


def _policy(policy):
    """A policy by its name, or a dict with some of the switches and tags of text::response_policy."""
    if isinstance(policy, str):
        if policy not in _POLICIES:
            raise ValueError(f"policy: found {policy!r}, expected one of {', '.join(_POLICIES)}, or a dict")
        policy = _POLICIES[policy]
    if not isinstance(policy, Mapping):
        raise ValueError(f"policy: found {policy!r}, expected one of {', '.join(_POLICIES)}, or a dict")
    unknown = [key for key in policy if key not in _SWITCHES and key not in _TAGS]
    if unknown:
        raise ValueError(f"policy: unknown key {unknown[0]!r}, expected some of {', '.join((*_SWITCHES, *_TAGS))}")
    switches = [bool(policy.get(key, False)) for key in _SWITCHES]
    return _core.Policy(*switches, [policy.get(key, tag) for key, tag in _TAGS.items()])


def _guideline(guideline):
    return None if guideline is None else Guideline(guideline)._core


class Reward:
    """A reward; made by the functions of this module.  It can be pickled (a guideline file travels with it)."""

    def __init__(self, recipe, core):
        self._recipe = recipe
        self._core = core

    name = property(lambda self: self._core.name, doc="Its name in metrics and in the paths of parts.")

    def score(self, completions, golds=None, prefills=None, threads=0, on_error="none"):
        """The rewards, in order: list[float | None]; see `breakdown` for the arguments.

        None: the reward doesn't apply (no gold answer) or failed (a gold answer that isn't one).  Failures give a
        RuntimeWarning, or with on_error="raise" a RewardError.
        """
        if on_error not in ("none", "raise"):
            raise ValueError(f"on_error: found {on_error!r}, expected 'none' or 'raise'")
        values, failures, diagnosis = self._core.score(*_batch(completions, golds, prefills, threads))
        if failures:
            message = f"{self.name}: {failures} of {len(values)} completions could not be scored: {diagnosis}"
            if on_error == "raise":
                raise RewardError(message)
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        return values

    def breakdown(self, completions, golds=None, prefills=None, threads=0):
        """A dict for each completion: reward (float or None), status (value, not_applicable, error, timed_out),
        class (correct, wrong_label, bad_format, ...), passed, parts (a dict of numbers) and diagnosis.

        completions: texts (str or bytes) or lists of chat messages.
        golds: for each a label, a list of triples, or None; or one label for all.
        prefills: what the prompt wrote of the response already: for each, or one text for all.
        threads: at most so many; 0: as many as pay.  Results don't depend on it.
        """
        return self._core.breakdown(*_batch(completions, golds, prefills, threads))

    def __reduce__(self):
        return _rebuild, self._recipe

    def __repr__(self):
        function, arguments = self._recipe
        return f"{function}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def _rebuild(function, arguments):
    return Reward((function, arguments), _BUILDERS[function](**arguments))


def completion_text(completion):
    """The text that is scored: a str or bytes as it is; of chat messages what the assistant says, in order, as one text
    (so a second answer in a later message is a second answer).  Messages of other roles are left out."""
    if isinstance(completion, (str, bytes)):
        return completion
    texts = []
    for message in [completion] if isinstance(completion, Mapping) else completion:
        if not isinstance(message, Mapping):
            raise TypeError(f"completion: found {message!r}, expected a text or chat messages")
        if message.get("role", "assistant") != "assistant":
            continue
        content = message.get("content")
        if isinstance(content, str):
            texts.append(content)
        elif content is not None:
            texts.extend(part["text"] for part in content if part.get("type", "text") == "text")
    return "".join(texts)


def _spread(value, count, empty):
    if value is None or isinstance(value, (str, bytes)):
        return [empty if value is None else value] * count
    return list(value)


def _batch(completions, golds, prefills, threads):
    if isinstance(completions, (str, bytes)):
        raise ValueError("completions: found one text, expected a list of them")
    if not isinstance(threads, int) or not 0 <= threads <= 4096:
        raise ValueError(f"threads: found {threads!r}, expected 0 to 4096")
    texts = [completion_text(each) for each in completions]
    prefills = ["" if each is None else each for each in _spread(prefills, len(texts), "")]
    return texts, _spread(golds, len(texts), None), prefills, threads


# Builders: from the arguments of the functions below to the compiled reward.
_BUILDERS = {
    "r1_re": lambda guideline, policy, **numbers: _core.r1_re(_guideline(guideline), _policy(policy), **numbers),
    "format": lambda policy, **numbers: _core.format(_policy(policy), **numbers),
    "relation_format": lambda guideline, policy, **numbers: _core.relation_format(
        _guideline(guideline), _policy(policy), **numbers),
    "relation_match": lambda guideline, policy, **numbers: _core.relation_match(
        _guideline(guideline), _policy(policy), **numbers),
    "triples": lambda guideline, policy, **numbers: _core.triples(_guideline(guideline), _policy(policy), **numbers),
    "sum": lambda terms: _core.sum([(weight, reward._core) for weight, reward in terms]),
    "stages": lambda rewards: _core.stages([reward._core for reward in rewards]),
    "only_if": lambda gate, reward, otherwise: _core.only_if(gate._core, reward._core, otherwise),
    "clamp": lambda reward, low, high: _core.clamp(reward._core, low, high),
    "scale": lambda reward, factor, offset: _core.scale(reward._core, factor, offset),
    "piecewise": lambda reward, points: _core.piecewise(reward._core, points),
    "named": lambda name, reward: _core.named(name, reward._core),
}


def _reward(place, value):
    if not isinstance(value, Reward):
        raise ValueError(f"{place}: found {value!r}, expected a reward of this module")
    return value


def _number(place, value):
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{place}: found {value!r}, expected a number") from None


def _numbers(place, **values):
    return {name: _number(f"{place}: {name}", value) for name, value in values.items()}


def _known(guideline):
    return None if guideline is None else Guideline(guideline)


def r1_re(guideline="semeval2010", *, policy="strict", format_right=1.0, format_wrong=-3.0, metric_right=2.0,
          metric_wrong=-1.5, invalid_label_is_format_failure=True, directed=True):
    """The staged reward of R1-RE (arXiv 2507.04642): 3, -0.5 or -3 with the published numbers.

    policy: "strict"; "lenient" (text may stand outside the blocks); "answer_only" (reasoning may be absent or empty);
    or a dict with text_outside_allowed, empty_think_allowed, think_optional and the four tags think_open, think_close,
    answer_open and answer_close.
    """
    numbers = _numbers("r1_re", format_right=format_right, format_wrong=format_wrong, metric_right=metric_right,
                       metric_wrong=metric_wrong)
    return _rebuild("r1_re", dict(guideline=_known(guideline), policy=policy, **numbers,
                                  invalid_label_is_format_failure=bool(invalid_label_is_format_failure),
                                  directed=bool(directed)))


def r1_re_robustness(guideline="semeval2010", **settings):
    """The variant of the paper's robustness test: 3, -1 or -3.  Settings are those of `r1_re`."""
    return r1_re(guideline, **{"metric_wrong": -2.0, **settings})


def format(*, policy="strict", right=1.0, wrong=-3.0):
    """The tags of the policy, whatever the answer; asks for no gold answer."""
    return _rebuild("format", dict(policy=policy, **_numbers("format", right=right, wrong=wrong)))


def relation_format(guideline="semeval2010", *, policy="strict", right=1.0, wrong=-3.0):
    """The tags, and some label of the guideline as the answer; asks for no gold answer."""
    return _rebuild("relation_format", dict(guideline=_known(guideline), policy=policy,
                                            **_numbers("relation_format", right=right, wrong=wrong)))


def relation_match(guideline="semeval2010", *, policy="strict", right=2.0, wrong=-1.5, directed=True):
    """`right` for the gold label (directed=False: in either direction), else `wrong`."""
    return _rebuild("relation_match", dict(guideline=_known(guideline), policy=policy,
                                           **_numbers("relation_match", right=right, wrong=wrong),
                                           directed=bool(directed)))


def triples(guideline=None, *, policy="strict", format_right=1.0, format_wrong=-3.0, scale=2.0, entity_weight=0.3,
            triple_weight=0.7):
    """F1 of entities and triples.  Answers list `subject | relation | object`, one a line; gold answers are such texts
    or lists of triples (three texts, or a dict with subject, relation and object).  With a guideline, a relation that
    it lacks makes the answer invalid."""
    numbers = _numbers("triples", format_right=format_right, format_wrong=format_wrong, scale=scale,
                       entity_weight=entity_weight, triple_weight=triple_weight)
    return _rebuild("triples", dict(guideline=_known(guideline), policy=policy, **numbers))


def sum(terms):
    """sum_i w_i r_i of (weight, reward) or (weight, reward, name): one term or more, of different names."""
    checked = []
    for place, term in enumerate(terms):
        if not isinstance(term, (tuple, list)) or len(term) not in (2, 3):
            raise ValueError(f"sum: term {place} is {term!r}, expected (weight, reward) or (weight, reward, name)")
        reward = _reward(f"sum: term {place}", term[1])
        checked.append((_number(f"sum: weight {place}", term[0]), named(term[2], reward) if len(term) == 3 else reward))
    return _rebuild("sum", dict(terms=checked))


def stages(*rewards):
    """r_1 + r_2 + ... up to and including the first that does not pass: one reward or more, of different names."""
    return _rebuild("stages", dict(rewards=[_reward(f"stages: reward {i}", each) for i, each in enumerate(rewards)]))


def only_if(gate, reward, otherwise=0.0):
    """`reward` where `gate` passes, else the number `otherwise`."""
    return _rebuild("only_if", dict(gate=_reward("only_if", gate), reward=_reward("only_if", reward),
                                    otherwise=_number("only_if: otherwise", otherwise)))


def clamp(reward, low, high):
    """The value limited to [low, high]."""
    return _rebuild("clamp", dict(reward=_reward("clamp", reward), **_numbers("clamp", low=low, high=high)))


def scale(reward, factor, offset=0.0):
    """factor * value + offset."""
    return _rebuild("scale", dict(reward=_reward("scale", reward), **_numbers("scale", factor=factor, offset=offset)))


def piecewise(reward, points):
    """Linear between the points (x, y), constant outside them."""
    corners = []
    for place, point in enumerate(points):
        if not isinstance(point, (tuple, list)) or len(point) != 2:
            raise ValueError(f"piecewise: point {place} is {point!r}, expected (x, y)")
        corners.append(tuple(_number(f"piecewise: point {place}", each) for each in point))
    return _rebuild("piecewise", dict(reward=_reward("piecewise", reward), points=corners))


def named(name, reward):
    """The reward under another name."""
    if not isinstance(name, str):
        raise ValueError(f"named: found {name!r}, expected a text")
    return _rebuild("named", dict(name=name, reward=_reward("named", reward)))


from .trainers import trl, verl, verl_batch  # noqa: E402  (needs the names above)
