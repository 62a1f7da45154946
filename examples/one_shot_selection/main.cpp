// SPDX-License-Identifier: MIT
// Selection for 1-shot RLVR (arXiv 2504.20571): accuracy histories -> ranking by variance -> a batch of copies.
//
// The histories come from a made-up run over 12 prompts of growing difficulty: in each of 16 epochs, 8 answers to each
// prompt are drawn at the accuracy that a model of growing skill has on it.  Prompts that the model always or never
// solves show no learning; those that it learnt in the middle of the run vary most.
#include <rlvr/core/random.hpp>
#include <rlvr/data/example_selection.hpp>

#include <cmath>
#include <cstdio>
#include <exception>
#include <vector>

namespace {

constexpr std::size_t prompts = 12;
constexpr std::size_t epochs = 16;
constexpr int answers = 8;

rlvr::data::accuracy_history made_up_run() {
  rlvr::data::accuracy_history history(prompts);
  rlvr::random_stream random(3);
  for (std::size_t epoch = 0; epoch < epochs; ++epoch) {
    double const skill = -6 + 0.7 * static_cast<double>(epoch);
    for (std::size_t prompt = 0; prompt < prompts; ++prompt) {
      double const difficulty = -14 + 2.5 * static_cast<double>(prompt);
      double const accuracy = 1 / (1 + std::exp(difficulty - skill));
      int right = 0;
      for (int answer = 0; answer < answers; ++answer) right += random.uniform() < accuracy ? 1 : 0;
      history.record(prompt, static_cast<double>(right) / answers);
    }
  }
  return history;
}

// Accuracies as one character each: 0 to 8 right answers.
void print_history(rlvr::data::accuracy_history const& history, std::size_t prompt) {
  for (double const accuracy : history[prompt]) std::printf("%d", static_cast<int>(std::lround(accuracy * answers)));
}

}  // namespace

int main() try {
  rlvr::data::accuracy_history const history = made_up_run();
  auto const ranking = rlvr::data::rank_examples(history);
  auto const limr = rlvr::data::limr_scores(history);

  std::printf("rank  prompt  std     LIMR    right answers of 8 in each epoch\n");
  for (std::size_t place = 0; place < ranking.size(); ++place) {
    std::size_t const prompt = ranking[place].example;
    std::printf("%4d  %6d  %.4f  %6.3f  ", static_cast<int>(place + 1), static_cast<int>(prompt),
                std::sqrt(ranking[place].score), limr[prompt]);
    print_history(history, prompt);
    std::printf("\n");
  }

  auto const list = [](char const* title, std::vector<std::size_t> const& indices) {
    std::printf("%s", title);
    for (std::size_t const index : indices) std::printf(" %d", static_cast<int>(index));
    std::printf("\n");
  };
  // Without what was always right or always wrong, over the whole run and in its last four epochs.
  list("\nnot always the same:        ", rlvr::data::select_examples(rlvr::mean_between{}, history));
  list("pass rate 0.1-0.9 at the end:",
       rlvr::data::select_examples(rlvr::data::pass_rate_band{.low = .1, .high = .9}, history, 4));
  list("batch of 16 from pi_1:       ", rlvr::data::replicate_to_batch(ranking, 1, 16));
  list("batch of 16 from pi_1, pi_2: ", rlvr::data::replicate_to_batch(ranking, 2, 16));
} catch (std::exception const& error) {
  std::fprintf(stderr, "one_shot_selection: %s\n", error.what());
  return 1;
}
