// SPDX-License-Identifier: MIT
/// @file
/// The backend under test.  The tests of ops are written once, against the names here; built as they are they test
/// rlvr::cpu::context, built with RLVR_TEST_CUDA rlvr::cuda::context, on a GPU or on an emulated one.
///
/// Every op runs through `test::execute`, which also counts; a program ends with the line
/// "conformance of <backend>: <n> ops, <m> cases", a case being one execution of an op.
#pragma once

#if defined(RLVR_TEST_CUDA)
#  include <rlvr/cuda.cuh>
#else
#  include <rlvr/cpu.hpp>
#endif

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <support/storage.hpp>

namespace test {

#if defined(RLVR_TEST_CUDA)

using context = rlvr::cuda::context;
inline constexpr bool on_cuda = true;
inline constexpr std::string_view backend_name = "cuda";

/// The context under test; one for the whole program, because its scratch memory is large.
[[nodiscard]] inline context& make_context(std::size_t /*threads*/) {
  static context shared;
  return shared;
}

#else

using context = rlvr::cpu::context;
inline constexpr bool on_cuda = false;
inline constexpr std::string_view backend_name = "cpu";

/// A context of its own.  Bind it with `auto&&`: other backends return a reference.
[[nodiscard]] inline context make_context(std::size_t threads) { return context(threads); }

#endif

/// Threads of the runs whose results must have the same bits.  Where threads are not ours to choose, running twice is
/// what is left of the promise.
#if defined(RLVR_TEST_CUDA)
inline constexpr std::size_t thread_counts[] = {1, 1};
#else
inline constexpr std::size_t thread_counts[] = {1, 2, 3};
#endif

/// An extent of a large case: `reduced` where kernels run emulated, some fifty times slower.
[[nodiscard]] constexpr std::size_t scale(std::size_t full, std::size_t reduced) { return on_cuda ? reduced : full; }

namespace detail {

/// Executions of each op; printed when the program ends.
class conformance_record {
 public:
  static conformance_record& instance() {
    static conformance_record record;
    return record;
  }
  void add(std::string_view op) {
    auto const found = executions_.find(op);
    ++(found != executions_.end() ? found : executions_.emplace(op, 0).first)->second;
  }
  conformance_record(conformance_record const&) = delete;
  conformance_record& operator=(conformance_record const&) = delete;

 private:
  conformance_record() { std::cout.flush(); }  // cout is alive as long as this is
  ~conformance_record() {
    std::size_t cases = 0;
    for (auto const& [op, count] : executions_) cases += count;
    std::cout << "conformance of " << backend_name << ": " << executions_.size() << " ops, " << cases << " cases";
    char const* separator = " (";
    for (auto const& [op, count] : executions_) {
      std::cout << separator << op << " " << count;
      separator = ", ";
    }
    std::cout << ")" << std::endl;
  }

  std::map<std::string, std::size_t, std::less<>> executions_;
};

/// "rms_norm" for rlvr::ops::rms_norm; an op's template arguments are left out.
template <class Op>
[[nodiscard]] std::string_view name_of_op() {
  std::string_view name = __PRETTY_FUNCTION__;
  name.remove_prefix(std::min(name.size(), name.find("ops::") + 5));
  return name.substr(0, name.find_first_of("<;]"));
}

}  // namespace detail

/// Runs an op and returns when its results are there.
template <class Op>
void execute(context& where, Op const& op) {
  rlvr::execute(where, op);
#if defined(RLVR_TEST_CUDA)
  where.synchronize();
#endif
  detail::conformance_record::instance().add(detail::name_of_op<Op>());
}

}  // namespace test
