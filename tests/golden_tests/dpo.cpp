// SPDX-License-Identifier: MIT
// Golden cases of the family dpo: preference losses.
#include <rlvr/rl/preference.hpp>
#include <rlvr/rl/preference_batch.hpp>
#include <rlvr/rl/preference_score.hpp>
#include <rlvr/rl/reference_free.hpp>
#include <rlvr/rl/unpaired_preference.hpp>

#include "case.hpp"
#include "named_preference.hpp"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace golden {
namespace {

namespace preference = rlvr::preference;

// Rows of a padded batch; column t of the log-probabilities has column t + `shift` of the mask.
template <class T>
struct padded {
  padded(test_case<T> const& test, std::size_t shift) {
    auto const log_probs = test.rows("logp");
    auto const references = test.rows("ref_logp");
    auto const masks = test.rows("mask");
    columns = log_probs.at(0).size();
    mask = std::make_unique<bool[]>(log_probs.size() * columns);
    for (std::size_t i = 0; i < log_probs.size(); ++i) {
      log_prob.insert(log_prob.end(), log_probs[i].begin(), log_probs[i].end());
      reference.insert(reference.end(), references.at(i).begin(), references[i].end());
      for (std::size_t t = 0; t < columns; ++t) mask[i * columns + t] = masks.at(i).at(t + shift) != 0;
      std::int64_t counted = 0;
      for (T const m : masks[i]) counted += m != 0 ? 1 : 0;
      lengths.push_back(counted);
      offsets.push_back(static_cast<std::int64_t>((i + 1) * columns));
    }
    gradient.resize(log_prob.size());
  }
  [[nodiscard]] rlvr::preference_rows<T> rows() const {
    return {.log_prob = log_prob,
            .reference_log_prob = reference,
            .mask = {mask.get(), log_prob.size()},
            .offsets = offsets,
            .lengths = lengths};
  }
  [[nodiscard]] std::span<bool const> mask_of(std::size_t row) const { return {mask.get() + row * columns, columns}; }
  template <class Values>
  [[nodiscard]] std::span<T const> row_of(Values const& values, std::size_t row) const {
    return std::span<T const>(values).subspan(row * columns, columns);
  }

  std::size_t columns = 0;
  std::vector<T> log_prob, reference, gradient;
  std::unique_ptr<bool[]> mask;
  std::vector<std::int64_t> offsets{0}, lengths;
};

struct dpo {
  template <class T>
  void operator()(test_case<T>& test) const {
    padded<T> batch(test, 1);
    double const beta = test.parameter("beta");
    std::string const name = test.text("loss_type");
    // `sigmoid` is -log sigmoid(beta x) here, whatever the smoothing says.
    double const smoothing = name == "sigmoid" || name == "sigmoid_norm" ? 0 : test.parameter("label_smoothing", 0);
    rlvr::preference_options const options{.order = rlvr::pair_order::halves,
                                           .tail_weight = test.parameter("ld_alpha", 1)};
    rlvr::preference_rows<T> rows = batch.rows();
    std::vector<T> weights;
    if (test.parameter("weighting", 0) != 0) {
      weights = wpo(test, batch);
      rows.pair_weight = weights;
    }
    std::span<T> const gradient(batch.gradient);
    rlvr::preference_summary found;
    if (name == "aot" || name == "aot_unpaired") {
      auto const kind = name == "aot" ? rlvr::aot_kind::paired : rlvr::aot_kind::unpaired;
      found = with_backend<T>(named_loss{named_loss::kind::sigmoid, beta, smoothing}, [&](answers<T> const& loss) {
        return rlvr::aot_loss(loss, kind, rows, options, gradient);
      });
    } else {
      named_loss const loss =
          read_loss(name == "sigmoid_norm" ? "sigmoid" : name, beta, smoothing, test.parameter("tau", 0.05));
      named_score const score = read_score(test.text("f_divergence"), test.parameter("alpha", 0.5));
      auto const run = [&](answers<T> const& inner) {
        return rlvr::preference_batch_loss(inner, rows, options, gradient);
      };
      found = name == "ipo" || name == "sigmoid_norm"
                  ? with_backend<T>(preference::transformed{score, preference::length_normalised{loss}}, run)
                  : with_backend<T>(preference::transformed{score, loss}, run);
    }
    test.output("loss", found.loss);
    test.output("reward_chosen", beta * found.chosen_log_ratio);
    test.output("reward_rejected", beta * found.rejected_log_ratio);
    test.output("accuracy", found.accuracy);
    test.gradient("logp", batch.gradient);
  }

  template <class T>
  static std::vector<T> wpo(test_case<T> const& test, padded<T> const& batch) {
    std::size_t const rows = batch.lengths.size();
    std::vector<double> means;
    for (std::size_t i = 0; i < rows; ++i) {
      std::vector<T> collisions;
      for (std::size_t t = 0; t < batch.columns; ++t) {
        std::vector<T> logits;
        flatten(test.raw("logits").at(i).at(t), logits);
        collisions.push_back(static_cast<T>(rlvr::wpo_weight::log_collision(std::span<T const>(logits))));
      }
      means.push_back(rlvr::wpo_weight::row_mean(batch.row_of(batch.log_prob, i), std::span<T const>(collisions),
                                                 batch.mask_of(i)));
    }
    std::vector<T> weights;
    for (std::size_t p = 0; p < rows / 2; ++p)
      weights.push_back(static_cast<T>(rlvr::wpo_weight{}(means[p], means[p + rows / 2])));
    return weights;
  }
};

struct dpo_interleaved {
  template <class T>
  void operator()(test_case<T>& test) const {
    padded<T> batch(test, 0);
    auto const keep = test.flat("sample_mask");
    auto const counted = std::make_unique<bool[]>(keep.size() / 2);
    for (std::size_t p = 0; p < keep.size() / 2; ++p) counted[p] = keep[2 * p] != 0;
    rlvr::preference_rows<T> rows = batch.rows();
    rows.pair_mask = {counted.get(), keep.size() / 2};
    rlvr::preference_options const options{.normaliser = test.parameter("global_seqs") / 2 + 1e-8};
    preference::dpo const loss{test.parameter("beta"), test.parameter("label_smoothing", 0)};
    auto const run = [&](answers<T> const& inner) {
      return rlvr::preference_batch_loss(inner, rows, options, std::span<T>(batch.gradient));
    };
    rlvr::preference_summary const found = test.parameter("average", 0) != 0
                                               ? with_backend<T>(preference::length_normalised{loss}, run)
                                               : with_backend<T>(loss, run);
    test.output("loss", found.loss);
    test.output("accuracy", found.accuracy);
    test.gradient("logp", batch.gradient);
  }
};

// Whole responses: log-ratios where there is a reference, log-probabilities where there is none.
template <class T>
std::vector<rlvr::preference_sample<T>> samples_of(test_case<T> const& test) {
  auto const chosen = test.flat("chosen");
  auto const rejected = test.flat("rejected");
  std::vector<rlvr::preference_sample<T>> result;
  for (std::size_t i = 0; i < chosen.size(); ++i) result.push_back({.chosen = chosen[i], .rejected = rejected.at(i)});
  if (test.has("margin")) {
    auto const margin = test.flat("margin");
    for (std::size_t i = 0; i < result.size(); ++i) result[i].margin = margin.at(i);
  }
  if (!test.has("ref_chosen")) return result;
  auto const ref_chosen = test.flat("ref_chosen");
  auto const ref_rejected = test.flat("ref_rejected");
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i].chosen -= ref_chosen.at(i);
    result[i].rejected -= ref_rejected.at(i);
  }
  return result;
}

// Mean over the pairs: loss, losses, gradients.
template <class T>
void compare_mean(test_case<T>& test, std::vector<rlvr::preference_sample<T>> const& samples,
                  std::vector<rlvr::preference_value<T>> const& computed) {
  rlvr::preference_value<T> const* next = computed.data();
  std::vector<rlvr::preference_value<T>> each(samples.size());
  test.output("loss",
              rlvr::mean_preference_loss(answers<T>{.next = &next},
                                         std::span<rlvr::preference_sample<T> const>(samples), 0.0, std::span(each)));
  std::vector<T> losses, d_chosen, d_rejected;
  for (auto const& value : each) {
    losses.push_back(value.value);
    d_chosen.push_back(value.d_chosen);
    d_rejected.push_back(value.d_rejected);
  }
  if (test.expects("losses")) test.output("losses", losses);
  test.gradient("chosen", d_chosen);
  test.gradient("rejected", d_rejected);
}

template <class Loss, class T>
void check_mean(test_case<T>& test, Loss const& loss) {
  auto const samples = samples_of(test);
  compare_mean(test, samples, test::map(loss, samples));
}

struct dpo_seq {
  template <class T>
  void operator()(test_case<T>& test) const {
    double const beta = test.parameter("beta");
    check_mean(
        test, read_loss(test.parameter("ipo", 0) != 0 ? "ipo" : "sigmoid", beta, test.parameter("label_smoothing", 0)));
    std::vector<T> chosen, rejected;
    for (auto const& pair : samples_of(test)) {
      chosen.push_back(static_cast<T>(beta) * pair.chosen);
      rejected.push_back(static_cast<T>(beta) * pair.rejected);
    }
    test.output("rewards_chosen", chosen);
    test.output("rewards_rejected", rejected);
  }
};

struct dpo_seq_variants {
  template <class T>
  void operator()(test_case<T>& test) const {
    std::string const name = test.text("loss_type");
    double const smoothing = name == "sigmoid" ? 0 : test.parameter("label_smoothing", 0);
    check_mean(test, read_loss(name, test.parameter("beta"), smoothing, test.parameter("tau", 0.05)));
  }
};

struct cpo {
  template <class T>
  void operator()(test_case<T>& test) const {
    std::string const name = test.text("loss_type");
    double const beta = test.parameter("beta");
    double const smoothing = test.parameter("label_smoothing", 0);
    double const extra = name == "simpo" ? test.parameter("simpo_gamma", 0.5) : 0.05;
    check_mean(test, preference::transformed{preference::alpha_reward{test.parameter("alpha", 0)},
                                             read_loss(name, beta, smoothing, extra)});
  }
};

struct orpo {
  template <class T>
  void operator()(test_case<T>& test) const {
    preference::orpo const loss{test.parameter("beta")};
    check_mean(test, loss);
    double sum = 0;
    auto const samples = samples_of(test);
    for (auto const& pair : samples)
      sum += static_cast<double>(loss.log_odds(pair.chosen).value - loss.log_odds(pair.rejected).value);
    test.output("log_odds_mean", sum / static_cast<double>(samples.size()));
  }
};

struct reward_pairwise {
  template <class T>
  void operator()(test_case<T>& test) const {
    check_mean(test, preference::bradley_terry{});
  }
};

// Answers for `mean_unpaired_loss`, in its order.
template <class T>
struct unpaired_answers {
  rlvr::unpaired_value<T> const** next = nullptr;

  [[nodiscard]] rlvr::unpaired_value<T> operator()(T, bool) const { return *(*next)++; }
};

// Single responses: {logp, label} or a list of liked and one of other responses.
template <class T>
struct responses {
  explicit responses(test_case<T> const& test) : labelled(test.has("label")) {
    auto const add = [&](char const* policy, char const* reference, unsigned char label) {
      auto const p = test.flat(policy);
      auto const r = test.flat(reference);
      for (std::size_t i = 0; i < p.size(); ++i) {
        log_ratios.push_back(p[i] - r.at(i));
        liked.push_back(label);
      }
    };
    if (labelled) {
      add("logp", "ref_logp", 1);
      auto const labels = test.flat("label");
      for (std::size_t i = 0; i < labels.size(); ++i) liked.at(i) = labels[i] != 0;
    } else {
      add("chosen", "ref_chosen", 1);
      add("rejected", "ref_rejected", 0);
    }
  }

  bool labelled;
  std::vector<T> log_ratios;
  std::vector<unsigned char> liked;
};

template <class T>
void compare_unpaired(test_case<T>& test, responses<T> const& given,
                      std::vector<rlvr::unpaired_value<T>> const& computed) {
  auto const flags = std::make_unique<bool[]>(given.liked.size());
  std::copy(given.liked.begin(), given.liked.end(), flags.get());
  rlvr::unpaired_value<T> const* next = computed.data();
  std::vector<rlvr::unpaired_value<T>> each(computed.size());
  test.output("loss",
              rlvr::mean_unpaired_loss(unpaired_answers<T>{&next}, std::span<T const>(given.log_ratios),
                                       std::span<bool const>(flags.get(), given.liked.size()), 0.0, std::span(each)));
  std::vector<T> losses, gradient;
  for (auto const& value : each) {
    losses.push_back(value.value);
    gradient.push_back(value.d_log_ratio);
  }
  if (test.expects("losses")) test.output("losses", losses);
  if (given.labelled) return test.gradient("logp", gradient);
  auto const border = gradient.begin() + static_cast<std::ptrdiff_t>(test.raw("chosen").size());
  test.gradient("chosen", std::vector<T>(gradient.begin(), border));
  test.gradient("rejected", std::vector<T>(border, gradient.end()));
}

template <class Loss, class T>
void check_unpaired(test_case<T>& test, Loss const& loss) {
  responses<T> const given(test);
  compare_unpaired(test, given, test::map(loss, given.log_ratios, given.liked));
}

struct kto {
  template <class T>
  void operator()(test_case<T>& test) const {
    double const beta = test.parameter("beta");
    double const liked = test.parameter("desirable_weight", 1);
    double const disliked = test.parameter("undesirable_weight", 1);
    if (test.text("loss_type") == "apo_zero_unpaired")
      return check_unpaired(test, preference::apo_zero_unpaired{beta, liked, disliked});
    check_unpaired(test, preference::kto{beta, test.parameter("kl", 0), liked, disliked});
  }
};

struct bco {
  template <class T>
  void operator()(test_case<T>& test) const {
    check_unpaired(test, preference::bco{.beta = test.parameter("beta"), .delta = test.parameter("delta", 0)});
  }
};

}  // namespace

void add_dpo(registry& all) {
  all.add("dpo", "dpo", dpo{});
  all.add("dpo", "dpo_interleaved", dpo_interleaved{});
  all.add("dpo", "dpo_seq", dpo_seq{});
  all.add("dpo", "dpo_seq_variants", dpo_seq_variants{});
  all.add("dpo", "cpo", cpo{});
  all.add("dpo", "orpo", orpo{});
  all.add("dpo", "reward_pairwise", reward_pairwise{});
  all.add("dpo", "kto", kto{});
  all.add("dpo", "bco", bco{});
}

}  // namespace golden
