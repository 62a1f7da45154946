// SPDX-License-Identifier: MIT
/// @file
/// Samples that outlive whoever made them.
///
/// A call with a time limit may be given up while it runs; its thread then still reads the sample, long after the batch
/// has returned.  So limited scoring (score_pool.hpp) works on copies that own all they refer to.  A sample type says
/// how it is copied:
///
///     struct my_sample {
///       std::string_view completion;  // replaced by a view of a copy:
///       friend void keep(my_sample& sample, batch_memory& memory) { sample.completion =
///       memory.keep(sample.completion); }
///     };
///     struct my_other_sample {
///       static constexpr bool owns = true;  // its copies own all that they need
///       std::string text;
///     };
///
/// Numbers, std::string and `relation_sample` need no declaration.  Any other type is refused when it is compiled.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/reward/concept.hpp>
#include <rlvr/text/guideline.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace reward {

/// Holds copies of texts and objects; what it returns is valid as long as it lives.
class batch_memory {
 public:
  /// A view of a copy.  The same view given twice in a row (the prompt of a group) is copied once.
  [[nodiscard]] std::string_view keep(std::string_view text) {
    if (text.empty()) return {};
    if (text.data() == last_source_.data() && text.size() == last_source_.size()) return last_copy_;
    if (text.size() > room_) {
      room_ = std::max(text.size(), block_size);
      texts_.push_back(std::make_unique_for_overwrite<char[]>(room_));
      free_ = texts_.back().get();
    }
    std::copy(text.begin(), text.end(), free_);
    last_source_ = text;
    last_copy_ = {free_, text.size()};
    free_ += text.size();
    room_ -= text.size();
    return last_copy_;
  }

  /// A copy of *object, made once per object; nullptr stays.  The number of distinct objects should be small: the
  /// search for them is linear.
  template <class Object>
  [[nodiscard]] Object const* keep(Object const* object) {
    if (object == nullptr) return nullptr;
    for (auto const& [source, copy] : objects_) {
      if (source == object) return static_cast<Object const*>(copy.get());
    }
    auto copy = std::make_shared<Object const>(*object);
    objects_.emplace_back(object, copy);
    return copy.get();
  }

 private:
  static constexpr std::size_t block_size = 16384;
  std::vector<std::unique_ptr<char[]>> texts_{};
  char* free_ = nullptr;
  std::size_t room_ = 0;
  std::string_view last_source_{};
  std::string_view last_copy_{};
  std::vector<std::pair<void const*, std::shared_ptr<void const>>> objects_{};
};

/// Makes a sample's views refer to copies in `memory`.
inline void keep(relation_sample& sample, batch_memory& memory) {
  sample.completion = memory.keep(sample.completion);
  sample.prefill = memory.keep(sample.prefill);
  sample.prompt = memory.keep(sample.prompt);
  sample.guide = memory.keep(sample.guide);
}

/// Whether a copy of the sample refers to nothing outside itself: by nature or by declaration.
template <class Sample>
inline constexpr bool owns_all = [] {
  if constexpr (requires { Sample::owns; }) {
    return static_cast<bool>(Sample::owns);
  } else {
    return std::is_arithmetic_v<Sample> || std::is_enum_v<Sample> || std::same_as<Sample, std::string>;
  }
}();

/// A sample type that says how to copy what it refers to.
template <class Sample>
concept ownable_sample = std::copyable<Sample> &&
    (owns_all<Sample> || requires(Sample & sample, batch_memory& memory) { keep(sample, memory); });

/// Copies of samples with all that they refer to.
template <class Sample>
class owned_samples {
  static_assert(ownable_sample<Sample>,
                "this sample type may hold views, and a call that is given up "
                "would read them when they are gone: "
                "declare `static constexpr bool owns = true` or `friend void "
                "keep(Sample&, batch_memory&)` "
                "(owned_samples.hpp)");

 public:
  explicit owned_samples(std::span<Sample const> samples) : samples_(samples.begin(), samples.end()) {
    if constexpr (!owns_all<Sample>) {
      for (Sample& each : samples_) keep(each, memory_);
    }
  }
  // The samples may point into the memory.
  owned_samples(owned_samples const&) = delete;
  owned_samples& operator=(owned_samples const&) = delete;

  [[nodiscard]] std::span<Sample const> all() const noexcept { return samples_; }

 private:
  batch_memory memory_{};
  std::vector<Sample> samples_;
};

}  // namespace reward
RLVR_NAMESPACE_END
