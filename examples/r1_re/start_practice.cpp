// SPDX-License-Identifier: MIT
#include "start_practice.hpp"

#include <rlvr/core/random.hpp>
#include <rlvr/report/console.hpp>
#include <rlvr/report/json_lines_sink.hpp>
#include <rlvr/report/sinks.hpp>
#include <rlvr/rl/schedule.hpp>
#include <rlvr/train/sft.hpp>
#include <rlvr/train/trainer.hpp>

#include "checkpoint.hpp"
#include "guideline_json.hpp"
#include "run_report.hpp"
#include "scoring.hpp"
#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace r1_re {
namespace {

/// One lesson of the curriculum.  Looking things up is learnt first on lines of random tokens, where nothing else can
/// lower the loss, then on invented words, then in sentences.
struct lesson {
  std::string_view name;
  double share;              ///< of all steps
  std::size_t token_sheets;  ///< lines of random tokens, to be repeated in another order
  std::size_t word_sheets;   ///< cue lines of an invented guideline, to be repeated in another order
  std::size_t guidelines;    ///< invented guidelines with sentences to annotate
  std::size_t most_relations;
};

constexpr std::array<lesson, 4> curriculum{{
    {"random lines", 0.26, 48, 0, 0, 0},
    {"cue lines", 0.20, 16, 12, 0, 8},
    {"short guidelines", 0.24, 4, 3, 6, 5},
    {"guidelines", 0.30, 4, 3, 6, 10},
}};

constexpr std::uint64_t default_steps = 2500;
constexpr std::size_t sentences_per_guideline = 8;
constexpr std::uint64_t reserved_for_tokenizer = 1u << 20;  ///< practice tasks from here on train the tokenizer

/// The dialogue of the start: cue lines, reasoned answers.
[[nodiscard]] dialogue practice_dialogue() { return {.prompt = "lexicon", .reasoned = true}; }

[[nodiscard]] rlvr::text::tokenizer practice_tokenizer(std::uint64_t seed) {
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < 400; ++i) {
    task const invented = practice_as_task(embedded::make_practice_task(seed, reserved_for_tokenizer + i));
    for (std::string& text : tokenizer_texts(invented, practice_dialogue())) texts.push_back(std::move(text));
  }
  return train_tokenizer(texts, 1024);
}

/// Makes the groups of one step.
class lesson_writer {
 public:
  lesson_writer(model_parts const& parts, std::uint64_t seed) : parts_(parts), seed_(seed) {}

  [[nodiscard]] std::vector<rlvr::train::sft_group> groups(lesson const& plan, std::uint64_t step) const {
    std::vector<rlvr::train::sft_group> result;
    rlvr::random_stream random(seed_, step);
    for (std::size_t i = 0; i < plan.token_sheets; ++i) result.push_back(token_sheet(random));
    std::uint64_t index = step * 64;
    for (std::size_t i = 0; i < plan.word_sheets; ++i) result.push_back(word_sheet(plan, index++, random));
    for (std::size_t i = 0; i < plan.guidelines; ++i) result.push_back(guideline(plan, index++, i, random));
    return result;
  }

 private:
  using lines = std::vector<std::vector<std::int32_t>>;

  template <class Values>
  static void shuffle(Values& values, rlvr::random_stream& random) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random.below(i)]);
  }

  [[nodiscard]] static std::vector<std::int32_t> joined(lines const& sheet) {
    std::vector<std::int32_t> result;
    for (auto const& line : sheet) result.insert(result.end(), line.begin(), line.end());
    return result;
  }

  /// The sheet, and twice the same lines in another order.
  [[nodiscard]] static rlvr::train::sft_group repetition(lines sheet, rlvr::random_stream& random) {
    rlvr::train::sft_group group{.prefix = joined(sheet), .examples = {}};
    for (int i = 0; i < 2; ++i) {
      shuffle(sheet, random);
      group.examples.push_back({.prompt = {}, .response = joined(sheet)});
    }
    return group;
  }

  [[nodiscard]] rlvr::train::sft_group token_sheet(rlvr::random_stream& random) const {
    lines sheet(4 + random.below(5));
    auto const added = static_cast<std::uint64_t>(parts_.tokenizer->definition().added.size());
    auto const words = static_cast<std::uint64_t>(parts_.tokenizer->vocab_size()) - added;
    for (auto& line : sheet) {
      line.resize(3 + random.below(4));
      for (std::int32_t& token : line) token = static_cast<std::int32_t>(added + random.below(words));
    }
    return repetition(std::move(sheet), random);
  }

  [[nodiscard]] static embedded::practice_options options(lesson const& plan, std::size_t sentences) {
    return {.min_relations = 2,
            .max_relations = plan.most_relations,
            .min_cues = 1,
            .max_cues = 3,
            .sentences = sentences,
            .held_out_frames = false};
  }

  /// A guideline's cue lines in any order, so that their order says nothing.
  [[nodiscard]] lines cue_sheet(rlvr::text::guideline const& guide, rlvr::random_stream& random) const {
    lines sheet;
    for (auto const& relation : guide.relations)
      for (auto const& cue : relation.cues)
        sheet.push_back(parts_.tokenizer->encode(rlvr::text::cue_line(cue, relation.name)));
    shuffle(sheet, random);
    return sheet;
  }

  [[nodiscard]] rlvr::train::sft_group word_sheet(lesson const& plan, std::uint64_t index,
                                                  rlvr::random_stream& random) const {
    task const invented = practice_as_task(embedded::make_practice_task(seed_, index, options(plan, 1)));
    return repetition(cue_sheet(invented.guide, random), random);
  }

  /// A guideline with sentences; every third is of the size of the two domains.
  [[nodiscard]] rlvr::train::sft_group guideline(lesson const& plan, std::uint64_t index, std::size_t place,
                                                 rlvr::random_stream& random) const {
    embedded::practice_options sizes = options(plan, sentences_per_guideline);
    if (plan.most_relations > 8 && place % 3 == 0) sizes.min_relations = sizes.max_relations = 8, sizes.min_cues = 3;
    task const invented = practice_as_task(embedded::make_practice_task(seed_, index, sizes));
    encoded_task encoded = encode(invented, practice_dialogue(), *parts_.tokenizer);
    encoded.prefix = joined(cue_sheet(invented.guide, random));
    std::vector<std::size_t> all(encoded.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    return supervised_group(encoded, all, practice_dialogue(), *parts_.tokenizer, parts_.stop_ids.at(0));
  }

  model_parts const& parts_;
  std::uint64_t seed_;
};

}  // namespace

void practise(practice_run const& options) {
  std::uint64_t const steps = options.steps ? options.steps : default_steps;
  model_parts parts =
      random_model(scratch_model(3, 128, 4, 384, 1024), practice_tokenizer(options.seed), options.seed, 0.05);
  rlvr::cpu::context context(options.threads);
  rlvr::train::learner<rlvr::cpu::context> model(context, parts.config);
  context.upload(model.weights().arena().data(), parts.weights.data(), parts.weights.size());
  rlvr::text::guideline const general = read_guideline(std::string(RLVR_R1_RE_FOLDER) + "/data/general_guideline.json");
  encoded_task const general_test =
      encode(read_task("general", general, std::string(RLVR_R1_RE_FOLDER) + "/data/general_test.txt"),
             practice_dialogue(), *parts.tokenizer);

  auto sink = rlvr::report::tee(rlvr::report::console_sink{}, rlvr::report::json_lines_sink::create(options.output));
  lesson_writer const writer(parts, options.seed);
  rlvr::cosine_schedule const schedule{
      .warmup_steps = 100, .total_steps = static_cast<std::int64_t>(steps), .final_factor = 0.05};
  std::uint64_t done = 0;
  rlvr::train::trainer<decltype(sink)> trainer(sink, {}, {}, [&](rlvr::train::run_state const& state) {
    done = state.step;
    save_model(options.output + "/start", model, parts, practice_dialogue());
  });
  for (lesson const& plan : curriculum) {
    auto const count = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(plan.share * static_cast<double>(steps)));
    trainer.phase(
        count, [] {},
        [&](std::uint64_t step) {
          std::vector<rlvr::train::sft_group> const groups = writer.groups(plan, done + step);
          rlvr::train::step_record record = rlvr::train::sft_step(
              model, groups,
              {.rule = {.learning_rate = 3e-3, .beta1 = 0.9, .beta2 = 0.98, .epsilon = 1e-8, .weight_decay = 0.05},
               .factor = schedule(static_cast<std::int64_t>(done + step) + 1),
               .max_grad_norm = 1.0});
          if (plan.guidelines && step % 200 == 199)
            add_figures(record, "general",
                        evaluate(model, general_test, practice_dialogue(), parts, {.samples = 1}).figures);
          return record;
        });
  }
  sink.close();
}

}  // namespace r1_re
