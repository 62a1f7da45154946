// SPDX-License-Identifier: MIT
/// @file
/// Checkpoints of a run: weights, moments, state.  Published atomically and verified when read (format/
/// checkpoint_folder.hpp): a killed run continues from the last one that is whole.
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/format/checkpoint_folder.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/format/safetensors.hpp>
#include <rlvr/format/safetensors_writer.hpp>
#include <rlvr/train/learner.hpp>
#include <rlvr/train/trainer.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace r1_re {

/// Writes flat arrays of the model's length as one safetensors file.
template <class Context>
void save_arrays(std::string const& path, Context& context,
                 std::vector<std::pair<std::string, std::span<float const>>> const& arrays) {
  std::vector<std::vector<float>> host;
  std::vector<rlvr::format::named_tensor> tensors;
  for (auto const& [name, values] : arrays) {
    host.emplace_back(values.size());
    context.download(host.back().data(), values.data(), values.size());
  }
  for (std::size_t i = 0; i < arrays.size(); ++i)
    tensors.push_back({.name = arrays[i].first, .shape = {host[i].size()}, .values = host[i]});
  rlvr::format::write_safetensors(path, std::move(tensors));
}

/// Reads them back.  @throws format_error if an array is absent or has another length
template <class Context>
void load_arrays(std::string const& path, Context& context,
                 std::vector<std::pair<std::string, std::span<float>>> const& arrays) {
  rlvr::format::safetensors_file const file(path);
  for (auto const& [name, values] : arrays) {
    std::vector<float> host(values.size());
    file.read_f32(name, host);
    context.upload(values.data(), host.data(), host.size());
  }
}

/// The checkpoints of a run's folder.
class checkpoint_store {
 public:
  explicit checkpoint_store(std::string root) : root_(std::move(root)) {}

  /// Removes all checkpoints: a new run starts.  @throws io_error
  void clear() const {
    std::error_code code;
    std::filesystem::remove_all(root_, code);
    if (code) throw rlvr::io_error(root_, "cannot remove: " + code.message());
  }

  /// @throws io_error; then the checkpoints of before are as they were
  template <class Context>
  void save(rlvr::train::learner<Context> const& model, rlvr::train::run_state const& state) const {
    rlvr::format::checkpoint_writer writer(root_, "step_" + std::to_string(state.step), 2);
    save_arrays(writer.file_path("state.safetensors"), model.context(),
                {{"weights", model.weights().arena()},
                 {"first_moment", model.first_moment()},
                 {"second_moment", model.second_moment()}});
    nlohmann::ordered_json const object{{"step", state.step},
                                        {"phase", state.phase},
                                        {"phase_step", state.phase_step},
                                        {"num_tokens", state.num_tokens},
                                        {"updates", model.updates()}};
    writer.write_file("state.json", object.dump(2) + "\n");
    writer.commit();
  }

  /// Loads the newest whole checkpoint into the model; nullopt if there is none.
  /// @param notes  receives a line for every checkpoint that was passed over
  template <class Context>
  [[nodiscard]] std::optional<rlvr::train::run_state> load_latest(rlvr::train::learner<Context>& model,
                                                                  std::vector<std::string>& notes) const {
    auto const found = rlvr::format::find_latest_valid(root_, &notes);
    if (!found) return std::nullopt;
    notes = found->notes;
    load_arrays(found->path + "/state.safetensors", model.context(),
                {{"weights", model.weights().arena()},
                 {"first_moment", model.first_moment()},
                 {"second_moment", model.second_moment()}});
    std::string const path = found->path + "/state.json";
    nlohmann::json const value = rlvr::format::read_json(path);
    rlvr::format::json_object const object(value, path);
    auto const count = [&](char const* key) {
      return static_cast<std::uint64_t>(object.integer(key, 0, std::numeric_limits<std::int64_t>::max()));
    };
    model.set_updates(static_cast<std::int64_t>(count("updates")));
    return rlvr::train::run_state{.step = count("step"),
                                  .phase = count("phase"),
                                  .phase_step = count("phase_step"),
                                  .num_tokens = count("num_tokens")};
  }

 private:
  std::string root_;
};

}  // namespace r1_re
